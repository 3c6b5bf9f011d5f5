//! The event loop: one heap of events in order of simulated time, one engine handling one at a time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use starling_protocol::{CertificateChain, PublicKey, UnixMillis};
use starling_sync::{
    CompressionLevels, Dials, Effect, Event, GossipVerdict, Notice, Settings, SyncEngine, Write, WriteId,
    drive,
};

use crate::dialling::DIAL_MILLIS;
use crate::feeds::{FeedEvent, SimSource, SiteFeed};
use crate::network::{Network, Pair, pair};
use crate::report::BrokenInvariant;
use crate::scenario::{Listing, Scenario};
use crate::site::SimSite;
use crate::stores::new_site;

/// A planned event.
#[derive(Debug)]
pub(crate) enum PlannedEvent {
    /// A message or its failure arrives, if the connection on which it was sent still exists.
    Deliver {
        from: usize,
        to: usize,
        generation: u64,
        event: Event,
    },
    Wake(usize),
    /// A site's store carries out a write of the engine of this start.
    Write(usize, u64, WriteId, Write),
    /// The engine hears of it.
    Written(usize, u64, Event),
    /// A site looks for listed sites that are not connected; holds the number of its start.
    Dial(usize, u64),
    Publish(usize),
    Cut,
    Heal(Pair),
    /// A store loses power in the middle of one of its next writes; the site is down a moment later.
    Doom,
    Down(usize),
    Up(usize),
    Stall,
    StoreFails,
    StoreHeals(usize),
    /// An author begins a new epoch that resumes before its last claims.
    Restore,
    /// Some author publishes something, and its home is lost soon after.
    LoseHome,
    HomeLost(usize),
    /// An author that took its log back begins a new epoch; holds the number of earlier attempts.
    GoOn(usize, u32),
    /// A site continues from a backup as if nothing had happened since.
    Fork(usize),
    ForkOn(usize),
    /// A site begins a new epoch that names the history that it holds.
    Resolve(usize),
    /// Something about the source that sites offer to fetch.
    Feed(FeedEvent),
}

#[derive(Debug)]
struct Entry {
    time: UnixMillis,
    /// Breaks ties in the order of planning.
    sequence: u64,
    what: PlannedEvent,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.time, self.sequence) == (other.time, other.sequence)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, self.sequence).cmp(&(other.time, other.sequence))
    }
}

/// Counts of a run.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) notices: BTreeMap<String, u64>,
}

/// A world of sites.
pub struct World {
    pub(crate) scenario: Scenario,
    pub(crate) rng: fastrand::Rng,
    pub(crate) start: UnixMillis,
    pub(crate) now: UnixMillis,
    pub(crate) sites: Vec<SimSite>,
    pub(crate) network: Network,
    pub(crate) counts: Counts,
    pub(crate) violation: Option<BrokenInvariant>,
    pub(crate) digest: blake3::Hasher,
    pub(crate) keys: BTreeMap<PublicKey, usize>,
    /// The source that sites offer to fetch.
    pub(crate) source: SimSource,
    heap: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
}

