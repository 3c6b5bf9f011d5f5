//! The state that the engine keeps for one connected peer.
//!
//! | part | what it is | changed by |
//! |---|---|---|
//! | `stage` | the progress of the session | `session` |
//! | `knows` | the peer's stated positions | `news` |
//! | `outbox` | what this site reports to it | `telling` |
//! | `wanted` | facts to request from it | `news` |
//! | `comparisons` | logs that are compared with it | `tips` |
//! | `other_bodies` | bodies of other claims that it gave | `bodies` |
//! | `pace` | its open requests and its rests | `engine` |
//! | `requests`, `gossip` | what it may send | `serve`, `gossip` |

mod outbox;
mod pace;
mod wanted;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use starling_protocol::{ClaimNumber, ForkProof, Lane, SiteId, UnixMillis};

pub(crate) use self::outbox::Outbox;
pub(crate) use self::pace::Pace;
pub(crate) use self::wanted::WantedFacts;
use crate::LogKey;
use crate::bodies::OtherBodies;
use crate::clock::later;
use crate::event::RequestId;
use crate::limits::MAX_FORGIVEN;
use crate::peer_score::Bucket;
use crate::settings::Settings;
use crate::tips::Comparisons;
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
    /// The facts to report to the peer.
    pub(crate) outbox: Outbox,
    /// Facts to request from the peer.
    pub(crate) wanted: WantedFacts,
    /// Comparisons of logs with the peer.
    pub(crate) comparisons: Comparisons,
    /// Bodies of other claims that the peer gave.
    pub(crate) other_bodies: OtherBodies,
    pub(crate) pace: Pace,
    pub(crate) requests: Bucket,
    pub(crate) gossip: Bucket,
    /// Abandoned requests whose late answers are not violations.
    forgiven: VecDeque<RequestId>,
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
            outbox: Outbox::default(),
            wanted: WantedFacts::default(),
            comparisons: Comparisons::default(),
            other_bodies: OtherBodies::default(),
            pace: Pace::default(),
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
}
