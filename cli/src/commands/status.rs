//! `starling status`

use clap::Args;
use starling_api_types::ExitStatus;

use super::Outcome;
use crate::progress::Step;
use crate::render;
use crate::session::Session;

/// Show the site: identity, head, knowledge root, peers, positions, feeds, store
#[derive(Debug, Args)]
#[command(after_help = "\
Asks the daemon if one runs, else opens the store.

Example:
  starling status
  starling status --json | jq -r .knowledge_root

Exit codes: 0 shown, 2 no site in the folder, 6 not reachable or locked, 11 store damaged")]
pub(crate) struct Status {}

impl Status {
    pub(crate) async fn run(&self, session: &Session) -> Outcome {
        let site = session.site(&Step::silent()).await?;
        session.print(&site.status().await?, render::status)?;
        Ok(ExitStatus::Pass)
    }
}
