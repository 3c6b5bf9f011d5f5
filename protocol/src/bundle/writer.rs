//! Writes a bundle. The manifest precedes the frames that it lists, so frames are first written to a spool.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::delta::Delta;
use crate::hash::ContentHash;
use crate::limits::{MAX_BUNDLE_FRAMES, MAX_BUNDLE_LOGS, MAX_DELTAS_FRAME_BYTES, MAX_MANIFEST_BYTES};
use crate::names::Source;

use super::error::BundleWriteError;
use super::frame::{DELTAS_FRAME, MANIFEST_FRAME, SEAL_FRAME, SKIPPABLE_HEADER_BYTES, skippable_header};
use super::manifest::{
    BundleHash, BundleManifest, BundlePart, BundleSetId, FrameEntry, FrameHash, FrameKind,
};
use super::page::{BodiesPacker, CompressedBodies};
use super::range::RangeBuilder;
use super::seal::SealRequest;

/// The properties of a bundle that do not follow from its content.
#[derive(Debug, Clone, Default)]
pub struct WriterOptions {
    /// The sources whose bodies it contains, sorted; `None` for all.
    pub scope: Option<Vec<Source>>,
    /// The part of a set that it is; `None` for a single bundle.
    pub part: Option<BundlePart>,
}

/// A summary of the written bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleSummary {
    /// The bundle's name.
    pub hash: BundleHash,
    /// The manifest.
    pub manifest: BundleManifest,
    /// Bytes in the file.
    pub file_bytes: u64,
}

/// Writes one bundle: all deltas, then all bodies, then [`BundleWriter::finish`].
///
/// `S` is a spool (a temporary file, or a cursor over memory for small bundles), written from its current
/// position on. Memory holds at most one frame and the list of frames.
#[derive(Debug)]
pub struct BundleWriter<S> {
    spool: S,
    start: u64,
    spooled: u64,
    options: WriterOptions,
    ranges: RangeBuilder,
    frames: Vec<FrameEntry>,
    /// The frame of deltas that is being filled, header included.
    deltas: Vec<u8>,
    deltas_items: u32,
    bodies: BodiesPacker,
    bodies_begun: bool,
    last_body: Option<ContentHash>,
}

impl<S: Read + Write + Seek> BundleWriter<S> {
    /// Begins a bundle.
    ///
    /// # Errors
    /// [`BundleWriteError::Io`] if the spool's position cannot be read.
    pub fn new(mut spool: S, options: WriterOptions) -> Result<Self, BundleWriteError> {
        let start = spool
            .stream_position()
            .map_err(failed("asking the spool for its position"))?;
        Ok(Self {
            spool,
            start,
            spooled: 0,
            options,
            ranges: RangeBuilder::default(),
            frames: Vec::new(),
            deltas: Vec::new(),
            deltas_items: 0,
            bodies: BodiesPacker::default(),
            bodies_begun: false,
            last_body: None,
        })
    }

    /// Sets the sources whose bodies the bundle contains, for callers that learn them from its deltas.
    pub fn set_scope(&mut self, scope: Option<Vec<Source>>) {
        self.options.scope = scope;
    }

    /// Adds the exact bytes of one delta. Deltas come by (site, lane, number), without gaps within a log.
    ///
    /// # Errors
    /// [`BundleWriteError`] if the bytes are not a delta, come out of order, or come after a body. Signatures
    /// are not checked: a store verifies each delta when it takes it in, and the importer verifies it again.
    pub fn push_delta(&mut self, bytes: &[u8]) -> Result<(), BundleWriteError> {
        let delta = Delta::decode(bytes).map_err(|source| BundleWriteError::Delta { source })?;
        if self.bodies_begun {
            return Err(BundleWriteError::DeltaAfterBody);
        }
        self.ranges.push(delta.header())?;
        let logs = self.ranges.ranges().len();
        if logs > MAX_BUNDLE_LOGS {
            return Err(too_much("the number of logs", logs, MAX_BUNDLE_LOGS));
        }
        if self.deltas.len() + bytes.len() > MAX_DELTAS_FRAME_BYTES + SKIPPABLE_HEADER_BYTES {
            self.close_deltas()?;
        }
        if self.deltas.is_empty() {
            self.deltas.resize(SKIPPABLE_HEADER_BYTES, 0);
        }
        self.deltas.extend_from_slice(bytes);
        self.deltas_items += 1;
        Ok(())
    }

    /// Adds the body with the hash `expected`. Bodies come in rising order of their hashes, each once.
    ///
    /// # Errors
    /// [`BundleWriteError`] if the bytes have another hash or come out of order, or if the spool fails.
    pub fn push_body(&mut self, expected: ContentHash, body: &[u8]) -> Result<(), BundleWriteError> {
        self.begin_bodies()?;
        match self.bodies.push(expected, body)? {
            Some(full) => self.write_bodies(&full.compress()?),
            None => Ok(()),
        }
    }

