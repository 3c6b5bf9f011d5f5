//! Explains why a vulnerability does or does not affect a package.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::as_of::AsOf;

/// Query of `GET /api/v1/explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// The package URL, with its version; or a CPE name, for components without a URL.
    #[param(example = "pkg:npm/express@4.17.1")]
    pub purl: String,
    /// The vulnerability, by any of its ids; default every advisory about the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(example = "CVE-2022-24999")]
    pub id: Option<String>,
    /// The distribution on which the package was found, as in a `distro` qualifier; used if the URL does not name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(example = "debian-12")]
    pub distro: Option<String>,
    /// Explain with the knowledge of this time: a time, a date (end of day, UTC) or a cursor; default now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])|([!-?A-~]{1,128}@)?[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{3}Z#[0-9]{1,18})$", example = "2025-01-15")]
    pub as_of: Option<AsOf>,
}

/// The conclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// A rule says that the package is affected.
    Affected,
    /// All rules were evaluated, and none says so.
    NotAffected,
    /// All advisories that say so are withdrawn.
    Withdrawn,
    /// No advisory about this package has the id.
    NotAbout,
    /// A rule could not be evaluated, or the package or its version is unknown.
    CannotSay,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl Conclusion {
    /// Returns the conclusion's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Affected => "affected",
            Self::NotAffected => "not_affected",
            Self::Withdrawn => "withdrawn",
            Self::NotAbout => "not_about",
            Self::CannotSay => "cannot_say",
            Self::Unknown => "unknown",
        }
    }
}

/// The answer of `GET /api/v1/explain`: the result of a scan, and every rule behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The requested package URL or CPE name, in canonical form.
    pub purl: String,
    /// The requested id; absent if every advisory was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The conclusion.
    pub conclusion: Conclusion,
    /// The reason in one sentence.
    pub reason: String,
    /// The OSV ecosystem that was looked up, with its suffix; `CPE` for a product by its CPE name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecosystem: Option<String>,
    /// The name that was looked up: normalised, and for distributions the name of the source package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version that was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparator: Option<String>,
    /// The advisories about the package that have the id.
    pub advisories: Vec<ExplainedAdvisory>,
    /// Number of advisories about the package without the id.
    pub other_advisories: u64,
}

/// The statement of one advisory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedAdvisory {
    /// Its merge hash; null for a record outside of a site's view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_hash: Option<String>,
    /// Its vulnerability's identity.
    pub vulnerability: String,
    /// Time of its withdrawal, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// Each record's statement about the package; empty if all records agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<ExplainedStatement>,
    /// True if applicable statements contradict each other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disputed: bool,
    /// Its rules about the package, in its own order.
    pub rules: Vec<ExplainedRule>,
    /// Versions that fix it, lowest first: of the rules that say "affected", or of all rules if none does.
    pub fixed: Vec<String>,
    /// What sources say about a missing fix, best source first; empty if none says anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fix_states: Vec<ExplainedFix>,
    /// Its entry in the catalogue of exploited vulnerabilities, if that lists it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploited: Option<crate::Exploited>,
}

/// A source's statement about a missing fix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedFix {
    /// The source.
    pub source: String,
    /// The statement: `will_not_fix`, `end_of_life`, `deferred`, `planned`, `under_investigation` or `undetermined`.
    pub state: String,
}

/// One record's statement about the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedStatement {
    /// The record's source.
    pub source: String,
    /// The record's id in the source.
    pub record: String,
    /// The statement: `affected`, `not_affected` or `undecided`.
    pub says: String,
    /// Why it does not apply: `outranked`, `mirrored` or `not_preferred`; null if it applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_counted: Option<String>,
}

/// The statement of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedRule {
    /// Index of the `affected` entry among those about the package.
    pub entry: u64,
    /// The record with the rule, as `source record`; all of them, separated by commas, if all records agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_by: Option<String>,
    /// The rule: the list of versions, or a range and the bounds around the version.
    pub rule: String,
    /// True if it says "affected", false if it says "not affected"; null if it cannot be evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected: Option<bool>,
    /// The reason; null if it says "affected".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}
