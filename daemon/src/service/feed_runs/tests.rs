//! Runs of feeds with a fake fetcher: what they import, store, count and report.

mod by_hand;
mod ending;
mod honest;
mod raw;
mod rejections;
mod rounds;
mod sharing;
mod world;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use serde_json::{Value, json};
use starling_api::SiteService;
use starling_api_types::{ErrorCode, FeedAdd, FeedApprove, FeedChange, FeedRun, FeedRunOutcome, FeedState};
use starling_fetch::FetchError;
use starling_protocol::UnixMillis;
use tokio::sync::Notify;

use self::world::{Answer, World, add, name, position, record, records, unreachable};
use super::fetching::Brought;
use super::{Trigger, lock};
use crate::config::{Config, Overrides};
use crate::home::Home;

#[tokio::test]
async fn whole_source_is_imported_and_then_the_changes() {
    let world = World::with_feed().await;
    let first = world.run(Answer::whole(0..5)).await;
    assert_eq!(
        (first.outcome, first.stored, first.checked, first.whole),
        (FeedRunOutcome::Imported, 5, true, true)
    );
    assert_eq!(world.count().await, 5);
    // An increment makes nothing absent, and the source counts as checked.
    let before = world.checked_at().await.unwrap();
    let part = world.run(Answer::one(9)).await;
    assert_eq!((part.stored, part.absent, part.checked), (1, 0, true));
    assert_eq!(world.count().await, 6);
    assert!(world.checked_at().await.unwrap() >= before);
    // Records that the whole source lacks become absent.
    let again = world.run(Answer::whole(0..4)).await;
    assert_eq!((again.unchanged, again.absent), (4, 2));
    let feed = world.feed().await;
    assert_eq!(
        (
            feed.state,
            feed.history.len(),
            feed.counts.imported,
            feed.failures
        ),
        (FeedState::Ok, 3, 3, 0)
    );
    assert!(feed.next_run_at > feed.last_success_at);
    assert!(!world.path("feeds/mine/spool").exists());
}

#[tokio::test]
async fn increment_without_a_complete_import_is_not_a_check() {
    let world = World::with_feed().await;
    let part = world.run(Answer::part(0..3)).await;
    assert_eq!((part.outcome, part.checked), (FeedRunOutcome::Imported, false));
    assert_eq!(world.checked_at().await, None);
    let nothing = world.run(Answer::Unchanged).await;
    assert!(!nothing.checked);
}

#[tokio::test]
async fn unchanged_source_is_checked_without_a_claim() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..3)).await;
    let before = world.site.status().await.unwrap();
    let run = world.run(Answer::Unchanged).await;
    assert_eq!((run.outcome, run.checked), (FeedRunOutcome::Unchanged, true));
    let after = world.site.status().await.unwrap();
    assert_eq!(
        (after.head, after.knowledge_root),
        (before.head, before.knowledge_root)
    );
    assert!(after.feeds[0].last_checked >= before.feeds[0].last_checked);
    assert!(after.feeds[0].last_imported_at >= before.feeds[0].last_imported_at);
}

#[tokio::test]
async fn failure_keeps_the_last_good_state_and_says_so() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..3)).await;
    let before = world.site.status().await.unwrap();
    for failures in 1..=2 {
        let run = world.run(Answer::Fails(unreachable())).await;
        assert_eq!(
            (run.outcome, run.code),
            (FeedRunOutcome::Failed, Some(ErrorCode::FeedUnreachable))
        );
        let feed = world.feed().await;
        assert_eq!((feed.state, feed.failures), (FeedState::Failing, failures));
        let matter = feed.attention.unwrap();
        assert!(
            matter.contains("nobody answers") && matter.contains("feeds run mine"),
            "{matter}"
        );
    }
    let after = world.site.status().await.unwrap();
    assert_eq!(after.knowledge_root, before.knowledge_root);
    let told = after
        .parts
        .iter()
        .find(|part| part.part.as_str() == "feeds")
        .unwrap();
    assert!(told.detail.contains("feed mine failed 2 times"), "{told:?}");
    world.run(Answer::Unchanged).await;
    let feed = world.feed().await;
    assert_eq!(
        (feed.state, feed.failures, feed.counts.failed),
        (FeedState::Ok, 0, 2)
    );
}

#[tokio::test]
async fn fetcher_that_panics_is_a_failure_of_this_run_alone() {
    let world = World::with_feed().await;
    world.prepare(Answer::Breaks);
    let problem = world.site.run_feed(&name()).await.unwrap_err();
    assert_eq!(problem.code, ErrorCode::Internal);
    let run = world.run(Answer::whole(0..2)).await;
    assert_eq!(run.outcome, FeedRunOutcome::Imported);
}

