//! Packs: any bytes as a file, any payload in a frame with a valid hash, and written packs with a changed byte.
//! A read returns the requested body or reports the damage; a scan finds everything readable.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use starling_protocol::ContentHash;
use starling_store::disk::{Disk, MemoryDisk, OpenFile};
use starling_store::packs::{BodyPlace, PackAccess, PackError, PackNumber, PackOptions, PackPosition, Packs};

const PATH: &str = "packs/00000001.pack";
const ID: [u8; 16] = [7; 16];
const FRAMES_START: usize = 4160;

fn open(disk: &MemoryDisk) -> Result<Packs, PackError> {
    let mut options = PackOptions::new(1, PackAccess::Write, || ID);
    options.reserve = 0;
    Packs::open(Arc::new(disk.clone()), "packs", &options)
}

/// Opens, scans and reads a file.
fn read_all(bytes: &[u8]) {
    let disk = MemoryDisk::default();
    let file = disk.open(PATH, OpenFile::Create).expect("a new file");
    file.write_all_at(bytes, 0).expect("memory takes all");
    let Ok(packs) = open(&disk) else {
        return;
    };
    let mut found = Vec::new();
    if packs
        .scan(PackPosition::START, &mut |hash, place| found.push((hash, place)))
        .is_err()
    {
        return;
    }
    for (hash, place) in found {
        assert_eq!(BodyPlace::decode(&place.encode()), Some(place));
        match packs.get(&hash, &place) {
            Ok(body) => assert_eq!(ContentHash::of(&body), hash),
            Err(PackError::Damaged { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    // Damage does not keep the site from continuing.
    let body: &[u8] = b"another";
    let hash = ContentHash::of(body);
    let source = "npm".parse().expect("a source");
    let places = packs.put(Some(&source), &[(hash, body)]).expect("a put");
    assert_eq!(packs.get(&hash, &places[0].1).expect("what was put"), body);
    let all: Vec<PackNumber> = packs.usage().iter().map(|usage| usage.pack).collect();
    let moved = packs.compact(&all, &|_, _| true).expect("a compaction").moved;
    assert!(moved.iter().any(|(moved, ..)| *moved == hash));
}

/// Appends a frame with a valid hash.
fn push_frame(out: &mut Vec<u8>, kind: u8, payload: &[u8]) {
    let mut named = ID.to_vec();
    named.extend_from_slice(&1_u32.to_le_bytes());
    let key = blake3::derive_key("starling 2026-11 v1 pack frame", &named);
    let mut hashed = (out.len() as u64).to_le_bytes().to_vec();
    let mut start = vec![kind, 1];
    start.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    hashed.extend_from_slice(&start);
    hashed.extend_from_slice(payload);
    out.extend_from_slice(b"STPF");
    out.extend_from_slice(&start);
    out.extend_from_slice(&blake3::keyed_hash(&key, &hashed).as_bytes()[..16]);
    out.extend_from_slice(payload);
}

fuzz_target!(|input: (&[u8], &[u8], u16, u8)| {
    let (bytes, packed, at, change) = input;
    read_all(bytes);
    // Written data is read; with a changed byte, it is read or the damage is reported.
    let disk = MemoryDisk::default();
    let packs = open(&disk).expect("an empty folder");
    let bodies = [bytes, packed].map(|body| (ContentHash::of(body), body));
    let places = packs.put(None, &bodies).expect("a put");
    let mut written = Vec::new();
    disk.damage(PATH, |file| {
        written.clone_from(file);
        let at = usize::from(at) % file.len();
        file[at] ^= change;
    });
    let packs = open(&disk).expect("version and number are hashed");
    for ((hash, body), (_, place)) in bodies.iter().zip(&places) {
        match packs.get(hash, place) {
            Ok(read) => assert_eq!(read, *body),
            Err(PackError::Damaged { hash: named, .. }) => assert_eq!(named, *hash),
            Err(other) => panic!("{other}"),
        }
    }
    // Forged payloads in whole frames.
    let mut forged = written[..FRAMES_START].to_vec();
    push_frame(&mut forged, 1, &[b"\x03npm", bytes].concat());
    push_frame(&mut forged, 3, bytes);
    let dictionary = (FRAMES_START as u32).to_le_bytes();
    push_frame(&mut forged, 2, &[&[0; 32], &dictionary[..], packed].concat());
    push_frame(&mut forged, 2, &[&[0; 32], &[0; 4][..], packed].concat());
    push_frame(&mut forged, 1, bytes);
    push_frame(&mut forged, 2, bytes);
    read_all(&forged);
});
