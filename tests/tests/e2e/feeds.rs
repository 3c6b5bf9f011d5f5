//! Feeds that fetch themselves, from a server on the loopback interface: daemons and commands that add, run, fail,
//! approve, are killed and stopped.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use starling_api_types::{
    ErrorCode, ExitStatus, Feed, FeedPhase, FeedRun, FeedRunOutcome, FeedState, Timestamp,
};
use starling_tests::Site;
use starling_tests::feed::{Folder, many};
use starling_tests::http::Request;
use starling_tests::server::{Manner, Server};

use crate::{bench, sample_feed};

/// Longest wait for a state.
const DEADLINE: Duration = Duration::from_secs(120);
/// Longest time for a daemon to stop.
const STOP: Duration = Duration::from_secs(5);

/// Adds a feed of the server's document.
fn add(site: &Site, server: &Server, more: &[&str]) -> Feed {
    let url = server.url("mine.tar.zst");
    let args = ["feeds", "add", &url, "--source", "mine", "--proxy", "none"];
    site.json(args.iter().chain(more).copied())
}

/// Runs the feed; the command must end with `code`.
fn run(site: &Site, code: i32) -> FeedRun {
    let ended: Value = site.json_call(["feeds", "run", "mine"]).json(code);
    serde_json::from_value(ended["runs"][0].clone()).unwrap()
}

fn feed(site: &Site) -> Feed {
    site.json(["feeds", "status", "mine"])
}

fn checked(site: &Site) -> Option<Timestamp> {
    site.status().feeds.first().and_then(|feed| feed.last_checked)
}

/// Waits until the daemon's feed is as `reached` says.
fn until(site: &mut Site, awaited: &str, reached: impl Fn(&Feed) -> bool) -> Feed {
    let from = Instant::now();
    loop {
        site.daemon().expect_running();
        let answer = site.call(&Request::get("/feeds/mine"));
        let feed: Feed = answer.json(200);
        if reached(&feed) {
            return feed;
        }
        assert!(from.elapsed() < DEADLINE, "waiting for {awaited}: {feed:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn sbom(site: &Site, package: &str) -> std::path::PathBuf {
    let path = site.file("sbom.json");
    let purl = format!("pkg:npm/{package}@1.0.0");
    let sbom = json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5",
        "components": [{ "type": "library", "name": package, "version": "1.0.0", "purl": purl }],
    });
    std::fs::write(&path, sbom.to_string()).unwrap();
    path
}

#[test]
fn added_feed_is_run_scanned_by_and_checked_when_unchanged() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let server = Server::of(sample_feed().tar_zst());
    let added = add(&site, &server, &["--schedule", "2h"]);
    assert_eq!((added.name.as_str(), added.state), ("mine", FeedState::New));
    let text = std::fs::read_to_string(site.home().join("starling.toml")).unwrap();
    assert!(text.contains("[[feeds]]\nname = \"mine\"") && text.ends_with("[end]\n"));
    let first = run(&site, 0);
    assert_eq!(
        (first.outcome, first.whole, first.checked),
        (FeedRunOutcome::Imported, true, true)
    );
    assert!(first.stored > 2);
    // Without coverage demands of its own the package is found.
    let sbom = sbom(&site, "express");
    let scan = site.cli(["scan", sbom.to_str().unwrap(), "--fail-on", "low"]);
    assert_eq!(scan.code, 1, "{scan:?}");
    let (before, root) = (checked(&site), site.root());
    let second = run(&site, 0);
    assert_eq!(
        (second.outcome, second.checked, server.unchanged()),
        (FeedRunOutcome::Unchanged, true, 1)
    );
    assert!(checked(&site) > before, "the check goes on");
    assert_eq!(site.root(), root, "and nothing else does");
    let history: Value = site.json(["feeds", "history", "mine"]);
    assert_eq!(history["history"].as_array().unwrap().len(), 2);
    site.json_call(["feeds", "remove", "mine"]).expect(0);
    assert_eq!(
        site.refused(["feeds", "run", "mine"]).code,
        ErrorCode::FeedNotFound
    );
    assert_eq!(site.root(), root);
}

