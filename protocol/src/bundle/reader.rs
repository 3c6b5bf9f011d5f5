//! Reads a bundle frame by frame and authenticates each frame before it is decompressed.

use std::io::Read;

use crate::hash::ContentHash;
use crate::limits::{MAX_MANIFEST_BYTES, MAX_SEAL_BYTES};

use super::error::{BundleError, FrameRef};
use super::frame::{self, DELTAS_FRAME, Input, MANIFEST_FRAME, SEAL_FRAME};
use super::manifest::{BundleHash, BundleManifest, FrameEntry, FrameHash, FrameKind};
use super::page::{BodiesPage, DeltasPage};
use super::range::RangeCheck;
use super::seal::BundleSeal;

/// The treatment of a seal whose signature does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SealCheck {
    /// Refuse a seal that is not signed by the exporter it names.
    #[default]
    Require,
    /// Accept a seal even if its signature or the exporter's chain does not hold. Everything else in the seal
    /// must hold.
    ///
    /// Deltas are still verified against their authors' chains.
    Skip,
}

/// Options for reading a bundle.
#[derive(Debug, Clone, Copy)]
pub struct ReaderOptions {
    /// Most bytes that the file may have.
    pub max_bundle_bytes: u64,
    /// The treatment of a seal whose signature does not hold.
    pub seal: SealCheck,
}

impl Default for ReaderOptions {
    /// Sets no bound on the file (each frame has its own), and requires a valid seal.
    fn default() -> Self {
        Self {
            max_bundle_bytes: u64::MAX,
            seal: SealCheck::Require,
        }
    }
}

/// The content of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleItem {
    /// Deltas, in log order, unproven.
    Deltas(DeltasPage),
    /// Bodies, by rising hash over the whole bundle.
    Bodies(BodiesPage),
}

/// Reads a bundle from a stream, one frame in memory at a time.
///
/// All deltas come before all bodies. The bundle is complete only after [`BundleReader::next_item`] has
/// returned `None`: each earlier page is authentic, but the file may still be cut off.
#[derive(Debug)]
pub struct BundleReader<R> {
    input: Input<R>,
    seal: BundleSeal,
    manifest: BundleManifest,
    hash: BundleHash,
    next: usize,
    ranges: RangeCheck,
    last_body: Option<ContentHash>,
    failed: bool,
}

impl<R: Read> BundleReader<R> {
    /// Reads and checks the seal and the manifest.
    ///
    /// # Errors
    /// Any [`BundleError`] of the two. [`BundleError::TooLarge`] also if the manifest shows that the whole file
    /// exceeds the bound.
    pub fn open(input: R, options: ReaderOptions) -> Result<Self, BundleError> {
        let mut input = Input::new(input, options.max_bundle_bytes);
        let seal = input.skippable(SEAL_FRAME, MAX_SEAL_BYTES, FrameRef::SEAL)?;
        let seal = BundleSeal::decode(&seal, options.seal)?;
        let content = input.skippable(MANIFEST_FRAME, MAX_MANIFEST_BYTES, FrameRef::MANIFEST)?;
        let hash = BundleManifest::hash_of(&content);
        if hash != seal.bundle() {
            let (sealed, found) = (seal.bundle(), hash);
            return Err(BundleError::ManifestHash { sealed, found });
        }
        let manifest = BundleManifest::decode(&content).map_err(|source| BundleError::Decode {
            frame: FrameRef::MANIFEST,
            source,
        })?;
        let reader = Self {
            input,
            seal,
            manifest,
            hash,
            next: 0,
            ranges: RangeCheck::default(),
            last_body: None,
            failed: false,
        };
        reader.input.allow(reader.unread_bytes())?;
        Ok(reader)
    }

    /// Returns the seal.
    #[must_use]
    pub fn seal(&self) -> &BundleSeal {
        &self.seal
    }

    /// Returns the manifest.
    #[must_use]
    pub fn manifest(&self) -> &BundleManifest {
        &self.manifest
    }

