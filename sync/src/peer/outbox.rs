//! The notes about logs that this site sends to a peer: which ones the peer confirmed, which are to be sent, and
//! when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use starling_protocol::UnixMillis;

use crate::LogKey;
use crate::clock::later;
use crate::limits::MAX_NOTES;
use crate::wire::LogNote;

/// The reports to one peer.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// This site's last statements that the peer confirmed.
    confirmed: BTreeMap<LogKey, LogNote>,
    /// Logs to report, and the time of the report.
    waiting: BTreeSet<LogKey>,
    due: Option<UnixMillis>,
    /// True while a report is not answered.
    is_open: bool,
    last_sent: UnixMillis,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            confirmed: BTreeMap::new(),
            waiting: BTreeSet::new(),
            due: None,
            is_open: false,
            last_sent: UnixMillis::EPOCH,
        }
    }
}

impl Outbox {
    /// Plans to report a log at `due` or before.
    pub(crate) fn plan(&mut self, log: LogKey, due: UnixMillis) {
        self.waiting.insert(log);
        self.due = Some(self.due.map_or(due, |planned| planned.min(due)));
    }

    /// Returns true if the peer confirmed this statement last.
    pub(crate) fn is_confirmed(&self, note: &LogNote) -> bool {
        self.confirmed.get(&(note.site, note.lane)) == Some(note)
    }

    pub(crate) fn confirm(&mut self, notes: &[LogNote]) {
        let notes = notes.iter().map(|note| ((note.site, note.lane), *note));
        self.confirmed.extend(notes);
    }

    /// Returns true if a report is due, and the one before it was answered.
    pub(crate) fn is_due(&self, now: UnixMillis) -> bool {
        self.wakes().is_some_and(|due| due <= now)
    }

    /// Returns the time of the next report, if the one before it was answered.
    pub(crate) fn wakes(&self) -> Option<UnixMillis> {
        self.due.filter(|_| !self.is_open)
    }

    pub(crate) fn delay(&mut self, until: UnixMillis) {
        self.due = Some(until);
    }

    /// Returns the earliest time for another report.
    pub(crate) fn next_after(&self, gap: Duration) -> UnixMillis {
        later(self.last_sent, gap)
    }

    /// Takes the logs of the next report: those that are not `confirmed`, at most [`MAX_NOTES`]. The rest follows
    /// after `gap`.
    pub(crate) fn take(
        &mut self,
        now: UnixMillis,
        gap: Duration,
        note_of: impl Fn(LogKey) -> LogNote,
    ) -> Vec<LogKey> {
        let mut logs = std::mem::take(&mut self.waiting);
        logs.retain(|log| !self.is_confirmed(&note_of(*log)));
        if let Some(first_left) = logs.iter().nth(MAX_NOTES).copied() {
            self.waiting = logs.split_off(&first_left);
        }
        self.due = (!self.waiting.is_empty()).then(|| later(now, gap));
        logs.into_iter().collect()
    }

    pub(crate) fn sent(&mut self, now: UnixMillis) {
        self.last_sent = now;
        self.is_open = true;
    }

    pub(crate) fn closed(&mut self) {
        self.is_open = false;
    }
}
