//! One log's range, delta by delta: the rules of `docs/formats/delta.md` and `docs/formats/bundle.md`.

use std::collections::BTreeMap;

use crate::certificate::CertificateChain;
use crate::claim::{Claim, ClaimKey, ClaimKind};
use crate::cursor::{ClaimNumber, Cursor};
use crate::delta::DeltaHash;
use crate::delta::{Delta, DeltaHeader, VerifiedDelta};
use crate::fork::ForkProof;
use crate::hash::ContentHash;
use crate::head::Head;
use crate::limits::MAX_LOG_SOURCES;
use crate::log::{LogState, LogTip, Succession};
use crate::names::Source;

use super::fault::LogFault;
use super::knowledge::{HeldLog, Knowledge};
use super::manifest::LogRange;

/// One log's range while its deltas pass.
pub(super) struct LogCheck {
    pub(super) range: LogRange,
    pub(super) deltas: u64,
    /// Deltas that the reader does not hold.
    pub(super) new: u64,
    pub(super) fault: Option<LogFault>,
    /// The author's head in the seal.
    pub(super) head: Option<Head>,
    pub(super) roots_checked: bool,
    /// The first claim that must be understood and is not.
    pub(super) critical: Option<ClaimNumber>,
    chain: CertificateChain,
    held: Option<HeldLog>,
    tip: LogTip,
    /// The log's state at the tip, if it is known.
    state: Option<LogState>,
    /// The last claim of each key in the range.
    live: BTreeMap<ClaimKey, Claim>,
    /// The first delta of the range that is of another branch than the held log, if a certificate names that branch.
    pub(super) branch: Option<BranchStart>,
}

/// The first delta of a branch that a certificate names: the reader gives up its own deltas from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BranchStart {
    /// Its last claim.
    pub number: ClaimNumber,
    /// The hash of its header.
    pub header: DeltaHash,
}

/// A body that a live claim names.
pub(super) struct Want {
    pub(super) key: ClaimKey,
    pub(super) size: u32,
    pub(super) is_record: bool,
    pub(super) in_scope: bool,
}

impl LogCheck {
    pub(super) fn new(
        range: &LogRange,
        head: Option<Head>,
        chain: CertificateChain,
        held: Option<HeldLog>,
    ) -> Self {
        let at_start = LogTip {
            cursor: Cursor {
                number: range.after,
                ..Cursor::default()
            },
            header: range.after_header,
            epoch: 0,
        };
        let mut fault = None;
        let (tip, state) = match &held {
            None => (
                at_start,
                (range.after == ClaimNumber::NONE).then(LogState::default),
            ),
            Some(held) if range.after > held.tip.cursor.number => {
                fault = Some(LogFault::Gap {
                    held: held.tip.cursor.number,
                    after: range.after,
                });
                (at_start, None)
            }
            Some(held) => (held.tip, Some(held.state.clone())),
        };
        Self {
            range: *range,
            deltas: 0,
            new: 0,
            fault,
            head,
            roots_checked: state.is_some(),
            critical: None,
            chain,
            held,
            tip,
            state,
            live: BTreeMap::new(),
            branch: None,
        }
    }

