//! A site whose answers a test sets. The command line's tests use it too, so it does not name the router.

#[path = "fake_site/samples.rs"]
mod samples;

use std::io::Read;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use starling_api::{
    ByteStream, EventStream, ExportedBundle, RawAnswer, ScanDocuments, ServiceResult, SiteService, Upload,
};
use starling_api_types::*;
use tokio::sync::Notify;

use self::samples::{a_conflict, counts, health, sizes, status, vex_entry};
pub(crate) use self::samples::{a_feed, a_feed_run, a_mute, event, event_id, now, site, slug};

/// Largest bundle that the fake site accepts, in bytes.
pub(crate) const BUNDLE_MAX_BYTES: u64 = 1_000;

/// A site without knowledge: records the calls, and fails as configured.
#[derive(Default)]
pub(crate) struct FakeSite {
    /// If set, every call fails with this.
    pub(crate) problem: Mutex<Option<Problem>>,
    /// If set, every call panics.
    pub(crate) panics: Mutex<bool>,
    /// If set, every call waits for this.
    pub(crate) waits_for: Mutex<Option<Arc<Notify>>>,
    /// If set, feeds are refused at their first byte.
    pub(crate) refuses_feeds: Mutex<bool>,
    /// The outcome of every run of a feed; `None` for success.
    pub(crate) feed_outcome: Mutex<Option<FeedRunOutcome>>,
    /// The exit code of every verdict.
    pub(crate) exit_code: Mutex<u8>,
    /// The arguments of the last call, in `Debug` form.
    pub(crate) asked: Mutex<String>,
    /// The events; a stream ends after them.
    pub(crate) events: Mutex<Vec<EventRecord>>,
    /// True if a stream stays open after its events.
    pub(crate) events_stay_open: Mutex<bool>,
}

impl FakeSite {
    async fn note(&self, call: String) -> ServiceResult<()> {
        *self.asked.lock().unwrap() = call;
        let panics = *self.panics.lock().unwrap();
        assert!(!panics, "told to panic");
        let waits_for = self.waits_for.lock().unwrap().clone();
        if let Some(release) = waits_for {
            release.notified().await;
        }
        match self.problem.lock().unwrap().clone() {
            Some(problem) => Err(problem),
            None => Ok(()),
        }
    }
}

/// Reads an upload completely, like an implementation.
async fn contents(upload: Upload) -> ServiceResult<Vec<u8>> {
    let mut reader = upload.into_read()?;
    tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .map_err(|error| match error.into_inner() {
                Some(inner) => *inner.downcast::<Problem>().unwrap(),
                None => Problem::new(ErrorCode::FileAccess, "reading"),
            })?;
        Ok(bytes)
    })
    .await
    .unwrap()
}

#[async_trait]
impl SiteService for FakeSite {
    async fn health(&self) -> ServiceResult<Health> {
        self.note("health".to_owned()).await?;
        Ok(health())
    }

    async fn status(&self) -> ServiceResult<Status> {
        self.note("status".to_owned()).await?;
        Ok(status())
    }

