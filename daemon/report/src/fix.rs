//! Words for what sources say about a missing fix.

use serde::Deserialize;

/// A source's statement about a missing fix, as verdicts write it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct StatedFix {
    /// The source.
    pub source: String,
    /// The statement: `will_not_fix`, `end_of_life` …
    pub state: String,
}

/// Returns the statements for a narrow column, as in `won't fix (redhat)`; `None` without any.
#[must_use]
pub fn short(states: &[StatedFix]) -> Option<String> {
    joined(states, |state| match state {
        "will_not_fix" => "won't fix".to_owned(),
        other => other.replace('_', " "),
    })
}

/// Returns the statements as part of a sentence, as in `will not be fixed (redhat)`; `None` without any.
#[must_use]
pub fn phrase(states: &[StatedFix]) -> Option<String> {
    joined(states, |state| {
        let words = match state {
            "will_not_fix" => "will not be fixed",
            "end_of_life" => "end of life, gets no more fixes",
            "deferred" => "fix deferred",
            "planned" => "fix planned",
            // A newer site's word is shown as it is.
            other => return other.replace('_', " "),
        };
        words.to_owned()
    })
}

fn joined(states: &[StatedFix], words: impl Fn(&str) -> String) -> Option<String> {
    let said: Vec<String> = states
        .iter()
        .map(|one| format!("{} ({})", words(&one.state), one.source))
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_names_its_source() {
        let stated = |source: &str, state: &str| StatedFix {
            source: source.to_owned(),
            state: state.to_owned(),
        };
        let both = [
            stated("redhat", "will_not_fix"),
            stated("debian", "under_investigation"),
        ];
        assert_eq!(
            short(&both).as_deref(),
            Some("won't fix (redhat); under investigation (debian)")
        );
        assert_eq!(
            phrase(&both).as_deref(),
            Some("will not be fixed (redhat); under investigation (debian)")
        );
        assert_eq!((short(&[]), phrase(&[])), (None, None));
    }
}
