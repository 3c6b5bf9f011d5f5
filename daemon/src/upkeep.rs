//! The daemon's periodic work: renews heads, makes the engine durable, frees space.

use std::time::{Duration, Instant};

use starling_store::log::LogPosition;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::home::error_chain;
use crate::service::{GONE_ADVICE, Site, SiteParts};

/// Interval at which heads are signed again, as a share of their validity.
const RENEWALS_PER_VALIDITY: u32 = 4;
/// Interval at which old history is dropped, with the bodies that no claim needs any more.
const COLLECT_INTERVAL: Duration = Duration::from_secs(6 * 3_600);
/// How often the daemon checks if the data has grown enough to free space early, and how long the site must have been
/// quiet before that.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);
const CALM: Duration = Duration::from_secs(60);
/// Interval at which the engine is made durable if something was committed.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

/// Longest time from the start to the first check of the files: the start itself is busy enough.
const FIRST_CHECK: Duration = Duration::from_secs(600);

/// How often the daemon looks if the files of all packs are in their folder: the longest time after which its log
/// names a pack that was deleted under it.
pub(crate) const PACKS_INTERVAL: Duration = Duration::from_secs(10);

/// Looks periodically if the files of all packs are in their folder, and if scans can read the site's policies and VEX
/// documents, and logs what is newly wrong.
pub(crate) async fn watch_files(site: Site, every: Duration, stop: CancellationToken) {
    let mut were_here = true;
    let mut known = None;
    loop {
        let looked = work(&site, "reading the policies and VEX documents", |parts| {
            Ok(parts.documents_matter())
        });
        if let Some(found) = looked.await {
            if let Some(what) = found.as_ref().filter(|_| found != known) {
                tracing::error!(%what, "scans cannot use the site's documents");
            }
            known = found;
        }
        let looked = work(&site, "looking for the files of packs", |parts| {
            Ok(parts.look_for_packs())
        });
        if let Some(gone) = looked.await {
            let are_here = gone.is_none();
            for what in gone
                .into_iter()
                .filter(|_| were_here)
                .flat_map(|gone| gone.damaged)
            {
                tracing::error!(%what, advice = GONE_ADVICE, "the store is damaged");
            }
            were_here = are_here;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// Reads every frame of log and packs periodically, so that damage is known before the data is needed.
pub(crate) async fn check_files(site: Site, config: Config, stop: CancellationToken) {
    let Some(every) = config.store.check_interval() else {
        // The watcher of tasks treats an early end as a failure.
        stop.cancelled().await;
        return;
    };
    let mut wait = every.min(FIRST_CHECK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let stop = stop.clone();
        let checked = work(&site, "reading all of log and packs", move |parts| {
            parts.check_files(&stop).map_err(|error| error_chain(&error))
        });
        checked.await;
        wait = every;
    }
}

/// Renews heads before they expire, makes the engine durable, and frees space.
pub(crate) async fn housekeeping(site: Site, config: Config, stop: CancellationToken) {
    let validity = Duration::from_secs(config.federation.head_validity_seconds);
    let mut renew = tokio::time::interval(validity / RENEWALS_PER_VALIDITY);
    let mut collect = tokio::time::interval(COLLECT_INTERVAL);
    let mut look = tokio::time::interval(LOOK_INTERVAL);
    let mut checkpoint = tokio::time::interval(CHECKPOINT_INTERVAL);
    let mut calm = Calm::new(Instant::now(), site.0.data.store.position());
    let mut kept = site.0.data.store.size_on_disk().unwrap_or_default();
    let mut engine_size = 0;
    // The first ticks come at once, but heads were just signed, and collecting can wait.
    renew.tick().await;
    collect.tick().await;
    look.tick().await;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = checkpoint.tick() => {
                calm.look(Instant::now(), site.0.data.store.position());
                let done = work(&site, "making the engine durable (a start after a crash replays more)", |parts| {
                    // Heads, the ledger and peers' positions move the log's end without changing the index.
                    parts.keep_ready();
                    parts.data.store.checkpoint_if_due().map_err(|error| error_chain(&error))
                });
                done.await;
            }
            _ = renew.tick() => {
                let signed = work(&site, "signing the site's heads", |parts| {
                    parts.sign_heads().map_err(|error| error_chain(&error))
                });
                if signed.await.is_some() {
                    site.0.live.local.send_modify(|count| *count += 1);
                }
            }
            _ = collect.tick() => {
                let collected = work(&site, "dropping superseded bodies", |parts| {
                    parts.collect().map_err(|error| error_chain(&error))
                });
                if let Some((collected, _)) = collected.await {
                    tracing::info!(live = collected.live, past = collected.past, dropped = collected.dropped, "dropped superseded bodies");
                }
                let grown = work(&site, "rebuilding the engine beside itself", move |parts| {
                    parts.compact_engine_if_grown(engine_size).map_err(|problem| problem.to_string())
                });
                engine_size = grown.await.unwrap_or(engine_size);
                kept = site.0.data.store.size_on_disk().unwrap_or(kept);
            }
            _ = look.tick() => {
                // Unchanged data is not checked twice.
                if calm.is_due(Instant::now()) {
                    let given = work(&site, "freeing space", move |parts| {
                        parts.give_back_if_grown(kept).map_err(|problem| problem.to_string())
                    });
                    let now = given.await.unwrap_or(kept);
                    if now.engine != kept.engine {
                        engine_size = now.engine.0;
                    }
                    kept = now;
                } else {
                    // A site that imports all the time is never quiet, and its engine grows all the same.
                    let grown = work(&site, "rebuilding the engine beside itself", move |parts| {
                        parts.compact_engine_if_grown(engine_size).map_err(|problem| problem.to_string())
                    });
                    engine_size = grown.await.unwrap_or(engine_size);
                }
            }
        }
    }
}

/// Runs work on the store on a thread that may block; logs a failure.
async fn work<T: Send + 'static>(
    site: &Site,
    what: &'static str,
    work: impl FnOnce(&SiteParts) -> Result<T, String> + Send + 'static,
) -> Option<T> {
    let parts = site.0.clone();
    let (done, failed) = match tokio::task::spawn_blocking(move || work(&parts)).await {
        Ok(Ok(done)) => (Some(done), None),
        Ok(Err(error)) => (None, Some(error)),
        Err(panic) => (None, Some(panic.to_string())),
    };
    if let Some(error) = &failed {
        tracing::error!(%error, "{what}");
    }
    site.0.live.duties.note(what, crate::clock::now(), failed);
    done
}

