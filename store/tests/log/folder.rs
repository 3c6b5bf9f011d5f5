//! The log in a folder of the file system.

use std::sync::Arc;

use starling_protocol::UnixMillis;
use starling_store::disk::FolderDisk;
use starling_store::log::{Frame, FrameKind, JournalId, Log, LogAccess, LogOptions, LogPosition};

const SMALL: LogOptions = LogOptions {
    segment_bytes: 4 << 10,
    reserve_bytes: 0,
};

fn append(log: &Log, number: u64) {
    let payload = number.to_le_bytes().repeat(20);
    let frames = [Frame::new(FrameKind(1), &payload)];
    let appended = log.append(UnixMillis::saturating(number), 0, &frames).unwrap();
    assert_eq!(&*log.read(&appended.places[0]).unwrap().payload, payload);
}

#[test]
fn log_in_a_folder_is_read_by_several_threads_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(FolderDisk::new(folder.path()));
    let log = Log::create_with(disk.clone(), "log", JournalId([1; 16]), SMALL).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while log.end().group < 60 {
                    let end = log.end();
                    let read = log.groups(LogPosition::START).map(|group| group.unwrap().number);
                    assert!(read.last().unwrap_or(0) >= end.group);
                    std::thread::yield_now();
                }
            });
        }
        for number in 1..=60 {
            append(&log, number);
        }
    });
    log.sync_tip().unwrap();
    let end = log.end();
    assert!(end.segment > 3);
    let size = log.size_on_disk().unwrap();
    drop(log);
    // A torn tail.
    let last = folder.path().join(format!("log/{:010}.log", end.segment));
    let mut bytes = std::fs::read(&last).unwrap();
    bytes.extend_from_slice(&[0; 77]);
    std::fs::write(&last, bytes).unwrap();
    let (log, recovery) = Log::open_with(disk.clone(), "log", Some(end), LogAccess::Write, SMALL).unwrap();
    assert_eq!((recovery.end, recovery.tip), (end, Some(end)));
    assert_eq!(recovery.cut.map(|cut| cut.bytes), Some(77));
    assert_eq!(log.size_on_disk().unwrap(), size);
    append(&log, 61);
    let check = log.check(&mut |damage| panic!("{damage}")).unwrap();
    assert_eq!((check.groups, check.frames), (61, 61));
    assert!(Log::create(disk, "log", JournalId([2; 16])).is_err());
}
