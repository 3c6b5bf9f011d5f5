//! Damages the files in every way: only written bytes are ever read, and missing ones are reported.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::disk::Disk;

struct World {
    disk: MemoryDisk,
    groups: BTreeMap<u64, Group>,
    /// Segment files, then the tip.
    files: Vec<String>,
}

/// Creates a log of several segments, with an up-to-date tip.
fn world(groups: u64) -> World {
    let disk = MemoryDisk::default();
    let log = create(&disk);
    fill(&log, groups);
    let groups = log
        .groups(LogPosition::START)
        .map(|group| group.unwrap())
        .map(|group| (group.number, group))
        .collect();
    let names = disk.list(FOLDER).unwrap();
    let files: Vec<_> = names.iter().map(|name| format!("{FOLDER}/{name}")).collect();
    assert_eq!(files.last().unwrap(), "log/tip");
    World { disk, groups, files }
}

fn contents(disk: &MemoryDisk, path: &str) -> Vec<u8> {
    let file = disk.open(path, OpenFile::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Returns true if a damage report covers a lost group.
fn covers(damage: &Damage, number: u64, end: LogPosition) -> bool {
    number >= damage.first_group && damage.next_group.map_or(number > end.group, |next| number < next)
}

impl World {
    fn last(&self) -> LogPosition {
        self.groups.last_key_value().unwrap().1.end
    }

    /// Asserts that every group that is read was written, and that every other one is reported.
    fn assert_named(&self, disk: &MemoryDisk, tip_is_good: bool, context: &str) {
        for from in [None, Some(self.groups[&3].end), Some(self.last())] {
            self.assert_named_from(disk, from, tip_is_good, context);
        }
    }

    fn assert_named_from(
        &self,
        disk: &MemoryDisk,
        from: Option<LogPosition>,
        tip_is_good: bool,
        context: &str,
    ) {
        let context = format!("{context}, from {:?}", from.map(|from| from.group));
        for access in [LogAccess::Read, LogAccess::Write] {
            let copy = disk.copy();
            let opened = Log::open_with(Arc::new(copy.clone()), FOLDER, from, access, SMALL);
            match opened {
                Ok((log, recovery)) => {
                    self.assert_opened(&log, &recovery, (from, tip_is_good), &context);
                    if access == LogAccess::Write {
                        self.assert_goes_on(&copy, &log, &context);
                    }
                }
                Err(LogError::Damaged(_) | LogError::Missing { .. }) => {
                    // Only if no header is left.
                    let names = copy.list(FOLDER).unwrap();
                    assert!(names.len() <= 2, "{context}: {names:?}");
                }
                Err(error) => panic!("{context}: {error}"),
            }
        }
    }

    fn assert_opened(
        &self,
        log: &Log,
        recovery: &Recovery,
        (from, tip_is_good): (Option<LogPosition>, bool),
        context: &str,
    ) {
        let end = recovery.end;
        assert_eq!(end, log.end());
        let mut read = BTreeSet::new();
        let mut named = Vec::new();
        for group in log.groups_past_damage(LogPosition::START) {
            match group {
                Ok(group) => {
                    assert_eq!(self.groups.get(&group.number), Some(&group), "{context}");
                    assert!(read.insert(group.number), "{context}: twice");
                }
                Err(LogError::Damaged(damage)) => named.push(damage),
                Err(error) => panic!("{context}: {error}"),
            }
        }
        let mut checked = Vec::new();
        let check = log.check(&mut |damage| checked.push(damage)).unwrap();
        assert_eq!(check.groups, read.len() as u64, "{context}");
        for number in self.groups.keys().filter(|number| !read.contains(number)) {
            let lost = recovery
                .lost
                .is_some_and(|lost| lost.position.group >= *number && *number > end.group);
            let is_named = |all: &[Damage]| all.iter().any(|damage| covers(damage, *number, end));
            assert!(
                lost || is_named(&named) || !tip_is_good && *number > end.group,
                "{context}: group {number} is missing and not named: {named:?} {recovery:?}"
            );
            assert!(
                is_named(&checked) || *number > end.group,
                "{context}: {number} not in the check"
            );
            // At opening, the groups after `from`.
            let reported = lost || is_named(&recovery.damage) || recovery.lost.is_some();
            let before = from.is_some_and(|from| from.group >= *number);
            assert!(
                reported || before || !tip_is_good && *number > end.group,
                "{context}: group {number} is not reported at opening: {recovery:?}"
            );
        }
        for group in self.groups.values() {
            for (place, frame) in &group.frames {
                match log.read(place) {
                    Ok(found) => assert_eq!(&found, frame, "{context}"),
                    Err(error) => assert!(matches!(error, LogError::Damaged(_)), "{context}: {error}"),
                }
            }
        }
    }

    /// Appends after damage, and asserts that the new group survives another opening.
    fn assert_goes_on(&self, disk: &MemoryDisk, log: &Log, context: &str) {
        let first = log
            .append(time(1), 0, &[Frame::new(FrameKind(9), b"after")])
            .unwrap();
        let second = log.append(time(2), 0, &[]).unwrap();
        assert_eq!(
            &*log.read(&first.places[0]).unwrap().payload,
            b"after",
            "{context}"
        );
        let (log, recovery) = open(disk, Some(first.end), LogAccess::Write);
        assert_eq!((recovery.end, recovery.lost), (second.end, None), "{context}");
        let last = log
            .groups_past_damage(LogPosition::START)
            .last()
            .unwrap()
            .unwrap();
        assert_eq!(last.end, second.end, "{context}");
        let (_, recovery) = open(disk, None, LogAccess::Write);
        assert_eq!((recovery.end, recovery.lost), (second.end, None), "{context}");
    }
}

#[test]
fn flipped_byte_never_gives_another_frame() {
    let world = world(8);
    for path in &world.files {
        let is_tip = path == "log/tip";
        for index in 0..contents(&world.disk, path).len() {
            let disk = world.disk.copy();
            disk.damage(path, |bytes| bytes[index] ^= 1 << (index % 8));
            let context = format!("{path}, byte {index}");
            if index % 5 == 0 {
                world.assert_named(&disk, !is_tip, &context);
            }
            let (log, recovery) = open(&disk, None, LogAccess::Read);
            world.assert_opened(&log, &recovery, (None, !is_tip), &context);
            if is_tip {
                assert_holds(&log, 8);
            } else {
                // Every byte of a segment is covered by a hash.
                assert!(
                    !recovery.damage.is_empty() || recovery.lost.is_some(),
                    "{context}"
                );
            }
        }
    }
}

#[test]
fn truncated_file_is_named() {
    let world = world(9);
    for path in &world.files {
        let length = contents(&world.disk, path).len();
        for left in (0..length).filter(|left| path != "log/tip" || left % 64 == 0) {
            let disk = world.disk.copy();
            disk.damage(path, |bytes| bytes.truncate(left));
            world.assert_named(&disk, path != "log/tip", &format!("{path} cut to {left}"));
        }
    }
}

#[test]
fn deleted_and_swapped_files_are_named() {
    let world = world(14);
    assert!(world.files.len() > 4);
    for (index, path) in world.files.iter().enumerate() {
        let disk = world.disk.copy();
        disk.remove(path).unwrap();
        world.assert_named(&disk, path != "log/tip", &format!("{path} deleted"));
        for other in &world.files[index + 1..] {
            let disk = world.disk.copy();
            disk.rename(path, "log/aside").unwrap();
            disk.rename(other, path).unwrap();
            disk.rename("log/aside", other).unwrap();
            world.assert_named(&disk, other != "log/tip", &format!("{path} and {other} swapped"));
            let disk = world.disk.copy();
            disk.remove(path).unwrap();
            disk.remove(other).unwrap();
            world.assert_named(&disk, other != "log/tip", &format!("{path} and {other} deleted"));
        }
    }
}

#[test]
fn witness_beyond_the_end_is_a_permanent_loss() {
    let disk = MemoryDisk::default();
    let ends = fill(&create(&disk), 3);
    let [kept, lost] = [1, 2].map(|at: usize| ends[at].end);
    disk.remove(&format!("{FOLDER}/{TIP_NAME}")).unwrap();
    let path = format!("{FOLDER}/0000000001.log");
    disk.damage(&path, |bytes| {
        bytes.truncate(usize::try_from(kept.offset).unwrap());
    });
    let open_with = |disk: &MemoryDisk, witness| {
        let known = Known {
            from: None,
            witness: Some(witness),
        };
        Log::open_knowing(Arc::new(disk.clone()), FOLDER, known, LogAccess::Write, SMALL)
            .unwrap()
            .1
    };
    // A witness of another log, or of a group that is here, means nothing.
    let other = JournalId([9; 16]);
    for witness in [(other, lost), (ID, kept), (ID, ends[0].end)] {
        assert_eq!(open_with(&disk.copy(), witness).lost, None);
    }
    let mut forged = kept;
    forged.hash[0] ^= 1;
    assert!(open_with(&disk.copy(), (ID, forged)).lost.is_some());
    let found = open_with(&disk, (ID, lost)).lost.unwrap();
    assert_eq!((found.witness, found.position), (Witness::Former, lost));
    let found = open(&disk, None, LogAccess::Write).1.lost.unwrap();
    assert_eq!((found.witness, found.position), (Witness::Tip, lost));
}

#[test]
fn appended_junk_is_cut_or_named() {
    let world = world(9);
    let segments = &world.files[..world.files.len() - 1];
    for path in segments {
        for junk in [&[0; 5000][..], b"x", &contents(&world.disk, &segments[0])] {
            let disk = world.disk.copy();
            disk.damage(path, |bytes| bytes.extend_from_slice(junk));
            world.assert_named(&disk, true, &format!("{path} with {} bytes more", junk.len()));
            let (log, recovery) = open(&disk, None, LogAccess::Write);
            assert_eq!(recovery.cut.is_some(), path == segments.last().unwrap());
            assert_eq!(recovery.damage.is_empty(), path == segments.last().unwrap());
            assert_eq!(log.end(), world.last());
        }
    }
}

#[test]
fn files_of_another_history_are_named() {
    let world = world(9);
    // The same journal with another history after group 2, as in a restored backup.
    let disk = MemoryDisk::default();
    let log = create(&disk);
    fill(&log, 2);
    for number in 3..10 {
        let payload = vec![0xee; 100 + number];
        log.append(time(1), 3, &[Frame::new(FrameKind(7), &payload)])
            .unwrap();
    }
    // And another journal.
    let foreign = MemoryDisk::default();
    let id = JournalId([9; 16]);
    fill(
        &Log::create_with(Arc::new(foreign.clone()), FOLDER, id, SMALL).unwrap(),
        9,
    );
    for other in [&disk, &foreign] {
        for path in &world.files[1..world.files.len() - 1] {
            let Ok(file) = other.open(path, OpenFile::Read) else {
                continue;
            };
            drop(file);
            let copy = world.disk.copy();
            let bytes = contents(other, path);
            copy.damage(path, |old| *old = bytes);
            let (log, recovery) = open(&copy, None, LogAccess::Read);
            assert!(!recovery.damage.is_empty() || recovery.lost.is_some(), "{path}");
            assert!(log.groups(LogPosition::START).any(|group| group.is_err()) || recovery.lost.is_some());
            if other.open(path, OpenFile::Read).is_ok() && std::ptr::eq(other, &foreign) {
                world.assert_named(&copy, true, path);
            }
        }
        let copy = world.disk.copy();
        let tip = contents(other, "log/tip");
        copy.damage("log/tip", |old| *old = tip);
        let (log, recovery) = open(&copy, None, LogAccess::Read);
        assert_holds(&log, 9);
        // The other history's tip is a witness; the other journal's is not.
        assert_eq!(recovery.lost.is_some(), std::ptr::eq(other, &disk));
    }
}

#[test]
fn misplaced_pages_are_named() {
    const PAGE: usize = 4096;
    let disk = MemoryDisk::default();
    let log = Log::create_with(Arc::new(disk.clone()), FOLDER, ID, LogOptions::default()).unwrap();
    let page = [7; PAGE];
    // Groups of equal bytes with equal alignment: only their places differ.
    for number in 1..=12 {
        let payload = &page[..PAGE - FRAME_HEADER_BYTES - group::GROUP_FRAME_BYTES];
        log.append(time(number), 0, &[Frame::new(FrameKind(7), payload)])
            .unwrap();
    }
    let groups: BTreeMap<_, _> = log
        .groups(LogPosition::START)
        .map(Result::unwrap)
        .map(|group| (group.number, group))
        .collect();
    let files = vec!["log/0000000001.log".to_owned(), "log/tip".to_owned()];
    let world = World { disk, groups, files };
    for to in 0..12 {
        for from in (0..12).filter(|from| *from != to) {
            let disk = world.disk.copy();
            disk.damage(&world.files[0], |bytes| {
                bytes.copy_within(from * PAGE..(from + 1) * PAGE, to * PAGE);
            });
            // Page 0 without its header looks like another log's file.
            world.assert_named(&disk, true, &format!("page {from} at {to}"));
            let (_, recovery) = open(&disk, None, LogAccess::Read);
            assert!(!recovery.damage.is_empty() || recovery.lost.is_some());
        }
    }
}

#[derive(Clone, Debug)]
enum Harm {
    Flip(usize, usize, u8),
    Cut(usize, usize),
    Zero(usize, usize, usize),
    Copy(usize, usize, usize, usize),
    Delete(usize),
    Junk(usize, Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let at = 0_usize..2000;
    prop_oneof![
        (0_usize..8, at.clone(), 1_u8..).prop_map(|(file, at, bits)| Harm::Flip(file, at, bits)),
        (0_usize..8, at.clone()).prop_map(|(file, at)| Harm::Cut(file, at)),
        (0_usize..8, at.clone(), 1_usize..600).prop_map(|(file, at, length)| Harm::Zero(file, at, length)),
        (0_usize..8, at.clone(), at, 1_usize..600).prop_map(|(file, a, b, n)| Harm::Copy(file, a, b, n)),
        (0_usize..8).prop_map(Harm::Delete),
        (0_usize..8, prop::collection::vec(any::<u8>(), 1..300))
            .prop_map(|(file, junk)| Harm::Junk(file, junk)),
    ]
}

impl Harm {
    fn apply(&self, disk: &MemoryDisk, segments: &[String]) {
        let path = |file: usize| &segments[file % segments.len()];
        match self {
            Self::Flip(file, at, bits) => disk.damage(path(*file), |bytes| {
                if let Some(byte) = bytes.get_mut(*at) {
                    *byte ^= bits;
                }
            }),
            Self::Cut(file, at) => disk.damage(path(*file), |bytes| bytes.truncate(*at)),
            Self::Zero(file, at, length) => disk.damage(path(*file), |bytes| {
                bytes
                    .iter_mut()
                    .skip(*at)
                    .take(*length)
                    .for_each(|byte| *byte = 0);
            }),
            Self::Copy(file, from, to, length) => disk.damage(path(*file), |bytes| {
                let run: Vec<u8> = bytes.iter().skip(*from).take(*length).copied().collect();
                for (old, new) in bytes.iter_mut().skip(*to).zip(run) {
                    *old = new;
                }
            }),
            Self::Delete(file) => drop(disk.remove(path(*file))),
            Self::Junk(file, junk) => disk.damage(path(*file), |bytes| bytes.extend_from_slice(junk)),
        }
    }
}

proptest! {
    #[test]
    fn random_damage_is_reported(harms in prop::collection::vec(harm(), 1..5)) {
        let world = world(16);
        let disk = world.disk.copy();
        let segments = &world.files[..world.files.len() - 1];
        for harm in &harms {
            harm.apply(&disk, segments);
        }
        world.assert_named(&disk, true, &format!("{harms:?}"));
    }
}

/// Puts a folder or a pipe in place of a file.
fn replace_by_no_file(path: &std::path::Path, is_pipe: bool) {
    std::fs::remove_file(path).unwrap();
    if is_pipe {
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    } else {
        std::fs::create_dir(path).unwrap();
    }
}

#[test]
fn pipe_or_folder_in_place_of_a_segment_is_damage() {
    // A repair gave up the stretch, and then failed to measure or to continue the log.
    for is_pipe in [true, false] {
        for back in [0, 1, 2, u32::MAX] {
            let case = format!("pipe {is_pipe}, {back} before the last");
            let home = tempfile::tempdir().unwrap();
            let disk: Arc<dyn crate::disk::Disk> = Arc::new(crate::disk::FolderDisk::new(home.path()));
            let log = Log::create_with(disk.clone(), FOLDER, ID, SMALL).unwrap();
            fill(&log, 40);
            let number = log.end().segment.saturating_sub(back).max(1);
            drop(log);
            let name = segment::segment_name(number);
            replace_by_no_file(&home.path().join(FOLDER).join(&name), is_pipe);

            let opened = Log::open_with(disk.clone(), FOLDER, None, LogAccess::Write, SMALL);
            let (log, recovery) = opened.unwrap_or_else(|error| panic!("{case}: {error:?}"));
            let named = recovery.damage.iter().any(|damage| damage.segment == number);
            assert!(named || recovery.lost.is_some(), "{case}: {recovery:?}");
            log.size_on_disk().unwrap();
            let next = log.end().group + 1;
            append(&log, next).unwrap_or_else(|error| panic!("{case}: {error:?}"));
            drop(log);
            let (log, _) = Log::open_with(disk, FOLDER, None, LogAccess::Write, SMALL).unwrap();
            assert_eq!(log.end().group, next, "{case}");
        }
    }
}
