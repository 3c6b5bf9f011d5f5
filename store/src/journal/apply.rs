//! Applies one entry of the log to the rows and the small state. Nothing is judged again: that happened before
//! it was written.

use starling_protocol::{CertificateChain, ClaimNumber, Delta, ForkProof, VerifiedHead};

use super::Entry;
use crate::SiteStore;
use crate::deltas::extend::{Entering, PlacedDelta};
use crate::engine::Tree;
use crate::error::StoreError;
use crate::feed::feed_rows;
use crate::history::{SettingsBefore, moment_key};
use crate::log::FramePlace;
use crate::rows::txn::Txn;
use crate::rows::{DeltaRow, damaged, meta, sites, source_text};
use crate::site::state::{Log, LogId, State, checks_of};
use crate::trust::{holdings_row, listed_key, listed_row};

impl SiteStore {
    /// Applies one entry. `place` is the place of its frame.
    pub(crate) fn apply(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        entry: Entry,
        place: &FramePlace,
    ) -> Result<(), StoreError> {
        match entry {
            Entry::Site(site) if site == state.site => {}
            Entry::Site(found) => {
                return Err(StoreError::OtherSite {
                    expected: state.site,
                    found,
                });
            }
            Entry::Delta { own, bytes } => self.apply_delta(txn, state, own, &bytes, place)?,
            Entry::Cut { log, keep } => self.cut(txn, state, log, keep)?,
            Entry::Chain { bytes, .. } => {
                let chain = CertificateChain::from_bytes(&bytes)?;
                write_chain(txn, state, &chain)?;
            }
            Entry::Head { log, bytes } => self.apply_head(txn, state, log, &bytes)?,
            Entry::HeadEnded(log) => end_head(txn, state, log),
            Entry::Fork { log, bytes } => self.apply_fork(txn, state, log, &bytes)?,
            Entry::ForkEnded(log) => end_fork(txn, state, log),
            Entry::RivalChain { bytes, .. } => {
                let chain = CertificateChain::from_bytes(&bytes)?;
                write_rival_chain(txn, state, &chain);
            }
            Entry::RivalHead { log, bytes } => self.apply_rival_head(txn, state, log, &bytes)?,
            Entry::RivalHeadEnded(log) => end_rival_head(txn, state, log),
            Entry::Listed(listed) => {
                txn.put(Tree::Sites, &listed_key(&listed.slug), listed_row(&listed)?);
                let before = state.listed.get(&listed.slug).cloned();
                state.history.note_listed(&listed.slug, before.as_ref());
                state.listed.insert(listed.slug.clone(), listed);
                ask_for_rebuild(txn, state);
            }
            Entry::Unlisted(slug) => {
                txn.delete(Tree::Sites, &listed_key(&slug));
                let before = state.listed.remove(&slug);
                state.history.note_listed(&slug, before.as_ref());
                ask_for_rebuild(txn, state);
            }
            Entry::Accepted { positions, .. } => {
                for (log, source, number) in positions {
                    apply_position(txn, state, log, source.as_ref(), number)?;
                    if number == ClaimNumber::NONE {
                        // Acceptance is withdrawn, and the view may show that content.
                        ask_for_rebuild(txn, state);
                    }
                }
            }
            Entry::Settings {
                fingerprint,
                policy,
                begins_history,
            } => self.apply_settings(txn, state, fingerprint, &policy, begins_history)?,
            Entry::HistoryFloor(floor) => state.history.raise_floor(txn, floor),
            Entry::HistoryBegins => state.history.begin_anew(txn),
            Entry::PastMoment { number, moment } => {
                let moment = moment.renamed(|log| state.log_number(&log));
                let moment = moment.ok_or_else(|| damaged(Tree::History, &[], "a moment of the past"))?;
                state.history.follow(number, moment.at);
                txn.put(Tree::History, &moment_key(number), moment.encode());
            }
            Entry::Feed { source, row, names } => {
                for (key, row) in feed_rows(&source, &row, &names)? {
                    txn.put(Tree::Feeds, &key, row);
                }
            }
            Entry::Ledger(entry) => {
                self.put_ledger_entry(txn, &entry)?;
            }
            Entry::Holdings { site, held } => {
                let key = sites::by_site(sites::HOLDINGS, &site);
                txn.put(Tree::Sites, &key, holdings_row(held));
            }
            Entry::Witnessed { log, number } => self.apply_witness(txn, state, log, number)?,
            // Its content was handled before the replay began. The ends that follow in its group are those of a repair.
            Entry::Repaired(_) => state.repairs = true,
            Entry::BodiesDropped(bodies) => {
                for (hash, place) in bodies {
                    self.bodies.drop_place(txn, &hash, &place)?;
                }
            }
        }
        Ok(())
    }

