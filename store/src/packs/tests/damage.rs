//! Damaged, misplaced, swapped, cut and missing data: always reported, never read as other bytes.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::disk::{Disk, MemoryDisk};

struct Site {
    disk: MemoryDisk,
    bodies: Bodies,
    places: Places,
    end: PackPosition,
}

/// Built once, because training a dictionary takes time.
static SITE: LazyLock<Site> = LazyLock::new(Site::new);

impl Site {
    /// Creates four packs: without a dictionary, with one, and two small ones.
    fn new() -> Self {
        let disk = MemoryDisk::default();
        let mut site = Self {
            disk: disk.clone(),
            bodies: Vec::new(),
            places: Vec::new(),
            end: PackPosition::START,
        };
        // A new pack for each put.
        let packs = open(&disk, 0);
        let npm = source("npm");
        for (source, bodies) in [
            (None, records(0, 3)),
            (Some(&npm), records(100, 260)),
            (None, records(500, 3)),
            (None, records(600, 3)),
        ] {
            site.places.extend(put(&packs, source, &bodies).unwrap());
            site.bodies.extend(bodies);
        }
        packs.sync().unwrap();
        site.end = packs.end();
        assert_eq!(packs.usage().len(), 4);
        site
    }

    fn path(number: u32) -> String {
        format!("packs/{}", PackNumber::new(number).unwrap().file_name())
    }

    fn bytes(&self, number: u32) -> Vec<u8> {
        let file = self
            .disk
            .open(&Self::path(number), crate::disk::OpenFile::Read)
            .unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    /// Opens the packs with other contents of some files; `None` for a removed file.
    fn with(&self, files: &[(u32, Option<Vec<u8>>)]) -> Changed<'_> {
        let disk = self.disk.copy();
        for (number, bytes) in files {
            match bytes {
                Some(bytes) => disk.damage(&Self::path(*number), |content| content.clone_from(bytes)),
                None => disk.remove(&Self::path(*number)).unwrap(),
            }
        }
        let packs = open(&disk, 0);
        Changed { site: self, packs }
    }
}

struct Changed<'a> {
    site: &'a Site,
    packs: Packs,
}

impl Changed<'_> {
    /// Reads every body of a pack, or a few of a large one, and returns the number of lost ones.
    fn lost(&self, number: u32) -> usize {
        let of_pack = |at: &usize| self.site.places[*at].1.pack.get() == number;
        let all: Vec<usize> = (0..self.site.places.len()).filter(of_pack).collect();
        let mut lost = 0;
        for at in all.iter().step_by(all.len().div_ceil(6)) {
            let (hash, place) = &self.site.places[*at];
            match self.packs.get(hash, place) {
                Ok(body) => assert_eq!(body, self.site.bodies[*at].1),
                Err(PackError::Damaged { hash: found, .. } | PackError::MissingPack { hash: found, .. }) => {
                    assert_eq!(found, *hash);
                    lost += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        lost
    }

    /// Scans as after a start with this position, and returns true if damage is reported.
    fn is_reported(&self, after: PackPosition) -> bool {
        let known: BTreeMap<_, _> = self.site.places.iter().copied().collect();
        let (found, bodies) = scan(&self.packs, after);
        for (hash, place) in bodies {
            assert_eq!(known.get(&hash), Some(&place));
        }
        for damage in &found.damage {
            assert!(!damage.to_string().is_empty());
        }
        !found.damage.is_empty() || found.torn.is_some()
    }
}

#[test]
fn every_flipped_byte_is_reported() {
    let site = &*SITE;
    for (number, step) in [(1, 7), (2, 97), (4, 1)] {
        let bytes = site.bytes(number);
        // Only some of the zeros between the two copies of the header.
        let all = (0..bytes.len()).filter(|at| !(80..4_000).contains(at) || at % 500 == 0);
        for at in all.step_by(step) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            let changed = site.with(&[(number, Some(changed))]);
            changed.lost(number);
            assert!(
                changed.is_reported(PackPosition::START),
                "byte {at} of pack {number}"
            );
        }
    }
}

#[test]
fn flipped_byte_of_a_frame_loses_its_body() {
    let site = &*SITE;
    let (hash, place) = site.places[1];
    let bytes = site.bytes(1);
    let frame = usize::try_from(place.offset).unwrap()..;
    for at in frame.take(usize::try_from(place.length).unwrap()) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let changed = site.with(&[(1, Some(changed))]);
        let read = changed.packs.get(&hash, &place);
        assert!(matches!(read, Err(PackError::Damaged { .. })), "{at}: {read:?}");
        assert_eq!(changed.lost(1), 1);
        let (found, bodies) = scan(&changed.packs, PackPosition::START);
        assert_eq!(bodies.len(), site.places.len() - 1);
        let [damage] = &found.damage[..] else {
            panic!("{:?}", found.damage);
        };
        assert_eq!(
            (damage.offset, damage.length),
            (place.offset, u64::from(place.length))
        );
    }
}

