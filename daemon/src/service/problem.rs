//! Converts errors of the store and of bundles to problems for callers.

use std::io::ErrorKind;

use starling_api_types::{ErrorCode, Problem};
use starling_protocol::HeadError;
use starling_protocol::bundle::{BundleError, BundleFault};
use starling_store::StoreError;
use starling_store::engine::{Attempt, EngineError, StopCause};
use starling_store::log::LogError;
use starling_store::packs::PackError;

use crate::home::error_chain;

/// Converts a store error that happened while `attempted`.
pub(crate) fn store_problem(attempted: &str, error: &StoreError) -> Problem {
    if is_version_gone(error) {
        return engine_problem(attempted, &EngineError::VersionGone);
    }
    // A walk over the view may meet a full disk, or an engine that an earlier failure stopped: that is no damage.
    if let Some(cause) = engine_cause(error).filter(|_| matches!(error, StoreError::View(_))) {
        return engine_problem(attempted, cause);
    }
    let code = match error {
        StoreError::Engine(error) => return engine_problem(attempted, error),
        StoreError::SiteNotListed { .. } => ErrorCode::SiteNotFound,
        StoreError::SiteExists { .. } | StoreError::KeyListed { .. } => ErrorCode::SiteExists,
        StoreError::OwnSite { .. } => ErrorCode::SiteKeyInvalid,
        StoreError::Certificate(_) => ErrorCode::CertificateInvalid,
        StoreError::Head(_) | StoreError::Author(_) => ErrorCode::SignatureVerificationFailed,
        StoreError::Frozen { .. } => ErrorCode::ForkDetected,
        StoreError::Behind { .. } | StoreError::HeldBack => ErrorCode::SiteRestored,
        StoreError::Superseded { .. } => ErrorCode::SiteSuperseded,
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
        | StoreError::HistoryDamaged { .. }
        | StoreError::View(_) => ErrorCode::StoreDamaged,
        StoreError::OtherSite { .. } | StoreError::NewerSchema { .. } | StoreError::TooManyAuthors { .. } => {
            ErrorCode::ConfigInvalid
        }
        StoreError::NotShown { .. } if error.is_no_room() => {
            return Problem::new(
                ErrorCode::DiskFull,
                format!("{attempted}: {}", error_chain(error)),
            )
            .hint("free some space and start starling again; the stored data appears then");
        }
        StoreError::ReadOnly | StoreError::Log(_) | StoreError::Pack(_) | StoreError::Measure(_)
            if error.is_no_room() =>
        {
            return Problem::new(
                ErrorCode::DiskFull,
                format!("{attempted}: {}", error_chain(error)),
            )
            .hint("free some space and try again; nothing that was acknowledged is lost");
        }
        StoreError::NotShown { source } => return engine_problem(attempted, source),
        StoreError::Log(_)
        | StoreError::Pack(_)
        | StoreError::Entry(_)
        | StoreError::LogLoss { .. }
        | StoreError::EngineDoubt { .. }
        | StoreError::MigrationDiffers { .. } => ErrorCode::StoreDamaged,
        StoreError::LogMissing { .. } => ErrorCode::StoreMissing,
        StoreError::Measure(_) => ErrorCode::FileAccess,
        StoreError::ReadOnly => ErrorCode::DiskFull,
        StoreError::Compress { .. } | StoreError::Poisoned => {
            return Problem::internal(attempted, error_chain(error));
        }
    };
    let problem = Problem::new(code, format!("{attempted}: {}", error_chain(error)));
    match damage_hint(error) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Returns true if a pipe, a folder or a device is in place of a file.
fn is_no_file(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::InvalidInput) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Returns what to do about damage.
fn damage_hint(error: &StoreError) -> Option<&'static str> {
    Some(match error {
        StoreError::Behind { .. } | StoreError::HeldBack => {
            "run `starling restore`; then `starling up` or bundles of listed sites bring the data, and a new epoch starts"
        }
        StoreError::Superseded { .. } => {
            "stop this copy of the site, or run `starling restore` on it if it is the copy to keep"
        }
        StoreError::DamagedBody { .. } => {
            "`starling doctor --repair` drops the damaged data; peers, bundles or the next import of the feed bring it back"
        }
        StoreError::Log(LogError::Stopped { .. }) | StoreError::Pack(PackError::Stopped) => {
            "check the disk, then start starling again; nothing that was acknowledged is lost"
        }
        StoreError::LogLoss {
            only_unconfirmed: true,
            ..
        } => {
            "if there is a copy of this home from the same time, put its `log/tip` or its `store/` back; or, with the daemon \
             stopped, `starling doctor --repair` goes on with what the log has and names what may be lost, which \
             peers or bundles bring again"
        }
        StoreError::LogLoss { .. } | StoreError::Log(_) | StoreError::Entry(_) => {
            "restore the files; or, if they are a backup that was restored over a home, remove `store/`, \
             which is newer; or, with the daemon stopped, `starling doctor --repair` continues without the lost data, and \
             peers or bundles bring it again"
        }
        StoreError::View(error) => return damage_hint(cause_in(error)?),
        StoreError::DamagedRow { .. }
        | StoreError::HistoryDamaged { .. }
        | StoreError::EngineDoubt { .. } => {
            "`starling doctor --rebuild` rebuilds all derived data from the site's log"
        }
        StoreError::Pack(error) if is_no_file(error) => {
            "move it away with `mv`, and put the pack's file back; or, if that is lost, move it away and run \
             `starling doctor --repair` with the daemon stopped: it drops the record bodies of that pack, and peers, bundles or \
             the next import bring them back"
        }
        StoreError::Pack(_) => "check the disk; `starling doctor` lists the damage",
        StoreError::MigrationDiffers { .. } => {
            "nothing was changed: keep the folder, and use the release that wrote it"
        }
        _ => return None,
    })
}

