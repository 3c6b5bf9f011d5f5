//! Imports a feed: accounts for every file, stores the bodies, then signs the claims.

mod commit;
mod faults;
mod giving_way;
mod gone;
mod guard;
mod joined;
mod losses;
mod names;
mod older;
mod options;
mod pages;
mod reach;
mod rests;
mod round;
mod unattributed;
mod unread;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::time::Instant;

use starling_api::{ServiceResult, Upload};
use starling_api_types as types;
use starling_api_types::{ErrorCode, FeedOutcome, Problem};
use starling_feeds::connectors::Kind;
use starling_feeds::input::{self, Limits};
use starling_feeds::osv::FeedRecord;
use starling_feeds::osv::parts::{self, FilePart};
use starling_feeds::osv::unless;
use starling_feeds::pipeline::{self, ItemResult};
use starling_protocol::{ContentHash, RecordId, Source};
use starling_store::FoundRecord;

use self::faults::faults_of;
pub(super) use self::names::id_of_file;
use self::names::is_part;
use self::options::Commit;
pub(super) use self::options::{
    ImportOptions, Imported, Judged, Rejections, RoundPart, SeenPart, SharedFeed,
};
use self::pages::Pages;
use self::reach::{Met, Reach};
pub(super) use self::rests::{absences_unknown, alone};
use self::unattributed::Unattributed;
use super::SiteParts;
use super::feed_runs::Rejected;
use super::problem::store_problem;

/// Most bodies written at once, as a number and in bytes. This bounds the memory, and is enough to train a dictionary.
const BATCH_RECORDS: usize = 2_048;
const BATCH_BYTES: usize = 16 << 20;
/// Most files and warnings listed in a report; further ones are only counted.
const NAMED_FILES: usize = 10_000;
const NAMED_WARNINGS: usize = 1_000;

/// Returns the pipeline's input for an upload.
pub(super) fn input_of(upload: Upload) -> ServiceResult<input::Source> {
    match upload {
        Upload::Path(path) => Ok(input::Source::path(path)),
        stream => Ok(input::Source::stream("-", stream.into_read()?)),
    }
}

/// A record that was read from the input.
struct Seen {
    record: FoundRecord,
    modified: Option<String>,
    /// The name of its file.
    name: String,
    /// The parts that no scan can match.
    reach: Reach,
}

impl AsRef<FoundRecord> for Seen {
    fn as_ref(&self) -> &FoundRecord {
        &self.record
    }
}

/// The state of one import while its input is read.
struct Account<'a> {
    site: &'a SiteParts,
    how: &'a ImportOptions,
    source: Source,
    rejected: Rejected,
    seen: BTreeMap<RecordId, Seen>,
    /// Ids of records whose file was rejected: their earlier record stays.
    keep: BTreeSet<RecordId>,
    /// Rejected documents, or parts of one, whose record id is unknown. Each may contain any record that the input lacks, so
    /// no record is called absent.
    unattributed: Option<Unattributed>,
    /// Files that the source dropped, but whose records stay because a rejected document may contain them.
    held_files: BTreeSet<String>,
    /// The given path, as on the disk; empty if none was given.
    root: String,
    /// Records with parts in several files: the part from each file.
    parts: BTreeMap<RecordId, Vec<FilePart>>,
    /// Records of this input with entries that give way to an advisory.
    conditional: BTreeSet<RecordId>,
    /// Files with a record that is withdrawn from a later time on, each with that time.
    withdrawn_later: BTreeMap<RecordId, Vec<(String, String)>>,
    /// Cache of the ecosystems that were looked up: those that a package URL can name, and the others.
    met: Met,
    /// The pages of lists.
    pages: Pages,
    /// Files whose name does not stand for their record.
    names: Vec<(String, RecordId)>,
    bodies: Vec<(ContentHash, Vec<u8>)>,
    body_bytes: usize,
    input_bytes: u64,
    /// Number of documents of a known kind without a record.
    understood: u64,
    /// Number of documents of an unknown kind.
    not_understood: u64,
    /// Files that were not opened: their number, and the first one with the reason.
    not_opened: Option<(u64, String)>,
    /// The first file of a run that is named like an archive but is not one. The records in it are unknown.
    false_archive: Option<String>,
    /// Number of files and documents that should have records and gave none.
    unread: u64,
    report: types::FeedImportReport,
    /// Warnings that a run of a feed always shows.
    notes: Vec<String>,
    failed: Option<Problem>,
}

