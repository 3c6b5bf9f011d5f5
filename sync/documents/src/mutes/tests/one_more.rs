//! One more change: folded alone, or written by a writer that is kept, it equals the whole.

use super::*;

#[test]
fn kept_writer_writes_what_a_new_one_would() {
    let mut fresh = Writer::new(1);
    let mut kept = MuteWriter::load(fresh.actor(), &[]).unwrap();
    for number in 0..4 {
        let text = text(&format!("CVE-2024-{number}"));
        assert!(kept.follows(
            fresh.actor(),
            fresh.written.len(),
            fresh.written.last().map(|change| change.hash)
        ));
        let id = fresh.mute(&text);
        let written = kept.mute(&text).unwrap();
        assert_eq!(Some(&written), fresh.written.last());
        assert_eq!(written.id, id);
    }
    assert!(!kept.follows(fresh.actor(), 3, fresh.written.get(2).map(|change| change.hash)));
    assert!(!kept.follows(
        Writer::new(2).actor(),
        4,
        fresh.written.last().map(|change| change.hash)
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever two sites write, and wherever the new change stands, one more folds as all at once do.
    #[test]
    fn one_more_change_folds_as_all_of_them_at_once(steps in proptest::collection::vec((any::<bool>(), 0_u8..4), 1..12), at_front in any::<bool>()) {
        let (mut a, mut b) = (Writer::new(1), Writer::new(2));
        let mut ids: Vec<MuteId> = Vec::new();
        for (number, (is_a, what)) in steps.iter().enumerate() {
            let writer = if *is_a { &mut a } else { &mut b };
            match ids.get(number / 2).filter(|_| *what == 0).cloned() {
                Some(id) => writer.remove(&id),
                None => ids.push(writer.mute(&text(&format!("CVE-2024-{number}")))),
            }
        }
        let last_is_a = steps.last().is_some_and(|(is_a, _)| *is_a);
        let (own, other) = if last_is_a { (&a, &b) } else { (&b, &a) };
        let own = own.claims();
        let (newest, earlier) = own.split_last().unwrap();
        let mut all: Vec<ClaimedChange<'_>> = earlier.to_vec();
        all.extend(other.claims());
        let added = if at_front { 0 } else { all.len() };
        let before = fold_mutes(&all).renumbered(|index| index + usize::from(index >= added));
        all.insert(added, *newest);
        let whole = fold_mutes(&all);
        if let Some(folded) = fold_one_more(before, &all, added) {
            let applied: BTreeSet<usize> = folded.applied.iter().copied().collect();
            prop_assert_eq!(applied, whole.applied.iter().copied().collect());
            prop_assert_eq!(&folded.mutes, &whole.mutes);
            prop_assert_eq!(folded.in_force(&all), whole.in_force(&all));
            prop_assert!(whole.waiting.is_empty() && whole.refused.is_empty());
        } else {
            // Only a removal of a mute that is not here is left to the whole fold.
            prop_assert!(!whole.strays.is_empty());
        }
    }

    /// A change that is not simply the next one of its author is left to the whole fold.
    #[test]
    fn change_that_does_not_follow_is_not_folded_alone(skipped in 0_usize..3) {
        let mut a = Writer::new(1);
        for number in 0..4 {
            a.mute(&text(&format!("CVE-2024-{number}")));
        }
        let mut claims = a.claims();
        claims.remove(skipped);
        let newest = claims.pop().unwrap();
        let before = fold_mutes(&claims);
        let added = claims.len();
        claims.push(newest);
        prop_assert!(fold_one_more(before, &claims, added).is_none());
    }
}
