//! Scenarios as data: the world, and the events in it.

use serde::Deserialize;

use crate::mischief::Mischief;

/// A scenario that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The text is not a scenario.
    #[error("reading a scenario")]
    Parse(#[from] toml::de::Error),
    /// A value is not valid.
    #[error("reading scenario {name}: {problem}")]
    Senseless {
        /// The scenario.
        name: String,
        /// The fault, and the expected value.
        problem: String,
    },
}

/// A range of values, both ends included, from which the seed draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "(u64, u64)")]
pub struct Range {
    /// The least value.
    pub least: u64,
    /// The greatest value.
    pub most: u64,
}

impl From<(u64, u64)> for Range {
    fn from((one, other): (u64, u64)) -> Self {
        Self {
            least: one.min(other),
            most: one.max(other),
        }
    }
}

impl Range {
    /// Draws a value.
    pub fn draw(self, rng: &mut fastrand::Rng) -> u64 {
        rng.u64(self.least..=self.most)
    }
}

/// The links between sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// Everyone to everyone.
    Mesh,
    /// Each to the next.
    Line,
    /// Each to the next, and the last to the first.
    Ring,
    /// All to the first.
    Star,
    /// Each to some others, drawn by the seed; always connected.
    Random,
}

/// The sites on a site's allow-list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Listing {
    /// Every other site.
    #[default]
    Everyone,
    /// Its linked sites and the authors: enough to replicate, and little to keep.
    NeighboursAndAuthors,
}

/// The kind of store of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// The sync crate's model: quick, and nothing but the rules.
    #[default]
    Model,
    /// The real site store over its in-memory engine.
    Store,
}

/// The publications of sites.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// The number of publishing sites, from the first on.
    pub authors: usize,
    /// Time between two publications of one author, in milliseconds.
    pub every_millis: Range,
    /// Records in one publication.
    pub records: Range,
    /// Different record ids; fewer ids mean more updates.
    pub ids: u64,
    /// Bytes of text in a record.
    pub text_bytes: Range,
}

/// Accidental faults. Times are in milliseconds; an absent fault does not happen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Of a thousand messages, so many are lost.
    pub loss_per_mille: u32,
    /// Time between two cuts of a link.
    pub cut_every_millis: Option<Range>,
    /// The time that a cut link stays down.
    pub cut_for_millis: Option<Range>,
    /// Time between two crashes of a site.
    pub crash_every_millis: Option<Range>,
    /// The time that a crashed site stays down.
    pub down_for_millis: Option<Range>,
    /// Time between two stalls: a site that answers nothing for a while.
    pub stall_every_millis: Option<Range>,
    /// The length of a stall.
    pub stall_for_millis: Option<Range>,
    /// Time between two moments at which a store begins to refuse writes.
    pub store_fails_every_millis: Option<Range>,
    /// The time for which a store refuses writes.
    pub store_fails_for_millis: Option<Range>,
    /// The time until a store carries out a write of its engine, and again until the engine hears of it. Without it,
    /// both are at once.
    pub write_millis: Option<Range>,
    /// Time between two events at which an author begins a new epoch with a new key, resuming before its last
    /// claims, as after a restore from a backup.
    pub restore_every_millis: Option<Range>,
    /// The number of its last deltas that an author then gives up.
    pub restore_deltas: Option<Range>,
    /// The time after its second history begins at which a forker begins a new epoch that names it. Without it, the fork
    /// stays.
    pub resolve_after_millis: Option<Range>,
    /// Time between two losses of an author's home: of all but its keys, soon after it published something.
    pub lose_home_every_millis: Option<Range>,
    /// The time after which the home is lost: claims may be at a peer by then without their bodies.
    pub lose_home_after_millis: Option<Range>,
    /// The time for which the author then takes its log back from its peers before it tries to continue.
    pub recover_for_millis: Option<Range>,
}

/// A source that several sites offer to fetch. Needs the real store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedScenario {
    /// The number of sites that fetch it, from the first on.
    pub sites: usize,
    /// Their schedule, in milliseconds.
    pub every_millis: u64,
    /// Records of the source at the start.
    pub records: u64,
    /// Time between two changes of the source.
    pub changes_every_millis: Range,
    /// Clocks are off by at most so much, in both directions.
    pub clocks_off_millis: u64,
    /// The time for which the site with the least id is down, from a quarter of the busy time on.
    #[serde(default)]
    pub first_dies_for_millis: Option<Range>,
    /// The time for which the sites are in two halves that cannot talk.
    #[serde(default)]
    pub partition_for_millis: Option<Range>,
    /// Time between two moments at which a site's fetches begin to fail.
    #[serde(default)]
    pub fails_every_millis: Option<Range>,
    /// The time for which they fail.
    #[serde(default)]
    pub fails_for_millis: Option<Range>,
}

