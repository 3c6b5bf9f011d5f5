//! The content of a report: verdicts, read from the bodies that sites write.
//!
//! The reader is lenient: missing fields are empty and unknown ones ignored, so that a newer site's verdict can still
//! be reported. `starling-policy` defines the exact form.

use std::cmp::Reverse;

use serde::Deserialize;

use crate::fix::StatedFix;
use crate::remarks::Part;
use crate::upgrade::{Fixable, Upgrade, severity_rank, tenths, upgrades};

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
    /// What the verdict's body does not say of the knowledge behind it.
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

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Finding {
    pub(crate) action: String,
    pub(crate) known: bool,
    pub(crate) decided_by: Option<Cause>,
    pub(crate) vulnerability: String,
    pub(crate) ids: Vec<String>,
    pub(crate) package: Package,
    /// `cpe` if the component was looked up by a CPE name.
    pub(crate) matched_by: Option<String>,
    pub(crate) summary: String,
    pub(crate) severity: Severity,
    /// True if a catalogue of exploited vulnerabilities lists it.
    pub(crate) kev: Option<bool>,
    /// The state of the fix: `available`, `none`, `wont_fix` or `end_of_life`.
    pub(crate) fix: String,
    pub(crate) fixed: Vec<String>,
    pub(crate) fix_states: Vec<StatedFix>,
    pub(crate) places: Vec<String>,
    pub(crate) provenance: Vec<Provenance>,
    pub(crate) disputed: bool,
    pub(crate) unresolved: bool,
    pub(crate) statements: Vec<Opinion>,
}

/// The cause of a decision about a finding.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Cause {
    /// `rule`, `vex`, `severity`, `condition` …
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    pub(crate) reason: Option<String>,
    /// The person who muted it.
    pub(crate) by: Option<String>,
    /// The end of the mute.
    pub(crate) until: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Package {
    pub(crate) ecosystem: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) purl: String,
    pub(crate) cpe: Option<String>,
}

