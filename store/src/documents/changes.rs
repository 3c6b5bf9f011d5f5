//! Finds the accepted changes of a document, in the claims and their deltas.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_documents::change::{ChangeHash, MAX_CHANGE_BYTES};
use starling_documents::graph::MAX_CHANGES_PER_AUTHOR;
use starling_documents::mutes::DOCUMENT;
use starling_protocol::{Claim, ClaimKind, ClaimNumber, Cursor, KeyRef, UnixMillis};

use super::RecentBook;
use super::mute_book::DocumentChange;
use crate::SiteStore;
use crate::deltas::logs::header_of;
use crate::engine::{Direction, Engine, Tree};
use crate::error::StoreError;
use crate::rows::{ClaimRow, claim_key_prefix, damaged, split_claim_key};
use crate::site::state::{LogId, State};

impl SiteStore {
    /// Returns the accepted in-scope changes of the document `mutes`, with claim and delta, in the order of
    /// their names. From a log with more than the limit, one extra change is returned, which shows the excess.
    pub(super) fn document_changes(
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
    pub(super) fn find_deltas(
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
}

/// A change from its claim's row, held until its delta is found.
#[derive(Debug)]
pub(super) struct FoundChange {
    pub(super) hash: ChangeHash,
    pub(super) time: UnixMillis,
    pub(super) bytes: Vec<u8>,
    pub(super) size: usize,
}

impl FoundChange {
    pub(super) fn of(hash: ChangeHash, claim: &Claim) -> Self {
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
pub(super) struct FoundChanges {
    pub(super) by_log: BTreeMap<LogId, BTreeMap<ClaimNumber, FoundChange>>,
}

impl FoundChanges {
    pub(super) fn take(&mut self, id: LogId, number: ClaimNumber, change: FoundChange) {
        let log = self.by_log.entry(id).or_default();
        log.insert(number, change);
        // One extra is held: the fold refuses it, with a reason.
        if log.len() > MAX_CHANGES_PER_AUTHOR + 1 {
            log.pop_last();
        }
    }
}

pub(super) type AcceptedChange = (LogId, ClaimNumber, ChangeHash, Claim);

/// Returns a row's change if it is accepted and in scope, or nothing if the row cannot be decoded.
pub(super) fn accepted_change(state: &State, key: &[u8], row: &[u8]) -> Option<Option<AcceptedChange>> {
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
