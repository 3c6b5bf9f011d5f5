//! Every error answer is a problem with a stable code.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use starling_api_types::{ErrorCode, Problem};

use crate::fake::{World, get, post, send};

#[tokio::test]
async fn error_codes_are_sent_with_status_title_and_hint() {
    let world = World::new();
    for code in ErrorCode::ALL {
        let mut problem = Problem::new(*code, "testing").hint("do this");
        problem.private = Some("secret text".to_owned());
        *world.site.problem.lock().unwrap() = Some(problem);
        let answer = send(world.local(), get("/status")).await;
        let problem = answer.problem();
        assert_eq!(
            (problem.code, answer.status.as_u16()),
            (*code, code.http_status())
        );
        assert_eq!(problem.hint.as_deref(), Some("do this"));
        assert_eq!(problem.retryable, code.retryable());
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret text"));
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let world = World::new();
    for path in ["/nothing", "/sites/a/b/c", "/advisories/a/b"] {
        assert_eq!(
            send(world.local(), get(path)).await.problem().code,
            ErrorCode::RouteNotFound,
            "{path}"
        );
    }
    let outside = Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(
        send(world.local(), outside).await.problem().code,
        ErrorCode::RouteNotFound
    );
    let answer = send(world.local(), post("/status", "application/json", "{}")).await;
    assert_eq!(answer.problem().code, ErrorCode::MethodNotAllowed);
    assert!(answer.header("allow").contains("GET"), "{:?}", answer.headers);
}

#[tokio::test]
async fn bad_parameters_are_named_in_the_error() {
    let world = World::new();
    for (path, named) in [
        ("/advisories?limit=0", "limit"),
        ("/advisories?limit=1001", "limit"),
        ("/advisories?limit=x", "limit"),
        ("/advisories?plur=pkg:npm/a", "plur"),
        ("/advisories/dump?source=A%20B", "A B"),
        ("/sites/Site%20A", "Site A"),
        ("/advisories/%00", "name"),
        ("/events?after=soon", "after"),
    ] {
        let problem = send(world.local(), get(path)).await.problem();
        assert_eq!(problem.code, ErrorCode::BadRequest, "{path}");
        assert!(problem.detail.contains(named), "{path}: {}", problem.detail);
    }
    let import = post("/federation/import?dry_run=maybe", "application/zstd", "");
    assert_eq!(
        send(world.local(), import).await.problem().code,
        ErrorCode::BadRequest
    );
    let import = post("/federation/import?on_conflict=prefer_me", "application/zstd", "");
    assert!(
        send(world.local(), import)
            .await
            .problem()
            .detail
            .contains("prefer_me")
    );
}

#[tokio::test]
async fn bad_json_error_states_its_place() {
    let world = World::new();
    for (body, named) in [
        ("", "ends in the middle"),
        ("{", "line 1"),
        (r#"{"site_id":"a"}"#, "key"),
        (r#"{"site_id":"../a","key":"k"}"#, "../a"),
        (
            r#"{"site_id":"a","key":"k","alowed_sources":["*"]}"#,
            "alowed_sources",
        ),
    ] {
        let problem = send(world.local(), post("/sites", "application/json", body))
            .await
            .problem();
        assert_eq!(problem.code, ErrorCode::BadJson, "{body}");
        assert!(problem.detail.contains(named), "{body}: {}", problem.detail);
    }
    let answer = send(world.local(), post("/sites", "text/plain", "{}")).await;
    assert_eq!(answer.problem().code, ErrorCode::UnsupportedMediaType);
    let answer = send(
        world.local(),
        post("/federation/import", "application/x-www-form-urlencoded", "x"),
    )
    .await;
    assert_eq!(answer.problem().code, ErrorCode::UnsupportedMediaType);
}

#[tokio::test]
async fn unreadable_cursors_are_refused() {
    let world = World::new();
    let problem = send(world.local(), get("/federation/export?cursors=yesterday"))
        .await
        .problem();
    assert_eq!(problem.code, ErrorCode::InvalidCursor);
    assert!(problem.detail.contains("yesterday"));
}

#[tokio::test]
async fn panic_is_an_internal_problem_of_one_call() {
    let world = World::new();
    *world.site.panics.lock().unwrap() = true;
    let answer = send(world.local(), get("/health")).await;
    assert_eq!(answer.problem().code, ErrorCode::Internal);
    assert!(!String::from_utf8_lossy(&answer.body).contains("told to panic"));
    *world.site.panics.lock().unwrap() = false;
    assert_eq!(send(world.local(), get("/health")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn encoded_body_is_refused_wherever_one_is_read() {
    let world = World::new();
    for (path, kind) in [
        ("/scan", "application/octet-stream"),
        ("/vex", "application/json"),
        ("/mutes", "application/json"),
        ("/feeds/ghsa/import", "application/octet-stream"),
        ("/federation/import", "application/zstd"),
    ] {
        for coding in ["gzip", "identity, br"] {
            let mut request = post(path, kind, "{}");
            let headers = request.headers_mut();
            headers.insert("content-encoding", coding.parse().unwrap());
            let problem = send(world.local(), request).await.problem();
            assert_eq!(problem.code, ErrorCode::UnsupportedMediaType, "{path}");
            assert!(problem.detail.contains(coding), "{problem}");
        }
    }
    assert_eq!(world.asked(), "");
    let mut request = post("/scan", "application/octet-stream", "{}");
    let headers = request.headers_mut();
    headers.insert("content-encoding", "identity".parse().unwrap());
    assert_eq!(send(world.local(), request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn body_of_a_call_that_takes_none_is_refused() {
    let world = World::new();
    let chunks = |text: &'static str| {
        let chunk = Ok::<_, std::io::Error>(bytes::Bytes::from_static(text.as_bytes()));
        Body::from_stream(futures::stream::iter([chunk]))
    };
    for (method, path) in [
        ("POST", "/doctor"),
        ("POST", "/store/compact"),
        ("POST", "/feeds/nvd/run"),
        ("DELETE", "/mutes/a?reason=x"),
        ("GET", "/advisories"),
        ("GET", "/health"),
    ] {
        let call = |body: Body| {
            let request = Request::builder().method(method);
            request.uri(format!("/api/v1{path}")).body(body).unwrap()
        };
        for body in [Body::from("{\"rebuild\":true}"), chunks("{}")] {
            let problem = send(world.local(), call(body)).await.problem();
            assert_eq!(problem.code, ErrorCode::BadRequest, "{method} {path}");
            assert!(problem.detail.contains("takes no body"), "{problem}");
        }
        assert_eq!(world.asked(), "", "{method} {path}");
        for body in [Body::empty(), Body::from(""), chunks("")] {
            let answer = send(world.local(), call(body)).await;
            assert_eq!(answer.status, StatusCode::OK, "{method} {path}");
        }
        world.site.asked.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn query_of_a_call_without_parameters_is_refused() {
    let world = World::new();
    for (method, path) in [
        ("POST", "/store/compact"),
        ("DELETE", "/feeds/nvd"),
        ("GET", "/sites"),
        ("GET", "/status"),
    ] {
        let call = |query: &str| {
            let request = Request::builder().method(method);
            let uri = format!("/api/v1{path}{query}");
            request.uri(uri).body(Body::empty()).unwrap()
        };
        let answer = send(world.local(), call("?dry_run=true")).await;
        assert_eq!(answer.problem().code, ErrorCode::BadRequest, "{method} {path}");
        assert_eq!(world.asked(), "", "{method} {path}");
        let answer = send(world.local(), call("?")).await;
        assert_eq!(answer.status, StatusCode::OK, "{method} {path}");
        world.site.asked.lock().unwrap().clear();
    }
    let sites = post("/sites?dry_run=true", "application/json", "{}");
    let problem = send(world.local(), sites).await.problem();
    assert!(problem.detail.contains("no query parameters"), "{problem}");
    let probed = send(world.local(), get("/health?now=1")).await;
    assert_eq!(probed.status, StatusCode::OK, "a monitor's query against caches");
}
