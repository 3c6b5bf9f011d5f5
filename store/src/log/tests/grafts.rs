//! Bytes with valid hashes in a history that is not theirs, and reads that fail.

use std::io;

use super::*;
use crate::disk::{Disk, DiskFile};

const FIRST: &str = "log/0000000001.log";

fn only(damage: &[Damage]) -> &Damage {
    assert_eq!(damage.len(), 1, "{damage:?}");
    &damage[0]
}

/// Returns two histories of one journal in one segment: equal up to group 2, then equally long with other
/// bytes.
fn fork() -> (MemoryDisk, MemoryDisk, Vec<LogPosition>) {
    let disks = [MemoryDisk::default(), MemoryDisk::default()];
    let mut ends = Vec::new();
    for (byte, disk) in (0_u8..).zip(&disks) {
        let log = Log::create_with(Arc::new(disk.clone()), FOLDER, ID, LogOptions::default()).unwrap();
        ends.clear();
        for number in 1..=5 {
            let payload = [if number > 2 { byte } else { 9 }; 30];
            let frames = [
                Frame::new(FrameKind(1), &payload),
                Frame::new(FrameKind(1), b"same"),
            ];
            ends.push(log.append(time(number), 0, &frames).unwrap().end);
        }
    }
    let [one, other] = disks;
    (one, other, ends)
}

fn bytes_of(disk: &MemoryDisk) -> Vec<u8> {
    let mut all = Vec::new();
    disk.damage(FIRST, |bytes| all.clone_from(bytes));
    all
}

fn graft(into: &MemoryDisk, from: &MemoryDisk, range: std::ops::Range<u64>) {
    let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
    let donor = bytes_of(from);
    into.damage(FIRST, |bytes| bytes[range.clone()].copy_from_slice(&donor[range]));
}

#[test]
fn group_of_another_history_breaks_the_chain() {
    let (disk, other, ends) = fork();
    graft(&disk, &other, ends[1].offset..ends[2].offset);
    let (_, recovery) = open(&disk, None, LogAccess::Read);
    assert_eq!(only(&recovery.damage).flaw, Flaw::Chain);
    let (log, recovery) = open(&disk, Some(ends[1]), LogAccess::Read);
    assert_eq!(only(&recovery.damage).flaw, Flaw::Chain);
    assert!(log.groups(ends[1]).any(|group| group.is_err()));
}

#[test]
fn frame_of_another_history_breaks_its_group() {
    let (disk, other, ends) = fork();
    let start = ends[1].offset + group::GROUP_FRAME_BYTES as u64;
    graft(&disk, &other, start..start + FRAME_HEADER_BYTES as u64 + 30);
    let (log, recovery) = open(&disk, None, LogAccess::Read);
    let damage = only(&recovery.damage);
    assert_eq!((&damage.flaw, damage.first_group), (&Flaw::Group("content"), 3));
    assert_eq!(
        log.groups_past_damage(LogPosition::START)
            .filter(Result::is_ok)
            .count(),
        4
    );
}

#[test]
fn position_of_another_history_is_not_held() {
    let (disk, other, ends) = fork();
    for position in open(&other, None, LogAccess::Read).0.groups(ends[1]) {
        let position = position.unwrap().end;
        let (log, recovery) = open(&disk, Some(position), LogAccess::Read);
        let lost = recovery.lost.unwrap();
        assert_eq!((lost.witness, lost.position), (Witness::Caller, position));
        assert_eq!(log.end(), recovery.end);
        assert!(log.groups(position).any(|group| group.is_err()));
    }
}

