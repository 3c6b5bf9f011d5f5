//! Selects the changes of a document that apply: those of their own authors whose predecessors all apply.
//!
//! The result is a function of the set of changes. Their order of arrival does not matter.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::SiteId;

use crate::actor::Actor;
use crate::change::{Change, ChangeError, ChangeHash};

/// Most changes of one author in one document that are read. Callers may pass fewer of a longer log, but at
/// least one more than this, so that the excess is refused and reported.
pub const MAX_CHANGES_PER_AUTHOR: usize = 20_000;

/// A change with the claim that carried it.
#[derive(Debug, Clone, Copy)]
pub struct ClaimedChange<'a> {
    /// The author of the log.
    pub site: SiteId,
    /// The epoch of the delta.
    pub epoch: u32,
    /// The hash that the claim's key states.
    pub hash: ChangeHash,
    /// The change.
    pub bytes: &'a [u8],
}

/// The reason why a change is kept but never applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The change cannot be decoded.
    #[error("the change cannot be read: {0}")]
    Unreadable(#[from] ChangeError),
    /// The claim states a wrong hash.
    #[error("the claim names it {claimed}, its bytes hash to {found}")]
    OtherHash {
        /// By the claim's key.
        claimed: ChangeHash,
        /// By its bytes.
        found: ChangeHash,
    },
    /// Its author has no right to write under its actor.
    #[error("it is written under actor {found}; its author's actor in that epoch is {expected}")]
    OtherActor {
        /// The actor that it names.
        found: Actor,
        /// The only actor that its author may use.
        expected: Actor,
    },
    /// Its author gave one number twice.
    #[error("its author made another change with number {sequence}")]
    SameNumber {
        /// The number.
        sequence: u64,
    },
    /// The change does not follow its author's previous change.
    #[error("its number is {sequence}, but it does not follow its author's previous change")]
    OutOfSequence {
        /// The number.
        sequence: u64,
    },
    /// The operation numbers do not continue from the predecessors.
    #[error("its operations begin at {found}, but those of its predecessors end at {end}")]
    OperationNumbers {
        /// The number of its first operation.
        found: u64,
        /// The last operation number of its predecessors.
        end: u64,
    },
    /// Its author made more than are read.
    #[error("its author made more than {MAX_CHANGES_PER_AUTHOR} changes of this document")]
    TooMany,
    /// The content does not belong into this document.
    #[error("{0}")]
    Content(String),
}

/// The result for a document's changes. Indexes are those of the changes given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// The changes that apply, each after its predecessors.
    pub applied: Vec<(usize, Change)>,
    /// Those that follow changes that are not here, with these.
    pub waiting: Vec<(usize, Vec<ChangeHash>)>,
    /// Those that never count.
    pub refused: Vec<(usize, Refusal)>,
}

