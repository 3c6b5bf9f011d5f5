//! One run of a feed: fetches, imports, and stores the position.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, FeedPhase, FeedProgress, FeedRun, FeedRunOutcome, FeedTrigger, Problem};
use starling_feeds::input;
use starling_fetch::FetchError;
use starling_protocol::FeedOffer;
use tokio_util::sync::CancellationToken;

use super::fetching::{self, Brought, BroughtDocument, FetchJob};
use super::held_back::HeldBack;
use super::read_to::ReadTo;
use super::rejected::{Documents, Refusal};
use super::run_result::{RunResult, copy_counts};
use super::state::FeedMemory;
use super::{PLACE_FOR, Trigger, lock};
use crate::clock::now;
use crate::config::feeds::FeedSpec;
use crate::schedule::{Ending, next_run_ms, random};
use crate::service::feeds::{ImportOptions, Rejections, alone};
use crate::service::{Site, SiteParts};

/// The input of an import.
pub(super) struct Input<'a> {
    pub(super) path: &'a Path,
    pub(super) whole: bool,
    pub(super) more: bool,
    pub(super) is_cut: bool,
    /// True if everything that the source has was read.
    pub(super) read_to_end: bool,
    /// The documents, by name relative to `path`.
    pub(super) documents: Documents,
    pub(super) gone: Vec<String>,
    pub(super) approved: bool,
    /// The fetched documents, if raw documents are kept.
    pub(super) raw: Option<&'a [BroughtDocument]>,
    /// Listed documents that are missing; `None` for an input that was fetched by an earlier run.
    pub(super) missing: Option<&'a BTreeSet<String>>,
}

impl Site {
    /// Runs a feed once and stores the result.
    pub(super) async fn run_once(
        &self,
        spec: &FeedSpec,
        why: Trigger,
        progress: &Mutex<FeedProgress>,
        stop: &CancellationToken,
    ) -> FeedRun {
        let (began, since) = (now(), Instant::now());
        tracing::info!(feed = %spec.name(), ?why, "running a feed");
        let mut result = RunResult::of(new_run(spec, why.into(), began.into()));
        result = self
            .on_disk(spec, result, move |parts, spec, _| {
                let began_at = Some(began.into());
                parts
                    .live
                    .feeds
                    .remember(spec.name(), |memory| memory.began_at = began_at);
            })
            .await;
        if let Trigger::Approval(input) = why {
            lock(progress).phase = FeedPhase::Importing;
            result = self
                .on_disk(spec, result, move |parts, spec, result| {
                    parts.take_suspect(spec, &input, result);
                })
                .await;
        } else if let Some(fetched) = self.fetch(spec, progress, stop, &mut result).await {
            lock(progress).phase = FeedPhase::Importing;
            let (fetched, read_to) = fetched;
            result = self
                .on_disk(spec, result, move |parts, spec, result| {
                    parts.take_fetched(spec, fetched, read_to, result);
                })
                .await;
        }
        result.close_notes();
        result.run.duration_ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let run = result.run.clone();
        self.on_disk(spec, result, move |parts, spec, result| {
            parts.live.feeds.folder(spec.name()).drop_spool();
            parts.keep_run(spec, result, began.as_millis());
        })
        .await;
        run
    }

