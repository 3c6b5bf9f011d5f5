//! Dictionaries: trained for each source, kept while they are in use, read again from the packs.
//!
//! A record of 2 kB compresses twice as well with a dictionary of its source's phrases as without. A pack holds
//! every dictionary that its bodies need, so it can be read by itself. The dictionary in use survives a restart
//! without an index file: a new pack begins with a frame that gives the places of the dictionaries in use in
//! older packs. The first put after opening reads the last pack once from start to end, which is needed anyway
//! to find a torn tail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use starling_protocol::{ContentHash, Source};
use zstd::bulk::Compressor;
use zstd::zstd_safe::DDict;

use super::PackNumber;
use super::error::PackError;

/// Bytes of a trained dictionary.
const DICTIONARY_BYTES: usize = 110 << 10;
/// Fewest bodies worth training on.
const TRAINING_BODIES: usize = 256;
/// Most bytes used for training, about thirty times the dictionary's size. More bytes take more time and gain
/// little.
const TRAINING_BYTES: usize = 3 << 20;
/// The growth factor of a source after which a new dictionary is trained.
const RETRAIN_GROWTH: u64 = 8;
/// The number of written bodies after which a source keeps its dictionary.
const RETRAIN_BODIES: u64 = 100_000;
/// Most compressors that are kept: each holds a digested dictionary, some megabytes at high levels.
const MAX_COMPRESSORS: usize = 8;
/// Most dictionaries kept for reading, some 150 KiB each.
const MAX_DECODERS: usize = 64;

/// The place of a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DictionaryPlace {
    pub(super) pack: PackNumber,
    pub(super) offset: u32,
}

/// The dictionary in use for a source.
#[derive(Clone)]
pub(super) struct Dictionary {
    pub(super) bytes: Arc<[u8]>,
    /// The last place to which it was written; `None` while it is new.
    pub(super) place: Option<DictionaryPlace>,
    /// For a newly trained dictionary, the number of bodies of the source at that time.
    trained_at: Option<u64>,
}

/// The state of a source. Counts are since the packs were opened.
#[derive(Default)]
struct SourceState {
    place: Option<DictionaryPlace>,
    /// The dictionary's bytes, after their first use.
    bytes: Option<Arc<[u8]>>,
    /// The number of written bodies, now and at the time of training.
    written: u64,
    trained_at: u64,
    compressor: Option<KeptCompressor>,
}

/// A compressor with its dictionary.
struct KeptCompressor {
    used: u64,
    dictionary: Arc<[u8]>,
    compressor: Compressor<'static>,
}

/// Every source, and the compressors.
#[derive(Default)]
pub(super) struct Sources {
    states: BTreeMap<Source, SourceState>,
    plain: Option<Compressor<'static>>,
    uses: u64,
}

impl Sources {
    /// Returns the dictionaries in use.
    pub(super) fn placed(&self) -> impl Iterator<Item = (&Source, DictionaryPlace)> {
        let states = self.states.iter();
        states.filter_map(|(source, state)| Some((source, state.place?)))
    }

    /// Starts using a dictionary that was found in a pack.
    pub(super) fn found(&mut self, source: Source, place: DictionaryPlace) {
        let state = self.states.entry(source).or_default();
        state.place = Some(place);
        state.bytes = None;
    }

    /// Notes that a dictionary was written, and starts using it.
    pub(super) fn wrote_dictionary(&mut self, source: &Source, dictionary: &Dictionary) {
        let state = self.states.entry(source.clone()).or_default();
        state.place = dictionary.place;
        state.bytes = Some(dictionary.bytes.clone());
        state.trained_at = dictionary.trained_at.unwrap_or(state.trained_at);
    }

    /// Notes that the dictionary in use was copied.
    pub(super) fn moved_dictionary(&mut self, source: &Source, old: DictionaryPlace, new: DictionaryPlace) {
        if let Some(state) = self.states.get_mut(source)
            && state.place == Some(old)
        {
            state.place = Some(new);
        }
    }

    /// Drops a dictionary that cannot be kept.
    pub(super) fn forget(&mut self, source: &Source) {
        if let Some(state) = self.states.get_mut(source) {
            state.place = None;
            state.bytes = None;
            state.compressor = None;
        }
    }

    pub(super) fn wrote_bodies(&mut self, source: &Source, bodies: usize) {
        self.states.entry(source.clone()).or_default().written += bodies as u64;
    }

    /// Returns the dictionary in use for a source, reading it with `read` if necessary.
    pub(super) fn in_use(
        &mut self,
        source: &Source,
        read: impl FnOnce(DictionaryPlace) -> Option<Arc<[u8]>>,
    ) -> Option<Dictionary> {
        let state = self.states.get_mut(source)?;
        let place = state.place?;
        if state.bytes.is_none() {
            state.bytes = read(place);
        }
        let Some(bytes) = state.bytes.clone() else {
            tracing::warn!(
                %source, pack = %place.pack, offset = place.offset,
                "the dictionary in use cannot be read; bodies are compressed without one until a new one is trained"
            );
            self.forget(source);
            return None;
        };
        Some(Dictionary {
            bytes,
            place: Some(place),
            trained_at: None,
        })
    }

