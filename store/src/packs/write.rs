//! Writes bodies into the last pack, begins packs, syncs, and checks the tail after a restart.

use std::sync::{Arc, MutexGuard, PoisonError};

use starling_protocol::limits::MAX_RECORD_BYTES;
use starling_protocol::{ContentHash, Source};

use super::batch::Batch;
use super::compress::compress_all;
use super::dictionary::{Dictionary, DictionaryPlace, Sources};
use super::error::{PackError, is_full};
use super::files::{NewPack, PackFile};
use super::frame::{FRAMES_START, StoredDictionary, decode_elsewhere, encode_elsewhere, flag, kind};
use super::scan::Walked;
use super::{BodyPlace, PackId, PackNumber, PackPosition, Packs};
use crate::disk::DiskFile;

/// Bytes after which a put writes its buffer.
const WRITE_BYTES: usize = 16 << 20;

/// The state of the only writer.
pub(super) struct Writer {
    /// The highest number ever used or seen; 0 for none.
    last_number: u32,
    /// Counts writes and cuts.
    changes: u64,
    /// The last pack, as long as it may be appended to.
    current: Option<Current>,
    is_tail_checked: bool,
    /// The dictionaries in use are known.
    has_sources: bool,
    pub(super) sources: Sources,
}

#[derive(Clone)]
struct Current {
    pack: Arc<PackFile>,
    /// Kept open here too, because a failed sync is reported to files that were open during the write.
    file: Arc<dyn DiskFile>,
    end: u64,
    /// The number of its last change, which may not be durable.
    change: u64,
}

impl Current {
    fn position(&self) -> PackPosition {
        PackPosition {
            pack: self.pack.number.get(),
            offset: self.end,
        }
    }
}

impl Writer {
    /// Begins with the last pack, whose tail is not checked yet.
    pub(super) fn new(last: Option<(Arc<PackFile>, Arc<dyn DiskFile>)>) -> Self {
        Self {
            last_number: last.as_ref().map_or(0, |(pack, _)| pack.number.get()),
            changes: 1,
            is_tail_checked: last.is_none(),
            has_sources: last.is_none(),
            current: last.map(|(pack, file)| Current {
                end: pack.bytes(),
                pack,
                file,
                // The previous process may have ended without a sync.
                change: 1,
            }),
            sources: Sources::default(),
        }
    }

    pub(super) fn is_tail_checked(&self) -> bool {
        self.is_tail_checked
    }

    pub(super) fn is_current(&self, pack: PackNumber) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.pack.number == pack)
    }

    pub(super) fn last_number(&self) -> u32 {
        self.last_number
    }

    /// Takes the next number. It is never used again, even if it stays unused.
    pub(super) fn next_number(&mut self) -> Result<PackNumber, PackError> {
        let last = self.last_number;
        let next = last.checked_add(1).and_then(PackNumber::new);
        let next = next.ok_or(PackError::NoNumber { last })?;
        self.last_number = next.get();
        Ok(next)
    }
}