impl SiteParts {
    pub(super) fn import_feed(
        &self,
        source: &types::SourceName,
        input: input::Source,
        options: &types::FeedImportOptions,
    ) -> ServiceResult<types::FeedImportReport> {
        let source: Source = Source::try_from(source)
            .map_err(|error| Problem::new(ErrorCode::BadRequest, error.to_string()))?;
        let options = ImportOptions {
            asked: options.clone(),
            is_checked: options.complete,
            by_hand: true,
            ..ImportOptions::default()
        };
        Ok(self.import_input(&source, input, &options)?.report)
    }

    pub(super) fn import_input(
        &self,
        source: &Source,
        input: input::Source,
        how: &ImportOptions,
    ) -> ServiceResult<Imported> {
        let started = Instant::now();
        let options = &how.asked;
        let kind = options.kind.as_deref().map(kind_of).transpose()?;
        let _one_at_a_time = self.one_import();
        if how.by_hand {
            // Under the lock: a run that read the source before this import cannot import afterwards and keep its position.
            self.live.feeds.imported_by_hand(source)?;
        }
        self.prepare_to_sign(&format!("importing {source}"))?;
        let mut account = Account::new(self, source.clone(), how);
        account.root = how.root.clone().unwrap_or_else(|| joined::root_of(&input));
        let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let limits = Limits::default();
        let read = pipeline::run_as(kind, input, &limits, workers, &faults_of, &mut |item| {
            account.take(item)
        });
        if let Some(problem) = account.failed.take() {
            return Err(problem);
        }
        // A run of a feed fetches only changed pages, and its fetch has counted them.
        let missing = account.pages.missing().filter(|_| how.by_hand);
        if let Some(missing) = &missing {
            account.warn_and_note(missing.clone());
        }
        let whole = read.is_complete() && missing.is_none() && account.false_archive.is_none();
        account.join_parts()?;
        if !(options.complete && whole) {
            account.keep_other_parts()?;
        }
        account.give_way(options.complete && whole)?;
        account.warn_of_later_withdrawals()?;
        account.write_bodies()?;
        if let Err(error) = &read.ending {
            let detail = format!(
                "reading the input of {source}: {}",
                crate::home::error_chain(error)
            );
            let code = if error.is_truncated() {
                ErrorCode::FeedTruncated
            } else {
                ErrorCode::FeedUnreadable
            };
            if options.complete || how.by_hand {
                return Err(Problem::new(code, detail)
                    .hint("nothing was changed: an input that breaks off does not tell what it lacks; fetch it again"));
            }
            if account.seen.is_empty() {
                return Err(Problem::new(code, detail));
            }
            account.warn(detail);
        }
        account.refuse_false_archive()?;
        account.refuse_without_record()?;
        if options.strict && account.report.rejected > 0 {
            return Err(
                account.rejected_problem("nothing was changed; without --strict the rest is taken in")
            );
        }
        let is_emptied = options.allow_empty && options.complete && account.seen.is_empty();
        let commit = Commit {
            complete: options.complete && whole,
            is_checked: how.is_checked && whole,
            is_read: read.is_complete() && account.false_archive.is_none(),
            gone: &how.gone,
            is_emptied,
            approved: options.approve,
        };
        let judged = account.commit(&commit)?;
        self.forget_if_due();
        let mut report = account.report;
        if options.complete
            && let Some(missing) = missing
        {
            report.unchecked = Some(missing);
        }
        report.read_as = read_as(read.kinds);
        report.input_bytes = account.input_bytes;
        report.duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Imported { report, judged })
    }
}

