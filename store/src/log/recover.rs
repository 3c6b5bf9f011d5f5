//! Opens the log: finds its end, cuts a torn tail, and reports damage and loss.

use std::io;
use std::sync::Arc;

use super::append::Writer;
use super::error::{Damage, Flaw, LogError};
use super::frame::JournalId;
use super::group::read_head;
use super::position::LogPosition;
use super::segment::{
    Files, LOG_VERSION, SEGMENT_HEADER_BYTES, Segment, list_segments, path_in, segment_name,
};
use super::tip::{Tip, TipWriter};
use super::walk::{Step, Walker};
use super::{Known, Log, LogAccess, LogOptions};
use crate::disk::{Disk, DiskFile, OpenFile};

/// Bytes that are rewritten in one piece.
const COPY_BYTES: usize = 1 << 20;

/// Reports the findings of opening a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The end of the last valid group.
    pub end: LogPosition,
    /// Bytes of an unfinished append. They are cut off, or ignored if the log is open to read only.
    pub cut: Option<CutTail>,
    /// Damaged stretches after the position from which the log was opened, and missing segments.
    pub damage: Vec<Damage>,
    /// The newest position of the tip file, if it can be read.
    pub tip: Option<LogPosition>,
    /// False if nothing confirms the end of a log with several groups: the caller knows no position as late, and the tip
    /// file is missing. A crash may leave an unreadable file, but none without it.
    pub is_confirmed: bool,
    /// A position that was once durable and that the log does not hold.
    pub lost: Option<Lost>,
}

/// Names the bytes of an append that did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutTail {
    /// The segment.
    pub segment: u32,
    /// The offset from which bytes were cut; 0 if the file was removed.
    pub from: u64,
    /// The number of bytes.
    pub bytes: u64,
}

/// The witness of a group that the log does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// The tip file.
    Tip,
    /// The position from which the caller opened the log.
    Caller,
    /// A position that the caller learned from something that it no longer uses.
    Former,
}

/// A loss: a position that was once durable and that the log does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The witness of it.
    pub witness: Witness,
    /// The position.
    pub position: LogPosition,
    /// The end of the log.
    pub end: LogPosition,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let who = match self.witness {
            Witness::Tip => "the tip file",
            Witness::Caller => "the store",
            Witness::Former => "the engine that was set aside",
        };
        let (known, end) = (self.position.group, self.end.group);
        if known > end {
            write!(f, "{who} knows group {known}, but the log ends with group {end}")
        } else {
            write!(f, "{who} knows another group {known} than the one in the log")
        }
    }
}

/// Finds a log's folder; see [`Log::exists`].
pub(super) fn exists(disk: &dyn Disk, folder: &str) -> io::Result<bool> {
    let numbers = list_segments(disk, folder)?;
    if Tip::read(disk, folder).is_some() || numbers.iter().any(|number| *number > 1) {
        return Ok(true);
    }
    if numbers.is_empty() {
        return Ok(false);
    }
    // An interrupted creation leaves at most a part of the header.
    let files = unnamed_files(disk, folder);
    let segment = files(1)?;
    Ok(segment.any_header().is_ok() || segment.length > SEGMENT_HEADER_BYTES as u64)
}

/// Opens segments before the journal is known.
fn unnamed_files<'a>(disk: &'a dyn Disk, folder: &'a str) -> impl Fn(u32) -> io::Result<Segment> + 'a {
    move |number| {
        let path = path_in(folder, &segment_name(number));
        let file = disk.open(&path, OpenFile::Read)?;
        Ok(Segment {
            number,
            journal: JournalId([0; 16]),
            length: file.len()?,
            file,
        })
    }
}

