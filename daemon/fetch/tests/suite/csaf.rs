//! Providers of CSAF documents.

use starling_fetch::FetchError;

use crate::server::{Reply, Server};
use crate::world::*;

fn metadata(host: &str) -> String {
    format!(
        r#"{{"distributions":[{{"rolie":{{"feeds":[{{"url":"http://{host}/white.json","tlp_label":"WHITE"}},{{"url":"http://{host}/amber.json","tlp_label":"AMBER"}}]}}}},{{"directory_url":"http://{host}/white/"}}]}}"#
    )
}

fn entry(address: &str, updated: &str) -> String {
    format!(r#"{{"id":"x","updated":"{updated}","content":{{"src":"{address}","type":"application/json"}}}}"#)
}

#[tokio::test]
async fn provider_is_read_by_its_feed_for_everybody() {
    let server = Server::start(|asked| {
        let host = asked.header("host").expect("a host");
        match asked.path.as_str() {
            "/provider-metadata.json" => Reply::ok(metadata(host)),
            "/white.json" => {
                let entries = [
                    entry(
                        &format!("http://{host}/white/2026/a-1.json"),
                        "2026-05-01T00:00:00Z",
                    ),
                    entry(
                        &format!("http://{host}/white/2026/a-2.json"),
                        "2026-05-02T00:00:00+02:00",
                    ),
                ];
                Reply::ok(format!(r#"{{"feed":{{"entry":[{}]}}}}"#, entries.join(",")))
            }
            "/white/2026/a-1.json" | "/white/2026/a-2.json" => {
                Reply::ok(format!(r#"{{"document":"{}"}}"#, asked.path))
            }
            _ => Reply::missing(),
        }
    })
    .await;
    let plan = plan_at("csaf", &format!("{}/provider-metadata.json", server.base), None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), ["2026/a-1.json", "2026/a-2.json"]);
    assert!(brought.fetched.whole);
    assert!(brought.notes("not for everybody"), "{:?}", brought.fetched.notes);
    let again = world.import(&plan).await;
    assert!(again.fetched.unchanged, "{:?}", again.fetched);
}

#[tokio::test]
async fn feed_may_not_lead_to_another_server() {
    for target in [
        "http://127.0.0.1:1/a.json",
        "http://169.254.169.254/latest",
        "https://elsewhere.example/a.json",
        "file:///etc/passwd",
    ] {
        let server = Server::start(move |asked| {
            let host = asked.header("host").expect("a host");
            match asked.path.as_str() {
                "/provider-metadata.json" => Reply::ok(metadata(host)),
                _ => Reply::ok(format!(
                    r#"{{"feed":{{"entry":[{}]}}}}"#,
                    entry(target, "2026-05-01T00:00:00Z")
                )),
            }
        })
        .await;
        let plan = plan_at("csaf", &format!("{}/provider-metadata.json", server.base), None);
        let error = World::new().fails(&plan).await;
        assert!(matches!(error, FetchError::Forbidden { .. }), "{target}: {error}");
    }
}

/// Returns a provider with a folder of documents.
fn folder(
    with_changes: bool,
    second: &'static str,
) -> impl Fn(&crate::server::Asked) -> Reply + Send + Sync + 'static {
    move |asked| {
        let host = asked.header("host").expect("a host");
        match asked.path.as_str() {
            "/provider-metadata.json" => Reply::ok(format!(
                r#"{{"distributions":[{{"directory_url":"http://{host}/white"}}]}}"#
            )),
            "/white/changes.csv" if with_changes => Reply::ok(format!(
                "\"2025/a-1.json\",\"2026-05-01T00:00:00Z\"\n\"2025/a-2.json\",\"{second}\"\n\"2025/a-2.json.asc\",\"{second}\"\n"
            )),
            "/white/index.txt" => Reply::ok("2025/a-1.json\n2025/a-2.json"),
            "/white/2025/a-1.json" | "/white/2025/a-2.json" => {
                Reply::ok(format!(r#"{{"document":"{} {second}"}}"#, asked.path))
                    .etag(asked, &format!("\"{second}\""))
            }
            _ => Reply::missing(),
        }
    }
}

#[tokio::test]
async fn folder_is_read_by_its_changes() {
    let server = Server::start(folder(true, "2026-05-02T00:00:00Z")).await;
    let plan = plan_at("csaf", &format!("{}/provider-metadata.json", server.base), None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), ["2025/a-1.json", "2025/a-2.json"]);
    server.forget();
    assert!(world.import(&plan).await.fetched.unchanged);
    assert_eq!(server.paths(), ["/provider-metadata.json", "/white/changes.csv"]);
}

#[tokio::test]
async fn folder_without_changes_is_read_by_its_index() {
    let server = Server::start(folder(false, "one")).await;
    let plan = plan_at("csaf", &format!("{}/provider-metadata.json", server.base), None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), ["2025/a-1.json", "2025/a-2.json"]);
    assert!(brought.notes("index.txt is read"), "{:?}", brought.fetched.notes);
    server.forget();
    let again = world.import(&plan).await;
    assert!(again.fetched.unchanged, "{:?}", again.fetched);
    assert_eq!(again.fetched.documents.len(), 0);
}

#[tokio::test]
async fn provider_without_a_distribution_is_named() {
    let server = Server::start(|_| Reply::ok(r#"{"distributions":[]}"#)).await;
    let error = World::new().fails(&plan_at("csaf", &server.base, None)).await;
    assert!(error.to_string().contains("neither a ROLIE feed"), "{error}");
}

#[tokio::test]
async fn feed_without_a_document_is_an_error() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/provider-metadata.json" => Reply::ok(metadata(asked.header("host").expect("a host"))),
        _ => Reply::ok(r#"{"feed":{"entry":[]}}"#),
    })
    .await;
    let plan = plan_at("csaf", &format!("{}/provider-metadata.json", server.base), None);
    let error = World::new().fails(&plan).await;
    assert!(error.to_string().contains("no document at all"), "{error}");
}

/// Returns a provider of 30 documents, of which some are missing.
fn with_gaps(
    missing: &'static [&'static str],
) -> impl Fn(&crate::server::Asked) -> Reply + Send + Sync + use<> {
    move |asked| {
        let host = asked.header("host").expect("a host");
        match asked.path.as_str() {
            "/provider-metadata.json" => Reply::ok(format!(
                r#"{{"distributions":[{{"directory_url":"http://{host}/white"}}]}}"#
            )),
            "/white/changes.csv" => {
                // The last row has a new time each day.
                let day = if asked.before == 0 { 1 } else { 2 };
                let rows = (1..=30).map(|n| format!("\"2026/a-{n}.json\",\"2026-05-01T00:00:00Z\"\n"));
                Reply::ok(format!(
                    "{}\"2026/b.json\",\"2026-05-0{day}T00:00:00Z\"\n",
                    rows.collect::<String>()
                ))
            }
            path if missing.contains(&path) => Reply::missing(),
            path => Reply::ok(format!(r#"{{"document":"{path}"}}"#)),
        }
    }
}

#[tokio::test]
async fn lasting_missing_document_is_requested_again_without_outage() {
    let server = Server::start(with_gaps(&["/white/2026/a-7.json"])).await;
    let plan = plan_at("csaf", &format!("{}/provider-metadata.json", server.base), None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(!brought.fetched.whole && brought.fetched.documents.len() == 30);
    server.forget();
    let brought = world.import(&plan).await;
    assert!(
        brought.notes("a-7.json is listed and missing"),
        "{:?}",
        brought.fetched.notes
    );
    assert!(server.paths().contains(&"/white/2026/a-7.json".to_owned()));
    assert!(brought.fetched.unchanged || brought.names() == ["2026/b.json"]);
}

#[tokio::test]
async fn same_name_in_two_folders_is_two_documents() {
    let server = Server::start(|asked| {
        let host = asked.header("host").expect("a host");
        match asked.path.as_str() {
            "/provider-metadata.json" => Reply::ok(metadata(host)),
            "/white.json" => {
                let entries = [
                    entry(&format!("http://{host}/one/a.json"), "2026-05-01T00:00:00Z"),
                    entry(&format!("http://{host}/two/a.json"), "2026-05-02T00:00:00Z"),
                ];
                Reply::ok(format!(r#"{{"feed":{{"entry":[{}]}}}}"#, entries.join(",")))
            }
            path => Reply::ok(format!(r#"{{"document":"{path}"}}"#)),
        }
    })
    .await;
    let plan = plan_at("csaf", &format!("{}/provider-metadata.json", server.base), None);
    let brought = World::new().run(&plan).await.expect("a good run");
    assert_eq!(brought.names(), ["2/a.json", "a.json"]);
}

/// Returns a provider with a feed whose documents have checksums of this text; the second document says what `second`
/// is.
fn with_checksums(
    link: &'static str,
    sum: impl Fn(&str) -> Reply + Send + Sync + 'static,
) -> impl Fn(&crate::server::Asked) -> Reply + Send + Sync + 'static {
    move |asked| {
        let host = asked.header("host").expect("a host");
        match asked.path.as_str() {
            "/provider-metadata.json" => Reply::ok(metadata(host)),
            "/white.json" => {
                let entries = ["a-1", "a-2"].map(|name| {
                    format!(
                        r#"{{"updated":"2026-05-01T00:00:00Z","content":{{"src":"http://{host}/white/{name}.json"}},
                            "link":[{{"rel":"self","href":"http://{host}/white/{name}.json"}},
                                    {{"rel":"hash","href":"http://{host}/white/{name}.json.{link}"}},
                                    {{"rel":"signature","href":"http://{host}/white/{name}.json.asc"}}]}}"#
                    )
                });
                Reply::ok(format!(r#"{{"feed":{{"entry":[{}]}}}}"#, entries.join(",")))
            }
            path if path.ends_with(".json") => Reply::ok(document_at(path)),
            path => match path.strip_suffix(&format!(".{link}")) {
                Some(document) => sum(document),
                None => Reply::missing(),
            },
        }
    }
}

fn document_at(path: &str) -> String {
    format!(r#"{{"document":"{path}"}}"#)
}

fn sha512_of(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha512::digest(bytes))
}

#[tokio::test]
async fn documents_are_compared_with_checksums_in_the_feed() {
    for link in ["sha256", "sha512"] {
        let right = move |path: &str| {
            let text = document_at(path);
            let sum = match link {
                "sha256" => sha256_of(text.as_bytes()),
                _ => sha512_of(text.as_bytes()).to_uppercase(),
            };
            Reply::ok(format!("{sum}  {path}\n"))
        };
        let server = Server::start(with_checksums(link, right)).await;
        let plan = plan_at("csaf", &format!("{}/provider-metadata.json", server.base), None);
        let brought = World::new().run(&plan).await.expect("all of it is right");
        assert_eq!(brought.names(), ["a-1.json", "a-2.json"]);
        assert!(brought.fetched.whole && brought.fetched.read_to_end);
    }
}

#[tokio::test]
async fn document_with_another_checksum_is_not_taken_and_named() {
    let is_wrong = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let wrong = is_wrong.clone();
    let sum = move |path: &str| {
        let mut text = document_at(path);
        if path.ends_with("a-2.json") && wrong.load(std::sync::atomic::Ordering::SeqCst) {
            text.push(' ');
        }
        Reply::ok(sha256_of(text.as_bytes()))
    };
    let server = Server::start(with_checksums("sha256", sum)).await;
    let plan = plan_at("csaf", &format!("{}/provider-metadata.json", server.base), None);
    let mut world = World::new();
    for _ in 0..2 {
        let brought = world.import(&plan).await;
        let unread = brought.fetched.unread.as_deref().expect("it is named");
        assert!(
            unread.contains("a-2.json is damaged: its SHA-256 is") && unread.contains("it was not taken"),
            "{unread}"
        );
        assert!(!brought.fetched.read_to_end && !brought.fetched.whole);
        assert!(!brought.names().contains(&"a-2.json".to_owned()));
    }
    // It is asked for again until it is right.
    is_wrong.store(false, std::sync::atomic::Ordering::SeqCst);
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), ["a-2.json"]);
    assert!(brought.fetched.read_to_end && brought.fetched.from_start);
}

#[tokio::test]
async fn checksum_that_is_missing_or_unreadable_is_noted() {
    for reply in [Reply::missing as fn() -> Reply, || Reply::ok("no digits")] {
        let server = Server::start(with_checksums("sha256", move |_| reply())).await;
        let plan = plan_at("csaf", &format!("{}/provider-metadata.json", server.base), None);
        let brought = World::new().run(&plan).await.expect("the documents are there");
        assert_eq!(brought.names().len(), 2);
        assert!(brought.fetched.read_to_end);
        assert!(
            brought.notes("2 listed checksums are missing"),
            "{:?}",
            brought.fetched.notes
        );
    }
}