    /// Fetches the new documents. Returns `None` if that failed; the error is then in `result`.
    async fn fetch(
        &self,
        spec: &FeedSpec,
        progress: &Mutex<FeedProgress>,
        stop: &CancellationToken,
        result: &mut RunResult,
    ) -> Option<(Brought, ReadTo)> {
        let feeds = &self.0.live.feeds;
        let place = tokio::select! {
            biased;
            () = stop.cancelled() => {
                result.fail_fetch(spec, &FetchError::Stopped);
                return None;
            }
            place = feeds.places.acquire() => place,
        };
        // The semaphore is never closed.
        let place = place.ok()?;
        let prepared = self.prepare(spec).await;
        let (spool, read_to, why) = match prepared {
            Ok(prepared) => prepared,
            Err(problem) => {
                result.fail_by(&problem);
                return None;
            }
        };
        if let Some(why) = why {
            result.note(&why);
        }
        lock(progress).phase = FeedPhase::Fetching;
        let show = |moved: starling_fetch::Progress| fetching::shown(&moved, &mut lock(progress));
        let job = FetchJob {
            spec,
            home: self.0.identity.home.path(),
            position: &read_to.position,
            into: &spool,
            progress: &show,
            stop,
        };
        let fetching = feeds.fetching();
        let fetched = {
            let mut fetch = fetching.fetch(job);
            tokio::select! {
                fetched = &mut fetch => fetched,
                () = tokio::time::sleep(PLACE_FOR) => {
                    // A slow source must not block the others.
                    drop(place);
                    fetch.await
                }
            }
        };
        match fetched {
            Ok(fetched) => Some((fetched, read_to)),
            Err(error) => {
                result.fail_fetch(spec, &error);
                let seen = *lock(progress);
                (result.run.documents, result.run.bytes) = (seen.documents, seen.bytes);
                None
            }
        }
    }

    /// Empties the spool and reads the position at which the fetch continues. The text is the reason why that is the
    /// beginning, if it is.
    async fn prepare(&self, spec: &FeedSpec) -> ServiceResult<(PathBuf, ReadTo, Option<String>)> {
        let spec = spec.clone();
        self.blocking(move |parts| {
            parts.prepare_to_sign(&format!("running the feed {}", spec.name()))?;
            let folder = parts.live.feeds.folder(spec.name());
            let spool = folder.empty_spool().map_err(|error| {
                starling_api::file_problem("emptying the folder", &folder.spool(), &error)
            })?;
            let (read_to, why) = parts.read_to(&spec)?;
            Ok((spool, read_to, why))
        })
        .await
    }

    /// Carries out a step of a run in a thread that may block.
    async fn on_disk(
        &self,
        spec: &FeedSpec,
        result: RunResult,
        work: impl FnOnce(&SiteParts, &FeedSpec, &mut RunResult) + Send + 'static,
    ) -> RunResult {
        let (parts, spec) = (self.0.clone(), spec.clone());
        let mut lost = RunResult::of(result.run.clone());
        let done = tokio::task::spawn_blocking(move || {
            let mut result = result;
            work(&parts, &spec, &mut result);
            result
        });
        match done.await {
            Ok(result) => result,
            Err(panic) => {
                lost.fail_by(&Problem::internal("running a feed", panic));
                lost
            }
        }
    }
}

impl SiteParts {
    /// Imports the fetched documents.
    fn take_fetched(&self, spec: &FeedSpec, fetched: Brought, before: ReadTo, result: &mut RunResult) {
        let mut after = before;
        after.begin_part(spec, &fetched);
        let run = &mut result.run;
        run.whole = fetched.whole;
        run.requests = fetched.requests;
        run.bytes = fetched.bytes;
        run.documents = fetched.count as u64;
        run.passed_over = fetched.passed_over;
        for note in &fetched.notes {
            result.note(note);
        }
        let input = Input {
            path: &fetched.input,
            whole: fetched.whole,
            more: fetched.more,
            is_cut: fetched.unfinished.is_some(),
            read_to_end: fetched.read_to_end,
            documents: documents_of(&fetched),
            // A feed that is deliberately partial does not show which files the source dropped.
            gone: if spec.entry.complete {
                fetched.gone
            } else {
                Vec::new()
            },
            approved: false,
            raw: Some(&fetched.documents),
            missing: Some(&fetched.dead),
        };
        after.position = fetched.position;
        if fetched.read_to_end && (fetched.whole || fetched.from_start) {
            after.whole_at = Some(now().into());
        }
        if let Some(note) = after.dead_note(&fetched.dead) {
            result.note(&note);
        }
        let is_nothing = fetched.unchanged || (fetched.count == 0 && input.gone.is_empty());
        // The last part must be imported even if it is empty, because records can become absent then.
        let is_due = after.held_back.as_ref().is_some_and(HeldBack::is_due);
        let is_due = is_due && spec.entry.complete && is_at_end(&input) && !input.whole;
        if is_nothing && !after.ends_round() && !is_due {
            self.note_unchanged(spec, &input, &mut after, result);
        } else {
            self.take_input(spec, &input, &mut after, result);
        }
        if !result.run.outcome.is_success() {
            return;
        }
        // The imported records stay, but the run fails if the source was not read to its end.
        if let Some(error) = &fetched.unfinished {
            result.fail_fetch(spec, error);
        } else if let Some(why) = &fetched.unread {
            result.fail_unread(
                spec,
                why,
                "what was read of it is taken in; the rest is read again at each run",
            );
        } else if let Some(refusal) = result.refusal.take() {
            result.fail_unread(spec, &refusal.why, refusal.hint());
        }
    }

