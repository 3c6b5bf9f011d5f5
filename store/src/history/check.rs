//! Checks that the history is complete: every claim that going back would restore is kept, with its body.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_protocol::{ClaimKey, ClaimKind, ClaimNumber, Source};

use super::{moments_back_to, superseded_key};
use crate::SiteStore;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::rows::{ClaimRow, LogNumber, damaged};
use crate::site::state::State;
use crate::view::accept::claims_of;

impl SiteStore {
    /// Compares the kept claims with the logs, which have all of them. Returns the number of examined claims,
    /// and passes missing and wrong ones to `wrong`.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a row that does not decode.
    pub(crate) fn check_history_rows(
        &self,
        state: &State,
        wrong: &mut dyn FnMut(String),
    ) -> Result<u64, StoreError> {
        let least = self.least_positions(state)?;
        let mut examined = 0;
        for (id, log) in &state.logs {
            // The last live claim of each key, while the log is read.
            let mut live: BTreeMap<ClaimKey, ClaimNumber> = BTreeMap::new();
            let mut failed = Ok(());
            self.scan_deltas(
                log.number,
                ClaimNumber::NONE,
                log.tip.cursor.number,
                &mut |_, bytes| {
                    let outcome = claims_of(bytes)
                        .ok_or_else(|| damaged(Tree::Logs, &log.number.to_bytes(), "a delta"))
                        .and_then(|claims| {
                            for (number, claim) in claims {
                                let source = claim.key().source();
                                let replaced = if claim.is_tombstone() {
                                    live.remove(claim.key())
                                } else {
                                    live.insert(claim.key().clone(), number)
                                };
                                let needed = least
                                    .get(&(log.number, source.clone()))
                                    .is_some_and(|accepted| number > *accepted);
                                if let Some(replaced) = replaced.filter(|_| needed) {
                                    examined += 1;
                                    let by = (log.number, source, number);
                                    if let Some(problem) = self.wrong_with(&by, replaced)? {
                                        wrong(format!(
                                            "what claim {number} in the {} log of {} replaced: {problem}",
                                            id.lane, id.site
                                        ));
                                    }
                                }
                            }
                            Ok(())
                        });
                    match outcome {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(error) => {
                            failed = Err(error);
                            ControlFlow::Break(())
                        }
                    }
                },
            )?;
            failed?;
        }
        Ok(examined)
    }

    /// Returns the fault of the kept claim that the one at `by` replaced.
    fn wrong_with(
        &self,
        by: &(LogNumber, Option<Source>, ClaimNumber),
        replaced: ClaimNumber,
    ) -> Result<Option<&'static str>, StoreError> {
        let Some(row) = self.engine.get(Tree::History, &superseded_key(by.0, by.2))? else {
            return Ok(Some("it is not kept"));
        };
        let Some(row) = ClaimRow::decode(&row).filter(|row| row.number == replaced) else {
            return Ok(Some("another claim is kept"));
        };
        Ok(match row.kind_and_content() {
            None => Some("it does not decode"),
            Some((ClaimKind::SET, _, Some(hash), _)) if !self.bodies.contains(&hash)? => {
                // It may never have been accepted, and its body may never have come: going back skips it.
                (!self.never_accepted(by, replaced)?).then_some("its body is missing")
            }
            Some(_) => None,
        })
    }

    /// Returns true if no snapshot of the history has a position of its source at which the claim replaced by
    /// `by` was in force.
    fn never_accepted(
        &self,
        (log, source, by): &(LogNumber, Option<Source>, ClaimNumber),
        claim: ClaimNumber,
    ) -> Result<bool, StoreError> {
        let counted = |accepted: ClaimNumber| accepted >= claim && accepted < *by;
        let mut never = true;
        let floor = super::Floor::decode(&self.engine.get(Tree::History, super::FLOOR)?.unwrap_or_default());
        let through = floor.map(|floor| floor.through).unwrap_or_default();
        moments_back_to(self.engine.as_ref(), through, &mut |_, moment| {
            // The position of another source in the log does not matter for this one.
            let before = moment.positions.get(&(*log, source.clone()));
            if before.is_some_and(|before| counted(before.accepted)) {
                never = false;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(never)
    }

    /// Returns the least position at which each source of each log was ever accepted in the history.
    fn least_positions(
        &self,
        state: &State,
    ) -> Result<BTreeMap<(LogNumber, Option<Source>), ClaimNumber>, StoreError> {
        let mut least = BTreeMap::new();
        let mut lower = |key: (LogNumber, Option<Source>), accepted: ClaimNumber| {
            if accepted > ClaimNumber::NONE {
                let known = least.entry(key).or_insert(accepted);
                *known = accepted.min(*known);
            }
        };
        for log in state.logs.values() {
            for (source, row) in &log.sources {
                lower((log.number, source.clone()), row.accepted);
            }
        }
        moments_back_to(
            self.engine.as_ref(),
            state.history.floor().through,
            &mut |_, moment| {
                for (key, before) in moment.positions {
                    lower(key, before.accepted);
                }
                ControlFlow::Continue(())
            },
        )?;
        Ok(least)
    }
}