    fn apply_delta(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        own: bool,
        bytes: &[u8],
        place: &FramePlace,
    ) -> Result<(), StoreError> {
        let bad = |_| damaged(Tree::Logs, &[], "a delta of the log");
        let delta = Delta::decode(bytes).map_err(bad)?;
        let claims = delta.reopen().map_err(bad)?;
        let placed = PlacedDelta::replayed(&delta, &claims);
        let log = LogId {
            site: placed.header.site,
            lane: placed.header.lane,
        };
        let entering = if own { Entering::Own } else { Entering::Foreign };
        let row = DeltaRow::Placed {
            count: placed.count(),
            place: *place,
        };
        // Rules for authors were checked before the delta was placed.
        self.extend(txn, state, log, &placed, entering, Some(&row))
            .map(|_| ())
    }

    fn apply_head(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        id: LogId,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let number = self.ensure_log(txn, state, id)?;
        let head = state
            .chains
            .get(&id.site)
            .and_then(|chain| VerifiedHead::verify(bytes, chain).ok());
        txn.put(Tree::Sites, &sites::by_log(sites::HEAD, number), bytes.to_vec());
        let before = state.logs.get(&id).map(Log::checks).unwrap_or_default();
        state
            .history
            .note_checks(number, &before, &checks_of(head.as_ref()));
        if let Some(log) = state.logs.get_mut(&id) {
            log.set_head(head);
        }
        Ok(())
    }

    fn apply_fork(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        id: LogId,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let number = self.ensure_log(txn, state, id)?;
        txn.put(Tree::Sites, &sites::by_log(sites::FORK, number), bytes.to_vec());
        let fork = state
            .chains
            .get(&id.site)
            .and_then(|chain| ForkProof::verify_kept(bytes, chain).ok());
        if let Some(log) = state.logs.get_mut(&id) {
            log.fork = fork;
        }
        Ok(())
    }

    pub(crate) fn apply_rival_head(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        id: LogId,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let number = self.ensure_log(txn, state, id)?;
        let key = sites::by_log(sites::RIVAL_HEAD, number);
        txn.put(Tree::Sites, &key, bytes.to_vec());
        let chain = state.chains.get(&id.site);
        let head = chain.and_then(|chain| VerifiedHead::verify(bytes, chain).ok());
        if let Some(log) = state.logs.get_mut(&id) {
            log.rival = head;
        }
        Ok(())
    }

    /// Notes the claim up to which a log is known to go: because of a repair, or because a branch was given up. While
    /// claims that a repair left out are missing, the repair stays the reason.
    pub(crate) fn apply_witness(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        id: LogId,
        number: ClaimNumber,
    ) -> Result<(), StoreError> {
        let log_number = self.ensure_log(txn, state, id)?;
        let key = sites::by_log(sites::WITNESS, log_number);
        txn.put(Tree::Sites, &key, number.0.to_le_bytes().to_vec());
        let is_repair = state.repairs;
        if let Some(log) = state.logs.get_mut(&id) {
            log.replaced = if is_repair || log.lacks_repaired() {
                ClaimNumber::NONE
            } else {
                number
            };
            log.witnessed = number;
            let key = meta::replaced(log_number);
            if log.replaced == ClaimNumber::NONE {
                txn.delete(Tree::Meta, &key);
            } else {
                txn.put(Tree::Meta, &key, log.replaced.0.to_le_bytes().to_vec());
            }
        }
        Ok(())
    }

