//! Rego in a separate process: the request and the answer, as JSON.
//!
//! A hostile policy can crash the process that reads it: its parser or evaluation may exhaust the stack, or a value
//! that doubles with every line may exhaust the memory. So a daemon never parses one itself. It keeps the bytes
//! ([`RegoSource`]) and asks another process, which answers with [`RegoRequest::answer`].

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MAX_REGO_BYTES, RegoDecision, RegoError, RegoInput, RegoPolicy, RegoTest, engine};
use crate::terms::{DocumentError, PolicyVersion};

/// The text of a Rego policy, not parsed yet.
#[derive(Clone, PartialEq, Eq)]
pub struct RegoSource {
    text: String,
    version: PolicyVersion,
}

impl fmt::Debug for RegoSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegoSource")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl RegoSource {
    /// Stores the bytes of a policy.
    ///
    /// # Errors
    /// If they are too many, or not text.
    pub fn of(bytes: &[u8]) -> Result<Self, DocumentError> {
        let whole = |text: String| DocumentError { place: None, text };
        if bytes.len() > MAX_REGO_BYTES {
            return Err(whole(format!(
                "it has {} bytes, more than the limit of {MAX_REGO_BYTES}",
                bytes.len()
            )));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| whole(format!("it is not UTF-8: {error}")))?;
        Ok(Self {
            text: text.to_owned(),
            version: PolicyVersion::of(bytes),
        })
    }

    /// Returns the hash of its bytes, as used in verdicts.
    pub fn version(&self) -> PolicyVersion {
        self.version
    }

    /// Returns its text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A request to a process that evaluates Rego.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct RegoRequest {
    /// The policy's text.
    pub policy: String,
    /// Its input, as written by [`RegoInput::as_json`].
    pub input: String,
    /// True to run the policy's tests instead of its decisions.
    #[serde(default)]
    pub test: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegoAnswer {
    /// The policy's decisions, and the number of its deciding rules.
    Decisions {
        /// Its decisions.
        decisions: Vec<RegoDecision>,
        /// Number of deciding rules.
        rules: usize,
        /// Number of its tests.
        tests: usize,
    },
    /// The results of its tests.
    Tests(Vec<RegoTest>),
    /// The reason why it cannot be parsed or evaluated.
    Refused(RegoError),
    /// The reason why the request is not valid.
    Unasked(String),
}

impl RegoRequest {
    /// Answers the request, on a new thread with this many bytes of stack. It may exhaust memory and stack: call it
    /// only where a crash ends nothing else.
    pub fn answer(self, stack_bytes: usize) -> RegoAnswer {
        engine::set_stack(stack_bytes);
        let input = match RegoInput::from_json(self.input) {
            Ok(input) => input,
            Err(error) => return RegoAnswer::Unasked(error.to_string()),
        };
        let policy = match RegoPolicy::read(self.policy.as_bytes()) {
            Ok(policy) => policy,
            Err(DocumentError { place, text }) => {
                return RegoAnswer::Refused(RegoError::Evaluation { place, text });
            }
        };
        let answer = if self.test {
            policy.run_tests(&input).map(RegoAnswer::Tests)
        } else {
            policy.evaluate(&input).map(|found| RegoAnswer::Decisions {
                decisions: found.decisions,
                rules: policy.rules(),
                tests: policy.tests().len(),
            })
        };
        answer.unwrap_or_else(RegoAnswer::Refused)
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::UnixMillis;

    use super::*;

    /// Test threads have two mebibytes of stack.
    const STACK: usize = 1024 * 1024;

    fn ask(policy: &str, test: bool) -> RegoAnswer {
        let request = RegoRequest {
            policy: policy.to_owned(),
            input: RegoInput::empty(UnixMillis::EPOCH).as_json().to_owned(),
            test,
        };
        // Serialised, as between processes.
        let request: RegoRequest = serde_json::from_str(&serde_json::to_string(&request).unwrap()).unwrap();
        let answer = serde_json::to_string(&request.answer(STACK)).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    #[test]
    fn requests_and_answers_round_trip() {
        let policy = "package starling\ndeny contains \"x\" if true\ntest_a if count(deny) == 1\n";
        let RegoAnswer::Decisions {
            decisions,
            rules,
            tests,
        } = ask(policy, false)
        else {
            panic!("no decisions");
        };
        assert_eq!((decisions.len(), rules, tests), (1, 1, 1));
        let RegoAnswer::Tests(tests) = ask(policy, true) else {
            panic!("no tests");
        };
        assert!(tests[0].passed);
        let refused = ask("package starling\ndeny contains x if", false);
        assert!(
            matches!(
                refused,
                RegoAnswer::Refused(RegoError::Evaluation { place: Some(_), .. })
            ),
            "{refused:?}"
        );
        let request = RegoRequest {
            policy: policy.to_owned(),
            input: "{}".to_owned(),
            test: false,
        };
        assert!(matches!(request.answer(STACK), RegoAnswer::Unasked(_)));
        RegoSource::of(&[0xff]).unwrap_err();
    }
}
