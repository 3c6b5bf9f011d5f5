//! Frames as they are in the file: skippable frames for signed binary parts, zstd frames for bodies.
//!
//! Skippable frame (RFC 8878 §3.1.2): u32 LE magic `0x184D2A5?`, u32 LE size, that many bytes. Every zstd
//! tool steps over it.

use std::io::{self, Read};

use crate::limits::BUNDLE_ZSTD_LEVEL;
use crate::window::check_window;

use super::error::{BundleError, FrameRef};

/// Magic number of a seal's frame. `…50` and `…5E` are avoided: other tools use them.
pub(super) const SEAL_FRAME: u32 = 0x184D_2A51;
/// Magic number of a manifest's frame.
pub(super) const MANIFEST_FRAME: u32 = 0x184D_2A52;
/// Magic number of a frame of deltas.
pub(super) const DELTAS_FRAME: u32 = 0x184D_2A53;
/// Magic number of an ordinary zstd frame.
const ZSTD_FRAME: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// Bytes before a skippable frame's content.
pub(super) const SKIPPABLE_HEADER_BYTES: usize = 8;

/// Returns the eight-byte header for `content_length` bytes of content. The callers' limits are far below 4
/// GiB.
pub(super) fn skippable_header(magic: u32, content_length: usize) -> [u8; SKIPPABLE_HEADER_BYTES] {
    let length = u32::try_from(content_length).unwrap_or(u32::MAX);
    let mut header = [0; SKIPPABLE_HEADER_BYTES];
    header[..4].copy_from_slice(&magic.to_le_bytes());
    header[4..].copy_from_slice(&length.to_le_bytes());
    header
}

/// Splits eight header bytes into magic number and content length.
fn parse_header(header: [u8; SKIPPABLE_HEADER_BYTES]) -> ([u8; 4], u32) {
    let [a, b, c, d, e, f, g, h] = header;
    ([a, b, c, d], u32::from_le_bytes([e, f, g, h]))
}

/// Returns the content of a whole skippable frame (header and content) if its magic number is `magic`.
pub(super) fn skippable_content(magic: u32, frame: &[u8]) -> Option<&[u8]> {
    let (header, content) = frame.split_first_chunk()?;
    let (found, length) = parse_header(*header);
    (found == magic.to_le_bytes() && usize::try_from(length) == Ok(content.len())).then_some(content)
}

/// Counts the bytes read, enforces the caller's bound, and allocates memory only as bytes arrive.
#[derive(Debug)]
pub(super) struct Input<R> {
    inner: R,
    offset: u64,
    limit: u64,
}

