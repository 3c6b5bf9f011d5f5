//! The manifest: the content of a bundle, frame by frame, without a time. Its hash is the bundle's name.

use serde::{Deserialize, Serialize};

use crate::cursor::{ClaimNumber, Cursor};
use crate::delta::DeltaHash;
use crate::hash::{SiteId, derive, hash_type};
use crate::limits::{
    MAX_BODIES_FRAME_BYTES, MAX_BODIES_FRAME_STORED_BYTES, MAX_BUNDLE_FRAME_ITEMS, MAX_BUNDLE_FRAMES,
    MAX_BUNDLE_LOGS, MAX_BUNDLE_PARTS, MAX_BUNDLE_SOURCES, MAX_DELTAS_FRAME_BYTES,
};
use crate::names::{Lane, Source};
use crate::time::UnixMillis;
use crate::wire::{Reader, WireError, decode_struct, encode_struct};

use super::frame::SKIPPABLE_HEADER_BYTES;

const MAGIC: [u8; 4] = *b"STMF";
const VERSION: u8 = 1;
const HASH_CONTEXT: &str = "starling 2026-11 v1 bundle hash";
const SET_CONTEXT: &str = "starling 2026-11 v1 bundle set";
const FRAME_CONTEXT: &str = "starling 2026-11 v1 bundle frame";

hash_type!(
    /// The name of a bundle: the domain-separated BLAKE3 of its manifest. It does not depend on who sealed the
    /// bundle or when.
    BundleHash,
    "bundle hash"
);
hash_type!(
    /// Names a set of bundles that were split from one export.
    BundleSetId,
    "bundle set id"
);
hash_type!(
    /// The domain-separated BLAKE3 of a frame's bytes in the file, header included.
    FrameHash,
    "frame hash"
);

impl FrameHash {
    pub(super) fn of(frame: &[u8]) -> Self {
        Self::from_bytes(derive(FRAME_CONTEXT, &[frame]))
    }
}

impl BundleSetId {
    /// Returns the id of the set that carries `ranges` (as one sorted list) within `scope` in `count` parts.
    #[must_use]
    pub fn of(ranges: &[LogRange], scope: Option<&[Source]>, count: u32) -> Self {
        Self::from_bytes(derive(SET_CONTEXT, &[&encode_struct(&(ranges, scope, count))]))
    }
}

/// A stretch of one log: all deltas after one position up to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRange {
    /// The author.
    pub site: SiteId,
    /// The lane.
    pub lane: Lane,
    /// The claim after which it begins; 0 for the beginning of the log.
    pub after: ClaimNumber,
    /// Hash of the delta that ends there; zero for the beginning of the log.
    pub after_header: DeltaHash,
    /// Its last claim.
    pub last: ClaimNumber,
    /// Hash of its last delta.
    pub last_header: DeltaHash,
    /// Hybrid logical time of its last delta.
    pub last_time: UnixMillis,
}

impl LogRange {
    /// Returns the position at its end.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor {
            time: self.last_time,
            number: self.last,
        }
    }

    /// Returns the number of claims in the range.
    #[must_use]
    pub fn claims(&self) -> u64 {
        self.last.0.saturating_sub(self.after.0)
    }
}

/// The kind of content in a frame after the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameKind {
    /// Exact delta bytes, in a skippable frame.
    Deltas,
    /// Canonical records, one a line, in a zstd frame.
    Bodies,
}

impl FrameKind {
    /// Returns `deltas` or `bodies`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deltas => "deltas",
            Self::Bodies => "bodies",
        }
    }
}

/// One frame after the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameEntry {
    /// The kind of its content.
    pub kind: FrameKind,
    /// Bytes in the file, a skippable frame's header included.
    pub stored_size: u32,
    /// Bytes of its content, unpacked.
    pub unpacked_size: u32,
    /// The number of deltas or bodies in it.
    pub items: u32,
    /// Hash of its bytes in the file.
    pub hash: FrameHash,
}

/// The part of a set that a bundle is. A bundle that was not split is part 1 of 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundlePart {
    /// The set.
    pub set: BundleSetId,
    /// This part, from 1.
    pub index: u32,
    /// The number of parts in the set.
    pub count: u32,
}

/// The content of a bundle, version 1 (frozen).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleManifest {
    /// The part of a set that this bundle is.
    pub part: BundlePart,
    /// The sources whose bodies it contains, sorted; `None` for all sources.
    pub scope: Option<Vec<Source>>,
    /// The stretches of logs, sorted by (site, lane), at most one each.
    pub ranges: Vec<LogRange>,
    /// Every frame after the manifest, in file order: deltas first, then bodies.
    pub frames: Vec<FrameEntry>,
}

/// Sums over a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct BundleTotals {
    /// Claims.
    pub claims: u64,
    /// Deltas.
    pub deltas: u64,
    /// Bytes of deltas.
    pub deltas_bytes: u64,
    /// Bodies.
    pub bodies: u64,
    /// Bytes of bodies, unpacked, without line ends.
    pub bodies_bytes: u64,
    /// Bytes in the file after the manifest.
    pub stored_bytes: u64,
}

