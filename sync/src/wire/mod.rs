//! What sites say to each other: version byte, kind byte, a frozen header, then raw payload.
//!
//! A message is bounded by its length before it is decoded, decodes in one way only, and is checked against
//! every limit before anything acts on it. Signed objects inside it (heads, chains, fork proofs, deltas) are
//! opaque here; who uses them verifies them. Layout: `docs/formats/wire.md`.

mod codec;
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
