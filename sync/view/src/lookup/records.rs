//! Lists the records of the view: live ones of a source, held ones, and the content chosen for one.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_protocol::{ContentHash, RecordId, Source};

use crate::codec::{RecordState, read_held_key};
use crate::error::ViewError;
use crate::package::PackageId;
use crate::ports::RecordKey;
use crate::reading::{damaged, decode_record, decode_record_key, record_row, scan_rows};
use crate::rows::{Rows, Table};

/// A record that its source has, by its chosen content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveRecord {
    /// Its id.
    pub id: RecordId,
    /// The hash of its body.
    pub content: ContentHash,
}

/// Returns the current records of a source, withdrawn ones included, sorted by id: the content of a dump.
///
/// Reads every record row: keys begin with the id, so that all sources' records of one id are together.
///
/// # Errors
/// If the rows cannot be read.
pub fn live_records<R: Rows>(rows: &R, source: &Source) -> Result<Vec<LiveRecord>, ViewError> {
    let mut records = Vec::new();
    scan_rows(rows, Table::Records, &[], |key, value| {
        let (_, record) = decode_record_key(key)?;
        if record.source == *source
            && let Some(content) = decode_record(value)?.content
        {
            records.push(LiveRecord {
                id: record.id,
                content,
            });
        }
        Ok(ControlFlow::Continue(()))
    })?;
    records.sort();
    Ok(records)
}

/// Visits every live record, with its packages and the products that it names by CPE.
///
/// # Errors
/// If the rows cannot be read.
pub fn for_each_live_record<R: Rows>(
    rows: &R,
    mut visit: impl FnMut(&RecordKey, &[PackageId], &[String]) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    scan_rows(rows, Table::Records, &[], |key, value| {
        let row = decode_record(value)?;
        if row.state != RecordState::Live {
            return Ok(ControlFlow::Continue(()));
        }
        let (_, record) = decode_record_key(key)?;
        Ok(visit(&record, &row.packages, &row.products))
    })
}

/// Returns the number of current records of each source, withdrawn ones included.
///
/// # Errors
/// If the rows cannot be read.
pub fn live_record_counts<R: Rows>(rows: &R) -> Result<BTreeMap<Source, u64>, ViewError> {
    let mut counts = BTreeMap::new();
    scan_rows(rows, Table::Records, &[], |key, value| {
        let (_, record) = decode_record_key(key)?;
        if decode_record(value)?.content.is_some() {
            *counts.entry(record.source).or_default() += 1;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(counts)
}

/// Returns the records that wait for an operator's decision, sorted.
///
/// # Errors
/// If the rows cannot be read.
pub fn held_records<R: Rows>(rows: &R) -> Result<Vec<RecordKey>, ViewError> {
    let mut records = Vec::new();
    scan_rows(rows, Table::Held, &[], |key, _| {
        records.push(read_held_key(key).ok_or_else(|| damaged(Table::Held, "a held record's key", key))?);
        Ok(ControlFlow::Continue(()))
    })?;
    records.sort();
    Ok(records)
}

/// Returns the content that the view has chosen for a record; `None` if it is absent, unresolved or unknown.
///
/// # Errors
/// If the rows cannot be read.
pub fn chosen_content<R: Rows>(rows: &R, record: &RecordKey) -> Result<Option<ContentHash>, ViewError> {
    let row = record_row(rows, record)?.filter(|row| !row.is_unresolved());
    Ok(row.and_then(|row| row.content))
}
