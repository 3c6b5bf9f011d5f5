//! Errors of reading and writing bundles.

use std::fmt;
use std::io;

use crate::certificate::CertificateError;
use crate::cursor::ClaimNumber;
use crate::delta::DeltaError;
use crate::hash::{ContentHash, SiteId};
use crate::head::HeadError;
use crate::keys::{KeyError, PublicKey};
use crate::names::Lane;
use crate::wire::WireError;

use super::manifest::{BundleHash, FrameKind};

/// A frame of a bundle, for error messages: its place in the file and what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRef {
    /// Place in the file; the seal is 0, the manifest 1.
    pub number: usize,
    /// `seal`, `manifest`, `deltas`, `bodies` or `end`.
    pub kind: &'static str,
}

impl FrameRef {
    pub(super) const SEAL: Self = Self::new(0, "seal");
    pub(super) const MANIFEST: Self = Self::new(1, "manifest");

    const fn new(number: usize, kind: &'static str) -> Self {
        Self { number, kind }
    }

    /// Returns the frame that the manifest lists at `index`.
    pub(super) const fn listed(index: usize, kind: FrameKind) -> Self {
        Self::new(index + 2, kind.name())
    }

    /// Returns the place after the last of `listed` frames, where the file must end.
    pub(super) const fn end(listed: usize) -> Self {
        Self::new(listed + 2, "end")
    }
}

impl fmt::Display for FrameRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {} ({})", self.number, self.kind)
    }
}

/// The kind of refusal behind a [`BundleError`]; APIs and exit codes distinguish these kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleFault {
    /// "Signature verification failed": a signature does not hold.
    Signature,
    /// A certificate chain does not hold, or is not there.
    Certificate,
    /// "Bundle too large": the file exceeds the caller's bound.
    TooLarge,
    /// Bytes are missing, changed, out of order or too many. Copy or export the bundle again.
    Damaged,
    /// The bundle was written by a newer release.
    Unsupported,
    /// Reading failed below us.
    Io,
}

