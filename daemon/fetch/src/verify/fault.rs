//! What can be wrong with a document, before it is known from where it came.

use std::io;
use std::path::PathBuf;

use crate::address::Address;
use crate::error::FetchError;
use crate::names::shorten;

/// A document that is not taken.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Its end is missing.
    Truncated(String),
    /// It contradicts itself or its checksum.
    Damaged(String),
    /// It is something else.
    Unexpected { expected: &'static str, found: String },
    /// It is larger than allowed.
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
            // Without an error of the system behind it, a decoder speaks.
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
    /// The error for a document of this address.
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
