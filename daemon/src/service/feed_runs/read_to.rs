//! The position up to which a source was read, and the check that the site's log still has everything imported until then.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use starling_api::ServiceResult;
use starling_api_types::Timestamp;
use starling_fetch::Position;

use super::held_back::HeldBack;
use super::lock;
use super::rejected::Rejected;
use super::round::Round;
use crate::clock::now;
use crate::config::feeds::FeedSpec;
use crate::home::home_problem;
use crate::service::SiteParts;
use crate::service::problem::store_problem;

/// Format of the positions that this version writes. Earlier formats did not record unread parts, or lost rejected
/// documents.
pub(super) const POSITION_FORMAT: u32 = 3;

/// The position up to which a source was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct ReadTo {
    pub(super) format: u32,
    /// The place that was read. For another place, reading starts from the beginning.
    pub(crate) place: String,
    /// The time of the last import of the whole source. Later runs imported the changes since then.
    pub(crate) whole_at: Option<Timestamp>,
    pub(crate) position: Position,
    /// The position of the site's own log: a log that does not contain it lacks imported records.
    #[serde(default)]
    pub(crate) log: Option<LogMark>,
    /// Rejected documents, which a later increment does not contain again.
    #[serde(default)]
    pub(crate) rejected: Rejected,
    /// The reason why the source does not count as checked, even if it has nothing new.
    #[serde(default)]
    pub(crate) refusal: Option<String>,
    /// The hash of other sites' statements about the source, if it was compared with them. If they change, the source must be
    /// compared again from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) others: Option<String>,
    /// True if the source was read in several runs since its beginning: which records it lacks is unknown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) in_parts: bool,
    /// The records seen since its beginning, if it is read in parts and compared with other sites' statements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) round: Option<Round>,
    /// Listed documents that were missing at the end of the last round, each with the number of rounds in a row.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) dead: BTreeMap<String, u32>,
    /// Records that stay although the source seems to lack them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held_back: Option<HeldBack>,
    /// The reason why it starts from the beginning, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) anew: Option<String>,
    /// The number of manual imports of the source when the run began.
    #[serde(skip)]
    pub(crate) imports: u64,
}

/// A position in the site's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogMark {
    pub(crate) epoch: u32,
    pub(crate) number: u64,
    /// Number of its records whose bodies are missing.
    #[serde(default)]
    pub(crate) wanted: u64,
}

impl LogMark {
    /// Returns true if a log that is at `log` now contains everything that was imported before `self` was written.
    pub(crate) const fn is_within(self, log: Self) -> bool {
        self.epoch == log.epoch && self.number <= log.number && self.wanted >= log.wanted
    }
}

impl ReadTo {
    /// Returns the position at the beginning of a place.
    pub(crate) fn start(place: String) -> Self {
        Self {
            format: POSITION_FORMAT,
            place,
            ..Self::default()
        }
    }

    /// Returns true if this is the last part of the source since its beginning, so that missing records can become absent.
    /// The time of the whole source is set only at its end.
    pub(crate) fn ends_round(&self) -> bool {
        self.whole_at.is_some() && self.round.as_ref().is_some_and(Round::is_open)
    }

    /// Goes back to the beginning, and records the reason. Rejected documents stay known until they are read, missing ones
    /// until they are found, and held-back records until they are seen or become absent.
    pub(crate) fn again(self, why: &str) -> Self {
        let held_back = self.held_back.map(|held| HeldBack {
            // The new reading of the whole source decides this.
            is_whole: held.is_whole && !held.by.is_empty(),
            ..held
        });
        Self {
            rejected: self.rejected,
            dead: self.dead,
            held_back: held_back.filter(|held| held.is_whole || !held.files.is_empty()),
            anew: Some(format!("{why}: everything is fetched")),
            ..Self::start(self.place)
        }
    }
}

