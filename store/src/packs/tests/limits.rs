//! Sizes, restarts and readers beside the writer.

use starling_protocol::limits::MAX_RECORD_BYTES;

use super::*;
use crate::disk::{Disk, DiskFile, FolderDisk, MemoryDisk, OpenFile};

#[test]
fn largest_record_is_kept_and_a_larger_one_refused() {
    let packs = open(&MemoryDisk::default(), 1 << 20);
    let mut body = noise(MAX_RECORD_BYTES);
    let bodies = vec![(ContentHash::of(&body), body.clone())];
    let places = put(&packs, None, &bodies).unwrap();
    assert_readable(&packs, &bodies, &places);
    assert_eq!(scan(&packs, PackPosition::START).0.bodies, 1);
    body.push(0);
    let larger = vec![(ContentHash::of(&body), body)];
    let refused = put(&packs, None, &larger);
    assert!(matches!(refused, Err(PackError::TooLarge { .. })));
}

#[test]
fn large_put_goes_to_several_packs() {
    let packs = open(&MemoryDisk::default(), 10 << 20);
    let npm = source("npm");
    let mut bodies = records(0, 300);
    for number in 0..4 {
        let mut body = noise(6 << 20);
        body[0] = number;
        bodies.push((ContentHash::of(&body), body));
    }
    let places = put(&packs, Some(&npm), &bodies).unwrap();
    assert_readable(&packs, &bodies, &places);
    assert_eq!(packs.usage().len(), 2);
    let (found, all) = scan(&packs, PackPosition::START);
    assert_eq!((found.damage.len(), all.len()), (0, 304));
}

