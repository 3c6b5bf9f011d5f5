//! Findings and policy in, verdict out; pure.
//!
//! [`Policy`] is what a site's owner accepts, [`decide`] applies it to a scan's result, and the resulting [`Verdict`]
//! has one body: canonical JSON without anything of site or clock, so that equal inputs give equal bytes everywhere.
//! A [`PolicyDocument`] is a policy file, a [`VexDocument`] a supplier's statements about its products, a mute a
//! finding that sites agreed to leave alone, a [`Baseline`] an earlier verdict. `starling-scanner` scans; the
//! verdict's signer and time are in the envelope that the daemon adds.

mod baseline;
mod condition;
mod decide;
mod document;
mod example;
mod exit;
mod freshness;
mod given;
mod glob;
mod ids;
mod judge;
mod knowledge;
mod mute;
mod policy;
mod rego;
mod rule;
pub mod selftest;
mod strict;
mod terms;
mod threats;
pub mod units;
mod verdict;
mod vex;

pub use baseline::{Baseline, BaselineError, MAX_BASELINE_BYTES};
pub use condition::{Condition, CvssBound, EpssBound, Span};
pub use decide::{Judged, decide};
pub use document::{MAX_POLICY_BYTES, PolicyDocument};
pub use example::{Example, ExampleOutcome};
pub use exit::exit_code;
pub use freshness::{SpeakingSource, VerdictEcosystem};
pub use glob::{Glob, GlobError};
pub use knowledge::{HeadExpiry, KnowledgeState, SourceCheck, UncheckedSource};
pub use mute::MuteReport;
pub use policy::{DEFAULT_RHYTHM_SECONDS, EVERY_SOURCE, Freshness, Policy};
pub use rego::{
    MAX_DECISION_BYTES, MAX_DECISIONS, MAX_REGO_BYTES, MAX_REGO_INPUT_BYTES, MAX_REGO_STEPS, RegoAnswer,
    RegoDecision, RegoDecisions, RegoError, RegoInput, RegoInputError, RegoPolicy, RegoReport, RegoRequest,
    RegoSource, RegoTest,
};
pub use rule::{Rule, RuleReport, RuleState};
pub use terms::{
    Action, Cause, CauseKind, DocumentError, Expiry, FailOn, Fix, PolicyError, PolicyHash, PolicyVersion,
    Reason, ReasonCode, VerdictCoverage,
};
pub use verdict::{
    JudgedFinding, NotJudged, NotJudgedPackage, Outcome, Verdict, VerdictBaseline, VerdictError, VerdictHash,
    VerdictInventory,
};
pub use vex::{
    MAX_VEX_BYTES, RefusedVex, Unusable, UnusableReason, VexDocument, VexError, VexFormat, VexReport,
    VexStatus,
};

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod mute_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
