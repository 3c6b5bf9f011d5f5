//! A minimal reader of length-prefixed bytes; returns `None` if they are truncated.

use std::io::{Error, ErrorKind};

/// Bytes that are read from front to back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a>(pub(super) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    /// Returns a number of four bytes.
    pub(super) fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    /// Reads a length, then that many bytes.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }
}

/// Writes a length as four bytes.
pub(super) fn put_length(out: &mut Vec<u8>, length: usize) -> Result<(), Error> {
    out.extend_from_slice(&length_of(length)?.to_le_bytes());
    Ok(())
}

/// Writes a length, then the bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Error> {
    put_length(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

/// Returns a length as four bytes, if it fits.
pub(super) fn length_of(length: usize) -> Result<u32, Error> {
    u32::try_from(length)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "a part of the match index exceeds 4 GiB"))
}
