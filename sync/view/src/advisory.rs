//! The canonical advisory as it is shown: one vulnerability in one package, each field with its provenance and
//! the values that lost to it.
//!
//! Members are declared in the order of their names, so that serde writes canonical JSON.

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

/// The content of all current claims about one vulnerability in one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CanonicalAdvisory {
    /// All other ids of the vulnerability, sorted, without other CVEs.
    pub aliases: Vec<VulnerabilityId>,
    /// Records on which authors disagree. Disagreements between sources are in the fields.
    pub conflicts: Vec<Conflict>,
    /// The claims behind it, by record and author.
    pub edges: Vec<Edge>,
    /// Records in which some entries of `affected` name a package and some do not, each with the number of the latter. No
    /// advisory shows these entries.
    #[serde(skip)]
    pub entries_without_package: Vec<(RecordKey, usize)>,
    /// Its folded fields.
    pub fields: Fields,
    /// The name made of vulnerability and package.
    pub merge_hash: MergeHash,
    /// Other CVEs that a record of this advisory names as well, sorted.
    pub other_vulnerabilities: Vec<VulnerabilityId>,
    /// CVEs from which its records are derived, as they state: of each record that states exactly one. Searches by
    /// them find the advisory, but they merge nothing.
    #[serde(skip)]
    pub upstream: Vec<VulnerabilityId>,
    /// Ids that lead to it without naming it, sorted: CVEs from which its records are derived if there are
    /// several, and aliases that only some authors of a record give. Statements about their severity apply to
    /// it.
    #[serde(skip)]
    pub related: Vec<VulnerabilityId>,
    /// The package.
    pub package: PackageId,
    /// Merge hashes that lead here: the names that it would have under its aliases, sorted.
    pub redirected_from: Vec<MergeHash>,
    /// The state: withdrawn if every contributing record is.
    pub state: AdvisoryState,
    /// The statements of live records about the package, in fold order. Empty if only one record makes a
    /// statement and it applies: then that statement is `fields.affected`.
    #[serde(skip)]
    pub statements: Vec<Stated>,
    /// Its contributing records with an undecided disagreement between authors, sorted.
    #[serde(skip)]
    pub unresolved: Vec<RecordKey>,
    /// The vulnerability: a CVE if one is known, else the least of its ids.
    pub vulnerability: VulnerabilityId,
    /// The statements of withdrawn records, in fold order. The fold knows no time, so it cannot decide if a
    /// withdrawal lies in the future; until then its record's statement applies.
    #[serde(skip)]
    pub withdrawn_statements: Vec<WithdrawnStatement>,
}

/// The state of an advisory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdvisoryState {
    /// At least one contributing record is not withdrawn.
    Live,
    /// Every contributing record is withdrawn.
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
    /// The time of the last change, as stated by the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<Field>,
    /// The time of publication.
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
    /// The time of withdrawal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Field>,
}

/// The name of a field in which one value wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldName {
    /// The entries of `affected` that are about the package.
    Affected,
    /// Text of any length.
    Details,
    /// The time of the last change.
    Modified,
    /// The time of publication.
    Published,
    /// The list of scores.
    Severity,
    /// One line of text.
    Summary,
    /// The time of withdrawal.
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

    /// Returns the name, as in the OSV schema.
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
    /// Returns a field in which one value wins, if any record has it.
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

/// A field in which one value wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The differing values of other records, in fold order, equal ones once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losers: Vec<OutvotedValue>,
    /// The provenance of the value.
    pub provenance: Provenance,
    /// The value of the first record in fold order that has any.
    pub value: JsonText,
}

/// A value that was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutvotedValue {
    /// The provenance of the value.
    pub provenance: Provenance,
    /// The value.
    pub value: JsonText,
}

/// A statement of records about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The entries of `affected` about the package.
    pub affected: JsonText,
    /// The records with exactly this statement, in fold order.
    pub by: Vec<RecordKey>,
    /// True if it is one of several contents of its record and nobody has decided between them.
    pub is_unresolved: bool,
    /// Its weight.
    pub weight: Weight,
}

