//! Sites in folders of a test, asked through the service that every face of them uses.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use starling_api::{SiteService, Upload};
use starling_api_types::{ErrorCode, FeedImportOptions, Problem};
use starling_daemon::config::Overrides;
use starling_daemon::home::Home;
use starling_daemon::open_offline;
use starling_protocol::UnixMillis;
use tokio::runtime::Runtime;

/// A folder for sites. Each is opened for as long as the test holds it, as a command would.
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

    /// Makes a site that believes files of every listed exporter.
    pub(crate) fn site(&self, name: &str) -> Site<'_> {
        self.site_with(name, "")
    }

    /// Makes a site with more in its configuration.
    pub(crate) fn site_with(&self, name: &str, config: &str) -> Site<'_> {
        let home = self.dir.path().join(name);
        let made = Home::init(&home, &name.parse().unwrap(), Some("redb"), UnixMillis::EPOCH).unwrap();
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
            bench: self,
        })
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// One site, open.
pub(crate) struct Site<'b> {
    pub(crate) service: Arc<dyn SiteService>,
    bench: &'b Bench,
}

impl Site<'_> {
    pub(crate) fn wait<T>(&self, call: impl Future<Output = T>) -> T {
        self.bench.runtime.block_on(call)
    }

    /// Takes records in as files of a source.
    pub(crate) fn feed(&self, source: &str, records: &[Value]) {
        let folder = tempfile::tempdir_in(self.bench.dir.path()).unwrap();
        for record in records {
            let name = format!("{}.json", record["id"].as_str().unwrap());
            std::fs::write(folder.path().join(name), record.to_string()).unwrap();
        }
        let input = Upload::Path(folder.path().to_owned());
        let options = FeedImportOptions::default();
        let report = self.wait(self.service.import_feed(source.parse().unwrap(), input, options));
        assert_eq!(report.unwrap().rejected, 0);
    }
}

/// The code of a problem.
pub(crate) fn code<T>(result: Result<T, Problem>) -> ErrorCode {
    match result {
        Err(problem) => problem.code,
        Ok(_) => panic!("it was not refused"),
    }
}

/// An advisory for every version of an npm package before `fixed`.
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