/// Returns true if too much changed during the read: nothing is wrong, and the next attempt reads again.
fn is_version_gone(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| matches!(cause.downcast_ref(), Some(EngineError::VersionGone)))
}

/// Returns the engine's error among the causes of a read, if it says more than that rows are damaged.
fn engine_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a EngineError> {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut engine = causes.filter_map(|cause| cause.downcast_ref::<EngineError>());
    engine.find(|cause| matches!(cause, EngineError::NoSpace { .. } | EngineError::Stopped { .. }))
}

/// Returns the store's error among the causes of another error.
fn cause_in<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a StoreError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Converts an error of reading the knowledge that happened while `attempted`.
pub(crate) fn knowledge_problem(attempted: &str, error: &(dyn std::error::Error + 'static)) -> Problem {
    if is_version_gone(error) {
        return engine_problem(attempted, &EngineError::VersionGone);
    }
    if let Some(cause) = cause_in(error) {
        return store_problem(attempted, cause);
    }
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(engine) = error.downcast_ref::<EngineError>() {
            return engine_problem(attempted, engine);
        }
        cause = error.source();
    }
    Problem::new(
        ErrorCode::StoreDamaged,
        format!("{attempted}: {}", error_chain(error)),
    )
    .hint("`starling doctor --rebuild` rebuilds all derived data from the site's log")
}

