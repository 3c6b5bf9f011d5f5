//! Offers to fetch sources, in all logs that this site holds.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_protocol::{
    Claim, ClaimKey, ClaimNumber, FeedOffer, KeyRef, Lane, RestsOn, SiteId, Source, UnixMillis,
};
use starling_sync::{INTERVALS, LifeSign, OfferSeen};
use starling_view::ConflictStrategy;

use crate::SiteStore;
use crate::deltas::logs::overview;
use crate::engine::{Direction, Tree};
use crate::error::StoreError;
use crate::rows::{ClaimRow, claim_key, damaged, split_claim_key};
use crate::site::guard::StateReader;
use crate::site::state::{Log, LogId, State};

/// An offer that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadOffer {
    /// Its author.
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
    /// Those of listed, enabled sites whose logs are not frozen, about sources that are accepted of them.
    pub others: Vec<OfferSeen>,
    /// Offers that cannot be read. They count as none.
    pub unread: Vec<UnreadOffer>,
}

impl SiteStore {
    /// Returns the offers to fetch sources: this site's own, and those that may be followed.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn offers(&self) -> Result<SeenOffers, StoreError> {
        let state = self.read()?;
        let mut seen = SeenOffers::default();
        let mut failed = None;
        let prefix = ClaimKey::offers_prefix();
        state.rows().scan_prefix(
            Tree::Claims,
            &prefix,
            Direction::Forward,
            &mut |key, row| match state.add_offer(key, row, &mut seen) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            },
        )?;
        failed.map_or(Ok(seen), Err)
    }
}

impl StateReader {
    /// Returns who else says that an author's accepted claims about a source are current, by author and source: a site
    /// that builds on all of them, offers to fetch the source and has checked it. Of several, the one whose word lasts
    /// longest, with its end: of another site that of its newest head, of this one so long after its check as a turn
    /// lasts, or a head. An offer that cannot be read builds on nothing.
    pub(crate) fn built_on(&self) -> BTreeMap<(SiteId, Source), (UnixMillis, SiteId)> {
        let mut seen = SeenOffers::default();
        let prefix = ClaimKey::offers_prefix();
        let read = self
            .rows()
            .scan_prefix(Tree::Claims, &prefix, Direction::Forward, &mut |key, row| {
                let _ = self.add_offer(key, row, &mut seen);
                ControlFlow::Continue(())
            });
        if read.is_err() {
            return BTreeMap::new();
        }
        let others = seen.others.into_iter().filter(|seen| seen.is_whole);
        let others = others.map(|seen| (seen.site, seen.source, seen.offer));
        let own = seen.own.into_iter();
        let own = own.map(|(source, offer)| (self.site, source, offer));
        let mut built_on = BTreeMap::new();
        for (by, source, offer) in others.chain(own) {
            let Some(until) = self.word_lasts(by, &source, &offer) else {
                continue;
            };
            for (site, number) in offer.rests_on {
                if self.accepted_of(&site, &source) <= number {
                    let best = built_on.entry((site, source.clone())).or_insert((until, by));
                    *best = (until, by).max(*best);
                }
            }
        }
        built_on
    }

    /// Returns how long the check of a site that offers to fetch a source says something about the present; `None` if
    /// it does not.
    fn word_lasts(&self, by: SiteId, source: &Source, offer: &FeedOffer) -> Option<UnixMillis> {
        let site = by;
        let lane = Lane::Federation;
        let log = self.logs.get(&LogId { site, lane })?;
        let checked_at = log.check_of(source).filter(|_| offer.is_offered)?;
        let head = log.head.as_ref()?.head();
        if by != self.site {
            return Some(head.expires_at);
        }
        let valid_millis = head
            .expires_at
            .as_millis()
            .saturating_sub(head.issued_at.as_millis());
        Some(checked_at.plus_millis(valid_millis.max(offer.every_ms.saturating_mul(INTERVALS))))
    }

    fn add_offer(&self, key: &[u8], row: &[u8], seen: &mut SeenOffers) -> Result<(), StoreError> {
        let bad = || damaged(Tree::Claims, key, "an offer to fetch a source");
        let (claim_key, of_log) = split_claim_key(key).ok_or_else(bad)?;
        let id = self.log_id(of_log).ok_or_else(bad)?;
        let Some(log) = self.logs.get(&id).filter(|_| id.lane == Lane::Federation) else {
            return Ok(());
        };
        let source = match claim_key.parse() {
            KeyRef::Offer(source) => Some(source),
            _ => None,
        };
        let is_own = id.site == self.site;
        if !is_own && (!self.in_scope(&id.site, source.as_ref()) || overview(self, id, log).frozen) {
            return Ok(());
        }
        let (number, read) = match offer_of(log, &claim_key, row).ok_or_else(bad)? {
            Some(offer) => offer,
            None => return Ok(()),
        };
        match read {
            Ok((source, offer)) if is_own => {
                seen.own.insert(source, offer);
            }
            Ok((source, offer)) => seen.others.push(OfferSeen {
                site: id.site,
                is_whole: log.hold.is_none() && self.holds(log, &source, number, &offer.rests_on),
                check: log.backed_check_of(&source),
                sign: life_sign(log),
                source,
                offer,
            }),
            Err(why) => seen.unread.push(UnreadOffer {
                site: id.site,
                source,
                why,
            }),
        }
        Ok(())
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
            && rests_on.iter().all(|(site, number)| {
                self.in_scope(site, Some(source)) && self.accepted_of(site, source) >= *number
            })
    }

    /// Returns true if an author's check of a source says something here: its statements, with those that it rests on,
    /// are the whole source. An offer that is held and not accepted yet counts as well as the one before.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
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
        let bad = || damaged(Tree::Claims, &row_key, "an offer to fetch a source");
        let newest = ClaimRow::decode(&row).ok_or_else(bad)?;
        let newest = read_row(&key, &newest).ok_or_else(bad)?;
        let accepted = offer_of(log, &key, &row).ok_or_else(bad)?;
        Ok([newest, accepted].into_iter().flatten().all(|offer| match offer {
            (number, Ok((_, offer))) => self.holds(log, source, number, &offer.rests_on),
            // It may rest on statements that are not here.
            (_, Err(_)) => false,
        }))
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
