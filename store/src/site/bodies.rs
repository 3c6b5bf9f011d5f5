//! Record bodies by content hash: in packs, with their places in the engine.
//!
//! A copy of the store keeps its bodies in separate rows, so that a trial leaves nothing in the packs. Every
//! body that is read is hashed again.

use std::ops::ControlFlow;
use std::sync::Arc;

use starling_protocol::limits::MAX_RECORD_BYTES;
use starling_protocol::{ContentHash, Source};

use crate::engine::{Batch, Engine, ROWS_PER_COMMIT, Tree};
use crate::error::StoreError;
use crate::packs::{BodyPlace, PackError, PackPosition, Packs};
use crate::rows::txn::Txn;
use crate::rows::{damaged, meta};

/// The first byte of a row with the place of a body; the place follows.
const PLACED: u8 = 0;
/// The bytes of a row that holds the body itself: this, then one zstd frame.
const INLINE: u8 = 1;

/// The bodies of a store.
#[derive(Clone)]
pub(crate) struct BodyStore {
    engine: Arc<dyn Engine>,
    packs: Arc<Packs>,
    /// On a copy: bodies stay in the engine.
    inline: bool,
    level: i32,
}

impl BodyStore {
    pub(crate) fn new(engine: Arc<dyn Engine>, packs: Arc<Packs>, level: i32) -> Self {
        Self {
            engine,
            packs,
            inline: false,
            level,
        }
    }

    /// Returns the bodies of a copy of the store whose rows are in `engine`.
    pub(crate) fn on_copy(&self, engine: Arc<dyn Engine>) -> Self {
        Self {
            engine,
            inline: true,
            ..self.clone()
        }
    }

    pub(crate) fn packs(&self) -> &Arc<Packs> {
        &self.packs
    }

    /// Returns true if a body is here, without reading it.
    pub(crate) fn contains(&self, hash: &ContentHash) -> Result<bool, StoreError> {
        Ok(self.engine.get(Tree::Bodies, hash.as_bytes())?.is_some())
    }

