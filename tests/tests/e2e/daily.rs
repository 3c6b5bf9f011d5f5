//! A source that changes every day: after each day three sites have the same records. One imports the source, one follows
//! over QUIC, and one receives delta bundles.

use serde_json::{Value, json};
use starling_api_types::{Cursor, ErrorCode, FeedOutcome};
use starling_tests::feed::{Folder, advisory, with};
use starling_tests::tree::Records;
use starling_tests::{Site, link};

use crate::bench;

const SOURCE: &str = "daily";

/// The three sites, and the files that the source publishes.
struct World {
    _bench: tempfile::TempDir,
    author: Site,
    follower: Site,
    carried: Site,
    /// The position of the third site.
    cursor: Option<Cursor>,
    feed: Folder,
}

impl World {
    fn new() -> Self {
        let bench = bench();
        let [mut author, mut follower, carried] =
            ["author", "follower", "carried"].map(|name| Site::init(bench.path(), name));
        author.up();
        follower.up();
        link(&mut author, &mut follower);
        carried.list(&author);
        Self {
            _bench: bench,
            author,
            follower,
            carried,
            cursor: None,
            feed: Folder::default(),
        }
    }

    /// Publishes the current feed; all three sites must then hold `expected`.
    fn publish(&mut self, expected: &Records) -> starling_api_types::FeedImportReport {
        let report = self.author.import(SOURCE, &self.feed, &["--complete"]);
        self.spread();
        for site in [&self.author, &self.follower, &self.carried] {
            site.expect_records(SOURCE, expected);
        }
        report
    }

    /// Waits until the follower has the author's changes, and carries a bundle to the third site.
    fn spread(&mut self) {
        self.follower.until_equal(&self.author);
        let cursor = self.cursor.as_ref().map(ToString::to_string);
        let more: Vec<&str> = cursor.iter().flat_map(|cursor| ["-c", cursor]).collect();
        let delta = self.author.export("delta.zst", &more);
        self.cursor = self.carried.import_bundle(&delta).imported_cursor;
        assert_eq!(self.carried.root(), self.author.root());
        assert_eq!(self.cursor, self.author.status().head);
    }

    /// Returns the records of the feed; every file must be a record.
    fn tree(&self) -> Records {
        Records::of(
            self.feed
                .files
                .values()
                .map(|bytes| serde_json::from_slice(bytes).expect("JSON")),
        )
    }
}

