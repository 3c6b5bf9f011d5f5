//! Where a source was read to, and whether the site still has what was taken in until then.

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

/// Format of the positions that this version writes. Those before did not say what was left unread, or forgot
/// rejected documents.
pub(super) const POSITION_FORMAT: u32 = 3;

/// Where a source was read to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub(crate) struct ReadTo {
    pub(super) format: u32,
    /// Of which place; another place begins anew.
    pub(crate) place: String,
    /// When the whole source was last taken in. What changed since was taken in by later runs.
    pub(crate) whole_at: Option<Timestamp>,
    pub(crate) position: Position,
    /// Where the site's own log stood: another log does not hold what was taken in.
    #[serde(default)]
    pub(crate) log: Option<LogMark>,
    /// Documents that were rejected, and would not come again by themselves.
    #[serde(default)]
    pub(crate) rejected: Rejected,
    /// Why the source does not count as checked, even if nothing new comes.
    #[serde(default)]
    pub(crate) refusal: Option<String>,
    /// Names what other sites state of the source, if it was read against that: when they state something else, what is
    /// kept here says nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) others: Option<String>,
    /// True if the source was not read whole in one run since its beginning: nothing tells which records it lacks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) in_parts: bool,
    /// What was seen of it since its beginning, if it is read in parts and compared with what other sites state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) round: Option<Round>,
    /// Listed documents that were missing at the end of the last round, each with the number of rounds in a row.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) dead: BTreeMap<String, u32>,
    /// Records that stay although the source lacks them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held_back: Option<HeldBack>,
    /// Why it begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) anew: Option<String>,
    /// How many imports by hand of the source there were when a run began.
    #[serde(skip)]
    pub(crate) imports: u64,
}

/// A position in the site's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogMark {
    pub(crate) epoch: u32,
    pub(crate) number: u64,
    /// Records of it whose bodies are missing.
    #[serde(default)]
    pub(crate) wanted: u64,
}

impl LogMark {
    /// Returns true if a log that stands here holds all that this position was written after.
    pub(crate) const fn is_within(self, log: Self) -> bool {
        self.epoch == log.epoch && self.number <= log.number && self.wanted >= log.wanted
    }
}

impl ReadTo {
    /// Begins at the start of a place.
    pub(crate) fn start(place: String) -> Self {
        Self {
            format: POSITION_FORMAT,
            place,
            ..Self::default()
        }
    }

    /// Returns true if this is the last part of the source since its beginning, so that what it lacks can be told. A
    /// time of the whole source is set at its end only.
    pub(crate) fn ends_round(&self) -> bool {
        self.whole_at.is_some() && self.round.as_ref().is_some_and(Round::is_open)
    }

    /// Begins at the start again, and says why. What is rejected stays known until it is read, what was missing until it
    /// is found, and which dropped files' records are held back until they are seen or called absent.
    pub(crate) fn again(self, why: &str) -> Self {
        let held_back = self.held_back.map(|held| HeldBack {
            // This reading tells it.
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
    /// Reads where the source was read to, unless the site's log does not hold what was taken in until then.
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
        // Nothing was read yet: it is read against what is stated now.
        found.others = others;
        found.imports = self.live.feeds.imports_of(&spec.source);
        Ok((found, why))
    }

    /// Names what other sites state of a feed's source, if it is read against that.
    fn others_mark(&self, spec: &FeedSpec) -> ServiceResult<Option<String>> {
        if self.shared(spec)?.is_none() {
            return Ok(None);
        }
        let root = self.data.store.others_root(&spec.source);
        let root = root.map_err(|error| store_problem("reading what others state", &error))?;
        Ok(Some(root.to_string()))
    }

    /// Returns where the site's own log stands.
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
        // Held until it is written: an import by hand writes its own after this, or is seen here.
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
