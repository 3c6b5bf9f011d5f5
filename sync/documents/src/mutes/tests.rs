//! The mutes: written, read strictly, folded.

mod one_more;
mod reference;

use std::collections::BTreeSet;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, ObjType};
use proptest::prelude::*;
use starling_protocol::Claim;

use super::*;
use crate::change::{Change, ChangeError, ChangeHash, MAX_CHANGE_BYTES};
use crate::graph::{ClaimedChange, Refusal};

fn site(byte: u8) -> SiteId {
    SiteId::from_bytes([byte; 32])
}

fn text(vulnerability: &str) -> MuteText {
    MuteText {
        vulnerability: vulnerability.to_owned(),
        package: Some("pkg:npm/lodash".to_owned()),
        ecosystem: None,
        sbom: None,
        until: Some(UnixMillis::saturating(1_800_000_000_000)),
        reason: "not reachable: the template engine is not used".to_owned(),
        by: "site-us-west-1/ada".to_owned(),
        created: UnixMillis::saturating(1_700_000_000_000),
    }
}

fn removal(mute: &MuteId) -> RemovalText {
    RemovalText {
        mute: mute.clone(),
        reason: "it is reachable now".to_owned(),
        by: "ben".to_owned(),
        at: UnixMillis::saturating(1_710_000_000_000),
    }
}

/// One site that writes the document, knowing only its own changes.
struct Writer {
    site: SiteId,
    epoch: u32,
    written: Vec<WrittenChange>,
}

impl Writer {
    fn new(byte: u8) -> Self {
        Self {
            site: site(byte),
            epoch: 0,
            written: Vec::new(),
        }
    }

    fn actor(&self) -> Actor {
        Actor::of(&self.site, self.epoch, DOCUMENT)
    }

    fn before(&self) -> Vec<&[u8]> {
        self.written
            .iter()
            .map(|change| change.bytes.as_slice())
            .collect()
    }

    fn mute(&mut self, text: &MuteText) -> MuteId {
        let written = write_mute(self.actor(), &self.before(), text).unwrap();
        self.written.push(written.clone());
        written.id
    }

    fn remove(&mut self, mute: &MuteId) {
        let written = write_removal(self.actor(), &self.before(), &removal(mute)).unwrap();
        self.written.push(written);
    }

    fn claims(&self) -> Vec<ClaimedChange<'_>> {
        let claims = self.written.iter().map(|change| ClaimedChange {
            site: self.site,
            epoch: self.epoch,
            hash: change.hash,
            bytes: &change.bytes,
        });
        claims.collect()
    }
}

/// Returns a handmade change on top of the genesis: one that an author could sign but that our writer would not
/// write.
fn forged(
    actor: Actor,
    make: impl Fn(&mut automerge::transaction::Transaction<'_>, &automerge::ObjId),
) -> Vec<u8> {
    let mut document = merged::load([GENESIS].into_iter()).unwrap();
    document.set_actor(ActorId::from(actor.as_bytes().as_slice()));
    let (_, map) = automerge::ReadDoc::get(&document, automerge::ROOT, MUTES)
        .unwrap()
        .unwrap();
    let mut transaction = document.transaction();
    make(&mut transaction, &map);
    transaction.commit_with(CommitOptions::default().with_time(0));
    document.get_last_local_change().unwrap().raw_bytes().to_vec()
}

fn claim(byte: u8, bytes: &[u8]) -> ClaimedChange<'_> {
    let hash = automerge::Change::try_from(bytes).map_or([0; 32], |change| change.hash().0);
    ClaimedChange {
        site: site(byte),
        epoch: 0,
        hash: ChangeHash::from_bytes(hash),
        bytes,
    }
}

#[test]
fn mute_round_trips_until_it_is_removed() {
    let mut writer = Writer::new(1);
    let full = MuteText {
        ecosystem: Some("npm".to_owned()),
        sbom: Some("web *".to_owned()),
        ..text("CVE-2024-1")
    };
    let bare = MuteText {
        package: None,
        until: None,
        ..text("CVE-2024-2")
    };
    let (first, second) = (writer.mute(&full), writer.mute(&bare));
    let folded = fold_mutes(&writer.claims());
    assert_eq!((folded.waiting.len(), folded.refused.len()), (0, 0));
    assert_eq!(folded.mutes[&first].text, full);
    assert_eq!(folded.mutes[&second].text, bare);
    assert_eq!(folded.in_force(&writer.claims()).of("CVE-2024-2").len(), 1);

    writer.remove(&second);
    writer.remove(&second);
    let folded = fold_mutes(&writer.claims());
    assert_eq!(folded.mutes[&second].removals.len(), 2);
    assert_eq!(folded.in_force(&writer.claims()).of("CVE-2024-2"), []);
    assert_eq!(folded.in_force(&writer.claims()).all().len(), 1);
    // The mute stays readable.
    assert_eq!(folded.mutes[&second].text, bare);
}