    /// Adds a frame of bodies that the caller packed and compressed, with the same result as
    /// [`BundleWriter::push_body`].
    ///
    /// For reproducible bytes, one [`BodiesPacker`] must see all bodies of the bundle. Do not mix this with
    /// [`BundleWriter::push_body`].
    ///
    /// # Errors
    /// [`BundleWriteError::BodyOrder`], or an error of the spool.
    pub fn push_bodies(&mut self, frame: &CompressedBodies) -> Result<(), BundleWriteError> {
        self.begin_bodies()?;
        self.write_bodies(frame)
    }

    fn begin_bodies(&mut self) -> Result<(), BundleWriteError> {
        self.bodies_begun = true;
        self.close_deltas()
    }

    fn write_bodies(&mut self, frame: &CompressedBodies) -> Result<(), BundleWriteError> {
        let (first, last) = frame.order;
        if let Some(before) = self.last_body.filter(|before| *before >= first) {
            return Err(BundleWriteError::BodyOrder {
                last: before,
                found: first,
            });
        }
        self.last_body = Some(last);
        self.spool_frame(frame.entry, &frame.stored)
    }

    fn close_deltas(&mut self) -> Result<(), BundleWriteError> {
        if self.deltas.is_empty() {
            return Ok(());
        }
        let mut stored = std::mem::take(&mut self.deltas);
        let unpacked = stored.len() - SKIPPABLE_HEADER_BYTES;
        stored[..SKIPPABLE_HEADER_BYTES].copy_from_slice(&skippable_header(DELTAS_FRAME, unpacked));
        let narrow = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let entry = FrameEntry {
            kind: FrameKind::Deltas,
            stored_size: narrow(stored.len()),
            unpacked_size: narrow(unpacked),
            items: std::mem::take(&mut self.deltas_items),
            hash: FrameHash::of(&stored),
        };
        self.spool_frame(entry, &stored)
    }

    fn spool_frame(&mut self, entry: FrameEntry, stored: &[u8]) -> Result<(), BundleWriteError> {
        if self.frames.len() == MAX_BUNDLE_FRAMES {
            let found = MAX_BUNDLE_FRAMES + 1;
            return Err(too_much("the number of frames", found, MAX_BUNDLE_FRAMES));
        }
        self.spool.write_all(stored).map_err(failed("spooling a frame"))?;
        self.spooled += stored.len() as u64;
        self.frames.push(entry);
        Ok(())
    }

    /// Seals the bundle, writes all of it to `out`, and returns the spool.
    ///
    /// # Errors
    /// [`BundleWriteError`] if the seal cannot be made, or the spool or the output fails.
    pub fn finish<W: Write>(
        mut self,
        seal: &SealRequest<'_>,
        mut out: W,
    ) -> Result<(BundleSummary, S), BundleWriteError> {
        self.close_deltas()?;
        if let Some(open) = std::mem::take(&mut self.bodies).finish() {
            self.write_bodies(&open.compress()?)?;
        }
        let ranges = self.ranges.finish();
        let scope = self.options.scope;
        let part = self.options.part.unwrap_or_else(|| BundlePart {
            set: BundleSetId::of(&ranges, scope.as_deref(), 1),
            index: 1,
            count: 1,
        });
        let manifest = BundleManifest {
            part,
            scope,
            ranges,
            frames: self.frames,
        };
        manifest.check().map_err(|cause| BundleWriteError::Options {
            problem: cause.to_string(),
        })?;
        let content = manifest.encode();
        if content.len() > MAX_MANIFEST_BYTES {
            let found = content.len();
            return Err(too_much(
                "the size of the manifest in bytes",
                found,
                MAX_MANIFEST_BYTES,
            ));
        }
        let hash = BundleManifest::hash_of(&content);
        let sealed = seal.sign(hash, manifest.ranges.iter().map(|range| range.site))?;

        let mut file_bytes = self.spooled;
        for (magic, content) in [(SEAL_FRAME, &sealed), (MANIFEST_FRAME, &content)] {
            let header = skippable_header(magic, content.len());
            out.write_all(&header)
                .and_then(|()| out.write_all(content))
                .map_err(failed("writing seal and manifest"))?;
            file_bytes += (header.len() + content.len()) as u64;
        }
        self.spool
            .flush()
            .and_then(|()| self.spool.seek(SeekFrom::Start(self.start)))
            .map_err(failed("going back to the beginning of the spool"))?;
        let copied = io::copy(&mut (&mut self.spool).take(self.spooled), &mut out)
            .and_then(|copied| out.flush().map(|()| copied))
            .map_err(failed("copying the frames from the spool"))?;
        if copied != self.spooled {
            return Err(failed("copying the frames from the spool")(
                io::ErrorKind::UnexpectedEof.into(),
            ));
        }
        let summary = BundleSummary {
            hash,
            manifest,
            file_bytes,
        };
        Ok((summary, self.spool))
    }
}

fn failed(attempted: &'static str) -> impl FnOnce(io::Error) -> BundleWriteError {
    move |source| BundleWriteError::Io { attempted, source }
}

fn too_much(what: &'static str, found: usize, limit: usize) -> BundleWriteError {
    BundleWriteError::TooMuch {
        what,
        found: found as u64,
        limit: limit as u64,
        advice: "export fewer logs at a time, or a split set",
    }
}
