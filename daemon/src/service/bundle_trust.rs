//! A seal's data besides deltas: chains, heads, and proofs of contradicting signatures.

use std::collections::BTreeMap;

use starling_api::ServiceResult;
use starling_api_types::{ErrorCode, LogOutcome, Problem};
use starling_protocol::bundle::BundleSeal;
use starling_protocol::{CertificateChain, ForkProof, SiteId, VerifiedHead};
use starling_store::StoreError;

use super::SiteParts;
use super::bundle_ground::{CONFLICT_HINT, FROZEN_HINT};
use super::bundle_plan::{ATTEMPTED, Plan};
use super::problem::store_problem;
use super::scan::latest_check;

/// New data in a seal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TrustNews {
    pub(super) certificates: u64,
    pub(super) heads: u64,
}

/// Proofs, and halves of proofs.
#[derive(Default)]
pub(super) struct Evidence {
    pub(super) forks: Vec<ForkProof>,
    pub(super) chains: Vec<CertificateChain>,
    pub(super) heads: Vec<VerifiedHead>,
    /// A description of what they prove.
    pub(super) told: Vec<(ErrorCode, String)>,
}

impl Evidence {
    pub(super) fn tell(&mut self, code: ErrorCode, what: String) {
        self.told.push((code, what));
    }
}

