//! Sources that were not read to their end say so, and nothing newer is replaced by what is older.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use starling_fetch::{FetchError, Plan};

use crate::server::{Reply, Server, file};
use crate::world::*;

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A server whose files a test changes, with the time of its archive.
struct Source {
    server: Server,
    files: Files,
    made: Arc<Mutex<String>>,
}

impl Source {
    async fn new(files: &[(&str, Vec<u8>)]) -> Self {
        let files = files
            .iter()
            .map(|(path, body)| ((*path).to_owned(), body.clone()));
        let files: Files = Arc::new(Mutex::new(files.collect()));
        let made = Arc::new(Mutex::new("Sun, 31 May 2026 12:00:00 GMT".to_owned()));
        let (served, time) = (Arc::clone(&files), Arc::clone(&made));
        let server = Server::start(move |asked| {
            let reply = file(&served.lock().expect("not poisoned"), asked);
            match asked.path.ends_with(".zip") {
                true => reply.header("last-modified", &time.lock().expect("not poisoned")),
                false => reply,
            }
        })
        .await;
        Self { server, files, made }
    }

    fn set(&self, path: &str, body: impl Into<Vec<u8>>) {
        let mut files = self.files.lock().expect("not poisoned");
        files.insert(path.to_owned(), body.into());
    }

    fn take(&self, path: &str) -> Vec<u8> {
        let mut files = self.files.lock().expect("not poisoned");
        files.remove(path).expect("it was there")
    }

    fn made(&self, time: &str) {
        time.clone_into(&mut self.made.lock().expect("not poisoned"));
    }

    fn plan(&self, preset: &str) -> Plan {
        plan_at(preset, &self.server.base, None)
    }
}

const OLD: &str = "2026-01-01T00:00:00Z";

fn old_rows(count: usize) -> String {
    (0..count).map(|n| format!("{OLD},ID-{n}\n")).collect()
}

/// Returns a copy of OSV with some old records.
async fn osv(count: usize) -> Source {
    let ids: Vec<String> = (0..count).map(|n| format!("ID-{n}")).collect();
    let named: Vec<(String, String)> = ids
        .iter()
        .map(|id| (format!("{id}.json"), record(id, OLD)))
        .collect();
    let members: Vec<(&str, &str)> = named
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let source = Source::new(&[
        ("/all.zip", zip_of(&members)),
        ("/modified_id.csv", old_rows(count).into_bytes()),
    ])
    .await;
    for (name, text) in &named {
        source.set(&format!("/{name}"), text.as_bytes());
    }
    source
}

fn is_open(brought: &Brought, words: &str) {
    assert!(!brought.fetched.read_to_end && !brought.fetched.whole);
    let unread = brought.fetched.unread.as_deref().unwrap_or_default();
    assert!(unread.contains(words), "{unread:?}");
}

#[tokio::test]
async fn rows_of_an_unknown_format_are_not_read_to_the_end() {
    let source = osv(40).await;
    let plan = source.plan("osv");
    let mut world = World::new();
    let first = world.import(&plan).await;
    assert!(first.fetched.read_to_end && first.fetched.from_start);
    let odd = format!("{}{}", old_rows(40), "NEW;FORMAT\n".repeat(500));
    source.set("/modified_id.csv", odd);
    for _ in 0..2 {
        let brought = world.import(&plan).await;
        assert!(brought.fetched.unchanged);
        is_open(&brought, "500 rows are not understood");
    }
    // Five hundred are too many to be passed over, however long.
    world.clock.set(NOW_MS + 6 * DAY_MS);
    world.import(&plan).await;
    world.clock.set(NOW_MS + 20 * DAY_MS);
    assert!(!world.import(&plan).await.fetched.read_to_end);
}

#[tokio::test]
async fn one_odd_row_is_named_and_after_a_week_passed_over() {
    let source = osv(40).await;
    let plan = source.plan("osv");
    let mut world = World::new();
    source.set("/modified_id.csv", format!("{}odd\n", old_rows(40)));
    is_open(&world.import(&plan).await, "1 rows are not understood");
    world.clock.set(NOW_MS + 5 * DAY_MS);
    is_open(&world.import(&plan).await, "1 rows are not understood");
    world.clock.set(NOW_MS + 7 * DAY_MS);
    let brought = world.import(&plan).await;
    assert!(
        brought.fetched.read_to_end && brought.fetched.from_start,
        "{:?}",
        brought.fetched.unread
    );
    assert_eq!(brought.fetched.passed_over, 1);
    assert!(brought.notes("1 rows are not understood"));
    // Another one is new.
    source.set("/modified_id.csv", format!("{}odd\nmore\n", old_rows(40)));
    is_open(&world.import(&plan).await, "2 rows are not understood");
}

