//! The log on a disk in memory.

mod crash;
mod damage;
mod grafts;

use super::*;
use crate::disk::{DiskFaultKind, DiskPlan, MemoryDisk, OpenFile, UnsyncedBytes};

const ID: JournalId = JournalId(*b"a random journal");
const FOLDER: &str = "log";
const SMALL: LogOptions = LogOptions {
    segment_bytes: 1 << 10,
    reserve_bytes: 0,
};

fn time(millis: u64) -> UnixMillis {
    UnixMillis::saturating(millis)
}

fn create(disk: &MemoryDisk) -> Log {
    Log::create_with(Arc::new(disk.clone()), FOLDER, ID, SMALL).unwrap()
}

fn open(disk: &MemoryDisk, from: Option<LogPosition>, access: LogAccess) -> (Log, Recovery) {
    Log::open_with(Arc::new(disk.clone()), FOLDER, from, access, SMALL).unwrap()
}

/// Returns the payloads of group `number`: as many as its last digit, with different lengths.
fn payloads(number: u64) -> Vec<Vec<u8>> {
    let byte = u8::try_from(number % 251).unwrap();
    let length = |index: u64| usize::try_from((number * 37 + index * 101) % 160).unwrap();
    (0..number % 4).map(|index| vec![byte; length(index)]).collect()
}

fn append(log: &Log, number: u64) -> Result<Appended, LogError> {
    let payloads = payloads(number);
    let frames: Vec<_> = payloads
        .iter()
        .map(|payload| Frame::new(FrameKind(7), payload))
        .collect();
    log.append(time(number), 3, &frames)
}

fn fill(log: &Log, groups: u64) -> Vec<Appended> {
    let first = log.end().group + 1;
    (first..first + groups)
        .map(|number| append(log, number).unwrap())
        .collect()
}

/// Asserts that the log holds exactly the groups `1..=last`, each as it was appended.
fn assert_holds(log: &Log, last: u64) {
    let groups: Vec<Group> = log.groups(LogPosition::START).map(Result::unwrap).collect();
    assert_eq!(groups.len() as u64, last);
    for (number, group) in (1..).zip(&groups) {
        assert_eq!((group.number, group.time, group.flags), (number, time(number), 3));
        let read: Vec<_> = group
            .frames
            .iter()
            .map(|(_, frame)| frame.payload.to_vec())
            .collect();
        assert_eq!(read, payloads(number));
        for (place, frame) in &group.frames {
            assert_eq!(&log.read(place).unwrap(), frame);
            assert_eq!(FramePlace::decode(&place.encode()), Some(*place));
        }
        assert_eq!(LogPosition::decode(&group.end.encode()), Some(group.end));
    }
    let mut damage = Vec::new();
    let check = log.check(&mut |found| damage.push(found)).unwrap();
    assert_eq!((check.groups, damage), (last, Vec::new()));
    assert_eq!(
        groups.last().map_or(LogPosition::START, |group| group.end),
        log.end()
    );
}

#[test]
fn appended_groups_are_read_after_a_restart() {
    let disk = MemoryDisk::default();
    assert!(!Log::exists(&disk, FOLDER).unwrap());
    let log = create(&disk);
    assert_holds(&log, 0);
    let appended = fill(&log, 40);
    assert!(log.end().segment > 3, "{:?}", log.end());
    assert_holds(&log, 40);
    disk.crash(UnsyncedBytes::Lost);
    let disk = disk.reopen(DiskPlan::default());
    assert!(Log::exists(&disk, FOLDER).unwrap());
    for access in [LogAccess::Read, LogAccess::Write] {
        let (log, recovery) = open(&disk, None, access);
        assert_eq!(recovery.end, appended[39].end);
        assert_eq!((recovery.cut, recovery.lost), (None, None));
        assert_eq!(recovery.damage, []);
        assert_holds(&log, 40);
        assert_eq!(log.journal(), ID);
    }
    let (log, _) = open(&disk, Some(appended[39].end), LogAccess::Write);
    let more = fill(&log, 3);
    assert_holds(&log, 43);
    let after: Vec<_> = log
        .groups(more[0].end)
        .map(|group| group.unwrap().number)
        .collect();
    assert_eq!(after, [42, 43]);
}

#[test]
fn torn_tail_is_cut_and_appends_continue() {
    let disk = MemoryDisk::default();
    let log = create(&disk);
    let end = fill(&log, 6).last().unwrap().end;
    let path = format!("log/{}", segment::segment_name(end.segment));
    disk.damage(&path, |bytes| {
        bytes.extend_from_slice(b"STLF\0\0\x01\x01half a group");
    });
    let (log, recovery) = open(&disk, None, LogAccess::Read);
    let cut = recovery.cut.unwrap();
    assert_eq!((cut.segment, cut.from), (end.segment, end.offset));
    assert_eq!((recovery.lost, &recovery.damage[..]), (None, &[][..]));
    assert_holds(&log, 6);
    let (_, recovery) = open(&disk, None, LogAccess::Write);
    assert_eq!(recovery.cut, Some(cut));
    let (log, recovery) = open(&disk, None, LogAccess::Write);
    assert_eq!(recovery.cut, None);
    fill(&log, 3);
    assert_holds(&log, 9);
}

