//! What a daemon does by itself while it runs: heads are renewed, the engine is made durable, space is given back.

use std::time::Duration;

use starling_store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::home::error_chain;
use crate::service::Site;

/// How often heads are signed anew, as a share of their validity.
const RENEWALS_PER_VALIDITY: u32 = 4;
/// How often what is too old or too much of the past is forgotten, with the bodies that nothing names any more.
const COLLECT_INTERVAL: Duration = Duration::from_secs(6 * 3_600);
/// How often the engine is made durable where something was committed since.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(5);

/// How long after the start the first check of the files begins, at most: the start itself has enough to do.
const FIRST_CHECK: Duration = Duration::from_secs(600);

/// Reads every frame of log and packs now and then, so that damage is known before somebody needs what is damaged.
pub(crate) async fn check_files(site: Site, config: Config, stop: CancellationToken) {
    let Some(every) = config.store.check_interval() else {
        return;
    };
    let mut wait = every.min(FIRST_CHECK);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let (parts, stop) = (site.0.clone(), stop.clone());
        match tokio::task::spawn_blocking(move || parts.check_files(&stop)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = %error_chain(&error), "reading all of log and packs"),
            Err(panic) => tracing::error!(%panic, "reading all of log and packs"),
        }
        wait = every;
    }
}

/// Renews heads before they expire, and drops superseded bodies now and then.
pub(crate) async fn housekeeping(site: Site, config: Config, stop: CancellationToken) {
    let validity = Duration::from_secs(config.federation.head_validity_seconds);
    let mut renew = tokio::time::interval(validity / RENEWALS_PER_VALIDITY);
    let mut collect = tokio::time::interval(COLLECT_INTERVAL);
    let mut checkpoint = tokio::time::interval(CHECKPOINT_INTERVAL);
    let mut engine_size = 0;
    // The first ticks come at once; heads were just signed, and collecting can wait.
    renew.tick().await;
    collect.tick().await;
    let retention = config.store.retention();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = checkpoint.tick() => {
                let parts = site.0.clone();
                match tokio::task::spawn_blocking(move || parts.store.checkpoint_if_due()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(error = %error_chain(&error), "making the engine durable: a start after a crash replays more"),
                    Err(panic) => tracing::error!(%panic, "making the engine durable"),
                }
            }
            _ = renew.tick() => {
                let parts = site.0.clone();
                let signed = tokio::task::spawn_blocking(move || parts.sign_heads()).await;
                match signed {
                    Ok(Ok(())) => site.0.local.send_modify(|count| *count += 1),
                    Ok(Err(error)) => tracing::error!(error = %error_chain(&error), "signing the site's heads"),
                    Err(panic) => tracing::error!(%panic, "signing the site's heads"),
                }
            }
            _ = collect.tick() => {
                let parts = site.0.clone();
                let collect = move || {
                    // An import writes bodies before the claims that name them: never collect beside one.
                    let _no_import = parts.imports.lock();
                    let collected = parts.store.drop_superseded(&retention)?;
                    parts.store.compact_bodies()?;
                    Ok::<_, StoreError>(collected)
                };
                match tokio::task::spawn_blocking(collect).await {
                    Ok(Ok(collected)) => tracing::info!(live = collected.live, past = collected.past, dropped = collected.dropped, "dropped superseded bodies"),
                    Ok(Err(error)) => tracing::error!(error = %error_chain(&error), "dropping superseded bodies"),
                    Err(panic) => tracing::error!(%panic, "dropping superseded bodies"),
                }
                let parts = site.0.clone();
                match tokio::task::spawn_blocking(move || parts.compact_engine_if_grown(engine_size)).await {
                    Ok(Ok(size)) => engine_size = size,
                    Ok(Err(problem)) => tracing::error!(%problem, "rebuilding the engine beside itself"),
                    Err(panic) => tracing::error!(%panic, "rebuilding the engine beside itself"),
                }
            }
        }
    }
}
