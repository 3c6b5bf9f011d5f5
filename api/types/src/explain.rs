//! Why a package is, or is not, affected by a vulnerability.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::as_of::AsOf;

/// Query of `GET /api/v1/explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// The package URL, with its version.
    #[param(example = "pkg:npm/express@4.17.1")]
    pub purl: String,
    /// The vulnerability, by any of its ids.
    #[param(example = "CVE-2022-24999")]
    pub id: String,
    /// The distribution that the package was found on, as in a `distro` qualifier; the URL's own wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(example = "debian-12")]
    pub distro: Option<String>,
    /// The moment whose knowledge to explain by: a time, a date (its end, in UTC) or a cursor; now when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])|([!-?A-~]{1,128}@)?[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{3}Z#[0-9]{1,18})$", example = "2025-01-15")]
    pub as_of: Option<AsOf>,
}

/// The answer in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// A rule says so.
    Affected,
    /// Every rule could be evaluated, and none says so.
    NotAffected,
    /// All advisories that would say so are withdrawn.
    Withdrawn,
    /// No advisory about this package carries the id.
    NotAbout,
    /// A rule could not be evaluated, or the package or its version is not known.
    CannotSay,
}

impl Conclusion {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Affected => "affected",
            Self::NotAffected => "not_affected",
            Self::Withdrawn => "withdrawn",
            Self::NotAbout => "not_about",
            Self::CannotSay => "cannot_say",
        }
    }
}

/// Answer of `GET /api/v1/explain`: what a scan would decide, and every rule behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The package URL that was asked about, in canonical form.
    pub purl: String,
    /// The id that was asked about.
    pub id: String,
    /// The answer.
    pub conclusion: Conclusion,
    /// The answer's reason in one sentence.
    pub reason: String,
    /// The OSV ecosystem that was looked up, with its suffix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecosystem: Option<String>,
    /// The name that was looked up: normalised, and for distributions the source package's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The version that was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The order that versions were compared in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparator: Option<String>,
    /// The advisories about the package that carry the id.
    pub advisories: Vec<ExplainedAdvisory>,
    /// How many advisories about the package do not carry it.
    pub other_advisories: u64,
}

/// What one advisory says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedAdvisory {
    /// Its merge hash; none for a record outside of a site's view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_hash: Option<String>,
    /// Its vulnerability's identity.
    pub vulnerability: String,
    /// When it was withdrawn, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// What each record says of the package; empty if all that feeds the advisory says the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<ExplainedStatement>,
    /// True if statements that count contradict each other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disputed: bool,
    /// Its rules about the package, in its order.
    pub rules: Vec<ExplainedRule>,
    /// Versions that fix it, lowest first.
    pub fixed: Vec<String>,
}

/// What one record says of the package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedStatement {
    /// The record's source.
    pub source: String,
    /// The record's id in the source.
    pub record: String,
    /// What it says: `affected`, `not_affected` or `undecided`.
    pub says: String,
    /// Why it is only shown: `outranked`, `mirrored` or `not_preferred`; none if it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_counted: Option<String>,
}

/// What one rule says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedRule {
    /// Index of the `affected` entry among those about the package.
    pub entry: u64,
    /// The record that has the rule, as `source record`; none if all that feeds the advisory says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said_by: Option<String>,
    /// The rule: the list of versions, or a range and the bounds around the version.
    pub rule: String,
    /// Whether it says "affected".
    pub affected: bool,
    /// Why not; none where it says "affected".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}
