//! The reasons why a site's folder is not usable.

use std::path::{Path, PathBuf};

use starling_api_types::wording;
use starling_protocol::CertificateError;

use crate::config::ConfigError;

/// The reason why a site's folder is not usable.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The folder does not contain a site.
    #[error(
        "opening the site in {path}: the folder does not contain a site. Create one with `starling init --site-id NAME`, or give another folder with `--home DIR`"
    )]
    NoSite {
        /// The folder.
        path: PathBuf,
    },
    /// The folder already contains a site.
    #[error(
        "creating a site in {path}: the folder already contains the site {slug}. Choose another folder with --home"
    )]
    SiteExists {
        /// The folder.
        path: PathBuf,
        /// Its name.
        slug: String,
    },
    /// A file could not be read or written.
    #[error("{attempted} {path}: {}", wording::io_error(source))]
    File {
        /// The attempted action.
        attempted: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file has wrong content.
    #[error("reading {path}: {problem}")]
    Content {
        /// The file.
        path: PathBuf,
        /// The problem, and what to do.
        problem: String,
    },
    /// The certificates do not verify.
    #[error("verifying the site's certificates in {path}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: CertificateError,
    },
    /// The configuration has an error.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A public identity is not valid.
    #[error(
        "reading a site's public identity: {problem}; get it with `starling keys export --public` at that site"
    )]
    Identity {
        /// The problem.
        problem: String,
    },
    /// The system did not provide randomness.
    #[error("creating a key: the system did not provide randomness: {cause}")]
    Randomness {
        /// The system's error.
        cause: String,
    },
}

pub(super) fn file(attempted: &'static str, path: &Path) -> impl Fn(std::io::Error) -> HomeError + use<> {
    let path = path.to_owned();
    move |source| HomeError::File {
        attempted,
        path: path.clone(),
        source,
    }
}
