//! What the command line does with a site's policy file; the store is not needed for it.

use std::path::Path;

use starling_api::ServiceResult;
use starling_api_types::{PolicyHistory, Problem};

use crate::clock::now;
use crate::config::Overrides;
use crate::home::Home;
use crate::home_problem::{config_problem, home_problem};
use crate::policies::PolicyFile;

/// The versions of the site's policy that were in use, newest first.
///
/// # Errors
/// `not_initialised`, `config_invalid`, `policy_invalid`, `file_access`.
pub fn policy_history(home: &Path) -> ServiceResult<PolicyHistory> {
    open(home)?.history(now())
}

/// Puts a version that was in use back into the site's policy file.
///
/// # Errors
/// `bad_request` where no version, or several, begin with `version`; else as [`policy_history`].
pub fn rollback_policy(home: &Path, version: &str) -> ServiceResult<PolicyHistory> {
    open(home)?.rollback(version, now())
}

fn open(home: &Path) -> Result<PolicyFile, Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    Ok(PolicyFile::of(&home, &config))
}
