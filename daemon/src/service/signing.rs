//! The site's operating key, its certificates, and the heads that it signs.

use std::sync::{Arc, PoisonError};

use starling_protocol::{CertificateChain, Lane, SigningKey, SourceCheck};

use super::SiteParts;
use crate::clock::now;

impl SiteParts {
    /// Returns the operating key in use.
    pub(crate) fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.key.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses another operating key for signing from now on.
    pub(crate) fn use_key(&self, key: SigningKey) {
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }

    /// Returns the certificates of the operating key in use.
    pub(crate) fn own_chain(&self) -> CertificateChain {
        let known = self.store.chain(&self.home.chain().site()).ok().flatten();
        let key = self.key().public();
        known
            .filter(|chain| chain.is_current_key(&key))
            .unwrap_or_else(|| self.home.chain().clone())
    }

    /// Signs new heads of the site's own logs: after every change, and before the last ones expire.
    pub(crate) fn sign_heads(&self) -> Result<(), starling_store::StoreError> {
        let valid = self.config.federation.head_validity_seconds.saturating_mul(1_000);
        for lane in Lane::ALL {
            let id = starling_store::LogId {
                lane,
                ..self.own_log()
            };
            let held = self.store.log(id)?;
            if lane == Lane::Direct && held.is_none_or(|log| log.tip.cursor.number.0 == 0) {
                continue;
            }
            let checks = self.store.feeds()?.into_iter();
            let checks = checks
                .filter_map(|(source, row)| {
                    Some(SourceCheck {
                        source,
                        checked_at: row.checked_at?,
                    })
                })
                .take(starling_protocol::limits::MAX_HEAD_SOURCES)
                .collect();
            self.store.sign_head(lane, &self.key(), now(), valid, checks)?;
        }
        Ok(())
    }
}
