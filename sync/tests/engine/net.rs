//! A network of queues: messages take seeded times, links can be cut, and time jumps to the next event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use starling_protocol::{Lane, PublicKey, RecordId, Source, UnixMillis};
use starling_sync::model::{ModelKeys, ModelReplica};
use starling_sync::{
    Effect, Event, FailureReason, Notice, Replica, Settings, SyncEngine, WritableReplica, Write, WriteId,
    drive,
};

/// Returns the time at which every test begins.
pub(crate) fn start() -> UnixMillis {
    UnixMillis::saturating(1_790_000_000_000)
}

pub(crate) struct Site {
    pub(crate) key: PublicKey,
    pub(crate) replica: ModelReplica,
    pub(crate) engine: SyncEngine,
    pub(crate) notices: Vec<Notice>,
    wake: Option<UnixMillis>,
}

/// Bytes that went from one site to another.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// A scheduled event at a site.
enum Planned {
    Event(Event),
    /// Its store carries out a write of its engine.
    Write(WriteId, Write),
}

pub(crate) struct Net {
    pub(crate) now: UnixMillis,
    pub(crate) sites: Vec<Site>,
    pub(crate) links: BTreeSet<(usize, usize)>,
    queue: BTreeMap<(UnixMillis, u64), (usize, Planned)>,
    sequence: u64,
    rng: fastrand::Rng,
    /// Longest time a message takes, in milliseconds; 0 keeps messages in order.
    pub(crate) latency_millis: u64,
    /// Longest time until a write is carried out, and again until the engine hears of it; `None` for at once.
    pub(crate) write_millis: Option<u64>,
    /// One message in this many is lost; 0 for none.
    pub(crate) loss: u32,
    /// This site never answers that one.
    pub(crate) mute: Option<(usize, usize)>,
    pub(crate) traffic: Traffic,
    /// Every effect, for comparing two runs.
    pub(crate) log: Vec<String>,
    pub(crate) keep_log: bool,
}

pub(crate) fn source() -> Source {
    "pypa".parse().unwrap()
}

pub(crate) fn record(id: &str, text: &str) -> (RecordId, Vec<u8>) {
    let body = format!("{{\"details\":\"{text}\",\"id\":\"{id}\"}}");
    (id.parse().unwrap(), body.into_bytes())
}

impl Net {
    /// Sites that all list one another; no links yet.
    pub(crate) fn new(count: usize, seed: u64) -> Self {
        let mut sites: Vec<Site> = (0..count).map(|index| Self::site(index, seed)).collect();
        let ids: Vec<_> = sites.iter().map(|site| site.replica.site()).collect();
        let chains: Vec<_> = sites
            .iter()
            .map(|site| site.replica.own_chain().clone())
            .collect();
        for site in &mut sites {
            for (id, chain) in ids.iter().zip(&chains) {
                if *id != site.replica.site() {
                    site.replica.list(*id);
                    site.replica.learn_chain(chain).unwrap();
                }
            }
        }
        Self {
            now: start(),
            sites,
            links: BTreeSet::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            rng: fastrand::Rng::with_seed(seed),
            latency_millis: 0,
            write_millis: None,
            loss: 0,
            mute: None,
            traffic: Traffic::default(),
            log: Vec::new(),
            keep_log: false,
        }
    }

    pub(crate) fn site(index: usize, seed: u64) -> Site {
        let keys = ModelKeys::of_seed(seed.wrapping_mul(1_000).wrapping_add(index as u64));
        let slug = format!("site-{index}").parse().unwrap();
        let replica = ModelReplica::new(slug, keys, start());
        Site {
            key: replica.key(),
            replica,
            engine: SyncEngine::new(Settings::default(), seed ^ index as u64),
            notices: Vec::new(),
            wake: None,
        }
    }

    pub(crate) fn link(&mut self, one: usize, other: usize) {
        if self.links.insert((one.min(other), one.max(other))) {
            let (a, b) = (self.sites[one].key, self.sites[other].key);
            self.feed(one, Event::Connected { peer: b });
            self.feed(other, Event::Connected { peer: a });
        }
    }

