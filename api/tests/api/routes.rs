//! Each call reaches the service with its parameters, and its answer arrives unchanged.

use axum::http::StatusCode;
use starling_api_types::{Site, VerdictEnvelope};

use crate::fake::{World, get, post, send, site};

#[tokio::test]
async fn reads_reach_the_service_with_their_parameters() {
    let world = World::new();
    for (path, asked) in [
        ("/health", "health"),
        ("/status", "status"),
        ("/federation/sync/status", "sync_status"),
        ("/advisories/CVE-2021-44228", "advisory CVE-2021-44228"),
        (
            "/advisories/pkg%3Anpm%2F%40scope%2Fname%401.0.0",
            "advisory pkg:npm/@scope/name@1.0.0",
        ),
        (
            "/advisories?purl=pkg:npm/express&limit=5&after=x",
            "purl: Some(\"pkg:npm/express\")",
        ),
        (
            "/advisories/dump?source=ghsa",
            "dump DumpQuery { source: Some(SourceName(\"ghsa\")) }",
        ),
        (
            "/advisories/CVE-2021-44228/raw?source=nvd",
            "advisory_raw CVE-2021-44228 of nvd",
        ),
        ("/sites", "sites"),
        ("/sites/site-b", "site site-b"),
        ("/sites/site-b/history", "site_history site-b"),
        ("/sites/site-b/status", "site_status site-b"),
        ("/feeds", "feeds"),
        ("/feeds/nvd", "feed nvd"),
    ] {
        let answer = send(world.local(), get(path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {:?}", answer.body);
        assert!(world.asked().contains(asked), "{path}: {}", world.asked());
    }
}

#[tokio::test]
async fn raw_document_is_described_in_a_header() {
    let world = World::new();
    let answer = send(world.local(), get("/advisories/GHSA-1/raw")).await;
    assert_eq!(answer.body.as_ref(), b"{}");
    let document = starling_api::read_raw_header(&answer.headers).unwrap();
    assert_eq!(
        (document.record_id.as_str(), document.name.as_str()),
        ("GHSA-1", "all/one.json")
    );
}

#[tokio::test]
async fn feeds_are_changed_and_run_by_their_name() {
    let world = World::new();
    let json = "application/json";
    for (path, body, status, asked) in [
        (
            "/feeds",
            r#"{"preset":"nvd","schedule":"3h"}"#,
            StatusCode::CREATED,
            "add_feed FeedAdd { name: None, preset: Some(\"nvd\")",
        ),
        ("/feeds/nvd/run", "", StatusCode::OK, "run_feed nvd"),
        (
            "/feeds/nvd/approve",
            "{}",
            StatusCode::OK,
            "approve_feed nvd FeedApprove { input: None }",
        ),
        (
            "/feeds",
            r#"{"preset":"nvd","shedule":"3h"}"#,
            StatusCode::BAD_REQUEST,
            "",
        ),
    ] {
        let answer = send(world.local(), post(path, json, body)).await;
        assert_eq!(answer.status, status, "{path}: {:?}", answer.body);
        assert!(world.asked().contains(asked), "{path}: {}", world.asked());
    }
}

#[tokio::test]
async fn import_parameters_have_safe_defaults() {
    let world = World::new();
    send(
        world.local(),
        post("/federation/import", "application/zstd", "abc"),
    )
    .await;
    assert_eq!(
        world.asked(),
        "import_bundle 3 ImportParams { dry_run: false, skip_signature: false, on_conflict: None, force: false }"
    );
    let path = "/federation/import?dry_run=true&skip_signature=true&on_conflict=fail&force=true";
    let answer = send(world.local(), post(path, "application/zstd", "abc")).await;
    assert_eq!(
        world.asked(),
        "import_bundle 3 ImportParams { dry_run: true, skip_signature: true, on_conflict: Some(Fail), force: true }"
    );
    let report: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(report["imported_cursor"], "2025-01-15T10:30:00.000Z#0042");
    assert_eq!(report["counts"]["canonical_created"], 1);
}

#[tokio::test]
async fn exports_stream_with_their_summary_in_headers() {
    let world = World::new();
    let cursors = "2025-01-15T10:30:00.000Z%230042,site-b=2025-01-15T10:30:00.000Z%230007";
    let by_get = get(&format!("/federation/export?cursors={cursors}&to_site=site-c"));
    let body = r#"{"cursors":["2025-01-15T10:30:00.000Z#0042","site-b=2025-01-15T10:30:00.000Z#0007"],"to_site":"site-c"}"#;
    let by_post = post("/federation/export", "application/json", body);
    let mut asked = Vec::new();
    for request in [by_get, by_post] {
        let answer = send(world.local(), request).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        assert_eq!(
            (answer.header("content-type"), &answer.body[..]),
            ("application/zstd", &b"zstd"[..])
        );
        let summary = starling_api::read_summary(&answer.headers).unwrap();
        assert_eq!(
            (summary.deltas, summary.claims, summary.bodies, summary.size_bytes),
            (1, 2, 3, Some(4))
        );
        asked.push(world.asked());
    }
    assert_eq!(asked[0], asked[1]);
    assert!(
        asked[0].contains("site-b") && asked[0].contains("site-c"),
        "{}",
        asked[0]
    );
}

#[tokio::test]
async fn dumps_stream_as_lines() {
    let world = World::new();
    let answer = send(world.local(), get("/advisories/dump")).await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    assert_eq!(&answer.body[..], b"{\"id\":\"A\"}\n{\"id\":\"B\"}\n");
    let unknown = send(world.local(), get("/advisories/dump?source=ghas")).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert!(String::from_utf8_lossy(&unknown.body).contains("advisory_not_found"));
}

#[tokio::test]
async fn verdict_is_passed_on_byte_for_byte() {
    let world = World::new();
    let answer = send(
        world.local(),
        post("/scan?fail_on=high", "application/json", "{}"),
    )
    .await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(
        text.contains(r#""verdict":{"outcome": "pass", "n":1.0}"#),
        "{text}"
    );
    let envelope: VerdictEnvelope = serde_json::from_str(&text).unwrap();
    assert_eq!(envelope.verdict.as_str(), r#"{"outcome": "pass", "n":1.0}"#);
    assert!(world.asked().contains("High"));
}

#[tokio::test]
async fn added_site_allows_nothing_by_default() {
    let world = World::new();
    let body = r#"{"site_id":"site-b","key":"blake3:00"}"#;
    let answer = send(
        world.local(),
        post("/sites", "application/json; charset=utf-8", body),
    )
    .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(serde_json::from_slice::<Site>(&answer.body).unwrap(), site());
    assert!(world.asked().contains("allowed_sources: []"), "{}", world.asked());
}

#[tokio::test]
async fn feeds_stream_to_the_service_with_their_options() {
    let world = World::new();
    let request = post(
        "/feeds/rustsec/import?complete=true&strict=true&kind=rustsec",
        "application/zstd",
        "0123456789",
    );
    assert_eq!(send(world.local(), request).await.status, StatusCode::OK);
    assert_eq!(
        world.asked(),
        "import_feed rustsec 10 FeedImportOptions { complete: true, strict: true, allow_empty: false, approve: false, kind: Some(\"rustsec\") }"
    );
}
