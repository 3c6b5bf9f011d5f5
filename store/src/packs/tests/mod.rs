//! Packs: written, read and scanned; and, in the modules below, broken in every way.

mod crash;
mod damage;
mod golden;
mod limits;

use std::collections::BTreeMap;

use starling_protocol::{ContentHash, Source};

use super::*;
use crate::disk::{DiskPlan, MemoryDisk, UnsyncedBytes};

type Bodies = Vec<(ContentHash, Vec<u8>)>;
type Places = Vec<(ContentHash, BodyPlace)>;

/// Options with ids that count up from 1.
fn options(pack_bytes: u64) -> PackOptions {
    let next = std::sync::atomic::AtomicU8::new(1);
    let mut options = PackOptions::new(3, PackAccess::Write, move || {
        [next.fetch_add(1, Ordering::Relaxed); 16]
    });
    options.pack_bytes = pack_bytes;
    options.reserve = 0;
    options
}

fn open(disk: &MemoryDisk, pack_bytes: u64) -> Packs {
    Packs::open(Arc::new(disk.clone()), "packs", &options(pack_bytes)).unwrap()
}

fn source(name: &str) -> Source {
    name.parse().unwrap()
}

/// Records that resemble each other, as those of a source do.
fn records(from: usize, count: usize) -> Bodies {
    let record = |number: usize| {
        let mixed = ContentHash::of(&number.to_le_bytes());
        let text = format!(
            r#"{{"affected":[{{"package":{{"ecosystem":"npm","name":"package-{number}"}},"ranges":[{{"events":[{{"introduced":"0"}},{{"fixed":"1.{number}.0"}}],"type":"SEMVER"}}]}}],"id":"GHSA-{}","modified":"2025-01-15T10:30:00Z","summary":"Improper neutralization of input in package-{number}"}}"#,
            mixed.short()
        );
        (ContentHash::of(text.as_bytes()), text.into_bytes())
    };
    (from..from + count).map(record).collect()
}

/// Bytes that do not compress.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn put(packs: &Packs, source: Option<&Source>, bodies: &Bodies) -> Result<Places, PackError> {
    let bodies: Vec<(ContentHash, &[u8])> = bodies.iter().map(|(hash, body)| (*hash, &body[..])).collect();
    packs.put(source, &bodies)
}

/// Asserts that every body reads as it was written.
fn assert_readable(packs: &Packs, bodies: &Bodies, places: &Places) {
    assert_eq!(bodies.len(), places.len());
    for ((hash, body), (placed, place)) in bodies.iter().zip(places) {
        assert_eq!(hash, placed);
        assert_eq!(&packs.get(hash, place).unwrap(), body);
    }
}

fn scan(packs: &Packs, after: PackPosition) -> (PackScan, BTreeMap<ContentHash, BodyPlace>) {
    let mut found = BTreeMap::new();
    let scan = packs.scan(after, &mut |hash, place| {
        found.insert(hash, place);
    });
    (scan.unwrap(), found)
}

#[test]
fn bodies_are_read_as_written() {
    let disk = MemoryDisk::default();
    let packs = open(&disk, 1 << 20);
    let npm = source("npm");
    let bodies = records(0, 600);
    let places = put(&packs, Some(&npm), &bodies).unwrap();
    let odd = vec![
        (ContentHash::of(b""), Vec::new()),
        (ContentHash::of(&[7; 100_000]), vec![7; 100_000]),
    ];
    let odd_places = put(&packs, None, &odd).unwrap();
    assert_readable(&packs, &bodies, &places);
    assert_readable(&packs, &odd, &odd_places);
    packs.sync().unwrap();
    assert_eq!(packs.synced_end(), packs.end());
    for (_, place) in &places {
        assert_eq!(BodyPlace::decode(&place.encode()), Some(*place));
    }
    let (found, all) = scan(&packs, PackPosition::START);
    assert_eq!((found.bodies, found.end), (602, packs.end()));
    assert!(found.damage.is_empty() && found.torn.is_none());
    let written: BTreeMap<_, _> = places.iter().chain(&odd_places).copied().collect();
    assert_eq!(all, written);
    // The records share a dictionary.
    let stored: u64 = places.iter().map(|(_, place)| u64::from(place.length)).sum();
    let raw: usize = bodies.iter().map(|(_, body)| body.len()).sum();
    assert!(stored * 2 < raw as u64, "{stored} of {raw}");
}

