//! Writes the site's own log.

use starling_protocol::{
    Claim, Cursor, DeltaBuilder, DeltaPlace, Lane, SigningKey, UnixMillis, VerifiedHead, next_time,
};

use crate::SiteStore;
use crate::activity::events::Origin;
use crate::deltas::extend::{Entering, PlacedDelta, count};
use crate::engine::{ROWS_PER_COMMIT, Tree};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, claim_key, damaged};
use crate::site::state::{LogId, State};
use crate::trust::keep_heads;

/// The result of authoring.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Authored {
    /// Deltas written.
    pub deltas: usize,
    /// Bytes of those deltas.
    pub bytes: u64,
    /// The new end of the log.
    pub cursor: Cursor,
    /// Records of which something cannot be looked up.
    pub problems: starling_view::ProblemCounts,
}

/// The way in which this site writes its own log.
pub(crate) struct Authoring<'a> {
    pub(crate) lane: Lane,
    pub(crate) key: &'a SigningKey,
    pub(crate) now: UnixMillis,
    /// The origin that events name.
    pub(crate) origin: &'a Origin,
}

/// Adds what the last commit carries besides the claims, and returns the heads that it signed.
pub(crate) type Closing<'a> =
    dyn FnMut(&mut Txn<'_>, &mut State) -> Result<Vec<(LogId, VerifiedHead)>, StoreError> + 'a;

impl SiteStore {
    /// Signs claims into the site's own log of a lane and brings the view up to date.
    ///
    /// The bodies that the claims name must be stored already. Each delta is all or nothing; an error in the
    /// middle leaves the deltas before it.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or if the log is frozen by a fork.
    pub fn author(
        &self,
        lane: Lane,
        claims: impl IntoIterator<Item = Claim>,
        key: &SigningKey,
        now: UnixMillis,
        origin: &Origin,
    ) -> Result<Authored, StoreError> {
        let how = Authoring {
            lane,
            key,
            now,
            origin,
        };
        self.change(|state| self.author_in(state, claims, &how, &mut |_, _| Ok(Vec::new())))
    }

    /// Signs claims within a change, in bounded commits. `close` adds what the last of them carries besides: it
    /// returns the heads that it signed.
    pub(crate) fn author_in(
        &self,
        state: &mut State,
        claims: impl IntoIterator<Item = Claim>,
        how: &Authoring<'_>,
        close: &mut Closing<'_>,
    ) -> Result<Authored, StoreError> {
        let id = LogId {
            site: state.site,
            lane: how.lane,
        };
        let mut authored = Authored::default();
        let mut txn = self.txn();
        let mut builder = DeltaBuilder::default();
        for claim in claims {
            let full = builder.claims().len() >= self.max_delta_claims;
            let refused = if full { Err(claim) } else { builder.push(claim) };
            if let Err(claim) = refused {
                let full = std::mem::take(&mut builder);
                self.sign(&mut txn, state, how, full, &mut authored)?;
                // A claim that does not fit an empty delta is refused when the delta is signed.
                let _ = builder.push(claim);
                if txn.len() >= ROWS_PER_COMMIT {
                    self.bodies.sync(&mut txn)?;
                    std::mem::replace(&mut txn, self.txn()).commit()?;
                    // Show each delta at once, so that readers are never far behind and never see a part.
                    authored.problems.append(self.show(state, how.origin)?.problems);
                    if state.view_is_fresh() {
                        self.publish(state);
                    }
                }
            }
        }
        if !builder.is_empty() {
            self.sign(&mut txn, state, how, builder, &mut authored)?;
        }
        let heads = close(&mut txn, state)?;
        if !txn.is_empty() {
            // No other site has these bodies: they must be durable before a claim states that they exist.
            self.bodies.sync(&mut txn)?;
            txn.commit()?;
            keep_heads(state, heads);
            self.accept_whole(state)?;
            authored.problems.append(self.show(state, how.origin)?.problems);
        }
        if let Some(log) = state.logs.get(&id) {
            authored.cursor = log.tip.cursor;
        }
        Ok(authored)
    }

    fn sign(
        &self,
        txn: &mut Txn<'_>,
        state: &mut State,
        how: &Authoring<'_>,
        builder: DeltaBuilder,
        authored: &mut Authored,
    ) -> Result<(), StoreError> {
        let id = LogId {
            site: state.site,
            lane: how.lane,
        };
        let number = self.ensure_log(txn, state, id)?;
        let Some(log) = state.logs.get(&id) else {
            return Ok(());
        };
        self.check_may_sign(state, &how.key.public())?;
        crate::trust::check_not_behind(state, id)?;
        if log.is_frozen() {
            return Err(StoreError::Frozen {
                site: id.site,
                lane: id.lane,
            });
        }
        let mut after = log
            .sources
            .iter()
            .map(|(source, row)| (source.clone(), row.held.clone()))
            .collect::<std::collections::BTreeMap<_, _>>();
        for claim in builder.claims() {
            let row_key = claim_key(claim.key(), number);
            let prior = match txn.get(Tree::Claims, &row_key)? {
                Some(row) => {
                    let row = ClaimRow::decode(&row).filter(|row| !row.is_tombstone());
                    row.and_then(|row| row.frame(claim.key()))
                        .map(Some)
                        .ok_or_else(|| damaged(Tree::Claims, &row_key, "a claim of this site"))?
                }
                None => None,
            };
            count(
                after.entry(claim.key().source()).or_default(),
                claim,
                prior.as_deref(),
            );
        }
        let after = starling_protocol::LogState::from_sources(after);
        let place = DeltaPlace {
            site: id.site,
            epoch: state
                .chains
                .get(&id.site)
                .map_or(0, starling_protocol::CertificateChain::epoch),
            lane: id.lane,
            first: log.tip.next(),
            previous: log.tip.header,
            time: next_time(how.now, log.tip.cursor.time),
        };
        let delta = builder
            .finish(place, after.live(), after.root(), self.compression_level, how.key)
            .map_err(StoreError::Author)?;
        authored.deltas += 1;
        authored.bytes += delta.as_bytes().len() as u64;
        match self.extend(
            txn,
            state,
            id,
            &PlacedDelta::verified(&delta),
            Entering::Own,
            None,
        )? {
            None => Ok(()),
            // The state was computed from the same rows a moment ago.
            Some(_) => Err(damaged(Tree::Claims, &[], "this site's own state")),
        }
    }
}
