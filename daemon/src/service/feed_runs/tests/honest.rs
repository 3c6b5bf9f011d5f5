//! Runs that must not count as read, checked or clean.

use starling_api_types::AdvisoryState;
use tokio_util::sync::CancellationToken;

use super::*;

#[tokio::test]
async fn partly_read_source_is_a_failure_and_its_records_stay() {
    let world = World::with_feed().await;
    let unread = |brought: &mut Brought| {
        brought.read_to_end = false;
        brought.unread = Some("500 rows are not understood".to_owned());
    };
    world.run(Answer::whole(0..3)).await;
    let before = world.checked_at().await;
    for answer in [Answer::one(7), Answer::Unchanged] {
        let run = world.run(answer.changed(unread)).await;
        assert_eq!((run.outcome, run.checked), (FeedRunOutcome::Failed, false));
        assert!(run.error.unwrap().contains("500 rows are not understood"));
    }
    assert_eq!((world.count().await, world.checked_at().await), (4, before));
    let feed = world.feed().await;
    assert_eq!(feed.state, FeedState::Failing);
    assert!(feed.attention.unwrap().contains("does not count as checked"));
    assert!(world.run(Answer::Unchanged).await.checked);
}

#[tokio::test]
async fn source_read_in_parts_needs_attention_until_it_is_checked() {
    let world = World::with_feed().await;
    let more = |brought: &mut Brought| {
        brought.more = true;
        brought.read_to_end = false;
    };
    let run = world.run(Answer::part(0..3).changed(more)).await;
    assert_eq!((run.outcome, run.checked), (FeedRunOutcome::Imported, false));
    let matter = world.feed().await.attention.unwrap();
    assert!(matter.contains("never read whole"), "{matter}");
    let from_start = |brought: &mut Brought| brought.from_start = true;
    let run = world.run(Answer::part(3..5).changed(from_start)).await;
    assert!(run.checked);
    assert_eq!(world.feed().await.attention, None);
    assert!(world.run(Answer::Unchanged).await.checked);
}

#[tokio::test]
async fn position_is_given_up_after_the_log_was_restored() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..3)).await;
    let path = world.path("feeds/mine/position.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(kept["log"]["number"].as_u64().unwrap() >= 1, "{kept}");
    kept["position"]["until_ms"] = json!({ "a": 1 });
    for (key, value) in [("number", json!(9_999)), ("epoch", json!(9_999))] {
        let mut newer = kept.clone();
        newer["log"][key] = value;
        fs::write(&path, newer.to_string()).unwrap();
        let run = world.run(Answer::one(7)).await;
        assert!(!run.checked);
        assert!(
            run.notes[0].contains("log was restored or replaced"),
            "{:?}",
            run.notes
        );
    }
}

#[tokio::test]
async fn manual_import_resets_the_position() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..3).moved()).await;
    let input = starling_api::Upload::Path(world.path("one.json"));
    fs::write(world.path("one.json"), record(1).to_string()).unwrap();
    let options = serde_json::from_value(json!({ "complete": true, "approve": true })).unwrap();
    let report = world
        .site
        .import_feed("mine".parse().unwrap(), input, options)
        .await
        .unwrap();
    assert_eq!(report.absent, 2);
    let run = world.run(Answer::one(7)).await;
    assert!(!run.checked);
    assert!(run.notes[0].contains("imported by hand"), "{:?}", run.notes);
}

#[tokio::test]
async fn input_without_records_is_a_failure_at_any_size() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..3)).await;
    let page = json!({ "id": "A", "page": "{\"error\":\"maintenance\"}" });
    let run = world.run(Answer::Part(vec![page])).await;
    assert_eq!(
        (run.outcome, run.code, run.checked),
        (FeedRunOutcome::Failed, Some(ErrorCode::FeedEmpty), false)
    );
}

#[tokio::test]
async fn part_of_a_source_makes_nothing_absent() {
    let world = World::builder().build();
    let part = FeedAdd {
        complete: Some(false),
        ..add("mine")
    };
    world.site.add_feed(part).await.unwrap();
    world.run(Answer::whole(0..3)).await;
    let gone = |brought: &mut Brought| brought.gone = vec!["EX-1.json".to_owned()];
    let run = world.run(Answer::one(7).changed(gone)).await;
    assert_eq!((run.stored, run.absent), (1, 0));
    let run = world.run(Answer::Part(Vec::new()).changed(gone)).await;
    assert_eq!((run.outcome, run.absent), (FeedRunOutcome::Unchanged, 0));
    assert_eq!(world.count().await, 4);
}

/// Returns a document that is rejected.
fn bad(id: &str) -> Value {
    json!({ "id": id, "page": "{\"schema_version\":\"1.6.0\",\"id\":7,\"affected\":[]}" })
}

