//! What the view asks of its surroundings: who states what, the bytes of a record, and what an
//! operator decided.
//!
//! The store answers from its trees, a simulation from maps. The view never asks for more than one
//! record at a time, so an answer may be as fresh as the transaction it is read in.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use starling_protocol::{ContentHash, Lane, RecordId, SiteId, Source, UnixMillis};

/// Names one source's record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordKey {
    /// Where the record comes from.
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

/// What one author currently says about one record in one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Who says it.
    pub author: SiteId,
    /// In which of the author's logs.
    pub lane: Lane,
    /// What is said.
    pub kind: StatementKind,
    /// The time of the claim, by the author's clock.
    pub time: UnixMillis,
}

/// What a statement says of its record. A retracted statement is no statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatementKind {
    /// The record has this content.
    Set(ContentHash),
    /// The source no longer has the record.
    Absent,
}

/// The current accepted claims.
pub trait Claims {
    /// Why an answer could not be given.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Returns every current accepted statement about a record: at most one per author and lane,
    /// in any order. Nothing was ever stated, or all was retracted: an empty list.
    ///
    /// # Errors
    /// When the claims could not be read.
    fn statements(&self, source: &Source, id: &RecordId) -> Result<Vec<Statement>, Self::Error>;
}

/// The record bodies, by content.
pub trait Bodies {
    /// Why an answer could not be given.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Returns the canonical bytes of a record, or nothing when they are not at hand.
    ///
    /// # Errors
    /// When the bodies could not be read.
    fn body(&self, content: &ContentHash) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// The operator's recorded decisions: which content a record has where its authors disagree.
///
/// A decision counts only while an author states that content, so it cannot outlive what it decided.
pub type Decisions = BTreeMap<RecordKey, ContentHash>;
