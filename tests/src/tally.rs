//! Counts the outcomes of rounds, and names those that failed.

use std::collections::BTreeMap;

/// The outcomes of a run.
#[derive(Debug, Default)]
pub struct Tally {
    counts: BTreeMap<(String, String), u32>,
    passed: u32,
    failures: Vec<String>,
}

impl Tally {
    /// Counts a round of one kind with an allowed outcome.
    pub fn pass(&mut self, kind: impl Into<String>, outcome: impl Into<String>) {
        self.passed += 1;
        *self.counts.entry((kind.into(), outcome.into())).or_default() += 1;
    }

    /// Counts a round with a forbidden outcome, and prints at once how to repeat it.
    pub fn fail(&mut self, kind: impl Into<String>, outcome: impl Into<String>, named: String) {
        let outcome = outcome.into();
        println!("FAILED {named}: {outcome}");
        *self
            .counts
            .entry((kind.into(), format!("FAILED {outcome}")))
            .or_default() += 1;
        self.failures.push(named);
    }

    /// Prints the table and the summary line. Returns true if no round failed.
    #[must_use]
    pub fn finish(&self, check: &str) -> bool {
        let width = self.counts.keys().map(|(kind, _)| kind.len()).max().unwrap_or(0);
        for ((kind, outcome), count) in &self.counts {
            println!("  {kind:width$}  {count:5}  {outcome}");
        }
        println!("{check}: {} passed, {} failed", self.passed, self.failures.len());
        self.failures.is_empty()
    }
}
