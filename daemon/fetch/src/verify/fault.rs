//! Faults of a document, without its address.

use std::io;
use std::path::PathBuf;

use crate::address::Address;
use crate::error::FetchError;
use crate::names::shorten;

/// The reason why a document is refused.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The end of the document is missing.
    Truncated(String),
    /// The document contradicts itself or its checksum.
    Damaged(String),
    /// The document has another form.
    Unexpected { expected: &'static str, found: String },
    /// The document is larger than allowed.
    Limit(String),
    /// The run was stopped.
    Stopped,
    /// The disk failed.
    Disk {
        path: PathBuf,
        action: &'static str,
        source: io::Error,
    },
}

impl From<io::Error> for Fault {
    /// Decoders report a missing end and bad bytes by the kind of an error.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated("its end is missing".to_owned()),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                Self::Damaged(shorten(&error.to_string()))
            }
            // An error without a system error comes from a decoder.
            io::ErrorKind::Other if error.raw_os_error().is_none() => {
                Self::Damaged(shorten(&error.to_string()))
            }
            _ => Self::Disk {
                path: PathBuf::from("a fetched document"),
                action: "read or written",
                source: error,
            },
        }
    }
}

impl Fault {
    /// Returns the error for the document at this address.
    pub(crate) fn of(self, address: &Address) -> FetchError {
        let address = address.to_string();
        match self {
            Self::Truncated(what) => FetchError::Truncated { address, what },
            Self::Damaged(what) => FetchError::Damaged { address, what },
            Self::Unexpected { expected, found } => FetchError::Unexpected {
                address,
                expected,
                found,
            },
            Self::Stopped => FetchError::Stopped,
            Self::Limit(what) => FetchError::Limit { address, what },
            Self::Disk { path, action, source } => FetchError::Disk { path, action, source },
        }
    }
}
