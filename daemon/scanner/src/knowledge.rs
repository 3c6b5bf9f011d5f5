//! The interface between the scanner and the owner of the advisories.
//!
//! The scanner asks for one package at a time and gets the canonical advisories that name it. It trusts that they are
//! from the site's accepted view, but checks itself if they match.

mod memo;
mod single;
mod statement;
mod withdrawal;

use std::collections::BTreeSet;

use serde::Serialize;

pub use memo::{Memo, MemoKey};
pub use single::SingleRecord;
pub use statement::{StatedEntries, Statement, StatingRecord, Weight};
pub use withdrawal::{JudgedAt, WithdrawnRating, WithdrawnStatement};

use crate::cpe::Applicability;
use crate::matching::Subject;
use crate::osv::Affected;
use crate::severity::StatedSeverity;
use crate::threat::Threat;

/// A source of advisories. Several threads of one scan may use it at the same time.
pub trait Knowledge: Sync {
    /// Returns the canonical advisories of a package, in an order that depends only on the knowledge. `ecosystem`
    /// includes its suffix (`Debian:12`), `name` is normalised ([`crate::name::normalise_name`]).
    ///
    /// # Errors
    /// If the knowledge cannot be read; a package without advisories is an empty list.
    fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError>;

    /// Returns the advisories of a package that may concern a version: at least those that affect it or are undecided
    /// about it, in the order of [`Knowledge::advisories`]. `None` if this knowledge cannot select without
    /// evaluating. The enumerated versions of such an advisory may be incomplete except for this version, for which
    /// the evaluation gives the same result.
    ///
    /// # Errors
    /// Same as [`Knowledge::advisories`].
    fn candidates(
        &self,
        ecosystem: &str,
        name: &str,
        subject: &Subject,
    ) -> Result<Option<Vec<Advisory>>, KnowledgeError> {
        let _ = (ecosystem, name, subject);
        Ok(None)
    }

    /// Returns true if any live advisory names the ecosystem, so that "no finding" has a meaning.
    ///
    /// # Errors
    /// If the knowledge cannot be read.
    fn knows_ecosystem(&self, ecosystem: &str) -> Result<bool, KnowledgeError>;

    /// Returns true if any advisory, withdrawn or not, names the package.
    ///
    /// # Errors
    /// If the knowledge cannot be read.
    fn knows_package(&self, ecosystem: &str, name: &str) -> Result<bool, KnowledgeError> {
        Ok(!self.advisories(ecosystem, name)?.is_empty())
    }

    /// Returns the known ecosystems that consist of `base` and a repository's address (`Packagist:https://…`), sorted.
    ///
    /// # Errors
    /// If the knowledge cannot be read.
    fn repositories(&self, base: &str) -> Result<Vec<String>, KnowledgeError> {
        let _ = base;
        Ok(Vec::new())
    }

    /// Returns the sources with statements about an ecosystem, `base`, in any release; `None` if this knowledge cannot
    /// tell.
    ///
    /// # Errors
    /// If the knowledge cannot be read.
    fn sources_of(&self, base: &str) -> Result<Option<BTreeSet<String>>, KnowledgeError> {
        let _ = base;
        Ok(None)
    }

    /// Returns a memo of package versions without findings. Only knowledge that never changes may have one, and must
    /// not share it; a scan has the same result with and without it.
    fn memo(&self) -> Option<&Memo> {
        None
    }
}

/// The knowledge could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the advisories of {ecosystem} {name}")]
pub struct KnowledgeError {
    /// The requested ecosystem.
    pub ecosystem: String,
    /// The requested package; empty if the question was about the ecosystem.
    pub name: String,
    /// The store's error.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A canonical advisory in the form for matching: one vulnerability in one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advisory {
    /// Its merge hash, as text.
    pub merge_hash: String,
    /// The vulnerability's identity: a CVE, or the lowest id of its alias group.
    pub vulnerability: String,
    /// All ids and aliases, the identity included, in any order.
    pub ids: Vec<String>,
    /// Ids that lead to it but are not its own: several CVEs of one record, and aliases that only some authors of an
    /// unresolved record give. They find it, but cannot excuse it.
    pub related: Vec<String>,
    /// A one-line summary.
    pub summary: String,
    /// Time of its withdrawal, as written by the source, if every record is withdrawn, even if only from a later time
    /// on. After [`Advisory::applying_at`] it is withdrawn at that time, and never matches.
    pub withdrawn: Option<String>,
    /// Severities with their sources, in the view's source order.
    pub severities: Vec<StatedSeverity>,
    /// Further data about the vulnerability.
    pub threat: Threat,
    /// The entries about this package, from all records with a statement about it.
    pub affected: Vec<Affected>,
    /// The division of the entries among the records; empty if all records make all of them.
    pub statements: Vec<Statement>,
    /// The statements of withdrawn records, which apply until the time of their withdrawal ([`Advisory::applying_at`]).
    pub withdrawn_statements: Vec<WithdrawnStatement>,
    /// The ratings of withdrawn records, which apply until then, too; in fold order.
    pub withdrawn_ratings: Vec<WithdrawnRating>,
    /// True if authors disagree about one of its records without a decision: until then the worse value applies.
    pub unresolved: bool,
    /// The configurations of a product; only of an advisory that is looked up by one
    /// ([`CPE_ECOSYSTEM`](crate::cpe::CPE_ECOSYSTEM)).
    pub configurations: Vec<Applicability>,
    /// Its contributing claims.
    pub provenance: Vec<Provenance>,
    /// Fields on which sources disagree, and the chosen value.
    pub conflicts: Vec<Conflict>,
}

/// A claim behind an advisory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Provenance {
    /// The source, such as `ghsa`.
    pub source: String,
    /// The record's id in the source.
    pub record: String,
    /// The sites that state it.
    pub sites: Vec<String>,
}

/// A field on which sources disagree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Conflict {
    /// The field's name.
    pub field: String,
    /// The source whose value was chosen.
    pub chosen: String,
    /// The sources whose values were not chosen.
    pub lost: Vec<String>,
}
