//! The knowledge that a reader of a bundle has before it reads.

use crate::certificate::CertificateChain;
use crate::claim::ClaimKey;
use crate::cursor::ClaimNumber;
use crate::hash::{ContentHash, SiteId};
use crate::log::{LogState, LogTip};
use crate::names::Lane;

use super::error::BundleError;

/// The position up to which a reader holds one log.
#[derive(Debug, Clone, Default)]
pub struct HeldLog {
    /// Its last delta.
    pub tip: LogTip,
    /// Its live entries.
    pub state: LogState,
}

/// Answers questions of the bundle check about the reader's own logs and bodies.
pub trait Knowledge {
    /// The error type: reading the bundle failed, or the reader's store.
    type Error: From<BundleError>;

    /// Returns the chain that an author's deltas are verified against, if the reader knows one.
    ///
    /// This is the longer of the reader's chain and the bundle's; with `None`, the bundle's chain is used.
    ///
    /// # Errors
    /// Fails if the reader's store fails.
    fn chain(&self, site: SiteId) -> Result<Option<CertificateChain>, Self::Error>;

    /// Returns the position up to which the reader holds a log. `None` means that the reader has no store, so
    /// that nothing counts as a gap.
    ///
    /// # Errors
    /// Fails if the reader's store fails.
    fn log(&self, site: SiteId, lane: Lane) -> Result<Option<HeldLog>, Self::Error>;

    /// Returns the held delta that contains a claim.
    ///
    /// # Errors
    /// Fails if the reader's store fails.
    fn delta_with(
        &self,
        site: SiteId,
        lane: Lane,
        number: ClaimNumber,
    ) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Returns the frame of a log's live claim on a key.
    ///
    /// # Errors
    /// Fails if the reader's store fails.
    fn live(&self, site: SiteId, lane: Lane, key: &ClaimKey) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Returns true if the reader has a body.
    ///
    /// # Errors
    /// Fails if the reader's store fails.
    fn has_body(&self, hash: &ContentHash) -> Result<bool, Self::Error>;
}

/// The knowledge of a reader without a store.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoKnowledge;

impl Knowledge for NoKnowledge {
    type Error = BundleError;

    fn chain(&self, _: SiteId) -> Result<Option<CertificateChain>, BundleError> {
        Ok(None)
    }

    fn log(&self, _: SiteId, _: Lane) -> Result<Option<HeldLog>, BundleError> {
        Ok(None)
    }

    fn delta_with(&self, _: SiteId, _: Lane, _: ClaimNumber) -> Result<Option<Vec<u8>>, BundleError> {
        Ok(None)
    }

    fn live(&self, _: SiteId, _: Lane, _: &ClaimKey) -> Result<Option<Vec<u8>>, BundleError> {
        Ok(None)
    }

    fn has_body(&self, _: &ContentHash) -> Result<bool, BundleError> {
        Ok(false)
    }
}
