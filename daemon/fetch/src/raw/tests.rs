use std::fs;
use std::path::Path;

use super::*;

const BUDGET: u64 = 1 << 20;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("raw")
    }

    fn open(&self, budget_bytes: u64) -> RawStore {
        RawStore::open(&self.root(), budget_bytes).expect("a store")
    }

    fn keep(&self, store: &mut RawStore, name: &str, at_ms: u64, content: &[u8]) -> Option<RawHash> {
        let file = self.folder.path().join("document");
        fs::write(&file, content).expect("written");
        store.keep(&file, document(name, at_ms)).expect("kept")
    }
}

fn document(name: &str, at_ms: u64) -> NewDocument {
    NewDocument {
        feed: "osv".to_owned(),
        name: name.to_owned(),
        address: format!("https://feed.example/{name}"),
        at_ms,
        validator: Some("\"v\"".to_owned()),
    }
}

/// Returns bytes that cannot be compressed.
fn noise(seed: u8, bytes: usize) -> Vec<u8> {
    let mut reader = blake3::Hasher::new().update(&[seed]).finalize_xof();
    let mut noise = vec![0; bytes];
    reader.fill(&mut noise);
    noise
}

fn objects(root: &Path) -> usize {
    folders(&root.join("objects"))
        .expect("listed")
        .iter()
        .map(|folder| files(folder).expect("listed").len())
        .sum()
}

#[test]
fn document_is_found_after_a_restart() {
    let place = Place::new();
    let mut store = place.open(BUDGET);
    let hash = place.keep(&mut store, "a.json", 1, b"{}").expect("kept");
    store.commit().expect("committed");
    let store = place.open(BUDGET);
    assert_eq!(store.read(&hash, 100).expect("read"), b"{}");
    let entry = store.by_address("https://feed.example/a.json")[0];
    assert_eq!((entry.hash, entry.bytes, entry.at_ms), (hash, 2, 1));
    assert_eq!(hash.to_string().parse::<RawHash>(), Ok(hash));
}

#[test]
fn versions_of_an_address_come_newest_first() {
    let place = Place::new();
    let mut store = place.open(BUDGET);
    for (at_ms, content) in [(1, b"one"), (3, b"two"), (2, b"six")] {
        place.keep(&mut store, "a.json", at_ms, content);
    }
    // The same version again is not a second version.
    place.keep(&mut store, "a.json", 9, b"one");
    store.commit().expect("committed");
    let times: Vec<u64> = store
        .by_address("https://feed.example/a.json")
        .iter()
        .map(|entry| entry.at_ms)
        .collect();
    assert_eq!(times, [9, 3, 2]);
}

#[test]
fn same_bytes_are_kept_once() {
    let place = Place::new();
    let mut store = place.open(BUDGET);
    let one = place.keep(&mut store, "a.json", 1, b"{}").expect("kept");
    let other = place.keep(&mut store, "b.json", 2, b"{}").expect("kept");
    store.commit().expect("committed");
    assert_eq!(one, other);
    assert_eq!(objects(&place.root()), 1);
    assert_eq!(store.find(&one).len(), 2);
}

#[test]
fn older_versions_go_before_the_only_one_of_another_document() {
    let place = Place::new();
    let mut store = place.open(2_500);
    place.keep(&mut store, "old.json", 1, &noise(1, 1000));
    place.keep(&mut store, "a.json", 2, &noise(2, 1000));
    place.keep(&mut store, "a.json", 3, &noise(3, 1000));
    store.commit().expect("committed");
    assert_eq!(store.by_address("https://feed.example/old.json").len(), 1);
    let kept: Vec<u64> = store
        .by_address("https://feed.example/a.json")
        .iter()
        .map(|entry| entry.at_ms)
        .collect();
    assert_eq!(kept, [3]);
    assert!(store.packed_bytes() <= 2_500);
    assert_eq!(objects(&place.root()), 2);
    // With a smaller budget, the oldest are dropped.
    let mut store = place.open(1_500);
    store.commit().expect("committed");
    assert!(store.by_address("https://feed.example/old.json").is_empty());
}

#[test]
fn document_larger_than_the_budget_is_not_kept_and_named() {
    let place = Place::new();
    let mut store = place.open(100);
    assert_eq!(place.keep(&mut store, "a.json", 1, &noise(1, 1000)), None);
    assert!(store.take_notes()[0].contains("not kept"));
    assert_eq!(objects(&place.root()), 0);
}

