//! Adds one verified delta to a log, inside a transaction: the last step of every way in.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::limits::MAX_LOG_SOURCES;
use starling_protocol::{
    Claim, ClaimKind, ClaimNumber, Delta, DeltaHash, DeltaHeader, LogState, LogTip, Source, SourceState,
    VerifiedDelta,
};

use crate::SiteStore;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::history::superseded_row;
use crate::rows::txn::Txn;
use crate::rows::{
    ClaimRow, DeltaRow, LogNumber, SourceRow, claim_key, damaged, delta_key, sites, source_text,
};
use crate::site::state::{Log, LogId, State, Wanted, encode_tip};

/// The time at which claims take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entering {
    /// The site's own claims: accepted as they are written, because their bodies are here.
    Own,
    /// Another site's: held, and accepted when bodies and policy allow.
    Foreign,
}

/// A delta to be placed: just verified, or replayed from the log.
pub(crate) struct PlacedDelta<'a> {
    pub(crate) header: DeltaHeader,
    hash: DeltaHash,
    bytes: &'a [u8],
    claims: Vec<(ClaimNumber, &'a Claim)>,
}

impl<'a> PlacedDelta<'a> {
    pub(crate) fn verified(delta: &'a VerifiedDelta) -> Self {
        Self {
            header: *delta.header(),
            hash: delta.hash(),
            bytes: delta.as_bytes(),
            claims: delta.claims().collect(),
        }
    }

    /// Returns a delta of the log with its claims as the log holds them.
    pub(crate) fn replayed(delta: &Delta<'a>, claims: &'a [(ClaimNumber, Claim)]) -> Self {
        Self {
            header: *delta.header(),
            hash: delta.header().hash(),
            bytes: delta.as_bytes(),
            claims: claims.iter().map(|(number, claim)| (*number, claim)).collect(),
        }
    }

    /// Returns the number of its claims; a delta has at most 1,024.
    pub(crate) fn count(&self) -> u16 {
        u16::try_from(self.claims.len()).unwrap_or(u16::MAX)
    }

    fn unknown_critical(&self) -> Option<(ClaimNumber, &'a Claim)> {
        let mut claims = self.claims.iter().copied();
        claims.find(|(_, claim)| claim.is_critical() && !claim.kind().is_known())
    }
}

