//! `starling feeds list` and `status`: which feeds there are, and how they are.

use clap::Args;
use starling_api_types::{ExitStatus, FeedName};

use super::Outcome;
use crate::candidates;
use crate::local;
use crate::progress::Step;
use crate::render;
use crate::session::Session;

/// List the feeds that the site fetches by itself
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling feeds list
  starling feeds list --json | jq -r '.feeds[].name'

Exit codes: 0 listed (also if there are none), 6 not reachable or locked")]
pub(crate) struct List {}

/// Show how feeds are: what needs attention first, then last success and next run
#[derive(Debug, Args)]
#[command(after_help = "\
States: new, ok, running, late (no success for twice its schedule), failing, suspect (its input waits for `feeds approve`),
disabled, standing_by (another site fetches its source).

Example:
  starling feeds status
  starling feeds status nvd

Exit codes: 0 shown, 3 no such feed, 6 not reachable or locked")]
pub(crate) struct Status {
    /// One feed, in full
    #[arg(add = candidates::feeds())]
    name: Option<FeedName>,
}

impl List {
    pub(crate) async fn run(&self, session: &Session) -> Outcome {
        let site = session.site(&Step::silent()).await?;
        session.print(&site.feeds().await?, render::feed_list)?;
        Ok(ExitStatus::Pass)
    }
}

impl Status {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let site = session.site(&Step::silent()).await?;
        let now = local::now().into();
        let has_daemon = site.status().await?.daemon;
        match self.name {
            Some(name) => session.print(&site.feed(&name).await?, |feed| {
                render::feed(feed, has_daemon, now)
            })?,
            None => session.print(&site.feeds().await?, |list| {
                render::feed_status(list, has_daemon, now)
            })?,
        }
        Ok(ExitStatus::Pass)
    }
}
