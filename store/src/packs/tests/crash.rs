//! Loses power, or fails the disk, at every operation: synced data is always there.

use std::sync::LazyLock;

use super::*;
use crate::disk::{DiskFaultKind, DiskPlan, MemoryDisk, UnsyncedBytes};

/// More than a dictionary.
const PACK_BYTES: u64 = 100_000;

/// A site's committed data: the places of bodies that it promised to keep.
#[derive(Clone, Default)]
struct Committed {
    bodies: BTreeMap<ContentHash, Vec<u8>>,
    places: BTreeMap<ContentHash, BodyPlace>,
    position: PackPosition,
}

impl Committed {
    /// Puts and syncs; only then the bodies are promised.
    fn put(&mut self, packs: &Packs, source: Option<&Source>, bodies: Bodies) -> Result<(), PackError> {
        let places = put(packs, source, &bodies)?;
        packs.sync()?;
        self.bodies.extend(bodies);
        self.places.extend(places);
        self.position = packs.end();
        Ok(())
    }

    fn compact(&mut self, packs: &Packs) -> Result<(), PackError> {
        let all = packs.usage();
        let victims: Vec<PackNumber> = all.iter().map(|usage| usage.pack).take(all.len() / 2).collect();
        // The site drops every third body.
        let dropped: Vec<_> = self.places.keys().copied().step_by(3).collect();
        for hash in dropped {
            self.places.remove(&hash);
            self.bodies.remove(&hash);
        }
        let done = packs.compact(&victims, &|hash, place| self.places.get(hash) == Some(place))?;
        assert!(done.damage.is_empty());
        for (hash, old, new) in done.moved {
            assert_eq!(self.places.insert(hash, new), Some(old));
        }
        self.position = packs.end();
        packs.remove(&done.garbage)
    }

    /// Runs everything that a site does to packs, until something fails.
    fn run(&mut self, packs: &Packs) -> Result<(), PackError> {
        let npm = source("npm");
        self.put(packs, None, records(0, 5))?;
        self.put(packs, Some(&npm), records(400, 4))?;
        put(packs, Some(&npm), &records(500, 4))?;
        self.put(packs, None, large(1))?;
        self.put(packs, None, records(600, 5))?;
        self.compact(packs)?;
        self.put(packs, Some(&npm), records(700, 3))?;
        put(packs, None, &large(2))?;
        put(packs, None, &records(800, 3))?;
        Ok(())
    }

    fn assert_kept(&self, packs: &Packs) {
        for (hash, place) in &self.places {
            let read = packs.get(hash, place);
            assert_eq!(read.as_ref().ok(), self.bodies.get(hash), "{place:?}: {read:?}");
        }
    }
}

/// Bodies that fill a pack.
fn large(first: u8) -> Bodies {
    let mut body = noise(100_000);
    body[0] = first;
    vec![(ContentHash::of(&body), body)]
}

/// Restarts, recovers and continues; every promised body is there at each step.
fn assert_recovers(committed: &mut Committed, disk: &MemoryDisk, what: &str) {
    let disk = disk.reopen(DiskPlan::default());
    let packs = open(&disk, PACK_BYTES);
    let (found, bodies) = scan(&packs, committed.position);
    assert!(found.damage.is_empty(), "{what}: {:?}", found.damage);
    committed.assert_kept(&packs);
    for (hash, place) in &bodies {
        assert_eq!(ContentHash::of(&packs.get(hash, place).unwrap()), *hash, "{what}");
    }
    // As a site with a rebuilt engine does.
    let (found, bodies) = scan(&packs, PackPosition::START);
    assert!(
        found.damage.is_empty() && found.torn.is_none(),
        "{what}: {found:?}"
    );
    for (hash, place) in &committed.places {
        // A body may be in two places if a compaction was not finished.
        assert!(bodies.contains_key(hash), "{what}: {place:?}");
    }
    committed
        .put(&packs, Some(&source("npm")), records(900, 5))
        .unwrap();
    committed.compact(&packs).unwrap();
    committed.assert_kept(&packs);
    let (found, _) = scan(&packs, PackPosition::START);
    assert!(
        found.damage.is_empty() && found.torn.is_none(),
        "{what}: {found:?}"
    );
    // No torn data returns at the next start.
    let disk = disk.reopen(DiskPlan::default());
    let (found, _) = scan(&open(&disk, PACK_BYTES), PackPosition::START);
    assert!(
        found.damage.is_empty() && found.torn.is_none(),
        "{what}: {found:?}"
    );
    let names = disk.list("packs").unwrap();
    assert!(
        names.iter().all(|name| name.ends_with(".pack")),
        "{what}: {names:?}"
    );
}

/// A site whose packs already hold a dictionary, because training takes time.
static BEGUN: LazyLock<(MemoryDisk, Committed)> = LazyLock::new(|| {
    let disk = MemoryDisk::default();
    let mut committed = Committed::default();
    let packs = open(&disk, PACK_BYTES);
    committed
        .put(&packs, Some(&source("npm")), records(100, 260))
        .unwrap();
    assert!(packs.size_on_disk() < PACK_BYTES);
    (disk, committed)
});

fn begun(plan: DiskPlan) -> (MemoryDisk, Committed) {
    let (disk, committed) = &*BEGUN;
    let disk = disk.copy();
    disk.set_plan(plan);
    (disk, committed.clone())
}

