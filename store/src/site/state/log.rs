//! One log in memory: its tip, its positions, and the bodies that it waits for.

use std::collections::BTreeMap;

use starling_protocol::{
    ClaimKey, ClaimNumber, ContentHash, Cursor, DeltaHash, ForkProof, Head, Lane, LogState, LogTip, SiteId,
    Source, UnixMillis, VerifiedHead,
};

use crate::deltas::branch::Vouched;
use crate::rows::{LogNumber, SourceRow, take_u64};
use crate::site::shared_map::SharedMap;

/// One log: its author and its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogId {
    /// The author.
    pub site: SiteId,
    /// The lane.
    pub lane: Lane,
}

/// A body that a live claim in scope names and that is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) hash: ContentHash,
    pub(crate) size: u32,
    pub(crate) key: ClaimKey,
}

/// One log in memory.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) number: LogNumber,
    pub(crate) tip: LogTip,
    pub(crate) sources: BTreeMap<Option<Source>, SourceRow>,
    pub(crate) head: Option<VerifiedHead>,
    /// On a copy restored to an earlier snapshot: the checks in the head of that time.
    pub(crate) checks_then: Option<BTreeMap<Source, UnixMillis>>,
    pub(crate) fork: Option<ForkProof>,
    /// A head of the author that names another delta than the one held for its number.
    pub(crate) rival: Option<VerifiedHead>,
    /// The claim up to which the log is known to go, because of data that was lost here.
    pub(crate) witnessed: ClaimNumber,
    /// The claim up to which that is so because a branch was given up, and not because of a repair.
    pub(crate) replaced: ClaimNumber,
    /// The earliest delta known to be on the branch that the newest certificate names, while the held one is another.
    pub(crate) vouched: Option<Vouched>,
    /// The reason why an accepted position lags, other than missing bodies: an unknown critical claim.
    pub(crate) hold: Option<String>,
    /// Missing bodies by the claim that names them. Change it through [`State`], which keeps an index.
    pub(crate) wanted: SharedMap<ClaimNumber, Wanted>,
    /// The reasons why bodies for some of them were refused.
    pub(crate) refused: BTreeMap<ClaimNumber, String>,
    /// The number of them for each source that has any.
    pub(super) wanted_of: BTreeMap<Option<Source>, usize>,
    /// The newest check of each source that was backed, as far as it was seen since the start.
    backed: BTreeMap<Source, UnixMillis>,
}

impl Log {
    pub(crate) fn new(number: LogNumber) -> Self {
        Self {
            number,
            tip: LogTip::default(),
            sources: BTreeMap::new(),
            head: None,
            checks_then: None,
            fork: None,
            rival: None,
            witnessed: ClaimNumber::NONE,
            replaced: ClaimNumber::NONE,
            vouched: None,
            hold: None,
            wanted: SharedMap::default(),
            refused: BTreeMap::new(),
            wanted_of: BTreeMap::new(),
            backed: BTreeMap::new(),
        }
    }

    /// Returns true if its author is known to have signed two histories.
    pub(crate) fn is_frozen(&self) -> bool {
        self.fork.is_some() || self.rival.is_some()
    }

    /// Returns true if claims about a source wait for bodies.
    pub(crate) fn waits(&self, source: &Option<Source>) -> bool {
        self.wanted_of.contains_key(source)
    }

    pub(super) fn add_wanted(&mut self, number: ClaimNumber, wanted: Wanted) {
        *self.wanted_of.entry(wanted.key.source()).or_default() += 1;
        self.wanted.insert(number, wanted);
    }

