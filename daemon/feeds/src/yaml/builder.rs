//! Builds values from parser events: a stack of open collections, and the anchors so far.

use std::borrow::Cow;
use std::collections::BTreeMap;

use saphyr_parser::{Event, ScalarStyle};
use starling_protocol::json::{MAX_DEPTH, Object, Value};

use super::scalar::{check_collection_tag, resolve};
use super::{MAX_COPIED_BYTES, YamlErrorKind};

/// The cost of copying a node, besides its text, in bytes.
const NODE_COST_BYTES: usize = 16;

/// The list of affected versions.
const VERSIONS: &str = "versions";

/// Fields of a record that contain a version, and the name of a package, which may look like a number.
const VERSION_KEYS: [&str; 5] = ["introduced", "fixed", "last_affected", "limit", "name"];

/// The parser numbers anchors from 1; 0 means that a node has none.
const NO_ANCHOR: usize = 0;

/// Builds the documents of one stream.
#[derive(Default)]
pub(super) struct Builder<'a> {
    open: Vec<Collection<'a>>,
    anchors: BTreeMap<usize, Anchored<'a>>,
    copied_bytes: usize,
    done: Option<Value<'a>>,
}

enum Collection<'a> {
    Sequence {
        anchor: usize,
        items: Vec<Value<'a>>,
    },
    Mapping {
        anchor: usize,
        entries: Vec<(Cow<'a, str>, Value<'a>)>,
        key: Option<Cow<'a, str>>,
    },
}

impl Collection<'_> {
    /// Returns the key of the value that comes next, or is being read.
    fn open_key(&self) -> Option<&str> {
        match self {
            Self::Mapping { key, .. } => key.as_deref(),
            Self::Sequence { .. } => None,
        }
    }
}

struct Anchored<'a> {
    value: Value<'a>,
    size: Size,
}

#[derive(Clone, Copy)]
struct Size {
    bytes: usize,
    levels: usize,
}

impl<'a> Builder<'a> {
    /// Processes the next event; returns a document if the event ends one.
    pub(super) fn handle(&mut self, event: Event<'a>) -> Result<Option<Value<'a>>, YamlErrorKind> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.expects_key() {
                    if style == ScalarStyle::Plain && text == "<<" {
                        return Err(YamlErrorKind::MergeKey);
                    }
                    // A key is its text, even `1` and `true`; only null is not a key.
                    let value = match resolve(Cow::Borrowed(text.as_ref()), style, tag.as_deref())? {
                        Value::Null => return Err(YamlErrorKind::Key { found: "null" }),
                        _ => Value::String(text),
                    };
                    return self.place(value, anchor).map(|()| None);
                }
                let value = if tag.is_none() && self.expects_version() {
                    match resolve(text.clone(), style, None) {
                        Ok(value @ (Value::Null | Value::Bool(_))) => value,
                        _ => Value::String(text),
                    }
                } else {
                    resolve(text, style, tag.as_deref())?
                };
                self.place(value, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(
                    tag.as_deref(),
                    "seq",
                    Collection::Sequence {
                        anchor,
                        items: Vec::new(),
                    },
                )?;
            }
            Event::MappingStart(anchor, tag) => {
                let mapping = Collection::Mapping {
                    anchor,
                    entries: Vec::new(),
                    key: None,
                };
                self.open(tag.as_deref(), "map", mapping)?;
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Collection::Sequence { anchor, items }) => self.place(Value::Array(items), anchor)?,
                Some(Collection::Mapping { anchor, entries, .. }) => {
                    self.place(Value::Object(Object::from_entries(entries)?), anchor)?;
                }
                None => {
                    return Err(YamlErrorKind::Syntax(
                        "a collection ends that never began".to_owned(),
                    ));
                }
            },
            Event::Alias(anchor) => {
                let Anchored { value, size } = self.anchors.get(&anchor).ok_or(YamlErrorKind::Alias)?;
                let (value, size) = (value, *size);
                if self.open.len() + size.levels > MAX_DEPTH {
                    return Err(YamlErrorKind::TooDeep);
                }
                charge(&mut self.copied_bytes, size)?;
                let value = value.clone();
                self.place(value, NO_ANCHOR)?;
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                return Ok(self.done.take());
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
        Ok(None)
    }

    /// Returns true if a version or a name comes next: `2.10` is one, although the number of this text is 2.1.
    fn expects_version(&self) -> bool {
        match self.open.as_slice() {
            [.., outer, Collection::Sequence { .. }] => outer.open_key() == Some(VERSIONS),
            [.., last] => last.open_key().is_some_and(|key| VERSION_KEYS.contains(&key)),
            [] => false,
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Collection::Mapping { key: None, .. }))
    }

    fn open(
        &mut self,
        tag: Option<&saphyr_parser::Tag>,
        kind: &str,
        collection: Collection<'a>,
    ) -> Result<(), YamlErrorKind> {
        if self.expects_key() {
            return Err(YamlErrorKind::Key {
                found: "a collection",
            });
        }
        check_collection_tag(tag, kind)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(YamlErrorKind::TooDeep);
        }
        self.open.push(collection);
        Ok(())
    }

    /// Adds a complete value at its place: key, member, item or document.
    fn place(&mut self, value: Value<'a>, anchor: usize) -> Result<(), YamlErrorKind> {
        if anchor != NO_ANCHOR {
            let size = measure(&value);
            charge(&mut self.copied_bytes, size)?;
            self.anchors.insert(
                anchor,
                Anchored {
                    value: value.clone(),
                    size,
                },
            );
        }
        match self.open.last_mut() {
            None => self.done = Some(value),
            Some(Collection::Sequence { items, .. }) => items.push(value),
            Some(Collection::Mapping { entries, key, .. }) => match (key.take(), value) {
                (Some(key), value) => entries.push((key, value)),
                (None, Value::String(text)) => *key = Some(text),
                (None, other) => {
                    return Err(YamlErrorKind::Key {
                        found: other.type_name(),
                    });
                }
            },
        }
        Ok(())
    }
}

/// Counts a copy against the stream's limit.
fn charge(copied_bytes: &mut usize, size: Size) -> Result<(), YamlErrorKind> {
    *copied_bytes += size.bytes;
    if *copied_bytes > MAX_COPIED_BYTES {
        Err(YamlErrorKind::TooMuchCopied)
    } else {
        Ok(())
    }
}

fn measure(value: &Value<'_>) -> Size {
    let children = |sizes: &mut dyn Iterator<Item = Size>| {
        sizes.fold(
            Size {
                bytes: NODE_COST_BYTES,
                levels: 1,
            },
            |all, one| Size {
                bytes: all.bytes + one.bytes,
                levels: all.levels.max(one.levels + 1),
            },
        )
    };
    match value {
        Value::Null | Value::Bool(_) => Size {
            bytes: NODE_COST_BYTES,
            levels: 0,
        },
        Value::Number(number) => Size {
            bytes: NODE_COST_BYTES + number.as_str().len(),
            levels: 0,
        },
        Value::String(text) => Size {
            bytes: NODE_COST_BYTES + text.len(),
            levels: 0,
        },
        Value::Array(items) => children(&mut items.iter().map(measure)),
        Value::Object(object) => children(&mut object.iter().map(|(key, value)| {
            let size = measure(value);
            Size {
                bytes: size.bytes + key.len(),
                ..size
            }
        })),
    }
}