#[test]
fn dictionary_survives_restart_and_new_packs() {
    let disk = MemoryDisk::default();
    let packs = open(&disk, 20_000);
    let npm = source("npm");
    let bodies = records(0, 600);
    let places = put(&packs, Some(&npm), &bodies).unwrap();
    // Another source begins the next pack.
    let other = put(&packs, None, &records(1_000, 3)).unwrap();
    assert_ne!(other[0].1.pack, places[0].1.pack);
    packs.sync().unwrap();
    drop(packs);
    let disk = disk.reopen(DiskPlan::default());
    let packs = open(&disk, 20_000);
    let few = records(2_000, 5);
    let few_places = put(&packs, Some(&npm), &few).unwrap();
    assert_readable(&packs, &few, &few_places);
    assert_readable(&packs, &bodies, &places);
    let largest = few_places.iter().map(|(_, place)| place.length).max().unwrap();
    assert!(
        largest < other[0].1.length * 2 / 3,
        "{largest} of {}",
        other[0].1.length
    );
    // The pack contains the dictionary now, so the next restart need not write it again.
    let before = packs.size_on_disk();
    drop(packs);
    let packs = open(&disk.reopen(DiskPlan::default()), 1 << 20);
    put(&packs, Some(&npm), &records(3_000, 1)).unwrap();
    assert!(packs.size_on_disk() < before + 1_000);
}

#[test]
fn torn_tail_is_cut() {
    for unsynced in [UnsyncedBytes::Kept, UnsyncedBytes::Lost, UnsyncedBytes::Torn] {
        let disk = MemoryDisk::default();
        let packs = open(&disk, 1 << 20);
        let synced = records(0, 10);
        let places = put(&packs, None, &synced).unwrap();
        packs.sync().unwrap();
        let known = packs.end();
        put(&packs, None, &records(10, 10)).unwrap();
        disk.crash(unsynced);
        let disk = disk.reopen(DiskPlan::default());
        let packs = open(&disk, 1 << 20);
        let (found, bodies) = scan(&packs, known);
        assert!(found.damage.is_empty(), "{:?}", found.damage);
        match unsynced {
            UnsyncedBytes::Kept => assert_eq!(bodies.len(), 10),
            UnsyncedBytes::Lost => assert_eq!((bodies.len(), found.end), (0, known)),
            UnsyncedBytes::Torn => assert!(found.torn.is_some() && !bodies.is_empty()),
        }
        assert_readable(&packs, &synced, &places);
        let more = records(30, 5);
        let more_places = put(&packs, None, &more).unwrap();
        assert_readable(&packs, &more, &more_places);
        let (found, all) = scan(&packs, PackPosition::START);
        assert!(found.damage.is_empty() && found.torn.is_none());
        assert_eq!(all.len(), 15 + bodies.len());
    }
}

#[test]
fn compaction_moves_live_bodies_and_frees_the_rest() {
    let disk = MemoryDisk::default();
    let packs = open(&disk, 30_000);
    let npm = source("npm");
    let bodies = records(0, 900);
    let mut places = Vec::new();
    for some in bodies.chunks(300) {
        places.extend(put(&packs, Some(&npm), &some.to_vec()).unwrap());
    }
    packs.sync().unwrap();
    let all: Vec<PackNumber> = packs.usage().iter().map(|usage| usage.pack).collect();
    assert_eq!(all.len(), 3);
    // A dictionary alone would fill a pack of the former size.
    drop(packs);
    let packs = open(&disk, 1 << 20);
    let live: Places = places.iter().copied().step_by(9).collect();
    let is_live = |hash: &ContentHash, place: &BodyPlace| live.contains(&(*hash, *place));
    let done = packs.compact(&all, &is_live).unwrap();
    assert_eq!((done.moved.len(), &done.garbage), (100, &all));
    let before = packs.size_on_disk();
    packs.remove(&done.garbage).unwrap();
    assert!(packs.size_on_disk() < before / 2);
    let disk = disk.reopen(DiskPlan::default());
    let packs = open(&disk, 1 << 20);
    let (found, scanned) = scan(&packs, PackPosition::START);
    assert!(found.damage.is_empty());
    assert_eq!(scanned.len(), 100);
    let bodies: BTreeMap<_, _> = bodies.into_iter().collect();
    for (hash, old, new) in &done.moved {
        assert_eq!(scanned[hash], *new);
        assert_eq!(packs.get(hash, new).unwrap(), bodies[hash]);
        assert!(matches!(packs.get(hash, old), Err(PackError::MissingPack { .. })));
    }
    // The dictionary in use outlives the packs that held it.
    let few = put(&packs, Some(&npm), &records(2_000, 1)).unwrap();
    assert!(few[0].1.length < 200, "{}", few[0].1.length);
}

#[test]
fn pack_removed_during_a_check_is_not_damage() {
    let disk = MemoryDisk::default();
    // A new pack for each put.
    let packs = open(&disk, 0);
    for from in [0, 100, 200] {
        put(&packs, None, &records(from, 3)).unwrap();
    }
    let all: Vec<PackNumber> = packs.usage().iter().map(|usage| usage.pack).collect();
    let mut is_first = true;
    let check = packs.check_at_pace(&mut |bytes| {
        assert!(bytes > 0);
        if std::mem::take(&mut is_first) {
            let done = packs.compact(&all[1..2], &|_, _| true).unwrap();
            packs.remove(&done.garbage).unwrap();
        }
        std::ops::ControlFlow::Continue(())
    });
    let check = check.unwrap();
    assert!(check.damage.is_empty(), "{check:?}");
}
