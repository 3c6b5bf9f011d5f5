//! Bodies of schema 2: rows of the engine, compressed with dictionaries in other rows.
//!
//! ```text
//! meta   dictionary/ number (u16 BE) -> u8 length and name of the source, then the zstd dictionary
//! bodies content hash                -> u16 LE dictionary number (0 for none), then one zstd frame
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use starling_protocol::limits::MAX_RECORD_BYTES;
use starling_protocol::{ContentHash, Source};

use crate::engine::{Direction, Engine, Tree};
use crate::error::StoreError;
use crate::packs::Packs;
use crate::rows::{ClaimRow, damaged, split_claim_key};

/// Bodies copied in one go.
const BATCH_BODIES: usize = 2_048;
/// Bytes of bodies copied in one go.
const BATCH_BYTES: usize = 16 << 20;

/// Copies every body into the packs, those of a source together.
pub(super) fn copy(old: &dyn Engine, packs: &Packs) -> Result<(), StoreError> {
    let mut copier = Copier {
        old,
        packs,
        dictionaries: dictionaries(old)?,
        done: BTreeSet::new(),
        batch: Vec::new(),
        bytes: 0,
    };
    for (source, hashes) in by_source(old)? {
        for hash in hashes {
            copier.add(hash, Some(&source))?;
        }
        copier.write(Some(&source))?;
    }
    let mut rest = Vec::new();
    old.scan_all(Tree::Bodies, &mut |key, _| {
        rest.extend(<[u8; 32]>::try_from(key).map(ContentHash::from_bytes));
        ControlFlow::Continue(())
    })?;
    for hash in rest {
        copier.add(hash, None)?;
    }
    copier.write(None)
}

struct Copier<'a> {
    old: &'a dyn Engine,
    packs: &'a Packs,
    dictionaries: BTreeMap<u16, Vec<u8>>,
    done: BTreeSet<ContentHash>,
    batch: Vec<(ContentHash, Vec<u8>)>,
    bytes: usize,
}

impl Copier<'_> {
    fn add(&mut self, hash: ContentHash, source: Option<&Source>) -> Result<(), StoreError> {
        if !self.done.insert(hash) {
            return Ok(());
        }
        let Some(row) = self.old.get(Tree::Bodies, hash.as_bytes())? else {
            // Named but not here: it stays missing, as before.
            return Ok(());
        };
        match self.unpack(&row).filter(|body| ContentHash::of(body) == hash) {
            Some(body) => {
                self.bytes += body.len();
                self.batch.push((hash, body));
            }
            // Damaged bodies are not migrated: they are missing from now on, and peers or a bundle have them.
            None => {
                tracing::error!(body = %hash, "a stored body is damaged and is not migrated; it must be fetched again");
            }
        }
        if self.batch.len() >= BATCH_BODIES || self.bytes >= BATCH_BYTES {
            self.write(source)?;
        }
        Ok(())
    }

    fn write(&mut self, source: Option<&Source>) -> Result<(), StoreError> {
        let bodies: Vec<(ContentHash, &[u8])> = self
            .batch
            .iter()
            .map(|(hash, body)| (*hash, body.as_slice()))
            .collect();
        self.packs.put(source, &bodies)?;
        self.batch.clear();
        self.bytes = 0;
        Ok(())
    }

    fn unpack(&self, row: &[u8]) -> Option<Vec<u8>> {
        let (number, frame) = row.split_first_chunk::<2>()?;
        let size = zstd::zstd_safe::get_frame_content_size(frame).ok()??;
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= MAX_RECORD_BYTES)?;
        match u16::from_le_bytes(*number) {
            0 => zstd::bulk::decompress(frame, size).ok(),
            number => {
                let dictionary = self.dictionaries.get(&number)?;
                let mut decompressor = zstd::bulk::Decompressor::with_dictionary(dictionary).ok()?;
                decompressor.decompress(frame, size).ok()
            }
        }
    }
}

fn dictionaries(old: &dyn Engine) -> Result<BTreeMap<u16, Vec<u8>>, StoreError> {
    let mut dictionaries = BTreeMap::new();
    let mut bad = None;
    old.scan_prefix(
        Tree::Meta,
        b"dictionary/",
        Direction::Forward,
        &mut |key, value| {
            let number = key.last_chunk::<2>().map(|number| u16::from_be_bytes(*number));
            let bytes = value
                .split_first()
                .and_then(|(length, rest)| rest.get(usize::from(*length)..));
            match number.zip(bytes) {
                Some((number, bytes)) => {
                    dictionaries.insert(number, bytes.to_vec());
                }
                None => bad = Some(damaged(Tree::Meta, key, "a dictionary")),
            }
            ControlFlow::Continue(())
        },
    )?;
    bad.map_or(Ok(dictionaries), Err)
}

/// Returns the bodies that claims name, by the source that they are about.
fn by_source(old: &dyn Engine) -> Result<BTreeMap<Source, Vec<ContentHash>>, StoreError> {
    let mut sources: BTreeMap<Source, Vec<ContentHash>> = BTreeMap::new();
    old.scan_all(Tree::Claims, &mut |key, row| {
        let source = split_claim_key(key).and_then(|(key, _)| key.source());
        let row = ClaimRow::decode(row);
        if let (Some(source), Some(row)) = (source, row) {
            for row in [Some(&row), row.prior.as_deref()].into_iter().flatten() {
                if let Some((.., Some(content), _)) = row.kind_and_content() {
                    sources.entry(source.clone()).or_default().push(content);
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(sources)
}
