//! Reads and writes rows with types: this crate's own types instead of key and value bytes.

use std::ops::ControlFlow;

use starling_protocol::ContentHash;

use crate::codec::{
    EdgeKey, RecordRow, RecordState, alias_prefix, edge_prefix, read_alias_key, read_edge_key,
    read_record_key, record_key, record_prefix,
};
use crate::error::ViewError;
use crate::package::PackageId;
use crate::ports::{Bodies, Claims, RecordKey, Statement};
use crate::rows::{Rows, RowsMut, Table};
use crate::vulnerability::VulnerabilityId;

/// The value of an edge whose record is live.
const EDGE_LIVE: &[u8] = &[];
/// The value of an edge whose record is withdrawn.
const EDGE_WITHDRAWN: &[u8] = &[1];

/// Returns the value of an edge to a record in this state.
pub(crate) const fn edge_value(state: RecordState) -> &'static [u8] {
    if matches!(state, RecordState::Withdrawn) {
        EDGE_WITHDRAWN
    } else {
        EDGE_LIVE
    }
}

/// Returns true if an edge's value is that of a withdrawn record.
pub(crate) fn edge_is_withdrawn(value: &[u8]) -> bool {
    value == EDGE_WITHDRAWN
}

/// The contributions to an advisory: none, withdrawn records only, or a live record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    Nothing,
    Withdrawn,
    Live,
}

pub(crate) fn get_row<R: Rows>(rows: &R, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
    rows.get(table, key).map_err(|cause| ViewError::ReadRows {
        table,
        source: Box::new(cause),
    })
}

pub(crate) fn put_row<R: RowsMut>(
    rows: &mut R,
    table: Table,
    key: &[u8],
    value: &[u8],
) -> Result<(), ViewError> {
    rows.put(table, key, value).map_err(|cause| ViewError::WriteRows {
        table,
        source: Box::new(cause),
    })
}

pub(crate) fn remove_row<R: RowsMut>(rows: &mut R, table: Table, key: &[u8]) -> Result<(), ViewError> {
    rows.remove(table, key).map_err(|cause| ViewError::WriteRows {
        table,
        source: Box::new(cause),
    })
}

/// Visits the rows under a prefix with a fallible visitor, until it fails or breaks.
pub(crate) fn scan_rows<R: Rows>(
    rows: &R,
    table: Table,
    prefix: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, ViewError>,
) -> Result<(), ViewError> {
    let mut outcome = Ok(());
    rows.scan(table, prefix, &mut |key, value| match visit(key, value) {
        Ok(flow) => flow,
        Err(error) => {
            outcome = Err(error);
            ControlFlow::Break(())
        }
    })
    .map_err(|cause| ViewError::ReadRows {
        table,
        source: Box::new(cause),
    })?;
    outcome
}

/// Builds the error for a row whose bytes this version never writes.
pub(crate) fn damaged(table: Table, expected: &'static str, bytes: &[u8]) -> ViewError {
    let found = bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect();
    ViewError::DamagedRow {
        table,
        expected,
        found,
    }
}

pub(crate) fn decode_record(value: &[u8]) -> Result<RecordRow, ViewError> {
    RecordRow::decode(value).ok_or_else(|| damaged(Table::Records, "a record's row", value))
}

pub(crate) fn decode_record_key(key: &[u8]) -> Result<(VulnerabilityId, RecordKey), ViewError> {
    read_record_key(key).ok_or_else(|| damaged(Table::Records, "a record's key", key))
}

pub(crate) fn decode_edge_key(key: &[u8]) -> Result<EdgeKey, ViewError> {
    read_edge_key(key).ok_or_else(|| damaged(Table::Edges, "an edge's key", key))
}

/// Returns the row of one record.
pub(crate) fn record_row<R: Rows>(rows: &R, record: &RecordKey) -> Result<Option<RecordRow>, ViewError> {
    get_row(rows, Table::Records, &record_key(record))?
        .map(|value| decode_record(&value))
        .transpose()
}

/// Visits the records with an id, of every source.
pub(crate) fn records_with_id<R: Rows>(
    rows: &R,
    id: &VulnerabilityId,
    mut visit: impl FnMut(RecordKey, RecordRow) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    scan_rows(rows, Table::Records, &record_prefix(id), |key, value| {
        let (_, record) = decode_record_key(key)?;
        Ok(visit(record, decode_record(value)?))
    })
}

/// The value of an alias's row.
pub(crate) const ALIAS: &[u8] = &[];
/// The value of an id from which the record is derived; the two share no identity.
pub(crate) const UPSTREAM: &[u8] = &[1];
/// The value of an id that leads to the record without naming it.
pub(crate) const RELATED: &[u8] = &[2];

/// Visits the records that have an id among their aliases, each with its own id.
pub(crate) fn mentions_of<R: Rows>(
    rows: &R,
    id: &VulnerabilityId,
    visit: impl FnMut(VulnerabilityId, RecordKey) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    visit_aliases(rows, id, |value| value == ALIAS, visit)
}

/// Visits the records that an id leads to without shared identity, each with its own id.
pub(crate) fn led_to<R: Rows>(
    rows: &R,
    id: &VulnerabilityId,
    visit: impl FnMut(VulnerabilityId, RecordKey) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    visit_aliases(rows, id, |value| value != ALIAS, visit)
}

fn visit_aliases<R: Rows>(
    rows: &R,
    id: &VulnerabilityId,
    is_wanted: impl Fn(&[u8]) -> bool,
    mut visit: impl FnMut(VulnerabilityId, RecordKey) -> ControlFlow<()>,
) -> Result<(), ViewError> {
    scan_rows(rows, Table::Aliases, &alias_prefix(id), |key, value| {
        if !is_wanted(value) {
            return Ok(ControlFlow::Continue(()));
        }
        let (own, record) =
            read_alias_key(key).ok_or_else(|| damaged(Table::Aliases, "an alias's key", key))?;
        Ok(visit(own, record))
    })
}

/// Returns the contributions to an advisory; stops at the first live record.
pub(crate) fn feed_of<R: Rows>(
    rows: &R,
    vulnerability: &VulnerabilityId,
    package: &PackageId,
) -> Result<Feed, ViewError> {
    let mut feed = Feed::Nothing;
    scan_rows(
        rows,
        Table::Edges,
        &edge_prefix(package, vulnerability),
        |_, value| {
            if edge_is_withdrawn(value) {
                feed = Feed::Withdrawn;
                Ok(ControlFlow::Continue(()))
            } else {
                feed = Feed::Live;
                Ok(ControlFlow::Break(()))
            }
        },
    )?;
    Ok(feed)
}

pub(crate) fn statements_of<C: Claims>(claims: &C, record: &RecordKey) -> Result<Vec<Statement>, ViewError> {
    claims
        .statements(&record.source, &record.id)
        .map_err(|cause| ViewError::ReadClaims {
            record: record.clone(),
            source: Box::new(cause),
        })
}

pub(crate) fn body_of<B: Bodies>(
    bodies: &B,
    record: &RecordKey,
    content: &ContentHash,
) -> Result<Option<Vec<u8>>, ViewError> {
    bodies.body(content).map_err(|cause| ViewError::ReadBody {
        record: record.clone(),
        content: *content,
        source: Box::new(cause),
    })
}
