//! Golden files: the exact bytes of a small log, as `docs/formats/log.md` explains them.
//!
//! A difference here is a change of format: it needs a new version beside the old one. Only then
//! `UPDATE_GOLDEN=1 cargo test -p starling-store --test store golden` rewrites them.

use std::path::PathBuf;
use std::sync::Arc;

use starling_protocol::UnixMillis;
use starling_store::disk::{Disk, MemoryDisk, OpenFile};
use starling_store::log::{Frame, FrameKind, JournalId, Log, LogAccess, LogOptions, LogPosition};

const FILES: [(&str, &str); 3] = [
    ("log/0000000001.log", "log-1.golden"),
    ("log/0000000002.log", "log-2.golden"),
    ("log/tip", "log-tip.golden"),
];

fn golden(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    folder.join(name)
}

/// Returns each group's time, flags and frames.
fn groups() -> Vec<(u64, u8, Vec<Frame<'static>>)> {
    let skippable = Frame {
        version: 2,
        critical: false,
        ..Frame::new(FrameKind(258), b"may be skipped")
    };
    vec![
        (1_736_937_000_001, 0, vec![Frame::new(FrameKind(1), b"first")]),
        (
            1_736_937_000_002,
            1,
            vec![Frame::new(FrameKind(2), b""), skippable],
        ),
        (1_736_937_000_003, 0, vec![]),
    ]
}

fn write() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let id = JournalId(*b"golden journal 1");
    let options = LogOptions {
        // The second group crosses the limit, so the third begins a segment.
        segment_bytes: 300,
        ..LogOptions::default()
    };
    let log = Log::create_with(Arc::new(disk.clone()), "log", id, options).unwrap();
    for (time, flags, frames) in groups() {
        log.append(UnixMillis::saturating(time), flags, &frames).unwrap();
    }
    disk
}

#[test]
fn written_log_equals_the_golden_files() {
    let disk = write();
    for (path, name) in FILES {
        let file = disk.open(path, OpenFile::Read).unwrap();
        let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(golden(name), &bytes).unwrap();
        }
        assert!(bytes == std::fs::read(golden(name)).unwrap(), "{name} differs");
    }
}

#[test]
fn golden_log_is_read() {
    let disk = MemoryDisk::default();
    for (path, name) in FILES {
        let file = disk.open(path, OpenFile::Create).unwrap();
        file.write_all_at(&std::fs::read(golden(name)).unwrap(), 0)
            .unwrap();
    }
    let (log, recovery) = Log::open(Arc::new(disk), "log", None, LogAccess::Read).unwrap();
    assert_eq!((recovery.end.group, recovery.end.segment), (3, 2));
    assert_eq!(recovery.tip, Some(recovery.end));
    assert_eq!((recovery.cut, recovery.lost), (None, None));
    assert_eq!(recovery.damage, []);
    let read: Vec<_> = log
        .groups(LogPosition::START)
        .map(|group| group.unwrap())
        .map(|group| {
            let frames = group.frames.into_iter().map(|(_, frame)| frame).collect();
            (group.time.as_millis(), group.flags, frames)
        })
        .collect();
    assert_eq!(read, groups());
}
