//! `starling feeds history`: the last runs of a feed.

use clap::Args;
use serde::Serialize;
use starling_api_types::{ExitStatus, FeedName, FeedRun};

use super::Outcome;
use crate::candidates;
use crate::progress::Step;
use crate::render;
use crate::session::Session;

/// Show the last 100 runs of a feed, newest first
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling feeds history nvd
  starling feeds history nvd --json \\
      | jq '.history[] | select(.outcome == \"failed\")'

Exit codes: 0 shown, 3 no such feed, 6 not reachable or locked")]
pub(crate) struct History {
    /// The feed
    #[arg(add = candidates::feeds())]
    name: FeedName,
}

/// Answer of `feeds history`.
#[derive(Debug, Serialize)]
struct Runs {
    feed: FeedName,
    history: Vec<FeedRun>,
}

impl History {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let site = session.site(&Step::silent()).await?;
        let feed = site.feed(&self.name).await?;
        let runs = Runs {
            feed: feed.name,
            history: feed.history,
        };
        session.print(&runs, |runs| render::feed_history(&runs.history))?;
        Ok(ExitStatus::Pass)
    }
}
