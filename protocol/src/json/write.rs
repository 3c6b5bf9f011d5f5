//! Writes values of Rust types as canonical JSON without building a tree.
//!
//! An object's members are written as they come and sorted at its end. Types whose fields are already in order
//! are written in one pass; other types have their members moved once per level.

use serde::ser::{self, Serialize};

use super::MAX_DEPTH;
use super::number::Number;
use super::text::{cmp_utf16_bytes, find_special, write_string};

/// Why a value has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// NaN or an infinity.
    #[error("a number is not finite, which JSON cannot express")]
    NotFinite,
    /// A map's key is neither text nor a whole number.
    #[error("a key of a map is neither a text nor a whole number")]
    KeyIsNoText,
    /// A key is repeated in one object.
    #[error("the key {0:?} is repeated in one object")]
    DuplicateKey(String),
    /// The value is nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// The value's own error.
    #[error("{0}")]
    Other(String),
}

impl ser::Error for WriteError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }
}

/// Returns the canonical bytes of `value`: the result of [`super::canonicalize`] for its JSON.
///
/// # Errors
/// If the value has no canonical JSON form.
///
/// ```
/// use std::collections::HashMap;
/// use starling_protocol::json::to_canonical;
/// let value = HashMap::from([("b", 1.0), ("a", 0.5)]);
/// assert_eq!(to_canonical(&value)?, br#"{"a":0.5,"b":1}"#);
/// # Ok::<(), starling_protocol::json::WriteError>(())
/// ```
pub fn to_canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    value.serialize(Writer {
        out: &mut out,
        depth: 0,
    })?;
    Ok(out)
}

/// Writes one value to the end of `out`.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    /// Arrays and objects around the value.
    depth: usize,
}

impl<'a> Writer<'a> {
    fn integer(self, number: impl std::fmt::Display) {
        self.out.extend_from_slice(number.to_string().as_bytes());
    }

    fn deeper(self) -> Result<(&'a mut Vec<u8>, usize), WriteError> {
        let depth = self.depth + 1;
        if depth > MAX_DEPTH {
            return Err(WriteError::TooDeep);
        }
        Ok((self.out, depth))
    }

    /// Begins an array. `close` ends the array and everything around it.
    fn array(self, close: &'static [u8]) -> Result<Items<'a>, WriteError> {
        let (out, depth) = self.deeper()?;
        out.push(b'[');
        Ok(Items {
            out,
            depth,
            any: false,
            close,
        })
    }

    fn object(self, close: &'static [u8]) -> Result<Members<'a>, WriteError> {
        let (out, depth) = self.deeper()?;
        out.push(b'{');
        Ok(Members {
            start: out.len(),
            out,
            depth,
            members: Vec::new(),
            sorted: true,
            close,
        })
    }

    /// Begins the one-member object that represents an enum variant.
    fn variant(self, name: &str) -> Result<Self, WriteError> {
        let (out, depth) = self.deeper()?;
        out.push(b'{');
        write_string(name, out);
        out.push(b':');
        Ok(Self { out, depth })
    }
}

impl<'a> ser::Serializer for Writer<'a> {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Members<'a>;

    fn serialize_bool(self, value: bool) -> Result<(), WriteError> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), WriteError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), WriteError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), WriteError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), WriteError> {
        self.integer(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), WriteError> {
        self.integer(value);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), WriteError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), WriteError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), WriteError> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), WriteError> {
        self.integer(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), WriteError> {
        self.integer(value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), WriteError> {
        // Use the float's own shortest digits, as printed, not those of the nearest double.
        self.serialize_f64(value.to_string().parse().unwrap_or(f64::NAN))
    }

    fn serialize_f64(self, value: f64) -> Result<(), WriteError> {
        let number = Number::from_f64(value).ok_or(WriteError::NotFinite)?;
        self.out.extend_from_slice(number.as_str().as_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), WriteError> {
        write_string(value.encode_utf8(&mut [0; 4]), self.out);
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), WriteError> {
        write_string(value, self.out);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_none(self) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), WriteError> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), WriteError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), WriteError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        let inner = self.variant(variant)?;
        let (out, depth) = (inner.out, inner.depth);
        value.serialize(Writer { out, depth })?;
        out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, WriteError> {
        self.array(b"]")
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, WriteError> {
        self.array(b"]")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, WriteError> {
        self.array(b"]")
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, WriteError> {
        self.variant(variant)?.array(b"]}")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Members<'a>, WriteError> {
        self.object(b"}")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Members<'a>, WriteError> {
        self.object(b"}")
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Members<'a>, WriteError> {
        self.variant(variant)?.object(b"}}")
    }
}

/// An array that is being written.
struct Items<'a> {
    out: &'a mut Vec<u8>,
    depth: usize,
    any: bool,
    close: &'static [u8],
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
struct Members<'a> {
    out: &'a mut Vec<u8>,
    depth: usize,
    /// The offset of the first member.
    start: usize,
    /// Each member's key, and the offset of its end; commas separate the members.
    members: Vec<(Key, usize)>,
    /// True if the keys rise.
    sorted: bool,
    close: &'static [u8],
}

/// A member's name.
enum Key {
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
    fn key(&mut self, name: &str, field: Option<&'static str>) {
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

/// Converts a map's key: a text, or a whole number written as text.
struct KeyWriter<'m, 'a>(&'m mut Members<'a>);

impl KeyWriter<'_, '_> {
    fn number(self, number: impl std::fmt::Display) -> Result<(), WriteError> {
        self.0.key(&number.to_string(), None);
        Ok(())
    }
}

/// Refuses types that cannot be keys.
macro_rules! no_key {
    ($($method:ident($($type:ty),*);)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<(), WriteError> {
            Err(WriteError::KeyIsNoText)
        }
    )*};
    ($($method:ident($($type:ty),*) -> $made:ident;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<Self::$made, WriteError> {
            Err(WriteError::KeyIsNoText)
        }
    )*};
}

/// Writes number keys as text.
macro_rules! number_key {
    ($($method:ident($type:ty);)*) => {$(
        fn $method(self, value: $type) -> Result<(), WriteError> {
            self.number(value)
        }
    )*};
}

impl ser::Serializer for KeyWriter<'_, '_> {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = ser::Impossible<(), WriteError>;
    type SerializeTuple = ser::Impossible<(), WriteError>;
    type SerializeTupleStruct = ser::Impossible<(), WriteError>;
    type SerializeTupleVariant = ser::Impossible<(), WriteError>;
    type SerializeMap = ser::Impossible<(), WriteError>;
    type SerializeStruct = ser::Impossible<(), WriteError>;
    type SerializeStructVariant = ser::Impossible<(), WriteError>;

    fn serialize_str(self, value: &str) -> Result<(), WriteError> {
        self.0.key(value, None);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), WriteError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), WriteError> {
        self.serialize_str(variant)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), WriteError> {
        Err(WriteError::KeyIsNoText)
    }

    number_key! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
    }

    no_key! {
        serialize_bool(bool);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
    }

    no_key! {
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }
}
