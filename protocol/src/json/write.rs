//! Writes values of Rust types as canonical JSON without building a tree.
//!
//! An object's members are written as they come and sorted at its end. Types whose fields are already in order
//! are written in one pass; other types have their members moved once per level.

mod containers;
mod keys;

use serde::ser::{self, Serialize};

use self::containers::{Items, Members};
use super::MAX_DEPTH;
use super::number::Number;
use super::text::write_string;

/// The reason why a value has no canonical form.
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
