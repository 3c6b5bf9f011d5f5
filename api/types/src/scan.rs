//! Scanning an SBOM: what is asked, and the envelope around the verdict.

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
    /// Any finding, also one without a severity.
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
    /// Every level, lowest first.
    pub const ALL: [Self; 5] = [Self::Any, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The level's name.
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

/// Query of `POST /api/v1/scan`; the body is the SBOM itself, its kind found by content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ScanParams {
    /// Fail from this severity on; the site's policy alone when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub fail_on: Option<FailOn>,
    /// The moment to judge at; when absent that of `as_of`, else the site's clock. Part of the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
    /// The moment whose knowledge to judge by: a time, a date (its end, in UTC) or a cursor; now when absent. With
    /// equal `at`, policy, mutes and VEX documents, of which those of today count, the verdict has the bytes of the one
    /// that was given then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])|[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,9})?)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])|([!-?A-~]{1,128}@)?[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{3}Z#[0-9]{1,18})$", example = "2025-01-15")]
    pub as_of: Option<AsOf>,
    /// The least share of packages that must be judged, in hundredths of a percent; the site's policy when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 10_000)]
    pub min_coverage_basis_points: Option<u16>,
    /// The oldest a source's last check may be at the moment of judgement, in seconds; the site's policy when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
    /// Whether a rule of the policy that decides nothing fails the scan.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fail_on_unused: bool,
}

/// Answer of `POST /api/v1/scan`: the verdict and what holds for this site and moment only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VerdictEnvelope {
    /// The verdict's body. Equal inputs give equal bytes at every site.
    pub verdict: RawJson,
    /// Hash of the body's bytes.
    pub verdict_hash: VerdictHash,
    /// Identity of the site that judged.
    pub site: SiteId,
    /// Its name.
    pub site_id: SiteSlug,
    /// When it judged.
    pub time: Timestamp,
    /// Since when the site had known just what it judged by, where the past was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_since: Option<Timestamp>,
    /// The exit code that `starling scan` ends with: 0 pass, 1 fail, 4 knowledge missing or stale, 5 coverage too low.
    pub exit_code: u8,
    /// Signature over the verdict hash, where the site signs verdicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}
