//! Compacts packs: live bodies of old packs are copied into a new one; then the old ones can be removed.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use starling_protocol::{ContentHash, Source};

use super::dictionary::DictionaryPlace;
use super::error::{DamageKind, PackDamage, PackError};
use super::files::{NewPack, PackFile};
use super::frame::{Body, StoredDictionary, flag, kind};
use super::read::ReadFailure;
use super::write::push_elsewhere;
use super::{BodyPlace, PackId, PackNumber, Packs};

/// Bytes after which a compaction writes its buffer.
const WRITE_BYTES: usize = 1 << 20;

/// The result of a compaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactedPacks {
    /// Bodies that were copied: their old places and their new ones.
    pub moved: Vec<(ContentHash, BodyPlace, BodyPlace)>,
    /// Packs that hold nothing live after the new places are committed.
    pub garbage: Vec<PackNumber>,
    /// Bodies that could not be read and were not copied.
    pub damage: Vec<PackDamage>,
}

/// A running compaction.
struct Compaction<'a> {
    packs: &'a Packs,
    victims: &'a [PackNumber],
    done: CompactedPacks,
    output: Option<Output>,
}

/// The pack that is being written.
struct Output {
    new: NewPack,
    /// The place in the new pack of each dictionary of the old packs.
    dictionaries: BTreeMap<DictionaryPlace, u32>,
    /// The same by the hash of the dictionary: many packs hold the same ones.
    by_hash: BTreeMap<[u8; 32], u32>,
    /// The dictionaries in use that are in the old packs, by the same hash.
    in_use: BTreeMap<[u8; 32], (Source, DictionaryPlace)>,
}

impl Packs {
    /// Copies the live bodies of some packs into new ones, durably, without compressing them again.
    ///
    /// `is_live` compares the place, too, because a body can be in several places. The old packs stay
    /// unchanged. The caller commits the new places and then calls [`remove`](Self::remove) with the garbage.
    /// After a crash in between, the new packs hold nothing that is needed, and a later compaction removes
    /// them. Puts and reads continue meanwhile. Half of the reserve may be used, because a compaction frees
    /// more than it takes.
    ///
    /// # Errors
    /// As [`put`](Self::put). Nothing is moved then.
    pub fn compact(
        &self,
        packs: &[PackNumber],
        is_live: &dyn Fn(&ContentHash, &BodyPlace) -> bool,
    ) -> Result<CompactedPacks, PackError> {
        self.ensure_writable()?;
        let _one = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut victims = packs.to_vec();
        victims.sort();
        victims.dedup();
        {
            let mut writer = self.lock_writer()?;
            self.make_ready(&mut writer)?;
            if victims.iter().any(|victim| writer.is_current(*victim)) {
                self.seal(&mut writer)?;
            }
        }
        let mut compaction = Compaction {
            packs: self,
            done: CompactedPacks::default(),
            output: None,
            victims: &victims,
        };
        let copied = compaction.copy(is_live);
        if let Some(output) = compaction.output.take() {
            match copied {
                Ok(()) => compaction.finish(output)?,
                Err(_) => self.files.abandon(&output.new),
            }
        }
        copied?;
        Ok(compaction.done)
    }

    /// Removes packs, durably. Readers that have one open keep it until they are done.
    ///
    /// # Errors
    /// [`PackError::Io`], [`PackError::Stopped`], [`PackError::ReadOnly`]; [`PackError::NoRoom`] if the last
    /// pack is among them and no other can begin.
    pub fn remove(&self, packs: &[PackNumber]) -> Result<(), PackError> {
        self.ensure_writable()?;
        let _one = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = self.lock_writer()?;
        self.make_ready(&mut writer)?;
        // A number is never used again, so the highest pack stays until a higher one exists.
        let last = self.files.last().map(|pack| pack.number);
        let last = last.filter(|last| packs.contains(last));
        let mut began = Ok(());
        if last.is_some() {
            began = self.begin_pack(&mut writer, 0);
        }
        let removed: Vec<PackNumber> = match (&began, last) {
            (Err(PackError::NoRoom { .. }), Some(last)) => {
                packs.iter().copied().filter(|pack| *pack != last).collect()
            }
            _ => packs.to_vec(),
        };
        if !matches!(began, Ok(()) | Err(PackError::NoRoom { .. })) {
            return began;
        }
        self.keep_dictionaries(&mut writer, &removed)?;
        for pack in &removed {
            self.files.remove(*pack)?;
            self.decoders.drop_pack(*pack);
        }
        self.stop_on_error(self.files.sync_folder())?;
        began
    }
}

