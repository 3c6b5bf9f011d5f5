//! The changes of an update, for events and import reports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use starling_protocol::{MergeHash, Source};

use crate::limits::{MAX_NAME_BYTES, MAX_RECORD_ALIASES, MAX_RECORD_PACKAGES, MAX_RECORD_PRODUCTS};
use crate::package::PackageId;
use crate::ports::RecordKey;
use crate::vulnerability::VulnerabilityId;

/// The change of a canonical advisory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// The advisory is new.
    Created,
    /// Its records, or their statements, changed.
    Updated,
    /// Every contributing record is withdrawn now.
    Withdrawn,
    /// No record contributes to it any more.
    Removed,
    /// Its vulnerability is now known under other names, to which its merge hash leads.
    Redirected {
        /// The advisories that replace it now, sorted.
        to: Vec<MergeHash>,
    },
}

/// One canonical advisory that an update touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The vulnerability.
    pub vulnerability: VulnerabilityId,
    /// The package.
    pub package: PackageId,
    /// The name made of both.
    pub merge_hash: MergeHash,
    /// The kind of change.
    #[serde(flatten)]
    pub action: Action,
}

/// A problem of a record that was folded nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Authors disagree about it, and the policy waits for a decision.
    Unresolved,
    /// Its body is not available; the record has no effect until the body comes.
    BodyMissing,
    /// Its body is not a JSON object.
    BodyUnreadable,
    /// It has more than [`crate::limits::MAX_RECORD_ALIASES`] aliases; none is followed.
    TooManyAliases,
    /// It names more than [`crate::limits::MAX_RECORD_PACKAGES`] packages; only the first ones in order are
    /// used.
    TooManyPackages,
    /// It names more than [`crate::limits::MAX_RECORD_PRODUCTS`] products; only the first ones in order are used.
    TooManyProducts,
    /// It names products that cannot be looked up: its CPE names cannot be read, leave vendor or product open, or its
    /// configurations exceed a limit.
    UnusableProduct,
    /// An alias, package name or repository cannot be a key: too long, or with control characters.
    UnusableName,
    /// Its aliases connect more than [`crate::limits::MAX_COMPONENT_MEMBERS`] members; it stands alone.
    ComponentTooLarge,
}

impl Problem {
    /// Returns true if something of the record cannot be looked up. The others are shown where they can be solved.
    #[must_use]
    pub const fn loses_something(self) -> bool {
        !matches!(self, Self::Unresolved | Self::BodyMissing)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => f.write_str("authors disagree about it, and nobody has decided"),
            Self::BodyMissing => f.write_str("its body is not available"),
            Self::BodyUnreadable => {
                f.write_str("its body is not a JSON object, so that nothing of it is looked up")
            }
            Self::TooManyAliases => write!(
                f,
                "it has more than {MAX_RECORD_ALIASES} aliases, and none is followed"
            ),
            Self::TooManyPackages => write!(
                f,
                "it names more than {MAX_RECORD_PACKAGES} packages, and only the first are looked up"
            ),
            Self::TooManyProducts => write!(
                f,
                "it names more than {MAX_RECORD_PRODUCTS} products, and only the first are looked up"
            ),
            Self::UnusableProduct => f.write_str("it has CPE names that cannot be looked up"),
            Self::UnusableName => write!(
                f,
                "it has an alias, package name or repository of more than {MAX_NAME_BYTES} bytes or with control \
                 characters, which is not looked up"
            ),
            Self::ComponentTooLarge => {
                f.write_str("its aliases connect too many records, so that it stands alone")
            }
        }
    }
}

/// Problems of records, counted by kind, each with one of the records. Its size does not depend on their number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProblemCounts(BTreeMap<Problem, (u64, RecordKey)>);

impl ProblemCounts {
    /// Adds the problems by which something of a record cannot be looked up.
    pub fn add(&mut self, problems: &[(RecordKey, Problem)]) {
        for (record, problem) in problems.iter().filter(|(_, problem)| problem.loses_something()) {
            let counted = self.0.entry(*problem).or_insert_with(|| (0, record.clone()));
            counted.0 += 1;
        }
    }

    /// Adds other counts.
    pub fn append(&mut self, other: Self) {
        for (problem, (count, record)) in other.0 {
            self.0.entry(problem).or_insert((0, record)).0 += count;
        }
    }

    /// Returns the counts without those of one kind.
    #[must_use]
    pub fn without(mut self, problem: Problem) -> Self {
        self.0.remove(&problem);
        self
    }

    /// Returns true if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a sentence for each kind.
    pub fn sentences(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(problem, (count, record))| match count {
            1 => format!("record {record}: {problem}"),
            _ => format!("{count} records, such as {record}: {problem}"),
        })
    }
}

impl fmt::Display for ProblemCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentences().collect::<Vec<_>>().join("; "))
    }
}

/// The numbers of records of a source that appeared and disappeared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LiveChange {
    /// Records that have content now and had none.
    pub come: u64,
    /// Records that had content and have none now.
    pub gone: u64,
}

/// All that an update changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The touched advisories, sorted by vulnerability and package.
    pub advisories: Vec<Change>,
    /// The vulnerabilities of those, and of every component around a changed record, before and after: their
    /// other names may have changed in packages that no changed record names.
    pub vulnerabilities: BTreeSet<VulnerabilityId>,
    /// The products of the changed records, before and after.
    pub products: BTreeSet<String>,
    /// Ties between a record and an advisory that are new.
    pub edges_added: u64,
    /// Ties between a record and an advisory that are gone.
    pub edges_removed: u64,
    /// Records that were stated before and are now absent or retracted.
    pub records_removed: u64,
    /// For each source, the records that gained or lost content: the changes of the numbers in
    /// [`live_record_counts`](crate::live_record_counts).
    pub live: BTreeMap<Source, LiveChange>,
    /// Odd records among those that changed, sorted.
    pub problems: Vec<(RecordKey, Problem)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_counted_by_kind_with_an_example() {
        let of = |id: &str, problem| {
            (
                RecordKey::new("ghsa".parse().unwrap(), id.parse().unwrap()),
                problem,
            )
        };
        let mut counts = ProblemCounts::default();
        counts.add(&[of("A-1", Problem::BodyMissing), of("A-2", Problem::Unresolved)]);
        assert!(counts.is_empty(), "these are shown elsewhere");
        counts.add(&[
            of("B-1", Problem::TooManyPackages),
            of("B-2", Problem::UnusableName),
        ]);
        let mut more = ProblemCounts::default();
        more.add(&[of("B-3", Problem::TooManyPackages)]);
        counts.append(more);
        let sentences: Vec<String> = counts.sentences().collect();
        assert_eq!(
            sentences[0],
            "2 records, such as ghsa/B-1: it names more than 16384 packages, and only the first are looked up"
        );
        assert!(sentences[1].starts_with("record ghsa/B-2: it has an alias, package name or repository"));
    }
}
