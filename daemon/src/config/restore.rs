//! `[restore]`: how a home notices that it was restored from a backup or copied, and how long it waits then.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Homes that were restored from a backup, or copied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restore {
    /// True if a home checks whether it was copied.
    pub detect: bool,
    /// The file that identifies a machine.
    pub machine_id_file: PathBuf,
    /// How long a restored site waits for listed sites that it has not heard, once it heard one, in seconds.
    pub patience_seconds: u64,
}

impl Default for Restore {
    fn default() -> Self {
        Self {
            detect: true,
            machine_id_file: PathBuf::from("/etc/machine-id"),
            patience_seconds: 30,
        }
    }
}
