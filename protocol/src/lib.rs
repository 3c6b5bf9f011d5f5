//! What every site must agree on: the words, the signed objects and their exact bytes.
//!
//! Pure: no clock, randomness, disk or socket. Byte layouts are documented in `docs/formats/` and
//! pinned by golden files. Types named `Unverified…` came from outside and prove nothing; types
//! named `Verified…` can only be made by checking a signature chain.


mod cursor;
mod hash;
pub mod json;
pub mod limits;
mod names;
mod time;

pub use cursor::{ClaimNumber, Cursor, CursorError};
pub use hash::{ContentHash, HashTextError, KnowledgeRoot, MergeHash, SiteId, StateRoot};
pub use names::{Lane, NameError, RecordId, SiteSlug, Source};
pub use time::{TimeError, UnixMillis};
