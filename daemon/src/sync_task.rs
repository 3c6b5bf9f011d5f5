//! Drives the sync engine: the swarm's events and the clock go in, the engine's effects come out.

mod compared;
mod peer_status;
mod restored;
mod stall_tracker;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use libp2p::Multiaddr;
use starling_protocol::{PublicKey, SiteId, UnixMillis};
use starling_store::{LedgerEntry, ListedSite, Origin, SharedReplica, SiteStore};
use starling_sync::{
    Dials, Effect, Event, GossipVerdict, Notice, RequestId, SHORT_SESSION_MILLIS, SyncEngine,
};
use tokio::sync::watch;

pub(crate) use self::peer_status::{Difference, PeerStatusTable};
use self::stall_tracker::StallTracker;
use crate::clock::{SteadyClock, now};
use crate::net::{Command, Event as NetEvent, Net, RequestNumber, peer_id, without_key};
use crate::service::Site;

/// Interval of the check for listed sites that are not connected.
const DIAL_INTERVAL: Duration = Duration::from_millis(500);

/// The way the task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was stopped.
    Stopped,
    /// The site has another operating key, which needs another swarm.
    OtherKey,
}

/// The parts of the task.
pub(crate) struct SyncTask {
    pub(crate) site: Site,
    /// The swarm's key.
    pub(crate) key: PublicKey,
    pub(crate) store: Arc<SiteStore>,
    pub(crate) replica: SharedReplica,
    pub(crate) engine: SyncEngine,
    pub(crate) net: Net,
    pub(crate) peer_status: Arc<PeerStatusTable>,
    /// Signalled by the service when something else changed the store.
    pub(crate) local: watch::Receiver<u64>,
    /// Signalled here when the view changed.
    pub(crate) shown: Arc<watch::Sender<u64>>,
    /// The address of each connected peer.
    pub(crate) addresses: BTreeMap<PublicKey, Multiaddr>,
    /// The open sessions, and their start times.
    pub(crate) sessions: BTreeMap<PublicKey, (SiteId, UnixMillis)>,
    pub(crate) dials: Dials<Multiaddr>,
    /// For deadlines, pauses and lock-outs, which must not change if the clock is set.
    pub(crate) clock: SteadyClock,
}

/// The next step of the task.
enum Next {
    Net(NetEvent),
    LocalChanged,
    Dial,
    Tick,
    Stop,
}

