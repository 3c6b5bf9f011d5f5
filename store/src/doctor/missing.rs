//! What the store names and does not have: record bodies that claims need, and packs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use starling_protocol::{ClaimKey, ContentHash, SiteId, Source};

use crate::SiteStore;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::packs::PackNumber;
use crate::site::bodies::place_in;

/// Rows of the places that a look at the packs reads. They are in the order of hashes, so that a pack that holds
/// one body of a hundred is among them almost surely.
const PLACES_SEEN: usize = 4_096;

/// The record bodies that one author's claims about one source need and that are not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingBodies {
    /// The author.
    pub site: SiteId,
    /// The source; `None` for claims that belong to no source.
    pub source: Option<Source>,
    /// Number of bodies.
    pub bodies: u64,
    /// The first of the claims.
    pub example: ClaimKey,
}

impl SiteStore {
    /// Returns the bodies that held claims need and that are not here, by author and source.
    ///
    /// They never came, or were given up by a repair: the store does not know which.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn missing_bodies(&self) -> Result<Vec<MissingBodies>, StoreError> {
        let state = self.read()?;
        let mut found: BTreeMap<(SiteId, Option<Source>), (BTreeSet<ContentHash>, ClaimKey)> =
            BTreeMap::new();
        for (id, log) in &state.logs {
            for wanted in log.wanted.values() {
                let (hashes, _) = found
                    .entry((id.site, wanted.key.source()))
                    .or_insert_with(|| (BTreeSet::new(), wanted.key.clone()));
                hashes.insert(wanted.hash);
            }
        }
        let found = found.into_iter();
        Ok(found
            .map(|((site, source), (hashes, example))| MissingBodies {
                site,
                source,
                bodies: hashes.len() as u64,
                example,
            })
            .collect())
    }

    /// Returns true if bodies that held claims need are not here.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn is_missing_bodies(&self) -> Result<bool, StoreError> {
        Ok(self.read()?.logs.values().any(|log| !log.wanted.is_empty()))
    }

    /// Lists the files of packs in the folder, whether the store needs them or not. Reads no row.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn packs_in_folder(&self) -> Result<BTreeSet<PackNumber>, StoreError> {
        Ok(self.bodies.packs().in_folder()?)
    }

    /// Returns the files of packs that the index of places names and that are not in the folder.
    ///
    /// Reads some thousand places and lists the folder: a pack that holds few bodies may be overlooked. The doctor
    /// overlooks none.
    ///
    /// # Errors
    /// [`StoreError`] of the engine or the packs.
    pub fn missing_packs(&self) -> Result<Vec<String>, StoreError> {
        // A compaction may move bodies between the two looks; then the second one finds them.
        let first = self.absent_packs()?;
        if first.is_empty() {
            return Ok(Vec::new());
        }
        let second = self.absent_packs()?;
        let both = first.intersection(&second);
        Ok(both.map(PackNumber::to_string).collect())
    }

    fn absent_packs(&self) -> Result<BTreeSet<PackNumber>, StoreError> {
        let mut named = BTreeSet::new();
        let mut seen = 0;
        self.engine.scan_all(Tree::Bodies, &mut |_, row| {
            seen += 1;
            named.extend(place_in(row).map(|place| place.pack));
            if seen < PLACES_SEEN {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })?;
        if !named.is_empty() {
            let here = self.bodies.packs().in_folder()?;
            named.retain(|pack| !here.contains(pack));
        }
        Ok(named)
    }
}
