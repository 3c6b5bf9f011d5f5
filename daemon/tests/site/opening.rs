//! A daemon whose store is still being opened: its answers, and its end.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};
use starling_api::ScanDocuments;
use starling_api_types::ScanParams;
use starling_daemon::config::Overrides;
use starling_daemon::{RunError, run_on, scan_without_store};
use starling_store::engine::{Engine, FaultPlan, MemoryEngine, NoticeEngine};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, advisory};

const NAME: &str = "site-a";
const SCAN: &str = "/scan?at=2025-06-01T00:00:00.000Z";

/// Calls a daemon; returns status and JSON body, or zero if it does not listen.
pub(crate) fn ask(socket: &Path, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let Ok(mut stream) = UnixStream::connect(socket) else {
        return (0, Value::Null);
    };
    let head = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: \
         application/octet-stream\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut answer = Vec::new();
    let asked = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body))
        .and_then(|()| stream.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer);
    let (Ok(_), Some((head, body))) = (asked, answer.split_once("\r\n\r\n")) else {
        return (0, Value::Null);
    };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = body.find('{').and_then(|from| body.get(from..=body.rfind('}')?));
    (
        status.unwrap_or(0),
        body.and_then(|body| serde_json::from_str(body).ok())
            .unwrap_or_default(),
    )
}

/// Blocks an engine's commits until it is opened.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
    }
}

fn sbom() -> Vec<u8> {
    let express =
        json!({"type": "library", "name": "express", "version": "4.17.0", "purl": "pkg:npm/express@4.17.0"});
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [express]});
    sbom.to_string().into_bytes()
}

/// Creates a site with an index and removes its engine; returns the verdict on [`sbom`].
fn site_without_engine(bench: &Bench) -> Value {
    let site = bench.site(NAME);
    site.feed("mine", &[advisory("EX-1", "express", "9.0.0")]);
    site.wait(site.service.make_ready_to_scan());
    drop(site);
    let home = bench.home(NAME);
    std::fs::remove_dir_all(home.join("store")).unwrap();
    let documents = ScanDocuments {
        sbom: sbom().into(),
        baseline: None,
        policy: None,
        rego: None,
        vex: Vec::new(),
    };
    let params = ScanParams {
        at: Some("2025-06-01T00:00:00.000Z".parse().unwrap()),
        ..ScanParams::default()
    };
    let verdict = scan_without_store(&home, &documents, &params).unwrap().unwrap();
    serde_json::from_str(verdict.verdict.as_str()).unwrap()
}

/// Starts a daemon whose rebuild is blocked, and waits until its API answers.
async fn start(
    bench: &Bench,
    gate: &Arc<Gate>,
    stop: &CancellationToken,
) -> JoinHandle<Result<(), RunError>> {
    let held = gate.clone();
    let notice = move || {
        held.pass();
        Ok(())
    };
    let memory = Arc::new(MemoryEngine::new(FaultPlan::default()));
    let engine: Arc<dyn Engine> = Arc::new(NoticeEngine::new(memory, Box::new(notice)));
    let (home, stop) = (bench.home(NAME), stop.clone());
    let overrides = Overrides {
        settings: vec![("federation.enabled".to_owned(), "false".to_owned())],
    };
    let daemon = tokio::spawn(async move { run_on(engine, &home, &overrides, stop).await });
    let socket = bench.home(NAME).join("starling.sock");
    while ask(&socket, "GET", "/health", b"").0 != 200 {
        assert!(!daemon.is_finished());
        tokio::task::yield_now().await;
    }
    daemon
}

fn verdict_of(answer: &(u16, Value)) -> Value {
    assert_eq!(answer.0, 200, "{answer:?}");
    match &answer.1["verdict"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        verdict => verdict.clone(),
    }
}