#[test]
fn change_fits_a_claim() {
    let long = MuteText {
        vulnerability: "v".repeat(MAX_VULNERABILITY_BYTES),
        package: Some("p".repeat(MAX_PATTERN_BYTES)),
        ecosystem: Some("e".repeat(MAX_PATTERN_BYTES)),
        sbom: Some("s".repeat(MAX_PATTERN_BYTES)),
        reason: "r".repeat(MAX_REASON_BYTES),
        by: "b".repeat(MAX_BY_BYTES),
        ..text("")
    };
    let written = write_mute(Writer::new(1).actor(), &[], &long).unwrap();
    assert!(
        written.bytes.len() < MAX_CHANGE_BYTES / 2,
        "{}",
        written.bytes.len()
    );
    Claim::document_change(
        DOCUMENT,
        *written.hash.as_bytes(),
        &written.bytes,
        UnixMillis::EPOCH,
    )
    .unwrap();
}

#[test]
fn merge_is_lossless_and_removed_site_takes_only_its_own() {
    let (mut west, mut east) = (Writer::new(1), Writer::new(2));
    let of_west = west.mute(&text("CVE-2024-1"));
    let of_east = east.mute(&text("CVE-2024-1"));
    // East removes West's mute, although East's copy of the document never held it.
    east.remove(&of_west);
    let kept = east.mute(&text("CVE-2024-3"));
    let both: Vec<_> = west.claims().into_iter().chain(east.claims()).collect();
    let folded = fold_mutes(&both);
    assert_eq!(folded.applied.len(), 4);
    let in_force: BTreeSet<_> = folded
        .in_force(&both)
        .all()
        .iter()
        .map(|mute| mute.id.clone())
        .collect();
    assert_eq!(in_force, BTreeSet::from([of_east.clone(), kept.clone()]));

    let without_west = fold_mutes(&east.claims());
    assert_eq!(without_west.waiting, [], "nobody's change needs another author's");
    assert_eq!(without_west.strays.len(), 1);
    assert_eq!(
        without_west.mutes.keys().collect::<Vec<_>>(),
        BTreeSet::from([&of_east, &kept]).into_iter().collect::<Vec<_>>()
    );
    let without_east = fold_mutes(&west.claims());
    assert_eq!(without_east.mutes[&of_west].removals, []);
}

#[test]
fn change_waits_for_its_predecessor() {
    let mut writer = Writer::new(1);
    for number in 0..3 {
        writer.mute(&text(&format!("CVE-2024-{number}")));
    }
    let mut claims = writer.claims();
    let missing = claims.remove(1);
    let folded = fold_mutes(&claims);
    assert_eq!(folded.mutes.len(), 1);
    assert_eq!(folded.waiting, [(1, vec![missing.hash])]);
    claims.push(missing);
    assert_eq!(fold_mutes(&claims).mutes.len(), 3);
}

#[test]
fn change_under_foreign_actor_is_refused() {
    let mut writer = Writer::new(1);
    writer.mute(&text("CVE-2024-1"));
    let mut claims = writer.claims();
    claims[0].site = site(2);
    assert!(matches!(
        fold_mutes(&claims).refused[..],
        [(0, Refusal::OtherActor { .. })]
    ));
    let mut claims = writer.claims();
    claims[0].epoch = 1;
    assert!(matches!(
        fold_mutes(&claims).refused[..],
        [(0, Refusal::OtherActor { .. })]
    ));
    let mut claims = writer.claims();
    claims[0].hash = ChangeHash::from_bytes([9; 32]);
    assert!(matches!(
        fold_mutes(&claims).refused[..],
        [(0, Refusal::OtherHash { .. })]
    ));
}

#[test]
fn duplicate_change_numbers_apply_once_in_any_order() {
    let writer = Writer::new(1);
    let one = write_mute(writer.actor(), &[], &text("CVE-2024-1")).unwrap();
    let other = write_mute(writer.actor(), &[], &text("CVE-2024-2")).unwrap();
    let (one, other) = (claim(1, &one.bytes), claim(1, &other.bytes));
    let folded = fold_mutes(&[one, other]);
    assert_eq!(folded.mutes.len(), 1);
    assert!(matches!(
        folded.refused[..],
        [(_, Refusal::SameNumber { sequence: 1 })]
    ));
    let turned = fold_mutes(&[other, one]);
    assert_eq!(turned.in_force(&[other, one]), folded.in_force(&[one, other]));
}

