//! The one trait behind every face of a site: one method per thing a site can do.
//!
//! Three kinds of thing implement it: the daemon's running site, a store opened without a daemon, and
//! the command line's client of the local socket. The router serves it, every command is written against
//! it, so none of them can do what the others cannot. Who may call what is decided by the router
//! ([`crate::access`]), not here.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use starling_api_types::{
    AdvisoryListQuery, AdvisoryLookup, AdvisoryPage, AdvisoryQuery, BundleInfo, BundleValidation,
    CompactReport, ConflictList, ConflictQuery, ConflictResolve, DoctorReport, DoctorRequest, DumpQuery,
    EventId, EventRecord, ExplainQuery, Explanation, ExportRequest, ExportSummary, Feed, FeedAdd,
    FeedApprove, FeedChange, FeedImportOptions, FeedImportReport, FeedList, FeedName, FeedRun, Health,
    ImportParams, ImportReport, Mute, MuteAdd, MuteAdded, MuteList, MuteListQuery, MuteRemove, Problem,
    RecordConflict, ScanParams, Site, SiteAdd, SiteChange, SiteHistory, SiteList, SiteSlug, SiteStatus,
    SourceName, Status, SyncStatus, VerdictEnvelope, VexEntry, VexHash, VexList, VexRemoved,
};

use crate::scan_form::ScanDocuments;
use crate::upload::Upload;

/// Bytes that arrive over time; an error ends them and means that they are not whole.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Problem>> + Send>>;

/// Events as they happen; does not end by itself until the site stops.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<EventRecord, Problem>> + Send>>;

/// A bundle on its way out.
pub struct ExportedBundle {
    /// What it holds.
    pub summary: ExportSummary,
    /// The file's bytes.
    pub bytes: ByteStream,
}

/// Answer of a service call: what it gives, or a problem fit for the caller's eyes.
pub type ServiceResult<T> = Result<T, Problem>;

/// Everything one site can be asked to do.
///
/// Every method returns only when its effects are durable and visible to the next call. Methods may be
/// called at the same time; a cancelled call (its future dropped) leaves either all or nothing of its effect.
///
/// # Errors
/// Every method reports problems by [`starling_api_types::ErrorCode`]; `internal` for faults of its own.
#[async_trait]
pub trait SiteService: Send + Sync {
    /// Whether the site answers, and which it is.
    async fn health(&self) -> ServiceResult<Health>;

    /// The records about which authors disagree and nobody has decided, and those that were decided.
    async fn conflicts(&self) -> ServiceResult<ConflictList>;

    /// What the authors of one record say of it.
    async fn conflict(&self, query: ConflictQuery) -> ServiceResult<RecordConflict>;

    /// Decides which content of a record counts, or takes the decision back.
    async fn resolve_conflict(&self, resolve: ConflictResolve) -> ServiceResult<RecordConflict>;

    /// The site's identity, roots, peers, positions, feeds and store.
    async fn status(&self) -> ServiceResult<Status>;

    /// Returns true if a scan of these documents may take long, for what comes with it: it then waits apart from the
    /// others.
    fn is_costly(&self, documents: &ScanDocuments) -> bool {
        documents.rego.is_some()
    }

    /// Judges an SBOM, whose kind is found by content.
    ///
    /// A scan against empty knowledge is an answer (`exit_code` 4), not an error.
    /// Reports `sbom_unreadable`, `baseline_unreadable`, `policy_invalid`, `vex_unreadable`, `history_expired`.
    async fn scan(&self, documents: ScanDocuments, params: ScanParams) -> ServiceResult<VerdictEnvelope>;

    /// Why a package is, or is not, affected by a vulnerability: what a scan would decide, rule by rule.
    ///
    /// Reports `bad_request` for what is no package URL.
    async fn explain(&self, query: ExplainQuery) -> ServiceResult<Explanation>;

    /// The VEX documents that every scan of this site takes into account.
    ///
    /// Reports `vex_unreadable` where one is not what it was.
    async fn vex(&self) -> ServiceResult<VexList>;

    /// Keeps a VEX document as it is.
    ///
    /// Reports `vex_unreadable`, also where there would be too many.
    async fn add_vex(&self, document: Bytes) -> ServiceResult<VexEntry>;

    /// A kept VEX document as it was given.
    ///
    /// Reports `vex_not_found`, and `vex_unreadable` where it is not what it was.
    async fn vex_document(&self, hash: &VexHash) -> ServiceResult<ByteStream>;

    /// Keeps a VEX document no longer, be it damaged or not.
    ///
    /// Reports `vex_not_found`.
    async fn remove_vex(&self, hash: &VexHash) -> ServiceResult<VexRemoved>;

    /// Every canonical advisory that answers to `name`: an id, an alias, a package URL or a merge hash.
    ///
    /// Reports `advisory_not_found`, `history_expired`.
    async fn advisory(&self, name: &str, query: AdvisoryQuery) -> ServiceResult<AdvisoryLookup>;

    /// One page of canonical advisories.
    async fn advisories(&self, query: AdvisoryListQuery) -> ServiceResult<AdvisoryPage>;

    /// The live records as NDJSON: canonical bytes, sorted by source and id.
    async fn dump(&self, query: DumpQuery) -> ServiceResult<ByteStream>;

    /// The allow-list, sorted by name.
    async fn sites(&self) -> ServiceResult<SiteList>;