fn record(number: u32, fixed: &str, modified: &str) -> Value {
    advisory(
        &format!("EX-{number}"),
        &format!("package-{number}"),
        fixed,
        modified,
    )
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, in order")]
fn six_days_of_a_source_arrive_unchanged() {
    let mut world = World::new();
    // The first day.
    for number in 1..=4 {
        world.feed.put(
            &format!("EX-{number}.json"),
            &record(number, "1.0.0", "2025-01-10T00:00:00Z"),
        );
    }
    let withdrawn = with(
        record(3, "1.0.0", "2025-01-10T00:00:00Z"),
        "withdrawn",
        json!("2025-01-09T00:00:00Z"),
    );
    world.feed.put("EX-3.json", &withdrawn);
    let report = world.publish(&world.tree());
    assert_eq!((report.stored, report.unchanged, report.absent), (4, 0, 0));

    // One is added, one changed, one deleted.
    world
        .feed
        .put("EX-5.json", &record(5, "1.0.0", "2025-01-11T00:00:00Z"));
    world
        .feed
        .put("EX-1.json", &record(1, "1.0.1", "2025-01-11T00:00:00Z"));
    world.feed.remove("EX-2.json");
    let report = world.publish(&world.tree());
    assert_eq!((report.stored, report.unchanged, report.absent), (2, 2, 1));

    // A withdrawal is reverted; a file changes but keeps its `modified`.
    world
        .feed
        .put("EX-3.json", &record(3, "1.0.0", "2025-01-10T00:00:00Z"));
    world
        .feed
        .put("EX-4.json", &record(4, "1.0.7", "2025-01-10T00:00:00Z"));
    let report = world.publish(&world.tree());
    assert_eq!((report.stored, report.absent), (2, 0));

    // One `modified` goes back in time, one is in the year 1; the deleted record returns unchanged.
    world
        .feed
        .put("EX-1.json", &record(1, "1.0.2", "2024-12-31T00:00:00Z"));
    world
        .feed
        .put("EX-5.json", &record(5, "1.1.0", "0001-01-01T00:00:00Z"));
    world
        .feed
        .put("EX-2.json", &record(2, "1.0.0", "2025-01-10T00:00:00Z"));
    let report = world.publish(&world.tree());
    assert_eq!((report.stored, report.absent), (3, 0));

    // One id under two names: the later one is used, whichever file comes first, and the other is reported.
    world
        .feed
        .put("aaa/EX-4-moved.json", &record(4, "1.0.8", "2025-01-14T00:00:00Z"));
    world
        .feed
        .put("zzz/EX-5-moved.json", &record(5, "1.2.0", "0001-01-01T00:00:01Z"));
    // The same content twice is only a duplicate.
    world
        .feed
        .put("zzz/EX-1-copy.json", &record(1, "1.0.2", "2024-12-31T00:00:00Z"));
    let report = world.publish(&world.tree());
    assert_eq!((report.stored, report.duplicate), (2, 3));
    let warnings = &report.warnings;
    assert!(
        warnings.iter().any(|warning| warning.contains("EX-4"))
            && warnings.iter().any(|warning| warning.contains("EX-5")),
        "{warnings:?}"
    );
    assert!(
        warnings.iter().all(|warning| !warning.contains("EX-1 ")),
        "equal content needs no warning: {warnings:?}"
    );

    // An unreadable file keeps its earlier record; another file is deleted.
    let before = world.tree();
    world
        .feed
        .put_bytes("EX-2.json", b"{\"id\": \"EX-2\", \"modified\": ".to_vec());
    world.feed.remove("EX-3.json");
    let mut expected = before.clone();
    expected.0.remove("EX-3");
    let report = world.publish(&expected);
    assert_eq!((report.rejected, report.absent), (1, 1));
    let rejected = report
        .files
        .iter()
        .find(|file| file.outcome == FeedOutcome::Rejected)
        .expect("it is named");
    assert!(
        rejected.name.ends_with("EX-2.json") && !rejected.reason.is_empty(),
        "{rejected:?}"
    );
    for site in [&world.author, &world.follower, &world.carried] {
        site.expect_sound();
    }
}

#[test]
fn day_without_news_changes_nothing() {
    let mut world = World::new();
    world.feed = starling_tests::feed::many("QUIET", 20, 50);
    let _ = world.publish(&world.tree());
    let (root, head) = (world.author.root(), world.author.status().head);
    let report = world.author.import(SOURCE, &world.feed, &["--complete"]);
    assert_eq!((report.stored, report.unchanged, report.deltas), (0, 20, 0));
    assert_eq!((world.author.root(), world.author.status().head), (root, head));
    // There is nothing to export; the command reports that instead of writing an empty bundle.
    let cursor = world.cursor.as_ref().expect("a cursor").to_string();
    let nothing = world.author.file("nothing.zst");
    let problem = world.author.refused([
        "bundle",
        "export",
        "-c",
        &cursor,
        "-o",
        nothing.to_str().expect("UTF-8"),
    ]);
    assert_eq!(problem.code, ErrorCode::InvalidCursor);
    assert!(!nothing.exists());
}

#[test]
fn truncated_or_empty_input_is_not_the_whole_source() {
    let mut world = World::new();
    world.feed = starling_tests::feed::many("WHOLE", 60, 300);
    let _ = world.publish(&world.tree());
    let full = world.tree();
    let root = world.author.root();
    let archive = world.feed.tar_zst();
    let cut = world.author.file("cut.tar.zst");
    let complete = |site: &Site, path: &std::path::Path, more: &[&str]| {
        let mut args = vec![
            "feeds",
            "import",
            path.to_str().expect("UTF-8"),
            "--source",
            SOURCE,
            "--complete",
        ];
        args.extend(more);
        site.json_call(args)
    };
    for part in [archive.len() / 2, archive.len() - 1] {
        std::fs::write(&cut, &archive[..part]).unwrap();
        let problem = complete(&world.author, &cut, &[]).problem();
        assert_eq!(problem.code, ErrorCode::FeedTruncated, "cut at {part}: {problem}");
        let problem = world
            .author
            .refused(["feeds", "import", cut.to_str().unwrap(), "--source", SOURCE]);
        assert_eq!(problem.code, ErrorCode::FeedTruncated, "cut at {part}: {problem}");
    }
    let empty = world.author.file("empty");
    std::fs::create_dir(&empty).unwrap();
    let problem = complete(&world.author, &empty, &[]).problem();
    assert_eq!(problem.code, ErrorCode::FeedEmpty);
    std::fs::write(empty.join("cut.json"), b"{\"id\": \"WHOLE-000001\", ").unwrap();
    let problem = complete(&world.author, &empty, &[]).problem();
    assert_eq!(problem.code, ErrorCode::FeedEmpty);
    assert!(problem.detail.contains("the first is cut.json: "), "{problem}");
    std::fs::remove_file(empty.join("cut.json")).unwrap();
    let other = world.author.file("other");
    starling_tests::feed::many("OTHER", 1, 10).write(&other);
    let problem = complete(&world.author, &other, &[]).problem();
    assert_eq!(problem.code, ErrorCode::FeedSuspect);
    assert!(
        problem.detail.contains("60 of 60 records are no longer in it"),
        "{problem}"
    );
    assert_eq!(world.author.root(), root, "a refused import changes nothing");
    world.author.expect_records(SOURCE, &full);

    let problem = complete(&world.author, &empty, &["--allow-empty"]).problem();
    assert_eq!(problem.code, ErrorCode::FeedSuspect, "{problem}");

    // With `--allow-empty` and `--approve` the source is emptied at all sites.
    let report: starling_api_types::FeedImportReport =
        complete(&world.author, &empty, &["--allow-empty", "--approve"]).json(0);
    assert_eq!(report.absent, 60);
    world.spread();
    for site in [&world.author, &world.follower, &world.carried] {
        site.expect_records(SOURCE, &Records::default());
    }
}

#[test]
fn strict_import_is_all_or_nothing() {
    let bench = bench();
    let site = Site::init(bench.path(), "strict");
    let mut feed = starling_tests::feed::many("STRICT", 5, 10);
    feed.put_bytes("bad.json", b"{ this is not JSON".to_vec());
    let path = site.file("feed");
    feed.write(&path);
    let root = site.root();
    let problem = site.refused([
        "feeds",
        "import",
        path.to_str().unwrap(),
        "--source",
        "s",
        "--strict",
    ]);
    assert_eq!(problem.code, ErrorCode::FeedRejected);
    assert!(problem.detail.contains("bad.json"), "{problem}");
    assert_eq!(site.root(), root);
    let report = site.import_path("s", &path, &[]);
    assert_eq!((report.stored, report.rejected), (5, 1));
}

#[test]
fn every_form_of_a_feed_gives_the_same_records() {
    let bench = bench();
    let feed = starling_tests::feed::many("FORM", 25, 40);
    let mut lines = Vec::new();
    for bytes in feed.files.values() {
        lines.extend_from_slice(bytes);
        lines.push(b'\n');
    }
    let mut roots = Vec::new();
    for (form, bytes) in [
        ("folder", None),
        ("feed.tar.zst", Some(feed.tar_zst())),
        ("feed.ndjson", Some(lines)),
    ] {
        let site = Site::init(bench.path(), &format!("from-{}", form.replace('.', "-")));
        let report = match bytes {
            None => site.import("s", &feed, &[]),
            Some(bytes) => {
                let path = site.file(form);
                std::fs::write(&path, bytes).unwrap();
                site.import_path("s", &path, &[])
            }
        };
        assert_eq!((report.stored, report.rejected), (25, 0), "{form}: {report:?}");
        roots.push(site.dump("s"));
    }
    assert!(roots.iter().all(|dump| *dump == roots[0]));
}
