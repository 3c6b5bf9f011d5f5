//! Runs of a feed. A run fetches documents, compares them with the known records, and imports them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error_code::ErrorCode;
use crate::exit::ExitStatus;
use crate::text::{FeedName, SiteSlug, SourceName};
use crate::time::Timestamp;

/// The cause of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedTrigger {
    /// The feed's schedule.
    Schedule,
    /// An operator's request.
    Request,
    /// An operator's approval of a suspect input.
    Approval,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedRunOutcome {
    /// The fetched documents were imported.
    Imported,
    /// The source was read and has nothing new.
    Unchanged,
    /// An import would remove much of the source's records or of their content. The input is kept for approval, and nothing
    /// was changed.
    Suspect,
    /// The source could not be fetched or imported, or was not read to its end. The part that was read may be imported:
    /// `stored` and `absent` count the changes.
    Failed,
    /// The site stopped, or the feed was disabled, before the fetch was complete.
    Stopped,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl FeedRunOutcome {
    /// Returns the outcome's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Unchanged => "unchanged",
            Self::Suspect => "suspect",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown",
        }
    }

    /// Returns true if the source was read, and its changes, if any, were imported.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Imported | Self::Unchanged)
    }
}

/// One run of a feed. Answer of `POST /api/v1/feeds/{name}/run` and `…/approve`: a run that failed is an answer too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedRun {
    /// The feed.
    pub feed: FeedName,
    /// The source.
    pub source: SourceName,
    /// The cause of the run.
    pub trigger: FeedTrigger,
    /// The start of the run.
    pub started_at: Timestamp,
    /// Duration, in milliseconds.
    pub duration_ms: u64,
    /// The result.
    pub outcome: FeedRunOutcome,
    /// True if the whole source was fetched, and not only the changes.
    pub whole: bool,
    /// True if the source counts as checked at this time.
    pub checked: bool,
    /// Number of requests.
    pub requests: u64,
    /// Number of fetched documents.
    pub documents: u64,
    /// Number of fetched bytes.
    pub bytes: u64,
    /// Number of new or changed records.
    pub stored: u64,
    /// Number of unchanged records.
    pub unchanged: u64,
    /// Number of records that the source dropped.
    pub absent: u64,
    /// Number of rejected documents or records; their earlier records stay.
    pub rejected: u64,
    /// Number of rows and documents of the source that could not be read for over a week. The source counts as checked
    /// without them.
    #[serde(default)]
    pub passed_over: u64,
    /// Code of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// The error, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Remarks about the run: the first 10, and the number of further ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl FeedRun {
    /// Returns the exit status of a command that made this run.
    pub fn exit_status(&self) -> ExitStatus {
        match self.outcome {
            FeedRunOutcome::Imported | FeedRunOutcome::Unchanged => ExitStatus::Pass,
            FeedRunOutcome::Suspect => ExitStatus::InputRefused,
            FeedRunOutcome::Stopped => ExitStatus::NotReachable,
            // Never a success: nothing here knows what it means.
            FeedRunOutcome::Unknown => ExitStatus::InputRefused,
            FeedRunOutcome::Failed => self.code.map_or(ExitStatus::InputRefused, ErrorCode::exit_status),
        }
    }
}

/// The phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedPhase {
    /// The run waits until another feed is done.
    #[default]
    Waiting,
    /// The run fetches documents.
    Fetching,
    /// The run imports the fetched documents.
    Importing,
    /// A value that this version does not know, from a newer daemon. It is never sent.
    #[serde(other)]
    Unknown,
}

impl FeedPhase {
    /// Returns the phase's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fetching => "fetching",
            Self::Importing => "importing",
            Self::Unknown => "unknown",
        }
    }
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct FeedProgress {
    /// The current phase.
    pub phase: FeedPhase,
    /// Number of documents fetched so far.
    pub documents: u64,
    /// Number of bytes fetched so far.
    pub bytes: u64,
}

/// The number of runs of a feed by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FeedCounts {
    /// Number of runs that imported something.
    pub imported: u64,
    /// Number of runs that found nothing new.
    pub unchanged: u64,
    /// Number of runs with a suspect input.
    pub suspect: u64,
    /// Number of failed runs.
    pub failed: u64,
    /// Number of runs that ended early because the site stopped or the feed was disabled.
    pub stopped: u64,
}

impl FeedCounts {
    /// Counts a run.
    pub fn count(&mut self, outcome: FeedRunOutcome) {
        let counter = match outcome {
            FeedRunOutcome::Imported => &mut self.imported,
            FeedRunOutcome::Unchanged => &mut self.unchanged,
            FeedRunOutcome::Suspect => &mut self.suspect,
            FeedRunOutcome::Failed | FeedRunOutcome::Unknown => &mut self.failed,
            FeedRunOutcome::Stopped => &mut self.stopped,
        };
        *counter = counter.saturating_add(1);
    }
}

/// The event `feed-run`: a feed of this site was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedRan {
    /// This site.
    pub site_id: SiteSlug,
    /// The feed.
    pub feed: FeedName,
    /// How the run ended.
    pub outcome: FeedRunOutcome,
    /// The changes, or the error.
    pub detail: String,
    /// The end of the run.
    pub ended_at: Timestamp,
}

impl FeedRan {
    /// The event's name in the stream.
    pub const EVENT_NAME: &'static str = "feed-run";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_status_follows_the_outcome() {
        let run = |outcome, code: Option<ErrorCode>| FeedRun {
            feed: FeedName::new("nvd").unwrap(),
            source: SourceName::new("nvd").unwrap(),
            trigger: FeedTrigger::Request,
            started_at: Timestamp::saturating(0),
            duration_ms: 0,
            outcome,
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
            code,
            error: None,
            notes: Vec::new(),
        };
        let of = |outcome, code| run(outcome, code).exit_status();
        assert_eq!(of(FeedRunOutcome::Unchanged, None), ExitStatus::Pass);
        assert_eq!(of(FeedRunOutcome::Suspect, None), ExitStatus::InputRefused);
        assert_eq!(
            of(FeedRunOutcome::Failed, Some(ErrorCode::FeedUnreachable)),
            ExitStatus::NotReachable
        );
        assert_eq!(
            of(FeedRunOutcome::Failed, Some(ErrorCode::DiskFull)),
            ExitStatus::DiskFull
        );
    }
}