#[test]
fn change_beyond_mutes_is_refused_by_name() {
    let actor = Actor::of(&site(1), 0, DOCUMENT);
    let id = MuteId::of(actor, 1);
    let fields = [("vulnerability", "CVE-1"), ("reason", "r"), ("by", "b")];
    let entry =
        |transaction: &mut automerge::transaction::Transaction<'_>, map: &automerge::ObjId, key: &str| {
            let entry = transaction.put_object(map, key, ObjType::Map).unwrap();
            for (key, value) in fields {
                transaction.put(&entry, key, value).unwrap();
            }
            transaction
                .put(&entry, "created", automerge::ScalarValue::Timestamp(1))
                .unwrap();
            entry
        };
    let good = forged(actor, |transaction, map| {
        entry(transaction, map, id.as_str());
    });
    assert_eq!(fold_mutes(&[claim(1, &good)]).mutes.len(), 1);
    let bad: Vec<(&str, Vec<u8>)> = vec![
        (
            "unknown field",
            forged(actor, |transaction, map| {
                let entry = entry(transaction, map, id.as_str());
                transaction.put(&entry, "paths", "/test/*").unwrap();
            }),
        ),
        (
            "may only add",
            forged(actor, |transaction, map| {
                entry(transaction, map, "0000000000000000-1");
            }),
        ),
        (
            "outside the entry",
            forged(actor, |transaction, map| {
                entry(transaction, map, id.as_str());
                transaction.put(map, "x", "y").unwrap();
            }),
        ),
        (
            "lacks the time",
            forged(actor, |transaction, map| {
                let entry = transaction.put_object(map, id.as_str(), ObjType::Map).unwrap();
                for (key, value) in fields {
                    transaction.put(&entry, key, value).unwrap();
                }
            }),
        ),
        (
            "out of range",
            forged(actor, |transaction, map| {
                let entry = entry(transaction, map, id.as_str());
                transaction
                    .put(&entry, "until", automerge::ScalarValue::Timestamp(-1))
                    .unwrap();
            }),
        ),
        (
            "control characters",
            forged(actor, |transaction, map| {
                let entry = entry(transaction, map, id.as_str());
                transaction.put(&entry, "package", "a\u{1b}[2Jb").unwrap();
            }),
        ),
        (
            "neither a text nor a time",
            forged(actor, |transaction, map| {
                let entry = entry(transaction, map, id.as_str());
                transaction.put(&entry, "package", 5).unwrap();
            }),
        ),
        (
            "entries of others",
            forged(actor, |transaction, _| {
                transaction.put(automerge::ROOT, MUTES, "gone").unwrap();
            }),
        ),
        (
            "something other than adding",
            forged(actor, |transaction, map| {
                transaction.put_object(map, id.as_str(), ObjType::List).unwrap();
            }),
        ),
    ];
    for (expected, bytes) in bad {
        let folded = fold_mutes(&[claim(1, &bytes)]);
        let [(0, refusal)] = &folded.refused[..] else {
            panic!("{expected}: {folded:?}");
        };
        assert!(refusal.to_string().contains(expected), "{expected}: {refusal}");
        assert!(folded.mutes.is_empty());
    }
}

#[test]
fn compressed_change_is_refused_before_decompression() {
    let writer = Writer::new(1);
    let written = write_mute(writer.actor(), &[], &text("CVE-2024-1")).unwrap();
    let mut change = automerge::Change::try_from(written.bytes.as_slice()).unwrap();
    let compressed = change.bytes().into_owned();
    assert_ne!(
        compressed, written.bytes,
        "long enough that Automerge compresses it"
    );
    let compressed_error = Err(ChangeError::NotUsed {
        does: "is compressed",
    });
    assert_eq!(Change::read(&compressed), compressed_error);
}

#[test]
fn ids_are_read_strictly() {
    let id = MuteId::of(Actor::of(&site(1), 0, DOCUMENT), 12);
    assert_eq!(MuteId::parse(id.as_str()), Some(id));
    for text in [
        "",
        "-1",
        "0123456789abcdef-0",
        "0123456789abcdef-01",
        "0123456789ABCDEF-1",
        "0123456789abcdef",
    ] {
        assert_eq!(MuteId::parse(text), None, "{text}");
    }
}