#[test]
fn document_of_a_record_is_given_as_it_was_fetched() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let folder = sample_feed();
    let server = Server::of(folder.tar_zst());
    add(&site, &server, &[]);
    run(&site, 0);
    let very = &folder.files["EX-2025-0002.json"];
    // Without a daemon and with one.
    for has_daemon in [false, true] {
        if has_daemon {
            site.up();
        }
        let raw = site.cli(["advisory", "raw", "EX-2025-0002"]);
        raw.expect(0);
        assert_eq!(&raw.stdout, very);
        assert!(raw.stderr.contains(&server.url("mine.tar.zst")), "{}", raw.stderr);
    }
    let target = site.file("raw.json");
    let written: Value = site.json([
        "advisory",
        "raw",
        "CVE-2025-10001",
        "--source",
        "mine",
        "--output",
        target.to_str().unwrap(),
    ]);
    assert_eq!(
        (&written["record_id"], &written["is_stated"]),
        (&json!("EX-2025-0001"), &json!(true))
    );
    assert_eq!(std::fs::read(&target).unwrap(), folder.files["EX-2025-0001.json"]);
    let refused = site.refused([
        "advisory",
        "raw",
        "EX-1999-0001",
        "--output",
        target.to_str().unwrap(),
    ]);
    assert_eq!(refused.code, ErrorCode::AdvisoryNotFound);
    let by_hand = many("HAND", 1, 0);
    let path = site.file("by-hand");
    by_hand.write(&path);
    site.json_call(["feeds", "import", path.to_str().unwrap(), "--source", "hand"])
        .expect(0);
    let refused = site.refused([
        "advisory",
        "raw",
        "HAND-000000",
        "--output",
        target.to_str().unwrap(),
    ]);
    assert_eq!(refused.code, ErrorCode::RawNotKept);
    assert!(refused.detail.contains("feeds import"), "{refused:?}");
    site.stop();
}

#[test]
fn server_that_is_down_is_named_and_the_last_good_state_stays() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let server = Server::of(sample_feed().tar_zst());
    site.up();
    add(&site, &server, &[]);
    until(&mut site, "the first run", |feed| feed.state == FeedState::Ok);
    let root = site.root();
    server.behave(Manner::Down);
    let failed = run(&site, 6);
    assert_eq!(
        (failed.outcome, failed.code),
        (FeedRunOutcome::Failed, Some(ErrorCode::FeedUnreachable))
    );
    let status = site.cli(["status"]);
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(said.contains("! feeds: feed mine failed"), "{said}");
    let health: starling_api_types::Health = site.call(&Request::get("/health")).json(200);
    let part = health
        .parts
        .iter()
        .find(|part| part.part.as_str() == "feeds")
        .unwrap();
    assert!(part.detail.contains("feed mine failed"), "{part:?}");
    assert_eq!(site.root(), root);
    server.behave(Manner::Well);
    assert_eq!(run(&site, 0).outcome, FeedRunOutcome::Unchanged);
    assert_eq!(feed(&site).state, FeedState::Ok);
    site.stop();
}

#[test]
fn suspect_input_waits_for_approval() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let all = many("EX", 60, 5);
    let server = Server::of(all.tar_zst());
    site.up();
    add(&site, &server, &[]);
    until(&mut site, "the first run", |feed| feed.state == FeedState::Ok);
    let mut few = Folder::default();
    for (name, bytes) in all.files.iter().take(20) {
        few.put_bytes(name, bytes.clone());
    }
    server.publish(few.tar_zst());
    let run = run(&site, 3);
    assert_eq!(run.outcome, FeedRunOutcome::Suspect);
    assert_eq!(site.status().records, 60);
    let waiting = feed(&site);
    assert_eq!(waiting.state, FeedState::Suspect);
    let said = waiting.attention.unwrap();
    assert!(
        said.contains("40 of 60 records") && said.contains("feeds approve mine"),
        "{said}"
    );
    let input = waiting.suspect.unwrap().input.to_string();
    let other = format!("blake3:{}", "0".repeat(64));
    let refused = site.refused(["feeds", "approve", "mine", "--input", &other]);
    assert_eq!(refused.code, ErrorCode::FeedNotSuspect);
    let requests = server.requests();
    site.json_call(["feeds", "approve", "mine", "--input", &input])
        .expect(0);
    assert_eq!((site.status().records, server.requests()), (20, requests));
    assert_eq!(feed(&site).state, FeedState::Ok);
    site.stop();
}