/// The reason why a bundle was refused: the first fault that was found.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file could not be read.
    #[error("reading a bundle: {frame}, at byte {offset}")]
    Io {
        /// The frame being read.
        frame: FrameRef,
        /// Bytes read before.
        offset: u64,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file does not begin with the magic bytes of a bundle.
    #[error(
        "reading a bundle: the first four bytes are {found}, not those of a Starling bundle; pass a file written by `starling bundle export`"
    )]
    NotABundle {
        /// The bytes found, in hex.
        found: String,
    },
    /// The file ends inside a frame, or before one.
    #[error(
        "reading a bundle: it is cut off at byte {offset}, in {frame}: {wanted} bytes wanted, {left} left; copy it again"
    )]
    Truncated {
        /// The frame that is incomplete or missing.
        frame: FrameRef,
        /// The offset at which the missing bytes would begin.
        offset: u64,
        /// Bytes that are needed from there.
        wanted: u64,
        /// Bytes that are there.
        left: u64,
    },
    /// The bundle is larger than the caller allows.
    #[error(
        "reading a bundle: it has at least {found} bytes, the limit for it is {limit}; raise the limit, or export less at a time"
    )]
    TooLarge {
        /// The size that the bundle has at least, in bytes.
        found: u64,
        /// The caller's bound.
        limit: u64,
    },
    /// A frame is not of the expected kind.
    #[error("reading a bundle: {frame} at byte {offset} begins with {found}: it is not that kind of frame")]
    WrongFrame {
        /// The expected frame.
        frame: FrameRef,
        /// The offset at which the frame begins.
        offset: u64,
        /// The bytes found, in hex.
        found: String,
    },
    /// A frame claims a size above the limit.
    #[error("reading a bundle: {frame} says it has {found} bytes; the limit is {limit}")]
    OverLimit {
        /// The frame.
        frame: FrameRef,
        /// The size it claims.
        found: u64,
        /// The most there may be.
        limit: u64,
    },
    /// Seal or manifest do not decode.
    #[error("decoding a bundle: {frame}")]
    Decode {
        /// `seal` or `manifest`.
        frame: FrameRef,
        /// The fault.
        source: WireError,
    },
    /// The seal is not signed by the exporter that it names.
    #[error(
        "verifying the seal of a bundle exported by {exporter}: the signature is not by key {key} of epoch {epoch}; get the file again, or have it sealed again"
    )]
    Signature {
        /// The exporter, by the chain in the seal.
        exporter: SiteId,
        /// The epoch that the seal names.
        epoch: u32,
        /// The key of that epoch.
        key: PublicKey,
        /// The failed check.
        source: KeyError,
    },
    /// The seal names an epoch that its own chain does not end with.
    #[error(
        "verifying the seal of a bundle exported by {exporter}: it is signed in epoch {epoch}, but its certificate chain ends with epoch {newest}"
    )]
    SealEpoch {
        /// The exporter, by the chain in the seal.
        exporter: SiteId,
        /// The epoch that the seal names.
        epoch: u32,
        /// The newest epoch of the chain.
        newest: u32,
    },
    /// A certificate chain in the seal does not verify.
    #[error("verifying the {whose} certificate chain in the seal of a bundle")]
    Chain {
        /// `exporter's`, or `authors'`.
        whose: &'static str,
        /// The fault.
        source: CertificateError,
    },
    /// A head in the seal does not verify.
    #[error("verifying a head in the seal of a bundle")]
    Head {
        /// The fault.
        source: HeadError,
    },
    /// The seal brings no chain for an author.
    #[error("verifying a bundle: it brings no certificate chain of {site}; export it again")]
    MissingChain {
        /// The author.
        site: SiteId,
    },
    /// Chains or heads in the seal are out of order or repeated.
    #[error("verifying the seal of a bundle: its {what} are out of order or repeated")]
    SealOrder {
        /// `certificate chains` or `heads`.
        what: &'static str,
    },
    /// The manifest is not the one that was sealed.
    #[error(
        "reading a bundle: its seal is for bundle {sealed}, its manifest is of {found}; get the file again"
    )]
    ManifestHash {
        /// The hash in the seal.
        sealed: BundleHash,
        /// The hash of the manifest in the file.
        found: BundleHash,
    },
    /// A frame is not the one that the manifest lists.
    #[error(
        "reading a bundle: {frame} at byte {offset} is not the one that the manifest lists there: damaged or exchanged; copy it again"
    )]
    FrameHash {
        /// The frame.
        frame: FrameRef,
        /// The offset at which it begins.
        offset: u64,
    },
    /// A frame of bodies does not decompress to the size or content that the manifest lists.
    #[error("unpacking a bundle: {frame}: {problem}")]
    Unpack {
        /// The frame.
        frame: FrameRef,
        /// The fault.
        problem: String,
    },
    /// A delta does not decode, or (in a full check) does not verify.
    #[error("reading delta {index} in {frame} of a bundle")]
    Delta {
        /// The frame.
        frame: FrameRef,
        /// Place in the frame, from 0.
        index: usize,
        /// The fault.
        source: DeltaError,
    },
    /// The deltas are not the ranges that the manifest lists.
    #[error("reading the deltas of a bundle: {frame}, log {site} {lane}, claim {number}: {problem}")]
    Range {
        /// The frame.
        frame: FrameRef,
        /// The author.
        site: SiteId,
        /// The lane.
        lane: Lane,
        /// The claim at which the range breaks.
        number: ClaimNumber,
        /// The fault there.
        problem: &'static str,
    },
    /// The bodies in a frame break a rule.
    #[error("reading the bodies of a bundle: {frame}: {problem}")]
    Bodies {
        /// The frame.
        frame: FrameRef,
        /// The fault.
        problem: String,
    },
    /// Something follows the last listed frame.
    #[error("reading a bundle: bytes follow its end at byte {offset}; the manifest lists nothing there")]
    Trailing {
        /// The offset at which the bundle ends.
        offset: u64,
    },
    /// The reader was used again after it refused the bundle.
    #[error("reading a bundle: this reader already refused it; open the bundle again")]
    AfterError,
}

impl BundleError {
    /// Returns the kind of refusal.
    #[must_use]
    pub fn fault(&self) -> BundleFault {
        let of_wire = |source: &WireError| match source {
            WireError::Version { .. } => BundleFault::Unsupported,
            _ => BundleFault::Damaged,
        };
        match self {
            Self::Io { .. } => BundleFault::Io,
            Self::TooLarge { .. } => BundleFault::TooLarge,
            Self::Signature { .. } | Self::SealEpoch { .. } | Self::ManifestHash { .. } => {
                BundleFault::Signature
            }
            Self::MissingChain { .. } => BundleFault::Certificate,
            Self::Decode { source, .. } => of_wire(source),
            Self::Chain { source, .. } => match source {
                CertificateError::Decode(source) => of_wire(source),
                _ => BundleFault::Certificate,
            },
            Self::Head { source } => match source {
                HeadError::Decode(source) => of_wire(source),
                _ => BundleFault::Signature,
            },
            Self::Delta { source, .. } => match source {
                DeltaError::Decode(source) => of_wire(source),
                DeltaError::OtherAuthor { .. }
                | DeltaError::UnknownEpoch { .. }
                | DeltaError::OutsideEpoch { .. }
                | DeltaError::ClosedElsewhere { .. }
                | DeltaError::Signature { .. }
                | DeltaError::ClaimsHash { .. } => BundleFault::Signature,
                DeltaError::Claims { .. } | DeltaError::Claim { .. } | DeltaError::TooMuch { .. } => {
                    BundleFault::Damaged
                }
            },
            Self::NotABundle { .. }
            | Self::Truncated { .. }
            | Self::WrongFrame { .. }
            | Self::OverLimit { .. }
            | Self::SealOrder { .. }
            | Self::FrameHash { .. }
            | Self::Unpack { .. }
            | Self::Range { .. }
            | Self::Bodies { .. }
            | Self::Trailing { .. }
            | Self::AfterError => BundleFault::Damaged,
        }
    }

