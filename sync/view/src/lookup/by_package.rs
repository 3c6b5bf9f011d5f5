//! Finds advisories, and the sources that speak, by package and ecosystem.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use starling_protocol::Source;

use super::advisories::{AdvisoryRef, advisories_under, flow, visit_advisories};
use crate::codec::{base_prefix, name_prefix, write_package};
use crate::error::ViewError;
use crate::package::PackageId;
use crate::reading::{decode_edge_key, scan_rows};
use crate::rows::{Rows, Table};

/// Returns the advisories of a package of one ecosystem with its suffix, sorted by vulnerability.
/// `name` must have the ecosystem's spelling ([`crate::NormaliseName`]).
///
/// # Errors
/// If the rows cannot be read.
pub fn advisories_by_package<R: Rows>(
    rows: &R,
    ecosystem: &str,
    name: &str,
) -> Result<Vec<AdvisoryRef>, ViewError> {
    let mut prefix = Vec::new();
    if ecosystem.contains('\0') || name.contains('\0') {
        return Ok(Vec::new());
    }
    let package = PackageId::Package {
        ecosystem: ecosystem.to_owned(),
        name: name.to_owned(),
    };
    write_package(&mut prefix, &package);
    advisories_under(rows, &prefix)
}

/// Returns the advisories of a package name in every release of an ecosystem: `Debian` also gives those of
/// `Debian:11` and `Debian:12`. Sorted by package, then vulnerability.
///
/// # Errors
/// If the rows cannot be read.
pub fn advisories_in_any_release<R: Rows>(
    rows: &R,
    ecosystem: &str,
    name: &str,
) -> Result<Vec<AdvisoryRef>, ViewError> {
    let base = ecosystem.split_once(':').map_or(ecosystem, |(base, _)| base);
    if base.contains('\0') || name.contains('\0') {
        return Ok(Vec::new());
    }
    advisories_under(rows, &name_prefix(base, name))
}

/// Returns true if any advisory is about the ecosystem, which must include its suffix if it has releases.
///
/// # Errors
/// If the rows cannot be read.
pub fn knows_ecosystem<R: Rows>(rows: &R, ecosystem: &str) -> Result<bool, ViewError> {
    let mut known = false;
    if !ecosystem.contains('\0') {
        visit_advisories(rows, &base_prefix(ecosystem), &mut |advisory| {
            known = matches!(&advisory.package, PackageId::Package { ecosystem: found, .. } if found == ecosystem);
            flow(!known)
        })?;
    }
    Ok(known)
}

/// Returns the ecosystems with advisories that consist of `base` and a suffix, sorted.
///
/// # Errors
/// If the rows cannot be read.
pub fn ecosystems_with_suffix<R: Rows>(rows: &R, base: &str) -> Result<Vec<String>, ViewError> {
    let mut found = BTreeSet::new();
    if !base.contains('\0') {
        visit_advisories(rows, &base_prefix(base), &mut |advisory| {
            if let PackageId::Package { ecosystem, .. } = advisory.package
                && ecosystem
                    .strip_prefix(base)
                    .is_some_and(|rest| rest.starts_with(':'))
                && !found.contains(&ecosystem)
            {
                found.insert(ecosystem);
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(found.into_iter().collect())
}

/// Returns the sources with a record about a package of an ecosystem with any suffix or none. Withdrawn records count,
/// because a withdrawal may lie in the future.
///
/// # Errors
/// If the rows cannot be read.
pub fn sources_of_ecosystem<R: Rows>(rows: &R, base: &str) -> Result<BTreeSet<Source>, ViewError> {
    let mut found = BTreeSet::new();
    if !base.contains('\0') {
        sources_under(rows, &base_prefix(base), &mut found)?;
    }
    Ok(found)
}

/// Adds the sources with a record, withdrawn or not, about a package.
///
/// # Errors
/// If the rows cannot be read.
pub fn add_sources_of_package<R: Rows>(
    rows: &R,
    ecosystem: &str,
    name: &str,
    sources: &mut BTreeSet<Source>,
) -> Result<(), ViewError> {
    if ecosystem.contains('\0') || name.contains('\0') {
        return Ok(());
    }
    let mut prefix = Vec::new();
    let package = PackageId::Package {
        ecosystem: ecosystem.to_owned(),
        name: name.to_owned(),
    };
    write_package(&mut prefix, &package);
    sources_under(rows, &prefix, sources)
}

fn sources_under<R: Rows>(rows: &R, prefix: &[u8], sources: &mut BTreeSet<Source>) -> Result<(), ViewError> {
    scan_rows(rows, Table::Edges, prefix, |key, _| {
        let edge = decode_edge_key(key)?;
        if !sources.contains(&edge.record.source) {
            sources.insert(edge.record.source);
        }
        Ok(ControlFlow::Continue(()))
    })
}