    /// Returns this site's offer if it builds on other sites, and true if the source was compared with this site's own log
    /// only.
    fn read_by_itself(
        &self,
        spec: &FeedSpec,
        is_checked: bool,
        after: &ReadTo,
    ) -> ServiceResult<(Option<FeedOffer>, bool)> {
        let built_on = self.built_on_others(&spec.source)?;
        let is_alone = is_checked && after.others.is_none() && self.shared(spec)?.is_none();
        Ok((built_on, is_alone))
    }

    /// Records that the source was read and has nothing new.
    fn note_unchanged(&self, spec: &FeedSpec, input: &Input<'_>, after: &mut ReadTo, result: &mut RunResult) {
        // Known rejected documents stay known. Their number was checked when they were rejected.
        let mut is_checked = is_checked(spec, input, after) && after.refusal.is_none();
        let noted = self
            .read_by_itself(spec, is_checked, after)
            .and_then(|(built_on, by_itself)| {
                let claims = match built_on {
                    Some(offer) if by_itself => vec![alone(&offer).to_claim(&spec.source, now())],
                    Some(_) if after.in_parts && is_checked => {
                        is_checked = false;
                        after.refusal = Some(after.absences_unknown());
                        Vec::new()
                    }
                    _ => Vec::new(),
                };
                self.note_read(&spec.source, is_checked, claims)
            })
            .and_then(|()| self.keep_position(spec, after));
        result.run.outcome = FeedRunOutcome::Unchanged;
        result.run.checked = is_checked;
        result.ending = Ending::Done { more: input.more };
        result.refusal = after.refusal.clone().map(Refusal::lasting);
        if let Err(problem) = noted {
            result.fail_by(&problem);
        }
    }

