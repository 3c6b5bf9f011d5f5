//! One change of a shared document: the bytes of an Automerge change chunk, decoded strictly.
//!
//! Automerge trusts the changes that it gets: a few bytes can stand for 2^60 operations, a compressed change
//! can decompress to gigabytes, and a counter near its end can overflow. So Automerge never gets changes from
//! other sites before this decoder has accepted them. The decoder knows the part of the format that Starling's
//! documents need (maps that get new keys), bounds everything, and refuses the rest by name.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::actor::Actor;
use crate::column::{Input, flags, runs};

/// Most bytes of a change. Mutes take a few hundred.
pub const MAX_CHANGE_BYTES: usize = 16 * 1024;
/// Most operations in a change.
pub const MAX_OPERATIONS: usize = 64;
/// Most changes that a change may name as its predecessors.
pub const MAX_DEPENDENCIES: usize = 64;
/// Most actors that one refers to besides its own.
const MAX_OTHER_ACTORS: usize = 64;
/// Most columns.
const MAX_COLUMNS: usize = 16;
/// The highest number of an operation or a change: half of Automerge's limit.
const MAX_COUNTER: u64 = 1 << 31;

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHUNK_CHANGE: u8 = 1;
const CHUNK_COMPRESSED: u8 = 2;

const OBJECT_ACTOR: u64 = 0x01;
const OBJECT_COUNTER: u64 = 0x02;
const KEY_TEXT: u64 = 0x15;
const INSERT: u64 = 0x34;
const ACTION: u64 = 0x42;
const VALUE_META: u64 = 0x56;
const VALUE: u64 = 0x57;
const PREDECESSORS: u64 = 0x70;

const ACTION_MAKE_MAP: u64 = 0;
const ACTION_PUT: u64 = 1;

/// The name of a change: the SHA-256 of its chunk, as Automerge computes it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeHash([u8; 32]);

impl ChangeHash {
    /// Wraps a hash.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Display for ChangeHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for ChangeHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The reason why bytes are not a change of a shared document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// They end too soon.
    #[error("it ends within {what}")]
    Cut {
        /// The part that was being read.
        what: &'static str,
    },
    /// A number is not in its shortest form, or too large.
    #[error("{what} is not a number in its shortest form")]
    Number {
        /// The number's name.
        what: &'static str,
    },
    /// A text is not UTF-8.
    #[error("{what} is not UTF-8")]
    NotText {
        /// The text's name.
        what: &'static str,
    },
    /// More of something than is read.
    #[error("{what}: {found}, more than the limit of {limit}")]
    OverLimit {
        /// The quantity that is over its limit.
        what: &'static str,
        /// The amount found.
        found: u64,
        /// The limit.
        limit: u64,
    },
    /// The bytes are an Automerge change, but it does something that shared documents never do.
    #[error("it {does}, which changes of shared documents do not")]
    NotUsed {
        /// The forbidden action.
        does: &'static str,
    },
    /// Its parts contradict each other.
    #[error("{what}")]
    Inconsistent {
        /// The rule that is broken.
        what: &'static str,
    },
}

/// A change, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub hash: ChangeHash,
    /// The actor that made it.
    pub actor: Actor,
    /// Its place in the actor's sequence; the first is 1.
    pub sequence: u64,
    /// The number of its first operation.
    pub first_operation: u64,
    /// The changes that it depends on, sorted.
    pub dependencies: Vec<ChangeHash>,
    /// Its operations, at least one.
    pub operations: Vec<Operation>,
}

/// An object of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// The document itself.
    Root,
    /// The map that an actor's operation of this number made.
    Made(Actor, u64),
}

/// One operation: a new key in a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The map.
    pub object: Object,
    /// The key.
    pub key: String,
    /// The value.
    pub value: Value,
}

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A new map.
    Map,
    /// A text.
    Text(String),
    /// A moment, in milliseconds since 1970.
    Time(i64),
}

impl Change {
    /// Returns the number of its last operation.
    #[must_use]
    pub fn last_operation(&self) -> u64 {
        let rest = u64::try_from(self.operations.len()).unwrap_or(u64::MAX);
        self.first_operation.saturating_add(rest).saturating_sub(1)
    }

    /// Decodes a change chunk. No bytes may follow it.
    ///
    /// # Errors
    /// [`ChangeError`] if the bytes are not a change, are damaged, exceed a limit, or do something that
    /// documents never do.
    pub fn read(bytes: &[u8]) -> Result<Self, ChangeError> {
        if bytes.len() > MAX_CHANGE_BYTES {
            return Err(ChangeError::OverLimit {
                what: "bytes",
                found: bytes.len() as u64,
                limit: MAX_CHANGE_BYTES as u64,
            });
        }
        let mut input = Input(bytes);
        if input.take(4, "the magic bytes")? != MAGIC {
            return Err(ChangeError::Inconsistent {
                what: "it does not begin like an Automerge chunk",
            });
        }
        let checksum = input.take(4, "the checksum")?;
        let hashed = input.0;
        match input.take(1, "the chunk's type")? {
            [CHUNK_CHANGE] => {}
            [CHUNK_COMPRESSED] => {
                return Err(ChangeError::NotUsed {
                    does: "is compressed",
                });
            }
            _ => {
                return Err(ChangeError::NotUsed {
                    does: "is a chunk of another type",
                });
            }
        }
        let length = input.length(MAX_CHANGE_BYTES, "the chunk's length")?;
        if length != input.0.len() {
            return Err(ChangeError::Inconsistent {
                what: "its length is not the one that it states",
            });
        }
        let hash: [u8; 32] = Sha256::digest(hashed).into();
        if hash.get(..4) != Some(checksum) {
            return Err(ChangeError::Inconsistent {
                what: "its checksum does not match",
            });
        }
        Self::read_body(input, ChangeHash(hash))
    }

