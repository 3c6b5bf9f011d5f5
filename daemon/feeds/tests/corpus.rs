//! Reads every OSV archive of the corpus, file by file: nothing is lost and no meaning changes.
//!
//! Needs the corpus in `STARLING_CORPUS`; without it the test prints that it is skipped. The expected values come
//! from other readers: the list of files from the tar itself, the meaning of JSON from `serde_json`.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a test reads files, and fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use starling_feeds::input::{Limits, Source};
use starling_feeds::pipeline::{ItemResult, run};

/// The archives of OSV records.
const ARCHIVES: [&str; 14] = [
    "almalinux",
    "bitnami",
    "drupal",
    "ghsa-samples",
    "haskell",
    "homebrew",
    "julia",
    "malicious-packages",
    "osvdev-20250228-git-upto2022",
    "osvdev-20250228-go-hex-upto2022",
    "psf",
    "pypa",
    "rconsortium",
    "rustsec-osv",
];

fn corpus() -> Option<PathBuf> {
    let corpus = std::env::var("STARLING_CORPUS").ok().map(PathBuf::from);
    if corpus.is_none() {
        eprintln!("skipped: STARLING_CORPUS does not name the corpus");
    }
    corpus
}

/// Returns the regular files of a `.tar.zst`, read without the code under test.
fn files_of(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let decoder = zstd::Decoder::new(File::open(archive).expect("the archive")).expect("zstd");
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(decoder).entries().expect("a tar") {
        let mut entry = entry.expect("a member");
        if entry.header().entry_type().is_file() {
            let name = entry.path().expect("a name").to_str().expect("UTF-8").to_owned();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("a member");
            assert!(files.insert(name, bytes).is_none(), "a member stands twice");
        }
    }
    files
}

/// Returns true if the meaning is equal: integers exactly, fractions as doubles, `1.0` like `1`.
fn same_meaning(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) if a.is_f64() || b.is_f64() => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_meaning(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same_meaning(a, b)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn every_file_of_the_osv_archives_keeps_its_meaning() {
    let Some(corpus) = corpus() else { return };
    for name in ARCHIVES {
        let archive = corpus.join("advisories").join(format!("{name}.tar.zst"));
        let mut files = files_of(&archive);
        let workers = NonZeroUsize::new(2).expect("two");
        let report = run(Source::path(&archive), &Limits::default(), workers, &mut |item| {
            let bytes = files
                .remove(&item.name)
                .unwrap_or_else(|| panic!("{}: not a file, or shown twice", item.name));
            let is_record = item.name.ends_with(".json") || item.name.ends_with(".yaml");
            match item.result {
                ItemResult::Accepted(record) => {
                    assert!(is_record, "{}: taken for a record", item.name);
                    assert_eq!(record.hash.as_bytes(), blake3::hash(&record.canonical).as_bytes());
                    let ours: Json =
                        serde_json::from_slice(&record.canonical).expect("canonical JSON is JSON");
                    assert_eq!(ours["id"], record.id.as_str());
                    if item.name.ends_with(".json") {
                        let theirs: Json = serde_json::from_slice(&bytes).expect("the source's file is JSON");
                        assert!(same_meaning(&ours, &theirs), "{}: its meaning changed", item.name);
                    }
                }
                ItemResult::Ignored(reason) => assert!(!is_record, "{}: ignored: {reason}", item.name),
                ItemResult::Rejected(reason) => panic!("{}: rejected: {reason}", item.name),
                ItemResult::Noted(what) => panic!("{}: {what}", item.name),
                ItemResult::Page(page) => panic!("{}: {page:?}", item.name),
            }
            ControlFlow::Continue(())
        });
        println!("{name}: {}", report.counts);
        assert!(report.is_complete(), "{name}: {:?}", report.ending);
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "{name}: not shown"
        );
    }
}

#[test]
fn truncated_archive_is_reported_with_its_progress() {
    let Some(corpus) = corpus() else { return };
    let whole = std::fs::read(corpus.join("advisories/rustsec-osv.tar.zst")).expect("the archive");
    let half = std::io::Cursor::new(whole[..whole.len() / 2].to_vec());
    let workers = NonZeroUsize::new(2).expect("two");
    let report = run(
        Source::stream("half", half),
        &Limits::default(),
        workers,
        &mut |_| ControlFlow::Continue(()),
    );
    assert!(report.counts.accepted > 100, "{}", report.counts);
    assert!(report.ending.expect_err("cut off").is_truncated());
}
