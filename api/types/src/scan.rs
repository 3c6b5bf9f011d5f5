//! Scans of an SBOM: the request, and the envelope of the verdict.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::as_of::AsOf;
use crate::hash::{SiteId, VerdictHash};
use crate::raw_json::RawJson;
use crate::text::SiteSlug;
use crate::time::Timestamp;

/// The lowest severity at which a scan fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailOn {
    /// Any finding, even one without a severity.
    Any,
    /// Low and above.
    Low,
    /// Medium and above.
    Medium,
    /// High and above.
    High,
    /// Critical only.
    Critical,
}

impl FailOn {
    /// All levels, lowest first.
    pub const ALL: [Self; 5] = [Self::Any, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Returns the level's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for FailOn {
    type Err = crate::TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str() == text)
            .ok_or_else(|| crate::TextError {
                what: "severity level",
                found: text.chars().take(80).collect(),
                expected: "any, low, medium, high or critical",
            })
    }
}

/// Query of `POST /api/v1/scan`. The body is the SBOM; its kind is detected from its content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ScanParams {
    /// Fail on findings of this severity or higher, besides those that the policy fails; default: `scan.fail_on`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub fail_on: Option<FailOn>,
    /// Time at which to evaluate; default: the time of `as_of`, else the site's clock. Part of the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// Evaluate with the knowledge of this time: a time, a date (end of day, UTC) or a cursor; default now. Policy
    /// and VEX documents are today's. If `at`, policy, mutes and VEX documents are equal, the verdict has the same
    /// bytes as the one given then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])|([!-?A-~]{1,128}@)?[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{3}Z#[0-9]{1,18})$", example = "2025-01-15")]
    pub as_of: Option<AsOf>,
    /// Minimum share of packages that must be checked, in hundredths of a percent; default: the site's policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 10_000)]
    pub min_coverage_basis_points: Option<u16>,
    /// Maximum age of a source's last check at the time of the scan, in seconds; default: the site's policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// True if an unused rule of the policy fails the scan.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fail_on_unused: bool,
}

/// The answer of `POST /api/v1/scan`: the verdict, and data about this site and this call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VerdictEnvelope {
    /// The verdict's body. Equal inputs give equal bytes at every site.
    pub verdict: RawJson,
    /// Hash of the body's bytes.
    pub verdict_hash: VerdictHash,
    /// Identity of the site that made the verdict.
    pub site: SiteId,
    /// That site's name.
    pub site_id: SiteSlug,
    /// The time of the call.
    pub time: Timestamp,
    /// The time since when the site had exactly this knowledge, if the question was about the past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_since: Option<Timestamp>,
    /// The exit code of `starling scan`: 0 pass, 1 fail, 4 knowledge missing or stale, 5 coverage too low.
    pub exit_code: u8,
    /// True if the policy sets no threshold: no finding can fail, however bad it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_threshold: bool,
    /// Sources whose import at this site has not ended, or was interrupted: records of them may be missing or old.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unfinished_imports: Vec<String>,
    /// Signature over the verdict hash, if the site signs verdicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}
