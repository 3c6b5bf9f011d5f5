//! Shared documents in the store: finds their accepted changes, folds them, and keeps the fold.
//!
//! The kept fold is derived. It carries the root of the accepted claims from which it was made, so an outdated
//! or damaged fold is detected and rebuilt from the claims. Scans read it and never fold.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

use starling_documents::actor::Actor;
use starling_documents::change::{ChangeError, ChangeHash, MAX_CHANGE_BYTES};
use starling_documents::graph::{ClaimedChange, MAX_CHANGES_PER_AUTHOR, Refusal};
use starling_documents::mutes::{DOCUMENT, FoldedMutes, MuteId, Mutes, fold_mutes};
use starling_protocol::{
    Claim, ClaimKind, ClaimNumber, Cursor, DeltaHash, KeyRef, KnowledgeRoot, SiteId, UnixMillis,
};

use crate::SiteStore;
use crate::activity::event_row::{EventRow, Subject};
use crate::activity::events::Origin;
use crate::deltas::logs::header_of;
use crate::engine::{Direction, Engine, Tree};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, claim_key_prefix, damaged, split_claim_key};
use crate::site::state::{LogId, State};
use crate::view::rows::ViewReader;

/// The kept fold of the mutes, in [`Tree::Documents`].
const MUTES_ROW: &[u8] = b"fold/mutes";
/// Raised if the meaning of the fold or its row changes: rows of other versions are rebuilt.
const ROW_VERSION: u8 = 1;

/// Most bytes of changes that are kept in memory with their document.
const MAX_KEPT_BOOK: usize = 16 << 20;

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

/// The whole document `mutes` of a site, with the claims behind it. Indexes in `folded` are those of `changes`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MuteBook {
    /// Every accepted change.
    pub changes: Vec<DocumentChange>,
    /// Their fold.
    pub folded: FoldedMutes,
}

impl MuteBook {
    fn of(changes: Vec<DocumentChange>) -> Self {
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

    /// Returns the mutes that count.
    #[must_use]
    pub fn in_force(&self) -> Mutes {
        self.folded.in_force(&claimed(&self.changes))
    }

    /// Returns the applied changes of `actor`, in its own order: the predecessors of its next change.
    #[must_use]
    pub fn written_by(&self, actor: Actor) -> Vec<&[u8]> {
        let applied = self.folded.applied.iter();
        let changes = applied.filter_map(|index| self.changes.get(*index));
        let own = changes.filter(|change| Actor::of(&change.log.site, change.epoch, DOCUMENT) == actor);
        own.map(|change| change.bytes.as_slice()).collect()
    }
}

/// The last built document, and the epochs of the logs from which it was built.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecentBook {
    /// The root of the claims from which it was built; `None` before the first.
    mark: Option<KnowledgeRoot>,
    epochs: BTreeMap<LogId, u32>,
    book: Arc<MuteBook>,
}

impl RecentBook {
    /// Returns the changes of a log whose deltas are known. A later epoch may have replaced them.
    fn of_log(&self, state: &State, id: LogId) -> BTreeMap<ClaimNumber, &DocumentChange> {
        let epoch = state.logs.get(&id).map(|log| log.tip.epoch);
        if epoch.is_none() || self.epochs.get(&id).copied() != epoch {
            return BTreeMap::new();
        }
        let changes = self.book.changes.iter().filter(|change| change.log == id);
        changes.map(|change| (change.cursor.number, change)).collect()
    }
}

fn claimed(changes: &[DocumentChange]) -> Vec<ClaimedChange<'_>> {
    let claims = changes.iter().map(|change| ClaimedChange {
        site: change.log.site,
        epoch: change.epoch,
        hash: change.hash,
        bytes: &change.bytes,
    });
    claims.collect()
}

/// The kept fold, for scans and overviews.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptMutes {
    /// The mutes that count.
    pub mutes: Arc<Mutes>,
    /// Changes that wait for others.
    pub waiting: u32,
    /// Changes that are kept and never applied.
    pub refused: u32,
}

