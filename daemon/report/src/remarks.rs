//! What a verdict rests on where that is less than whole: each in a sentence, for the terminal and for reports.

use crate::finding::Finding;
use crate::model::Body;

/// Returns the note about an ecosystem with sources that were never checked: a site imported parts of them only.
///
/// `sources` are these sources; `beside` is true if the ecosystem has others, which were checked.
pub fn known_in_part(ecosystem: &str, sources: &[&str], beside: bool) -> String {
    let named = sources.join(", ");
    let which = match (beside, sources) {
        (false, _) => format!("none of its sources ({named}) was ever imported as a whole"),
        (true, [_]) => format!("its source {named} was never imported as a whole"),
        (true, _) => format!("its sources {named} were never imported as a whole"),
    };
    let lack = if sources.len() == 1 {
        "it lacks"
    } else {
        "they lack"
    };
    format!("{ecosystem} is known in part: {which}, so what {lack} is not found, and its age is not known")
}

/// Returns the words for a condition that a verdict calls `fail[0]`: the first entry of `fail`.
pub fn condition_words(id: &str) -> String {
    match entry_of(id) {
        Some(entry) => format!("{entry} holds"),
        None => format!("the policy's condition {id} holds"),
    }
}

/// Returns a reason as people read it: a verdict's bytes call a condition `the policy's fail[0]`.
pub fn reason_words(text: &str) -> String {
    let named = text.rsplit_once("the policy's ");
    match named.and_then(|(before, id)| Some((before, entry_of(id)?))) {
        Some((before, entry)) => format!("{before}{entry}"),
        None => text.to_owned(),
    }
}

/// Returns `the first entry of fail in the policy` for `fail[0]`.
fn entry_of(id: &str) -> Option<String> {
    let (list, index) = id.strip_suffix(']')?.split_once('[')?;
    let which = match index.parse::<u64>().ok()? {
        0 => "the first entry".to_owned(),
        index => format!("entry {}", index.saturating_add(1)),
    };
    Some(format!("{which} of `{list}` in the policy"))
}

/// The relation of a reason to its verdict's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// It leads to the outcome.
    Decides,
    /// It would lead to another outcome, which is less severe.
    Besides,
    /// It only warns.
    WarnsOnly,
}

impl Part {
    /// Returns the part of a reason with this code, as verdicts write codes and outcomes. An unknown code of a newer site
    /// counts as deciding.
    pub fn of(code: &str, outcome: &str, freshness_required: bool) -> Self {
        let is_unknown = match code {
            "findings_fail" | "rego_denies" | "rules_unused" | "mutes_unused" => return Self::Decides,
            "knowledge_empty" | "knowledge_stale" | "source_in_part" | "knowledge_missing"
            | "coverage_too_low" => true,
            "source_silent" | "head_expired" => freshness_required,
            "findings_warn" | "findings_known" | "rego_warns" | "rules_expired" | "rules_expiring"
            | "mutes_expired" | "mutes_expiring" | "mutes_unconfirmed" | "author_frozen" | "check_ahead"
            | "coverage_gaps" | "threats_unknown" | "nothing_to_judge" | "findings_muted" => false,
            _ => return Self::Decides,
        };
        match (outcome, is_unknown) {
            ("fail", true) => Self::Besides,
            ("fail" | "unknown", false) => Self::WarnsOnly,
            _ => Self::Decides,
        }
    }

    /// Returns the words before the reason in a list, with a space behind; empty for one that decides.
    pub fn words(self) -> &'static str {
        match self {
            Self::Decides => "",
            Self::Besides => "besides: ",
            Self::WarnsOnly => "warns only: ",
        }
    }
}

/// Returns the note about findings without a severity that do not fail; `None` if there are none.
pub fn without_severity(findings: usize) -> Option<String> {
    let which = match findings {
        0 => return None,
        1 => "1 finding has no severity that is stated and can be read: a threshold such as `high` does not reach it"
            .to_owned(),
        many => format!(
            "{many} findings have no severity that is stated and can be read: a threshold such as `high` does not reach them"
        ),
    };
    Some(format!(
        "{which}; `severity: unknown` in a policy does, and a source that rates them, such as nvd or ghsa, decides"
    ))
}

/// Returns the note about parts of an SBOM that were skipped or contradict each other; `None` if there are none.
pub fn not_as_written(parts: u64) -> Option<String> {
    let which = match parts {
        0 => return None,
        1 => "1 part of the SBOM was skipped, or contradicts another".to_owned(),
        many => format!("{many} parts of the SBOM were skipped, or contradict others"),
    };
    Some(format!(
        "{which}, such as a version that its package URL does not have: `starling sbom inspect FILE` says which and what was used"
    ))
}

/// Returns the note about sources whose import has not ended; `None` if there are none.
pub fn unfinished(sources: &[&str]) -> Option<String> {
    (!sources.is_empty()).then(|| {
        format!(
            "the import of {} has not ended, so records may be missing, and findings with them: if it was interrupted, \
             import it again",
            sources.join(", ")
        )
    })
}

impl Body {
    /// Returns what the outcome rests on where that is less than whole.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::from_iter(not_as_written(self.inventory.notes));
        for one in &self.ecosystems {
            let unchecked = one.sources.iter().filter(|source| source.last_checked.is_none());
            let unchecked: Vec<&str> = unchecked.map(|source| source.source.as_str()).collect();
            if !unchecked.is_empty() {
                let beside = unchecked.len() < one.sources.len();
                remarks.push(known_in_part(&one.ecosystem, &unchecked, beside));
            }
        }
        let unrated = |finding: &&Finding| {
            finding.severity.level == "unknown" && finding.action != "fail" && !finding.is_settled()
        };
        remarks.extend(without_severity(self.findings.iter().filter(unrated).count()));
        let inactive = self
            .rules
            .iter()
            .filter(|rule| rule.state != "active" && !rule.state.is_empty());
        remarks.extend(inactive.map(|rule| {
            let state = rule.state.replace('_', " ");
            match &rule.expires {
                Some(expires) => format!("the policy's rule {} is {state} ({expires})", rule.id),
                None => format!("the policy's rule {} is {state}", rule.id),
            }
        }));
        remarks
    }
}
