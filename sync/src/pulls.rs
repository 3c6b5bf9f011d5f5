//! The logs to pull, as state. `pull` decides whom to ask, and takes the answers.
//!
//! | state | event | next state | also |
//! |---|---|---|---|
//! | none | a peer holds more of the log, or another history | waits | |
//! | waits | the store takes more, and a peer that has more is free | asks | requests one page |
//! | waits | nobody holds more | none | |
//! | asks | refusal, failure, time-out, the peer leaves | waits | |
//! | asks | a page that does not answer the request | waits | violation |
//! | asks | a page | writes | queues an append |
//! | writes | the peer leaves, others answer, the log changes | writes | |
//! | writes | appended, or the store failed | waits | accepts; a pause for the peer if its page could not be taken |

use std::collections::BTreeMap;

use starling_protocol::{ClaimNumber, PublicKey, UnixMillis};

use crate::LogKey;

/// The current step of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Step {
    /// It asks when a peer can give more.
    #[default]
    Waits,
    /// A peer is asked for a page.
    Asks,
    /// A page is being written, or its write is queued.
    Writes,
}

/// A log for which some peer holds more than this site.
#[derive(Debug, Default)]
struct Pull {
    step: Step,
    /// Peers whose deltas of this log could not be taken. Each has its own pause: one peer's bad deltas must
    /// not keep this site from asking the others.
    paused: BTreeMap<PublicKey, Pause>,
    /// The peer that has another delta with a claim than the one held here: that delta proves the fork.
    diverges: Option<(PublicKey, ClaimNumber)>,
}

/// The pause of a peer for a log, and the number of consecutive pauses.
#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    until: UnixMillis,
    failures: u32,
}

/// All pulls.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    logs: BTreeMap<LogKey, Pull>,
}

impl Pulls {
    pub(crate) fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    pub(crate) fn contains(&self, log: LogKey) -> bool {
        self.logs.contains_key(&log)
    }

    /// Pulls a log from now on.
    pub(crate) fn begin(&mut self, log: LogKey) {
        self.logs.entry(log).or_default();
    }

    /// Ends the pull of a log that nobody holds more of, unless it is asked for or written.
    pub(crate) fn end(&mut self, log: LogKey) {
        let is_idle = |pull: &Pull| pull.step == Step::Waits && pull.diverges.is_none();
        if self.logs.get(&log).is_some_and(is_idle) {
            self.logs.remove(&log);
        }
    }

    /// Returns the number of logs that are asked for or written.
    pub(crate) fn active(&self) -> usize {
        let active = |pull: &&Pull| pull.step != Step::Waits;
        self.logs.values().filter(active).count()
    }

    /// Returns the logs of which a page may be requested.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = LogKey> {
        let waiting = self.logs.iter().filter(|(_, pull)| pull.step == Step::Waits);
        waiting.map(|(log, _)| *log)
    }

    pub(crate) fn waits(&mut self, log: LogKey) {
        if let Some(pull) = self.logs.get_mut(&log) {
            pull.step = Step::Waits;
        }
    }

    pub(crate) fn asks(&mut self, log: LogKey) {
        self.logs.entry(log).or_default().step = Step::Asks;
    }

    pub(crate) fn writes(&mut self, log: LogKey) {
        self.logs.entry(log).or_default().step = Step::Writes;
    }

    /// Returns the peer, and the claim, that prove a fork of a log.
    pub(crate) fn probe(&self, log: LogKey) -> Option<(PublicKey, ClaimNumber)> {
        self.logs.get(&log)?.diverges
    }

    /// Records that a peer has another delta with a claim than the one held here.
    pub(crate) fn diverges(&mut self, log: LogKey, peer: PublicKey, number: ClaimNumber) {
        self.logs.entry(log).or_default().diverges = Some((peer, number));
    }

    pub(crate) fn end_probe(&mut self, log: LogKey) {
        if let Some(pull) = self.logs.get_mut(&log) {
            pull.diverges = None;
        }
    }

    /// Returns the end of a peer's pause for a log.
    pub(crate) fn pause_of(&self, log: LogKey, peer: &PublicKey) -> UnixMillis {
        let pause = self.logs.get(&log).and_then(|pull| pull.paused.get(peer));
        pause.map_or(UnixMillis::EPOCH, |pause| pause.until)
    }

    /// Pauses a peer for a log. `until` returns the end from the number of consecutive pauses.
    pub(crate) fn pause(&mut self, log: LogKey, peer: PublicKey, until: impl FnOnce(u32) -> UnixMillis) {
        if let Some(pull) = self.logs.get_mut(&log) {
            let pause = pull.paused.entry(peer).or_default();
            pause.failures = pause.failures.saturating_add(1);
            pause.until = until(pause.failures);
        }
    }

    /// Ends a peer's pause for a log, because it gave something.
    pub(crate) fn end_pause(&mut self, log: LogKey, peer: &PublicKey) {
        if let Some(pull) = self.logs.get_mut(&log) {
            pull.paused.remove(peer);
        }
    }

    /// Ends all pauses for a log, because it can be verified further.
    pub(crate) fn end_pauses(&mut self, log: LogKey) {
        if let Some(pull) = self.logs.get_mut(&log) {
            pull.paused.clear();
        }
    }

    pub(crate) fn peer_left(&mut self, peer: &PublicKey) {
        for pull in self.logs.values_mut() {
            pull.paused.remove(peer);
        }
    }
}
