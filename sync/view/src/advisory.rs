//! The canonical advisory as it is shown: one vulnerability in one package, every field with where
//! it comes from and what it won over.
//!
//! Members are declared in the order of their names, so that what serde writes is canonical JSON.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use starling_protocol::json;
use starling_protocol::{ContentHash, Lane, MergeHash, RecordId, SiteId, Source, UnixMillis};

use crate::error::ViewError;
use crate::package::PackageId;
use crate::ports::RecordKey;
use crate::vulnerability::VulnerabilityId;
use crate::weight::Weight;

/// What all current claims say of one vulnerability in one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CanonicalAdvisory {
    /// All other ids that stand for the vulnerability, sorted; other CVEs left out.
    pub aliases: Vec<VulnerabilityId>,
    /// Records on which authors disagree. What sources disagree on is in the fields.
    pub conflicts: Vec<Conflict>,
    /// The claims behind it, by record and author.
    pub edges: Vec<Edge>,
    /// What it says.
    pub fields: Fields,
    /// The name made of vulnerability and package.
    pub merge_hash: MergeHash,
    /// Other CVEs that a record of this advisory names as well, sorted.
    pub other_vulnerabilities: Vec<VulnerabilityId>,
    /// CVEs that its records say they are made from, of each the one if it is one. They name the advisory to who looks
    /// for them, and merge nothing.
    #[serde(skip)]
    pub upstream: Vec<VulnerabilityId>,
    /// Ids that lead to it and do not name it, sorted: CVEs that its records are made from where they are several, and
    /// aliases that only some authors of a record give. What is said of their severity counts for it.
    #[serde(skip)]
    pub related: Vec<VulnerabilityId>,
    /// The package.
    pub package: PackageId,
    /// Merge hashes that lead here: the names it would have under its aliases, sorted.
    pub redirected_from: Vec<MergeHash>,
    /// Whether every record that feeds it is withdrawn.
    pub state: AdvisoryState,
    /// What each live record says of the package, in fold order. Empty if one record alone speaks and counts: then
    /// `fields.affected` is its word.
    #[serde(skip)]
    pub statements: Vec<Stated>,
    /// The records that feed it about which authors disagree and nobody has decided, sorted.
    #[serde(skip)]
    pub unresolved: Vec<RecordKey>,
    /// The vulnerability: a CVE if one is known, else the least of its ids.
    pub vulnerability: VulnerabilityId,
}

/// Whether an advisory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvisoryState {
    /// A record that is not withdrawn feeds it.
    Live,
    /// Every record that feeds it is withdrawn.
    Withdrawn,
}

/// The fields of an advisory, named as in the OSV schema.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Fields {
    /// The entries of `affected` that are about this package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affected: Option<Field>,
    /// The weaknesses (`CWE-79`) that any record names, each once, sorted.
    pub cwes: Vec<Member>,
    /// Text of any length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Field>,
    /// When it was last modified, as the source says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<Field>,
    /// When it was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Field>,
    /// The references of all records, each once, sorted by their canonical bytes.
    pub references: Vec<Member>,
    /// The list of scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Field>,
    /// One line of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Field>,
    /// When it was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Field>,
}

/// The name of a field of which one value wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldName {
    /// The entries of `affected` that are about the package.
    Affected,
    /// Text of any length.
    Details,
    /// When it was last modified.
    Modified,
    /// When it was published.
    Published,
    /// The list of scores.
    Severity,
    /// One line of text.
    Summary,
    /// When it was withdrawn.
    Withdrawn,
}

impl FieldName {
    /// All of them, by name.
    pub const ALL: [Self; 7] = [
        Self::Affected,
        Self::Details,
        Self::Modified,
        Self::Published,
        Self::Severity,
        Self::Summary,
        Self::Withdrawn,
    ];

    /// The name, as in the OSV schema.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Affected => "affected",
            Self::Details => "details",
            Self::Modified => "modified",
            Self::Published => "published",
            Self::Severity => "severity",
            Self::Summary => "summary",
            Self::Withdrawn => "withdrawn",
        }
    }
}

impl Fields {
    /// A field of which one value wins, if any record has it.
    #[must_use]
    pub const fn get(&self, name: FieldName) -> Option<&Field> {
        match name {
            FieldName::Affected => self.affected.as_ref(),
            FieldName::Details => self.details.as_ref(),
            FieldName::Modified => self.modified.as_ref(),
            FieldName::Published => self.published.as_ref(),
            FieldName::Severity => self.severity.as_ref(),
            FieldName::Summary => self.summary.as_ref(),
            FieldName::Withdrawn => self.withdrawn.as_ref(),
        }
    }

