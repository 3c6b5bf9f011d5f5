//! Tracks on which other sites' statements a site's import builds, and states it in the site's offer.

use starling_api::ServiceResult;
use starling_protocol::{Claim, FeedOffer, RestsOn, Source, UnixMillis};
use starling_store::FeedPlan;

use super::{Account, Judged};
use crate::service::SiteParts;
use crate::service::feed_runs::Refusal;
use crate::service::problem::store_problem;

/// Returns the reason why a source that was read in parts does not count as checked if other sites state records of it.
pub(in crate::service) fn absences_unknown(why: Option<&str>) -> String {
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    format!(
        "it was read in parts and compared with what other sites state, and records of theirs which it no longer has are \
         not known{why}: it is read from its beginning again after 30 days, or when `feeds/NAME/position.json` is deleted; \
         with `share_fetch = false` this site states all of it by itself"
    )
}

/// The sites on whose statements a site's own statements of a source build after an import.
pub(super) struct Rests {
    /// The claim that states it, if it changed.
    pub(super) claim: Option<Claim>,
    /// True if there is any such site.
    pub(super) is_on_others: bool,
}

impl Account<'_> {
    /// Returns the sites on whose statements this site's own build from now on.
    ///
    /// Only an import of the whole source removes such a site. After a part, this site's earlier statements still depend on
    /// the sites on which they depended before.
    pub(super) fn rests_on(
        &self,
        plan: &FeedPlan,
        is_whole: bool,
        is_checked: bool,
        at: UnixMillis,
    ) -> ServiceResult<Rests> {
        let offers = self.site.data.store.offers();
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
            // This site's log has all of the source now, so it depends on nobody.
            (None, Some(known)) if (is_whole && !self.how.by_hand) || (is_checked && self.how.by_itself) => {
                alone(known)
            }
            (None, known) => {
                return Ok(Rests {
                    claim: None,
                    is_on_others: known.is_some_and(|known| !known.rests_on.is_empty()),
                });
            }
        };
        let is_news = known.map_or(!offer.rests_on.is_empty(), |known| {
            known.rests_on != offer.rests_on
        });
        Ok(Rests {
            is_on_others: !offer.rests_on.is_empty(),
            claim: is_news.then(|| offer.to_claim(&self.source, at)),
        })
    }
}

impl SiteParts {
    /// Returns this site's offer of a source, if the offer states that this site's statements build on others'.
    pub(in crate::service) fn built_on_others(&self, source: &Source) -> ServiceResult<Option<FeedOffer>> {
        let offers = self.data.store.offers();
        let mut offers = offers.map_err(|error| store_problem("reading the site's offers", &error))?;
        Ok(offers.own.remove(source).filter(|own| !own.rests_on.is_empty()))
    }
}

impl Judged {
    /// Records that other sites' statements were compared only with parts of the source. `is_end` is true after the last
    /// part. `why` is the reason why the parts together do not show which records the source lacks.
    pub(super) fn leave_absences(&mut self, is_end: bool, why: Option<&str>) {
        self.is_checked = false;
        if is_end && self.refusal.is_none() {
            self.refusal = Some(Refusal::lasting(absences_unknown(why)));
        }
    }
}

/// Returns the same offer, but building on no other site.
pub(in crate::service) fn alone(offer: &FeedOffer) -> FeedOffer {
    FeedOffer {
        rests_on: RestsOn::new(),
        ..offer.clone()
    }
}

/// Returns the union of two sets; of each author the later claim.
fn joined(one: &RestsOn, other: &RestsOn) -> RestsOn {
    let mut all = one.clone();
    for (site, number) in other {
        let last = all.entry(*site).or_insert(*number);
        *last = (*last).max(*number);
    }
    all
}
