//! Automerge is the reference: it reads and merges what is written here, and what is accepted here.

use super::*;

#[test]
fn genesis_equals_automerge_output() {
    let mut document = Automerge::new();
    document.set_actor(ActorId::from(Actor::genesis(DOCUMENT).as_bytes().as_slice()));
    let mut transaction = document.transaction();
    transaction
        .put_object(automerge::ROOT, MUTES, ObjType::Map)
        .unwrap();
    transaction
        .put_object(automerge::ROOT, REMOVALS, ObjType::Map)
        .unwrap();
    transaction.commit_with(CommitOptions::default().with_time(0));
    let change = document.get_last_local_change().unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(change.raw_bytes()), hex(GENESIS));
    assert_eq!(Change::read(GENESIS).unwrap(), genesis());
}

/// Generates actions of sites, in any order: the site, and the mute to remove, if any.
fn histories() -> impl Strategy<Value = Vec<(u8, Option<prop::sample::Index>)>> {
    prop::collection::vec((1..4_u8, prop::option::of(any::<prop::sample::Index>())), 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Automerge is the reference: its merge holds exactly the folded entries, without a conflict.
    #[test]
    fn fold_equals_automerge_merge_in_any_order(
        history in histories(),
        seed in any::<u64>(),
    ) {
        let mut writers: Vec<Writer> = (1..4).map(Writer::new).collect();
        let mut ids: Vec<MuteId> = Vec::new();
        for (number, (who, target)) in history.into_iter().enumerate() {
            let writer = &mut writers[usize::from(who) - 1];
            match target {
                Some(target) if !ids.is_empty() => writer.remove(target.get(&ids)),
                _ => ids.push(writer.mute(&text(&format!("CVE-2024-{number}")))),
            }
        }
        let claims: Vec<_> = writers.iter().flat_map(Writer::claims).collect();
        let mut shuffled = claims.clone();
        let mut state = seed;
        for at in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, usize::try_from(state >> 33).unwrap() % (at + 1));
        }
        let (folded, turned) = (fold_mutes(&claims), fold_mutes(&shuffled));
        prop_assert_eq!(folded.in_force(&claims), turned.in_force(&shuffled));
        prop_assert_eq!(folded.mutes.len(), ids.len());

        let merged = merged_entries(shuffled.iter().map(|claim| claim.bytes)).unwrap();
        let removals: usize = folded.mutes.values().map(|mute| mute.removals.len()).sum();
        prop_assert_eq!(merged.len(), ids.len() + removals);
        for (id, mute) in &folded.mutes {
            let entry = &merged[&(MUTES.to_owned(), id.to_string())];
            prop_assert_eq!(&entry["vulnerability"], &mute.text.vulnerability);
            prop_assert_eq!(&entry["reason"], &mute.text.reason);
            prop_assert_eq!(&entry["created"], &mute.text.created.as_millis().to_string());
            prop_assert!(entry.keys().all(|key| !key.contains("conflict")));
        }
    }

    #[test]
    fn change_decoder_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Change::read(&bytes);
    }

    /// Damages the chunk and corrects its checksum, as an author could.
    #[test]
    fn accepted_altered_changes_are_read_by_automerge(
        edits in prop::collection::vec((any::<prop::sample::Index>(), altered_bytes()), 1..4),
    ) {
        let writer = Writer::new(1);
        let mut bytes = write_mute(writer.actor(), &[], &text("CVE-2024-1")).unwrap().bytes;
        for (at, value) in edits {
            let at = 8 + at.index(bytes.len() - 8);
            bytes[at] = value;
        }
        automerge_agrees(bytes);
    }
}

/// Generates any byte, and more often those of lengths and of the heads of runs.
fn altered_bytes() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), 0..10_u8, 0x70..0x82_u8]
}

/// Compares a change with Automerge if the strict decoder accepts it.
fn automerge_agrees(mut bytes: Vec<u8>) {
    use sha2::Digest;
    let hash: [u8; 32] = sha2::Sha256::digest(&bytes[8..]).into();
    bytes[4..8].copy_from_slice(&hash[..4]);
    let Ok(read) = Change::read(&bytes) else { return };
    let change = automerge::Change::try_from(bytes.as_slice()).unwrap();
    assert_eq!(change.hash().0, *read.hash.as_bytes());
    assert_eq!(change.seq(), read.sequence);
    assert_eq!(change.len(), read.operations.len());
    // Encoded again, as when a document is saved, it keeps its name.
    let again = automerge::Change::from(change.decode());
    assert_eq!(again.hash().0, *read.hash.as_bytes());
    let claimed = [claim(1, &bytes)];
    let folded = fold_mutes(&claimed);
    // Automerge merges every change that was applied.
    if folded.applied == [0] {
        let merged = merged_entries([bytes.as_slice()]).unwrap();
        assert_eq!(merged.len(), 1);
    }
}

#[test]
fn altered_byte_is_refused_or_read_like_automerge() {
    let writer = Writer::new(1);
    let clean = write_mute(writer.actor(), &[], &text("CVE-2024-1"))
        .unwrap()
        .bytes;
    let text_begins = clean.windows(8).position(|window| window == b"site-us-").unwrap();
    // Within texts one value is as good as all; before them every value is tried.
    for at in 8..clean.len() {
        let values = if at < text_begins { 0..=255_u8 } else { 0x7f..=0x80 };
        for value in values {
            let mut bytes = clean.clone();
            bytes[at] = value;
            automerge_agrees(bytes);
        }
    }
}
