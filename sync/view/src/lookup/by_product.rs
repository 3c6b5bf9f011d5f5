//! Finds advisories by the products that records name by CPE.
//!
//! A product is no part of a record's identity: a record that names a hundred of them is one advisory, or one for each
//! of its packages. The rows of products lead to records, and a record to the advisory that shows it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use starling_protocol::{ContentHash, Source};

use super::advisories::{AdvisoryRef, advisory_ref};
use crate::codec::{product_prefix, read_product_key};
use crate::error::ViewError;
use crate::identity::{Closures, vulnerabilities_of};
use crate::ports::RecordKey;
use crate::reading::{damaged, edge_is_withdrawn, record_row, scan_rows};
use crate::rows::{Rows, Table};
use crate::vulnerability::VulnerabilityId;

/// The name under which products are listed among changed packages, in place of an ecosystem.
pub const PRODUCT_ECOSYSTEM: &str = "CPE";

/// A record that names a product, with an advisory that shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProductAdvisory {
    /// The advisory, in the first of the record's packages.
    pub advisory: AdvisoryRef,
    /// The record.
    pub record: RecordKey,
    /// Its applicable contents: several if its authors disagree.
    pub contents: Vec<ContentHash>,
    /// True if authors disagree about the record and nobody has decided.
    pub is_unresolved: bool,
    /// True if the record is withdrawn, even if only from a later time on.
    pub is_withdrawn: bool,
}

/// Returns the records that name a product, each in every vulnerability that it is about; sorted by vulnerability.
/// Withdrawn records are among them, because a withdrawal may lie in the future.
///
/// # Errors
/// If the rows cannot be read.
pub fn advisories_by_product<R: Rows>(rows: &R, product: &str) -> Result<Vec<ProductAdvisory>, ViewError> {
    let mut found = Vec::new();
    if product.contains('\0') {
        return Ok(found);
    }
    let mut records = Vec::new();
    visit_products(rows, &product_prefix(product), &mut |_, record, is_withdrawn| {
        records.push((record, is_withdrawn));
        ControlFlow::Continue(())
    })?;
    let mut closures = Closures::new();
    for (record, is_withdrawn) in records {
        let Some(row) = record_row(rows, &record)? else {
            continue;
        };
        let own = VulnerabilityId::of_record(&record.id);
        let closure = if own.is_cve() {
            None
        } else {
            Some(closures.around(rows, &own)?)
        };
        let Some(package) = row.packages.first() else {
            continue;
        };
        for vulnerability in vulnerabilities_of(&own, &row, closure.as_ref()) {
            let Some(advisory) = advisory_ref(rows, vulnerability, package.clone())? else {
                continue;
            };
            found.push(ProductAdvisory {
                advisory,
                record: record.clone(),
                contents: row.contents().collect(),
                is_unresolved: row.is_unresolved(),
                is_withdrawn,
            });
        }
    }
    found.sort();
    Ok(found)
}

/// Visits every product that a record names, withdrawn or not, in order.
///
/// # Errors
/// If the rows cannot be read.
pub fn for_each_product<R: Rows>(
    rows: &R,
    mut visit: impl FnMut(&str) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    let mut last = String::new();
    visit_products(rows, &[], &mut |product, _, _| {
        if product == last {
            return ControlFlow::Continue(());
        }
        product.clone_into(&mut last);
        visit(product)
    })
}

/// Returns true if any record, withdrawn or not, names a product.
///
/// # Errors
/// If the rows cannot be read.
pub fn knows_products<R: Rows>(rows: &R) -> Result<bool, ViewError> {
    let mut known = false;
    visit_products(rows, &[], &mut |_, _, _| {
        known = true;
        ControlFlow::Break(())
    })?;
    Ok(known)
}

/// Returns the sources with a record, withdrawn or not, that names products.
///
/// # Errors
/// If the rows cannot be read.
pub fn sources_of_products<R: Rows>(rows: &R) -> Result<BTreeSet<Source>, ViewError> {
    sources_under(rows, &[])
}

/// Returns the sources with a record, withdrawn or not, that names a product.
///
/// # Errors
/// If the rows cannot be read.
pub fn sources_of_product<R: Rows>(rows: &R, product: &str) -> Result<BTreeSet<Source>, ViewError> {
    if product.contains('\0') {
        return Ok(BTreeSet::new());
    }
    sources_under(rows, &product_prefix(product))
}

fn sources_under<R: Rows>(rows: &R, prefix: &[u8]) -> Result<BTreeSet<Source>, ViewError> {
    let mut found = BTreeSet::new();
    visit_products(rows, prefix, &mut |_, record, _| {
        if !found.contains(&record.source) {
            found.insert(record.source);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Visits the rows under a prefix, with true for a withdrawn record.
fn visit_products<R: Rows>(
    rows: &R,
    prefix: &[u8],
    visit: &mut dyn FnMut(&str, RecordKey, bool) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    scan_rows(rows, Table::Products, prefix, |key, value| {
        let read = read_product_key(key);
        let (product, record) = read.ok_or_else(|| damaged(Table::Products, "a product's key", key))?;
        Ok(visit(product, record, edge_is_withdrawn(value)))
    })
}
