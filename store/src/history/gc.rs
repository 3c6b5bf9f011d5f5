//! Collects superseded bodies by mark and sweep: drops those that nothing names, the kept past included.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use starling_protocol::ContentHash;

use crate::SiteStore;
use crate::engine::{ROWS_PER_COMMIT, Tree};
use crate::error::StoreError;
use crate::history::Retention;
use crate::journal::Entry;
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, damaged};
use crate::site::bodies::place_in;
use crate::site::state::State;

/// The result of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Bodies that live claims name.
    pub live: u64,
    /// Bodies that only the kept past names.
    pub past: u64,
    /// Bodies that were dropped.
    pub dropped: u64,
}

impl SiteStore {
    /// Drops the parts of the past that are not to be kept, and every body that nothing names any more:
    /// superseded contents, and those of interrupted imports.
    ///
    /// Holds the store while it works: a few hundred milliseconds for 100,000 records.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn drop_superseded(&self, retention: &Retention) -> Result<Collected, StoreError> {
        self.change(|state| {
            let live = self.named_bodies(state)?;
            let superseded = self.superseded()?;
            let past: BTreeSet<ContentHash> = superseded.iter().filter_map(|row| row.content).collect();
            let mut past_bytes = BTreeMap::new();
            let mut dead = Vec::new();
            self.engine.scan_all(Tree::Bodies, &mut |key, row| {
                match <[u8; 32]>::try_from(key).map(ContentHash::from_bytes) {
                    Ok(hash) if live.contains(&hash) => {}
                    Ok(hash) if past.contains(&hash) => {
                        let bytes = place_in(row).map_or(row.len() as u64, |place| u64::from(place.length));
                        past_bytes.insert(hash, bytes);
                    }
                    _ => dead.push(key.to_vec()),
                }
                ControlFlow::Continue(())
            })?;
            let kept = self.past_to_keep(state, retention, superseded, &past_bytes)?;
            let mut txn = self.txn();
            // First, because rows of a past that cannot be restored are useless.
            if let Some(floor) = kept.floor {
                state.history.raise_floor(&mut txn, floor);
                txn.log(Entry::HistoryFloor(floor));
                txn.commit()?;
            }
            let forgotten = past_bytes.keys().filter(|hash| !kept.bodies.contains(hash));
            dead.extend(forgotten.map(|hash| hash.as_bytes().to_vec()));
            if !dead.is_empty() {
                self.bodies_dropped.fetch_add(1, Ordering::SeqCst);
            }
            for keys in kept.dropped.chunks(ROWS_PER_COMMIT) {
                let mut txn = Txn::new(self.engine.as_ref());
                for key in keys {
                    txn.delete(Tree::History, key);
                }
                txn.commit()?;
            }
            for keys in dead.chunks(ROWS_PER_COMMIT) {
                self.drop_bodies(keys)?;
            }
            Ok(Collected {
                live: live.len() as u64,
                past: past_bytes
                    .keys()
                    .filter(|hash| kept.bodies.contains(hash))
                    .count() as u64,
                dropped: dead.len() as u64,
            })
        })
    }

    /// Drops bodies by their rows' keys. The log records it: the packs hold these bodies until they are
    /// rewritten, and a rebuilt engine must not find them there.
    fn drop_bodies(&self, keys: &[Vec<u8>]) -> Result<(), StoreError> {
        let mut txn = self.txn();
        let mut dropped = Vec::new();
        for key in keys {
            if let Ok(hash) = <[u8; 32]>::try_from(key.as_slice()).map(ContentHash::from_bytes)
                && let Some(place) = self.bodies.place(&hash)?
            {
                dropped.push((hash, place));
            }
            txn.delete(Tree::Bodies, key);
        }
        txn.log(Entry::BodiesDropped(dropped));
        txn.commit()
    }

    /// Returns every body that a claim row names, as the current claim or as the one it will replace.
    pub(crate) fn named_bodies(&self, _state: &State) -> Result<BTreeSet<ContentHash>, StoreError> {
        let mut named = BTreeSet::new();
        let mut bad = None;
        self.engine.scan_all(Tree::Claims, &mut |key, row| {
            let Some(row) = ClaimRow::decode(row) else {
                bad = Some(damaged(Tree::Claims, key, "a claim"));
                return ControlFlow::Break(());
            };
            for row in [Some(&row), row.prior.as_deref()].into_iter().flatten() {
                if let Some((.., Some(content), _)) = row.kind_and_content() {
                    named.insert(content);
                }
            }
            ControlFlow::Continue(())
        })?;
        bad.map_or(Ok(named), Err)
    }
}
