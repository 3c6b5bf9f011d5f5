//! What a site observed of the others' checks, on its own steady clock.
//!
//! The times in heads are compared for equality alone: a clock that is years off, or set, changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use starling_protocol::{FeedOffer, OfferInput, SiteId, Source, UnixMillis};

use super::elect::{Candidate, Role, elect};

/// Names the newest head of a site: its epoch, its claim number, and when it was signed.
pub type LifeSign = (u32, u64, u64);

/// An offer in a log that this site holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferSeen {
    /// Its author.
    pub site: SiteId,
    /// The source that it is about.
    pub source: Source,
    /// The offer.
    pub offer: FeedOffer,
    /// True if this site has accepted all statements of other authors on which it rests.
    pub is_whole: bool,
    /// The time when its author last read the source, from the newest head and by the author's clock.
    pub check: Option<UnixMillis>,
    /// The newest head.
    pub sign: LifeSign,
}

/// A feed of the site that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFeed {
    /// The site.
    pub site: SiteId,
    /// The source.
    pub source: Source,
    /// The input that it fetches.
    pub input: OfferInput,
    /// The interval, in milliseconds.
    pub every_ms: u64,
    /// True if its fetches go well.
    pub is_healthy: bool,
}

/// The time that a site has waited for an advance. It contains no time of day, so it can be kept over a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// The source.
    pub source: String,
    /// The site, as bytes.
    pub site: [u8; 32],
    /// The check that is waited past, in milliseconds by its author's clock.
    pub check: Option<u64>,
    /// The waiting time in milliseconds, on this site's clock while it ran.
    pub quiet_ms: u64,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    check: Option<UnixMillis>,
    check_at: u64,
    /// Waited before this start.
    before_ms: u64,
    sign: LifeSign,
    sign_at: u64,
}

/// The observations since the start.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    seen: BTreeMap<(Source, SiteId), Seen>,
    before: Vec<Waited>,
}

impl Watch {
    /// Goes on from what was waited before a restart. It counts only for checks that have not advanced meanwhile.
    #[must_use]
    pub fn resume(before: Vec<Waited>) -> Self {
        Self {
            seen: BTreeMap::new(),
            before,
        }
    }

    /// Takes in what is seen now; `now_ms` is a steady clock's. Offers that are gone are forgotten.
    pub fn look(&mut self, seen: &[OfferSeen], now_ms: u64) {
        let keys: BTreeSet<(&Source, SiteId)> = seen.iter().map(|seen| (&seen.source, seen.site)).collect();
        self.seen
            .retain(|(source, site), _| keys.contains(&(source, *site)));
        for offer in seen {
            let key = (offer.source.clone(), offer.site);
            let before = &self.before;
            let known = self.seen.entry(key).or_insert_with(|| Seen {
                check: offer.check,
                check_at: now_ms,
                before_ms: waited_before(before, offer),
                sign: offer.sign,
                sign_at: now_ms,
            });
            if known.check != offer.check {
                (known.check, known.check_at, known.before_ms) = (offer.check, now_ms, 0);
            }
            if known.sign != offer.sign {
                (known.sign, known.sign_at) = (offer.sign, now_ms);
            }
        }
    }

    /// Decides what this site does about the source of a feed. `seen` was [looked](Self::look) at before.
    #[must_use]
    pub fn role(&self, own: &OwnFeed, seen: &[OfferSeen], now_ms: u64) -> Role {
        let others: Vec<Candidate> = seen
            .iter()
            .filter(|seen| is_alternative(own, seen))
            .filter_map(|seen| self.candidate(seen, now_ms))
            .collect();
        let own = Candidate {
            site: own.site,
            every_ms: own.every_ms,
            is_healthy: own.is_healthy,
            quiet_ms: 0,
            silent_ms: 0,
        };
        elect(&own, &others)
    }

    fn candidate(&self, offer: &OfferSeen, now_ms: u64) -> Option<Candidate> {
        let known = self.seen.get(&(offer.source.clone(), offer.site))?;
        Some(Candidate {
            site: offer.site,
            every_ms: offer.offer.every_ms,
            is_healthy: offer.offer.is_healthy,
            quiet_ms: quiet_ms(known, now_ms),
            silent_ms: now_ms.saturating_sub(known.sign_at),
        })
    }

    /// Returns how long was waited for each check, to be kept over a restart.
    #[must_use]
    pub fn waited(&self, now_ms: u64) -> Vec<Waited> {
        let waited = self.seen.iter().map(|((source, site), known)| Waited {
            source: source.as_str().to_owned(),
            site: *site.as_bytes(),
            check: known.check.map(UnixMillis::as_millis),
            quiet_ms: quiet_ms(known, now_ms),
        });
        waited.collect()
    }
}

fn waited_before(before: &[Waited], offer: &OfferSeen) -> u64 {
    let is_it = |waited: &&Waited| {
        waited.source == offer.source.as_str()
            && waited.site == *offer.site.as_bytes()
            && waited.check == offer.check.map(UnixMillis::as_millis)
    };
    before.iter().find(is_it).map_or(0, |waited| waited.quiet_ms)
}

fn quiet_ms(known: &Seen, now_ms: u64) -> u64 {
    now_ms
        .saturating_sub(known.check_at)
        .saturating_add(known.before_ms)
}

/// Returns true if a site's fetches can take the place of a feed's.
fn is_alternative(own: &OwnFeed, seen: &OfferSeen) -> bool {
    seen.site != own.site
        && seen.source == own.source
        && seen.offer.input == own.input
        && seen.offer.is_offered
        && seen.is_whole
}
