//! Sites that offer to fetch one source: they decide by the election that the daemon uses, and fetch by its rules.

use std::collections::BTreeMap;

use starling_protocol::{ContentHash, FeedOffer, OfferInput, RecordId, RestsOn, Source, UnixMillis};
use starling_sync::{Event, INTERVALS, OwnFeed, PROBE_INTERVALS, Role, Waited, Watch, is_healthy};

use crate::network::Pair;
use crate::scenario::{FeedScenario, Range};
use crate::world::{PlannedEvent, World};

/// Looks at the offers in each interval of the schedule.
const LOOKS: u64 = 6;
/// Intervals at the end in which exactly one site may fetch.
const LAST_INTERVALS: u64 = 3;

/// The records of the source, with their canonical bodies.
pub(crate) type SourceContent = BTreeMap<RecordId, Vec<u8>>;

/// The source that everyone fetches.
#[derive(Debug, Default)]
pub(crate) struct SimSource {
    pub(crate) content: SourceContent,
    changes: u64,
}

/// The state of a site.
#[derive(Debug, Default)]
pub(crate) struct SiteFeed {
    /// The error of the site's clock, in milliseconds. The times of a world leave room on both sides.
    clock: i64,
    watch: Watch,
    /// The data that it stored for its next start.
    waited: Vec<Waited>,
    role: Option<Role>,
    /// The start of its last fetch, by its steady clock.
    last: Option<u64>,
    failures: u32,
    /// Its fetches fail until then.
    fails_until: u64,
    /// The time of its last successful fetch.
    fetched: Option<u64>,
    /// The last time when it saw a check advance or fetched successfully, without the time during which it was down.
    news: u64,
    /// The time of its last evaluation.
    looked: u64,
    /// The checks that it saw.
    checks: Vec<Option<UnixMillis>>,
}

/// An event of the source, or of who fetches it.
#[derive(Debug)]
pub(crate) enum FeedEvent {
    /// The source changes.
    Change,
    /// A site looks at the offers; holds the number of its start.
    Look(usize, u64),
    /// A site's fetches begin to fail.
    Fail,
    /// The first site dies, and returns.
    FirstDies,
    /// The sites fall apart into two halves.
    Partition,
}

fn source() -> Source {
    #[allow(clippy::expect_used)]
    "osv".parse().expect("a name")
}

/// Returns the offer of a site.
fn offer(every_ms: u64, is_healthy: bool, rests_on: RestsOn) -> FeedOffer {
    FeedOffer {
        is_offered: true,
        is_healthy,
        every_ms,
        input: OfferInput::of(&["simulated"]),
        rests_on,
    }
}

impl World {
    fn feed_scenario(&self) -> Option<FeedScenario> {
        self.scenario.feed.clone()
    }

    /// Fills the source, sets the clocks, and plans what happens.
    pub(crate) fn begin_feeds(&mut self) {
        let Some(feed) = self.feed_scenario() else { return };
        for number in 0..feed.records {
            self.put_record(number);
        }
        let off = i64::try_from(feed.clocks_off_millis).unwrap_or(i64::MAX);
        for site in 0..feed.sites {
            self.sites[site].feed.clock = self.rng.i64(-off..=off);
        }
        self.plan_feed(Some(feed.changes_every_millis), FeedEvent::Change);
        self.plan_feed(feed.fails_every_millis, FeedEvent::Fail);
        let busy = self.scenario.busy_millis;
        if feed.first_dies_for_millis.is_some() {
            self.plan(busy / 4, PlannedEvent::Feed(FeedEvent::FirstDies));
        }
        if feed.partition_for_millis.is_some() {
            let at = self.rng.u64(busy / 8..busy / 2);
            self.plan(at, PlannedEvent::Feed(FeedEvent::Partition));
        }
    }

    fn plan_feed(&mut self, every: Option<Range>, what: FeedEvent) {
        self.plan_next(every, PlannedEvent::Feed(what));
    }

    /// Begins to watch, at the start of a site.
    pub(crate) fn start_feed(&mut self, site: usize) {
        let Some(feed) = self.feed_scenario().filter(|feed| site < feed.sites) else {
            return;
        };
        let at = &mut self.sites[site];
        let now = self.now.as_millis() - self.start.as_millis();
        // Now and then what was kept is lost. Else it waits on, and the time that it was down does not count.
        if self.rng.u8(0..4) == 0 {
            at.feed.watch = Watch::default();
            at.feed.news = now;
        } else {
            at.feed.watch = Watch::resume(std::mem::take(&mut at.feed.waited));
            at.feed.news += now - at.feed.looked;
        }
        at.feed.role = None;
        let start = at.starts;
        let delay = self.rng.u64(0..feed.every_millis / LOOKS);
        self.plan(delay, PlannedEvent::Feed(FeedEvent::Look(site, start)));
    }

