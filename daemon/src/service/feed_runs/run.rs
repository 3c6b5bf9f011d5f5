//! One run of a feed: fetch, take in, keep where the source was read to.

use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, FeedPhase, FeedProgress, FeedRun, FeedRunOutcome, FeedTrigger, Problem};
use starling_feeds::input;
use starling_fetch::FetchError;

use super::fetching::{self, Brought, FetchJob};
use super::lock;
use super::state::{FeedFolder, KeptInput, ReadTo};
use crate::clock::now;
use crate::config::feeds::FeedSpec;
use crate::home_problem::home_problem;
use crate::schedule::Ending;
use crate::service::feeds::ImportOptions;
use crate::service::{Site, SiteParts};

/// Notes that are kept of a run, and how long each may be, in characters.
const NOTES: usize = 10;
const NOTE_CHARS: usize = 400;
/// How long the words about a failure may be, in characters.
pub(super) const ERROR_CHARS: usize = 2_000;
/// Documents of a part of a source, up to which all may hold no record: a few are often of another kind.
const FEW_DOCUMENTS: usize = 20;

/// What is to be taken in.
pub(super) struct Input<'a> {
    pub(super) path: &'a Path,
    pub(super) whole: bool,
    pub(super) more: bool,
    pub(super) is_cut: bool,
    pub(super) documents: usize,
    pub(super) gone: Vec<String>,
    pub(super) approved: bool,
}

/// How a run ended, with what the next one depends on.
pub(super) struct Told {
    pub(super) run: FeedRun,
    pub(super) ending: Ending,
    /// The input that is suspect from now on.
    pub(super) suspect: Option<KeptInput>,
}

impl Told {
    pub(super) fn of(run: FeedRun) -> Self {
        Self {
            run,
            ending: Ending::Done { more: false },
            suspect: None,
        }
    }

    /// Notes that the run failed.
    fn fail(&mut self, problem: &Problem, is_temporary: bool, retry_after_ms: Option<u64>) {
        let mut text = problem.detail.clone();
        if let Some(hint) = &problem.hint {
            text = format!("{text}; {hint}");
        }
        if let Some(private) = &problem.private {
            tracing::error!(feed = %self.run.feed, %private, "running a feed");
        }
        self.run.outcome = FeedRunOutcome::Failed;
        self.run.code = Some(problem.code);
        self.run.error = Some(cut(&text, ERROR_CHARS));
        self.ending = Ending::Failed {
            failures: 1,
            is_temporary,
            retry_after_ms,
        };
    }

    /// Notes that the run failed by a problem of this site.
    pub(super) fn fail_by(&mut self, problem: &Problem) {
        self.fail(problem, problem.retryable, None);
    }

    /// Notes that a fetch failed.
    fn fail_fetch(&mut self, spec: &FeedSpec, error: &FetchError) {
        if matches!(error, FetchError::Stopped) {
            self.run.outcome = FeedRunOutcome::Stopped;
            self.run.code = Some(ErrorCode::ShuttingDown);
            self.run.error = Some("the site stopped before it was fetched; nothing was changed".to_owned());
            self.ending = Ending::Stopped;
            return;
        }
        let after = error.retry_after();
        let after = after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        self.fail(&fetching::problem_of(spec, error), error.is_temporary(), after);
    }

    pub(super) fn note(&mut self, note: &str) {
        if self.run.notes.len() < NOTES {
            self.run.notes.push(cut(note, NOTE_CHARS));
        }
    }
}

impl Site {
    /// Runs a feed once and keeps how it went.
    pub(super) async fn run_once(
        &self,
        spec: &FeedSpec,
        trigger: FeedTrigger,
        progress: &Mutex<FeedProgress>,
    ) -> FeedRun {
        let (began, since) = (now(), Instant::now());
        tracing::info!(feed = %spec.name(), ?trigger, "running a feed");
        let mut told = Told::of(new_run(spec, trigger, began.into()));
        let folder = self.0.feeds.folder(spec.name());
        if trigger == FeedTrigger::Approval {
            lock(progress).phase = FeedPhase::Importing;
            told = self.on_disk(spec, told, SiteParts::take_suspect).await;
        } else if let Some(fetched) = self.fetch(spec, progress, &folder, &mut told).await {
            lock(progress).phase = FeedPhase::Importing;
            let (fetched, read_to) = fetched;
            told = self
                .on_disk(spec, told, move |parts, spec, told| {
                    parts.take_fetched(spec, fetched, read_to, told);
                })
                .await;
        }
        told.run.duration_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let run = told.run.clone();
        self.on_disk(spec, told, move |parts, spec, told| {
            parts.feeds.folder(spec.name()).drop_spool();
            parts.keep_run(spec, told, began.as_millis());
        })
        .await;
        run
    }

