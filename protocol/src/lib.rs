//! The objects that every site must agree on: names, signed objects and their exact bytes.
//!
//! Pure: no clock, randomness, disk or socket. Byte layouts are documented in `docs/formats/` and pinned by
//! golden files. A decoded object proves nothing. Types named `Verified…` (and [`CertificateChain`],
//! [`ForkProof`]) can only be made by signing or by checking a signature chain.

pub mod bundle;
mod certificate;
mod claim;
mod cursor;
mod delta;
mod error_chain;
mod fork;
mod hash;
mod head;
pub mod json;
mod keys;
mod knowledge;
pub mod limits;
mod log;
mod lthash;
mod names;
mod offer;
mod time;
pub mod varint;
mod window;
mod wire;

pub use bundle::{BundleError, BundleFault, BundleHash, BundleManifest, BundleReader, BundleWriter};
pub use certificate::{
    CertificateChain, CertificateError, CertificateHash, EpochCertificate, LaneResume, OfferedChain, Reason,
    VerifiedCertificate,
};
pub use claim::{Claim, ClaimError, ClaimKey, ClaimKind, KeyRef};
pub use cursor::{ClaimNumber, Cursor, CursorError};
pub use delta::{
    Delta, DeltaBuilder, DeltaError, DeltaHash, DeltaHeader, DeltaPlace, VerifiedDelta, VerifiedHeader,
};
pub use error_chain::error_chain;
pub use fork::{ForkError, ForkProof};
pub use hash::{ContentHash, HashTextError, KnowledgeRoot, MergeHash, SiteId, StateRoot};
pub use head::{Head, HeadError, SourceCheck, VerifiedHead};
pub use keys::{KeyError, PublicKey, Signature, SigningKey};
pub use knowledge::{KnowledgeEntry, knowledge_root};
pub use log::{LogState, LogTip, SourceState, Succession, next_time};
pub use lthash::LtHash;
pub use names::{Lane, NameError, RecordId, SiteSlug, Source};
pub use offer::{FeedOffer, OfferError, OfferInput, RestsOn};
pub use time::{TimeError, UnixMillis};
pub use wire::WireError;
