//! Trust: the allow-list, certificate chains, heads and fork proofs.

pub(crate) mod listing;

pub use self::listing::{AllowedSources, ListedSite};

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_protocol::{
    CertificateChain, ClaimNumber, ForkProof, Head, Lane, LogTip, SigningKey, SiteId, SiteSlug, SourceCheck,
    UnixMillis, VerifiedHead,
};
use starling_sync::Learned;

use crate::SiteStore;
use crate::deltas::extend::Entry;
use crate::engine::{Direction, Tree};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{delta_key, sites, split_claim_key};
use crate::site::state::{Log, LogId, State, checks_of, head_of};

impl SiteStore {
    /// The allow-list, by name.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn listed_sites(&self) -> Result<Vec<ListedSite>, StoreError> {
        Ok(self.read()?.listed.values().cloned().collect())
    }

    /// One entry of the allow-list.
    ///
    /// # Errors
    /// [`StoreError::SiteNotListed`].
    pub fn listed_site(&self, slug: &SiteSlug) -> Result<ListedSite, StoreError> {
        let missing = || StoreError::SiteNotListed {
            site: slug.to_string(),
        };
        self.read()?.listed.get(slug).cloned().ok_or_else(missing)
    }

    /// Puts a site on the allow-list, with its chain if that is known.
    ///
    /// # Errors
    /// [`StoreError::SiteExists`], [`StoreError::OwnSite`], or a chain of another site.
    pub fn list_site(&self, listed: ListedSite, chain: Option<&CertificateChain>) -> Result<(), StoreError> {
        self.change(|state| {
            if listed.site == state.site {
                return Err(StoreError::OwnSite { slug: listed.slug });
            }
            let taken = state
                .listed
                .get(&listed.slug)
                .or_else(|| state.listed_by_site(&listed.site));
            if let Some(found) = taken {
                return Err(StoreError::SiteExists {
                    slug: found.slug.clone(),
                    found: found.site,
                });
            }
            if let Some(chain) = chain {
                self.keep_chain(state, chain)?;
            }
            let mut txn = Txn::new(self.engine.as_ref());
            write_listed(&mut txn, state, listed)?;
            self.rescope(txn, state)
        })
    }

    /// Changes an entry of the allow-list; name and site stay.
    ///
    /// # Errors
    /// [`StoreError::SiteNotListed`].
    pub fn update_listed_site(
        &self,
        slug: &SiteSlug,
        change: impl FnOnce(&mut ListedSite),
    ) -> Result<ListedSite, StoreError> {
        self.change(|state| {
            let missing = || StoreError::SiteNotListed {
                site: slug.to_string(),
            };
            let before = state.listed.get(slug).cloned().ok_or_else(missing)?;
            let mut after = before.clone();
            change(&mut after);
            (after.slug, after.site) = (before.slug, before.site);
            let mut txn = Txn::new(self.engine.as_ref());
            write_listed(&mut txn, state, after.clone())?;
            self.rescope(txn, state)?;
            Ok(after)
        })
    }

    /// Takes a site off the allow-list. What it said stays held and is no longer accepted.
    ///
    /// # Errors
    /// [`StoreError::SiteNotListed`].
    pub fn unlist_site(&self, slug: &SiteSlug) -> Result<ListedSite, StoreError> {
        self.change(|state| {
            let missing = || StoreError::SiteNotListed {
                site: slug.to_string(),
            };
            let removed = state.listed.remove(slug).ok_or_else(missing)?;
            state.history.note_listed(slug, Some(&removed));
            let mut txn = Txn::new(self.engine.as_ref());
            txn.delete(Tree::Sites, &listed_key(slug));
            self.rescope(txn, state)?;
            Ok(removed)
        })
    }

    /// After the scope changed: other bodies are wanted, other claims count, the view is folded anew.
    ///
    /// Claims that come into scope are not accepted before their bodies are here.
    ///
    /// `txn` holds the change of the list: it commits with what follows from it, or not at all.
    fn rescope(&self, mut txn: Txn<'_>, state: &mut State) -> Result<(), StoreError> {
        let mut affected = false;
        let ids: Vec<LogId> = state.logs.keys().copied().collect();
        for id in ids {
            let allowed: Vec<_> = match state.logs.get(&id) {
                Some(log) => log
                    .sources
                    .keys()
                    .map(|source| state.in_scope(&id.site, source.as_ref()))
                    .collect(),
                None => continue,
            };
            let State { logs, history, .. } = &mut *state;
            let Some(log) = logs.get_mut(&id) else {
                continue;
            };
            for ((source, row), in_scope) in log.sources.iter_mut().zip(allowed) {
                affected |= row.last > ClaimNumber::NONE;
                if !in_scope && row.accepted > ClaimNumber::NONE {
                    history.note_position(log.number, source.as_ref(), row);
                    row.accepted = ClaimNumber::NONE;
                    row.viewed = ClaimNumber::NONE;
                    row.accepted_state = starling_protocol::SourceState::default();
                    let key = sites::source(log.number, crate::rows::source_text(source.as_ref()));
                    txn.put(Tree::Sites, &key, row.encode());
                }
            }
        }
        if affected {
            txn.put(Tree::Meta, crate::rows::meta::REBUILD, b"scope".to_vec());
        }
        state.history.write(&mut txn);
        txn.commit()?;
        if affected {
            state.rebuild = true;
            self.find_wanted(state)?;
            // What came into scope and has its bodies already counts at once.
            self.accept_whole(state)?;
            self.redo(state, &crate::activity::events::Origin::default())?;
        }
        Ok(())
    }

    /// Keeps a chain, this site's own or a listed site's, if it goes further than the known one.
    ///
    /// # Errors
    /// [`StoreError::SiteNotListed`], or a chain that contradicts the known one.
    pub fn learn_chain(&self, chain: &CertificateChain) -> Result<Learned, StoreError> {
        let site = chain.site();
        {
            // Refused before anything changes: a refusal must cost its sender more than this site.
            let state = self.read()?;
            if site != state.site && state.listed_by_site(&site).is_none() {
                return Err(StoreError::SiteNotListed {
                    site: format!("{} ({site})", chain.slug()),
                });
            }
            if let Some(known) = state.chains.get(&site)
                && known.merge(chain)?.epoch() == known.epoch()
            {
                return Ok(Learned::Same);
            }
        }
        self.change(|state| self.keep_chain(state, chain))
    }

    /// A known chain.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn chain(&self, site: &SiteId) -> Result<Option<CertificateChain>, StoreError> {
        Ok(self.read()?.chains.get(site).cloned())
    }

    pub(crate) fn keep_chain(
        &self,
        state: &mut State,
        chain: &CertificateChain,
    ) -> Result<Learned, StoreError> {
        let site = chain.site();
        let (kept, learned) = match state.chains.get(&site) {
            None => (chain.clone(), Learned::New),
            Some(known) => {
                let merged = known.merge(chain)?;
                let longer = merged.epoch() > known.epoch();
                (merged, if longer { Learned::Longer } else { Learned::Same })
            }
        };
        if learned == Learned::Same {
            // A crash may have come between a chain and what follows from it.
            for lane in Lane::ALL {
                self.follow_chain(state, LogId { site, lane })?;
            }
            return Ok(learned);
        }
        let (author, new) = state.number_for(&site)?;
        let mut txn = Txn::new(self.engine.as_ref());
        if new {
            txn.put(
                Tree::Sites,
                &sites::by_site(sites::AUTHOR, &site),
                author.0.to_be_bytes().to_vec(),
            );
        }
        txn.put(Tree::Sites, &sites::by_site(sites::CHAIN, &site), kept.to_bytes());
        txn.commit()?;
        state.add_author(site, author);
        state.chains.insert(site, kept);
        for lane in Lane::ALL {
            self.follow_chain(state, LogId { site, lane })?;
        }
        Ok(learned)
    }

    /// Brings a log into line with its author's newest chain: a branch that an epoch closed is given up.
    pub(crate) fn follow_chain(&self, state: &mut State, id: LogId) -> Result<(), StoreError> {
        let (Some(log), Some(chain)) = (state.logs.get(&id), state.chains.get(&id.site)) else {
            return Ok(());
        };
        let newest = chain.epoch();
        let Some(start) = chain.epoch_start(newest, id.lane) else {
            return Ok(());
        };
        let forked = log.fork.as_ref().is_some_and(|fork| fork.epoch() < newest);
        let past_end = log.tip.epoch < newest && log.tip.cursor.number > start.number;
        let stale_head = log
            .head
            .as_ref()
            .is_some_and(|head| head.head().epoch < newest && head.head().number > start.number);
        if stale_head || (forked && log.tip.epoch >= newest) {
            // The log went on in the new epoch: proof and head of the closed one are history.
            let number = log.number;
            let mut txn = Txn::new(self.engine.as_ref());
            txn.delete(Tree::Sites, &sites::by_log(sites::FORK, number));
            let checks = log.checks();
            if stale_head {
                txn.delete(Tree::Sites, &sites::by_log(sites::HEAD, number));
            }
            if forked && log.tip.epoch < newest {
                // The proof is still needed: it says that what is held may be the branch that lost.
                txn = Txn::new(self.engine.as_ref());
                txn.delete(Tree::Sites, &sites::by_log(sites::HEAD, number));
            }
            if stale_head {
                state.history.note_checks(number, &checks, &BTreeMap::new());
                state.history.write(&mut txn);
            }
            txn.commit()?;
            if let Some(log) = state.logs.get_mut(&id) {
                if stale_head {
                    log.head = None;
                }
                if log.tip.epoch >= newest {
                    log.fork = None;
                }
            }
        }
        let Some(log) = state.logs.get(&id) else {
            return Ok(());
        };
        let resolved = log.fork.as_ref().is_some_and(|fork| fork.epoch() < newest);
        if !resolved && !past_end {
            return Ok(());
        }
        // Keep what the certificate names, if it is held; else only what earlier certificates name.
        let mut keep = ClaimNumber::NONE;
        for epoch in (0..=newest).rev() {
            let Some(start) = chain.epoch_start(epoch, id.lane) else {
                continue;
            };
            match self.position_in(state, id, start.number)? {
                Some(tip) if tip.header == start.header => {
                    keep = start.number;
                    break;
                }
                _ => {}
            }
        }
        self.truncate(state, id, keep)
    }

    fn position_in(
        &self,
        state: &State,
        id: LogId,
        number: ClaimNumber,
    ) -> Result<Option<LogTip>, StoreError> {
        let Some(log) = state.logs.get(&id) else {
            return Ok(None);
        };
        if number == ClaimNumber::NONE {
            return Ok(Some(LogTip::default()));
        }
        let mut found = None;
        self.scan_deltas(log.number, ClaimNumber(number.0 - 1), number, &mut |_, delta| {
            found = crate::deltas::logs::header_of(delta).filter(|header| header.last() == number);
            ControlFlow::Break(())
        })?;
        Ok(found.map(|header| LogTip {
            cursor: header.cursor(),
            header: header.hash(),
            epoch: header.epoch,
        }))
    }

    /// Gives up the claims of a log after `keep` and derives the rest anew from its deltas.
    pub(crate) fn truncate(&self, state: &mut State, id: LogId, keep: ClaimNumber) -> Result<(), StoreError> {
        let Some(log) = state.logs.get(&id) else {
            return Ok(());
        };
        let (number, head, old_tip) = (log.number, log.head.clone(), log.tip.cursor.number);
        let mut kept = Vec::new();
        if keep > ClaimNumber::NONE {
            self.scan_deltas(number, ClaimNumber::NONE, keep, &mut |_, delta| {
                kept.push(delta.to_vec());
                ControlFlow::Continue(())
            })?;
        }
        // One transaction: the log is either as it was or as the certificate says.
        let mut txn = Txn::new(self.engine.as_ref());
        let mut gone = Vec::new();
        self.engine
            .scan_prefix(Tree::Claims, &[], Direction::Forward, &mut |key, _| {
                if split_claim_key(key).is_some_and(|(_, log)| log == number) {
                    gone.push(key.to_vec());
                }
                ControlFlow::Continue(())
            })?;
        for key in gone {
            txn.delete(Tree::Claims, &key);
        }
        let mut dropped = Vec::new();
        self.scan_deltas(number, keep, old_tip, &mut |first, _| {
            dropped.push(first);
            ControlFlow::Continue(())
        })?;
        for first in dropped {
            txn.delete(Tree::Logs, &delta_key(number, first));
        }
        let mut rows = Vec::new();
        self.engine.scan_prefix(
            Tree::Sites,
            &sites::by_log(sites::SOURCE, number),
            Direction::Forward,
            &mut |key, _| {
                rows.push(key.to_vec());
                ControlFlow::Continue(())
            },
        )?;
        for key in rows {
            txn.delete(Tree::Sites, &key);
        }
        txn.delete(Tree::Sites, &sites::by_log(sites::LOG, number));
        txn.delete(Tree::Sites, &sites::by_log(sites::FORK, number));
        txn.put(Tree::Meta, crate::rows::meta::REBUILD, b"log".to_vec());
        let mut fresh = Log::new(number);
        fresh.head = head;
        state.logs.insert(id, fresh);
        let Some(chain) = state.chains.get(&id.site).cloned() else {
            return Ok(());
        };
        let entry = if id.site == state.site {
            Entry::Own
        } else {
            Entry::Foreign
        };
        for bytes in kept {
            let delta = starling_protocol::Delta::decode(&bytes)
                .and_then(|delta| delta.verify(&chain))
                .map_err(|_| crate::rows::damaged(Tree::Logs, &number.to_bytes(), "a delta"))?;
            if self.extend(&mut txn, state, id, &delta, entry)?.is_some() {
                return Err(crate::rows::damaged(
                    Tree::Logs,
                    &number.to_bytes(),
                    "a delta that was held",
                ));
            }
        }
        // Numbers after `keep` will mean other claims: there is no way back to before.
        for key in self.superseded_after(number, keep)? {
            txn.delete(Tree::History, &key);
        }
        state.history.begin_anew(&mut txn);
        txn.commit()?;
        state.rebuild = true;
        self.find_wanted(state)?;
        self.accept_whole(state)?;
        self.redo(state, &crate::activity::events::Origin::default())?;
        Ok(())
    }

    /// Up to where a site is known to hold logs: by the bundles that it exported itself.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn holdings(&self, site: &SiteId) -> Result<BTreeMap<LogId, ClaimNumber>, StoreError> {
        let key = sites::by_site(sites::HOLDINGS, site);
        let Some(row) = self.engine.get(Tree::Sites, &key)? else {
            return Ok(BTreeMap::new());
        };
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
            let (id, number) =
                parts.ok_or_else(|| crate::rows::damaged(Tree::Sites, &key, "a site's holdings"))?;
            holdings.insert(id, number);
        }
        Ok(holdings)
    }

    /// Notes up to where a site holds logs; never lowers what is known.
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
            let mut row = Vec::with_capacity(holdings.len() * 41);
            for (id, number) in holdings {
                row.extend_from_slice(id.site.as_bytes());
                row.push(id.lane.number());
                row.extend_from_slice(&number.0.to_le_bytes());
            }
            let mut txn = Txn::new(self.engine.as_ref());
            txn.put(Tree::Sites, &sites::by_site(sites::HOLDINGS, site), row);
            Ok(txn.commit()?)
        })
    }

    /// Keeps a head if it is newer than the kept one. Gives whether it was.
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
            let known = state.logs.get(&id).and_then(|log| log.head.as_ref());
            if known.is_some_and(|known| !head.is_newer_than(known)) {
                return Ok(false);
            }
        }
        self.change(|state| {
            let mut txn = Txn::new(self.engine.as_ref());
            let number = self.ensure_log(&mut txn, state, id)?;
            txn.put(
                Tree::Sites,
                &sites::by_log(sites::HEAD, number),
                head.as_bytes().to_vec(),
            );
            let before = state.logs.get(&id).map(Log::checks).unwrap_or_default();
            state.history.note_checks(number, &before, &checks_of(Some(head)));
            state.history.write(&mut txn);
            txn.commit()?;
            if let Some(log) = state.logs.get_mut(&id) {
                log.head = Some(head.clone());
            }
            Ok(true)
        })
    }

    /// Signs the newest head of an own log and keeps it.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn sign_head(
        &self,
        lane: Lane,
        key: &SigningKey,
        now: UnixMillis,
        valid_for_millis: u64,
        checks: Vec<SourceCheck>,
    ) -> Result<VerifiedHead, StoreError> {
        self.change(|state| {
            let id = LogId {
                site: state.site,
                lane,
            };
            let mut txn = Txn::new(self.engine.as_ref());
            let number = self.ensure_log(&mut txn, state, id)?;
            check_not_behind(state, id)?;
            let epoch = state.chains.get(&id.site).map_or(0, CertificateChain::epoch);
            let State { logs, history, .. } = &mut *state;
            let Some(log) = logs.get_mut(&id) else {
                return Err(StoreError::SiteNotListed {
                    site: id.site.to_string(),
                });
            };
            let head = Head {
                epoch,
                issued_at: now,
                expires_at: now.plus_millis(valid_for_millis),
                checks,
                ..head_of(id, log)
            };
            let head = head.sign(key);
            txn.put(
                Tree::Sites,
                &sites::by_log(sites::HEAD, number),
                head.as_bytes().to_vec(),
            );
            history.note_checks(number, &log.checks(), &checks_of(Some(&head)));
            history.write(&mut txn);
            txn.commit()?;
            log.head = Some(head.clone());
            Ok(head)
        })
    }

    /// Keeps a fork proof and freezes its log. Gives whether it is news.
    ///
    /// # Errors
    /// [`StoreError::SiteNotListed`], or of the engine.
    pub fn learn_fork(&self, proof: &ForkProof) -> Result<bool, StoreError> {
        self.change(|state| {
            let id = LogId {
                site: proof.site(),
                lane: proof.lane(),
            };
            if !state.may_hold(&id.site) {
                return Err(StoreError::SiteNotListed {
                    site: id.site.to_string(),
                });
            }
            // A fork that a later epoch settled is history.
            if state
                .chains
                .get(&id.site)
                .is_some_and(|chain| chain.epoch() > proof.epoch())
            {
                return Ok(false);
            }
            let mut txn = Txn::new(self.engine.as_ref());
            let number = self.ensure_log(&mut txn, state, id)?;
            let Some(log) = state.logs.get_mut(&id) else {
                return Ok(false);
            };
            if log.fork.is_some() {
                return Ok(false);
            }
            txn.put(Tree::Sites, &sites::by_log(sites::FORK, number), proof.to_bytes());
            txn.commit()?;
            log.fork = Some(proof.clone());
            Ok(true)
        })
    }
}

fn listed_key(slug: &SiteSlug) -> Vec<u8> {
    [&[sites::LISTED], slug.as_str().as_bytes()].concat()
}

fn write_listed(txn: &mut Txn<'_>, state: &mut State, listed: ListedSite) -> Result<(), StoreError> {
    let row = serde_json::to_vec(&listed)
        .map_err(|_| crate::rows::damaged(Tree::Sites, &[], "a listed site to write"))?;
    txn.put(Tree::Sites, &listed_key(&listed.slug), row);
    let before = state.listed.get(&listed.slug).cloned();
    state.history.note_listed(&listed.slug, before.as_ref());
    state.listed.insert(listed.slug.clone(), listed);
    Ok(())
}

/// A site signs nothing in a log that is known to go on further than what it holds: it was restored from a
/// backup or copied, and would sign a second history.
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
