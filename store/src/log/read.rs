//! Reads one frame by its place, and groups in order.

use super::Log;
use super::error::{Damage, Flaw, LogError};
use super::frame::{FRAME_HEADER_BYTES, FrameHeader, FramePlace, MAX_PAYLOAD_BYTES, OwnedFrame, Reader};
use super::group::{Group, owned};
use super::position::LogPosition;
use super::segment::Segment;
use super::walk::{Step, Walker};

impl Log {
    /// Reads one frame and verifies it.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if the frame is not there as it was written.
    pub fn read(&self, place: &FramePlace) -> Result<OwnedFrame, LogError> {
        let segment = match self.files.segment(place.segment) {
            Ok(segment) => segment,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let last = place.segment;
                return Err(frame_damage(place, Flaw::Missing { last }));
            }
            Err(source) => {
                return Err(LogError::Io {
                    attempted: "open",
                    path: self.files.path(place.segment),
                    source,
                });
            }
        };
        read_frame(&segment, place).map_err(|flaw| frame_damage(place, flaw))
    }

    /// Reads the groups after a position, in order, up to the log's current end. Ends with the first error.
    pub fn groups(&self, after: LogPosition) -> Groups<'_> {
        Groups::new(self, after, false)
    }

    /// Reads the groups after a position like [`groups`](Self::groups), and continues after damage.
    ///
    /// Each damaged stretch is one [`LogError::Damaged`].
    pub fn groups_past_damage(&self, after: LogPosition) -> Groups<'_> {
        Groups::new(self, after, true)
    }
}

fn read_frame(segment: &Segment, place: &FramePlace) -> Result<OwnedFrame, Flaw> {
    if place.length > MAX_PAYLOAD_BYTES {
        return Err(Flaw::TooLong {
            found: place.length.into(),
            limit: MAX_PAYLOAD_BYTES.into(),
        });
    }
    let (needed, offset) = (
        FRAME_HEADER_BYTES as u64 + u64::from(place.length),
        u64::from(place.offset),
    );
    let left = segment.length.saturating_sub(offset);
    if left < needed {
        return Err(Flaw::Cut { needed, left });
    }
    let mut bytes = vec![0; FRAME_HEADER_BYTES + place.length as usize];
    segment.read(&mut bytes, offset)?;
    let header = FrameHeader::decode(&Reader(&bytes).take())?;
    if header.length != place.length {
        return Err(Flaw::Group("length"));
    }
    let payload = bytes.split_off(FRAME_HEADER_BYTES);
    header.verify(&payload, segment.binding(offset))?;
    if header.sequence != place.sequence {
        return Err(Flaw::Sequence {
            expected: place.sequence,
            found: header.sequence,
        });
    }
    Ok(owned(&header, payload))
}

fn frame_damage(place: &FramePlace, flaw: Flaw) -> LogError {
    let from = u64::from(place.offset);
    LogError::Damaged(Damage {
        segment: place.segment,
        from,
        to: from + FRAME_HEADER_BYTES as u64 + u64::from(place.length),
        at: from,
        flaw,
        first_group: 0,
        next_group: None,
    })
}

/// Iterates over groups, one in memory at a time.
pub struct Groups<'a> {
    walker: Option<Walker<'a>>,
    failed: Option<LogError>,
    past_damage: bool,
    done: bool,
}

impl<'a> Groups<'a> {
    fn new(log: &'a Log, after: LogPosition, past_damage: bool) -> Self {
        let end = log.end();
        let (walker, failed) = match Walker::after(&log.files, after, Some(end)) {
            Ok(walker) => (Some(walker), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            walker,
            failed,
            past_damage,
            // Nothing follows the end, even if that is the start.
            done: after == end,
        }
    }
}

impl Iterator for Groups<'_> {
    type Item = Result<Group, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.done = true;
            return Some(Err(error));
        }
        let walker = self.walker.as_mut().filter(|_| !self.done)?;
        loop {
            match walker.next(Vec::new()) {
                Some(Step::Entered) => {}
                Some(Step::Group(group)) => return Some(Ok(group.into_group())),
                Some(Step::Damaged(damage)) => {
                    self.done = !self.past_damage;
                    return Some(Err(LogError::Damaged(damage)));
                }
                None => {
                    self.done = true;
                    return None;
                }
            }
        }
    }
}