impl<'a> Account<'a> {
    fn new(site: &'a SiteParts, source: Source, how: &'a ImportOptions) -> Self {
        let report = types::FeedImportReport {
            source: (&source).into(),
            complete: how.asked.complete,
            read_as: Vec::new(),
            stored: 0,
            unchanged: 0,
            duplicate: 0,
            ignored: 0,
            rejected: 0,
            absent: 0,
            files: Vec::new(),
            files_truncated: false,
            deltas: 0,
            cursor: None,
            out_of_reach: Vec::new(),
            partly_out_of_reach: Vec::new(),
            unchecked: None,
            warnings: Vec::new(),
            warning_count: 0,
            input_bytes: 0,
            duration_ms: 0,
        };
        Self {
            site,
            how,
            source,
            rejected: Rejected::none(),
            seen: BTreeMap::new(),
            keep: BTreeSet::new(),
            unattributed: None,
            held_files: BTreeSet::new(),
            root: String::new(),
            parts: BTreeMap::new(),
            conditional: BTreeSet::new(),
            withdrawn_later: BTreeMap::new(),
            met: Met::default(),
            pages: Pages::default(),
            names: Vec::new(),
            bodies: Vec::new(),
            body_bytes: 0,
            input_bytes: 0,
            understood: 0,
            not_understood: 0,
            not_opened: None,
            false_archive: None,
            unread: 0,
            report,
            notes: Vec::new(),
            failed: None,
        }
    }

