//! Client of a running site's local socket: implements the service trait with HTTP calls.
//!
//! Each call uses its own connection: a command makes few calls, and no call blocks another. A refusal returns the
//! problem that the daemon reported.

mod events;
mod folder;
mod http;
mod liveness;
mod upload;

use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use hyper::Method;
use starling_api::{
    BUNDLE_CONTENT_TYPE, ByteStream, EventStream, ExportedBundle, LAST_EVENT_ID, RawAnswer, ScanDocuments,
    ServiceResult, SiteService, Upload, read_raw_header, read_summary,
};
use starling_api_types::{
    AdvisoryListQuery, AdvisoryLookup, AdvisoryPage, AdvisoryQuery, BundleInfo, BundleValidation,
    CompactReport, ConflictList, ConflictQuery, ConflictResolve, DoctorReport, DoctorRequest, DumpQuery,
    ErrorCode, EventId, ExplainQuery, Explanation, ExportRequest, Feed, FeedAdd, FeedApprove, FeedChange,
    FeedImportOptions, FeedImportReport, FeedList, FeedName, FeedRun, Health, ImportParams, ImportReport,
    Mute, MuteAdd, MuteAdded, MuteList, MuteListQuery, MuteRemove, Problem, RawQuery, RecordConflict,
    ScanParams, Site, SiteAdd, SiteChange, SiteHistory, SiteList, SiteSlug, SiteStatus, SourceName, Status,
    SyncStatus, VerdictEnvelope, VexEntry, VexHash, VexList, VexRemoved,
};

use self::http::{Call, read_stream};
use self::upload::Sent;
use crate::progress::Step;

/// Content type for an input whose kind is detected from its content.
const ANY_CONTENT_TYPE: &str = "application/octet-stream";

/// The client of one site's local socket.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    socket: PathBuf,
    step: Step,
    process: Option<i32>,
}

impl Client {
    /// Connects once to check that a daemon answers; `step` shows the bytes of uploads and downloads.
    ///
    /// # Errors
    /// `daemon_not_running` if no daemon listens; `unreachable` if the socket is not accessible.
    pub(crate) async fn connect(socket: PathBuf, step: Step) -> Result<Self, Problem> {
        let stream = http::connect(&socket).await?;
        let process = stream.peer_cred().ok().and_then(|peer| peer.pid());
        Ok(Self {
            socket,
            step,
            process,
        })
    }

    /// Returns the daemon's process, if the kernel knows it.
    pub(crate) const fn process(&self) -> Option<i32> {
        self.process
    }

    fn call(&self, method: Method, path: impl Into<String>) -> Call<'_> {
        Call::new(&self.socket, method, path.into())
    }

    fn get(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::GET, path)
    }

    fn post(&self, path: impl Into<String>) -> Call<'_> {
        self.call(Method::POST, path)
    }

    async fn bundle_call(&self, path: &str, bundle: Upload) -> Result<Call<'_>, Problem> {
        let sent = Sent::file(bundle, &self.step).await?;
        Ok(self.post(path).content(BUNDLE_CONTENT_TYPE, sent))
    }
}

#[async_trait]
impl SiteService for Client {
    async fn health(&self) -> ServiceResult<Health> {
        self.get("/health").json().await
    }

    async fn status(&self) -> ServiceResult<Status> {
        self.get("/status").json().await
    }

    async fn scan(&self, documents: ScanDocuments, params: ScanParams) -> ServiceResult<VerdictEnvelope> {
        let (content_type, body) = documents.into_body();
        self.post("/scan")
            .query(&params)?
            .content(content_type, Sent::bytes(body))
            .json()
            .await
    }

    async fn explain(&self, query: ExplainQuery) -> ServiceResult<Explanation> {
        self.get("/explain").query(&query)?.json().await
    }

    async fn vex(&self) -> ServiceResult<VexList> {
        self.get("/vex").json().await
    }

    async fn add_vex(&self, document: Bytes) -> ServiceResult<VexEntry> {
        self.post("/vex")
            .content("application/json".to_owned(), Sent::bytes(document))
            .json()
            .await
    }

