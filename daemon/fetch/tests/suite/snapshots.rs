//! Archives, and what changed since.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use starling_fetch::FetchError;

use crate::server::{Asked, Reply, Server, file};
use crate::world::*;

fn served(
    files: &[(&str, Vec<u8>)],
    last_modified: &'static str,
) -> impl Fn(&Asked) -> Reply + Send + Sync + use<> {
    let files: BTreeMap<String, Vec<u8>> = files
        .iter()
        .map(|(path, body)| ((*path).to_owned(), body.clone()))
        .collect();
    move |asked| file(&files, asked).header("last-modified", last_modified)
}

/// The time of the archives in these tests.
const MADE: &str = "Sun, 31 May 2026 12:00:00 GMT";

#[tokio::test]
async fn archive_comes_with_the_changes_that_it_lacks() {
    let archive = zip_of(&[
        ("GHSA-1.json", &record("GHSA-1", "2026-01-01T00:00:00Z")),
        ("GHSA-2.json", &record("GHSA-2", "2026-01-01T00:00:00Z")),
    ]);
    let list = "2026-05-31T20:00:00Z,GHSA-2\n2026-05-31T19:00:00Z,GHSA-3\n2026-01-01T00:00:00Z,GHSA-1\n";
    let server = Server::start(served(
        &[
            ("/npm/all.zip", archive),
            ("/npm/modified_id.csv", list.into()),
            (
                "/npm/GHSA-2.json",
                record("GHSA-2", "2026-05-31T20:00:00Z").into(),
            ),
            (
                "/npm/GHSA-3.json",
                record("GHSA-3", "2026-05-31T19:00:00Z").into(),
            ),
        ],
        MADE,
    ))
    .await;
    let plan = plan_at("osv", &server.base, Some("npm"));
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(
        brought.fetched.whole && !brought.fetched.more,
        "{:?}",
        brought.fetched.notes
    );
    assert_eq!(
        brought.names(),
        ["npm/all.tar.zst", "npm/all/GHSA-2.json", "npm/all/GHSA-3.json"]
    );
    // No record comes twice.
    assert_eq!(
        brought.imported(),
        [
            "npm/all/GHSA-2.json",
            "npm/all/GHSA-3.json",
            "npm/all/GHSA-1.json"
        ]
    );
    server.forget();
    let again = world.import(&plan).await;
    assert!(again.fetched.unchanged, "{:?}", again.fetched.notes);
    assert_eq!(server.paths(), ["/npm/modified_id.csv"]);
}

#[tokio::test]
async fn archive_without_later_changes_stays_as_it_is() {
    let archive = zip_of(&[("GO-1.json", &record("GO-1", "2026-01-01T00:00:00Z"))]);
    let server = Server::start(served(
        &[
            ("/vulndb.zip", archive),
            (
                "/index/vulns.json",
                br#"[{"id":"GO-1","modified":"2026-01-01T00:00:00Z","aliases":[]}]"#.to_vec(),
            ),
        ],
        MADE,
    ))
    .await;
    let brought = World::new()
        .run(&plan_at("govulndb", &server.base, None))
        .await
        .expect("a good run");
    assert_eq!(brought.names(), ["vulndb.zip"]);
    assert_eq!(brought.imported(), ["vulndb/GO-1.json"]);
}

/// Returns a database of some records, of which the later ones are only in the list.
fn go(records: usize) -> Vec<(String, Vec<u8>)> {
    let id = |n: usize| format!("GO-2026-{n:04}");
    let time = |n: usize| format!("2026-05-{:02}T00:00:00Z", n.min(31));
    let rows: Vec<String> = (1..=records)
        .map(|n| format!(r#"{{"id":"{}","modified":"{}"}}"#, id(n), time(n)))
        .collect();
    let mut files = vec![
        (
            "/index/vulns.json".to_owned(),
            format!("[{}]", rows.join(",")).into_bytes(),
        ),
        (
            "/vulndb.zip".to_owned(),
            zip_of(&[("ID/GO-2026-0001.json", &record(&id(1), &time(1)))]),
        ),
    ];
    files.extend((1..=records).map(|n| {
        (
            format!("/ID/{}.json", id(n)),
            record(&id(n), &time(n)).into_bytes(),
        )
    }));
    files
}

fn go_server(
    records: usize,
    missing: &'static [&'static str],
) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let files: Vec<(String, Vec<u8>)> = go(records)
        .into_iter()
        .filter(|(path, _)| !missing.iter().any(|missing| path.contains(missing)))
        .collect();
    let files: Vec<(&str, Vec<u8>)> = files
        .iter()
        .map(|(path, body)| (path.as_str(), body.clone()))
        .collect();
    served(&files, "Fri, 01 May 2026 12:00:00 GMT")
}

