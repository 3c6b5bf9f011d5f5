//! Trust: the allow-list, certificate chains, heads and fork proofs.

mod heads;
pub(crate) mod listing;
mod rivals;

pub use self::heads::HeadSigning;
pub(crate) use self::heads::keep_heads;
pub use self::listing::{AllowedSources, ListedSite};
pub(crate) use self::rivals::rival_epoch;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_protocol::{
    CertificateChain, CertificateError, ClaimNumber, ForkProof, Lane, LogTip, SiteId, SiteSlug, VerifiedHead,
};
use starling_sync::Learned;

use crate::SiteStore;
use crate::deltas::FrozenBy;
use crate::deltas::extend::{Entering, PlacedDelta};
use crate::engine::Tree;
use crate::error::StoreError;
use crate::journal::Entry;
use crate::journal::apply::{ask_for_rebuild, end_fork, end_head, end_rival_head, write_chain};
use crate::rows::txn::Txn;
use crate::rows::{DeltaRow, damaged, sites, split_claim_key};
use crate::site::state::{Log, LogId, State, checks_of};

impl SiteStore {
    /// Returns the allow-list, by name.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn listed_sites(&self) -> Result<Vec<ListedSite>, StoreError> {
        Ok(self.read()?.listed.values().cloned().collect())
    }

    /// Returns one entry of the allow-list.
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
            let mut txn = self.txn();
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
            let mut txn = self.txn();
            write_listed(&mut txn, state, after.clone())?;
            self.rescope(txn, state)?;
            Ok(after)
        })
    }

    /// Takes a site off the allow-list. Its claims stay held but are no longer accepted.
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
            let mut txn = self.txn();
            txn.delete(Tree::Sites, &listed_key(slug));
            txn.log(Entry::Unlisted(slug.clone()));
            self.rescope(txn, state)?;
            Ok(removed)
        })
    }

    /// Follows a change of scope: other bodies are missing, other claims apply, and the view is folded again.
    ///
    /// Claims that come into scope are not accepted before their bodies are here.
    ///
    /// `txn` holds the change of the list: it commits with its consequences, or not at all.
    fn rescope(&self, mut txn: Txn<'_>, state: &mut State) -> Result<(), StoreError> {
        let mut affected = false;
        let mut taken_back = Vec::new();
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
                    taken_back.push((id, source.clone(), ClaimNumber::NONE));
                }
            }
        }
        if !taken_back.is_empty() {
            txn.log(Entry::Accepted {
                bundle: None,
                positions: taken_back,
            });
        }
        if affected {
            txn.put(Tree::Meta, crate::rows::meta::REBUILD, b"scope".to_vec());
        }
        state.history.write(&mut txn);
        txn.commit()?;
        if affected {
            state.rebuild = true;
            self.find_wanted(state)?;
            // Claims that came into scope with their bodies apply at once.
            self.accept_whole(state)?;
            self.show(state, &crate::activity::events::Origin::default())?;
        }
        Ok(())
    }

    /// Keeps a chain, this site's own or a listed site's, if it is longer than the known one.
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
            let known = state.chains.get(&site);
            let merged = known.map(|known| known.merge(chain));
            match merged {
                Some(Err(error @ CertificateError::Conflict { .. })) if site != state.site => {
                    let is_news = !state.rival_chains.contains_key(&site);
                    drop(state);
                    if is_news {
                        self.keep_rival_chain(chain)?;
                    }
                    return Err(error.into());
                }
                Some(Err(error)) => return Err(error.into()),
                Some(Ok(merged)) if known.is_some_and(|known| known.epoch() == merged.epoch()) => {
                    return Ok(Learned::Same);
                }
                _ => {}
            }
            if let Some(epoch) = rival_epoch(&state, &site) {
                return Err(CertificateError::Conflict { site, epoch }.into());
            }
        }
        self.change(|state| self.keep_chain(state, chain))
    }

    /// Returns a known chain.
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
            // A crash may have come between a chain and its consequences.
            for lane in Lane::ALL {
                self.follow_chain(state, LogId { site, lane })?;
            }
            return Ok(learned);
        }
        let mut txn = self.txn();
        write_chain(&mut txn, state, &kept)?;
        let bytes = kept.to_bytes();
        txn.log(Entry::Chain { site, bytes });
        txn.commit()?;
        for lane in Lane::ALL {
            self.follow_chain(state, LogId { site, lane })?;
        }
        Ok(learned)
    }

    /// Makes a log agree with its author's newest chain: a branch that an epoch closed is given up.
    pub(crate) fn follow_chain(&self, state: &mut State, id: LogId) -> Result<(), StoreError> {
        let (Some(log), Some(chain)) = (state.logs.get(&id), state.chains.get(&id.site)) else {
            return Ok(());
        };
        let newest = chain.epoch();
        let Some(start) = chain.epoch_start(newest, id.lane) else {
            return Ok(());
        };
        let chain = chain.clone();
        // The least position that any later certificate names, not only the newest one's: that may be beyond
        // what an earlier one closed.
        let is_closed = |epoch: u32, number: ClaimNumber| {
            let end = chain.epoch_end(epoch, id.lane);
            end.is_some_and(|end| number > end.number)
        };
        if log
            .rival
            .as_ref()
            .is_some_and(|rival| rival.head().epoch < newest)
        {
            let mut txn = self.txn();
            end_rival_head(&mut txn, state, id);
            txn.log(Entry::RivalHeadEnded(id));
            txn.commit()?;
            return self.follow_chain(state, id);
        }
        let forked = log.fork.as_ref().is_some_and(|fork| fork.epoch() < newest);
        let past_end = is_closed(log.tip.epoch, log.tip.cursor.number);
        let stale_head = log
            .head
            .as_ref()
            .is_some_and(|head| is_closed(head.head().epoch, head.head().number));
        // A new epoch states from where the log continues: knowledge about the former one is history.
        if log.witnessed > start.number && newest > log.tip.epoch {
            let mut txn = self.txn();
            self.apply_witness(&mut txn, state, id, ClaimNumber::NONE)?;
            txn.log(Entry::Witnessed {
                log: id,
                number: ClaimNumber::NONE,
            });
            txn.commit()?;
            return self.follow_chain(state, id);
        }
        if stale_head || (forked && log.tip.epoch >= newest) {
            // The log continued in the new epoch: proof and head of the closed one are history. If the held
            // branch may be the one that lost, the proof is still needed.
            let settled = log.tip.epoch >= newest && log.fork.is_some();
            let mut txn = self.txn();
            if stale_head {
                end_head(&mut txn, state, id);
                txn.log(Entry::HeadEnded(id));
                state.history.write(&mut txn);
            }
            if settled {
                end_fork(&mut txn, state, id);
                txn.log(Entry::ForkEnded(id));
            }
            txn.commit()?;
        }
        let Some(log) = state.logs.get(&id) else {
            return Ok(());
        };
        let resolved = log.fork.as_ref().is_some_and(|fork| fork.epoch() < newest);
        if !resolved && !past_end {
            return Ok(());
        }
        // Keep up to the position that the certificate names, if it is held; else up to one that earlier
        // certificates name.
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

    /// Gives up the claims of a log after `keep`, and derives the rest again from its deltas.
    pub(crate) fn truncate(&self, state: &mut State, id: LogId, keep: ClaimNumber) -> Result<(), StoreError> {
        // One transaction: the log is either unchanged or as the certificate says.
        let mut txn = self.txn();
        self.cut(&mut txn, state, id, keep)?;
        txn.log(Entry::Cut { log: id, keep });
        txn.commit()?;
        self.find_wanted(state)?;
        self.accept_whole(state)?;
        self.show(state, &crate::activity::events::Origin::default())?;
        Ok(())
    }

    /// Writes the rows of a log that ends at `keep`; the history starts again with it.
    pub(crate) fn cut(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        id: LogId,
        keep: ClaimNumber,
    ) -> Result<(), StoreError> {
        let Some(log) = state.logs.get(&id) else {
            return Ok(());
        };
        let (number, head, witnessed) = (log.number, log.head.clone(), log.witnessed);
        let mut kept = Vec::new();
        let mut dropped = Vec::new();
        txn.scan_prefix(Tree::Logs, &number.to_bytes(), &mut |key, row| {
            let first = key
                .last_chunk::<8>()
                .map(|first| ClaimNumber(u64::from_be_bytes(*first)));
            match first {
                Some(first) if first <= keep => kept.push((key.to_vec(), row.to_vec())),
                _ => dropped.push(key.to_vec()),
            }
            ControlFlow::Continue(())
        })?;
        for key in dropped {
            txn.delete(Tree::Logs, &key);
        }
        let mut gone = Vec::new();
        txn.scan_prefix(Tree::Claims, &[], &mut |key, _| {
            if split_claim_key(key).is_some_and(|(_, log)| log == number) {
                gone.push(key.to_vec());
            }
            ControlFlow::Continue(())
        })?;
        for key in gone {
            txn.delete(Tree::Claims, &key);
        }
        let mut rows = Vec::new();
        let sources = sites::by_log(sites::SOURCE, number);
        txn.scan_prefix(Tree::Sites, &sources, &mut |key, _| {
            rows.push(key.to_vec());
            ControlFlow::Continue(())
        })?;
        for key in rows {
            txn.delete(Tree::Sites, &key);
        }
        txn.delete(Tree::Sites, &sites::by_log(sites::LOG, number));
        txn.delete(Tree::Sites, &sites::by_log(sites::FORK, number));
        txn.delete(Tree::Sites, &sites::by_log(sites::RIVAL_HEAD, number));
        ask_for_rebuild(txn, state);
        let mut fresh = Log::new(number);
        (fresh.head, fresh.witnessed) = (head, witnessed);
        state.logs.insert(id, fresh);
        let entering = if id.site == state.site {
            Entering::Own
        } else {
            Entering::Foreign
        };
        for (key, row) in kept {
            self.place_again(txn, state, id, (&key, &row), entering)?;
        }
        // Numbers after `keep` will belong to other claims: earlier states cannot be restored.
        for key in self.superseded_after(txn, number, keep)? {
            txn.delete(Tree::History, &key);
        }
        state.history.begin_anew(txn);
        Ok(())
    }

    /// Derives the rows of a held delta again, without judging it again.
    fn place_again(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        id: LogId,
        (key, row): (&[u8], &[u8]),
        entering: Entering,
    ) -> Result<(), StoreError> {
        let bad = |_| damaged(Tree::Logs, key, "a delta");
        let bytes = self.delta_of(key, row)?;
        let delta = starling_protocol::Delta::decode(&bytes).map_err(bad)?;
        let claims = delta.reopen().map_err(bad)?;
        let placed = PlacedDelta::replayed(&delta, &claims);
        let row = DeltaRow::decode(row).ok_or_else(|| damaged(Tree::Logs, key, "the place of a delta"))?;
        self.extend(txn, state, id, &placed, entering, Some(&row))
            .map(|_| ())
    }

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
                log.head = Some(head.clone());
            }
            Ok(true)
        })
    }

    /// Keeps a fork proof and freezes its log. Returns true if it is new.
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
            let mut txn = self.txn();
            let number = self.ensure_log(&mut txn, state, id)?;
            let Some(log) = state.logs.get_mut(&id) else {
                return Ok(false);
            };
            if log.fork.is_some() {
                return Ok(false);
            }
            let bytes = proof.to_bytes();
            txn.put(Tree::Sites, &sites::by_log(sites::FORK, number), bytes.clone());
            txn.log(Entry::Fork { log: id, bytes });
            log.fork = Some(proof.clone());
            let epoch = proof.epoch();
            self.tell_frozen(&mut txn, state, id, FrozenBy::Fork { epoch })?;
            txn.commit()?;
            Ok(true)
        })
    }
}

pub(crate) fn listed_key(slug: &SiteSlug) -> Vec<u8> {
    [&[sites::LISTED], slug.as_str().as_bytes()].concat()
}

pub(crate) fn listed_row(listed: &ListedSite) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(listed).map_err(|_| damaged(Tree::Sites, &[], "a listed site to write"))
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

fn write_listed(txn: &mut Txn<'_>, state: &mut State, listed: ListedSite) -> Result<(), StoreError> {
    txn.put(Tree::Sites, &listed_key(&listed.slug), listed_row(&listed)?);
    let before = state.listed.get(&listed.slug).cloned();
    state.history.note_listed(&listed.slug, before.as_ref());
    txn.log(Entry::Listed(listed.clone()));
    state.listed.insert(listed.slug.clone(), listed);
    Ok(())
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
