//! What the engine keeps about one connected peer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use starling_protocol::{ClaimNumber, ForkProof, Lane, SiteId, UnixMillis};

use crate::LogKey;
use crate::clock::later;
use crate::conduct::Bucket;
use crate::event::RequestId;
use crate::limits::MAX_FORGIVEN;
use crate::notice::TipDifference;
use crate::settings::Settings;
use crate::tips::Compared;
use crate::wire::{Capabilities, LogNote};

/// How far the session got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Connected; it must prove who it is before the deadline.
    Greeting {
        deadline: UnixMillis,
        /// When this site greets if the other does not; none when it has.
        greet_at: Option<UnixMillis>,
    },
    /// It is a listed site.
    Ready {
        site: SiteId,
        capabilities: Capabilities,
    },
}

/// Which head of a log is newer: epoch, then number, then when it was signed.
pub(crate) type HeadRank = (u32, ClaimNumber, UnixMillis);

/// The rank of the head that a note names.
pub(crate) fn head_rank(note: &LogNote) -> HeadRank {
    (note.head_epoch, note.head_number, note.head_issued_at)
}

/// A connected peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) stage: Stage,
    /// Where it says it stands, for logs of listed sites only.
    pub(crate) knows: BTreeMap<LogKey, LogNote>,
    /// What this site last told it of itself, and it confirmed.
    pub(crate) told: BTreeMap<LogKey, LogNote>,
    /// Logs to tell it of, and when.
    pub(crate) untold: BTreeSet<LogKey>,
    pub(crate) news_due: Option<UnixMillis>,
    pub(crate) news_open: bool,
    pub(crate) last_news: UnixMillis,
    /// Facts to ask it for.
    pub(crate) wanted: WantedFacts,
    pub(crate) facts_open: bool,
    /// Logs to compare with it, and up to where each was compared.
    pub(crate) to_compare: BTreeSet<LogKey>,
    pub(crate) compared: BTreeMap<LogKey, Compared>,
    /// Logs that were not the same when they were compared last.
    pub(crate) differs: BTreeMap<LogKey, TipDifference>,
    pub(crate) tips_open: bool,
    /// Logs of which it gave the body of another claim: how long the author's chain was then, and when.
    pub(crate) other_bodies: BTreeMap<LogKey, (usize, UnixMillis)>,
    /// Requests that it has open.
    pub(crate) open: usize,
    /// Pages of bodies among them.
    pub(crate) open_bodies: usize,
    /// Failures in a row, and until when to leave it alone.
    pub(crate) failures: u32,
    pub(crate) rests_until: UnixMillis,
    pub(crate) requests: Bucket,
    pub(crate) gossip: Bucket,
    /// Requests given up on, whose late answers are no offence.
    forgiven: VecDeque<RequestId>,
}

/// Facts that a peer's notes speak of and that this site lacks.
#[derive(Debug, Default)]
pub(crate) struct WantedFacts {
    pub(crate) chains: BTreeSet<SiteId>,
    pub(crate) heads: BTreeSet<LogKey>,
    pub(crate) forks: BTreeSet<LogKey>,
}

impl WantedFacts {
    pub(crate) fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.heads.is_empty() && self.forks.is_empty()
    }
}

impl Peer {
    pub(crate) fn new(
        now: UnixMillis,
        deadline: UnixMillis,
        greet_at: UnixMillis,
        settings: &Settings,
    ) -> Self {
        Self {
            stage: Stage::Greeting {
                deadline,
                greet_at: Some(greet_at),
            },
            knows: BTreeMap::new(),
            told: BTreeMap::new(),
            untold: BTreeSet::new(),
            news_due: None,
            news_open: false,
            last_news: UnixMillis::EPOCH,
            wanted: WantedFacts::default(),
            facts_open: false,
            to_compare: BTreeSet::new(),
            compared: BTreeMap::new(),
            differs: BTreeMap::new(),
            tips_open: false,
            other_bodies: BTreeMap::new(),
            open: 0,
            open_bodies: 0,
            failures: 0,
            rests_until: UnixMillis::EPOCH,
            requests: Bucket::full(now, settings.inbound_burst),
            gossip: Bucket::full(now, settings.inbound_burst),
            forgiven: VecDeque::new(),
        }
    }

    /// The site it proved to be.
    pub(crate) fn site(&self) -> Option<SiteId> {
        match self.stage {
            Stage::Ready { site, .. } => Some(site),
            Stage::Greeting { .. } => None,
        }
    }

    pub(crate) fn has(&self, capability: Capabilities) -> bool {
        matches!(self.stage, Stage::Ready { capabilities, .. } if capabilities.has(capability))
    }

    /// Returns true if it reads fork proofs of this version.
    pub(crate) fn reads_fork(&self, proof: &ForkProof) -> bool {
        !proof.is_of_neighbours() || self.has(Capabilities::NEIGHBOUR_FORKS)
    }

    /// Whether this peer may be told of a log, or tell of it, at all: a direct lane is between its author
    /// and whom the author speaks to.
    pub(crate) fn may_share(&self, key: LogKey, own: SiteId) -> bool {
        key.1 == Lane::Federation || key.0 == own || self.site() == Some(key.0)
    }

    /// Whether it says that it holds claims of a log after `after`, and may be asked now.
    pub(crate) fn can_give_deltas(&self, key: LogKey, after: ClaimNumber) -> bool {
        let lane_allows = key.1 == Lane::Federation || self.site() == Some(key.0);
        lane_allows && self.knows.get(&key).is_some_and(|note| note.held > after)
    }

    /// Gives it so much more time to prove itself, if it has not.
    pub(crate) fn grant(&mut self, span: Duration) {
        if let Stage::Greeting { deadline, .. } = &mut self.stage {
            *deadline = later(*deadline, span);
        }
    }

    pub(crate) fn forgive(&mut self, id: RequestId) {
        if self.forgiven.len() == MAX_FORGIVEN {
            self.forgiven.pop_front();
        }
        self.forgiven.push_back(id);
    }

    /// Whether a late answer to `id` is forgiven; once.
    pub(crate) fn takes_late(&mut self, id: RequestId) -> bool {
        let place = self.forgiven.iter().position(|forgiven| *forgiven == id);
        place.is_some_and(|place| self.forgiven.remove(place).is_some())
    }

    /// Asks for news to go out at `due` or before.
    pub(crate) fn tell(&mut self, key: LogKey, due: UnixMillis) {
        self.untold.insert(key);
        self.news_due = Some(self.news_due.map_or(due, |planned| planned.min(due)));
    }
}
