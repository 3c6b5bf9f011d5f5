//! The deltas or bodies of one frame, in memory.

use crate::delta::Delta;
use crate::hash::ContentHash;
use crate::limits::{BODIES_FRAME_TARGET_BYTES, MAX_BUNDLE_FRAME_ITEMS, MAX_RECORD_BYTES};

use super::error::{BundleError, BundleWriteError, FrameRef};
use super::frame;
use super::manifest::{FrameEntry, FrameHash, FrameKind, LogRange};
use super::range::RangeCheck;

/// The deltas of one frame, in log order. The frame is authentic; the authors' signatures are not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltasPage {
    bytes: Vec<u8>,
    /// The end of each delta, and the range that it belongs to.
    ends: Vec<(usize, usize)>,
}

impl DeltasPage {
    /// Divides a frame's content into deltas and checks them against the manifest's ranges.
    pub(super) fn parse(
        bytes: Vec<u8>,
        entry: &FrameEntry,
        ranges: &[LogRange],
        check: &mut RangeCheck,
        frame: FrameRef,
    ) -> Result<Self, BundleError> {
        let mut ends = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (delta, after) = Delta::decode_first(rest).map_err(|source| BundleError::Delta {
                frame,
                index: ends.len(),
                source,
            })?;
            let range = check.push(ranges, delta.header(), frame)?;
            ends.push((bytes.len() - after.len(), range));
            rest = after;
        }
        if u32::try_from(ends.len()) != Ok(entry.items) {
            return Err(BundleError::Unpack {
                frame,
                problem: format!(
                    "it holds {} deltas, the manifest lists {}",
                    ends.len(),
                    entry.items
                ),
            });
        }
        Ok(Self { bytes, ends })
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns true if there are no deltas. Readers never return such a page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Returns all deltas' bytes, one after the other.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the exact bytes of each delta.
    pub fn deltas(&self) -> impl Iterator<Item = &[u8]> {
        self.with_ranges().map(|(_, delta)| delta)
    }

    /// Returns each delta with the index of its range in the manifest.
    pub(super) fn with_ranges(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(end, range)| {
            let delta = &self.bytes[start..end];
            start = end;
            (range, delta)
        })
    }
}

/// Bodies of one frame, in rising order of their hashes.
///
/// A body's hash is computed from its bytes. Only a verified claim shows that the body is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodiesPage {
    ndjson: Vec<u8>,
    /// Each body's hash and the offset of its line end.
    lines: Vec<(ContentHash, usize)>,
}

impl BodiesPage {
    /// Divides a frame's content into lines; `last` is the hash of the body before this frame.
    pub(super) fn parse(
        ndjson: Vec<u8>,
        entry: &FrameEntry,
        last: Option<ContentHash>,
        frame: FrameRef,
    ) -> Result<Self, BundleError> {
        let refuse = |problem: String| BundleError::Bodies { frame, problem };
        let mut lines: Vec<(ContentHash, usize)> = Vec::new();
        let mut previous = last;
        let mut start = 0;
        while start < ndjson.len() {
            let rest = &ndjson[start..];
            let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
                return Err(refuse("its last line has no line end".to_owned()));
            };
            // The manifest check bounded the number of items, so the list of lines stays small compared with
            // the frame.
            if u32::try_from(lines.len()).is_ok_and(|found| found == entry.items) {
                return Err(refuse(format!(
                    "more than the {} bodies that the manifest lists",
                    entry.items
                )));
            }
            if length == 0 || length > MAX_RECORD_BYTES {
                return Err(refuse(format!(
                    "line {} has {length} bytes; expected 1 to {MAX_RECORD_BYTES}",
                    lines.len() + 1
                )));
            }
            let hash = ContentHash::of(&rest[..length]);
            if let Some(previous) = previous.filter(|previous| *previous >= hash) {
                return Err(refuse(format!(
                    "body {hash} follows {previous}: out of order or repeated"
                )));
            }
            lines.push((hash, start + length));
            previous = Some(hash);
            start += length + 1;
        }
        if u32::try_from(lines.len()) != Ok(entry.items) {
            return Err(refuse(format!(
                "it holds {} bodies, the manifest lists {}",
                lines.len(),
                entry.items
            )));
        }
        Ok(Self { ndjson, lines })
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Returns true if there are no bodies. Readers never return such a page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the lines as they are, each with its end.
    #[must_use]
    pub fn as_ndjson(&self) -> &[u8] {
        &self.ndjson
    }

