//! The end of runs: what a stop waits for, and which position is stored.

use std::sync::Barrier;

use super::*;
use crate::service::feed_runs::run::new_run;
use crate::service::feed_runs::run_result::RunResult;

#[tokio::test]
async fn stopped_fetch_is_kept_before_the_stop_ends() {
    let world = World::with_feed().await;
    let begun = Arc::new(Notify::new());
    world.prepare(Answer::Hangs(begun.clone()));
    let mut ended = world.site.start_feed(&name(), Trigger::Schedule).unwrap();
    begun.notified().await;
    world.site.0.live.feeds.stop_fetching().await;
    // The state that the next start reads from the disk.
    let (memory, _) = world.site.0.live.feeds.folder(&name()).memory();
    assert_eq!(memory.began_at, None, "it is no kill");
    assert_eq!(memory.history[0].outcome, FeedRunOutcome::Stopped);
    assert!(ended.wait_for(Option::is_some).await.is_ok());
}

#[tokio::test]
#[expect(
    clippy::await_holding_lock,
    reason = "the import waits for it on a thread of its own"
)]
async fn stop_waits_for_the_current_import() {
    let world = World::with_feed().await;
    let one_import = world.site.0.one_import();
    world.prepare(Answer::whole(0..3));
    let _ended = world.site.start_feed(&name(), Trigger::Schedule).unwrap();
    while !world.is_asked() {
        tokio::task::yield_now().await;
    }
    let mut stop = Box::pin(world.site.0.live.feeds.stop_fetching());
    assert!(futures::poll!(&mut stop).is_pending());
    drop(one_import);
    stop.await;
    let (memory, _) = world.site.0.live.feeds.folder(&name()).memory();
    assert_eq!(
        (memory.began_at, memory.history[0].outcome),
        (None, FeedRunOutcome::Imported)
    );
    let late = world.site.start_feed(&name(), Trigger::Schedule);
    assert_eq!(late.err().unwrap().code, ErrorCode::ShuttingDown);
}

#[tokio::test]
async fn run_does_not_overwrite_the_position_of_a_manual_import() {
    let world = World::with_feed().await;
    let (site, spec) = (&world.site.0, world.site.0.live.feeds.spec(&name()).unwrap());
    for round in 0..30 {
        let (mut after, _) = site.read_to(&spec).unwrap();
        after.position = position();
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                both.wait();
                site.live.feeds.imported_by_hand(&spec.source).unwrap();
            });
            both.wait();
            site.keep_position(&spec, &after).unwrap();
        });
        let (kept, _) = site.read_to(&spec).unwrap();
        assert!(
            kept.position.is_empty(),
            "round {round}: the source was imported since"
        );
    }
}

#[tokio::test]
async fn stopped_fetch_does_not_claim_that_nothing_changed() {
    let world = World::with_feed().await;
    let spec = world.site.0.live.feeds.spec(&name()).unwrap();
    let mut result = RunResult::of(new_run(
        &spec,
        Trigger::Schedule.into(),
        crate::clock::now().into(),
    ));
    result.run.outcome = FeedRunOutcome::Imported;
    result.fail_fetch(&spec, &FetchError::Stopped);
    assert_eq!(result.run.outcome, FeedRunOutcome::Stopped);
    let error = result.run.error.unwrap();
    assert!(!error.contains("nothing was changed"), "{error}");
}

#[tokio::test]
async fn full_disk_is_named_and_the_last_good_state_stays() {
    let world = World::with_feed().await;
    world.run(Answer::Whole(records(0..3))).await;
    let full = FetchError::NoSpace {
        address: "https://example.org/mine.zip".to_owned(),
        path: "feeds/mine/spool".into(),
        free: 7,
        needed: 9,
        reserve: 8,
    };
    let run = world.run(Answer::Fails(full)).await;
    assert_eq!(
        (run.outcome, run.code),
        (FeedRunOutcome::Failed, Some(ErrorCode::DiskFull))
    );
    assert!(run.error.unwrap().contains("7 bytes are free"));
    assert_eq!(world.count().await, 3);
    assert!(!world.path("feeds/mine/spool").exists());
}