#[tokio::test]
async fn rejected_document_fails_one_run_and_stays_listed() {
    let world = World::with_feed().await;
    let input = || {
        let mut documents = records(0..30);
        documents.push(bad("BAD-1"));
        documents
    };
    let run = world.run(Answer::Whole(input())).await;
    assert_eq!(
        (run.outcome, run.checked, run.rejected),
        (FeedRunOutcome::Failed, false, 1)
    );
    assert!(run.error.as_ref().unwrap().contains("BAD-1.json"), "{run:?}");
    assert_eq!(world.count().await, 30, "the rest is taken in");
    // A known rejected document is listed, and does not make the source stale.
    assert!(world.run(Answer::Whole(input())).await.checked);
    assert!(world.run(Answer::Unchanged).await.checked);
    let feed = world.feed().await;
    assert_eq!((feed.state, feed.rejected), (FeedState::Ok, 1));
    let matter = feed.attention.unwrap();
    assert!(
        matter.contains("BAD-1.json") && matter.contains("not known here"),
        "{matter}"
    );
    let checks = world
        .site
        .0
        .doctor(starling_api_types::DoctorRequest::default())
        .unwrap()
        .checks;
    let told = checks.iter().find(|check| check.name == "feeds").unwrap();
    assert!(told.ok && told.found.contains("BAD-1.json"), "{told:?}");
    // A second rejected document is new; a repaired one is no longer listed.
    let run = world.run(Answer::Part(vec![bad("BAD-2"), record(31)])).await;
    assert_eq!((run.outcome, run.checked), (FeedRunOutcome::Failed, false));
    assert!(world.run(Answer::whole(0..32)).await.checked);
    assert_eq!(world.feed().await.attention, None);
}

#[tokio::test]
async fn many_rejected_documents_are_never_a_check() {
    let world = World::with_feed().await;
    let input = || {
        let mut documents = records(0..20);
        documents.extend((0..19).map(|number| bad(&format!("BAD-{number}"))));
        documents
    };
    for _ in 0..2 {
        let run = world.run(Answer::Whole(input())).await;
        assert_eq!((run.outcome, run.checked), (FeedRunOutcome::Failed, false));
    }
    let run = world.run(Answer::Unchanged).await;
    assert_eq!((run.outcome, run.checked), (FeedRunOutcome::Failed, false));
}

#[tokio::test]
async fn documents_that_an_older_program_rejected_are_read_again() {
    let world = World::with_feed().await;
    let mut documents = records(0..30);
    documents.push(bad("BAD-1"));
    world.run(Answer::Whole(documents).moved()).await;
    let path = world.path("feeds/mine/position.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    kept["rejected"]["program"] = json!("0.0.1");
    fs::write(&path, kept.to_string()).unwrap();
    let run = world.run(Answer::whole(0..31)).await;
    assert!(
        run.notes[0].contains("another version of this program"),
        "{:?}",
        run.notes
    );
}

#[tokio::test]
async fn notes_beyond_ten_are_counted() {
    let world = World::with_feed().await;
    let many =
        |brought: &mut Brought| brought.notes = (0..25).map(|number| format!("note {number}")).collect();
    let run = world.run(Answer::whole(0..2).changed(many)).await;
    assert_eq!(
        (run.notes.len(), run.notes[10].as_str()),
        (11, "15 more notes are not listed")
    );
}

#[tokio::test]
async fn killed_run_is_a_failure() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..2)).await;
    let path = world.path("feeds/mine/state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(state["began_at"], Value::Null, "a run that ended leaves nothing");
    state["began_at"] = json!("2026-01-01T00:00:00.000Z");
    fs::write(&path, state.to_string()).unwrap();
    lock(&world.site.0.live.feeds.memories).clear();
    let feed = world.feed().await;
    assert_eq!((feed.state, feed.failures), (FeedState::Failing, 1));
    assert!(feed.attention.unwrap().contains("by a kill or a crash"));
    assert!(feed.next_run_at.unwrap() > feed.last_success_at.unwrap());
    world.run(Answer::Unchanged).await;
    assert_eq!(world.feed().await.state, FeedState::Ok);
}

#[tokio::test]
async fn state_that_is_given_up_needs_attention() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..50)).await;
    world.run(Answer::whole(0..10)).await;
    assert_eq!(world.feed().await.state, FeedState::Suspect);
    fs::write(world.path("feeds/mine/state.json"), "{").unwrap();
    lock(&world.site.0.live.feeds.memories).clear();
    let matter = world.feed().await.attention.unwrap();
    assert!(matter.contains("a suspect input that waits"), "{matter}");
    world.run(Answer::whole(0..50)).await;
    assert_eq!(world.feed().await.attention, None);
}

