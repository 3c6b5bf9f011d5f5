//! Bytes for the current pack that are not written yet.

use std::sync::Arc;

use starling_protocol::ContentHash;

use super::BodyPlace;
use super::error::PackError;
use super::files::PackFile;
use super::frame::Body;

/// Frames for the current pack, and the places that they will have.
pub(super) struct Batch {
    pub(super) pack: Arc<PackFile>,
    pub(super) start: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) places: Vec<(ContentHash, BodyPlace)>,
    /// Offset of the dictionary that the bodies name; 0 for none.
    pub(super) dictionary: u32,
}

impl Batch {
    /// Adds a compressed body.
    pub(super) fn push(&mut self, hash: ContentHash, packed: &[u8]) -> Result<(), PackError> {
        let offset = self.start + self.bytes.len() as u64;
        let body = Body {
            hash,
            dictionary: self.dictionary,
            packed,
        };
        let key = self.pack.key().map_err(|_| PackError::Stopped)?;
        let length = body.push(key, &mut self.bytes, offset);
        self.places.push((
            hash,
            BodyPlace {
                pack: self.pack.number,
                offset,
                length,
            },
        ));
        Ok(())
    }
}