    /// One entry of the allow-list. Reports `site_not_found`.
    async fn site(&self, site: &SiteSlug) -> ServiceResult<Site>;

    /// Lists a site. Reports `site_exists`, `site_key_invalid`.
    async fn add_site(&self, site: SiteAdd) -> ServiceResult<Site>;

    /// Changes what is given of an entry, and accepts by it at once. Reports `site_not_found`.
    async fn change_site(&self, site: &SiteSlug, change: SiteChange) -> ServiceResult<Site>;

    /// Takes a site off the list; what it said stays held, no longer accepted. Reports `site_not_found`.
    async fn remove_site(&self, site: &SiteSlug) -> ServiceResult<Site>;

    /// Its transfers, newest first. Reports `site_not_found`.
    async fn site_history(&self, site: &SiteSlug) -> ServiceResult<SiteHistory>;

    /// Its positions and counts. Reports `site_not_found`.
    async fn site_status(&self, site: &SiteSlug) -> ServiceResult<SiteStatus>;

    /// The mutes that count here, and the changes that do not.
    async fn mutes(&self, query: MuteListQuery) -> ServiceResult<MuteList>;

    /// One mute with its history. Reports `mute_not_found`.
    async fn mute(&self, id: &str) -> ServiceResult<Mute>;

    /// Mutes a vulnerability; scans see it at once. Reports `bad_request` for what no mute can say.
    async fn add_mute(&self, mute: MuteAdd) -> ServiceResult<MuteAdded>;

    /// Ends a mute, whoever made it. Reports `mute_not_found`.
    async fn remove_mute(&self, id: &str, removal: MuteRemove) -> ServiceResult<Mute>;

    /// How far each listed site's knowledge has come here.
    async fn sync_status(&self) -> ServiceResult<SyncStatus>;

    /// Verifies, holds and accepts a bundle; indexes are fresh before it returns.
    ///
    /// Reports `bundle_*`, `signature_verification_failed`, `site_not_allowed`, `cursor_not_after_current`,
    /// `certificate_invalid`, `fork_detected`, `conflict_unresolved`.
    async fn import_bundle(&self, bundle: Upload, params: ImportParams) -> ServiceResult<ImportReport>;

    /// Makes a bundle. What would make it fail (`body_missing`, `site_not_found`, `invalid_cursor`) is found
    /// before the first byte; later errors end the stream.
    async fn export_bundle(&self, request: ExportRequest) -> ServiceResult<ExportedBundle>;

    /// Reads what a bundle says about itself, verifying nothing. Reports `bundle_malformed`.
    async fn inspect_bundle(&self, bundle: Upload) -> ServiceResult<BundleInfo>;

    /// Runs every check of an import and changes nothing. A bundle that fails them is an answer, not an error.
    async fn validate_bundle(&self, bundle: Upload) -> ServiceResult<BundleValidation>;

    /// Takes in a feed: a file, folder or archive of records, its kind found by content.
    ///
    /// Reports `feed_*`.
    async fn import_feed(
        &self,
        source: SourceName,
        input: Upload,
        options: FeedImportOptions,
    ) -> ServiceResult<FeedImportReport>;

    /// The feeds that the site fetches by itself, without their history.
    async fn feeds(&self) -> ServiceResult<FeedList>;

    /// One feed, with its last runs. Reports `feed_not_found`.
    async fn feed(&self, name: &FeedName) -> ServiceResult<Feed>;

    /// Adds a feed to the configuration; a daemon runs it at once.
    ///
    /// Reports `feed_exists`, `feed_invalid`, and `file_access` where the configuration cannot be written.
    async fn add_feed(&self, feed: FeedAdd) -> ServiceResult<Feed>;

    /// Changes what is given of a feed. Reports `feed_not_found`, `feed_invalid`, `file_access`.
    async fn change_feed(&self, name: &FeedName, change: FeedChange) -> ServiceResult<Feed>;

    /// Takes a feed out of the configuration; its records stay. Reports `feed_not_found`, `busy`, `file_access`.
    async fn remove_feed(&self, name: &FeedName) -> ServiceResult<Feed>;

    /// Runs a feed and waits for its end, or for that of the run that is under way. A run that failed is an answer.
    ///
    /// Reports `feed_not_found`.
    async fn run_feed(&self, name: &FeedName) -> ServiceResult<FeedRun>;

    /// Takes in the input of a feed that waits for approval. Reports `feed_not_found`, `feed_not_suspect`, `busy`.
    async fn approve_feed(&self, name: &FeedName, approve: FeedApprove) -> ServiceResult<FeedRun>;

    /// Makes what scans go by of all that is known now, where nobody does so in the background; however long that takes.
    /// A daemon does, so there is nothing to be done. What keeps it from being made slows scans down and is no error.
    async fn make_ready_to_scan(&self) {}

    /// Events after `after`; only new ones when it is absent. Reports `events_expired`, also for an id of another
    /// generation.
    async fn events(&self, after: Option<EventId>) -> ServiceResult<EventStream>;

    /// Checks every invariant of the store; repairs it, or rebuilds what is derived, where asked.
    async fn doctor(&self, request: DoctorRequest) -> ServiceResult<DoctorReport>;

    /// Gives space back: drops what is older than the retention, rewrites packs that are mostly garbage, and
    /// rebuilds the engine's files. Reports `disk_full`.
    async fn compact_store(&self) -> ServiceResult<CompactReport>;
}