    /// Checks the next delta of the range, and returns it verified if it is new and valid.
    pub(super) fn push<K: Knowledge>(
        &mut self,
        bytes: &[u8],
        knowledge: &K,
    ) -> Result<Option<VerifiedDelta>, K::Error> {
        let is_first = self.deltas == 0;
        self.deltas += 1;
        // Decoding succeeds: the page was decoded when it was divided into deltas.
        let Ok(delta) = Delta::decode(bytes) else {
            return Ok(None);
        };
        let number = delta.header().first;
        let verified = match delta.verify(&self.chain) {
            Ok(verified) => verified,
            Err(source) => {
                self.refuse(LogFault::Delta { number, source });
                if let Ok(claims) = delta.reopen() {
                    claims.into_iter().for_each(|(_, claim)| self.note(claim));
                }
                return Ok(None);
            }
        };
        let held_to = self.held_to();
        let is_beyond = number > held_to || self.held.is_none() || self.branch.is_some();
        let is_new = is_beyond || (self.fault.is_none() && self.leaves_lost(&delta, knowledge)?);
        if self.fault.is_none() {
            let outcome = if is_new {
                self.new += 1;
                self.follow(&verified, is_first, knowledge)?
            } else {
                self.compare(&delta, knowledge)?
            };
            if let Err(fault) = outcome {
                self.refuse(fault);
            }
        }
        self.check_head(verified.header());
        let sound = is_new && self.fault.is_none();
        if sound && self.critical.is_none() {
            self.critical = verified.unknown_critical().map(|(number, _)| number);
        }
        for (_, claim) in verified.claims() {
            self.note(claim.clone());
        }
        Ok(sound.then_some(verified))
    }

    fn held_to(&self) -> ClaimNumber {
        self.held
            .as_ref()
            .map_or(ClaimNumber::NONE, |held| held.tip.cursor.number)
    }

    fn refuse(&mut self, fault: LogFault) {
        self.fault.get_or_insert(fault);
    }

    fn note(&mut self, claim: Claim) {
        self.live.insert(claim.key().clone(), claim);
    }

    /// Holds a delta against the one that the reader has there.
    fn compare<K: Knowledge>(
        &mut self,
        delta: &Delta<'_>,
        knowledge: &K,
    ) -> Result<Result<(), LogFault>, K::Error> {
        let (header, number) = (delta.header(), delta.header().first);
        let held = knowledge.delta_with(self.range.site, self.range.lane, number)?;
        let Some(held) = held.as_deref().and_then(|bytes| Delta::decode(bytes).ok()) else {
            return Ok(Ok(()));
        };
        if held.header().hash() == header.hash() {
            return Ok(Ok(()));
        }
        if header.epoch < self.chain.epoch() {
            return Ok(Err(self.other_branch(number, knowledge)?));
        }
        Ok(Err(match ForkProof::of(&held, delta, &self.chain) {
            Ok(proof) => LogFault::Fork {
                number,
                held: held.header().hash(),
                found: header.hash(),
                proof: Box::new(proof),
            },
            Err(_) => LogFault::Diverges {
                number,
                held: held.header().hash(),
                found: header.hash(),
            },
        }))
    }

    /// Lets the range leave the held branch if that lost, and returns true if it does. A delta of a closed epoch that does
    /// not lead to the named one is refused when the range ends.
    fn leaves_lost<K: Knowledge>(&mut self, delta: &Delta<'_>, knowledge: &K) -> Result<bool, K::Error> {
        let header = delta.header();
        if header.epoch >= self.chain.epoch() || self.holds_named(knowledge)? {
            return Ok(false);
        }
        let held = self.held_at(header.first, knowledge)?;
        if held.is_none_or(|held| held.hash() == header.hash()) {
            return Ok(false);
        }
        let before = ClaimNumber(header.first.0.saturating_sub(1));
        let before = match before {
            ClaimNumber::NONE => Some(LogTip::default()),
            before => self.held_at(before, knowledge)?.map(|held| LogTip {
                cursor: held.cursor(),
                header: held.hash(),
                epoch: held.epoch,
            }),
        };
        let Some(before) = before.filter(|before| before.header == header.previous) else {
            return Ok(false);
        };
        self.tip = before;
        // Without the log's beginning in the bundle, the state there is not known: roots are checked when it is appended.
        self.state = (self.range.after == ClaimNumber::NONE).then(|| {
            let mut state = LogState::default();
            for claim in self.live.values().filter(|claim| !claim.is_tombstone()) {
                state.apply(claim, None);
            }
            state
        });
        self.roots_checked = self.state.is_some();
        self.branch = Some(BranchStart {
            number: header.last(),
            header: header.hash(),
        });
        Ok(true)
    }

