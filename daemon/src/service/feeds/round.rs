//! Parts of a source that together are the whole: what others state and no part holds is absent, after the last one.

use std::collections::BTreeSet;

use starling_api::ServiceResult;
use starling_feeds::Identity;
use starling_protocol::{Lane, RecordId, UnixMillis};
use starling_store::{FeedInput, FeedPlan};

use super::options::{Commit, SeenPart};
use super::{Account, id_of_file, is_part};
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
        let lost = match (&self.unseen, commit.is_read) {
            (Some(name), _) => Some(format!(
                "{name} was rejected, and nothing tells which record it held"
            )),
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

    fn plan_of(&self, complete: bool, keep: &BTreeSet<RecordId>, at: UnixMillis) -> ServiceResult<FeedPlan> {
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

    /// Keeps the record that a rejected document, or a part of one, names itself, if one of that id is stated. Else
    /// what it held before is not known, unless a whole file is named for a stated record. That matters to a round alone.
    pub(super) fn keep_named(&mut self, name: &str, identity: Option<&Identity>) -> ServiceResult<()> {
        if self.how.round.is_none() {
            return Ok(());
        }
        let own = identity.and_then(|identity| identity.id.clone());
        // Another site states the records, so this one need not have read the file before.
        let of_file = if is_part(name) { None } else { id_of_file(name) };
        let mut is_told = false;
        for id in own.into_iter().chain(of_file) {
            if self.is_stated(&id)? {
                self.keep.insert(id);
                is_told = true;
            }
        }
        if !is_told {
            self.unseen.get_or_insert_with(|| name.to_owned());
        }
        Ok(())
    }

    /// Returns true if a record of this id is stated by anyone with whom the input is compared.
    fn is_stated(&self, id: &RecordId) -> ServiceResult<bool> {
        let store = &self.site.data.store;
        let said = store.said_of(&self.source, id, Lane::Federation, self.how.base());
        let said = said.map_err(|error| store_problem("reading what is stated of a record", &error))?;
        Ok(said.is_some_and(|said| said.content.is_some()))
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