impl BundleManifest {
    /// Sums over ranges and frames.
    #[must_use]
    pub fn totals(&self) -> BundleTotals {
        let mut totals = BundleTotals {
            claims: self
                .ranges
                .iter()
                .fold(0, |sum, range| range.claims().saturating_add(sum)),
            ..BundleTotals::default()
        };
        for frame in &self.frames {
            let (items, unpacked) = (u64::from(frame.items), u64::from(frame.unpacked_size));
            totals.stored_bytes += u64::from(frame.stored_size);
            match frame.kind {
                FrameKind::Deltas => {
                    totals.deltas += items;
                    totals.deltas_bytes += unpacked;
                }
                FrameKind::Bodies => {
                    totals.bodies += items;
                    totals.bodies_bytes += unpacked.saturating_sub(items);
                }
            }
        }
        totals
    }

    /// Returns the content of the manifest's frame.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&MAGIC);
        out.push(VERSION);
        out.extend_from_slice(&encode_struct(self));
        out
    }

    /// Returns the bundle's name, from the content of the manifest's frame.
    pub(super) fn hash_of(content: &[u8]) -> BundleHash {
        BundleHash::from_bytes(derive(HASH_CONTEXT, &[content]))
    }

    /// Decodes the content of a manifest's frame and checks every bound and every order in it.
    pub(super) fn decode(content: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(content);
        reader.magic(MAGIC, VERSION, "bundle manifest")?;
        let manifest: Self = decode_struct(reader.rest(), "bundle manifest")?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks every rule for manifests. Readers check what they read, and writers check their own before they
    /// write.
    pub(super) fn check(&self) -> Result<(), WireError> {
        let scope = self.scope.as_deref().unwrap_or_default();
        at_most(
            "bundle parts",
            u64::from(self.part.count),
            MAX_BUNDLE_PARTS.into(),
        )?;
        at_most("bundle sources", scope.len() as u64, MAX_BUNDLE_SOURCES as u64)?;
        at_most("bundle logs", self.ranges.len() as u64, MAX_BUNDLE_LOGS as u64)?;
        at_most(
            "bundle frames",
            self.frames.len() as u64,
            MAX_BUNDLE_FRAMES as u64,
        )?;
        must(
            (1..=self.part.count).contains(&self.part.index),
            "bundle part number",
        )?;
        let alone = BundleSetId::of(&self.ranges, self.scope.as_deref(), 1);
        must(self.part.count > 1 || self.part.set == alone, "bundle set id")?;
        must(scope.windows(2).all(|pair| pair[0] < pair[1]), "bundle sources")?;
        must(
            self.ranges
                .windows(2)
                .all(|pair| (pair[0].site, pair[0].lane) < (pair[1].site, pair[1].lane)),
            "bundle log order",
        )?;
        for range in &self.ranges {
            must(
                range.after < range.last
                    && range.last <= ClaimNumber::MAX
                    && (range.after == ClaimNumber::NONE) == (range.after_header == DeltaHash::ZERO),
                "bundle log range",
            )?;
        }
        must(
            self.frames.windows(2).all(|pair| pair[0].kind <= pair[1].kind),
            "bundle frame order",
        )?;
        let brings_deltas = self
            .frames
            .first()
            .is_some_and(|frame| frame.kind == FrameKind::Deltas);
        must(brings_deltas != self.ranges.is_empty(), "bundle deltas frames")?;
        self.frames.iter().try_for_each(FrameEntry::check)
    }
}

impl FrameEntry {
    fn check(&self) -> Result<(), WireError> {
        let (stored, unpacked) = (u64::from(self.stored_size), u64::from(self.unpacked_size));
        at_most(
            "bundle frame items",
            self.items.into(),
            MAX_BUNDLE_FRAME_ITEMS.into(),
        )?;
        match self.kind {
            FrameKind::Deltas => {
                at_most("deltas frame", unpacked, MAX_DELTAS_FRAME_BYTES as u64)?;
                must(
                    stored == unpacked + SKIPPABLE_HEADER_BYTES as u64,
                    "deltas frame size",
                )?;
            }
            FrameKind::Bodies => {
                at_most("unpacked bodies frame", unpacked, MAX_BODIES_FRAME_BYTES as u64)?;
                at_most("bodies frame", stored, MAX_BODIES_FRAME_STORED_BYTES as u64)?;
            }
        }
        // Every delta and every line has at least two bytes, and no frame is empty.
        must(
            self.items > 0 && u64::from(self.items) * 2 <= unpacked,
            "bundle frame items",
        )
    }
}

fn at_most(field: &'static str, found: u64, limit: u64) -> Result<(), WireError> {
    if found > limit {
        return Err(WireError::OverLimit { field, found, limit });
    }
    Ok(())
}

fn must(holds: bool, field: &'static str) -> Result<(), WireError> {
    if holds {
        Ok(())
    } else {
        Err(WireError::NotCanonical { field })
    }
}
