//! Raw documents: kept as they were fetched, and found by record.

use super::*;

#[tokio::test]
async fn document_of_a_record_is_given_as_it_was_fetched() {
    let world = World::with_feed().await;
    let run = world.run(Answer::whole(0..3)).await;
    assert_eq!(run.notes, Vec::<String>::new());
    let (document, bytes) = world.raw("EX-1").await.unwrap();
    assert_eq!(bytes, record(1).to_string().into_bytes());
    assert_eq!(
        (
            document.name.as_str(),
            document.address.as_str(),
            document.is_stated
        ),
        ("EX-1.json", "https://example.org/EX-1.json", true)
    );
    assert_eq!(document.validator.as_deref(), Some("\"v1\""));
    assert_eq!(document.fetched_at.to_string(), "2025-01-01T00:00:00.000Z");
    // A newer version replaces it.
    let mut changed = record(1);
    changed["modified"] = "2025-03-01T00:00:00Z".into();
    world.run(Answer::Part(vec![changed.clone()])).await;
    let (document, bytes) = world.raw("EX-1").await.unwrap();
    assert_eq!(
        (bytes, document.is_stated),
        (changed.to_string().into_bytes(), true)
    );
    // From a list, the item with the record is returned.
    let list = json!([record(7), record(8)]).to_string();
    world
        .run(Answer::Part(vec![json!({ "id": "page", "page": list })]))
        .await;
    let (document, bytes) = world.raw("EX-8").await.unwrap();
    assert_eq!(document.name, "page.json#/1");
    assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), record(8));
    assert!(!world.path("raw/reading").exists());
    let unknown = world.raw("EX-99").await.unwrap_err();
    assert_eq!(unknown.code, ErrorCode::AdvisoryNotFound);
    // The documents are deleted with their feed.
    world.remove_feed().await;
    let gone = world.raw("EX-1").await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::RawNotKept);
    assert!(gone.detail.contains("feeds import"), "{gone}");
    let index = fs::read_to_string(world.path("raw/index.ndjson")).unwrap();
    assert!(!index.contains("EX-1"), "{index}");
}

#[tokio::test]
async fn documents_that_cannot_be_kept_are_a_note_and_no_failure() {
    let world = World::with_feed().await;
    fs::write(world.path("raw"), "no folder").unwrap();
    let run = world.run(Answer::whole(0..3)).await;
    assert_eq!((run.outcome, run.stored), (FeedRunOutcome::Imported, 3));
    assert!(run.notes[0].contains("could not be kept"), "{:?}", run.notes);
    assert_eq!(world.raw("EX-1").await.unwrap_err().code, ErrorCode::FileAccess);
}

#[tokio::test]
async fn nothing_is_kept_without_a_budget() {
    let world = World::builder().setting("store.raw_bytes", "0").with_feed().await;
    let run = world.run(Answer::whole(0..3)).await;
    assert_eq!(run.notes, Vec::<String>::new());
    assert!(!world.path("raw").exists());
    let problem = world.raw("EX-1").await.unwrap_err();
    assert_eq!(problem.code, ErrorCode::RawNotKept);
    assert!(problem.detail.contains("store.raw_bytes"), "{problem}");
}

#[tokio::test]
async fn documents_missed_because_of_a_kill_are_kept_next_time() {
    let at = |brought: &mut Brought| {
        brought.position =
            starling_fetch::Position::from_json(br#"{"version":1,"until_ms":{"a":1}}"#).unwrap();
    };
    let world = World::with_feed().await;
    let kill = &world.site.0.live.feeds.is_killed;
    kill.store(true, std::sync::atomic::Ordering::SeqCst);
    let killed = world
        .run(Answer::Changed(
            Box::new(Answer::Whole(records(0..3))),
            Box::new(at),
        ))
        .await;
    assert_eq!(killed.outcome, FeedRunOutcome::Failed);
    // The records are in the log, but neither the documents nor the position were stored.
    assert_eq!(world.count().await, 3);
    assert_eq!(world.raw("EX-1").await.unwrap_err().code, ErrorCode::RawNotKept);
    assert!(!world.path("feeds/mine/position.json").exists());
    let next = world
        .run(Answer::Changed(
            Box::new(Answer::Whole(records(0..3))),
            Box::new(at),
        ))
        .await;
    assert_eq!((next.outcome, next.unchanged), (FeedRunOutcome::Imported, 3));
    let (_, bytes) = world.raw("EX-1").await.unwrap();
    assert_eq!(bytes, record(1).to_string().into_bytes());
    assert!(world.path("feeds/mine/position.json").exists());
}