    fn read_body(mut input: Input<'_>, hash: ChangeHash) -> Result<Self, ChangeError> {
        let mut dependencies = Vec::new();
        for _ in 0..input.length(MAX_DEPENDENCIES, "dependencies")? {
            let bytes = input.take(32, "a dependency")?;
            let dependency = bytes
                .try_into()
                .map_err(|_| ChangeError::Cut { what: "a dependency" })?;
            dependencies.push(ChangeHash(dependency));
        }
        if !dependencies.is_sorted_by(|a, b| a < b) {
            return Err(ChangeError::Inconsistent {
                what: "its dependencies are not sorted",
            });
        }
        let actor = take_actor(&mut input)?;
        let sequence = counter(input.number("the sequence number")?, "the sequence number")?;
        let first_operation = counter(
            input.number("the first operation's number")?,
            "the first operation's number",
        )?;
        input.signed("the time")?;
        if !input.text(0, "a message")?.is_empty() {
            return Err(ChangeError::NotUsed {
                does: "has a message",
            });
        }
        let mut actors = vec![actor];
        for _ in 0..input.length(MAX_OTHER_ACTORS, "other actors")? {
            actors.push(take_actor(&mut input)?);
        }
        let columns = Columns::read(&mut input)?;
        if !input.is_empty() {
            return Err(ChangeError::NotUsed {
                does: "has bytes after its columns",
            });
        }
        let operations = columns.operations(&actors)?;
        check_actors(&actors, &operations)?;
        Ok(Self {
            hash,
            actor,
            sequence,
            first_operation,
            dependencies,
            operations,
        })
    }
}

/// Checks the list of actors: the change's own first, then each actor that an operation needs, once and in
/// order.
fn check_actors(actors: &[Actor], operations: &[Operation]) -> Result<(), ChangeError> {
    let (own, others) = actors
        .split_first()
        .ok_or(ChangeError::Cut { what: "an actor" })?;
    let named: BTreeSet<Actor> = operations
        .iter()
        .filter_map(|operation| match operation.object {
            Object::Root => None,
            Object::Made(actor, _) => Some(actor),
        })
        .filter(|actor| actor != own)
        .collect();
    if named.iter().eq(others) {
        return Ok(());
    }
    Err(ChangeError::Inconsistent {
        what: "the actors that it lists are not the ones that its operations name",
    })
}

fn take_actor(input: &mut Input<'_>) -> Result<Actor, ChangeError> {
    let length = input.length(64, "an actor")?;
    Actor::from_bytes(input.take(length, "an actor")?).ok_or(ChangeError::NotUsed {
        does: "names an actor that is not 16 bytes long",
    })
}

fn counter(number: u64, what: &'static str) -> Result<u64, ChangeError> {
    match number {
        0 => Err(ChangeError::Number { what }),
        1..=MAX_COUNTER => Ok(number),
        found => Err(ChangeError::OverLimit {
            what,
            found,
            limit: MAX_COUNTER,
        }),
    }
}

/// The columns that are used, as bytes.
#[derive(Default)]
struct Columns<'a> {
    object_actor: &'a [u8],
    object_counter: &'a [u8],
    key: &'a [u8],
    insert: &'a [u8],
    action: &'a [u8],
    value_meta: &'a [u8],
    value: &'a [u8],
    predecessors: &'a [u8],
}

