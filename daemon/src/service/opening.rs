//! The service of a site whose store is being opened: scans use the match index, other calls get the progress.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use starling_api::{
    ByteStream, EventStream, ExportedBundle, RawAnswer, ScanDocuments, ServiceResult, SiteService, Upload,
};
use starling_api_types as types;
use starling_api_types::{ErrorCode, OpeningWork, Problem};
use tokio::sync::SetOnce;

use super::Site;
use crate::config::Config;
use crate::home::Home;
use crate::opening::OpeningNews;
use crate::without_store::scan_by_index;

/// Longest wait of a scan for a store that is about to be open; also the value of `Retry-After`.
const SCAN_PATIENCE: Duration = Duration::from_secs(1);

/// A site whose store may not be open yet.
pub(crate) struct OpeningSite {
    opened: SetOnce<Site>,
    home: Home,
    config: Config,
    started: Instant,
    news: Arc<OpeningNews>,
}

impl OpeningSite {
    /// Creates a site in `home` whose progress `news` reports until it is open.
    pub(crate) fn new(home: Home, config: Config, started: Instant, news: Arc<OpeningNews>) -> Self {
        Self {
            opened: SetOnce::new(),
            home,
            config,
            started,
            news,
        }
    }

    /// Passes every call to the open site from now on.
    pub(crate) fn open(&self, site: Site) {
        // Opened only once.
        let _ = self.opened.set(site);
    }

    fn opened(&self) -> ServiceResult<&Site> {
        self.opened.get().ok_or_else(|| self.busy())
    }

    /// Returns the site once it is open, if that is soon. The log grows while the store is opened, with a new head for
    /// one, and then the match index does not count any more: without the wait, the scans of that moment would be refused.
    async fn soon_opened(&self) -> ServiceResult<&Site> {
        if self.news.shown().work != OpeningWork::Opening {
            return self.opened();
        }
        let opened = tokio::time::timeout(SCAN_PATIENCE, self.opened.wait()).await;
        opened.map_err(|_| self.busy())
    }

    fn busy(&self) -> Problem {
        Problem::new(ErrorCode::Busy, self.news.text())
            .hint("try again in a moment; scans are answered meanwhile if the match index is current")
    }

    async fn scan_meanwhile(
        &self,
        documents: ScanDocuments,
        params: types::ScanParams,
    ) -> ServiceResult<types::VerdictEnvelope> {
        let (home, config) = (self.home.clone(), self.config.clone());
        let work = {
            let (documents, params) = (documents.clone(), params.clone());
            move || scan_by_index(&home, &config, &documents, &params)
        };
        let judged = tokio::task::spawn_blocking(work)
            .await
            .map_err(|panic| Problem::internal("carrying out a call", panic))?;
        match judged {
            Some(judged) => judged,
            None => self.soon_opened().await?.scan(documents, params).await,
        }
    }
}

