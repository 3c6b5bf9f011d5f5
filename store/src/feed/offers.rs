//! Offers to fetch sources, in all logs that this site holds.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_protocol::limits::MAX_HEAD_SOURCES;
use starling_protocol::{
    Claim, ClaimKey, ClaimNumber, FeedOffer, KeyRef, Lane, RestsOn, SiteId, Source, UnixMillis,
};
use starling_sync::{INTERVALS, LifeSign, OfferSeen};
use starling_view::ConflictStrategy;

use crate::SiteStore;
use crate::deltas::logs::overview;
use crate::engine::{Direction, Tree};
use crate::error::StoreError;
use crate::rows::{ClaimRow, LogNumber, claim_key, damaged, split_claim_key};
use crate::site::guard::StateReader;
use crate::site::state::{Log, LogId, State};

/// An offer that is not read: this version cannot, its row is damaged, or its author has too many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadOffer {
    /// Its author; this site if a damaged row does not say.
    pub site: SiteId,
    /// The source, if the key names one.
    pub source: Option<Source>,
    /// Why.
    pub why: String,
}

/// The offers that this site knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenOffers {
    /// Its own, by source.
    pub own: BTreeMap<Source, FeedOffer>,
    /// Those of listed, enabled sites whose logs are not frozen, about sources that are accepted of them: at most 256 of
    /// each. On whom they build is judged already: only the first 8 authors are kept whose statements lack here.
    pub others: Vec<OfferSeen>,
    /// Offers that are not read. They count as none.
    pub unread: Vec<UnreadOffer>,
}

/// An accepted offer in a log.
struct FoundOffer<'s> {
    site: SiteId,
    log: &'s Log,
    source: Source,
    /// Of its claim.
    number: ClaimNumber,
    offer: FeedOffer,
}

/// The log of an author whose offers are read, and how many were.
struct Reading<'s> {
    site: SiteId,
    log: &'s Log,
    count: usize,
}

/// An author's further offers are not read: a head has no more checks.
const MAX_OFFERS: usize = MAX_HEAD_SOURCES;
/// For people: the authors that are kept of an offer that rests on statements which lack here.
const MAX_LACKING: usize = 8;

impl SiteStore {
    /// Returns the offers to fetch sources: this site's own, and those that may be followed.
    ///
    /// # Errors
    /// [`StoreError`] of the engine. A damaged row is an offer that cannot be read.
    pub fn offers(&self) -> Result<SeenOffers, StoreError> {
        let state = self.read()?;
        let mut seen = SeenOffers::default();
        seen.unread = state.each_offer(&mut |found| {
            if found.site == state.site {
                seen.own.insert(found.source, found.offer);
                return;
            }
            let (log, source) = (found.log, &found.source);
            let is_whole =
                log.hold.is_none() && state.holds(log, source, found.number, &found.offer.rests_on);
            let rests_on = found.offer.rests_on.into_iter();
            let lacking = rests_on.filter(|(site, number)| !state.holds_of(site, source, *number));
            let rests_on = lacking.take(MAX_LACKING).collect();
            seen.others.push(OfferSeen {
                site: found.site,
                is_whole,
                check: log.backed_check_of(source),
                sign: life_sign(log),
                offer: FeedOffer {
                    rests_on,
                    ..found.offer
                },
                source: found.source,
            });
        })?;
        Ok(seen)
    }
}

impl StateReader {
    /// Returns who else says that an author's accepted claims about a source are current, by author and source: a site
    /// that builds on all of them, offers to fetch the source and has checked it. Of several, the one whose word lasts
    /// longest, with its end: of another site that of its newest head, of this one so long after its check as a turn
    /// lasts, or a head. An offer that cannot be read builds on nothing.
    pub(crate) fn built_on(&self) -> BTreeMap<(SiteId, Source), (UnixMillis, SiteId)> {
        let mut built_on = BTreeMap::new();
        let read = self.each_offer(&mut |found| {
            let (by, source, offer) = (found.site, &found.source, &found.offer);
            let is_own = by == self.site;
            if !is_own
                && (found.log.hold.is_some() || !self.holds(found.log, source, found.number, &offer.rests_on))
            {
                return;
            }
            let Some(until) = self.word_lasts(&found) else {
                return;
            };
            for (site, number) in &offer.rests_on {
                // Of what is here, nothing is kept for authors that a hostile offer invents.
                let accepted = self.accepted_of(site, source);
                if accepted > ClaimNumber::NONE && accepted <= *number {
                    let best = built_on.entry((*site, source.clone())).or_insert((until, by));
                    *best = (until, by).max(*best);
                }
            }
        });
        read.map(|_| built_on).unwrap_or_default()
    }

