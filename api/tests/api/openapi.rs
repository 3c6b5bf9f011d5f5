//! The committed OpenAPI document equals the generated one.

use axum::http::{Method, Request, StatusCode};

use crate::fake::{World, get, send};

/// Path of the committed document.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

#[test]
fn committed_document_is_current() {
    let current = starling_api::document_json();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(COMMITTED, current).unwrap();
    }
    let committed = std::fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(
        committed == current,
        "docs/openapi.json differs from the code; run `UPDATE_GOLDEN=1 cargo test -p starling-api` and look at the diff"
    );
}

#[tokio::test]
async fn served_document_is_the_committed_one() {
    let world = World::new();
    let answer = send(world.local(), get("/openapi.json")).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (StatusCode::OK, "application/json")
    );
    assert_eq!(&answer.body[..], starling_api::document_json().as_bytes());
}

#[tokio::test]
async fn every_documented_operation_is_routed() {
    let world = World::new();
    let document = starling_api::document();
    for (path, item) in &document.paths.paths {
        let methods = [
            (Method::GET, &item.get),
            (Method::POST, &item.post),
            (Method::DELETE, &item.delete),
            (Method::PATCH, &item.patch),
        ];
        for (method, _) in methods.into_iter().filter(|(_, operation)| operation.is_some()) {
            let uri = path
                .replace("{name}", "x")
                .replace("{site_id}", "x")
                .replace("{source}", "x");
            let request = Request::builder()
                .method(&method)
                .uri(uri)
                .body(axum::body::Body::empty())
                .unwrap();
            let answer = send(world.local(), request).await;
            assert_ne!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
}
