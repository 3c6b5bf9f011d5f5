//! The error body of every call: `application/problem+json` (RFC 9457) with a stable code and a hint.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error_code::ErrorCode;
use crate::exit::ExitStatus;

/// The error of every call: what was attempted, what was found, and what to do.
///
/// Boxed, so that a `Result` stays small; the fields are those of [`ProblemBody`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Problem(Box<ProblemBody>);

/// The body of every error answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// The kind of problem: `urn:starling:error:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:starling:error:site_not_allowed")]
    pub kind: String,
    /// The code's stable public title.
    #[schema(example = "Site not allowed")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 403)]
    pub status: u16,
    /// The stable code.
    pub code: ErrorCode,
    /// What was attempted and what was found, in this case.
    pub detail: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// True if the same call may succeed later without a change by the caller.
    #[serde(default)]
    pub retryable: bool,
    /// Extra information for the operator's log; never sent.
    #[serde(skip)]
    pub private: Option<String>,
}

impl Problem {
    /// Prefix of [`ProblemBody::kind`].
    pub const KIND_PREFIX: &'static str = "urn:starling:error:";
    /// The content type of a problem.
    pub const CONTENT_TYPE: &'static str = "application/problem+json";

    /// Creates a problem with `code`; `detail` says what was attempted and what was found. The system's error numbers
    /// are left out of it, and so are private keys.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self(Box::new(ProblemBody {
            kind: format!("{}{code}", Self::KIND_PREFIX),
            title: code.title().to_owned(),
            status: code.http_status(),
            code,
            detail: crate::secrets::without_private_keys(crate::wording::without_error_numbers(
                detail.into(),
            )),
            hint: None,
            retryable: code.retryable(),
            private: None,
        }))
    }

    /// Creates an internal error: `private` goes to the log, the caller only sees what was attempted.
    pub fn internal(attempted: impl Into<String>, private: impl fmt::Display) -> Self {
        let mut problem = Self::new(ErrorCode::Internal, attempted);
        problem.private = Some(crate::secrets::without_private_keys(private.to_string()));
        problem.hint("see the daemon's log; `starling doctor` checks the store")
    }

    /// Sets what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the exit status of a command with this problem.
    pub fn exit_status(&self) -> ExitStatus {
        self.code.exit_status()
    }
}

impl Deref for Problem {
    type Target = ProblemBody;

    fn deref(&self) -> &ProblemBody {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut ProblemBody {
        &mut self.0
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_text_is_not_sent_and_unknown_fields_ignored() {
        let problem = Problem::internal("reading the log", "page 7 at 0xdead");
        let text = serde_json::to_string(&problem).unwrap();
        assert!(!text.contains("0xdead"), "{text}");
        let mut expected = problem.clone();
        expected.private = None;
        let back: Problem = serde_json::from_str(&text.replacen('{', r#"{"new_field":1,"#, 1)).unwrap();
        assert_eq!(back, expected);
    }
}
