//! Canonical advisories: the derived view of one vulnerability in one package, with the origin of each value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::as_of::AsOf;
use crate::hash::{ContentHash, MergeHash, SiteId};
use crate::raw_json::RawJson;
use crate::status::Lane;
use crate::text::{FeedName, SiteSlug, SourceName};
use crate::time::Timestamp;

/// The package of a canonical advisory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct PackageRef {
    /// OSV ecosystem with its suffix, such as `Debian:12`; `GIT` for a repository.
    #[schema(example = "npm")]
    pub ecosystem: String,
    /// Normalised name.
    #[schema(example = "express")]
    pub name: String,
    /// Package URL without a version, if the ecosystem has package URLs.
    #[serde(default)]
    pub purl: Option<String>,
}

/// The state of a canonical advisory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdvisoryState {
    /// The advisory is in force.
    Present,
    /// Every source dropped it.
    Absent,
    /// Its publisher withdrew it.
    Withdrawn,
    /// Every site that stated it retracted its statement.
    Deleted,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl AdvisoryState {
    /// Returns the state's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
            Self::Withdrawn => "withdrawn",
            Self::Deleted => "deleted",
            Self::Unknown => "unknown",
        }
    }
}

/// The record that a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// The record's source.
    pub source: SourceName,
    /// The record's id in its source.
    #[schema(example = "GHSA-rv95-896h-c2vc")]
    pub record_id: String,
    /// Identity of the site that stated it.
    pub site: SiteId,
    /// That site's name, if it is known here.
    #[serde(default)]
    pub site_id: Option<SiteSlug>,
}

/// A value that was not chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LosingValue {
    /// The value.
    pub value: RawJson,
    /// The value's origin.
    pub provenance: Provenance,
}

/// One field and its chosen value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedField {
    /// The chosen value; null if the chosen records have none.
    pub value: RawJson,
    /// The value's origin; if there is no value, the origin of the first value that was not chosen.
    pub provenance: Provenance,
    /// Values that were not chosen: of other records, and of other authors of the same record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losers: Vec<LosingValue>,
    /// True if the field has no value until an operator decides.
    #[serde(default)]
    pub unresolved: bool,
}

/// The edge from a canonical advisory to a claim that contributes to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Edge {
    /// The claim's origin.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Hash of the record's canonical bytes; null if the claim has no record.
    pub content_hash: Option<ContentHash>,
    /// Lane of the claim's log.
    pub lane: Lane,
    /// Time of the claim, by its author's clock.
    pub claimed_at: Timestamp,
    /// State of the record: live, absent, withdrawn or deleted.
    pub state: AdvisoryState,
    /// The time from which on it is withdrawn, if that is still to come: until then scans match it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_from: Option<Timestamp>,
    /// True if this claim was chosen from the claims of several authors about its record.
    #[serde(default)]
    pub chosen: bool,
}

/// One canonical advisory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Advisory {
    /// Its name: the hash of the vulnerability's and the package's identity.
    pub merge_hash: MergeHash,
    /// The vulnerability's id: a CVE, if there is one.
    #[schema(example = "CVE-2024-29041")]
    pub vulnerability: String,
    /// Its other ids, sorted.
    pub aliases: Vec<String>,
    /// The package.
    pub package: PackageRef,
    /// Its state.
    pub state: AdvisoryState,
    /// The time from which on it is withdrawn, if that is still to come: until then scans match it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_from: Option<Timestamp>,
    /// Fields by name (`summary`, `severity`, `affected`, …), each with its origin.
    pub fields: BTreeMap<String, ResolvedField>,
    /// The contributing claims.
    pub edges: Vec<Edge>,
    /// Earlier merge hashes that redirect to this advisory.
    #[serde(default)]
    pub redirects: Vec<MergeHash>,
    /// Records with entries of `affected` that name no package, beside others that do: nothing looks these up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries_without_package: Vec<EntriesWithoutPackage>,
    /// Its entry in the catalogue of exploited vulnerabilities, if that lists it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploited: Option<Exploited>,
    /// What says that it reports a malicious package: an id, a weakness, or the category `malicious`. Missing for a
    /// vulnerability. A scan rates such a finding critical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "MAL-2025-1")]
    pub malicious: Option<String>,
}

/// An entry in a catalogue of exploited vulnerabilities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Exploited {
    /// The day on which it was added, if the catalogue says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2021-12-10")]
    pub since: Option<String>,
}

