//! Checks of the authors' logs: chains, deltas, claims, positions.

use std::ops::ControlFlow;

use starling_protocol::{ClaimNumber, Delta, DeltaError, LogTip, SourceState, Succession};

use super::Check;
use crate::SiteStore;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::rows::{ClaimRow, split_claim_key};
use crate::site::query::lost_claims;
use crate::site::state::State;

/// Name of the check of the claims that a repair left out.
pub const LOST_CHECK: &str = "every claim that was here is held";

impl SiteStore {
    pub(super) fn check_chains(&self, state: &State) -> Check {
        let mut check = Check::new("certificate chains verify, and every log has its author's");
        check.examined = state.chains.len() as u64;
        for id in state.logs.keys() {
            if !state.chains.contains_key(&id.site) {
                check.fail(format!(
                    "the {} log of {} has no certificate chain",
                    id.lane, id.site
                ));
            }
        }
        check
    }

    /// Checks that every delta verifies against its author's chain and follows its predecessor.
    pub(super) fn check_logs(&self, state: &State) -> Result<Check, StoreError> {
        let mut check = Check::new("every held delta verifies and follows the one before it");
        let mut lost = Vec::new();
        for (id, log) in &state.logs {
            let Some(chain) = state.chains.get(&id.site) else {
                continue;
            };
            let mut tip = LogTip::default();
            let mut broken = false;
            self.scan_deltas(
                log.number,
                ClaimNumber::NONE,
                log.tip.cursor.number,
                &mut |first, bytes| {
                    check.examined += 1;
                    let name = || format!("the delta at {first} of the {} log of {}", id.lane, id.site);
                    match Delta::decode(bytes).and_then(|delta| delta.verify(chain)) {
                        Ok(delta) if tip.place(delta.header(), chain) == Succession::Next => {
                            let header = delta.header();
                            tip = LogTip {
                                cursor: header.cursor(),
                                header: delta.hash(),
                                epoch: header.epoch,
                            };
                            ControlFlow::Continue(())
                        }
                        Ok(_) => {
                            check.fail(format!("{} does not follow {}", name(), tip.cursor));
                            broken = true;
                            ControlFlow::Break(())
                        }
                        // Its author signed it, and named another branch since: a peer brings that one.
                        Err(error @ DeltaError::ClosedElsewhere { .. }) => {
                            lost.push(format!("{} waits for the other branch: {error}", name()));
                            broken = true;
                            ControlFlow::Break(())
                        }
                        Err(error) => {
                            check.fail(format!("{}: {error}", name()));
                            broken = true;
                            ControlFlow::Break(())
                        }
                    }
                },
            )?;
            if !broken && tip != log.tip {
                check.fail(format!(
                    "the {} log of {} ends at {}, its tip states {}",
                    id.lane, id.site, tip.cursor, log.tip.cursor
                ));
            }
        }
        if !lost.is_empty() {
            check.remark = Some(lost.join("; "));
        }
        Ok(check)
    }

    /// Checks that the claim rows of each log hash to the state root that its author signed.
    pub(super) fn check_claims(&self, state: &State) -> Result<Check, StoreError> {
        let mut check = Check::new("claim rows hash to the signed state roots");
        let mut states: std::collections::BTreeMap<_, std::collections::BTreeMap<_, SourceState>> =
            std::collections::BTreeMap::new();
        let mut bad = Vec::new();
        self.engine.scan_all(Tree::Claims, &mut |key, row| {
            check.examined += 1;
            let parts = split_claim_key(key).zip(ClaimRow::decode(row));
            let Some(((claim_key, log), row)) = parts else {
                bad.push(format!("row {}", hex::encode(&key[..key.len().min(40)])));
                return ControlFlow::Continue(());
            };
            if !row.is_tombstone()
                && let Some(frame) = row.frame(&claim_key)
            {
                let state: &mut SourceState = states
                    .entry(log)
                    .or_default()
                    .entry(claim_key.source())
                    .or_default();
                state.state.add(&frame);
                state.live += 1;
            }
            ControlFlow::Continue(())
        })?;
        for what in bad {
            check.fail(what);
        }
        for (id, log) in &state.logs {
            let derived = states.remove(&log.number).unwrap_or_default();
            for (source, row) in &log.sources {
                let found = derived.get(source).cloned().unwrap_or_default();
                if found != row.held {
                    let name = source
                        .as_ref()
                        .map_or("(none)", starling_protocol::Source::as_str);
                    check.fail(format!(
                        "source {name} in the {} log of {}: {} live rows, {} counted",
                        id.lane, id.site, found.live, row.held.live
                    ));
                }
            }
        }
        Ok(check)
    }

    /// Checks that every claim that was acknowledged here is held. One that a repair left out comes back from a peer or a
    /// bundle.
    pub(super) fn check_lost(&self, state: &State) -> Check {
        let mut check = Check::new(LOST_CHECK);
        check.examined = state.logs.len() as u64;
        for lost in lost_claims(state)
            .into_iter()
            .filter(crate::LostClaims::by_repair)
        {
            let author = lost
                .author
                .map_or_else(|| lost.log.site.to_string(), |slug| slug.to_string());
            check.fail(format!(
                "the {} log of {author} is held up to claim {}, and was known to go to claim {} or beyond",
                lost.log.lane, lost.held, lost.last
            ));
        }
        check
    }

    /// Checks that accepted <= held <= high-water, and that the view is not ahead of the accepted position.
    pub(super) fn check_positions(&self, state: &State) -> Check {
        let mut check = Check::new("positions keep their order: viewed, accepted, held, high-water");
        for (id, log) in &state.logs {
            check.examined += 1;
            let held = log.tip.cursor.number;
            let in_order = log
                .sources
                .values()
                .all(|row| row.viewed <= row.accepted && row.accepted <= row.last && row.last <= held);
            if !in_order || held > log.high_water() {
                check.fail(format!("the {} log of {}", id.lane, id.site));
            }
        }
        check
    }
}
