//! The seam between the scanner and whoever holds advisories.
//!
//! The scanner asks for one package at a time and gets the canonical advisories that name it. It
//! trusts their contents to be the site's accepted view; it does not trust them to match.

mod memo;
mod single;
mod statement;

use std::collections::BTreeSet;

use serde::Serialize;

pub use memo::{Memo, MemoKey};
pub use single::SingleRecord;
pub use statement::{Said, Sayer, Statement, Weight};

use crate::matching::Subject;
use crate::osv::Affected;
use crate::severity::StatedSeverity;
use crate::threat::Threat;

/// Where the advisories are. Parts of one inventory may ask at the same time.
pub trait Knowledge: Sync {
    /// Returns the canonical advisories of a package, in an order that depends on nothing but the
    /// knowledge. `ecosystem` carries its suffix (`Debian:12`), `name` is normalised
    /// ([`crate::name::normalise_name`]).
    ///
    /// # Errors
    /// If the knowledge cannot be read; a package without advisories is an empty list.
    fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError>;

    /// Returns the advisories of a package that may say something about a version: at least those that
    /// affect it or whose word on it cannot be had, in the order of [`Knowledge::advisories`]. `None` if
    /// this knowledge cannot tell them apart without evaluating them. What such an advisory enumerates may lack
    /// versions other than this one: evaluated for it, it says what the whole one does.
    ///
    /// # Errors
    /// As [`Knowledge::advisories`].
    fn candidates(
        &self,
        ecosystem: &str,
        name: &str,
        subject: &Subject,
    ) -> Result<Option<Vec<Advisory>>, KnowledgeError> {
        let _ = (ecosystem, name, subject);
        Ok(None)
    }

    /// Returns true if any live advisory names the ecosystem, so that "no finding" means something.
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

    /// Returns the known ecosystems that are `base` and the address of a repository (`Packagist:https://…`), sorted.
    ///
    /// # Errors
    /// If the knowledge cannot be read.
    fn repositories(&self, base: &str) -> Result<Vec<String>, KnowledgeError> {
        let _ = base;
        Ok(Vec::new())
    }

    /// Returns the sources that speak of an ecosystem, `base`, in any of its releases; none if this knowledge cannot tell.
    ///
    /// # Errors
    /// If the knowledge cannot be read.
    fn sources_of(&self, base: &str) -> Result<Option<BTreeSet<String>>, KnowledgeError> {
        let _ = base;
        Ok(None)
    }

    /// Returns where to remember what nothing was found for. Only knowledge that never changes may have one, which
    /// must be its own; a scan gives the same with it and without.
    fn memo(&self) -> Option<&Memo> {
        None
    }
}

/// The knowledge could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the advisories of {ecosystem} {name}")]
pub struct KnowledgeError {
    /// The ecosystem that was asked for.
    pub ecosystem: String,
    /// The package that was asked for; empty if the question was about the ecosystem.
    pub name: String,
    /// What the store says.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A canonical advisory as matching needs it: one vulnerability in one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advisory {
    /// Its merge hash, as text.
    pub merge_hash: String,
    /// The vulnerability's identity: a CVE, or the least id of its alias group.
    pub vulnerability: String,
    /// All ids and aliases, the identity included, in any order.
    pub ids: Vec<String>,
    /// Ids that lead to it and are not its names: CVEs that a record is made from where they are several, aliases that
    /// only some authors of an unresolved record give. They find it, and excuse nothing.
    pub related: Vec<String>,
    /// One line for people.
    pub summary: String,
    /// When it was withdrawn, as the source wrote it; withdrawn advisories never match.
    pub withdrawn: Option<String>,
    /// Severities with who states them, in the view's source order.
    pub severities: Vec<StatedSeverity>,
    /// What is known of it besides.
    pub threat: Threat,
    /// The entries about this package, of all records that say something of it.
    pub affected: Vec<Affected>,
    /// How the entries are divided among the records; empty if all that feeds it says all of them.
    pub statements: Vec<Statement>,
    /// True if authors disagree about a record that feeds it and nobody has decided: what is worse counts meanwhile.
    pub unresolved: bool,
    /// The claims that feed it.
    pub provenance: Vec<Provenance>,
    /// Fields on which sources disagree, and what was chosen.
    pub conflicts: Vec<Conflict>,
}

/// A claim behind an advisory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Provenance {
    /// The source, such as `ghsa`.
    pub source: String,
    /// The record's id in the source.
    pub record: String,
    /// The sites that say so.
    pub sites: Vec<String>,
}

/// A field on which sources disagree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Conflict {
    /// The field's name.
    pub field: String,
    /// The source whose value was chosen.
    pub chosen: String,
    /// The sources whose values lost.
    pub lost: Vec<String>,
}