/// Finds the journal's id in the headers from a segment on; the tip's id, if any header agrees with it.
fn find_journal(
    disk: &dyn Disk,
    folder: &str,
    (numbers, from): (&[u32], u32),
    tip: Option<Tip>,
) -> Result<JournalId, LogError> {
    let open = unnamed_files(disk, folder);
    let (later, earlier): (Vec<u32>, Vec<u32>) = numbers.iter().partition(|number| **number >= from);
    let mut first = None;
    let mut flaw = Flaw::Missing { last: 1 };
    for number in later.iter().chain(earlier.iter().rev()) {
        let header = open(*number)
            .map_err(|error| Flaw::from_io(&error))
            .and_then(|segment| segment.any_header());
        match header {
            Ok(header) if header.version > LOG_VERSION => {
                return Err(LogError::Newer {
                    path: path_in(folder, &segment_name(*number)),
                    found: header.version,
                    known: LOG_VERSION,
                });
            }
            Ok(header) if tip.is_none_or(|tip| tip.journal == header.journal) => return Ok(header.journal),
            Ok(header) => first = first.or(Some(header.journal)),
            Err(found) => flaw = found,
        }
    }
    first.or(tip.map(|tip| tip.journal)).ok_or_else(|| {
        LogError::Damaged(Damage {
            segment: numbers.first().copied().unwrap_or(1),
            from: 0,
            to: 0,
            at: 0,
            flaw,
            first_group: 1,
            next_group: None,
        })
    })
}

/// The result of the walk over the tail.
struct Tail {
    recovery: Recovery,
    /// The place of the next group; `None` if it needs a new segment.
    place: Option<(u32, u64)>,
    /// The torn bytes to cut, found in `recovery.cut` too.
    torn: Option<Damage>,
    last_segment: u32,
    /// False if the end is known from later bytes only, and its group is damaged.
    end_is_read: bool,
}

/// Opens a log; see [`Log::open_with`].
pub(super) fn open(
    disk: Arc<dyn Disk>,
    folder: &str,
    known: Known,
    access: LogAccess,
    options: LogOptions,
) -> Result<(Log, Recovery), LogError> {
    let failed = |source| LogError::Io {
        attempted: "look for a log in",
        path: folder.to_owned(),
        source,
    };
    if !exists(&*disk, folder).map_err(failed)? {
        return Err(LogError::Missing {
            folder: folder.to_owned(),
        });
    }
    let numbers = list_segments(&*disk, folder).map_err(failed)?;
    let (tip, has_tip) = (Tip::read(&*disk, folder), Tip::exists(&*disk, folder));
    let from = known.from.unwrap_or(LogPosition::START);
    let journal = find_journal(&*disk, folder, (&numbers, from.segment), tip)?;
    let generation = tip.map_or(0, |tip| tip.generation);
    let tip = tip.filter(|tip| tip.journal == journal).map(|tip| tip.position);
    let former = known.witness.filter(|(of, _)| *of == journal);
    let former = former.map(|(_, position)| position);
    let files = Files::new(disk, folder, journal);
    let mut tail = walk_tail(&files, from, tip, former)?;
    let end = tail.recovery.end;
    let knows_end = |position: LogPosition| position.group >= end.group;
    tail.recovery.is_confirmed =
        has_tip || end.group <= 1 || known.from.is_some_and(knows_end) || former.is_some_and(knows_end);
    let writer = match access {
        LogAccess::Read => None,
        LogAccess::Write => {
            // A group that a witness saw durable needs no second write.
            let witnessed = tip == Some(end) || from == end || !tail.end_is_read;
            settle(&files, &tail, witnessed)?;
            // A new tip would count as a confirmation at the next opening.
            let mut writer = if tail.recovery.is_confirmed {
                TipWriter::open(&*files.disk, folder, journal, generation)
            } else {
                TipWriter::without_file(journal)
            };
            // What knows of it now, the engine or its witness, may be gone at the next opening.
            let known_end = former.filter(|former| former.group > end.group).unwrap_or(end);
            if known_end.group > 0 && tip.is_none_or(|tip| tip.group < known_end.group) {
                writer.write(known_end);
                let _ = writer.file().map(|file| file.sync_data());
            }
            Some(Writer {
                place: tail.place,
                last_segment: tail.last_segment,
                end,
                file: None,
                tip: writer,
                stopped: None,
            })
        }
    };
    let beyond = tail.place.is_none().then(|| tail.recovery.damage.clone());
    let log = Log::assemble(files, options, writer, end, beyond.unwrap_or_default());
    Ok((log, tail.recovery))
}

