//! The mutes of a site with their history.

use std::collections::BTreeMap;
use std::sync::Arc;

use starling_documents::actor::Actor;
use starling_documents::change::{ChangeError, ChangeHash, MAX_CHANGE_BYTES};
use starling_documents::graph::{ClaimedChange, Refusal};
use starling_documents::mutes::{DOCUMENT, FoldedMutes, Mutes, fold_mutes, fold_one_more};
use starling_protocol::{ClaimNumber, Cursor, DeltaHash, KnowledgeRoot, SiteId, UnixMillis};

use crate::site::state::{LogId, State};

/// An accepted change of a shared document, and the claim that proves its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentChange {
    /// The log.
    pub log: LogId,
    /// The epoch of the delta.
    pub epoch: u32,
    /// The claim: its number, and the delta's time.
    pub cursor: Cursor,
    /// The delta that carries it.
    pub delta: DeltaHash,
    /// The time of the author's claim, by the author's clock.
    pub time: UnixMillis,
    /// The change's name.
    pub hash: ChangeHash,
    /// The change; empty if it exceeds the size limit.
    pub bytes: Vec<u8>,
    /// Its size in bytes.
    pub size: usize,
}

/// The document `mutes` of a site, with the claims that prove its changes. Indexes in `folded` point into `changes`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MuteBook {
    /// Every accepted change.
    pub changes: Vec<DocumentChange>,
    /// Their fold.
    pub folded: FoldedMutes,
}

impl MuteBook {
    pub(super) fn of(changes: Vec<DocumentChange>) -> Self {
        let mut folded = fold_mutes(&claimed(&changes));
        for (index, refusal) in &mut folded.refused {
            if let Some(DocumentChange { size, .. }) = changes.get(*index)
                && *size > MAX_CHANGE_BYTES
            {
                *refusal = Refusal::Unreadable(ChangeError::OverLimit {
                    what: "bytes",
                    found: *size as u64,
                    limit: MAX_CHANGE_BYTES as u64,
                });
            }
        }
        Self { changes, folded }
    }

    /// Returns the document of `changes`. Reuses the fold of `before` if only one change was added and it follows the last
    /// change of its author.
    pub(super) fn after(before: &Self, changes: Vec<DocumentChange>) -> Self {
        match before.one_more(&changes) {
            Some(folded) => Self { changes, folded },
            None => Self::of(changes),
        }
    }

    /// Returns the fold of `changes` if they are this document's changes and one more that can be folded alone.
    fn one_more(&self, changes: &[DocumentChange]) -> Option<FoldedMutes> {
        if changes.len() != self.changes.len() + 1 {
            return None;
        }
        let same = |(old, new): &(&DocumentChange, &DocumentChange)| {
            (old.log, old.cursor.number, old.epoch, old.hash)
                == (new.log, new.cursor.number, new.epoch, new.hash)
        };
        let added = self.changes.iter().zip(changes).take_while(same).count();
        let rest = self
            .changes
            .iter()
            .skip(added)
            .zip(changes.iter().skip(added + 1));
        if !rest.clone().all(|pair| same(&pair)) {
            return None;
        }
        let folded = self
            .folded
            .clone()
            .renumbered(|index| index + usize::from(index >= added));
        fold_one_more(folded, &claimed(changes), added)
    }

    /// Returns the number of applied changes of `actor`, and the name of the last one.
    #[must_use]
    pub fn end_of(&self, actor: Actor) -> (usize, Option<ChangeHash>) {
        let own = self.applied_of(actor);
        own.fold((0, None), |(count, _), change| (count + 1, Some(change.hash)))
    }

    /// Returns the applied changes of an actor, in its own order.
    fn applied_of(&self, actor: Actor) -> impl Iterator<Item = &DocumentChange> {
        let mut actors: BTreeMap<(SiteId, u32), Actor> = BTreeMap::new();
        let applied = self.folded.applied.iter();
        let changes = applied.filter_map(|index| self.changes.get(*index));
        changes.filter(move |change| {
            let by = (change.log.site, change.epoch);
            *actors
                .entry(by)
                .or_insert_with(|| Actor::of(&by.0, by.1, DOCUMENT))
                == actor
        })
    }

    /// Returns the mutes that apply.
    #[must_use]
    pub fn in_force(&self) -> Mutes {
        self.folded.in_force(&claimed(&self.changes))
    }

    /// Returns the applied changes of `actor`, in its own order: the predecessors of its next change.
    #[must_use]
    pub fn written_by(&self, actor: Actor) -> Vec<&[u8]> {
        self.applied_of(actor)
            .map(|change| change.bytes.as_slice())
            .collect()
    }
}

/// The last built document, and the epochs of the logs from which it was built.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecentBook {
    /// The root of the claims from which it was built; `None` before the first build.
    pub(super) mark: Option<KnowledgeRoot>,
    pub(super) epochs: BTreeMap<LogId, u32>,
    pub(super) book: Arc<MuteBook>,
}

impl RecentBook {
    /// Returns the changes of a log whose deltas are known. A later epoch may have replaced them.
    pub(super) fn of_log(&self, state: &State, id: LogId) -> BTreeMap<ClaimNumber, &DocumentChange> {
        let epoch = state.logs.get(&id).map(|log| log.tip.epoch);
        if epoch.is_none() || self.epochs.get(&id).copied() != epoch {
            return BTreeMap::new();
        }
        let changes = self.book.changes.iter().filter(|change| change.log == id);
        changes.map(|change| (change.cursor.number, change)).collect()
    }
}

pub(super) fn claimed(changes: &[DocumentChange]) -> Vec<ClaimedChange<'_>> {
    let claims = changes.iter().map(|change| ClaimedChange {
        site: change.log.site,
        epoch: change.epoch,
        hash: change.hash,
        bytes: &change.bytes,
    });
    claims.collect()
}
