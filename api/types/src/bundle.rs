//! Bundles: exporting, importing, and reading one without importing it.

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

/// A cursor, with the name of the site whose log it is in where that is not the exporter's own.
///
/// In text and JSON: `CURSOR` or `SITE=CURSOR`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SiteCursor {
    /// The author's name or identity; the exporting site itself when absent.
    pub site: Option<String>,
    /// Export what follows this.
    pub cursor: Cursor,
}

/// Longest name of a site before `=`, in bytes: an identity in text needs 71.
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
                "`CURSOR`, in the log of the site that is asked, or `SITE=CURSOR`.",
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
    /// Per author what the reader already has, as `CURSOR` (this site's log) or `SITE=CURSOR`; all when empty.
    pub cursors: Vec<SiteCursor>,
    /// The allow-listed site that it is for: bounds its size, and starts where that site is known to be.
    pub to_site: Option<SiteSlug>,
}

/// What an export holds, sent ahead of its bytes in `starling-bundle-*` headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExportSummary {
    /// The bundle's name.
    pub bundle_hash: BundleHash,
    /// Deltas in it.
    pub deltas: u64,
    /// Claims in it.
    pub claims: u64,
    /// Record bodies in it.
    pub bodies: u64,
    /// Its size, where it is known ahead.
    pub size_bytes: Option<u64>,
    /// What could not be done beside it, such as noting the export on a full disk. The bundle is whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What settles it where two authors say different things of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConflictStrategy {
    /// The imported value is shown.
    #[default]
    PreferRemote,
    /// This site's value is shown.
    PreferLocal,
    /// The value that was stated last is shown.
    PreferNewest,
    /// The value of the site that the configuration believes most is shown.
    PreferSiteOrder,
    /// The field stays open, and acceptance is held, until an operator decides.
    Fail,
}

impl ConflictStrategy {
    /// The strategy's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreferRemote => "prefer_remote",
            Self::PreferLocal => "prefer_local",
            Self::PreferNewest => "prefer_newest",
            Self::PreferSiteOrder => "prefer_site_order",
            Self::Fail => "fail",
        }
    }

    /// Every strategy.
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
    /// Import into a copy: the report is that of the import, and nothing changes.
    pub dry_run: bool,
    /// Skip the seal's signature; only where the configuration trusts the exporter so far. Deltas are always verified.
    pub skip_signature: bool,
    /// `fail` refuses a bundle that says other than another author says of the same record here. Any other is
    /// checked against `view.conflict_strategy`, which alone settles what the view shows: a report says so where
    /// they differ. As configured when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub on_conflict: Option<ConflictStrategy>,
    /// Import although nothing in it is new. Never lowers a position.
    pub force: bool,
}

/// What an import did to the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportCounts {
    /// Canonical advisories that are new.
    pub canonical_created: u64,
    /// Canonical advisories that changed.
    pub canonical_updated: u64,
    /// Canonical advisories that the import mentions and that stayed as they were.
    pub canonical_skipped: u64,
    /// Edges that are new.
    pub edges_added: u64,
    /// Absences, withdrawals and deletions that took effect.
    pub deletions_processed: u64,
}

/// A field of an advisory on which what is imported and what is known here differ, and what came of it.
///
/// Authors may differ on one record, and records of several sources on one advisory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Conflict {
    /// The canonical advisory.
    pub merge_hash: crate::hash::MergeHash,
    /// The field, such as `severity`; `state` where one says that the source dropped the record.
    pub field: String,
    /// What is said here, before the import; null where nothing is.
    pub local_value: RawJson,
    /// The imported value; null where it has none.
    pub remote_value: RawJson,
    /// Which of them the view shows, and by what rule: `remote`, `local`, `other` or `unresolved`, then the
    /// conflict strategy, or `source order` where the records are of different sources.
    #[schema(example = "remote: prefer_newest")]
    pub resolution: String,
}

/// What came of one log of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogOutcome {
    /// All of its range is held now, and accepted.
    Taken,
    /// It was here already.
    Here,
    /// All of its range is held now, and something keeps it from being accepted.
    Held,
    /// None of its range was taken.
    Refused,
}