#[tokio::test]
async fn suspect_input_is_kept_and_the_very_same_is_approved() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..50)).await;
    let run = world.run(Answer::whole(0..10)).await;
    assert_eq!(
        (run.outcome, run.code),
        (FeedRunOutcome::Suspect, Some(ErrorCode::FeedSuspect))
    );
    assert_eq!(world.count().await, 50);
    let feed = world.feed().await;
    assert_eq!(feed.state, FeedState::Suspect);
    let first = feed.suspect.unwrap();
    // Another suspect input replaces it: the approval of the earlier one is refused.
    world.run(Answer::whole(0..9)).await;
    let approve = FeedApprove {
        input: Some(first.input),
    };
    let refused = world.site.approve_feed(&name(), approve).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::FeedNotSuspect);
    let approved = world.approve().await.unwrap();
    assert_eq!(
        (approved.outcome, approved.absent, approved.checked),
        (FeedRunOutcome::Imported, 41, true)
    );
    assert_eq!(world.count().await, 9);
    let feed = world.feed().await;
    assert_eq!((feed.state, feed.suspect), (FeedState::Ok, None));
    let again = world.approve().await;
    assert_eq!(again.unwrap_err().code, ErrorCode::FeedNotSuspect);
    assert!(!world.path("feeds/mine/suspect").exists());
}

#[tokio::test]
async fn approval_of_fewer_dropped_files_is_not_one_of_more() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..50)).await;
    let dropped = |count: usize| {
        let gone: Vec<String> = (0..count).map(|number| format!("EX-{number}.json")).collect();
        Answer::Part(Vec::new()).changed(move |brought| brought.gone = gone.clone())
    };
    let run = world.run(dropped(20)).await;
    assert_eq!(run.outcome, FeedRunOutcome::Suspect, "{:?}", run.error);
    let looked_at = world.feed().await.suspect.unwrap().input;
    world.run(dropped(49)).await;
    let approve = FeedApprove {
        input: Some(looked_at),
    };
    let refused = world.site.approve_feed(&name(), approve).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::FeedNotSuspect);
    assert_eq!(world.count().await, 50);
    assert_eq!(world.approve().await.unwrap().absent, 49);
}

#[tokio::test]
async fn suspect_input_that_was_altered_is_not_approved() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..50)).await;
    world.run(Answer::whole(0..10)).await;
    fs::write(world.path("feeds/mine/suspect/input/EX-0.json"), "{}").unwrap();
    let run = world.approve().await.unwrap();
    assert_eq!(
        (run.outcome, run.code),
        (FeedRunOutcome::Failed, Some(ErrorCode::FeedNotSuspect))
    );
    assert_eq!(world.count().await, 50);
    // The source is complete again: no input waits any more.
    world.run(Answer::whole(0..50)).await;
    assert_eq!(world.feed().await.state, FeedState::Ok);
}

#[tokio::test]
async fn feed_that_runs_is_joined_and_a_stop_ends_its_fetch() {
    let world = World::with_feed().await;
    let begun = Arc::new(Notify::new());
    world.prepare(Answer::Hangs(begun.clone()));
    let name = name();
    let (first, second) = (world.site.run_feed(&name), async {
        begun.notified().await;
        assert_eq!(world.feed().await.state, FeedState::Running);
        let wanted = world.site.0.live.feeds.wanted();
        assert!(wanted[&name].is_running);
        let joined = world.site.run_feed(&name);
        let stopped = world.site.0.live.feeds.stop_fetching();
        tokio::join!(joined, stopped).0
    });
    let (first, second) = tokio::join!(first, second);
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first, second);
    assert_eq!(first.outcome, FeedRunOutcome::Stopped);
    let refused = world.site.run_feed(&name).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::ShuttingDown);
}

#[tokio::test]
async fn feeds_are_listed_in_the_configuration() {
    let world = World::with_feed().await;
    let config = world.path("starling.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(
        text.contains("[[feeds]]\nname = \"mine\"\n") && text.ends_with("[end]\n"),
        "{text}"
    );
    let twice = world.site.add_feed(add("mine")).await.unwrap_err();
    assert_eq!(twice.code, ErrorCode::FeedExists);
    // The same source in full, from two places.
    let shared = world.site.add_feed(add("other")).await.unwrap_err();
    assert_eq!(shared.code, ErrorCode::FeedInvalid);
    let change = FeedChange {
        enabled: Some(false),
        ..FeedChange::default()
    };
    let off = world.change_feed(change).await;
    assert_eq!((off.state, off.next_run_at), (FeedState::Disabled, None));
    assert!(world.site.0.live.feeds.wanted().is_empty());
    let home = Home::open(world.folder.path()).unwrap();
    assert!(!home.config(&Overrides::default()).unwrap().feeds[0].enabled);
    // A requested run does not change the daemon's schedule.
    world.run(Answer::whole(0..2)).await;
    world.remove_feed().await;
    assert_eq!(world.site.feeds().await.unwrap().feeds, []);
    assert!(!world.path("feeds/mine").exists());
    assert_eq!(world.count().await, 2, "its records stay");
    let gone = world.site.run_feed(&name()).await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::FeedNotFound);
    let before = fs::read_to_string(&config).unwrap();
    assert!(!before.contains("[[feeds]]"), "{before}");
}