#[tokio::test]
async fn suspect_input_that_cannot_be_kept_is_a_failure() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..50)).await;
    // A file has the name of the folder.
    fs::write(world.path("feeds/mine/suspect"), "").unwrap();
    let run = world.run(Answer::whole(0..10)).await;
    assert_eq!((run.outcome, run.checked), (FeedRunOutcome::Failed, false));
    assert!(run.error.unwrap().contains("could not be kept for approval"));
    assert_eq!(world.feed().await.state, FeedState::Failing);
    assert_eq!(world.count().await, 50);
}

#[tokio::test]
async fn switching_off_or_removing_a_feed_ends_its_fetch() {
    let world = World::with_feed().await;
    let name = name();
    let off = FeedChange {
        enabled: Some(false),
        ..FeedChange::default()
    };
    for removes in [false, true] {
        let begun = Arc::new(Notify::new());
        world.prepare(Answer::Hangs(begun.clone()));
        let end = async {
            begun.notified().await;
            if removes {
                world.site.remove_feed(&name).await.unwrap();
            } else {
                world.site.change_feed(&name, off.clone()).await.unwrap();
            }
        };
        let (run, ()) = tokio::join!(world.site.run_feed(&name), end);
        assert_eq!(run.unwrap().outcome, FeedRunOutcome::Stopped);
    }
    assert!(!world.path("feeds/mine").exists(), "nothing is written back");
}

#[tokio::test]
async fn input_fetched_after_the_approved_one_is_not_imported() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..50)).await;
    world.run(Answer::whole(0..10)).await;
    let approved = Trigger::Approval(starling_api_types::ContentHash::from_bytes([7; 32]));
    let run = world.site.run_feed_now(&name(), approved).await.unwrap();
    assert_eq!(
        (run.outcome, run.code),
        (FeedRunOutcome::Failed, Some(ErrorCode::FeedNotSuspect))
    );
    assert_eq!(world.count().await, 50);
}

#[tokio::test]
async fn source_that_shrinks_in_small_steps_becomes_suspect() {
    let world = World::with_feed().await;
    let mut outcomes = Vec::new();
    for left in [100, 90, 81, 79, 72] {
        outcomes.push(world.run(Answer::whole(0..left)).await.outcome);
    }
    assert_eq!(
        outcomes,
        [
            FeedRunOutcome::Imported,
            FeedRunOutcome::Imported,
            FeedRunOutcome::Imported,
            FeedRunOutcome::Suspect,
            FeedRunOutcome::Suspect,
        ]
    );
    assert_eq!(world.count().await, 81);
    let approved = world.approve().await.unwrap();
    assert_eq!(approved.absent, 9);
    let run = world.run(Answer::whole(0..65)).await;
    assert_eq!(
        run.outcome,
        FeedRunOutcome::Imported,
        "what was approved is the measure"
    );
}

#[tokio::test]
async fn source_of_mostly_unknown_documents_is_not_checked() {
    let world = World::with_feed().await;
    let mut input = records(0..2);
    input.extend((0..30).map(|n| json!({ "id": format!("A-{n}"), "page": "{\"error\":\"maintenance\"}" })));
    let run = world.run(Answer::Whole(input)).await;
    assert_eq!(
        (run.outcome, run.checked, run.stored),
        (FeedRunOutcome::Failed, false, 2)
    );
    assert!(run.error.unwrap().contains("30 documents are of no known kind"));
    assert!(!world.run(Answer::Unchanged).await.checked);
}

#[tokio::test]
async fn unopened_file_is_named_by_the_run() {
    let world = World::with_feed().await;
    let mut input = records(0..20);
    input.push(json!({ "id": "A-1", "page": "BZh91AY&SY packed" }));
    let run = world.run(Answer::Whole(input)).await;
    assert_eq!((run.outcome, run.stored), (FeedRunOutcome::Imported, 20));
    let named = "1 file was not looked into: A-1.json: packed as bzip2";
    assert!(
        run.notes.iter().any(|note| note.contains(named)),
        "{:?}",
        run.notes
    );
}

#[tokio::test]
async fn names_that_cannot_be_looked_up_are_counted_in_the_report() {
    let world = World::with_feed().await;
    let mut odd = record(1);
    let leaf = json!({ "vulnerable": true, "criteria": "cpe:2.3:a:*:rocket:1.0:*:*:*:*:*:*:*" });
    odd["database_specific"] =
        json!({ "native": { "configurations": [{ "nodes": [{ "operator": "OR", "cpeMatch": [leaf] }] }] } });
    let run = world.run(Answer::Whole(vec![record(0), odd])).await;
    assert_eq!((run.stored, run.checked), (2, true));
    let note = run
        .notes
        .iter()
        .find(|note| note.contains("1 warning; the first"))
        .unwrap();
    assert!(
        note.contains("EX-1.json: the CPE name") && note.contains("cannot be looked up"),
        "{note}"
    );
}