#[test]
fn fetch_that_is_killed_is_done_again() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let server = Server::of(many("EX", 50, 200).tar_zst());
    server.behave(Manner::Hangs);
    add(&site, &server, &[]);
    site.up();
    server.until_asked(0);
    until(&mut site, "the fetch", |feed| feed.state == FeedState::Running);
    site.kill();
    server.behave(Manner::Well);
    let asked = server.requests();
    site.up();
    server.until_asked(asked);
    until(&mut site, "the run", |feed| feed.state == FeedState::Ok);
    assert_eq!(site.status().records, 50);
    site.stop();
    let doctor: Value = site.json(["doctor"]);
    assert_eq!(doctor["ok"], true);
}

#[test]
fn import_that_is_killed_is_done_again() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let server = Server::of(many("EX", 4_000, 100).tar_zst());
    add(&site, &server, &[]);
    site.up();
    until(&mut site, "the import", |feed| {
        let is_importing = feed
            .progress
            .is_some_and(|progress| progress.phase == FeedPhase::Importing);
        is_importing || feed.state == FeedState::Ok
    });
    site.kill();
    site.up();
    // Run again, or found to be done: the records are all there either way.
    site.until("all records", |status| status.records == 4_000);
    let ran = until(&mut site, "the run", |feed| feed.state == FeedState::Ok);
    assert_eq!(ran.failures, 0);
    site.stop();
    let doctor: Value = site.json(["doctor"]);
    assert_eq!(doctor["ok"], true);
}

#[test]
fn daemon_stops_in_time_during_a_slow_fetch() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let server = Server::of(many("EX", 50, 200).tar_zst());
    server.behave(Manner::Hangs);
    site.up();
    add(&site, &server, &[]);
    server.until_asked(0);
    until(&mut site, "the fetch", |feed| feed.state == FeedState::Running);
    let from = Instant::now();
    site.stop();
    assert!(from.elapsed() < STOP, "{:?}", from.elapsed());
    server.behave(Manner::Well);
    assert_eq!(run(&site, 0).outcome, FeedRunOutcome::Imported);
}

#[test]
fn folder_is_fetched_as_an_address_is() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let folder = bench.path().join("usb");
    sample_feed().write(&folder);
    let path = folder.to_str().unwrap();
    let added: Feed = site.json(["feeds", "add", path, "--kind", "osv", "--name", "usb"]);
    assert_eq!(added.source.as_str(), "usb");
    let first: Value = site.json(["feeds", "run"]);
    assert_eq!(first["runs"][0]["outcome"], "imported");
    let second: Value = site.json(["feeds", "run"]);
    assert_eq!(second["runs"][0]["outcome"], "unchanged");
    std::fs::rename(&folder, bench.path().join("unplugged")).unwrap();
    site.cli(["feeds", "run", "usb"]).expect(6);
}

#[test]
fn wrong_feed_is_refused_with_its_line() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let config = site.home().join("starling.toml");
    let entry = "[[feeds]]\nname = \"a\"\nsource = \"a\"\naddress = \"https://example.org/a\"\n";
    for (text, named) in [
        (format!("{entry}shedule = \"2h\"\n"), ["line 5", "shedule"]),
        (format!("{entry}schedule = \"2\"\n"), ["line 5", "schedule"]),
        (format!("{entry}{entry}"), ["line 6", "named a"]),
        (
            "[[feeds]]\nname = \"a\"\npreset = \"nvdd\"\n".to_owned(),
            ["line 3", "nvdd"],
        ),
    ] {
        std::fs::write(&config, &text).unwrap();
        for args in [&["status"][..], &["up"], &["feeds", "list"]] {
            let problem = site.refused(args.iter().copied());
            assert_eq!(problem.code, ErrorCode::ConfigInvalid, "{text}");
            assert!(
                named.iter().all(|name| problem.detail.contains(name)),
                "{text}: {problem}"
            );
        }
    }
    std::fs::write(&config, "[log]\n").unwrap();
    for (args, word) in [
        (&["feeds", "add", "nvdd"][..], "feeds presets"),
        (&["feeds", "add", "https://example.org/a"], "source"),
        (
            &[
                "feeds",
                "add",
                "https://example.org/a",
                "--source",
                "a",
                "--schedule",
                "2",
            ],
            "schedule",
        ),
    ] {
        let problem = site.refused(args.iter().copied());
        assert_eq!(problem.exit_status(), ExitStatus::Usage, "{args:?}");
        assert!(problem.detail.contains(word), "{problem}");
    }
    assert_eq!(std::fs::read_to_string(&config).unwrap(), "[log]\n");
}
