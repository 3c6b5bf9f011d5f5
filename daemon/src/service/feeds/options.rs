//! Options and results of an import that callers of `feeds import` cannot set; and the import of nothing, for a source
//! without changes.

use std::collections::BTreeSet;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_protocol::{Claim, KnowledgeRoot, Lane, OfferInput, RecordId, Source};
use starling_store::{FeedBase, FeedCommit, Origin};

use crate::clock::now;
use crate::service::SiteParts;
use crate::service::feed_runs::{Documents, HeldBack, Refusal, Rejected, Round, Taken};
use crate::service::problem::store_problem;

/// The options of an import.
#[derive(Debug, Clone, Default)]
pub(in crate::service) struct ImportOptions {
    pub(in crate::service) asked: types::FeedImportOptions,
    /// True if the source was read to its end: it counts as checked now, even if the input has only the changes.
    pub(in crate::service) is_checked: bool,
    /// Names of the files that the source dropped: their records become absent.
    pub(in crate::service) gone: Vec<String>,
    /// The records that earlier runs held back.
    pub(in crate::service) held_back: Option<HeldBack>,
    /// True if no later part of the source follows.
    pub(in crate::service) is_at_end: bool,
    /// A stable name for the input's path, if the path differs from run to run.
    pub(in crate::service) root: Option<String>,
    /// True if the input may have no record, provided that each of its documents is of a known kind without one.
    pub(in crate::service) may_hold_none: bool,
    /// The largest number of records that the source had in the last weeks.
    pub(in crate::service) most_records: u64,
    /// True for a manual import. The source's feeds then start again from the beginning.
    pub(in crate::service) by_hand: bool,
    /// The rules for rejected documents; `None` if they do not matter.
    pub(in crate::service) rejections: Option<Rejections>,
    /// Set if other sites offer to fetch the same source: the input is compared with the statements of all of them.
    pub(in crate::service) shared: Option<SharedFeed>,
    /// True if the source was read in several runs since its beginning: which records it lacks is unknown.
    pub(in crate::service) in_parts: bool,
    /// True if all inputs since the source's beginning were compared with this site's own log only.
    pub(in crate::service) by_itself: bool,
    /// Set if the input is a part of the source, and the records in the earlier parts are remembered.
    pub(in crate::service) round: Option<RoundPart>,
}

/// A part of a source that is compared with what other sites state.
#[derive(Debug, Clone)]
pub(in crate::service) struct RoundPart {
    /// The earlier parts.
    pub(in crate::service) round: Round,
    /// The hash of the other sites' statements at the start of the round.
    pub(in crate::service) others: Option<String>,
    /// True if it is the last part, and the records in all earlier parts are known.
    pub(in crate::service) is_last: bool,
}

/// The result of reading one part of a source.
#[derive(Debug)]
pub(in crate::service) struct SeenPart {
    /// Its records, and those of rejected documents.
    pub(in crate::service) records: BTreeSet<RecordId>,
    /// The reason why some of its records are unknown, if they are.
    pub(in crate::service) lost: Option<String>,
    /// True if it was the last part, and the absences of the whole source were stated.
    pub(in crate::service) is_complete: bool,
    /// True if other sites stated something since the round began.
    pub(in crate::service) is_outdated: bool,
}

/// A feed that other sites offer to fetch as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) struct SharedFeed {
    pub(in crate::service) input: OfferInput,
    pub(in crate::service) every_ms: u64,
}

/// The rejected documents that a feed knows, and the documents of the new input.
#[derive(Debug, Clone)]
pub(in crate::service) struct Rejections {
    pub(in crate::service) before: Rejected,
    pub(in crate::service) is_whole: bool,
    /// The documents of the input.
    pub(in crate::service) documents: Documents,
}

/// The result of an import.
#[derive(Debug)]
pub(in crate::service) struct Imported {
    pub(in crate::service) report: types::FeedImportReport,
    pub(in crate::service) judged: Judged,
}

/// The state of the source after an import: whether it counts as checked, and its rejected documents.
#[derive(Debug)]
pub(in crate::service) struct Judged {
    pub(in crate::service) is_checked: bool,
    /// Number of records of the source.
    pub(in crate::service) records: u64,
    pub(in crate::service) rejected: Rejected,
    /// The reason why the source does not count as checked: rejected documents, or too many of an unknown kind.
    pub(in crate::service) refusal: Option<Refusal>,
    /// The hash of the other sites' statements, if the input was compared with them.
    pub(in crate::service) others: Option<KnowledgeRoot>,
    /// The part that was read, if the input is a part of a round.
    pub(in crate::service) part: Option<SeenPart>,
    /// The records that are held back from now on.
    pub(in crate::service) held_back: Option<HeldBack>,
    /// Warnings that a run of a feed always shows.
    pub(in crate::service) notes: Vec<String>,
}

