//! Documents in UTF-16: other programs export them. They are read as the same text in UTF-8.

use std::io::Read;

use encoding_rs::Encoding;

use super::classify::{Expectation, NotARecord, classify};
use super::walk::{Step, Walk};
use super::{Found, Unreadable};

/// Returns true for the mark of UTF-16 at the beginning of a text.
pub(super) fn is_utf_16(head: &[u8]) -> bool {
    matches!(head, [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..])
}

impl Walk<'_> {
    /// Passes on a document in UTF-16. Without an expectation, its text decides what it is.
    pub(super) fn wide(
        &mut self,
        name: &str,
        reader: &mut dyn Read,
        expectation: Option<Expectation>,
    ) -> Step {
        let limit = self.limits.max_document_bytes;
        let mut bytes = Vec::new();
        let read = (&mut *reader).take(limit as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.fail_read(name, error))?;
        let reject = |walk: &mut Self, reason| {
            let name = name.to_owned();
            walk.show(Found::Rejected { name, reason })
        };
        if bytes.len() > limit {
            std::io::copy(reader, &mut std::io::sink()).map_err(|error| self.fail_read(name, error))?;
            return reject(self, Unreadable::TooLarge { limit });
        }
        let encoding = Encoding::for_bom(&bytes).map_or(encoding_rs::UTF_16LE, |(encoding, _)| encoding);
        let (text, _, has_errors) = encoding.decode(&bytes);
        if has_errors {
            let what = "it begins as UTF-16, and is not".to_owned();
            return reject(self, Unreadable::File { what });
        }
        let mut text = text.as_bytes();
        let expectation = match expectation {
            Some(expectation) => Ok(expectation),
            None => classify(name, text),
        };
        match expectation {
            Ok(expectation) => self.split(name, &mut text, expectation),
            Err(NotARecord::OtherKind) => self.foreign(name, &mut text),
            Err(reason) => self.ignored(name, reason),
        }
    }
}