impl KeptMutes {
    fn of(book: &MuteBook) -> Self {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            mutes: Arc::new(book.in_force()),
            waiting: count(book.folded.waiting.len()),
            refused: count(book.folded.refused.len()),
        }
    }

    /// Encodes the fold: BLAKE3 of the following bytes (32), version, the root of the claims (32), the rest in
    /// postcard.
    fn encode(&self, mark: &KnowledgeRoot) -> Result<Vec<u8>, StoreError> {
        let body = postcard::to_stdvec(&(self.mutes.as_ref(), self.waiting, self.refused))
            .map_err(|_| damaged(Tree::Documents, MUTES_ROW, "the fold of the mutes to write"))?;
        let mut content = vec![ROW_VERSION];
        content.extend_from_slice(mark.as_bytes());
        content.extend_from_slice(&body);
        let mut row = blake3::hash(&content).as_bytes().to_vec();
        row.extend_from_slice(&content);
        Ok(row)
    }

    /// Returns the row's fold, if it is whole and was made from the claims of `mark`.
    fn decode(row: &[u8], mark: &KnowledgeRoot) -> Option<Self> {
        let (hash, content) = row.split_first_chunk::<32>()?;
        if blake3::hash(content).as_bytes() != hash {
            return None;
        }
        let (&version, rest) = content.split_first()?;
        let (made_from, body) = rest.split_first_chunk::<32>()?;
        if version != ROW_VERSION || made_from != mark.as_bytes() {
            return None;
        }
        let (mutes, waiting, refused) = postcard::from_bytes::<(Mutes, u32, u32)>(body).ok()?;
        Some(Self {
            mutes: Arc::new(mutes),
            waiting,
            refused,
        })
    }
}

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
        let book = Arc::new(MuteBook::of(self.document_changes(state, rows, &recent)?));
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

    /// Returns the accepted in-scope changes of the document `mutes`, with claim and delta, in the order of
    /// their names. From a log with more than the limit, one extra change is returned, which shows the excess.
    fn document_changes(
        &self,
        state: &State,
        rows: &dyn Engine,
        recent: &RecentBook,
    ) -> Result<Vec<DocumentChange>, StoreError> {
        let mut found = FoundChanges::default();
        let mut bad = None;
        let prefix = claim_key_prefix(DOCUMENT);
        rows.scan_prefix(Tree::Claims, &prefix, Direction::Forward, &mut |key, row| {
            match accepted_change(state, key, row) {
                Some(Some((id, number, hash, claim))) => {
                    found.take(id, number, FoundChange::of(hash, &claim));
                }
                Some(None) => {}
                None => bad = Some(damaged(Tree::Claims, key, "a change of a document")),
            }
            ControlFlow::Continue(())
        })?;
        if let Some(error) = bad {
            return Err(error);
        }
        let mut changes = Vec::new();
        for (id, claims) in found.by_log {
            self.find_deltas(state, id, claims, &recent.of_log(state, id), &mut changes)?;
        }
        Ok(changes)
    }

    /// Adds changes with the deltas that carry them, in their log's order.
    fn find_deltas(
        &self,
        state: &State,
        id: LogId,
        claims: BTreeMap<ClaimNumber, FoundChange>,
        recent: &BTreeMap<ClaimNumber, &DocumentChange>,
        changes: &mut Vec<DocumentChange>,
    ) -> Result<(), StoreError> {
        let Some(log) = state.logs.get(&id) else {
            return Ok(());
        };
        let mut header = None;
        for (number, change) in claims {
            if let Some(known) = recent.get(&number).filter(|known| known.hash == change.hash) {
                changes.push((*known).clone());
                continue;
            }
            let holds = |header: &starling_protocol::DeltaHeader| header.last() >= number;
            let mut current = header.filter(holds);
            if current.is_none() {
                let before = ClaimNumber(number.0.saturating_sub(1));
                self.scan_deltas(log.number, before, number, &mut |_, delta| {
                    current = header_of(delta);
                    ControlFlow::Break(())
                })?;
            }
            let Some(found) = current.filter(|found| found.first <= number && holds(found)) else {
                return Err(damaged(
                    Tree::Logs,
                    &log.number.to_bytes(),
                    "the delta of a change",
                ));
            };
            header = current;
            changes.push(DocumentChange {
                log: id,
                epoch: found.epoch,
                cursor: Cursor {
                    time: found.time,
                    number,
                },
                delta: found.hash(),
                time: change.time,
                hash: change.hash,
                bytes: change.bytes,
                size: change.size,
            });
        }
        Ok(())
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

/// Returns the mutes of a whole row, whatever its claims: for finding what changed.
fn whatever_was_kept(row: &[u8]) -> Option<Arc<Mutes>> {
    let mark = row.get(33..65)?.try_into().ok()?;
    KeptMutes::decode(row, &KnowledgeRoot::from_bytes(mark)).map(|kept| kept.mutes)
}

/// A change from its claim's row, held until its delta is found.
#[derive(Debug)]
struct FoundChange {
    hash: ChangeHash,
    time: UnixMillis,
    bytes: Vec<u8>,
    size: usize,
}

impl FoundChange {
    fn of(hash: ChangeHash, claim: &Claim) -> Self {
        let payload = claim.payload();
        let bytes = if payload.len() > MAX_CHANGE_BYTES {
            // It never applies, so it need not be held.
            Vec::new()
        } else {
            payload.to_vec()
        };
        Self {
            hash,
            time: claim.time(),
            bytes,
            size: payload.len(),
        }
    }
}

/// Collects changes: the first ones of each log in its order, so that an author's further changes neither fill
/// the memory nor alter which of them apply.
#[derive(Debug, Default)]
struct FoundChanges {
    by_log: BTreeMap<LogId, BTreeMap<ClaimNumber, FoundChange>>,
}

impl FoundChanges {
    fn take(&mut self, id: LogId, number: ClaimNumber, change: FoundChange) {
        let log = self.by_log.entry(id).or_default();
        log.insert(number, change);
        // One extra is held: the fold refuses it, with a reason.
        if log.len() > MAX_CHANGES_PER_AUTHOR + 1 {
            log.pop_last();
        }
    }
}

type AcceptedChange = (LogId, ClaimNumber, ChangeHash, Claim);

/// Returns a row's change if it is accepted and in scope, or nothing if the row cannot be decoded.
fn accepted_change(state: &State, key: &[u8], row: &[u8]) -> Option<Option<AcceptedChange>> {
    let (claim_key, log) = split_claim_key(key)?;
    let id = state.log_id(log)?;
    let KeyRef::Document(document, hash) = claim_key.parse() else {
        return Some(None);
    };
    if document != DOCUMENT || !state.in_scope(&id.site, None) {
        return Some(None);
    }
    let sources = &state.logs.get(&id)?.sources;
    let accepted = sources.get(&None).map_or(ClaimNumber::NONE, |row| row.accepted);
    let row = ClaimRow::decode(row)?;
    let Some(row) = row.accepted_at(accepted) else {
        return Some(None);
    };
    let claim = Claim::decode(&row.frame(&claim_key)?).ok()?;
    let counts = claim.kind() == ClaimKind::DOCUMENT_CHANGE && !claim.is_tombstone();
    Some(counts.then(|| (id, row.number, ChangeHash::from_bytes(hash), claim)))
}

#[cfg(test)]
mod tests {
    use starling_protocol::Lane;

    use super::*;

    fn change(size: usize) -> FoundChange {
        let claim =
            Claim::document_change(DOCUMENT, [1; 32], &vec![7; size], UnixMillis::saturating(5)).unwrap();
        FoundChange::of(ChangeHash::from_bytes([1; 32]), &claim)
    }

    #[test]
    fn author_over_limit_keeps_first_changes_in_any_order() {
        let log = LogId {
            site: SiteId::from_bytes([1; 32]),
            lane: Lane::Federation,
        };
        let most = MAX_CHANGES_PER_AUTHOR as u64;
        let mut found = FoundChanges::default();
        for number in (1..=most + 500).rev() {
            found.take(log, ClaimNumber(number), change(1));
            assert!(found.by_log[&log].len() <= MAX_CHANGES_PER_AUTHOR + 1);
        }
        let held: Vec<u64> = found.by_log[&log].keys().map(|number| number.0).collect();
        assert_eq!(held, (1..=most + 1).collect::<Vec<_>>());
    }

    #[test]
    fn oversized_change_is_held_without_its_bytes() {
        assert_eq!(change(MAX_CHANGE_BYTES).bytes.len(), MAX_CHANGE_BYTES);
        let large = change(MAX_CHANGE_BYTES + 1);
        assert_eq!((large.bytes.capacity(), large.size), (0, MAX_CHANGE_BYTES + 1));
    }
}