    /// Returns the bundle's name.
    #[must_use]
    pub fn hash(&self) -> BundleHash {
        self.hash
    }

    /// Bytes read so far.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// Bytes of the whole file, by its manifest.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.input.offset().saturating_add(self.unread_bytes())
    }

    fn unread_bytes(&self) -> u64 {
        let unread = self.manifest.frames.iter().skip(self.next);
        unread.map(|frame| u64::from(frame.stored_size)).sum()
    }

    /// Lowers the bound on the file, for callers whose bound depends on the exporter.
    ///
    /// # Errors
    /// [`BundleError::TooLarge`] if the manifest shows that the file is larger.
    pub fn restrict(&mut self, max_bundle_bytes: u64) -> Result<(), BundleError> {
        self.input.restrict(max_bundle_bytes);
        self.input.allow(self.unread_bytes())
    }

    /// Returns the seal, the manifest and the name, and drops the rest.
    #[must_use]
    pub fn into_parts(self) -> (BundleSeal, BundleManifest, BundleHash) {
        (self.seal, self.manifest, self.hash)
    }

    /// Reads the next frame. Returns `None` after the last one, when nothing follows it.
    ///
    /// # Errors
    /// Any [`BundleError`]; after an error, always [`BundleError::AfterError`].
    pub fn next_item(&mut self) -> Result<Option<BundleItem>, BundleError> {
        if self.failed {
            return Err(BundleError::AfterError);
        }
        let outcome = self.read_next();
        self.failed = outcome.is_err();
        outcome
    }

    fn read_next(&mut self) -> Result<Option<BundleItem>, BundleError> {
        let Some(&entry) = self.manifest.frames.get(self.next) else {
            let end = FrameRef::end(self.next);
            self.ranges.finish(&self.manifest.ranges, end)?;
            self.input.finish(end)?;
            return Ok(None);
        };
        let frame = FrameRef::listed(self.next, entry.kind);
        let stored = self.read_frame(&entry, frame)?;
        let item = match entry.kind {
            FrameKind::Deltas => BundleItem::Deltas(self.open_deltas(&stored, &entry, frame)?),
            FrameKind::Bodies => {
                self.ranges.finish(&self.manifest.ranges, frame)?;
                let size = usize::try_from(entry.unpacked_size).unwrap_or(usize::MAX);
                let ndjson = frame::decompress(&stored, size)
                    .map_err(|problem| BundleError::Unpack { frame, problem })?;
                let page = BodiesPage::parse(ndjson, &entry, self.last_body, frame)?;
                self.last_body = page.last();
                BundleItem::Bodies(page)
            }
        };
        self.next += 1;
        Ok(Some(item))
    }

    /// Reads a listed frame completely and checks its hash before its content is used.
    fn read_frame(&mut self, entry: &FrameEntry, frame: FrameRef) -> Result<Vec<u8>, BundleError> {
        let offset = self.input.offset();
        // The manifest check has bounded every stored size.
        let size = usize::try_from(entry.stored_size).unwrap_or(usize::MAX);
        let stored = self.input.take(size, frame)?;
        if FrameHash::of(&stored) != entry.hash {
            return Err(BundleError::FrameHash { frame, offset });
        }
        Ok(stored)
    }

    fn open_deltas(
        &mut self,
        stored: &[u8],
        entry: &FrameEntry,
        frame: FrameRef,
    ) -> Result<DeltasPage, BundleError> {
        let Some(content) = frame::skippable_content(DELTAS_FRAME, stored) else {
            let found = hex::encode(&stored[..stored.len().min(4)]);
            let offset = self.input.offset() - stored.len() as u64;
            return Err(BundleError::WrongFrame { frame, offset, found });
        };
        DeltasPage::parse(
            content.to_vec(),
            entry,
            &self.manifest.ranges,
            &mut self.ranges,
            frame,
        )
    }
}
