//! Makes the records of files absent that a source has dropped.

use std::collections::{BTreeMap, BTreeSet};

use starling_api::ServiceResult;
use starling_protocol::{Claim, Lane, RecordId, UnixMillis};
use starling_store::{FeedPlan, Said};

use super::options::{Commit, ImportOptions};
use super::{Account, id_of_file, is_part};
use crate::service::feed_runs::HeldBack;
use crate::service::problem::store_problem;

/// A file that the source has dropped.
struct Gone<'n> {
    name: &'n str,
    /// True if an earlier run found that, and its record stayed.
    is_earlier: bool,
}

impl Account<'_> {
    /// Adds claims to a plan that the records of dropped files are absent, also of files whose records stayed in earlier
    /// runs. A record stays if the input has it in another file. It also stays if a rejected document may contain it; then
    /// the file is remembered as held back.
    pub(super) fn drop_gone(
        &mut self,
        commit: &Commit<'_>,
        plan: &mut FeedPlan,
        at: UnixMillis,
    ) -> ServiceResult<()> {
        let already: BTreeSet<RecordId> = super::guard::absent_of(plan).into_iter().collect();
        let mut dropped = BTreeMap::new();
        let (why_now, why_still) = (
            self.unattributed.as_ref().map(super::Unattributed::why),
            self.why_still_held(commit),
        );
        let gone = commit.gone.iter().map(|name| Gone {
            name,
            is_earlier: false,
        });
        let how = self.how;
        let earlier = how.held_back.iter().flat_map(|held| &held.files);
        let earlier = earlier.filter(|name| !commit.gone.contains(name));
        let earlier = earlier.map(|name| Gone {
            name,
            is_earlier: true,
        });
        for Gone { name, is_earlier } in gone.chain(earlier) {
            let (mut is_known, mut stays) = (false, false);
            let why = if is_earlier { &why_still } else { &why_now };
            for (id, said) in self.stated_in(name)? {
                is_known = true;
                if self.seen.contains_key(&id) || self.keep.contains(&id) || already.contains(&id) {
                    continue;
                }
                if why.is_some() {
                    stays = true;
                } else {
                    dropped.insert(id, said);
                }
            }
            if let (true, Some(why)) = (stays, why) {
                self.held_files.insert(name.to_owned());
                self.warn_and_note(format!(
                    "the source dropped {name}, but its record stays, because {why}"
                ));
            }
            if !is_known && !is_earlier {
                self.warn(format!(
                    "the source dropped {name}, and no record is known that only this file held"
                ));
            }
        }
        for (id, said) in dropped {
            let Some(time) = Said::time_after(Some(&said), at) else {
                plan.note_stuck(Some(&said));
                continue;
            };
            plan.absent += 1;
            plan.claims.push(Claim::absent(&self.source, &id, time));
        }
        Ok(())
    }

    /// Returns the stated records of a file: the one last read from it, and the one that its name stands for.
    fn stated_in(&self, name: &str) -> ServiceResult<Vec<(RecordId, Said)>> {
        let failed = |error| store_problem("reading a feed's file names", &error);
        let store = &self.site.data.store;
        let held = store.record_of_file(&self.source, name).map_err(failed)?;
        let named = if is_part(name) { None } else { id_of_file(name) };
        let mut stated = Vec::new();
        for id in held.into_iter().chain(named) {
            let said = store
                .said_of(&self.source, &id, Lane::Federation, self.how.base())
                .map_err(failed)?;
            stated.extend(said.filter(|said| said.content.is_some()).map(|said| (id, said)));
        }
        Ok(stated)
    }

    /// Returns the reason why records that stayed in earlier runs cannot become absent yet, if there is one.
    fn why_still_held(&self, commit: &Commit<'_>) -> Option<String> {
        if let Some(unattributed) = &self.unattributed {
            return Some(unattributed.why());
        }
        if let Some(name) = self.still_unattributed(commit).first() {
            return Some(super::unattributed::why_of(name));
        }
        // A later part of the source may contain the record.
        (!self.how.is_at_end || !commit.is_read).then(|| "the source was not read to its end".to_owned())
    }

    /// Returns the records that are held back after this input.
    pub(super) fn held_back_after(
        &mut self,
        commit: &Commit<'_>,
        tells_all: bool,
        at: UnixMillis,
    ) -> ServiceResult<Option<HeldBack>> {
        let before = self.how.held_back.as_ref();
        let is_whole = if commit.complete {
            !tells_all && self.plan_of(true, &self.keep, at)?.absent > 0
        } else {
            before.is_some_and(|held| held.is_whole)
        };
        let mut by = self.still_unattributed(commit);
        by.extend(self.unattributed.iter().flat_map(|one| one.names.iter().cloned()));
        let files = std::mem::take(&mut self.held_files);
        let is_any = is_whole || !files.is_empty();
        Ok(is_any.then(|| HeldBack {
            since: before.map_or_else(|| at.into(), |held| held.since),
            by,
            files,
            is_whole,
        }))
    }

    /// Returns the rejected documents of earlier runs that still hold records back, because this input has no new version of
    /// them.
    fn still_unattributed(&self, commit: &Commit<'_>) -> BTreeSet<String> {
        let (Some(held), Some(rejections)) = (&self.how.held_back, &self.how.rejections) else {
            return BTreeSet::new();
        };
        if rejections.is_whole && commit.is_read {
            return BTreeSet::new();
        }
        let is_accepted = |id: &RecordId| self.seen.contains_key(id);
        let rejected = ImportOptions::rejected_after(rejections, commit, &self.rejected, &is_accepted);
        let is_replaced = |name: &str| commit.is_read && rejections.documents.hold(name);
        let still = held.by.iter();
        let still = still.filter(|name| rejected.may_be(name) && !is_replaced(name));
        still.cloned().collect()
    }
}
