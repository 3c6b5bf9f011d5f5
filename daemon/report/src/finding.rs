//! A finding of a verdict as reports show it: package, severity, fix, and the reason for its action.

use serde::Deserialize;

use crate::fix::StatedFix;
use crate::upgrade::{Fixable, tenths};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Finding {
    pub(crate) action: String,
    pub(crate) known: bool,
    pub(crate) decided_by: Option<Cause>,
    pub(crate) vulnerability: String,
    pub(crate) ids: Vec<String>,
    pub(crate) package: Package,
    /// `cpe` if the component was matched by a CPE name; `None` if by its package URL.
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
    pub(crate) fn tenths(&self) -> u64 {
        tenths(self.score.as_deref())
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

    /// Returns true if a decision (a rule, mute or VEX statement) lets the finding be ignored.
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

    /// Returns true if a mute decided its action.
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
        // A match by package URL is the rule, and not mentioned.
        let how = self
            .matched_by
            .as_ref()
            .map(|how| format!(" (matched by {})", how.to_uppercase()));
        format!("{ecosystem} {name} {version}{}", how.unwrap_or_default())
    }

    /// Returns the level with the score, if there is one, and `exploited` if it is: `high 7.5, exploited`.
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
        let reasons: Vec<String> = supplier
            .into_iter()
            .chain(crate::fix::short(&self.fix_states))
            .collect();
        reasons.join("; ")
    }

    /// Returns what to do, in one sentence.
    pub(crate) fn advice(&self) -> String {
        let detail = crate::fix::phrase(&self.fix_states).map(|states| format!(": {states}"));
        let detail = detail.unwrap_or_default();
        if !self.fixed.is_empty() {
            format!("Fixed in {}{detail}.", self.fixed.join(", "))
        } else if self.is_refused_by_supplier() {
            format!("No fixed version is known, and the supplier says that none will come{detail}.")
        } else {
            format!("No fixed version is known{detail}.")
        }
    }

    /// Returns the reason for its action: the excuse, or else the threshold or condition that it meets.
    pub(crate) fn why(&self) -> String {
        if let Some(excuse) = self.excuse() {
            return excuse;
        }
        let cause = self.decided_by.as_ref();
        let id = cause.and_then(|cause| cause.id.as_deref()).unwrap_or_default();
        match cause.map(|cause| cause.kind.as_str()) {
            Some("severity") if id == "any" => format!("any severity {}s", self.action),
            Some("severity") => format!("{id} or worse {}s", self.action),
            Some("condition") => crate::remarks::condition_words(id),
            _ => String::new(),
        }
    }

    /// Returns the decision that overrides the thresholds, such as a mute, a rule, a VEX statement or the baseline.
    pub(crate) fn excuse(&self) -> Option<String> {
        // A threshold or condition of the policy is not an excuse.
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
