//! Records that stay although the source lacks them: a rejected document of which nothing tells what it held may hold
//! them. They are kept in mind until that is known, so that no later run takes them for records of the source.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use starling_api_types::Timestamp;
use starling_protocol::Source;

/// Documents that are named in a sentence.
const SHOWN: usize = 3;

/// What is held back of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldBack {
    /// Since when.
    pub(crate) since: Timestamp,
    /// The rejected documents that may hold it. None is left once each was read, dropped, or is known by its record.
    pub(crate) by: BTreeSet<String>,
    /// Files that the source dropped, whose records stay.
    pub(crate) files: BTreeSet<String>,
    /// The source was read whole and nothing of it was called absent: only reading it whole again tells what it lacks.
    #[serde(default)]
    pub(crate) is_whole: bool,
}

impl HeldBack {
    /// Returns true if the records of files that were dropped earlier can be called absent.
    pub(crate) fn is_due(&self) -> bool {
        self.by.is_empty() && !self.files.is_empty()
    }

    /// Returns true if reading the source whole again tells what it lacks.
    pub(crate) fn is_due_whole(&self) -> bool {
        self.by.is_empty() && self.is_whole
    }

    /// Says so.
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
