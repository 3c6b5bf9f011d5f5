//! Checks data derived from accepted claims: the view, its history, the mutes.

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};

use starling_view::{MemoryRows, ProblemCounts, Table};

use super::{Check, NAMED};
use crate::SiteStore;
use crate::documents::MuteBook;
use crate::engine::{Direction, Tree};
use crate::error::StoreError;
use crate::rows::{meta, split_claim_key};
use crate::site::state::State;
use crate::view::counts::decode_count;
use crate::view::rows::{Ports, tree_of};

impl SiteStore {
    /// Checks that the state of the oldest snapshot can be restored: claims, states and bodies.
    pub(super) fn check_history(&self, state: &State) -> Result<Check, StoreError> {
        let mut check = Check::new("what was known before can be put back");
        let mut wrong = Vec::new();
        match self.check_history_rows(state, &mut |what| wrong.push(what)) {
            Ok(examined) => check.examined = examined,
            Err(error @ StoreError::DamagedRow { .. }) => check.fail(error.to_string()),
            Err(error) => return Err(error),
        }
        for what in wrong {
            check.fail(what);
        }
        match self.try_history(state) {
            Ok(()) => {}
            Err(error @ StoreError::Engine(_)) => return Err(error),
            Err(error) => check.fail(error.to_string()),
        }
        Ok(check)
    }

    /// Checks that the view equals, byte for byte, the fold of the accepted claims. Remarks in `lookup` which records
    /// cannot be looked up as a whole: that is not damage, because their sources wrote them so.
    pub(super) fn check_view(&self, state: &State, lookup: &mut Check) -> Result<Check, StoreError> {
        let mut check = Check::new("the view equals a rebuild, byte for byte");
        let mut keys = BTreeSet::new();
        self.engine
            .scan_prefix(Tree::Claims, b"r", Direction::Forward, &mut |key, _| {
                if let Some((claim_key, _)) = split_claim_key(key)
                    && let starling_protocol::KeyRef::Record(source, id) = claim_key.parse()
                {
                    keys.insert(starling_view::RecordKey::new(source, id));
                }
                ControlFlow::Continue(())
            })?;
        let ports = Ports {
            engine: self.engine.as_ref(),
            bodies: &self.bodies,
            state,
        };
        let settings = self.settings.read().map_err(|_| StoreError::Poisoned)?;
        let mut fresh = MemoryRows::new();
        let folded = starling_view::update(&mut fresh, &ports, &ports, &settings, &keys)?;
        let mut problems = ProblemCounts::default();
        problems.add(&folded.problems);
        drop(folded);
        lookup.examined = keys.len() as u64;
        lookup.remark = (!problems.is_empty()).then(|| problems.to_string());
        for table in Table::ALL {
            let mut expected = fresh.iter(table);
            let mut next = expected.next();
            self.engine.scan(
                tree_of(table),
                Bound::Unbounded,
                Bound::Unbounded,
                Direction::Forward,
                &mut |key, value| {
                    check.examined += 1;
                    while next.is_some_and(|(wanted, _)| wanted < key) {
                        check.fail(format!("a row of {table} is missing"));
                        next = expected.next();
                    }
                    match next {
                        Some((wanted, content)) if wanted == key => {
                            if content != value {
                                check.fail(format!(
                                    "row {} of {table}",
                                    hex::encode(&key[..key.len().min(24)])
                                ));
                            }
                            next = expected.next();
                        }
                        _ => check.fail(format!(
                            "row {} of {table} stands alone",
                            hex::encode(&key[..key.len().min(24)])
                        )),
                    }
                    ControlFlow::Continue(())
                },
            )?;
            while next.is_some() {
                check.fail(format!("a row of {table} is missing"));
                next = expected.next();
            }
        }
        self.check_counts(&fresh, &mut check)?;
        Ok(check)
    }

    /// Checks the numbers that are kept of the view's advisories and records.
    fn check_counts(&self, fresh: &MemoryRows, check: &mut Check) -> Result<(), StoreError> {
        let mut advisories = 0_u64;
        starling_view::for_each_advisory(fresh, |_| {
            advisories += 1;
            ControlFlow::Continue(())
        })?;
        let kept = self.engine.get(Tree::Meta, meta::ADVISORIES)?;
        let kept = kept.map_or(Ok(0), |row| decode_count(&row))?;
        if kept != advisories {
            check.fail(format!(
                "the number of advisories: {kept} is kept, there are {advisories}"
            ));
        }
        let counted = starling_view::live_record_counts(fresh)?;
        for (source, count) in counted {
            let kept = self.engine.get(Tree::Meta, &meta::records(&source))?;
            let kept = kept.map_or(Ok(0), |row| decode_count(&row))?;
            if kept != count {
                check.fail(format!(
                    "the records of {source}: {kept} is kept, there are {count}"
                ));
            }
        }
        Ok(())
    }

    /// Checks that the kept mutes follow from the accepted changes, and that Automerge merges the changes to
    /// the same entries.
    pub(super) fn check_mutes(&self, state: &State) -> Result<(Check, MuteBook), StoreError> {
        let mut check = Check::new("the mutes are what the accepted changes say, and what Automerge merges");
        let (kept, book) = self.compare_mutes(state)?;
        check.examined = book.changes.len() as u64;
        let folded = &book.folded;
        if !book.changes.is_empty() && kept.is_none_or(|kept| *kept.mutes != book.in_force()) {
            check.fail("the kept fold is damaged or behind".to_owned());
        }
        let applied = folded.applied.iter().filter_map(|index| book.changes.get(*index));
        let applied: Vec<&[u8]> = applied.map(|change| change.bytes.as_slice()).collect();
        let count = applied.len();
        // The strict decoder accepted all changes. If Automerge still fails, the check reports it and the store
        // keeps running.
        let merged = std::panic::catch_unwind(|| starling_documents::mutes::merged_entries(applied));
        match merged {
            Ok(Ok(entries)) if entries.len() == count => {}
            Ok(Ok(entries)) => {
                check.fail(format!(
                    "Automerge merges {count} changes to {} entries",
                    entries.len()
                ));
            }
            Ok(Err(error)) => check.fail(error.to_string()),
            Err(_) => check.fail("Automerge cannot take the changes".to_owned()),
        }
        let whose = |index: &usize| book.changes.get(*index).map(|change| change.log.site.short());
        let mut remarks = Vec::new();
        let waiting: BTreeSet<_> = folded
            .waiting
            .iter()
            .filter_map(|(index, _)| whose(index))
            .collect();
        let refused: BTreeSet<_> = folded
            .refused
            .iter()
            .filter_map(|(index, _)| whose(index))
            .collect();
        for (count, what, sites) in [
            (
                folded.waiting.len(),
                "wait for changes that are not here",
                waiting,
            ),
            (folded.refused.len(), "are refused", refused),
        ] {
            if count > 0 {
                let sites: Vec<String> = sites.into_iter().take(NAMED).collect();
                remarks.push(format!("{count} {what} (of {})", sites.join(", ")));
            }
        }
        check.remark = (!remarks.is_empty()).then(|| remarks.join("; "));
        Ok((check, book))
    }
}
