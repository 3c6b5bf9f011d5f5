//! The service trait of a site: one method per operation.
//!
//! It has three implementations: the daemon's running site, a store opened without a daemon, and the command line's
//! client of the local socket. The router serves it, and every command uses it, so that all of them offer the same
//! operations. The router decides who may call what ([`crate::access`]).

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
    RawDocument, RawQuery, RecordConflict, ScanParams, Site, SiteAdd, SiteChange, SiteHistory, SiteList,
    SiteSlug, SiteStatus, SourceName, Status, SyncStatus, VerdictEnvelope, VexEntry, VexHash, VexList,
    VexRemoved,
};

use crate::scan_form::ScanDocuments;
use crate::upload::Upload;

/// Bytes that arrive over time; an error ends the stream and means that it is incomplete.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Problem>> + Send>>;

/// Events when they happen; ends only when the site stops.
pub type EventStream = Pin<Box<dyn Stream<Item = Result<EventRecord, Problem>> + Send>>;

/// A bundle to send.
pub struct ExportedBundle {
    /// Its summary.
    pub summary: ExportSummary,
    /// The file's bytes.
    pub bytes: ByteStream,
}

/// A document as it was fetched.
pub struct RawAnswer {
    /// Its description: record, source, address and time of receipt.
    pub document: RawDocument,
    /// Its bytes.
    pub bytes: ByteStream,
}

/// The result of a service call; a problem contains nothing that the caller may not see.
pub type ServiceResult<T> = Result<T, Problem>;

/// All operations of one site.
///
/// Every method returns only when its effects are durable and visible to the next call. Methods may be called at the
/// same time. A cancelled call (its future dropped) has either all or none of its effects.
///
/// # Errors
/// Every method reports problems by [`starling_api_types::ErrorCode`]; `internal` for internal errors.
#[async_trait]
pub trait SiteService: Send + Sync {
    /// Returns the site's health.
    async fn health(&self) -> ServiceResult<Health>;

    /// Returns the records about which authors disagree: the undecided and the decided ones.
    async fn conflicts(&self) -> ServiceResult<ConflictList>;

    /// Returns the statements of one record's authors.
    async fn conflict(&self, query: ConflictQuery) -> ServiceResult<RecordConflict>;

    /// Decides which content of a record applies, or withdraws the decision.
    async fn resolve_conflict(&self, resolve: ConflictResolve) -> ServiceResult<RecordConflict>;

    /// Returns the site's identity, roots, peers, positions, feeds and store.
    async fn status(&self) -> ServiceResult<Status>;

    /// Returns true if a scan of these documents may be slow because of its further documents: it then waits in a
    /// separate queue.
    fn is_costly(&self, documents: &ScanDocuments) -> bool {
        documents.rego.is_some()
    }

    /// Scans an SBOM; its kind is detected from its content.
    ///
    /// A scan without knowledge is an answer (`exit_code` 4), not an error. Reports `sbom_unreadable`,
    /// `baseline_unreadable`, `policy_invalid`, `vex_unreadable`, `history_expired`.
    async fn scan(&self, documents: ScanDocuments, params: ScanParams) -> ServiceResult<VerdictEnvelope>;

    /// Explains why a vulnerability does or does not affect a package: the result of a scan, rule by rule.
    ///
    /// Reports `bad_request` if it is not a package URL.
    async fn explain(&self, query: ExplainQuery) -> ServiceResult<Explanation>;

    /// Returns the stored VEX documents, which every scan of this site uses.
    ///
    /// Reports `vex_unreadable` if one is damaged.
    async fn vex(&self) -> ServiceResult<VexList>;

    /// Stores a VEX document unchanged.
    ///
    /// Reports `vex_unreadable`, also if there would be too many.
    async fn add_vex(&self, document: Bytes) -> ServiceResult<VexEntry>;

    /// Returns a stored VEX document, byte for byte.
    ///
    /// Reports `vex_not_found`, and `vex_unreadable` if it is damaged.
    async fn vex_document(&self, hash: &VexHash) -> ServiceResult<ByteStream>;

    /// Deletes a stored VEX document, even a damaged one.
    ///
    /// Reports `vex_not_found`.
    async fn remove_vex(&self, hash: &VexHash) -> ServiceResult<VexRemoved>;

    /// Returns every canonical advisory with the given `name`: an id, an alias, a package URL or a merge hash.
    ///
    /// Reports `advisory_not_found`, `history_expired`.
    async fn advisory(&self, name: &str, query: AdvisoryQuery) -> ServiceResult<AdvisoryLookup>;

    /// Returns the document that a record came from, as it was fetched; `name` is an id or an alias.
    ///
    /// Reports `advisory_not_found`, `raw_not_kept`; `bad_request` if several records have the name.
    async fn advisory_raw(&self, name: &str, query: RawQuery) -> ServiceResult<RawAnswer>;

    /// Returns one page of canonical advisories.
    async fn advisories(&self, query: AdvisoryListQuery) -> ServiceResult<AdvisoryPage>;

    /// Returns the live records as NDJSON: canonical bytes, sorted by source and id.
    async fn dump(&self, query: DumpQuery) -> ServiceResult<ByteStream>;

    /// Returns the allow-list, sorted by name.
    async fn sites(&self) -> ServiceResult<SiteList>;

    /// Returns one site of the allow-list. Reports `site_not_found`.
    async fn site(&self, site: &SiteSlug) -> ServiceResult<Site>;

