//! Imports a source in parts, a *round*. After the last part, the statements of other sites whose record was in no part
//! become absent.

use std::collections::BTreeSet;

use starling_api::ServiceResult;
use starling_protocol::{Lane, RecordId, UnixMillis};
use starling_store::{FeedInput, FeedPlan};

use super::Account;
use super::options::{Commit, SeenPart};
use crate::service::problem::store_problem;

impl Account<'_> {
    /// Compares the input with the statements about its source. The last part of a round is compared together with the
    /// earlier ones, unless other sites' statements changed since the round began.
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
            // The new statements may be about records that the source added after that part was read.
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
        let plan = self.site.data.store.plan_feed(&FeedInput {
            source: &self.source,
            lane: Lane::Federation,
            base: self.how.base(),
            found: &self.seen,
            complete,
            keep,
            now: at,
        });
        plan.map_err(|error| store_problem("writing the site's log", &error))
    }

    /// Returns the reason why the records of this part, or of an earlier one, are not all known, if there is one.
    pub(super) fn why_unseen(&self, part: &SeenPart) -> Option<String> {
        if part.is_outdated {
            return Some("another site stated something of the source meanwhile".to_owned());
        }
        let before = self.how.round.as_ref().and_then(|part| part.round.blind());
        before.map(str::to_owned).or_else(|| part.lost.clone())
    }
}
