//! Which packages have advisories that fold to something else since an update: what a copy of folded advisories has
//! to fold anew.
//!
//! An advisory shows more than the records that feed it say. Ids, and records that say nothing, belong to the
//! vulnerability: they are shown in every package of it, so a record changes packages that it does not name.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use crate::changes::Changes;
use crate::error::ViewError;
use crate::identity::Closures;
use crate::limits::MAX_COMPONENT_MEMBERS;
use crate::lookup::{records_near, vulnerabilities_by_id};
use crate::package::PackageId;
use crate::ports::RecordKey;
use crate::reading::{led_to, record_row};
use crate::rows::Rows;
use crate::vulnerability::VulnerabilityId;

/// Returns every package an advisory of which may fold to something else after an update of `records` that made
/// `changes`; some others may be among them. None if they cannot be told: a vulnerability has more records than
/// are walked.
///
/// # Errors
/// When the rows could not be read.
pub fn packages_changed<R: Rows>(
    rows: &R,
    records: &BTreeSet<RecordKey>,
    changes: &Changes,
) -> Result<Option<BTreeSet<PackageId>>, ViewError> {
    let mut closures = Closures::new();
    let changed = changes.advisories.iter().map(|change| change.package.clone());
    let mut packages: BTreeSet<PackageId> = changed.collect();
    let mut vulnerabilities = changes.vulnerabilities.clone();
    for record in records {
        match record_row(rows, record)? {
            // Who states it may be others than before, which is told where it takes part.
            Some(row) if row.state.contributes() => packages.extend(row.packages),
            // One that says nothing is shown in all of the vulnerability that it would be about.
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
        packages.extend(near.values().flat_map(|row| row.packages.iter().cloned()));
        // What is said of the vulnerability counts for records that it leads to.
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
            packages.extend(
                record_row(rows, &record)?
                    .into_iter()
                    .flat_map(|row| row.packages),
            );
        }
    }
    Ok(Some(packages))
}
