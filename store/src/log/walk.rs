//! Walks over groups, from any position, past damage. Every reader of many groups uses it.

use std::io;

use super::error::{Damage, Flaw, LogError};
use super::group::{RawGroup, read_group, read_head};
use super::position::LogPosition;
use super::segment::{Files, SEGMENT_HEADER_BYTES, Segment};

/// The next finding of the walk.
#[derive(Debug)]
pub(super) enum Step {
    /// A segment whose header is good.
    Entered,
    /// A verified group.
    Group(RawGroup),
    /// A stretch that differs from what was written. The walk continues behind it.
    Damaged(Damage),
}

/// Walks over groups in order.
pub(super) struct Walker<'a> {
    files: &'a Files,
    /// Segments that are there, ascending.
    numbers: Vec<u32>,
    /// The last group of the walk; `None` for the last one in the files.
    limit: Option<LogPosition>,
    /// The last group that the walk passed.
    at: LogPosition,
    /// The current segment; `None` before the first, or if it cannot be opened.
    segment: Option<Segment>,
    number: u32,
    offset: u64,
}

impl<'a> Walker<'a> {
    /// Begins before the first group.
    ///
    /// # Errors
    /// If the files cannot be listed.
    pub(super) fn from_start(files: &'a Files, limit: Option<LogPosition>) -> Result<Self, LogError> {
        let mut numbers = files.numbers()?;
        if let Some(limit) = limit {
            let (last, _) = limit_place(limit);
            numbers.retain(|number| *number <= last);
        }
        Ok(Self {
            files,
            numbers,
            limit,
            at: LogPosition::START,
            segment: None,
            number: 0,
            offset: 0,
        })
    }

    /// Begins after a group, without reading it.
    ///
    /// # Errors
    /// If the files cannot be listed.
    pub(super) fn after(
        files: &'a Files,
        position: LogPosition,
        limit: Option<LogPosition>,
    ) -> Result<Self, LogError> {
        let mut walker = Self::from_start(files, limit)?;
        if position != LogPosition::START {
            walker.at = position;
            walker.number = position.segment;
            walker.offset = position.offset;
            walker.segment = walker.open(position.segment).ok();
        }
        Ok(walker)
    }

    /// Begins at the first group of a segment, as its header states; `None` if the header is damaged.
    ///
    /// # Errors
    /// If the files cannot be listed.
    pub(super) fn from_segment(files: &'a Files, number: u32) -> Result<Option<Self>, LogError> {
        let mut walker = Self::from_start(files, None)?;
        let segment = walker.open(number).ok();
        let Some((segment, header)) = segment.and_then(|segment| {
            let header = segment.header().ok()?;
            Some((segment, header))
        }) else {
            return Ok(None);
        };
        walker.at = header.previous;
        walker.number = number;
        walker.offset = SEGMENT_HEADER_BYTES as u64;
        walker.segment = Some(segment);
        Ok(Some(walker))
    }

    /// Returns the last group that the walk passed.
    pub(super) fn at(&self) -> LogPosition {
        self.at
    }

    /// Returns the segment and offset of the walk.
    pub(super) fn place(&self) -> (u32, u64) {
        (self.number, self.offset)
    }

    /// Returns the segments that are there, ascending.
    pub(super) fn numbers(&self) -> &[u32] {
        &self.numbers
    }