#[tokio::test]
async fn empty_or_short_list_is_not_a_source_without_changes() {
    let source = osv(40).await;
    let plan = source.plan("osv");
    let mut world = World::new();
    world.import(&plan).await;
    for empty in ["", "\n", "\u{FEFF}"] {
        source.set("/modified_id.csv", empty);
        let error = world.fails(&plan).await;
        assert!(
            matches!(
                error,
                FetchError::Truncated { .. } | FetchError::Inconsistent { .. }
            ),
            "{error}"
        );
    }
    source.set("/modified_id.csv", old_rows(3));
    is_open(
        &world.import(&plan).await,
        "lists 3 documents, and listed 40 before",
    );
}

#[tokio::test]
async fn empty_change_log_is_refused() {
    let archive = gzip_of(&tar_of(&[("cvelistV5-main/a.json", "{}")]));
    let log = r#"[{"fetchTime":"2026-01-01T00:00:00Z","new":[],"updated":[]}]"#;
    let source = Source::new(&[("/main.tar.gz", archive), ("/cves/deltaLog.json", log.into())]).await;
    let plan = source.plan("cve");
    let mut world = World::new();
    assert!(world.import(&plan).await.fetched.read_to_end);
    source.set("/cves/deltaLog.json", "[]");
    let error = world.fails(&plan).await;
    assert!(error.to_string().contains("no document at all"), "{error}");
}

#[tokio::test]
async fn list_that_is_missing_once_does_not_roll_the_source_back() {
    let source = osv(40).await;
    let plan = source.plan("osv");
    let mut world = World::new();
    world.import(&plan).await;
    source.set("/NEW-1.json", record("NEW-1", "2026-05-31T23:00:00Z"));
    let list = format!("2026-05-31T23:00:00Z,NEW-1\n{}", old_rows(40));
    source.set("/modified_id.csv", list.clone());
    assert_eq!(world.import(&plan).await.names(), ["all/NEW-1.json"]);
    // An archive of before that record, without its list.
    source.take("/modified_id.csv");
    source.set("/all.zip", zip_of(&[("ID-1.json", &record("ID-1", OLD))]));
    source.made("Sun, 31 May 2026 18:00:00 GMT");
    let brought = world.import(&plan).await;
    assert!(brought.names().is_empty());
    is_open(&brought, "modified_id.csv was there and is missing now");
    // Also when the whole is due.
    world.clock.set(NOW_MS + 7 * DAY_MS - HOUR_MS);
    let brought = world.import(&plan).await;
    assert!(brought.names().is_empty());
    source.set("/modified_id.csv", list);
    assert!(world.import(&plan).await.fetched.read_to_end);
}

#[tokio::test]
async fn list_that_is_missing_for_a_week_is_done_without() {
    let source = osv(40).await;
    let plan = source.plan("osv");
    let mut world = World::new();
    world.import(&plan).await;
    source.take("/modified_id.csv");
    is_open(&world.import(&plan).await, "is missing now");
    world.clock.set(NOW_MS + 8 * DAY_MS);
    source.set("/all.zip", zip_of(&[("ID-2.json", &record("ID-2", OLD))]));
    source.made("Mon, 08 Jun 2026 12:00:00 GMT");
    let brought = world.import(&plan).await;
    assert!(
        brought.fetched.whole && brought.fetched.read_to_end,
        "{:?}",
        brought.fetched.notes
    );
}

#[tokio::test]
async fn future_time_of_one_row_does_not_move_the_position() {
    let source = osv(40).await;
    let plan = source.plan("osv");
    let mut world = World::new();
    let rows = |more: &str| format!("2027-01-01T00:00:00Z,ID-0\n{more}{}", old_rows(40));
    source.set("/modified_id.csv", rows(""));
    world.import(&plan).await;
    // Changed before the last run, and listed after it.
    source.set("/LATE.json", record("LATE", "2026-05-31T22:30:00Z"));
    source.set("/modified_id.csv", rows("2026-05-31T22:30:00Z,LATE\n"));
    assert_eq!(world.import(&plan).await.names(), ["all/LATE.json"]);
}

#[tokio::test]
async fn missing_document_is_requested_until_it_exists() {
    let source = osv(40).await;
    let plan = source.plan("osv");
    let mut world = World::new();
    world.import(&plan).await;
    let rows = format!(
        "2026-05-31T20:00:00Z,LATE\n2026-05-31T23:50:00Z,NEW\n2026-05-31T23:50:00Z,NEXT\n{}",
        old_rows(40)
    );
    source.set("/modified_id.csv", rows);
    source.set("/NEW.json", record("NEW", "2026-05-31T23:50:00Z"));
    source.set("/NEXT.json", record("NEXT", "2026-05-31T23:50:00Z"));
    is_open(&world.import(&plan).await, "LATE.json is listed and missing");
    is_open(&world.import(&plan).await, "LATE.json is listed and missing");
    source.set("/LATE.json", record("LATE", "2026-05-31T20:00:00Z"));
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), ["all/LATE.json"]);
    assert!(brought.fetched.read_to_end && brought.fetched.from_start);
}

