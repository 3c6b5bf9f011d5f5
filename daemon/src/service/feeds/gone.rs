//! Records of files that a source has dropped.

use std::collections::{BTreeMap, BTreeSet};

use starling_api::ServiceResult;
use starling_protocol::{Claim, Lane, RecordId, UnixMillis};
use starling_store::{FeedPlan, Said};

use super::{Account, id_of_file, is_part};
use crate::service::problem::store_problem;

impl Account<'_> {
    /// Adds to a plan that the records of dropped files are absent. A record stays if the input holds it in another file,
    /// or rejects a document that may hold it.
    pub(super) fn drop_gone(
        &mut self,
        gone: &[String],
        plan: &mut FeedPlan,
        at: UnixMillis,
    ) -> ServiceResult<()> {
        let failed = |error| store_problem("reading a feed's file names", &error);
        let already: BTreeSet<RecordId> = super::guard::absent_of(plan).into_iter().collect();
        let mut dropped = BTreeMap::new();
        for name in gone {
            let store = &self.site.data.store;
            let held = store.record_of_file(&self.source, name).map_err(failed)?;
            let named = if is_part(name) { None } else { id_of_file(name) };
            let mut is_known = false;
            let mut stays = None;
            for id in held.into_iter().chain(named) {
                let said = store
                    .said_of(&self.source, &id, Lane::Federation, self.how.base())
                    .map_err(failed)?;
                let Some(said) = said.filter(|said| said.content.is_some()) else {
                    continue;
                };
                is_known = true;
                if self.seen.contains_key(&id) || self.keep.contains(&id) || already.contains(&id) {
                    continue;
                }
                match &self.unattributed {
                    // The rejected document may hold the record under another name now.
                    Some(unattributed) => stays = Some(unattributed.why()),
                    None => _ = dropped.insert(id, said),
                }
            }
            if let Some(why) = stays {
                self.warn_and_note(format!(
                    "the source dropped {name}, but its record stays, because {why}"
                ));
            }
            if !is_known {
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
}
