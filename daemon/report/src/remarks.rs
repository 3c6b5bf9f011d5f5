//! What a verdict rests on where that is less than whole: each in a sentence, for the terminal and for reports.

use crate::model::{Body, Finding};

/// Returns the note about an ecosystem none of whose sources was taken in as a whole.
pub fn known_in_part(ecosystem: &str, sources: &[&str]) -> String {
    format!(
        "{ecosystem} is known in part: none of its sources ({}) was ever taken in as a whole, so what they lack is not found",
        sources.join(", ")
    )
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

impl Body {
    /// Returns what the outcome rests on where that is less than whole.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let in_part = self.ecosystems.iter().filter(|one| {
            let unchecked = |source: &crate::model::SpeakingSource| source.last_checked.is_none();
            !one.sources.is_empty() && one.sources.iter().all(unchecked)
        });
        let mut remarks: Vec<String> = in_part
            .map(|one| {
                let sources: Vec<&str> = one.sources.iter().map(|source| source.source.as_str()).collect();
                known_in_part(&one.ecosystem, &sources)
            })
            .collect();
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
