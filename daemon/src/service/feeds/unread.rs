//! Input that an import could not use: files that were not opened, documents that were not understood, records with an
//! unusable `withdrawn`, and a catalogue of exploited vulnerabilities under the wrong source name.

use starling_api::ServiceResult;
use starling_api_types::{ErrorCode, FeedOutcome, Problem};
use starling_feeds::connectors::Kind;
use starling_feeds::input::{NotARecord, Unreadable};
use starling_feeds::osv::{About, FeedRecord, NoRecord, Rejected};
use starling_feeds::pipeline;
use starling_protocol::RecordId;
use starling_scanner::knowledge::JudgedAt;

use super::{Account, reach};
use crate::clock::now;
use crate::service::KEV_SOURCE;

/// File name extensions of compressions that an import cannot read.
const UNREAD_COMPRESSIONS: [&str; 2] = [".bz2", ".xz"];

/// Returns a file's name without the extension of such a compression: an earlier import may have read its records from the
/// uncompressed file.
fn without_compression(name: &str) -> &str {
    let stem = UNREAD_COMPRESSIONS
        .iter()
        .find_map(|ending| name.strip_suffix(ending));
    stem.unwrap_or(name)
}

/// Longest text of a record quoted in a warning, in characters.
const QUOTED_CHARS: usize = 60;

