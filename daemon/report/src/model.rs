//! The content of a report: verdicts, read from the bodies that sites write.
//!
//! The reader is lenient: missing fields are empty and unknown ones ignored, so that a newer site's verdict can still
//! be reported. `starling-policy` defines the exact form.

use std::cmp::Reverse;

use serde::Deserialize;

use crate::finding::{Finding, Package};
use crate::remarks::{Part, reason_words};
use crate::upgrade::{Upgrade, severity_rank, upgrades};

/// The exit codes of verdicts that are no answer: knowledge missing or stale, coverage too low.
const NO_ANSWER: [u8; 2] = [4, 5];

/// The scans of one command.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// One entry per SBOM, in the order of the request.
    pub scans: Vec<Scan>,
}

/// One SBOM and its result.
#[derive(Debug, Clone)]
pub struct Scan {
    /// The SBOM, as given by the user.
    pub(crate) name: String,
    /// The exit code of a command with only this scan.
    pub(crate) exit_code: u8,
    pub(crate) outcome: Result<Judged, String>,
    /// Facts about the knowledge that the verdict's body does not contain.
    pub(crate) notes: Vec<String>,
}

/// A verdict with its name.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    /// The verdict's hash, as text.
    pub(crate) hash: String,
    pub(crate) body: Body,
}

/// A verdict that cannot be reported.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the verdict over {name:?} to report on it")]
pub struct ReportError {
    name: String,
    #[source]
    source: serde_json::Error,
}

impl Scan {
    /// Creates a scan with a verdict; `body` is the verdict's JSON and `hash` its hash.
    ///
    /// # Errors
    /// If the body is not a JSON object, or a field has another type than in verdicts.
    pub fn judged(
        name: impl Into<String>,
        hash: impl Into<String>,
        body: &str,
        exit_code: u8,
    ) -> Result<Self, ReportError> {
        let name = name.into();
        match serde_json::from_str(body) {
            Ok(body) => Ok(Self {
                name,
                exit_code,
                outcome: Ok(Judged {
                    hash: hash.into(),
                    body,
                }),
                notes: Vec::new(),
            }),
            Err(source) => Err(ReportError { name, source }),
        }
    }

    /// Creates a scan without a verdict; `why` is for people.
    pub fn refused(name: impl Into<String>, why: impl Into<String>, exit_code: u8) -> Self {
        Self {
            name: name.into(),
            exit_code,
            outcome: Err(why.into()),
            notes: Vec::new(),
        }
    }

    /// Adds what the site knows of this verdict besides its body, each in a sentence.
    #[must_use]
    pub fn with_notes(mut self, notes: Vec<String>) -> Self {
        self.notes = notes;
        self
    }

    /// Returns why the findings are no whole answer about the SBOM, in a sentence; `None` if they are one.
    pub(crate) fn gap(&self) -> Option<String> {
        match &self.outcome {
            Err(_) => Some("this SBOM was not judged".to_owned()),
            Ok(_) if NO_ANSWER.contains(&self.exit_code) => {
                Some("too little is known, or too few packages were judged, for an answer".to_owned())
            }
            Ok(judged) if judged.body.coverage.gaps() > 0 => Some(judged.body.coverage.line()),
            Ok(_) => None,
        }
    }

    /// Returns what the outcome rests on where that is less than whole.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let of_body = self.outcome.iter().flat_map(|judged| judged.body.remarks());
        self.notes.iter().cloned().chain(of_body).collect()
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Body {
    pub(crate) outcome: String,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) inventory: Inventory,
    pub(crate) coverage: Coverage,
    pub(crate) not_judged: NotJudged,
    pub(crate) findings: Vec<Finding>,
    pub(crate) knowledge_root: String,
    pub(crate) policy_hash: String,
    pub(crate) baseline: Option<serde::de::IgnoredAny>,
    pub(crate) as_of: String,
    pub(crate) ecosystems: Vec<Ecosystem>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) freshness_required: bool,
}

/// An ecosystem of the document, with the sources that speak about it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ecosystem {
    pub(crate) ecosystem: String,
    pub(crate) sources: Vec<SpeakingSource>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SpeakingSource {
    pub(crate) source: String,
    pub(crate) last_checked: Option<String>,
}

/// A rule of the policy.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) expires: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Inventory {
    pub(crate) hash: String,
    pub(crate) format: String,
    pub(crate) spec_version: String,
    pub(crate) subject: Option<String>,
    pub(crate) notes: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Coverage {
    pub(crate) matched: u64,
    pub(crate) total: u64,
}

impl Coverage {
    /// Returns the number of packages that were not checked.
    pub(crate) fn gaps(&self) -> u64 {
        self.total.saturating_sub(self.matched)
    }

    /// Returns `3 of 4 packages judged, 1 not judged`.
    pub(crate) fn line(&self) -> String {
        let (matched, total, gaps) = (self.matched, self.total, self.gaps());
        format!("{matched} of {total} packages judged, {gaps} not judged")
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NotJudged {
    pub(crate) packages: Vec<NotJudgedPackage>,
    pub(crate) others: u64,
}

impl NotJudged {
    /// Returns true if every package was judged.
    pub(crate) fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.others == 0
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NotJudgedPackage {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) purl: Option<String>,
    pub(crate) cpe: Option<String>,
    pub(crate) place: String,
    pub(crate) reason: String,
    pub(crate) doubt: Option<crate::unjudged::Doubt>,
}

impl NotJudgedPackage {
    /// Returns the words for the reason.
    pub(crate) fn why(&self) -> String {
        crate::unjudged::why_of(&self.reason, self.doubt.as_ref())
    }

    /// Returns the package for a group.
    pub(crate) fn unjudged(&self) -> crate::unjudged::Unjudged<'_> {
        crate::unjudged::Unjudged {
            purl: self.purl.as_deref(),
            cpe: self.cpe.as_deref(),
            name: &self.name,
            reason: &self.reason,
            doubt: self.doubt.as_ref(),
        }
    }

    /// Returns the package URL, else name and version.
    pub(crate) fn package_line(&self) -> String {
        match (&self.purl, &self.version) {
            (Some(purl), _) => purl.clone(),
            (None, Some(version)) => format!("{} {version}", self.name),
            (None, None) => self.name.clone(),
        }
    }
}

impl Body {
    /// Returns the reasons in words, those that decide first.
    pub(crate) fn reasons_shown(&self) -> Vec<String> {
        let part = |reason: &Reason| Part::of(&reason.code, &self.outcome, self.freshness_required);
        let mut reasons: Vec<&Reason> = self.reasons.iter().collect();
        // A stable sort: within one part the verdict's order stays.
        reasons.sort_by_key(|reason| part(reason));
        reasons
            .iter()
            .map(|reason| format!("{}{}", part(reason).words(), reason_words(&reason.text)))
            .collect()
    }

    /// Returns the findings, worst first, then by package and vulnerability.
    pub(crate) fn by_severity(&self) -> Vec<&Finding> {
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|finding| {
            let Package {
                ecosystem,
                name,
                version,
                ..
            } = &finding.package;
            let rank = severity_rank(&finding.severity.level);
            let score = Reverse(finding.severity.tenths());
            (rank, score, name, ecosystem, version, &finding.vulnerability)
        });
        findings
    }

    /// Returns the upgrades, most urgent first.
    pub(crate) fn upgrades(&self) -> Vec<Upgrade> {
        let open = self.findings.iter().filter(|finding| !finding.is_settled());
        upgrades(open.map(Finding::fixable))
    }
}
