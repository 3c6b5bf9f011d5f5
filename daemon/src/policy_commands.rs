//! The commands on a site's policy files, which work without the store.

use std::path::Path;

use starling_api::ServiceResult;
use starling_api_types::{PolicyHistory, Problem};

use crate::clock::now;
use crate::config::Overrides;
use crate::home::{Home, config_problem, home_problem};
use crate::policies::Policies;

/// Selects one of a site's policy files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// The YAML policy.
    Yaml,
    /// The Rego policy.
    Rego,
}

/// Returns the versions of the site's policy that were in use, newest first.
///
/// # Errors
/// `not_initialised`, `config_invalid`, `policy_invalid`, `file_access`.
pub fn policy_history(home: &Path, kind: PolicyKind) -> ServiceResult<PolicyHistory> {
    let policies = open(home)?;
    match kind {
        PolicyKind::Yaml => policies.yaml.history(now()),
        PolicyKind::Rego => policies.rego.history(now()),
    }
}

/// Restores an earlier version into the site's policy file.
///
/// # Errors
/// `bad_request` if no version, or several, begin with `version`; else as [`policy_history`].
pub fn rollback_policy(home: &Path, kind: PolicyKind, version: &str) -> ServiceResult<PolicyHistory> {
    let policies = open(home)?;
    match kind {
        PolicyKind::Yaml => policies.yaml.rollback(version, now()),
        PolicyKind::Rego => policies.rego.rollback(version, now()),
    }
}

fn open(home: &Path) -> Result<Policies, Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    Ok(Policies::of(&home, &config))
}
