//! Results of the scans of one command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use starling_api_types::{ExitStatus, Problem, VerdictEnvelope};
use starling_report::remarks::unfinished;

/// The scans of several SBOMs, in the order of the command line.
#[derive(Debug, Serialize)]
pub(crate) struct ScanReport {
    /// One entry per SBOM.
    pub(crate) scans: Vec<Scanned>,
    /// The exit code of the command.
    pub(crate) exit_code: u8,
}

/// One SBOM and its result.
#[derive(Debug, Serialize)]
pub(crate) struct Scanned {
    /// The SBOM, as given on the command line.
    pub(crate) sbom: String,
    #[serde(flatten)]
    pub(crate) outcome: ScanOutcome,
    /// A note that the baseline is of another product.
    #[serde(skip)]
    pub(crate) other_product: Option<String>,
}

impl Scanned {
    /// Returns an SBOM with its verdict, or with the problem that prevented it.
    pub(super) fn of(sbom: &Path, outcome: Result<VerdictEnvelope, Problem>) -> Self {
        Self {
            sbom: sbom.to_string_lossy().into_owned(),
            outcome: match outcome {
                Ok(envelope) => ScanOutcome::Result(Box::new(envelope)),
                Err(problem) => ScanOutcome::Problem(problem),
            },
            other_product: None,
        }
    }

    /// Returns what a report says of the verdict besides its body.
    pub(super) fn notes(&self) -> Vec<String> {
        let unfinished = match &self.outcome {
            ScanOutcome::Result(envelope) => unfinished_note(&envelope.unfinished_imports),
            ScanOutcome::Problem(_) => None,
        };
        unfinished.into_iter().chain(self.other_product.clone()).collect()
    }
}

/// Names sources whose import has not ended, if there are any.
fn unfinished_note(sources: &[String]) -> Option<String> {
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    unfinished(&sources)
}

/// A verdict, or the problem that prevented it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScanOutcome {
    /// The verdict in its envelope.
    Result(Box<VerdictEnvelope>),
    /// The SBOM was rejected.
    Problem(Problem),
}

impl ScanReport {
    /// Returns the notes about ecosystems of which the verdicts know a part only, each once.
    pub(super) fn known_in_part(&self) -> BTreeSet<String> {
        let envelopes = self.scans.iter().filter_map(|scan| match &scan.outcome {
            ScanOutcome::Result(envelope) => Some(envelope),
            ScanOutcome::Problem(_) => None,
        });
        envelopes
            .flat_map(|envelope| crate::render::known_in_part(envelope))
            .collect()
    }

    /// The JSON key of the list of scans.
    pub(super) const LIST: &'static str = "scans";

    /// Builds the report over these scans.
    ///
    /// # Errors
    /// `internal` if a verdict has an unknown exit code.
    pub(super) fn of(scans: Vec<Scanned>) -> Result<(Self, ExitStatus), Problem> {
        let mut gravest = ExitStatus::Pass;
        for scan in &scans {
            let status = scan.outcome.status()?;
            if rank(status) < rank(gravest) {
                gravest = status;
            }
        }
        let exit_code = gravest.code();
        Ok((Self { scans, exit_code }, gravest))
    }
}

impl ScanReport {
    /// Names the SBOMs about which a CycloneDX report, which only holds findings, is no answer.
    pub(super) fn without_answer(&self) -> Vec<String> {
        let scans = self.scans.iter().filter(|scan| {
            !matches!(
                scan.outcome.status(),
                Ok(ExitStatus::Pass | ExitStatus::FailedByPolicy)
            )
        });
        scans
            .map(|scan| {
                format!(
                    "the CycloneDX report is no answer about {}: it says `incomplete`, and its lack of vulnerabilities \
                     means nothing",
                    scan.sbom
                )
            })
            .collect()
    }

    /// Names the sources whose import has not ended, if there are any.
    pub(super) fn unfinished(&self) -> Option<String> {
        let results = self.scans.iter().filter_map(|scan| match &scan.outcome {
            ScanOutcome::Result(envelope) => Some(&envelope.unfinished_imports),
            ScanOutcome::Problem(_) => None,
        });
        let sources: BTreeSet<&str> = results.flatten().map(String::as_str).collect();
        unfinished(&sources.into_iter().collect::<Vec<_>>())
    }

