//! The events that happen to sites: publications, cuts, crashes, stalls, full disks, forks.

use crate::network::Pair;
use crate::scenario::Range;
use crate::workload::publication;
use crate::world::{PlannedEvent, World};

/// The time until a doomed site goes down, in milliseconds, so that the torn write comes in the middle of work.
const DOOM_MILLIS: u64 = 2_000;
/// Least time between the two histories of a forker, in milliseconds.
const FORK_GAP_MILLIS: u64 = 5_000;
/// The same, in longest latencies: the first history must have left when the second begins, or there is no fork.
const FORK_GAP_LATENCIES: u64 = 10;
/// Attempts of an author with a lost home to continue with everything that is known of its log.
const PATIENT_TRIES: u32 = 4;
/// Writes after which a doomed store loses power, at most.
const DOOM_WRITES: u32 = 12;

impl World {
    /// Plans the next happening of a kind, as long as things happen.
    pub(crate) fn plan_next(&mut self, every: Option<Range>, what: PlannedEvent) {
        if let Some(every) = every.filter(|_| !self.is_calm()) {
            let delay = every.draw(&mut self.rng);
            self.plan(delay, what);
        }
    }

    pub(crate) fn befall(&mut self, what: &PlannedEvent) {
        let faults = self.scenario.faults.clone();
        match what {
            &PlannedEvent::Publish(author) => self.publish(author),
            PlannedEvent::Cut => {
                self.cut(faults.cut_for_millis);
                self.plan_next(faults.cut_every_millis, PlannedEvent::Cut);
            }
            &PlannedEvent::Heal(link) => {
                if let Some(state) = self.network.links.get_mut(&link) {
                    state.cut = false;
                }
            }
            PlannedEvent::Doom => {
                let site = self.rng.usize(0..self.sites.len());
                let writes = self.rng.u32(0..DOOM_WRITES);
                if let Some(store) = self.sites[site]
                    .store
                    .as_mut()
                    .filter(|_| !self.scenario.forkers.contains(&site))
                {
                    store.doom(writes);
                    let delay = self.rng.u64(1..DOOM_MILLIS);
                    self.plan(delay, PlannedEvent::Down(site));
                }
                self.plan_next(faults.crash_every_millis, PlannedEvent::Doom);
            }
            &PlannedEvent::Down(site) => self.down(site, faults.down_for_millis),
            &PlannedEvent::Up(site) => {
                if !self.sites[site].is_up() {
                    self.start_engine(site);
                }
            }
            PlannedEvent::Stall => {
                let site = self.rng.usize(0..self.sites.len());
                let time = draw(faults.stall_for_millis, &mut self.rng);
                self.sites[site].stalled_until = self.now.plus_millis(time);
                self.plan_next(faults.stall_every_millis, PlannedEvent::Stall);
            }
            PlannedEvent::Restore => {
                self.restore_some_author(faults.restore_deltas);
                self.plan_next(faults.restore_every_millis, PlannedEvent::Restore);
            }
            PlannedEvent::LoseHome => {
                if self.scenario.traffic.authors > 0 {
                    let author = self.rng.usize(0..self.scenario.traffic.authors);
                    self.publish_once(author);
                    let delay = draw(faults.lose_home_after_millis, &mut self.rng);
                    self.plan(delay, PlannedEvent::HomeLost(author));
                }
                self.plan_next(faults.lose_home_every_millis, PlannedEvent::LoseHome);
            }
            &PlannedEvent::HomeLost(site) => self.home_lost(site, faults.recover_for_millis),
            &PlannedEvent::GoOn(site, tries) => self.go_on(site, tries, faults.recover_for_millis),
            PlannedEvent::StoreFails => {
                let site = self.rng.usize(0..self.sites.len());
                if let Some(store) = &mut self.sites[site].store {
                    store.set_failing(true);
                }
                let time = draw(faults.store_fails_for_millis, &mut self.rng);
                self.plan(time, PlannedEvent::StoreHeals(site));
                self.plan_next(faults.store_fails_every_millis, PlannedEvent::StoreFails);
            }
            &PlannedEvent::StoreHeals(site) => {
                if let Some(store) = &mut self.sites[site].store {
                    store.set_failing(false);
                }
            }
            &PlannedEvent::Fork(site) => self.fork(site),
            &PlannedEvent::ForkOn(site) => self.fork_on(site),
            &PlannedEvent::Resolve(site) => self.restore(site, 0),
            PlannedEvent::Feed(event) => self.befall_feed(event),
            PlannedEvent::Deliver { .. }
            | PlannedEvent::Wake(_)
            | PlannedEvent::Dial(..)
            | PlannedEvent::Write(..)
            | PlannedEvent::Written(..) => {}
        }
    }

    fn publish(&mut self, author: usize) {
        if self.is_calm() {
            return;
        }
        self.publish_once(author);
        let traffic = &self.scenario.traffic;
        let (every, is_author) = (traffic.every_millis, author < traffic.authors);
        self.plan_next(Some(every).filter(|_| is_author), PlannedEvent::Publish(author));
    }

    fn publish_once(&mut self, author: usize) {
        let traffic = self.scenario.traffic.clone();
        if let Some((source, records)) = publication(&traffic, author, &mut self.rng) {
            let (up, now) = (self.sites[author].is_up(), self.now);
            let store = self.sites[author].store.as_mut().filter(|_| up);
            // A store without room refuses; then nothing was published.
            if store.is_some_and(|store| store.publish(&source, &records, now).is_ok()) {
                self.counts.records += records.len() as u64;
                self.feed(author, starling_sync::Event::LocalChanged);
            }
        }
    }