    /// Returns how long the check of a site that offers to fetch a source says something about the present; `None` if
    /// it does not.
    fn word_lasts(&self, found: &FoundOffer<'_>) -> Option<UnixMillis> {
        let FoundOffer {
            log, source, offer, ..
        } = found;
        let checked_at = log.check_of(source).filter(|_| offer.is_offered)?;
        let head = log.head.as_ref()?.head();
        if found.site != self.site {
            return Some(head.expires_at);
        }
        let valid_millis = head
            .expires_at
            .as_millis()
            .saturating_sub(head.issued_at.as_millis());
        Some(checked_at.plus_millis(valid_millis.max(offer.every_ms.saturating_mul(INTERVALS))))
    }

    /// Reads the accepted offers of this site, and of those that may be followed. Returns those that are not read.
    fn each_offer(&self, visit: &mut dyn FnMut(FoundOffer<'_>)) -> Result<Vec<UnreadOffer>, StoreError> {
        let mut unread = Vec::new();
        let mut authors = BTreeMap::new();
        let prefix = ClaimKey::offers_prefix();
        self.rows()
            .scan_prefix(Tree::Claims, &prefix, Direction::Forward, &mut |key, row| {
                match self.read_offer(&mut authors, key, row) {
                    Ok(Some(found)) => visit(found),
                    Ok(None) => {}
                    Err(offer) => unread.push(offer),
                }
                ControlFlow::Continue(())
            })?;
        let read = authors.into_values().flatten();
        unread.extend(
            read.filter(|read| read.site != self.site && read.count > MAX_OFFERS)
                .map(|read| UnreadOffer {
                    site: read.site,
                    source: None,
                    why: format!(
                        "{} of its offers are not read, because it makes more than {MAX_OFFERS}",
                        read.count - MAX_OFFERS
                    ),
                }),
        );
        Ok(unread)
    }

    /// Reads the offer in a row, if it is one that may be followed.
    fn read_offer<'s>(
        &'s self,
        authors: &mut BTreeMap<LogNumber, Option<Reading<'s>>>,
        key: &[u8],
        row: &[u8],
    ) -> Result<Option<FoundOffer<'s>>, UnreadOffer> {
        let unread = |site, source: &Option<Source>, why| UnreadOffer {
            site,
            source: source.clone(),
            why,
        };
        let damage = || {
            let error = damaged(Tree::Claims, key, "an offer to fetch a source");
            starling_protocol::error_chain(&error)
        };
        let found = split_claim_key(key).and_then(|(key, number)| Some((key, number, self.log_id(number)?)));
        let (claim_key, number, id) = found.ok_or_else(|| unread(self.site, &None, damage()))?;
        let Some(reading) = authors.entry(number).or_insert_with(|| self.reading(id)) else {
            return Ok(None);
        };
        let source = match claim_key.parse() {
            KeyRef::Offer(source) => Some(source),
            _ => None,
        };
        let (site, log) = (id.site, reading.log);
        if !self.in_scope(&site, source.as_ref()) {
            return Ok(None);
        }
        reading.count += 1;
        if reading.count > MAX_OFFERS && site != self.site {
            return Ok(None);
        }
        let read = offer_of(log, &claim_key, row).ok_or_else(|| unread(site, &source, damage()))?;
        match read {
            None => Ok(None),
            Some((_, Err(why))) => Err(unread(site, &source, why)),
            Some((number, Ok((source, offer)))) => Ok(Some(FoundOffer {
                site,
                log,
                source,
                number,
                offer,
            })),
        }
    }

    /// Returns an author's log if its offers may be followed.
    fn reading(&self, id: LogId) -> Option<Reading<'_>> {
        let log = self.logs.get(&id).filter(|_| id.lane == Lane::Federation)?;
        let may_be =
            id.site == self.site || (self.in_scope(&id.site, None) && !overview(self, id, log).frozen);
        may_be.then_some(Reading {
            site: id.site,
            log,
            count: 0,
        })
    }
}