/// Returns a branch of Alpine's database.
fn secdb(text: &str) -> String {
    format!(r#"{{"packages":[],"of":"{text}"}}"#)
}

#[tokio::test]
async fn missing_branch_makes_nothing_absent() {
    let index: String = (10..20).map(|n| format!("<a href=\"v3.{n}/\">v</a>")).collect();
    let source = Source::new(&[("/index.html", format!("<html>{index}</html>").into_bytes())]).await;
    for n in 10..20 {
        for name in ["main", "community"] {
            source.set(&format!("/v3.{n}/{name}.json"), secdb(&format!("{n} {name}")));
        }
    }
    let plan = source.plan("alpine");
    let mut world = World::new();
    assert!(world.import(&plan).await.fetched.read_to_end);
    source.take("/v3.19/main.json");
    source.take("/v3.19/community.json");
    source.set("/v3.10/main.json", secdb("changed"));
    let brought = world.import(&plan).await;
    assert_eq!(brought.names(), ["v3.10/main.json"], "a part of the source");
    is_open(&brought, "v3.19/community.json was there and is missing now");
    is_open(&world.import(&plan).await, "v3.19/main.json was there");

    // On a first run, a branch without a single document is not believed to be one.
    let mut new = World::new();
    is_open(
        &new.import(&plan).await,
        "the folder v3.19 has none of its documents",
    );
}

/// Returns a copy of Go's database with `changed` documents that changed after the archive was made.
async fn go(changed: usize) -> Source {
    let rows: Vec<String> = (0..changed)
        .map(|n| {
            format!(
                r#"{{"id":"GO-{n:04}","modified":"2026-05-31T{:02}:00:00Z"}}"#,
                13 + n % 10
            )
        })
        .collect();
    let source = Source::new(&[
        (
            "/vulndb.zip",
            zip_of(&[("ID/GO-0000.json", &record("GO-0000", OLD))]),
        ),
        ("/index/vulns.json", format!("[{}]", rows.join(",")).into_bytes()),
    ])
    .await;
    for n in 0..changed {
        source.set(&format!("/ID/GO-{n:04}.json"), record(&format!("GO-{n:04}"), OLD));
    }
    source
}

#[tokio::test]
async fn more_changes_than_one_run_takes_come_with_the_next_runs() {
    // Of Go's database a run takes 1,000.
    let source = go(2_300).await;
    let plan = source.plan("govulndb");
    let mut world = World::new();
    let mut seen = 0;
    for (more, taken) in [(true, 1_000), (true, 1_000), (false, 300)] {
        let brought = world.import(&plan).await;
        assert_eq!(brought.fetched.more, more);
        assert_eq!(brought.fetched.read_to_end, !more);
        assert!(brought.fetched.unread.is_none(), "{:?}", brought.fetched.unread);
        let names = brought.names();
        seen += names.iter().filter(|name| name.ends_with(".json")).count();
        let documents = names.iter().filter(|name| name.ends_with(".json")).count();
        assert_eq!(documents, taken);
    }
    assert_eq!(seen, 2_300);
    let again = world.import(&plan).await;
    assert!(again.fetched.unchanged && again.fetched.read_to_end && again.fetched.from_start);
}

#[tokio::test]
async fn local_file_that_became_a_page_is_not_unchanged() {
    let medium = tempfile::tempdir().expect("a folder");
    let path = medium.path().join("a.json");
    std::fs::write(&path, record("A", OLD)).expect("written");
    for address in [medium.path(), path.as_path()] {
        std::fs::write(&path, record("A", OLD)).expect("written");
        let plan = Plan::of_address(Some("osv"), &address.display().to_string()).expect("a plan");
        let mut world = World::new();
        world.import(&plan).await;
        std::fs::write(&path, "<html>log in</html>").expect("written");
        let brought = world.import(&plan).await;
        assert!(brought.fetched.unchanged);
        is_open(&brought, "an HTML page");
    }
}

#[tokio::test]
async fn list_without_a_length_that_ends_in_a_row_loses_nothing() {
    let rows: Vec<String> = (0..60)
        .map(|n| format!("\"2024/adv-{n}.json\",\"2024-01-01T00:00:00Z\"\n"))
        .collect();
    let list = rows.concat();
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/pm.json" => {
            let host = asked.header("host").expect("a host");
            Reply::ok(format!(
                r#"{{"distributions":[{{"directory_url":"http://{host}/d/"}}]}}"#
            ))
        }
        "/d/changes.csv" => {
            // Cut within the fifty-first row, at each time but the first.
            let end = if asked.before == 0 {
                list.len()
            } else {
                rows[..50].concat().len() + 20
            };
            Reply::ok(&list.as_bytes()[..end]).unbounded()
        }
        path => Reply::ok(format!(r#"{{"document":"{path}"}}"#)),
    })
    .await;
    let plan = plan_at("csaf", &format!("{}/pm.json", server.base), None);
    let mut world = World::new();
    world.import(&plan).await;
    for _ in 0..3 {
        let brought = world.import(&plan).await;
        assert!(brought.fetched.gone.is_empty());
        is_open(&brought, "not understood");
    }
}