/// The changes of a delta, planned completely before anything is written.
struct Extension {
    number: LogNumber,
    /// The sources that its claims mention, with their new positions.
    sources: BTreeMap<Option<Source>, SourceRow>,
    /// Those whose claims wait: claims of others wait for acceptance, and so do own claims about a source that lacks
    /// bodies.
    waiting: BTreeSet<Option<Source>>,
    /// The claims by key; `None` for one that is deleted.
    rows: Vec<(Vec<u8>, Option<ClaimRow>)>,
    wants: Vec<(ClaimNumber, Wanted)>,
    superseded: Vec<ClaimNumber>,
    /// Rows of the history.
    kept: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Extension {
    fn of(number: LogNumber, claims: usize) -> Self {
        Self {
            number,
            sources: BTreeMap::new(),
            waiting: BTreeSet::new(),
            rows: Vec::with_capacity(claims),
            wants: Vec::new(),
            superseded: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Writes everything but the delta itself.
    fn write(self, txn: &mut Txn<'_>, state: &mut State, id: LogId, delta: &PlacedDelta<'_>) {
        for (key, row) in self.rows {
            match row {
                Some(row) => txn.put(Tree::Claims, &key, row.encode()),
                None => txn.delete(Tree::Claims, &key),
            }
        }
        for (key, row) in self.kept {
            txn.put(Tree::History, &key, row);
        }
        for number in self.superseded {
            state.unwant(id, number);
        }
        for (number, want) in self.wants {
            state.want(id, number, want);
        }
        let State { logs, history, .. } = &mut *state;
        let Some(log) = logs.get_mut(&id) else {
            return;
        };
        for (source, mut row) in self.sources {
            if !self.waiting.contains(&source) {
                let before = log.sources.get(&source).cloned().unwrap_or_default();
                history.note_position(self.number, source.as_ref(), &before);
                row.accepted = row.last;
                row.accepted_state = row.held.clone();
            }
            txn.put(
                Tree::Sites,
                &sites::source(self.number, source_text(source.as_ref())),
                row.encode(),
            );
            log.sources.insert(source, row);
        }
        history.write(txn);
        if let Some((number, claim)) = delta.unknown_critical() {
            log.hold.get_or_insert_with(|| {
                format!(
                    "claim {number} is of the unknown critical kind {}; upgrade starling",
                    claim.kind()
                )
            });
        }
        log.tip = LogTip {
            cursor: delta.header.cursor(),
            header: delta.hash,
            epoch: delta.header.epoch,
        };
        txn.put(
            Tree::Sites,
            &sites::by_log(sites::LOG, self.number),
            encode_tip(&log.tip, log.hold.as_deref()),
        );
    }
}

impl SiteStore {
    /// Adds `delta`, which is known to be the next one. If its author broke a rule, returns that rule and
    /// leaves the transaction and the state unchanged.
    ///
    /// `replayed` is the row of a delta that the log already holds: it was judged when it was placed, and its
    /// wanted bodies are found when the replay is done.
    pub(crate) fn extend(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        id: LogId,
        delta: &PlacedDelta<'_>,
        entry: Entering,
        replayed: Option<&DeltaRow>,
    ) -> Result<Option<String>, StoreError> {
        let number = self.ensure_log(txn, state, id)?;
        let Some(log) = state.logs.get(&id) else {
            return Ok(Some("the log is not known".to_owned()));
        };
        let is_new = replayed.is_none();
        let extension = self.plan_extension(txn, state, (id, log), delta, entry, is_new)?;
        if let Some(rule) = is_new
            .then(|| self.broken_rule(log, &extension, &delta.header))
            .flatten()
        {
            return Ok(Some(rule));
        }
        // Nothing can refuse it from here on: write.
        match replayed {
            Some(row) => txn.put(Tree::Logs, &delta_key(number, delta.header.first), row.encode()),
            None => {
                let own = entry == Entering::Own;
                txn.log_delta(number, delta.header.first, delta.count(), own, delta.bytes);
            }
        }
        extension.write(txn, state, id, delta);
        Ok(None)
    }

    /// Compares the claims of a delta with those that they replace.
    fn plan_extension(
        &self,
        txn: &mut Txn<'_>,
        state: &State,
        (id, log): (LogId, &Log),
        delta: &PlacedDelta<'_>,
        entry: Entering,
        is_new: bool,
    ) -> Result<Extension, StoreError> {
        let mut plan = Extension::of(log.number, delta.claims.len());
        for (claim_number, claim) in delta.claims.iter().copied() {
            let key = claim_key(claim.key(), log.number);
            let existing = match txn.get(Tree::Claims, &key)? {
                Some(row) => {
                    Some(ClaimRow::decode(&row).ok_or_else(|| damaged(Tree::Claims, &key, "a claim"))?)
                }
                None => None,
            };
            let source_name = claim.key().source();
            let source = plan.sources.entry(source_name.clone()).or_insert_with(|| {
                let row = log.sources.get(&source_name).cloned().unwrap_or_default();
                if entry == Entering::Foreign || row.accepted < row.last {
                    plan.waiting.insert(source_name.clone());
                }
                caught_up_before(row, claim_number)
            });
            let live = existing.as_ref().filter(|row| !row.is_tombstone());
            let prior = match live {
                Some(row) => Some(
                    row.frame(claim.key())
                        .ok_or_else(|| damaged(Tree::Claims, &key, "a claim"))?,
                ),
                None => None,
            };
            plan.kept
                .extend(live.map(|row| superseded_row(log.number, claim_number, row)));
            count(&mut source.held, claim, prior.as_deref());
            source.last = claim_number;
            let mut row = ClaimRow::of(claim_number, claim);
            if entry == Entering::Own
                && is_new
                && let Some((hash, _)) = claim.content()
                && !self.bodies.contains(&hash)?
            {
                return Err(StoreError::MissingBody { hash });
            }
            if plan.waiting.contains(&source_name) {
                plan.superseded
                    .extend(existing.as_ref().map(|existing| existing.number));
                row.prior = existing.and_then(|existing| replaced(existing, source));
                plan.rows.push((key, Some(row)));
                if is_new {
                    let wanted = self.wanted_body(state, id, claim, source_name.as_ref())?;
                    plan.wants.extend(wanted.map(|wanted| (claim_number, wanted)));
                }
            } else {
                plan.rows.push((key, (!claim.is_tombstone()).then_some(row)));
            }
        }
        Ok(plan)
    }

    /// Returns the rule that the author broke, if any: its log has too many sources, or not the state that the header
    /// states.
    fn broken_rule(&self, log: &Log, plan: &Extension, header: &DeltaHeader) -> Option<String> {
        let new_sources = plan
            .sources
            .keys()
            .filter(|source| !log.sources.contains_key(*source))
            .count();
        if log.sources.len() + new_sources > MAX_LOG_SOURCES {
            return Some(format!(
                "with it the log would have more than {MAX_LOG_SOURCES} sources, the limit for one log"
            ));
        }
        let after = self.state_after(log, &plan.sources);
        (after.root() != header.state_root || after.live() != header.live_entries).then(|| {
            format!(
                "after claim {} the log's state is {} over {} live entries; the header states {} over {}",
                header.last(),
                after.root(),
                after.live(),
                header.state_root,
                header.live_entries
            )
        })
    }

    /// Returns the log's state with the changed sources replaced.
    fn state_after(&self, log: &Log, changed: &BTreeMap<Option<Source>, SourceRow>) -> LogState {
        let mut states: BTreeMap<Option<Source>, SourceState> = log
            .sources
            .iter()
            .map(|(source, row)| (source.clone(), row.held.clone()))
            .collect();
        states.extend(
            changed
                .iter()
                .map(|(source, row)| (source.clone(), row.held.clone())),
        );
        LogState::from_sources(states)
    }

    /// Returns the body that a claim makes this site want: named by a set, in scope, and not here.
    fn wanted_body(
        &self,
        state: &State,
        id: LogId,
        claim: &Claim,
        source: Option<&Source>,
    ) -> Result<Option<Wanted>, StoreError> {
        match claim.content() {
            Some((hash, size)) if claim.kind() == ClaimKind::SET && state.in_scope(&id.site, source) => {
                Ok((!self.bodies.contains(&hash)?).then(|| Wanted {
                    hash,
                    size,
                    key: claim.key().clone(),
                }))
            }
            _ => Ok(None),
        }
    }

    /// Assigns the author's number and creates the log's state in memory, and writes what is new.
    pub(crate) fn ensure_log(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        id: LogId,
    ) -> Result<LogNumber, StoreError> {
        let (author, new) = state.number_for(&id.site)?;
        if new {
            txn.put(
                Tree::Sites,
                &sites::by_site(sites::AUTHOR, &id.site),
                author.0.to_be_bytes().to_vec(),
            );
            state.add_author(id.site, author);
        }
        let number = LogNumber {
            author,
            lane: id.lane,
        };
        state.logs.entry(id).or_insert_with(|| Log::new(number));
        Ok(number)
    }
}

/// Moves the positions of a source that is not behind to the claim that now mentions it. No claim in between is
/// about the source, so readers of its positions need not read them.
///
/// This also keeps the log's accepted position, the least of its sources' positions, from falling when a long
/// silent or new source gets a claim. The view alone may lag after a failed replay.
fn caught_up_before(mut row: SourceRow, next: ClaimNumber) -> SourceRow {
    if row.accepted == row.last {
        let before = ClaimNumber(next.0.saturating_sub(1));
        if row.viewed == row.accepted {
            row.viewed = before;
        }
        row.accepted = before;
    }
    row
}

/// Adds a claim to a source's held state and removes the claim that it replaces.
pub(crate) fn count(state: &mut SourceState, claim: &Claim, prior: Option<&[u8]>) {
    if let Some(prior) = prior {
        state.state.remove(prior);
        state.live = state.live.saturating_sub(1);
    }
    if !claim.is_tombstone() {
        state.state.add(&claim.encode());
        state.live += 1;
    }
}

/// Returns the accepted claim that stays in force until the new one is accepted.
fn replaced(existing: ClaimRow, source: &SourceRow) -> Option<Box<ClaimRow>> {
    if existing.number <= source.accepted {
        (!existing.is_tombstone()).then(|| {
            Box::new(ClaimRow {
                prior: None,
                ..existing
            })
        })
    } else {
        existing.prior
    }
}