impl<R: Read> Input<R> {
    pub(super) fn new(inner: R, limit: u64) -> Self {
        Self {
            inner,
            offset: 0,
            limit,
        }
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Lowers the caller's bound.
    pub(super) fn restrict(&mut self, limit: u64) {
        self.limit = self.limit.min(limit);
    }

    /// Checks that `more` bytes from here are within the caller's bound.
    pub(super) fn allow(&self, more: u64) -> Result<(), BundleError> {
        let found = self.offset.saturating_add(more);
        if found > self.limit {
            return Err(BundleError::TooLarge {
                found,
                limit: self.limit,
            });
        }
        Ok(())
    }

    /// Reads exactly `count` bytes. The caller has checked `count` against a limit.
    pub(super) fn take(&mut self, count: usize, frame: FrameRef) -> Result<Vec<u8>, BundleError> {
        let wanted = count as u64;
        self.allow(wanted)?;
        let mut bytes = Vec::new();
        let offset = self.offset;
        let left = (&mut self.inner)
            .take(wanted)
            .read_to_end(&mut bytes)
            .map_err(|source| BundleError::Io {
                frame,
                offset,
                source,
            })?;
        self.offset += left as u64;
        if left < count {
            return Err(BundleError::Truncated {
                frame,
                offset,
                wanted,
                left: left as u64,
            });
        }
        Ok(bytes)
    }

    /// Reads a skippable frame of `magic` with at most `limit` bytes of content, and returns the content.
    pub(super) fn skippable(
        &mut self,
        magic: u32,
        limit: usize,
        frame: FrameRef,
    ) -> Result<Vec<u8>, BundleError> {
        let offset = self.offset;
        let mut header = [0; SKIPPABLE_HEADER_BYTES];
        header.copy_from_slice(&self.take(SKIPPABLE_HEADER_BYTES, frame)?);
        let (found, length) = parse_header(header);
        if found != magic.to_le_bytes() {
            let found = hex::encode(found);
            return Err(if frame == FrameRef::SEAL {
                BundleError::NotABundle { found }
            } else {
                BundleError::WrongFrame { frame, offset, found }
            });
        }
        match usize::try_from(length) {
            Ok(length) if length <= limit => self.take(length, frame),
            _ => Err(BundleError::OverLimit {
                frame,
                found: u64::from(length),
                limit: limit as u64,
            }),
        }
    }

    /// Checks that no bytes follow. `frame` names the place in the error if reading fails.
    pub(super) fn finish(&mut self, frame: FrameRef) -> Result<(), BundleError> {
        let offset = self.offset;
        let mut one = Vec::new();
        (&mut self.inner)
            .take(1)
            .read_to_end(&mut one)
            .map_err(|source| BundleError::Io {
                frame,
                offset,
                source,
            })?;
        if one.is_empty() {
            Ok(())
        } else {
            Err(BundleError::Trailing { offset })
        }
    }
}

/// Compresses one frame of bodies with the pinned parameters.
///
/// Uses one call with a known size and a fresh context, level [`BUNDLE_ZSTD_LEVEL`], with content size, without
/// checksum (the manifest's hash is stronger) and without dictionary. One version of libzstd therefore gives
/// equal bytes for equal input.
pub(super) fn compress(ndjson: &[u8]) -> io::Result<Vec<u8>> {
    use zstd::zstd_safe::CParameter;
    let mut compressor = zstd::bulk::Compressor::new(BUNDLE_ZSTD_LEVEL)?;
    compressor.set_parameter(CParameter::ContentSizeFlag(true))?;
    compressor.set_parameter(CParameter::ChecksumFlag(false))?;
    compressor.set_parameter(CParameter::DictIdFlag(false))?;
    compressor.compress(ndjson)
}

/// Decompresses one authenticated frame of bodies to exactly `size` bytes, a size that the manifest check has
/// bounded.
pub(super) fn decompress(stored: &[u8], size: usize) -> Result<Vec<u8>, String> {
    if !stored.starts_with(&ZSTD_FRAME) {
        return Err("it does not begin as a zstd frame".to_owned());
    }
    // Accept exactly one frame that states its size and needs no dictionary, so that a file has one meaning
    // only.
    match zstd::zstd_safe::find_frame_compressed_size(stored) {
        Ok(length) if length == stored.len() => {}
        Ok(length) => return Err(format!("{} bytes follow the zstd frame", stored.len() - length)),
        Err(_) => return Err("it is not a whole zstd frame".to_owned()),
    }
    if zstd::zstd_safe::get_dict_id_from_frame(stored).is_some() {
        return Err("it needs a dictionary, which bundles do not use".to_owned());
    }
    match zstd::zstd_safe::get_frame_content_size(stored) {
        Ok(Some(found)) if found == size as u64 => {}
        Ok(Some(found)) => {
            return Err(format!(
                "it states {found} bytes of content, the manifest lists {size}"
            ));
        }
        _ => return Err("it does not state the size of its content".to_owned()),
    }
    check_window(stored)?;
    let bytes = zstd::bulk::decompress(stored, size).map_err(|cause| cause.to_string())?;
    if bytes.len() == size {
        Ok(bytes)
    } else {
        Err(format!(
            "it decompressed to {} bytes, the manifest lists {size}",
            bytes.len()
        ))
    }
}
