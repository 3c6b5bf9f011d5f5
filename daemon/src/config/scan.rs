//! `[scan]`: thresholds, freshness and policy files of scans.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use starling_protocol::Source;

use super::Refused;

/// Scans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scan {
    /// Severity from which a scan fails if the caller names none: `any`, `low`, `medium`, `high`, `critical`.
    pub fail_on: Option<String>,
    /// Least share of an SBOM's packages that must be judged, in percent; below it a scan ends with exit code 5. If nobody
    /// says, at least one package must be.
    pub min_coverage_percent: Option<u8>,
    /// Oldest that a source's last check may be, in hours; past it, or where a source was never checked, a scan ends with
    /// exit code 4.
    pub max_age_hours: Option<u64>,
    /// How long a source may go unheard of before it is stale, where no greatest age is demanded: a span such as `7d`.
    pub rhythm: String,
    /// Sources with a rhythm of their own.
    pub rhythms: BTreeMap<Source, String>,
    /// True if a scan ends with exit code 4 if a source that it rests on is stale, or was never taken in as a whole, or
    /// the head of a site has expired; else it warns.
    pub require_fresh: bool,
    /// Sources that are held in part on purpose: with `require_fresh`, their last import counts. `*` is every source.
    pub partial_sources: Vec<String>,
    /// The site's policy file, absolute or in the site's folder; flags and the keys above fill what it leaves open.
    pub policy_file: Option<PathBuf>,
    /// The site's Rego policy, absolute or in the site's folder; it decides beside the policy file.
    pub rego_file: Option<PathBuf>,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            fail_on: None,
            min_coverage_percent: None,
            max_age_hours: None,
            rhythm: "7d".to_owned(),
            rhythms: BTreeMap::new(),
            require_fresh: false,
            partial_sources: Vec::new(),
            policy_file: None,
            rego_file: None,
        }
    }
}

impl Scan {
    /// Checks the bounds that types alone do not keep; returns the key and its problem.
    pub(super) fn check(&self) -> Result<(), Refused> {
        if let Some(level) = &self.fail_on
            && !starling_policy::FailOn::ALL
                .iter()
                .any(|known| known.as_str() == level)
        {
            return Err((
                "scan.fail_on",
                format!("`any`, `low`, `medium`, `high` or `critical` is possible, found {level:?}"),
            ));
        }
        if let Some(percent) = self.min_coverage_percent.filter(|percent| *percent > 100) {
            return Err((
                "scan.min_coverage_percent",
                format!("up to 100 is possible, found {percent}"),
            ));
        }
        for rhythm in self.rhythms.values() {
            if let Err(error) = starling_policy::units::parse_span(rhythm) {
                return Err(("scan.rhythms", error.to_string()));
            }
        }
        for source in &self.partial_sources {
            if source != starling_policy::EVERY_SOURCE
                && let Err(error) = source.parse::<Source>()
            {
                return Err((
                    "scan.partial_sources",
                    format!(
                        "names of sources, or `*` for every source, are possible, found {source:?}: {error}"
                    ),
                ));
            }
        }
        if let Err(error) = starling_policy::units::parse_span(&self.rhythm) {
            return Err(("scan.rhythm", error.to_string()));
        }
        Ok(())
    }
}