    /// Reads a body and checks that it still hashes to its name.
    pub(crate) fn get(&self, hash: &ContentHash) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(row) = self.engine.get(Tree::Bodies, hash.as_bytes())? else {
            return Ok(None);
        };
        let bad = || damaged(Tree::Bodies, hash.as_bytes(), "the place of a body");
        match row.split_first() {
            Some((&PLACED, place)) => {
                let place = BodyPlace::decode(place).ok_or_else(bad)?;
                match self.packs.get(hash, &place) {
                    // The pack may have been rewritten since the place was read.
                    Err(PackError::MissingPack { .. }) if self.place(hash)? != Some(place) => self.get(hash),
                    found => found.map(Some).map_err(body_error),
                }
            }
            Some((&INLINE, frame)) => {
                let body = zstd::bulk::decompress(frame, MAX_RECORD_BYTES).map_err(|_| bad())?;
                if ContentHash::of(&body) == *hash {
                    Ok(Some(body))
                } else {
                    Err(bad())
                }
            }
            _ => Err(bad()),
        }
    }

    /// Returns the place of a body in the packs; `None` if it is not in a pack.
    pub(crate) fn place(&self, hash: &ContentHash) -> Result<Option<BodyPlace>, StoreError> {
        let row = self.engine.get(Tree::Bodies, hash.as_bytes())?;
        Ok(row.and_then(|row| place_in(&row)))
    }

    /// Writes those bodies of one source that are not here yet; they are durable after [`sync`](Self::sync).
    /// Returns the number of new ones.
    pub(crate) fn put(
        &self,
        source: Option<&Source>,
        bodies: &[(ContentHash, &[u8])],
    ) -> Result<usize, StoreError> {
        let mut fresh = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for (hash, body) in bodies {
            if seen.insert(*hash) && !self.contains(hash)? {
                fresh.push((*hash, *body));
            }
        }
        if fresh.is_empty() {
            return Ok(0);
        }
        let mut batch = Batch::new();
        if self.inline {
            for (hash, body) in &fresh {
                let frame = zstd::bulk::compress(body, self.level).map_err(|cause| StoreError::Compress {
                    cause: cause.to_string(),
                })?;
                batch.put(
                    Tree::Bodies,
                    hash.as_bytes(),
                    &[&[INLINE], frame.as_slice()].concat(),
                );
            }
        } else {
            for (hash, place) in self.packs.put(source, &fresh)? {
                batch.put(Tree::Bodies, hash.as_bytes(), &placed(&place));
            }
            self.note_ends(&mut batch);
        }
        self.engine.commit(&batch)?;
        Ok(fresh.len())
    }

    /// Notes the ends of the known places: in the durable part of the packs, and in the rows.
    pub(crate) fn note_ends(&self, batch: &mut Batch) {
        let synced = self.packs.synced_end();
        // Nothing was synced since the packs were opened: the earlier note holds.
        if synced > PackPosition::START {
            batch.put(Tree::Meta, meta::PACKED, &synced.encode());
        }
        batch.put(Tree::Meta, meta::PLACED, &self.packs.end().encode());
    }

    fn position(&self, key: &[u8]) -> Result<Option<PackPosition>, StoreError> {
        let row = self.engine.get(Tree::Meta, key)?;
        Ok(row.and_then(|row| PackPosition::decode(&row)))
    }

    /// Makes stored bodies durable, so that they may count as present from then on. The next [`put`](Self::put)
    /// or [`sync`](Self::sync) notes it.
    pub(crate) fn make_durable(&self) -> Result<(), StoreError> {
        if self.inline {
            return Ok(());
        }
        match self.packs.sync() {
            Err(PackError::ReadOnly) => Ok(()),
            synced => Ok(synced?),
        }
    }

    /// Makes stored bodies durable, and notes that with the change that relies on it.
    pub(crate) fn sync(&self, txn: &mut Txn<'_>) -> Result<(), StoreError> {
        if self.inline {
            return Ok(());
        }
        self.make_durable()?;
        let synced = self.packs.synced_end();
        if synced > PackPosition::START {
            txn.put(Tree::Meta, meta::PACKED, synced.encode().to_vec());
        }
        Ok(())
    }

    /// Notes the places of bodies in the packs that the engine does not know, and forgets places that the
    /// engine knows and the packs lost.
    pub(crate) fn find_places(&self) -> Result<FoundPlaces, StoreError> {
        let known = self.position(meta::PACKED)?;
        let after = known.unwrap_or(PackPosition::START);
        let mut batch = Batch::new();
        let mut failed = None;
        let scan = self.packs.scan(after, &mut |hash, place| {
            batch.put(Tree::Bodies, hash.as_bytes(), &placed(&place));
            if batch.len() >= ROWS_PER_COMMIT {
                if let Err(error) = self.engine.commit(&batch) {
                    failed.get_or_insert(error);
                }
                batch.clear();
            }
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if !batch.is_empty() {
            self.engine.commit(&batch)?;
        }
        let placed_to = self.position(meta::PLACED)?;
        let lost = match placed_to {
            Some(placed_to) if placed_to > after => self.forget_lost_places(after)?,
            _ => 0,
        };
        self.make_durable()?;
        if known != Some(scan.end) || placed_to != Some(scan.end) {
            let mut batch = Batch::new();
            batch.put(Tree::Meta, meta::PACKED, &scan.end.encode());
            batch.put(Tree::Meta, meta::PLACED, &scan.end.encode());
            self.engine.commit(&batch)?;
        }
        Ok(FoundPlaces {
            damage: scan.damage.iter().map(ToString::to_string).collect(),
            lost,
        })
    }

    /// Forgets places after a position at which the packs do not hold the body: power was lost before they were
    /// durable. Returns their number.
    fn forget_lost_places(&self, after: PackPosition) -> Result<usize, StoreError> {
        let mut doubtful = Vec::new();
        self.engine.scan_all(Tree::Bodies, &mut |key, row| {
            let hash = <[u8; 32]>::try_from(key).map(ContentHash::from_bytes);
            if let (Ok(hash), Some(place)) = (hash, place_in(row))
                && (place.pack.get(), place.offset) >= (after.pack, after.offset)
            {
                doubtful.push((hash, place));
            }
            ControlFlow::Continue(())
        })?;
        let mut batch = Batch::new();
        for (hash, place) in doubtful {
            match self.packs.get(&hash, &place) {
                Ok(_) => {}
                Err(PackError::Damaged { .. } | PackError::MissingPack { .. }) => {
                    batch.delete(Tree::Bodies, hash.as_bytes());
                }
                Err(error) => return Err(error.into()),
            }
        }
        if !batch.is_empty() {
            self.engine.commit(&batch)?;
        }
        Ok(batch.len())
    }

    /// Forgets the place of a body whose bytes are damaged, so that it is fetched again.
    pub(crate) fn drop_place(
        &self,
        txn: &mut Txn<'_>,
        hash: &ContentHash,
        place: &BodyPlace,
    ) -> Result<(), StoreError> {
        let row = txn.get(Tree::Bodies, hash.as_bytes())?;
        if row.as_deref().and_then(place_in).as_ref() == Some(place) {
            txn.delete(Tree::Bodies, hash.as_bytes());
        }
        Ok(())
    }
}

/// The result of looking for the places of bodies.
pub(crate) struct FoundPlaces {
    /// The damage in the packs.
    pub(crate) damage: Vec<String>,
    /// Places that were known and are not there.
    pub(crate) lost: usize,
}

/// Returns the row with the place of a body.
pub(crate) fn placed(place: &BodyPlace) -> Vec<u8> {
    let mut row = vec![PLACED];
    row.extend_from_slice(&place.encode());
    row
}

/// Decodes the place in a row of the bodies.
pub(crate) fn place_in(row: &[u8]) -> Option<BodyPlace> {
    match row.split_first() {
        Some((&PLACED, place)) => BodyPlace::decode(place),
        _ => None,
    }
}

/// Turns an error about one body into one with its name; errors about all bodies stay unchanged.
fn body_error(error: PackError) -> StoreError {
    match error {
        PackError::Damaged { hash, .. } | PackError::MissingPack { hash, .. } => StoreError::DamagedBody {
            hash,
            what: error.to_string(),
        },
        error => StoreError::Pack(error),
    }
}