/// Converts an engine error that happened while `attempted`.
pub(crate) fn engine_problem(attempted: &str, error: &EngineError) -> Problem {
    let detail = format!("{attempted}: {}", error_chain(error));
    match error {
        EngineError::VersionGone => Problem::new(ErrorCode::Busy, detail),
        EngineError::NoSpace { .. } => Problem::new(ErrorCode::DiskFull, detail)
            .hint("free some space and try again; nothing that was acknowledged is lost"),
        EngineError::Locked { .. } => Problem::new(ErrorCode::StoreLocked, detail),
        EngineError::Corrupt {
            attempted: Attempt::Open,
            ..
        } => Problem::new(ErrorCode::StoreDamaged, detail).hint(
            "keep the folder aside. If this very store can be had again, such as from a snapshot of the disk as it is \
             now, restore it; do not continue with an older copy. Else create a new site in another folder and list it at \
             its peers, which fill it",
        ),
        EngineError::Corrupt { .. } => Problem::new(ErrorCode::StoreDamaged, detail)
            .hint("`starling doctor --rebuild` rebuilds all derived data"),
        EngineError::Io {
            attempted: Attempt::Open,
            source,
            ..
        } if matches!(
            source.kind(),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
        ) =>
        {
            Problem::new(ErrorCode::FileAccess, detail).hint(
                "opening the store writes to its folder, its lock at least: let this user write there, or copy the \
                 site's folder to where it can. Only a scan needs no writing, where a daemon that ended has left its \
                 index of the very same knowledge (`match.idx` and `scan.ready`)",
            )
        }
        EngineError::Io { .. } => Problem::new(ErrorCode::FileAccess, detail),
        EngineError::OtherEngine { .. } | EngineError::Missing { .. } => {
            Problem::new(ErrorCode::ConfigInvalid, detail)
        }
        EngineError::Stopped { cause, .. } => stopped_problem(*cause, attempted, detail),
        _ => Problem::internal(attempted, detail),
    }
}

/// Converts what every call says of an engine that an earlier failure stopped.
fn stopped_problem(cause: StopCause, attempted: &str, detail: String) -> Problem {
    match cause {
        StopCause::NoSpace => Problem::new(ErrorCode::DiskFull, detail)
            .hint("free some space and try again in a few seconds; nothing that was acknowledged is lost"),
        StopCause::Io => Problem::new(ErrorCode::FileAccess, detail)
            .hint("check the disk, then start starling again; nothing that was acknowledged is lost"),
        StopCause::Damage => Problem::new(ErrorCode::StoreDamaged, detail)
            .hint("start starling again, which rebuilds all derived data from the site's log"),
        StopCause::Library => Problem::internal(attempted, detail),
    }
}

