//! Building blocks for keys whose byte order is a version order.
//!
//! A key is a sequence of marks (single bytes for the kind of the next part, chosen by each scheme in the order of its
//! *kinds*), numbers and
//! texts. Numbers and texts are encoded so that no value is a prefix of another; with a mark before each, complete
//! keys compare like their parts.

/// Collects one key.
#[derive(Debug)]
pub(super) struct KeyWriter {
    bytes: Vec<u8>,
}

impl KeyWriter {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
        }
    }

    /// Writes a byte that orders the possible kinds of part.
    pub(super) fn mark(&mut self, mark: u8) {
        self.bytes.push(mark);
    }

    /// Writes a number of any length, given as its ASCII digits: the count of digits without leading
    /// zeros, then those digits. `""` is zero.
    pub(super) fn number(&mut self, digits: &str) {
        let significant = digits.trim_start_matches('0');
        // Two bytes of length for the rare long ones keep the order: 0x80.. sorts after 0x00..0x7f.
        // Texts are bounded far below 2^15 bytes.
        let len = u16::try_from(significant.len()).unwrap_or(0x7fff).min(0x7fff);
        let [high, low] = len.to_be_bytes();
        if len < 0x80 {
            self.bytes.push(low);
        } else {
            self.bytes.extend([0x80 | high, low]);
        }
        self.bytes.extend_from_slice(significant.as_bytes());
    }

    /// Writes a text without NUL (the parser refuses control characters).
    pub(super) fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    /// Writes [`KeyWriter::text`] in ASCII lower case.
    pub(super) fn text_lower(&mut self, text: &str) {
        self.bytes.extend(text.bytes().map(|b| b.to_ascii_lowercase()));
        self.bytes.push(0);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Returns true for a text of one or more ASCII digits.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Splits off the leading ASCII digits.
pub(super) fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Splits off leading characters while `keep` is true.
pub(super) fn split_while(text: &str, keep: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !keep(c)).unwrap_or(text.len());
    text.split_at(end)
}
