//! The end of an import: converts the changes to claims and writes them, with the check, in one commit.

use starling_api::ServiceResult;
use starling_api_types::FeedOutcome;
use starling_protocol::{Claim, ClaimKind, Lane, RecordId, SiteId, UnixMillis};
use starling_store::{FeedCommit, FeedPlan, Origin};

use super::options::Commit;
use super::{Account, Judged, guard, reach};
use crate::clock::now;
use crate::service::open_imports::{self, OpenImport};
use crate::service::problem::store_problem;

impl Account<'_> {
    /// Writes the changes of the input, and returns the state of the source.
    pub(super) fn commit(&mut self, commit: &Commit<'_>) -> ServiceResult<Judged> {
        let at = now();
        let tells_all = commit.complete && !self.warn_of_unattributed(commit);
        let (mut plan, part) = self.plan(commit, tells_all, at)?;
        let ends_round = part.as_ref().is_some_and(|part| part.is_complete);
        let complete = tells_all || ends_round;
        self.guard_plan(commit, &mut plan, at)?;
        let mut judged = self.judge(commit, &plan);
        if commit.complete {
            self.leave_unattributed(&mut judged);
        }
        self.leave_rejected_unchecked(commit, &mut judged);
        self.report.stored = plan.stored;
        self.report.unchanged = plan.unchanged;
        self.report.absent = plan.absent;
        (self.report.out_of_reach, self.report.partly_out_of_reach) = reach::by_reason(&self.seen);
        let absent = absent_in(&plan);
        // In the same commit as the check, so that no site sees the check without the sites on which it builds.
        let rests = self.rests_on(&plan, complete, judged.is_checked, at)?;
        plan.claims.extend(rests.claim);
        if rests.is_on_others && self.how.in_parts && !ends_round {
            let why = part.as_ref().and_then(|part| self.why_unseen(part));
            judged.leave_absences(commit.is_checked, why.as_deref());
        }
        judged.part = part;
        judged.held_back = self.held_back_after(commit, tells_all, at)?;
        self.note_unopened();
        judged.notes = std::mem::take(&mut self.notes);
        for key in absent {
            self.file(
                key,
                FeedOutcome::Absent,
                "the input no longer holds it".to_owned(),
            );
        }
        self.say_unchecked(commit, &judged);
        let before = self.begin(!plan.claims.is_empty(), commit, at);
        self.write_claims(plan.claims, judged.is_checked, at)?;
        self.end(commit, &judged, before, at);
        self.site.changed();
        Ok(judged)
    }

    /// Makes the source count as not checked after a manual import with rejected files. Runs of a feed have other rules.
    fn leave_rejected_unchecked(&mut self, commit: &Commit<'_>, judged: &mut Judged) {
        // An empty stream is rejected as a document, too.
        if !self.how.by_hand || !commit.complete || commit.is_emptied || self.report.rejected == 0 {
            return;
        }
        judged.is_checked = false;
        let rejected = match self.report.rejected {
            1 => "1 document was rejected".to_owned(),
            many => format!("{many} documents were rejected"),
        };
        self.warn(format!(
            "{} does not count as checked, because {rejected}: what it says is not known",
            self.source
        ));
    }

    /// Records that an import is writing. If it is interrupted before its last claim, only a part of its changes is written.
    /// Returns the earlier import that is still open, if there is one.
    fn begin(&self, is_change: bool, commit: &Commit<'_>, at: UnixMillis) -> Option<OpenImport> {
        let home = self.site.identity.home.path();
        if is_change {
            let begun = OpenImport::unfinished(at.into(), commit.complete);
            open_imports::keep(home, &self.source, Some(&begun))
        } else {
            open_imports::read(home).remove(self.source.as_str())
        }
    }

    /// Records what an import leaves open, after all its claims are written.
    fn end(&self, commit: &Commit<'_>, judged: &Judged, before: Option<OpenImport>, at: UnixMillis) {
        let (rejected, files) = (self.report.rejected, &self.report.files);
        let left = OpenImport::of_rejected(at.into(), commit.complete, rejected, files);
        let left = match left.filter(|_| self.how.by_hand && !commit.is_emptied) {
            None if !judged.is_checked => before.filter(|before| before.is_whole),
            left => left,
        };
        open_imports::keep(self.site.identity.home.path(), &self.source, left.as_ref());
    }

    /// Sets the reason in the report why an import of the whole source does not count as a check.
    fn say_unchecked(&mut self, commit: &Commit<'_>, judged: &Judged) {
        if !self.how.by_hand || !commit.complete || judged.is_checked {
            return;
        }
        let rejected = match (self.report.rejected, &judged.refusal) {
            (0, Some(refusal)) => refusal.why.clone(),
            (0, None) => "not all of it could be judged".to_owned(),
            (1, _) => "1 document was rejected, and what it says is not known".to_owned(),
            (many, _) => format!("{many} documents were rejected, and what they say is not known"),
        };
        self.report.unchecked = Some(rejected);
    }

    /// Adds the absences of dropped files to the plan, and refuses a suspect change unless it was approved.
    fn guard_plan(&mut self, commit: &Commit<'_>, plan: &mut FeedPlan, at: UnixMillis) -> ServiceResult<()> {
        self.drop_gone(commit, plan, at)?;
        if commit.approved {
            return Ok(());
        }
        let store = &self.site.data.store;
        guard::check(&self.source, plan, self.how.most_records, &mut |hash| {
            let body = store.body(hash);
            body.map_err(|error| store_problem("reading a record", &error))
        })
    }

    /// Decides whether the source counts as checked, and if not, why.
    fn judge(&self, commit: &Commit<'_>, plan: &FeedPlan) -> Judged {
        let records = plan.before.max(self.seen.len() as u64);
        let is_accepted = |id: &RecordId| self.seen.contains_key(id);
        let mut judged = self.how.judged(commit, &self.rejected, &is_accepted, records);
        let name = |site: &SiteId| {
            self.site
                .slug_of(site)
                .map_or_else(|| site.to_string(), |slug| slug.to_string())
        };
        judged.count_stuck(plan.stuck, plan.stuck_by.iter().map(name));
        judged.others = plan.others;
        judged.records = guard::records_after(plan);
        if self.how.rejections.is_some() {
            judged.count_unknown(self.not_understood, self.seen.len() as u64);
        }
        judged
    }

    /// Signs and stores the claims and the check, and adds the numbers to the report.
    fn write_claims(&mut self, claims: Vec<Claim>, is_checked: bool, at: UnixMillis) -> ServiceResult<()> {
        let origin = Origin { bundle: None, at };
        let feed = FeedCommit {
            source: &self.source,
            lane: Lane::Federation,
            claims,
            names: &self.names,
            is_checked,
        };
        let key = self.site.key();
        let authored = self
            .site
            .data
            .store
            .commit_feed(feed, &self.site.head_signing(&key, at), &origin)
            .map_err(|error| store_problem("writing the site's log", &error))?;
        self.report.deltas = authored.deltas as u64;
        // CPE names that cannot be looked up were named with their file.
        for problem in authored
            .problems
            .without(starling_view::Problem::UnusableProduct)
            .sentences()
        {
            self.warn(problem);
        }
        if authored.cursor.number.0 > 0 {
            self.report.cursor = Some(authored.cursor.into());
        }
        Ok(())
    }
}

/// Returns the keys of the records that become absent.
fn absent_in(plan: &FeedPlan) -> Vec<String> {
    plan.claims
        .iter()
        .filter(|claim| claim.kind() == ClaimKind::ABSENT)
        .map(|claim| claim.key().to_string())
        .collect()
}
