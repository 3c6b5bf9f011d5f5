//! Frees space: packs with few live bodies are rewritten without the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use starling_protocol::ContentHash;

use crate::SiteStore;
use crate::engine::{Batch, Tree};
use crate::error::StoreError;
use crate::packs::{BodyPlace, PackNumber};
use crate::site::bodies::{place_in, placed};

/// A pack is rewritten if less than this percentage of it is live.
const LIVE_PERCENT: u64 = 50;
/// Smaller packs are left alone: there is little to gain.
const LEAST_PACK_BYTES: u64 = 1 << 20;

/// The result of rewriting packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompactedBodies {
    /// Packs that were rewritten.
    pub packs: u64,
    /// Bodies that moved.
    pub bodies: u64,
    /// Bytes of all packs before.
    pub bytes_before: u64,
    /// Bytes of all packs after.
    pub bytes_after: u64,
}

impl SiteStore {
    /// Rewrites the packs that consist mostly of garbage: superseded bodies beyond the retention.
    ///
    /// Reads continue meanwhile. Crash-safe: the new packs are durable before the engine names them, and the
    /// old packs are removed only after that is durable too.
    ///
    /// # Errors
    /// [`StoreError`] of the packs or the engine.
    pub fn compact_bodies(&self) -> Result<CompactedBodies, StoreError> {
        let mut live: BTreeMap<PackNumber, u64> = BTreeMap::new();
        self.engine.scan_all(Tree::Bodies, &mut |_, row| {
            if let Some(place) = place_in(row) {
                *live.entry(place.pack).or_default() += u64::from(place.length);
            }
            ControlFlow::Continue(())
        })?;
        let usage = self.bodies.packs().usage();
        let victims: Vec<PackNumber> = usage
            .iter()
            .filter(|usage| {
                let live = live.get(&usage.pack).copied().unwrap_or(0);
                usage.bytes >= LEAST_PACK_BYTES && live * 100 < usage.bytes * LIVE_PERCENT
            })
            .map(|usage| usage.pack)
            .collect();
        self.rewrite_packs(&victims)
    }

    /// Rewrites packs without damaged and dead bodies.
    pub(crate) fn rewrite_packs(&self, victims: &[PackNumber]) -> Result<CompactedBodies, StoreError> {
        let packs = self.bodies.packs();
        let mut done = CompactedBodies {
            packs: victims.len() as u64,
            bytes_before: packs.size_on_disk(),
            ..CompactedBodies::default()
        };
        if victims.is_empty() {
            done.bytes_after = done.bytes_before;
            return Ok(done);
        }
        let usage = packs.usage();
        let bytes = usage.iter().filter(|usage| victims.contains(&usage.pack));
        let working = self
            .meter
            .begin("rewriting packs", bytes.map(|usage| usage.bytes).sum());
        let is_live = |hash: &ContentHash, place: &BodyPlace| {
            working.add(place.length.into());
            // A body that cannot be looked up is kept.
            self.bodies
                .place(hash)
                .map_or(true, |found| found == Some(*place))
        };
        let compacted = packs.compact(victims, &is_live)?;
        let mut batch = Batch::new();
        for (hash, old, new) in &compacted.moved {
            if self.bodies.place(hash)? == Some(*old) {
                batch.put(Tree::Bodies, hash.as_bytes(), &placed(new));
                done.bodies += 1;
            }
        }
        // A body that could not be copied is no longer here, even if claims name it.
        let moved: BTreeSet<ContentHash> = compacted.moved.iter().map(|(hash, ..)| *hash).collect();
        self.engine.scan_all(Tree::Bodies, &mut |key, row| {
            let hash = <[u8; 32]>::try_from(key).map(ContentHash::from_bytes);
            let gone = place_in(row).is_some_and(|place| compacted.garbage.contains(&place.pack));
            if gone && hash.is_ok_and(|hash| !moved.contains(&hash)) {
                batch.delete(Tree::Bodies, key);
            }
            ControlFlow::Continue(())
        })?;
        self.bodies.note_ends(&mut batch);
        self.engine.commit(&batch)?;
        self.engine.checkpoint()?;
        packs.remove(&compacted.garbage)?;
        done.bytes_after = packs.size_on_disk();
        Ok(done)
    }
}
