//! Documents that a list names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use starling_fetch::FetchError;

use crate::server::{Reply, Server, file};
use crate::world::*;

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Returns a server whose files a test changes.
async fn changing(files: &[(&str, &str)]) -> (Server, Files) {
    let files: BTreeMap<String, Vec<u8>> = files
        .iter()
        .map(|(path, body)| ((*path).to_owned(), body.as_bytes().to_vec()))
        .collect();
    let files = Arc::new(Mutex::new(files));
    let served = Arc::clone(&files);
    let server = Server::start(move |asked| file(&served.lock().expect("not poisoned"), asked)).await;
    (server, files)
}

fn set(files: &Files, path: &str, body: &str) {
    files
        .lock()
        .expect("not poisoned")
        .insert(path.to_owned(), body.as_bytes().to_vec());
}

fn take(files: &Files, path: &str) {
    files.lock().expect("not poisoned").remove(path);
}

fn jvn_row(path: &str, sha256: &str) -> String {
    // The list names the source's own server, also at a mirror.
    format!(
        r#"{{"url":"https://jvndb.example/{path}","filename":"x","sha256":"{sha256}","size":1,"lastModified":"2023/11/02 12:00:18"}}"#
    )
}

#[tokio::test]
async fn documents_whose_checksum_changed_are_fetched_from_the_mirror() {
    const YEAR: &str = "<VULDEF-Document></VULDEF-Document>";
    let path = |year: u32| format!("ja/feed/detail/jvndb_detail_{year}.rdf");
    let rows = [
        jvn_row(&path(2025), &sha256_of(YEAR.as_bytes())),
        jvn_row(&path(2026), &sha256_of(YEAR.as_bytes())),
        jvn_row("ja/rss/jvndb.rdf", &"0".repeat(64)),
    ];
    let list = format!("[{}]", rows.join(","));
    let (server, files) = changing(&[
        ("/ja/feed/checksum.txt", list.as_str()),
        ("/ja/feed/detail/jvndb_detail_2025.rdf", YEAR),
        ("/ja/feed/detail/jvndb_detail_2026.rdf", YEAR),
    ])
    .await;
    let plan = plan_at("jvn", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(brought.fetched.whole);
    assert_eq!(brought.names(), [path(2025), path(2026)]);
    assert!(world.import(&plan).await.fetched.unchanged);

    let newer = format!("{YEAR}\n");
    set(&files, "/ja/feed/detail/jvndb_detail_2026.rdf", &newer);
    set(
        &files,
        "/ja/feed/checksum.txt",
        &list
            .replacen(&sha256_of(YEAR.as_bytes()), &sha256_of(newer.as_bytes()), 2)
            .replacen(&sha256_of(newer.as_bytes()), &sha256_of(YEAR.as_bytes()), 1),
    );
    server.forget();
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), [path(2026)]);
    assert!(!brought.fetched.whole);

    set(
        &files,
        "/ja/feed/detail/jvndb_detail_2026.rdf",
        "<VULDEF-Document>x</VULDEF-Document>",
    );
    world.position = starling_fetch::Position::default();
    let error = world.fails(&plan).await;
    assert!(matches!(error, FetchError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn branches_are_found_on_the_page_and_fetched_together() {
    const INDEX: &str = r#"<html><a href="../">up</a> <a href="edge/">e</a> <a href='v3.20/'>v</a> <a href="last-update">l</a> <a href="https://evil.example/x/">x</a></html>"#;
    let (server, files) = changing(&[
        ("/index.html", INDEX),
        ("/edge/main.json", r#"{"packages":[],"of":"edge"}"#),
        ("/edge/community.json", r#"{"packages":[],"of":"edge community"}"#),
        ("/v3.20/main.json", r#"{"packages":[],"of":"v3.20"}"#),
    ])
    .await;
    let plan = plan_at("alpine", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert_eq!(
        brought.names(),
        ["edge/community.json", "edge/main.json", "v3.20/main.json"]
    );
    assert!(brought.fetched.whole, "{:?}", brought.fetched.notes);

    let again = world.import(&plan).await;
    assert!(
        again.fetched.unchanged && again.names().is_empty(),
        "{:?}",
        again.fetched
    );

    set(
        &files,
        "/v3.20/main.json",
        r#"{"packages":[],"of":"v3.20, newer"}"#,
    );
    let brought = world.import(&plan).await;
    assert!(brought.fetched.whole, "{:?}", brought.fetched.notes);
    assert_eq!(
        brought.names(),
        ["edge/community.json", "edge/main.json", "v3.20/main.json"]
    );
}

#[tokio::test]
async fn notices_of_a_repository_are_found_by_its_repomd() {
    let notices = gzip_of(b"<updates><update></update></updates>");
    let repomd = |sha256: &str| {
        format!(
            r#"<?xml version="1.0"?><repomd xmlns="http://linux.example/repo"><data type="primary"><location href="repodata/p.xml.gz"/></data>
            <data type="updateinfo"><checksum type="sha256">{sha256}</checksum><open-checksum type="sha256">00</open-checksum><location href="repodata/abc-updateinfo.xml.gz"/></data></repomd>"#
        )
    };
    let good = repomd(&sha256_of(&notices));
    let wrong = repomd(&"0".repeat(64));
    let serve = move |good: String, notices: Vec<u8>| {
        move |asked: &crate::server::Asked| match asked.path.as_str() {
            "/2/core/latest/x86_64/mirror.list" => Reply::ok(format!(
                "http://{}/2/core/2.0/x86_64/221a\n",
                asked.header("host").expect("a host")
            )),
            "/2/core/2.0/x86_64/221a/repodata/repomd.xml" => Reply::ok(good.clone()),
            "/2/core/2.0/x86_64/221a/repodata/abc-updateinfo.xml.gz" => Reply::ok(notices.clone()),
            _ => Reply::missing(),
        }
    };
    let server = Server::start(serve(good, notices.clone())).await;
    let plan = plan_at("amazon", &server.base, Some("2"));
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), ["2/updateinfo.xml.gz"]);
    assert!(brought.fetched.whole);
    server.forget();
    assert!(world.import(&plan).await.fetched.unchanged);
    assert!(
        server
            .paths()
            .iter()
            .all(|path| !path.ends_with("updateinfo.xml.gz"))
    );

    let server = Server::start(serve(wrong, notices)).await;
    let error = World::new()
        .fails(&plan_at("amazon", &server.base, Some("2")))
        .await;
    assert!(matches!(error, FetchError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn mirror_list_may_not_lead_into_the_sites_network() {
    for mirror in ["http://169.254.169.254/", "/etc", "http://127.0.0.1:1/x/"] {
        let server = Server::start(move |_| Reply::ok(mirror)).await;
        let error = World::new().fails(&plan_at("amazon", &server.base, None)).await;
        assert!(matches!(error, FetchError::Forbidden { .. }), "{mirror}: {error}");
    }
}

#[tokio::test]
async fn names_that_leave_the_folder_are_passed_over_and_named() {
    let long = "a".repeat(300);
    let list = format!(
        "2026-05-31T00:00:00Z,GOOD-1\n2026-05-31T00:00:00Z,../../etc/passwd\n2026-05-31T00:00:00Z,/etc/passwd\n2026-05-31T00:00:00Z,a\0b\n2026-05-31T00:00:00Z,{long}\nnot a row\nyesterday,GOOD-2\n"
    );
    let archive = zip_of(&[("OLD-1.json", &record("OLD-1", "2026-01-01T00:00:00Z"))]);
    let server = Server::files(&[
        ("/npm/all.zip", archive),
        ("/npm/modified_id.csv", list.into_bytes()),
        (
            "/npm/GOOD-1.json",
            record("GOOD-1", "2026-05-31T00:00:00Z").into_bytes(),
        ),
    ])
    .await;
    let brought = World::new()
        .run(&plan_at("osv", &server.base, Some("npm")))
        .await
        .expect("a good run");
    assert!(
        brought.notes("6 rows are not understood"),
        "{:?}",
        brought.fetched.notes
    );
    assert!(
        brought.notes("leads out of its folder"),
        "{:?}",
        brought.fetched.notes
    );
    assert!(
        !brought.fetched.whole,
        "a list that was not understood is not the whole source"
    );
    assert!(server.paths().iter().all(|path| !path.contains("passwd")));
}

#[tokio::test]
async fn list_that_is_not_understood_at_all_is_an_error() {
    let server = Server::files(&[
        ("/npm/all.zip", zip_of(&[("A.json", "{}")])),
        ("/npm/modified_id.csv", b"moved\n".to_vec()),
    ])
    .await;
    let error = World::new()
        .fails(&plan_at("osv", &server.base, Some("npm")))
        .await;
    assert!(error.to_string().contains("none of its 1 rows"), "{error}");
}

#[tokio::test]
async fn list_that_lost_many_rows_is_not_trusted() {
    let rows = |count: usize| {
        let rows: Vec<String> = (0..count)
            .map(|n| {
                jvn_row(
                    &format!("ja/feed/detail/jvndb_detail_{}.rdf", 1900 + n),
                    &sha256_of(b"<a></a>"),
                )
            })
            .collect();
        format!("[{}]", rows.join(","))
    };
    let all = rows(40);
    let few = rows(10);
    let most = rows(39);
    let (server, files) = changing(&[("/ja/feed/checksum.txt", all.as_str())]).await;
    for n in 0..40 {
        set(
            &files,
            &format!("/ja/feed/detail/jvndb_detail_{}.rdf", 1900 + n),
            "<a></a>",
        );
    }
    let plan = plan_at("jvn", &server.base, None);
    let mut world = World::new();
    world.import(&plan).await;
    set(&files, "/ja/feed/checksum.txt", &most);
    // A row that is missing once may come back.
    let brought = world.import(&plan).await;
    assert!(brought.fetched.gone.is_empty() && brought.fetched.more && !brought.fetched.read_to_end);
    let brought = world.import(&plan).await;
    assert_eq!(brought.fetched.gone.len(), 1);
    assert!(brought.fetched.read_to_end);
    assert_eq!(
        brought.fetched.gone[0].name,
        "ja/feed/detail/jvndb_detail_1939.rdf"
    );
    assert!(!brought.fetched.unchanged);
    set(&files, "/ja/feed/checksum.txt", &few);
    let brought = world.import(&plan).await;
    assert!(brought.fetched.gone.is_empty());
    assert!(brought.notes("not believed"), "{:?}", brought.fetched.notes);
    // The same list again is no better.
    let again = world.import(&plan).await;
    assert!(again.fetched.unchanged && !again.fetched.read_to_end && again.fetched.unread.is_some());
    // A loss that lasts for a week is accepted.
    world.clock.set(NOW_MS + 8 * DAY_MS);
    let brought = world.import(&plan).await;
    assert_eq!(brought.fetched.gone.len(), 29);
    assert!(brought.fetched.read_to_end, "{:?}", brought.fetched.unread);
    take(&files, "/ja/feed/checksum.txt");
    let error = world.fails(&plan).await;
    assert!(matches!(error, FetchError::Status { status: 404, .. }), "{error}");
}
