//! The exit code of a verdict.

use crate::terms::ReasonCode;
use crate::verdict::{Outcome, Verdict};

/// Returns 0 for pass and warn, 1 for fail, 4 if knowledge is missing or stale, 5 if coverage is too low. If several
/// apply, the first of 1, 4, 5.
pub fn exit_code(verdict: &Verdict) -> u8 {
    match verdict.outcome {
        Outcome::Pass | Outcome::Warn => 0,
        Outcome::Fail => 1,
        Outcome::Unknown => {
            let knowledge = |code| match code {
                ReasonCode::KnowledgeEmpty
                | ReasonCode::KnowledgeStale
                | ReasonCode::SourceInPart
                | ReasonCode::KnowledgeMissing => true,
                ReasonCode::SourceSilent | ReasonCode::HeadExpired => verdict.freshness_required,
                _ => false,
            };
            if verdict.reasons.iter().any(|reason| knowledge(reason.code)) {
                4
            } else {
                5
            }
        }
    }
}