impl<'a> Columns<'a> {
    fn read(input: &mut Input<'a>) -> Result<Self, ChangeError> {
        let mut listed = Vec::new();
        for _ in 0..input.length(MAX_COLUMNS, "columns")? {
            let kind = input.number("a column's kind")?;
            listed.push((kind, input.length(MAX_CHANGE_BYTES, "a column's length")?));
        }
        if !listed.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(ChangeError::Inconsistent {
                what: "its columns are not sorted",
            });
        }
        let mut columns = Self::default();
        for (kind, length) in listed {
            if length == 0 {
                return Err(ChangeError::Inconsistent {
                    what: "it lists a column that is empty",
                });
            }
            let bytes = input.take(length, "a column")?;
            let place = match kind {
                OBJECT_ACTOR => &mut columns.object_actor,
                OBJECT_COUNTER => &mut columns.object_counter,
                KEY_TEXT => &mut columns.key,
                INSERT => &mut columns.insert,
                ACTION => &mut columns.action,
                VALUE_META => &mut columns.value_meta,
                VALUE => &mut columns.value,
                PREDECESSORS => &mut columns.predecessors,
                _ => {
                    return Err(ChangeError::NotUsed {
                        does: "changes lists, texts or entries of others",
                    });
                }
            };
            *place = bytes;
        }
        Ok(columns)
    }

    fn operations(&self, actors: &[Actor]) -> Result<Vec<Operation>, ChangeError> {
        let actions = self.numbers(self.action, "actions")?;
        let count = actions.len();
        if count == 0 {
            return Err(ChangeError::Inconsistent {
                what: "it does nothing",
            });
        }
        let object_actors = padded(self.numbers(self.object_actor, "objects")?, count)?;
        let object_counters = padded(self.numbers(self.object_counter, "objects")?, count)?;
        let keys = runs(self.key, MAX_OPERATIONS, "keys", |input| {
            input.text(MAX_CHANGE_BYTES, "a key")
        })?;
        let keys = padded(keys, count)?;
        let metas = self.numbers(self.value_meta, "values")?;
        let inserts = flags(self.insert, MAX_OPERATIONS, "insertions")?;
        let predecessors = self.numbers(self.predecessors, "predecessors")?;
        if inserts.contains(&true) {
            return Err(ChangeError::NotUsed {
                does: "inserts into a list",
            });
        }
        if predecessors.iter().flatten().any(|count| *count != 0) {
            return Err(ChangeError::NotUsed {
                does: "overwrites an existing value",
            });
        }
        // These columns are never partly absent: Automerge refuses such a column if it ends early.
        let absent = |column: &[Option<u64>]| column.len() != count || column.contains(&None);
        if inserts.len() != count || absent(&predecessors) || absent(&metas) {
            return Err(ChangeError::Inconsistent {
                what: "an operation lacks its action, its place or its predecessors",
            });
        }
        let mut values = Input(self.value);
        let mut operations = Vec::with_capacity(count);
        let rows = actions.into_iter().zip(object_actors).zip(object_counters);
        for (((action, actor), number), (key, meta)) in rows.zip(keys.into_iter().zip(metas)) {
            let object = match (actor, number) {
                (None, None) => Object::Root,
                (Some(actor), Some(number)) => {
                    let actor = usize::try_from(actor).ok().and_then(|index| actors.get(index));
                    let actor = actor.ok_or(ChangeError::Inconsistent {
                        what: "an object's actor is not listed",
                    })?;
                    Object::Made(*actor, counter(number, "an object's number")?)
                }
                _ => {
                    return Err(ChangeError::Inconsistent {
                        what: "an object has an incomplete id",
                    });
                }
            };
            let key = key.ok_or(ChangeError::NotUsed {
                does: "changes something without a key",
            })?;
            let value = read_value(&mut values, meta.unwrap_or(0))?;
            let value = match (action, value) {
                (Some(ACTION_MAKE_MAP), None) => Value::Map,
                (Some(ACTION_PUT), Some(value)) => value,
                _ => {
                    return Err(ChangeError::NotUsed {
                        does: "does something other than adding maps, texts and times",
                    });
                }
            };
            operations.push(Operation {
                object,
                key: key.to_owned(),
                value,
            });
        }
        if !values.is_empty() {
            return Err(ChangeError::Inconsistent {
                what: "it has values that no operation uses",
            });
        }
        Ok(operations)
    }

    fn numbers(&self, bytes: &'a [u8], what: &'static str) -> Result<Vec<Option<u64>>, ChangeError> {
        runs(bytes, MAX_OPERATIONS, what, |input| input.number(what))
    }
}

/// Returns a column with one value for each operation. An empty column means that all its values are absent.
fn padded<T: Clone>(mut column: Vec<Option<T>>, count: usize) -> Result<Vec<Option<T>>, ChangeError> {
    if column.is_empty() {
        column.resize(count, None);
    }
    if column.len() != count {
        return Err(ChangeError::Inconsistent {
            what: "a column is not as long as the list of actions",
        });
    }
    Ok(column)
}

const META_NULL: u64 = 0;
const META_TEXT: u64 = 6;
const META_TIME: u64 = 9;

fn read_value(values: &mut Input<'_>, meta: u64) -> Result<Option<Value>, ChangeError> {
    let length = usize::try_from(meta >> 4).unwrap_or(usize::MAX);
    let bytes = values.take(length, "a value")?;
    match meta & 0x0f {
        META_NULL if length == 0 => Ok(None),
        META_TEXT => {
            let text = std::str::from_utf8(bytes).map_err(|_| ChangeError::NotText { what: "a value" })?;
            Ok(Some(Value::Text(text.to_owned())))
        }
        META_TIME => {
            let mut input = Input(bytes);
            let time = input.signed("a moment")?;
            if !input.is_empty() {
                return Err(ChangeError::Number { what: "a moment" });
            }
            Ok(Some(Value::Time(time)))
        }
        _ => Err(ChangeError::NotUsed {
            does: "holds a value that is neither a text nor a time",
        }),
    }
}