impl LogOutcome {
    /// The outcome's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Here => "here",
            Self::Held => "held",
            Self::Refused => "refused",
        }
    }
}

/// One log of a bundle, and what came of it. A range is taken whole or not at all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportLog {
    /// The author's identity.
    pub site: SiteId,
    /// The author's name, where the allow-list or its certificate says it.
    pub site_id: Option<SiteSlug>,
    /// The log's lane.
    pub lane: Lane,
    /// What came of it.
    pub outcome: LogOutcome,
    /// Where the log is held now (after a dry run: would be); null where nothing of it is.
    pub cursor: Option<Cursor>,
    /// Why it was refused, as a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<crate::ErrorCode>,
    /// Why it was held or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Answer of `POST /api/v1/federation/import`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// Whether every log in the bundle is taken or was here (in a dry run: would be).
    pub success: bool,
    /// The bundle's name.
    pub bundle_hash: BundleHash,
    /// Newest cursor of the exporter's own log, or of the only log in the bundle; null where it holds none.
    pub imported_cursor: Option<Cursor>,
    /// What changed in the view.
    pub counts: ImportCounts,
    /// Fields on which the imported and the known differ; at most 1,000, and a warning says if there are more.
    pub conflicts: Vec<Conflict>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Per log in the bundle what was reached, where anything is held.
    #[serde(default)]
    pub cursors: Vec<SiteCursor>,
    /// Whether this was a dry run.
    #[serde(default)]
    pub dry_run: bool,
    /// What came of each log.
    #[serde(default)]
    pub logs: Vec<ImportLog>,
    /// Certificates that were new.
    #[serde(default)]
    pub certificates: u64,
    /// Heads that were newer than those known.
    #[serde(default)]
    pub heads: u64,
    /// What was odd but not refused, such as logs that are held and not accepted.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// One log's range in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleLog {
    /// The author's identity.
    pub site: SiteId,
    /// The author's name, where its certificate or the allow-list says it.
    pub site_id: Option<SiteSlug>,
    /// The log's lane.
    pub lane: Lane,
    /// The author's epoch at the end of the range.
    pub epoch: u64,
    /// First claim number.
    pub first: u64,
    /// Cursor at the end of the range.
    pub cursor: Cursor,
    /// Deltas in the range, where they were counted.
    pub deltas: Option<u64>,
    /// Claims in the range.
    pub claims: u64,
}

/// What a bundle says about itself; nothing of it is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleInfo {
    /// The bundle's name, computed from its manifest.
    pub bundle_hash: BundleHash,
    /// Version of the bundle format.
    pub format_version: u32,
    /// Identity of the site that sealed it.
    pub exporter: SiteId,
    /// That site's name.
    pub exporter_site_id: Option<SiteSlug>,
    /// Size of the whole file, in bytes.
    pub size_bytes: u64,
    /// Frames in it.
    pub frames: u64,
    /// Certificates in it.
    pub certificates: u64,
    /// Record bodies in it.
    pub bodies: u64,
    /// Size of the bodies once decompressed, in bytes.
    pub bodies_bytes: u64,
    /// The logs in it.
    pub logs: Vec<BundleLog>,
    /// Set and part, as `SET part 2 of 5`, where the export was split.
    #[serde(default)]
    pub part: Option<String>,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleCheck {
    /// What was checked, such as `seal_signature`.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// What was found.
    pub found: String,
}

/// Answer of `POST /api/v1/federation/bundles/validate`: every check, also after the first that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BundleValidation {
    /// Whether every check holds.
    pub valid: bool,
    /// The bundle's name, where its manifest could be read.
    pub bundle_hash: Option<BundleHash>,
    /// What it says about itself, where that could be read.
    pub info: Option<BundleInfo>,
    /// The checks, in order.
    pub checks: Vec<BundleCheck>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn site_cursors_round_trip_and_refuse_a_path_for_a_site() {
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
    fn an_import_report_has_the_promised_shape() {
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
