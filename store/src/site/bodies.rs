//! Record bodies: content-addressed, compressed with dictionaries that the store trains itself.
//!
//! A record of 2 kB compresses twice as well with a dictionary of its source's phrases as without. A
//! dictionary is committed before the first body that needs it, kept for good, and named by each body.
//! Every body read is hashed again: no engine protects from a bad disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use starling_protocol::limits::MAX_RECORD_BYTES;
use starling_protocol::{ContentHash, Source};
use zstd::zstd_safe::DCtx;

use super::error::StoreError;
use super::rows::meta;
use crate::engine::{Batch, Direction, Engine, Tree};

/// Bytes of a trained dictionary.
const DICTIONARY_BYTES: usize = 110 << 10;
/// Fewest bodies worth training on.
const TRAINING_BODIES: usize = 256;
/// Most bytes that training looks at: a dictionary needs some hundred times its size at most.
const TRAINING_BYTES: usize = 8 << 20;
/// After a source has grown by this factor since its dictionary was trained, a new one is.
const RETRAIN_GROWTH: u64 = 8;

/// Most contexts that are kept, some 150 KiB each: one for each thread that reads at once.
const MAX_CONTEXTS: usize = 16;

struct Dictionary {
    compress: Vec<u8>,
    decompress: zstd::dict::DecoderDictionary<'static>,
}

/// What the store knows of a source's dictionary.
#[derive(Debug, Clone, Copy, Default)]
struct SourceDictionary {
    number: u16,
    /// Bodies of the source written since the store was opened, and when it was trained.
    written: u64,
    trained_at: u64,
}

/// The bodies tree and its dictionaries.
pub(crate) struct BodyStore {
    engine: Arc<dyn Engine>,
    level: i32,
    dictionaries: RwLock<Dictionaries>,
    /// Contexts that are free: making one costs more than decompressing a record with it.
    contexts: Mutex<Vec<DCtx<'static>>>,
}

#[derive(Default)]
struct Dictionaries {
    by_number: BTreeMap<u16, Arc<Dictionary>>,
    by_source: BTreeMap<Source, SourceDictionary>,
}

impl BodyStore {
    pub(crate) fn open(engine: Arc<dyn Engine>, level: i32) -> Result<Self, StoreError> {
        let mut dictionaries = Dictionaries::default();
        let mut rows = Vec::new();
        engine.scan_prefix(
            Tree::Meta,
            b"dictionary/",
            Direction::Forward,
            &mut |key, value| {
                rows.push((key.to_vec(), value.to_vec()));
                std::ops::ControlFlow::Continue(())
            },
        )?;
        for (key, value) in rows {
            let bad = || super::rows::damaged(Tree::Meta, &key, "a dictionary");
            let number = key
                .last_chunk::<2>()
                .map(|number| u16::from_be_bytes(*number))
                .ok_or_else(bad)?;
            let (source, bytes) = decode_dictionary(&value).ok_or_else(bad)?;
            dictionaries.add(number, source, bytes);
        }
        Ok(Self {
            engine,
            level,
            dictionaries: RwLock::new(dictionaries),
            contexts: Mutex::default(),
        })
    }

    /// Whether a body is here. Does not read it.
    pub(crate) fn contains(&self, hash: &ContentHash) -> Result<bool, StoreError> {
        Ok(self.engine.get(Tree::Bodies, hash.as_bytes())?.is_some())
    }

