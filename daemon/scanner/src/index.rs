//! The match index: a site's knowledge in a layout of which a scan reads only the relevant parts.
//!
//! A package's advisories are stored together, by ecosystem and name. Each advisory has a *screen*, which rules out
//! most versions by comparing bytes, and a *detail*, the complete advisory, read only for the remaining versions. The
//! screen never makes the decision: what it cannot rule out is evaluated as without an index ([`crate::matching`]),
//! so a scan with the index has exactly the findings of a scan with its advisories.
//!
//! An index is written once and never changed. Its bytes, from the start:
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
//! Numbers are little-endian. The stamp identifies the knowledge from which the index was built; its meaning is
//! defined by the writer. Damage is detected before data is used: the footer's hash is checked when the index is
//! opened, each part's hash when it is read.

mod configurations;
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

/// Length of the hash before each part, in bytes.
const CHECK_BYTES: usize = 8;
/// Length of a package's entry in the directory.
const ROW_BYTES: usize = 32;
/// Length of the footer.
const FOOTER_BYTES: usize = 32 + 32 + 4 * 8 + 4 + 8;
const MAGIC: [u8; 8] = *b"STARLIDX";
/// Increased if the layout changes, the meaning of a screen, or the content of an advisory; an older index is then
/// rebuilt. 2: advisories have publication time, known exploitation and its probability. 3: screens are spans that
/// are read in place, and a package's details are adjacent. 4: versions of Maven, RubyGems and apk have another
/// order, those of Homebrew have one, and advisories that affect every version are always read. 5: entries are
/// divided among their records, and the sources of each ecosystem are listed. 6: versions of Amazon Linux, Fedora and
/// Oracle Linux have an order, and entries have their module's stream. 7: entries have the state of a missing fix, and products are looked
/// up by CPE names. 8: what cannot be read of an entry leaves versions undecided. 9: what withdrawn records state is kept
/// with the time until which it applies. 10: so are their ratings.
const VERSION: u32 = 10;

/// Identifies the knowledge from which an index was built.
pub type IndexStamp = [u8; 32];

/// Longest package whose name is hashed without copying it, in bytes.
const SHORT_KEY_BYTES: usize = 192;

/// Returns the hash of a package, which gives its place in the directory.
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

/// Returns the hash before a part.
fn check_of(part: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(part).as_bytes();
    [a, b, c, d, e, f, g, h]
}
