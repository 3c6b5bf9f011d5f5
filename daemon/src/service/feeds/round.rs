//! Parts of a source that together are the whole: what others state and no part holds is absent, after the last one.

use std::collections::BTreeSet;

use starling_api::ServiceResult;
use starling_protocol::{Lane, RecordId, UnixMillis};
use starling_store::{FeedInput, FeedPlan};

use super::Account;
use super::options::{Commit, SeenPart};
use crate::service::problem::store_problem;

impl Account<'_> {
    /// Compares the input with what is stated of its source. The last part of a round is compared together with those
    /// before it, as far as what others state is still what it was when the round began.
    pub(super) fn plan(
        &self,
        commit: &Commit<'_>,
        complete: bool,
        at: UnixMillis,
    ) -> ServiceResult<(FeedPlan, Option<SeenPart>)> {
        let Some(part) = self.how.round.as_ref().filter(|_| !complete) else {
            return Ok((self.plan_of(complete, &self.keep, at)?, None));
        };
        let records: BTreeSet<RecordId> = self.seen.keys().chain(&self.keep).cloned().collect();
        let lost = match (&self.unattributed, commit.is_read) {
            (Some(unattributed), _) => Some(unattributed.why()),
            (None, false) => Some("a document of it was not read to its end".to_owned()),
            (None, true) => None,
        };
        let is_last = part.is_last && lost.is_none();
        let mut plan = if is_last {
            let keep = self.keep.union(part.round.seen()).cloned().collect();
            self.plan_of(true, &keep, at)?
        } else {
            self.plan_of(false, &self.keep, at)?
        };
        let others = plan.others.map(|others| others.to_string());
        let is_outdated = others != part.others;
        if is_last && is_outdated {
            // What was stated since may be of records that came to the source after their part was read.
            plan = self.plan_of(false, &self.keep, at)?;
        }
        let seen = SeenPart {
            records,
            lost,
            is_complete: is_last && !is_outdated,
            is_outdated,
        };
        Ok((plan, Some(seen)))
    }

    pub(super) fn plan_of(
        &self,
        complete: bool,
        keep: &BTreeSet<RecordId>,
        at: UnixMillis,
    ) -> ServiceResult<FeedPlan> {
        let found = self
            .seen
            .iter()
            .map(|(id, seen)| (id.clone(), seen.record))
            .collect();
        let plan = self.site.data.store.plan_feed(&FeedInput {
            source: &self.source,
            lane: Lane::Federation,
            base: self.how.base(),
            found: &found,
            complete,
            keep,
            now: at,
        });
        plan.map_err(|error| store_problem("writing the site's log", &error))
    }

    /// Says why a part, or one before it, does not tell all that it held.
    pub(super) fn why_unseen(&self, part: &SeenPart) -> Option<String> {
        if part.is_outdated {
            return Some("another site stated something of the source meanwhile".to_owned());
        }
        let before = self.how.round.as_ref().and_then(|part| part.round.blind());
        before.map(str::to_owned).or_else(|| part.lost.clone())
    }
}
