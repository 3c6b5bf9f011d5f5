//! What a reader of a bundle knows before it reads.

use crate::certificate::CertificateChain;
use crate::claim::ClaimKey;
use crate::cursor::ClaimNumber;
use crate::hash::{ContentHash, SiteId};
use crate::log::{LogState, LogTip};
use crate::names::Lane;

use super::error::BundleError;

/// Where a reader holds one log.
#[derive(Debug, Clone, Default)]
pub struct HeldLog {
    /// Its last delta.
    pub tip: LogTip,
    /// Its live entries.
    pub state: LogState,
}

/// Answers what the rules of a bundle ask about the reader's own logs and bodies.
pub trait Knowledge {
    /// What fails: reading the bundle, or the reader's store.
    type Error: From<BundleError>;

    /// Returns the chain that an author's deltas are verified against, if the reader knows one.
    ///
    /// It is the longer of the reader's and the bundle's; `None` leaves the bundle's.
    ///
    /// # Errors
    /// Of the reader's store.
    fn chain(&self, site: SiteId) -> Result<Option<CertificateChain>, Self::Error>;

    /// Returns where the reader holds a log; `None` if the reader has no store, so that nothing is a gap.
    ///
    /// # Errors
    /// Of the reader's store.
    fn log(&self, site: SiteId, lane: Lane) -> Result<Option<HeldLog>, Self::Error>;

    /// Returns the held delta that holds a claim.
    ///
    /// # Errors
    /// Of the reader's store.
    fn delta_with(
        &self,
        site: SiteId,
        lane: Lane,
        number: ClaimNumber,
    ) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Returns the frame of a log's live claim on a key.
    ///
    /// # Errors
    /// Of the reader's store.
    fn live(&self, site: SiteId, lane: Lane, key: &ClaimKey) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Returns true if a body is here.
    ///
    /// # Errors
    /// Of the reader's store.
    fn has_body(&self, hash: &ContentHash) -> Result<bool, Self::Error>;
}

/// The knowledge of who has no store.
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
