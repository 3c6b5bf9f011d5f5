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
//! details      each: blake3 of the rest, 8 bytes ‖ postcard of the advisory
//! screens      each: blake3 of the rest, 8 bytes ‖ postcard of the package's screens
//! directory    24 bytes each, sorted: key hash:u64 ‖ offset:u64 ‖ length:u64
//! ecosystems   postcard of their names, sorted
//! footer       blake3 of directory, ecosystems and what follows, 32 bytes ‖ stamp, 32 ‖ directory offset:u64
//!              ‖ directory length:u64 ‖ ecosystems length:u64 ‖ screens offset:u64 ‖ version:u32 ‖ magic, 8
//! ```
//!
//! Numbers are little-endian. The stamp says which knowledge the index was made from; what it means is its
//! writer's business. Damage is found before it is believed: the footer's hash is checked when the index is
//! opened, each part's when it is read.

mod read;
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
const ROW_BYTES: usize = 24;
/// The bytes at the end.
const FOOTER_BYTES: usize = 32 + 32 + 4 * 8 + 4 + 8;
const MAGIC: [u8; 8] = *b"STARLIDX";
/// Raised when the layout changes, what a screen means, or what an advisory carries: an older index is then
/// made anew. 2: advisories say since when they are known, whether exploited, how likely.
const VERSION: u32 = 2;

/// What the knowledge was that an index was made from.
pub type IndexStamp = [u8; 32];

/// Where a package lies in the directory.
fn key_hash(ecosystem: &str, name: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(ecosystem.as_bytes());
    hasher.update(b"\0");
    hasher.update(name.as_bytes());
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    u64::from_le_bytes(first)
}

/// What stands before a part.
fn check_of(part: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    blake3::Hasher::new().update(part).finalize_xof().fill(&mut check);
    check
}