impl std::fmt::Display for Exploited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.since {
            Some(day) => write!(f, "known to be exploited, since {day}"),
            None => f.write_str("known to be exploited"),
        }
    }
}

/// Entries of a record's `affected` that name no package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntriesWithoutPackage {
    /// The record's source.
    pub source: SourceName,
    /// The record's id in the source.
    pub record_id: String,
    /// Number of the entries.
    pub entries: u64,
}

/// The answer of `GET /api/v1/advisories/{name}`. One id can name a vulnerability in several packages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AdvisoryLookup {
    /// The requested name.
    pub query: String,
    /// The requested merge hash, if it was an earlier one that redirects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirected_from: Option<MergeHash>,
    /// The matching advisories, sorted by merge hash; never empty, at most 10,000.
    pub advisories: Vec<Advisory>,
    /// How many more answer to it; a package URL finds those of one package.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub left_out: u64,
}

impl AdvisoryLookup {
    /// Most advisories that one answer shows.
    pub const MOST: usize = 10_000;
}

/// One row of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdvisorySummary {
    /// The advisory's merge hash.
    pub merge_hash: MergeHash,
    /// The vulnerability's id.
    pub vulnerability: String,
    /// Its other ids, sorted.
    pub aliases: Vec<String>,
    /// The package.
    pub package: PackageRef,
    /// Its state.
    pub state: AdvisoryState,
    /// The time from which on it is withdrawn, if that is still to come: until then scans match it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_from: Option<Timestamp>,
    /// A one-line summary, if a record has one.
    pub summary: Option<String>,
    /// Severity level, such as `high`, if a record states one.
    pub severity: Option<String>,
    /// Its sources, sorted.
    pub sources: Vec<SourceName>,
    /// The newest `modified` time of its records, as written by the source.
    pub modified: Option<String>,
}

/// Query of `GET /api/v1/advisories`. All given filters must match.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AdvisoryListQuery {
    /// A package URL. With a version, only advisories that affect that version, by the rules of a scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(example = "pkg:npm/express")]
    pub purl: Option<String>,
    /// OSV ecosystem and name, separated by a slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(example = "npm/express")]
    pub package: Option<String>,
    /// Text in an id, a package name or a summary; upper and lower case are the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Maximum number of rows, 1 to 1,000; default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Where to continue: `next` of the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^blake3:[0-9a-f]{64}$")]
    pub after: Option<String>,
}

impl AdvisoryListQuery {
    /// Default number of rows.
    pub const DEFAULT_LIMIT: u32 = 100;
    /// Largest number of rows in one page.
    pub const MAX_LIMIT: u32 = 1_000;
}

/// The answer of `GET /api/v1/advisories`, sorted by package, then vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdvisoryPage {
    /// The rows.
    pub advisories: Vec<AdvisorySummary>,
    /// Start of the next page; null on the last page.
    pub next: Option<String>,
    /// The time up to which the indexes were read, if known.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
}

/// Query of `GET /api/v1/advisories/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AdvisoryQuery {
    /// Show the knowledge of this time: a time, a date (end of day, UTC) or a cursor; default now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])|([!-?A-~]{1,128}@)?[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{3}Z#[0-9]{1,18})$", example = "2025-01-15")]
    pub as_of: Option<AsOf>,
}

/// Query of `GET /api/v1/advisories/{name}/raw`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct RawQuery {
    /// The record of this source; needed if records of several have the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub source: Option<SourceName>,
}

/// What is known of a document that was kept as it was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RawDocument {
    /// The source of the record.
    pub source: SourceName,
    /// The record.
    pub record_id: String,
    /// The feed that fetched it.
    pub feed: FeedName,
    /// Its name in the input, through the archive that holds it.
    pub name: String,
    /// The address that it, or the archive that holds it, came from.
    pub address: String,
    /// When it was received.
    pub fetched_at: Timestamp,
    /// What the server calls this version: an `ETag` or a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator: Option<String>,
    /// Its length.
    pub size_bytes: u64,
    /// True if this document alone gives the record as this site states it.
    pub is_stated: bool,
}

/// Query of `GET /api/v1/advisories/dump`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct DumpQuery {
    /// Only this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^[a-z0-9][a-z0-9._-]{0,63}$")]
    pub source: Option<SourceName>,
}
