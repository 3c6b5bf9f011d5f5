//! The messages between sites: version byte, kind byte, a frozen header, then raw payload.
//!
//! A message is bounded by its length before it is decoded, has only one encoding, and is checked against every
//! limit before it is used. Signed objects inside it (heads, chains, fork proofs, deltas) are opaque here;
//! their users verify them. Layout: `docs/formats/wire.md`.

mod codec;
mod encoding;
mod message;
mod page;
#[cfg(test)]
mod tests;

pub use codec::WireFault;
pub use message::{
    Announce, BodiesPage, BodiesWanted, Capabilities, DeltasPage, DeltasWanted, FactsWanted, Hello, LogNote,
    LogTipNote, News, Refusal, RefusalCode, Request, Response, Run, Tips,
};
pub use page::{Page, PageFault, bit, bitmap, pack, unpack};

/// The wire version that this build speaks, the first byte of every message.
pub const WIRE_VERSION: u8 = 1;
