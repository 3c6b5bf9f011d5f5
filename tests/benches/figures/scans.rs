//! Scans with the corpus loaded: through a daemon, and with a separate command.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
use serde_json::{Value, json};
use starling_api::ScanDocuments;
use starling_api_types::{ScanParams, VerdictEnvelope};
use starling_daemon::{open_offline, scan_without_store};
use starling_tests::http::Request;

use crate::site::{BenchSite, Daemon, overrides};
use crate::table::print;

/// The sample of the quickstart.
const SAMPLE: &[u8] = include_bytes!("../../../cli/src/quickstart/sample-sbom.json");
/// Components of the large document.
const COMPONENTS: usize = 5_000;
/// Scans after the first one; the median of them is used.
const WARM_SCANS: usize = 5;

/// Times in milliseconds, by document.
pub(crate) struct ScanFigures {
    daemon: Vec<(&'static str, usize, f64, f64)>,
    home: std::path::PathBuf,
    documents: Vec<(&'static str, std::path::PathBuf)>,
}

/// Scans through a running daemon.
pub(crate) fn against(daemon: &Daemon, site: &BenchSite, dir: &Path) -> ScanFigures {
    let large = large_document(daemon);
    let mut figures = ScanFigures {
        daemon: Vec::new(),
        home: site.home.clone(),
        documents: Vec::new(),
    };
    for (name, document) in [
        ("sample of the quickstart", SAMPLE),
        ("made, 5,000 components", &large),
    ] {
        let scan = || {
            let started = Instant::now();
            let envelope: VerdictEnvelope = daemon.ask(&Request::post("/scan", document)).json(200);
            (started.elapsed().as_secs_f64() * 1e3, findings(&envelope))
        };
        let (cold, found) = scan();
        let mut warm: Vec<f64> = (0..WARM_SCANS).map(|_| scan().0).collect();
        warm.sort_by(f64::total_cmp);
        figures.daemon.push((name, found, cold, warm[WARM_SCANS / 2]));
        let path = dir.join(format!("sbom-{}.json", figures.documents.len()));
        std::fs::write(&path, document).unwrap();
        figures.documents.push((name, path));
    }
    figures
}

impl ScanFigures {
    /// Prints them, and scans with a separate command, now that no daemon runs.
    pub(crate) fn print(&self, engine: &str) {
        let mut rows = Vec::new();
        for ((name, found, cold, warm), (_, path)) in self.daemon.iter().zip(&self.documents) {
            let started = Instant::now();
            let this = std::env::current_exe().unwrap();
            let status = Command::new(this)
                .arg("--scan")
                .arg(&self.home)
                .arg(path)
                .status()
                .unwrap();
            assert!(status.success());
            let offline = started.elapsed().as_secs_f64() * 1e3;
            rows.push(vec![
                (*name).to_owned(),
                found.to_string(),
                format!("{cold:.1}"),
                format!("{warm:.1}"),
                format!("{offline:.1}"),
            ]);
        }
        let heads = [
            "document",
            "findings",
            "daemon, first ms",
            "daemon, then ms",
            "command ms",
        ];
        print(&format!("## {engine}: scans with the corpus"), &heads, &rows);
    }
}

/// Runs in the child process: opens the site, scans one document, ends.
pub(crate) fn run_offline(args: &[String]) {
    let [home, path] = args else {
        panic!("a home and a document are needed")
    };
    let documents = ScanDocuments::from(Bytes::from(std::fs::read(path).unwrap()));
    // As the command does: with the match index alone if it is current, else with the store.
    let judged =
        scan_without_store(Path::new(home), &documents, &ScanParams::default()).unwrap_or_else(|| {
            let offline =
                open_offline(Path::new(home), &overrides(None)).unwrap_or_else(|problem| panic!("{problem}"));
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let service = offline.service();
            runtime.block_on(service.scan(documents, ScanParams::default()))
        });
    judged.unwrap_or_else(|problem| panic!("{problem}"));
}

fn findings(envelope: &VerdictEnvelope) -> usize {
    let verdict: Value = serde_json::from_str(&serde_json::to_string(&envelope.verdict).unwrap()).unwrap();
    verdict["findings"].as_array().map_or(0, Vec::len)
}

/// Returns a document of packages from the corpus, evenly distributed, half of them in a version that an
/// advisory names as affected: the same document for the same corpus.
fn large_document(daemon: &Daemon) -> Vec<u8> {
    let dump = daemon.ask(&Request::get("/advisories/dump")).bytes();
    let mut packages: BTreeMap<String, String> = BTreeMap::new();
    for line in dump.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let record: Value = serde_json::from_slice(line).unwrap();
        for affected in record["affected"].as_array().into_iter().flatten() {
            let (ecosystem, name) = (&affected["package"]["ecosystem"], &affected["package"]["name"]);
            let (Some(ecosystem), Some(name)) = (ecosystem.as_str(), name.as_str()) else {
                continue;
            };
            let kind = match ecosystem {
                "PyPI" => "pypi",
                "npm" => "npm",
                "crates.io" => "cargo",
                "Go" => "golang",
                "RubyGems" => "gem",
                "NuGet" => "nuget",
                _ => continue,
            };
            let name = name.replace('@', "%40");
            let version = affected["versions"][0].as_str().unwrap_or("0.0.1").to_owned();
            packages.entry(format!("pkg:{kind}/{name}")).or_insert(version);
        }
    }
    let step = (packages.len() / COMPONENTS).max(1);
    let chosen = packages.iter().step_by(step).take(COMPONENTS).enumerate();
    let components = chosen.map(|(index, (purl, affected))| {
        let version = if index % 2 == 0 {
            affected.replace('+', "%2B")
        } else {
            "99999.0.0".to_owned()
        };
        json!({ "type": "library", "name": purl, "version": version, "purl": format!("{purl}@{version}") })
    });
    let components: Vec<Value> = components.collect();
    assert!(!components.is_empty(), "the corpus names no package");
    serde_json::to_vec(&json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "components": components }))
        .unwrap()
}
