//! The site's operations as the API's service trait: each call runs on a thread that may block.

use async_trait::async_trait;
use starling_api::{
    ByteStream, EventStream, ExportedBundle, RawAnswer, ScanDocuments, ServiceResult, SiteService, Upload,
};
use starling_api_types as types;
use starling_api_types::Problem;
use tokio_util::sync::CancellationToken;

use super::{Site, SiteParts, Trigger, advisories, bundle_export, events, feeds, scan};
use crate::clock::now;

impl Site {
    /// Runs work on a thread that may block.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SiteParts) -> ServiceResult<T> + Send + 'static,
    ) -> ServiceResult<T> {
        let parts = self.0.clone();
        tokio::task::spawn_blocking(move || work(&parts))
            .await
            .unwrap_or_else(|panic| Err(Problem::internal("carrying out a call", panic)))
    }

    /// As [`blocking`](Self::blocking), for work that looks from time to time if its caller is still there: the token is
    /// cancelled when the call is dropped.
    pub(super) async fn blocking_while_asked<T: Send + 'static>(
        &self,
        work: impl FnOnce(&SiteParts, &CancellationToken) -> ServiceResult<T> + Send + 'static,
    ) -> ServiceResult<T> {
        let gone = CancellationToken::new();
        let _cancels = gone.clone().drop_guard();
        self.blocking(move |site| work(site, &gone)).await
    }
}

#[async_trait]
impl SiteService for Site {
    async fn health(&self) -> ServiceResult<types::Health> {
        self.blocking(|site| Ok(site.health())).await
    }

    async fn status(&self) -> ServiceResult<types::Status> {
        self.blocking(SiteParts::status).await
    }

    fn is_costly(&self, documents: &ScanDocuments) -> bool {
        scan::is_costly(documents)
    }

    async fn scan(
        &self,
        documents: ScanDocuments,
        params: types::ScanParams,
    ) -> ServiceResult<types::VerdictEnvelope> {
        self.blocking(move |site| site.scan_as_asked(&documents, &params))
            .await
    }

    async fn explain(&self, query: types::ExplainQuery) -> ServiceResult<types::Explanation> {
        self.blocking(move |site| match &query.as_of {
            None => site.explain(&query, now()),
            Some(as_of) => {
                let past = site.past(as_of)?;
                site.as_of(past, |then| then.explain(&query, past.at))
            }
        })
        .await
    }

    async fn vex(&self) -> ServiceResult<types::VexList> {
        self.blocking(|site| site.data.kept_vex.list()).await
    }

    async fn add_vex(&self, document: bytes::Bytes) -> ServiceResult<types::VexEntry> {
        self.blocking(move |site| site.data.kept_vex.add(&document, now()))
            .await
    }

    async fn vex_document(&self, hash: &types::VexHash) -> ServiceResult<ByteStream> {
        let hash = *hash;
        let document = self.blocking(move |site| site.data.kept_vex.show(&hash)).await?;
        Ok(Box::pin(futures::stream::iter([Ok(document.into())])))
    }

    async fn remove_vex(&self, hash: &types::VexHash) -> ServiceResult<types::VexRemoved> {
        let hash = *hash;
        self.blocking(move |site| site.data.kept_vex.remove(&hash)).await
    }

    async fn advisory(
        &self,
        name: &str,
        query: types::AdvisoryQuery,
    ) -> ServiceResult<types::AdvisoryLookup> {
        let name = name.to_owned();
        self.blocking_while_asked(move |site, gone| match &query.as_of {
            None => site.advisory(&name, gone),
            Some(as_of) => site.as_of(site.past(as_of)?, |then| then.advisory(&name, gone)),
        })
        .await
    }

    async fn advisory_raw(&self, name: &str, query: types::RawQuery) -> ServiceResult<RawAnswer> {
        let name = name.to_owned();
        let (document, bytes) = self
            .blocking_while_asked(move |site, gone| site.advisory_raw(&name, query.source.as_ref(), gone))
            .await?;
        let bytes = Box::pin(futures::stream::iter([Ok(bytes.into())]));
        Ok(RawAnswer { document, bytes })
    }

    async fn advisories(&self, query: types::AdvisoryListQuery) -> ServiceResult<types::AdvisoryPage> {
        self.blocking_while_asked(move |site, gone| site.advisories(&query, gone))
            .await
    }

    async fn dump(&self, query: types::DumpQuery) -> ServiceResult<ByteStream> {
        advisories::dump(self.clone(), query).await
    }

    async fn sites(&self) -> ServiceResult<types::SiteList> {
        self.blocking(SiteParts::sites).await
    }

    async fn site(&self, site: &types::SiteSlug) -> ServiceResult<types::Site> {
        let slug = site.clone();
        self.blocking(move |site| site.site(&slug)).await
    }

    async fn add_site(&self, site: types::SiteAdd) -> ServiceResult<types::Site> {
        self.blocking(move |parts| parts.add_site(site)).await
    }

    async fn change_site(
        &self,
        site: &types::SiteSlug,
        change: types::SiteChange,
    ) -> ServiceResult<types::Site> {
        let slug = site.clone();
        self.blocking(move |site| site.change_site(&slug, change)).await
    }

    async fn remove_site(&self, site: &types::SiteSlug) -> ServiceResult<types::Site> {
        let slug = site.clone();
        self.blocking(move |site| site.remove_site(&slug)).await
    }

    async fn site_history(&self, site: &types::SiteSlug) -> ServiceResult<types::SiteHistory> {
        let slug = site.clone();
        self.blocking(move |site| site.site_history(&slug)).await
    }

