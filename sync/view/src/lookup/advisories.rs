//! The names of canonical advisories, visited by prefix.

use std::ops::ControlFlow;

use serde::Serialize;
use starling_protocol::MergeHash;

use crate::error::ViewError;
use crate::package::PackageId;
use crate::reading::{Feed, decode_edge_key, edge_is_withdrawn, feed_of, scan_rows};
use crate::rows::{Rows, Table};
use crate::vulnerability::VulnerabilityId;

/// The names of a canonical advisory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AdvisoryRef {
    /// The vulnerability.
    pub vulnerability: VulnerabilityId,
    /// The package.
    pub package: PackageId,
    /// The name made of both.
    pub merge_hash: MergeHash,
    /// True if every contributing record is withdrawn.
    pub is_withdrawn: bool,
}

/// Visits every advisory in key order: by package, then vulnerability.
///
/// # Errors
/// If the rows cannot be read.
pub fn for_each_advisory<R: Rows>(
    rows: &R,
    mut visit: impl FnMut(AdvisoryRef) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    visit_advisories(rows, &[], &mut visit)
}

/// Returns an advisory if any record contributes to it.
pub(super) fn advisory_ref<R: Rows>(
    rows: &R,
    vulnerability: VulnerabilityId,
    package: PackageId,
) -> Result<Option<AdvisoryRef>, ViewError> {
    let is_withdrawn = match feed_of(rows, &vulnerability, &package)? {
        Feed::Nothing => return Ok(None),
        Feed::Withdrawn => true,
        Feed::Live => false,
    };
    let merge_hash = package.merge_hash(&vulnerability);
    Ok(Some(AdvisoryRef {
        vulnerability,
        package,
        merge_hash,
        is_withdrawn,
    }))
}

pub(super) fn advisories_under<R: Rows>(rows: &R, prefix: &[u8]) -> Result<Vec<AdvisoryRef>, ViewError> {
    let mut advisories = Vec::new();
    visit_advisories(rows, prefix, &mut |advisory| {
        advisories.push(advisory);
        ControlFlow::Continue(())
    })?;
    advisories.sort_by(|a, b| (&a.package, &a.vulnerability).cmp(&(&b.package, &b.vulnerability)));
    Ok(advisories)
}

/// Groups the edges under a prefix into advisories; the edges of an advisory are adjacent.
pub(super) fn visit_advisories<R: Rows>(
    rows: &R,
    prefix: &[u8],
    visit: &mut dyn FnMut(AdvisoryRef) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    let mut open: Option<AdvisoryRef> = None;
    let mut is_over = false;
    scan_rows(rows, Table::Edges, prefix, |key, value| {
        let edge = decode_edge_key(key)?;
        let is_withdrawn = edge_is_withdrawn(value);
        match &mut open {
            Some(advisory)
                if advisory.vulnerability == edge.vulnerability && advisory.package == edge.package =>
            {
                advisory.is_withdrawn &= is_withdrawn;
            }
            _ => {
                let merge_hash = edge.package.merge_hash(&edge.vulnerability);
                let next = AdvisoryRef {
                    vulnerability: edge.vulnerability,
                    package: edge.package,
                    merge_hash,
                    is_withdrawn,
                };
                if let Some(done) = open.replace(next)
                    && visit(done).is_break()
                {
                    is_over = true;
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some(last) = open.filter(|_| !is_over) {
        let _ = visit(last);
    }
    Ok(())
}

pub(super) fn flow(goes_on: bool) -> ControlFlow<()> {
    if goes_on {
        ControlFlow::Continue(())
    } else {
        ControlFlow::Break(())
    }
}
