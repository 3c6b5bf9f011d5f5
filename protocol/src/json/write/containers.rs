//! Arrays and objects that are being written: commas, and members sorted at the end of their object.

use serde::ser::{self, Serialize};

use super::super::text::{cmp_utf16_bytes, find_special, write_string};
use super::keys::KeyWriter;
use super::{WriteError, Writer};

/// An array that is being written.
pub(super) struct Items<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) depth: usize,
    pub(super) any: bool,
    pub(super) close: &'static [u8],
}

impl Items<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        if std::mem::replace(&mut self.any, true) {
            self.out.push(b',');
        }
        value.serialize(Writer {
            out: self.out,
            depth: self.depth,
        })
    }

    fn close(self) {
        self.out.extend_from_slice(self.close);
    }
}

/// An object that is being written.
pub(super) struct Members<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) depth: usize,
    /// The offset of the first member.
    pub(super) start: usize,
    /// Each member's key, and the offset of its end; commas separate the members.
    pub(super) members: Vec<(Key, usize)>,
    /// True if the keys rise.
    pub(super) sorted: bool,
    pub(super) close: &'static [u8],
}

/// A member's name.
pub(super) enum Key {
    /// Of a struct's field.
    Field(&'static str),
    /// The key's text in the output, from the first to the second offset: it contains no escapes.
    Written(usize, usize),
    /// One that has.
    Made(String),
}

impl Key {
    /// Returns the name's bytes, given the output from `start` on.
    fn bytes<'k>(&'k self, written: &'k [u8], start: usize) -> &'k [u8] {
        match self {
            Self::Field(name) => name.as_bytes(),
            Self::Written(from, to) => written
                .get(from.saturating_sub(start)..to.saturating_sub(start))
                .unwrap_or_default(),
            Self::Made(name) => name.as_bytes(),
        }
    }
}

impl Members<'_> {
    /// Ends the member before and begins one.
    pub(super) fn key(&mut self, name: &str, field: Option<&'static str>) {
        if let Some((_, end)) = self.members.last_mut() {
            *end = self.out.len();
            self.out.push(b',');
        }
        let key = match field {
            Some(field) => Key::Field(field),
            None if find_special(name.as_bytes()) == name.len() => {
                let from = self.out.len() + 1;
                Key::Written(from, from + name.len())
            }
            None => Key::Made(name.to_owned()),
        };
        write_string(name, self.out);
        if let Some((last, _)) = self.members.last().filter(|_| self.sorted) {
            let last = last.bytes(self.out, 0);
            self.sorted = cmp_utf16_bytes(last, name.as_bytes()).is_lt();
        }
        self.out.push(b':');
        self.members.push((key, 0));
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        value.serialize(Writer {
            out: self.out,
            depth: self.depth,
        })
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), WriteError> {
        self.key(name, Some(name));
        self.value(value)
    }

    fn close(mut self) -> Result<(), WriteError> {
        if let Some((_, end)) = self.members.last_mut() {
            *end = self.out.len();
        }
        if !self.sorted {
            self.sort()?;
        }
        self.out.extend_from_slice(self.close);
        Ok(())
    }

    /// Puts the members into order.
    fn sort(&mut self) -> Result<(), WriteError> {
        let written = self.out.split_off(self.start);
        let mut from = 0;
        let mut members = Vec::with_capacity(self.members.len());
        for (key, end) in &self.members {
            let end = end.saturating_sub(self.start);
            let member = written.get(from..end).unwrap_or_default();
            members.push((key.bytes(&written, self.start), member));
            from = end + 1;
        }
        members.sort_unstable_by(|(a, _), (b, _)| cmp_utf16_bytes(a, b));
        let mut before = None;
        for (key, member) in members {
            if before == Some(key) {
                return Err(WriteError::DuplicateKey(
                    String::from_utf8_lossy(key).into_owned(),
                ));
            }
            if before.replace(key).is_some() {
                self.out.push(b',');
            }
            self.out.extend_from_slice(member);
        }
        Ok(())
    }
}

impl ser::SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.item(value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeTuple for Items<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.item(value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeTupleStruct for Items<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.item(value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeTupleVariant for Items<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.item(value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close();
        Ok(())
    }
}

impl ser::SerializeMap for Members<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        key.serialize(KeyWriter(self))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.value(value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

impl ser::SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.member(name, value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

impl ser::SerializeStructVariant for Members<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.member(name, value)
    }

    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}