    /// Fetches what is new. None if it failed, which is noted.
    async fn fetch(
        &self,
        spec: &FeedSpec,
        progress: &Mutex<FeedProgress>,
        folder: &FeedFolder,
        told: &mut Told,
    ) -> Option<(Brought, ReadTo)> {
        let feeds = &self.0.feeds;
        let place = tokio::select! {
            place = feeds.places.acquire() => place,
            () = feeds.stop.cancelled() => {
                told.fail_fetch(spec, &FetchError::Stopped);
                return None;
            }
        };
        // Closed it is never.
        let Ok(_place) = place else { return None };
        let (at, of_place) = (folder.clone(), spec.place());
        let name = spec.name().clone();
        let prepared = self
            .blocking(move |parts| {
                parts.prepare_to_sign(&format!("running the feed {name}"))?;
                let spool = at.empty_spool().map_err(|error| {
                    starling_api::file_problem("emptying the folder", &at.spool(), &error)
                })?;
                Ok((spool, at.read_to(&of_place)))
            })
            .await;
        let (spool, (read_to, why)) = match prepared {
            Ok(prepared) => prepared,
            Err(problem) => {
                told.fail_by(&problem);
                return None;
            }
        };
        if let Some(why) = why {
            told.note(&why);
        }
        lock(progress).phase = FeedPhase::Fetching;
        let show = |moved: starling_fetch::Progress| fetching::shown(&moved, &mut lock(progress));
        let job = FetchJob {
            spec,
            home: self.0.home.path(),
            position: &read_to.position,
            into: &spool,
            progress: &show,
            stop: &feeds.stop,
        };
        match feeds.fetching().fetch(job).await {
            Ok(fetched) => Some((fetched, read_to)),
            Err(error) => {
                told.fail_fetch(spec, &error);
                let seen = *lock(progress);
                (told.run.documents, told.run.bytes) = (seen.documents, seen.bytes);
                None
            }
        }
    }

    /// Does a part of a run on a thread that may block.
    async fn on_disk(
        &self,
        spec: &FeedSpec,
        told: Told,
        work: impl FnOnce(&SiteParts, &FeedSpec, &mut Told) + Send + 'static,
    ) -> Told {
        let (parts, spec) = (self.0.clone(), spec.clone());
        let mut lost = Told::of(told.run.clone());
        let done = tokio::task::spawn_blocking(move || {
            let mut told = told;
            work(&parts, &spec, &mut told);
            told
        });
        match done.await {
            Ok(told) => told,
            Err(panic) => {
                lost.fail_by(&Problem::internal("running a feed", panic));
                lost
            }
        }
    }
}

impl SiteParts {
    /// Takes in what was fetched.
    fn take_fetched(&self, spec: &FeedSpec, fetched: Brought, before: ReadTo, told: &mut Told) {
        let run = &mut told.run;
        run.whole = fetched.whole;
        run.requests = fetched.requests;
        run.bytes = fetched.bytes;
        run.documents = fetched.count as u64;
        for note in &fetched.notes {
            told.note(note);
        }
        let input = Input {
            path: &fetched.input,
            whole: fetched.whole,
            more: fetched.more,
            is_cut: fetched.unfinished.is_some(),
            documents: fetched.count,
            gone: fetched.gone,
            approved: false,
        };
        let mut after = before;
        after.position = fetched.position;
        let is_nothing = fetched.unchanged || (fetched.count == 0 && input.gone.is_empty());
        if is_nothing {
            self.note_unchanged(spec, &input, &after, told);
        } else {
            if fetched.whole && !input.is_cut {
                after.whole_at = Some(now().into());
            }
            self.take_input(spec, &input, &after, told);
            if told.run.outcome == FeedRunOutcome::Imported {
                self.keep_raw(spec, &fetched.input, &fetched.documents, told);
            }
        }
        if let Some(error) = &fetched.unfinished
            && told.run.outcome.is_success()
        {
            // What it brought is kept; that the source was not read to its end is a failure.
            told.fail_fetch(spec, error);
        }
    }

