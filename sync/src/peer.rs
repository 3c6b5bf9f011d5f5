//! The state that the engine keeps for one connected peer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use starling_protocol::{ClaimNumber, ForkProof, Lane, SiteId, UnixMillis};

use crate::LogKey;
use crate::clock::later;
use crate::event::RequestId;
use crate::limits::MAX_FORGIVEN;
use crate::notice::TipDifference;
use crate::peer_score::Bucket;
use crate::settings::Settings;
use crate::tips::Compared;
use crate::wire::{Capabilities, LogNote};

/// The progress of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Connected; the peer must prove its identity before the deadline.
    Greeting {
        deadline: UnixMillis,
        /// The time at which this site greets if the peer does not; `None` after it has greeted.
        greet_at: Option<UnixMillis>,
    },
    /// The peer is a listed site.
    Ready {
        site: SiteId,
        capabilities: Capabilities,
    },
}

/// The order of heads of a log: epoch, then number, then the time of signing.
pub(crate) type HeadRank = (u32, ClaimNumber, UnixMillis);

/// Returns the rank of the head that a note names.
pub(crate) fn head_rank(note: &LogNote) -> HeadRank {
    (note.head_epoch, note.head_number, note.head_issued_at)
}

/// A connected peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) stage: Stage,
    /// The peer's stated positions, for logs of listed sites only.
    pub(crate) knows: BTreeMap<LogKey, LogNote>,
    /// This site's last statements to the peer that it confirmed.
    pub(crate) told: BTreeMap<LogKey, LogNote>,
    /// Logs to report to the peer, with the time of the report.
    pub(crate) untold: BTreeSet<LogKey>,
    pub(crate) news_due: Option<UnixMillis>,
    pub(crate) news_open: bool,
    pub(crate) last_news: UnixMillis,
    /// Facts to request from the peer.
    pub(crate) wanted: WantedFacts,
    pub(crate) facts_open: bool,
    /// Logs to compare with the peer, and the claim up to which each was compared.
    pub(crate) to_compare: BTreeSet<LogKey>,
    pub(crate) compared: BTreeMap<LogKey, Compared>,
    /// Logs that were not the same when they were compared last.
    pub(crate) differs: BTreeMap<LogKey, TipDifference>,
    pub(crate) tips_open: bool,
    /// Logs for which the peer gave the body of another claim: the length of the author's chain then, and the
    /// time.
    pub(crate) other_bodies: BTreeMap<LogKey, (usize, UnixMillis)>,
    /// The number of the peer's open requests.
    pub(crate) open: usize,
    /// Pages of bodies among them.
    pub(crate) open_bodies: usize,
    /// Consecutive failures, and the end of the rest that follows.
    pub(crate) failures: u32,
    pub(crate) rests_until: UnixMillis,
    pub(crate) requests: Bucket,
    pub(crate) gossip: Bucket,
    /// Abandoned requests whose late answers are not violations.
    forgiven: VecDeque<RequestId>,
}

/// Facts that a peer's notes mention and that this site lacks.
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

    /// Returns the site whose identity the peer proved.
    pub(crate) fn site(&self) -> Option<SiteId> {
        match self.stage {
            Stage::Ready { site, .. } => Some(site),
            Stage::Greeting { .. } => None,
        }
    }

    pub(crate) fn has(&self, capability: Capabilities) -> bool {
        matches!(self.stage, Stage::Ready { capabilities, .. } if capabilities.has(capability))
    }

    /// Returns true if the peer reads fork proofs of this version.
    pub(crate) fn reads_fork(&self, proof: &ForkProof) -> bool {
        !proof.is_of_neighbours() || self.has(Capabilities::NEIGHBOUR_FORKS)
    }

    /// Returns true if this peer may exchange statements about a log: a direct lane is shared only between its
    /// author and the author's peers.
    pub(crate) fn may_share(&self, key: LogKey, own: SiteId) -> bool {
        key.1 == Lane::Federation || key.0 == own || self.site() == Some(key.0)
    }

    /// Returns true if the peer states that it holds claims of a log after `after` and may be asked now.
    pub(crate) fn can_give_deltas(&self, key: LogKey, after: ClaimNumber) -> bool {
        let lane_allows = key.1 == Lane::Federation || self.site() == Some(key.0);
        lane_allows && self.knows.get(&key).is_some_and(|note| note.held > after)
    }

    /// Extends the deadline of a peer that has not proved its identity yet.
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

    /// Returns true, once per request, if a late answer to `id` is forgiven.
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
