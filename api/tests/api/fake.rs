//! A fake site behind the real router, and helpers to call it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use starling_api::{Access, Api, ApiOptions};
use starling_api_types::Problem;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub(crate) use crate::fake_site::{BUNDLE_MAX_BYTES, FakeSite, event, event_id, site};

/// An admin token.
pub(crate) const TOKEN: &str = "a-token-of-at-least-thirty-two-bytes";

/// A fake site, its API, and the folder of its spool files.
pub(crate) struct World {
    pub(crate) site: Arc<FakeSite>,
    pub(crate) api: Api,
    pub(crate) stop: CancellationToken,
    pub(crate) dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let site = Arc::new(FakeSite::default());
        let options = ApiOptions {
            max_bundle_bytes: BUNDLE_MAX_BYTES,
            spool_dir: dir.path().to_owned(),
        };
        let stop = CancellationToken::new();
        let api = Api::new(site.clone(), options, stop.clone());
        Self { site, api, stop, dir }
    }

    /// Returns the router of the local socket.
    pub(crate) fn local(&self) -> Router {
        self.api.router(Access::LocalSocket)
    }

    pub(crate) fn asked(&self) -> String {
        self.site.asked.lock().unwrap().clone()
    }
}

/// An answer, read completely.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Returns the answer's problem, and checks that it is a valid one.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{:?}",
            self.body
        );
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        assert_eq!(problem.kind, format!("urn:starling:error:{}", problem.code));
        assert_eq!(problem.title, problem.code.title());
        assert!(!problem.detail.is_empty());
        problem
    }
}

pub(crate) async fn read(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

pub(crate) async fn send(router: Router, request: Request<Body>) -> Answer {
    read(router.oneshot(request).await.unwrap()).await
}

pub(crate) fn get(path: &str) -> Request<Body> {
    Request::get(format!("/api/v1{path}"))
        .body(Body::empty())
        .unwrap()
}

pub(crate) fn post(path: &str, content_type: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(format!("/api/v1{path}"))
        .header("content-type", content_type)
        .body(body.into())
        .unwrap()
}
