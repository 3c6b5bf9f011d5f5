//! On whose records an import builds: stated in the site's offer, with the claims of the import.

use starling_api::ServiceResult;
use starling_protocol::{Claim, FeedOffer, RestsOn, Source, UnixMillis};
use starling_store::FeedPlan;

use super::{Account, Judged};
use crate::service::SiteParts;
use crate::service::feed_runs::Refusal;
use crate::service::problem::store_problem;

/// Says why a source that was read in parts is not checked where others state records of it.
pub(in crate::service) fn absences_unknown(why: Option<&str>) -> String {
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    format!(
        "it was read in parts and compared with what other sites state, and records of theirs which it no longer has are \
         not known{why}: it is read from its beginning again after 30 days, or when `feeds/NAME/position.json` is deleted; \
         with `share_fetch = false` this site states all of it by itself"
    )
}

/// On whom a site's own statements of a source build after an import.
pub(super) struct Rests {
    /// Says so, if that is news.
    pub(super) claim: Option<Claim>,
    /// True if it is on any other site.
    pub(super) is_on_others: bool,
}

impl Account<'_> {
    /// Returns on whose statements this site's own build from now on.
    ///
    /// Only the whole source tells that something is not built on any more: after a part, what this site checked earlier
    /// still needs what it needed then.
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
            // By itself now: all of the source is in this site's log.
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
    /// Returns this site's offer of a source, if it says that its own statements build on others'.
    pub(in crate::service) fn built_on_others(&self, source: &Source) -> ServiceResult<Option<FeedOffer>> {
        let offers = self.data.store.offers();
        let mut offers = offers.map_err(|error| store_problem("reading the site's offers", &error))?;
        Ok(offers.own.remove(source).filter(|own| !own.rests_on.is_empty()))
    }
}

impl Judged {
    /// Notes that what others state was compared with parts of the source alone. `is_end` is true after the last part,
    /// and `why` says why the parts together do not tell what the source lacks.
    pub(super) fn leave_absences(&mut self, is_end: bool, why: Option<&str>) {
        self.is_checked = false;
        if is_end && self.refusal.is_none() {
            self.refusal = Some(Refusal::lasting(absences_unknown(why)));
        }
    }
}

/// Returns an offer that builds on nobody.
pub(in crate::service) fn alone(offer: &FeedOffer) -> FeedOffer {
    FeedOffer {
        rests_on: RestsOn::new(),
        ..offer.clone()
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