impl Packs {
    /// Writes bodies of one source and returns their places. Nothing is durable before [`sync`](Self::sync).
    ///
    /// The caller passes only bodies that it lacks. Bodies without a source are compressed without a
    /// dictionary.
    ///
    /// # Errors
    /// [`PackError::NoRoom`], which leaves everything as before except whole batches of 16 MiB that may have
    /// been written; [`PackError::TooLarge`], [`PackError::Stopped`], [`PackError::ReadOnly`], or
    /// [`PackError::Io`].
    pub fn put(
        &self,
        source: Option<&Source>,
        bodies: &[(ContentHash, &[u8])],
    ) -> Result<Vec<(ContentHash, BodyPlace)>, PackError> {
        self.ensure_writable()?;
        if let Some((hash, body)) = bodies.iter().find(|(_, body)| body.len() > MAX_RECORD_BYTES) {
            return Err(PackError::TooLarge {
                hash: *hash,
                bytes: body.len(),
                limit: MAX_RECORD_BYTES,
            });
        }
        let mut places = Vec::with_capacity(bodies.len());
        if bodies.is_empty() {
            return Ok(places);
        }
        let mut writer = self.lock_writer()?;
        self.ensure_writable()?;
        self.make_ready(&mut writer)?;
        let sources = &mut writer.sources;
        let mut dictionary = source.and_then(|source| {
            let trained = sources.train_if_due(source, bodies);
            let read = |place: DictionaryPlace| self.dictionary_bytes(place.pack, place.offset);
            trained.or_else(|| sources.in_use(source, read))
        });
        let mut compressor = sources.take_compressor(self.options.level, source, dictionary.as_ref())?;
        let dictionary_bytes = dictionary
            .as_ref()
            .map_or(&[][..], |dictionary| &dictionary.bytes);
        let packed = compress_all(&mut compressor, self.options.level, dictionary_bytes, bodies)?;
        let mut left = packed.as_slice();
        while !left.is_empty() {
            let mut batch = self.begin_batch(&mut writer, source, dictionary.as_ref())?;
            while let Some(((hash, packed), rest)) = left.split_first() {
                batch.push(*hash, packed)?;
                left = rest;
                if batch.bytes.len() >= WRITE_BYTES {
                    break;
                }
            }
            self.append(&mut writer, batch.start, &batch.bytes, self.options.reserve)?;
            places.append(&mut batch.places);
            if let (Some(source), Some(dictionary)) = (source, &mut dictionary) {
                dictionary.place = Some(DictionaryPlace {
                    pack: batch.pack.number,
                    offset: batch.dictionary,
                });
                writer.sources.wrote_dictionary(source, dictionary);
            }
        }
        if let Some(source) = source {
            writer.sources.wrote_bodies(source, bodies.len());
        }
        writer.sources.give_back(source, dictionary.as_ref(), compressor);
        Ok(places)
    }

    /// Makes all written data durable.
    ///
    /// # Errors
    /// [`PackError::Io`] if the system fails, and from then on [`PackError::Stopped`]: the content of the disk
    /// is unknown. [`PackError::ReadOnly`].
    pub fn sync(&self) -> Result<(), PackError> {
        self.ensure_writable()?;
        // Not under the writer's lock: puts continue meanwhile.
        let current = self.lock_writer()?.current.clone();
        current.map_or(Ok(()), |current| self.sync_pack(&current))
    }

    fn sync_pack(&self, current: &Current) -> Result<(), PackError> {
        let mut synced_change = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        self.ensure_writable()?;
        if *synced_change >= current.change {
            // The sync that this call waited for made it durable.
            return Ok(());
        }
        let synced = current.file.sync_data();
        self.stop_on_error(synced.map_err(PackError::io("syncing", &current.pack.path)))?;
        *synced_change = current.change;
        self.set_synced(current.position());
        Ok(())
    }

    pub(super) fn stop_on_error<T>(&self, synced: Result<T, PackError>) -> Result<T, PackError> {
        if synced.is_err() {
            self.stop();
        }
        synced
    }

