//! The exporter of a bundle: checks its seal, and if bundles of it are accepted here.

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, Problem};
use starling_protocol::bundle::{BundleError, BundleSeal};
use starling_protocol::{Reason, SiteId};
use starling_store::{ListedSite, StoreError};

use super::SiteParts;
use super::bundle_plan::ATTEMPTED;
use super::problem::{bundle_problem, store_problem};

impl SiteParts {
    /// Returns true if an unverified seal may be skipped: if none is required, or if the caller requests it and the
    /// configuration allows it for listed exporters. The request alone is not enough.
    pub(super) fn may_skip_seal(&self, params: types::ImportParams) -> bool {
        let federation = &self.identity.config.federation;
        let trusted = federation.import.skip_signature_on_trusted_sites;
        !federation.require_signature || (params.skip_signature && trusted)
    }

    /// Returns true if bundles of this exporter are accepted here.
    pub(super) fn check_exporter(
        &self,
        seal: &BundleSeal,
        size: u64,
        params: types::ImportParams,
        warnings: &mut Vec<String>,
    ) -> ServiceResult<Option<ListedSite>> {
        let exporter = match seal.exporter() {
            Ok(exporter) => exporter,
            Err(error) => {
                let refused = || bundle_problem(ATTEMPTED, error);
                if !self.may_skip_seal(params) {
                    return Err(refused());
                }
                warnings.push(format!("the seal does not verify and was skipped: {error}"));
                // The named site must still be listed, and its limits apply.
                named_exporter(error).ok_or_else(refused)?
            }
        };
        if exporter == self.identity.home.chain().site() {
            return Ok(None);
        }
        let failed = |error: StoreError| store_problem(ATTEMPTED, &error);
        let known = self.data.store.chain(&exporter).map_err(failed)?;
        let closed_by = known
            .as_ref()
            .and_then(|chain| chain.of_epoch(seal.epoch().saturating_add(1)));
        if let Some(closed_by) = closed_by {
            if closed_by.body().reason == Reason::Revocation {
                let detail = format!("{ATTEMPTED}: it is sealed with a key of {exporter} that was revoked");
                return Err(Problem::new(ErrorCode::KeyRevoked, detail)
                    .hint("nothing was imported; have it exported again, with the exporter's current key"));
            }
            warnings.push("the bundle is sealed with a key that its exporter has replaced".to_owned());
        }
        let listed = self.data.store.listed_sites().map_err(failed)?;
        let Some(site) = listed.iter().find(|site| site.site == exporter && site.enabled) else {
            let name = format!("{ATTEMPTED}: its exporter");
            return Err(not_listed(&name, &exporter, &listed));
        };
        let import = &self.identity.config.federation.import;
        let mut allowed = import.allowed_sites.iter();
        if !allowed.any(|allowed| allowed == "*" || allowed == site.slug.as_str()) {
            let detail = format!(
                "{ATTEMPTED}: it was exported by {}, whose bundles are not accepted here",
                site.slug
            );
            return Err(Problem::new(ErrorCode::SiteNotAllowed, detail)
                .hint("federation.import.allowed_sites lists the sites whose bundles are accepted"));
        }
        if let Some(limit) = site.max_bundle_size.filter(|limit| size > *limit) {
            let detail = format!(
                "{ATTEMPTED} of {}: expected at most {limit} bytes, got {size}",
                site.slug
            );
            return Err(Problem::new(ErrorCode::BundleTooLarge, detail).hint(format!(
                "export less at a time (-c), or raise the limit: `starling sites set {} --max-bundle-size`",
                site.slug
            )));
        }
        Ok(Some(site.clone()))
    }
}

/// Returns the exporter named in a seal whose signature is not valid.
fn named_exporter(error: &BundleError) -> Option<SiteId> {
    match error {
        BundleError::Signature { exporter, .. } | BundleError::SealEpoch { exporter, .. } => Some(*exporter),
        _ => None,
    }
}

/// Returns the problem of a site that is not allowed here.
pub(super) fn not_listed(name: &str, site: &SiteId, listed: &[ListedSite]) -> Problem {
    match listed.iter().find(|listed| listed.site == *site) {
        Some(listed) => Problem::new(
            ErrorCode::SiteDisabled,
            format!("{name}: {} is on the allow-list, but disabled", listed.slug),
        )
        .hint(format!(
            "enable it with `starling sites set {} --enable`",
            listed.slug
        )),
        None => Problem::new(
            ErrorCode::SiteNotAllowed,
            format!("{name}: {site} is not on the allow-list"),
        )
        .hint(
            "compare this identity with the one that its operator reads out, then `starling sites add NAME --key IDENTITY`",
        ),
    }
}