    /// Returns each body with its hash.
    pub fn bodies(&self) -> impl Iterator<Item = (ContentHash, &[u8])> {
        let mut start = 0;
        self.lines.iter().map(move |&(hash, end)| {
            let body = &self.ndjson[start..end];
            start = end + 1;
            (hash, body)
        })
    }

    /// Returns the hash of the last body.
    pub(super) fn last(&self) -> Option<ContentHash> {
        self.lines.last().map(|&(hash, _)| hash)
    }
}

/// Collects bodies into frames. This is the only place that decides where a frame of bodies ends.
///
/// A frame is closed when its NDJSON reaches [`BODIES_FRAME_TARGET_BYTES`] or its lines reach
/// [`MAX_BUNDLE_FRAME_ITEMS`].
#[derive(Debug, Default)]
pub struct BodiesPacker {
    ndjson: Vec<u8>,
    items: u32,
    first: Option<ContentHash>,
    last: Option<ContentHash>,
}

impl BodiesPacker {
    /// Adds the body with the hash `expected`, and returns the frame if it is full now.
    ///
    /// # Errors
    /// [`BundleWriteError`] if the bytes have another hash, are not one line, exceed the size limit, or come
    /// out of order.
    pub fn push(
        &mut self,
        expected: ContentHash,
        body: &[u8],
    ) -> Result<Option<OpenBodies>, BundleWriteError> {
        let found = ContentHash::of(body);
        if found != expected {
            return Err(BundleWriteError::WrongBody { expected, found });
        }
        if body.is_empty() || body.contains(&b'\n') {
            return Err(BundleWriteError::NotALine { hash: expected });
        }
        if body.len() > MAX_RECORD_BYTES {
            return Err(BundleWriteError::TooMuch {
                what: "a body's size in bytes",
                found: body.len() as u64,
                limit: MAX_RECORD_BYTES as u64,
                advice: "such a record should never have been stored; run `starling doctor`",
            });
        }
        if let Some(last) = self.last.filter(|last| *last >= found) {
            return Err(BundleWriteError::BodyOrder { last, found });
        }
        self.ndjson.extend_from_slice(body);
        self.ndjson.push(b'\n');
        self.items += 1;
        self.first = self.first.or(Some(found));
        self.last = Some(found);
        if self.ndjson.len() < BODIES_FRAME_TARGET_BYTES && self.items < MAX_BUNDLE_FRAME_ITEMS {
            return Ok(None);
        }
        Ok(self.close())
    }

    /// Returns the frame that was begun, if any.
    #[must_use]
    pub fn finish(mut self) -> Option<OpenBodies> {
        self.close()
    }

    fn close(&mut self) -> Option<OpenBodies> {
        let order = (self.first.take()?, self.last?);
        Some(OpenBodies {
            ndjson: std::mem::take(&mut self.ndjson),
            items: std::mem::take(&mut self.items),
            order,
        })
    }
}

/// A full frame of bodies that is not compressed yet.
///
/// Compression takes most of an export's time. A caller with threads may compress several frames in parallel
/// and pass them to the writer in order.
#[derive(Debug)]
pub struct OpenBodies {
    ndjson: Vec<u8>,
    items: u32,
    order: (ContentHash, ContentHash),
}

impl OpenBodies {
    /// Compresses the frame with the pinned parameters.
    ///
    /// # Errors
    /// [`BundleWriteError::Compress`] if libzstd fails, which happens only when memory is short.
    pub fn compress(self) -> Result<CompressedBodies, BundleWriteError> {
        let stored = frame::compress(&self.ndjson).map_err(|source| BundleWriteError::Compress { source })?;
        let narrow = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let entry = FrameEntry {
            kind: FrameKind::Bodies,
            stored_size: narrow(stored.len()),
            unpacked_size: narrow(self.ndjson.len()),
            items: self.items,
            hash: FrameHash::of(&stored),
        };
        Ok(CompressedBodies {
            stored,
            entry,
            order: self.order,
        })
    }
}

/// A compressed frame of bodies, ready to be written.
#[derive(Debug)]
pub struct CompressedBodies {
    pub(super) stored: Vec<u8>,
    pub(super) entry: FrameEntry,
    /// Hashes of its first and its last body.
    pub(super) order: (ContentHash, ContentHash),
}
