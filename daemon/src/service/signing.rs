//! The site's operating key, its certificates, and the heads that it signs.

use std::sync::{Arc, PoisonError};

use starling_protocol::{CertificateChain, SigningKey, UnixMillis};
use starling_store::HeadSigning;

use super::SiteParts;
use crate::clock::now;

impl SiteParts {
    /// Returns the operating key in use.
    pub(crate) fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.identity.key.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses another operating key for signing from now on.
    pub(crate) fn use_key(&self, key: SigningKey) {
        *self.identity.key.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }

    /// Returns the certificates of the operating key in use.
    pub(crate) fn own_chain(&self) -> CertificateChain {
        let known = self
            .data
            .store
            .chain(&self.identity.home.chain().site())
            .ok()
            .flatten();
        let key = self.key().public();
        known
            .filter(|chain| chain.is_current_key(&key))
            .unwrap_or_else(|| self.identity.home.chain().clone())
    }

    /// Signs new heads of the site's own logs: after every change, and before the last ones expire.
    pub(crate) fn sign_heads(&self) -> Result<(), starling_store::StoreError> {
        self.data.store.sign_heads(&self.head_signing(&self.key(), now()))
    }

    /// Returns how heads are signed: as the configuration says, from `now` on.
    pub(super) fn head_signing<'a>(&self, key: &'a SigningKey, now: UnixMillis) -> HeadSigning<'a> {
        HeadSigning {
            key,
            now,
            valid_millis: self
                .identity
                .config
                .federation
                .head_validity_seconds
                .saturating_mul(1_000),
        }
    }
}
