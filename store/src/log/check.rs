//! Checks the log: reads every frame of every segment.

use std::ops::ControlFlow;

use super::Log;
use super::error::{Damage, LogError};
use super::walk::{Step, Walker};

/// Counts the data that a check read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCheck {
    /// Segments whose header is good.
    pub segments: u64,
    /// Valid groups.
    pub groups: u64,
    /// Frames in valid groups, group frames left out.
    pub frames: u64,
    /// Bytes of valid groups.
    pub bytes: u64,
    /// Damaged stretches.
    pub damaged: u64,
}

impl Log {
    /// Reads every frame up to the log's current end and reports every damaged stretch.
    ///
    /// # Errors
    /// If the folder cannot be listed. Damage is not an error here.
    pub fn check(&self, visit: &mut dyn FnMut(Damage)) -> Result<LogCheck, LogError> {
        self.check_at_pace(visit, &mut |_| ControlFlow::Continue(()))
    }

    /// Checks like [`check`](Self::check), as fast as `pace` allows.
    ///
    /// `pace` gets the number of bytes read since its last call. It may wait, and ends the check by breaking.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_at_pace(
        &self,
        visit: &mut dyn FnMut(Damage),
        pace: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<LogCheck, LogError> {
        let end = self.end();
        let mut check = LogCheck::default();
        let mut report = |check: &mut LogCheck, damage| {
            check.damaged += 1;
            visit(damage);
        };
        let mut walker = Walker::from_start(&self.files, Some(end))?;
        let mut buffer = Vec::new();
        while let Some(step) = walker.next(std::mem::take(&mut buffer)) {
            let read = match step {
                Step::Entered => {
                    check.segments += 1;
                    0
                }
                Step::Group(group) => {
                    let bytes = u64::from(group.end.length);
                    check.groups += 1;
                    check.frames += u64::from(group.head.frames);
                    check.bytes += bytes;
                    buffer = group.into_buffer();
                    bytes
                }
                Step::Damaged(damage) => {
                    let bytes = damage.to.saturating_sub(damage.from);
                    report(&mut check, damage);
                    bytes
                }
            };
            if pace(read).is_break() {
                return Ok(check);
            }
        }
        let limit = (end.segment, end.offset);
        for damage in &self.beyond {
            if (damage.segment, damage.from) >= limit {
                report(&mut check, damage.clone());
            }
        }
        Ok(check)
    }
}
