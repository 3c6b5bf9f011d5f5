//! On whose records an import builds: stated in the site's offer, with the claims of the import.

use starling_api::ServiceResult;
use starling_protocol::{Claim, FeedOffer, RestsOn, UnixMillis};
use starling_store::FeedPlan;

use super::Account;
use crate::service::problem::store_problem;

impl Account<'_> {
    /// Returns the offer that says on whose statements this site's own build from now on, if that is news.
    ///
    /// Only the whole source tells that something is not built on any more: after a part, what this site checked earlier
    /// still needs what it needed then.
    pub(super) fn rests_on(
        &self,
        plan: &FeedPlan,
        is_whole: bool,
        at: UnixMillis,
    ) -> ServiceResult<Option<Claim>> {
        let offers = self.site.store.offers();
        let offers = offers.map_err(|error| store_problem("reading the site's offers", &error))?;
        let known = offers.own.get(&self.source);
        let offer = match (self.how.shared, known) {
            (Some(shared), known) => FeedOffer {
                is_offered: true,
                is_healthy: known.is_none_or(|known| known.is_healthy),
                every_ms: shared.every_ms,
                input: shared.input,
                rests_on: match known {
                    Some(known) if !is_whole => joined(&known.rests_on, &plan.rests_on),
                    _ => plan.rests_on.clone(),
                },
            },
            // By itself now: all of the source is in this site's log.
            (None, Some(known)) if is_whole && !self.how.by_hand => FeedOffer {
                rests_on: RestsOn::new(),
                ..known.clone()
            },
            (None, _) => return Ok(None),
        };
        let is_news = known.map_or(!offer.rests_on.is_empty(), |known| {
            known.rests_on != offer.rests_on
        });
        Ok(is_news.then(|| offer.to_claim(&self.source, at)))
    }
}

/// Returns all that one of two needs: of each author the later claim.
fn joined(one: &RestsOn, other: &RestsOn) -> RestsOn {
    let mut all = one.clone();
    for (site, number) in other {
        let last = all.entry(*site).or_insert(*number);
        *last = (*last).max(*number);
    }
    all
}
