//! Bundles: deltas and record bodies in a file, for sites without a network between them.
//!
//! A bundle is a valid zstd stream, so that `zstd -dc site.zst | jq` shows every record in it:
//!
//! ```text
//! frame 0      skippable   seal       who exported it, for whom, when; chains, heads; signature
//! frame 1      skippable   manifest   ranges of logs, and size and hash of every frame after it
//! frame 2 …    skippable   deltas     exact delta bytes, one after the other, in log order
//! … frame n    zstd        bodies     NDJSON: canonical records in order of their hashes
//! ```
//!
//! The seal is replaceable and is the only part with a time: two sites that export the same range and the same
//! bodies write the same bytes after it. The seal names the manifest's hash and the manifest lists every
//! frame's hash, so a reader authenticates each byte before it decompresses or parses it.
//!
//! [`check`] checks every rule of a bundle against what its reader knows; the rules are the same with and
//! without a store. The caller checks whether the exporter is allowed here and whether this site is the
//! destination, and applies the bundle through the store's one entry point. Layout: `docs/formats/bundle.md`.

mod error;
mod fault;
mod frame;
mod knowledge;
mod log_check;
mod manifest;
mod page;
mod range;
mod reader;
mod seal;
mod split;
mod validate;
mod writer;

pub use error::{BundleError, BundleFault, BundleWriteError, FrameRef};
pub use fault::LogFault;
pub use knowledge::{HeldLog, Knowledge, NoKnowledge};
pub use log_check::BranchStart;
pub use manifest::{
    BundleHash, BundleManifest, BundlePart, BundleSetId, BundleTotals, FrameEntry, FrameHash, FrameKind,
    LogRange,
};
pub use page::{BodiesPacker, BodiesPage, CompressedBodies, DeltasPage, OpenBodies};
pub use range::RangeBuilder;
pub use reader::{BundleItem, BundleReader, ReaderOptions, SealCheck};
pub use seal::{BundleSeal, SealRequest};
pub use split::plan_parts;
pub use validate::{
    BundleInspection, BundleReport, Found, MissingBody, RangeReport, check, inspect, validate,
};
pub use writer::{BundleSummary, BundleWriter, WriterOptions};