/// A malicious site: its engine is honest, but its outgoing messages are changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Byzantine {
    /// The index of the site, from 0.
    pub site: usize,
    /// Its misbehaviour.
    pub mischief: Mischief,
    /// Of a hundred messages, so many are tampered with.
    pub percent: u32,
}

/// A world and the events in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The purpose of the scenario.
    pub about: String,
    /// The number of sites.
    pub sites: usize,
    /// The links between sites.
    pub topology: Topology,
    /// With `random`: links per site, at least.
    #[serde(default = "three")]
    pub degree: usize,
    /// The sites that sites list.
    #[serde(default)]
    pub listing: Listing,
    /// The kind of store of the sites.
    #[serde(default)]
    pub store: StoreKind,
    /// The time in which events happen, in milliseconds.
    pub busy_millis: u64,
    /// The time in which the sites must agree after that, without new faults, in milliseconds.
    pub calm_millis: u64,
    /// The delay of a message, in milliseconds.
    pub latency_millis: Range,
    /// Check the invariants after every so many events.
    #[serde(default = "one")]
    pub check_every: u64,
    /// The publications of sites.
    pub traffic: Traffic,
    /// Accidental faults.
    #[serde(default)]
    pub faults: Faults,
    /// A source that sites offer to fetch.
    #[serde(default)]
    pub feed: Option<FeedScenario>,
    /// Malicious sites.
    #[serde(default)]
    pub byzantine: Vec<Byzantine>,
    /// Sites that sign two histories once, half-way through.
    #[serde(default)]
    pub forkers: Vec<usize>,
    /// Sites that nobody lists, although they list everyone.
    #[serde(default)]
    pub unlisted: Vec<usize>,
}

fn one() -> u64 {
    1
}

fn three() -> usize {
    3
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// [`ScenarioError`].
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        let refuse = |problem: &str| {
            Err(ScenarioError::Senseless {
                name: scenario.name.clone(),
                problem: problem.to_owned(),
            })
        };
        let named = scenario.byzantine.iter().map(|byzantine| byzantine.site);
        let mut named = named
            .chain(scenario.forkers.iter().copied())
            .chain(scenario.unlisted.iter().copied());
        if scenario.sites < 2 || scenario.traffic.authors > scenario.sites {
            return refuse("`sites` must be at least 2, and `authors` at most `sites`");
        }
        if named.any(|site| site >= scenario.sites) {
            return refuse("a listed site does not exist; sites are numbered from 0");
        }
        if scenario.check_every == 0 || scenario.traffic.ids == 0 {
            return refuse("`check_every` and `ids` must be at least 1");
        }
        if let Some(feed) = &scenario.feed
            && (feed.sites == 0
                || feed.sites > scenario.sites
                || feed.records == 0
                || feed.every_millis < 1_000)
        {
            return refuse(
                "a feed needs 1 to `sites` sites, a record, and a schedule of at least 1,000 milliseconds",
            );
        }
        if scenario.feed.is_some() && scenario.store == StoreKind::Model {
            return refuse("feeds need the real store: the model has no offers");
        }
        if scenario.store == StoreKind::Store && !scenario.forkers.is_empty() && !scenario.forks_end() {
            return refuse("forkers need the model, or `resolve_after_millis`: a real store stops signing");
        }
        if scenario.store == StoreKind::Model
            && (scenario.faults.restore_every_millis.is_some()
                || scenario.faults.lose_home_every_millis.is_some())
        {
            return refuse(
                "restores need the real store: the model does not give up what a certificate closes",
            );
        }
        Ok(scenario)
    }

    /// Returns true if a site keeps to the rules, or its certificate says which of its histories is valid.
    #[must_use]
    pub fn is_honest(&self, site: usize) -> bool {
        let forks = self.forkers.contains(&site) && !self.forks_end();
        !self.byzantine.iter().any(|byzantine| byzantine.site == site) && !forks
    }

    /// Returns true if forkers name one of their histories in the end.
    #[must_use]
    pub fn forks_end(&self) -> bool {
        self.faults.resolve_after_millis.is_some()
    }
}
