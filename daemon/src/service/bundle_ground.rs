//! Provides the bundle rules with this site's data, and converts a log's fault to a message for callers.

use starling_api_types::{ErrorCode, Problem};
use starling_protocol::bundle::{BundleError, HeldLog, Knowledge, LogFault};
use starling_protocol::{CertificateChain, ClaimKey, ClaimNumber, ContentHash, DeltaError, Lane, SiteId};
use starling_store::{LogId, SiteStore, StoreError};

use super::problem::{bundle_problem, store_problem};

/// The error of a bundle check.
pub(super) enum JudgeError {
    /// An error of the file.
    Bundle(Box<BundleError>),
    /// An error of this site.
    Problem(Problem),
}

impl From<BundleError> for JudgeError {
    fn from(error: BundleError) -> Self {
        Self::Bundle(Box::new(error))
    }
}

impl From<Problem> for JudgeError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl JudgeError {
    /// Converts an error of reading a bundle to a problem.
    pub(super) fn into_problem(self, attempted: &str) -> Problem {
        match self {
            Self::Bundle(error) => bundle_problem(attempted, &error),
            Self::Problem(problem) => problem,
        }
    }
}

/// A site's store as the base for a bundle.
pub(super) struct Ground<'a> {
    pub(super) store: &'a SiteStore,
    /// True if the site may hold logs of other authors: no missing data of them counts as a gap.
    pub(super) may_hold: &'a dyn Fn(&SiteId) -> bool,
}

fn failed(error: &StoreError) -> JudgeError {
    JudgeError::Problem(store_problem("judging a bundle", error))
}

impl Knowledge for Ground<'_> {
    type Error = JudgeError;

    fn chain(&self, site: SiteId) -> Result<Option<CertificateChain>, JudgeError> {
        self.store.chain(&site).map_err(|error| failed(&error))
    }

    fn log(&self, site: SiteId, lane: Lane) -> Result<Option<HeldLog>, JudgeError> {
        if !(self.may_hold)(&site) {
            return Ok(None);
        }
        let held = self.store.held_log(LogId { site, lane });
        held.map(Some).map_err(|error| failed(&error))
    }

    fn delta_with(
        &self,
        site: SiteId,
        lane: Lane,
        number: ClaimNumber,
    ) -> Result<Option<Vec<u8>>, JudgeError> {
        let held = self.store.delta_with(LogId { site, lane }, number);
        held.map_err(|error| failed(&error))
    }

    fn live(&self, site: SiteId, lane: Lane, key: &ClaimKey) -> Result<Option<Vec<u8>>, JudgeError> {
        let frame = self.store.live_frame(LogId { site, lane }, key);
        frame.map_err(|error| failed(&error))
    }

    fn has_body(&self, hash: &ContentHash) -> Result<bool, JudgeError> {
        self.store.has_body(hash).map_err(|error| failed(&error))
    }
}

/// The advice if an author signed two histories.
pub(super) const FROZEN_HINT: &str = "it ends with an epoch certificate of the author that names the right branch: its \
    operator makes one, and a bundle or a peer brings it";

/// The advice if a certificate names one of two branches, and the bundle does not show which one it is of.
pub(super) const OTHER_BRANCH_HINT: &str = "ask for a bundle of the whole log (exported without -c) from a site that knows \
    the author's newest certificate, or connect to such a site";

/// The advice if a root key signed twice.
pub(super) const CONFLICT_HINT: &str = "its root key may be stolen: ask its operators. It cannot be trusted again; they \
    make a new site, and `starling sites remove` and `sites add` list that one instead";

/// Converts the fault of one log: its code, a description, and what to do.
pub(super) fn fault_problem(log: &str, fault: &LogFault) -> Problem {
    let again = "have the bundle exported again; if that does not help, tell the author's operators";
    let liar = "the author broke the rule, so another copy does not help: tell its operators";
    let (code, hint) = match fault {
        LogFault::Delta { source, .. } => match source {
            DeltaError::OutsideEpoch { .. } | DeltaError::ClosedElsewhere { .. } => (
                ErrorCode::EpochClosed,
                "a newer certificate of the author closed that epoch; ask for a bundle made after it",
            ),
            DeltaError::UnknownEpoch { .. } => (
                ErrorCode::CertificateInvalid,
                "the bundle lacks the author's newest certificate chain; have it exported again",
            ),
            DeltaError::Claims { .. } | DeltaError::Claim { .. } | DeltaError::TooMuch { .. } => {
                (ErrorCode::DeltaRefused, liar)
            }
            DeltaError::Decode(_) => (ErrorCode::BundleMalformed, again),
            DeltaError::OtherAuthor { .. } | DeltaError::Signature { .. } | DeltaError::ClaimsHash { .. } => {
                (ErrorCode::SignatureVerificationFailed, again)
            }
        },
        LogFault::Succession { .. } | LogFault::TooManySources { .. } => (ErrorCode::DeltaRefused, liar),
        LogFault::StateRoot { .. } => (ErrorCode::StateRootFalse, liar),
        LogFault::Head { .. } => (
            ErrorCode::HeadContradicts,
            "the author may have signed two histories; ask its operators which one is right",
        ),
        LogFault::Gap { .. } => (
            ErrorCode::BundleGap,
            "import the bundle before it first, or have one exported with -c and the cursor held here",
        ),
        LogFault::Fork { .. } | LogFault::Diverges { .. } => (ErrorCode::ForkDetected, FROZEN_HINT),
        LogFault::GivenUp { .. } => (
            ErrorCode::EpochClosed,
            "ask for a bundle made after the author's newest certificate",
        ),
        LogFault::OtherBranch { .. } => (ErrorCode::EpochClosed, OTHER_BRANCH_HINT),
        LogFault::NotCanonical { .. } => (ErrorCode::RecordNotCanonical, liar),
        LogFault::BodySize { .. } => (ErrorCode::BodySizeFalse, liar),
    };
    Problem::new(code, format!("{log}: {}", crate::home::error_chain(fault))).hint(hint)
}
