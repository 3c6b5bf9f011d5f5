//! The parts of a verdict's body that are shown. Missing parts show as empty.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::folded;
use serde::Deserialize;
use starling_report::fix::{StatedFix, short};
use starling_report::remarks::{Part, condition_words, known_in_part, reason_words};
use starling_report::unjudged::Doubt;
use starling_report::upgrade::{Fixable, severity_rank, tenths, version_to_go_to};

/// The parts of a verdict's body that are shown. Missing parts show as empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Body {
    pub(super) outcome: String,
    pub(super) inventory: Inventory,
    pub(super) reasons: Vec<Reason>,
    pub(super) freshness_required: bool,
    pub(super) coverage: Coverage,
    pub(super) not_judged: NotJudged,
    pub(super) ecosystems: Vec<Ecosystem>,
    pub(super) findings: Vec<Finding>,
    pub(super) knowledge_root: String,
    pub(super) policy_version: Option<String>,
    pub(super) rego: Option<Rego>,
    pub(super) rules: Vec<Rule>,
    pub(super) mutes: Vec<Mute>,
    pub(super) vex: Vec<Vex>,
    pub(super) as_of: String,
}

/// The scanned document.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Inventory {
    pub(super) notes: u64,
}

/// An ecosystem of the document, with the sources that speak about it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ecosystem {
    pub(super) ecosystem: String,
    pub(super) sources: Vec<SpeakingSource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SpeakingSource {
    pub(super) source: String,
    pub(super) last_checked: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rego {
    pub(super) version: String,
    pub(super) matched: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) state: String,
    pub(super) matched: u64,
    pub(super) owner: Option<String>,
    pub(super) expires: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Vex {
    pub(super) format: String,
    pub(super) author: Option<String>,
    pub(super) statements: u64,
    pub(super) unusable: u64,
    pub(super) unusable_by: BTreeMap<String, u64>,
    pub(super) settled: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cause {
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) reason: Option<String>,
    pub(super) by: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Mute {
    pub(super) id: String,
    pub(super) vulnerability: String,
    pub(super) state: String,
    pub(super) matched: u64,
    pub(super) by: String,
    pub(super) until: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reason {
    pub(super) code: String,
    pub(super) text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Coverage {
    pub(super) matched: u64,
    pub(super) total: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NotJudged {
    pub(super) packages: Vec<NotJudgedPackage>,
    pub(super) others: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NotJudgedPackage {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) purl: Option<String>,
    pub(super) cpe: Option<String>,
    pub(super) place: String,
    pub(super) reason: String,
    pub(super) doubt: Option<Doubt>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Opinion {
    pub(super) source: String,
    pub(super) says: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Finding {
    pub(super) disputed: bool,
    pub(super) unresolved: bool,
    pub(super) statements: Vec<Opinion>,
    pub(super) action: String,
    pub(super) known: bool,
    pub(super) decided_by: Option<Cause>,
    pub(super) vulnerability: String,
    pub(super) ids: Vec<String>,
    pub(super) package: Package,
    /// `cpe` if the component was looked up by a CPE name.
    pub(super) matched_by: Option<String>,
    pub(super) severity: Severity,
    /// True if a catalogue of exploited vulnerabilities lists it.
    pub(super) kev: Option<bool>,
    pub(super) fix: String,
    pub(super) fixed: Vec<String>,
    pub(super) fix_states: Vec<StatedFix>,
    pub(super) summary: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Package {
    pub(super) ecosystem: String,
    pub(super) name: String,
    pub(super) version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Severity {
    pub(super) level: String,
    pub(super) score: Option<serde_json::Value>,
}

impl Severity {
    pub(super) fn shown(&self) -> String {
        match self.score_text() {
            Some(score) => format!("{} {score}", self.level),
            None => self.level.clone(),
        }
    }

    fn score_text(&self) -> Option<String> {
        self.score.as_ref().map(|score| match score {
            serde_json::Value::String(score) => score.clone(),
            score => score.to_string(),
        })
    }

    /// Returns the score in tenths; 0 without one.
    fn tenths(&self) -> u64 {
        tenths(self.score_text().as_deref())
    }
}

impl Body {
    /// Returns the reasons with their parts, those that decide first.
    pub(super) fn reasons_by_part(&self) -> Vec<(Part, String)> {
        let part = |reason: &Reason| Part::of(&reason.code, &self.outcome, self.freshness_required);
        // Many reasons of one kind are one line, with the first of them and their number.
        let mut kinds: Vec<(Part, &str, Vec<String>)> = Vec::new();
        for reason in &self.reasons {
            let (of, text) = (part(reason), reason_words(&reason.text));
            match kinds
                .iter_mut()
                .find(|(known, code, _)| (*known, *code) == (of, reason.code.as_str()))
            {
                Some((.., texts)) => texts.push(text),
                None => kinds.push((of, reason.code.as_str(), vec![text])),
            }
        }
        // A stable sort: within one part the verdict's order stays.
        kinds.sort_by_key(|(part, ..)| *part);
        kinds
            .into_iter()
            .flat_map(|(part, _, texts)| {
                let texts = folded(&texts, "reasons of this kind");
                texts.into_iter().map(move |text| (part, text))
            })
            .collect()
    }

    /// Sorts the findings: those that fail first, the worst of them at the top; then by package and vulnerability.
    pub(super) fn sort(&mut self) {
        let action = |finding: &Finding| match finding.action.as_str() {
            "fail" => 0_u8,
            "warn" => 1,
            "ignore" => 3,
            _ => 2,
        };
        self.findings.sort_by(|a, b| {
            let key = |finding: &Finding| {
                let severity = &finding.severity;
                (
                    action(finding),
                    severity_rank(&severity.level),
                    Reverse(severity.tenths()),
                )
            };
            let (x, y) = (&a.package, &b.package);
            key(a)
                .cmp(&key(b))
                .then_with(|| x.name.cmp(&y.name))
                .then_with(|| x.ecosystem.cmp(&y.ecosystem))
                .then_with(|| x.version.cmp(&y.version))
                .then_with(|| a.vulnerability.cmp(&b.vulnerability))
        });
    }

    /// Returns the number of findings with an action.
    pub(super) fn number(&self, action: &str) -> u64 {
        let with = self.findings.iter().filter(|finding| finding.action == action);
        u64::try_from(with.count()).unwrap_or(u64::MAX)
    }

    /// Returns the number of open findings without a severity that do not fail.
    pub(super) fn unrated(&self) -> usize {
        let unrated = |finding: &&Finding| {
            finding.severity.level == "unknown" && finding.action != "fail" && !finding.is_settled()
        };
        self.findings.iter().filter(unrated).count()
    }

    /// Returns a note for each ecosystem with sources that were never imported as a whole: a package without a finding
    /// may have one.
    pub(super) fn known_in_part(&self) -> Vec<String> {
        let note = |ecosystem: &Ecosystem| {
            let sources = ecosystem.sources.iter();
            let unchecked = sources
                .filter(|source| source.last_checked.is_none())
                // A reason says the same, and what ends it.
                .filter(|source| {
                    !self
                        .reasons
                        .iter()
                        .any(|reason| is_in_part(reason, &source.source))
                });
            let unchecked: Vec<&str> = unchecked.map(|source| source.source.as_str()).collect();
            let beside = unchecked.len() < ecosystem.sources.len();
            (!unchecked.is_empty()).then(|| known_in_part(&ecosystem.ecosystem, &unchecked, beside))
        };
        self.ecosystems.iter().filter_map(note).collect()
    }
}

/// Returns true if a reason is that a source was never imported as a whole.
fn is_in_part(reason: &Reason, source: &str) -> bool {
    reason.code == "source_in_part" && reason.text.starts_with(&format!("source {source} was "))
}

impl Finding {
    /// Returns the parts of the finding that concern an upgrade.
    pub(super) fn fixable(&self) -> Fixable<'_> {
        Fixable {
            ecosystem: &self.package.ecosystem,
            package: &self.package.name,
            version: &self.package.version,
            level: &self.severity.level,
            fixed: &self.fixed,
        }
    }

    /// Returns true if a decision (a rule, mute or VEX statement) lets the finding be ignored.
    pub(super) fn is_settled(&self) -> bool {
        self.action == "ignore" && self.decided_by.is_some()
    }

    /// Returns the version to upgrade to, and the other versions that fix it.
    pub(super) fn way_out(&self) -> String {
        match (version_to_go_to(&self.fixed), self.fix.as_str()) {
            (None, fix) => match (short(&self.fix_states), fix) {
                (Some(said), _) => said,
                (None, "wont_fix") => "won't fix".to_owned(),
                (None, _) => "none known".to_owned(),
            },
            (Some(to), _) => {
                let others: Vec<&str> = self
                    .fixed
                    .iter()
                    .map(String::as_str)
                    .filter(|version| *version != to)
                    .collect();
                if others.is_empty() {
                    to.to_owned()
                } else {
                    format!("{to} (or {})", others.join(", "))
                }
            }
        }
    }

    /// Returns the sources that say "not affected", if any of them applies.
    fn dispute(&self) -> Option<String> {
        let denying = self.statements.iter().filter(|one| one.says == "not_affected");
        let mut sources: Vec<&str> = denying.map(|one| one.source.as_str()).collect();
        sources.dedup();
        let disputed = self
            .disputed
            .then(|| format!("disputed by {}", sources.join(", ")));
        let unresolved = self.unresolved.then(|| "unresolved".to_owned());
        let both: Vec<String> = disputed.into_iter().chain(unresolved).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }

    /// Returns the reason for the policy's action; never empty.
    pub(super) fn why(&self) -> String {
        let known = self.known.then(|| "known from the baseline".to_owned());
        // The severity would decide without the baseline, so it is not the reason for this decision.
        let by_severity = self
            .decided_by
            .as_ref()
            .is_some_and(|cause| cause.kind == "severity");
        let cause = (!self.known || !by_severity).then(|| self.cause());
        let said = [known, cause, self.dispute()];
        said.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn cause(&self) -> String {
        let Some(cause) = &self.decided_by else {
            return match self.action.as_str() {
                "ignore" => "below what the policy fails or warns on".to_owned(),
                action => format!("the policy says {action}"),
            };
        };
        let reason = cause.reason.as_deref().unwrap_or_default();
        let with_reason = |what: String| {
            if reason.is_empty() {
                what
            } else {
                format!("{what}: {reason}")
            }
        };
        match cause.kind.as_str() {
            "severity" if cause.id == "any" => format!("any severity {}s", self.action),
            "severity" => format!("{} or worse {}s", cause.id, self.action),
            "condition" => condition_words(&cause.id),
            "mute" => with_reason(format!("muted by {}", cause.by.as_deref().unwrap_or("?"))),
            "vex" if reason.is_empty() => "a supplier's statement".to_owned(),
            "vex" => format!("the supplier says {}", reason.replace('_', " ")),
            kind => with_reason(format!("{kind} {}", cause.id)),
        }
    }
}