    /// Notes that the source was read and has nothing new.
    fn note_unchanged(&self, spec: &FeedSpec, input: &Input<'_>, after: &ReadTo, told: &mut Told) {
        let is_checked = is_checked(spec, input, after);
        let noted = self
            .note_read(&spec.source, is_checked)
            .and_then(|()| self.keep_position(spec, after));
        told.run.outcome = FeedRunOutcome::Unchanged;
        told.run.checked = is_checked;
        told.ending = Ending::Done { more: input.more };
        if let Err(problem) = noted {
            told.fail_by(&problem);
        }
    }

    /// Imports an input and keeps where the source is read to from then on.
    pub(super) fn take_input(&self, spec: &FeedSpec, input: &Input<'_>, after: &ReadTo, told: &mut Told) {
        let is_checked = is_checked(spec, input, after);
        let is_few = !input.whole && input.documents < FEW_DOCUMENTS;
        let options = ImportOptions {
            asked: types::FeedImportOptions {
                complete: spec.entry.complete && input.whole && !input.is_cut,
                strict: false,
                allow_empty: is_few,
                approve: input.approved,
                kind: spec.kind.clone(),
            },
            is_checked,
            gone: input.gone.clone(),
            root: Some(format!("feeds/{}", spec.name())),
        };
        let read = input::Source::path(input.path);
        match self.import_input(&spec.source, read, &options) {
            Ok(report) => {
                counted(&report, told);
                told.run.outcome = FeedRunOutcome::Imported;
                told.run.checked = is_checked;
                told.ending = Ending::Done { more: input.more };
                if let Err(problem) = self.keep_position(spec, after) {
                    told.fail_by(&problem);
                }
            }
            Err(problem) if problem.code == ErrorCode::FeedSuspect && !input.approved => {
                self.keep_suspect(spec, input, after, &problem, told);
            }
            Err(problem) => told.fail_by(&problem),
        }
    }

    fn keep_position(&self, spec: &FeedSpec, after: &ReadTo) -> ServiceResult<()> {
        let folder = self.feeds.folder(spec.name());
        folder.write_read_to(after).map_err(|error| home_problem(&error))
    }
}

/// Returns true if the source counts as checked after this input: it is the whole source, or it is all that changed
/// since the whole was taken in.
fn is_checked(spec: &FeedSpec, input: &Input<'_>, after: &ReadTo) -> bool {
    let is_to_its_end = !input.is_cut && (input.whole || !input.more);
    spec.entry.complete && is_to_its_end && (input.whole || after.whole_at.is_some())
}

/// Copies the counts and the oddities of a report.
fn counted(report: &types::FeedImportReport, told: &mut Told) {
    let run = &mut told.run;
    run.stored = report.stored;
    run.unchanged = report.unchanged;
    run.absent = report.absent;
    run.rejected = report.rejected;
    let rejected = report
        .files
        .iter()
        .filter(|file| file.outcome == types::FeedOutcome::Rejected);
    for file in rejected.take(NOTES / 2) {
        told.note(&format!("{} was rejected: {}", file.name, file.reason));
    }
    if report.warning_count > 0 {
        let first = report.warnings.first().map_or("", String::as_str);
        told.note(&format!("{} warnings; the first: {first}", report.warning_count));
    }
}

fn new_run(spec: &FeedSpec, trigger: FeedTrigger, started_at: types::Timestamp) -> FeedRun {
    FeedRun {
        feed: spec.name().clone(),
        source: spec.source.clone().into(),
        trigger,
        started_at,
        duration_ms: 0,
        outcome: FeedRunOutcome::Failed,
        whole: false,
        checked: false,
        requests: 0,
        documents: 0,
        bytes: 0,
        stored: 0,
        unchanged: 0,
        absent: 0,
        rejected: 0,
        code: None,
        error: None,
        notes: Vec::new(),
    }
}

/// Cuts a text, on one line.
pub(super) fn cut(text: &str, most: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= most {
        return words;
    }
    let mut short: String = words.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}