#[tokio::test]
async fn history_without_an_entry_is_not_a_source_without_changes() {
    const NOTHING: &str = r#"{"startIndex":0,"totalResults":0,"vulnerabilities":[]}"#;
    let server = Server::start(|_| Reply::ok(NOTHING)).await;
    let error = World::new().fails(&plan_at("nvd", &server.base, None)).await;
    assert!(error.to_string().contains("no entry at all"), "{error}");
    // Also if its first run broke off.
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let server = Server::start(move |asked| match asked.parameter("lastModStartDate") {
        Some(from) if from > "2020" && down.load(Ordering::SeqCst) => Reply::new(503, ""),
        _ => Reply::ok(NOTHING),
    })
    .await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    assert!(world.import(&plan).await.fetched.unfinished.is_some());
    is_down.store(false, Ordering::SeqCst);
    let brought = world.import(&plan).await;
    let error = brought.fetched.unfinished.expect("it failed").to_string();
    assert!(error.contains("no entry at all"), "{error}");
    server.forget();
    // It starts from the beginning, and fails again.
    world.fails(&plan).await;
    let from = server.log()[0].parameter("lastModStartDate").map(str::to_owned);
    assert!(from.is_some_and(|from| from.starts_with("1998")));
}

#[tokio::test]
async fn interrupted_history_is_read_again_from_its_start() {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let server = Server::start(move |asked| match asked.parameter("lastModStartDate") {
        Some(from) if from > "2020" && down.load(Ordering::SeqCst) => Reply::new(503, ""),
        _ => Reply::ok(r#"{"startIndex":0,"totalResults":1,"vulnerabilities":[{}]}"#),
    })
    .await;
    let plan = plan_at("nvd", &server.base, None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert!(brought.fetched.unfinished.is_some());
    assert!(!brought.fetched.from_start && !brought.fetched.read_to_end);
    is_down.store(false, Ordering::SeqCst);
    let brought = world.import(&plan).await;
    assert!(!brought.fetched.whole, "the first run brought the rest");
    assert!(brought.fetched.read_to_end && brought.fetched.from_start);
}

#[tokio::test]
async fn provider_that_no_longer_names_a_list_is_not_read_to_its_end() {
    let is_short = Arc::new(Mutex::new(false));
    let short = Arc::clone(&is_short);
    let server = Server::start(move |asked| {
        let host = asked.header("host").expect("a host");
        let entry = |name: &str| {
            format!(r#"{{"updated":"{OLD}","content":{{"src":"http://{host}/2026/{name}.json"}}}}"#)
        };
        match asked.path.as_str() {
            "/pm.json" => {
                let two = format!(r#",{{"url":"http://{host}/two.json"}}"#);
                let two = if *short.lock().expect("not poisoned") { "" } else { &two };
                Reply::ok(format!(
                    r#"{{"distributions":[{{"rolie":{{"feeds":[{{"url":"http://{host}/one.json"}}{two}]}}}}]}}"#
                ))
            }
            // In pages: the second one is named by a link.
            "/one.json" => Reply::ok(format!(
                r#"{{"feed":{{"link":[{{"rel":"next","href":"/more.json"}}],"entry":[{}]}}}}"#,
                entry("a")
            )),
            "/more.json" => Reply::ok(format!(r#"{{"feed":{{"entry":[{}]}}}}"#, entry("b"))),
            "/two.json" => Reply::ok(format!(r#"{{"feed":{{"entry":[{}]}}}}"#, entry("c"))),
            path => Reply::ok(format!(r#"{{"document":"{path}"}}"#)),
        }
    })
    .await;
    let plan = plan_at("csaf", &format!("{}/pm.json", server.base), None);
    let mut world = World::new();
    let brought = world.import(&plan).await;
    assert_eq!(
        brought.names(),
        ["1/2026/a.json", "1/2026/b.json", "2/2026/c.json"]
    );
    assert!(brought.fetched.read_to_end);
    *is_short.lock().expect("not poisoned") = true;
    is_open(&world.import(&plan).await, "two.json any more");
}
