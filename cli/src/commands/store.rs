//! `starling store …`

use clap::{Args, Subcommand};
use starling_api_types::ExitStatus;

use super::Outcome;
use crate::local::{self, Engine};
use crate::render;
use crate::session::Session;

/// The embedded store
#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    Convert(Convert),
}

/// Move the store to another engine: copy, check, then switch over
#[derive(Debug, Args)]
#[command(after_help = "\
Needs the store to itself: stop the daemon first.

Example:
  starling store convert --engine redb

Exit codes: 0 converted, 2 it is of that engine already, 6 a daemon runs or the store is locked,
  11 store damaged, 12 disk full")]
pub(crate) struct Convert {
    /// The engine to move to
    #[arg(long, value_enum)]
    engine: Engine,
}

impl Store {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        let Self::Convert(args) = self;
        session.ensure_no_daemon("converting the store").await?;
        let step = session.step(format!("Converting to {}", args.engine.as_str()));
        let report = local::convert_store(session.home(), args.engine).await?;
        drop(step);
        session.print(&report, render::converted)?;
        Ok(ExitStatus::Pass)
    }
}