/// Tracks since when the log has its length: a site that imports should not be disturbed.
struct Calm {
    position: LogPosition,
    since: Instant,
    /// True if no space was freed since this change.
    is_new: bool,
}

impl Calm {
    fn new(now: Instant, position: LogPosition) -> Self {
        Self {
            position,
            since: now,
            is_new: false,
        }
    }

    /// Records the log's current length.
    fn look(&mut self, now: Instant, position: LogPosition) {
        if self.position != position {
            *self = Self {
                position,
                since: now,
                is_new: true,
            };
        }
    }

    /// Returns true once after each change, if nothing has changed for a while after it.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_calm = now.saturating_duration_since(self.since) >= CALM;
        is_calm && std::mem::take(&mut self.is_new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_freed_once_after_a_quiet_change() {
        let start = Instant::now();
        let at = |group| LogPosition {
            group,
            ..LogPosition::START
        };
        let mut calm = Calm::new(start, at(1));
        assert!(!calm.is_due(start + CALM * 9));
        calm.look(start, at(1));
        assert!(!calm.is_due(start + CALM * 9), "nothing changed");
        calm.look(start, at(2));
        assert!(!calm.is_due(start + CALM / 2));
        calm.look(start + CALM / 2, at(3));
        assert!(!calm.is_due(start + CALM), "it changes again and again");
        calm.look(start + CALM, at(3));
        assert!(calm.is_due(start + CALM * 2));
        assert!(!calm.is_due(start + CALM * 3), "it was given back");
    }
}