    /// Trains a dictionary if the source has none, or has grown much since.
    pub(super) fn train_if_due(
        &self,
        source: &Source,
        bodies: &[(ContentHash, &[u8])],
    ) -> Option<Dictionary> {
        let known = self.states.get(source);
        let (written, trained_at) = known.map_or((0, 0), |state| (state.written, state.trained_at));
        let has_none = known.is_none_or(|state| state.place.is_none());
        let now = written + bodies.len() as u64;
        let grown = now > trained_at.saturating_mul(RETRAIN_GROWTH);
        let due = has_none || (trained_at > 0 && grown && written < RETRAIN_BODIES);
        if bodies.len() < TRAINING_BODIES || !due {
            return None;
        }
        let total: usize = bodies.iter().map(|(_, body)| body.len()).sum();
        let step = total.div_ceil(TRAINING_BYTES).max(1);
        let mut samples = Vec::new();
        let mut sizes = Vec::new();
        for (_, body) in bodies.iter().step_by(step) {
            samples.extend_from_slice(body);
            sizes.push(body.len());
        }
        // Training can fail on unusual samples (for example all alike); then bodies stay without a dictionary.
        let bytes = zstd::dict::from_continuous(&samples, &sizes, DICTIONARY_BYTES).ok()?;
        Some(Dictionary {
            bytes: bytes.into(),
            place: None,
            trained_at: Some(now),
        })
    }

    /// Takes the compressor for a source's dictionary, or the one without a dictionary.
    pub(super) fn take_compressor(
        &mut self,
        level: i32,
        source: Option<&Source>,
        dictionary: Option<&Dictionary>,
    ) -> Result<Compressor<'static>, PackError> {
        let (Some(source), Some(dictionary)) = (source, dictionary) else {
            return self.plain.take().map_or_else(|| new_compressor(level, &[]), Ok);
        };
        let state = self.states.get_mut(source);
        let kept = state.and_then(|state| state.compressor.take());
        // A compressor made from other bytes would write unreadable bodies.
        match kept.filter(|kept| Arc::ptr_eq(&kept.dictionary, &dictionary.bytes)) {
            Some(kept) => Ok(kept.compressor),
            None => new_compressor(level, &dictionary.bytes),
        }
    }

    /// Keeps a compressor for the next time.
    pub(super) fn give_back(
        &mut self,
        source: Option<&Source>,
        dictionary: Option<&Dictionary>,
        compressor: Compressor<'static>,
    ) {
        let (Some(source), Some(dictionary)) = (source, dictionary) else {
            self.plain = Some(compressor);
            return;
        };
        self.uses += 1;
        self.states.entry(source.clone()).or_default().compressor = Some(KeptCompressor {
            used: self.uses,
            dictionary: dictionary.bytes.clone(),
            compressor,
        });
        let kept = self
            .states
            .values_mut()
            .filter(|state| state.compressor.is_some());
        let mut kept: Vec<_> = kept.collect();
        if kept.len() > MAX_COMPRESSORS {
            kept.sort_by_key(|state| state.compressor.as_ref().map(|kept| kept.used));
            kept[0].compressor = None;
        }
    }
}

pub(super) fn new_compressor(level: i32, dictionary: &[u8]) -> Result<Compressor<'static>, PackError> {
    use zstd::zstd_safe::CParameter::{ChecksumFlag, DictIdFlag};
    let failed = |cause: std::io::Error| PackError::Compress {
        cause: cause.to_string(),
    };
    let mut compressor = Compressor::with_dictionary(level, dictionary).map_err(failed)?;
    // The frame around it names the dictionary and has a hash: zstd need not repeat either.
    for parameter in [DictIdFlag(false), ChecksumFlag(false)] {
        compressor.set_parameter(parameter).map_err(failed)?;
    }
    Ok(compressor)
}

/// The dictionaries that reads used last.
#[derive(Default)]
pub(super) struct DecoderCache {
    entries: RwLock<BTreeMap<DictionaryPlace, (AtomicU64, Arc<DDict<'static>>)>>,
    uses: AtomicU64,
}

impl DecoderCache {
    pub(super) fn get(&self, place: DictionaryPlace) -> Option<Arc<DDict<'static>>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let (used, decoder) = entries.get(&place)?;
        used.store(self.uses.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        Some(decoder.clone())
    }

    /// Digests and keeps a dictionary; returns `None` if zstd cannot use it.
    pub(super) fn add(&self, place: DictionaryPlace, bytes: &[u8]) -> Option<Arc<DDict<'static>>> {
        let decoder = Arc::new(DDict::try_create(bytes)?);
        let used = AtomicU64::new(self.uses.fetch_add(1, Ordering::Relaxed));
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_DECODERS {
            let least = entries
                .iter()
                .min_by_key(|(_, (used, _))| used.load(Ordering::Relaxed));
            if let Some(least) = least.map(|(place, _)| *place) {
                entries.remove(&least);
            }
        }
        entries.insert(place, (used, decoder.clone()));
        Some(decoder)
    }

    pub(super) fn drop_pack(&self, pack: PackNumber) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|place, _| place.pack != pack);
    }
}
