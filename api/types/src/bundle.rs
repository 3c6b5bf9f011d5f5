//! Bundles: export, import, and reading without import.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::hash::{BundleHash, SiteId};
use crate::raw_json::RawJson;
use crate::status::Lane;
use crate::text::{Cursor, SiteSlug, TextError};

/// A cursor, with its site's name if it is not in the exporter's own log.
///
/// In text and JSON: `CURSOR` or `SITE=CURSOR`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SiteCursor {
    /// The author's name or identity; default: the exporting site.
    pub site: Option<String>,
    /// The position after which the export starts.
    pub cursor: Cursor,
}

/// Longest site name before `=`, in bytes: an identity in text needs 71.
const SITE_REF_MAX_BYTES: usize = 80;

impl FromStr for SiteCursor {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let Some((site, cursor)) = text.split_once('=') else {
            return Ok(Self {
                site: None,
                cursor: Cursor::new(text)?,
            });
        };
        let named = site.parse::<SiteId>().is_ok() || SiteSlug::new(site).is_ok();
        if !named || site.len() > SITE_REF_MAX_BYTES {
            return Err(TextError {
                what: "site in a cursor",
                found: site.chars().take(SITE_REF_MAX_BYTES).collect(),
                expected: "a site name or `blake3:` identity before `=`",
            });
        }
        Ok(Self {
            site: Some(site.to_owned()),
            cursor: Cursor::new(cursor)?,
        })
    }
}

impl fmt::Display for SiteCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.site {
            Some(site) => write!(f, "{site}={}", self.cursor),
            None => self.cursor.fmt(f),
        }
    }
}

impl Serialize for SiteCursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SiteCursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for SiteCursor {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .description(Some(
                "`CURSOR`, in the log of the exporting site, or `SITE=CURSOR`.",
            ))
            .examples([serde_json::json!("2025-01-15T10:30:00.000Z#0042")])
            .pattern(Some("^([a-z0-9][a-z0-9._:-]{0,79}=)?[0-9TZ:.+-]+Z#[0-9]+$"))
            .into()
    }
}

impl ToSchema for SiteCursor {}

/// Body of `POST /api/v1/federation/export`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExportRequest {
    /// What the reader already has, per author, as `CURSOR` (this site's log) or `SITE=CURSOR`. If empty, everything is
    /// exported.
    pub cursors: Vec<SiteCursor>,
    /// The allow-listed site that the bundle is for: limits the size, and sets the start to that site's known position.
    pub to_site: Option<SiteSlug>,
}

/// Summary of an export, sent before its bytes in `starling-bundle-*` headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportSummary {
    /// The bundle's name.
    pub bundle_hash: BundleHash,
    /// Number of deltas.
    pub deltas: u64,
    /// Number of claims.
    pub claims: u64,
    /// Number of record bodies.
    pub bodies: u64,
    /// Size in bytes, if known in advance.
    pub size_bytes: Option<u64>,
    /// Warnings about side effects that failed, such as recording the export on a full disk. The bundle itself is
    /// complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The rule for a record about which two authors disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConflictStrategy {
    /// The imported value is shown.
    #[default]
    PreferRemote,
    /// This site's value is shown.
    PreferLocal,
    /// The most recently stated value is shown.
    PreferNewest,
    /// The value of the site that comes first in the configured order is shown.
    PreferSiteOrder,
    /// The field has no value, and acceptance is held, until an operator decides.
    Fail,
}

impl ConflictStrategy {
    /// Returns the strategy's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreferRemote => "prefer_remote",
            Self::PreferLocal => "prefer_local",
            Self::PreferNewest => "prefer_newest",
            Self::PreferSiteOrder => "prefer_site_order",
            Self::Fail => "fail",
        }
    }

    /// All strategies.
    pub const ALL: [Self; 5] = [
        Self::PreferRemote,
        Self::PreferLocal,
        Self::PreferNewest,
        Self::PreferSiteOrder,
        Self::Fail,
    ];
}

impl FromStr for ConflictStrategy {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.as_str() == text)
            .ok_or_else(|| TextError {
                what: "conflict strategy",
                found: text.chars().take(80).collect(),
                expected: "prefer_remote, prefer_local, prefer_newest, prefer_site_order or fail",
            })
    }
}