    pub(crate) fn cut(&mut self, one: usize, other: usize) {
        if self.links.remove(&(one.min(other), one.max(other))) {
            let (a, b) = (self.sites[one].key, self.sites[other].key);
            self.queue.retain(|_, (to, planned)| {
                let from = peer_of(planned);
                !((*to == one && from == Some(b)) || (*to == other && from == Some(a)))
            });
            self.feed(one, Event::Disconnected { peer: b });
            self.feed(other, Event::Disconnected { peer: a });
        }
    }

    /// Links every pair, or a line.
    pub(crate) fn link_all(&mut self) {
        for one in 0..self.sites.len() {
            for other in one + 1..self.sites.len() {
                self.link(one, other);
            }
        }
    }

    pub(crate) fn link_line(&mut self) {
        for one in 1..self.sites.len() {
            self.link(one - 1, one);
        }
    }

    pub(crate) fn publish(&mut self, site: usize, records: &[(RecordId, Vec<u8>)]) {
        self.sites[site]
            .replica
            .publish(Lane::Federation, &source(), records, self.now)
            .unwrap();
        self.feed(site, Event::LocalChanged);
    }

    /// Restarts the engine as after a crash: only the replica is left.
    pub(crate) fn restart(&mut self, site: usize, seed: u64) {
        let linked: Vec<usize> = (0..self.sites.len())
            .filter(|&other| self.links.contains(&(site.min(other), site.max(other))))
            .collect();
        for &other in &linked {
            self.cut(site, other);
        }
        self.sites[site].engine = SyncEngine::new(Settings::default(), seed);
        self.sites[site].wake = None;
        let written = |planned: &Planned| {
            matches!(
                planned,
                Planned::Write(..) | Planned::Event(Event::Written { .. })
            )
        };
        self.queue
            .retain(|_, (at, planned)| *at != site || !written(planned));
        self.feed(site, Event::LocalChanged);
        for other in linked {
            self.link(site, other);
        }
    }

    /// Hands an event to a site now.
    pub(crate) fn feed(&mut self, site: usize, event: Event) {
        let now = self.now;
        let at = &mut self.sites[site];
        let effects = match self.write_millis {
            None => drive(&mut at.engine, now, event, &mut at.replica),
            Some(_) => at.engine.handle(now, event, &at.replica),
        };
        for effect in effects {
            if self.keep_log {
                self.log.push(format!("{now} {site} {effect:?}"));
            }
            self.carry_out(site, effect);
        }
    }

    fn carry_out(&mut self, site: usize, effect: Effect) {
        let from = self.sites[site].key;
        match effect {
            Effect::Request { peer, id, bytes } => {
                let lost = Event::RequestFailed {
                    peer,
                    id,
                    reason: FailureReason::ConnectionLost,
                };
                match self.linked(site, peer).filter(|_| !self.loses()) {
                    Some(to) => self.send(
                        to,
                        Event::Request {
                            peer: from,
                            id,
                            bytes,
                        },
                    ),
                    None => self.send(site, lost),
                }
            }
            Effect::Respond { peer, .. } if self.mute == Some((site, self.index(peer))) => {}
            Effect::Respond { peer, id, bytes } => match self.linked(site, peer) {
                Some(to) if !self.loses() => self.send(
                    to,
                    Event::Response {
                        peer: from,
                        id,
                        bytes,
                    },
                ),
                Some(to) => {
                    let reason = FailureReason::ConnectionLost;
                    self.send(
                        to,
                        Event::RequestFailed {
                            peer: from,
                            id,
                            reason,
                        },
                    );
                }
                None => {}
            },
            Effect::Gossip { bytes } => {
                for to in self.neighbours(site) {
                    if !self.loses() {
                        self.send(
                            to,
                            Event::Gossip {
                                peer: from,
                                bytes: bytes.clone(),
                            },
                        );
                    }
                }
            }
            Effect::Disconnect { peer, .. } => {
                if let Some(other) = self.linked(site, peer) {
                    self.cut(site, other);
                }
            }
            Effect::WakeAt(time) => self.sites[site].wake = Some(time),
            Effect::Notice(notice) => self.sites[site].notices.push(notice),
            Effect::GossipChecked { .. } => {}
            Effect::Write { id, write } => self.plan_write(site, Planned::Write(id, write)),
        }
    }