    /// Advances by one step; returns `None` at the end. `buffer` is reused for a group's bytes.
    pub(super) fn next(&mut self, buffer: Vec<u8>) -> Option<Step> {
        let Some(segment) = self.segment.clone() else {
            // The segment of the given position is missing.
            if self.number != 0 && self.offset != u64::MAX {
                let flaw = match self.open(self.number) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Flaw::from_io(&error),
                    _ => Flaw::Missing { last: self.number },
                };
                return Some(self.leave(flaw));
            }
            return self.enter_next();
        };
        if self.offset == segment.length {
            return self.enter_next();
        }
        match read_group(&segment, self.offset, buffer) {
            Ok(group) if group.head.previous == self.at => {
                self.at = group.end;
                self.offset = group.end.offset;
                Some(Step::Group(group))
            }
            Ok(group) => {
                let damage = self.chain_damage(segment.number, self.offset, group.head.previous);
                Some(Step::Damaged(damage))
            }
            Err(wrong) => Some(Step::Damaged(self.skip(&segment, wrong.offset, wrong.flaw))),
        }
    }

    /// Skips from the current offset to the next group of the segment, or to its end.
    fn skip(&mut self, segment: &Segment, at: u64, flaw: Flaw) -> Damage {
        let (from, first_group) = (self.offset, self.at.group + 1);
        let found = segment.find_group(from.saturating_add(1));
        let (to, next) = match found {
            Some((offset, verified)) => (offset, Some(verified.head.previous)),
            // Nothing is left in this segment: the next one names its predecessor.
            None => (segment.length.max(from), self.next_header()),
        };
        self.offset = to;
        if found.is_none() {
            // Also if the file ends before the offset at which the walk began.
            self.segment = Some(Segment {
                length: to,
                ..segment.clone()
            });
        }
        if let Some(previous) = next {
            self.at = previous;
        }
        Damage {
            segment: segment.number,
            from,
            to,
            at,
            flaw,
            first_group,
            next_group: next.map(|previous| previous.group + 1),
        }
    }

    /// Gives up on the current segment, which cannot be opened.
    fn leave(&mut self, flaw: Flaw) -> Step {
        let first_group = self.at.group + 1;
        let next = self.next_header();
        if let Some(previous) = next {
            self.at = previous;
        }
        self.offset = u64::MAX;
        Step::Damaged(Damage {
            segment: self.number,
            from: 0,
            to: 0,
            at: 0,
            flaw,
            first_group,
            next_group: next.map(|previous| previous.group + 1),
        })
    }

    /// Uses the later bytes' statement about the group before them instead of what was read.
    fn chain_damage(&mut self, segment: u32, offset: u64, previous: LogPosition) -> Damage {
        let lost = previous.group > self.at.group;
        let damage = Damage {
            segment,
            from: offset,
            to: offset,
            at: offset,
            flaw: if lost { Flaw::Truncated } else { Flaw::Chain },
            first_group: self.at.group + 1,
            next_group: Some(previous.group + 1),
        };
        self.at = previous;
        damage
    }

    fn next_number(&self) -> Option<u32> {
        self.numbers.iter().copied().find(|number| *number > self.number)
    }

    /// Returns the predecessor that the next segment names, if it can be read; the limit if there is no next
    /// segment.
    fn next_header(&self) -> Option<LogPosition> {
        let Some(next) = self.next_number() else {
            return self.limit.filter(|limit| limit.group > self.at.group);
        };
        Some(self.open(next).ok()?.header().ok()?.previous)
    }

    fn enter_next(&mut self) -> Option<Step> {
        let Some(next) = self.next_number() else {
            let limit = self.limit.filter(|limit| *limit != self.at)?;
            let (number, offset) = (self.number.max(1), self.offset);
            return Some(Step::Damaged(self.chain_damage(number, offset, limit)));
        };
        if next - self.number > 1 {
            // Reports the whole gap at once; then the walk is before the segment that exists.
            let first = self.number + 1;
            self.segment = None;
            let before = self.at.group + 1;
            let previous = self.next_header();
            if let Some(previous) = previous {
                self.at = previous;
            }
            self.number = next - 1;
            self.offset = u64::MAX;
            return Some(Step::Damaged(Damage {
                segment: first,
                from: 0,
                to: 0,
                at: 0,
                flaw: Flaw::Missing { last: next - 1 },
                first_group: before,
                next_group: previous.map(|previous| previous.group + 1),
            }));
        }
        let segment = match self.open(next) {
            Ok(segment) => segment,
            Err(error) => {
                self.number = next;
                self.segment = None;
                return Some(self.leave(Flaw::from_io(&error)));
            }
        };
        match segment.header() {
            Ok(header) if header.previous != self.at => {
                let (number, offset) = (self.number.max(1), self.offset);
                Some(Step::Damaged(self.chain_damage(number, offset, header.previous)))
            }
            Ok(_) => {
                self.number = next;
                self.offset = SEGMENT_HEADER_BYTES as u64;
                self.segment = Some(segment);
                Some(Step::Entered)
            }
            Err(flaw) => Some(Step::Damaged(self.enter_damaged(segment, flaw))),
        }
    }

    /// Enters a segment with a damaged header. Its first group may still be valid.
    fn enter_damaged(&mut self, segment: Segment, flaw: Flaw) -> Damage {
        self.number = segment.number;
        self.offset = 0;
        let first = SEGMENT_HEADER_BYTES as u64;
        let damage = match read_head(&segment, first) {
            Ok(verified) => {
                let first_group = self.at.group + 1;
                self.at = verified.head.previous;
                self.offset = first;
                Damage {
                    segment: segment.number,
                    from: 0,
                    to: first,
                    at: 0,
                    flaw,
                    first_group,
                    next_group: Some(verified.head.number),
                }
            }
            Err(_) => self.skip(&segment, 0, flaw),
        };
        // `skip` may have set it, with the same length.
        self.segment = Some(segment);
        damage
    }

    fn open(&self, number: u32) -> io::Result<Segment> {
        let mut segment = self.files.segment(number)?;
        if let Some(limit) = self.limit {
            let (last, length) = limit_place(limit);
            if number == last {
                segment.length = segment.length.min(length);
            }
        }
        Ok(segment)
    }
}

/// Returns the segment and offset at which a walk up to a position ends.
fn limit_place(limit: LogPosition) -> (u32, u64) {
    if limit == LogPosition::START {
        return (1, SEGMENT_HEADER_BYTES as u64);
    }
    (limit.segment, limit.offset)
}