    fn take(&mut self, item: pipeline::Item) -> ControlFlow<()> {
        let result = match item.result {
            ItemResult::Accepted(record) => self.accept(item.name, record),
            ItemResult::Ignored(pipeline::IgnoredBecause::File(reason))
                if self.how.by_hand && reason.may_hold_records(&item.name) =>
            {
                self.reject_unopened(item.name, reason)
            }
            ItemResult::Ignored(reason) => {
                self.report.ignored += 1;
                self.count_understood(&item.name, &reason);
                // A file that no longer holds the record it is named for says nothing about that record.
                let kept = match &reason {
                    pipeline::IgnoredBecause::File(reason) => self.keep_unopened(&item.name, *reason),
                    _ if is_part(&item.name) => Ok(()),
                    _ => self.keep_earlier(&item.name),
                };
                self.file(item.name, FeedOutcome::Ignored, reason.to_string());
                kept
            }
            ItemResult::Rejected(reason) => {
                self.report.rejected += 1;
                self.count_unread(&reason);
                self.note_false_archive(&item.name, &reason);
                let kept = self.keep_rejected(&item.name, item.identity.as_ref());
                let (reason, known) = (reason.to_string(), &self.how.rejections);
                let is_of_page = known
                    .as_ref()
                    .is_some_and(|known| known.documents.is_of_page(&item.name));
                self.rejected
                    .add(&item.name, &reason, item.identity.as_ref(), is_of_page);
                self.file(item.name, FeedOutcome::Rejected, reason);
                kept
            }
            ItemResult::Page(page) => {
                self.pages.add(page);
                Ok(())
            }
            ItemResult::Noted(what) => {
                self.warn(format!("{}: {what}", item.name));
                Ok(())
            }
        };
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(problem) => {
                self.failed = Some(problem);
                ControlFlow::Break(())
            }
        }
    }

    /// Keeps the earlier records of a file without a readable record: the record that its name stands for, and the record
    /// that was last read from it.
    fn keep_earlier(&mut self, name: &str) -> ServiceResult<()> {
        self.keep.extend(id_of_file(name));
        let held = self.site.data.store.record_of_file(&self.source, name);
        self.keep
            .extend(held.map_err(|error| store_problem("reading a feed's file names", &error))?);
        Ok(())
    }

    fn accept(&mut self, name: String, record: FeedRecord) -> ServiceResult<()> {
        for warning in &record.warnings {
            self.warn(format!("{name}: {warning}"));
        }
        self.warn_of_withdrawal(&name, &record.id, &record.about);
        self.warn_of_catalogue(&record);
        self.input_bytes += record.canonical.len() as u64;
        if !unless::named_in(&record.canonical).is_empty() {
            self.conditional.insert(record.id.clone());
        }
        let (id, content) = (record.id, record.hash);
        let size = u32::try_from(record.canonical.len()).unwrap_or(u32::MAX);
        if let Some(before) = self.seen.get(&id) {
            self.report.duplicate += 1;
            let has_parts = self.parts.contains_key(&id);
            if before.record.content == content && !has_parts {
                let reason = format!("{id} stands in {} with the same content", before.name);
                self.file(name, FeedOutcome::Duplicate, reason);
                return Ok(());
            }
            // Usually each of two files has a part of the record. But a file that was modified later and covers everything
            // in the other one replaces it.
            let (then, now) = (
                instant(before.modified.as_deref()),
                instant(record.modified.as_deref()),
            );
            if has_parts {
                return self.join(id, &name, record.canonical);
            }
            let before_body = self.body_of(&before.record.content)?;
            let is_replacement = match (then, now) {
                (Some(then), Some(now)) if now > then => parts::names_all_of(&record.canonical, &before_body),
                (Some(then), Some(now)) if now < then => parts::names_all_of(&before_body, &record.canonical),
                _ => false,
            };
            if !is_replacement {
                return self.join(id, &name, record.canonical);
            }
            // The later one is used, so that the order of the files does not matter.
            let newer = now > then;
            let (kept, lost) = if newer {
                (name.clone(), before.name.clone())
            } else {
                (before.name.clone(), name.clone())
            };
            self.warn(format!(
                "{id} stands in {kept} and in {lost} with other content; {kept} counts"
            ));
            self.file(
                lost,
                FeedOutcome::Duplicate,
                format!("{id} stands in {kept} as well, which is the later one"),
            );
            if !newer {
                return Ok(());
            }
        }
        if !is_part(&name) && id_of_file(&name).as_ref() != Some(&id) {
            self.names.push((name.clone(), id.clone()));
        }
        let reach = self.met.why_not(&record.about, &record.canonical);
        if let Some(unusable) = &reach.unusable {
            self.warn(format!("{name}: {unusable}"));
        }
        let record_seen = Seen {
            record: FoundRecord { content, size },
            modified: record.modified,
            reach,
            name,
        };
        self.seen.insert(id, record_seen);
        self.body_bytes += record.canonical.len();
        self.bodies.push((content, record.canonical));
        if self.bodies.len() >= BATCH_RECORDS || self.body_bytes >= BATCH_BYTES {
            self.write_bodies()?;
        }
        Ok(())
    }

    /// Writes the collected bodies. They have no effect until a claim names them.
    fn write_bodies(&mut self) -> ServiceResult<()> {
        let bodies: Vec<(ContentHash, &[u8])> = self
            .bodies
            .iter()
            .map(|(hash, body)| (*hash, body.as_slice()))
            .collect();
        self.site
            .data
            .store
            .put_bodies(&self.source, &bodies)
            .map_err(|error| store_problem("storing records", &error))?;
        self.bodies.clear();
        self.body_bytes = 0;
        Ok(())
    }

    fn file(&mut self, name: String, outcome: FeedOutcome, reason: String) {
        if self.report.files.len() < NAMED_FILES {
            self.report.files.push(types::FeedFile {
                name,
                outcome,
                reason,
            });
        } else {
            self.report.files_truncated = true;
        }
    }

    /// Adds a warning that a run of a feed always shows.
    fn warn_and_note(&mut self, warning: String) {
        self.notes.push(warning.clone());
        self.warn(warning);
    }

    fn warn(&mut self, warning: String) {
        self.report.warning_count += 1;
        if self.report.warnings.len() < NAMED_WARNINGS {
            self.report.warnings.push(warning);
        }
    }
}

fn read_as(kinds: pipeline::Kinds) -> Vec<types::ReadAs> {
    let kinds = kinds.into_iter().map(|(kind, documents)| types::ReadAs {
        kind: kind.to_owned(),
        documents,
    });
    kinds.collect()
}

/// Returns the requested kind of documents.
pub(super) fn kind_of(name: &str) -> ServiceResult<Kind> {
    name.parse()
        .map_err(|error: starling_feeds::connectors::UnknownKind| {
            Problem::new(ErrorCode::BadRequest, error.to_string())
        })
}

/// Returns the time in a record's `modified`; `None`, which sorts before all times, if it is not a time.
fn instant(modified: Option<&str>) -> Option<jiff::Timestamp> {
    modified?.parse().ok()
}