    fn apply_settings(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        fingerprint: [u8; 32],
        policy: &str,
        begins_history: bool,
    ) -> Result<(), StoreError> {
        let before = txn.get(Tree::Meta, meta::VIEW_SETTINGS)?;
        let policy_before = txn.get(Tree::Meta, meta::VIEW_POLICY)?.map(String::from_utf8);
        if begins_history {
            state.history.begin_anew(txn);
        } else if let (Some(mark), Some(Ok(policy))) = (before, policy_before)
            && let Ok(mark) = <[u8; 32]>::try_from(mark)
            && mark != fingerprint
        {
            state.history.note_settings(SettingsBefore { mark, policy });
        }
        if txn.get(Tree::Meta, meta::VIEW_SETTINGS)?.as_deref() != Some(&fingerprint[..]) {
            // The shown view was folded with the former settings.
            ask_for_rebuild(txn, state);
        }
        txn.put(Tree::Meta, meta::VIEW_SETTINGS, fingerprint.to_vec());
        txn.put(Tree::Meta, meta::VIEW_POLICY, policy.as_bytes().to_vec());
        Ok(())
    }
}

/// Writes a chain and assigns its author a number.
pub(crate) fn write_chain(
    txn: &mut Txn<'_>,
    state: &mut State,
    chain: &CertificateChain,
) -> Result<(), StoreError> {
    let site = chain.site();
    let (author, new) = state.number_for(&site)?;
    if new {
        txn.put(
            Tree::Sites,
            &sites::by_site(sites::AUTHOR, &site),
            author.0.to_be_bytes().to_vec(),
        );
        state.add_author(site, author);
    }
    txn.put(
        Tree::Sites,
        &sites::by_site(sites::CHAIN, &site),
        chain.to_bytes(),
    );
    state.chains.insert(site, chain.clone());
    Ok(())
}

/// Removes the kept head of a log.
pub(crate) fn end_head(txn: &mut Txn<'_>, state: &mut State, id: LogId) {
    let State { logs, history, .. } = state;
    if let Some(log) = logs.get_mut(&id) {
        txn.delete(Tree::Sites, &sites::by_log(sites::HEAD, log.number));
        history.note_checks(log.number, &log.checks(), &Default::default());
        log.head = None;
    }
}

/// Removes the fork proof of a log.
pub(crate) fn end_fork(txn: &mut Txn<'_>, state: &mut State, id: LogId) {
    if let Some(log) = state.logs.get_mut(&id) {
        txn.delete(Tree::Sites, &sites::by_log(sites::FORK, log.number));
        log.fork = None;
    }
}

/// Keeps a chain that contradicts the known one.
pub(crate) fn write_rival_chain(txn: &mut Txn<'_>, state: &mut State, chain: &CertificateChain) {
    let site = chain.site();
    let key = sites::by_site(sites::RIVAL_CHAIN, &site);
    txn.put(Tree::Sites, &key, chain.to_bytes());
    state.rival_chains.insert(site, chain.clone());
}

/// Removes the head that froze a log.
pub(crate) fn end_rival_head(txn: &mut Txn<'_>, state: &mut State, id: LogId) {
    if let Some(log) = state.logs.get_mut(&id) {
        txn.delete(Tree::Sites, &sites::by_log(sites::RIVAL_HEAD, log.number));
        log.rival = None;
    }
}

/// Requests that the view be folded again.
pub(crate) fn ask_for_rebuild(txn: &mut Txn<'_>, state: &mut State) {
    txn.put(Tree::Meta, meta::REBUILD, Vec::new());
    state.rebuild = true;
}

/// Moves the accepted position of a source to its last claim, or back to before the first.
pub(crate) fn apply_position(
    txn: &mut Txn<'_>,
    state: &mut State,
    id: LogId,
    source: Option<&starling_protocol::Source>,
    number: ClaimNumber,
) -> Result<(), StoreError> {
    let State { logs, history, .. } = state;
    let bad = || damaged(Tree::Sites, &[], "an accepted position of the log");
    let log = logs.get_mut(&id).ok_or_else(bad)?;
    let row = log.sources.get_mut(&source.cloned()).ok_or_else(bad)?;
    history.note_position(log.number, source, row);
    if number == ClaimNumber::NONE {
        row.accepted = ClaimNumber::NONE;
        row.viewed = ClaimNumber::NONE;
        row.accepted_state = starling_protocol::SourceState::default();
    } else {
        row.accepted = row.last;
        row.accepted_state = row.held.clone();
    }
    txn.put(
        Tree::Sites,
        &sites::source(log.number, source_text(source)),
        row.encode(),
    );
    Ok(())
}