    async fn scan(&self, documents: ScanDocuments, params: ScanParams) -> ServiceResult<VerdictEnvelope> {
        let mut asked = format!("scan {}", documents.sbom.len());
        for (name, document) in [("baseline", documents.baseline), ("policy", documents.policy)] {
            asked.extend(document.map(|document| format!(" {name} {}", document.len())));
        }
        asked.extend(
            documents
                .vex
                .iter()
                .map(|document| format!(" vex {}", document.len())),
        );
        asked.push_str(&format!(" {params:?}"));
        self.note(asked).await?;
        Ok(VerdictEnvelope {
            verdict: RawJson::new(r#"{"outcome": "pass", "n":1.0}"#.to_owned()).unwrap(),
            verdict_hash: VerdictHash::from_bytes([4; 32]),
            site: SiteId::from_bytes([1; 32]),
            site_id: slug("site-a"),
            time: now(),
            known_since: None,
            exit_code: *self.exit_code.lock().unwrap(),
            without_threshold: false,
            unfinished_imports: Vec::new(),
            signature: None,
        })
    }

    async fn explain(&self, query: ExplainQuery) -> ServiceResult<Explanation> {
        self.note(format!("explain {query:?}")).await?;
        Ok(Explanation {
            purl: query.purl,
            id: query.id,
            conclusion: Conclusion::NotAbout,
            reason: "nothing is known".to_owned(),
            ecosystem: None,
            name: None,
            version: None,
            comparator: None,
            advisories: Vec::new(),
            other_advisories: 0,
        })
    }

    async fn vex(&self) -> ServiceResult<VexList> {
        self.note("vex".to_owned()).await?;
        Ok(VexList {
            documents: vec![vex_entry()],
            damaged: Vec::new(),
            foreign: Vec::new(),
        })
    }

    async fn add_vex(&self, document: Bytes) -> ServiceResult<VexEntry> {
        self.note(format!("add_vex {}", document.len())).await?;
        Ok(vex_entry())
    }

    async fn vex_document(&self, hash: &VexHash) -> ServiceResult<ByteStream> {
        self.note(format!("vex_document {hash}")).await?;
        let bytes = [Ok(Bytes::from_static(b"{}"))];
        Ok(Box::pin(futures::stream::iter(bytes)))
    }

    async fn remove_vex(&self, hash: &VexHash) -> ServiceResult<VexRemoved> {
        self.note(format!("remove_vex {hash}")).await?;
        Ok(VexRemoved { hash: *hash })
    }

    async fn advisory(&self, name: &str, query: AdvisoryQuery) -> ServiceResult<AdvisoryLookup> {
        let past = query.as_of.map(|as_of| format!(" as of {as_of}"));
        self.note(format!("advisory {name}{}", past.unwrap_or_default()))
            .await?;
        Ok(AdvisoryLookup {
            query: name.to_owned(),
            redirected_from: None,
            advisories: Vec::new(),
            left_out: 0,
        })
    }

    async fn advisory_raw(&self, name: &str, query: RawQuery) -> ServiceResult<RawAnswer> {
        let source = query.source.map(|source| format!(" of {source}"));
        self.note(format!("advisory_raw {name}{}", source.unwrap_or_default()))
            .await?;
        let document = RawDocument {
            source: "ghsa".parse().unwrap(),
            record_id: name.to_owned(),
            feed: FeedName::new("ghsa").unwrap(),
            name: "all/one.json".to_owned(),
            address: "https://example.org/all.zip".to_owned(),
            fetched_at: Timestamp::saturating(0),
            validator: Some("\"v1\"".to_owned()),
            size_bytes: 2,
            is_stated: true,
        };
        let bytes = [Ok(Bytes::from_static(b"{}"))];
        Ok(RawAnswer {
            document,
            bytes: Box::pin(futures::stream::iter(bytes)),
        })
    }

    async fn advisories(&self, query: AdvisoryListQuery) -> ServiceResult<AdvisoryPage> {
        self.note(format!("advisories {query:?}")).await?;
        Ok(AdvisoryPage {
            advisories: Vec::new(),
            next: None,
            as_of: None,
        })
    }

    async fn dump(&self, query: DumpQuery) -> ServiceResult<ByteStream> {
        self.note(format!("dump {query:?}")).await?;
        if query.source.is_some_and(|source| source.as_str() != "ghsa") {
            let problem = Problem::new(
                ErrorCode::AdvisoryNotFound,
                "writing records: nothing is known here",
            );
            return Err(problem.hint("did you mean ghsa?"));
        }
        let lines = [
            Ok(Bytes::from_static(b"{\"id\":\"A\"}\n")),
            Ok(Bytes::from_static(b"{\"id\":\"B\"}\n")),
        ];
        Ok(Box::pin(futures::stream::iter(lines)))
    }

    async fn sites(&self) -> ServiceResult<SiteList> {
        self.note("sites".to_owned()).await?;
        Ok(SiteList { sites: vec![site()] })
    }

    async fn site(&self, name: &SiteSlug) -> ServiceResult<Site> {
        self.note(format!("site {name}")).await?;
        Ok(site())
    }

    async fn add_site(&self, added: SiteAdd) -> ServiceResult<Site> {
        self.note(format!("add_site {added:?}")).await?;
        Ok(site())
    }

    async fn change_site(&self, name: &SiteSlug, change: SiteChange) -> ServiceResult<Site> {
        self.note(format!("change_site {name} {change:?}")).await?;
        Ok(site())
    }

    async fn remove_site(&self, name: &SiteSlug) -> ServiceResult<Site> {
        self.note(format!("remove_site {name}")).await?;
        Ok(site())
    }

    async fn site_history(&self, name: &SiteSlug) -> ServiceResult<SiteHistory> {
        self.note(format!("site_history {name}")).await?;
        Ok(SiteHistory {
            site_id: name.clone(),
            entries: Vec::new(),
        })
    }

    async fn site_status(&self, name: &SiteSlug) -> ServiceResult<SiteStatus> {
        self.note(format!("site_status {name}")).await?;
        Ok(SiteStatus {
            entry: site(),
            connected: false,
            positions: Vec::new(),
            bundles_imported: 0,
            total_items_imported: 0,
            last_error: None,
        })
    }

    async fn conflicts(&self) -> ServiceResult<ConflictList> {
        self.note("conflicts".to_owned()).await?;
        Ok(ConflictList {
            conflicts: vec![a_conflict()],
        })
    }

    async fn conflict(&self, query: ConflictQuery) -> ServiceResult<RecordConflict> {
        self.note(format!("conflict {query:?}")).await?;
        Ok(a_conflict())
    }

    async fn resolve_conflict(&self, resolve: ConflictResolve) -> ServiceResult<RecordConflict> {
        self.note(format!("resolve_conflict {resolve:?}")).await?;
        Ok(a_conflict())
    }

    async fn mutes(&self, query: MuteListQuery) -> ServiceResult<MuteList> {
        self.note(format!("mutes {query:?}")).await?;
        Ok(MuteList {
            mutes: vec![a_mute()],
            waiting: Vec::new(),
            refused: Vec::new(),
        })
    }

    async fn mute(&self, id: &str) -> ServiceResult<Mute> {
        self.note(format!("mute {id}")).await?;
        Ok(a_mute())
    }

    async fn add_mute(&self, mute: MuteAdd) -> ServiceResult<MuteAdded> {
        self.note(format!("add_mute {mute:?}")).await?;
        Ok(MuteAdded {
            mute: a_mute(),
            warnings: vec!["this site knows no CVE-2024-29041".to_owned()],
        })
    }

    async fn remove_mute(&self, id: &str, removal: MuteRemove) -> ServiceResult<Mute> {
        self.note(format!("remove_mute {id} {removal:?}")).await?;
        Ok(a_mute())
    }

    async fn sync_status(&self) -> ServiceResult<SyncStatus> {
        self.note("sync_status".to_owned()).await?;
        Ok(SyncStatus {
            sites: Vec::new(),
            local_cursor: None,
        })
    }

    async fn import_bundle(&self, bundle: Upload, params: ImportParams) -> ServiceResult<ImportReport> {
        let bytes = contents(bundle).await?;
        self.note(format!("import_bundle {} {params:?}", bytes.len()))
            .await?;
        Ok(ImportReport {
            success: true,
            bundle_hash: BundleHash::from_bytes([5; 32]),
            imported_cursor: Some(Cursor::new("2025-01-15T10:30:00.000Z#0042").unwrap()),
            counts: counts(),
            conflicts: Vec::new(),
            duration_ms: 1,
            cursors: Vec::new(),
            dry_run: params.dry_run,
            logs: Vec::new(),
            certificates: 0,
            heads: 0,
            warnings: Vec::new(),
            mutes: None,
        })
    }

    async fn export_bundle(&self, request: ExportRequest) -> ServiceResult<ExportedBundle> {
        self.note(format!("export_bundle {request:?}")).await?;
        Ok(ExportedBundle {
            summary: ExportSummary {
                bundle_hash: BundleHash::from_bytes([5; 32]),
                deltas: 1,
                claims: 2,
                bodies: 3,
                size_bytes: Some(4),
                warnings: Vec::new(),
            },
            bytes: Box::pin(futures::stream::once(async { Ok(Bytes::from_static(b"zstd")) })),
        })
    }

    async fn inspect_bundle(&self, bundle: Upload) -> ServiceResult<BundleInfo> {
        let bytes = contents(bundle).await?;
        self.note(format!("inspect_bundle {}", bytes.len())).await?;
        Ok(BundleInfo {
            bundle_hash: BundleHash::from_bytes([5; 32]),
            format_version: 1,
            exporter: SiteId::from_bytes([2; 32]),
            exporter_site_id: None,
            size_bytes: bytes.len() as u64,
            frames: 1,
            certificates: 1,
            deltas: 1,
            bodies: 0,
            bodies_bytes: 0,
            logs: Vec::new(),
            part: None,
        })
    }

    async fn validate_bundle(&self, bundle: Upload) -> ServiceResult<BundleValidation> {
        let bytes = contents(bundle).await?;
        self.note(format!("validate_bundle {}", bytes.len())).await?;
        Ok(BundleValidation {
            news: None,
            valid: false,
            bundle_hash: None,
            info: None,
            checks: Vec::new(),
            duration_ms: 1,
        })
    }

    async fn import_feed(
        &self,
        source: SourceName,
        input: Upload,
        options: FeedImportOptions,
    ) -> ServiceResult<FeedImportReport> {
        let refuses = *self.refuses_feeds.lock().unwrap();
        if refuses {
            // In a thread outside of the runtime, as a real reader does it.
            std::thread::spawn(move || drop(input)).join().unwrap();
            return Err(Problem::new(ErrorCode::FeedUnreadable, "reading the first byte"));
        }
        let bytes = contents(input).await?;
        self.note(format!("import_feed {source} {} {options:?}", bytes.len()))
            .await?;
        Ok(FeedImportReport {
            source,
            complete: options.complete,
            read_as: Vec::new(),
            stored: 1,
            unchanged: 0,
            duplicate: 0,
            ignored: 0,
            rejected: 0,
            absent: 0,
            files: Vec::new(),
            files_truncated: false,
            deltas: 1,
            cursor: None,
            out_of_reach: Vec::new(),
            partly_out_of_reach: Vec::new(),
            unchecked: None,
            warnings: Vec::new(),
            warning_count: 0,
            input_bytes: bytes.len() as u64,
            duration_ms: 1,
        })
    }

    async fn feeds(&self) -> ServiceResult<FeedList> {
        self.note("feeds".to_owned()).await?;
        Ok(FeedList {
            feeds: vec![a_feed()],
        })
    }

    async fn feed(&self, name: &FeedName) -> ServiceResult<Feed> {
        self.note(format!("feed {name}")).await?;
        Ok(a_feed())
    }

    async fn add_feed(&self, feed: FeedAdd) -> ServiceResult<Feed> {
        self.note(format!("add_feed {feed:?}")).await?;
        Ok(a_feed())
    }

    async fn change_feed(&self, name: &FeedName, change: FeedChange) -> ServiceResult<Feed> {
        self.note(format!("change_feed {name} {change:?}")).await?;
        Ok(a_feed())
    }

    async fn remove_feed(&self, name: &FeedName) -> ServiceResult<Feed> {
        self.note(format!("remove_feed {name}")).await?;
        Ok(a_feed())
    }

    async fn run_feed(&self, name: &FeedName) -> ServiceResult<FeedRun> {
        self.note(format!("run_feed {name}")).await?;
        Ok(a_feed_run(*self.feed_outcome.lock().unwrap()))
    }

    async fn approve_feed(&self, name: &FeedName, approve: FeedApprove) -> ServiceResult<FeedRun> {
        self.note(format!("approve_feed {name} {approve:?}")).await?;
        Ok(a_feed_run(None))
    }

    async fn events(&self, after: Option<EventId>) -> ServiceResult<EventStream> {
        self.note(format!("events {after:?}")).await?;
        let all = self.events.lock().unwrap().clone();
        let later: Vec<_> = all
            .into_iter()
            .filter(|event| after.is_some_and(|after| event.id.number > after.number))
            .map(Ok)
            .collect();
        let stream = futures::stream::iter(later);
        if *self.events_stay_open.lock().unwrap() {
            return Ok(Box::pin(stream.chain(futures::stream::pending())));
        }
        let problem = Problem::new(ErrorCode::ShuttingDown, "sending events");
        Ok(Box::pin(
            stream.chain(futures::stream::once(async { Err(problem) })),
        ))
    }

    async fn doctor(&self, request: DoctorRequest) -> ServiceResult<DoctorReport> {
        self.note(format!("doctor {request:?}")).await?;
        Ok(DoctorReport {
            ok: true,
            checks: Vec::new(),
            duration_ms: 1,
        })
    }

    async fn compact_store(&self) -> ServiceResult<CompactReport> {
        self.note("compact_store".to_owned()).await?;
        Ok(CompactReport {
            before: sizes(2),
            after: sizes(1),
            packs_rewritten: 3,
            bodies_moved: 40,
            engine_rebuilt: true,
            duration_ms: 1,
        })
    }
}
