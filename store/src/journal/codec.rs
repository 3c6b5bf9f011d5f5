//! Encodings of small parts of entries and rows: varints, texts, names of logs.

use starling_protocol::{Lane, SiteId, Source, UnixMillis};

use crate::rows::{put_varint, take_varint};
use crate::site::state::LogId;

/// Appends a varint length and the bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a varint length and UTF-8.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

/// Appends a site's id and a lane's number.
pub(crate) fn put_log(out: &mut Vec<u8>, log: &LogId) {
    out.extend_from_slice(log.site.as_bytes());
    out.push(log.lane.number());
}

/// Appends milliseconds since 1970 as a varint.
pub(crate) fn put_time(out: &mut Vec<u8>, time: UnixMillis) {
    put_varint(out, time.as_millis());
}

/// Decodes bytes; every method returns `None` if they do not decode.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes all remaining bytes.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn varint(&mut self) -> Option<u64> {
        take_varint(&mut self.0)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn hash(&mut self) -> Option<[u8; 32]> {
        let (hash, rest) = self.0.split_first_chunk::<32>()?;
        self.0 = rest;
        Some(*hash)
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        let (&flag, rest) = self.0.split_first()?;
        self.0 = rest;
        match flag {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn time(&mut self) -> Option<UnixMillis> {
        UnixMillis::new(self.varint()?).ok()
    }

    pub(crate) fn log(&mut self) -> Option<LogId> {
        let site = SiteId::from_bytes(self.hash()?);
        let (&lane, rest) = self.0.split_first()?;
        self.0 = rest;
        let lane = Lane::from_number(lane)?;
        Some(LogId { site, lane })
    }

    /// Decodes a source; the empty text means none.
    pub(crate) fn source(&mut self) -> Option<Option<Source>> {
        match self.text()? {
            "" => Some(None),
            name => Some(Some(name.parse().ok()?)),
        }
    }

    /// Decodes a varint count and as many entries. Memory grows with the bytes present, not with the count.
    pub(crate) fn list<T>(&mut self, mut take: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.varint()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(take(self)?);
        }
        Some(list)
    }
}
