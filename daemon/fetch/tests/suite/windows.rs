//! Windows of time: all of it is covered, and what changes while it is read is not missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use starling_fetch::{FetchError, Wait};

use crate::server::{Asked, Reply, Server};
use crate::world::*;

/// Returns a page of the National Vulnerability Database.
pub(crate) fn nvd_page(total: usize, from: usize, count: usize) -> String {
    let items: Vec<String> = (from..from + count)
        .map(|n| format!(r#"{{"cve":{{"id":"CVE-2030-{n:04}"}}}}"#))
        .collect();
    format!(
        r#"{{"startIndex":{from},"totalResults":{total},"vulnerabilities":[{}]}}"#,
        items.join(",")
    )
}

fn start_index(asked: &Asked) -> usize {
    asked
        .parameter("startIndex")
        .and_then(|text| text.parse().ok())
        .expect("an index")
}

/// Returns true for the last window, the only one with entries. Those that look once more for what changed meanwhile
/// are short.
fn is_last_window(asked: &Asked) -> bool {
    let time = |name: &str| asked.parameter(name).expect("a time").to_owned();
    time("lastModEndDate").starts_with("2026-06-01") && time("lastModStartDate").as_str() < "2026-05-31"
}

pub(crate) fn nvd_total(asked: &Asked, total: usize) -> Reply {
    if !is_last_window(asked) {
        return Reply::ok(nvd_page(0, 0, 0));
    }
    let from = start_index(asked);
    Reply::ok(nvd_page(total, from, total.saturating_sub(from).min(2000)))
}

#[tokio::test]
async fn windows_cover_all_time_and_pages_all_entries() {
    let server = Server::start(|asked| nvd_total(asked, 4001)).await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(brought.fetched.whole && brought.fetched.unfinished.is_none());
    assert_eq!(brought.names().len(), 3);
    let is_numbered = brought.fetched.documents.iter().all(|page| page.is_numbered);
    assert!(is_numbered, "the name of a page says nothing of its content");
    let log = server.log();
    let first = &log[0];
    assert_eq!(
        first.parameter("lastModStartDate"),
        Some("1998-01-01T00:00:00.000%2B00:00")
    );
    assert_eq!(first.parameter("resultsPerPage"), Some("2000"));
    let windows: Vec<(&str, &str)> = log
        .iter()
        .filter(|asked| start_index(asked) == 0)
        .map(|asked| {
            (
                asked.parameter("lastModStartDate").expect("a time"),
                asked.parameter("lastModEndDate").expect("a time"),
            )
        })
        .collect();
    let (again, windows) = windows.split_last().expect("windows");
    for pair in windows.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "no gap between two windows");
    }
    let end = "2026-06-01T00:00:00.000%2B00:00";
    assert_eq!(windows.last().map(|window| window.1), Some(end));
    // An entry that left a window before it was read is found at the end.
    assert!(again.0 < end && again.1 > end, "{again:?}");
}

