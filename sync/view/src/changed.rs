//! Finds the packages whose advisories fold differently since an update, so that a copy of folded advisories
//! knows which to fold again.
//!
//! An advisory shows more than its contributing records state. Ids, and records without a statement, belong to
//! the vulnerability and are shown in every package of it. So a record also changes packages that it does not
//! name.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::changes::Changes;
use crate::codec::RecordRow;
use crate::error::ViewError;
use crate::identity::Closures;
use crate::limits::MAX_COMPONENT_MEMBERS;
use crate::lookup::{PRODUCT_ECOSYSTEM, records_near, vulnerabilities_by_id};
use crate::package::PackageId;
use crate::ports::RecordKey;
use crate::reading::{led_to, record_row};
use crate::rows::Rows;
use crate::vulnerability::VulnerabilityId;

/// Adds the packages and the products of a record.
fn add_all(row: &RecordRow, packages: &mut BTreeSet<PackageId>) {
    packages.extend(row.packages.iter().cloned());
    packages.extend(row.products.iter().map(|product| of_product(product)));
}

fn of_product(product: &str) -> PackageId {
    PackageId::Package {
        ecosystem: PRODUCT_ECOSYSTEM.to_owned(),
        name: product.to_owned(),
    }
}

/// Returns every package with an advisory that may fold differently after an update of `records` that made
/// `changes`; some unchanged packages may be among them. Products are packages of [`PRODUCT_ECOSYSTEM`]. `None` if they cannot be determined: a vulnerability
/// has more records than are walked.
///
/// # Errors
/// If the rows cannot be read.
pub fn packages_changed<R: Rows>(
    rows: &R,
    records: &BTreeSet<RecordKey>,
    changes: &Changes,
) -> Result<Option<BTreeSet<PackageId>>, ViewError> {
    let mut closures = Closures::new();
    let changed = changes.advisories.iter().map(|change| change.package.clone());
    let mut packages: BTreeSet<PackageId> = changed.collect();
    packages.extend(changes.products.iter().map(|product| of_product(product)));
    let mut vulnerabilities = changes.vulnerabilities.clone();
    for record in records {
        match record_row(rows, record)? {
            // The authors that state it may differ, which is shown wherever it contributes.
            Some(row) if row.state.contributes() => add_all(&row, &mut packages),
            // A record without a statement is shown in all advisories of its vulnerability.
            _ => {
                let own = VulnerabilityId::of_record(&record.id);
                vulnerabilities.extend(vulnerabilities_by_id(rows, &own, &mut closures)?);
            }
        }
    }
    for vulnerability in &vulnerabilities {
        let near = records_near(rows, vulnerability, &mut closures)?;
        if near.len() >= MAX_COMPONENT_MEMBERS {
            return Ok(None);
        }
        near.values().for_each(|row| add_all(row, &mut packages));
        // Statements about the vulnerability apply to the records that it leads to.
        let mut led = Vec::new();
        led_to(rows, vulnerability, |_, record| {
            led.push(record);
            if led.len() < MAX_COMPONENT_MEMBERS {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        if led.len() >= MAX_COMPONENT_MEMBERS {
            return Ok(None);
        }
        for record in led {
            if let Some(row) = record_row(rows, &record)? {
                add_all(&row, &mut packages);
            }
        }
    }
    Ok(Some(packages))
}
