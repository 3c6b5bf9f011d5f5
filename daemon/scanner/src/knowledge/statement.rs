//! Statements about a package: an advisory's entries, divided among its records.

use serde::Serialize;

use super::Advisory;
use crate::osv::Affected;

/// The statement of some records about the package: the next `entries` entries of the advisory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statement {
    /// The records that make exactly this statement, best first.
    pub by: Vec<StatingRecord>,
    /// Number of its entries.
    pub entries: usize,
    /// Its weight.
    pub weight: Weight,
    /// True if it is one of several conflicting statements about its record, without a decision.
    pub unresolved: bool,
}

/// A record that makes a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StatingRecord {
    /// Its id in the source.
    pub record: String,
    /// Its source.
    pub source: String,
}

impl From<&super::Provenance> for StatingRecord {
    fn from(from: &super::Provenance) -> Self {
        Self {
            record: from.record.clone(),
            source: from.source.clone(),
        }
    }
}

/// The weight of a statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It applies.
    #[default]
    Counts,
    /// It applies, but its severities come after all others, because its source is not in the order.
    CountsLast,
    /// It is only shown: a source with authority over the ecosystem makes a statement, and this is not one.
    Outranked,
    /// It is only shown: it is a copy of a record whose own source is here.
    Mirrored,
    /// It is only shown: another one is preferred, and the site uses only the preferred one.
    NotPreferred,
}

impl Weight {
    /// Returns true if it applies.
    pub const fn counts(self) -> bool {
        matches!(self, Self::Counts | Self::CountsLast)
    }

    /// Returns why it does not apply; `None` if it applies.
    pub const fn why_not(self) -> Option<&'static str> {
        match self {
            Self::Counts | Self::CountsLast => None,
            Self::Outranked => Some("outranked"),
            Self::Mirrored => Some("mirrored"),
            Self::NotPreferred => Some("not_preferred"),
        }
    }
}

/// The entries of one statement, and the index of the first one in the advisory.
#[derive(Debug, Clone, Copy)]
pub struct StatedEntries<'a> {
    /// Its records and weight; `None` if all records make it.
    pub statement: Option<&'a Statement>,
    /// Its entries.
    pub entries: &'a [Affected],
}

impl StatedEntries<'_> {
    /// Returns true if it applies.
    pub fn counts(&self) -> bool {
        self.weight().counts()
    }

    /// Returns its weight.
    pub fn weight(&self) -> Weight {
        self.statement
            .map_or(Weight::Counts, |statement| statement.weight)
    }
}

impl Advisory {
    /// Returns the statements, best first; a single one if the entries are not divided.
    pub fn stated(&self) -> impl Iterator<Item = StatedEntries<'_>> {
        let whole = self.statements.is_empty().then_some(StatedEntries {
            statement: None,
            entries: &self.affected,
        });
        let mut rest = self.affected.as_slice();
        let divided = self.statements.iter().map(move |statement| {
            let (entries, after) = rest.split_at(statement.entries.min(rest.len()));
            rest = after;
            StatedEntries {
                statement: Some(statement),
                entries,
            }
        });
        whole.into_iter().chain(divided)
    }
}
