//! How much a peer is asked at once, and when: its open requests, and its rests after failures.

use std::time::Duration;

use starling_protocol::UnixMillis;

use crate::clock::later;
use crate::peer_score::backoff;
use crate::settings::Settings;

/// Least time between two requests for a single delta to one peer: a quarter of what a peer allows by default.
const PROBE_GAP: Duration = Duration::from_millis(40);

/// The open requests of a peer, and its rests.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The number of open requests.
    open: usize,
    /// Pages of bodies among them.
    open_bodies: usize,
    /// Consecutive failures, and the end of the rest that follows.
    failures: u32,
    rests_until: UnixMillis,
    /// The time at which it may be asked for a single delta again.
    probe_due: UnixMillis,
}

impl Pace {
    pub(crate) fn opened(&mut self, is_bodies: bool) {
        self.open += 1;
        self.open_bodies += usize::from(is_bodies);
    }

    pub(crate) fn closed(&mut self, is_bodies: bool) {
        self.open = self.open.saturating_sub(1);
        self.open_bodies = self.open_bodies.saturating_sub(usize::from(is_bodies));
    }

    /// Notes that the peer is asked for a single delta. A search for the place where two branches part asks for
    /// thousands, and must stay far below what the peer allows.
    pub(crate) fn probed(&mut self, now: UnixMillis) {
        self.probe_due = later(now, PROBE_GAP);
    }

    /// Returns the time at which the peer may be asked for a single delta.
    pub(crate) fn probe_due(&self) -> UnixMillis {
        self.probe_due.max(self.rests_until)
    }

    /// Rests the peer, longer after each consecutive failure.
    pub(crate) fn failed(&mut self, now: UnixMillis, settings: &Settings, rng: &mut fastrand::Rng) {
        self.failures = self.failures.saturating_add(1);
        self.rests_until = later(now, backoff(self.failures, settings, rng));
    }

    pub(crate) fn worked(&mut self) {
        self.failures = 0;
    }

    /// Ends the rest at `time`, or earlier.
    pub(crate) fn rest_at_most_until(&mut self, time: UnixMillis) {
        self.rests_until = self.rests_until.min(time);
    }

    /// Ends the rest at `time`, or later.
    pub(crate) fn rest_at_least_until(&mut self, time: UnixMillis) {
        self.rests_until = self.rests_until.max(time);
    }

    pub(crate) fn rests_until(&self) -> UnixMillis {
        self.rests_until
    }

    pub(crate) fn rests(&self, now: UnixMillis) -> bool {
        self.rests_until > now
    }

    /// Returns true if the last request failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Returns true if the peer may be asked now.
    pub(crate) fn has_room(&self, now: UnixMillis, settings: &Settings) -> bool {
        !self.rests(now) && self.open < settings.requests_per_peer
    }

    /// Returns true if the peer may be asked for bodies now. A peer that failed shows with one page that it works again.
    pub(crate) fn has_room_for_bodies(&self, now: UnixMillis, settings: &Settings) -> bool {
        let most = if self.has_failed() {
            1
        } else {
            settings.body_pages_per_peer
        };
        self.has_room(now, settings) && self.open_bodies < most
    }

    /// Returns what peers are preferred by: the least comes first.
    pub(crate) fn rank(&self) -> (u32, usize) {
        (self.failures, self.open)
    }

    /// As [`rank`](Self::rank), for bodies.
    pub(crate) fn rank_for_bodies(&self) -> (u32, usize) {
        (self.failures, self.open_bodies)
    }
}