    pub(super) fn take_wanted(&mut self, number: ClaimNumber) -> Option<Wanted> {
        let wanted = self.wanted.remove(&number)?;
        self.refused.remove(&number);
        let source = wanted.key.source();
        if let Some(count) = self.wanted_of.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.wanted_of.remove(&source);
            }
        }
        Some(wanted)
    }

    pub(crate) fn state(&self) -> LogState {
        LogState::from_sources(
            self.sources
                .iter()
                .map(|(source, row)| (source.clone(), row.held.clone()))
                .collect(),
        )
    }

    /// Returns the time of the author's last full read of each source, from its newest head.
    pub(crate) fn checks(&self) -> BTreeMap<Source, UnixMillis> {
        match &self.checks_then {
            Some(checks) => checks.clone(),
            None => checks_of(self.head.as_ref()),
        }
    }

    /// Returns the time of the author's last full read of one source, from its newest head.
    pub(crate) fn check_of(&self, source: &Source) -> Option<UnixMillis> {
        if let Some(checks) = &self.checks_then {
            return checks.get(source).copied();
        }
        let checks = self.head.iter().flat_map(|head| &head.head().checks);
        let of_source = checks.filter(|check| check.source == *source);
        of_source.map(|check| check.checked_at).max()
    }

    /// Returns the newest check of a source that is backed: the log is here as far as its head names, and what it states
    /// of the source is accepted. If the newest check is not, the last one that was, as far as it was seen.
    pub(crate) fn backed_check_of(&self, source: &Source) -> Option<UnixMillis> {
        if self.is_backed(source) {
            self.check_of(source)
        } else {
            self.backed.get(source).copied()
        }
    }

    /// Returns true if the newest head names claims that are not held.
    pub(crate) fn is_behind_its_head(&self) -> bool {
        let head = self.head.as_ref();
        head.is_some_and(|head| head.head().number > self.tip.cursor.number)
    }

    pub(crate) fn is_backed(&self, source: &Source) -> bool {
        let Some(head) = &self.head else {
            return false;
        };
        let number = head.head().number;
        let row = self.sources.get(&Some(source.clone()));
        self.hold.is_none()
            && self.tip.cursor.number >= number
            && row.is_none_or(|row| row.accepted == row.last || row.accepted >= number)
    }

    /// Keeps the checks that are backed now, before something comes that they do not cover.
    pub(crate) fn note_backed(&mut self) {
        for (source, checked_at) in self.checks() {
            if self.is_backed(&source) {
                self.backed.insert(source, checked_at);
            }
        }
    }

    /// Takes in a newer head.
    pub(crate) fn set_head(&mut self, head: Option<VerifiedHead>) {
        self.note_backed();
        self.head = head;
        self.note_backed();
    }

    pub(crate) fn high_water(&self) -> ClaimNumber {
        self.head
            .as_ref()
            .map_or(ClaimNumber::NONE, |head| head.head().number)
            .max(self.tip.cursor.number)
            .max(self.witnessed)
    }
}

/// Returns the checks in a head, the newest of each source.
pub(crate) fn checks_of(head: Option<&VerifiedHead>) -> BTreeMap<Source, UnixMillis> {
    let mut checks = BTreeMap::new();
    for check in head.iter().flat_map(|head| &head.head().checks) {
        let known = checks.entry(check.source.clone()).or_insert(check.checked_at);
        *known = check.checked_at.max(*known);
    }
    checks
}

/// Encodes a tip: number, time (u64 LE), epoch (u32 LE), header hash (32), then the hold reason's text.
pub(crate) fn encode_tip(tip: &LogTip, hold: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(52);
    out.extend_from_slice(&tip.cursor.number.0.to_le_bytes());
    out.extend_from_slice(&tip.cursor.time.as_millis().to_le_bytes());
    out.extend_from_slice(&tip.epoch.to_le_bytes());
    out.extend_from_slice(tip.header.as_bytes());
    out.extend_from_slice(hold.unwrap_or("").as_bytes());
    out
}

pub(super) fn decode_tip(mut bytes: &[u8]) -> Option<(LogTip, Option<String>)> {
    let number = ClaimNumber(take_u64(&mut bytes)?);
    let time = starling_protocol::UnixMillis::new(take_u64(&mut bytes)?).ok()?;
    let (epoch, bytes) = bytes.split_first_chunk::<4>()?;
    let (header, hold) = bytes.split_first_chunk::<32>()?;
    let hold = std::str::from_utf8(hold).ok()?;
    let tip = LogTip {
        cursor: Cursor { time, number },
        header: DeltaHash::from_bytes(*header),
        epoch: u32::from_le_bytes(*epoch),
    };
    Some((tip, (!hold.is_empty()).then(|| hold.to_owned())))
}

/// Returns the unsigned parts of a head for this log, which its author completes and signs.
pub(crate) fn head_of(id: LogId, log: &Log) -> Head {
    let state = log.state();
    Head {
        site: id.site,
        epoch: log.tip.epoch,
        lane: id.lane,
        time: log.tip.cursor.time,
        number: log.tip.cursor.number,
        header: log.tip.header,
        live_entries: state.live(),
        state_root: state.root(),
        issued_at: starling_protocol::UnixMillis::EPOCH,
        expires_at: starling_protocol::UnixMillis::EPOCH,
        checks: Vec::new(),
    }
}
