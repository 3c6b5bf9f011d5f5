//! The API over TCP, as a build server uses it, and the event stream.

use serde_json::Value;
use starling_api_types::{
    AdvisoryPage, CanonicalImported, ErrorCode, EventAction, Health, Problem, VerdictEnvelope,
};
use starling_tests::Site;
use starling_tests::http::{Answer, Request};

use crate::{bench, sample_feed, sample_sbom};

/// Returns a running site and the address of its API.
fn serve(site: &mut Site, more: &[&str]) -> String {
    let mut args = vec!["--api", "127.0.0.1:0", "--set", "log.format=json"];
    args.extend(more);
    site.up_with(&args);
    let log = site.daemon().log();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut addresses = lines
        .filter(|line| line["fields"]["message"] == "API listening on TCP")
        .filter_map(|line| Some(line["fields"]["address"].as_str()?.to_owned()));
    addresses
        .next_back()
        .unwrap_or_else(|| panic!("the log names the address: {log}"))
}

fn expect_problem(answer: Answer, code: ErrorCode) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem: Problem = answer.json(code.http_status());
    assert_eq!(
        (problem.code, problem.title.as_str(), problem.status),
        (code, code.title(), code.http_status())
    );
}

#[test]
fn build_server_scans_and_reads_without_a_token() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let address = serve(&mut site, &[]);
    let health: Health = Request::get("/health").tcp(&address).json(200);
    assert_eq!(
        (health.status.as_str(), health.site_id.as_str()),
        ("ok", "site-a")
    );
    let _ = site.import("mine", &sample_feed(), &[]);
    let sbom = std::fs::read(sample_sbom(&site)).unwrap();
    let scan = Request::post("/scan?fail_on=high&at=2025-06-01T00:00:00.000Z", &sbom);
    let envelope: VerdictEnvelope = scan.tcp(&address).json(200);
    assert_eq!(envelope.exit_code, 1);
    let page: AdvisoryPage = Request::get("/advisories?purl=pkg:npm/express")
        .tcp(&address)
        .json(200);
    assert_eq!(page.advisories.len(), 2);
    let sync: Value = Request::get("/federation/sync/status").tcp(&address).json(200);
    assert!(
        sync["sites"].is_array() && sync["local_cursor"].is_string(),
        "{sync}"
    );
    let document: Value = Request::get("/openapi.json").tcp(&address).json(200);
    assert!(document["openapi"].is_string());

    expect_problem(Request::get("/nowhere").tcp(&address), ErrorCode::RouteNotFound);
    expect_problem(
        Request::get("/advisories/CVE-1999-0001").tcp(&address),
        ErrorCode::AdvisoryNotFound,
    );
    expect_problem(
        Request::post("/scan", b"junk").tcp(&address),
        ErrorCode::SbomUnreadable,
    );
    expect_problem(
        Request::get("/advisories?limit=many").tcp(&address),
        ErrorCode::BadRequest,
    );
    // Changes are for the local socket only.
    expect_problem(
        Request::post("/feeds/mine/import", b"{}").tcp(&address),
        ErrorCode::TokenRequired,
    );
    expect_problem(
        Request::post("/federation/import", b"x")
            .header("content-type", "application/zstd")
            .tcp(&address),
        ErrorCode::TokenRequired,
    );
}

#[test]
fn admin_calls_need_the_right_token() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let token = site.file("token");
    std::fs::write(&token, "a-token-of-some-length-0123456789\n").unwrap();
    let setting = format!("api.token_file={}", token.display());
    let address = serve(&mut site, &["--set", &setting]);
    let lines: Vec<u8> = sample_feed()
        .files
        .values()
        .flat_map(|bytes| [bytes.as_slice(), b"\n"].concat())
        .collect();
    let import = |token: &str| {
        let bearer = format!("Bearer {token}");
        Request::post("/feeds/mine/import", &lines)
            .header("authorization", &bearer)
            .tcp(&address)
    };
    expect_problem(
        import("another-token-of-some-length-98765"),
        ErrorCode::TokenInvalid,
    );
    let report: Value = import("a-token-of-some-length-0123456789").json(200);
    assert_eq!(report["stored"], 4);
}

#[test]
fn events_are_sent_once_and_resume_after_a_stop() {
    let bench = bench();
    let [a, mut b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    b.list(&a);
    let _ = a.import("mine", &sample_feed(), &[]);
    let first = a.export("first.zst", &[]);
    let address = serve(&mut b, &[]);
    let mut live = Request::get("/events").tcp(&address);
    assert_eq!(live.header("content-type"), Some("text/event-stream"));

    let imported = b.import_bundle(&first);
    // When the import is answered, its content is in the indexes and its events can be read.
    let page: AdvisoryPage = Request::get("/advisories?purl=pkg:npm/express")
        .tcp(&address)
        .json(200);
    assert_eq!(page.advisories.len(), 2);
    let mut events = Vec::new();
    for _ in 0..imported.counts.canonical_created {
        let event = live.event();
        assert_eq!(event.name, "canonical-imported");
        let body: CanonicalImported = serde_json::from_str(&event.data).unwrap();
        assert_eq!(body.action, EventAction::Created);
        assert_eq!(body.bundle_hash, Some(imported.bundle_hash));
        assert_eq!(body.site_id.as_str(), "site-a");
        assert!(body.affects_key.starts_with("pkg:npm/"), "{body:?}");
        events.push(event);
    }
    let cves = events
        .iter()
        .filter(|event| event.data.contains("CVE-2025-10001"))
        .count();
    assert_eq!(cves, 1);

    // A reader that saw only the first event gets the others, once each and in order.
    let mut resumed = Request::get("/events")
        .header("last-event-id", &events[0].id)
        .tcp(&address);
    for event in &events[1..] {
        assert_eq!(&resumed.event(), event);
    }
    // It continues with new events.
    let mut change = sample_feed();
    change.put(
        "EX-2025-0002.json",
        &starling_tests::feed::advisory("EX-2025-0002", "express", "4.20.1", "2025-04-02T00:00:00Z"),
    );
    let cursor = imported.imported_cursor.expect("a cursor").to_string();
    let _ = a.import("mine", &change, &[]);
    let _ = b.import_bundle(&a.export("second.zst", &["-c", &cursor]));
    let event = resumed.event();
    let body: CanonicalImported = serde_json::from_str(&event.data).unwrap();
    assert_eq!(body.action, EventAction::Updated);
    assert_eq!(live.event(), event);
    let expired = Request::get("/events")
        .header("last-event-id", "999999")
        .tcp(&address);
    expect_problem(expired, ErrorCode::EventsExpired);
}
