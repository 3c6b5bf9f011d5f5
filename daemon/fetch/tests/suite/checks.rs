//! Documents that are not whole, or not what they should be.

use starling_fetch::{FetchError, Plan, Wait};

use crate::server::{Reply, Server};
use crate::world::*;

const CATALOGUE: &str = r#"{"catalogVersion":"1","vulnerabilities":[{"cveID":"CVE-2030-0001"}]}"#;

fn plan_of(server: &Server, name: &str) -> Plan {
    Plan::of_address(None, &format!("{}/{name}", server.base)).expect("a plan")
}

#[tokio::test]
async fn document_shorter_than_its_length_is_truncated() {
    let server = Server::start(|_| Reply::ok(CATALOGUE).cut(20)).await;
    let world = World::new();
    let error = world.fails(&plan_at("kev", &server.base, None)).await;
    assert!(matches!(error, FetchError::Truncated { .. }), "{error}");
    assert!(error.is_temporary());
    assert_eq!(server.paths().len(), 3, "it is tried again");
}

#[tokio::test]
async fn document_that_is_whole_at_the_second_attempt_is_taken() {
    let server = Server::start(|asked| match asked.before {
        0 => Reply::ok(CATALOGUE).cut(20),
        _ => Reply::ok(CATALOGUE),
    })
    .await;
    let mut world = World::new();
    let brought = world.import(&plan_at("kev", &server.base, None)).await;
    assert_eq!(brought.names(), ["known_exploited_vulnerabilities.json"]);
    assert_eq!(brought.fetched.requests, 2);
    assert_eq!(world.clock.waits(Wait::Retry).len(), 1);
}

#[tokio::test]
async fn json_without_its_end_and_without_a_length_is_truncated() {
    let server = Server::start(|_| Reply::ok(&CATALOGUE[..40]).unbounded()).await;
    let error = World::new().fails(&plan_at("kev", &server.base, None)).await;
    assert!(matches!(error, FetchError::Truncated { .. }), "{error}");
}

#[tokio::test]
async fn xml_without_its_end_is_truncated() {
    let server = Server::start(|_| Reply::ok("<updates><update>").unbounded()).await;
    let brought = World::new().run(&plan_of(&server, "x.xml")).await;
    assert!(brought.is_ok(), "a tag is an end");
    let server = Server::start(|_| Reply::ok("<updates><update>A").unbounded()).await;
    let error = World::new().fails(&plan_of(&server, "x.xml")).await;
    assert!(matches!(error, FetchError::Truncated { .. }), "{error}");
}

#[tokio::test]
async fn login_page_with_status_200_is_named() {
    for page in [
        "<!DOCTYPE html><html><body>Sign in</body></html>",
        "\n<HTML><title>Sign in</title></HTML>",
    ] {
        let server = Server::start(move |_| Reply::ok(page).header("content-type", "text/html")).await;
        for plan in [
            plan_at("kev", &server.base, None),
            plan_at("osv", &server.base, Some("npm")),
            plan_of(&server, "all.zip"),
        ] {
            let error = World::new().fails(&plan).await;
            assert!(matches!(error, FetchError::Unexpected { .. }), "{error}");
            assert!(error.to_string().contains("HTML page"), "{error}");
            assert!(!error.is_temporary());
        }
        assert_eq!(server.paths().len(), 3, "a login page is not asked for again");
    }
}

#[tokio::test]
async fn empty_document_is_not_an_empty_source() {
    let server = Server::start(|_| Reply::ok("")).await;
    for plan in [plan_at("kev", &server.base, None), plan_of(&server, "x")] {
        let error = World::new().fails(&plan).await;
        assert!(matches!(error, FetchError::Truncated { .. }), "{error}");
    }
}