/// Implements the service by passing the listed methods to the open site.
macro_rules! once_open {
    ($($method:ident($($name:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl SiteService for OpeningSite {
            async fn health(&self) -> ServiceResult<types::Health> {
                if let Some(site) = self.opened.get() {
                    return site.health().await;
                }
                Ok(types::Health {
                    work: None,
                    status: types::HEALTH_OPENING.to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    site_id: self.home.chain().slug().into(),
                    uptime_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
                    opening: Some(self.news.shown()),
                    parts: Vec::new(),
                })
            }

            fn is_costly(&self, documents: &ScanDocuments) -> bool {
                super::scan::is_costly(documents)
            }

            async fn scan(
                &self,
                documents: ScanDocuments,
                params: types::ScanParams,
            ) -> ServiceResult<types::VerdictEnvelope> {
                match self.opened.get() {
                    Some(site) => site.scan(documents, params).await,
                    None => self.scan_meanwhile(documents, params).await,
                }
            }

            async fn make_ready_to_scan(&self) {
                if let Some(site) = self.opened.get() {
                    site.make_ready_to_scan().await;
                }
            }

            $(async fn $method(&self, $($name: $type),*) -> ServiceResult<$answer> {
                self.opened()?.$method($($name),*).await
            })*
        }
    };
}

once_open! {
    status() -> types::Status;
    explain(query: types::ExplainQuery) -> types::Explanation;
    vex() -> types::VexList;
    add_vex(document: bytes::Bytes) -> types::VexEntry;
    vex_document(hash: &types::VexHash) -> ByteStream;
    remove_vex(hash: &types::VexHash) -> types::VexRemoved;
    advisory(name: &str, query: types::AdvisoryQuery) -> types::AdvisoryLookup;
    advisory_raw(name: &str, query: types::RawQuery) -> RawAnswer;
    advisories(query: types::AdvisoryListQuery) -> types::AdvisoryPage;
    dump(query: types::DumpQuery) -> ByteStream;
    sites() -> types::SiteList;
    site(site: &types::SiteSlug) -> types::Site;
    add_site(site: types::SiteAdd) -> types::Site;
    change_site(site: &types::SiteSlug, change: types::SiteChange) -> types::Site;
    remove_site(site: &types::SiteSlug) -> types::Site;
    site_history(site: &types::SiteSlug) -> types::SiteHistory;
    site_status(site: &types::SiteSlug) -> types::SiteStatus;
    conflicts() -> types::ConflictList;
    conflict(query: types::ConflictQuery) -> types::RecordConflict;
    resolve_conflict(resolve: types::ConflictResolve) -> types::RecordConflict;
    mutes(query: types::MuteListQuery) -> types::MuteList;
    mute(id: &str) -> types::Mute;
    add_mute(mute: types::MuteAdd) -> types::MuteAdded;
    remove_mute(id: &str, removal: types::MuteRemove) -> types::Mute;
    sync_status() -> types::SyncStatus;
    import_bundle(bundle: Upload, params: types::ImportParams) -> types::ImportReport;
    export_bundle(request: types::ExportRequest) -> ExportedBundle;
    inspect_bundle(bundle: Upload) -> types::BundleInfo;
    validate_bundle(bundle: Upload) -> types::BundleValidation;
    import_feed(source: types::SourceName, input: Upload, options: types::FeedImportOptions) -> types::FeedImportReport;
    feeds() -> types::FeedList;
    feed(name: &types::FeedName) -> types::Feed;
    add_feed(feed: types::FeedAdd) -> types::Feed;
    change_feed(name: &types::FeedName, change: types::FeedChange) -> types::Feed;
    remove_feed(name: &types::FeedName) -> types::Feed;
    run_feed(name: &types::FeedName) -> types::FeedRun;
    approve_feed(name: &types::FeedName, approve: types::FeedApprove) -> types::FeedRun;
    events(after: Option<types::EventId>) -> EventStream;
    doctor(request: types::DoctorRequest) -> types::DoctorReport;
    compact_store() -> types::CompactReport;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use starling_protocol::UnixMillis;
    use starling_store::engine::{FaultPlan, MemoryEngine};

    use super::*;
    use crate::config::Overrides;

    const SBOM: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[]}"#;

    #[tokio::test]
    async fn scan_waits_for_a_store_that_is_about_to_be_open() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::prepare(folder.path(), &"site-a".parse().unwrap(), None, UnixMillis::EPOCH).unwrap();
        home.finish().unwrap();
        let config = home.config(&Overrides::default()).unwrap();
        let news = Arc::new(OpeningNews::new(true));
        let opening = OpeningSite::new(home.clone(), config.clone(), Instant::now(), news.clone());
        let opening = Arc::new(opening);
        let scan = || {
            let opening = opening.clone();
            let sbom = Bytes::from_static(SBOM.as_bytes());
            tokio::spawn(async move { opening.scan(sbom.into(), types::ScanParams::default()).await })
        };
        let problem = scan().await.unwrap().unwrap_err();
        assert_eq!(problem.code, ErrorCode::Busy, "nobody opens it");
        let waiting = scan();
        tokio::time::sleep(SCAN_PATIENCE / 10).await;
        let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
        let site = Site::open_on(engine, home, config, Some(Instant::now()), &news).unwrap();
        opening.open(site);
        assert!(waiting.await.unwrap().is_ok());
    }
}