impl Graph {
    /// Sorts the changes of a document that begins with `genesis`. `check` returns any other fault of a change.
    pub fn of(
        document: &str,
        genesis: &Change,
        claimed: &[ClaimedChange<'_>],
        check: impl Fn(&Change) -> Result<(), Refusal>,
    ) -> Self {
        let mut graph = Self::default();
        // Keyed by author, sequence and hash, so that the order of arrival does not matter.
        let mut read: BTreeMap<(SiteId, Actor, u64, ChangeHash), (usize, Change)> = BTreeMap::new();
        for (index, claim) in claimed.iter().enumerate() {
            match Self::read_one(document, claim).and_then(|change| check(&change).map(|()| change)) {
                Ok(change) => {
                    let key = (claim.site, change.actor, change.sequence, change.hash);
                    // The same change in another lane adds nothing.
                    read.entry(key).or_insert((index, change));
                }
                Err(refusal) => graph.refused.push((index, refusal)),
            }
        }
        let mut per_author: BTreeMap<SiteId, usize> = BTreeMap::new();
        let mut numbers: BTreeSet<(Actor, u64)> = BTreeSet::new();
        let mut open: BTreeMap<ChangeHash, (usize, Change)> = BTreeMap::new();
        for ((site, actor, sequence, hash), (index, change)) in read {
            let count = per_author.entry(site).or_default();
            *count += 1;
            if *count > MAX_CHANGES_PER_AUTHOR {
                graph.refused.push((index, Refusal::TooMany));
            } else if numbers.insert((actor, sequence)) {
                open.insert(hash, (index, change));
            } else {
                graph.refused.push((index, Refusal::SameNumber { sequence }));
            }
        }
        graph.apply(genesis, open);
        graph.refused.sort_by_key(|(index, _)| *index);
        graph.waiting.sort_by_key(|(index, _)| *index);
        graph
    }

    /// Returns the change of `claimed` at `added` if it applies as the next one of its actor, given that all others
    /// apply, in the order `applied`. Returns `None` in every other case: then [`Graph::of`] decides.
    pub(crate) fn next(
        document: &str,
        genesis: &Change,
        claimed: &[ClaimedChange<'_>],
        applied: &[usize],
        added: usize,
    ) -> Option<Change> {
        let claim = claimed.get(added)?;
        if applied.len() + 1 != claimed.len() {
            return None;
        }
        let change = Self::read_one(document, claim).ok()?;
        let is_author = |index: &&usize| claimed.get(**index).is_some_and(|other| other.site == claim.site);
        if applied.iter().filter(is_author).count() >= MAX_CHANGES_PER_AUTHOR
            || applied
                .iter()
                .any(|index| claimed.get(*index).is_none_or(|other| other.hash == claim.hash))
        {
            return None;
        }
        // An actor's changes apply in their order, so its last one is its newest.
        let mut newest_first = applied.iter().rev().filter_map(|index| claimed.get(*index));
        let last = newest_first.find(|other| (other.site, other.epoch) == (claim.site, claim.epoch));
        let follows = match last {
            None => change.sequence == 1 && Self::continues(&change, genesis),
            Some(last) => {
                let last = Change::read(last.bytes).ok()?;
                change.sequence == last.sequence + 1 && Self::continues(&change, &last)
            }
        };
        follows.then_some(change)
    }

    /// Returns true if a change depends on another one alone, and its operations continue from it.
    fn continues(change: &Change, last: &Change) -> bool {
        change.dependencies.iter().eq([&last.hash]) && change.first_operation > last.last_operation()
    }

    fn read_one(document: &str, claim: &ClaimedChange<'_>) -> Result<Change, Refusal> {
        let change = Change::read(claim.bytes)?;
        if change.hash != claim.hash {
            return Err(Refusal::OtherHash {
                claimed: claim.hash,
                found: change.hash,
            });
        }
        let expected = Actor::of(&claim.site, claim.epoch, document);
        if change.actor != expected {
            return Err(Refusal::OtherActor {
                found: change.actor,
                expected,
            });
        }
        Ok(change)
    }

    /// Applies the changes that can be applied, beginning with the genesis. The others wait.
    fn apply(&mut self, genesis: &Change, mut open: BTreeMap<ChangeHash, (usize, Change)>) {
        let mut ends: BTreeMap<ChangeHash, u64> = BTreeMap::new();
        ends.insert(genesis.hash, genesis.last_operation());
        // For each actor, its newest applied change.
        let mut newest: BTreeMap<Actor, (u64, ChangeHash)> = BTreeMap::new();
        let mut followers: BTreeMap<ChangeHash, Vec<ChangeHash>> = BTreeMap::new();
        let mut missing: BTreeMap<ChangeHash, usize> = BTreeMap::new();
        let mut ready: BTreeSet<ChangeHash> = BTreeSet::new();
        for (hash, (_, change)) in &open {
            let absent = change
                .dependencies
                .iter()
                .filter(|found| !ends.contains_key(*found));
            let count = absent
                .inspect(|found| followers.entry(**found).or_default().push(*hash))
                .count();
            if count == 0 {
                ready.insert(*hash);
            } else {
                missing.insert(*hash, count);
            }
        }
        while let Some(hash) = ready.pop_first() {
            let Some((index, change)) = open.get(&hash) else {
                continue;
            };
            let follows = match newest.get(&change.actor) {
                None => change.sequence == 1,
                // Automerge requires each actor to follow itself; a change that does not is one of two
                // histories.
                Some((sequence, last)) => {
                    change.sequence == sequence + 1 && change.dependencies.contains(last)
                }
            };
            let end = change
                .dependencies
                .iter()
                .filter_map(|found| ends.get(found))
                .max();
            let end = end.copied().unwrap_or(0);
            let refusal = if !follows {
                let sequence = change.sequence;
                Some(Refusal::OutOfSequence { sequence })
            } else if change.first_operation <= end {
                let found = change.first_operation;
                Some(Refusal::OperationNumbers { found, end })
            } else {
                None
            };
            if let Some(refusal) = refusal {
                self.refused.push((*index, refusal));
                open.remove(&hash);
                continue;
            }
            ends.insert(hash, change.last_operation());
            newest.insert(change.actor, (change.sequence, hash));
            if let Some(applied) = open.remove(&hash) {
                self.applied.push(applied);
            }
            for follower in followers.remove(&hash).unwrap_or_default() {
                if let Some(count) = missing.get_mut(&follower) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(follower);
                    }
                }
            }
        }
        for (index, change) in open.into_values() {
            let absent = change.dependencies.into_iter();
            let absent = absent.filter(|found| !ends.contains_key(found)).collect();
            self.waiting.push((index, absent));
        }
    }
}
