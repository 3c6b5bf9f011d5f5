//! Drives the sync engine: the swarm's events and the clock go in, the engine's effects come out.

mod compared;
mod dialling;
mod exchanges;
mod net_events;
mod notices;
mod peer_status;
mod restored;
mod seen;
mod stall_tracker;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use libp2p::Multiaddr;
use starling_protocol::{PublicKey, SiteId, UnixMillis};
use starling_store::{Origin, SharedReplica, SiteStore};
use starling_sync::{Dials, Effect, Event, GossipVerdict, SyncEngine};
use tokio::sync::watch;

pub(crate) use self::exchanges::Exchanges;
pub(crate) use self::peer_status::{Difference, PeerStatusTable};
pub(crate) use self::seen::SeenPeers;
use self::stall_tracker::StallTracker;
pub(crate) use self::write::OpenWrite;
use crate::clock::{SteadyClock, now};
use crate::net::{Command, Event as NetEvent, Net, RequestNumber};
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
    /// The engine's open write, in a thread of its own: meanwhile peers are answered.
    pub(crate) write: Option<OpenWrite>,
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
    pub(crate) seen: SeenPeers,
    pub(crate) exchanges: Exchanges,
    /// For deadlines, pauses and lock-outs, which must not change if the clock is set.
    pub(crate) clock: SteadyClock,
}

/// The next step of the task.
enum Next {
    Net(NetEvent),
    Written(Event),
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
        self.handle(Event::LocalChanged, &mut wake_at).await;
        let mut stalls = StallTracker::new(self.clock.now());
        loop {
            let pause = wake_at.map_or(Duration::from_secs(3_600), |at| {
                Duration::from_millis(at.as_millis().saturating_sub(self.clock.now().as_millis()))
            });
            let next = tokio::select! {
                _ = stop.changed() => Next::Stop,
                event = self.net.events.recv() => event.map_or(Next::Stop, Next::Net),
                event = write::outcome(&mut self.write) => event.map_or(Next::Stop, Next::Written),
                changed = self.local.changed() => changed.map_or(Next::Stop, |()| Next::LocalChanged),
                _ = dial.tick() => Next::Dial,
                () = tokio::time::sleep(pause) => Next::Tick,
            };
            let began = self.clock.now();
            self.engine.was_away(stalls.looks(began, wake_at));
            match next {
                Next::Net(event) => self.net_event(event, &mut wake_at).await,
                Next::Written(event) => self.handle(event, &mut wake_at).await,
                Next::LocalChanged => self.handle(Event::LocalChanged, &mut wake_at).await,
                Next::Dial => {
                    self.look_at_restore();
                    if self.site.0.key().public() != self.key {
                        write::finish(&mut self.write).await;
                        self.exchanges.save();
                        return Ended::OtherKey;
                    }
                    self.exchanges.save_if_due(self.clock.now());
                    self.dial_due().await;
                }
                Next::Tick => {
                    wake_at = None;
                    self.handle(Event::Tick, &mut wake_at).await;
                }
                Next::Stop => {
                    let (sent, received) = self.net.traffic.totals();
                    tracing::info!(sent, received, "bytes exchanged with peers");
                    write::finish(&mut self.write).await;
                    self.exchanges.save();
                    return Ended::Stopped;
                }
            }
            self.engine.was_away(stalls.waits(began, self.clock.now()));
        }
    }

    /// Runs one step of the engine. It reads the store and may wait for the disk, hence `block_in_place`.
    async fn handle(&mut self, event: Event, wake_at: &mut Option<UnixMillis>) {
        let wall = now();
        self.replica.origin = Origin {
            bundle: None,
            at: wall,
        };
        self.engine.wall_clock(wall);
        let at = self.clock.now();
        let effects = tokio::task::block_in_place(|| self.engine.handle(at, event, &self.replica));
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
                Effect::GossipChecked { peer, bytes, verdict } => {
                    if verdict == GossipVerdict::Accept {
                        self.flood(Some(peer), &bytes).await;
                    }
                    continue;
                }
                Effect::Write { id, write } => {
                    self.write = Some(OpenWrite::begin(id, write, self.replica.clone()));
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
}
