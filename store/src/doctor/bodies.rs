//! Checks record bodies, and gives up the damaged and missing ones.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use starling_protocol::{ClaimNumber, ContentHash, Source};

use super::Check;
use crate::SiteStore;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::journal::Entry;
use crate::journal::apply::{apply_position, ask_for_rebuild};
use crate::rows::{ClaimRow, split_claim_key};
use crate::site::state::{LogId, State};

/// Name of the check of the record bodies. Its repair gives bodies up: what was in them is still lost here.
pub const BODIES_CHECK: &str = "every body hashes to its name, and accepted ones are here";

impl SiteStore {
    /// Checks that every body hashes to its name and that every accepted live body is here. Returns those that
    /// fail.
    pub(super) fn check_bodies(&self, state: &State) -> Result<(Check, BTreeSet<ContentHash>), StoreError> {
        let mut check = Check::new(BODIES_CHECK);
        let mut bad = BTreeSet::new();
        let named = self.named_in_scope(state)?;
        let working = self.meter.begin("checking the record bodies", named.len() as u64);
        for hash in named {
            working.add(1);
            check.examined += 1;
            match self.bodies.get(&hash) {
                Ok(Some(_)) => {}
                Ok(None) if state.wants(&hash) => {}
                Ok(None) => {
                    check.fail(format!("body {hash} is missing"));
                    bad.insert(hash);
                }
                Err(error @ StoreError::DamagedBody { .. }) => {
                    check.fail(error.to_string());
                    bad.insert(hash);
                }
                Err(error) => return Err(error),
            }
        }
        Ok((check, bad))
    }

    fn named_in_scope(&self, state: &State) -> Result<BTreeSet<ContentHash>, StoreError> {
        self.bodies_in_scope(state, |_, _, row| row.kind_and_content()?.2)
    }

    /// Collects the bodies that `body_of` chooses from the claims in scope, each with its log and source.
    fn bodies_in_scope(
        &self,
        state: &State,
        body_of: impl Fn(&LogId, &Option<Source>, &ClaimRow) -> Option<ContentHash>,
    ) -> Result<BTreeSet<ContentHash>, StoreError> {
        let mut named = BTreeSet::new();
        self.engine.scan_all(Tree::Claims, &mut |key, row| {
            if let Some((claim_key, log)) = split_claim_key(key)
                && let Some(id) = state.log_id(log)
                && let source = claim_key.source()
                && state.in_scope(&id.site, source.as_ref())
                && let Some(row) = ClaimRow::decode(row)
            {
                named.extend(body_of(&id, &source, &row));
            }
            ControlFlow::Continue(())
        })?;
        Ok(named)
    }

    /// Withdraws the acceptance of claims whose bodies the packs no longer hold: after a rebuild, missing
    /// bodies must not look as if nobody had ever named them.
    ///
    /// # Errors
    /// [`StoreError`] of the log or the engine.
    pub(crate) fn take_back_what_lacks_bodies(&self, state: &mut State) -> Result<(), StoreError> {
        let mut missing = BTreeSet::new();
        for hash in self.accepted_bodies(state)? {
            if !self.bodies.contains(&hash)? {
                missing.insert(hash);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        tracing::error!(
            bodies = missing.len(),
            "record bodies are gone from the packs: their sources are held back until peers, bundles or feeds bring them again"
        );
        self.forget_bodies(state, &missing)
    }

    /// Returns the bodies that accepted claims in scope name.
    fn accepted_bodies(&self, state: &State) -> Result<BTreeSet<ContentHash>, StoreError> {
        self.bodies_in_scope(state, |id, source, row| {
            let accepted = state.logs.get(id)?.sources.get(source)?.accepted;
            row.accepted_at(accepted)?.kind_and_content()?.2
        })
    }

    /// Drops damaged bodies and withdraws the acceptance of their claims, until the bodies are here again.
    pub(super) fn forget_bodies(
        &self,
        state: &mut State,
        bad: &BTreeSet<ContentHash>,
    ) -> Result<(), StoreError> {
        let mut affected: BTreeSet<(LogId, Option<Source>)> = BTreeSet::new();
        self.engine.scan_all(Tree::Claims, &mut |key, row| {
                if let Some((claim_key, log)) = split_claim_key(key)
                    && let Some(id) = state.log_id(log)
                    && let Some(row) = ClaimRow::decode(row)
                    && [Some(&row), row.prior.as_deref()].into_iter().flatten().any(|row| {
                        matches!(row.kind_and_content(), Some((.., Some(content), _)) if bad.contains(&content))
                    })
                {
                    affected.insert((id, claim_key.source()));
                }
                ControlFlow::Continue(())
            },
        )?;
        let mut txn = self.txn();
        self.bodies_dropped
            .fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut dropped = Vec::new();
        for hash in bad {
            if let Some(place) = self.bodies.place(hash)? {
                dropped.push((*hash, place));
            }
            txn.delete(Tree::Bodies, hash.as_bytes());
        }
        txn.log(Entry::BodiesDropped(dropped));
        let mut positions = Vec::new();
        for (id, source) in affected {
            apply_position(&mut txn, state, id, source.as_ref(), ClaimNumber::NONE)?;
            positions.push((id, source, ClaimNumber::NONE));
        }
        txn.log(Entry::Accepted {
            bundle: None,
            positions,
        });
        // Content that was accepted with those bodies cannot be shown without them.
        txn.log(Entry::HistoryBegins);
        state.history.begin_anew(&mut txn);
        ask_for_rebuild(&mut txn, state);
        txn.commit()?;
        self.find_wanted(state)
    }
}
