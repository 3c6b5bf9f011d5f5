//! Sites in test folders, used through the service interface.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt;
use serde_json::{Value, json};
use starling_api::{SiteService, Upload};
use starling_api_types::{
    AdvisoryLookup, AdvisoryQuery, ErrorCode, ExportRequest, FeedImportOptions, FeedImportReport,
    ImportParams, ImportReport, Problem, SiteAdd, SiteSlug, Status,
};
use starling_daemon::config::Overrides;
use starling_daemon::home::Home;
use starling_daemon::{init_site, open_offline};
use tokio::runtime::Runtime;

/// A folder for sites. Each site is open while the test holds it, as with a command.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
    runtime: Runtime,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            runtime: Runtime::new().unwrap(),
        }
    }

    /// Creates a site that trusts bundles of every listed exporter.
    pub(crate) fn site(&self, name: &str) -> Site<'_> {
        self.site_with(name, "")
    }

    /// Creates a site with further configuration.
    pub(crate) fn site_with(&self, name: &str, config: &str) -> Site<'_> {
        let home = self.dir.path().join(name);
        let made = init_site(&home, &name.parse().unwrap(), "redb").unwrap();
        let text =
            format!("[store]\nengine = \"redb\"\n[federation.import]\nallowed_sites = [\"*\"]\n{config}");
        std::fs::write(made.config_path(), text).unwrap();
        self.open(name)
    }

    /// Opens a site again.
    pub(crate) fn open(&self, name: &str) -> Site<'_> {
        self.try_open(name).unwrap()
    }

    pub(crate) fn try_open(&self, name: &str) -> Result<Site<'_>, Problem> {
        let offline = open_offline(&self.home(name), &Overrides::default())?;
        Ok(Site {
            service: offline.service(),
            home: Home::open(&self.home(name)).unwrap(),
            bench: self,
        })
    }

    pub(crate) fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// One site, open.
pub(crate) struct Site<'b> {
    pub(crate) service: Arc<dyn SiteService>,
    pub(crate) home: Home,
    bench: &'b Bench,
}

impl Site<'_> {
    pub(crate) fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.bench.wait(call)
    }

    pub(crate) fn slug(&self) -> SiteSlug {
        self.home.chain().slug().into()
    }

    /// Imports records as files of a source.
    pub(crate) fn feed(&self, source: &str, records: &[Value]) {
        self.feed_with(source, records, FeedImportOptions::default());
    }

    /// Imports records as the complete source.
    pub(crate) fn feed_whole(&self, source: &str, records: &[Value]) {
        let options = FeedImportOptions {
            complete: true,
            ..FeedImportOptions::default()
        };
        self.feed_with(source, records, options);
    }

    /// Imports records with options.
    pub(crate) fn feed_with(&self, source: &str, records: &[Value], options: FeedImportOptions) {
        let folder = tempfile::tempdir_in(self.bench.dir.path()).unwrap();
        for record in records {
            let name = format!("{}.json", record["id"].as_str().unwrap());
            std::fs::write(folder.path().join(name), record.to_string()).unwrap();
        }
        let input = Upload::Path(folder.path().to_owned());
        let report = self.wait(self.service.import_feed(source.parse().unwrap(), input, options));
        assert_eq!(report.unwrap().rejected, 0);
    }

    /// Imports one document in its source's own format.
    pub(crate) fn take_in(
        &self,
        source: &str,
        text: &str,
        kind: Option<&str>,
    ) -> Result<FeedImportReport, Problem> {
        let options = FeedImportOptions {
            kind: kind.map(str::to_owned),
            ..FeedImportOptions::default()
        };
        self.take_in_with(source, text, options)
    }

    /// Imports one document with these options.
    pub(crate) fn take_in_with(
        &self,
        source: &str,
        text: &str,
        options: FeedImportOptions,
    ) -> Result<FeedImportReport, Problem> {
        let file = self.bench.dir.path().join("document");
        std::fs::write(&file, text).unwrap();
        self.wait(
            self.service
                .import_feed(source.parse().unwrap(), Upload::Path(file), options),
        )
    }

    /// Lists another site here, for these sources.
    pub(crate) fn list(&self, other: &Site<'_>, sources: &[&str]) {
        let identity = other.home.identity();
        let add = json!({
            "site_id": other.slug(),
            "key": identity.certificates,
            "allowed_sources": sources,
        });
        let add: SiteAdd = serde_json::from_value(add).unwrap();
        self.wait(self.service.add_site(add)).unwrap();
    }

    /// Returns a bundle of everything, or of the requested part.
    pub(crate) fn export(&self, request: ExportRequest) -> Vec<u8> {
        self.try_export(request).unwrap()
    }

    pub(crate) fn try_export(&self, request: ExportRequest) -> Result<Vec<u8>, Problem> {
        self.wait(async {
            let mut bundle = self.service.export_bundle(request).await?;
            let mut bytes = Vec::new();
            while let Some(chunk) = bundle.bytes.next().await {
                bytes.extend_from_slice(&chunk?);
            }
            Ok(bytes)
        })
    }

    pub(crate) fn status(&self) -> Status {
        let mut status = self.wait(self.service.status()).unwrap();
        // Rows of another kind may change.
        let store = &mut status.store;
        for size in [
            &mut store.size_bytes,
            &mut store.log_bytes,
            &mut store.pack_bytes,
            &mut store.engine_bytes,
        ] {
            *size = 0;
        }
        status
    }

    /// Returns a record as shown by the service, by its id.
    pub(crate) fn get(&self, name: &str) -> Result<AdvisoryLookup, Problem> {
        self.wait(self.service.advisory(name, AdvisoryQuery::default()))
    }

    pub(crate) fn import(&self, bundle: &[u8], params: ImportParams) -> Result<ImportReport, Problem> {
        self.wait(
            self.service
                .import_bundle(Upload::from_bytes(bundle.to_vec()), params),
        )
    }
}

/// Returns the options of a dry run.
pub(crate) fn dry_run() -> ImportParams {
    ImportParams {
        dry_run: true,
        ..ImportParams::default()
    }
}

/// Returns the code of a problem.
pub(crate) fn code<T>(result: Result<T, Problem>) -> ErrorCode {
    match result {
        Err(problem) => problem.code,
        Ok(_) => panic!("it was not refused"),
    }
}

/// Returns an advisory for all versions of an npm package before `fixed`.
pub(crate) fn advisory(id: &str, package: &str, fixed: &str) -> Value {
    json!({
        "schema_version": "1.6.0",
        "id": id,
        "modified": "2025-02-01T00:00:00Z",
        "summary": format!("{package} before {fixed} trusts its input"),
        "affected": [{
            "package": { "ecosystem": "npm", "name": package },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": fixed }] }],
        }],
    })
}
