//! Canonical advisories: the derived view of one vulnerability in one package, with where each value came from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::as_of::AsOf;
use crate::hash::{ContentHash, MergeHash, SiteId};
use crate::raw_json::RawJson;
use crate::status::Lane;
use crate::text::{SiteSlug, SourceName};
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
    /// Package URL without a version, where the ecosystem has one.
    #[serde(default)]
    pub purl: Option<String>,
}

/// Whether the advisory stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdvisoryState {
    /// It stands.
    Present,
    /// Every source dropped it.
    Absent,
    /// Its publisher withdrew it.
    Withdrawn,
    /// Every site that stated it retracted its statement.
    Deleted,
}

impl AdvisoryState {
    /// The state's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
            Self::Withdrawn => "withdrawn",
            Self::Deleted => "deleted",
        }
    }
}

/// The record that a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// Source of the record.
    pub source: SourceName,
    /// The record's id in its source.
    #[schema(example = "GHSA-rv95-896h-c2vc")]
    pub record_id: String,
    /// Identity of the site that stated it.
    pub site: SiteId,
    /// That site's name, where it is known here.
    #[serde(default)]
    pub site_id: Option<SiteSlug>,
}

/// A value that lost against the chosen one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LosingValue {
    /// The value.
    pub value: RawJson,
    /// Where it came from.
    pub provenance: Provenance,
}

/// One field, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedField {
    /// The chosen value; null where the chosen records have none.
    pub value: RawJson,
    /// Where it came from; without a value, where the first of the losers came from.
    pub provenance: Provenance,
    /// Other values, kept: of other records, and of other authors of the same record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losers: Vec<LosingValue>,
    /// Whether policy left the field open until an operator decides.
    #[serde(default)]
    pub unresolved: bool,
}

/// The tie from a canonical advisory to a claim that feeds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Edge {
    /// Where the claim came from.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Hash of the record's canonical bytes; null where the claim brings none.
    pub content_hash: Option<ContentHash>,
    /// Lane of the claim's log.
    pub lane: Lane,
    /// When the author made the claim, by its clock.
    pub claimed_at: Timestamp,
    /// Whether the record is live, absent, withdrawn or deleted.
    pub state: AdvisoryState,
    /// Whether the claim was chosen among those of several authors about its record.
    #[serde(default)]
    pub chosen: bool,
}

/// One canonical advisory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Advisory {
    /// Its name: the hash of vulnerability and package identity.
    pub merge_hash: MergeHash,
    /// The vulnerability's id: a CVE where there is one.
    #[schema(example = "CVE-2024-29041")]
    pub vulnerability: String,
    /// Every other id of it, sorted.
    pub aliases: Vec<String>,
    /// The package.
    pub package: PackageRef,
    /// Whether it stands.
    pub state: AdvisoryState,
    /// Fields by name (`summary`, `severity`, `affected`, …), each with where it came from.
    pub fields: BTreeMap<String, ResolvedField>,
    /// The claims that feed it.
    pub edges: Vec<Edge>,
    /// Earlier merge hashes that lead here.
    #[serde(default)]
    pub redirects: Vec<MergeHash>,
}

/// Answer of `GET /api/v1/advisories/{name}`: an id can name a vulnerability in several packages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AdvisoryLookup {
    /// The name that was asked for.
    pub query: String,
    /// The earlier merge hash that was asked for, where a redirect was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirected_from: Option<MergeHash>,
    /// What answers to it, sorted by merge hash; never empty, and at most 10,000.
    pub advisories: Vec<Advisory>,
    /// How many more answer to it; a package URL finds those of one package.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

/// Returns true if there is nothing to state.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl AdvisoryLookup {
    /// Most advisories that one answer shows.
    pub const MOST: usize = 10_000;
}

/// One row of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdvisorySummary {
    /// Its name.
    pub merge_hash: MergeHash,
    /// The vulnerability's id.
    pub vulnerability: String,
    /// Every other id of it, sorted.
    pub aliases: Vec<String>,
    /// The package.
    pub package: PackageRef,
    /// Whether it stands.
    pub state: AdvisoryState,
    /// One line about it, where a record has one.
    pub summary: Option<String>,
    /// Severity level, such as `high`, where a record states one.
    pub severity: Option<String>,
    /// Sources that feed it, sorted.
    pub sources: Vec<SourceName>,
    /// The newest `modified` of its records, as its source wrote it.
    pub modified: Option<String>,
}

/// Query of `GET /api/v1/advisories`; every filter given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AdvisoryListQuery {
    /// A package URL. With a version, only advisories that affect that version, as a scan would judge it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(example = "pkg:npm/express")]
    pub purl: Option<String>,
    /// OSV ecosystem and name, with a slash between.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(example = "npm/express")]
    pub package: Option<String>,
    /// Text that an id, a package name or a summary must contain, ignoring case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Rows to return, 1 to 1,000; 100 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = "^blake3:[0-9a-f]{64}$")]
    pub after: Option<String>,
}

impl AdvisoryListQuery {
    /// Rows returned when no limit is given.
    pub const DEFAULT_LIMIT: u32 = 100;
    /// Most rows returned in one page.
    pub const MAX_LIMIT: u32 = 1_000;
}

/// Answer of `GET /api/v1/advisories`, sorted by package, then vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AdvisoryPage {
    /// The rows.
    pub advisories: Vec<AdvisorySummary>,
    /// Where the next page starts; null on the last.
    pub next: Option<String>,
    /// The moment up to which indexes were read, where it is known.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
}

/// Query of `GET /api/v1/advisories/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AdvisoryQuery {
    /// The moment whose knowledge to show: a time, a date (its end, in UTC) or a cursor; now when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])|([!-?A-~]{1,128}@)?[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{3}Z#[0-9]{1,18})$", example = "2025-01-15")]
    pub as_of: Option<AsOf>,
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