    async fn site_status(&self, site: &types::SiteSlug) -> ServiceResult<types::SiteStatus> {
        let slug = site.clone();
        self.blocking(move |site| site.site_status(&slug)).await
    }

    async fn conflicts(&self) -> ServiceResult<types::ConflictList> {
        self.blocking(SiteParts::conflicts).await
    }

    async fn conflict(&self, query: types::ConflictQuery) -> ServiceResult<types::RecordConflict> {
        self.blocking(move |site| site.conflict(&query)).await
    }

    async fn resolve_conflict(
        &self,
        resolve: types::ConflictResolve,
    ) -> ServiceResult<types::RecordConflict> {
        self.blocking(move |site| site.resolve_conflict(&resolve)).await
    }

    async fn mutes(&self, query: types::MuteListQuery) -> ServiceResult<types::MuteList> {
        self.blocking(move |site| site.mutes(&query)).await
    }

    async fn mute(&self, id: &str) -> ServiceResult<types::Mute> {
        let id = id.to_owned();
        self.blocking(move |site| site.mute(&id)).await
    }

    async fn add_mute(&self, mute: types::MuteAdd) -> ServiceResult<types::MuteAdded> {
        self.blocking(move |site| site.add_mute(mute)).await
    }

    async fn remove_mute(&self, id: &str, removal: types::MuteRemove) -> ServiceResult<types::Mute> {
        let id = id.to_owned();
        self.blocking(move |site| site.remove_mute(&id, removal)).await
    }

    async fn sync_status(&self) -> ServiceResult<types::SyncStatus> {
        self.blocking(SiteParts::sync_status).await
    }

    async fn import_bundle(
        &self,
        bundle: Upload,
        params: types::ImportParams,
    ) -> ServiceResult<types::ImportReport> {
        let limit = self.0.identity.config.federation.import.max_bundle_size.0;
        let (file, size) = bundle
            .into_file(
                self.0.identity.home.path(),
                limit,
                types::ErrorCode::BundleTooLarge,
            )
            .await?;
        self.blocking(move |site| site.import_bundle(file, size, params))
            .await
    }

    async fn export_bundle(&self, request: types::ExportRequest) -> ServiceResult<ExportedBundle> {
        let (summary, file) = self.blocking(move |site| site.export_bundle(&request)).await?;
        Ok(ExportedBundle {
            summary,
            bytes: bundle_export::stream_file(file),
        })
    }

    async fn inspect_bundle(&self, bundle: Upload) -> ServiceResult<types::BundleInfo> {
        let (file, _) = bundle
            .into_file(
                self.0.identity.home.path(),
                u64::MAX,
                types::ErrorCode::BundleTooLarge,
            )
            .await?;
        self.blocking(move |site| site.inspect_bundle(file)).await
    }

    async fn validate_bundle(&self, bundle: Upload) -> ServiceResult<types::BundleValidation> {
        let (file, size) = bundle
            .into_file(
                self.0.identity.home.path(),
                u64::MAX,
                types::ErrorCode::BundleTooLarge,
            )
            .await?;
        self.blocking(move |site| site.validate_bundle(file, size)).await
    }

    async fn import_feed(
        &self,
        source: types::SourceName,
        input: Upload,
        options: types::FeedImportOptions,
    ) -> ServiceResult<types::FeedImportReport> {
        let input = feeds::input_of(input)?;
        self.blocking(move |site| site.import_feed(&source, input, &options))
            .await
    }

    async fn feeds(&self) -> ServiceResult<types::FeedList> {
        self.blocking(|site| Ok(site.feed_list())).await
    }

    async fn feed(&self, name: &types::FeedName) -> ServiceResult<types::Feed> {
        let name = name.clone();
        self.blocking(move |site| site.feed_shown(&name, true)).await
    }

    async fn add_feed(&self, feed: types::FeedAdd) -> ServiceResult<types::Feed> {
        self.blocking(move |site| site.add_feed(feed)).await
    }

    async fn change_feed(
        &self,
        name: &types::FeedName,
        change: types::FeedChange,
    ) -> ServiceResult<types::Feed> {
        let name = name.clone();
        self.blocking(move |site| site.change_feed(&name, &change)).await
    }

    async fn remove_feed(&self, name: &types::FeedName) -> ServiceResult<types::Feed> {
        let name = name.clone();
        self.blocking(move |site| site.remove_feed(&name)).await
    }

    async fn run_feed(&self, name: &types::FeedName) -> ServiceResult<types::FeedRun> {
        self.run_feed_now(name, Trigger::Request).await
    }

    async fn approve_feed(
        &self,
        name: &types::FeedName,
        approve: types::FeedApprove,
    ) -> ServiceResult<types::FeedRun> {
        self.approve_input(name, approve).await
    }

    async fn make_ready_to_scan(&self) {
        if self.0.live.started.is_none() {
            let made = self.blocking(|site| {
                site.refresh_index();
                Ok(())
            });
            // The failure is logged, and nobody else needs to know.
            let _ = made.await;
        }
    }

    async fn events(&self, after: Option<types::EventId>) -> ServiceResult<EventStream> {
        events::stream(self.clone(), after).await
    }

    async fn doctor(&self, request: types::DoctorRequest) -> ServiceResult<types::DoctorReport> {
        self.blocking(move |site| site.doctor(request)).await
    }

    async fn compact_store(&self) -> ServiceResult<types::CompactReport> {
        self.blocking(SiteParts::compact).await
    }
}
