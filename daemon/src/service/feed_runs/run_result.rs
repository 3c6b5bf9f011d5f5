//! The result of a run, for people and for the next run.

use starling_api_types as types;
use starling_api_types::{ErrorCode, FeedRun, FeedRunOutcome, Problem};
use starling_fetch::FetchError;

use super::fetching;
use super::rejected::{Refusal, Rejected};
use super::state::KeptInput;
use crate::config::feeds::FeedSpec;
use crate::schedule::Ending;

/// Most notes of a run, and the longest note, in characters.
const NOTES: usize = 10;
const NOTE_CHARS: usize = 400;
/// Longest text of an error, in characters.
pub(super) const ERROR_CHARS: usize = 2_000;

/// The result of a run, and the state on which the next run depends.
pub(super) struct RunResult {
    pub(super) run: FeedRun,
    pub(super) ending: Ending,
    /// The suspect input, if there is one now.
    pub(super) suspect: Option<KeptInput>,
    /// The rejected documents of the source now; `None` if they did not change.
    pub(super) rejected: Option<Rejected>,
    /// A description of the held-back records now; `None` if they did not change.
    pub(super) held_back: Option<Option<String>>,
    /// The number of records of the source now; `None` if it did not change.
    pub(super) records: Option<u64>,
    /// True if an operator approved the input.
    pub(super) is_approved: bool,
    /// The reason why the source does not count as checked because of rejected documents.
    pub(super) refusal: Option<Refusal>,
    /// Number of notes beyond the limit.
    more_notes: u64,
}

impl RunResult {
    pub(super) fn of(run: FeedRun) -> Self {
        Self {
            run,
            ending: Ending::Done { more: false },
            suspect: None,
            rejected: None,
            held_back: None,
            records: None,
            is_approved: false,
            refusal: None,
            more_notes: 0,
        }
    }

    /// Makes the run a failure.
    pub(super) fn fail(&mut self, problem: &Problem, is_temporary: bool, retry_after_ms: Option<u64>) {
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

    /// Makes the run a failure because of a problem of this site.
    pub(super) fn fail_by(&mut self, problem: &Problem) {
        self.fail(problem, problem.retryable, None);
    }

    /// Makes the run a failure because its fetch failed.
    pub(super) fn fail_fetch(&mut self, spec: &FeedSpec, error: &FetchError) {
        if matches!(error, FetchError::Stopped) {
            self.run.outcome = FeedRunOutcome::Stopped;
            self.run.code = Some(ErrorCode::ShuttingDown);
            let text = "the site stopped, or the feed was switched off or removed, before the source was fetched to its end";
            self.run.error = Some(text.to_owned());
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
        } else {
            self.more_notes += 1;
        }
    }

    /// Adds a last note with the number of notes that are not listed.
    pub(super) fn close_notes(&mut self) {
        if self.more_notes > 0 {
            self.run
                .notes
                .push(format!("{} more notes are not listed", self.more_notes));
            self.more_notes = 0;
        }
    }

    /// Makes a run a failure although it imported what it read, because it did not or could not read all of the source.
    pub(super) fn fail_unread(&mut self, spec: &FeedSpec, why: &str, hint: &str) {
        let detail = format!("{}: the source does not count as checked: {why}", spec.name());
        self.fail(
            &Problem::new(ErrorCode::FeedFetchFailed, detail).hint(hint),
            false,
            None,
        );
    }
}

/// Copies the counts of a report, and adds notes about rejected files and warnings.
pub(super) fn copy_counts(report: &types::FeedImportReport, result: &mut RunResult) {
    let run = &mut result.run;
    run.stored = report.stored;
    run.unchanged = report.unchanged;
    run.absent = report.absent;
    run.rejected = report.rejected;
    let rejected = report
        .files
        .iter()
        .filter(|file| file.outcome == types::FeedOutcome::Rejected);
    for file in rejected.take(NOTES / 2) {
        result.note(&format!("{} was rejected: {}", file.name, file.reason));
    }
    if report.warning_count > 0 {
        let first = report.warnings.first().map_or("", String::as_str);
        let number = match report.warning_count {
            1 => "1 warning".to_owned(),
            many => format!("{many} warnings"),
        };
        result.note(&format!("{number}; the first: {first}"));
    }
}

/// Shortens a text and puts it on one line.
pub(super) fn cut(text: &str, most: usize) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= most {
        return words;
    }
    let mut short: String = words.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}