    /// Returns the header of the held delta that contains a claim.
    fn held_at<K: Knowledge>(
        &self,
        number: ClaimNumber,
        knowledge: &K,
    ) -> Result<Option<DeltaHeader>, K::Error> {
        let held = knowledge.delta_with(self.range.site, self.range.lane, number)?;
        let held = held.as_deref().and_then(|bytes| Delta::decode(bytes).ok());
        Ok(held.map(|held| *held.header()))
    }

    /// Returns true if the reader holds the delta that the newest certificate names.
    fn holds_named<K: Knowledge>(&self, knowledge: &K) -> Result<bool, K::Error> {
        let Some(named) = self.chain.epoch_start(self.chain.epoch(), self.range.lane) else {
            return Ok(false);
        };
        let held = self.held_at(named.number, knowledge)?;
        Ok(held.is_some_and(|held| held.hash() == named.header))
    }

    /// Returns the fault of a range of another branch than the held log, one of which a certificate names.
    fn other_branch<K: Knowledge>(&self, number: ClaimNumber, knowledge: &K) -> Result<LogFault, K::Error> {
        Ok(if self.holds_named(knowledge)? {
            LogFault::GivenUp { number }
        } else {
            LogFault::OtherBranch { number }
        })
    }

    /// Returns the fault of a range that continues from another delta than the last one held. If both headers
    /// are of one epoch, they prove a fork.
    fn leaves_held<K: Knowledge>(&self, delta: &VerifiedDelta, knowledge: &K) -> Result<LogFault, K::Error> {
        let (number, held, found) = (self.tip.cursor.number, self.tip.header, delta.header().previous);
        let last = knowledge.delta_with(self.range.site, self.range.lane, number)?;
        let last = last.as_deref().and_then(|bytes| Delta::decode(bytes).ok());
        if delta.header().epoch.min(self.tip.epoch) < self.chain.epoch() {
            return self.other_branch(number, knowledge);
        }
        let proof = last
            .zip(Delta::decode(delta.as_bytes()).ok())
            .and_then(|(last, next)| ForkProof::of(&last, &next, &self.chain).ok());
        Ok(match proof {
            Some(proof) => LogFault::Fork {
                number,
                held,
                found,
                proof: Box::new(proof),
            },
            None => LogFault::Diverges { number, held, found },
        })
    }

    /// Lets a delta follow the tip.
    fn follow<K: Knowledge>(
        &mut self,
        delta: &VerifiedDelta,
        is_first: bool,
        knowledge: &K,
    ) -> Result<Result<(), LogFault>, K::Error> {
        let header = delta.header();
        let number = header.first;
        let refused = |problem| Ok(Err(LogFault::Succession { number, problem }));
        // A reader without a store does not know the delta before a range that starts in the middle of its log.
        if is_first && self.held.is_none() && self.range.after > ClaimNumber::NONE {
            if let Err(problem) = resumes_here(header, &self.chain) {
                return refused(problem);
            }
            self.tip.epoch = header.epoch;
        }
        match self.tip.place(header, &self.chain) {
            Succession::Next => {}
            Succession::Refused(problem) => return refused(problem),
            Succession::OtherBranch if self.held.is_some() && is_first => {
                return self.leaves_held(delta, knowledge).map(Err);
            }
            Succession::AtOrBefore | Succession::Gap { .. } | Succession::OtherBranch => {
                return refused("it does not follow the delta before it");
            }
        }
        if let Some(mut state) = self.state.take() {
            for (_, claim) in delta.claims() {
                let prior = match self.live.get(claim.key()) {
                    Some(prior) => (!prior.is_tombstone()).then(|| prior.encode()),
                    None if self.held.is_some() && self.branch.is_none() => {
                        knowledge.live(self.range.site, self.range.lane, claim.key())?
                    }
                    None => None,
                };
                state.apply(claim, prior.as_deref());
            }
            let number = header.last();
            if state.sources().len() > MAX_LOG_SOURCES {
                return Ok(Err(LogFault::TooManySources { number }));
            }
            let (found, found_live) = (state.root(), state.live());
            if (found, found_live) != (header.state_root, header.live_entries) {
                return Ok(Err(LogFault::StateRoot {
                    number,
                    found,
                    found_live,
                    said: header.state_root,
                    said_live: header.live_entries,
                }));
            }
            self.state = Some(state);
        }
        self.tip = LogTip {
            cursor: header.cursor(),
            header: delta.hash(),
            epoch: header.epoch,
        };
        Ok(Ok(()))
    }

