//! The ports of the view: statements about records, the bytes of records, and the operator's decisions.
//!
//! The store answers from its trees, a simulation from maps. The view never asks for more than one record at a
//! time, so an answer may be as fresh as the transaction in which it is read.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use starling_protocol::{ContentHash, Lane, RecordId, SiteId, Source, UnixMillis};

/// Names one source's record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordKey {
    /// The record's source.
    pub source: Source,
    /// Its id within the source.
    pub id: RecordId,
}

impl RecordKey {
    /// Joins a source and an id.
    #[must_use]
    pub const fn new(source: Source, id: RecordId) -> Self {
        Self { source, id }
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.id)
    }
}

impl Serialize for RecordKey {
    /// Writes `id` before `source`, as canonical JSON sorts them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("RecordKey", 2)?;
        fields.serialize_field("id", &self.id)?;
        fields.serialize_field("source", &self.source)?;
        fields.end()
    }
}

/// The current statement of one author about one record in one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The author.
    pub author: SiteId,
    /// In which of the author's logs.
    pub lane: Lane,
    /// The statement.
    pub kind: StatementKind,
    /// The time of the claim, by the author's clock.
    pub time: UnixMillis,
}

/// A statement about a record. A retracted statement does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatementKind {
    /// The record has this content.
    Set(ContentHash),
    /// The source no longer has the record.
    Absent,
}

/// The current accepted claims.
pub trait Claims {
    /// The error of the port.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Returns every current accepted statement about a record: at most one per author and lane, in any order.
    /// The list is empty if nothing was stated or everything was retracted.
    ///
    /// # Errors
    /// If the claims cannot be read.
    fn statements(&self, source: &Source, id: &RecordId) -> Result<Vec<Statement>, Self::Error>;
}

/// The record bodies, by content.
pub trait Bodies {
    /// The error of the port.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Returns the canonical bytes of a record, or `None` if they are not available.
    ///
    /// # Errors
    /// If the bodies cannot be read.
    fn body(&self, content: &ContentHash) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// The operator's recorded decisions: the content of records on which authors disagree.
///
/// A decision applies only while an author states that content, so it cannot outlive the disagreement.
pub type Decisions = BTreeMap<RecordKey, ContentHash>;
