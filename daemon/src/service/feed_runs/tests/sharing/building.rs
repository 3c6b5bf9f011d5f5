//! What a site states when others state records of the same source, and on whose records it builds.

use super::*;
use crate::service::feeds::ImportOptions;

/// Returns the note of a run that says why everything is fetched.
fn anew(run: &FeedRun) -> Option<&str> {
    let is_it = |note: &&String| note.contains("everything is fetched");
    run.notes.iter().find(is_it).map(String::as_str)
}

/// Returns an answer that is a part of a source which is read in several runs; after the last one it was read to its end.
fn in_parts(records: Vec<Value>, is_last: bool) -> Answer {
    Answer::Part(records).changed(move |brought| {
        brought.position = position();
        (brought.read_to_end, brought.more, brought.from_start) = (is_last, !is_last, is_last);
    })
}

#[tokio::test]
async fn successor_takes_over_after_three_intervals() {
    let [a, b] = &met().await;
    a.run(Answer::whole(0..1_000).moved()).await;
    b.hear(a, HOUR);
    b.look(HOUR + PATIENCE - 1);
    assert!(!b.is_wanted());
    b.look(HOUR + PATIENCE);
    assert!(b.is_wanted());
    let by = b.feed().await.fetched_by.unwrap();
    assert_eq!((by.here, by.reason), (true, FetchReason::Overdue));
    let mut later = records(2..1_001);
    for record in &mut later[..3] {
        record["summary"] = json!("changed");
    }
    let before = b.claims();
    let run = b.run(Answer::Whole(later.clone())).await;
    assert_eq!((run.stored, run.absent, run.unchanged), (4, 2, 995));
    assert!(run.checked);
    assert_eq!(b.claims() - before, 7, "six records, and on whose it builds");
    a.take(b);
    assert_eq!((a.count().await, b.count().await), (999, 999));
    // The first one is back: it reads everything anew, because what it knew of the source was replaced.
    a.look(HOUR);
    assert!(a.is_wanted());
    let before = a.claims();
    let run = a.run(Answer::Whole(later)).await;
    assert_eq!((run.stored, run.absent, run.checked), (0, 0, true));
    assert_eq!(
        a.claims() - before,
        1,
        "that it builds on the other one's records"
    );
    assert!(
        anew(&run).unwrap().contains("another site stated something"),
        "{run:?}"
    );
    a.look(2 * HOUR);
    b.hear(a, HOUR + PATIENCE + 1);
    assert!(!b.is_wanted());
}

#[tokio::test]
async fn position_is_given_up_when_others_stated_something() {
    let [a, b] = &pair().await;
    a.run(Answer::whole(0..5).moved()).await;
    meet([a, b], 0);
    let first = a.run(Answer::whole(0..5).moved()).await;
    assert!(anew(&first).unwrap().contains("another site offers"), "{first:?}");
    let next = a.run(Answer::Unchanged.moved()).await;
    assert_eq!((anew(&next), next.checked), (None, true));
    // Another site fetched meanwhile: while that is not here, nothing of it is known.
    b.take(a);
    b.run(Answer::whole(0..6)).await;
    assert_eq!(anew(&a.run(Answer::Unchanged.moved()).await), None);
    a.take(b);
    let part = a.run(Answer::one(9).moved()).await;
    assert!(
        anew(&part).unwrap().contains("another site stated something"),
        "{part:?}"
    );
    let whole = a.run(Answer::whole(0..7).moved()).await;
    assert_eq!((anew(&whole), whole.stored, whole.absent), (None, 1, 1));
    // The other one is not believed any more: what only it stated is gone with it, and is stated here.
    let slug = b.chain().slug().clone();
    a.site.0.data.store.unlist_site(&slug).unwrap();
    a.look(PATIENCE);
    let again = a.run(Answer::whole(0..7).moved()).await;
    assert!(
        anew(&again).unwrap().contains("no other site offers"),
        "{again:?}"
    );
    assert_eq!((again.stored, a.count().await), (1, 7));
    assert!(a.rests_on().is_empty());
}

#[tokio::test]
async fn withdrawn_offer_still_says_on_whose_records_it_builds() {
    let [a, b] = &fetched().await;
    b.run(Answer::whole(0..6)).await;
    b.remove_feed().await;
    b.look(1);
    let offer = b.own_offer().unwrap();
    assert!(!offer.is_offered && offer.rests_on.contains_key(&a.id()));
    // By itself again, it states the whole source.
    b.add_feed().await;
    a.remove_feed().await;
    a.look(2);
    b.take(a);
    let run = b.run(Answer::whole(0..6)).await;
    assert_eq!((run.stored, run.unchanged), (5, 1));
    b.look(3);
    assert!(b.rests_on().is_empty());
}

