//! What the commands on a site's policy answer. None of it goes over the API.

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::time::Timestamp;

/// Answer of `starling policy history` and `policy rollback`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyHistory {
    /// The versions that were in use, newest first; one that was put back is there again.
    pub versions: Vec<PolicyVersionEntry>,
    /// Why the file as it is now cannot be used; scans end with an error until it can. Absent where it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Problem>,
}

/// A version of the policy file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersionEntry {
    /// The hash of its bytes; verdicts name it as `policy_version`.
    pub version: String,
    /// When it was first met.
    pub since: Timestamp,
    /// Whether it is the one in use; none is while the file is broken.
    pub current: bool,
    /// Whether its bytes are still kept.
    pub kept: bool,
}
