//! Rego policies: findings and their circumstances in, decisions out.
//!
//! A Rego policy is one module in the package `starling`, written in Rego v1. Its rules `deny`, `warn` and `allow`
//! are sets of decisions ([`RegoDecision`]); rules whose name begins with `test_` are its tests. What it is given
//! as `input` is described by `docs/schemas/rego-input.schema.json`, and made by [`RegoInput`].
//!
//! It reads nothing but its input: no network, no environment, no randomness, and as the time the one judged at.
//! Its work is counted in steps of the interpreter, never in time, so that it ends alike on every machine. What
//! it may take of memory and stack cannot be bounded here, not even while it is read: who runs policies of
//! strangers does so in a process of its own, with limits set from outside ([`RegoRequest`]).

mod apart;
mod decisions;
mod engine;
mod input;
mod nesting;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::document::{DocumentError, PolicyVersion};

pub use apart::{RegoAnswer, RegoRequest, RegoSource};
pub use decisions::{MAX_DECISION_BYTES, MAX_DECISIONS, RegoDecision, RegoDecisions, RegoReport};
pub use engine::MAX_REGO_STEPS;
pub use input::{MAX_REGO_INPUT_BYTES, RegoInput, RegoInputError};

/// Largest Rego policy, in bytes.
pub const MAX_REGO_BYTES: usize = 256 * 1024;

/// A Rego policy that was read and whose package and rules are as they should be.
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

/// A policy that came to no end, or to one that is no decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum RegoError {
    /// Evaluating failed.
    #[error("cannot evaluate the Rego policy{}: {text}", at(*.place))]
    Evaluation {
        /// Line and column, counted from 1, where the interpreter names them.
        place: Option<(u64, u64)>,
        /// What it says.
        text: String,
    },
    /// More steps than a policy may take.
    #[error(
        "cannot evaluate the Rego policy: it takes more than {MAX_REGO_STEPS} steps; look for a rule that goes \
         through all findings for each finding"
    )]
    Steps,
    /// Rules or functions that call each other without end, or nearly.
    #[error(
        "cannot evaluate the Rego policy: its rules and functions call each other too deeply; look for a \
         function that calls itself"
    )]
    Depth,
    /// The interpreter itself failed.
    #[error("cannot evaluate the Rego policy: the interpreter broke down over it: {text}")]
    Interpreter {
        /// What is known of it.
        text: String,
    },
    /// What came out is no decision.
    #[error("cannot read what the rule `{rule}` of the Rego policy says: {text}")]
    Decision {
        /// The rule.
        rule: String,
        /// What was found, and what is expected.
        text: String,
    },
}

fn at(place: Option<(u64, u64)>) -> String {
    place.map_or_else(String::new, |(line, column)| {
        format!(" at line {line}, column {column}")
    })
}

/// How one of a policy's own tests ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegoTest {
    /// The rule's name.
    pub name: String,
    /// Whether it is true.
    pub passed: bool,
}

impl RegoPolicy {
    /// Whether these bytes are meant as Rego: after comments, they begin with `package`.
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

    /// Reads a policy, without evaluating anything of it: a name that means nothing is found by
    /// [`Self::evaluate`].
    ///
    /// # Errors
    /// Says where the policy stops making sense, and why.
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

    /// The hash of its bytes, by which verdicts name it.
    pub fn version(&self) -> PolicyVersion {
        self.version
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Number of its rules that decide: `deny`, `warn` and `allow`, 1 to 3.
    pub fn rules(&self) -> usize {
        self.rules
    }

    /// Names of its tests, in its order.
    pub fn tests(&self) -> &[String] {
        &self.tests
    }

    /// Evaluates it.
    ///
    /// # Errors
    /// If it fails, takes more than [`MAX_REGO_STEPS`] steps, or says what is no decision about this input.
    pub fn evaluate(&self, input: &RegoInput) -> Result<RegoDecisions, RegoError> {
        let decisions = engine::evaluate(&self.text, input)?;
        Ok(RegoDecisions {
            version: self.version,
            decisions,
        })
    }

    /// Runs its tests; each is given an input without findings, judged at the time of `input`.
    ///
    /// # Errors
    /// If one fails in a way that is neither true nor false.
    pub fn run_tests(&self, input: &RegoInput) -> Result<Vec<RegoTest>, RegoError> {
        engine::run_tests(&self.text, &self.tests, input)
    }
}

/// Rules whose name begins with `test_`, by the lines that begin with one, each once.
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
