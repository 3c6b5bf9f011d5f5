//! The changes of an update, for events and import reports.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use starling_protocol::{MergeHash, Source};

use crate::package::PackageId;
use crate::ports::RecordKey;
use crate::vulnerability::VulnerabilityId;

/// The change of a canonical advisory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// The advisory is new.
    Created,
    /// Its records, or their statements, changed.
    Updated,
    /// Every contributing record is withdrawn now.
    Withdrawn,
    /// No record contributes to it any more.
    Removed,
    /// Its vulnerability is now known under other names, to which its merge hash leads.
    Redirected {
        /// The advisories that replace it now, sorted.
        to: Vec<MergeHash>,
    },
}

/// One canonical advisory that an update touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The vulnerability.
    pub vulnerability: VulnerabilityId,
    /// The package.
    pub package: PackageId,
    /// The name made of both.
    pub merge_hash: MergeHash,
    /// The kind of change.
    #[serde(flatten)]
    pub action: Action,
}

/// A problem of a record that was taken in all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Authors disagree about it, and the policy waits for a decision.
    Unresolved,
    /// Its body is not available; the record has no effect until the body comes.
    BodyMissing,
    /// Its body is not a JSON object.
    BodyUnreadable,
    /// It has more than [`crate::limits::MAX_RECORD_ALIASES`] aliases; none is followed.
    TooManyAliases,
    /// It names more than [`crate::limits::MAX_RECORD_PACKAGES`] packages; only the first ones in order are
    /// used.
    TooManyPackages,
    /// It names more than [`crate::limits::MAX_RECORD_PRODUCTS`] products; only the first ones in order are used.
    TooManyProducts,
    /// It names products that cannot be looked up: its CPE names cannot be read, leave vendor or product open, or its
    /// configurations exceed a limit.
    UnusableProduct,
    /// An alias, package name or repository cannot be a key: too long, or with control characters.
    UnusableName,
    /// Its aliases connect more than [`crate::limits::MAX_COMPONENT_MEMBERS`] members; it stands alone.
    ComponentTooLarge,
}

/// The numbers of records of a source that appeared and disappeared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LiveChange {
    /// Records that have content now and had none.
    pub come: u64,
    /// Records that had content and have none now.
    pub gone: u64,
}

/// All that an update changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The touched advisories, sorted by vulnerability and package.
    pub advisories: Vec<Change>,
    /// The vulnerabilities of those, and of every component around a changed record, before and after: their
    /// other names may have changed in packages that no changed record names.
    pub vulnerabilities: BTreeSet<VulnerabilityId>,
    /// The products of the changed records, before and after.
    pub products: BTreeSet<String>,
    /// Ties between a record and an advisory that are new.
    pub edges_added: u64,
    /// Ties between a record and an advisory that are gone.
    pub edges_removed: u64,
    /// Records that were stated before and are now absent or retracted.
    pub records_removed: u64,
    /// For each source, the records that gained or lost content: the changes of the numbers in
    /// [`live_record_counts`](crate::live_record_counts).
    pub live: BTreeMap<Source, LiveChange>,
    /// Odd records among those that changed, sorted.
    pub problems: Vec<(RecordKey, Problem)>,
}
