//! Reads one body or one frame.

use std::sync::{Arc, PoisonError};

use starling_protocol::ContentHash;
use starling_protocol::limits::MAX_RECORD_BYTES;
use zstd::zstd_safe::{DCtx, DDict, get_frame_content_size};

use super::dictionary::DictionaryPlace;
use super::error::{DamageKind, PackError, is_unreadable};
use super::files::PackFile;
use super::frame::{Body, FRAME_HEADER_BYTES, FRAMES_START, FrameHead, StoredDictionary, is_possible, kind};
use super::{BodyPlace, PackNumber, Packs};

/// Most contexts that are kept, about 150 KiB each: one for each thread that reads at the same time.
const MAX_CONTEXTS: usize = 16;
/// Largest buffer that is kept with a context.
const MAX_KEPT_BUFFER: usize = 64 << 10;

/// The tools of a read: making them costs more than decompressing a record.
pub(super) struct Context {
    decompress: DCtx<'static>,
    frame: Vec<u8>,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            decompress: DCtx::create(),
            frame: Vec::new(),
        }
    }
}

impl Packs {
    /// Reads a body and checks that it hashes to its name.
    ///
    /// # Errors
    /// [`PackError::Damaged`] or [`PackError::MissingPack`] if the body cannot be read any more;
    /// [`PackError::Io`] if the system fails.
    pub fn get(&self, hash: &ContentHash, place: &BodyPlace) -> Result<Vec<u8>, PackError> {
        let pack = self.files.get(place.pack).ok_or(PackError::MissingPack {
            hash: *hash,
            pack: place.pack,
        })?;
        let free = self.contexts.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut context = free.unwrap_or_default();
        let body = self.read_body(&pack, hash, place, &mut context);
        context.frame.clear();
        context.frame.shrink_to(MAX_KEPT_BUFFER);
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        if contexts.len() < MAX_CONTEXTS {
            contexts.push(context);
        }
        drop(contexts);
        body.map_err(|failure| match failure {
            ReadFailure::Damage(what) => PackError::Damaged {
                hash: *hash,
                pack: place.pack,
                offset: place.offset,
                what,
            },
            ReadFailure::Missing => PackError::MissingPack {
                hash: *hash,
                pack: place.pack,
            },
            ReadFailure::Io(cause) => PackError::io("reading", &pack.path)(cause),
        })
    }

    fn read_body(
        &self,
        pack: &Arc<PackFile>,
        hash: &ContentHash,
        place: &BodyPlace,
        context: &mut Context,
    ) -> Result<Vec<u8>, ReadFailure> {
        let key = pack.key()?;
        if !is_possible(place) {
            return Err(DamageKind::NoFrame.into());
        }
        let length = usize::try_from(place.length).map_err(|_| DamageKind::NoFrame)?;
        context.frame.resize(length, 0);
        self.read_at(pack, place.offset, &mut context.frame)?;
        let frame = key.check(&context.frame, place.offset)?;
        let stored = match frame.kind {
            kind::BODY => Body::decode(frame.payload).ok_or(DamageKind::NoFrame)?,
            _ => return Err(DamageKind::NoFrame.into()),
        };
        if stored.hash != *hash {
            return Err(DamageKind::OtherBody.into());
        }
        let dictionary = self.decoder(pack, stored.dictionary)?;
        let body = decompress(&mut context.decompress, dictionary.as_deref(), stored.packed)
            .ok_or(DamageKind::Compressed)?;
        if ContentHash::of(&body) != *hash {
            return Err(DamageKind::ContentHash.into());
        }
        Ok(body)
    }

    /// Returns the dictionary at an offset, from the cache or the pack; `None` for offset 0.
    fn decoder(&self, pack: &Arc<PackFile>, offset: u32) -> Result<Option<Arc<DDict<'static>>>, ReadFailure> {
        if offset == 0 {
            return Ok(None);
        }
        let place = DictionaryPlace {
            pack: pack.number,
            offset,
        };
        if let Some(decoder) = self.decoders.get(place) {
            return Ok(Some(decoder));
        }
        let payload = self.read_dictionary(pack, offset)?;
        let added = StoredDictionary::decode(&payload)
            .and_then(|dictionary| self.decoders.add(place, dictionary.bytes));
        let offset = u64::from(offset);
        Ok(Some(added.ok_or(DamageKind::Dictionary { offset })?))
    }

    /// Reads the payload of a dictionary's frame and checks its hash.
    pub(super) fn read_dictionary(&self, pack: &Arc<PackFile>, offset: u32) -> Result<Vec<u8>, ReadFailure> {
        let offset = u64::from(offset);
        let bad = DamageKind::Dictionary { offset };
        let as_bad = |failure| match failure {
            ReadFailure::Damage(_) => ReadFailure::Damage(bad),
            other => other,
        };
        let key = pack.key()?;
        if offset < FRAMES_START {
            return Err(bad.into());
        }
        let mut bytes = vec![0; FRAME_HEADER_BYTES];
        self.read_at(pack, offset, &mut bytes).map_err(as_bad)?;
        let head = FrameHead::decode(&bytes).ok_or(bad)?;
        if head.kind != kind::DICTIONARY {
            return Err(bad.into());
        }
        bytes.resize(head.frame_bytes(), 0);
        self.read_at(pack, offset, &mut bytes).map_err(as_bad)?;
        key.check(&bytes, offset).map_err(|_| bad)?;
        bytes.drain(..FRAME_HEADER_BYTES);
        Ok(bytes)
    }

    fn read_at(&self, pack: &Arc<PackFile>, offset: u64, buffer: &mut [u8]) -> Result<(), ReadFailure> {
        let file = self.files.file(pack)?;
        file.read_exact_at(buffer, offset)?;
        Ok(())
    }

    /// Reads the dictionary at a place, for compressing.
    pub(super) fn dictionary_bytes(&self, number: PackNumber, offset: u32) -> Option<Arc<[u8]>> {
        let pack = self.files.get(number)?;
        let payload = self.read_dictionary(&pack, offset).ok()?;
        Some(StoredDictionary::decode(&payload)?.bytes.into())
    }
}

/// Decompresses one zstd frame, whose size is bounded before it is allocated.
fn decompress(
    context: &mut DCtx<'static>,
    dictionary: Option<&DDict<'static>>,
    packed: &[u8],
) -> Option<Vec<u8>> {
    let size = get_frame_content_size(packed).ok().flatten()?;
    let size = usize::try_from(size)
        .ok()
        .filter(|size| *size <= MAX_RECORD_BYTES)?;
    let mut body = Vec::with_capacity(size);
    match dictionary {
        Some(dictionary) => context.decompress_using_ddict(&mut body, packed, dictionary),
        None => context.decompress(&mut body, packed),
    }
    .ok()?;
    Some(body)
}

/// The reason why a frame could not be read.
pub(super) enum ReadFailure {
    Damage(DamageKind),
    Missing,
    Io(std::io::Error),
}

impl From<DamageKind> for ReadFailure {
    fn from(what: DamageKind) -> Self {
        Self::Damage(what)
    }
}

impl From<std::io::Error> for ReadFailure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::Damage(DamageKind::Short),
            std::io::ErrorKind::NotFound => Self::Missing,
            _ if is_unreadable(&error) => Self::Damage(DamageKind::Unreadable),
            _ => Self::Io(error),
        }
    }
}
