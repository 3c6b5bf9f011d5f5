//! Claims of a log that are known and not here.

use std::collections::BTreeMap;

use starling_protocol::{ClaimNumber, Lane};

use super::{Log, LogId, State};
use crate::rows::LogNumber;

/// The reason why claims of a log are known and not here, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossCause {
    /// A repair of the site's log left them out.
    Repaired,
    /// This site signed them, and the home is an earlier one, as after a restore.
    Restored,
    /// A branch that lost was given up, and the rest of the branch that replaces it still arrives.
    Replaced,
}

impl LossCause {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Repaired => 1,
            Self::Restored => 2,
            Self::Replaced => 3,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Repaired),
            2 => Some(Self::Restored),
            3 => Some(Self::Replaced),
            _ => None,
        }
    }
}

/// Claims of one log that are known and not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loss {
    /// The last claim that is held.
    pub(crate) held: ClaimNumber,
    /// The last claim that is known.
    pub(crate) last: ClaimNumber,
    pub(crate) cause: LossCause,
}

impl Loss {
    /// Returns the loss of all that either lacks, for the worse of their reasons.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            held: self.held.min(other.held),
            last: self.last.max(other.last),
            cause: self.cause.min(other.cause),
        }
    }
}

/// A loss as the rows hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotedLoss {
    /// The first point at which it was known.
    pub(crate) since: crate::history::HistoryPoint,
    pub(crate) loss: Loss,
}

impl Log {
    /// Returns the claims of this log that are known and not here. A head of another site is no such knowledge: its claims
    /// follow.
    fn loss(&self, is_own: bool) -> Option<Loss> {
        let held = self.tip.cursor.number;
        let last = if is_own { self.high_water() } else { self.witnessed };
        // A repair without an engine's knowledge presumes a claim more than is known, in each lane, so that no number is
        // signed twice. In a lane that nothing was ever written to, that says nothing about knowledge.
        let is_presumed =
            is_own && self.number.lane == Lane::Direct && last == ClaimNumber(1) && self.head.is_none();
        let cause = if self.witnessed <= held {
            LossCause::Restored
        } else if self.witnessed <= self.replaced {
            LossCause::Replaced
        } else {
            LossCause::Repaired
        };
        (last > held && !is_presumed).then_some(Loss { held, last, cause })
    }

    /// Returns true if claims that a repair left out are still missing.
    pub(crate) fn lacks_repaired(&self) -> bool {
        self.witnessed > self.tip.cursor.number && self.witnessed > self.replaced
    }
}

impl State {
    /// Returns the losses of all logs: on a copy restored to an earlier snapshot, those of that time.
    pub(crate) fn losses(&self) -> BTreeMap<LogId, Loss> {
        let logs = self.logs.iter();
        match &self.losses_then {
            Some(then) => logs
                .filter_map(|(id, log)| Some((*id, *then.get(&log.number)?)))
                .collect(),
            None => logs
                .filter_map(|(id, log)| Some((*id, log.loss(id.site == self.site)?)))
                .collect(),
        }
    }

    pub(crate) fn losses_by_number(&self) -> BTreeMap<LogNumber, Loss> {
        let losses = self.losses().into_iter();
        losses
            .filter_map(|(id, loss)| Some((self.logs.get(&id)?.number, loss)))
            .collect()
    }
}
