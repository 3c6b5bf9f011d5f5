//! Real sources, replayed: after every day each of three sites holds the stream's own tree.
//!
//! Needs the corpus in `STARLING_CORPUS`; without it these tests report that they are skipped.
//! `STARLING_E2E_FULL=1` replays all of it and takes minutes; build with `--release` for that. Otherwise a
//! small archive and one package in thirty-two of each stream are used, on every day.
//!
//! The expected content is read from the streams' files with `serde_json` and a YAML reader that the feed
//! parser does not use.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use starling_api_types::Cursor;
use starling_tests::feed::Folder;
use starling_tests::stream::Stream;
use starling_tests::tree::Records;
use starling_tests::{Site, link};

use crate::bench;

/// The archives of OSV records, without the two sources whose streams are replayed.
const ARCHIVES: [&str; 12] = [
    "almalinux",
    "drupal",
    "ghsa-samples",
    "haskell",
    "homebrew",
    "julia",
    "malicious-packages",
    "osvdev-20250228-git-upto2022",
    "osvdev-20250228-go-hex-upto2022",
    "psf",
    "rconsortium",
    "rustsec-osv",
];
/// The archive of the short run.
const SHORT_ARCHIVES: [&str; 1] = ["haskell"];
/// Streams that are replayed day by day.
const STREAMS: [&str; 2] = ["pypa", "bitnami"];
/// The short run uses one in this many packages, chosen by folder, so that a file takes part on every day or on none.
const SHORT_SHARE: u32 = 32;

fn corpus() -> Option<PathBuf> {
    let corpus = std::env::var_os("STARLING_CORPUS").map(PathBuf::from);
    if corpus.is_none() {
        println!("skipped: STARLING_CORPUS does not name the corpus");
    }
    corpus
}

/// Returns true if the test replays the complete corpus.
fn full() -> bool {
    std::env::var_os("STARLING_E2E_FULL").is_some_and(|value| value == "1")
}

/// Returns true if a file of a stream takes part in this run.
fn takes_part(name: &str) -> bool {
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    full() || folder.bytes().map(u32::from).sum::<u32>() % SHORT_SHARE == 0
}

/// Returns the record in a file, parsed without the code under test; `None` if the file has no record.
fn parse(name: &str, bytes: &[u8]) -> Option<Value> {
    match name.rsplit_once('.')?.1 {
        "json" => serde_json::from_slice(bytes).ok(),
        "yaml" | "yml" => serde_yaml_ng::from_slice(bytes).ok(),
        _ => None,
    }
}

/// Three sites, and the position up to which the third one received bundles.
struct World {
    _bench: tempfile::TempDir,
    author: Site,
    follower: Site,
    /// Reached by bundles only.
    carried: Site,
    cursor: Option<Cursor>,
}

impl World {
    fn new() -> Self {
        let bench = bench();
        let [mut author, mut follower, mut carried] =
            ["author", "follower", "carried"].map(|name| Site::init(bench.path(), name));
        // The whole corpus is exported as one bundle.
        for site in [&mut author, &mut follower, &mut carried] {
            site.up_with(&["--set", "federation.import.max_bundle_size=2GB"]);
        }
        link(&mut author, &mut follower);
        carried.list_as_unreachable(&author);
        Self {
            _bench: bench,
            author,
            follower,
            carried,
            cursor: None,
        }
    }

    fn sites(&self) -> [&Site; 3] {
        [&self.author, &self.follower, &self.carried]
    }

    /// Waits until the follower has the author's changes, and carries a bundle to the third site. Returns a text with the
    /// times.
    fn spread(&mut self) -> String {
        let from = Instant::now();
        self.follower.until_equal(&self.author);
        let followed = from.elapsed();
        let cursor = self.cursor.as_ref().map(ToString::to_string);
        if self.cursor == self.author.status().head {
            return format!("followed in {} ms, nothing to carry", followed.as_millis());
        }
        let more: Vec<&str> = cursor.iter().flat_map(|cursor| ["-c", cursor]).collect();
        let from = Instant::now();
        let bundle = self.author.export("delta.zst", &more);
        let exported = from.elapsed();
        let from = Instant::now();
        self.cursor = self.carried.import_bundle(&bundle).imported_cursor;
        let imported = from.elapsed();
        assert_eq!(self.carried.root(), self.author.root());
        format!(
            "followed in {} ms; bundle of {} bytes exported in {} ms, imported in {} ms",
            followed.as_millis(),
            bundle.metadata().unwrap().len(),
            exported.as_millis(),
            imported.as_millis()
        )
    }