    pub(super) fn lock_writer(&self) -> Result<MutexGuard<'_, Writer>, PackError> {
        self.writer.lock().map_err(|_| {
            // A thread panicked in the middle of a write.
            self.stop();
            PackError::Stopped
        })
    }

    /// Checks the tail of the last pack and finds the dictionaries in use, unless that is done.
    pub(super) fn make_ready(&self, writer: &mut Writer) -> Result<(), PackError> {
        if writer.has_sources {
            return Ok(());
        }
        if let Some(pack) = self.files.last() {
            let mut found = Vec::new();
            let walked = self.walk(&pack, FRAMES_START, pack.bytes(), &mut |step| {
                let payload = step.frame.payload;
                if step.frame.kind == kind::ELSEWHERE {
                    found.extend(decode_elsewhere(payload).unwrap_or_default());
                } else if step.frame.kind == kind::DICTIONARY && step.frame.flags & flag::COPIED == 0 {
                    let offset = u32::try_from(step.offset).ok();
                    let source = StoredDictionary::decode(payload).map(|stored| stored.source);
                    found.extend(
                        source
                            .zip(offset)
                            .map(|(source, offset)| (source, pack.number, offset)),
                    );
                }
                Ok(())
            })?;
            if !writer.is_tail_checked {
                self.settle_tail(writer, &pack, &walked)?;
            }
            for (source, pack, offset) in found {
                writer.sources.found(source, DictionaryPlace { pack, offset });
            }
        }
        writer.has_sources = true;
        Ok(())
    }

    /// Cuts a torn end off the last pack, so that it can be appended to.
    pub(super) fn settle_tail(
        &self,
        writer: &mut Writer,
        pack: &Arc<PackFile>,
        walked: &Walked,
    ) -> Result<(), PackError> {
        writer.is_tail_checked = true;
        if pack.key().is_err() {
            writer.current = None;
            return Ok(());
        }
        let Some(current) = writer
            .current
            .as_mut()
            .filter(|current| current.pack.number == pack.number)
        else {
            return Ok(());
        };
        writer.changes += 1;
        current.change = writer.changes;
        if walked.tail.is_some() {
            let cut = current.file.set_len(walked.end);
            if let Err(cause) = cut {
                writer.is_tail_checked = false;
                return Err(PackError::io("cutting", &pack.path)(cause));
            }
        }
        current.end = walked.end;
        pack.set_bytes(walked.end);
        self.set_written(current.position());
        Ok(())
    }

    /// Ensures that nothing is written before a position that was known once.
    pub(super) fn never_reuse(&self, known: PackPosition) -> Result<(), PackError> {
        let mut writer = self.lock_writer()?;
        let end = writer.current.as_ref().map_or(self.end(), Current::position);
        if known > end {
            self.seal(&mut writer)?;
            writer.last_number = writer.last_number.max(known.pack);
            self.set_written(known);
        }
        Ok(())
    }

    /// Ends the last pack: it becomes durable and is not appended to any more.
    pub(super) fn seal(&self, writer: &mut Writer) -> Result<(), PackError> {
        if let Some(current) = &writer.current {
            self.sync_pack(current)?;
        }
        writer.current = None;
        Ok(())
    }

    /// Begins a pack, durably, which becomes the last.
    pub(super) fn begin_pack(&self, writer: &mut Writer, reserve: u64) -> Result<(), PackError> {
        self.seal(writer)?;
        let number = writer.next_number()?;
        let mut new = self.files.begin(number, PackId((self.options.new_id)()))?;
        push_elsewhere(&mut new, writer);
        let pack = self.finish(new, reserve)?;
        self.continue_pack(writer, &pack)
    }

    /// Writes, syncs and names a new pack.
    pub(super) fn finish(&self, mut new: NewPack, reserve: u64) -> Result<Arc<PackFile>, PackError> {
        let written = self.write_new(&mut new, reserve);
        let synced = written.and_then(|()| self.stop_on_error(new.sync()));
        if let Err(error) = synced {
            self.files.abandon(&new);
            return Err(error);
        }
        let pack = self.files.rename(new)?;
        self.stop_on_error(self.files.sync_folder())?;
        Ok(pack)
    }

    pub(super) fn write_new(&self, new: &mut NewPack, reserve: u64) -> Result<(), PackError> {
        let needed = new.bytes.len() as u64;
        self.ensure_room(needed, reserve)?;
        new.write().map_err(|error| as_no_room(error, needed, reserve))
    }

    /// Continues a finished pack as the last one.
    pub(super) fn continue_pack(&self, writer: &mut Writer, pack: &Arc<PackFile>) -> Result<(), PackError> {
        let file = self.files.file(pack);
        let current = Current {
            file: file.map_err(PackError::io("opening", &pack.path))?,
            end: pack.bytes(),
            pack: pack.clone(),
            // It was synced before it got its name.
            change: 0,
        };
        self.set_written(current.position());
        self.set_synced(current.position());
        writer.current = Some(current);
        Ok(())
    }

    /// Begins a batch for the last pack, with the dictionary if the pack does not hold it yet.
    fn begin_batch(
        &self,
        writer: &mut Writer,
        source: Option<&Source>,
        dictionary: Option<&Dictionary>,
    ) -> Result<Batch, PackError> {
        let is_full = |current: &Current| current.end >= self.options.pack_bytes;
        if writer.current.as_ref().is_none_or(is_full) {
            self.begin_pack(writer, self.options.reserve)?;
        }
        let current = writer.current.as_ref().ok_or(PackError::Stopped)?;
        let mut batch = Batch {
            pack: current.pack.clone(),
            start: current.end,
            bytes: Vec::new(),
            places: Vec::new(),
            dictionary: 0,
        };
        if let (Some(source), Some(dictionary)) = (source, dictionary) {
            let here = dictionary.place.filter(|place| place.pack == batch.pack.number);
            batch.dictionary = match here {
                Some(place) => place.offset,
                None => push_dictionary(&current.pack, current.end, source, dictionary, &mut batch.bytes)?,
            };
        }
        Ok(batch)
    }

    /// Writes at the end of the last pack, or leaves it unchanged.
    fn append(&self, writer: &mut Writer, start: u64, bytes: &[u8], reserve: u64) -> Result<(), PackError> {
        let needed = bytes.len() as u64;
        self.ensure_room(needed, reserve)?;
        let current = writer.current.as_mut().ok_or(PackError::Stopped)?;
        writer.changes += 1;
        current.change = writer.changes;
        let written = current.file.write_all_at(bytes, start);
        if let Err(cause) = written {
            let cut = current.file.set_len(start);
            self.stop_on_error(cut.map_err(PackError::io("cutting", &current.pack.path)))?;
            let error = PackError::io("writing", &current.pack.path)(cause);
            return Err(as_no_room(error, needed, reserve));
        }
        current.end = start + needed;
        current.pack.set_bytes(current.end);
        self.set_written(current.position());
        Ok(())
    }

    fn ensure_room(&self, needed: u64, reserve: u64) -> Result<(), PackError> {
        match self.files.free_bytes() {
            Some(free) if free < needed.saturating_add(reserve) => Err(PackError::NoRoom { needed, reserve }),
            _ => Ok(()),
        }
    }

    /// Copies the dictionaries in use from packs that will be removed into the last pack, durably. A dictionary
    /// for which there is no room is dropped.
    pub(super) fn keep_dictionaries(
        &self,
        writer: &mut Writer,
        removed: &[PackNumber],
    ) -> Result<(), PackError> {
        let placed = writer.sources.placed();
        let lost = placed.filter(|(_, place)| removed.contains(&place.pack));
        let lost: Vec<Source> = lost.map(|(source, _)| source.clone()).collect();
        for source in lost {
            let read = |place: DictionaryPlace| self.dictionary_bytes(place.pack, place.offset);
            let Some(mut dictionary) = writer.sources.in_use(&source, read) else {
                continue;
            };
            dictionary.place = None;
            let written = self
                .begin_batch(writer, Some(&source), Some(&dictionary))
                .and_then(|batch| self.append(writer, batch.start, &batch.bytes, 0).map(|()| batch));
            match written {
                Ok(batch) => {
                    dictionary.place = Some(DictionaryPlace {
                        pack: batch.pack.number,
                        offset: batch.dictionary,
                    });
                    writer.sources.wrote_dictionary(&source, &dictionary);
                }
                Err(PackError::NoRoom { .. }) => writer.sources.forget(&source),
                Err(error) => return Err(error),
            }
        }
        writer
            .current
            .as_ref()
            .map_or(Ok(()), |current| self.sync_pack(current))
    }
}

/// Writes the places of the dictionaries in use at the start of a new pack.
pub(super) fn push_elsewhere(new: &mut NewPack, writer: &Writer) {
    let placed = writer.sources.placed();
    let payload = encode_elsewhere(placed.map(|(source, place)| (source, place.pack, place.offset)));
    if !payload.is_empty() {
        let offset = new.end();
        let NewPack { key, bytes, .. } = new;
        key.push(bytes, offset, kind::ELSEWHERE, 0, &[&payload]);
    }
}

fn push_dictionary(
    pack: &PackFile,
    offset: u64,
    source: &Source,
    dictionary: &Dictionary,
    out: &mut Vec<u8>,
) -> Result<u32, PackError> {
    let stored = StoredDictionary {
        source: source.clone(),
        bytes: &dictionary.bytes,
    };
    stored.push(pack.key().map_err(|_| PackError::Stopped)?, out, offset, 0);
    u32::try_from(offset).map_err(|_| PackError::Stopped)
}

fn as_no_room(error: PackError, needed: u64, reserve: u64) -> PackError {
    match error {
        PackError::Io { cause, .. } if is_full(&cause) => PackError::NoRoom { needed, reserve },
        other => other,
    }
}
