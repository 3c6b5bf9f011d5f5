//! Limits on the size, duration and number of calls.

use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use starling_api::limits::{
    MAX_CONCURRENT_CALLS, MAX_CONCURRENT_SCANS, MAX_EVENT_STREAMS, QUICK_CALL_TIMEOUT, SBOM_MAX_BYTES,
    UPLOAD_IDLE_TIMEOUT,
};
use starling_api_types::ErrorCode;
use tower::ServiceExt;

use crate::fake::{BUNDLE_MAX_BYTES, World, get, post, send};

const ZSTD: &str = "application/zstd";

/// Returns a body of unknown length.
fn chunks(count: usize, size: usize) -> Body {
    let chunk = Bytes::from(vec![0; size]);
    Body::from_stream(futures::stream::iter(
        (0..count).map(move |_| Ok::<_, std::io::Error>(chunk.clone())),
    ))
}

#[tokio::test]
async fn bundle_with_too_large_length_is_refused_unread() {
    let world = World::new();
    let mut request = post("/federation/import", ZSTD, "short");
    request
        .headers_mut()
        .insert("content-length", (BUNDLE_MAX_BYTES + 1).into());
    let problem = send(world.local(), request).await.problem();
    assert_eq!(
        (problem.code, problem.title.as_str()),
        (ErrorCode::BundleTooLarge, "Bundle too large")
    );
    assert_eq!(world.asked(), "");
}

