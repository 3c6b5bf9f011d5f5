//! Rejected documents across runs: each stays listed until it can be read or is gone, and keeps its identity.

use super::*;

/// Returns a run with one page, which has the same name in each run.
fn page(entries: &[Value]) -> Answer {
    let page = Value::Array(entries.to_vec());
    let document = json!({ "id": "reviewed-000001", "page": page.to_string() });
    Answer::Part(vec![document]).changed(|brought| {
        brought
            .documents
            .iter_mut()
            .for_each(|document| document.is_page = true);
    })
}

/// Returns a run with the page of one day, whose name contains the day.
fn page_of_day(day: u32, entries: &[&str]) -> Answer {
    let (count, entries) = (entries.len(), entries.join(","));
    let page = format!(
        r#"{{"resultsPerPage":{count},"startIndex":0,"totalResults":{count},"vulnerabilities":[{entries}]}}"#
    );
    let document = json!({ "id": format!("cves-2026-01-{day:02}-0000-000001"), "page": page });
    Answer::Part(vec![document]).changed(|brought| {
        brought
            .documents
            .iter_mut()
            .for_each(|document| document.is_page = true);
    })
}

/// Returns an entry that is rejected and has no id.
fn nameless(number: u64) -> Value {
    json!({ "schema_version": "1.6.0", "id": number, "affected": [] })
}

async fn world() -> World {
    let world = World::with_feed().await;
    assert!(world.run(Answer::whole(0..50)).await.checked);
    world
}

#[tokio::test]
async fn rejected_page_entry_is_kept_until_the_source_is_read() {
    let world = world().await;
    let run = world.run(page(&[nameless(222), record(1)])).await;
    assert_eq!((run.outcome, run.checked), (FeedRunOutcome::Failed, false));
    // The next page of the same name lacks the entry, which was still never read.
    let run = world.run(page(&[record(2), record(3)])).await;
    assert_eq!((run.outcome, run.checked), (FeedRunOutcome::Imported, true));
    let feed = world.feed().await;
    assert_eq!(feed.rejected, 1);
    assert!(feed.attention.unwrap().contains("reviewed-000001.json#/0"));
    // The same entry is known when it returns; another entry at its place is new.
    assert!(world.run(page(&[nameless(222), record(2)])).await.checked);
    let run = world.run(page(&[nameless(444), record(1)])).await;
    assert_eq!((run.outcome, run.checked), (FeedRunOutcome::Failed, false));
    assert!(
        run.error.unwrap().contains("2 documents"),
        "more than a source of 50 may have"
    );
    // The complete source can be read: no rejection is left.
    assert!(world.run(Answer::whole(0..50)).await.checked);
    assert_eq!(world.feed().await.rejected, 0);
}

