//! Statements of sources about a fix that does not exist: announced, deferred, refused.
//!
//! The words are those of `affected[].database_specific.fix_state` (docs/sources/README.md). A word outside of this list
//! is not a statement; it stays in the record's own bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a missing fix, the most hopeful first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixState {
    /// A fix is announced.
    Planned,
    /// The source still examines if the package is affected.
    UnderInvestigation,
    /// The source could not determine if the package is affected.
    Undetermined,
    /// A fix is put off: the problem is too minor for an update of its own.
    Deferred,
    /// Affected, without a statement about a fix.
    None,
    /// No fix is planned.
    WillNotFix,
    /// The release or product gets no more fixes.
    EndOfLife,
}

impl FixState {
    /// Every state, in order.
    pub const ALL: [Self; 7] = [
        Self::Planned,
        Self::UnderInvestigation,
        Self::Undetermined,
        Self::Deferred,
        Self::None,
        Self::WillNotFix,
        Self::EndOfLife,
    ];

    /// Returns the state's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::UnderInvestigation => "under_investigation",
            Self::Undetermined => "undetermined",
            Self::Deferred => "deferred",
            Self::None => "none",
            Self::WillNotFix => "will_not_fix",
            Self::EndOfLife => "end_of_life",
        }
    }

    /// Returns the state of a word; `None` for any other text.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl fmt::Display for FixState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Returns the state that several entries of one statement have together: the most hopeful one; `None` if none of them
/// says anything of a fix.
pub(crate) fn joint_state(states: impl IntoIterator<Item = FixState>) -> Option<FixState> {
    let least = states.into_iter().min();
    least.filter(|state| *state != FixState::None)
}

/// A source's statement about the missing fix of a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StatedFix {
    /// The source.
    pub source: String,
    /// The statement; never [`FixState::None`], which says nothing of a fix.
    pub state: FixState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_other_texts_say_nothing() {
        for state in FixState::ALL {
            assert_eq!(FixState::of_word(state.as_str()), Some(state));
        }
        for text in ["", "WILL_NOT_FIX", "wont_fix", "fixed"] {
            assert_eq!(FixState::of_word(text), None, "{text}");
        }
    }
}