    /// Adds a site. Reports `site_exists`, `site_key_invalid`.
    async fn add_site(&self, site: SiteAdd) -> ServiceResult<Site>;

    /// Changes the given fields of an entry and updates acceptance at once. Reports `site_not_found`.
    async fn change_site(&self, site: &SiteSlug, change: SiteChange) -> ServiceResult<Site>;

    /// Removes a site; its data is kept, but no longer accepted. Reports `site_not_found`.
    async fn remove_site(&self, site: &SiteSlug) -> ServiceResult<Site>;

    /// Returns a site's transfers, newest first. Reports `site_not_found`.
    async fn site_history(&self, site: &SiteSlug) -> ServiceResult<SiteHistory>;

    /// Returns a site's positions and counts. Reports `site_not_found`.
    async fn site_status(&self, site: &SiteSlug) -> ServiceResult<SiteStatus>;

    /// Returns the mutes that apply here, and the changes that do not.
    async fn mutes(&self, query: MuteListQuery) -> ServiceResult<MuteList>;

    /// Returns one mute with its history. Reports `mute_not_found`.
    async fn mute(&self, id: &str) -> ServiceResult<Mute>;

    /// Mutes a vulnerability; scans use it at once. Reports `bad_request` if the mute is not valid.
    async fn add_mute(&self, mute: MuteAdd) -> ServiceResult<MuteAdded>;

    /// Ends a mute, no matter who added it. Reports `mute_not_found`.
    async fn remove_mute(&self, id: &str, removal: MuteRemove) -> ServiceResult<Mute>;

    /// Returns the progress of each listed site's data at this site.
    async fn sync_status(&self) -> ServiceResult<SyncStatus>;

    /// Verifies, holds and accepts a bundle; indexes are updated before it returns.
    ///
    /// Reports `bundle_*`, `signature_verification_failed`, `site_not_allowed`, `cursor_not_after_current`,
    /// `certificate_invalid`, `fork_detected`, `conflict_unresolved`.
    async fn import_bundle(&self, bundle: Upload, params: ImportParams) -> ServiceResult<ImportReport>;

    /// Exports a bundle. Errors that prevent it (`body_missing`, `site_not_found`, `invalid_cursor`) are reported
    /// before the first byte; later errors end the stream.
    async fn export_bundle(&self, request: ExportRequest) -> ServiceResult<ExportedBundle>;

    /// Reads a bundle's own information without verifying it. Reports `bundle_malformed`.
    async fn inspect_bundle(&self, bundle: Upload) -> ServiceResult<BundleInfo>;

    /// Runs all checks of an import and changes nothing. Failed checks are an answer, not an error.
    async fn validate_bundle(&self, bundle: Upload) -> ServiceResult<BundleValidation>;

    /// Imports a feed: a file, folder or archive of records; its kind is detected from its content.
    ///
    /// Reports `feed_*`.
    async fn import_feed(
        &self,
        source: SourceName,
        input: Upload,
        options: FeedImportOptions,
    ) -> ServiceResult<FeedImportReport>;

    /// Returns the feeds that the site fetches by itself, without their history.
    async fn feeds(&self) -> ServiceResult<FeedList>;

    /// Returns one feed with its last runs. Reports `feed_not_found`.
    async fn feed(&self, name: &FeedName) -> ServiceResult<Feed>;

    /// Adds a feed to the configuration; a daemon runs it at once.
    ///
    /// Reports `feed_exists`, `feed_invalid`, and `file_access` if the configuration cannot be written.
    async fn add_feed(&self, feed: FeedAdd) -> ServiceResult<Feed>;

    /// Changes the given settings of a feed. Reports `feed_not_found`, `feed_invalid`, `file_access`.
    async fn change_feed(&self, name: &FeedName, change: FeedChange) -> ServiceResult<Feed>;

    /// Removes a feed from the configuration; its records stay. Reports `feed_not_found`, `busy`, `file_access`.
    async fn remove_feed(&self, name: &FeedName) -> ServiceResult<Feed>;

    /// Runs a feed and waits until the run ends. If a run is already in progress, waits for that one. A failed run is an
    /// answer, not an error.
    ///
    /// Reports `feed_not_found`.
    async fn run_feed(&self, name: &FeedName) -> ServiceResult<FeedRun>;

    /// Imports the input of a feed that waits for approval. Reports `feed_not_found`, `feed_not_suspect`, `busy`.
    async fn approve_feed(&self, name: &FeedName, approve: FeedApprove) -> ServiceResult<FeedRun>;

    /// Updates the match index with all current knowledge, however long it takes. A daemon does this in the
    /// background, so its implementation does nothing. A failure only makes scans slower and is not an error.
    async fn make_ready_to_scan(&self) {}

    /// Returns the events after `after`, or only new ones without it. Reports `events_expired`, also for an id of
    /// another generation.
    async fn events(&self, after: Option<EventId>) -> ServiceResult<EventStream>;

    /// Checks every invariant of the store. If requested, repairs it or rebuilds derived data.
    async fn doctor(&self, request: DoctorRequest) -> ServiceResult<DoctorReport>;

    /// Compacts the store: drops data older than the retention, rewrites packs that are mostly garbage, and rebuilds
    /// the engine's files. Reports `disk_full`.
    async fn compact_store(&self) -> ServiceResult<CompactReport>;
}
