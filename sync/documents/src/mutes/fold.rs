//! Folds claimed changes into the mutes in force, with the full history.

use std::collections::BTreeMap;

use super::{DOCUMENT, Entry, Mute, MuteId, MuteText, Mutes, RemovalText, genesis, read_entry};
use crate::change::ChangeHash;
use crate::graph::{ClaimedChange, Graph, Refusal};

/// One mute and its history. Indexes are those of the changes given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MuteHistory {
    /// Its content.
    pub text: MuteText,
    /// The change that made it.
    pub change: usize,
    /// Every removal of it, oldest first. A removed mute is no longer in force.
    pub removals: Vec<PastRemoval>,
}

/// One removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRemoval {
    /// Its content.
    pub text: RemovalText,
    /// The change that made it.
    pub change: usize,
}

/// The document, folded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoldedMutes {
    /// Every mute ever made by a listed author, removed ones included.
    pub mutes: BTreeMap<MuteId, MuteHistory>,
    /// Removals of mutes that are not here: those of authors that do not count.
    pub strays: Vec<PastRemoval>,
    /// Changes that wait for others, which are named.
    pub waiting: Vec<(usize, Vec<ChangeHash>)>,
    /// Changes that are kept and never applied, and why.
    pub refused: Vec<(usize, Refusal)>,
    /// The changes that apply, each after its predecessors: the only ones that Automerge may be given.
    pub applied: Vec<usize>,
}

/// Folds the document from the changes of the listed authors. The order of the changes affects only their
/// indexes.
#[must_use]
pub fn fold_mutes(claimed: &[ClaimedChange<'_>]) -> FoldedMutes {
    let check = |change: &_| read_entry(change).map(|_| ()).map_err(Refusal::Content);
    let graph = Graph::of(DOCUMENT, &genesis(), claimed, check);
    let mut folded = FoldedMutes {
        waiting: graph.waiting,
        refused: graph.refused,
        ..FoldedMutes::default()
    };
    let mut removals: Vec<(ChangeHash, PastRemoval)> = Vec::new();
    for (index, change) in &graph.applied {
        folded.applied.push(*index);
        // Decoded a second time: keeping the first result would cost more memory than it saves time.
        match read_entry(change) {
            Ok(Entry::Mute(text)) => {
                let history = MuteHistory {
                    text,
                    change: *index,
                    removals: Vec::new(),
                };
                folded
                    .mutes
                    .insert(MuteId::of(change.actor, change.sequence), history);
            }
            Ok(Entry::Removal(text)) => {
                let change_index = *index;
                let removal = PastRemoval {
                    text,
                    change: change_index,
                };
                removals.push((change.hash, removal));
            }
            Err(_) => {}
        }
    }
    removals.sort_by(|(a_hash, a), (b_hash, b)| (a.text.at, a_hash).cmp(&(b.text.at, b_hash)));
    for (_, removal) in removals {
        match folded.mutes.get_mut(&removal.text.mute) {
            Some(mute) => mute.removals.push(removal),
            None => folded.strays.push(removal),
        }
    }
    folded
}

/// Folds one more change: that of `claimed` at `added`, where `folded` is the fold of all others, by their indexes in
/// `claimed`. Returns `None` unless every other change applies and this one simply follows its author's last one: then
/// [`fold_mutes`] decides. Only the order of `applied` may differ from its result.
#[must_use]
pub fn fold_one_more(
    mut folded: FoldedMutes,
    claimed: &[ClaimedChange<'_>],
    added: usize,
) -> Option<FoldedMutes> {
    if !folded.waiting.is_empty() || !folded.refused.is_empty() || !folded.strays.is_empty() {
        return None;
    }
    let change = Graph::next(DOCUMENT, &genesis(), claimed, &folded.applied, added)?;
    match read_entry(&change).ok()? {
        Entry::Mute(text) => {
            let history = MuteHistory {
                text,
                change: added,
                removals: Vec::new(),
            };
            folded
                .mutes
                .insert(MuteId::of(change.actor, change.sequence), history);
        }
        Entry::Removal(text) => {
            let mute = folded.mutes.get_mut(&text.mute)?;
            let key = (text.at, change.hash);
            let is_before = |past: &PastRemoval| {
                let hash = claimed.get(past.change).map(|claim| claim.hash);
                hash.is_some_and(|hash| (past.text.at, hash) < key)
            };
            let place = mute.removals.partition_point(is_before);
            mute.removals.insert(place, PastRemoval { text, change: added });
        }
    }
    folded.applied.push(added);
    Some(folded)
}

impl FoldedMutes {
    /// Returns the fold with each index changed to that of the same change in another list.
    #[must_use]
    pub fn renumbered(mut self, number: impl Fn(usize) -> usize) -> Self {
        for mute in self.mutes.values_mut() {
            mute.change = number(mute.change);
            for removal in &mut mute.removals {
                removal.change = number(removal.change);
            }
        }
        for removal in &mut self.strays {
            removal.change = number(removal.change);
        }
        for index in &mut self.applied {
            *index = number(*index);
        }
        for (index, _) in &mut self.waiting {
            *index = number(*index);
        }
        for (index, _) in &mut self.refused {
            *index = number(*index);
        }
        self
    }

    /// Returns the mutes in force, as scans need them. `claimed` are the changes that were folded.
    #[must_use]
    pub fn in_force(&self, claimed: &[ClaimedChange<'_>]) -> Mutes {
        let in_force = self.mutes.iter().filter(|(_, mute)| mute.removals.is_empty());
        let mutes = in_force.filter_map(|(id, mute)| {
            Some(Mute {
                id: id.clone(),
                site: claimed.get(mute.change)?.site,
                text: mute.text.clone(),
            })
        });
        Mutes::new(mutes.collect())
    }
}
