//! The exact bytes of a pack. `docs/formats/packs.md` explains them.
//!
//! A difference is a change of format: it needs a new version beside the old one, unless it comes from a new
//! libzstd that compresses a body differently. Only then `UPDATE_GOLDEN=1 cargo test -p starling-store --lib
//! golden` rewrites the file.

use std::path::Path;

use super::dictionary::new_compressor;
use super::frame::{Body, FrameKey, StoredDictionary, encode_elsewhere, encode_header, flag, kind};
use super::*;
use crate::disk::{Disk, DiskPlan, MemoryDisk, OpenFile};

const PHRASES: &[u8] =
    br#"{"affected":[{"package":{"ecosystem":"npm","name":""}}],"id":"GHSA-","modified":"2025-01-15T1"#;
const BODIES: [&str; 2] = [
    r#"{"id":"GHSA-aaaa-bbbb-cccc","modified":"2025-01-15T10:00:00Z"}"#,
    r#"{"affected":[{"package":{"ecosystem":"npm","name":"left-pad"}}],"id":"GHSA-dddd-eeee-ffff","modified":"2025-01-15T10:30:04Z"}"#,
];

fn golden() -> (Vec<u8>, Places) {
    let number = PackNumber::new(7).unwrap();
    let id = PackId(*b"0123456789abcdef");
    let key = FrameKey::new(number, &id);
    let mut bytes = encode_header(number, &id);
    let mut places = Vec::new();
    let rustsec = source("rustsec");
    let elsewhere = encode_elsewhere(std::iter::once((&rustsec, PackNumber::new(3).unwrap(), 4_160)));
    let at = bytes.len() as u64;
    key.push(&mut bytes, at, kind::ELSEWHERE, 0, &[&elsewhere]);
    let dictionary = bytes.len();
    let npm = source("npm");
    StoredDictionary {
        source: npm,
        bytes: PHRASES,
    }
    .push(&key, &mut bytes, dictionary as u64, 0);
    for (body, dictionary, phrases) in [(BODIES[0], 0, &b""[..]), (BODIES[1], dictionary, PHRASES)] {
        let hash = ContentHash::of(body.as_bytes());
        let packed = new_compressor(9, phrases)
            .unwrap()
            .compress(body.as_bytes())
            .unwrap();
        let offset = bytes.len() as u64;
        let body = Body {
            hash,
            dictionary: u32::try_from(dictionary).unwrap(),
            packed: &packed,
        };
        let length = body.push(&key, &mut bytes, offset);
        places.push((
            hash,
            BodyPlace {
                pack: number,
                offset,
                length,
            },
        ));
    }
    let at = bytes.len() as u64;
    StoredDictionary {
        source: rustsec,
        bytes: b"copied",
    }
    .push(&key, &mut bytes, at, flag::COPIED);
    (bytes, places)
}

#[test]
fn pack_has_the_golden_bytes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pack.golden");
    let (bytes, places) = golden();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &bytes).unwrap();
    }
    let kept = std::fs::read(&path).unwrap();
    assert!(kept == bytes, "{} differs", path.display());
    let disk = MemoryDisk::default();
    let file = disk.open("packs/00000007.pack", OpenFile::Create).unwrap();
    file.write_all_at(&kept, 0).unwrap();
    let packs = open(&disk.reopen(DiskPlan::default()), 1 << 20);
    let bodies = BODIES.map(|body| (ContentHash::of(body.as_bytes()), body.as_bytes().to_vec()));
    assert_readable(&packs, &bodies.to_vec(), &places);
    let (found, all) = scan(&packs, PackPosition::START);
    assert!(found.damage.is_empty() && found.torn.is_none());
    assert_eq!(all, places.iter().copied().collect());
    // The dictionary in use is that of the pack.
    let more = put(&packs, Some(&source("npm")), &bodies[1..].to_vec()).unwrap();
    assert_eq!(more[0].1.length, places[1].1.length);
}