#[tokio::test]
async fn one_missing_document_is_counted_and_named() {
    let server = Server::start(go_server(30, &["GO-2026-0007"])).await;
    let brought = World::new()
        .run(&plan_at("govulndb", &server.base, None))
        .await
        .expect("a good run");
    assert!(
        brought.notes("GO-2026-0007.json is listed and missing (404)"),
        "{:?}",
        brought.fetched.notes
    );
    assert!(
        brought.notes("1 of 29 listed documents are missing"),
        "{:?}",
        brought.fetched.notes
    );
}

#[tokio::test]
async fn many_missing_documents_are_an_outage() {
    let server = Server::start(go_server(30, &["GO-2026-001", "GO-2026-002"])).await;
    let error = World::new().fails(&plan_at("govulndb", &server.base, None)).await;
    assert!(matches!(error, FetchError::Inconsistent { .. }), "{error}");
    assert!(
        error.to_string().contains("an outage or a move, not a deletion"),
        "{error}"
    );
}

#[tokio::test]
async fn list_that_does_not_reach_back_brings_the_archive() {
    const RECORD: &str = r#"{"dataType":"CVE_RECORD"}"#;
    const NAME: &str = "main/cvelistV5-main/cves/2026/1xxx/CVE-2026-1001.json";
    fn run(time: &str) -> String {
        format!(
            r#"{{"fetchTime":"{time}","numberOfChanges":1,"new":[],"updated":[{{"cveId":"CVE-2026-1001"}}],"error":[]}}"#
        )
    }
    let archive = gzip_of(&tar_of(&[(
        "cvelistV5-main/cves/2026/1xxx/CVE-2026-1001.json",
        RECORD,
    )]));
    let made = Arc::new(Mutex::new(MADE.to_owned()));
    let last_modified = Arc::clone(&made);
    let log = Arc::new(Mutex::new([
        run("2026-05-31T23:00:00Z"),
        run("2026-05-01T00:00:00Z"),
    ]));
    let served = Arc::clone(&log);
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/main.tar.gz" => {
            let made = last_modified.lock().expect("not poisoned").clone();
            Reply::ok(archive.clone()).header("last-modified", &made)
        }
        "/cves/deltaLog.json" => Reply::ok(format!("[{}]", served.lock().expect("not poisoned").join(","))),
        _ => Reply::ok(RECORD),
    })
    .await;
    let plan = plan_at("cve", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), ["main.tar.zst", NAME]);
    // A day later the log has one run more: only its record is fetched.
    server.forget();
    *log.lock().expect("not poisoned") = [run("2026-06-01T23:00:00Z"), run("2026-05-01T00:00:00Z")];
    world.clock.set(NOW_MS + DAY_MS);
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), [NAME]);
    assert!(!brought.fetched.whole);
    // Ten days later it begins after the last run.
    *log.lock().expect("not poisoned") = [run("2026-06-10T00:00:00Z"), run("2026-06-06T00:00:00Z")];
    world.clock.set(NOW_MS + 10 * DAY_MS);
    server.forget();
    // An archive that is older than what was read leaves a gap: nothing of it is taken.
    let brought = world.import(&plan).await;
    assert!(brought.names().is_empty() && !brought.fetched.read_to_end);
    assert!(brought.notes("does not reach back to when the archive was made"));
    "Tue, 09 Jun 2026 12:00:00 GMT".clone_into(&mut made.lock().expect("not poisoned"));
    let brought = world.import(&plan).await;
    assert!(
        brought.notes("does not reach back"),
        "{:?}",
        brought.fetched.notes
    );
    assert!(server.paths().contains(&"/main.tar.gz".to_owned()));
    assert!(brought.fetched.whole);
}