/// Chooses the start: `from` if the log holds it, else the beginning of its segment.
fn begin<'a>(files: &'a Files, from: LogPosition) -> Result<(Walker<'a>, bool), LogError> {
    if from == LogPosition::START {
        return Ok((Walker::from_start(files, None)?, true));
    }
    if holds(files, from) {
        return Ok((Walker::after(files, from, None)?, true));
    }
    let numbers = files.numbers()?;
    let last = numbers.iter().copied().rfind(|number| *number <= from.segment);
    let walker = match last {
        Some(number) => Walker::from_segment(files, number)?,
        None => None,
    };
    match walker {
        Some(walker) => Ok((walker, false)),
        None => Ok((Walker::from_start(files, None)?, false)),
    }
}

/// Returns true if the log holds the group that ends at a position: the following bytes name it or, without
/// any, its own frame is there.
fn holds(files: &Files, position: LogPosition) -> bool {
    let Ok(segment) = files.segment(position.segment) else {
        return false;
    };
    if segment.length < position.offset {
        return false;
    }
    if let Some(previous) = named_by_next(files, &segment, position.offset) {
        return previous == position;
    }
    let own = read_head(&segment, position.group_offset());
    own.is_ok_and(|own| own.hash == position.hash && own.head.number == position.group)
}

/// Returns the position that the group or segment at an offset names as its predecessor.
fn named_by_next(files: &Files, segment: &Segment, offset: u64) -> Option<LogPosition> {
    if let Ok(next) = read_head(segment, offset) {
        return Some(next.head.previous);
    }
    if segment.length != offset {
        return None;
    }
    let next = files.segment(segment.number.checked_add(1)?).ok()?;
    Some(next.header().ok()?.previous)
}

/// A position that a witness shows to have been durable.
struct Seen {
    witness: Witness,
    position: LogPosition,
    /// The log holds another group of this number.
    differs: bool,
}

fn walk_tail(
    files: &Files,
    from: LogPosition,
    tip: Option<LogPosition>,
    former: Option<LogPosition>,
) -> Result<Tail, LogError> {
    let (mut walker, from_held) = begin(files, from)?;
    let mut damage = gaps_before(walker.numbers(), walker.place().0);
    // An unreadable tail is damage as soon as something valid follows it.
    let mut pending: Vec<Damage> = Vec::new();
    let mut buffer = Vec::new();
    let mut last_read = LogPosition::START;
    let seen = [(Witness::Former, former), (Witness::Tip, tip)];
    let seen = seen.into_iter().filter_map(|(witness, position)| {
        let position = position?;
        Some(Seen {
            witness,
            position,
            differs: from_held && position.group == from.group && position != from,
        })
    });
    let mut seen: Vec<Seen> = seen.collect();
    while let Some(step) = walker.next(std::mem::take(&mut buffer)) {
        match step {
            Step::Entered => damage.append(&mut pending),
            Step::Group(group) => {
                damage.append(&mut pending);
                for seen in &mut seen {
                    let position = seen.position;
                    seen.differs |= position.group == group.end.group && position != group.end;
                }
                last_read = group.end;
                buffer = group.into_buffer();
            }
            Step::Damaged(found) => {
                let proven = found.next_group.is_some();
                pending.push(found);
                if proven {
                    damage.append(&mut pending);
                }
            }
        }
    }
    let end = walker.at();
    let mut last_segment = walker.numbers().last().copied().unwrap_or(0);
    let lost = find_loss(end, from, from_held, &seen);
    let beyond = lost.is_some_and(|lost| lost.position.group > end.group);
    let mut place = Some(walker.place()).filter(|(number, offset)| *number > 0 && *offset != u64::MAX);
    let mut torn = None;
    match pending.as_slice() {
        [] => {}
        [only] if !beyond && is_torn(only, last_segment) => {
            torn = Some(only.clone());
            place = if only.from == 0 {
                // The header itself is torn: the file is removed, and the next group creates it again.
                last_segment -= 1;
                None
            } else {
                Some((only.segment, only.from))
            };
        }
        _ => {
            place = None;
            damage.append(&mut pending);
        }
    }
    let cut = torn.as_ref().map(|torn| CutTail {
        segment: torn.segment,
        from: torn.from,
        bytes: torn.to.saturating_sub(torn.from),
    });
    Ok(Tail {
        recovery: Recovery {
            end,
            cut,
            damage,
            tip,
            is_confirmed: true,
            lost,
        },
        place,
        torn,
        last_segment,
        end_is_read: last_read == end,
    })
}