#[test]
fn what_a_crash_left_behind_is_removed() {
    let place = Place::new();
    let mut store = place.open(BUDGET);
    let kept = place.keep(&mut store, "a.json", 1, b"{}").expect("kept");
    store.commit().expect("committed");
    // Killed before the commit: a document without an entry, and a half of one.
    place.keep(&mut store, "b.json", 2, b"[]").expect("kept");
    let folder = place.root().join("objects").join("00");
    fs::create_dir_all(&folder).expect("made");
    fs::write(folder.join("00.tmp"), "half").expect("written");
    drop(store);
    let store = place.open(BUDGET);
    assert_eq!(store.entries().count(), 1);
    assert_eq!(objects(&place.root()), 1);
    assert!(store.read(&kept, 100).is_ok());
}

#[test]
fn entry_without_its_document_is_dropped_and_noted() {
    let place = Place::new();
    let mut store = place.open(BUDGET);
    let hash = place.keep(&mut store, "a.json", 1, b"{}").expect("kept");
    store.commit().expect("committed");
    fs::remove_file(store.object(hash)).expect("removed");
    let mut store = place.open(BUDGET);
    assert!(matches!(store.read(&hash, 100), Err(RawError::Unknown { .. })));
    assert!(store.take_notes()[0].contains("not on the disk"));
}

#[test]
fn damaged_document_is_not_handed_out() {
    let place = Place::new();
    let mut store = place.open(BUDGET);
    let hash = place.keep(&mut store, "a.json", 1, b"{}").expect("kept");
    store.commit().expect("committed");
    fs::write(
        store.object(hash),
        zstd::encode_all(&b"[]"[..], 1).expect("packed"),
    )
    .expect("written");
    let store = place.open(BUDGET);
    assert!(matches!(store.read(&hash, 100), Err(RawError::Damaged { .. })));
    fs::write(store.object(hash), "noise").expect("written");
    assert!(matches!(store.read(&hash, 100), Err(RawError::Damaged { .. })));
}

#[test]
fn broken_index_is_named_and_not_replaced() {
    let place = Place::new();
    let mut store = place.open(BUDGET);
    place.keep(&mut store, "a.json", 1, b"{}").expect("kept");
    store.commit().expect("committed");
    let index = place.root().join("index.ndjson");
    let good = fs::read(&index).expect("read");
    for bad in [&good[..good.len() - 5], b"{}\n", b"x"] {
        fs::write(&index, bad).expect("written");
        let error = RawStore::open(&place.root(), BUDGET).expect_err("a broken index");
        assert!(matches!(error, RawError::Index { .. }), "{error}");
        assert_eq!(fs::read(&index).expect("read"), bad);
    }
}

#[test]
fn part_of_an_archive_is_found_by_its_name_in_an_import() {
    let place = Place::new();
    let mut store = place.open(BUDGET);
    let mut writer = ::zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer
        .start_file("GHSA-1.json", ::zip::write::SimpleFileOptions::default())
        .expect("in memory");
    std::io::Write::write_all(&mut writer, br#"{"id":"GHSA-1"}"#).expect("in memory");
    let archive = writer.finish().expect("in memory").into_inner();
    place.keep(&mut store, "npm/all.zip", 1, &archive).expect("kept");
    store.commit().expect("committed");
    let name = "npm/all/GHSA-1.json";
    let hash = store.by_name("osv", name)[0].hash;
    assert_eq!(
        store.read_part(&hash, name, 100).expect("read"),
        br#"{"id":"GHSA-1"}"#
    );
    assert!(matches!(
        store.read_part(&hash, name, 3),
        Err(RawError::TooLong { .. })
    ));
    let other = store.read_part(&hash, "npm/all/GHSA-2.json", 100);
    assert!(matches!(other, Err(RawError::NoPart { .. })));
    assert!(store.by_name("nvd", name).is_empty());
    assert!(store.by_name("osv", "npm/aller.json").is_empty());
}

#[test]
fn feed_is_forgotten_as_a_whole() {
    let place = Place::new();
    let mut store = place.open(BUDGET);
    place.keep(&mut store, "a.json", 1, b"{}").expect("kept");
    store.commit().expect("committed");
    store.forget_feed("osv");
    store.commit().expect("committed");
    assert_eq!((store.entries().count(), objects(&place.root())), (0, 0));
}