#[test]
fn frames_of_another_journal_do_not_pass_behind_our_header() {
    let (disk, ..) = fork();
    let foreign = MemoryDisk::default();
    let id = JournalId([9; 16]);
    let log = Log::create_with(Arc::new(foreign.clone()), FOLDER, id, LogOptions::default()).unwrap();
    fill(&log, 5);
    let donor = bytes_of(&foreign);
    disk.damage(FIRST, |bytes| {
        bytes.truncate(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(&donor[SEGMENT_HEADER_BYTES..]);
    });
    let (log, recovery) = open(&disk, None, LogAccess::Read);
    assert_eq!((log.end(), log.journal()), (LogPosition::START, ID));
    assert!(recovery.lost.is_some());
}

#[test]
fn damaged_header_before_groups_is_not_a_torn_tail() {
    let disk = MemoryDisk::default();
    let log = create(&disk);
    while log.end().segment < 2 {
        append(&log, log.end().group + 1).unwrap();
    }
    // Without a witness, and without a later group that could be one.
    disk.remove("log/tip").unwrap();
    disk.damage("log/0000000002.log", |bytes| bytes.fill(0));
    let (_, recovery) = open(&disk, None, LogAccess::Write);
    assert_eq!(only(&recovery.damage).flaw, Flaw::Header);
    assert_eq!(recovery.cut, None);
    assert!(disk.list(FOLDER).unwrap().contains(&"0000000002.log".to_owned()));
}

#[test]
fn segment_cut_before_an_empty_one_is_named() {
    let disk = MemoryDisk::default();
    let log = create(&disk);
    while log.end().offset < SMALL.segment_bytes {
        append(&log, log.end().group + 1).unwrap();
    }
    let end = log.end();
    // Power fails between the new segment's header and its first group.
    disk.set_plan(DiskPlan::at(
        disk.operations() + 3,
        DiskFaultKind::CrashAfter(UnsyncedBytes::Lost),
    ));
    append(&log, end.group + 1).unwrap_err();
    let disk = disk.reopen(DiskPlan::default());
    let cut = usize::try_from(end.group_offset()).unwrap();
    disk.damage(FIRST, |bytes| bytes.truncate(cut));
    disk.damage("log/tip", Vec::clear);
    let (log, recovery) = open(&disk, None, LogAccess::Write);
    assert_eq!(only(&recovery.damage).flaw, Flaw::Truncated);
    assert_eq!(only(&recovery.damage).first_group, end.group);
    assert_eq!(recovery.end, end);
    assert_eq!(append(&log, end.group + 1).unwrap().end.segment, 2);
}

#[test]
fn vanished_tail_of_an_open_log_is_an_error() {
    let disk = MemoryDisk::default();
    let log = create(&disk);
    let ends: Vec<_> = fill(&log, 3).into_iter().map(|appended| appended.end).collect();
    for cut in [ends[1].offset, ends[1].offset + 9] {
        disk.damage(FIRST, |bytes| bytes.truncate(usize::try_from(cut).unwrap()));
        let read: Vec<_> = log.groups(LogPosition::START).collect();
        assert_eq!(read.iter().filter(|group| group.is_err()).count(), 1);
        let mut damage = Vec::new();
        log.check(&mut |found| damage.push(found)).unwrap();
        assert_eq!(
            (only(&damage).first_group, only(&damage).next_group),
            (3, Some(4))
        );
        // A caller at the end asks for nothing.
        assert_eq!(log.groups(log.end()).count(), 0);
        assert_eq!(log.end(), ends[2]);
    }
}

#[test]
fn later_group_is_found_across_the_edge_of_a_search() {
    for shift in 0..200 {
        let disk = MemoryDisk::default();
        let log = Log::create_with(Arc::new(disk.clone()), FOLDER, ID, LogOptions::default()).unwrap();
        // The search begins one byte after the damaged group.
        let used = group::GROUP_FRAME_BYTES + FRAME_HEADER_BYTES;
        let payload = vec![b'S'; (64 << 10) - used + 1 - shift];
        log.append(time(1), 0, &[Frame::new(FrameKind(1), &payload)])
            .unwrap();
        fill(&log, 1);
        disk.damage(FIRST, |bytes| bytes[SEGMENT_HEADER_BYTES] = 0);
        let (_, recovery) = open(&disk, None, LogAccess::Read);
        assert_eq!(only(&recovery.damage).next_group, Some(2), "{shift}");
    }
}

#[test]
fn reopened_log_makes_its_end_durable() {
    let dry = MemoryDisk::default();
    fill(&create(&dry), 8);
    for operation in 5..=dry.operations() {
        let disk = MemoryDisk::new(DiskPlan::at(operation, DiskFaultKind::Fail));
        let log = create(&disk);
        while log.end().group < 8 && append(&log, log.end().group + 1).is_ok() {}
        drop(log);
        // The process ended, but the power did not: its writes are read, and must stay.
        let (_, recovery) = open(&disk, None, LogAccess::Write);
        disk.crash(UnsyncedBytes::Lost);
        let (log, again) = open(&disk.reopen(DiskPlan::default()), None, LogAccess::Write);
        assert_eq!(again.end, recovery.end, "operation {operation}");
        assert_holds(&log, recovery.end.group);
        fill(&log, 2);
    }
}

/// A disk with a bad sector in the first segment.
#[derive(Debug)]
struct BadSector(MemoryDisk, std::ops::Range<u64>);

#[derive(Debug)]
struct BadFile(Arc<dyn DiskFile>, std::ops::Range<u64>);

impl Disk for BadSector {
    fn open(&self, path: &str, how: OpenFile) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.0.open(path, how)?;
        if path == FIRST {
            return Ok(Arc::new(BadFile(file, self.1.clone())));
        }
        Ok(file)
    }

    fn create_folder(&self, path: &str) -> io::Result<()> {
        self.0.create_folder(path)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.0.list(folder)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.0.sync_folder(folder)
    }

    fn free_bytes(&self) -> io::Result<Option<u64>> {
        self.0.free_bytes()
    }
}

impl DiskFile for BadFile {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset < self.1.end && offset + buffer.len() as u64 > self.1.start {
            return Err(io::Error::other("bad sector"));
        }
        self.0.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}

#[test]
fn bad_sector_is_damage_and_never_cut() {
    let disk = MemoryDisk::default();
    let log = Log::create_with(Arc::new(disk.clone()), FOLDER, ID, LogOptions::default()).unwrap();
    let append = |number| log.append(time(number), 0, &[Frame::new(FrameKind(1), &[7; 3000])]);
    let ends: Vec<_> = (1..=5).map(|number| append(number).unwrap().end).collect();
    disk.damage("log/tip", Vec::clear);
    let before = bytes_of(&disk);
    for (number, end) in (1..).zip(&ends) {
        let sector = (end.offset - 1500) / 512 * 512;
        let bad = BadSector(disk.copy(), sector..sector + 512);
        let (log, recovery) = Log::open(Arc::new(bad), FOLDER, None, LogAccess::Write).unwrap();
        let damage = only(&recovery.damage);
        assert!(matches!(damage.flaw, Flaw::Unreadable(_)), "{damage}");
        assert_eq!((damage.first_group, recovery.cut), (number, None));
        let later = log.append(time(9), 0, &[]).unwrap();
        let read = log.groups_past_damage(LogPosition::START);
        assert_eq!(read.filter(Result::is_ok).count(), 5);
        assert_eq!(later.end.segment, if number == 5 { 2 } else { 1 });
    }
    assert_eq!(bytes_of(&disk), before);
}
