//! How an input is taken in, beyond what a caller of `feeds import` may ask for; and sources that have nothing new.

use std::collections::BTreeSet;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_protocol::{Claim, KnowledgeRoot, Lane, OfferInput, RecordId, Source};
use starling_store::{FeedBase, FeedCommit, Origin};

use crate::clock::now;
use crate::service::SiteParts;
use crate::service::feed_runs::{Documents, HeldBack, Refusal, Rejected, Round, Taken};
use crate::service::problem::store_problem;

/// How an input is taken in.
#[derive(Debug, Clone, Default)]
pub(in crate::service) struct ImportOptions {
    pub(in crate::service) asked: types::FeedImportOptions,
    /// The source was read to its end: it is checked as of now, even if the input holds only what changed.
    pub(in crate::service) is_checked: bool,
    /// Names of files that the source had and dropped: their records become absent.
    pub(in crate::service) gone: Vec<String>,
    /// What earlier runs held back of the source.
    pub(in crate::service) held_back: Option<HeldBack>,
    /// No later part of the source follows.
    pub(in crate::service) is_at_end: bool,
    /// What the input's path is called, where it lies at another place each time.
    pub(in crate::service) root: Option<String>,
    /// The input may hold no record at all, if each of its documents is of a known kind and says so.
    pub(in crate::service) may_hold_none: bool,
    /// The most records that the source had within the last weeks.
    pub(in crate::service) most_records: u64,
    /// Somebody imports it by hand: the source's feeds begin anew.
    pub(in crate::service) by_hand: bool,
    /// How rejected documents are judged; none asks nothing of them.
    pub(in crate::service) rejections: Option<Rejections>,
    /// Other sites offer to fetch the same: the input is compared with what all of them state.
    pub(in crate::service) shared: Option<SharedFeed>,
    /// The source was not read whole in one run since its beginning: which records it lacks is not known.
    pub(in crate::service) in_parts: bool,
    /// This input and those before it since the source's beginning were compared with this site's own log alone.
    pub(in crate::service) by_itself: bool,
    /// The input is a part of the source, and those before it since the source's beginning were kept.
    pub(in crate::service) round: Option<RoundPart>,
}

/// A part of a source that is compared with what other sites state.
#[derive(Debug, Clone)]
pub(in crate::service) struct RoundPart {
    /// What the parts before held.
    pub(in crate::service) round: Round,
    /// Names what other sites stated when the round began.
    pub(in crate::service) others: Option<String>,
    /// It is the last part, and what the others held is known.
    pub(in crate::service) is_last: bool,
}

/// What a part of a source held.
#[derive(Debug)]
pub(in crate::service) struct SeenPart {
    /// Its records, and those of documents that were rejected.
    pub(in crate::service) records: BTreeSet<RecordId>,
    /// Why it does not tell all that it held.
    pub(in crate::service) lost: Option<String>,
    /// It was the last one, and what the source lacks is stated.
    pub(in crate::service) is_complete: bool,
    /// Others stated something since the round began.
    pub(in crate::service) is_outdated: bool,
}

/// A feed that other sites offer to fetch as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::service) struct SharedFeed {
    pub(in crate::service) input: OfferInput,
    pub(in crate::service) every_ms: u64,
}

/// The rejected documents that a feed knows, and the input that may reject others.
#[derive(Debug, Clone)]
pub(in crate::service) struct Rejections {
    pub(in crate::service) before: Rejected,
    pub(in crate::service) is_whole: bool,
    /// The documents of the input.
    pub(in crate::service) documents: Documents,
}

/// An input that was taken in.
#[derive(Debug)]
pub(in crate::service) struct Imported {
    pub(in crate::service) report: types::FeedImportReport,
    pub(in crate::service) judged: Judged,
}

/// The judgement of an input: if the source counts as checked, and what of it is rejected.
#[derive(Debug)]
pub(in crate::service) struct Judged {
    pub(in crate::service) is_checked: bool,
    /// Records that the source has now.
    pub(in crate::service) records: u64,
    pub(in crate::service) rejected: Rejected,
    /// Why rejected documents, or too many of no known kind, keep the source from being checked.
    pub(in crate::service) refusal: Option<Refusal>,
    /// Names what other sites stated, if the input was compared with that.
    pub(in crate::service) others: Option<KnowledgeRoot>,
    /// What the input held, if it is a part of a round.
    pub(in crate::service) part: Option<SeenPart>,
    /// What of the source is held back from now on.
    pub(in crate::service) held_back: Option<HeldBack>,
    /// What a run of a feed shows by itself.
    pub(in crate::service) notes: Vec<String>,
}

impl ImportOptions {
    /// Returns what the input is compared with.
    pub(super) const fn base(&self) -> FeedBase {
        match self.shared {
            Some(_) => FeedBase::View,
            None => FeedBase::Own,
        }
    }

    /// Judges what was rejected now of a source of so many records.
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
    /// Returns what is rejected of the source after an input of which `now` was.
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

/// What is written at the end of an import.
pub(super) struct Commit<'a> {
    pub(super) complete: bool,
    pub(super) is_checked: bool,
    /// The input was read to its end.
    pub(super) is_read: bool,
    pub(super) gone: &'a [String],
    /// Somebody says that the source has no record any more, whatever the input holds instead.
    pub(super) is_emptied: bool,
    pub(super) approved: bool,
}

impl Judged {
    /// Notes how many records nothing can be stated of any more, and by whom statements stand in the way.
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

    /// Notes how many documents are of no known kind: more than there are records is not what the source is.
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
    /// Notes that a source was read and has nothing new, as an import that changes nothing does.
    /// `claims` say on whom it builds.
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