/// Reports the segments that are missing before the one at which the walk begins.
fn gaps_before(numbers: &[u32], from: u32) -> Vec<Damage> {
    let mut gaps = Vec::new();
    let mut expected = 1;
    for number in numbers.iter().copied().take_while(|number| *number <= from) {
        if number != expected {
            gaps.push(Damage {
                segment: expected,
                from: 0,
                to: 0,
                at: 0,
                flaw: Flaw::Missing { last: number - 1 },
                first_group: 0,
                next_group: None,
            });
        }
        expected = number.saturating_add(1);
    }
    gaps
}

/// Returns true if a crash during an append explains the damage, so that it contains nothing acknowledged.
fn is_torn(damage: &Damage, last_segment: u32) -> bool {
    let header = SEGMENT_HEADER_BYTES as u64;
    damage.segment == last_segment
        && match damage.flaw {
            Flaw::Unreadable(_) | Flaw::Missing { .. } | Flaw::Version(_) => false,
            // A header is durable before a group is written behind it.
            _ => damage.from > 0 || damage.to <= header,
        }
}

fn find_loss(end: LogPosition, from: LogPosition, from_held: bool, seen: &[Seen]) -> Option<Lost> {
    let seen = seen
        .iter()
        .filter(|seen| seen.position.group > end.group || seen.differs);
    let seen = seen.map(|seen| (seen.witness, seen.position));
    let caller = (!from_held).then_some((Witness::Caller, from));
    let farthest = seen.chain(caller).max_by_key(|(_, position)| position.group)?;
    let (witness, position) = farthest;
    Some(Lost {
        witness,
        position,
        end,
    })
}

/// Cuts a torn tail, and makes the read bytes durable: the end may have been written without a sync, or its
/// sync may have failed.
fn settle(files: &Files, tail: &Tail, witnessed: bool) -> Result<(), LogError> {
    if let Some(torn) = &tail.torn
        && torn.from == 0
    {
        files.forget(torn.segment);
        let removed = files.disk.remove(&files.path(torn.segment));
        removed.map_err(failed(files, "remove", torn.segment))?;
    }
    let end = tail.recovery.end;
    if let Some((number, offset)) = tail.place {
        let opened = files.disk.open(&files.path(number), OpenFile::Write);
        let file = opened.map_err(failed(files, "open", number))?;
        if tail.torn.is_some() {
            file.set_len(offset).map_err(failed(files, "cut", number))?;
        }
        if !witnessed && end.segment == number {
            // After a failed sync the system may consider bytes written that are not on the disk. Equal bytes,
            // written again, get there.
            write_again(&*file, end).map_err(failed(files, "write the last group again to", number))?;
        }
        file.sync_data().map_err(failed(files, "sync", number))?;
    } else if tail.end_is_read && end.segment > 0 {
        // The next group goes to a new segment, but the last one may still be unsynced.
        let opened = files.disk.open(&files.path(end.segment), OpenFile::Write);
        let synced = opened.and_then(|file| file.sync_data());
        synced.map_err(failed(files, "sync", end.segment))?;
    }
    let synced = files.disk.sync_folder(&files.folder);
    synced.map_err(|source| LogError::Io {
        attempted: "sync the folder",
        path: files.folder.clone(),
        source,
    })
}

/// Writes a group's bytes over themselves.
fn write_again(file: &dyn DiskFile, group: LogPosition) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut at = group.group_offset();
    while at < group.offset {
        let left = usize::try_from(group.offset - at).unwrap_or(usize::MAX);
        let chunk = buffer.get_mut(..left.min(COPY_BYTES)).unwrap_or_default();
        file.read_exact_at(chunk, at)?;
        file.write_all_at(chunk, at)?;
        at += chunk.len() as u64;
    }
    Ok(())
}

fn failed(files: &Files, attempted: &'static str, number: u32) -> impl FnOnce(io::Error) -> LogError {
    let path = files.path(number);
    move |source| LogError::Io {
        attempted,
        path,
        source,
    }
}