/// An offer with its source, or why it cannot be read.
type ReadOffer = Result<(Source, FeedOffer), String>;

/// Reads the accepted offer in a row, with the number of its claim. The outer `None` is a damaged row, the inner one a
/// claim that is no offer.
fn offer_of(log: &Log, key: &ClaimKey, row: &[u8]) -> Option<Option<(ClaimNumber, ReadOffer)>> {
    let row = ClaimRow::decode(row)?;
    let accepted = log
        .sources
        .get(&None)
        .map_or(ClaimNumber::NONE, |row| row.accepted);
    row.accepted_at(accepted)
        .map_or(Some(None), |row| read_row(key, row))
}

fn read_row(key: &ClaimKey, row: &ClaimRow) -> Option<Option<(ClaimNumber, ReadOffer)>> {
    let claim = Claim::decode(&row.frame(key)?).ok()?;
    Some(match FeedOffer::of_claim(&claim) {
        Ok(offer) => offer.map(|offer| (row.number, Ok(offer))),
        Err(error) => Some((row.number, Err(starling_protocol::error_chain(&error)))),
    })
}

fn life_sign(log: &Log) -> LifeSign {
    let head = log.head.as_ref().map(starling_protocol::VerifiedHead::head);
    head.map_or((0, 0, 0), |head| {
        (head.epoch, head.number.0, head.issued_at.as_millis())
    })
}

impl StateReader {
    /// Returns true if the statements with which an author made an offer are accepted here, and all on which they rest,
    /// and if the newest of them count. An offer waits for no record, so it is accepted before statements whose records
    /// are still to come. By another strategy than `prefer_newest` an older statement may count instead of a successor's.
    fn holds(&self, log: &Log, source: &Source, number: ClaimNumber, rests_on: &RestsOn) -> bool {
        let own = log.sources.get(&Some(source.clone()));
        let waits = own.is_some_and(|row| row.accepted < row.last && number > row.accepted);
        let strategy = self.published().settings.policy.strategy(source);
        !waits
            && (rests_on.is_empty() || strategy == ConflictStrategy::PreferNewest)
            && rests_on
                .iter()
                .all(|(site, number)| self.holds_of(site, source, *number))
    }

    /// Returns true if an author's statements about a source are accepted here up to a claim.
    fn holds_of(&self, site: &SiteId, source: &Source, number: ClaimNumber) -> bool {
        self.in_scope(site, Some(source)) && self.accepted_of(site, source) >= number
    }

    /// Returns true if an author's check of a source says something here: its statements, with those that it rests on,
    /// are the whole source. An offer that is held and not accepted yet counts as well as the one before.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub(crate) fn check_counts(&self, site: SiteId, source: &Source) -> Result<bool, StoreError> {
        // Its offers are for everyone, also those about what it states in another lane.
        let lane = Lane::Federation;
        let Some(log) = self.logs.get(&LogId { site, lane }) else {
            return Ok(true);
        };
        let key = ClaimKey::offer(source);
        let row_key = claim_key(&key, log.number);
        let Some(row) = self.rows().get(Tree::Claims, &row_key)? else {
            return Ok(true);
        };
        let (newest, accepted) = match ClaimRow::decode(&row) {
            Some(newest) => (read_row(&key, &newest), offer_of(log, &key, &row)),
            None => (None, None),
        };
        // An unreadable offer may build on statements that are not here.
        let counts = |offer: Option<Option<(ClaimNumber, ReadOffer)>>| match offer {
            Some(None) => true,
            Some(Some((number, Ok((_, offer))))) => self.holds(log, source, number, &offer.rests_on),
            Some(Some((_, Err(_)))) | None => false,
        };
        Ok(counts(newest) && counts(accepted))
    }
}

impl State {
    /// Returns an author's last accepted claim about a source in its log for everyone.
    fn accepted_of(&self, site: &SiteId, source: &Source) -> ClaimNumber {
        let log = self.logs.get(&LogId {
            site: *site,
            lane: Lane::Federation,
        });
        let row = log.and_then(|log| log.sources.get(&Some(source.clone())));
        row.map_or(ClaimNumber::NONE, |row| row.accepted)
    }
}
