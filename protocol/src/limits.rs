//! Every bound of the protocol, by name and with its unit.
//!
//! A reader checks the bound before it allocates. A writer never writes what a reader would refuse.

/// Most claims in one delta.
pub const MAX_DELTA_CLAIMS: usize = 1_024;
/// Most bytes of record bodies that the claims of one delta may name, summed.
pub const MAX_DELTA_BODIES_BYTES: u64 = 16 * MIB as u64;
/// Longest canonical record, in bytes.
pub const MAX_RECORD_BYTES: usize = 8 * MIB;
/// Longest encoded claim frame, in bytes, without its length prefix.
pub const MAX_CLAIM_BYTES: usize = 64 * KIB;
/// Longest claims block after decompression, in bytes.
pub const MAX_CLAIMS_BLOCK_BYTES: usize = 4 * MIB;
/// Longest claims block as stored (compressed), in bytes.
pub const MAX_CLAIMS_STORED_BYTES: usize = 4 * MIB + 64 * KIB;
/// Largest window of a zstd frame, in bytes: the most that every zstd tool accepts by default.
pub const MAX_ZSTD_WINDOW_BYTES: u64 = 128 * MIB as u64;
/// Longest encoded delta header, in bytes.
pub const MAX_DELTA_HEADER_BYTES: usize = 512;
/// Longest encoded delta, in bytes.
pub const MAX_DELTA_BYTES: usize = 4 * MIB + 128 * KIB;
/// Longest encoded epoch certificate, in bytes.
pub const MAX_CERTIFICATE_BYTES: usize = 2 * KIB;
/// Most certificates in one site's chain.
pub const MAX_CHAIN_CERTIFICATES: usize = 1_024;
/// Longest encoded head, in bytes.
pub const MAX_HEAD_BYTES: usize = 16 * KIB;
/// Most sources in one log: each costs its readers some kilobytes of state.
pub const MAX_LOG_SOURCES: usize = 256;
/// Most per-source check times in one head.
pub const MAX_HEAD_SOURCES: usize = 256;
/// Longest OSV record id, in bytes of UTF-8.
pub const MAX_RECORD_ID_BYTES: usize = 256;
/// Longest source name, in bytes.
pub const MAX_SOURCE_BYTES: usize = 64;
/// Longest site slug, in bytes.
pub const MAX_SLUG_BYTES: usize = 64;
/// Other authors on whose statements an offer to fetch a source may rest.
pub const MAX_OFFER_AUTHORS: usize = 1_024;
/// Deepest nesting of JSON arrays and objects in a record.
pub const MAX_JSON_DEPTH: usize = 64;

/// Longest bundle manifest, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 16 * MIB;
/// Longest bundle seal, in bytes.
pub const MAX_SEAL_BYTES: usize = 16 * MIB;
/// Most bytes in one bundle frame of deltas, and the size at which a writer closes one.
pub const MAX_DELTAS_FRAME_BYTES: usize = 8 * MIB;
/// Most bytes of NDJSON in one bundle frame of bodies, after decompression.
pub const MAX_BODIES_FRAME_BYTES: usize = 16 * MIB;
/// Most bytes of a frame of bodies as stored: zstd needs a little more than the input for incompressible bytes.
pub const MAX_BODIES_FRAME_STORED_BYTES: usize = MAX_BODIES_FRAME_BYTES + 128 * KIB;
/// NDJSON bytes after which a writer closes a frame of bodies.
pub const BODIES_FRAME_TARGET_BYTES: usize = 4 * MIB;
/// Most deltas or bodies in one bundle frame, and the number at which a writer closes one.
pub const MAX_BUNDLE_FRAME_ITEMS: u32 = 65_536;
/// Most frames in one bundle.
pub const MAX_BUNDLE_FRAMES: usize = 65_536;
/// Most logs in one bundle.
pub const MAX_BUNDLE_LOGS: usize = 4_096;
/// Most parts of a set of bundles.
pub const MAX_BUNDLE_PARTS: u32 = 9_999;
/// Most sources in the scope of a bundle.
pub const MAX_BUNDLE_SOURCES: usize = 4_096;
/// zstd level of bundle bodies: pinned, so that two exporters write the same bytes.
pub const BUNDLE_ZSTD_LEVEL: i32 = 9;

/// Bytes in a kibibyte.
pub const KIB: usize = 1024;
/// Bytes in a mebibyte.
pub const MIB: usize = 1024 * KIB;
