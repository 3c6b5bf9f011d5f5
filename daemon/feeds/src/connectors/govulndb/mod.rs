//! The Go vulnerability database: OSV records, and indexes that look like records but are not, of other databases too.
//!
//! An index lists each record with its time of change. As records, its entries would be empty duplicates of the
//! records. The same holds for the reports that the database's records are made from, which have the same ids.

#[cfg(test)]
mod tests;

use super::Connector;
use super::output::Output;
use super::shallow;
use super::shape::Shape;

/// Reads documents of the Go vulnerability database.
pub(crate) struct Govulndb;

/// The members of an entry of an index.
const ID_AND_TIME: [&str; 2] = ["id", "modified"];

impl Govulndb {
    fn is_index(shape: &Shape<'_>) -> bool {
        let id = shape.value("id").and_then(shallow::string);
        let is_of_go = id.is_some_and(|id| id.starts_with("GO-"));
        (is_of_go && shape.has_only(true, &["id", "modified", "aliases"]))
            || (shape.has("path") && shape.has_only(true, &["path", "vulns", "versions"]))
            || shape.has_only(false, &["modified"])
    }

    /// Returns true if each item of a list has an id and a time alone: databases in the OSV schema publish such a list
    /// of their records (`all.json`).
    fn is_list_of_ids(bytes: &[u8]) -> bool {
        let body = crate::osv::strip_byte_order_mark(bytes).trim_ascii_start();
        shallow::items(body).is_some_and(|mut items| {
            items.all(|item| item.is_ok_and(|(_, item)| Shape::of(item).has_only(false, &ID_AND_TIME)))
        })
    }

    fn is_report(shape: &Shape<'_>) -> bool {
        let Some(text) = shape.text() else { return false };
        let has = |key: &str| text.lines().any(|line| line.starts_with(key));
        has("id: GO-") && (has("modules:") || has("excluded:")) && !has("affected:")
    }
}

impl Connector for Govulndb {
    fn name(&self) -> &'static str {
        "govulndb"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        let begins_like_ids =
            shape.has_only(true, &ID_AND_TIME) && ID_AND_TIME.iter().all(|key| shape.has(key));
        Self::is_index(shape) || Self::is_report(shape) || begins_like_ids
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let shape = Shape::of(bytes);
        if Self::is_index(&shape) || Self::is_list_of_ids(bytes) {
            out.ignore("", "an index of records, not a record");
        } else if Self::is_report(&shape) {
            out.ignore("", "a report that a record is made from, not the record");
        } else {
            out.osv_document(bytes);
        }
    }
}