#[test]
fn lost_tail_is_named_by_its_witness() {
    let disk = MemoryDisk::default();
    let log = create(&disk);
    let appended = fill(&log, 6);
    let (fifth, last) = (appended[4].end, appended[5].end);
    let path = format!("log/{}", segment::segment_name(last.segment));
    disk.damage(&path, |bytes| {
        let length = bytes.len();
        bytes[length - 1] ^= 1;
    });
    let (log, recovery) = open(&disk, None, LogAccess::Write);
    assert_eq!(
        (recovery.end, recovery.cut, recovery.tip),
        (fifth, None, Some(last))
    );
    let lost = recovery.lost.unwrap();
    assert_eq!((lost.witness, lost.position), (Witness::Tip, last));
    assert_eq!(recovery.damage.len(), 1);
    let mut damage = Vec::new();
    log.check(&mut |found| damage.push(found)).unwrap();
    assert_eq!(damage, recovery.damage);
    // The evidence stays, and appends continue in a new segment.
    append(&log, 60).unwrap();
    assert_eq!(log.end().segment, last.segment + 1);
    let read: Vec<_> = log.groups_past_damage(LogPosition::START).collect();
    assert_eq!(read.iter().filter(|group| group.is_ok()).count(), 6);
    assert_eq!(read.iter().filter(|group| group.is_err()).count(), 1);
    assert!(log.groups(LogPosition::START).last().unwrap().is_err());
    // Without the tip file the caller's position is the witness.
    disk.damage("log/tip", Vec::clear);
    let (_, recovery) = open(&disk, Some(last), LogAccess::Write);
    assert_eq!(recovery.lost.unwrap().witness, Witness::Caller);
}

#[test]
fn damage_before_a_valid_group_is_named_and_passed() {
    let disk = MemoryDisk::default();
    let log = create(&disk);
    let appended = fill(&log, 9);
    let broken = appended[2].end;
    let path = format!("log/{}", segment::segment_name(broken.segment));
    let at = usize::try_from(broken.offset - 1).unwrap();
    disk.damage(&path, |bytes| bytes[at] ^= 0x10);
    let (log, recovery) = open(&disk, None, LogAccess::Write);
    assert_eq!((recovery.cut, recovery.lost), (None, None));
    assert_eq!(recovery.end, appended[8].end);
    let [damage] = &recovery.damage[..] else {
        panic!("{:?}", recovery.damage);
    };
    assert_eq!((damage.first_group, damage.next_group), (3, Some(4)));
    let read: Vec<_> = log.groups_past_damage(LogPosition::START).collect();
    assert_eq!(read.iter().filter(|group| group.is_ok()).count(), 8);
    let mut named = Vec::new();
    log.check(&mut |found| named.push(found)).unwrap();
    assert_eq!(named, recovery.damage);
    assert!(log.read(appended[2].places.last().unwrap()).is_err());
    // From a position after the damage it is not read.
    let (_, recovery) = open(&disk, Some(appended[8].end), LogAccess::Write);
    assert_eq!(recovery.damage, []);
}

#[test]
fn failed_sync_stops_the_log_for_good() {
    let disk = MemoryDisk::default();
    let log = create(&disk);
    fill(&log, 2);
    disk.set_plan(DiskPlan::at(disk.operations() + 2, DiskFaultKind::Fail));
    assert!(matches!(append(&log, 3), Err(LogError::Stopped { .. })));
    disk.set_plan(DiskPlan::default());
    assert!(matches!(append(&log, 3), Err(LogError::Stopped { .. })));
    assert_holds(&log, 2);
}

#[test]
fn full_disk_refuses_cleanly_until_there_is_room() {
    let disk = MemoryDisk::default();
    let log = create(&disk);
    fill(&log, 2);
    disk.set_plan(DiskPlan::at(disk.operations() + 1, DiskFaultKind::Short));
    assert!(matches!(append(&log, 3), Err(LogError::NoRoom { .. })));
    assert_holds(&log, 2);
    disk.set_plan(DiskPlan {
        capacity: Some(1),
        ..DiskPlan::default()
    });
    let error = append(&log, 3).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    disk.set_plan(DiskPlan::default());
    fill(&log, 2);
    assert_holds(&log, 4);
    // If the cut fails too, the bytes are unknown: the log stops.
    disk.set_plan(DiskPlan {
        faults: vec![
            crate::disk::DiskFault {
                operation: disk.operations() + 1,
                kind: DiskFaultKind::Short,
            },
            crate::disk::DiskFault {
                operation: disk.operations() + 2,
                kind: DiskFaultKind::Fail,
            },
        ],
        capacity: None,
    });
    assert!(matches!(append(&log, 5), Err(LogError::Stopped { .. })));
    assert!(matches!(append(&log, 5), Err(LogError::Stopped { .. })));
}

#[test]
fn read_access_writes_nothing() {
    let disk = MemoryDisk::default();
    fill(&create(&disk), 3);
    let before = disk.operations();
    let (log, _) = open(&disk, None, LogAccess::Read);
    assert!(matches!(append(&log, 4), Err(LogError::ReadOnly)));
    log.sync_tip().unwrap();
    assert_holds(&log, 3);
    assert_eq!(disk.operations(), before);
    assert!(disk.open("log/tip", OpenFile::Read).is_ok());
}

#[test]
fn limits_are_checked_before_anything_is_written() {
    let disk = MemoryDisk::default();
    let log = create(&disk);
    let group = [Frame::new(FrameKind::GROUP, b"x")];
    assert!(matches!(
        log.append(time(1), 0, &group),
        Err(LogError::ReservedKind)
    ));
    let many = vec![Frame::new(FrameKind(1), b""); MAX_GROUP_FRAMES + 1];
    assert!(matches!(
        log.append(time(1), 0, &many),
        Err(LogError::TooLarge { .. })
    ));
    assert_eq!(log.end(), LogPosition::START);
}