impl SiteParts {
    /// Reads the position of the source. If the site's log lacks something that was imported before it, starts from the
    /// beginning.
    pub(super) fn read_to(&self, spec: &FeedSpec) -> ServiceResult<(ReadTo, Option<String>)> {
        let (mut found, why) = self.live.feeds.folder(spec.name()).read_to(&spec.place());
        let log = self.log_mark()?;
        let others = self.others_mark(spec)?;
        if !found.position.is_empty() {
            let is_within = found.log.is_some_and(|mark| mark.is_within(log));
            let again = if !is_within {
                Some("the site's log was restored or replaced, or lacks records, since the last run")
            } else if found.others != others {
                Some(match (&found.others, &others) {
                    (Some(_), Some(_)) => "another site stated something of the source since the last run",
                    (None, _) => "another site offers to fetch the source since the last run",
                    (_, None) => "no other site offers to fetch the source any more",
                })
            } else if found.in_parts && others.is_some() && found.round.is_none() {
                Some("the source was read in parts by a version that did not keep what it saw of it")
            } else if found
                .round
                .as_ref()
                .is_some_and(|round| round.is_due_again(now()))
            {
                Some("the last reading of the source in parts did not tell which records it lacks")
            } else if found.rejected.is_of_another_program() {
                Some("another version of this program rejected documents of the source")
            } else if found.held_back.as_ref().is_some_and(HeldBack::is_due_whole) {
                Some("no rejected document is left that may hold records which the source lacks")
            } else {
                None
            };
            if let Some(again) = again {
                found = found.again(again);
                let why = found.anew.take();
                found.imports = self.live.feeds.imports_of(&spec.source);
                found.others = others;
                return Ok((found, why));
            }
        }
        // Nothing was read yet: the source is compared with the current statements.
        found.others = others;
        found.imports = self.live.feeds.imports_of(&spec.source);
        Ok((found, why))
    }

    /// Returns the hash of other sites' statements about a feed's source, if it is compared with them.
    fn others_mark(&self, spec: &FeedSpec) -> ServiceResult<Option<String>> {
        if self.shared(spec)?.is_none() {
            return Ok(None);
        }
        let root = self.data.store.others_root(&spec.source);
        let root = root.map_err(|error| store_problem("reading what others state", &error))?;
        Ok(Some(root.to_string()))
    }

    /// Returns the position of the site's own log.
    fn log_mark(&self) -> ServiceResult<LogMark> {
        let log = self.data.store.log(self.own_log());
        let log = log.map_err(|error| store_problem("reading the site's own log", &error))?;
        Ok(LogMark {
            epoch: self.identity.home.chain().epoch(),
            number: log.as_ref().map_or(0, |log| log.tip.cursor.number.0),
            wanted: log.map_or(0, |log| log.wanted as u64),
        })
    }

    pub(super) fn keep_position(&self, spec: &FeedSpec, after: &ReadTo) -> ServiceResult<()> {
        let mut after = after.clone();
        after.log = Some(self.log_mark()?);
        // Held until the position is written: a manual import either writes its own position after this, or is seen here.
        let imports = lock(&self.live.feeds.imports);
        if after.imports != imports.get(&spec.source).copied().unwrap_or(0) {
            after = after.again("the source was imported by hand during the last run");
        }
        let folder = self.live.feeds.folder(spec.name());
        folder.write_read_to(&after).map_err(|error| home_problem(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_of_another_log_is_noticed() {
        let mark = |epoch, number| LogMark {
            epoch,
            number,
            wanted: 0,
        };
        let lacking = LogMark {
            wanted: 1,
            ..mark(1, 7)
        };
        assert!(!mark(1, 7).is_within(lacking), "a record of it was lost");
        assert!(lacking.is_within(lacking) && lacking.is_within(mark(1, 7)));
        assert!(mark(1, 7).is_within(mark(1, 7)) && mark(1, 7).is_within(mark(1, 9)));
        assert!(!mark(1, 7).is_within(mark(1, 6)), "the log was put back");
        assert!(!mark(1, 7).is_within(mark(2, 9)), "the site was restored");
    }
}
