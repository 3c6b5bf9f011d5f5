//! How much a peer is asked at once, and when: its open requests, and its rests after failures.

use starling_protocol::UnixMillis;

use crate::clock::later;
use crate::peer_score::backoff;
use crate::settings::Settings;

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
