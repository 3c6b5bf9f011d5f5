//! Clocks that are wrong, of this site and of servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::server::{Reply, Server};
use crate::windows::{nvd_page, nvd_total};
use crate::world::*;

/// Returns the start of the first window of a run.
fn first_from(server: &Server) -> String {
    let from = server.log()[0].parameter("lastModStartDate").map(str::to_owned);
    from.expect("a time")
}

#[tokio::test]
async fn clock_set_back_misses_nothing() {
    let server = Server::start(|_| Reply::ok(nvd_page(1, 0, 1))).await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    world.import(&plan).await;
    server.forget();
    // It is unknown which of the two clocks was wrong, and nothing confirms a time.
    world.clock.set(NOW_MS - 10 * DAY_MS);
    let brought = world.import(&plan).await;
    assert!(
        brought.notes("everything is asked for again"),
        "{:?}",
        brought.fetched.notes
    );
    assert_eq!(first_from(&server), "1998-01-01T00:00:00.000%2B00:00");
    // And when it is right again, what lies between is asked for.
    server.forget();
    world.clock.set(NOW_MS + HOUR_MS);
    world.import(&plan).await;
    assert!(first_from(&server).as_str() <= "2026-05-22");
}

#[tokio::test]
async fn clock_days_ahead_loses_no_window() {
    let server =
        Server::start(|_| Reply::ok(nvd_page(1, 0, 1)).header("date", "Mon, 01 Jun 2026 00:00:00 GMT")).await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    world.clock.set(NOW_MS + 30 * DAY_MS);
    world.import(&plan).await;
    server.forget();
    world.clock.set(NOW_MS + HOUR_MS);
    world.import(&plan).await;
    assert_eq!(first_from(&server), "2026-05-31T22:00:00.000%2B00:00");
}

#[tokio::test]
async fn mark_ahead_of_the_clock_goes_back_to_the_last_confirmed_one() {
    let has_date = Arc::new(AtomicBool::new(true));
    let dated = Arc::clone(&has_date);
    let server = Server::start(move |_| {
        let page = Reply::ok(nvd_page(1, 0, 1));
        match dated.load(Ordering::SeqCst) {
            true => page.header("date", "Mon, 01 Jun 2026 00:00:00 GMT"),
            false => page,
        }
    })
    .await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    world.import(&plan).await;
    // A clock that is a month ahead, and a server that sends no time.
    has_date.store(false, Ordering::SeqCst);
    world.clock.set(NOW_MS + 30 * DAY_MS);
    world.import(&plan).await;
    server.forget();
    world.clock.set(NOW_MS + HOUR_MS);
    let brought = world.import(&plan).await;
    assert!(brought.notes("since 2026-06-01"), "{:?}", brought.fetched.notes);
    assert_eq!(first_from(&server), "2026-05-31T22:00:00.000%2B00:00");
}

#[tokio::test]
async fn clock_ahead_of_the_servers_misses_nothing() {
    // The server's clock is five hours behind.
    let server =
        Server::start(|asked| nvd_total(asked, 1).header("date", "Sun, 31 May 2026 19:00:00 GMT")).await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(brought.notes("are 18000 s apart"), "{:?}", brought.fetched.notes);
    server.forget();
    world.clock.set(NOW_MS + HOUR_MS);
    world.import(&plan).await;
    let from = server.log()[0].parameter("lastModStartDate").map(str::to_owned);
    assert_eq!(from.as_deref(), Some("2026-05-31T17:00:00.000%2B00:00"));
}

#[tokio::test]
async fn server_clock_that_is_days_off_is_ignored() {
    let server =
        Server::start(|asked| nvd_total(asked, 1).header("date", "Thu, 01 Jan 1970 00:00:00 GMT")).await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    world.import(&plan).await;
    server.forget();
    world.clock.set(NOW_MS + HOUR_MS);
    world.import(&plan).await;
    let from = server.log()[0].parameter("lastModStartDate").map(str::to_owned);
    assert_eq!(from.as_deref(), Some("2026-05-31T22:00:00.000%2B00:00"));
}
