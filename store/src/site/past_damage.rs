//! Opens a log past damage: what is refused, what is given up, and what is trusted again.

use std::collections::BTreeSet;

use starling_protocol::{CertificateChain, ClaimNumber, Lane, SiteId};

use super::engine_rows::Salvaged;
use super::state::{Log, State};
use super::{LogId, SiteStore};
use crate::error::StoreError;
use crate::journal::Entry;
use crate::journal::apply::write_chain;
use crate::journal::replay::{Skipped, given_up};
use crate::log::{LogPosition, Recovery};
use crate::rows::txn::Txn;

/// The damage of a log.
#[derive(Default)]
pub(super) struct LogDamage {
    /// True if stretches were given up before.
    given_up: bool,
    /// Stretches that are given up now: segment, first byte, end.
    stretches: Vec<(u32, u64, u64)>,
    /// Groups up to here are missing at the end.
    pub(super) lost: Option<LogPosition>,
}

impl LogDamage {
    pub(super) fn is_new(&self) -> bool {
        self.lost.is_some() || !self.stretches.is_empty()
    }

    pub(super) fn is_any(&self) -> bool {
        self.given_up || self.lost.is_some() || !self.stretches.is_empty()
    }
}

/// Refuses a log that lost acknowledged groups, unless they were given up before or the caller gives them up
/// now. A log whose end nothing confirms may have lost some.
pub(super) fn check_recovery(
    log: &crate::log::Log,
    recovery: &Recovery,
    past_damage: bool,
) -> Result<LogDamage, StoreError> {
    if let Some(cut) = &recovery.cut {
        tracing::info!(
            segment = cut.segment,
            bytes = cut.bytes,
            "cut an unfinished group off the log"
        );
    }
    let mut found = LogDamage {
        lost: recovery.lost.map(|lost| lost.position),
        ..LogDamage::default()
    };
    let mut what: Vec<String> = recovery.lost.iter().map(ToString::to_string).collect();
    let is_unconfirmed = !recovery.is_confirmed && found.lost.is_none();
    if is_unconfirmed {
        found.lost = Some(recovery.end);
        what.push(format!(
            "nothing confirms that the log ends with group {}: its tip file and the engine's rows are missing, and groups \
             after it may be, too",
            recovery.end.group
        ));
    }
    if !recovery.damage.is_empty() {
        let given_up = given_up(log)?;
        for damage in &recovery.damage {
            let stretch = (damage.segment, damage.from, damage.to);
            if given_up.contains(&stretch) {
                found.given_up = true;
            } else {
                found.stretches.push(stretch);
                what.push(damage.to_string());
            }
        }
    }
    if what.is_empty() || past_damage {
        return Ok(found);
    }
    Err(StoreError::LogLoss {
        what: what.join("; "),
        only_unconfirmed: is_unconfirmed && what.len() == 1,
    })
}

impl SiteStore {
    /// Records the stretches of the log that were given up, so that every later replay skips them. Earlier
    /// states are no longer available. This site's own logs may have continued in the lost part: unless the
    /// engine knows how far, the site signs nothing before that is settled. Of other sites' logs, it records how far
    /// they were held: until they are again, what they said is known to be missing.
    ///
    /// `known` is an engine's knowledge, if it followed the log to its former end; `heard` also if it did not.
    pub(super) fn give_up(
        &self,
        state: &mut State,
        damage: &LogDamage,
        (known, heard): (Option<&Salvaged>, Option<&Salvaged>),
        skipped: &Skipped,
        chain: &CertificateChain,
    ) -> Result<(), StoreError> {
        if !damage.is_new() {
            return Ok(());
        }
        let now = (self.clock)();
        self.journal.begin(now);
        state.history.begin(now);
        state.repairs = true;
        let mut txn = self.txn();
        txn.log(Entry::Repaired(damage.stretches.clone()));
        txn.log(Entry::HistoryBegins);
        state.history.begin_anew(&mut txn);
        // A certificate that is learned later starts the log anew, and ends what is known of its former end. These
        // were known before the loss.
        let chains = heard.into_iter().flat_map(|heard| &heard.chains);
        for chain in chains.chain([chain]) {
            keep_known_chain(&mut txn, state, chain)?;
        }
        for id in own_logs(state.site) {
            let held = held_of(state, id);
            let number = match known {
                Some(known) => known.last(&id),
                None => {
                    let known = state.logs.get(&id).map_or(ClaimNumber::NONE, Log::high_water);
                    ClaimNumber(known.max(skipped.last(&id)).0.saturating_add(1))
                }
            };
            if number > held {
                self.apply_witness(&mut txn, state, id, number)?;
                txn.log(Entry::Witnessed { log: id, number });
            }
        }
        let foreign = heard.into_iter().flat_map(|heard| heard.foreign(state.site));
        let foreign: BTreeSet<LogId> = foreign.chain(skipped.logs()).collect();
        for id in foreign {
            let number = heard.map_or(ClaimNumber::NONE, |heard| heard.last(&id));
            let number = number.max(skipped.last(&id));
            if id.site != state.site && number > held_of(state, id) && state.chains.contains_key(&id.site) {
                self.apply_witness(&mut txn, state, id, number)?;
                txn.log(Entry::Witnessed { log: id, number });
            }
        }
        state.repairs = false;
        self.note_losses_in(&mut txn, state)?;
        txn.commit()
    }

    /// Restores the engine's knowledge about others that the log lost: chains, the former allow-list, heads.
    pub(super) fn trust_again(&self, known: &Salvaged) -> Result<(), StoreError> {
        for chain in &known.chains {
            let mut state = self.write()?;
            self.keep_chain(&mut state, chain)?;
        }
        for here in self.listed_sites()? {
            if !known
                .listed
                .iter()
                .any(|listed| listed.slug == here.slug && listed.site == here.site)
            {
                self.unlist_site(&here.slug)?;
            }
        }
        let here = self.listed_sites()?;
        for listed in &known.listed {
            match here.iter().find(|here| here.slug == listed.slug) {
                None => self.list_site(listed.clone(), None)?,
                Some(here) if here != listed => {
                    self.update_listed_site(&listed.slug, |entry| *entry = listed.clone())?;
                }
                Some(_) => {}
            }
        }
        for head in &known.heads {
            match self.learn_head(head) {
                // Kept from a site that was taken off the list since.
                Err(StoreError::SiteNotListed { .. }) => {}
                learned => {
                    learned?;
                }
            }
        }
        Ok(())
    }
}

fn own_logs(site: SiteId) -> impl Iterator<Item = LogId> {
    Lane::ALL.into_iter().map(move |lane| LogId { site, lane })
}

fn held_of(state: &State, id: LogId) -> ClaimNumber {
    let log = state.logs.get(&id);
    log.map_or(ClaimNumber::NONE, |log| log.tip.cursor.number)
}

/// Writes a chain that was known before the loss, if it is longer than the one in the log. One that contradicts it is
/// reported when it is learned.
fn keep_known_chain(
    txn: &mut Txn<'_>,
    state: &mut State,
    chain: &CertificateChain,
) -> Result<(), StoreError> {
    let site = chain.site();
    let kept = match state.chains.get(&site) {
        None => chain.clone(),
        Some(here) => match here.merge(chain) {
            Ok(merged) if merged.epoch() > here.epoch() => merged,
            _ => return Ok(()),
        },
    };
    write_chain(txn, state, &kept)?;
    let bytes = kept.to_bytes();
    txn.log(Entry::Chain { site, bytes });
    Ok(())
}
