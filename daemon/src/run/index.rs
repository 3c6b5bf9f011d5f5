//! The task that keeps the match index current.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::home::error_chain;
use crate::service::{MAKING_THE_INDEX, Site};

/// How long the knowledge must be stable before the match index is rebuilt: changes come in bursts, and an index that
/// is outdated before it is ready has only slowed them down.
const INDEX_CALM: Duration = Duration::from_secs(3);

/// The longest time that a site with constant changes waits for a pause.
const INDEX_PATIENCE: Duration = Duration::from_secs(60);

/// Builds the match index of the site's knowledge, and again after every change. Scans read the view meanwhile.
pub(super) async fn keep_index(site: Site, stop: CancellationToken) {
    let mut shown = site.0.live.shown.subscribe();
    loop {
        shown.borrow_and_update();
        let parts = site.0.clone();
        let started = Instant::now();
        let mut making = tokio::task::spawn_blocking(move || {
            let refreshed = parts
                .live
                .indexes
                .refresh(&parts)
                .map_err(|error| error_chain(&error));
            parts.keep_ready();
            refreshed
        });
        let refreshed = tokio::select! {
            refreshed = &mut making => refreshed,
            () = stop.cancelled() => {
                site.0.live.indexes.give_up();
                making.await
            }
        };
        let took = started.elapsed();
        let failed = match &refreshed {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.clone()),
            Err(panic) => Some(panic.to_string()),
        };
        site.0
            .live
            .duties
            .note(MAKING_THE_INDEX, crate::clock::now(), failed);
        match refreshed {
            Ok(Ok(Some(_))) => tracing::debug!(
                took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                "match index is current"
            ),
            Ok(Ok(None)) => tracing::debug!("knowledge changed while its match index was built"),
            Ok(Err(error)) => tracing::warn!(%error, "building the match index"),
            Err(panic) => tracing::error!(%panic, "building the match index"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = shown.changed() => if changed.is_err() {
                return;
            },
        }
        // A slow build is done rarely: it uses at most a third of one core.
        let least = took.saturating_mul(2).max(INDEX_CALM);
        let calm = tokio::time::timeout(INDEX_PATIENCE.max(least), calm(&mut shown, least));
        tokio::select! {
            () = stop.cancelled() => return,
            _ = calm => {}
        }
    }
}

/// Waits until nothing has changed for `least`.
async fn calm(shown: &mut watch::Receiver<u64>, least: Duration) {
    while let Ok(Ok(())) = tokio::time::timeout(least, shown.changed()).await {}
}