#[tokio::test]
async fn deletions_are_named_and_left_out_of_the_archive() {
    let archive = zstd_of(&tar_of(&[
        ("2025/cve-2025-1.json", r#"{"document":1}"#),
        ("2025/cve-2025-2.json", r#"{"document":2}"#),
        ("2025/cve-2025-3.json", r#"{"document":3}"#),
    ]));
    let changes = "\"2025/cve-2025-2.json\",\"2026-05-31T20:00:00+00:00\"\n\"2025/cve-2025-9.json\",\"2026-05-31T21:00:00+00:00\"\n\"2025/cve-2025-1.json\",\"2025-01-01T00:00:00+00:00\"\n";
    let deletions = "\"2025/cve-2025-3.json\",\"2026-05-31T22:00:00+00:00\"\n\"2020/cve-2020-1.json\",\"2024-01-01T00:00:00+00:00\"\n";
    let server = |deletions: &str, changes: &str| {
        served(
            &[
                ("/archive_latest.txt", b"csaf_vex_2026-05-31.tar.zst".to_vec()),
                ("/csaf_vex_2026-05-31.tar.zst", archive.clone()),
                ("/changes.csv", changes.into()),
                ("/deletions.csv", deletions.into()),
                ("/2025/cve-2025-2.json", br#"{"document":"2, newer"}"#.to_vec()),
            ],
            MADE,
        )
    };
    let one = Server::start(server(deletions, changes)).await;
    let plan = plan_at("redhat", &one.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(brought.fetched.whole, "{:?}", brought.fetched.notes);
    assert!(
        brought.notes("cve-2025-9.json is listed and missing"),
        "{:?}",
        brought.fetched.notes
    );
    assert_eq!(
        brought.imported(),
        ["archive/2025/cve-2025-2.json", "archive/2025/cve-2025-1.json"]
    );
    assert!(brought.fetched.gone.is_empty(), "the archive comes without it");
}

#[tokio::test]
async fn pointer_that_leaves_its_folder_is_refused() {
    for name in ["../../secret.tar.zst", "a/b", "", "<html>"] {
        let server = Server::start(move |_| Reply::ok(name)).await;
        let error = World::new().fails(&plan_at("redhat", &server.base, None)).await;
        assert!(
            matches!(
                error,
                FetchError::Unexpected { .. } | FetchError::Truncated { .. }
            ),
            "{name:?}: {error}"
        );
    }
}

#[tokio::test]
async fn deletion_names_the_document_as_the_archive_did() {
    let archive = zstd_of(&tar_of(&[
        ("2025/cve-2025-1.json", r#"{"document":1}"#),
        ("2025/cve-2025-3.json", r#"{"document":3}"#),
    ]));
    let deleted = Arc::new(Mutex::new(String::new()));
    let served = Arc::clone(&deleted);
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/archive_latest.txt" => Reply::ok("csaf_vex_2026-05-31.tar.zst\n"),
        "/csaf_vex_2026-05-31.tar.zst" => Reply::ok(archive.clone()).header("last-modified", MADE),
        "/changes.csv" => Reply::ok("\"2025/cve-2025-1.json\",\"2025-01-01T00:00:00+00:00\"\n"),
        "/deletions.csv" => Reply::ok(served.lock().expect("not poisoned").clone()),
        _ => Reply::missing(),
    })
    .await;
    let plan = plan_at("redhat", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), ["archive.tar.zst"]);
    assert_eq!(
        brought.imported(),
        ["archive/2025/cve-2025-1.json", "archive/2025/cve-2025-3.json"]
    );
    "\"2025/cve-2025-3.json\",\"2026-06-01T01:00:00+00:00\"\n"
        .clone_into(&mut deleted.lock().expect("not poisoned"));
    world.clock.set(NOW_MS + 2 * HOUR_MS);
    let brought = world.import(&plan).await;
    let gone: Vec<&str> = brought
        .fetched
        .gone
        .iter()
        .map(|gone| gone.name.as_str())
        .collect();
    assert_eq!(gone, ["archive/2025/cve-2025-3.json"]);
    assert!(!brought.fetched.unchanged && brought.fetched.documents.is_empty());
    // It is named once.
    world.clock.set(NOW_MS + 3 * HOUR_MS);
    assert!(world.import(&plan).await.fetched.unchanged);
}