impl Compaction<'_> {
    fn copy(&mut self, is_live: &dyn Fn(&ContentHash, &BodyPlace) -> bool) -> Result<(), PackError> {
        for victim in self.victims {
            let Some(pack) = self.packs.files.get(*victim) else {
                continue;
            };
            let packs = self.packs;
            let mut walked = packs.walk(&pack, 0, pack.bytes(), &mut |step| {
                if step.frame.kind != kind::BODY {
                    return Ok(());
                }
                let Some(body) = Body::decode(step.frame.payload) else {
                    return Ok(());
                };
                let place = step.place(pack.number);
                if !is_live(&body.hash, &place) {
                    return Ok(());
                }
                self.copy_body(&pack, place, body)
            })?;
            walked.tail_is_damage(pack.number);
            self.done.damage.append(&mut walked.damage);
            self.done.garbage.push(*victim);
        }
        Ok(())
    }

    fn copy_body(&mut self, pack: &Arc<PackFile>, old: BodyPlace, body: Body<'_>) -> Result<(), PackError> {
        let is_full = |output: &Output| output.new.end() >= self.packs.options.pack_bytes;
        if self.output.as_ref().is_some_and(is_full)
            && let Some(output) = self.output.take()
        {
            self.finish(output)?;
        }
        if self.output.is_none() {
            self.output = Some(self.begin()?);
        }
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        let Some(dictionary) = output.dictionary(self.packs, pack, body.dictionary)? else {
            self.done.damage.push(PackDamage {
                pack: pack.number,
                offset: old.offset,
                length: old.length.into(),
                hash: Some(body.hash),
                what: DamageKind::Dictionary {
                    offset: body.dictionary.into(),
                },
            });
            return Ok(());
        };
        let offset = output.new.end();
        let NewPack { key, bytes, .. } = &mut output.new;
        let length = Body { dictionary, ..body }.push(key, bytes, offset);
        let place = BodyPlace {
            pack: output.new.number,
            offset,
            length,
        };
        self.done.moved.push((body.hash, old, place));
        if output.new.bytes.len() >= WRITE_BYTES {
            let reserve = self.packs.options.reserve / 2;
            self.packs.write_new(&mut output.new, reserve)?;
        }
        Ok(())
    }

    /// Begins a pack. Puts meanwhile go to packs of higher numbers.
    fn begin(&self) -> Result<Output, PackError> {
        let mut writer = self.packs.lock_writer()?;
        self.packs.seal(&mut writer)?;
        let number = writer.next_number()?;
        let id = PackId((self.packs.options.new_id)());
        let mut new = self.packs.files.begin(number, id)?;
        push_elsewhere(&mut new, &writer);
        let mut in_use = BTreeMap::new();
        for (source, place) in writer.sources.placed() {
            let pack = self.packs.files.get(place.pack);
            let pack = pack.filter(|pack| self.victims.contains(&pack.number));
            let payload = pack.map(|pack| self.packs.read_dictionary(&pack, place.offset));
            if let Some(Ok(payload)) = payload {
                in_use.insert(*blake3::hash(&payload).as_bytes(), (source.clone(), place));
            }
        }
        Ok(Output {
            in_use,
            new,
            dictionaries: BTreeMap::new(),
            by_hash: BTreeMap::new(),
        })
    }

    fn finish(&self, output: Output) -> Result<(), PackError> {
        let number = output.new.number;
        let pack = self.packs.finish(output.new, self.packs.options.reserve / 2)?;
        let mut writer = self.packs.lock_writer()?;
        if writer.last_number() == number.get() {
            // No put came between: the next puts fill it up.
            self.packs.continue_pack(&mut writer, &pack)?;
            for (hash, (source, old)) in &output.in_use {
                if let Some(offset) = output.by_hash.get(hash) {
                    let (pack, offset) = (number, *offset);
                    let new = DictionaryPlace { pack, offset };
                    writer.sources.moved_dictionary(source, *old, new);
                }
            }
        }
        Ok(())
    }
}

impl Output {
    /// Returns the place in the new pack of an old pack's dictionary, copying it if necessary; `None` if it
    /// cannot be read.
    fn dictionary(
        &mut self,
        packs: &Packs,
        pack: &Arc<PackFile>,
        offset: u32,
    ) -> Result<Option<u32>, PackError> {
        if offset == 0 {
            return Ok(Some(0));
        }
        let old = DictionaryPlace {
            pack: pack.number,
            offset,
        };
        if let Some(known) = self.dictionaries.get(&old) {
            return Ok(Some(*known));
        }
        let payload = match packs.read_dictionary(pack, offset) {
            Ok(payload) => payload,
            Err(ReadFailure::Io(cause)) => return Err(PackError::io("reading", &pack.path)(cause)),
            Err(_) => return Ok(None),
        };
        let Some(stored) = StoredDictionary::decode(&payload) else {
            return Ok(None);
        };
        let hash = *blake3::hash(&payload).as_bytes();
        let place = match self.by_hash.get(&hash) {
            Some(place) => *place,
            None => {
                let end = self.new.end();
                let NewPack { key, bytes, .. } = &mut self.new;
                let is_in_use = self.in_use.contains_key(&hash);
                stored.push(key, bytes, end, if is_in_use { 0 } else { flag::COPIED });
                u32::try_from(end).map_err(|_| PackError::Stopped)?
            }
        };
        self.by_hash.insert(hash, place);
        self.dictionaries.insert(old, place);
        Ok(Some(place))
    }
}