    /// Reads a body and checks that it still hashes to its name.
    pub(crate) fn get(&self, hash: &ContentHash) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(row) = self.engine.get(Tree::Bodies, hash.as_bytes())? else {
            return Ok(None);
        };
        let body = self.unpack(hash, &row)?;
        if ContentHash::of(&body) == *hash {
            Ok(Some(body))
        } else {
            Err(StoreError::DamagedBody { hash: *hash })
        }
    }

    /// Writes bodies of one source that are not here yet; durable with the next commit. Gives how many were new.
    pub(crate) fn put(
        &self,
        source: Option<&Source>,
        bodies: &[(ContentHash, &[u8])],
    ) -> Result<usize, StoreError> {
        let mut fresh = Vec::new();
        for (hash, body) in bodies {
            if !self.contains(hash)? {
                fresh.push((*hash, *body));
            }
        }
        if let Some(source) = source {
            self.train_if_due(source, &fresh)?;
        }
        let dictionary = source.and_then(|source| self.dictionary_of(source));
        let mut compressor = match &dictionary {
            Some((_, dictionary)) => {
                zstd::bulk::Compressor::with_dictionary(self.level, &dictionary.compress)
            }
            None => zstd::bulk::Compressor::new(self.level),
        }
        .map_err(|cause| StoreError::Compress {
            cause: cause.to_string(),
        })?;
        // The row names its dictionary itself, and the engine checks its rows: zstd need not repeat either.
        for parameter in [
            zstd::zstd_safe::CParameter::DictIdFlag(false),
            zstd::zstd_safe::CParameter::ChecksumFlag(false),
        ] {
            compressor
                .set_parameter(parameter)
                .map_err(|cause| StoreError::Compress {
                    cause: cause.to_string(),
                })?;
        }
        let number = dictionary.as_ref().map_or(0, |(number, _)| *number);
        let mut batch = Batch::new();
        for (hash, body) in &fresh {
            let packed = compressor.compress(body).map_err(|cause| StoreError::Compress {
                cause: cause.to_string(),
            })?;
            let mut row = Vec::with_capacity(packed.len() + 2);
            row.extend_from_slice(&number.to_le_bytes());
            row.extend_from_slice(&packed);
            batch.put(Tree::Bodies, hash.as_bytes(), &row);
        }
        self.engine.commit(&batch)?;
        if let Some(source) = source {
            let mut dictionaries = self.dictionaries.write().map_err(|_| StoreError::Poisoned)?;
            dictionaries.by_source.entry(source.clone()).or_default().written += fresh.len() as u64;
        }
        Ok(fresh.len())
    }

    /// Layout of a body's row: dictionary number (u16 LE; 0 for none), one zstd frame.
    fn unpack(&self, hash: &ContentHash, row: &[u8]) -> Result<Vec<u8>, StoreError> {
        let damaged = || StoreError::DamagedBody { hash: *hash };
        let (number, packed) = row.split_first_chunk::<2>().ok_or_else(damaged)?;
        let number = u16::from_le_bytes(*number);
        let size = zstd::zstd_safe::get_frame_content_size(packed)
            .ok()
            .flatten()
            .ok_or_else(damaged)?;
        let size = usize::try_from(size)
            .ok()
            .filter(|size| *size <= MAX_RECORD_BYTES)
            .ok_or_else(damaged)?;
        let dictionary = if number == 0 {
            None
        } else {
            let dictionaries = self.dictionaries.read().map_err(|_| StoreError::Poisoned)?;
            let Some(dictionary) = dictionaries.by_number.get(&number).cloned() else {
                return Err(StoreError::MissingDictionary { hash: *hash, number });
            };
            Some(dictionary)
        };
        let free = self.contexts.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut context = free.unwrap_or_else(DCtx::create);
        let mut body = Vec::with_capacity(size);
        let written = match &dictionary {
            Some(dictionary) => {
                context.decompress_using_ddict(&mut body, packed, dictionary.decompress.as_ddict())
            }
            None => context.decompress(&mut body, packed),
        };
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        if contexts.len() < MAX_CONTEXTS {
            contexts.push(context);
        }
        written.map_err(|_| damaged())?;
        Ok(body)
    }

    fn dictionary_of(&self, source: &Source) -> Option<(u16, Arc<Dictionary>)> {
        let dictionaries = self.dictionaries.read().ok()?;
        let number = dictionaries.by_source.get(source)?.number;
        Some((number, dictionaries.by_number.get(&number)?.clone()))
    }

    fn train_if_due(&self, source: &Source, bodies: &[(ContentHash, &[u8])]) -> Result<(), StoreError> {
        let known = {
            let dictionaries = self.dictionaries.read().map_err(|_| StoreError::Poisoned)?;
            dictionaries.by_source.get(source).copied().unwrap_or_default()
        };
        let grown = known.written + bodies.len() as u64 > known.trained_at.saturating_mul(RETRAIN_GROWTH);
        let due = known.number == 0 || (known.trained_at > 0 && grown && known.written < 100_000);
        if bodies.len() < TRAINING_BODIES || !due {
            return Ok(());
        }
        let mut samples = Vec::new();
        let mut sizes = Vec::new();
        let step = bodies
            .iter()
            .map(|(_, body)| body.len())
            .sum::<usize>()
            .div_ceil(TRAINING_BYTES)
            .max(1);
        for (_, body) in bodies.iter().step_by(step) {
            samples.extend_from_slice(body);
            sizes.push(body.len());
        }
        // Training can fail on odd samples (all alike, say); then bodies simply stay without a dictionary.
        let Ok(bytes) = zstd::dict::from_continuous(&samples, &sizes, DICTIONARY_BYTES) else {
            return Ok(());
        };
        let mut dictionaries = self.dictionaries.write().map_err(|_| StoreError::Poisoned)?;
        let last = dictionaries
            .by_number
            .last_key_value()
            .map_or(0, |(number, _)| *number);
        let Some(number) = last.checked_add(1) else {
            return Ok(());
        };
        let mut batch = Batch::new();
        batch.put(
            Tree::Meta,
            &meta::dictionary(number),
            &encode_dictionary(source, &bytes),
        );
        self.engine.commit(&batch)?;
        dictionaries.add(number, source.clone(), &bytes);
        let written = known.written + bodies.len() as u64;
        dictionaries.by_source.insert(
            source.clone(),
            SourceDictionary {
                number,
                written,
                trained_at: written,
            },
        );
        Ok(())
    }
}

impl Dictionaries {
    fn add(&mut self, number: u16, source: Source, bytes: &[u8]) {
        let decompress = zstd::dict::DecoderDictionary::copy(bytes);
        self.by_number.insert(
            number,
            Arc::new(Dictionary {
                compress: bytes.to_vec(),
                decompress,
            }),
        );
        self.by_source.entry(source).or_default().number = number;
    }
}

fn encode_dictionary(source: &Source, bytes: &[u8]) -> Vec<u8> {
    let name = source.as_str().as_bytes();
    let mut out = vec![u8::try_from(name.len()).unwrap_or(0)];
    out.extend_from_slice(name);
    out.extend_from_slice(bytes);
    out
}

fn decode_dictionary(value: &[u8]) -> Option<(Source, &[u8])> {
    let (&length, rest) = value.split_first()?;
    let (name, bytes) = rest.split_at_checked(usize::from(length))?;
    Some((std::str::from_utf8(name).ok()?.parse().ok()?, bytes))
}
