//! Heads learned from others, and what peers say that they hold.

use std::collections::BTreeMap;

use starling_protocol::{ClaimNumber, Lane, SiteId, VerifiedHead};

use crate::SiteStore;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::journal::Entry;
use crate::rows::{damaged, sites};
use crate::site::state::{Log, LogId, State, checks_of};

impl SiteStore {
    /// Returns the positions up to which a site is known to hold logs, from the bundles that it exported
    /// itself.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn holdings(&self, site: &SiteId) -> Result<BTreeMap<LogId, ClaimNumber>, StoreError> {
        let key = sites::by_site(sites::HOLDINGS, site);
        let Some(row) = self.engine.get(Tree::Sites, &key)? else {
            return Ok(BTreeMap::new());
        };
        holdings_of(&key, &row)
    }

    /// Notes the positions up to which a site holds logs; never lowers them.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn note_holdings(&self, site: &SiteId, held: Vec<(LogId, ClaimNumber)>) -> Result<(), StoreError> {
        self.change(|_| {
            let mut holdings = self.holdings(site)?;
            for (id, number) in held {
                let known = holdings.entry(id).or_insert(number);
                *known = number.max(*known);
            }
            let held: Vec<_> = holdings.into_iter().collect();
            let mut txn = self.txn();
            let key = sites::by_site(sites::HOLDINGS, site);
            txn.put(Tree::Sites, &key, holdings_row(held.clone()));
            txn.log(Entry::Holdings { site: *site, held });
            txn.commit()
        })
    }

    /// Keeps a head if it is newer than the kept one. Returns true if it was.
    ///
    /// # Errors
    /// [`StoreError::SiteNotListed`], or of the engine.
    pub fn learn_head(&self, head: &VerifiedHead) -> Result<bool, StoreError> {
        let id = LogId {
            site: head.head().site,
            lane: head.head().lane,
        };
        {
            let state = self.read()?;
            if !state.may_hold(&id.site) {
                return Err(StoreError::SiteNotListed {
                    site: id.site.to_string(),
                });
            }
            if state.rival_chains.contains_key(&id.site) {
                return Ok(false);
            }
        }
        if self.head_contradicts(head.head())? {
            self.keep_rival_head(head)?;
            return Ok(false);
        }
        let is_news = |state: &State| {
            let known = state.logs.get(&id).and_then(|log| log.head.as_ref());
            known.is_none_or(|known| head.is_newer_than(known))
        };
        if !is_news(&*self.read()?) {
            return Ok(false);
        }
        self.change(|state| {
            // Another writer may have brought a newer one since.
            if !is_news(state) {
                return Ok(false);
            }
            let mut txn = self.txn();
            let number = self.ensure_log(&mut txn, state, id)?;
            let bytes = head.as_bytes().to_vec();
            txn.put(Tree::Sites, &sites::by_log(sites::HEAD, number), bytes.clone());
            txn.log(Entry::Head { log: id, bytes });
            let before = state.logs.get(&id).map(Log::checks).unwrap_or_default();
            state.history.note_checks(number, &before, &checks_of(Some(head)));
            state.history.write(&mut txn);
            txn.commit()?;
            if let Some(log) = state.logs.get_mut(&id) {
                log.set_head(Some(head.clone()));
            }
            Ok(true)
        })
    }
}

/// Decodes the row with the positions up to which a site holds logs.
pub(crate) fn holdings_of(key: &[u8], row: &[u8]) -> Result<BTreeMap<LogId, ClaimNumber>, StoreError> {
    let mut holdings = BTreeMap::new();
    for entry in row.chunks(41) {
        let parts = entry.split_first_chunk::<32>().and_then(|(site, rest)| {
            let (&lane, number) = rest.split_first()?;
            let number = u64::from_le_bytes(number.try_into().ok()?);
            Some((
                LogId {
                    site: SiteId::from_bytes(*site),
                    lane: Lane::from_number(lane)?,
                },
                ClaimNumber(number),
            ))
        });
        let (id, number) = parts.ok_or_else(|| damaged(Tree::Sites, key, "a site's holdings"))?;
        holdings.insert(id, number);
    }
    Ok(holdings)
}

/// Returns the row with the positions up to which a site holds logs.
pub(crate) fn holdings_row(held: Vec<(LogId, ClaimNumber)>) -> Vec<u8> {
    let mut row = Vec::with_capacity(held.len() * 41);
    for (id, number) in held {
        row.extend_from_slice(id.site.as_bytes());
        row.push(id.lane.number());
        row.extend_from_slice(&number.0.to_le_bytes());
    }
    row
}

/// Refuses to sign in a log that is known to continue beyond its held part: the site was restored from a backup
/// or copied, and would sign a second history.
pub(crate) fn check_not_behind(state: &State, id: LogId) -> Result<(), StoreError> {
    let Some(log) = state.logs.get(&id) else {
        return Ok(());
    };
    let (held, high_water) = (log.tip.cursor.number, log.high_water());
    if high_water > held {
        return Err(StoreError::Behind {
            lane: id.lane,
            held,
            high_water,
        });
    }
    Ok(())
}