    /// Imports a tree as the complete source and spreads it. All three sites must then have exactly its records.
    fn publish(&mut self, source: &str, label: &str, tree: &Folder) {
        let from = Instant::now();
        let path = self.author.file("feed.tar.zst");
        std::fs::write(&path, tree.tar_zst()).unwrap();
        let packed = from.elapsed();
        let from = Instant::now();
        let report = self.author.import_path(source, &path, &["--complete"]);
        let took = from.elapsed();
        assert_eq!(report.rejected, 0, "{label}: {:?}", report.files);
        let spread = self.spread();
        let expected = Records::of(tree.files.iter().filter_map(|(name, bytes)| parse(name, bytes)));
        for site in self.sites() {
            site.expect_records(source, &expected);
        }
        println!(
            "{label}: {} records, {} stored, {} absent, {} duplicate; imported in {} ms (packed in {} ms); {spread}",
            expected.0.len(),
            report.stored,
            report.absent,
            report.duplicate,
            took.as_millis(),
            packed.as_millis(),
        );
    }
}

#[test]
fn every_site_holds_the_tree_of_every_day() {
    let Some(corpus) = corpus() else { return };
    let started = Instant::now();
    let mut world = World::new();
    let archives: &[&str] = if full() { &ARCHIVES } else { &SHORT_ARCHIVES };
    for name in archives {
        let from = Instant::now();
        let path = corpus.join(format!("advisories/{name}.tar.zst"));
        let report = world.author.import_path(name, &path, &["--complete"]);
        println!(
            "{name}: {} stored, {} duplicate, {} ignored, {} rejected, {} MB in {} ms",
            report.stored,
            report.duplicate,
            report.ignored,
            report.rejected,
            report.input_bytes / 1_000_000,
            from.elapsed().as_millis()
        );
        let expected = Records::of(read_archive(&path));
        world.author.expect_records(name, &expected);
    }
    println!("all archives: {}", world.spread());
    for name in archives {
        let dump = world.author.dump(name);
        assert!(!dump.is_empty(), "{name}");
        assert!(world.follower.dump(name) == dump, "the follower's {name} differs");
        assert!(
            world.carried.dump(name) == dump,
            "the third site's {name} differs"
        );
    }
    for source in STREAMS {
        let stream = Stream::read(&corpus.join(format!("deltas/{source}.tar.zst")), takes_part);
        let mut tree = stream.base;
        world.publish(source, &format!("{source} base"), &tree);
        for (day, change) in stream.days {
            for name in &change.deleted {
                assert!(
                    tree.files.remove(name).is_some(),
                    "{day}: {name} was deleted and never there"
                );
            }
            tree.files.extend(change.changed);
            world.publish(source, &format!("{source} {day}"), &tree);
        }
    }
    for site in world.sites() {
        let from = Instant::now();
        site.expect_sound();
        let status = site.status();
        println!(
            "{}: sound (examined in {} ms); {} records, {} advisories, {} on {}",
            site.name(),
            from.elapsed().as_millis(),
            status.records,
            status.advisories,
            status.store.size_bytes,
            status.store.engine
        );
    }
    let from = Instant::now();
    let root = world.author.root();
    world.author.stop();
    world.author.up();
    assert_eq!(world.author.root(), root);
    println!(
        "restarted in {} ms; all of it took {} s",
        from.elapsed().as_millis(),
        started.elapsed().as_secs()
    );
}

/// Returns the records of an archive, read without the code under test.
fn read_archive(path: &Path) -> Vec<Value> {
    let mut records = Vec::new();
    let mut tar = tar::Archive::new(zstd::Decoder::new(File::open(path).unwrap()).unwrap());
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        if !entry.header().entry_type().is_file() || name.contains("/_upstream/") {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        records.extend(
            parse(&name, &bytes)
                .filter(|record| record.get("id").is_some() && record.get("modified").is_some()),
        );
    }
    records
}