    async fn vex_document(&self, hash: &VexHash) -> ServiceResult<ByteStream> {
        let response = self.get(format!("/vex/{hash}")).send().await?;
        Ok(read_stream(&self.socket, response.into_body(), self.step.clone()))
    }

    async fn remove_vex(&self, hash: &VexHash) -> ServiceResult<VexRemoved> {
        self.call(Method::DELETE, format!("/vex/{hash}")).json().await
    }

    async fn advisory(&self, name: &str, query: AdvisoryQuery) -> ServiceResult<AdvisoryLookup> {
        self.get(format!("/advisories/{}", http::encode_segment(name)))
            .query(&query)?
            .json()
            .await
    }

    async fn advisory_raw(&self, name: &str, query: RawQuery) -> ServiceResult<RawAnswer> {
        let response = self
            .get(format!("/advisories/{}/raw", http::encode_segment(name)))
            .query(&query)?
            .send()
            .await?;
        let document = read_raw_header(response.headers()).ok_or_else(|| {
            Problem::new(
                ErrorCode::Unreachable,
                "reading a raw document's headers: the daemon did not say what it is",
            )
            .hint("use the same version of the command and the daemon")
        })?;
        Ok(RawAnswer {
            document,
            bytes: read_stream(&self.socket, response.into_body(), self.step.clone()),
        })
    }

    async fn advisories(&self, query: AdvisoryListQuery) -> ServiceResult<AdvisoryPage> {
        self.get("/advisories").query(&query)?.json().await
    }

    async fn dump(&self, query: DumpQuery) -> ServiceResult<ByteStream> {
        let response = self.get("/advisories/dump").query(&query)?.send().await?;
        Ok(read_stream(&self.socket, response.into_body(), self.step.clone()))
    }

    async fn sites(&self) -> ServiceResult<SiteList> {
        self.get("/sites").json().await
    }

    async fn site(&self, site: &SiteSlug) -> ServiceResult<Site> {
        self.get(format!("/sites/{site}")).json().await
    }

    async fn add_site(&self, site: SiteAdd) -> ServiceResult<Site> {
        self.post("/sites").json_body(&site)?.json().await
    }

    async fn change_site(&self, site: &SiteSlug, change: SiteChange) -> ServiceResult<Site> {
        let call = self.call(Method::PATCH, format!("/sites/{site}"));
        call.json_body(&change)?.json().await
    }

    async fn remove_site(&self, site: &SiteSlug) -> ServiceResult<Site> {
        self.call(Method::DELETE, format!("/sites/{site}")).json().await
    }

    async fn site_history(&self, site: &SiteSlug) -> ServiceResult<SiteHistory> {
        self.get(format!("/sites/{site}/history")).json().await
    }

    async fn site_status(&self, site: &SiteSlug) -> ServiceResult<SiteStatus> {
        self.get(format!("/sites/{site}/status")).json().await
    }

    async fn conflicts(&self) -> ServiceResult<ConflictList> {
        self.get("/conflicts").json().await
    }

    async fn conflict(&self, query: ConflictQuery) -> ServiceResult<RecordConflict> {
        self.get("/conflicts/record").query(&query)?.json().await
    }

    async fn resolve_conflict(&self, resolve: ConflictResolve) -> ServiceResult<RecordConflict> {
        self.post("/conflicts").json_body(&resolve)?.json().await
    }

    async fn mutes(&self, query: MuteListQuery) -> ServiceResult<MuteList> {
        self.get("/mutes").query(&query)?.json().await
    }

    async fn mute(&self, id: &str) -> ServiceResult<Mute> {
        self.get(format!("/mutes/{}", http::encode_segment(id)))
            .json()
            .await
    }

    async fn add_mute(&self, mute: MuteAdd) -> ServiceResult<MuteAdded> {
        self.post("/mutes").json_body(&mute)?.json().await
    }

