//! The reasons why a run failed, for operators.

use std::path::PathBuf;
use std::time::Duration;

/// The reason why a plan cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// An address that is neither a path nor of a known scheme.
    #[error(
        "{address:?} is not an address that can be fetched ({why}): expected https://…, http://…, file:///… or a path"
    )]
    Address {
        /// The address, shortened.
        address: String,
        /// The error.
        why: String,
    },
    /// A preset without an address of its own.
    #[error("the preset {preset} has no address of its own: {why}")]
    AddressNeeded {
        /// The preset.
        preset: &'static str,
        /// What the operator has to give, and why.
        why: &'static str,
    },
    /// A preset that can only be read from a folder.
    #[error("the preset {preset} takes a local folder or file, not {address:?}: {why}")]
    LocalOnly {
        /// The preset.
        preset: &'static str,
        /// The given address.
        address: String,
        /// Why.
        why: &'static str,
    },
    /// A parameter that the preset does not take or understand.
    #[error("the preset {preset} cannot take the parameter {parameter:?}: {why}")]
    Parameter {
        /// The preset.
        preset: &'static str,
        /// The given parameter, shortened.
        parameter: String,
        /// The expected form.
        why: String,
    },
    /// A kind that `--kind` does not take.
    #[error("{0}")]
    Kind(String),
}

/// The reason why a run failed. Nothing of the run may be imported, and the position does not change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The settings cannot be used.
    #[error("the fetcher cannot be set up: {what}")]
    Settings {
        /// The error, and what to do.
        what: String,
    },
    /// The server could not be reached, or the connection broke.
    #[error("{address} cannot be reached ({what}): check the network, the proxy and the address")]
    Unreachable {
        /// The requested document.
        address: String,
        /// The system's error.
        what: String,
    },
    /// The server's certificate is not trusted.
    #[error(
        "the certificate of {address} is not trusted ({what}): if your proxy or mirror has a CA of its own, set ca_file"
    )]
    Certificate {
        /// The requested document.
        address: String,
        /// The reason.
        what: String,
    },
    /// The server answered with a status other than success.
    #[error("{address} answered {status}{}", hint_of(*.status))]
    Status {
        /// The requested document.
        address: String,
        /// The HTTP status.
        status: u16,
        /// The wait that the server asks for.
        retry_after: Option<Duration>,
    },
    /// The server sent nothing for too long, or was too slow.
    #[error("{address} stalled: {what}; it is tried again later")]
    Stalled {
        /// The requested document.
        address: String,
        /// The measured rate or silence.
        what: String,
    },
    /// The answer is shorter than announced.
    #[error("{address} was cut off: {what}; nothing of it was taken, and it is tried again later")]
    Truncated {
        /// The requested document.
        address: String,
        /// The missing part.
        what: String,
    },
    /// The answer contradicts its checksum or its form.
    #[error("{address} is damaged: {what}; nothing of it was taken")]
    Damaged {
        /// The requested document.
        address: String,
        /// The contradiction.
        what: String,
    },
    /// The answer is not what the plan expects, such as a login page.
    #[error(
        "{address} is not {expected}: found {found}; check the address, the key and whether a login is needed"
    )]
    Unexpected {
        /// The requested document.
        address: String,
        /// The expected form, such as "a JSON document".
        expected: &'static str,
        /// The form found, such as "an HTML page".
        found: String,
    },
    /// A list of documents or pages contradicts itself.
    #[error("{address} does not add up: {what}; nothing of this run was taken")]
    Inconsistent {
        /// The requested document.
        address: String,
        /// The contradiction.
        what: String,
    },
    /// A limit was exceeded.
    #[error("{address} exceeds a limit: {what}; nothing beyond it is taken, and no setting raises it")]
    Limit {
        /// The requested document.
        address: String,
        /// The limit, with its value.
        what: String,
    },
    /// An address or name from outside that is not followed.
    #[error("{address} was not followed: {why}")]
    Forbidden {
        /// The address, shortened.
        address: String,
        /// Why.
        why: String,
    },
    /// The site's own disk failed.
    #[error("{} cannot be {action}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// The operation: "read", "written".
        action: &'static str,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The disk has no room for more.
    #[error(
        "{address} was not fetched: {free} bytes are free on the disk of {}, {needed} are needed beside a reserve of {reserve}; nothing of \
         it was taken, free some space",
        path.display()
    )]
    NoSpace {
        /// The requested document.
        address: String,
        /// The folder of the run.
        path: PathBuf,
        /// Free bytes.
        free: u64,
        /// Bytes to be written, as far as that is known.
        needed: u64,
        /// Bytes that stay free.
        reserve: u64,
    },
    /// The caller asked to stop.
    #[error("the fetch was stopped before its end")]
    Stopped,
}

/// The action of [`FetchError::Disk`] for a file or folder of the source itself that is not there.
pub(crate) const MISSING: &str = "found";

impl FetchError {
    /// Returns true if the source is a local file or folder that is not there, such as a medium that is not mounted.
    #[must_use]
    pub fn is_missing_source(&self) -> bool {
        matches!(self, Self::Disk { action: MISSING, .. })
    }

    /// Returns true if the same run may succeed later without a change by the operator.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Stalled { .. } | Self::Truncated { .. } | Self::Stopped => true,
            Self::Damaged { .. } | Self::Inconsistent { .. } => true,
            Self::Status { status, .. } => is_temporary_status(*status),
            Self::Settings { .. }
            | Self::Certificate { .. }
            | Self::Unexpected { .. }
            | Self::Limit { .. }
            | Self::Forbidden { .. }
            | Self::NoSpace { .. }
            | Self::Disk { .. } => false,
        }
    }

    /// Returns how long the server asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Returns true for statuses that sources answer while they are busy, also 403, by which several throttle.
pub(crate) fn is_temporary_status(status: u16) -> bool {
    matches!(status, 403 | 408 | 425 | 429 | 500 | 502..=504 | 520..=527 | 530)
}

fn hint_of(status: u16) -> &'static str {
    match status {
        401 => ": it needs a key or a login; set api_key_file",
        403 => ": it refuses this client or is throttled; check the key and the user agent, or wait",
        404 | 410 => ": nothing is there; check the address",
        407 => ": the proxy needs a user name and a password",
        429 => ": too many requests; it is tried again later",
        500.. => ": the server has a fault; it is tried again later",
        _ => "",
    }
}
