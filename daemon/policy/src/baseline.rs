//! A baseline: an earlier verdict; only findings that it does not contain can fail.
//!
//! A finding is known if the baseline has the same vulnerability in the same package. The version does not matter: an
//! update that does not remove the vulnerability adds nothing new. The earlier policy's decision does not matter
//! either.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use starling_protocol::json;
use starling_scanner::scan::Finding;

use crate::strict;
use crate::verdict::{Verdict, VerdictHash};

/// Largest baseline, in bytes: the verdict of the largest allowed SBOM is smaller.
pub const MAX_BASELINE_BYTES: usize = 64 * 1024 * 1024;

/// A verdict whose findings are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    hash: VerdictHash,
    /// The subject of its SBOM, if it has one.
    subject: Option<String>,
    /// Findings by ecosystem and name of the package.
    findings: BTreeMap<(String, String), Vec<Known>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    vulnerability: String,
    ids: BTreeSet<String>,
}

/// The reason why bytes are not a baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// Larger than any verdict.
    #[error("cannot read the baseline: it has {found} bytes, more than the limit of {MAX_BASELINE_BYTES}")]
    TooLarge {
        /// Number of bytes.
        found: usize,
    },
    /// Not JSON.
    #[error("cannot read the baseline as JSON; give the output of `starling scan --json`")]
    Json(#[source] serde_json::Error),
    /// JSON, but not a verdict.
    #[error(
        "cannot read the baseline: its format is {found:?}, not one of {:?}; give the output of `starling scan --json`",
        Verdict::READABLE
    )]
    Format {
        /// Its own format field, shortened; empty if missing.
        found: String,
    },
    /// A verdict without a required field.
    #[error("cannot read the findings of the baseline")]
    Findings(#[source] serde_json::Error),
    /// A verdict that cannot be written in canonical form.
    #[error("cannot read the baseline as canonical JSON")]
    Canonical(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[derive(Deserialize)]
struct Body {
    findings: Vec<BodyFinding>,
    #[serde(default)]
    inventory: BodyInventory,
}

#[derive(Default, Deserialize)]
struct BodyInventory {
    #[serde(default)]
    subject: Option<String>,
}

#[derive(Deserialize)]
struct BodyFinding {
    vulnerability: String,
    ids: Vec<String>,
    package: BodyPackage,
}

#[derive(Deserialize)]
struct BodyPackage {
    ecosystem: String,
    name: String,
}

impl Baseline {
    /// Reads a verdict's body, with or without its envelope.
    ///
    /// # Errors
    /// If the bytes are neither, or too many.
    pub fn read(bytes: &[u8]) -> Result<Self, BaselineError> {
        if bytes.len() > MAX_BASELINE_BYTES {
            return Err(BaselineError::TooLarge { found: bytes.len() });
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut value: Value = strict::read(bytes).map_err(BaselineError::Json)?;
        if let Some(body) = value.get_mut("verdict") {
            value = body.take();
        }
        let format = value.get("format").and_then(Value::as_str).unwrap_or_default();
        if !Verdict::READABLE.contains(&format) {
            return Err(BaselineError::Format {
                found: format.chars().take(40).collect(),
            });
        }
        let raw = serde_json::to_vec(&value).map_err(|e| BaselineError::Canonical(Box::new(e)))?;
        let canonical = json::canonicalize(&raw).map_err(|e| BaselineError::Canonical(Box::new(e)))?;
        let body: Body = serde_json::from_value(value).map_err(BaselineError::Findings)?;
        let mut findings: BTreeMap<_, Vec<Known>> = BTreeMap::new();
        for finding in body.findings {
            let package = (finding.package.ecosystem, finding.package.name);
            findings.entry(package).or_default().push(Known {
                vulnerability: finding.vulnerability,
                ids: finding.ids.into_iter().collect(),
            });
        }
        Ok(Self {
            hash: VerdictHash::of(&canonical),
            subject: body.inventory.subject,
            findings,
        })
    }

    /// Returns the hash of the verdict's body.
    pub const fn hash(&self) -> VerdictHash {
        self.hash
    }

    /// Returns the subject of its SBOM, if the other SBOM has another one.
    pub(crate) fn other_subject(&self, subject: Option<&str>) -> Option<&str> {
        let own = self.subject.as_deref();
        own.zip(subject)
            .and_then(|(own, other)| (own != other).then_some(own))
    }

    /// Returns true if the baseline contains this finding.
    pub fn knows(&self, finding: &Finding) -> bool {
        let package = (finding.package.ecosystem.clone(), finding.package.name.clone());
        self.findings
            .get(&package)
            .is_some_and(|known| known.iter().any(|known| known.is(finding)))
    }
}

impl Known {
    /// Returns true if both are the same vulnerability, even if it has got another name since. Two CVEs are never the
    /// same, even if they share an alias.
    fn is(&self, finding: &Finding) -> bool {
        let (then, now) = (&self.vulnerability, &finding.vulnerability);
        if then == now {
            return true;
        }
        let both_cves = then.starts_with("CVE-") && now.starts_with("CVE-");
        !both_cves && (self.ids.contains(now) || finding.ids.contains(then))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::finding;
    use starling_scanner::severity::Level;

    fn body(vulnerability: &str, ids: &str) -> String {
        format!(
            r#"{{"format":"starling-verdict/1","findings":[{{"vulnerability":"{vulnerability}","ids":[{ids}],
            "package":{{"ecosystem":"npm","name":"express","version":"3.0.0"}}}}]}}"#
        )
    }

    fn knows(body: &str, vulnerability: &str, ids: &[&str]) -> bool {
        let mut now = finding(Level::High);
        now.vulnerability = vulnerability.into();
        now.ids = ids.iter().map(|id| (*id).into()).collect();
        Baseline::read(body.as_bytes()).unwrap().knows(&now)
    }

    #[test]
    fn known_finding_matches_in_any_version() {
        let baseline = body("CVE-2024-1", r#""CVE-2024-1""#);
        assert!(knows(&baseline, "CVE-2024-1", &["CVE-2024-1"]));
        assert!(!knows(&baseline, "CVE-2024-2", &["CVE-2024-2"]));
        let mut other = finding(Level::High);
        other.package.name = "koa".into();
        assert!(!Baseline::read(baseline.as_bytes()).unwrap().knows(&other));
    }

    #[test]
    fn finding_is_known_after_it_got_a_cve() {
        let before = body("GHSA-a", r#""GHSA-a""#);
        assert!(knows(&before, "CVE-2024-1", &["CVE-2024-1", "GHSA-a"]));
        let shared = body("CVE-2024-1", r#""CVE-2024-1","GHSA-a","CVE-2024-2""#);
        assert!(!knows(&shared, "CVE-2024-2", &["CVE-2024-2", "GHSA-a"]));
    }

    #[test]
    fn verdicts_of_both_formats_are_baselines() {
        let first = body("CVE-2024-1", r#""CVE-2024-1""#);
        let second = first.replace("starling-verdict/1", Verdict::FORMAT);
        assert_ne!(first, second);
        for baseline in [first, second] {
            assert!(knows(&baseline, "CVE-2024-1", &["CVE-2024-1"]));
        }
    }

    #[test]
    fn envelope_and_spacing_do_not_matter() {
        let bare = body("CVE-2024-1", r#""CVE-2024-1""#);
        let wrapped = format!(r#"{{"site_id":"a","verdict": {bare} }}"#);
        assert_eq!(
            Baseline::read(bare.as_bytes()).unwrap(),
            Baseline::read(wrapped.as_bytes()).unwrap()
        );
    }

    #[test]
    fn other_subject_is_recognised() {
        let of = |inventory: &str| {
            let body = body("CVE-2024-1", "").replacen('{', &format!("{{{inventory}"), 1);
            Baseline::read(body.as_bytes()).unwrap()
        };
        let shop = of(r#""inventory":{"subject":"shop"},"#);
        assert_eq!(shop.other_subject(Some("shop")), None);
        assert_eq!(shop.other_subject(Some("desk")), Some("shop"));
        assert_eq!(shop.other_subject(None), None);
        for nameless in [of(""), of(r#""inventory":{},"#)] {
            assert_eq!(nameless.other_subject(Some("desk")), None);
        }
    }

    #[test]
    fn non_verdict_is_refused() {
        for bytes in [
            "",
            "[]",
            "{}",
            r#"{"format":"starling-verdict/3","findings":[]}"#,
            r#"{"format":"starling-verdict/1"}"#,
            r#"{"format":"starling-verdict/1","findings":[{}]}"#,
            r#"{"verdict":null}"#,
        ] {
            assert!(Baseline::read(bytes.as_bytes()).is_err(), "{bytes}");
        }
    }
}
