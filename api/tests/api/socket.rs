//! The listeners, over a real Unix socket and a real port.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use starling_api::{Access, ListenError, bind_tcp, bind_unix, serve_tcp, serve_unix};
use starling_api_types::{ErrorCode, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;

use crate::fake::{Answer, BUNDLE_MAX_BYTES, World, get, post, read};

/// Far longer than any step here; only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(60);

async fn call(path: &Path, mut request: Request<Body>) -> Answer {
    request.headers_mut().insert("host", "localhost".parse().unwrap());
    let stream = UnixStream::connect(path).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let response = tokio::time::timeout(DEADLINE, sender.send_request(request))
        .await
        .unwrap()
        .unwrap();
    read(response.map(Body::new)).await
}

fn socket_of(world: &World) -> PathBuf {
    world.dir.path().join("starling.sock")
}

#[tokio::test]
async fn socket_is_for_its_owner_and_removed_at_the_end() {
    let world = World::new();
    let path = socket_of(&world);
    let socket = bind_unix(&path).await.unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        std::fs::read_dir(world.dir.path()).unwrap().count(),
        1,
        "only the socket is left"
    );
    let serving = tokio::spawn(serve_unix(world.api.clone(), socket));
    assert_eq!(call(&path, get("/health")).await.status, StatusCode::OK);
    world.stop.cancel();
    tokio::time::timeout(DEADLINE, serving).await.unwrap().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn stale_socket_is_replaced_but_a_live_one_is_not() {
    let world = World::new();
    let path = socket_of(&world);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a killed daemon leaves its socket");
    let socket = bind_unix(&path).await.unwrap();
    assert!(matches!(
        bind_unix(&path).await,
        Err(ListenError::SocketInUse { .. })
    ));
    let serving = tokio::spawn(serve_unix(world.api.clone(), socket));
    assert_eq!(
        call(&path, get("/health")).await.status,
        StatusCode::OK,
        "the first still answers"
    );
    world.stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn files_in_the_way_and_long_paths_are_reported() {
    let world = World::new();
    let path = socket_of(&world);
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(
        bind_unix(&path).await,
        Err(ListenError::NotASocket { .. })
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    // No short path exists for a file name that is too long by itself.
    let long = world.dir.path().join("x".repeat(120));
    assert!(matches!(
        bind_unix(&long).await,
        Err(ListenError::SocketPathTooLong { .. })
    ));
    let nowhere = world.dir.path().join("no/such/folder.sock");
    assert!(matches!(bind_unix(&nowhere).await, Err(ListenError::Io { .. })));
}

#[tokio::test]
async fn socket_in_a_deep_folder_has_a_short_path() {
    let world = World::new();
    let deep = world.dir.path().join("a-reasonably-deep-folder/".repeat(7));
    std::fs::create_dir_all(&deep).unwrap();
    let path = deep.join("s.sock");
    assert!(path.as_os_str().len() > 150);
    let serving = tokio::spawn(serve_unix(world.api.clone(), bind_unix(&path).await.unwrap()));
    let short = starling_api::ShortPath::to(&path).unwrap();
    assert_eq!(call(short.path(), get("/health")).await.status, StatusCode::OK);
    world.stop.cancel();
    serving.await.unwrap();
    assert!(!path.exists(), "it is removed at the end");
}

#[tokio::test]
async fn sender_of_too_much_reads_the_refusal() {
    let world = World::new();
    let path = socket_of(&world);
    let serving = tokio::spawn(serve_unix(world.api.clone(), bind_unix(&path).await.unwrap()));
    let megabytes = 20;
    for announced in [true, false] {
        let chunk = Bytes::from(vec![0; 1 << 20]);
        let body = Body::from_stream(futures::stream::iter(
            (0..megabytes).map(move |_| Ok::<_, std::io::Error>(chunk.clone())),
        ));
        let mut request = post("/federation/import", "application/zstd", body);
        if announced {
            request
                .headers_mut()
                .insert("content-length", (megabytes << 20).into());
        }
        let problem = call(&path, request).await.problem();
        assert_eq!(problem.code, ErrorCode::BundleTooLarge);
        assert!(
            problem.detail.contains(&BUNDLE_MAX_BYTES.to_string()),
            "{}",
            problem.detail
        );
    }
    world.stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn sender_of_a_refused_feed_reads_the_refusal() {
    let world = World::new();
    *world.site.refuses_feeds.lock().unwrap() = true;
    let path = socket_of(&world);
    let serving = tokio::spawn(serve_unix(world.api.clone(), bind_unix(&path).await.unwrap()));
    let chunk = Bytes::from(vec![0; 1 << 20]);
    let chunks = futures::stream::iter((0..50).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    // Once by whoever reads it, once before anybody does.
    for (to, kind, code) in [
        ("/feeds/ghsa/import", "application/zip", ErrorCode::FeedUnreadable),
        ("/sites", "text/plain", ErrorCode::UnsupportedMediaType),
    ] {
        let body = Body::from_stream(chunks.clone());
        let answer = call(&path, post(to, kind, body)).await;
        assert_eq!(answer.problem().code, code, "{to}");
    }
    world.stop.cancel();
    serving.await.unwrap();
}

#[tokio::test]
async fn stop_finishes_calls_and_closes_event_streams() {
    let world = World::new();
    *world.site.events_stay_open.lock().unwrap() = true;
    let path = socket_of(&world);
    let serving = tokio::spawn(serve_unix(world.api.clone(), bind_unix(&path).await.unwrap()));
    let open = |request: Request<Body>| {
        let path = path.clone();
        tokio::spawn(async move { call(&path, request).await })
    };
    let asked = async |call: &str| {
        while !world.asked().starts_with(call) {
            tokio::task::yield_now().await;
        }
    };
    let events = open(get("/events"));
    asked("events").await;
    let release = Arc::new(Notify::new());
    *world.site.waits_for.lock().unwrap() = Some(release.clone());
    let doctor = open(post("/doctor", "text/plain", ""));
    asked("doctor").await;
    world.stop.cancel();
    let events = tokio::time::timeout(DEADLINE, events).await.unwrap().unwrap();
    assert_eq!(events.status, StatusCode::OK);
    release.notify_one();
    let doctor = tokio::time::timeout(DEADLINE, doctor).await.unwrap().unwrap();
    assert_eq!(doctor.status, StatusCode::OK, "{:?}", doctor.body);
    tokio::time::timeout(DEADLINE, serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn garbage_on_a_port_does_no_harm() {
    let world = World::new();
    let listener = bind_tcp("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve_tcp(world.api.clone(), listener, Access::loopback(None)));
    for (sent, expected) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01"[..], "400"),
        (b"GET /api/v1/health\r\n\r\n", "400"),
        (
            &[b"GET /", &[b'a'; 70_000][..], b" HTTP/1.1\r\n\r\n"].concat(),
            "414",
        ),
        (
            &[b"GET / HTTP/1.1\r\n", &b"x: y\r\n".repeat(200)[..], b"\r\n"].concat(),
            "431",
        ),
        (
            b"GET /api/v1/health HTTP/1.1\r\nhost: localhost\r\n\r\nnonsense\r\n\r\n",
            "200",
        ),
        (
            b"GET /api/v1/health HTTP/1.1\r\nhost: attacker.example\r\nconnection: close\r\n\r\n",
            "421",
        ),
        (b"GET /api/v1/health HTTP/1.1\r\nconnection: close\r\n\r\n", "421"),
        (
            b"GET /api/v1/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            "200",
        ),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
        let (_, last) = answer.rsplit_once("HTTP/1.1 ").unwrap();
        let (head, body) = last.split_once("\r\n\r\n").unwrap();
        if !head.starts_with("200") {
            assert!(
                head.contains("content-type: application/problem+json"),
                "{answer}"
            );
            let problem: Problem = serde_json::from_str(body).unwrap();
            assert!(head.starts_with(&problem.status.to_string()), "{answer}");
        }
    }
    world.stop.cancel();
    serving.await.unwrap();
}
