//! Findings and policy in, verdict out; pure.
//!
//! [`Policy`] says what a site's owner accepts, [`decide`] applies it to a scan's result, and the
//! [`Verdict`] that comes out has one body: canonical JSON that holds nothing of site or clock, so that
//! equal inputs give equal bytes everywhere. Scanning is done in `starling-scanner`; who signs the
//! verdict, and when, goes into the envelope that the daemon puts around it.

mod baseline;
mod decide;
mod exit;
mod policy;
pub mod units;
mod verdict;

pub use baseline::{Baseline, BaselineError, MAX_BASELINE_BYTES};
pub use decide::{Judged, KnowledgeState, SourceCheck, decide};
pub use exit::exit_code;
pub use policy::{FailOn, Policy, PolicyError, PolicyHash};
pub use verdict::{
    Action, JudgedFinding, Outcome, Reason, ReasonCode, Verdict, VerdictBaseline, VerdictCoverage,
    VerdictError, VerdictHash, VerdictInventory,
};

#[cfg(test)]
mod tests;
