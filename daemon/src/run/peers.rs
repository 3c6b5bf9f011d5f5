//! The task that talks to peers: a swarm, and the engine over it. Both are restarted when the site's key changes.

use std::collections::BTreeMap;
use std::time::Duration;

use starling_store::SharedReplica;
use starling_sync::{Dials, Settings, SyncEngine};
use tokio::sync::watch;

use super::RunError;
use crate::clock::SteadyClock;
use crate::config::Config;
use crate::home::error_chain;
use crate::net::{self, NetError};
use crate::service::{Site, store_problem};
use crate::sync_task::{Ended, Exchanges, SeenPeers, SyncTask};

/// Pause between two attempts to listen on the address of an earlier swarm.
const LISTEN_AGAIN: Duration = Duration::from_millis(100);

/// Starts the swarm; returns the task that drives the engine over it, with any key of the site.
pub(super) fn start_sync(
    site: &Site,
    config: &Config,
    settings: Settings,
    stopped: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + Send + 'static, RunError> {
    let listen = addresses(config.network.listen.iter());
    // Within u32, because the configuration key is limited.
    let window = u32::try_from(config.network.receive_window.0).unwrap_or(u32::MAX);
    let task = sync_task(site, &listen, window, settings.clone())?;
    let listens_anywhere = config.network.listen.iter().any(|text| text.contains("/udp/0/"));
    let site = site.clone();
    Ok(async move {
        let mut task = task;
        while task.run(stopped.clone()).await == Ended::OtherKey {
            tracing::info!("the site has another operating key: peers are greeted with it");
            // Peers look for the site at its earlier address.
            let reached = site.0.live.peer_status.forget();
            let listen = if listens_anywhere { &reached } else { &listen };
            task = loop {
                match sync_task(&site, listen, window, settings.clone()) {
                    Ok(task) => break task,
                    // The addresses are free when the earlier swarm has released them.
                    Err(error) => tracing::debug!(%error, "listening again"),
                }
                if *stopped.borrow() {
                    return;
                }
                tokio::time::sleep(LISTEN_AGAIN).await;
            };
        }
    })
}

fn addresses<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<libp2p::Multiaddr> {
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// Returns a swarm with the site's current key, and its driver.
fn sync_task(
    site: &Site,
    listen: &[libp2p::Multiaddr],
    window: u32,
    settings: Settings,
) -> Result<SyncTask, RunError> {
    let parts = &site.0;
    let key = parts.key();
    let net =
        net::start(&key, listen, window).map_err(|error: NetError| RunError::Network(error_chain(&error)))?;
    let replica = SharedReplica::new(parts.data.store.clone())
        .map_err(|error| store_problem("opening the store for sync", &error))?;
    let mut seed = [0; 8];
    // A fixed seed only affects jitter: peers that restart together may then retry together.
    let _ = getrandom::fill(&mut seed);
    Ok(SyncTask {
        site: site.clone(),
        key: key.public(),
        store: parts.data.store.clone(),
        replica,
        engine: SyncEngine::new(settings, u64::from_le_bytes(seed)),
        write: None,
        net,
        peer_status: parts.live.peer_status.clone(),
        local: parts.live.local.subscribe(),
        shown: parts.live.shown.clone(),
        addresses: BTreeMap::new(),
        sessions: BTreeMap::new(),
        dials: Dials::default(),
        seen: SeenPeers::read(parts.identity.home.path()),
        exchanges: Exchanges::read(parts.identity.home.path()),
        clock: SteadyClock::new(),
    })
}
