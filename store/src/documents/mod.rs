//! Shared documents in the store: finds their accepted changes, folds them, and keeps the fold.
//!
//! The kept fold is derived. It carries the root of the accepted claims from which it was made, so an outdated
//! or damaged fold is detected and rebuilt from the claims. Scans read it and never fold.

mod changes;
mod kept;
mod mute_book;
#[cfg(test)]
mod tests;

pub use self::kept::KeptMutes;
pub(crate) use self::mute_book::RecentBook;
pub use self::mute_book::{DocumentChange, MuteBook};

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use starling_documents::mutes::{MuteId, Mutes};
use starling_protocol::{KnowledgeRoot, SiteId};

use self::kept::whatever_was_kept;
use crate::SiteStore;
use crate::activity::event_row::{EventRow, Subject};
use crate::activity::events::Origin;
use crate::engine::{Engine, Tree};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::site::state::State;
use crate::view::rows::ViewReader;

/// The kept fold of the mutes, in [`Tree::Documents`].
const MUTES_ROW: &[u8] = b"fold/mutes";

/// Most bytes of changes that are kept in memory with their document.
const MAX_KEPT_BOOK: usize = 16 << 20;

impl State {
    /// Returns the root over the accepted claims in scope that belong to no source: equal roots mean equal
    /// documents.
    pub(crate) fn documents_mark(&self) -> KnowledgeRoot {
        self.root_over(|id, source, row| {
            (source.is_none() && self.in_scope(&id.site, None)).then_some(&row.accepted_state.state)
        })
    }

    fn has_documents(&self) -> bool {
        self.logs.values().any(|log| log.sources.contains_key(&None))
    }
}

impl ViewReader<'_> {
    /// Returns the mutes in force, as of this view.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn mutes(&self) -> Result<Arc<KeptMutes>, StoreError> {
        self.store.kept_mutes(&self.state, self.state.rows())
    }

    /// Returns the whole document `mutes`, folded from its changes, with the author of each entry.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn mute_book(&self) -> Result<Arc<MuteBook>, StoreError> {
        self.store.book_of(&self.state, self.state.rows())
    }
}

impl SiteStore {
    fn kept_mutes(&self, state: &State, rows: &dyn Engine) -> Result<Arc<KeptMutes>, StoreError> {
        if !state.has_documents() {
            return Ok(Arc::default());
        }
        let mark = state.documents_mark();
        if let Some(kept) = self.cached_mutes(&mark) {
            return Ok(kept);
        }
        let row = rows.get(Tree::Documents, MUTES_ROW)?;
        let kept = match row.and_then(|row| KeptMutes::decode(&row, &mark)) {
            Some(kept) => kept,
            // Outdated or damaged: read the claims instead. The next change writes the row.
            None => KeptMutes::of(self.book_of(state, rows)?.as_ref()),
        };
        Ok(self.cache_mutes(mark, kept))
    }

    /// Returns the document built from the accepted changes. The last one is kept: writing a change reads the
    /// document before, during and after its acceptance.
    fn book_of(&self, state: &State, rows: &dyn Engine) -> Result<Arc<MuteBook>, StoreError> {
        let mark = state.documents_mark();
        let recent = self.recent_book();
        if recent.mark == Some(mark) {
            return Ok(recent.book);
        }
        let changes = self.document_changes(state, rows, &recent)?;
        let book = Arc::new(MuteBook::after(&recent.book, changes));
        let bytes: usize = book.changes.iter().map(|change| change.bytes.len()).sum();
        if bytes <= MAX_KEPT_BOOK {
            let epochs = state.logs.iter().map(|(id, log)| (*id, log.tip.epoch)).collect();
            *self.book.lock().unwrap_or_else(PoisonError::into_inner) = RecentBook {
                mark: Some(mark),
                epochs,
                book: book.clone(),
            };
        }
        Ok(book)
    }

