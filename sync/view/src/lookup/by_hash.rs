//! Finds canonical advisories by their merge hash, an earlier one included.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use starling_protocol::MergeHash;

use super::advisories::{AdvisoryRef, advisory_ref};
use super::by_id::records_near;
use crate::codec::{hash_prefix, read_hash_key};
use crate::error::ViewError;
use crate::identity::{Closure, Closures};
use crate::package::PackageId;
use crate::reading::{damaged, scan_rows};
use crate::rows::{Rows, Table};

/// The advisories that a merge hash stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// An advisory with this current name.
    Current(AdvisoryRef),
    /// A name that an advisory could have had before its aliases were known. Holds the advisories that replace
    /// it now, sorted.
    Redirected(Vec<AdvisoryRef>),
    /// Nothing.
    Unknown,
}

/// Returns the advisories that a merge hash stands for.
///
/// # Errors
/// If the rows cannot be read.
pub fn resolve<R: Rows>(rows: &R, hash: &MergeHash) -> Result<Resolution, ViewError> {
    let mut ids = Vec::new();
    scan_rows(rows, Table::Hashes, hash_prefix(hash), |key, _| {
        ids.push(read_hash_key(key).ok_or_else(|| damaged(Table::Hashes, "a merge hash's key", key))?);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut closures = Closures::new();
    for id in ids {
        // The row gives the id; only the records around the id can give the package.
        let near = records_near(rows, &id, &mut closures)?;
        let packages: BTreeSet<&PackageId> = near.values().flat_map(|row| &row.packages).collect();
        let Some(package) = packages
            .into_iter()
            .find(|package| package.merge_hash(&id) == *hash)
        else {
            continue;
        };
        if let Some(advisory) = advisory_ref(rows, id.clone(), package.clone())? {
            return Ok(Resolution::Current(advisory));
        }
        if let Closure::Whole(component) = closures.around(rows, &id)? {
            let mut heirs = Vec::new();
            for heir in component.vulnerabilities() {
                heirs.extend(advisory_ref(rows, heir, package.clone())?);
            }
            if !heirs.is_empty() {
                return Ok(Resolution::Redirected(heirs));
            }
        }
    }
    Ok(Resolution::Unknown)
}