impl Package {
    /// Returns the package URL, or the CPE name of a package without one.
    pub(crate) fn identifier(&self) -> &str {
        match &self.cpe {
            Some(cpe) if self.purl.is_empty() => cpe,
            _ => &self.purl,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Severity {
    pub(crate) level: String,
    /// The CVSS score, as text: `9.8`.
    pub(crate) score: Option<String>,
    pub(crate) stated: Option<Stated>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Stated {
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) value: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Provenance {
    pub(crate) source: String,
    pub(crate) record: String,
}

/// One record's statement about the version.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Opinion {
    pub(crate) source: String,
    pub(crate) record: String,
    pub(crate) says: String,
}

impl Severity {
    /// Returns the score in tenths; 0 without one.
    fn tenths(&self) -> u64 {
        tenths(self.score.as_deref())
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
            .map(|reason| format!("{}{}", part(reason).words(), reason.text))
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

/// The note for a finding with an unresolved record.
const UNRESOLVED: &str = "unresolved: the authors of a record disagree, and nobody has decided";

impl Finding {
    /// Returns the parts of the finding that concern an upgrade.
    pub(crate) fn fixable(&self) -> Fixable<'_> {
        Fixable {
            ecosystem: &self.package.ecosystem,
            package: &self.package.name,
            version: &self.package.version,
            level: &self.severity.level,
            fixed: &self.fixed,
        }
    }

    /// Returns true if somebody decided to leave the finding alone.
    pub(crate) fn is_settled(&self) -> bool {
        self.action == "ignore" && self.decided_by.is_some()
    }

    /// Returns `disputed: ghsa GHSA-… says affected, acme ACME-1 says not affected` if statements contradict each
    /// other, and a note if a conflict of authors is undecided.
    pub(crate) fn dispute(&self) -> Option<String> {
        let says = |one: &Opinion| {
            format!(
                "{} {} says {}",
                one.source,
                one.record,
                one.says.replace('_', " ")
            )
        };
        let all: Vec<String> = self.statements.iter().map(says).collect();
        let disputed = self.disputed.then(|| format!("disputed: {}", all.join(", ")));
        let unresolved = self.unresolved.then(|| UNRESOLVED.to_owned());
        let both: Vec<String> = disputed.into_iter().chain(unresolved).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }

    /// Returns true if a mute removed it.
    pub(crate) fn is_muted(&self) -> bool {
        self.decided_by.as_ref().is_some_and(|cause| cause.kind == "mute")
    }

    /// Returns the status with which a VEX document settled it: `not_affected` or `fixed`.
    pub(crate) fn settled_as(&self) -> Option<&str> {
        let cause = self.decided_by.as_ref().filter(|cause| cause.kind == "vex")?;
        let reason = cause.reason.as_deref()?;
        Some(reason.split_once(':').map_or(reason, |(status, _)| status))
    }

    /// Returns the package, as in `npm lodash 4.17.20`.
    pub(crate) fn package_line(&self) -> String {
        let Package {
            ecosystem,
            name,
            version,
            ..
        } = &self.package;
        // Everything else is looked up by its package URL.
        let how = self
            .matched_by
            .as_ref()
            .map(|how| format!(" (matched by {})", how.to_uppercase()));
        format!("{ecosystem} {name} {version}{}", how.unwrap_or_default())
    }

    /// Returns the severity, as in `high 7.5`, or the level alone; and if it is known to be exploited.
    pub(crate) fn severity_line(&self) -> String {
        let score = self.severity.score.iter().map(|score| format!(" {score}"));
        let exploited = self.is_exploited().then(|| ", exploited".to_owned());
        let more: String = score.chain(exploited).collect();
        format!("{}{more}", self.severity.level)
    }

    /// Returns true if a catalogue of exploited vulnerabilities lists it.
    pub(crate) fn is_exploited(&self) -> bool {
        self.kev == Some(true)
    }

    /// Returns true if only a VEX document says that no fix will come.
    fn is_refused_by_supplier(&self) -> bool {
        let by_source = |one: &StatedFix| matches!(one.state.as_str(), "will_not_fix" | "end_of_life");
        self.fix == "wont_fix" && !self.fix_states.iter().any(by_source)
    }

    /// Returns the fixed versions, or else why there are none, for a narrow column.
    pub(crate) fn fix_line(&self) -> String {
        if !self.fixed.is_empty() {
            return self.fixed.join(", ");
        }
        let supplier = self.is_refused_by_supplier().then(|| "won't fix".to_owned());
        let said: Vec<String> = supplier
            .into_iter()
            .chain(crate::fix::short(&self.fix_states))
            .collect();
        said.join("; ")
    }

    /// Returns what to do, in one sentence.
    pub(crate) fn advice(&self) -> String {
        let said = crate::fix::phrase(&self.fix_states).map(|said| format!(": {said}"));
        let said = said.unwrap_or_default();
        if !self.fixed.is_empty() {
            format!("Fixed in {}{said}.", self.fixed.join(", "))
        } else if self.is_refused_by_supplier() {
            format!("No fixed version is known, and the supplier says that none will come{said}.")
        } else {
            format!("No fixed version is known{said}.")
        }
    }

    /// Returns the reason of its action: the excuse, else the threshold or condition that it reaches.
    pub(crate) fn why(&self) -> String {
        if let Some(excuse) = self.excuse() {
            return excuse;
        }
        let cause = self.decided_by.as_ref();
        let id = cause.and_then(|cause| cause.id.as_deref()).unwrap_or_default();
        match cause.map(|cause| cause.kind.as_str()) {
            Some("severity") if id == "any" => format!("any severity {}s", self.action),
            Some("severity") => format!("{id} or worse {}s", self.action),
            Some("condition") => format!("the policy's condition {id} holds"),
            _ => String::new(),
        }
    }

    /// Returns why it does not fail or warn, if there is a reason.
    pub(crate) fn excuse(&self) -> Option<String> {
        // Thresholds decide about the rest: they are not an excuse.
        let cause = self
            .decided_by
            .as_ref()
            .filter(|cause| !matches!(cause.kind.as_str(), "severity" | "condition"));
        match cause {
            Some(Cause {
                kind,
                id,
                reason,
                by,
                until,
            }) => {
                let mut text = kind.clone();
                for more in [id, reason].into_iter().flatten() {
                    text.push_str(": ");
                    text.push_str(more);
                }
                let by = by.iter().map(|by| format!("by {by}"));
                let until = until.iter().map(|until| format!("until {until}"));
                let more: Vec<String> = by.chain(until).collect();
                if !more.is_empty() {
                    text.push_str(&format!(" ({})", more.join(", ")));
                }
                Some(text)
            }
            None => self.known.then(|| "known from the baseline".to_owned()),
        }
    }
}
