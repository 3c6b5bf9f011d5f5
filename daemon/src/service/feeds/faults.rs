//! Warnings about records that need the orders of versions.

use starling_feeds::osv::{Warning, WarningKind};
use starling_scanner::faults::{Fault, faults};

/// Returns what a scan cannot make use of in a record.
pub(super) fn faults_of(body: &[u8]) -> Vec<Warning> {
    let warning = |fault: Fault| Warning {
        pointer: fault.pointer,
        kind: WarningKind::Native(fault.what),
    };
    faults(body).into_iter().map(warning).collect()
}