#[tokio::test]
async fn too_large_bundle_is_refused_and_leaves_no_file() {
    let world = World::new();
    for path in [
        "/federation/import",
        "/federation/bundles/inspect",
        "/federation/bundles/validate",
    ] {
        let problem = send(world.local(), post(path, ZSTD, chunks(11, 100)))
            .await
            .problem();
        assert_eq!(problem.code, ErrorCode::BundleTooLarge, "{path}");
    }
    assert_eq!(world.asked(), "");
    assert_eq!(std::fs::read_dir(world.dir.path()).unwrap().count(), 0);
    let answer = send(world.local(), post("/federation/import", ZSTD, chunks(10, 100))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(
        world.asked().starts_with("import_bundle 1000"),
        "{}",
        world.asked()
    );
}

#[tokio::test]
async fn interrupted_upload_is_an_error_on_both_sides() {
    let world = World::new();
    let broken = || {
        let items = [
            Ok(Bytes::from_static(b"half")),
            Err(std::io::Error::other("connection reset")),
        ];
        Body::from_stream(futures::stream::iter(items))
    };
    for (path, kind) in [
        ("/federation/import", ZSTD),
        ("/feeds/ghsa/import?complete=true", "application/zip"),
    ] {
        let problem = send(world.local(), post(path, kind, broken())).await.problem();
        assert_eq!(problem.code, ErrorCode::UploadInterrupted, "{path}");
    }
    assert_eq!(world.asked(), "");
}

#[tokio::test]
async fn large_json_and_large_sboms_are_refused() {
    let world = World::new();
    let answer = send(
        world.local(),
        post("/sites", "application/json", chunks(300, 1024)),
    )
    .await;
    assert_eq!(answer.problem().code, ErrorCode::BodyTooLarge);
    let mut request = post("/scan", "application/json", "{}");
    request
        .headers_mut()
        .insert("content-length", (SBOM_MAX_BYTES + 1).into());
    assert_eq!(
        send(world.local(), request).await.problem().code,
        ErrorCode::BodyTooLarge
    );
}

#[tokio::test(start_paused = true)]
async fn silent_upload_is_ended() {
    let world = World::new();
    let body = Body::from_stream(futures::stream::pending::<Result<Bytes, std::io::Error>>());
    let problem = send(world.local(), post("/federation/import", ZSTD, body))
        .await
        .problem();
    assert_eq!(problem.code, ErrorCode::UploadInterrupted);
    assert!(
        problem
            .detail
            .contains(&UPLOAD_IDLE_TIMEOUT.as_secs().to_string())
    );
}

#[tokio::test(start_paused = true)]
async fn hanging_call_times_out_but_an_import_does_not() {
    let world = World::new();
    *world.site.waits_for.lock().unwrap() = Some(std::sync::Arc::default());
    assert_eq!(
        send(world.local(), get("/status")).await.problem().code,
        ErrorCode::TimedOut
    );
    let import = send(world.local(), post("/doctor", "text/plain", ""));
    assert!(
        tokio::time::timeout(QUICK_CALL_TIMEOUT * 10, import)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn calls_over_the_limit_are_busy_until_a_place_is_free() {
    let world = World::new();
    let router = world.local();
    // An answer holds its place until it is read or dropped.
    let mut held = Vec::new();
    for _ in 0..MAX_CONCURRENT_CALLS {
        held.push(router.clone().oneshot(get("/advisories/dump")).await.unwrap());
    }
    let refused = send(router.clone(), get("/health")).await;
    assert_eq!(refused.problem().code, ErrorCode::Busy);
    assert_eq!(refused.header("retry-after"), "1");
    drop(held);
    assert_eq!(send(router, get("/health")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn scans_over_the_limit_wait_instead_of_being_refused() {
    let world = World::new();
    let release = std::sync::Arc::new(tokio::sync::Notify::new());
    *world.site.waits_for.lock().unwrap() = Some(std::sync::Arc::clone(&release));
    let router = world.local();
    let mut scans = tokio::task::JoinSet::new();
    for _ in 0..MAX_CONCURRENT_SCANS * 5 {
        let router = router.clone();
        scans.spawn(async move { send(router, post("/scan", "application/json", "{}")).await.status });
    }
    // Lets as many start as can; none is answered yet.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(scans.try_join_next().is_none());
    let mut rounds = 0;
    while !scans.is_empty() {
        release.notify_waiters();
        tokio::task::yield_now().await;
        while let Some(status) = scans.try_join_next() {
            assert_eq!(status.unwrap(), StatusCode::OK);
        }
        rounds += 1;
        assert!(rounds < 100_000, "{} scans have no end", scans.len());
    }
}

#[tokio::test]
async fn as_of_scans_do_not_block_current_scans() {
    let world = World::new();
    let release = std::sync::Arc::new(tokio::sync::Notify::new());
    *world.site.waits_for.lock().unwrap() = Some(std::sync::Arc::clone(&release));
    let router = world.local();
    let mut as_of_scans = tokio::task::JoinSet::new();
    for _ in 0..MAX_CONCURRENT_SCANS * 5 {
        let router = router.clone();
        let past = "/scan?as_of=2026-01-01T00:00:00Z";
        as_of_scans.spawn(async move { send(router, post(past, "application/json", "{}")).await.status });
    }
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert!(as_of_scans.try_join_next().is_none());
    *world.site.waits_for.lock().unwrap() = None;
    let scanned = send(router, post("/scan", "application/json", "{}")).await;
    assert_eq!(scanned.status, StatusCode::OK);
}

#[tokio::test]
async fn event_streams_have_their_own_limit() {
    let world = World::new();
    *world.site.events_stay_open.lock().unwrap() = true;
    let router = world.local();
    let mut open = Vec::new();
    for _ in 0..MAX_EVENT_STREAMS {
        open.push(router.clone().oneshot(get("/events")).await.unwrap());
    }
    assert_eq!(
        send(router.clone(), get("/events")).await.problem().code,
        ErrorCode::Busy
    );
    assert_eq!(send(router.clone(), get("/health")).await.status, StatusCode::OK);
    drop(open);
    let again = tokio::time::timeout(Duration::from_secs(60), router.oneshot(get("/events")))
        .await
        .unwrap();
    assert_eq!(again.unwrap().status(), StatusCode::OK);
}
