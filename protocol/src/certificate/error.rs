//! The reasons why a certificate or a chain is refused.

use crate::hash::SiteId;
use crate::keys::KeyError;
use crate::limits::MAX_CHAIN_CERTIFICATES;
use crate::names::SiteSlug;
use crate::wire::WireError;

/// A certificate or chain that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bytes are not a certificate.
    #[error("decoding an epoch certificate")]
    Decode(#[from] WireError),
    /// A signature does not fit.
    #[error("verifying an epoch certificate of {slug}")]
    Signature {
        /// The site name in the certificate.
        slug: SiteSlug,
        /// The error, which names the kind of signature and the key.
        source: KeyError,
    },
    /// A certificate does not follow its predecessor.
    #[error("verifying a certificate chain: certificate {position} {problem}")]
    Chain {
        /// Place in the chain; 0 is the genesis.
        position: usize,
        /// The fault.
        problem: &'static str,
    },
    /// The chain belongs to another site.
    #[error("verifying a certificate chain: it belongs to {found}, expected {expected}")]
    OtherSite {
        /// The site that was expected.
        expected: SiteId,
        /// The site to which the chain belongs.
        found: SiteId,
    },
    /// The chain holds no certificate, or more than the limit.
    #[error(
        "verifying a certificate chain: expected 1 to {MAX_CHAIN_CERTIFICATES} certificates, got {count}"
    )]
    Count {
        /// The number it holds.
        count: usize,
    },
    /// Two chains of one site disagree about an epoch: the root key signed twice.
    #[error(
        "extending the certificate chain of {site}: two certificates for epoch {epoch} exist, so its root key may be stolen; nothing new from this site is trusted until its operators explain it"
    )]
    Conflict {
        /// The site.
        site: SiteId,
        /// The epoch with two certificates.
        epoch: u32,
    },
}