impl SyncTask {
    /// Runs until `stop` is signalled, the swarm is gone, or the site has another key.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Ended {
        let mut wake_at: Option<UnixMillis> = None;
        let mut dial = tokio::time::interval(DIAL_INTERVAL);
        dial.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.handle(Event::LocalChanged, None, &mut wake_at).await;
        let mut stalls = StallTracker::new(self.clock.now());
        loop {
            let pause = wake_at.map_or(Duration::from_secs(3_600), |at| {
                Duration::from_millis(at.as_millis().saturating_sub(self.clock.now().as_millis()))
            });
            let next = tokio::select! {
                _ = stop.changed() => Next::Stop,
                event = self.net.events.recv() => event.map_or(Next::Stop, Next::Net),
                changed = self.local.changed() => changed.map_or(Next::Stop, |()| Next::LocalChanged),
                _ = dial.tick() => Next::Dial,
                () = tokio::time::sleep(pause) => Next::Tick,
            };
            let began = self.clock.now();
            self.engine.was_away(stalls.looks(began, wake_at));
            match next {
                Next::Net(event) => self.net_event(event, &mut wake_at).await,
                Next::LocalChanged => self.handle(Event::LocalChanged, None, &mut wake_at).await,
                Next::Dial => {
                    self.look_at_restore();
                    if self.site.0.key().public() != self.key {
                        return Ended::OtherKey;
                    }
                    self.dial_due().await;
                }
                Next::Tick => {
                    wake_at = None;
                    self.handle(Event::Tick, None, &mut wake_at).await;
                }
                Next::Stop => {
                    let (sent, received) = self.net.traffic.totals();
                    tracing::info!(sent, received, "bytes exchanged with peers");
                    return Ended::Stopped;
                }
            }
            self.engine.was_away(stalls.waits(began, self.clock.now()));
        }
    }

    async fn net_event(&mut self, event: NetEvent, wake_at: &mut Option<UnixMillis>) {
        let event = match event {
            NetEvent::Reconnected {
                peer,
                address,
                dialled,
            } => {
                self.addresses.remove(&peer);
                self.handle(Event::Disconnected { peer }, None, wake_at).await;
                if dialled {
                    self.dial_answered(peer, &address);
                }
                self.addresses.insert(peer, address);
                Event::Connected { peer }
            }
            NetEvent::Listening { address } => {
                tracing::info!(%address, "listening for peers");
                self.peer_status.listens_on(address);
                return;
            }
            NetEvent::DialFailed { addresses, reason } => {
                self.dial_failed(&addresses, &reason);
                return;
            }
            NetEvent::OtherKey { address } => {
                for site in self.sites_at(std::slice::from_ref(&address)) {
                    self.dials.other_key(site, address.clone());
                }
                return;
            }
            NetEvent::Connected {
                peer,
                address,
                dialled,
            } => {
                if dialled {
                    self.dial_answered(peer, &address);
                }
                self.addresses.insert(peer, address);
                Event::Connected { peer }
            }
            NetEvent::Disconnected { peer } => {
                if let Some(site) = self.dials.forget_key(&peer) {
                    self.not_the_site(site, &peer, "it hung up");
                }
                self.addresses.remove(&peer);
                Event::Disconnected { peer }
            }
            NetEvent::Request { peer, number, bytes } => {
                self.received(&peer, &bytes);
                Event::Request {
                    peer,
                    id: RequestId(number.0),
                    bytes,
                }
            }
            NetEvent::Response { peer, number, bytes } => {
                self.received(&peer, &bytes);
                Event::Response {
                    peer,
                    id: RequestId(number.0),
                    bytes,
                }
            }
            NetEvent::RequestFailed {
                peer,
                number,
                reason,
                said,
            } => {
                tracing::debug!(%peer, ?reason, said, "a request failed");
                Event::RequestFailed {
                    peer,
                    id: RequestId(number.0),
                    reason,
                }
            }
            NetEvent::Told { peer, bytes } => {
                self.received(&peer, &bytes);
                self.handle(
                    Event::Gossip {
                        peer,
                        bytes: bytes.clone(),
                    },
                    Some((peer, bytes)),
                    wake_at,
                )
                .await;
                return;
            }
        };
        self.handle(event, None, wake_at).await;
    }

    /// Runs one step of the engine. It works on the store and may wait for the disk, hence `block_in_place`.
    async fn handle(
        &mut self,
        event: Event,
        told: Option<(PublicKey, Vec<u8>)>,
        wake_at: &mut Option<UnixMillis>,
    ) {
        let wall = now();
        self.replica.origin = Origin {
            bundle: None,
            at: wall,
        };
        self.engine.wall_clock(wall);
        let at = self.clock.now();
        let effects = tokio::task::block_in_place(|| self.engine.handle(at, event, &mut self.replica));
        // A peer's statement about this site may be its only one before it disconnects.
        self.hear_while_restored();
        for effect in effects {
            let command = match effect {
                Effect::Request { peer, id, bytes } => {
                    self.sent(&peer, &bytes);
                    Command::Request {
                        peer,
                        number: RequestNumber(id.0),
                        bytes,
                    }
                }
                Effect::Respond { peer, id, bytes } => {
                    self.sent(&peer, &bytes);
                    Command::Respond {
                        number: RequestNumber(id.0),
                        bytes,
                    }
                }
                Effect::Disconnect { peer, reason } => {
                    self.disconnecting(&peer, &reason.to_string());
                    Command::Disconnect { peer }
                }
                Effect::Gossip { bytes } => {
                    self.flood(None, &bytes).await;
                    continue;
                }
                Effect::GossipChecked(verdict) => {
                    if let (GossipVerdict::Accept, Some((from, bytes))) = (verdict, &told) {
                        self.flood(Some(*from), bytes).await;
                    }
                    continue;
                }
                Effect::WakeAt(at) => {
                    *wake_at = Some(at);
                    continue;
                }
                Effect::Notice(notice) => {
                    tokio::task::block_in_place(|| self.notice(notice));
                    continue;
                }
            };
            if self.net.commands.send(command).await.is_err() {
                return;
            }
        }
    }

    /// Sends news to every authorised peer except the one that sent it.
    async fn flood(&self, from: Option<PublicKey>, bytes: &[u8]) {
        let peers: Vec<PublicKey> = self.engine.gossip_to(from).collect();
        for peer in peers {
            self.sent(&peer, bytes);
            let _ = self
                .net
                .commands
                .send(Command::Tell {
                    peer,
                    bytes: bytes.to_vec(),
                })
                .await;
        }
    }

    /// Counts a message to a peer. Before its first session, the peer's site is not known.
    fn sent(&self, peer: &PublicKey, bytes: &[u8]) {
        if let Some((site, _)) = self.sessions.get(peer) {
            self.peer_status
                .update(*site, |state| state.bytes_sent += bytes.len() as u64);
        }
    }

    /// Counts a message from a peer.
    fn received(&self, peer: &PublicKey, bytes: &[u8]) {
        if let Some((site, _)) = self.sessions.get(peer) {
            self.peer_status
                .update(*site, |state| state.bytes_received += bytes.len() as u64);
        }
    }

    fn notice(&mut self, notice: Notice) {
        self.look_for_lost_claims(&notice);
        match notice {
            Notice::PeerReady { peer, site } => {
                let address = self.addresses.get(&peer).map(ToString::to_string);
                tracing::info!(%site, ?address, "connected to a listed site");
                let dialled_for = self.dials.forget_key(&peer);
                if let Some(other) = dialled_for.filter(|other| *other != site) {
                    self.not_the_site(other, &peer, "it is another listed site");
                }
                let at = now();
                self.sessions.insert(peer, (site, self.clock.now()));
                // The error of the last session stays visible until this session has lasted. An error about the site's
                // address does not.
                self.peer_status.update(site, |state| {
                    if dialled_for == Some(site) {
                        state.last_error = None;
                    }
                    state.connected = true;
                    state.address = address;
                    state.last_seen_at = Some(at);
                });
            }
            Notice::Unlisted { peer, site } => {
                let address = self.addresses.get(&peer).map(ToString::to_string);
                if self.peer_status.stranger(site, address.clone(), now()) {
                    tracing::warn!(%site, ?address, "a site that is not on the allow-list asks to sync");
                }
            }
            Notice::PeerLeft { peer } => {
                if let Some((site, since)) = self.sessions.remove(&peer) {
                    tracing::info!(%site, "disconnected");
                    self.session_ended(site, since);
                }
            }
            Notice::Held {
                site,
                lane,
                number,
                deltas,
                claims,
            } => {
                tracing::debug!(%site, %lane, %number, deltas, "holding deltas");
                let id = starling_store::LogId { site, lane };
                let cursor = self.store.log(id).ok().flatten().map(|log| log.tip.cursor);
                let entry = LedgerEntry::Synced {
                    at: now(),
                    peer: site,
                    items: claims,
                    cursor,
                };
                if let Err(error) = self.store.record(&entry) {
                    tracing::warn!(error = %crate::home::error_chain(&error), "writing to the ledger");
                }
            }
            Notice::ChainLearned { site, epoch } if site == self.site.0.own_log().site => {
                let parts = &self.site.0;
                if parts.is_outdated() && !parts.restore.is_held() {
                    tracing::error!(
                        epoch,
                        "another copy of this home continues with a new epoch: this one does not sign"
                    );
                    let why = format!("another copy of this home started epoch {epoch}");
                    parts.tell_restored(starling_store::RestoreStep::Superseded, &why);
                }
            }
            Notice::SyncedTo { site, lane, number } => {
                tracing::info!(%site, %lane, %number, "accepted");
                self.shown.send_modify(|count| *count += 1);
            }
            Notice::Silent { peer } => tracing::info!(%peer, "a peer did not answer in time"),
            Notice::Violation { peer, violation } => {
                tracing::warn!(%peer, %violation, "a peer violated a rule");
            }
            Notice::Forked { site, lane } => {
                tracing::error!(%site, %lane, "an author signed two histories; its log is frozen");
            }
            Notice::Diverges { site, lane, number } => {
                tracing::error!(%site, %lane, %number, "an author's head names another history than the one held");
            }
            Notice::TipCompared {
                peer,
                site,
                lane,
                number,
                difference,
            } => self.tip_compared(&peer, (site, lane), number, difference),
            Notice::GivenUp {
                site,
                held,
                resumed_after,
                ..
            } => {
                tracing::warn!(
                    %site, %held, %resumed_after,
                    "the author continued from an earlier claim than was held here; it must import its sources again"
                );
            }
            Notice::AuthorRefused { site, lane, reason } => {
                tracing::error!(%site, %lane, reason, "an author broke a rule; nothing more of its log is accepted");
            }
            Notice::StoreFailed { reason, retry_at } => {
                tracing::error!(reason, %retry_at, "the store failed");
            }
            Notice::BodyUnavailable {
                site,
                lane,
                number,
                hash,
            } => {
                tracing::warn!(%site, %lane, %number, %hash, "no connected peer has a body that is needed");
            }
            Notice::Stale {
                site,
                lane,
                expired_at,
            } => {
                tracing::warn!(%site, %lane, %expired_at, "the newest head has expired: knowledge may be old");
            }
            other => tracing::debug!(notice = ?other, "sync"),
        }
    }

    fn session_ended(&mut self, site: SiteId, since: UnixMillis) {
        let at = now();
        let at_once = self.dials.session_ended(site, since, self.clock.now());
        // After a key change, a site may already be connected with the new key.
        let still_here = self.sessions.values().any(|(other, _)| *other == site);
        self.peer_status.update(site, |state| {
            // If this site ended the session, the reason is known.
            if state.connected && !still_here {
                state.last_error = at_once.then(|| {
                    "the peer ended the session at once: check that this site is on its allow-list".to_owned()
                });
            }
            state.connected = still_here;
            state.last_seen_at = Some(at);
        });
    }

    fn site_of(&self, peer: &PublicKey) -> Option<SiteId> {
        starling_sync::Replica::authorised(&self.replica, peer)
    }

    fn disconnecting(&mut self, peer: &PublicKey, reason: &str) {
        tracing::warn!(%peer, reason, "disconnecting a peer");
        if let Some(site) = self.dials.forget_key(peer) {
            self.not_the_site(site, peer, reason);
        }
        if let Some(site) = self.site_of(peer) {
            self.peer_status.update(site, |state| {
                state.connected = false;
                state.last_error = Some(reason.to_owned());
            });
        }
    }

    /// Dials listed sites that are not connected, each with its own growing pauses.
    async fn dial_due(&mut self) {
        let at = self.clock.now();
        let connected: std::collections::BTreeSet<SiteId> =
            self.engine.ready_peers().map(|(_, site)| site).collect();
        self.peer_status.seen(connected.iter().copied(), now());
        let lasting = self.sessions.values();
        let lasting = lasting.filter(|(_, since)| at >= since.plus_millis(SHORT_SESSION_MILLIS));
        self.peer_status.lasted(lasting.map(|(site, _)| *site));
        let Ok(listed) = self.store.listed_sites() else {
            return;
        };
        for site in listed
            .iter()
            .filter(|site| site.enabled && !connected.contains(&site.site))
        {
            let chain = self.store.chain(&site.site).ok().flatten();
            let key = chain.map(|chain| chain.current().body().operating_key);
            // A connection with a starting session needs no second one.
            if key.is_some_and(|key| self.addresses.contains_key(&key)) {
                continue;
            }
            for dial in self.dials.due(at, site.site, key, &addresses_of(site)) {
                let dial = Command::Dial {
                    peer: dial.peer,
                    addresses: dial.addresses,
                };
                let _ = self.net.commands.send(dial).await;
            }
        }
    }

    /// Returns the listed sites that have any of these addresses.
    fn sites_at(&self, addresses: &[Multiaddr]) -> Vec<SiteId> {
        let listed = self.store.listed_sites().unwrap_or_default();
        let here = |site: &ListedSite| addresses_of(site).iter().any(|known| addresses.contains(known));
        let sites = listed.iter().filter(|site| here(site));
        sites.map(|site| site.site).collect()
    }

    fn dial_failed(&self, addresses: &[Multiaddr], reason: &str) {
        for site in self.sites_at(addresses) {
            tracing::debug!(%site, reason, "dialling failed");
            self.peer_status.update(site, |state| {
                state.last_error = Some(reason.to_owned());
                state.address = addresses.first().map(ToString::to_string);
            });
        }
    }

    /// Handles a successful dial: if the key is unknown for the site, the site must still prove itself.
    fn dial_answered(&mut self, peer: PublicKey, address: &Multiaddr) {
        let known = self.site_of(&peer);
        let expected = self.sites_at(std::slice::from_ref(address));
        self.dials.answered(peer, known, &expected);
    }

    /// Handles an answer at a site's address that did not prove to be that site.
    fn not_the_site(&mut self, site: SiteId, peer: &PublicKey, reason: &str) {
        self.dials.refused(site);
        let address = self.addresses.get(peer).map(ToString::to_string);
        let shown = peer_id(peer).map_or_else(|| peer.to_string(), |id| id.to_string());
        tracing::warn!(%site, ?address, peer = shown, reason, "answered with another key");
        self.peer_status.update(site, |state| {
            state.last_error = Some(format!(
                "the address answered with another key ({shown}), which is not shown to be the site's: {reason}"
            ));
            state.address = address;
        });
    }
}

/// Returns the addresses of a listed site.
fn addresses_of(site: &ListedSite) -> Vec<Multiaddr> {
    let addresses = site.addresses.iter().filter_map(|text| text.parse().ok());
    addresses.map(without_key).collect()
}
