//! Limits of one scan's results: findings take far more memory than the document that lists the packages.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Finding;
use crate::knowledge::KnowledgeError;

/// Most findings of one document.
pub const MAX_FINDINGS: usize = 100_000;
/// Most places of all its findings together.
pub const MAX_PLACES: usize = 1_000_000;
/// Most CPE names of configurations that one document's components are compared with.
pub const MAX_COMPARED_CPES: usize = 50_000_000;
/// Most components listed as not checked; the others are counted.
pub const MAX_GAPS: usize = 1_000;

/// The reason why there is no result. A partial result is not returned: half a scan looks like a clean one.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The knowledge could not be read.
    #[error(transparent)]
    Knowledge(#[from] KnowledgeError),
    /// More findings than a scan may have.
    #[error(
        "scanning: the document has more than {limit} {what}; give it in parts, each a document of its own"
    )]
    TooMany {
        /// `findings`, `places of findings` or `comparisons of CPE names`.
        what: &'static str,
        /// The allowed number.
        limit: usize,
    },
}

/// The limits of one scan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) findings: usize,
    pub(super) places: usize,
    pub(super) compared: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            findings: MAX_FINDINGS,
            places: MAX_PLACES,
            compared: MAX_COMPARED_CPES,
        }
    }
}

/// Counts the results so far, independently of the number of threads and of the memo: findings by their key, and one
/// place for each time that an advisory concerned a component.
#[derive(Debug, Default)]
pub(super) struct Tally {
    findings: BTreeSet<u64>,
    places: usize,
    compared: usize,
}

impl Tally {
    /// Counts the results of a component.
    pub(super) fn add(&mut self, findings: &[Finding]) {
        self.places += findings.len();
        self.findings.extend(findings.iter().map(|finding| {
            let mut hasher = DefaultHasher::new();
            finding.key().hash(&mut hasher);
            hasher.finish()
        }));
    }

    /// Counts a component with the same results as an earlier one.
    pub(super) fn recall(&mut self, findings: usize) {
        self.places += findings;
    }

    /// Counts the names that a component was compared with, or would have been if it were the first of its kind.
    pub(super) fn compare(&mut self, names: usize) {
        self.compared = self.compared.saturating_add(names);
    }

    /// Adds the results of another part.
    pub(super) fn append(&mut self, next: Self) {
        self.places += next.places;
        self.compare(next.compared);
        self.findings.extend(next.findings);
    }
}

impl Limits {
    /// # Errors
    /// [`ScanError::TooMany`].
    pub(super) fn check(self, tally: &Tally) -> Result<(), ScanError> {
        for (what, found, limit) in [
            ("findings", tally.findings.len(), self.findings),
            ("places of findings", tally.places, self.places),
            ("comparisons of CPE names", tally.compared, self.compared),
        ] {
            if found > limit {
                return Err(ScanError::TooMany { what, limit });
            }
        }
        Ok(())
    }
}
