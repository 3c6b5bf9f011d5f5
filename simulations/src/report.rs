//! The result of a run.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// A broken invariant: its name, the site, the time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenInvariant {
    /// The invariant's name: the function that found it.
    pub invariant: &'static str,
    /// The site.
    pub site: usize,
    /// Simulated milliseconds since the start.
    pub at_millis: u64,
    /// The finding.
    pub found: String,
}

/// The result of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Events handled by engines.
    pub events: u64,
    /// Messages that were delivered.
    pub messages: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Records published.
    pub records: u64,
    /// Simulated milliseconds from the end of the busy time until the honest sites agreed for good.
    pub agreed_after_millis: Option<u64>,
    /// The number of notices of each kind.
    pub notices: BTreeMap<String, u64>,
    /// The broken invariant; a run stops at the first.
    pub violation: Option<BrokenInvariant>,
    /// Hash over every effect of every engine: equal digests, equal runs.
    pub digest: String,
}

impl Report {
    /// Returns true if all invariants held.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.violation.is_none()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed() { "ok" } else { "FAILED" };
        let agreed = self
            .agreed_after_millis
            .map_or("-".to_owned(), |millis| format!("{millis} ms"));
        write!(
            f,
            "{verdict} {} seed {}: {} records, {} events, {} messages, {} bytes, agreed after {agreed}, digest {}",
            self.scenario,
            self.seed,
            self.records,
            self.events,
            self.messages,
            self.bytes,
            &self.digest[..16],
        )?;
        if let Some(violation) = &self.violation {
            write!(
                f,
                "\n  {} at site {}, {} ms: {}",
                violation.invariant, violation.site, violation.at_millis, violation.found
            )?;
        }
        Ok(())
    }
}