    async fn remove_mute(&self, id: &str, removal: MuteRemove) -> ServiceResult<Mute> {
        let path = format!("/mutes/{}", http::encode_segment(id));
        self.call(Method::DELETE, path).query(&removal)?.json().await
    }

    async fn sync_status(&self) -> ServiceResult<SyncStatus> {
        self.get("/federation/sync/status").json().await
    }

    async fn import_bundle(&self, bundle: Upload, params: ImportParams) -> ServiceResult<ImportReport> {
        self.bundle_call("/federation/import", bundle)
            .await?
            .query(&params)?
            .json()
            .await
    }

    async fn export_bundle(&self, request: ExportRequest) -> ServiceResult<ExportedBundle> {
        let response = self
            .post("/federation/export")
            .json_body(&request)?
            .send()
            .await?;
        let summary = read_summary(response.headers()).ok_or_else(|| {
            Problem::new(
                ErrorCode::Unreachable,
                "reading an export's headers: the daemon did not send the export's summary",
            )
            .hint("use the same version of the command and the daemon")
        })?;
        self.step.expect(summary.size_bytes);
        Ok(ExportedBundle {
            summary,
            bytes: read_stream(&self.socket, response.into_body(), self.step.clone()),
        })
    }

    async fn inspect_bundle(&self, bundle: Upload) -> ServiceResult<BundleInfo> {
        self.bundle_call("/federation/bundles/inspect", bundle)
            .await?
            .json()
            .await
    }

    async fn validate_bundle(&self, bundle: Upload) -> ServiceResult<BundleValidation> {
        self.bundle_call("/federation/bundles/validate", bundle)
            .await?
            .json()
            .await
    }

    async fn import_feed(
        &self,
        source: SourceName,
        input: Upload,
        options: FeedImportOptions,
    ) -> ServiceResult<FeedImportReport> {
        if !options.allow_empty {
            upload::ensure_not_empty(&input)?;
        }
        let sent = Sent::file_or_folder(input, &self.step).await?;
        let call = self.post(format!("/feeds/{source}/import")).query(&options)?;
        call.content(ANY_CONTENT_TYPE, sent).json().await
    }

    async fn feeds(&self) -> ServiceResult<FeedList> {
        self.get("/feeds").json().await
    }

    async fn feed(&self, name: &FeedName) -> ServiceResult<Feed> {
        self.get(format!("/feeds/{name}")).json().await
    }

    async fn add_feed(&self, feed: FeedAdd) -> ServiceResult<Feed> {
        self.post("/feeds").json_body(&feed)?.json().await
    }

    async fn change_feed(&self, name: &FeedName, change: FeedChange) -> ServiceResult<Feed> {
        let call = self.call(Method::PATCH, format!("/feeds/{name}"));
        call.json_body(&change)?.json().await
    }

    async fn remove_feed(&self, name: &FeedName) -> ServiceResult<Feed> {
        self.call(Method::DELETE, format!("/feeds/{name}")).json().await
    }

    async fn run_feed(&self, name: &FeedName) -> ServiceResult<FeedRun> {
        self.post(format!("/feeds/{name}/run")).json().await
    }

    async fn approve_feed(&self, name: &FeedName, approve: FeedApprove) -> ServiceResult<FeedRun> {
        let call = self.post(format!("/feeds/{name}/approve"));
        call.json_body(&approve)?.json().await
    }

    async fn events(&self, after: Option<EventId>) -> ServiceResult<EventStream> {
        let mut call = self.get("/events");
        if let Some(after) = after {
            call = call.header(LAST_EVENT_ID, &after.to_string());
        }
        let response = call.send().await?;
        Ok(events::read_events(read_stream(
            &self.socket,
            response.into_body(),
            Step::silent(),
        )))
    }

    async fn doctor(&self, request: DoctorRequest) -> ServiceResult<DoctorReport> {
        self.post("/doctor").query(&request)?.json().await
    }

    async fn compact_store(&self) -> ServiceResult<CompactReport> {
        self.post("/store/compact").json().await
    }
}
