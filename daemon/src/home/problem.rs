//! Converts errors of a site's folder or configuration to problems for the operator.

use std::io::ErrorKind;

use starling_api_types::{ErrorCode, Problem};

use super::{HomeError, error_chain};
use crate::config::ConfigError;

/// Converts an error of the site's folder.
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
            problem(ErrorCode::FileAccess).hint("check that the path exists and that this user has access")
        }
        HomeError::Config(error) => config_problem(error),
        HomeError::Identity { .. } => problem(ErrorCode::SiteKeyInvalid),
        HomeError::Content { .. } => {
            problem(ErrorCode::ConfigInvalid).hint("restore the file from your copy of keys and certificates")
        }
        HomeError::Certificates { .. } => problem(ErrorCode::CertificateInvalid)
            .hint("restore the file from your copy of keys and certificates"),
        HomeError::Randomness { .. } => problem(ErrorCode::Internal),
    }
}

/// Converts an error of the configuration.
pub(crate) fn config_problem(error: &ConfigError) -> Problem {
    let code = match error {
        ConfigError::Read { .. } => ErrorCode::FileAccess,
        ConfigError::File { .. } | ConfigError::Setting { .. } => ErrorCode::ConfigInvalid,
    };
    Problem::new(code, error_chain(error))
}