fn operations() -> u64 {
    let (disk, mut committed) = begun(DiskPlan::default());
    let packs = open(&disk, PACK_BYTES);
    committed.run(&packs).unwrap();
    assert!(packs.usage().len() > 2);
    disk.operations()
}

fn crashes() -> impl Iterator<Item = DiskFaultKind> {
    let all = [UnsyncedBytes::Kept, UnsyncedBytes::Lost, UnsyncedBytes::Torn];
    let before = all.map(DiskFaultKind::CrashBefore);
    before.into_iter().chain(all.map(DiskFaultKind::CrashAfter))
}

#[test]
fn synced_bodies_survive_a_crash_anywhere() {
    for operation in 1..=operations() {
        for kind in crashes() {
            let (disk, mut committed) = begun(DiskPlan::at(operation, kind));
            let packs = open(&disk, PACK_BYTES);
            assert!(committed.run(&packs).is_err());
            assert_recovers(&mut committed, &disk, &format!("{kind:?} at {operation}"));
        }
    }
}

#[test]
fn first_put_survives_a_crash_anywhere() {
    for operation in 1..=6 {
        for kind in crashes() {
            let disk = MemoryDisk::new(DiskPlan::at(operation, kind));
            let packs = open(&disk, PACK_BYTES);
            let mut committed = Committed::default();
            let first = committed.put(&packs, None, records(0, 5));
            assert!(first.is_err(), "{operation}");
            assert_recovers(&mut committed, &disk, &format!("{kind:?} at {operation}"));
        }
    }
}

#[test]
fn synced_bodies_survive_a_failure_anywhere() {
    for operation in 1..=operations() {
        for kind in [DiskFaultKind::Fail, DiskFaultKind::Short] {
            for unsynced in [UnsyncedBytes::Kept, UnsyncedBytes::Lost, UnsyncedBytes::Torn] {
                let what = format!("{kind:?} at {operation}, {unsynced:?}");
                let (disk, mut committed) = begun(DiskPlan::at(operation, kind));
                let packs = open(&disk, PACK_BYTES);
                let failed = committed.run(&packs);
                committed.assert_kept(&packs);
                // A failed operation is refused for good, or works when it is repeated.
                let again = committed.put(&packs, Some(&source("npm")), records(2_000, 3));
                match again {
                    Ok(()) => committed.assert_kept(&packs),
                    Err(PackError::Stopped) => assert!(failed.is_err(), "{what}"),
                    Err(other) => panic!("{what}: {other}"),
                }
                disk.crash(unsynced);
                assert_recovers(&mut committed, &disk, &what);
            }
        }
    }
}

#[test]
fn failed_sync_stops_the_packs_for_good() {
    let disk = MemoryDisk::default();
    let packs = open(&disk, PACK_BYTES);
    let bodies = records(0, 5);
    let places = put(&packs, None, &bodies).unwrap();
    disk.set_plan(DiskPlan::at(disk.operations() + 1, DiskFaultKind::Fail));
    assert!(matches!(packs.sync(), Err(PackError::Io { .. })));
    assert!(matches!(packs.sync(), Err(PackError::Stopped)));
    assert!(matches!(put(&packs, None, &bodies), Err(PackError::Stopped)));
    assert!(matches!(
        packs.compact(&[], &|_, _| true),
        Err(PackError::Stopped)
    ));
    assert_readable(&packs, &bodies, &places);
}

#[test]
fn full_disk_refuses_and_leaves_all_as_it_was() {
    let disk = MemoryDisk::default();
    let packs = open(&disk, 1 << 20);
    let bodies = records(0, 5);
    let places = put(&packs, None, &bodies).unwrap();
    packs.sync().unwrap();
    let (end, size) = (packs.end(), packs.size_on_disk());
    for room in [0, 100] {
        // The write itself runs out of space: the disk reports too late that it is full.
        disk.set_plan(DiskPlan {
            capacity: Some(size + room),
            faults: vec![],
        });
        let full = put(&packs, None, &records(10, 5));
        assert!(matches!(full, Err(PackError::NoRoom { .. })), "{full:?}");
        assert_eq!((packs.end(), packs.size_on_disk()), (end, size));
    }
    disk.set_plan(DiskPlan::at(disk.operations() + 1, DiskFaultKind::Short));
    let full = put(&packs, None, &records(10, 5));
    assert!(matches!(full, Err(PackError::NoRoom { .. })), "{full:?}");
    let (found, _) = scan(&packs, PackPosition::START);
    assert!(found.torn.is_none() && found.damage.is_empty());
    assert_readable(&packs, &bodies, &places);
    let more = records(10, 5);
    let more_places = put(&packs, None, &more).unwrap();
    assert_eq!(more_places[0].1.offset, end.offset);
    assert_readable(&packs, &more, &more_places);
}

#[test]
fn reserve_stays_free() {
    let disk = MemoryDisk::new(DiskPlan {
        capacity: Some(20_000),
        faults: vec![],
    });
    let mut options = options(1 << 20);
    options.reserve = 10_000;
    let packs = Packs::open(Arc::new(disk.clone()), "packs", &options).unwrap();
    let mut refused = None;
    for number in 0..100 {
        if let Err(error) = put(&packs, None, &records(number, 1)) {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(PackError::NoRoom { .. })), "{refused:?}");
    let free = disk.free_bytes().unwrap().unwrap();
    assert!((10_000..10_500).contains(&free), "{free}");
}
