//! Rego policies: findings and their context go in, decisions come out.
//!
//! A Rego policy is one module in the package `starling`, in Rego v1. Its rules `deny`, `warn` and `allow` are sets of
//! decisions ([`RegoDecision`]); rules whose name begins with `test_` are its tests. Its `input` is described by
//! `docs/schemas/rego-input.schema.json` and built by [`RegoInput`].
//!
//! A policy can only read its input: no network, no environment, no randomness; its time is the scan's time. Its work
//! is counted in interpreter steps, never in time, so that it ends in the same way on every machine. Memory and stack
//! cannot be limited here, not even while the policy is parsed: run policies of strangers in a separate process with
//! limits set from outside ([`RegoRequest`]).

mod apart;
mod decisions;
mod engine;
mod input;
mod nesting;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::terms::{DocumentError, PolicyVersion};

pub use apart::{RegoAnswer, RegoRequest, RegoSource};
pub use decisions::{MAX_DECISION_BYTES, MAX_DECISIONS, RegoDecision, RegoDecisions, RegoReport};
pub use engine::MAX_REGO_STEPS;
pub use input::{MAX_REGO_INPUT_BYTES, RegoInput, RegoInputError};

/// Largest Rego policy, in bytes.
pub const MAX_REGO_BYTES: usize = 256 * 1024;

/// A parsed Rego policy with a valid package and valid rules.
#[derive(Clone, PartialEq, Eq)]
pub struct RegoPolicy {
    text: String,
    version: PolicyVersion,
    rules: usize,
    tests: Vec<String>,
}

impl fmt::Debug for RegoPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegoPolicy")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// The reason why a policy did not end with decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum RegoError {
    /// The evaluation failed.
    #[error("cannot evaluate the Rego policy{}: {text}", at(*.place))]
    Evaluation {
        /// Line and column, counted from 1, if the interpreter gives them.
        place: Option<(u64, u64)>,
        /// The interpreter's message.
        text: String,
    },
    /// The policy needed too many steps.
    #[error(
        "cannot evaluate the Rego policy: it takes more than {MAX_REGO_STEPS} steps; look for a rule that goes \
         through all findings for each finding"
    )]
    Steps,
    /// Rules or functions call each other endlessly, or almost.
    #[error(
        "cannot evaluate the Rego policy: its rules and functions call each other too deeply; look for a \
         function that calls itself"
    )]
    Depth,
    /// The interpreter itself failed.
    #[error("cannot evaluate the Rego policy: the interpreter crashed: {text}")]
    Interpreter {
        /// A description.
        text: String,
    },
    /// The result is not a decision.
    #[error("cannot read the result of the rule `{rule}` of the Rego policy: {text}")]
    Decision {
        /// The rule.
        rule: String,
        /// The value found, and what was expected.
        text: String,
    },
}

fn at(place: Option<(u64, u64)>) -> String {
    place.map_or_else(String::new, |(line, column)| {
        format!(" at line {line}, column {column}")
    })
}

/// The result of one of a policy's own tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegoTest {
    /// The rule's name.
    pub name: String,
    /// True if the test is true.
    pub passed: bool,
}

impl RegoPolicy {
    /// Returns true if these bytes are Rego: after comments, they begin with `package`.
    pub fn is_meant(bytes: &[u8]) -> bool {
        let mut rest = bytes
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(bytes)
            .trim_ascii_start();
        while rest.starts_with(b"#") {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            rest = rest.get(end..).unwrap_or_default().trim_ascii_start();
        }
        rest.strip_prefix(b"package")
            .is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_whitespace))
    }

    /// Parses a policy without evaluating it: [`Self::evaluate`] finds unknown names.
    ///
    /// # Errors
    /// The place of the first error, and its reason.
    pub fn read(bytes: &[u8]) -> Result<Self, DocumentError> {
        let whole = |text: String| DocumentError { place: None, text };
        if bytes.len() > MAX_REGO_BYTES {
            return Err(whole(format!(
                "it has {} bytes, more than the limit of {MAX_REGO_BYTES}",
                bytes.len()
            )));
        }
        let version = PolicyVersion::of(bytes);
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| whole(format!("it is not UTF-8: {error}")))?;
        nesting::check(text)?;
        let rules = engine::check(text)?;
        Ok(Self {
            text: text.to_owned(),
            version,
            rules,
            tests: tests_in(text),
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

    /// Returns the number of its deciding rules: `deny`, `warn` and `allow`, 1 to 3.
    pub fn rules(&self) -> usize {
        self.rules
    }

    /// Returns the names of its tests, in order.
    pub fn tests(&self) -> &[String] {
        &self.tests
    }

    /// Evaluates it.
    ///
    /// # Errors
    /// If it fails, needs more than [`MAX_REGO_STEPS`] steps, or returns something that is not a decision about this
    /// input.
    pub fn evaluate(&self, input: &RegoInput) -> Result<RegoDecisions, RegoError> {
        let decisions = engine::evaluate(&self.text, input)?;
        Ok(RegoDecisions {
            version: self.version,
            decisions,
        })
    }

    /// Runs its tests; each gets an input without findings, with the time of `input`.
    ///
    /// # Errors
    /// If a test ends neither true nor false.
    pub fn run_tests(&self, input: &RegoInput) -> Result<Vec<RegoTest>, RegoError> {
        engine::run_tests(&self.text, &self.tests, input)
    }
}

/// Returns the rules whose name begins with `test_`, each once, in the order of their lines.
fn tests_in(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("test_")) {
        let end = line
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(line.len());
        let name = line.get(..end).unwrap_or_default();
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests;