    /// Returns true if a reader may continue without the seal's signature ([`super::SealCheck::Skip`]).
    pub(super) fn is_about_the_seal_signature(&self) -> bool {
        match self {
            Self::Signature { .. } | Self::SealEpoch { .. } => true,
            Self::Chain { whose, .. } => *whose == EXPORTERS,
            _ => false,
        }
    }
}

/// The value of [`BundleError::Chain`]'s `whose` for the exporter's chain.
pub(super) const EXPORTERS: &str = "exporter's";
/// The same for all other chains.
pub(super) const AUTHORS: &str = "authors'";

/// A bundle that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum BundleWriteError {
    /// Spool or output failed.
    #[error("writing a bundle: {attempted}")]
    Io {
        /// The operation that failed.
        attempted: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The bytes that were passed as a delta are not a delta.
    #[error("writing a bundle: reading one of its deltas")]
    Delta {
        /// The fault.
        source: DeltaError,
    },
    /// The deltas do not come in log order, each after its predecessor.
    #[error(
        "writing a bundle: claim {found} of log {site} {lane} came out of order; add deltas by site, lane and number, without gaps"
    )]
    DeltaOrder {
        /// The author.
        site: SiteId,
        /// The lane.
        lane: Lane,
        /// First claim of the delta.
        found: ClaimNumber,
    },
    /// A body does not have the hash by which it is stored: the store is damaged.
    #[error("writing a bundle: body {expected} reads as {found}; run `starling doctor`")]
    WrongBody {
        /// The hash that was asked for.
        expected: ContentHash,
        /// The hash of the bytes that were read.
        found: ContentHash,
    },
    /// A body is empty, or holds a line break, which NDJSON cannot carry.
    #[error("writing a bundle: body {hash} is not one line of canonical JSON")]
    NotALine {
        /// The body.
        hash: ContentHash,
    },
    /// Bodies do not come in rising order of their hashes.
    #[error(
        "writing a bundle: body {found} came after {last}; add each body once, in rising order of the hashes"
    )]
    BodyOrder {
        /// The body before.
        last: ContentHash,
        /// The one that came.
        found: ContentHash,
    },
    /// A delta came after the first body.
    #[error("writing a bundle: a delta came after the first body; add all deltas first")]
    DeltaAfterBody,
    /// The requested scope or part does not make a valid manifest.
    #[error("writing a bundle: {problem}")]
    Options {
        /// The fault.
        problem: String,
    },
    /// The signing key is not that of the exporter's newest epoch.
    #[error("sealing a bundle: key {key} is not the operating key of epoch {epoch} of {exporter}")]
    WrongKey {
        /// The exporter.
        exporter: SiteId,
        /// Its newest epoch.
        epoch: u32,
        /// The key that was handed in.
        key: PublicKey,
    },
    /// No chain was handed in for an author of deltas or heads.
    #[error("sealing a bundle: the certificate chain of {site} is missing")]
    MissingChain {
        /// The author.
        site: SiteId,
    },
    /// Two chains of one site, or two heads of one log, were handed in.
    #[error("sealing a bundle: two {what} of {site}")]
    Duplicate {
        /// `chains`, or `heads of one log`.
        what: &'static str,
        /// The site.
        site: SiteId,
    },
    /// A named limit is passed.
    #[error("writing a bundle: {what} is {found}; the limit is {limit}; {advice}")]
    TooMuch {
        /// The quantity that is over its limit.
        what: &'static str,
        /// The amount found.
        found: u64,
        /// The most.
        limit: u64,
        /// Advice to the user.
        advice: &'static str,
    },
    /// A frame could not be compressed.
    #[error("writing a bundle: compressing a frame of bodies")]
    Compress {
        /// The error of the compressor.
        source: io::Error,
    },
}
