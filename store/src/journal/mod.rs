//! The meaning of the log's entries: encodes, writes and replays them.
//!
//! `log` knows frames; this module knows their meaning. One change of the site is one group or several; each
//! group is durable before its rows reach the engine. [`replay`] applies the same entries to an engine that is
//! behind or empty.

pub(crate) mod apply;
pub(crate) mod codec;
mod entry;
pub(crate) mod replay;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use starling_protocol::UnixMillis;

pub use self::entry::EntryError;
pub(crate) use self::entry::{Entry, begins_a_site};
use crate::error::StoreError;
use crate::log::{Appended, Frame, FramePlace, Log};

/// Flag of a group that continues the change of the previous group.
pub(crate) const CONTINUES: u8 = 1;
/// Flag of a group without a snapshot: its history came with it.
pub(crate) const WITHOUT_HISTORY: u8 = 2;
/// Flag of a group whose change wrote a snapshot of the history in an earlier group.
pub(crate) const MOMENT_NOTED: u8 = 4;

/// A site's log, open for one purpose.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    log: Arc<Log>,
    mode: Mode,
    change: Arc<Mutex<Change>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Entries are appended.
    Live,
    /// A copy of the store: entries are thrown away, deltas of the log can be read.
    Trial,
    /// Nothing can be written.
    ReadOnly,
}

/// The current change.
#[derive(Debug, Clone, Copy, Default)]
struct Change {
    at: UnixMillis,
    flags: u8,
}

impl Journal {
    /// Appends entries to a log.
    pub(crate) fn live(log: Arc<Log>) -> Self {
        Self::with(log, Mode::Live)
    }

    /// Refuses every entry.
    pub(crate) fn read_only(log: Arc<Log>) -> Self {
        Self::with(log, Mode::ReadOnly)
    }

    /// Returns the journal of a copy of the store, which writes nothing.
    pub(crate) fn trial(&self) -> Self {
        Self::with(self.log.clone(), Mode::Trial)
    }

    fn with(log: Arc<Log>, mode: Mode) -> Self {
        Self {
            log,
            mode,
            change: Arc::default(),
        }
    }

    pub(crate) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Returns true on a copy of the store.
    pub(crate) fn is_trial(&self) -> bool {
        self.mode == Mode::Trial
    }

    /// Returns true if nothing can be written.
    pub(crate) fn is_read_only(&self) -> bool {
        self.mode == Mode::ReadOnly
    }

    /// Begins a change: groups from now on are of this time.
    pub(crate) fn begin(&self, at: UnixMillis) {
        *self.change.lock().unwrap_or_else(PoisonError::into_inner) = Change { at, flags: 0 };
    }

    /// Begins a change whose history comes with it.
    pub(crate) fn begin_without_history(&self, at: UnixMillis) {
        let flags = WITHOUT_HISTORY;
        *self.change.lock().unwrap_or_else(PoisonError::into_inner) = Change { at, flags };
    }

    /// Appends entries as one group, durably. Returns `None` on a copy, which keeps nothing. `notes_moment`
    /// states that a snapshot of the history follows from the group.
    ///
    /// # Errors
    /// [`StoreError::Log`] with nothing stored.
    pub(crate) fn append(
        &self,
        entries: &[Entry],
        notes_moment: bool,
    ) -> Result<Option<Appended>, StoreError> {
        match self.mode {
            Mode::Trial => return Ok(None),
            Mode::ReadOnly => return Err(StoreError::ReadOnly),
            Mode::Live => {}
        }
        let frames: Vec<Frame<'static>> = entries.iter().map(Entry::frame).collect();
        let mut change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let appended = self.log.append(change.at, change.flags, &frames)?;
        change.flags |= CONTINUES;
        if notes_moment {
            change.flags |= MOMENT_NOTED;
        }
        Ok(Some(appended))
    }

    /// Notes that a snapshot of the history followed from the last group.
    pub(crate) fn moment_noted(&self) {
        let mut change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        change.flags |= MOMENT_NOTED;
    }

    /// Reads the bytes of a placed delta.
    ///
    /// # Errors
    /// [`StoreError::Log`] that names the frame if it is damaged.
    pub(crate) fn delta(&self, place: &FramePlace) -> Result<Vec<u8>, StoreError> {
        let frame = self.log.read(place)?;
        match Entry::decode(&frame, place.sequence) {
            Ok(Some(Entry::Delta { bytes, .. })) => Ok(bytes),
            Ok(_) => Err(StoreError::Entry(EntryError::Unreadable {
                kind: frame.kind.0,
                sequence: place.sequence,
            })),
            Err(error) => Err(StoreError::Entry(error)),
        }
    }
}