impl World {
    /// Makes the sites of a scenario, lets them list one another, and plans their events.
    ///
    /// # Errors
    /// If a store could not be made, with the reason.
    pub fn new(scenario: &Scenario, seed: u64) -> Result<Self, String> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let start = UnixMillis::saturating(1_790_000_000_000);
        let network = Network::new(scenario, &mut rng);
        let mut sites = Vec::new();
        for index in 0..scenario.sites {
            let (keys, chain, store) = new_site(scenario.store, index, seed, start)?;
            sites.push(SimSite {
                id: chain.site(),
                key: keys.operating.public(),
                chain,
                store: Some(store),
                backup: None,
                is_recovering: false,
                engine: None,
                wake: None,
                stalled_until: start,
                byzantine: scenario
                    .byzantine
                    .iter()
                    .find(|byzantine| byzantine.site == index)
                    .cloned(),
                earlier: Vec::new(),
                lists: Vec::new(),
                dials: Dials::default(),
                sessions: BTreeMap::new(),
                starts: 0,
                positions: BTreeMap::new(),
                feed: SiteFeed::default(),
            });
        }
        let chains: Vec<_> = sites.iter().map(|site| site.chain.clone()).collect();
        for (index, site) in sites.iter_mut().enumerate() {
            let outside = scenario.unlisted.contains(&index);
            for (other, chain) in chains.iter().enumerate() {
                let useful = match scenario.listing {
                    Listing::Everyone => true,
                    Listing::NeighboursAndAuthors => {
                        other < scenario.traffic.authors || network.neighbours(index).contains(&other)
                    }
                };
                let lists = other != index && useful && (outside || !scenario.unlisted.contains(&other));
                if let Some(store) = site.store.as_mut().filter(|_| lists) {
                    store.list(chain, start)?;
                    site.lists.push(other);
                }
            }
        }
        let mut world = Self {
            scenario: scenario.clone(),
            rng,
            start,
            now: start,
            keys: sites
                .iter()
                .enumerate()
                .map(|(index, site)| (site.key, index))
                .collect(),
            sites,
            network,
            counts: Counts::default(),
            source: SimSource::default(),
            violation: None,
            digest: blake3::Hasher::new(),
            heap: BinaryHeap::new(),
            sequence: 0,
        };
        world.begin();
        Ok(world)
    }

    /// Starts every engine, and plans the first event of each kind.
    fn begin(&mut self) {
        self.begin_feeds();
        for site in 0..self.sites.len() {
            self.start_engine(site);
        }
        for author in 0..self.scenario.traffic.authors {
            let delay = self.rng.u64(0..2_000);
            self.plan(delay, PlannedEvent::Publish(author));
        }
        let faults = self.scenario.faults.clone();
        self.plan_next(faults.cut_every_millis, PlannedEvent::Cut);
        self.plan_next(faults.crash_every_millis, PlannedEvent::Doom);
        self.plan_next(faults.stall_every_millis, PlannedEvent::Stall);
        self.plan_next(faults.store_fails_every_millis, PlannedEvent::StoreFails);
        self.plan_next(faults.restore_every_millis, PlannedEvent::Restore);
        self.plan_next(faults.lose_home_every_millis, PlannedEvent::LoseHome);
        for forker in self.scenario.forkers.clone() {
            self.plan(self.scenario.busy_millis / 2, PlannedEvent::Fork(forker));
        }
    }

    pub(crate) fn plan(&mut self, delay_millis: u64, what: PlannedEvent) {
        self.sequence += 1;
        self.heap.push(Reverse(Entry {
            time: self.now.plus_millis(delay_millis),
            sequence: self.sequence,
            what,
        }));
    }

    /// Returns true if the time in which things happen to sites is over.
    pub(crate) fn is_calm(&self) -> bool {
        self.millis() >= self.scenario.busy_millis
    }

    /// Returns the simulated milliseconds since the start.
    pub(crate) fn millis(&self) -> u64 {
        self.now.as_millis() - self.start.as_millis()
    }

    /// Lets everything happen until some simulated time; stops at a violation.
    pub(crate) fn run_until(&mut self, millis: u64) {
        let end = self.start.plus_millis(millis);
        while self.violation.is_none() && self.heap.peek().is_some_and(|Reverse(entry)| entry.time <= end) {
            if let Some(Reverse(entry)) = self.heap.pop() {
                self.now = entry.time;
                self.happen(entry.what);
            }
        }
        self.now = self.now.max(end);
    }

    fn happen(&mut self, what: PlannedEvent) {
        match what {
            PlannedEvent::Deliver {
                from,
                to,
                generation,
                event,
            } => self.deliver(from, to, generation, event),
            PlannedEvent::Wake(site) => {
                if self.sites[site].wake.is_some_and(|time| time <= self.now) {
                    self.sites[site].wake = None;
                    self.feed(site, Event::Tick);
                }
            }
            PlannedEvent::Dial(site, start) => self.dial_due(site, start),
            PlannedEvent::Write(site, start, id, write) => self.write(site, start, id, write),
            PlannedEvent::Written(site, start, event) => {
                if self.sites[site].starts == start {
                    self.feed(site, event);
                }
            }
            other => self.befall(&other),
        }
    }

    /// Passes an event to a site's engine and carries out its effects.
    pub(crate) fn feed(&mut self, site: usize, event: Event) {
        let at = &mut self.sites[site];
        let (Some(engine), Some(store)) = (&mut at.engine, &mut at.store) else {
            return;
        };
        let effects = match self.scenario.faults.write_millis {
            None => drive(engine, self.now, event, store.as_mut()),
            Some(_) => engine.handle(self.now, event, store.as_ref()),
        };
        self.counts.events += 1;
        if store.has_lost_power() {
            // In the middle of this event: none of its effects left the site.
            return self.plan(0, PlannedEvent::Down(site));
        }
        for effect in effects {
            self.note(site, &effect);
            self.carry_out(site, effect);
        }
        if self.counts.events.is_multiple_of(self.scenario.check_every) {
            self.check_site(site);
        }
    }

    /// Lets a site's store carry out a write, unless the engine that asked for it is gone.
    fn write(&mut self, site: usize, start: u64, id: WriteId, write: Write) {
        let at = &mut self.sites[site];
        let Some(store) = at
            .store
            .as_mut()
            .filter(|_| at.starts == start && at.engine.is_some())
        else {
            return;
        };
        let outcome = write.carry_out(store.as_mut());
        if store.has_lost_power() {
            return self.plan(0, PlannedEvent::Down(site));
        }
        let delay = self.write_delay();
        let event = Event::Written { id, outcome };
        self.plan(delay, PlannedEvent::Written(site, start, event));
    }

    fn write_delay(&mut self) -> u64 {
        let range = self.scenario.faults.write_millis;
        range.map_or(0, |range| range.draw(&mut self.rng))
    }

    fn carry_out(&mut self, site: usize, effect: Effect) {
        let from = self.sites[site].key;
        match effect {
            Effect::Request { peer, id, bytes } => {
                let to = self.keys[&peer];
                let wrap = |bytes| Event::Request {
                    peer: from,
                    id,
                    bytes,
                };
                self.send(site, to, bytes, wrap, Some((site, to, id)));
            }
            Effect::Respond { peer, id, bytes } => {
                let to = self.keys[&peer];
                let wrap = |bytes| Event::Response {
                    peer: from,
                    id,
                    bytes,
                };
                self.send(site, to, bytes, wrap, Some((to, site, id)));
            }
            Effect::Gossip { bytes } => {
                self.gossip(site, None, &bytes);
            }
            Effect::Disconnect { peer, .. } => {
                self.give_up_unproved(site, &peer);
                let other = self.keys[&peer];
                self.disconnect(pair(site, other));
            }
            Effect::WakeAt(time) => {
                self.sites[site].wake = Some(time);
                let delay = time.as_millis().saturating_sub(self.now.as_millis());
                self.plan(delay, PlannedEvent::Wake(site));
            }
            Effect::Notice(notice) => {
                self.note_session(site, &notice);
                self.note_lost_branch(site, &notice);
                if let Notice::Violation { peer, violation } = &notice {
                    self.check_strike(site, *peer, violation);
                }
                let name = format!("{notice:?}");
                let name = name.split([' ', '{', '(']).next().unwrap_or_default().to_owned();
                *self.counts.notices.entry(name).or_default() += 1;
            }
            Effect::GossipChecked { peer, bytes, verdict } => {
                // A site that finds a message worth it forwards it.
                if verdict == GossipVerdict::Accept {
                    self.gossip(site, Some(peer), &bytes);
                }
            }
            Effect::Write { id, write } => {
                let (start, delay) = (self.sites[site].starts, self.write_delay());
                self.plan(delay, PlannedEvent::Write(site, start, id, write));
            }
        }
    }

    /// Records the new key of a site, which is its name as a peer from now on.
    pub(crate) fn rename(&mut self, site: usize, chain: CertificateChain) {
        let key = chain.current().body().operating_key;
        // The old key stays known: messages to it fail with its connection.
        self.keys.insert(key, site);
        self.sites[site].key = key;
        self.sites[site].chain = chain;
    }

    /// Hashes an effect into the digest of the run.
    fn note(&mut self, site: usize, effect: &Effect) {
        self.digest.update(&self.now.as_millis().to_le_bytes());
        self.digest.update(&(site as u64).to_le_bytes());
        match effect {
            Effect::Request { peer, id, bytes } | Effect::Respond { peer, id, bytes } => {
                self.digest.update(peer.as_bytes());
                self.digest.update(&id.0.to_le_bytes());
                self.digest.update(bytes);
            }
            Effect::Gossip { bytes } => {
                self.digest.update(bytes);
            }
            other => {
                self.digest.update(format!("{other:?}").as_bytes());
            }
        }
    }

    /// Starts a new engine over the store's content: an engine's state does not survive.
    pub(crate) fn start_engine(&mut self, site: usize) {
        let seed = self.rng.u64(..);
        // Compressing pages would otherwise take half of a run; no rule depends on their bytes.
        let compression = CompressionLevels {
            small: 1,
            large: 1,
            bulk: 1,
        };
        let settings = Settings {
            compression,
            ..Settings::default()
        };
        let at = &mut self.sites[site];
        at.engine = Some(SyncEngine::new(settings, seed));
        at.wake = None;
        at.dials = Dials::default();
        at.sessions.clear();
        at.starts += 1;
        let start = at.starts;
        let delay = self.rng.u64(0..DIAL_MILLIS);
        self.plan(delay, PlannedEvent::Dial(site, start));
        self.feed(site, Event::LocalChanged);
        self.start_feed(site);
    }
}