impl ImportOptions {
    /// Returns the statements with which the input is compared.
    pub(super) const fn base(&self) -> FeedBase {
        match self.shared {
            Some(_) => FeedBase::View,
            None => FeedBase::Own,
        }
    }

    /// Evaluates the documents that were rejected `now`, for a source with `records` records.
    pub(super) fn judged(
        &self,
        commit: &Commit<'_>,
        now: &Rejected,
        is_accepted: &dyn Fn(&RecordId) -> bool,
        records: u64,
    ) -> Judged {
        let is_checked = commit.is_checked;
        let Some(rejections) = &self.rejections else {
            return Judged {
                is_checked,
                records,
                rejected: Rejected::default(),
                refusal: None,
                others: None,
                part: None,
                held_back: None,
                notes: Vec::new(),
            };
        };
        let rejected = Self::rejected_after(rejections, commit, now, is_accepted);
        let refusal = rejected.refusal(&rejections.before, records);
        Judged {
            is_checked: is_checked && refusal.is_none(),
            records,
            rejected,
            refusal,
            others: None,
            part: None,
            held_back: None,
            notes: Vec::new(),
        }
    }
}

impl ImportOptions {
    /// Returns the rejected documents of the source after an input in which `now` were rejected.
    pub(super) fn rejected_after(
        rejections: &Rejections,
        commit: &Commit<'_>,
        now: &Rejected,
        is_accepted: &dyn Fn(&RecordId) -> bool,
    ) -> Rejected {
        let taken = Taken {
            is_read: commit.is_read,
            is_whole: rejections.is_whole,
            documents: &rejections.documents,
            is_accepted,
        };
        rejections.before.after(now, &taken)
    }
}

/// The facts that decide what an import writes at its end.
pub(super) struct Commit<'a> {
    pub(super) complete: bool,
    pub(super) is_checked: bool,
    /// True if the input was read to its end.
    pub(super) is_read: bool,
    pub(super) gone: &'a [String],
    /// True if the caller said that an empty source is intended, and the input has no record.
    pub(super) is_emptied: bool,
    pub(super) approved: bool,
}

impl Judged {
    /// Records the number of records that cannot be restated, because a statement of another author has the last possible
    /// time.
    pub(super) fn count_stuck(&mut self, stuck: u64, by: impl Iterator<Item = String>) {
        if stuck > 0 {
            self.is_checked = false;
            let by = by.collect::<Vec<_>>().join(", ");
            let stuck = format!(
                "{stuck} records have statements of {by} with a time after which there is none, so that nothing \
                 replaces them: take them off the allow-list for this source"
            );
            let why = match self.refusal.take() {
                Some(refusal) => format!("{stuck}; {}", refusal.why),
                None => stuck,
            };
            self.refusal = Some(Refusal::lasting(why));
        }
    }

    /// Records the number of documents of an unknown kind. If there are more of them than records, the input is probably not
    /// the source.
    pub(super) fn count_unknown(&mut self, unknown: u64, records: u64) {
        const FEW: u64 = 10;
        if unknown > records.saturating_add(FEW) {
            self.is_checked = false;
            let unknown = format!("{unknown} documents are of no known kind, and {records} hold a record");
            let why = match self.refusal.take() {
                Some(rejected) => format!("{unknown}; {}", rejected.why),
                None => unknown,
            };
            self.refusal = Some(Refusal::lasting(why));
        }
    }
}

impl SiteParts {
    /// Records that a source was read and has nothing new, like an import without changes. `claims` state on which sites'
    /// statements this site's own build.
    pub(in crate::service) fn note_read(
        &self,
        source: &Source,
        is_checked: bool,
        claims: Vec<Claim>,
    ) -> ServiceResult<()> {
        let _one_at_a_time = self.one_import();
        self.prepare_to_sign(&format!("noting that {source} was read"))?;
        let failed = |error| store_problem("writing the site's log", &error);
        let feed = FeedCommit {
            source,
            lane: Lane::Federation,
            claims,
            names: &[],
            is_checked,
        };
        let at = now();
        let origin = Origin { bundle: None, at };
        let key = self.key();
        self.data
            .store
            .commit_feed(feed, &self.head_signing(&key, at), &origin)
            .map_err(failed)?;
        self.changed();
        Ok(())
    }
}
