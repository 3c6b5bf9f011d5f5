//! The match index: what a site knows, laid out so that a scan reads only what may matter.
//!
//! A package's advisories lie together under its ecosystem and name. Each has a *screen*, from which most are
//! ruled out by comparing bytes, and a *detail*, the whole advisory, read only for those that are not. The
//! screen never decides: what it cannot rule out is evaluated as without an index ([`crate::matching`]), so
//! a scan over the index finds exactly what a scan over its advisories would.
//!
//! An index is written once and never changed. Its bytes, from the beginning:
//!
//! ```text
//! details      of each package together, each: blake3 of the rest, 8 bytes ‖ postcard of the advisory
//! screens      of each package: blake3 of the rest, 8 bytes ‖ ecosystem, name: each length:u32 and text
//!              ‖ count:u32 ‖ for each advisory: where its detail lies among the package's:u32 ‖ its length:u32
//!              ‖ the screen
//! directory    32 bytes each, sorted: key hash:u64 ‖ where the screens lie:u64 ‖ where the details lie:u64
//!              ‖ length of the screens:u32 ‖ of the details:u32
//! ecosystems   postcard of their names, sorted, each with the sources that speak of it
//! footer       blake3 of directory, ecosystems and what follows, 32 bytes ‖ stamp, 32 ‖ directory offset:u64
//!              ‖ directory length:u64 ‖ ecosystems length:u64 ‖ screens offset:u64 ‖ version:u32 ‖ magic, 8
//! ```
//!
//! Numbers are little-endian. The stamp says which knowledge the index was made from; what it means is its
//! writer's business. Damage is found before it is believed: the footer's hash is checked when the index is
//! opened, each part's when it is read.

mod cursor;
mod package;
mod read;
mod row;
mod screen;
mod stored;
#[cfg(test)]
mod tests;
mod write;

pub use read::{IndexBytes, IndexError, MatchIndex};
pub use write::IndexWriter;

/// First bytes of the hash that stands before each part.
const CHECK_BYTES: usize = 8;
/// A package in the directory.
const ROW_BYTES: usize = 32;
/// The bytes at the end.
const FOOTER_BYTES: usize = 32 + 32 + 4 * 8 + 4 + 8;
const MAGIC: [u8; 8] = *b"STARLIDX";
/// Raised when the layout changes, what a screen means, or what an advisory carries: an older index is then
/// made anew. 2: advisories say since when they are known, whether exploited, how likely. 3: screens are spans, read where
/// they lie, and a package's details lie together. 4: versions of Maven, RubyGems and apk are ordered otherwise, those of
/// Homebrew at all, and what affects every version is always read. 5: entries are divided among the records that state them, and the
/// sources of each ecosystem are listed.
const VERSION: u32 = 6;

/// What the knowledge was that an index was made from.
pub type IndexStamp = [u8; 32];

/// Longest package whose name is hashed without a copy of it, in bytes.
const SHORT_KEY_BYTES: usize = 192;

/// Where a package lies in the directory.
fn key_hash(ecosystem: &str, name: &str) -> u64 {
    let mut short = [0; SHORT_KEY_BYTES];
    let parts = [ecosystem.as_bytes(), b"\0", name.as_bytes()];
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    let hash = match short.get_mut(..length) {
        Some(key) => {
            let (first, rest) = key.split_at_mut(ecosystem.len() + 1);
            first
                .get_mut(..ecosystem.len())
                .unwrap_or_default()
                .copy_from_slice(ecosystem.as_bytes());
            rest.copy_from_slice(name.as_bytes());
            blake3::hash(key)
        }
        None => blake3::hash(&parts.concat()),
    };
    let [a, b, c, d, e, f, g, h, ..] = *hash.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// What stands before a part.
fn check_of(part: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(part).as_bytes();
    [a, b, c, d, e, f, g, h]
}