    fn cut(&mut self, lasting: Option<Range>) {
        let links: Vec<Pair> = self.network.links.keys().copied().collect();
        let Some(link) = (!links.is_empty()).then(|| links[self.rng.usize(0..links.len())]) else {
            return;
        };
        let time = draw(lasting, &mut self.rng);
        self.cut_link(link, time);
    }

    pub(crate) fn cut_link(&mut self, link: Pair, millis: u64) {
        self.disconnect(link);
        if let Some(state) = self.network.links.get_mut(&link) {
            state.cut = true;
        }
        self.plan(millis, PlannedEvent::Heal(link));
    }

    pub(crate) fn down(&mut self, site: usize, lasting: Option<Range>) {
        if !self.sites[site].is_up() {
            return;
        }
        self.sites[site].engine = None;
        for other in self.network.neighbours(site).to_vec() {
            self.disconnect(crate::network::pair(site, other));
        }
        let Some(store) = self.sites[site].store.take() else {
            return;
        };
        match store.crash(self.now) {
            Ok(store) => self.sites[site].store = Some(store),
            Err(error) => return self.violate("a_store_opens_after_a_crash", site, error),
        }
        self.check_site(site);
        let time = draw(lasting, &mut self.rng);
        self.plan(time, PlannedEvent::Up(site));
    }

    fn restore_some_author(&mut self, deltas: Option<Range>) {
        if self.scenario.traffic.authors > 0 {
            let author = self.rng.usize(0..self.scenario.traffic.authors);
            let back = draw(deltas, &mut self.rng);
            self.restore(author, back);
        }
    }

    /// Lets an author begin a new epoch with a new key, resuming before its last claims. All its connections
    /// end, because the key is its name as a peer.
    fn restore(&mut self, site: usize, back: u64) {
        if !self.sites[site].is_up() {
            return;
        }
        let (back, now) = (usize::try_from(back).unwrap_or(usize::MAX), self.now);
        let Some(store) = &mut self.sites[site].store else {
            return;
        };
        match store.restore(back, now) {
            Ok(Some(chain)) => {
                self.sites[site].engine = None;
                for other in self.network.neighbours(site).to_vec() {
                    self.disconnect(crate::network::pair(site, other));
                }
                self.rename(site, chain);
                self.start_engine(site);
            }
            Ok(None) => {}
            Err(error) => self.violate("an_author_goes_on_in_a_new_epoch", site, error),
        }
    }

    /// Takes everything of a home but its keys: the author takes its log back, and signs nothing meanwhile.
    fn home_lost(&mut self, site: usize, recovering: Option<Range>) {
        if !self.sites[site].is_up() || self.sites[site].is_recovering {
            return;
        }
        let Some(store) = self.sites[site].store.take() else {
            return;
        };
        let others: Vec<_> = self.sites.iter().map(|other| other.chain.clone()).collect();
        let own = self.sites[site].id;
        let others: Vec<_> = others.into_iter().filter(|chain| chain.site() != own).collect();
        match store.lose_home(&others, self.now) {
            Ok(store) => self.sites[site].store = Some(store),
            Err(error) => return self.violate("a_lost_home_is_made_again", site, error),
        }
        self.sites[site].is_recovering = true;
        self.sites[site].positions.clear();
        self.begin_anew(site);
        let time = draw(recovering, &mut self.rng);
        self.plan(time, PlannedEvent::GoOn(site, 0));
    }

    /// Lets an author with a lost home begin a new epoch, if it has what its peers hold of its log. It does not
    /// wait forever: data that nobody gave it is lost, bodies included.
    fn go_on(&mut self, site: usize, tries: u32, again: Option<Range>) {
        let is_last = tries >= PATIENT_TRIES;
        let now = self.now;
        let store = self.sites[site].store.as_mut();
        let went_on = store.map_or(Ok(None), |store| store.go_on(is_last, now));
        match went_on {
            Ok(Some((chain, restated))) => {
                self.sites[site].is_recovering = false;
                self.rename(site, chain);
                self.begin_anew(site);
                *self.counts.notices.entry("Restated".to_owned()).or_default() += restated;
            }
            Ok(None) => {
                let time = draw(again, &mut self.rng);
                self.plan(time, PlannedEvent::GoOn(site, tries + 1));
            }
            Err(error) => self.violate("an_author_goes_on_in_a_new_epoch", site, error),
        }
    }

    /// Ends a site's connections and restarts its engine.
    fn begin_anew(&mut self, site: usize) {
        self.sites[site].engine = None;
        for other in self.network.neighbours(site).to_vec() {
            self.disconnect(crate::network::pair(site, other));
        }
        self.start_engine(site);
    }

    /// Publishes after a backup; some time later the site continues from the backup.
    fn fork(&mut self, site: usize) {
        self.sites[site].backup = self.sites[site].store.as_ref().and_then(|store| store.twin());
        self.publish(site);
        let gap = FORK_GAP_MILLIS.max(self.scenario.latency_millis.most * FORK_GAP_LATENCIES);
        self.plan(gap, PlannedEvent::ForkOn(site));
    }

    fn fork_on(&mut self, site: usize) {
        let Some(backup) = self.sites[site].backup.take() else {
            return;
        };
        self.sites[site].engine = None;
        for other in self.network.neighbours(site).to_vec() {
            self.disconnect(crate::network::pair(site, other));
        }
        self.sites[site].store = Some(backup);
        self.sites[site].positions.clear();
        self.start_engine(site);
        // Twice, so that the second history differs in length from the first.
        self.publish(site);
        self.publish(site);
        if let Some(after) = self.scenario.faults.resolve_after_millis {
            let delay = after.draw(&mut self.rng);
            self.plan(delay, PlannedEvent::Resolve(site));
        }
    }
}

fn draw(range: Option<Range>, rng: &mut fastrand::Rng) -> u64 {
    range.map_or(1_000, |range| range.draw(rng))
}
