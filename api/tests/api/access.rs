//! Access rules over TCP.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use starling_api::{Access, AdminToken};
use starling_api_types::ErrorCode;

use crate::fake::{TOKEN, World, get, post, send};

fn admin_calls() -> Vec<Request<Body>> {
    let remove = Request::delete("/api/v1/sites/site-b")
        .body(Body::empty())
        .unwrap();
    vec![
        post("/sites", "application/json", r#"{"site_id":"b","key":"k"}"#),
        remove,
        post("/federation/import", "application/zstd", "x"),
        post("/federation/export", "application/json", "{}"),
        get("/federation/export"),
        post("/federation/bundles/inspect", "application/zstd", "x"),
        post("/federation/bundles/validate", "application/zstd", "x"),
        post("/feeds/ghsa/import", "application/zip", "x"),
        post("/doctor", "text/plain", ""),
        post("/store/compact", "text/plain", ""),
    ]
}

fn over_tcp(mut request: Request<Body>, token: Option<&str>) -> Request<Body> {
    request
        .headers_mut()
        .insert("host", "127.0.0.1:7070".parse().unwrap());
    if let Some(token) = token {
        request
            .headers_mut()
            .insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    request
}

#[tokio::test]
async fn admin_calls_need_the_token_over_tcp() {
    let world = World::new();
    let router = world
        .api
        .router(Access::loopback(Some(AdminToken::new(TOKEN).unwrap())));
    for request in admin_calls() {
        let name = format!("{} {}", request.method(), request.uri());
        let answer = send(router.clone(), over_tcp(request, None)).await;
        assert_eq!(answer.problem().code, ErrorCode::TokenRequired, "{name}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    for request in admin_calls() {
        let wrong = format!("{}x", &TOKEN[..TOKEN.len() - 1]);
        let answer = send(router.clone(), over_tcp(request, Some(&wrong))).await;
        assert_eq!(answer.problem().code, ErrorCode::TokenInvalid);
    }
    assert_eq!(world.asked(), "");
    for request in admin_calls() {
        assert!(
            send(router.clone(), over_tcp(request, Some(TOKEN)))
                .await
                .status
                .is_success()
        );
    }
}

#[tokio::test]
async fn without_token_admin_calls_only_work_locally() {
    let world = World::new();
    let router = world.api.router(Access::loopback(None));
    for request in admin_calls() {
        let answer = send(router.clone(), over_tcp(request, Some(TOKEN))).await;
        assert_eq!(answer.problem().code, ErrorCode::TokenRequired);
    }
    for request in admin_calls() {
        assert!(send(world.local(), request).await.status.is_success());
    }
}

#[tokio::test]
async fn open_calls_need_no_token_over_tcp() {
    let world = World::new();
    let router = world.api.router(Access::loopback(None));
    for path in [
        "/health",
        "/status",
        "/sites",
        "/advisories",
        "/federation/sync/status",
        "/openapi.json",
    ] {
        assert_eq!(
            send(router.clone(), over_tcp(get(path), None)).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
    let scan = over_tcp(post("/scan", "application/json", "{}"), None);
    assert_eq!(send(router, scan).await.status, StatusCode::OK);
}

#[tokio::test]
async fn rebound_host_is_refused_even_on_unknown_paths() {
    let world = World::new();
    let router = world
        .api
        .router(Access::loopback(Some(AdminToken::new(TOKEN).unwrap())));
    for path in ["/health", "/nothing"] {
        let mut request = over_tcp(get(path), Some(TOKEN));
        request
            .headers_mut()
            .insert("host", "attacker.example:7070".parse().unwrap());
        let answer = send(router.clone(), request).await;
        assert_eq!(answer.problem().code, ErrorCode::HostNotAllowed, "{path}");
    }
    assert_eq!(world.asked(), "");
}