    fn loses(&mut self) -> bool {
        self.loss > 0 && self.rng.u32(0..self.loss) == 0
    }

    fn send(&mut self, to: usize, event: Event) {
        self.traffic.messages += 1;
        self.traffic.bytes += match &event {
            Event::Request { bytes, .. } | Event::Response { bytes, .. } | Event::Gossip { bytes, .. } => {
                bytes.len()
            }
            _ => 0,
        };
        let delay = self.rng.u64(0..=self.latency_millis);
        self.plan(delay, to, Planned::Event(event));
    }

    fn plan(&mut self, delay_millis: u64, site: usize, planned: Planned) {
        let time = self.now.plus_millis(delay_millis);
        self.sequence += 1;
        self.queue.insert((time, self.sequence), (site, planned));
    }

    fn plan_write(&mut self, site: usize, planned: Planned) {
        let delay = self.rng.u64(0..=self.write_millis.unwrap_or(0));
        self.plan(delay, site, planned);
    }

    pub(crate) fn index(&self, key: PublicKey) -> usize {
        self.sites.iter().position(|site| site.key == key).unwrap()
    }

    fn linked(&self, site: usize, peer: PublicKey) -> Option<usize> {
        let other = self.index(peer);
        self.links
            .contains(&(site.min(other), site.max(other)))
            .then_some(other)
    }

    fn neighbours(&self, site: usize) -> Vec<usize> {
        (0..self.sites.len())
            .filter(|&other| self.links.contains(&(site.min(other), site.max(other))))
            .collect()
    }

    /// Handles the next event due before `end`. Returns true if there was one.
    pub(crate) fn step(&mut self, end: UnixMillis) -> bool {
        let message = self.queue.keys().next().copied();
        let wakes = self
            .sites
            .iter()
            .enumerate()
            .filter_map(|(index, site)| Some((site.wake?, index)));
        let wake = wakes.min();
        match (message, wake) {
            (Some((time, sequence)), wake) if wake.is_none_or(|(at, _)| time <= at) && time <= end => {
                self.now = self.now.max(time);
                match self.queue.remove(&(time, sequence)) {
                    Some((to, Planned::Event(event))) => self.feed(to, event),
                    Some((site, Planned::Write(id, write))) => {
                        let outcome = write.carry_out(&mut self.sites[site].replica);
                        self.plan_write(site, Planned::Event(Event::Written { id, outcome }));
                    }
                    None => {}
                }
                true
            }
            (_, Some((time, site))) if time <= end => {
                self.now = self.now.max(time);
                self.sites[site].wake = None;
                self.feed(site, Event::Tick);
                true
            }
            _ => {
                self.now = end;
                false
            }
        }
    }

    /// Lets some time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now.plus_millis(u64::try_from(time.as_millis()).unwrap());
        let mut steps = 0;
        while self.step(end) {
            steps += 1;
            assert!(steps < 2_000_000, "the sites never come to rest");
        }
    }

    /// Asserts that all sites hold and accept the same.
    pub(crate) fn assert_converged(&self) {
        let first = &self.sites[0].replica;
        for site in &self.sites {
            assert_eq!(site.replica.held_root(), first.held_root(), "held");
            assert_eq!(site.replica.knowledge_root(), first.knowledge_root(), "accepted");
            assert_eq!(site.replica.accepted_without_body(), []);
        }
    }

    pub(crate) fn noticed(&self, site: usize, wanted: impl Fn(&Notice) -> bool) -> bool {
        self.sites[site].notices.iter().any(wanted)
    }
}

fn peer_of(planned: &Planned) -> Option<PublicKey> {
    let Planned::Event(event) = planned else {
        return None;
    };
    match event {
        Event::Request { peer, .. }
        | Event::Response { peer, .. }
        | Event::RequestFailed { peer, .. }
        | Event::Gossip { peer, .. } => Some(*peer),
        _ => None,
    }
}