    pub(crate) const fn slot(&mut self, name: FieldName) -> &mut Option<Field> {
        match name {
            FieldName::Affected => &mut self.affected,
            FieldName::Details => &mut self.details,
            FieldName::Modified => &mut self.modified,
            FieldName::Published => &mut self.published,
            FieldName::Severity => &mut self.severity,
            FieldName::Summary => &mut self.summary,
            FieldName::Withdrawn => &mut self.withdrawn,
        }
    }
}

/// A field of which one value wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The values of other records that differ, in fold order; equal ones once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losers: Vec<Loser>,
    /// Where it comes from.
    pub provenance: Provenance,
    /// The value of the first record in fold order that has any.
    pub value: JsonText,
}

/// A value that another won over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Loser {
    /// Where it comes from.
    pub provenance: Provenance,
    /// The value.
    pub value: JsonText,
}

/// What records say of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The entries of `affected` about the package.
    pub affected: JsonText,
    /// The records that say just this, in fold order.
    pub by: Vec<RecordKey>,
    /// Whether it is one of several contents of its record between which nobody has decided.
    pub is_unresolved: bool,
    /// How much it counts.
    pub weight: Weight,
}

/// A member of a field that is the union of what all records say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The records that have it, in fold order.
    pub provenance: Vec<Provenance>,
    /// The value.
    pub value: JsonText,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// Who states that content, sorted.
    pub authors: Vec<SiteId>,
    /// The content of the record.
    pub content: ContentHash,
    /// The id of the record.
    pub id: RecordId,
    /// The source of the record.
    pub source: Source,
}

/// A claim and what has become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// Who claims it.
    pub author: SiteId,
    /// The time of the claim, by its author's clock.
    #[serde(serialize_with = "time_text")]
    pub claimed_at: UnixMillis,
    /// The content claimed; nothing where the claim is that the source dropped the record.
    pub content: Option<ContentHash>,
    /// The id of the record.
    pub id: RecordId,
    /// In which of its logs.
    pub lane: Lane,
    /// The source of the record.
    pub source: Source,
    /// What has become of it.
    pub state: EdgeState,
}

/// What has become of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeState {
    /// It was chosen and feeds the advisory.
    Live,
    /// It was chosen; the record is withdrawn.
    Withdrawn,
    /// It was chosen: the source dropped the record.
    Absent,
    /// Another author's claim was chosen.
    Outvoted,
    /// It waits for an operator's decision between it and others.
    Unresolved,
    /// It was chosen; its body is not at hand.
    BodyMissing,
    /// It was chosen; its body is no JSON object.
    BodyUnreadable,
}

/// A record on which authors disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The content chosen; nothing when the record is absent or waits for a decision.
    pub chosen: Option<ContentHash>,
    /// The id of the record.
    pub id: RecordId,
    /// What was not chosen, sorted.
    pub others: Vec<Outvoted>,
    /// The source of the record.
    pub source: Source,
}

/// A claim that was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outvoted {
    /// Who claims it.
    pub author: SiteId,
    /// The content claimed; nothing where the claim is that the source dropped the record.
    pub content: Option<ContentHash>,
    /// What it says of this package, by field: kept, and never a part of what the advisory says. Empty where
    /// the body is not at hand.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<FieldName, JsonText>,
}

/// One JSON value as its canonical text, so that no number is rounded on the way.
#[derive(Debug, Clone)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// Keeps the canonical text of a value.
    ///
    /// # Errors
    /// When the text could not be kept; canonical JSON always can.
    pub(crate) fn of(value: &json::Value<'_>) -> Result<Self, ViewError> {
        Self::of_canonical(String::from_utf8_lossy(&value.to_canonical()).into_owned())
    }

    /// Keeps text that is canonical already.
    ///
    /// # Errors
    /// When it could not be kept; canonical JSON always can.
    pub(crate) fn of_canonical(text: String) -> Result<Self, ViewError> {
        RawValue::from_string(text)
            .map(Self)
            .map_err(|source| ViewError::WriteJson { source })
    }

    /// The canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for JsonText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for JsonText {}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl CanonicalAdvisory {
    /// Returns the advisory as canonical JSON: equal claims give equal bytes.
    ///
    /// # Errors
    /// When it could not be written; what records can hold always can.
    pub fn to_canonical_json(&self) -> Result<Vec<u8>, ViewError> {
        // Not through a canonicaliser: that would bound the depth of a record's values once more.
        serde_json::to_vec(self).map_err(|source| ViewError::WriteJson { source })
    }
}

fn time_text<S: Serializer>(time: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