#[tokio::test]
async fn rejected_page_entry_is_recognised_by_id_on_later_days() {
    const OTHER: &str = r#"{"cve":{"id":"CVE-2026-1000"}}"#;
    let world = world().await;
    let run = world
        .run(page_of_day(
            1,
            &[OTHER, r#"{"cve":{"id":"CVE-2026-2222","n":01}}"#],
        ))
        .await;
    assert_eq!(
        (run.outcome, run.rejected),
        (FeedRunOutcome::Failed, 1),
        "{run:?}"
    );
    assert!(run.error.unwrap().contains("CVE-2026-2222 in cves-2026-01-01"));
    // It is still rejected on later days, but counted once.
    for day in 2..5 {
        let bad = format!(r#"{{"cve":{{"id":"CVE-2026-2222","n":0{day}}}}}"#);
        let run = world.run(page_of_day(day, &[&bad, OTHER])).await;
        assert_eq!((run.checked, world.feed().await.rejected), (true, 1), "{run:?}");
    }
    // The source repairs the entry.
    let run = world
        .run(page_of_day(6, &[r#"{"cve":{"id":"CVE-2026-2222"}}"#]))
        .await;
    assert_eq!((run.checked, world.feed().await.rejected), (true, 0), "{run:?}");
}

#[tokio::test]
async fn hint_of_a_new_rejection_says_what_the_next_run_does() {
    let world = world().await;
    let run = world.run(page(&[nameless(1), record(1)])).await;
    let error = run.error.unwrap();
    assert!(error.contains("from the next run on they are known"), "{error}");
    assert!(!error.contains("version of this program"), "{error}");
    assert!(world.run(Answer::Unchanged).await.checked, "as it says");
    let run = world.run(page(&[nameless(2), nameless(3), record(1)])).await;
    assert!(run.error.unwrap().contains("each run says this"));
    let run = world.run(Answer::Unchanged).await;
    assert!(run.error.unwrap().contains("each run says this"));
}

#[tokio::test]
async fn dropped_file_is_not_rejected_any_more() {
    let world = world().await;
    let broken = json!({ "id": "EX-3", "page": nameless(3).to_string() });
    world.run(Answer::Part(vec![broken, record(4)])).await;
    assert_eq!(world.feed().await.rejected, 1);
    let gone = |brought: &mut Brought| brought.gone = vec!["EX-3.json".to_owned()];
    world.run(Answer::one(4).changed(gone)).await;
    assert_eq!(world.feed().await.rejected, 0);
}

/// Returns a world in which an incremental input waits for approval. It repairs the only rejected file of the source. The
/// runs have a position.
async fn world_with_suspect_part() -> World {
    let world = World::with_feed().await;
    let mut documents = records(0..49);
    documents.push(json!({ "id": "EX-49", "page": nameless(49).to_string() }));
    world.run(Answer::Whole(documents).moved()).await;
    assert_eq!(world.feed().await.rejected, 1);
    let emptied = |number| {
        let mut record = record(number);
        record["affected"] = json!([]);
        record
    };
    let mut part: Vec<Value> = (0..30).map(emptied).collect();
    part.push(record(49));
    let run = world.run(Answer::Part(part).moved()).await;
    assert_eq!(run.outcome, FeedRunOutcome::Suspect, "{run:?}");
    world
}

#[tokio::test]
async fn approved_increment_clears_rejections_that_it_repairs() {
    let world = world_with_suspect_part().await;
    let run = world.approve().await;
    assert_eq!(run.unwrap().outcome, FeedRunOutcome::Imported);
    assert_eq!(world.feed().await.rejected, 0);
    let run = world.run(Answer::Unchanged).await;
    assert!(run.checked, "the position still applies: {run:?}");
}

#[tokio::test]
async fn increment_approved_after_a_restored_log_sets_no_position() {
    for (key, value) in [("number", json!(9_999)), ("epoch", json!(9_999))] {
        let world = world_with_suspect_part().await;
        let path = world.path("feeds/mine/position.json");
        let mut position: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        position["log"][key] = value;
        fs::write(&path, position.to_string()).unwrap();
        let run = world.approve().await;
        assert_eq!(run.unwrap().outcome, FeedRunOutcome::Imported);
        let run = world.run(Answer::one(1)).await;
        assert!(!run.checked, "the whole is not known any more");
        assert!(run.notes[0].contains("not known any more"), "{:?}", run.notes);
    }
}

/// A record was recorded as absent although a rejected document with another name may contain it.
#[tokio::test]
async fn record_is_not_absent_if_a_rejected_document_may_hold_it() {
    let world = world().await;
    let renamed = |name: &str, page: &str| {
        let mut documents = records(1..50);
        documents.push(json!({ "id": name, "page": page }));
        Answer::Whole(documents)
    };
    // The rejected document contains the record's id, although the rest cannot be read.
    let run = world
        .run(renamed("renamed", r#"{"id": "EX-0", "affected": ["#))
        .await;
    assert_eq!((run.absent, run.rejected), (0, 1), "{run:?}");
    assert!(
        !run.notes
            .iter()
            .any(|note| note.contains("none is called absent"))
    );
    let run = world.run(renamed("renamed", "junk")).await;
    assert_eq!((run.absent, run.rejected), (0, 1), "{run:?}");
    let why = "renamed.json was not taken in, and nothing tells which record it held: none is called absent this time";
    assert!(run.notes.iter().any(|note| note == why), "{run:?}");
    assert_eq!(world.count().await, 50);
    // The rejection is known now, so the source counts as checked; the record stays.
    let run = world.run(renamed("renamed", "junk")).await;
    assert_eq!((run.absent, run.checked), (0, true), "{run:?}");
    // A rejected document with a readable id protects only its own record.
    let own = r#"{"id":"EX-1","affected":7,"aliases":[01]}"#;
    let mut documents = records(2..50);
    documents.push(json!({ "id": "renamed", "page": own }));
    let run = world.run(Answer::Whole(documents)).await;
    assert_eq!((run.absent, world.count().await), (1, 49), "{run:?}");
    let run = world.run(Answer::whole(2..50)).await;
    assert_eq!((run.absent, run.checked), (1, true), "{run:?}");
}

#[tokio::test]
async fn absence_of_dropped_file_is_deferred_by_rejected_document() {
    let world = world().await;
    let gone = |brought: &mut Brought| brought.gone = vec!["EX-3.json".to_owned()];
    let renamed = json!({ "id": "renamed", "page": "junk" });
    let run = world
        .run(Answer::Part(vec![renamed, record(4)]).changed(gone))
        .await;
    assert_eq!((run.absent, run.rejected), (0, 1), "{run:?}");
    let note = run
        .notes
        .iter()
        .find(|note| note.contains("the source dropped EX-3.json"));
    assert!(note.unwrap().contains("renamed.json was not taken in"), "{run:?}");
    assert_eq!(world.count().await, 50);
    // The position forgets the dropped file; the attention text names it until the rejected document can be read.
    for _ in 0..2 {
        let run = world.run(Answer::one(5).moved()).await;
        assert_eq!((run.absent, world.count().await), (0, 50), "{run:?}");
        let matter = world.feed().await.attention.unwrap();
        assert!(
            matter.contains("the records of EX-3.json stay, which mine dropped, since 20")
                && matter.contains("because renamed.json was rejected"),
            "{matter}"
        );
    }
    // A file that the source drops later is absent at once: the rejected document is not new in that run.
    let other = |brought: &mut Brought| brought.gone = vec!["EX-7.json".to_owned()];
    let run = world.run(Answer::one(5).changed(other).moved()).await;
    assert_eq!((run.absent, world.count().await), (1, 49), "{run:?}");
    let repaired = json!({ "id": "renamed", "page": record(60).to_string() });
    let run = world.run(Answer::Part(vec![repaired]).moved()).await;
    assert_eq!((run.absent, run.stored, run.checked), (1, 1, true), "{run:?}");
    assert_eq!((world.count().await, world.feed().await.attention), (49, None));
}

/// Returns a world in which the source dropped a file, and a rejected document may contain its record: the record stays.
async fn world_with_deferred_absence() -> World {
    let world = world().await;
    let gone = |brought: &mut Brought| brought.gone = vec!["EX-3.json".to_owned()];
    let junk = json!({ "id": "renamed", "page": "junk" });
    let run = world
        .run(Answer::Part(vec![junk, record(4)]).changed(gone).moved())
        .await;
    assert_eq!((run.absent, world.count().await), (0, 50), "{run:?}");
    world
}

#[tokio::test]
async fn deferred_absence_is_dropped_if_repaired_document_has_it() {
    let world = world_with_deferred_absence().await;
    let repaired = json!({ "id": "renamed", "page": record(3).to_string() });
    let run = world.run(Answer::Part(vec![repaired]).moved()).await;
    assert_eq!((run.absent, run.checked), (0, true), "{run:?}");
    for _ in 0..2 {
        let run = world.run(Answer::one(5).moved()).await;
        assert_eq!((run.absent, world.count().await), (0, 50), "{run:?}");
    }
    assert_eq!(world.feed().await.attention, None);
}

#[tokio::test]
async fn deferred_absence_applies_after_rejected_document_is_gone() {
    let world = world_with_deferred_absence().await;
    let gone = |brought: &mut Brought| {
        brought.gone = vec!["renamed.json".to_owned()];
        (brought.more, brought.read_to_end) = (true, false);
    };
    let run = world.run(Answer::one(5).changed(gone)).await;
    assert_eq!((run.absent, world.count().await), (0, 50), "{run:?}");
    let matter = world.feed().await.attention.unwrap();
    assert!(matter.contains("was not read to its end since"), "{matter}");
    // A run without documents reads the source to its end: then the absence applies.
    let run = world.run(Answer::Part(Vec::new())).await;
    assert_eq!((run.absent, run.checked), (1, true), "{run:?}");
    assert_eq!((world.count().await, world.feed().await.attention), (49, None));
}

#[tokio::test]
async fn source_with_deferred_absences_is_reported_and_reread() {
    let world = world().await;
    let mut documents = records(1..50);
    documents.push(json!({ "id": "renamed", "page": "junk" }));
    for _ in 0..2 {
        let run = world.run(Answer::Whole(documents.clone()).moved()).await;
        assert_eq!(run.absent, 0, "{run:?}");
        let matter = world.feed().await.attention.unwrap();
        assert!(
            matter.contains("no record of mine is called absent since 20")
                && matter.contains("because renamed.json was rejected"),
            "{matter}"
        );
    }
    let repaired = json!({ "id": "renamed", "page": record(60).to_string() });
    let run = world.run(Answer::Part(vec![repaired]).moved()).await;
    assert_eq!((run.absent, world.count().await), (0, 51), "{run:?}");
    let mut documents = records(1..50);
    documents.push(record(60));
    let run = world.run(Answer::Whole(documents).moved()).await;
    assert!(run.notes[0].contains("everything is fetched"), "{run:?}");
    assert_eq!((run.absent, world.count().await), (1, 50), "{run:?}");
    assert_eq!(world.feed().await.attention, None);
}