/// Records with unusable names, or with a withdrawal in the future, are reported when they are imported.
#[tokio::test]
async fn odd_records_are_named_when_they_are_imported() {
    let world = World::with_feed().await;
    let mut later = record(1);
    later["withdrawn"] = json!("2999-01-01T00:00:00Z");
    let mut never = record(2);
    never["withdrawn"] = json!("false");
    let mut nameless = record(3);
    let entries = nameless["affected"].as_array_mut().unwrap();
    entries.push(json!({ "package": { "ecosystem": "npm", "name": " " }, "versions": ["1"] }));
    entries.push(json!({ "package": { "ecosystem": "Nowhere", "name": "a" }, "versions": ["1"] }));
    let folder = tempfile::tempdir().unwrap();
    let lines = [record(0), later, never, nameless]
        .map(|record| record.to_string())
        .join("\n");
    let path = folder.path().join("feed.ndjson");
    fs::write(&path, lines).unwrap();
    let source = "mine".parse().unwrap();
    let input = starling_feeds::input::Source::path(path);
    let report = world
        .site
        .0
        .import_feed(&source, input, &Default::default())
        .unwrap();
    let named = |words: &str| report.warnings.iter().any(|warning| warning.contains(words));
    assert!(named(
        "feed.ndjson:2: it is withdrawn from 2999-01-01T00:00:00Z on, and matches until then"
    ));
    assert!(named(
        "feed.ndjson:3: it still matches, because withdrawn is \"false\", which is not a time"
    ));
    assert!(
        named("feed.ndjson:4: /affected/1: nothing looks this entry up, because its package has no name"),
        "{:?}",
        report.warnings
    );
    let partly: Vec<_> = report
        .partly_out_of_reach
        .iter()
        .map(|one| (one.records, one.example.as_str()))
        .collect();
    assert_eq!(partly, [(1, "EX-3"), (1, "EX-3")]);
    assert!(report.out_of_reach.is_empty());
    let shown = |id| world.site.0.advisory(id, &CancellationToken::new()).unwrap();
    let later = &shown("EX-1").advisories[0];
    let from = Some("2999-01-01T00:00:00.000Z".parse().unwrap());
    assert_eq!(
        (later.state, later.withdrawn_from),
        (AdvisoryState::Withdrawn, from)
    );
    assert_eq!(later.edges[0].withdrawn_from, from);
    let never = &shown("EX-2").advisories[0];
    assert_eq!(
        (never.state, never.withdrawn_from),
        (AdvisoryState::Present, None)
    );
    let shown = shown("EX-3");
    let nameless = &shown.advisories[0].entries_without_package;
    assert_eq!((nameless.len(), nameless[0].entries), (1, 1));
}

/// The import reported that a part with an unreadable withdrawal time matches, but dropped its entries; and that a part with
/// a future withdrawal matches until then, but dropped its entries at once.
#[tokio::test]
async fn entries_of_withdrawn_part_match_the_import_report() {
    let world = World::with_feed().await;
    let part = |package: &str, withdrawn: Option<&str>| {
        let mut part = record(1);
        part["affected"][0]["package"]["name"] = json!(package);
        if let Some(withdrawn) = withdrawn {
            part["withdrawn"] = json!(withdrawn);
        }
        part.to_string()
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("a", part("live", None)),
        ("b", part("soon", Some("2024-soon"))),
        ("c", part("later", Some("2999-01-01T00:00:00Z"))),
    ] {
        fs::write(folder.path().join(format!("{name}.json")), content).unwrap();
    }
    let source = "mine".parse().unwrap();
    let input = starling_feeds::input::Source::path(folder.path());
    let report = world.site.0.import_feed(&source, input, &Default::default());
    let warnings = report.unwrap().warnings.join("\n");
    for told in [
        "b.json: it still matches, because withdrawn is \"2024-soon\", which is not a time",
        "c.json: it is withdrawn from 2999-01-01T00:00:00Z on, but its entries do not count, because another part of \
         EX-1 is live",
    ] {
        assert!(warnings.contains(told), "{warnings}");
    }
    let shown = world.site.0.advisory("EX-1", &CancellationToken::new()).unwrap();
    let mut packages: Vec<_> = shown.advisories.iter().map(|one| &one.package.name).collect();
    packages.sort_unstable();
    assert_eq!(packages, ["live", "soon"]);
}
