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

impl FoldedMutes {
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
