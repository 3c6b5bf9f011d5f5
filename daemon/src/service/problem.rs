//! The store's and the bundle's errors as problems for callers.

use starling_api_types::{ErrorCode, Problem};
use starling_protocol::bundle::{BundleError, BundleFault};
use starling_store::StoreError;
use starling_store::engine::{Attempt, EngineError};

use crate::home::error_chain;

/// A problem of the store, met while `attempted`.
pub(crate) fn store_problem(attempted: &str, error: &StoreError) -> Problem {
    let code = match error {
        StoreError::Engine(error) => return engine_problem(attempted, error),
        StoreError::SiteNotListed { .. } => ErrorCode::SiteNotFound,
        StoreError::SiteExists { .. } => ErrorCode::SiteExists,
        StoreError::OwnSite { .. } => ErrorCode::SiteKeyInvalid,
        StoreError::Certificate(_) => ErrorCode::CertificateInvalid,
        StoreError::Head(_) | StoreError::Author(_) => ErrorCode::SignatureVerificationFailed,
        StoreError::Frozen { .. } | StoreError::Behind { .. } => ErrorCode::ForkDetected,
        StoreError::NoSuchPosition { .. } => ErrorCode::InvalidCursor,
        StoreError::BeforeHistory { .. } => {
            return Problem::new(
                ErrorCode::HistoryExpired,
                format!("{attempted}: {}", error_chain(error)),
            )
            .hint(super::as_of::RETENTION_HINT);
        }
        StoreError::MissingBody { .. } => ErrorCode::BodyMissing,
        StoreError::ViewBehind => ErrorCode::Busy,
        StoreError::DamagedRow { .. }
        | StoreError::DamagedBody { .. }
        | StoreError::MissingDictionary { .. }
        | StoreError::HistoryDamaged { .. }
        | StoreError::View(_) => ErrorCode::StoreDamaged,
        StoreError::OtherSite { .. } | StoreError::NewerSchema { .. } | StoreError::TooManyAuthors { .. } => {
            ErrorCode::ConfigInvalid
        }
        StoreError::Compress { .. } | StoreError::Poisoned => {
            return Problem::internal(attempted, error_chain(error));
        }
    };
    Problem::new(code, format!("{attempted}: {}", error_chain(error)))
}

/// A problem of the engine, met while `attempted`.
pub(crate) fn engine_problem(attempted: &str, error: &EngineError) -> Problem {
    let detail = format!("{attempted}: {}", error_chain(error));
    match error {
        EngineError::NoSpace { .. } => Problem::new(ErrorCode::DiskFull, detail)
            .hint("free some space and try again; nothing that was acknowledged is lost"),
        EngineError::Locked { .. } => Problem::new(ErrorCode::StoreLocked, detail),
        EngineError::Corrupt {
            attempted: Attempt::Open,
            ..
        } => Problem::new(ErrorCode::StoreDamaged, detail).hint(
            "keep the folder aside. If this very store can be had again, such as from a snapshot of the disk as it is \
             now, put it back; an older copy must not go on. Else make a new site in another folder and list it at \
             its peers, which fill it",
        ),
        EngineError::Corrupt { .. } => Problem::new(ErrorCode::StoreDamaged, detail)
            .hint("`starling doctor --rebuild` derives anew what can be derived"),
        EngineError::Io { .. } => Problem::new(ErrorCode::FileAccess, detail),
        EngineError::OtherEngine { .. } | EngineError::Missing { .. } => {
            Problem::new(ErrorCode::ConfigInvalid, detail)
        }
        _ => Problem::internal(attempted, detail),
    }
}

/// A problem of a bundle, met while `attempted`.
pub(crate) fn bundle_problem(attempted: &str, error: &BundleError) -> Problem {
    let (code, hint) = match error.fault() {
        BundleFault::Signature => (
            ErrorCode::SignatureVerificationFailed,
            "nothing was imported; get the bundle again from its exporter",
        ),
        BundleFault::TooLarge => (
            ErrorCode::BundleTooLarge,
            "raise federation.import.max_bundle_size or the site's own limit",
        ),
        BundleFault::Damaged => (
            ErrorCode::BundleMalformed,
            "nothing was imported; copy or export it again",
        ),
        BundleFault::Unsupported => (ErrorCode::BundleVersionUnsupported, "upgrade starling"),
        BundleFault::Io => return Problem::internal(attempted, error_chain(error)),
    };
    Problem::new(code, format!("{attempted}: {}", error_chain(error))).hint(hint)
}