    /// Describes the rules, and the mutes for one of the SBOMs, that decided nothing in any verdict.
    pub(super) fn unused(&self) -> Vec<String> {
        let mut rules: BTreeMap<String, bool> = BTreeMap::new();
        let mut mutes: BTreeMap<String, bool> = BTreeMap::new();
        for scan in &self.scans {
            let ScanOutcome::Result(envelope) = &scan.outcome else {
                continue;
            };
            let body: Body = serde_json::from_str(envelope.verdict.as_str()).unwrap_or_default();
            for (used, found) in [(&mut rules, body.rules), (&mut mutes, body.mutes)] {
                for said in found {
                    *used.entry(said.id).or_default() |= said.matched > 0;
                }
            }
        }
        let unused =
            |used: BTreeMap<String, bool>| used.into_iter().filter(|(_, used)| !used).map(|(id, _)| id);
        let rules = unused(rules).map(|id| format!("the rule \"{id}\" decides nothing in any of the SBOMs"));
        let mutes = unused(mutes)
            .map(|id| format!("the mute {id} is for some of the SBOMs and mutes nothing in any of them"));
        rules.chain(mutes).collect()
    }
}

/// The part of a verdict's body that lists what rules and mutes did.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    rules: Vec<CoverageRow>,
    mutes: Vec<CoverageRow>,
}

#[derive(Debug, Deserialize)]
struct CoverageRow {
    id: String,
    matched: u64,
}

impl ScanOutcome {
    fn status(&self) -> Result<ExitStatus, Problem> {
        match self {
            Self::Problem(problem) => Ok(problem.exit_status()),
            Self::Result(envelope) => ExitStatus::from_code(envelope.exit_code).ok_or_else(|| {
                Problem::internal(
                    "ending the scan",
                    format!("the verdict has the exit code {}", envelope.exit_code),
                )
            }),
        }
    }
}

/// Returns the rank of a status; the most severe is lowest. A failed policy outranks every other problem.
fn rank(status: ExitStatus) -> u8 {
    match status {
        ExitStatus::FailedByPolicy => 0,
        ExitStatus::Usage => 1,
        ExitStatus::InputRefused => 2,
        ExitStatus::KnowledgeMissing => 3,
        ExitStatus::CoverageTooLow => 4,
        ExitStatus::Pass => u8::MAX,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scan(body: &serde_json::Value) -> Scanned {
        let envelope = json!({
            "verdict": body, "verdict_hash": format!("blake3:{}", "0".repeat(64)), "site_id": "a",
            "site": format!("blake3:{}", "0".repeat(64)), "time": "2026-01-01T00:00:00.000Z", "exit_code": 0,
        });
        Scanned {
            sbom: "a.json".to_owned(),
            outcome: ScanOutcome::Result(Box::new(serde_json::from_value(envelope).unwrap())),
            other_product: None,
        }
    }

    #[test]
    fn source_whose_import_has_not_ended_is_named_once() {
        let report = |unfinished: &[&[&str]]| {
            let scans = unfinished.iter().map(|sources| {
                let mut one = scan(&json!({}));
                if let ScanOutcome::Result(envelope) = &mut one.outcome {
                    envelope.unfinished_imports = sources.iter().map(ToString::to_string).collect();
                }
                one
            });
            ScanReport::of(scans.collect()).unwrap().0
        };
        assert_eq!(report(&[&[], &[]]).unfinished(), None);
        let told = report(&[&["mine"], &["mine", "ghsa"]]).unfinished().unwrap();
        assert!(
            told.starts_with("the import of ghsa, mine has not ended, "),
            "{told}"
        );
        let notes = report(&[&["mine"]]).scans[0].notes();
        assert!(
            matches!(&notes[..], [note] if note.starts_with("the import of mine")),
            "{notes:?}"
        );
    }

    #[test]
    fn cyclonedx_report_without_answer_is_named() {
        let report = |exit_code: u8| {
            let mut one = scan(&json!({}));
            if let ScanOutcome::Result(envelope) = &mut one.outcome {
                envelope.exit_code = exit_code;
            }
            ScanReport::of(vec![one]).unwrap().0.without_answer()
        };
        assert_eq!((report(0).len(), report(1).len()), (0, 0));
        assert!(report(4)[0].contains("no answer about a.json"), "{:?}", report(4));
        assert_eq!(report(5).len(), 1);
    }

    #[test]
    fn rule_is_unused_if_no_sbom_uses_it() {
        let said = |id: &str, matched: u64| json!({"id": id, "matched": matched});
        let one =
            scan(&json!({"rules": [said("r", 0), said("s", 1)], "mutes": [said("m-1", 0), said("m-2", 0)]}));
        let other = scan(&json!({"rules": [said("r", 0), said("s", 0)], "mutes": [said("m-2", 3)]}));
        let (report, _) = ScanReport::of(vec![one, other, scan(&json!({}))]).unwrap();
        assert_eq!(
            report.unused(),
            [
                "the rule \"r\" decides nothing in any of the SBOMs",
                "the mute m-1 is for some of the SBOMs and mutes nothing in any of them",
            ]
        );
    }
}