    pub(crate) fn befall_feed(&mut self, event: &FeedEvent) {
        let Some(feed) = self.feed_scenario() else { return };
        match *event {
            FeedEvent::Change => {
                if !self.is_calm() {
                    self.change_source(&feed);
                }
                self.plan_feed(Some(feed.changes_every_millis), FeedEvent::Change);
            }
            FeedEvent::Look(site, start) => {
                if self.sites[site].is_up() && self.sites[site].starts == start {
                    self.look(site, &feed);
                    let delay = feed.every_millis / LOOKS;
                    self.plan(delay, PlannedEvent::Feed(FeedEvent::Look(site, start)));
                }
            }
            FeedEvent::Fail => {
                let site = self.rng.usize(0..feed.sites);
                let time = feed.fails_for_millis.map_or(0, |range| range.draw(&mut self.rng));
                let until = (self.millis() + time).min(self.scenario.busy_millis);
                self.sites[site].feed.fails_until = until;
                self.plan_feed(feed.fails_every_millis, FeedEvent::Fail);
            }
            FeedEvent::FirstDies => {
                let ids = self.sites.iter().take(feed.sites).map(|site| site.id);
                let first = ids.enumerate().min_by_key(|(_, id)| *id);
                if let Some((first, _)) = first {
                    self.down(first, feed.first_dies_for_millis);
                }
            }
            FeedEvent::Partition => {
                let half = self.sites.len() / 2;
                let time = feed
                    .partition_for_millis
                    .map_or(0, |range| range.draw(&mut self.rng));
                let across = |link: &&Pair| (link.0 < half) != (link.1 < half);
                let links: Vec<Pair> = self.network.links.keys().filter(across).copied().collect();
                for link in links {
                    self.cut_link(link, time);
                }
            }
        }
    }

    fn put_record(&mut self, number: u64) {
        self.source.changes += 1;
        let change = self.source.changes;
        let name = format!("SIM-{number}");
        let body = format!(
            r#"{{"affected":[{{"package":{{"ecosystem":"PyPI","name":"sim-{number}"}},"ranges":[]}}],"details":"{change}","id":"{name}"}}"#
        );
        if let Ok(id) = name.parse() {
            self.source.content.insert(id, body.into_bytes());
        }
    }

    fn change_source(&mut self, feed: &FeedScenario) {
        for _ in 0..self.rng.u64(1..=3) {
            let number = self.rng.u64(0..feed.records * 2);
            let id = format!("SIM-{number}").parse::<RecordId>().ok();
            let is_there = id.as_ref().is_some_and(|id| self.source.content.contains_key(id));
            if let Some(id) = id.filter(|_| is_there && self.rng.bool()) {
                self.source.content.remove(&id);
                self.source.changes += 1;
            } else {
                self.put_record(number);
            }
        }
    }

    /// Returns the time by a site's own clock.
    fn clock_of(&self, site: usize) -> UnixMillis {
        let now = i64::try_from(self.now.as_millis()).unwrap_or(i64::MAX);
        let time = now.saturating_add(self.sites[site].feed.clock);
        UnixMillis::saturating(u64::try_from(time).unwrap_or(0))
    }