/// Query of `POST /api/v1/federation/import`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ImportParams {
    /// Import into a copy: the report is that of the import, but nothing changes.
    pub dry_run: bool,
    /// Skip the check of the seal's signature, if the configuration allows it for the exporter. Deltas are always
    /// verified.
    pub skip_signature: bool,
    /// `fail` rejects a bundle that conflicts with another author's statement about the same record. Any other value is
    /// compared with `view.conflict_strategy`, which alone decides what the view shows; the report says if they differ.
    /// Default: as configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub on_conflict: Option<ConflictStrategy>,
    /// Import even if the bundle has nothing new. Never lowers a position.
    pub force: bool,
}

/// The changes of an import in the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportCounts {
    /// Number of new canonical advisories.
    pub canonical_created: u64,
    /// Number of changed canonical advisories.
    pub canonical_updated: u64,
    /// Number of canonical advisories that the import mentions without changing them.
    pub canonical_skipped: u64,
    /// Number of new edges.
    pub edges_added: u64,
    /// Number of absences, withdrawals and deletions that took effect.
    pub deletions_processed: u64,
}

/// A field of an advisory whose imported and known values differ, and the result.
///
/// The values can come from several authors of one record, or from records of several sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    /// The canonical advisory.
    pub merge_hash: crate::hash::MergeHash,
    /// The field, such as `severity`; `state` if one side says that the source dropped the record.
    pub field: String,
    /// The value here before the import; null if there was none.
    pub local_value: RawJson,
    /// The imported value; null if there is none.
    pub remote_value: RawJson,
    /// The value shown in the view, and the rule: `remote`, `local`, `other` or `unresolved`, then the conflict
    /// strategy, or `source order` if the records are from different sources.
    #[schema(example = "remote: prefer_newest")]
    pub resolution: String,
}

/// The import result of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogOutcome {
    /// The whole range is now held and accepted.
    Taken,
    /// The range was already here.
    Here,
    /// The whole range is now held, but not accepted yet.
    Held,
    /// Nothing of the range was imported.
    Refused,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl LogOutcome {
    /// Returns the outcome's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Here => "here",
            Self::Held => "held",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// One log of a bundle and its result. A range is imported completely or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportLog {
    /// The author's identity.
    pub site: SiteId,
    /// The author's name, from the allow-list or its certificate.
    pub site_id: Option<SiteSlug>,
    /// The log's lane.
    pub lane: Lane,
    /// The result.
    pub outcome: LogOutcome,
    /// The position up to which the log is held now (after a dry run: would be held); null if nothing is held.
    pub cursor: Option<Cursor>,
    /// The reason for the refusal, as a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<crate::ErrorCode>,
    /// The reason why it was held or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Sources that the author is not allowed for here: their claims are held and relayed, but do not enter the view.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_used: Vec<UnusedSource>,
    /// Number of the bundle's other claims in this log; missing if `not_used` is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_claims: Option<u64>,
}

/// A source whose claims in a bundle are held and relayed, but not used, because their author is not allowed for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnusedSource {
    /// The source.
    pub source: crate::SourceName,
    /// Number of the bundle's claims about it.
    pub claims: u64,
}

/// Answer of `POST /api/v1/federation/import`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// True if every log was imported or already here (for a dry run: would be).
    pub success: bool,
    /// The bundle's name.
    pub bundle_hash: BundleHash,
    /// Newest cursor of the exporter's own log, or of the only log in the bundle; null if there is none.
    pub imported_cursor: Option<Cursor>,
    /// The changes in the view.
    pub counts: ImportCounts,
    /// Fields with different imported and known values; at most 1,000. A warning says if there are more.
    pub conflicts: Vec<Conflict>,
    /// Duration, in milliseconds.
    pub duration_ms: u64,
    /// The position reached for each log in the bundle, if anything of it is held.
    #[serde(default)]
    pub cursors: Vec<SiteCursor>,
    /// True if this was a dry run.
    #[serde(default)]
    pub dry_run: bool,
    /// The result for each log.
    #[serde(default)]
    pub logs: Vec<ImportLog>,
    /// Number of new certificates.
    #[serde(default)]
    pub certificates: u64,
    /// Number of heads that were newer than the known ones.
    #[serde(default)]
    pub heads: u64,
    /// Warnings that did not stop the import, such as logs that are held but not accepted.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The mutes that arrived with the bundle; absent if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutes: Option<ArrivedMutes>,
}