/// Converts a bundle error that happened while `attempted`.
pub(crate) fn bundle_problem(attempted: &str, error: &BundleError) -> Problem {
    let head = match error {
        BundleError::Head { source } => Some(source),
        _ => None,
    };
    let (code, hint) = match error.fault() {
        _ if matches!(head, Some(HeadError::OutsideEpoch { .. })) => (
            ErrorCode::EpochClosed,
            "nothing was imported; have it exported again by a site that knows the author's newest certificate",
        ),
        _ if matches!(head, Some(HeadError::UnknownEpoch { .. })) => (
            ErrorCode::CertificateInvalid,
            "nothing was imported; the bundle lacks a certificate of the author: have it exported again",
        ),
        BundleFault::Signature => (
            ErrorCode::SignatureVerificationFailed,
            "nothing was imported; get the bundle again from its exporter",
        ),
        BundleFault::Certificate => (
            ErrorCode::CertificateInvalid,
            "nothing was imported; have it exported again by a site that has the author's whole certificate chain",
        ),
        BundleFault::TooLarge => (
            ErrorCode::BundleTooLarge,
            "raise federation.import.max_bundle_size in starling.toml, or have less exported at a time (-c)",
        ),
        BundleFault::Damaged => (
            ErrorCode::BundleMalformed,
            "nothing was imported; copy or export it again",
        ),
        BundleFault::Unsupported => (ErrorCode::BundleVersionUnsupported, "upgrade starling"),
        BundleFault::Io => (
            ErrorCode::FileAccess,
            "nothing was imported; name a bundle's file that can be read, or copy it again if its disk fails",
        ),
    };
    let chain = error_chain(error);
    let said = chain.strip_prefix("reading a bundle: ").unwrap_or(&chain);
    let problem = Problem::new(code, format!("{attempted}: {said}"));
    match error {
        // The sentence says which file to pass.
        BundleError::NotABundle { .. } => problem,
        _ if attempted.starts_with("importing") => problem.hint(hint),
        // Only an import says what became of the site.
        _ => problem.hint(hint.strip_prefix("nothing was imported; ").unwrap_or(hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It advised to remove `store/`, of which the refusal says that it is missing.
    #[test]
    fn log_whose_end_nothing_confirms_is_not_mended_by_removing_rows() {
        let hint = |only_unconfirmed| {
            let what = "something".to_owned();
            let error = StoreError::LogLoss {
                what,
                only_unconfirmed,
            };
            store_problem("opening the store", &error).hint.clone().unwrap()
        };
        assert!(hint(false).contains("remove `store/`"));
        let unconfirmed = hint(true);
        assert!(!unconfirmed.contains("remove"), "{unconfirmed}");
        assert!(unconfirmed.contains("log/tip") && unconfirmed.contains("doctor --repair"));
    }

    #[test]
    fn read_only_store_error_states_what_to_do() {
        let problem = |kind: ErrorKind, attempted| {
            let path = "/srv/site/store".into();
            let source = kind.into();
            engine_problem(
                "opening the store",
                &EngineError::Io {
                    attempted,
                    path,
                    source,
                },
            )
        };
        for kind in [ErrorKind::ReadOnlyFilesystem, ErrorKind::PermissionDenied] {
            let problem = problem(kind, Attempt::Open);
            assert_eq!(problem.code, ErrorCode::FileAccess);
            assert!(problem.hint.as_ref().unwrap().contains("match.idx"), "{kind}");
        }
        assert!(problem(ErrorKind::TimedOut, Attempt::Open).hint.is_none());
    }

    /// The hint was to run `starling doctor`, which could not open the site either.
    #[test]
    fn pipe_in_place_of_a_pack_is_to_be_moved_away() {
        let problem = |kind| {
            let cause = std::io::Error::new(kind, "it is a pipe, expected a file");
            let error = PackError::Io {
                attempt: "opening",
                path: "packs/00000001.pack".to_owned(),
                cause,
            };
            store_problem("opening the store", &StoreError::Pack(error))
        };
        let pipe = problem(std::io::ErrorKind::InvalidInput);
        assert!(pipe.detail.contains("packs/00000001.pack"), "{pipe}");
        let hint = pipe.hint.clone().unwrap();
        assert!(
            hint.contains("`mv`") && hint.contains("doctor --repair"),
            "{hint}"
        );
        assert_ne!(problem(std::io::ErrorKind::Other).hint.as_ref(), Some(&hint));
    }

    #[test]
    fn unreadable_bundle_is_a_file_error() {
        // The first read of a folder fails.
        let folder = std::fs::File::open(std::env::temp_dir()).unwrap();
        let error = starling_protocol::BundleReader::open(folder, Default::default()).unwrap_err();
        let problem = bundle_problem("importing a bundle", &error);
        assert_eq!(problem.code, ErrorCode::FileAccess);
        assert!(problem.detail.contains("it is a folder, not a file"), "{problem}");
    }

    #[test]
    fn full_disk_below_the_view_is_no_damage() {
        #[derive(Debug, thiserror::Error)]
        #[error("reading rows of the view")]
        struct Below(#[source] EngineError);
        let full = EngineError::NoSpace {
            attempted: Attempt::Open,
            path: "/srv/site/store".into(),
            found: "0 bytes".to_owned(),
        };
        assert!(engine_cause(&Below(full)).is_some());
        assert!(engine_cause(&Below(EngineError::VersionGone)).is_none());
    }

    #[test]
    fn stopped_engine_is_reported_by_the_failure_that_stopped_it() {
        for (cause, code) in [
            (StopCause::NoSpace, ErrorCode::DiskFull),
            (StopCause::Io, ErrorCode::FileAccess),
            (StopCause::Damage, ErrorCode::StoreDamaged),
            (StopCause::Library, ErrorCode::Internal),
        ] {
            let stopped = EngineError::Stopped {
                attempted: Attempt::Open,
                cause,
                reason: "an earlier failure".to_owned(),
            };
            let problem = engine_problem("reading the view", &stopped);
            assert_eq!(problem.code, code);
        }
    }
}
