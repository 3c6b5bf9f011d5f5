//! What is wrong with a site's folder or configuration, as a problem for its operator.

use std::io::ErrorKind;

use starling_api_types::{ErrorCode, Problem};

use crate::config::ConfigError;
use crate::home::{HomeError, error_chain};

/// A problem with the site's folder.
#[must_use]
pub fn home_problem(error: &HomeError) -> Problem {
    let problem = |code| Problem::new(code, error_chain(error));
    match error {
        HomeError::NoSite { .. } => problem(ErrorCode::NotInitialised),
        HomeError::SiteExists { .. } => problem(ErrorCode::AlreadyInitialised),
        HomeError::File { source, .. } if source.kind() == ErrorKind::StorageFull => {
            problem(ErrorCode::DiskFull).hint("free some space and try again")
        }
        HomeError::File { .. } => {
            problem(ErrorCode::FileAccess).hint("check that the path exists and that this user may use it")
        }
        HomeError::Config(error) => config_problem(error),
        HomeError::Identity { .. } => problem(ErrorCode::SiteKeyInvalid),
        HomeError::Content { .. } => problem(ErrorCode::ConfigInvalid)
            .hint("restore the file from the copy that you keep of keys and certificates"),
        HomeError::Certificates { .. } => problem(ErrorCode::CertificateInvalid)
            .hint("restore the file from the copy that you keep of keys and certificates"),
        HomeError::Randomness { .. } => problem(ErrorCode::Internal),
    }
}

/// A problem with the configuration.
pub(crate) fn config_problem(error: &ConfigError) -> Problem {
    let code = match error {
        ConfigError::Read { .. } => ErrorCode::FileAccess,
        ConfigError::File { .. } | ConfigError::Setting { .. } => ErrorCode::ConfigInvalid,
    };
    Problem::new(code, error_chain(error))
}
