//! How the site's view folds: the settings from its configuration and allow-list, and a hash that changes with them.

use starling_protocol::CertificateChain;

use super::SiteParts;
use crate::config::Config;

/// Returns the way in which this site's view folds.
pub(super) fn settings_of(
    chain: &CertificateChain,
    config: &Config,
    listed: &[starling_store::ListedSite],
) -> starling_view::Settings {
    let own = (chain.slug(), chain.site());
    let known = listed.iter().map(|site| (&site.slug, site.site)).chain([own]);
    let known: std::collections::BTreeMap<_, _> = known.collect();
    let policy = starling_view::ViewPolicy {
        conflict_strategy: config.view.conflict_strategy,
        site_order: config
            .view
            .site_order
            .iter()
            .filter_map(|slug| known.get(slug).copied())
            .collect(),
        source_order: config.view.source_order.clone(),
        ranges: config.view.ranges,
        authority: config.view.authority.clone(),
        per_source: Default::default(),
    };
    starling_view::Settings {
        policy: policy.compile(chain.site()),
        decisions: Default::default(),
        normalise_name: starling_scanner::name::normalise_name,
        products_of: starling_scanner::cpe::products,
    }
}

/// Returns a hash that changes if the view may fold differently, as far as this is known without the store: from the
/// configuration and the program. The store's own part changes with the store.
pub(crate) fn folding_of(chain: &CertificateChain, config: &Config) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 folding by configuration");
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    let settings = settings_of(chain, config, &[]);
    hasher.update(&settings.mark());
    hasher.update(&settings.rows_fingerprint());
    hasher.update(settings.rules_hash().as_bytes());
    // Without the store their identities are unknown.
    for slug in &config.view.site_order {
        hasher.update(slug.as_str().as_bytes());
        hasher.update(&[0]);
    }
    *hasher.finalize().as_bytes()
}

impl SiteParts {
    /// Folds the view again with the configured policy, whose order of sites uses names of the allow-list.
    pub(super) fn apply_policy(&self) -> Result<(), starling_store::StoreError> {
        if self.identity.config.view.site_order.is_empty() {
            return Ok(());
        }
        let listed = self.data.store.listed_sites()?;
        self.data.store.set_settings(settings_of(
            self.identity.home.chain(),
            &self.identity.config,
            &listed,
        ))
    }
}
