//! Bounds of a run.

use starling_fetch::{FetchError, Plan};

use crate::server::{Reply, Server};
use crate::world::*;

fn is_limit(error: &FetchError, words: &str) {
    assert!(matches!(error, FetchError::Limit { .. }), "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn document_longer_than_the_bound_is_not_read() {
    let mut world = World::new();
    world.settings.limits.max_document_bytes = 10;
    let with_length = Server::start(|_| Reply::ok("{\"a\":\"0123456789\"}")).await;
    is_limit(
        &world.fails(&plan_at("kev", &with_length.base, None)).await,
        "longer than 10 bytes",
    );
    let without = Server::start(|_| Reply::ok("{\"a\":\"0123456789\"}").unbounded()).await;
    is_limit(
        &world.fails(&plan_at("kev", &without.base, None)).await,
        "longer than 10 bytes",
    );
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "{\"a\":\"0123456789\"}").expect("written");
    let plan = Plan::of_address(None, &file.path().display().to_string()).expect("a plan");
    is_limit(&world.fails(&plan).await, "longer than 10 bytes");
}

#[tokio::test]
async fn run_stops_at_its_bound_of_bytes() {
    let server = Server::files(&[
        ("/8/errata.full.json", b"{\"data\":[]}".to_vec()),
        ("/9/errata.full.json", b"{\"data\":[ ]}".to_vec()),
    ])
    .await;
    let mut world = World::new();
    world.settings.limits.max_run_bytes = 15;
    let error = world
        .fails(&plan_at("almalinux", &server.base, Some("8,9")))
        .await;
    is_limit(&error, "the run brings more than 15 bytes");
}

#[tokio::test]
async fn documents_of_a_run_have_a_bound_on_the_disk() {
    let text = format!("{{\"data\":[\"{}\"]}}", "a".repeat(4_000));
    let packed = gzip_of(text.as_bytes());
    let server = Server::start(move |_| Reply::ok(packed.clone()).header("content-encoding", "gzip")).await;
    let mut world = World::new();
    world.settings.limits.max_written_bytes = 10_000;
    let plan = |releases| plan_at("almalinux", &server.base, Some(releases));
    assert_eq!(world.run(&plan("8,9")).await.expect("two fit").names().len(), 2);
    is_limit(&world.fails(&plan("8,9,10")).await, "it unpacks to more than");
}

#[tokio::test]
async fn pages_stop_at_their_bound() {
    let server = Server::start(|asked| {
        let page = asked.parameter("page").expect("a page");
        let items: Vec<String> = (0..100).map(|n| format!(r#"{{"id":"{page}-{n}"}}"#)).collect();
        Reply::ok(format!(r#"{{"items":[{}],"total":1}}"#, items.join(",")))
    })
    .await;
    let mut world = World::new();
    world.settings.limits.max_pages = 5;
    is_limit(
        &world.fails(&plan_at("euvd", &server.base, None)).await,
        "more than 5 pages",
    );
    assert_eq!(server.paths().len(), 5);
}

#[tokio::test]
async fn list_longer_than_the_bound_is_refused() {
    let medium = tempfile::tempdir().expect("a folder");
    for name in ["a.json", "b.json", "c.json"] {
        std::fs::write(medium.path().join(name), "{}").expect("written");
    }
    let mut world = World::new();
    world.settings.limits.max_documents = 2;
    let plan = Plan::of_address(None, &medium.path().display().to_string()).expect("a plan");
    is_limit(&world.fails(&plan).await, "more than 2 files");
}

fn is_no_space(error: &FetchError, free_bytes: u64) {
    match error {
        FetchError::NoSpace { free, reserve, .. } => {
            assert_eq!((*free, *reserve), (free_bytes, 1_000), "{error}");
        }
        other => panic!("{other}"),
    }
    assert!(error.to_string().contains("free some space") && !error.is_temporary());
}

#[tokio::test]
async fn document_that_leaves_less_than_the_reserve_is_not_fetched() {
    let text = format!("{{\"a\":\"{}\"}}", "a".repeat(500));
    let mut world = World::new();
    world.settings.limits.reserve_bytes = 1_000;
    let of_server = text.clone();
    let server = Server::start(move |_| Reply::ok(of_server.clone())).await;
    let plan = plan_at("kev", &server.base, None);
    for (free, fits) in [(1_400, false), (1_600, true)] {
        world.free = Box::new(move || Some(free));
        if fits {
            assert_eq!(world.run(&plan).await.expect("it fits").names().len(), 1);
        } else {
            is_no_space(&world.fails(&plan).await, free);
        }
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &text).expect("written");
    let plan = Plan::of_address(None, &file.path().display().to_string()).expect("a plan");
    world.free = Box::new(|| Some(1_400));
    is_no_space(&world.fails(&plan).await, 1_400);
}

#[tokio::test]
async fn download_ends_when_the_disk_fills_up_meanwhile() {
    // Another program writes: there is room at the first check, and none after a MiB.
    let text = format!("{{\"a\":\"{}\"}}", "a".repeat(4 << 20));
    let server = Server::start(move |_| Reply::ok(text.clone()).unbounded()).await;
    let looks = std::sync::atomic::AtomicU64::new(0);
    let mut world = World::new();
    world.settings.limits.reserve_bytes = 1_000;
    world.free = Box::new(move || {
        let is_first = looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        Some(if is_first { 1 << 30 } else { 900 })
    });
    is_no_space(&world.fails(&plan_at("kev", &server.base, None)).await, 900);
}

#[tokio::test]
async fn document_that_unpacks_to_more_than_the_disk_has_is_not_taken() {
    let text = format!("{{\"a\":\"{}\"}}", "a".repeat(20_000));
    let packed = gzip_of(text.as_bytes());
    let server = Server::start(move |_| Reply::ok(packed.clone()).header("content-encoding", "gzip")).await;
    let mut world = World::new();
    world.settings.limits.reserve_bytes = 1_000;
    world.free = Box::new(|| Some(11_000));
    is_no_space(&world.fails(&plan_at("kev", &server.base, None)).await, 11_000);
}
