//! Bodies and error codes shared by server and client: plain data with its JSON form.
//!
//! The JSON form is a contract: fields may be added, but never renamed, retyped or removed. Readers ignore unknown
//! response fields. Request bodies with unknown fields are refused, so that a misspelt option is noticed. The
//! *meaning* of a cursor or a hash belongs to `starling-protocol`; this crate only checks their text form.

mod advisory;
mod as_of;
mod bundle;
mod conflict;
mod doctor;
mod error_code;
mod event;
mod exit;
mod explain;
mod feed;
mod feed_list;
mod feed_run;
mod hash;
mod home;
mod mute;
#[cfg(test)]
mod newer_daemon;
mod policy;
mod problem;
mod protocol;
mod raw_json;
mod scan;
pub mod secrets;
mod site;
mod status;
mod store;
mod sync;
mod text;
mod time;
mod vex;
pub mod wording;

pub use advisory::{
    Advisory, AdvisoryListQuery, AdvisoryLookup, AdvisoryPage, AdvisoryQuery, AdvisoryState, AdvisorySummary,
    DumpQuery, Edge, EntriesWithoutPackage, Exploited, LosingValue, PackageRef, Provenance, RawDocument,
    RawQuery, ResolvedField,
};
pub use as_of::AsOf;
pub use bundle::{
    ArrivedMutes, BundleCheck, BundleInfo, BundleLog, BundleValidation, Conflict, ConflictStrategy,
    ExportRequest, ExportSummary, ImportCounts, ImportLog, ImportParams, ImportReport, LogOutcome,
    SiteCursor, UnusedSource,
};
pub use conflict::{
    ConflictClaim, ConflictDecision, ConflictList, ConflictQuery, ConflictResolve, ConflictState,
    RecordConflict,
};
pub use doctor::{DoctorCheck, DoctorReport, DoctorRequest};
pub use error_code::ErrorCode;
pub use event::{
    AuthorFrozen, CanonicalImported, EventAction, EventId, EventRecord, MuteAction, MuteChanged,
    RestoreAction, SiteEvent, SiteRestored, SitesDiffer,
};
pub use exit::ExitStatus;
pub use explain::{
    Conclusion, ExplainQuery, ExplainedAdvisory, ExplainedFix, ExplainedRule, ExplainedStatement, Explanation,
};
pub use feed::{FeedFile, FeedImportOptions, FeedImportReport, FeedOutcome, OutOfReach, ReadAs};
pub use feed_list::{
    Feed, FeedAdd, FeedApprove, FeedChange, FeedFetcher, FeedList, FeedPreset, FeedSetting, FeedState,
    FetchReason, SuspectInput,
};
pub use feed_run::{FeedCounts, FeedPhase, FeedProgress, FeedRan, FeedRun, FeedRunOutcome, FeedTrigger};
pub use hash::{
    BundleHash, ContentHash, HashTextError, KnowledgeRoot, MergeHash, SiteId, VerdictHash, VexHash,
};
pub use home::{ConvertReport, InitReport, KeyInfo, KeyList, KeyRole, PublicIdentity};
pub use mute::{
    ChangeAside, ChangeProof, Mute, MuteAdd, MuteAdded, MuteList, MuteListQuery, MuteRemoval, MuteRemove,
    MuteState,
};
pub use policy::{PolicyHistory, PolicyVersionEntry};
pub use problem::{Problem, ProblemBody};
pub use raw_json::RawJson;
pub use scan::{FailOn, ScanParams, VerdictEnvelope};
pub use site::{
    Site, SiteAdd, SiteChange, SiteHistory, SiteHistoryEntry, SiteList, SiteStatus, TransferKind,
};
pub use status::{
    FeedStatus, HEALTH_OPENING, Health, HealthPart, KNOWN_IN_PART, Lane, LogDifference, LongWork,
    LostRecords, Opening, OpeningWork, PartState, PeerStatus, Position, RestorePhase, RestoreReport,
    RestoreStatus, SitePart, Status, StoreCheck, StoreStatus, StrangerStatus,
};
pub use store::{CompactReport, StoreSizes};
pub use sync::{SyncSite, SyncStatus};
pub use text::{Cursor, FeedName, PublicKey, SiteSlug, SourceName, SourcePattern, TextError};
pub use time::{Timestamp, TimestampError};
pub use vex::{DamagedVex, ForeignVex, UnusableStatements, VexEntry, VexList, VexRemoved};

/// Returns true if there is nothing to state.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Returns true for `false`, which a field that says only the unusual leaves out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}