#[test]
fn damaged_dictionary_is_named_with_the_body() {
    let site = &*SITE;
    let mut bytes = site.bytes(2);
    bytes[usize::try_from(super::frame::FRAMES_START).unwrap() + 1_000] ^= 1;
    let changed = site.with(&[(2, Some(bytes))]);
    let (hash, place) = site.places[10];
    assert!(matches!(
        changed.packs.get(&hash, &place),
        Err(PackError::Damaged {
            what: DamageKind::Dictionary { .. },
            ..
        })
    ));
    let (found, bodies) = scan(&changed.packs, PackPosition::START);
    let named: Vec<_> = found.damage.iter().filter_map(|damage| damage.hash).collect();
    assert_eq!((bodies.len(), named.len()), (9, 260));
    // A compaction reports the bodies that it must leave behind, and copies the others.
    let all: Vec<PackNumber> = changed.packs.usage().iter().map(|usage| usage.pack).collect();
    let done = changed.packs.compact(&all, &|_, _| true).unwrap();
    let named: Vec<_> = done.damage.iter().filter_map(|damage| damage.hash).collect();
    assert_eq!((done.moved.len(), named.len()), (9, 260));
}

#[test]
fn damaged_header_copy_is_not_needed() {
    let site = &*SITE;
    for at in [0, 10, 40, 4_096, 4_110, 4_150] {
        let mut bytes = site.bytes(1);
        bytes[at] ^= 0xff;
        let changed = site.with(&[(1, Some(bytes))]);
        assert_eq!(changed.lost(1), 0);
        let (found, _) = scan(&changed.packs, PackPosition::START);
        assert_eq!(found.damage[0].what, DamageKind::HeaderCopy);
    }
    let mut bytes = site.bytes(1);
    bytes[20] ^= 1;
    bytes[4_120] ^= 1;
    let changed = site.with(&[(1, Some(bytes))]);
    assert_eq!(changed.lost(1), 3);
    let (found, _) = scan(&changed.packs, PackPosition::START);
    assert_eq!(found.damage[0].what, DamageKind::Header);
}

#[test]
fn pack_with_a_damaged_header_is_not_appended_to() {
    let site = &*SITE;
    let changed = site.with(&[(4, Some(b"nothing".to_vec()))]);
    let packs = Packs::open(Arc::new(site.disk.copy()), "packs", &options(1 << 20)).unwrap();
    let more = put(&packs, None, &records(900, 1)).unwrap();
    assert_eq!(more[0].1.pack.get(), 4);
    assert_eq!(changed.lost(4), 3);
    let more = put(&changed.packs, None, &records(900, 1)).unwrap();
    assert_eq!(more[0].1.pack.get(), 5);
}

#[test]
fn swapped_and_renamed_packs_are_refused() {
    let site = &*SITE;
    let changed = site.with(&[(1, Some(site.bytes(3))), (3, Some(site.bytes(1)))]);
    assert_eq!((changed.lost(1), changed.lost(3)), (3, 3));
    let (found, bodies) = scan(&changed.packs, PackPosition::START);
    assert_eq!(bodies.len(), 263);
    let found: Vec<_> = found
        .damage
        .iter()
        .map(|damage| (damage.pack.get(), damage.what))
        .collect();
    let is = |found| DamageKind::OtherPack {
        found: PackNumber::new(found).unwrap(),
    };
    assert_eq!(found, [(1, is(3)), (3, is(1))]);
}