#[test]
fn claimed_sizes_are_refused_before_they_are_allocated() {
    use super::frame::{Body, FRAMES_START, FrameKey};
    let disk = MemoryDisk::default();
    let packs = open(&disk, 1 << 20);
    put(&packs, None, &records(0, 1)).unwrap();
    let number = packs.usage()[0].pack;
    let key = FrameKey::new(number, &packs.usage()[0].id.unwrap());
    // A whole frame whose zstd frame announces 2^40 bytes.
    let mut announced = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
    announced.extend_from_slice(&(1_u64 << 40).to_le_bytes());
    let hash = ContentHash::of(b"");
    let body = Body {
        hash,
        dictionary: 0,
        packed: &announced,
    };
    let mut frame = Vec::new();
    let length = body.push(&key, &mut frame, FRAMES_START);
    drop(packs);
    disk.damage("packs/00000001.pack", |bytes| {
        bytes.truncate(usize::try_from(FRAMES_START).unwrap());
        bytes.extend_from_slice(&frame);
    });
    let packs = open(&disk, 1 << 20);
    let place = |length| BodyPlace {
        pack: number,
        offset: FRAMES_START,
        length,
    };
    for (length, expected) in [
        (length, DamageKind::Compressed),
        (length - 1, DamageKind::NoFrame),
        (u32::MAX, DamageKind::NoFrame),
        (9_000_000, DamageKind::NoFrame),
    ] {
        match packs.get(&hash, &place(length)) {
            Err(PackError::Damaged { what, .. }) => assert_eq!(what, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn unknown_critical_frame_stops_a_scan() {
    use super::frame::{FrameKey, flag};
    for (flags, is_refused) in [(0, false), (flag::CRITICAL, true)] {
        let disk = MemoryDisk::default();
        let packs = open(&disk, 1 << 20);
        let bodies = records(0, 1);
        let places = put(&packs, None, &bodies).unwrap();
        let usage = packs.usage()[0];
        let key = FrameKey::new(usage.pack, &usage.id.unwrap());
        disk.damage("packs/00000001.pack", |bytes| {
            let mut frame = Vec::new();
            key.push(&mut frame, usage.bytes, 77, flags, &[b"of a later version"]);
            bytes.extend_from_slice(&frame);
        });
        let packs = open(&disk, 1 << 20);
        assert_readable(&packs, &bodies, &places);
        let scanned = packs.scan(PackPosition::START, &mut |_, _| {});
        match scanned {
            Err(PackError::UnknownKind { kind: 77, .. }) => assert!(is_refused),
            Ok(found) => assert!(!is_refused && found.torn.is_none() && found.damage.is_empty()),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn newer_version_is_refused() {
    let disk = MemoryDisk::default();
    put(&open(&disk, 1 << 20), None, &records(0, 1)).unwrap();
    disk.damage("packs/00000001.pack", |bytes| {
        bytes[4] = 2;
        let hash = blake3::derive_key("starling 2026-11 v1 pack header", &bytes[..32]);
        bytes[32..64].copy_from_slice(&hash);
    });
    let opened = Packs::open(Arc::new(disk), "packs", &options(1 << 20));
    assert!(matches!(
        opened,
        Err(PackError::NewerVersion {
            found: 2,
            known: 1,
            ..
        })
    ));
}

/// Returns one body that fills a pack of 20,000 bytes.
fn large_enough() -> Bodies {
    let body = noise(30_000);
    vec![(ContentHash::of(&body), body)]
}

#[test]
fn puts_reads_syncs_and_compactions_run_beside_each_other() {
    let disk = MemoryDisk::default();
    let packs = open(&disk, 30_000);
    let places = std::thread::scope(|scope| {
        let packs = &packs;
        let writers: Vec<_> = (0..3)
            .map(|thread| {
                scope.spawn(move || {
                    let mut all = Vec::new();
                    for round in 0..20 {
                        let bodies = records(thread * 10_000 + round * 100, 20);
                        let places = put(packs, None, &bodies).unwrap();
                        packs.sync().unwrap();
                        assert!(packs.synced_end() > PackPosition::START);
                        assert_readable(packs, &bodies, &places);
                        all.extend(places);
                    }
                    all
                })
            })
            .collect();
        for _ in 0..5 {
            // Copies only; nothing is removed: the places of the others stay.
            let all: Vec<PackNumber> = packs.usage().iter().map(|usage| usage.pack).collect();
            assert!(packs.compact(&all, &|_, _| true).unwrap().damage.is_empty());
        }
        let places = writers.into_iter().flat_map(|writer| writer.join().unwrap());
        places.collect::<Places>()
    });
    disk.crash(crate::disk::UnsyncedBytes::Lost);
    let packs = open(&disk.reopen(crate::disk::DiskPlan::default()), 30_000);
    let (found, _) = scan(&packs, PackPosition::START);
    assert!(found.damage.is_empty() && found.torn.is_none(), "{found:?}");
    for (hash, place) in places {
        assert_eq!(ContentHash::of(&packs.get(&hash, &place).unwrap()), hash);
    }
}

#[test]
fn folder_reader_follows_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(FolderDisk::new(folder.path()));
    let writer = Packs::open(disk.clone(), "home/packs", &options(20_000)).unwrap();
    let bodies = records(0, 100);
    let places = put(&writer, None, &bodies).unwrap();
    let mut reading = options(20_000);
    reading.access = PackAccess::Read;
    let reader = Packs::open(disk, "home/packs", &reading).unwrap();
    assert_readable(&reader, &bodies, &places);
    // A pack that did not exist when the reader opened.
    let more = records(100, 100);
    let more_places = put(&writer, None, &more).unwrap();
    assert_ne!(more_places[0].1.pack, places[0].1.pack);
    assert_readable(&reader, &more, &more_places);
    assert_eq!(scan(&reader, PackPosition::START).1.len(), 200);
    // The pack that was the last one when the reader looked before.
    let last = records(200, 10);
    put(&writer, None, &last).unwrap();
    put(&writer, None, &large_enough()).unwrap();
    put(&writer, None, &records(300, 1)).unwrap();
    assert_eq!(scan(&reader, PackPosition::START).1.len(), 212);
    assert!(matches!(put(&reader, None, &more), Err(PackError::ReadOnly)));
    // A removed pack can still be read by readers that have it open.
    let first = places[0].1.pack;
    let done = writer.compact(&[first], &|_, _| true).unwrap();
    writer.remove(&done.garbage).unwrap();
    assert_readable(&reader, &bodies, &places);
    assert!(matches!(
        writer.get(&places[0].0, &places[0].1),
        Err(PackError::MissingPack { .. })
    ));
}

#[test]
fn reader_changes_nothing() {
    let disk = MemoryDisk::default();
    let packs = open(&disk, 1 << 20);
    put(&packs, None, &records(0, 5)).unwrap();
    disk.damage("packs/00000001.pack", |bytes| bytes.truncate(bytes.len() - 3));
    disk.open("packs/00000009.pack.tmp", OpenFile::Create).unwrap();
    let before = disk.operations();
    let mut reading = options(1 << 20);
    reading.access = PackAccess::Read;
    let reader = Packs::open(Arc::new(disk.clone()), "packs", &reading).unwrap();
    let (found, bodies) = scan(&reader, PackPosition::START);
    assert!(found.torn.is_some());
    assert_eq!((bodies.len(), disk.operations()), (4, before));
}

#[test]
fn foreign_files_are_left_alone() {
    let disk = MemoryDisk::default();
    for name in ["notes.txt", "1.pack", "00000000.pack", "00000001.pack.old"] {
        disk.open(&format!("packs/{name}"), OpenFile::Create).unwrap();
    }
    let packs = open(&disk, 1 << 20);
    assert!(packs.usage().is_empty());
    assert_eq!(disk.list("packs").unwrap().len(), 4);
}

#[test]
fn dictionary_is_retrained_when_a_source_has_grown() {
    let packs = open(&MemoryDisk::default(), 1 << 20);
    let npm = source("npm");
    let mut bodies = Vec::new();
    let mut places = Vec::new();
    for from in [0, 1_000, 2_000] {
        let some = records(from, if from == 0 { 256 } else { 1_000 });
        places.extend(put(&packs, Some(&npm), &some).unwrap());
        bodies.extend(some);
    }
    assert_readable(&packs, &bodies, &places);
    // Each place names the dictionary that it was compressed with, even after a compaction of both.
    let all: Vec<PackNumber> = packs.usage().iter().map(|usage| usage.pack).collect();
    let done = packs.compact(&all, &|_, _| true).unwrap();
    packs.remove(&done.garbage).unwrap();
    let bodies: BTreeMap<_, _> = bodies.into_iter().collect();
    for (hash, _, new) in &done.moved {
        assert_eq!(packs.get(hash, new).unwrap(), bodies[hash]);
    }
    assert_eq!(done.moved.len(), 2_256);
}

/// A disk with a block that cannot be read.
#[derive(Debug)]
struct BadBlock(MemoryDisk, std::ops::Range<u64>);

#[derive(Debug)]
struct BadFile(Arc<dyn DiskFile>, std::ops::Range<u64>);

impl Disk for BadBlock {
    fn open(&self, path: &str, how: OpenFile) -> std::io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(BadFile(self.0.open(path, how)?, self.1.clone())))
    }

    fn create_folder(&self, path: &str) -> std::io::Result<()> {
        self.0.create_folder(path)
    }

    fn list(&self, folder: &str) -> std::io::Result<Vec<String>> {
        self.0.list(folder)
    }

    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &str) -> std::io::Result<()> {
        self.0.remove(path)
    }

    fn sync_folder(&self, folder: &str) -> std::io::Result<()> {
        self.0.sync_folder(folder)
    }

    fn free_bytes(&self) -> std::io::Result<Option<u64>> {
        self.0.free_bytes()
    }
}

impl DiskFile for BadFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        if offset < self.1.end && offset + buffer.len() as u64 > self.1.start {
            return Err(rustix::io::Errno::IO.into());
        }
        self.0.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, length: u64) -> std::io::Result<()> {
        self.0.set_len(length)
    }

    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
}

#[test]
fn unreadable_block_loses_only_its_bodies() {
    let disk = MemoryDisk::default();
    let packs = open(&disk, 1 << 20);
    let bodies = records(0, 100);
    let places = put(&packs, None, &bodies).unwrap();
    packs.sync().unwrap();
    let bad = 12_288..16_384;
    let packs = Packs::open(Arc::new(BadBlock(disk, bad.clone())), "packs", &options(1 << 20)).unwrap();
    let (found, all) = scan(&packs, PackPosition::START);
    assert_eq!(found.damage.len(), 1);
    let mut lost = 0;
    for (hash, place) in places {
        let touches = place.offset < bad.end && place.offset + u64::from(place.length) > bad.start;
        match packs.get(&hash, &place) {
            Ok(_) => assert!(!touches),
            Err(PackError::Damaged { what, .. }) => {
                assert_eq!(what, DamageKind::Unreadable);
                lost += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(lost > 0);
    assert_eq!(all.len(), 100 - lost);
}
