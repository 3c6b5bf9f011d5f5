//! `starling events`

use clap::Args;
use futures::StreamExt;
use starling_api::SiteService;
use starling_api_types::{EventId, ExitStatus, Problem};

use super::Outcome;
use crate::progress::Step;
use crate::render;
use crate::session::{Session, print};

/// Follow changes of advisories, one line per event, until the daemon stops
#[derive(Debug, Args)]
#[command(after_help = "\
Needs a running daemon.

Example:
  starling events
  starling events --after 1200-00f1e2d3c4b5a697 --json

Exit codes: 0 ended, 4 the events after that id are no longer kept, or the store was rebuilt since,
  6 no daemon runs or it stopped")]
pub(crate) struct Events {
    /// Start after the event with this `id`. Without it, start with the next event
    #[arg(long, value_name = "ID")]
    after: Option<EventId>,
}

impl Events {
    pub(crate) async fn run(&self, session: &Session) -> Outcome {
        let mut events = session
            .open_daemon(&Step::silent())
            .await?
            .events(self.after)
            .await?;
        while let Some(record) = events.next().await {
            let record = record?;
            let mut line = if session.json() {
                // One line per event, so that a program can read each event when it happens.
                serde_json::to_string(&record).map_err(|error| Problem::internal("writing JSON", error))?
            } else {
                render::event(&record)
            };
            line.push('\n');
            print(&line)?;
        }
        Ok(ExitStatus::Pass)
    }
}