impl Account<'_> {
    /// Counts an ignored document: as understood if it is of a known kind without a record, else as unread.
    pub(super) fn count_understood(&mut self, name: &str, reason: &pipeline::IgnoredBecause) {
        match reason {
            pipeline::IgnoredBecause::Content(NoRecord::Native(_)) => self.understood += 1,
            pipeline::IgnoredBecause::Content(reason) => {
                self.not_understood += 1;
                self.unread += u64::from(*reason != NoRecord::EmptyList);
            }
            pipeline::IgnoredBecause::Guess(_) => {
                self.not_understood += 1;
                self.unread += 1;
            }
            pipeline::IgnoredBecause::File(reason) => {
                self.unread += u64::from(*reason != NotARecord::Hidden);
                self.count_unopened(name, *reason);
            }
        }
    }

    /// Counts a file that was not opened although it may contain records.
    fn count_unopened(&mut self, name: &str, reason: NotARecord) {
        if matches!(
            reason,
            NotARecord::Hidden | NotARecord::OtherKind | NotARecord::NotOfKind(_)
        ) {
            return;
        }
        if matches!(reason, NotARecord::OtherPacking(_) | NotARecord::NestedArchive) {
            self.not_understood += 1;
        }
        let first = || (0, format!("{name}: {reason}"));
        self.not_opened.get_or_insert_with(first).0 += 1;
    }

    /// Rejects a file of a manual import that was not opened although it may contain records.
    pub(super) fn reject_unopened(&mut self, name: String, reason: NotARecord) -> ServiceResult<()> {
        self.report.rejected += 1;
        self.unread += 1;
        let kept = self.keep_rejected(without_compression(&name), None);
        self.rejected.add(&name, &reason.to_string(), None, false);
        self.file(name, FeedOutcome::Rejected, reason.to_string());
        kept
    }

    /// Keeps the earlier records of a file that was not opened although it may contain records.
    ///
    /// Used for runs of a feed, which do not reject the file: it may be one that the source always has, and then no record
    /// of the source would ever become absent.
    pub(super) fn keep_unopened(&mut self, name: &str, reason: NotARecord) -> ServiceResult<()> {
        if !reason.may_hold_records(name) {
            return Ok(());
        }
        self.keep_earlier(without_compression(name))
    }

    /// Adds a note about the files that were not opened, for the run of a feed. A manual import lists each in its report.
    pub(super) fn note_unopened(&mut self) {
        let note = self.not_opened.take().map(|(count, first)| match count {
            1 => format!("1 file was not looked into: {first}"),
            many => format!("{many} files were not looked into; the first is {first}"),
        });
        self.notes.extend(note);
    }

    /// Counts a rejected document as unread, unless it is empty, such as a stream without bytes.
    pub(super) fn count_unread(&mut self, reason: &pipeline::RejectedBecause) {
        if *reason != pipeline::RejectedBecause::Content(Rejected::Empty) {
            self.unread += 1;
        }
    }

    /// Remembers the first file of a feed's run that is named like an archive but is not one. A manual import is exempt: its
    /// folder may contain files that are not the source's.
    pub(super) fn note_false_archive(&mut self, name: &str, reason: &pipeline::RejectedBecause) {
        let pipeline::RejectedBecause::Unreadable(reason @ Unreadable::FalseArchive { .. }) = reason else {
            return;
        };
        if !self.how.by_hand && self.false_archive.is_none() {
            self.false_archive = Some(format!("{name}: {reason}"));
        }
    }

    /// Refuses a run of the whole source if [`Self::note_false_archive`] found a file: its records are unknown.
    pub(super) fn refuse_false_archive(&self) -> ServiceResult<()> {
        match &self.false_archive {
            Some(why) if self.how.asked.complete => {
                let detail = format!("reading the input of {}: {why}", self.source);
                Err(Problem::new(ErrorCode::FeedUnreadable, detail)
                    .hint("nothing was changed: which records it held is not known; fetch it again"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses an input without a record.
    ///
    /// With `allow_empty` an empty input is accepted. An input whose files were not understood is refused even then: it
    /// does not show that the source is empty.
    pub(super) fn refuse_without_record(&self) -> ServiceResult<()> {
        let asked = &self.how.asked;
        if !self.seen.is_empty() || (asked.allow_empty && self.unread == 0) {
            return Ok(());
        }
        if asked.complete {
            let detail = format!(
                "importing {}: the input is said to be the whole source and holds no record{}",
                self.source,
                self.first_unread()
            );
            let hint = if self.unread == 0 {
                "nothing was changed; with --allow-empty an empty input says that the source has no record any more".to_owned()
            } else {
                kind_hint()
            };
            return Err(Problem::new(ErrorCode::FeedEmpty, detail).hint(hint));
        }
        if self.report.rejected > 0 {
            return Err(self.rejected_problem("nothing was changed; mend the files, or leave them out"));
        }
        let is_understood = self.how.may_hold_none && self.understood > 0 && self.not_understood == 0;
        if self.report.ignored > 0 && !is_understood {
            return Err(self.nothing_read_problem());
        }
        if self.how.by_hand && self.has_no_document() {
            return Err(self.no_document_problem());
        }
        Ok(())
    }

    /// Builds the problem of an input that has files, but no record.
    fn nothing_read_problem(&self) -> Problem {
        let named = self.first_unread();
        let detail = format!(
            "importing {}: nothing was read, as none of its {} files holds a record in the OSV schema or in a shape of another kind that is known{named}",
            self.source, self.report.ignored
        );
        Problem::new(ErrorCode::FeedEmpty, detail).hint(kind_hint())
    }

    /// Warns of a record whose `withdrawn` is not a time, and remembers one whose `withdrawn` lies in the future.
    pub(super) fn warn_of_withdrawal(&mut self, name: &str, id: &RecordId, about: &About) {
        let Some(withdrawn) = about
            .withdrawn
            .as_deref()
            .filter(|_| !reach::is_withdrawn(about, now()))
        else {
            return;
        };
        if JudgedAt::of_withdrawal(withdrawn).is_some() {
            let later = self.withdrawn_later.entry(id.clone()).or_default();
            later.push((name.to_owned(), withdrawn.to_owned()));
            return;
        }
        let quoted: String = withdrawn.chars().take(QUOTED_CHARS).collect();
        self.warn(format!(
            "{name}: it still matches, because withdrawn is {quoted:?}, which is not a time"
        ));
    }

    /// Warns if the first record belongs to the catalogue of exploited vulnerabilities, but the source has another name than
    /// [`KEV_SOURCE`]. Only the entries of that source count as exploited, so policies would not see them.
    pub(super) fn warn_of_catalogue(&mut self, record: &FeedRecord) {
        const FIELD: &str = "\"knownRansomwareCampaignUse\"";
        if !self.seen.is_empty() || self.source.as_str() == KEV_SOURCE {
            return;
        }
        if std::str::from_utf8(&record.canonical).is_ok_and(|text| text.contains(FIELD)) {
            self.warn(format!(
                "this is the catalogue of exploited vulnerabilities, but its entries count as exploited only in a source \
                 that is called {KEV_SOURCE}: import it with `--source {KEV_SOURCE}`"
            ));
        }
    }

    /// Returns true if the input has no document.
    fn has_no_document(&self) -> bool {
        self.seen.is_empty() && self.report.files.is_empty() && self.understood == 0
    }

    fn no_document_problem(&self) -> Problem {
        let detail = format!("importing {}: the input holds no document", self.source);
        Problem::new(ErrorCode::FeedEmpty, detail).hint("nothing was changed; check the path")
    }

    /// Names the first rejected file, or else the first ignored one, with the reason and the number of other files with the
    /// same reason.
    fn first_unread(&self) -> String {
        let files = &self.report.files;
        let of = |outcome| files.iter().find(move |file| file.outcome == outcome);
        let Some(first) = of(FeedOutcome::Rejected).or_else(|| of(FeedOutcome::Ignored)) else {
            return String::new();
        };
        let alike = files.iter().filter(|file| file.reason == first.reason).count() - 1;
        let alike = match alike {
            0 => String::new(),
            1 => " (1 other as well)".to_owned(),
            others => format!(" ({others} others as well)"),
        };
        match first.name.as_str() {
            // An input without a name, such as an upload.
            "-" => format!(": {}{alike}", first.reason),
            name => format!("; the first is {name}: {}{alike}", first.reason),
        }
    }

    pub(super) fn rejected_problem(&self, hint: &str) -> Problem {
        let named = self.first_unread();
        let detail = format!(
            "importing {}: {}{named}",
            self.source,
            match self.report.rejected {
                1 => "1 file was rejected".to_owned(),
                many => format!("{many} files were rejected"),
            }
        );
        Problem::new(ErrorCode::FeedRejected, detail).hint(hint)
    }
}

/// Returns the advice for documents that were not understood.
fn kind_hint() -> String {
    format!(
        "nothing was changed; check the path, and if you know the kind of the documents, state it with --kind: {}",
        Kind::names().join(", ")
    )
}
