//! The task of a daemon that starts runs when they are due.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::timetable::{Moment, Timetable};
use crate::clock::{SteadyClock, now};
use crate::service::{Site, Trigger};

/// Longest time between two looks at the clocks: so soon after a sleep of the machine it is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Runs the feeds of a site when they are due, until `stop` is cancelled. Then it ends fetches, and waits for them.
pub(crate) async fn run_feeds(site: Site, stop: CancellationToken) {
    let clock = SteadyClock::new();
    let mut changed = site.0.live.feeds.subscribe();
    let mut timetable = Timetable::default();
    // The last error of an evaluation of the offers. A lasting error is logged once.
    let mut failed = None;
    loop {
        changed.borrow_and_update();
        let steady_ms = clock.now().as_millis();
        let looked = site.blocking(move |parts| parts.look_at_offers(steady_ms)).await;
        let problem = looked.err().map(|problem| problem.to_string());
        if let Some(problem) = problem.as_ref().filter(|_| problem != failed) {
            tracing::warn!(%problem, "looking at who fetches which source");
        }
        failed = problem;
        let moment = Moment {
            wall: now().as_millis(),
            steady: clock.now().as_millis(),
        };
        let due = timetable.look(&site.0.live.feeds.wanted(), moment, &mut random);
        for name in &due.now {
            // It was just removed from the list, or another caller just started it.
            if let Err(problem) = site.start_feed(name, Trigger::Schedule) {
                tracing::debug!(feed = %name, %problem, "a feed that was due was not started");
            }
        }
        let wait = due.wait_ms.map_or(LOOK_EVERY, Duration::from_millis);
        tokio::select! {
            () = stop.cancelled() => break,
            _ = changed.changed() => {}
            () = tokio::time::sleep(wait.min(LOOK_EVERY)) => {}
        }
    }
    site.0.live.feeds.stop_fetching().await;
}

/// Returns a random number; a fixed one costs only that sites may fetch at the same time.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