    /// Holds the author's head against a delta of the range.
    fn check_head(&mut self, header: &DeltaHeader) {
        let Some(head) = &self.head else { return };
        if head.number < header.first || head.number > header.last() {
            return;
        }
        let problem = if head.number != header.last() {
            "it names a claim inside a delta"
        } else if head.header != header.hash() {
            "it names another delta there: a fork"
        } else if head.epoch < header.epoch {
            "its epoch is older than that of the delta"
        } else if head.time != header.time {
            "it states another time"
        } else if (head.live_entries, head.state_root) != (header.live_entries, header.state_root) {
            "it states another state"
        } else {
            return;
        };
        let number = head.number;
        self.refuse(LogFault::Head { number, problem });
    }

    /// Checks the head after the last delta, against the position before the range.
    pub(super) fn finish<K: Knowledge>(&mut self, knowledge: &K) -> Result<(), K::Error> {
        if let Some(branch) = self.branch {
            // A delta of a closed epoch ends before the named one or is that one: its hash was checked.
            let named = self.chain.epoch_start(self.chain.epoch(), self.range.lane);
            if named.is_none_or(|named| self.tip.cursor.number < named.number) {
                self.refuse(LogFault::OtherBranch {
                    number: branch.number,
                });
            }
        }
        let Some(head) = self.head.clone() else {
            return Ok(());
        };
        let number = head.number;
        if number == ClaimNumber::NONE || number > self.range.after {
            return Ok(());
        }
        if number == self.range.after {
            if head.header != self.range.after_header {
                let problem = "it names another delta there: a fork";
                self.refuse(LogFault::Head { number, problem });
            }
            return Ok(());
        }
        // The head of a closed epoch may belong to a branch that was given up.
        if number <= self.held_to() && head.epoch == self.chain.epoch() && self.branch.is_none() {
            let held = knowledge.delta_with(self.range.site, self.range.lane, number)?;
            if let Some(held) = held.as_deref().and_then(|bytes| Delta::decode(bytes).ok()) {
                self.check_head(held.header());
            }
        }
        Ok(())
    }

    /// Takes the bodies that live claims of the range name, with true for those within the bundle's scope.
    pub(super) fn take_wants(&mut self, scope: Option<&[Source]>) -> Vec<(ContentHash, Want)> {
        let live = std::mem::take(&mut self.live).into_values();
        live.filter(|claim| !claim.is_tombstone())
            .filter_map(|claim| {
                let (hash, size) = claim.content()?;
                let source = claim.key().source();
                let in_scope = scope.is_none_or(|scope| {
                    source
                        .as_ref()
                        .is_some_and(|source| scope.binary_search(source).is_ok())
                });
                let want = Want {
                    key: claim.key().clone(),
                    size,
                    is_record: claim.kind() == ClaimKind::SET,
                    in_scope,
                };
                Some((hash, want))
            })
            .collect()
    }
}

/// Checks that the first delta of a range may follow the position that the range names as its start.
fn resumes_here(header: &DeltaHeader, chain: &CertificateChain) -> Result<(), &'static str> {
    let before = ClaimNumber(header.first.0.saturating_sub(1));
    let resumes_elsewhere = chain
        .epoch_start(header.epoch, header.lane)
        .is_some_and(|start| start.number == before && start.header != header.previous);
    if resumes_elsewhere {
        return Err("its epoch resumes from another delta than the one before it");
    }
    Ok(())
}
