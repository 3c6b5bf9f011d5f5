//! Answers of the commands on a site's policy. They are not part of the API.

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::time::Timestamp;

/// Answer of `starling policy history` and `policy rollback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyHistory {
    /// The versions that were in use, newest first; a restored version is listed again.
    pub versions: Vec<PolicyVersionEntry>,
    /// Why the current file is not usable; scans end with an error until it is. Missing if it is usable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Problem>,
}

/// A version of the policy file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersionEntry {
    /// The hash of its bytes; verdicts show it as `policy_version`.
    pub version: String,
    /// The time of its first use.
    pub since: Timestamp,
    /// True if it is in use now. No version is in use while the file has an error.
    pub current: bool,
    /// True if its bytes are still stored.
    pub kept: bool,
}