impl SiteParts {
    /// Stores proofs of contradicting signatures, even if the bundle is refused.
    pub(super) fn keep_evidence(&self, plan: &Plan) -> ServiceResult<()> {
        let failed = |error: StoreError| store_problem("keeping proofs of a bundle", &error);
        let evidence = &plan.evidence;
        for proof in &evidence.forks {
            self.data.store.learn_fork(proof).map_err(failed)?;
        }
        for chain in &evidence.chains {
            match self.data.store.learn_chain(chain) {
                Ok(_) | Err(StoreError::Certificate(_)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        for head in &evidence.heads {
            self.data.store.learn_head(head).map_err(failed)?;
        }
        let is_news = !evidence.forks.is_empty() || !evidence.chains.is_empty() || !evidence.heads.is_empty();
        if is_news {
            self.changed();
        }
        Ok(())
    }

    /// Learns the seal's chains and heads for sites without refused data: they prove themselves, and the high-water
    /// mark may always rise. Returns a warning for each log in which a certificate gives up claims.
    pub(super) fn learn_trust(&self, seal: &BundleSeal, plan: &Plan) -> ServiceResult<Vec<String>> {
        let failed = |error: StoreError| store_problem("learning what a bundle's seal brings", &error);
        let before = self.data.store.logs().map_err(failed)?;
        for chain in seal.chains().filter(|chain| !plan.is_refused(&chain.site())) {
            match self.data.store.learn_chain(chain) {
                Ok(_) | Err(StoreError::SiteNotListed { .. } | StoreError::Certificate(_)) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        for head in seal
            .heads()
            .iter()
            .filter(|head| !plan.is_refused(&head.head().site))
        {
            match self.data.store.learn_head(head) {
                Ok(_) | Err(StoreError::SiteNotListed { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let mut warnings = Vec::new();
        for log in before {
            let held = log.tip.cursor.number;
            let now = self.data.store.log(log.id).map_err(failed)?;
            let now = now.map_or(held, |now| now.tip.cursor.number);
            if now < held {
                let site = self
                    .slug_of(&log.id.site)
                    .map_or_else(|| log.id.site.to_string(), |slug| slug.to_string());
                warnings.push(format!(
                    "a new certificate of {site} gives up the claims after {}, up to {} of which were held here",
                    now.0, held.0
                ));
            }
        }
        Ok(warnings)
    }

    /// Learns the seal's chains on a copy; a contradiction with a known chain is evidence.
    pub(super) fn try_chains(&self, seal: &BundleSeal, plan: &mut Plan) -> ServiceResult<()> {
        for chain in seal.chains() {
            match self.data.store.learn_chain(chain) {
                Ok(_) | Err(StoreError::SiteNotListed { .. }) => {}
                Err(StoreError::Certificate(error)) => {
                    let told = crate::home::error_chain(&error);
                    plan.evidence.tell(ErrorCode::CertificateConflict, told);
                    plan.evidence.chains.push(chain.clone());
                }
                Err(error) => return Err(store_problem("learning certificates of a bundle", &error)),
            }
        }
        Ok(())
    }

    /// Learns the seal's heads on a copy, except those of refused logs.
    pub(super) fn try_heads(&self, seal: &BundleSeal, plan: &mut Plan) -> ServiceResult<()> {
        let failed = |error: StoreError| store_problem("learning heads of a bundle", &error);
        let latest = latest_check();
        for head in seal.heads() {
            let (site, lane) = (head.head().site, head.head().lane);
            if !plan.scopes.contains_key(&site) || plan.is_refused(&site) {
                continue;
            }
            let ahead = head
                .head()
                .checks
                .iter()
                .filter(|check| check.checked_at > latest);
            for check in ahead {
                plan.warnings.push(format!(
                    "{} says that {} was checked at {}, which is later than this site's clock: it counts as checked now",
                    self.log_name(seal, site, lane),
                    check.source,
                    check.checked_at
                ));
            }
            if self.data.store.head_contradicts(head.head()).map_err(failed)? {
                plan.evidence.heads.push(head.clone());
                let name = self.log_name(seal, site, lane);
                let number = head.head().number;
                let detail = format!("{name}: the author's head at claim {number} contradicts what is held");
                for log in plan
                    .logs
                    .iter_mut()
                    .filter(|log| (log.range.site, log.range.lane) == (site, lane))
                {
                    log.outcome = LogOutcome::Refused;
                    log.problem =
                        Some(Problem::new(ErrorCode::HeadContradicts, detail.clone()).hint(FROZEN_HINT));
                }
                plan.evidence.tell(ErrorCode::HeadContradicts, detail);
            }
            match self.data.store.learn_head(head) {
                Ok(is_newer) => plan.news.heads += u64::from(is_newer),
                Err(StoreError::SiteNotListed { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    /// Returns the number of known certificates of the sites in a seal.
    pub(super) fn chain_lengths(&self, seal: &BundleSeal) -> ServiceResult<BTreeMap<SiteId, usize>> {
        let mut lengths = BTreeMap::new();
        for chain in seal.chains() {
            lengths.insert(chain.site(), self.chain_length(&chain.site())?);
        }
        Ok(lengths)
    }

    pub(super) fn chain_length(&self, site: &SiteId) -> ServiceResult<usize> {
        let chain = self.data.store.chain(site);
        let chain = chain.map_err(|error| store_problem("reading certificates", &error))?;
        Ok(chain.map_or(0, |chain| chain.certificates().len()))
    }

    pub(super) fn count_chains(
        &self,
        before: &BTreeMap<SiteId, usize>,
        plan: &mut Plan,
    ) -> ServiceResult<()> {
        for (site, before) in before {
            if !plan.is_refused(site) {
                let new = self.chain_length(site)?.saturating_sub(*before);
                plan.news.certificates += new as u64;
            }
        }
        Ok(())
    }

    /// Returns the reason why nothing new of a site is trusted, if so.
    pub(super) fn distrust(&self, site: &SiteId) -> ServiceResult<Option<Problem>> {
        let since = self.data.store.distrusted_since(site);
        let since = since.map_err(|error| store_problem(ATTEMPTED, &error))?;
        Ok(since.map(|epoch| {
            let name = self
                .slug_of(site)
                .map_or_else(|| site.to_string(), |slug| slug.to_string());
            let detail =
                format!("two certificates of {name} for epoch {epoch} exist: nothing new of it is trusted");
            Problem::new(ErrorCode::CertificateConflict, detail).hint(CONFLICT_HINT)
        }))
    }
}
