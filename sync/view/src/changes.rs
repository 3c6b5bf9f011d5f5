//! What an update changed, for events and import reports.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use starling_protocol::{MergeHash, Source};

use crate::package::PackageId;
use crate::ports::RecordKey;
use crate::vulnerability::VulnerabilityId;

/// What happened to a canonical advisory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// It was not there before.
    Created,
    /// Its records, or what they say, are others than before.
    Updated,
    /// Every record that feeds it is now withdrawn.
    Withdrawn,
    /// Nothing feeds it any more.
    Removed,
    /// Its vulnerability is now known under other names: its merge hash leads to theirs.
    Redirected {
        /// The advisories that stand for it now, sorted.
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
    /// What happened.
    #[serde(flatten)]
    pub action: Action,
}

/// What is odd about a record that was taken in all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Authors disagree about it and the policy waits for a decision.
    Unresolved,
    /// Its body is not at hand; it says nothing until the body comes.
    BodyMissing,
    /// Its body is not a JSON object.
    BodyUnreadable,
    /// It has more aliases than [`crate::limits::MAX_RECORD_ALIASES`]; none is followed.
    TooManyAliases,
    /// It names more packages than [`crate::limits::MAX_RECORD_PACKAGES`]; the first in order count.
    TooManyPackages,
    /// An alias, package name or repository cannot be a key: too long, or with control characters.
    UnusableName,
    /// Its aliases tie together more than [`crate::limits::MAX_COMPONENT_MEMBERS`]; it stands alone.
    ComponentTooLarge,
}

/// How many records of a source came and went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct LiveChange {
    /// Have content now, and had none.
    pub come: u64,
    /// Had content, and have none now.
    pub gone: u64,
}

/// All that an update changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The touched advisories, sorted by vulnerability and package.
    pub advisories: Vec<Change>,
    /// The vulnerabilities of those, and of every component around a record that changed, before and after: what
    /// else they go by may have changed in packages that no changed record names.
    pub vulnerabilities: BTreeSet<VulnerabilityId>,
    /// Ties between a record and an advisory that are new.
    pub edges_added: u64,
    /// Ties between a record and an advisory that are gone.
    pub edges_removed: u64,
    /// Records that were stated before and are now absent or retracted.
    pub records_removed: u64,
    /// Records per source that have content now and had none, and the other way round: what is counted by
    /// [`live_record_counts`](crate::live_record_counts), as it comes and goes.
    pub live: BTreeMap<Source, LiveChange>,
    /// Odd records among those that changed, sorted.
    pub problems: Vec<(RecordKey, Problem)>,
}