#[test]
fn pack_of_another_site_gives_no_other_body() {
    let site = &*SITE;
    // The same number, and other bodies at the same offsets.
    let other = MemoryDisk::default();
    let packs = Packs::open(
        Arc::new(other.clone()),
        "packs",
        &PackOptions::new(3, PackAccess::Write, || [9; 16]),
    )
    .unwrap();
    put(&packs, None, &records(700, 3)).unwrap();
    let other = Site {
        disk: other,
        bodies: vec![],
        places: vec![],
        end: packs.end(),
    };
    let changed = site.with(&[(1, Some(other.bytes(1)))]);
    assert_eq!(changed.lost(1), 3);
    assert_eq!(changed.packs.usage()[0].id, Some(PackId([9; 16])));
    // Frames under the header of another pack with the same number.
    let mut bytes = site.bytes(1);
    bytes[..4_160].copy_from_slice(&other.bytes(1)[..4_160]);
    let changed = site.with(&[(1, Some(bytes))]);
    assert_eq!(changed.lost(1), 3);
    let (found, bodies) = scan(&changed.packs, PackPosition::START);
    assert_eq!((found.damage.len(), bodies.len()), (1, 266));
}

#[test]
fn missing_pack_is_reported() {
    let site = &*SITE;
    for number in [1, 4] {
        let changed = site.with(&[(number, None)]);
        assert_eq!(changed.lost(number), 3);
        assert!(!changed.packs.contains(PackNumber::new(number).unwrap()));
        assert_eq!(changed.is_reported(site.end), number == 4);
        // Numbers of removed packs are not used again.
        let more = put(&changed.packs, None, &records(900, 1)).unwrap();
        assert_eq!(more[0].1.pack.get(), 5);
    }
}

#[test]
fn truncated_pack_is_reported() {
    let site = &*SITE;
    for number in [1, 4] {
        let bytes = site.bytes(number);
        for length in (0..bytes.len()).filter(|at| !(80..4_000).contains(at) || at % 500 == 0) {
            let changed = site.with(&[(number, Some(bytes[..length].to_vec()))]);
            assert!(changed.lost(number) > 0, "{length}");
            if number == 4 {
                assert!(changed.is_reported(site.end), "{length}");
                let more = put(&changed.packs, None, &records(900, 1)).unwrap();
                assert_eq!(more[0].1.pack.get(), 5, "{length}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn misplaced_pages_are_reported(from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        let site = &*SITE;
        const PAGE: usize = 512;
        let bytes = site.bytes(2);
        let pages = bytes.len() / PAGE;
        let (from, to) = (from.index(pages) * PAGE, to.index(pages) * PAGE);
        let mut changed = bytes.clone();
        changed.copy_within(from..from + PAGE, to);
        let is_changed = changed != bytes;
        let changed = site.with(&[(2, Some(changed))]);
        changed.lost(2);
        prop_assert_eq!(changed.is_reported(PackPosition::START), is_changed);
    }

    #[test]
    fn arbitrary_pack_bytes_are_harmless(
        at in 0_usize..8_000,
        noise in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let site = &*SITE;
        for number in [2, 4] {
            let mut bytes = site.bytes(number);
            let at = at.min(bytes.len());
            bytes.splice(at..bytes.len().min(at + noise.len()), noise.iter().copied());
            let changed = site.with(&[(number, Some(bytes))]);
            changed.lost(number);
            changed.is_reported(PackPosition::START);
        }
    }

    #[test]
    fn wrong_place_never_returns_another_body(pack in 1_u32..7, offset in 0_u64..20_000, length in 0_u32..40_000) {
        let site = &*SITE;
        let packs = open(&site.disk, 0);
        let pack = PackNumber::new(pack).unwrap();
        let (hash, _) = site.places[5];
        let read = packs.get(&hash, &BodyPlace { pack, offset, length });
        let is_named = matches!(read, Err(PackError::Damaged { .. } | PackError::MissingPack { .. }));
        prop_assert!(is_named);
        let (other, place) = site.places[6];
        prop_assert_ne!(other, hash);
        let read = packs.get(&hash, &place);
        let is_named = matches!(read, Err(PackError::Damaged { what: DamageKind::OtherBody, .. }));
        prop_assert!(is_named);
    }

    #[test]
    fn places_have_one_encoding(pack in 1_u32.., offset in 0..=u32::MAX, length: u32) {
        let pack = PackNumber::new(pack).unwrap();
        let place = BodyPlace { pack, offset: offset.into(), length };
        let bytes = place.encode();
        prop_assert!(bytes.len() <= 16);
        prop_assert_eq!(BodyPlace::decode(&bytes), Some(place));
        let position = PackPosition { pack: pack.get(), offset: place.offset };
        prop_assert_eq!(PackPosition::decode(&position.encode()), Some(position));
    }

    #[test]
    fn decoded_places_round_trip(bytes in prop::collection::vec(any::<u8>(), 0..17)) {
        if let Some(place) = BodyPlace::decode(&bytes) {
            prop_assert_eq!(place.encode(), bytes);
        }
    }
}
