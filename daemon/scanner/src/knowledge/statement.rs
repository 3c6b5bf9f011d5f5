//! Who says what of a package: an advisory's entries, divided among the records that state them.

use serde::Serialize;

use super::Advisory;
use crate::osv::Affected;

/// What some records say of the package: so many of the advisory's entries, after those of the statements before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statement {
    /// The records that say just this, best first.
    pub by: Vec<Sayer>,
    /// How many entries it has.
    pub entries: usize,
    /// How much it counts.
    pub weight: Weight,
    /// Whether it is one of several things that authors say of its record, between which nobody has decided.
    pub unresolved: bool,
}

/// A record that speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Sayer {
    /// Its id in the source.
    pub record: String,
    /// Its source.
    pub source: String,
}

/// How much a statement counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It counts by itself.
    #[default]
    Counts,
    /// It counts, and its severities come after those of all others: no order names its source.
    CountsLast,
    /// Shown only: a source with authority over the ecosystem speaks, and it is not from one.
    Outranked,
    /// Shown only: it is a copy of a record whose own source is held.
    Mirrored,
    /// Shown only: another is preferred, and the site lets one count alone.
    NotPreferred,
}

impl Weight {
    /// Returns true if it takes part in the judgement.
    pub const fn counts(self) -> bool {
        matches!(self, Self::Counts | Self::CountsLast)
    }

    /// Returns why it is shown only; none if it counts.
    pub const fn why_not(self) -> Option<&'static str> {
        match self {
            Self::Counts | Self::CountsLast => None,
            Self::Outranked => Some("outranked"),
            Self::Mirrored => Some("mirrored"),
            Self::NotPreferred => Some("not_preferred"),
        }
    }
}

/// The entries of one statement, and where the first of them stands among the advisory's.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Who says it and how much it counts; none if all that feeds the advisory says it.
    pub statement: Option<&'a Statement>,
    /// What it says.
    pub entries: &'a [Affected],
}

impl Said<'_> {
    /// Returns true if it takes part in the judgement.
    pub fn counts(&self) -> bool {
        self.weight().counts()
    }

    /// Returns how much it counts.
    pub fn weight(&self) -> Weight {
        self.statement
            .map_or(Weight::Counts, |statement| statement.weight)
    }
}

impl Advisory {
    /// Returns the statements, best first: as one if nobody divides the entries.
    pub fn said(&self) -> impl Iterator<Item = Said<'_>> {
        let whole = self.statements.is_empty().then_some(Said {
            statement: None,
            entries: &self.affected,
        });
        let mut rest = self.affected.as_slice();
        let divided = self.statements.iter().map(move |statement| {
            let (entries, after) = rest.split_at(statement.entries.min(rest.len()));
            rest = after;
            Said {
                statement: Some(statement),
                entries,
            }
        });
        whole.into_iter().chain(divided)
    }
}