#[tokio::test]
async fn part_does_not_forget_on_whom_the_whole_was_built() {
    let [a, b] = &fetched().await;
    b.run(Answer::whole(0..6)).await;
    let rests_on = b.rests_on();
    assert!(rests_on.contains_key(&a.id()));
    // The other one is accepted no more, and offers still: a part says nothing of what it stated.
    let (spec, store) = (b.site.0.live.feeds.spec(&name()).unwrap(), &b.site.0.data.store);
    let shared = b.site.0.shared(&spec).unwrap();
    assert!(shared.is_some());
    store
        .update_listed_site(a.chain().slug(), |listed| listed.enabled = false)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("EX-9.json"), record(9).to_string()).unwrap();
    let options = ImportOptions {
        shared,
        ..ImportOptions::default()
    };
    let input = starling_feeds::input::Source::path(folder.path());
    b.site.0.import_input(&spec.source, input, &options).unwrap();
    assert_eq!(b.rests_on(), rests_on);
    assert_eq!(b.checked_at().await, None, "what it was built on is not here");
}

#[tokio::test]
async fn source_that_is_read_in_parts_by_one_site_alone_is_checked() {
    for is_empty in [false, true] {
        let [a, b] = &met().await;
        // Nobody else states anything of it.
        a.run(in_parts(records(0..3), false)).await;
        assert!(a.run(in_parts(records(3..6), true)).await.checked);
        b.take(a);
        b.run(Answer::whole(0..7).moved()).await;
        assert!(!b.rests_on().is_empty());
        // The other one offers no more: the source is read anew, in parts.
        a.remove_feed().await;
        a.look(1);
        b.hear(a, PATIENCE);
        b.run(in_parts(records(0..4), false)).await;
        assert!(!b.rests_on().is_empty(), "not all of it was read");
        let mut rest = records(4..7);
        if is_empty {
            b.run(in_parts(std::mem::take(&mut rest), false)).await;
        }
        let last = b.run(in_parts(rest, true)).await;
        assert_eq!((last.checked, last.code), (true, None));
        assert!(b.rests_on().is_empty());
        let slug = a.chain().slug().clone();
        b.site.0.data.store.unlist_site(&slug).unwrap();
        assert!(b.checked_at().await.is_some(), "all of it is its own");
        assert_eq!(b.count().await, 7);
    }
}

#[tokio::test]
async fn unused_check_is_named_with_the_missing_statements() {
    let [a, b] = &met().await;
    // It lists the successor alone, and has no feed.
    let c = World::builder().named("site-c").build();
    c.list(b);
    a.run(Answer::whole(0..5)).await;
    b.take(a);
    b.run(Answer::whole(0..6)).await;
    c.hear(b, 0);
    let (author, missing) = (b.chain().slug().to_string(), a.id().to_string());
    let is_told = |text: &str| {
        text.contains(&format!("the check of {author} of mine does not count here"))
            && text.contains(&missing)
    };
    let status = c.site.status().await.unwrap();
    let part = status
        .parts
        .iter()
        .find(|part| part.part.as_str() == "feeds")
        .unwrap();
    assert!(is_told(&part.detail), "{part:?}");
    let check = c.site.0.feeds_check().unwrap();
    assert!(is_told(&check.found), "{check:?}");
    c.list(a);
    c.hear(a, 1);
    assert!(c.site.0.feeds_check().is_none());
}

#[tokio::test]
async fn intermittent_offer_does_not_restart_reading() {
    let [a, b] = &met().await;
    a.run(Answer::whole(0..5).moved()).await;
    for minute in 1..4 {
        b.remove_feed().await;
        b.look(minute);
        a.hear(b, minute);
        assert_eq!(anew(&a.run(Answer::Unchanged.moved()).await), None);
        b.add_feed().await;
        b.look(minute);
        a.hear(b, minute);
        assert_eq!(anew(&a.run(Answer::Unchanged.moved()).await), None);
    }
    b.remove_feed().await;
    b.look(4);
    a.hear(b, 3 + PATIENCE);
    let run = a.run(Answer::Unchanged.moved()).await;
    assert!(anew(&run).unwrap().contains("no other site offers"), "{run:?}");
}