#[tokio::test]
async fn archive_without_its_end_is_noticed() {
    let zip = zip_of(&[("A.json", &record("A", "2026-01-01T00:00:00Z"))]);
    let tar = tar_of(&[("A.json", &record("A", "2026-01-01T00:00:00Z"))]);
    let torn_tar = tar[..tar.len() - 1024].to_vec();
    let torn = |bytes: &[u8]| bytes[..bytes.len() - 9].to_vec();
    for (name, content) in [
        ("a.zip", torn(&zip)),
        ("a.tar.gz", torn(&gzip_of(&tar))),
        ("a.tar.zst", torn(&zstd_of(&tar))),
        ("a.tar.bz2", torn(&bzip2_of(&tar))),
        ("a.tar", torn_tar.clone()),
        ("b.tar.gz", gzip_of(&torn_tar)),
        ("a.csv.gz", torn(&gzip_of(b"cve,epss\nCVE-2030-0001,0.5\n"))),
    ] {
        let server = Server::start(move |_| Reply::ok(content.clone())).await;
        let error = World::new().fails(&plan_of(&server, name)).await;
        assert!(matches!(error, FetchError::Truncated { .. }), "{name}: {error}");
    }
}

#[tokio::test]
async fn gzip_with_a_wrong_checksum_is_damaged() {
    let mut packed = gzip_of(b"cve,epss\nCVE-2030-0001,0.5\n");
    let crc = packed.len() - 8;
    packed[crc] ^= 1;
    let server = Server::start(move |_| Reply::ok(packed.clone())).await;
    let error = World::new().fails(&plan_at("epss", &server.base, None)).await;
    assert!(matches!(error, FetchError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn gzip_that_expands_beyond_the_bound_is_refused() {
    let bomb = gzip_of(&vec![b' '; 3 << 20]);
    let encoded = bomb.clone();
    let mut world = World::new();
    world.settings.limits.max_unpacked_bytes = 1 << 20;
    let server = Server::start(move |_| Reply::ok(bomb.clone())).await;
    let error = world.fails(&plan_at("epss", &server.base, None)).await;
    assert!(matches!(error, FetchError::Limit { .. }), "{error}");
    let server = Server::start(move |_| Reply::ok(encoded.clone()).header("content-encoding", "gzip")).await;
    let error = world.fails(&plan_at("kev", &server.base, None)).await;
    assert!(matches!(error, FetchError::Limit { .. }), "{error}");
}

#[tokio::test]
async fn gzip_encoding_is_undone_and_checked() {
    let packed = gzip_of(CATALOGUE.as_bytes());
    let torn = packed[..packed.len() - 4].to_vec();
    let server = Server::start(move |asked| {
        assert_eq!(asked.header("accept-encoding"), Some("gzip"));
        Reply::ok(packed.clone()).header("content-encoding", "gzip")
    })
    .await;
    let brought = World::new()
        .run(&plan_at("kev", &server.base, None))
        .await
        .expect("a good run");
    assert_eq!(brought.content("known_exploited_vulnerabilities.json"), CATALOGUE);
    let server = Server::start(move |_| Reply::ok(torn.clone()).header("content-encoding", "gzip")).await;
    let error = World::new().fails(&plan_at("kev", &server.base, None)).await;
    assert!(matches!(error, FetchError::Truncated { .. }), "{error}");
    let server = Server::start(|_| Reply::ok("x").header("content-encoding", "br")).await;
    let error = World::new().fails(&plan_at("kev", &server.base, None)).await;
    assert!(error.to_string().contains("the encoding br"), "{error}");
}

#[tokio::test]
async fn json_that_is_not_valid_is_handed_on_with_a_note() {
    let server = Server::start(|_| Reply::ok(r#"{"a":[1,],"b":2}"#)).await;
    let brought = World::new()
        .run(&plan_at("debian", &server.base, None))
        .await
        .expect("a good run");
    assert_eq!(brought.names(), ["tracker.json"]);
    assert!(brought.notes("not valid JSON"), "{:?}", brought.fetched.notes);
}

#[tokio::test]
async fn bzip2_is_unpacked_because_an_import_does_not_read_it() {
    let notices = br#"{"4011-1":{"releases":{}}}"#;
    let server = Server::files(&[("/database-all.json.bz2", bzip2_of(notices))]).await;
    let brought = World::new()
        .run(&plan_at("ubuntu", &server.base, None))
        .await
        .expect("a good run");
    assert_eq!(brought.names(), ["database-all.json"]);
    assert_eq!(brought.content("database-all.json").as_bytes(), notices);
}

#[tokio::test]
async fn archive_in_bzip2_becomes_one_that_an_import_reads() {
    let archive = tar_of(&[("2026/a.json", r#"{"document":{}}"#)]);
    let server = Server::files(&[("/csaf.tar.bz2", bzip2_of(&archive))]).await;
    let brought = World::new()
        .run(&plan_at("suse", &server.base, None))
        .await
        .expect("a good run");
    assert_eq!(brought.names(), ["csaf.tar.zst"]);
    assert_eq!(brought.imported(), ["csaf/2026/a.json"]);
    assert!(brought.fetched.whole);
}

#[tokio::test]
async fn year_whose_checksum_does_not_fit_is_damaged() {
    let server = Server::start(|asked| match asked.path.ends_with(".meta") {
        true => Reply::ok(format!(
            "lastModifiedDate:2026-01-01\r\nsha256:{}\r\n",
            "0".repeat(64)
        )),
        false => Reply::ok(gzip_of(br#"{"vulnerabilities":[]}"#)),
    })
    .await;
    let error = World::new()
        .fails(&plan_at("nvd-feeds", &server.base, None))
        .await;
    assert!(matches!(error, FetchError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("SHA-256"), "{error}");
}

#[tokio::test]
async fn years_whose_checksum_is_known_are_not_fetched_again() {
    let body = |path: &str| format!(r#"{{"vulnerabilities":[],"of":"{path}"}}"#).into_bytes();
    let server = Server::start(move |asked| {
        if asked.path.contains("2026") {
            return Reply::missing();
        }
        match asked.path.strip_suffix(".meta") {
            // Upper case, as it is published.
            Some(stem) => Reply::ok(format!("sha256:{}\r\n", sha256_of(&body(stem)).to_uppercase())),
            None => Reply::ok(gzip_of(&body(asked.path.trim_end_matches(".json.gz")))),
        }
    })
    .await;
    let plan = plan_at("nvd-feeds", &server.base, None);
    let mut world = World::new();
    world.clock.set(NOW_MS - 23 * 365 * DAY_MS);
    let error = world.fails(&plan).await;
    assert!(error.to_string().contains("clock says 2003"), "{error}");
    world.clock.set(NOW_MS);
    // In June a year has its file.
    let brought = world.run(&plan).await.expect("the other years are good");
    assert!(!brought.fetched.whole && !brought.fetched.read_to_end);
    let words = brought.fetched.unread.as_deref().unwrap_or_default();
    assert!(words.contains("2026.json.gz is missing"), "{words}");
    world.clock.set(NOW_MS - 140 * DAY_MS);
    let brought = world.import(&plan).await;
    // 2002 to 2025, and the file of changes; 2026 has none yet.
    assert_eq!(brought.names().len(), 25);
    assert!(brought.fetched.whole);
    server.forget();
    let brought = world.import(&plan).await;
    assert!(brought.fetched.unchanged && !brought.fetched.whole && brought.names().is_empty());
    assert!(
        server.paths().iter().all(|path| path.ends_with(".meta")),
        "{:?}",
        server.paths()
    );
}

#[tokio::test]
async fn chunked_document_without_its_last_chunk_is_truncated() {
    let chunk = format!("{:x}\r\n{CATALOGUE}\r\n", CATALOGUE.len());
    let server = Server::start(move |_| {
        Reply::ok(chunk.clone())
            .header("transfer-encoding", "chunked")
            .unbounded()
    })
    .await;
    let error = World::new().fails(&plan_at("kev", &server.base, None)).await;
    assert!(matches!(error, FetchError::Truncated { .. }), "{error}");
}

#[tokio::test]
async fn archive_that_unpacks_beyond_the_bound_is_refused() {
    let text = " ".repeat(3 << 20);
    let mut world = World::new();
    world.settings.limits.max_unpacked_bytes = 1 << 20;
    for (name, content) in [
        ("a.zip", zip_of(&[("a.json", &text)])),
        ("a.tar.gz", gzip_of(&tar_of(&[("a.json", &text)]))),
        ("a.tar.zst", zstd_of(&tar_of(&[("a.json", &text)]))),
        ("a.tar.bz2", bzip2_of(&tar_of(&[("a.json", &text)]))),
    ] {
        let server = Server::start(move |_| Reply::ok(content.clone())).await;
        let error = world.fails(&plan_of(&server, name)).await;
        assert!(matches!(error, FetchError::Limit { .. }), "{name}: {error}");
    }
}