    fn recent_book(&self) -> RecentBook {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn cached_mutes(&self, mark: &KnowledgeRoot) -> Option<Arc<KeptMutes>> {
        let cached = self.mutes.lock().unwrap_or_else(PoisonError::into_inner);
        let (made_from, kept) = cached.as_ref()?;
        (made_from == mark).then(|| kept.clone())
    }

    fn cache_mutes(&self, mark: KnowledgeRoot, kept: KeptMutes) -> Arc<KeptMutes> {
        let kept = Arc::new(kept);
        *self.mutes.lock().unwrap_or_else(PoisonError::into_inner) = Some((mark, kept.clone()));
        kept
    }

    /// Folds the documents again if the applicable changes differ, keeps the fold, and writes events about the
    /// differences. This is the last step of a replay, and can be repeated.
    pub(crate) fn follow_documents(&self, state: &State, origin: &Origin) -> Result<(), StoreError> {
        if !state.has_documents() {
            return Ok(());
        }
        let mark = state.documents_mark();
        if self.cached_mutes(&mark).is_some() {
            return Ok(());
        }
        let row = self.engine.get(Tree::Documents, MUTES_ROW)?;
        if let Some(kept) = row.as_deref().and_then(|row| KeptMutes::decode(row, &mark)) {
            self.cache_mutes(mark, kept);
            return Ok(());
        }
        let before = row.as_deref().and_then(whatever_was_kept).unwrap_or_default();
        let book = self.book_of(state, self.engine.as_ref())?;
        let kept = KeptMutes::of(&book);
        let mut txn = Txn::new(self.engine.as_ref());
        txn.put(Tree::Documents, MUTES_ROW, kept.encode(&mark)?);
        self.write_mute_events(&mut txn, state, origin, &before, &kept.mutes, &book)?;
        txn.commit()?;
        self.cache_mutes(mark, kept);
        Ok(())
    }

    fn write_mute_events(
        &self,
        txn: &mut Txn<'_>,
        state: &State,
        origin: &Origin,
        before: &Mutes,
        after: &Mutes,
        book: &MuteBook,
    ) -> Result<(), StoreError> {
        let ids =
            |mutes: &Mutes| -> BTreeSet<MuteId> { mutes.all().iter().map(|mute| mute.id.clone()).collect() };
        let (old, new) = (ids(before), ids(after));
        let added = after.all().iter().filter(|mute| !old.contains(&mute.id));
        let ended = before.all().iter().filter(|mute| !new.contains(&mute.id));
        let ended = ended.map(|mute| {
            // The person who ended it, if known; the mute's own author if the mute is gone completely.
            let removal = book
                .folded
                .mutes
                .get(&mute.id)
                .and_then(|mute| mute.removals.first());
            let removal = removal.and_then(|removal| book.changes.get(removal.change));
            let site = removal.map_or(mute.site, |change| change.log.site);
            (site, mute, true)
        });
        let all = added.map(|mute| (mute.site, mute, false)).chain(ended);
        let rows = all.filter_map(|(site, mute, ended): (SiteId, _, _)| {
            Some(EventRow {
                author: *state.authors.get(&site)?,
                at: origin.at,
                bundle: origin.bundle,
                subject: Subject::Mute {
                    id: mute.id.clone(),
                    vulnerability: mute.text.vulnerability.clone(),
                    ended,
                },
            })
        });
        self.append_events(txn, rows)
    }

    /// Returns the kept fold of the row and the fold of the claims, for the doctor.
    pub(crate) fn compare_mutes(&self, state: &State) -> Result<(Option<KeptMutes>, MuteBook), StoreError> {
        let book =
            MuteBook::of(self.document_changes(state, self.engine.as_ref(), &RecentBook::default())?);
        let row = self.engine.get(Tree::Documents, MUTES_ROW)?;
        let kept = row.and_then(|row| KeptMutes::decode(&row, &state.documents_mark()));
        Ok((kept, book))
    }

    /// Rewrites the fold of the mutes.
    pub(crate) fn keep_mutes(&self, state: &State, book: &MuteBook) -> Result<(), StoreError> {
        let (mark, kept) = (state.documents_mark(), KeptMutes::of(book));
        let mut txn = Txn::new(self.engine.as_ref());
        txn.put(Tree::Documents, MUTES_ROW, kept.encode(&mark)?);
        txn.commit()?;
        self.cache_mutes(mark, kept);
        Ok(())
    }
}
