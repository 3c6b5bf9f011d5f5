//! Scores peers: strikes that fade, lock-outs that grow, and limits on message rates.

use std::collections::BTreeMap;
use std::time::Duration;

use starling_protocol::{PublicKey, UnixMillis};

use crate::clock::{later, span};
use crate::limits::MAX_PEER_SCORES;
use crate::settings::Settings;

/// Longest lock-out.
const LONGEST_LOCK_OUT: Duration = Duration::from_secs(3_600);
/// Lock-outs after which the time no longer doubles.
const MOST_DOUBLINGS: u32 = 6;
/// Time without a violation after which one lock-out is forgotten, so that an occasionally slow site is not
/// treated like one that always misbehaves.
const LOCK_OUT_LIFETIME: Duration = Duration::from_secs(6 * 3_600);

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    strikes: u32,
    counted_at: UnixMillis,
    lock_outs: u32,
    locked_until: UnixMillis,
}

/// The scores of peers, kept after they leave.
#[derive(Debug, Default)]
pub(crate) struct PeerScores {
    records: BTreeMap<PublicKey, Record>,
}

impl PeerScores {
    /// Returns the end of a peer's lock-out, if it is locked out.
    pub(crate) fn locked_until(&self, peer: &PublicKey, now: UnixMillis) -> Option<UnixMillis> {
        let until = self.records.get(peer)?.locked_until;
        (until > now).then_some(until)
    }

    /// Counts strikes. Returns the end of the lock-out if there are too many.
    pub(crate) fn strike(
        &mut self,
        peer: PublicKey,
        weight: u32,
        now: UnixMillis,
        settings: &Settings,
    ) -> Option<Duration> {
        self.make_room(now);
        let record = self.records.entry(peer).or_default();
        let lifetime = settings.strike_lifetime.as_millis().max(1);
        let faded = span(record.counted_at, now).as_millis() / lifetime;
        let left = record
            .strikes
            .saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX));
        let quiet = span(record.counted_at, now).as_secs() / LOCK_OUT_LIFETIME.as_secs();
        let forgotten = u32::try_from(quiet).unwrap_or(u32::MAX);
        record.lock_outs = record.lock_outs.saturating_sub(forgotten);
        record.strikes = left.saturating_add(weight);
        record.counted_at = now;
        if record.strikes < settings.strikes_allowed {
            return None;
        }
        let time = settings.cool_down * (1 << record.lock_outs.min(MOST_DOUBLINGS));
        let time = time.min(LONGEST_LOCK_OUT);
        record.lock_outs = record.lock_outs.saturating_add(1);
        record.strikes = 0;
        record.locked_until = later(now, time);
        Some(time)
    }

    /// Drops the oldest record without a lock-out, so that memory stays bounded.
    fn make_room(&mut self, now: UnixMillis) {
        if self.records.len() < MAX_PEER_SCORES {
            return;
        }
        let free = |record: &Record| (record.locked_until > now, record.counted_at);
        let oldest = self
            .records
            .iter()
            .min_by_key(|(_, record)| free(record))
            .map(|(peer, _)| *peer);
        if let Some(oldest) = oldest {
            self.records.remove(&oldest);
        }
    }
}

/// A token bucket: a burst of messages at once, and a number of messages per second on average.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    /// Thousandths of a message.
    left: u64,
    filled_at: UnixMillis,
}

impl Bucket {
    pub(crate) fn full(now: UnixMillis, burst: u32) -> Self {
        Self {
            left: u64::from(burst) * 1_000,
            filled_at: now,
        }
    }

    /// Takes one message from the bucket, if any is left.
    pub(crate) fn take(&mut self, now: UnixMillis, per_second: u32, burst: u32) -> bool {
        let millis = now.as_millis().saturating_sub(self.filled_at.as_millis());
        let gained = millis.saturating_mul(u64::from(per_second));
        self.left = self.left.saturating_add(gained).min(u64::from(burst) * 1_000);
        self.filled_at = now;
        let enough = self.left >= 1_000;
        if enough {
            self.left -= 1_000;
        }
        enough
    }
}

/// Returns the pause after `failures` consecutive failures: doubling, plus up to a quarter of seeded jitter.
pub(crate) fn backoff(failures: u32, settings: &Settings, rng: &mut fastrand::Rng) -> Duration {
    let doubled = settings.first_backoff * (1 << failures.saturating_sub(1).min(16));
    let pause = doubled.min(settings.longest_backoff);
    let quarter = u64::try_from(pause.as_millis() / 4).unwrap_or(0);
    pause + Duration::from_millis(rng.u64(0..=quarter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> PublicKey {
        starling_protocol::SigningKey::from_seed(&[1; 32]).public()
    }

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis::saturating(seconds * 1_000)
    }

    #[test]
    fn strikes_fade_and_repeated_lock_outs_grow() {
        let settings = Settings::default();
        let mut peer_score = PeerScores::default();
        assert_eq!(peer_score.strike(peer(), 9, at(0), &settings), None);
        assert_eq!(
            peer_score.strike(peer(), 9, at(600), &settings),
            None,
            "nine faded"
        );
        let first = peer_score.strike(peer(), 9, at(601), &settings).unwrap();
        assert_eq!(
            peer_score.locked_until(&peer(), at(602)),
            Some(later(at(601), first))
        );
        assert_eq!(peer_score.locked_until(&peer(), at(10_000)), None);
        let second = peer_score.strike(peer(), 10, at(10_000), &settings).unwrap();
        assert_eq!(second, first * 2);
        let mut last = second;
        for round in 0..20 {
            last = peer_score
                .strike(peer(), 10, at(20_000 + round), &settings)
                .unwrap();
        }
        assert_eq!(last, LONGEST_LOCK_OUT);
    }

    #[test]
    fn lock_outs_are_forgotten_in_quiet_times() {
        let settings = Settings::default();
        let mut peer_score = PeerScores::default();
        let mut lock_out = |seconds| peer_score.strike(peer(), 10, at(seconds), &settings).unwrap();
        let first = lock_out(0);
        assert_eq!(lock_out(10_000), first * 2);
        assert_eq!(lock_out(20_000), first * 4);
        let quarter = LOCK_OUT_LIFETIME.as_secs();
        assert_eq!(lock_out(20_000 + quarter), first * 4, "one of three is forgotten");
        assert_eq!(lock_out(20_000 + 20 * quarter), first, "all are");
    }

    #[test]
    fn bucket_allows_burst_then_rate() {
        let mut bucket = Bucket::full(at(0), 3);
        let taken = (0..10).filter(|_| bucket.take(at(0), 2, 3)).count();
        assert_eq!(taken, 3);
        let taken = (0..10).filter(|_| bucket.take(at(1), 2, 3)).count();
        assert_eq!(taken, 2);
        let taken = (0..10).filter(|_| bucket.take(at(1_000), 2, 3)).count();
        assert_eq!(taken, 3, "never more than the burst");
    }
}
