//! A store that has to be opened again: its engine stopped after a failure, or it was opened read-only on a full
//! disk that has room again.
//!
//! An engine that failed in the middle of a write is not trusted any more, so every call on it fails until the
//! store is opened again (`starling_store::engine`). Its rows follow the log, so the opening loses nothing. The
//! daemon does this by itself: nobody has to restart it after a full disk.

use std::time::{Duration, Instant};

use starling_store::disk::{Disk, FolderDisk};

use crate::home::error_chain;
use crate::service::{Site, SiteParts};

/// Interval between checks of the store: each reads one row, or the disk's free space.
const LOOK: Duration = Duration::from_secs(1);
/// Free bytes for which a read-only store is opened again: the reserves of log and engine, and as much again.
const ENOUGH_BYTES: u64 = 80 << 20;
/// Longest pause between two openings of a store that stops again and again.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// An opening after which the store worked for so long was not in vain.
const SETTLED: Duration = Duration::from_secs(600);

/// The openings of one daemon, with growing pauses between those that follow each other soon.
#[derive(Debug)]
pub(super) struct Openings {
    in_a_row: u32,
    last: Instant,
}

impl Openings {
    /// Begins with the first opening.
    pub(super) fn first(now: Instant) -> Self {
        Self {
            in_a_row: 0,
            last: now,
        }
    }

    /// Records that the store is opened again.
    pub(super) fn again(&mut self, now: Instant) {
        let settled = now.saturating_duration_since(self.last) >= SETTLED;
        self.in_a_row = if settled {
            1
        } else {
            self.in_a_row.saturating_add(1)
        };
        self.last = now;
    }

    /// Returns the earliest time of the next opening.
    fn next_at(&self) -> Instant {
        let pause = match self.in_a_row {
            0 => Duration::ZERO,
            again => Duration::from_secs(1 << again.min(6)).min(MAX_PAUSE),
        };
        self.last + pause
    }
}

/// Waits until the store has to be opened again, and returns why. Never ends while the store is well.
pub(super) async fn store_to_reopen(site: Site, openings: &Openings) -> String {
    let not_before = openings.next_at();
    loop {
        tokio::time::sleep(LOOK).await;
        if Instant::now() < not_before {
            continue;
        }
        let parts = site.0.clone();
        let looked = tokio::task::spawn_blocking(move || reason_to_reopen(&parts)).await;
        if let Ok(Some(reason)) = looked {
            return reason;
        }
    }
}

fn reason_to_reopen(parts: &SiteParts) -> Option<String> {
    if parts.data.store.is_read_only() {
        let free = FolderDisk::new(parts.identity.home.path())
            .free_bytes()
            .ok()
            .flatten()?;
        return (free >= ENOUGH_BYTES).then(|| "the disk has room again".to_owned());
    }
    let stopped = parts.data.store.engine_stop()?;
    Some(error_chain(&stopped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_that_follow_each_other_wait_longer_and_longer() {
        let start = Instant::now();
        let mut openings = Openings::first(start);
        assert_eq!(openings.next_at(), start, "the first failure is mended at once");
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            now = openings.next_at();
            openings.again(now);
            pauses.push((openings.next_at() - now).as_secs());
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        openings.again(now + SETTLED);
        assert_eq!(openings.next_at(), now + SETTLED + Duration::from_secs(2));
    }
}
