//! `[federation]`: sharing with other sites, and the import of bundles.

use serde::{Deserialize, Serialize};
use starling_protocol::SiteSlug;

use super::{ByteSize, Refused};

/// Sharing with other sites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Federation {
    /// True if the site talks to peers at all; bundles by file work either way.
    pub enabled: bool,
    /// The site's own name.
    pub site_id: Option<SiteSlug>,
    /// zstd level of stored bodies and of the site's own deltas, 1 to 19.
    pub compression_level: i32,
    /// Most claims in one of the site's own deltas, 1 to 1,024.
    pub max_items: usize,
    /// True if a bundle's seal must verify. Deltas are always verified.
    pub require_signature: bool,
    /// How long a head of this site proves that it is current, in seconds.
    pub head_validity_seconds: u64,
    /// Import of bundles.
    pub import: Import,
}

impl Default for Federation {
    fn default() -> Self {
        Self {
            enabled: true,
            site_id: None,
            compression_level: 3,
            max_items: 1024,
            require_signature: true,
            head_validity_seconds: 24 * 60 * 60,
            import: Import::default(),
        }
    }
}

/// Import of bundles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Import {
    /// Listed sites whose bundles are taken; `*` stands for every listed site, an empty list for none.
    pub allowed_sites: Vec<String>,
    /// Largest bundle that is taken.
    pub max_bundle_size: ByteSize,
    /// True if the seal of a bundle that names an allowed site as its exporter may fail to verify.
    pub skip_signature_on_trusted_sites: bool,
}

impl Default for Import {
    fn default() -> Self {
        Self {
            allowed_sites: vec!["*".to_owned()],
            max_bundle_size: ByteSize(100_000_000),
            skip_signature_on_trusted_sites: false,
        }
    }
}

impl Federation {
    /// Checks the bounds that types alone do not keep; returns the key and its problem.
    pub(super) fn check(&self) -> Result<(), Refused> {
        if !(1..=19).contains(&self.compression_level) {
            return Err((
                "federation.compression_level",
                format!("from 1 to 19 is possible, found {}", self.compression_level),
            ));
        }
        let most = starling_protocol::limits::MAX_DELTA_CLAIMS;
        if !(1..=most).contains(&self.max_items) {
            return Err((
                "federation.max_items",
                format!("from 1 to {most} is possible, found {}", self.max_items),
            ));
        }
        if self.head_validity_seconds < 60 {
            return Err((
                "federation.head_validity_seconds",
                format!("at least 60 is needed, found {}", self.head_validity_seconds),
            ));
        }
        Ok(())
    }
}