    /// Imports an input and stores the new position.
    pub(super) fn take_input(
        &self,
        spec: &FeedSpec,
        input: &Input<'_>,
        after: &mut ReadTo,
        result: &mut RunResult,
    ) {
        let mut documents = input.documents.clone();
        // A document that the source dropped is no longer rejected.
        input
            .gone
            .iter()
            .for_each(|name| documents.add(name.clone(), false));
        let shared = match self.shared(spec) {
            Ok(shared) => shared,
            Err(problem) => return result.fail_by(&problem),
        };
        let complete = spec.entry.complete && input.whole && !input.is_cut;
        // A part is compared with the same statements as the earlier parts. If they changed, the next run starts from the
        // beginning.
        let shared = shared.filter(|_| complete || after.others.is_some());
        let mut options = ImportOptions {
            by_itself: shared.is_none() && after.others.is_none(),
            in_parts: after.in_parts && !complete,
            shared,
            asked: types::FeedImportOptions {
                complete,
                strict: false,
                allow_empty: false,
                approve: input.approved,
                kind: spec.kind.clone(),
            },
            is_checked: is_checked(spec, input, after),
            gone: input.gone.clone(),
            held_back: after.held_back.clone().filter(|_| spec.entry.complete),
            is_at_end: is_at_end(input),
            root: Some(format!("feeds/{}", spec.name())),
            may_hold_none: !input.whole,
            most_records: self.live.feeds.memory(spec.name()).sizes.most(now().as_millis()),
            by_hand: false,
            round: after.take_part(is_checked(spec, input, after)),
            rejections: Some(Rejections {
                before: after.rejected.clone(),
                is_whole: input.whole && !input.is_cut,
                documents,
            }),
        };
        let read = input::Source::path(input.path);
        let taken = self.import_input(&spec.source, read, &options);
        after.round = options.round.take().map(|part| part.round);
        match taken {
            Ok(mut imported) => {
                imported.judged.notes.iter().for_each(|note| result.note(note));
                copy_counts(&imported.report, result);
                result.run.outcome = FeedRunOutcome::Imported;
                result.run.checked = imported.judged.is_checked;
                result.ending = Ending::Done { more: input.more };
                let lasting = imported.judged.refusal.as_ref();
                let lasting = lasting.filter(|refusal| refusal.is_lasting);
                after.refusal = lasting.map(|refusal| refusal.why.clone());
                after.rejected = imported.judged.rejected;
                after.held_back = imported.judged.held_back;
                result.held_back = Some(after.held_back.as_ref().map(|held| held.shown(&spec.source)));
                result.refusal = imported.judged.refusal;
                // A part shows nothing about statements that other sites made since its run began.
                if options.asked.complete {
                    after.others = imported.judged.others.map(|others| others.to_string());
                }
                after.end_part(imported.judged.part.take(), input.missing, result);
                result.rejected = Some(after.rejected.clone());
                result.records = Some(imported.judged.records);
                result.is_approved = input.approved;
                #[cfg(test)]
                self.live.feeds.end_if_killed();
                // Stored before the position: after a kill in between, the next run fetches the documents again.
                if let Some(documents) = input.raw {
                    self.keep_raw(spec, input.path, documents, result);
                }
                if let Err(problem) = self.keep_position(spec, after) {
                    result.fail_by(&problem);
                }
            }
            Err(problem) if problem.code == ErrorCode::FeedSuspect && !input.approved => {
                self.keep_suspect(spec, input, after, &problem, result);
            }
            Err(problem) => result.fail_by(&problem),
        }
    }
}

/// Counts a killed run as a failure, so that an input that crashes the program is not read again at once. Returns true if
/// there was a killed run.
pub(super) fn count_killed(spec: &FeedSpec, memory: &mut FeedMemory) -> bool {
    let Some(began) = memory.began_at.take() else {
        return false;
    };
    let mut run = new_run(spec, FeedTrigger::Schedule, began);
    run.code = Some(ErrorCode::Internal);
    run.error = Some(
        "the program ended during this run, by a kill or a crash, or by a stop during a long import"
            .to_owned(),
    );
    memory.failures = memory.failures.saturating_add(1);
    let ended = now().as_millis();
    let every = u64::try_from(spec.every.as_millis()).unwrap_or(u64::MAX);
    let began_ms = u64::try_from(began.unix_millis()).unwrap_or(0);
    let ending = Ending::Failed {
        failures: memory.failures,
        is_temporary: true,
        retry_after_ms: None,
    };
    let next = next_run_ms(every, began_ms, ended, ending, random());
    memory.next_run_at = Some(types::Timestamp::saturating(next));
    memory.add(run);
    true
}

/// Returns the documents below the input.
fn documents_of(fetched: &Brought) -> Documents {
    let mut documents = Documents::default();
    for document in &fetched.documents {
        let path = document.path.strip_prefix(&fetched.input);
        let name = path.unwrap_or(&document.path).to_string_lossy().into_owned();
        documents.add(name, document.is_page);
    }
    documents
}

/// Returns true if no later part of the source follows.
fn is_at_end(input: &Input<'_>) -> bool {
    input.read_to_end && !input.more && !input.is_cut
}

/// Returns true if the source counts as checked after this input: it was read to its end, and either completely or with all
/// changes since the last complete import.
fn is_checked(spec: &FeedSpec, input: &Input<'_>, after: &ReadTo) -> bool {
    spec.entry.complete
        && input.read_to_end
        && !input.is_cut
        && !input.more
        && (input.whole || after.whole_at.is_some())
}

pub(super) fn new_run(spec: &FeedSpec, trigger: FeedTrigger, started_at: types::Timestamp) -> FeedRun {
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
        passed_over: 0,
        code: None,
        error: None,
        notes: Vec::new(),
    }
}