#[tokio::test]
async fn page_that_begins_elsewhere_than_asked_is_not_taken() {
    // A cache that does not look at the index gives the first page again, under a new time.
    let server = Server::start(|asked| {
        if !is_last_window(asked) {
            return Reply::ok(nvd_page(0, 0, 0));
        }
        let time = format!(r#"{{"timestamp":"{}","#, start_index(asked));
        Reply::ok(nvd_page(4000, 0, 2000).replacen('{', &time, 1))
    })
    .await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    let error = brought
        .fetched
        .unfinished
        .expect("not read to its end")
        .to_string();
    assert!(
        error.contains("the page begins at entry 0, and entry 2000 was asked for"),
        "{error}"
    );
    assert!(!brought.fetched.whole && !brought.fetched.read_to_end);
}

#[tokio::test]
async fn entry_that_changes_while_windows_are_read_is_not_missed() {
    // It leaves its old window before that is read, and is in none but the time after the run began.
    let server = Server::start(|asked| {
        let until = asked.parameter("lastModEndDate").expect("a time");
        let is_after = until > "2026-06-01T00:00:00.000%2B00:00";
        Reply::ok(nvd_page(usize::from(is_after), 0, usize::from(is_after)))
    })
    .await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(brought.fetched.whole);
    assert_eq!(brought.names().len(), 1);
}

#[tokio::test]
async fn next_window_overlaps_what_was_read() {
    let server = Server::start(|asked| nvd_total(asked, 1)).await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    world.import(&plan).await;
    server.forget();
    world.clock.set(NOW_MS + HOUR_MS);
    let brought = world.import(&plan).await;
    assert!(!brought.fetched.whole);
    let log = server.log();
    assert_eq!(log.len(), 1);
    assert_eq!(
        log[0].parameter("lastModStartDate"),
        Some("2026-05-31T22:00:00.000%2B00:00")
    );
}

#[tokio::test]
async fn window_without_a_change_is_unchanged_and_moves_the_position() {
    let is_quiet = Arc::new(AtomicBool::new(false));
    let quiet = Arc::clone(&is_quiet);
    let server =
        Server::start(move |asked| nvd_total(asked, usize::from(!quiet.load(Ordering::SeqCst)))).await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    world.import(&plan).await;
    let before = world.position.clone();
    is_quiet.store(true, Ordering::SeqCst);
    world.clock.set(NOW_MS + HOUR_MS / 2);
    let brought = world.import(&plan).await;
    assert!(brought.fetched.unchanged && brought.names().is_empty());
    assert_ne!(world.position, before);
}

#[tokio::test]
async fn short_page_is_asked_for_again_and_then_an_error() {
    let server = Server::start(|asked| match is_last_window(asked) && start_index(asked) == 0 {
        // 1999 of the 2000 that the page has to hold.
        true => Reply::ok(nvd_page(2001, 0, 1999)),
        false => nvd_total(asked, 2001),
    })
    .await;
    let world = World::new();
    let brought = world
        .run(&plan_at("nvd", &server.base, None))
        .await
        .expect("earlier windows are good");
    let error = brought
        .fetched
        .unfinished
        .as_ref()
        .expect("the last window failed");
    assert!(matches!(error, FetchError::Inconsistent { .. }), "{error}");
    assert!(error.to_string().contains("1999 of 2000"), "{error}");
    assert!(!brought.fetched.whole && !brought.fetched.unchanged);
    assert!(brought.names().is_empty(), "nothing of the window is handed on");
    assert_eq!(world.clock.waits(Wait::Retry).len(), 2);
}

#[tokio::test]
async fn short_page_that_is_whole_at_the_second_attempt_is_taken() {
    let server = Server::start(|asked| match is_last_window(asked) && asked.before == 0 {
        true => Reply::ok(nvd_page(3, 0, 2)),
        false => nvd_total(asked, 3),
    })
    .await;
    let brought = World::new()
        .run(&plan_at("nvd", &server.base, None))
        .await
        .expect("a good run");
    assert!(brought.fetched.whole);
    assert_eq!(brought.names().len(), 1);
}

#[tokio::test]
async fn total_that_changes_between_pages_is_read_again() {
    let server = Server::start(|asked| {
        let is_second_page_first = is_last_window(asked) && start_index(asked) == 2000 && asked.before == 0;
        nvd_total(asked, if is_second_page_first { 4002 } else { 4001 })
    })
    .await;
    let brought = World::new()
        .run(&plan_at("nvd", &server.base, None))
        .await
        .expect("a good run");
    assert!(
        brought.notes("changed from 4001 to 4002"),
        "{:?}",
        brought.fetched.notes
    );
    assert_eq!(brought.names().len(), 3);
    let again = server
        .log()
        .into_iter()
        .filter(|asked| is_last_window(asked) && start_index(asked) == 0)
        .count();
    assert_eq!(again, 2);
}

#[tokio::test]
async fn total_that_never_settles_is_an_error() {
    let server = Server::start(|asked| match is_last_window(asked) {
        true => Reply::ok(nvd_page(
            4001 + asked.before + start_index(asked),
            start_index(asked),
            2000,
        )),
        false => nvd_total(asked, 0),
    })
    .await;
    let brought = World::new()
        .run(&plan_at("nvd", &server.base, None))
        .await
        .expect("earlier windows are good");
    let error = brought.fetched.unfinished.expect("the last window failed");
    assert!(matches!(error, FetchError::Inconsistent { .. }), "{error}");
}

#[tokio::test]
async fn interrupted_run_continues_where_it_stopped() {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let server =
        Server::start(
            move |asked| match asked.parameter("lastModStartDate").expect("a time") >= "2020" {
                true if down.load(Ordering::SeqCst) => Reply::new(503, ""),
                _ => nvd_total(asked, 1),
            },
        )
        .await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(
        brought
            .fetched
            .unfinished
            .as_ref()
            .is_some_and(FetchError::is_temporary)
    );
    assert!(!brought.fetched.whole && !brought.fetched.unchanged);
    server.forget();
    is_down.store(false, Ordering::SeqCst);
    let brought = world.import(&plan).await;
    assert!(brought.fetched.unfinished.is_none());
    assert_eq!(brought.names().len(), 1);
    assert!(!brought.fetched.whole, "the first run brought the rest");
    let first = server.log()[0]
        .parameter("lastModStartDate")
        .expect("a time")
        .to_owned();
    assert!(
        first.as_str() > "2019-12-01",
        "it goes on near the window that failed: {first}"
    );
}

#[tokio::test]
async fn first_window_that_fails_fails_the_run() {
    let server = Server::start(|_| Reply::ok("{}")).await;
    let error = World::new().fails(&plan_at("nvd", &server.base, None)).await;
    assert!(
        error.to_string().contains("no list \"vulnerabilities\""),
        "{error}"
    );
}