#[test]
fn scans_are_answered_while_the_engine_is_rebuilt() {
    let bench = Bench::new();
    let before = site_without_engine(&bench);
    let socket = bench.home(NAME).join("starling.sock");
    let (gate, stop) = (Arc::new(Gate::default()), CancellationToken::new());
    bench.wait(async {
        let daemon = start(&bench, &gate, &stop).await;
        let (_, health) = ask(&socket, "GET", "/health", b"");
        assert_eq!(
            (&health["status"], &health["opening"]["work"]),
            (&json!("opening"), &json!("opening"))
        );
        assert_eq!(verdict_of(&ask(&socket, "POST", SCAN, &sbom())), before);
        for path in ["/status", "/sites", "/mutes"] {
            let (status, problem) = ask(&socket, "GET", path, b"");
            assert_eq!(
                (status, &problem["code"]),
                (503, &json!("busy")),
                "{path}: {problem}"
            );
            assert!(
                problem["detail"].as_str().unwrap().contains("being opened"),
                "{problem}"
            );
        }
        let past = ask(&socket, "POST", "/scan?as_of=2025-06-01", &sbom());
        assert_eq!((past.0, &past.1["code"]), (503, &json!("busy")), "{past:?}");

        gate.open();
        while ask(&socket, "GET", "/health", b"").1["status"] != "ok" {
            assert!(!daemon.is_finished());
            tokio::task::yield_now().await;
        }
        assert_eq!(ask(&socket, "GET", "/status", b"").1["advisories"], 1);
        assert_eq!(verdict_of(&ask(&socket, "POST", SCAN, &sbom())), before);
        stop.cancel();
        daemon.await.unwrap().unwrap();
    });
}

#[test]
fn daemon_ends_when_it_is_stopped_while_opening() {
    let bench = Bench::new();
    site_without_engine(&bench);
    let socket = bench.home(NAME).join("starling.sock");
    let (gate, stop) = (Arc::new(Gate::default()), CancellationToken::new());
    bench.wait(async {
        let daemon = start(&bench, &gate, &stop).await;
        stop.cancel();
        // The gate is still closed.
        daemon.await.unwrap().unwrap();
        assert_eq!(ask(&socket, "GET", "/health", b"").0, 0);
    });
    gate.open();
}

#[test]
fn outdated_marker_is_not_used() {
    let bench = Bench::new();
    site_without_engine(&bench);
    let home = bench.home(NAME);
    let mark = std::fs::read(home.join("scan.ready")).unwrap();
    let index = std::fs::read(home.join("match.idx")).unwrap();
    let documents = ScanDocuments {
        sbom: sbom().into(),
        baseline: None,
        policy: None,
        rego: None,
        vex: Vec::new(),
    };
    let cold = || scan_without_store(&home, &documents, &ScanParams::default());
    assert!(cold().is_some());
    let site = bench.open(NAME);
    site.feed("mine", &[advisory("EX-2", "express", "9.0.0")]);
    drop(site);
    // As if nothing had changed either file.
    std::fs::write(home.join("scan.ready"), mark).unwrap();
    std::fs::write(home.join("match.idx"), index).unwrap();
    assert!(cold().is_none(), "the log has grown after the marker");
}

#[test]
fn marker_follows_the_log_while_a_daemon_runs() {
    let bench = Bench::new();
    let before = site_without_engine(&bench);
    let home = bench.home(NAME);
    let socket = home.join("starling.sock");
    let mark = || std::fs::read(home.join("scan.ready")).ok();
    let documents = ScanDocuments {
        sbom: sbom().into(),
        baseline: None,
        policy: None,
        rego: None,
        vex: Vec::new(),
    };
    let params = ScanParams {
        at: Some("2025-06-01T00:00:00.000Z".parse().unwrap()),
        ..ScanParams::default()
    };
    // The state that a scan finds after a kill at this moment.
    let cold = || scan_without_store(&home, &documents, &params);
    let (gate, stop) = (Arc::new(Gate::default()), CancellationToken::new());
    gate.open();
    bench.wait(async {
        let daemon = start(&bench, &gate, &stop).await;
        let until = async |reached: &dyn Fn() -> bool| {
            while !reached() {
                assert!(!daemon.is_finished());
                tokio::task::yield_now().await;
            }
        };
        // The start rebuilds the rows and signs heads: the old marker is outdated.
        until(&|| ask(&socket, "GET", "/health", b"").1["status"] == "ok").await;
        until(&|| cold().is_some()).await;
        let verdict = cold().unwrap().unwrap();
        let verdict: Value = serde_json::from_str(verdict.verdict.as_str()).unwrap();
        assert_eq!(verdict["findings"], before["findings"]);
        // An export signs heads and writes to the ledger: the index does not change.
        let (index, marked) = (std::fs::read(home.join("match.idx")).unwrap(), mark());
        assert_eq!(ask(&socket, "GET", "/federation/export", b"").0, 200);
        until(&|| mark() != marked && cold().is_some()).await;
        assert_eq!(std::fs::read(home.join("match.idx")).unwrap(), index);
        stop.cancel();
        daemon.await.unwrap().unwrap();
    });
    assert!(cold().is_some());
}
