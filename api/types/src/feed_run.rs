//! Runs of a feed: fetched, compared with what is known, taken in.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error_code::ErrorCode;
use crate::exit::ExitStatus;
use crate::text::{FeedName, SiteSlug, SourceName};
use crate::time::Timestamp;

/// Why a run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedTrigger {
    /// It was due.
    Schedule,
    /// Somebody asked for it.
    Request,
    /// Somebody approved the input that was suspect.
    Approval,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedRunOutcome {
    /// What was fetched was taken in.
    Imported,
    /// The source was read, and has nothing new.
    Unchanged,
    /// What was fetched would take away much of the source: it is kept, and nothing was changed.
    Suspect,
    /// It could not be fetched or taken in, or the source was not read to its end. What was read of it is taken in:
    /// `stored` and `absent` say what was changed.
    Failed,
    /// The site stopped, or the feed was switched off, before it was fetched.
    Stopped,
}

impl FeedRunOutcome {
    /// The outcome's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Unchanged => "unchanged",
            Self::Suspect => "suspect",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// Returns true if the source was read and nothing is in the way of its records.
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
    /// Why it began.
    pub trigger: FeedTrigger,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How it ended.
    pub outcome: FeedRunOutcome,
    /// True if the whole source was fetched, and not only the changes.
    pub whole: bool,
    /// True if the source counts as checked at this time.
    pub checked: bool,
    /// Requests that were made.
    pub requests: u64,
    /// Documents that were fetched.
    pub documents: u64,
    /// Bytes that were fetched.
    pub bytes: u64,
    /// Records that were new or changed.
    pub stored: u64,
    /// Records that were there already.
    pub unchanged: u64,
    /// Records that the source dropped.
    pub absent: u64,
    /// Documents or records that were refused; earlier records of them stay.
    pub rejected: u64,
    /// Rows and documents of the source that could not be read for over a week, and no longer keep it from being
    /// checked.
    #[serde(default)]
    pub passed_over: u64,
    /// Code of what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ErrorCode>,
    /// What went wrong, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What was odd, by name; the first 10, and how many more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl FeedRun {
    /// Returns how a command that made this run ends.
    pub fn exit_status(&self) -> ExitStatus {
        match self.outcome {
            FeedRunOutcome::Imported | FeedRunOutcome::Unchanged => ExitStatus::Pass,
            FeedRunOutcome::Suspect => ExitStatus::InputRefused,
            FeedRunOutcome::Stopped => ExitStatus::NotReachable,
            FeedRunOutcome::Failed => self.code.map_or(ExitStatus::InputRefused, ErrorCode::exit_status),
        }
    }
}

/// What a run is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedPhase {
    /// It waits until another feed is done.
    #[default]
    Waiting,
    /// It fetches documents.
    Fetching,
    /// It takes them in.
    Importing,
}

impl FeedPhase {
    /// The phase's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Fetching => "fetching",
            Self::Importing => "importing",
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct FeedProgress {
    /// What it is at.
    pub phase: FeedPhase,
    /// Documents that were fetched until now.
    pub documents: u64,
    /// Bytes that were fetched until now.
    pub bytes: u64,
}

/// How the runs of a feed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FeedCounts {
    /// Runs that took something in.
    pub imported: u64,
    /// Runs that found nothing new.
    pub unchanged: u64,
    /// Runs whose input was suspect.
    pub suspect: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that the site's stop ended.
    pub stopped: u64,
}

impl FeedCounts {
    /// Counts a run.
    pub fn count(&mut self, outcome: FeedRunOutcome) {
        let counter = match outcome {
            FeedRunOutcome::Imported => &mut self.imported,
            FeedRunOutcome::Unchanged => &mut self.unchanged,
            FeedRunOutcome::Suspect => &mut self.suspect,
            FeedRunOutcome::Failed => &mut self.failed,
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
    /// What came of it, or what went wrong.
    pub detail: String,
    /// When it ended.
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
