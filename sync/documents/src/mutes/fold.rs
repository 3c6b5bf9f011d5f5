//! The fold: claimed changes in, the mutes that count and all that is told of them out.

use std::collections::BTreeMap;

use super::{DOCUMENT, Entry, Mute, MuteId, MuteText, Mutes, RemovalText, genesis, read_entry};
use crate::change::ChangeHash;
use crate::graph::{ClaimedChange, Graph, Refusal};

/// One mute and what became of it. Indexes are those of the changes that were given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MuteHistory {
    /// What it says.
    pub text: MuteText,
    /// The change that made it.
    pub change: usize,
    /// Every removal of it, oldest first; with one it counts no more.
    pub removals: Vec<PastRemoval>,
}

/// One removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRemoval {
    /// What it says.
    pub text: RemovalText,
    /// The change that made it.
    pub change: usize,
}

/// The document, folded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoldedMutes {
    /// Every mute that was ever made and whose author counts, removed ones too.
    pub mutes: BTreeMap<MuteId, MuteHistory>,
    /// Removals of mutes that are not here: those of authors that do not count.
    pub strays: Vec<PastRemoval>,
    /// Changes that wait for others, which are named.
    pub waiting: Vec<(usize, Vec<ChangeHash>)>,
    /// Changes that are kept and never applied, and why.
    pub refused: Vec<(usize, Refusal)>,
    /// Those that count, each after all that it follows: what Automerge may be given.
    pub applied: Vec<usize>,
}

/// Folds the document from the changes of the authors that count. In which order they are given changes nothing but
/// their indexes.
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
        // Read a second time: what was kept from the first would take more memory than it saves time.
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
    /// The mutes that count, as scans need them. `claimed` are the changes that were folded.
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
