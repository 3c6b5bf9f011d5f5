//! The bytes of keys and values. Layouts: `docs/formats/view.md`.
//!
//! Every part is self-delimiting, so that the rows under a part are exactly those with its bytes as prefix.
//! Every value has one encoding. Decoding is total: damaged bytes give `None`.

mod id;
mod keys;
mod package;
mod record;
mod source;

use starling_protocol::varint;

pub(crate) use keys::{
    EdgeKey, alias_key, alias_prefix, edge_key, edge_prefix, hash_key, hash_prefix, held_key, product_key,
    product_prefix, read_alias_key, read_edge_key, read_hash_key, read_held_key, read_product_key,
    read_record_key, record_key, record_prefix,
};
pub(crate) use package::{base_prefix, name_prefix, write_package};
pub(crate) use record::{RecordRow, RecordState};

/// Reads encoded parts one after the other. A method that returns `None` found bytes that this version never
/// writes; the reader must not be used further.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    /// Reads text up to a zero byte, which is taken too.
    fn terminated(&mut self) -> Option<&'a str> {
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let text = std::str::from_utf8(self.bytes(end)?).ok()?;
        self.byte()?;
        Some(text)
    }

    /// Reads a varint in its shortest form.
    fn number(&mut self) -> Option<u64> {
        varint::take(&mut self.rest).ok()
    }

    /// Reads a count of items that take at least one byte each. A count above the number of remaining bytes is
    /// refused.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.rest.len()).then_some(count)
    }
}

/// Writes text and a zero byte. The text contains no zero byte: names with control characters cannot be keys.
fn write_terminated(out: &mut Vec<u8>, text: &str) {
    debug_assert!(!text.contains('\0'));
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_back(value: u64) {
            let mut bytes = Vec::new();
            varint::put(&mut bytes, value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.number(), Some(value));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn number_has_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Some(value) = reader.number() {
                let mut again = Vec::new();
                varint::put(&mut again, value);
                prop_assert_eq!(&again[..], &bytes[..bytes.len() - reader.rest.len()]);
            }
        }
    }
}
