//! The Go vulnerability database: OSV records, and indexes that look like records but are not.
//!
//! An index lists each record with its time of change. As records, its entries would be empty duplicates of the
//! records.

#[cfg(test)]
mod tests;

use super::Connector;
use super::output::Output;
use super::shallow;
use super::shape::Shape;

/// Reads documents of the Go vulnerability database.
pub(crate) struct Govulndb;

impl Govulndb {
    fn is_index(shape: &Shape<'_>) -> bool {
        let id = shape.value("id").and_then(shallow::string);
        let is_of_go = id.is_some_and(|id| id.starts_with("GO-"));
        (is_of_go && shape.has_only(true, &["id", "modified", "aliases"]))
            || (shape.has("path") && shape.has_only(true, &["path", "vulns", "versions"]))
            || shape.has_only(false, &["modified"])
    }
}

impl Connector for Govulndb {
    fn name(&self) -> &'static str {
        "govulndb"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        Self::is_index(shape)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        if Self::is_index(&Shape::of(bytes)) {
            out.ignore("", "an index of records, not a record");
        } else {
            out.osv_document(bytes);
        }
    }
}
