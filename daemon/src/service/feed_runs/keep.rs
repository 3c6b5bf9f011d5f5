//! Stores the result of a run and a suspect input, and notifies subscribers.

use std::path::Path;

use starling_api_types as types;
use starling_api_types::{ErrorCode, FeedRun, FeedRunOutcome, Problem};
use starling_store::FeedEnding;

use super::read_to::ReadTo;
use super::run::Input;
use super::run_result::{ERROR_CHARS, RunResult, cut};
use super::state::{KeptInput, hash_of};
use crate::clock::now;
use crate::config::feeds::FeedSpec;
use crate::home::error_chain;
use crate::home::home_problem;
use crate::schedule::{Ending, next_run_ms, random};
use crate::service::SiteParts;

impl SiteParts {
    /// Keeps a suspect input until an operator approves it.
    pub(super) fn keep_suspect(
        &self,
        spec: &FeedSpec,
        input: &Input<'_>,
        after: &ReadTo,
        problem: &Problem,
        result: &mut RunResult,
    ) {
        result.run.outcome = FeedRunOutcome::Suspect;
        result.run.code = Some(ErrorCode::FeedSuspect);
        result.run.error = Some(cut(&problem.detail, ERROR_CHARS));
        let folder = self.live.feeds.folder(spec.name());
        let spool = folder.spool();
        let relative = input.path.strip_prefix(&spool).unwrap_or(Path::new(""));
        let kept = hash_of(input.path, input.whole, &input.gone)
            .map_err(|error| starling_api::file_problem("reading", input.path, &error))
            .and_then(|hash| {
                folder.keep_suspect(after).map_err(|error| home_problem(&error))?;
                Ok(hash)
            });
        match kept {
            Ok(hash) => {
                result.suspect = Some(KeptInput {
                    shown: types::SuspectInput {
                        input: hash,
                        fetched_at: result.run.started_at,
                        reason: cut(&problem.detail, ERROR_CHARS),
                        documents: result.run.documents,
                        bytes: result.run.bytes,
                    },
                    input: Path::new("input").join(relative),
                    whole: input.whole,
                    more: input.more,
                    read_to_end: input.read_to_end,
                    gone: input.gone.clone(),
                    pages: input.documents.pages().clone(),
                    place: spec.place(),
                });
            }
            Err(problem) => {
                let error = result.run.error.take().unwrap_or_default();
                result.fail_by(&problem);
                let why = result.run.error.take().unwrap_or_default();
                let text = format!("{error}; the input could not be kept for approval: {why}");
                result.run.error = Some(cut(&text, ERROR_CHARS));
            }
        }
    }

    /// Stores the result of a run, and notifies subscribers.
    pub(super) fn keep_run(&self, spec: &FeedSpec, result: &mut RunResult, began_ms: u64) {
        let ended = now().as_millis();
        let every = u64::try_from(spec.every.as_millis()).unwrap_or(u64::MAX);
        let run = result.run.clone();
        let folder = self.live.feeds.folder(spec.name());
        let (suspect, ending) = (result.suspect.take(), result.ending);
        let rejected = result.rejected.take();
        let held_back = result.held_back.take();
        let (records, is_approved) = (result.records, result.is_approved);
        self.live.feeds.remember(spec.name(), |memory| {
            memory.began_at = None;
            if let Some(records) = records {
                memory.sizes.add(ended, records, is_approved);
            }
            if let Some(rejected) = &rejected {
                memory.rejected = rejected.count();
                memory.rejected_shown = cut(&rejected.shown(), ERROR_CHARS);
            }
            if let Some(held_back) = held_back {
                memory.held_back = held_back;
            }
            let ending = match ending {
                Ending::Failed {
                    is_temporary,
                    retry_after_ms,
                    ..
                } => {
                    memory.failures = memory.failures.saturating_add(1);
                    Ending::Failed {
                        failures: memory.failures,
                        is_temporary,
                        retry_after_ms,
                    }
                }
                other => other,
            };
            if run.outcome.is_success() {
                memory.failures = 0;
                memory.given_up = None;
                memory.last_success_at = Some(types::Timestamp::saturating(ended));
                memory.suspect = None;
                folder.drop_suspect();
            } else if run.outcome == FeedRunOutcome::Suspect {
                memory.failures = 0;
                memory.suspect = suspect;
            }
            let next = next_run_ms(every, began_ms, ended, ending, random());
            memory.next_run_at = Some(types::Timestamp::saturating(next));
            memory.add(run.clone());
        });
        let detail = detail_of(&run);
        match run.outcome {
            FeedRunOutcome::Failed => tracing::warn!(feed = %run.feed, error = %detail, "a feed failed"),
            FeedRunOutcome::Suspect => {
                tracing::warn!(feed = %run.feed, %detail, "a feed is suspect: nothing was changed");
            }
            _ => tracing::info!(feed = %run.feed, outcome = run.outcome.as_str(), %detail, "a feed was run"),
        }
        self.tell_feed_run(&run, &detail);
    }

    fn tell_feed_run(&self, run: &FeedRun, detail: &str) {
        let ending = match run.outcome {
            FeedRunOutcome::Imported => FeedEnding::Imported,
            FeedRunOutcome::Unchanged => FeedEnding::Unchanged,
            FeedRunOutcome::Suspect => FeedEnding::Suspect,
            FeedRunOutcome::Failed | FeedRunOutcome::Unknown => FeedEnding::Failed,
            // No subscriber is left.
            FeedRunOutcome::Stopped => return,
        };
        match self.data.store.tell_feed_run(run.feed.as_str(), ending, detail) {
            Ok(()) => self.live.shown.send_modify(|count| *count += 1),
            Err(error) => {
                tracing::warn!(error = %error_chain(&error), "telling subscribers of a feed's run");
            }
        }
    }
}

/// Describes the result of a run in a sentence.
fn detail_of(run: &FeedRun) -> String {
    if let Some(error) = &run.error {
        return error.clone();
    }
    match run.outcome {
        FeedRunOutcome::Unchanged => "the source has nothing new".to_owned(),
        _ => format!(
            "{} records new or changed, {} as they were, {} absent, {} rejected",
            run.stored, run.unchanged, run.absent, run.rejected
        ),
    }
}
