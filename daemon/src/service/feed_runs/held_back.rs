//! Held-back records: they stay although the source seems to lack them, because a rejected document may contain them. They
//! are remembered until that is known, so that no later run counts them as records of the source.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use starling_api_types::Timestamp;
use starling_protocol::Source;

/// Most documents that a sentence names.
const SHOWN: usize = 3;

/// The held-back records of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldBack {
    /// The time when the first one was held back.
    pub(crate) since: Timestamp,
    /// The rejected documents that may contain the records. A document is removed when it was read, was dropped, or its
    /// record is known.
    pub(crate) by: BTreeSet<String>,
    /// Files that the source dropped, and whose records stay.
    pub(crate) files: BTreeSet<String>,
    /// True if the whole source was read and no record became absent. Only another read of the whole source can show which
    /// records it lacks.
    #[serde(default)]
    pub(crate) is_whole: bool,
}

impl HeldBack {
    /// Returns true if the records of the dropped files can become absent now.
    pub(crate) fn is_due(&self) -> bool {
        self.by.is_empty() && !self.files.is_empty()
    }

    /// Returns true if another read of the whole source would show which records it lacks.
    pub(crate) fn is_due_whole(&self) -> bool {
        self.by.is_empty() && self.is_whole
    }

    /// Describes the held-back records and the reason.
    pub(crate) fn shown(&self, source: &Source) -> String {
        let what = if self.is_whole {
            format!("no record of {source} is called absent")
        } else {
            let files = named(&self.files);
            format!("the records of {files} stay, which {source} dropped,")
        };
        let why = match self.by.len() {
            0 if self.is_whole => "the source was not read whole since: the next run does".to_owned(),
            0 => "the source was not read to its end since".to_owned(),
            1 => format!(
                "{} was rejected, and nothing tells which record it held: mend or remove it",
                named(&self.by)
            ),
            _ => format!(
                "{} were rejected, and nothing tells which records they held: mend or remove them",
                named(&self.by)
            ),
        };
        format!("{what} since {}, because {why}", self.since)
    }
}

fn named(all: &BTreeSet<String>) -> String {
    let first: Vec<&str> = all.iter().take(SHOWN).map(String::as_str).collect();
    let first = first.join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