#[tokio::test]
async fn changed_feed_keeps_comments_and_mode_of_the_configuration() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with_feed().await;
    let config = world.path("starling.toml");
    let text = fs::read_to_string(&config).unwrap();
    let commented = text.replace("schedule = \"2h\"", "schedule = \"2h\" # not more often");
    assert_ne!(commented, text);
    fs::write(&config, &commented).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o664)).unwrap();
    let change: FeedChange = serde_json::from_value(json!({
        "schedule": "3h", "proxy": "none", "address": "https://mirror.example.org/mine.zip",
    }))
    .unwrap();
    let feed = world.site.change_feed(&name(), change).await.unwrap();
    assert_eq!(
        (feed.schedule.as_str(), feed.address.as_deref()),
        ("3h", Some("https://mirror.example.org/mine.zip"))
    );
    let edited = fs::read_to_string(&config).unwrap();
    assert!(
        edited.contains("schedule = \"3h\" # not more often") && edited.contains("proxy = \"none\""),
        "{edited}"
    );
    assert_eq!(
        fs::metadata(&config).unwrap().permissions().mode() & 0o7777,
        0o664
    );
    // Back to the defaults.
    let unset: FeedChange = serde_json::from_value(json!({ "unset": ["schedule", "proxy"] })).unwrap();
    assert_eq!(
        world.site.change_feed(&name(), unset).await.unwrap().schedule,
        "1d"
    );
    let edited = fs::read_to_string(&config).unwrap();
    assert!(
        edited.contains("# not more often") && !edited.contains("proxy ="),
        "{edited}"
    );
    for wrong in [
        json!({}),
        json!({ "schedule": "often" }),
        json!({ "schedule": "3h", "unset": ["schedule"] }),
        json!({ "unset": ["address"] }),
    ] {
        let change = serde_json::from_value(wrong.clone()).unwrap();
        let problem = world.site.change_feed(&name(), change).await.unwrap_err();
        assert_eq!(problem.code, ErrorCode::FeedInvalid, "{wrong}");
    }
    assert_eq!(fs::read_to_string(&config).unwrap(), edited);
}

#[tokio::test]
async fn position_of_another_place_is_given_up() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..2)).await;
    let change = FeedChange {
        address: Some("https://mirror.example.org/mine.zip".to_owned()),
        ..FeedChange::default()
    };
    world.change_feed(change).await;
    let run = world.run(Answer::one(7)).await;
    assert!(!run.checked, "what came before was of another place");
    assert!(run.notes[0].contains("another place"), "{:?}", run.notes);
}

#[tokio::test]
async fn damaged_state_costs_a_full_fetch_and_no_records() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..2)).await;
    for file in ["state.json", "position.json"] {
        fs::write(world.path("feeds/mine").join(file), "{").unwrap();
    }
    lock(&world.site.0.live.feeds.memories).clear();
    assert_eq!(world.feed().await.state, FeedState::New);
    let run = world.run(Answer::whole(0..2)).await;
    assert_eq!((run.outcome, run.unchanged), (FeedRunOutcome::Imported, 2));
    assert!(run.notes[0].contains("everything is fetched"), "{:?}", run.notes);
}

#[tokio::test]
async fn input_of_unknown_documents_changes_nothing() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..3)).await;
    let run = world
        .run(Answer::Whole(vec![
            json!({"id": "login", "page": "<html>log in</html>"}),
        ]))
        .await;
    assert_eq!(
        (run.outcome, run.code),
        (FeedRunOutcome::Failed, Some(ErrorCode::FeedEmpty))
    );
    assert_eq!(world.count().await, 3);
}

#[tokio::test]
async fn subscribers_hear_of_runs() {
    let world = World::with_feed().await;
    world.run(Answer::whole(0..2)).await;
    let mut events = world.site.events(None).await.unwrap();
    world.run(Answer::Unchanged).await;
    world.run(Answer::Fails(unreachable())).await;
    for (outcome, word) in [
        (FeedRunOutcome::Unchanged, "nothing new"),
        (FeedRunOutcome::Failed, "nobody answers"),
    ] {
        let event = events.next().await.unwrap().unwrap().event;
        let starling_api_types::SiteEvent::FeedRun(ran) = event else {
            panic!("{event:?}");
        };
        assert_eq!((ran.feed.as_str(), ran.outcome), ("mine", outcome));
        assert!(ran.detail.contains(word), "{ran:?}");
    }
}

#[tokio::test]
async fn read_only_configuration_is_reported() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::builder().build();
    let managed = tempfile::tempdir().unwrap();
    let config = world.path("starling.toml");
    fs::copy(&config, managed.path().join("starling.toml")).unwrap();
    fs::remove_file(&config).unwrap();
    std::os::unix::fs::symlink(managed.path().join("starling.toml"), &config).unwrap();
    fs::set_permissions(managed.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let added = world.site.add_feed(add("mine")).await;
    fs::set_permissions(managed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    // The root user may write everywhere.
    if let Err(problem) = added {
        assert_eq!(problem.code, ErrorCode::FileAccess);
        assert!(
            problem.hint.as_ref().unwrap().contains("where it is managed"),
            "{problem:?}"
        );
        assert_eq!(world.site.feeds().await.unwrap().feeds, []);
    } else {
        assert!(is_link(&config), "the link stays");
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).unwrap().file_type().is_symlink()
}
