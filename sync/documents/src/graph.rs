//! Which changes of a document count: those of their own authors whose predecessors all count.
//!
//! The answer is a function of the set of changes given; in which order they came leaves no trace.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::SiteId;

use crate::actor::Actor;
use crate::change::{Change, ChangeError, ChangeHash};

/// Most changes of one author in one document that are read. Who hands them over may leave out what is beyond: of
/// each log the first so many and one more, which is then refused and tells of it.
pub const MAX_CHANGES_PER_AUTHOR: usize = 20_000;

/// A change as a claim brought it.
#[derive(Debug, Clone, Copy)]
pub struct ClaimedChange<'a> {
    /// The author of the log.
    pub site: SiteId,
    /// The epoch of the delta.
    pub epoch: u32,
    /// The name by which the claim's key calls it.
    pub hash: ChangeHash,
    /// The change.
    pub bytes: &'a [u8],
}

/// Why a change is kept and never applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read.
    #[error("the change cannot be read: {0}")]
    Unreadable(#[from] ChangeError),
    /// The claim names it wrongly.
    #[error("the claim calls it {claimed}, its bytes hash to {found}")]
    OtherHash {
        /// By the claim's key.
        claimed: ChangeHash,
        /// By its bytes.
        found: ChangeHash,
    },
    /// Its author has no right to write under its actor.
    #[error("it is written under actor {found}; its author's actor in that epoch is {expected}")]
    OtherActor {
        /// Whom it says it is from.
        found: Actor,
        /// Whose it can be.
        expected: Actor,
    },
    /// Its author gave one number twice.
    #[error("its author made another change with number {sequence}")]
    SameNumber {
        /// The number.
        sequence: u64,
    },
    /// It does not follow its author's change before it.
    #[error("its number is {sequence}, and it does not follow its author's change before that")]
    OutOfSequence {
        /// The number.
        sequence: u64,
    },
    /// Its operations are numbered as if it did not follow what it follows.
    #[error("its operations begin at {found}, and those that it follows end at {end}")]
    OperationNumbers {
        /// Where it begins.
        found: u64,
        /// Where the last that it follows ends.
        end: u64,
    },
    /// Its author made more than are read.
    #[error("its author made more than {MAX_CHANGES_PER_AUTHOR} changes of this document")]
    TooMany,
    /// It says what this document does not hold.
    #[error("{0}")]
    Content(String),
}

/// What became of a document's changes. Indexes are those of the changes given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// Those that count, each after all that it follows.
    pub applied: Vec<(usize, Change)>,
    /// Those that follow changes that are not here, with these.
    pub waiting: Vec<(usize, Vec<ChangeHash>)>,
    /// Those that never count.
    pub refused: Vec<(usize, Refusal)>,
}

impl Graph {
    /// Sorts the changes of a document that begins with `genesis`; `check` says what else is wrong with one.
    pub fn of(
        document: &str,
        genesis: &Change,
        claimed: &[ClaimedChange<'_>],
        check: impl Fn(&Change) -> Result<(), Refusal>,
    ) -> Self {
        let mut graph = Self::default();
        // By author, sequence and hash: the order of arrival must not matter.
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

    /// Applies what can be, from the genesis on; what is left waits.
    fn apply(&mut self, genesis: &Change, mut open: BTreeMap<ChangeHash, (usize, Change)>) {
        let mut ends: BTreeMap<ChangeHash, u64> = BTreeMap::new();
        ends.insert(genesis.hash, genesis.last_operation());
        // By actor: the change that its sequence has come to.
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
                // Automerge has an actor follow itself; a change that does not is one of two histories.
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