/// The statement of a withdrawn record about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WithdrawnStatement {
    /// The entries of `affected` about the package; `None` if there are none.
    pub affected: Option<JsonText>,
    /// The record.
    pub by: RecordKey,
    /// True if it is one of several contents of its record and nobody has decided between them.
    pub is_unresolved: bool,
    /// Its weight beside the live records, if it were one of them. Withdrawn records do not outrank each other.
    pub weight: Weight,
    /// The text of `withdrawn`, as JSON.
    pub withdrawn: Option<JsonText>,
}

/// A member of a field that unites the values of all records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The records that have it, in fold order.
    pub provenance: Vec<Provenance>,
    /// The value.
    pub value: JsonText,
}

/// The provenance of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The authors that state that content, sorted.
    pub authors: Vec<SiteId>,
    /// The content of the record.
    pub content: ContentHash,
    /// The id of the record.
    pub id: RecordId,
    /// The source of the record.
    pub source: Source,
}

/// A claim and its effect on the advisory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// The author of the claim.
    pub author: SiteId,
    /// The time of the claim, by its author's clock.
    #[serde(serialize_with = "time_text")]
    pub claimed_at: UnixMillis,
    /// The claimed content; `None` if the claim is that the source dropped the record.
    pub content: Option<ContentHash>,
    /// The id of the record.
    pub id: RecordId,
    /// The lane of the author's log.
    pub lane: Lane,
    /// The source of the record.
    pub source: Source,
    /// The effect of the claim.
    pub state: EdgeState,
}

/// The effect of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeState {
    /// The claim was chosen and contributes to the advisory.
    Live,
    /// The claim was chosen; the record is withdrawn.
    Withdrawn,
    /// The claim was chosen; the source dropped the record.
    Absent,
    /// Another author's claim was chosen.
    Outvoted,
    /// An operator has to decide between this claim and others.
    Unresolved,
    /// The claim was chosen; its body is not available.
    BodyMissing,
    /// The claim was chosen; its body is not a JSON object.
    BodyUnreadable,
}

/// A record on which authors disagree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The chosen content; `None` if the record is absent or waits for a decision.
    pub chosen: Option<ContentHash>,
    /// The id of the record.
    pub id: RecordId,
    /// The claims that were not chosen, sorted.
    pub others: Vec<OutvotedClaim>,
    /// The source of the record.
    pub source: Source,
}

/// A claim that was not chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutvotedClaim {
    /// The author of the claim.
    pub author: SiteId,
    /// The claimed content; `None` if the claim is that the source dropped the record.
    pub content: Option<ContentHash>,
    /// Its statement about this package, by field. It is kept, but never part of the advisory. Empty if the
    /// body is not available.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<FieldName, JsonText>,
}

/// One JSON value as its canonical text, so that no number is ever rounded.
#[derive(Debug, Clone)]
pub struct JsonText(Box<RawValue>);

impl JsonText {
    /// Keeps the canonical text of a value.
    ///
    /// # Errors
    /// If the text could not be kept; canonical JSON always can.
    pub(crate) fn of(value: &json::Value<'_>) -> Result<Self, ViewError> {
        Self::of_canonical(String::from_utf8_lossy(&value.to_canonical()).into_owned())
    }

    /// Keeps text that is already canonical.
    ///
    /// # Errors
    /// If it could not be kept; canonical JSON always can.
    pub(crate) fn of_canonical(text: String) -> Result<Self, ViewError> {
        RawValue::from_string(text)
            .map(Self)
            .map_err(|source| ViewError::WriteJson { source })
    }

    /// Returns the canonical text.
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
    /// If it could not be written; the content of records always can.
    pub fn to_canonical_json(&self) -> Result<Vec<u8>, ViewError> {
        // A canonicaliser would limit the depth of a record's values a second time.
        serde_json::to_vec(self).map_err(|source| ViewError::WriteJson { source })
    }
}

fn time_text<S: Serializer>(time: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}
