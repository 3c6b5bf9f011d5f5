//! Ranges of logs: built from deltas in log order, and checked against them.

use crate::cursor::ClaimNumber;
use crate::delta::{DeltaHash, DeltaHeader};

use super::error::{BundleError, BundleWriteError, FrameRef};
use super::manifest::LogRange;

/// Collects the ranges of a run of delta headers, which come sorted by (site, lane, number).
#[derive(Debug, Default)]
pub struct RangeBuilder {
    ranges: Vec<LogRange>,
}

impl RangeBuilder {
    /// Adds the next delta.
    ///
    /// # Errors
    /// [`BundleWriteError::DeltaOrder`] if the header neither follows the last one nor begins a later log.
    pub fn push(&mut self, header: &DeltaHeader) -> Result<(), BundleWriteError> {
        let log = (header.site, header.lane);
        let refused = BundleWriteError::DeltaOrder {
            site: header.site,
            lane: header.lane,
            found: header.first,
        };
        let before = match self.ranges.last_mut() {
            Some(range) if (range.site, range.lane) == log => {
                if header.first.0 != range.last.0 + 1 || header.previous != range.last_header {
                    return Err(refused);
                }
                range.last = header.last();
                range.last_header = header.hash();
                range.last_time = header.time;
                return Ok(());
            }
            Some(range) => Some((range.site, range.lane)),
            None => None,
        };
        if before.is_some_and(|before| before > log) {
            return Err(refused);
        }
        self.ranges.push(LogRange {
            site: header.site,
            lane: header.lane,
            after: ClaimNumber(header.first.0.saturating_sub(1)),
            after_header: header.previous,
            last: header.last(),
            last_header: header.hash(),
            last_time: header.time,
        });
        Ok(())
    }

    /// Returns the ranges, sorted by (site, lane).
    #[must_use]
    pub fn ranges(&self) -> &[LogRange] {
        &self.ranges
    }

    pub(super) fn finish(self) -> Vec<LogRange> {
        self.ranges
    }
}

/// Follows the ranges of a manifest delta by delta.
#[derive(Debug, Default)]
pub(super) struct RangeCheck {
    /// The range being filled.
    current: usize,
    /// The position reached in that range, after its first delta.
    position: Option<(ClaimNumber, DeltaHash)>,
}

impl RangeCheck {
    /// Checks the next delta, and returns the index of its range.
    pub(super) fn push(
        &mut self,
        ranges: &[LogRange],
        header: &DeltaHeader,
        frame: FrameRef,
    ) -> Result<usize, BundleError> {
        let refuse = |problem| {
            Err(BundleError::Range {
                frame,
                site: header.site,
                lane: header.lane,
                number: header.first,
                problem,
            })
        };
        let Some(range) = ranges.get(self.current) else {
            return refuse("the manifest lists no more deltas");
        };
        if (header.site, header.lane) != (range.site, range.lane) {
            return refuse("the manifest lists another log here");
        }
        let (number, hash) = self.position.unwrap_or((range.after, range.after_header));
        if header.first.0 != number.0.saturating_add(1) || header.previous != hash {
            return refuse("it does not follow the delta before it");
        }
        let (last, hash) = (header.last(), header.hash());
        let index = self.current;
        if last < range.last {
            self.position = Some((last, hash));
        } else if last == range.last && hash == range.last_header && header.time == range.last_time {
            self.position = None;
            self.current += 1;
        } else {
            return refuse("the manifest lists another end of this log");
        }
        Ok(index)
    }

    /// Checks after the last delta that every range is full.
    pub(super) fn finish(&self, ranges: &[LogRange], frame: FrameRef) -> Result<(), BundleError> {
        let Some(range) = ranges.get(self.current) else {
            return Ok(());
        };
        Err(BundleError::Range {
            frame,
            site: range.site,
            lane: range.lane,
            number: self.position.map_or(range.after, |(number, _)| number),
            problem: "the deltas end before the range that the manifest lists",
        })
    }
}