/// Mutes that an import brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArrivedMutes {
    /// Number of new mutes.
    pub arrived: u64,
    /// Number of those that apply here.
    pub counting: u64,
    /// Why the first of the others does not apply, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// One log's range in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleLog {
    /// The author's identity.
    pub site: SiteId,
    /// The author's name, from its certificate or the allow-list.
    pub site_id: Option<SiteSlug>,
    /// The log's lane.
    pub lane: Lane,
    /// The author's epoch at the end of the range.
    pub epoch: u64,
    /// First claim number.
    pub first: u64,
    /// Cursor at the end of the range.
    pub cursor: Cursor,
    /// Number of deltas in the range, if they were counted.
    pub deltas: Option<u64>,
    /// Number of claims in the range.
    pub claims: u64,
}

/// A bundle's own information, not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleInfo {
    /// The bundle's hash, computed from its manifest.
    pub bundle_hash: BundleHash,
    /// Version of the bundle format.
    pub format_version: u32,
    /// Identity of the site that sealed the bundle.
    pub exporter: SiteId,
    /// That site's name.
    pub exporter_site_id: Option<SiteSlug>,
    /// Size of the complete file, in bytes.
    pub size_bytes: u64,
    /// Number of frames.
    pub frames: u64,
    /// Number of certificates.
    pub certificates: u64,
    /// Number of deltas, over all logs.
    #[serde(default)]
    pub deltas: u64,
    /// Number of record bodies.
    pub bodies: u64,
    /// Size of the decompressed bodies, in bytes.
    pub bodies_bytes: u64,
    /// The logs in the bundle.
    pub logs: Vec<BundleLog>,
    /// Set and part, as `SET part 2 of 5`, if the export was split.
    #[serde(default)]
    pub part: Option<String>,
}

/// One check and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleCheck {
    /// The check's name, such as `seal_signature`.
    pub name: String,
    /// True if the check passed.
    pub ok: bool,
    /// The finding.
    pub found: String,
}

/// The answer of `POST /api/v1/federation/bundles/validate`: all checks, even after a failed one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleValidation {
    /// True if the bundle is sound and accepted here: every check passed, except perhaps `news`.
    pub valid: bool,
    /// True if an import would bring new data, false if everything in it is here already; null if that was not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub news: Option<bool>,
    /// The bundle's hash, if its manifest is readable.
    pub bundle_hash: Option<BundleHash>,
    /// The bundle's own information, if it is readable.
    pub info: Option<BundleInfo>,
    /// The checks, in order.
    pub checks: Vec<BundleCheck>,
    /// Duration, in milliseconds.
    pub duration_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_cursors_round_trip_and_refuse_paths() {
        for text in [
            "2025-01-15T10:30:00.000Z#0042".to_owned(),
            "site-a=2025-01-15T10:30:00.000Z#0042".to_owned(),
            format!("{}=2025-01-15T10:30:00.000Z#0042", SiteId::from_bytes([7; 32])),
        ] {
            assert_eq!(text.parse::<SiteCursor>().unwrap().to_string(), text);
        }
        assert!(
            "../x=2025-01-15T10:30:00.000Z#0042"
                .parse::<SiteCursor>()
                .is_err()
        );
        assert!("site-a=".parse::<SiteCursor>().is_err());
    }

    #[test]
    fn import_report_has_the_documented_fields() {
        let text = format!(
            r#"{{"success":true,"bundle_hash":"{}","imported_cursor":"2025-01-15T10:30:00.000Z#0042","counts":{{"canonical_created":100,"canonical_updated":25,"canonical_skipped":10,"edges_added":200,"deletions_processed":5}},"conflicts":[{{"merge_hash":"{}","field":"severity","local_value":"7.5","remote_value":{{"score":9}},"resolution":"prefer_remote"}}],"duration_ms":1234}}"#,
            BundleHash::from_bytes([1; 32]),
            crate::MergeHash::from_bytes([2; 32]),
        );
        let report: ImportReport = serde_json::from_str(&text).unwrap();
        let back = serde_json::to_string(&report).unwrap();
        assert!(back.starts_with(text.strip_suffix('}').unwrap()), "{back}");
    }
}