    /// Lets a site look at the offers, state its own, and fetch if it is to.
    fn look(&mut self, site: usize, feed: &FeedScenario) {
        let (steady, clock) = (self.millis(), self.clock_of(site));
        let at = &mut self.sites[site];
        let Some(store) = at.store.as_mut() else { return };
        let Ok(seen) = store.offers() else { return };
        at.feed.looked = steady;
        at.feed.watch.look(&seen.others, steady);
        let checks: Vec<_> = seen.others.iter().map(|seen| seen.check).collect();
        if checks != at.feed.checks {
            (at.feed.checks, at.feed.news) = (checks, steady);
        }
        at.feed.waited = at.feed.watch.waited(steady);
        let own = OwnFeed {
            site: at.id,
            source: source(),
            input: OfferInput::of(&["simulated"]),
            every_ms: feed.every_millis,
            is_healthy: is_healthy(at.feed.failures, false),
        };
        let role = at.feed.watch.role(&own, &seen.others, steady);
        at.feed.role = Some(role);
        let known = seen.own.get(&source());
        let rests_on = known.map_or_else(RestsOn::new, |known| known.rests_on.clone());
        let wanted = offer(feed.every_millis, own.is_healthy, rests_on);
        let mut is_changed = false;
        if known != Some(&wanted) {
            // A store without room refuses, and is asked again.
            is_changed |= store.state_offer(&source(), &wanted, clock).is_ok();
        }
        let every = match role {
            Role::Fetch(_) => Some(feed.every_millis),
            Role::Probe { .. } => Some(feed.every_millis * PROBE_INTERVALS),
            Role::StandBy { .. } => None,
        };
        let is_due = every.is_some_and(|every| at.feed.last.is_none_or(|last| steady >= last + every));
        if is_due {
            at.feed.last = Some(steady);
            if at.feed.fails_until > steady {
                at.feed.failures += 1;
            } else {
                let fetched = store.fetch(&source(), &self.source.content, &wanted, clock);
                match fetched {
                    Ok(claims) => {
                        (at.feed.failures, at.feed.fetched, at.feed.news) = (0, Some(steady), steady);
                        self.counts.records += claims;
                        *self.counts.notices.entry("Fetched".to_owned()).or_default() += 1;
                        is_changed = true;
                    }
                    Err(_) => at.feed.failures += 1,
                }
            }
        }
        // Each site before it has a turn of three intervals, and its own fetches may fail for a while.
        let turns = INTERVALS * feed.sites as u64 + PROBE_INTERVALS + 1;
        let most = feed.fails_for_millis.map_or(0, |range| range.most) + turns * feed.every_millis;
        let quiet = steady - at.feed.news;
        let has_lost_power = store.has_lost_power();
        if quiet > most {
            let found = format!("it saw no check for {quiet} ms and did not fetch: {role:?}");
            return self.violate("a_source_is_never_left", site, found);
        }
        if has_lost_power {
            self.plan(0, PlannedEvent::Down(site));
        } else if is_changed {
            self.feed(site, Event::LocalChanged);
        }
    }

    /// Checks at the end that one site fetches and that everyone has the source as it is.
    pub(crate) fn judge_feeds(&mut self) {
        let Some(feed) = self.feed_scenario() else { return };
        let end = self.millis();
        let sites = &self.sites[..feed.sites];
        let fetching: Vec<usize> = (0..feed.sites)
            .filter(|site| matches!(sites[*site].feed.role, Some(Role::Fetch(_))))
            .collect();
        let since = end.saturating_sub(feed.every_millis * LAST_INTERVALS);
        let fetched: Vec<usize> = (0..feed.sites)
            .filter(|site| sites[*site].feed.fetched.is_some_and(|at| at >= since))
            .collect();
        let least = (0..feed.sites).min_by_key(|site| sites[*site].id).into_iter();
        let least: Vec<usize> = least.collect();
        if fetching != least || fetched != least {
            let found =
                format!("by their roles {fetching:?}, by what they did {fetched:?}, expected {least:?}");
            return self.violate("one_site_fetches", 0, found);
        }
        // Each site states each change at most once; a site that takes over restates no statement of others.
        let most = self.source.changes * feed.sites as u64;
        if self.counts.records > most {
            let found = format!(
                "{} statements of {} changes",
                self.counts.records, self.source.changes
            );
            return self.violate("nobody_states_the_source_anew", 0, found);
        }
        let wanted: BTreeMap<RecordId, ContentHash> = self
            .source
            .content
            .iter()
            .map(|(id, body)| (id.clone(), ContentHash::of(body)))
            .collect();
        for site in 0..self.sites.len() {
            let store = self.sites[site].store.as_ref();
            let found = store.map_or(Ok(BTreeMap::new()), |store| store.content(&source()));
            let differs = match found {
                Ok(found) => differs(&found, &wanted),
                Err(error) => Some(error),
            };
            if let Some(differs) = differs {
                return self.violate("every_site_has_the_source", site, differs);
            }
        }
    }
}

/// Names the first record in which two contents differ.
fn differs(
    found: &BTreeMap<RecordId, ContentHash>,
    wanted: &BTreeMap<RecordId, ContentHash>,
) -> Option<String> {
    let mut ids = found.keys().chain(wanted.keys());
    let id = ids.find(|id| found.get(*id) != wanted.get(*id))?;
    Some(format!(
        "{id}: found {:?}, expected {:?}",
        found.get(id),
        wanted.get(id)
    ))
}
