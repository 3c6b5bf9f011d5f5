//! Files of a log: any bytes open or are refused; only written data is read from a damaged log; and bytes
//! behind a valid hash neither panic nor allocate more than the file has.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use starling_protocol::UnixMillis;
use starling_store::disk::{Disk, MemoryDisk, OpenFile};
use starling_store::log::{
    Frame, FrameKind, FramePlace, Group, JournalId, Log, LogAccess, LogError, LogOptions, LogPosition,
};

const ID: JournalId = JournalId(*b"a random journal");
const FILES: [&str; 4] = ["log/0000000001.log", "log/0000000002.log", "log/0000000003.log", "log/tip"];
const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 300,
    reserve_bytes: 0,
};

/// A frame to be sealed: kind, version, flags, its stated length and its payload.
type Forged<'a> = (u16, u8, u8, Option<u32>, &'a [u8]);

fuzz_target!(|input: (&[u8], Vec<(u8, u16, &[u8])>, Vec<Forged<'_>>)| {
    let (bytes, patches, forged) = input;
    if let Some(position) = LogPosition::decode(bytes) {
        assert_eq!(position.encode(), bytes);
    }
    if let Some(place) = FramePlace::decode(bytes) {
        assert_eq!(place.encode(), bytes);
    }
    // The input unchanged.
    let disk = MemoryDisk::default();
    write(&disk, FILES[0], bytes);
    read(&disk, None);
    // A log that was changed.
    let disk = MemoryDisk::default();
    let written = good(&disk);
    for (file, at, bytes) in patches {
        disk.damage(FILES[usize::from(file) % FILES.len()], |old| match bytes {
            [] => old.truncate(at.into()),
            _ => {
                let places = old.iter_mut().skip(at.into());
                places.zip(bytes).for_each(|(old, new)| *old = *new);
            }
        });
    }
    for group in read(&disk, Some(written[1].end)) {
        assert!(written.contains(&group));
    }
    // Frames with valid hashes after a valid header.
    let disk = MemoryDisk::default();
    drop(Log::create(Arc::new(disk.clone()), "log", ID));
    disk.damage(FILES[0], |segment| {
        for (number, frame) in (1..).zip(&forged) {
            seal(segment, number, frame);
        }
    });
    read(&disk, None);
});

fn write(disk: &MemoryDisk, path: &str, bytes: &[u8]) {
    let file = disk.open(path, OpenFile::Create).expect("the disk is empty");
    file.write_all_at(bytes, 0).expect("memory takes all");
}

/// Writes three segments.
fn good(disk: &MemoryDisk) -> Vec<Group> {
    let log = Log::create_with(Arc::new(disk.clone()), "log", ID, OPTIONS).expect("memory takes all");
    while log.end().segment < 3 {
        let frames = [Frame::new(FrameKind(1), b"one"), Frame::new(FrameKind(2), &[0; 40])];
        let time = UnixMillis::saturating(log.end().group);
        log.append(time, 0, &frames).expect("memory takes all");
    }
    let groups = log.groups(LogPosition::START);
    groups.map(|group| group.expect("the log is good")).collect()
}

/// Opens and reads everything readable, with and without writing.
fn read(disk: &MemoryDisk, from: Option<LogPosition>) -> Vec<Group> {
    let mut groups = Vec::new();
    for (from, access) in [(None, LogAccess::Read), (from, LogAccess::Write)] {
        let disk: Arc<dyn Disk> = Arc::new(disk.copy());
        let Ok((log, recovery)) = Log::open_with(disk.clone(), "log", from, access, OPTIONS) else {
            continue;
        };
        for group in log.groups_past_damage(LogPosition::START) {
            match group {
                Ok(group) => {
                    for (place, frame) in &group.frames {
                        assert_eq!(log.read(place).expect("it was just read"), *frame);
                    }
                    groups.push(group);
                }
                Err(LogError::Damaged(damage)) => assert!(!damage.to_string().is_empty()),
                Err(error) => panic!("{error}"),
            }
        }
        log.check(&mut |_| {}).expect("memory is listed");
        if access == LogAccess::Write && recovery.end.offset < u64::from(u32::MAX / 2) {
            let end = log.append(UnixMillis::EPOCH, 0, &[]).expect("memory takes all").end;
            let (_, recovery) = Log::open_with(disk, "log", Some(end), access, OPTIONS).expect("it is there");
            assert_eq!(recovery.end, end);
        }
    }
    groups
}

/// Appends a frame with the hash defined in docs/formats/log.md.
fn seal(segment: &mut Vec<u8>, number: u64, (kind, version, flags, length, payload): &Forged<'_>) {
    let length = length.unwrap_or(u32::try_from(payload.len()).unwrap_or(0));
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 log frame");
    hasher.update(&ID.0).update(&1_u32.to_le_bytes());
    hasher.update(&(segment.len() as u64).to_le_bytes());
    hasher.update(&number.to_le_bytes()).update(&kind.to_le_bytes());
    hasher.update(&[*version, *flags]).update(&length.to_le_bytes());
    hasher.update(payload);
    segment.extend_from_slice(b"STLF");
    segment.extend_from_slice(&kind.to_le_bytes());
    segment.extend_from_slice(&[*version, *flags]);
    segment.extend_from_slice(&length.to_le_bytes());
    segment.extend_from_slice(&number.to_le_bytes());
    segment.extend_from_slice(&hasher.finalize().as_bytes()[..16]);
    segment.extend_from_slice(payload);
}
