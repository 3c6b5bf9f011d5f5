//! `starling store …`

use clap::{Args, Subcommand};
use starling_api_types::ExitStatus;

use super::Outcome;
use crate::local::{self, Engine};
use crate::render;
use crate::session::Session;

/// The embedded store: its engine and its space
#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    Compact(Compact),
    Convert(Convert),
}

/// Give disk space back: drop old bodies, rewrite packs, rebuild the engine's files
#[derive(Debug, Args)]
#[command(after_help = "\
Drops record bodies that were replaced longer ago than store.retention, rewrites packs of which less than
half is live, and rebuilds the engine's files without what they no longer need. The log is left as it is: it
only grows. Needs room for the live half of the packs and for a second copy of the engine.

Asks the daemon if one runs, else opens the store. Scans and reads go on meanwhile; with redb they wait while
its file is compacted. A daemon does the same every six hours, but rebuilds the engine only if its files take
64 MiB or more, and three times what they took after the last time.

Example:
  starling store compact
  starling store compact --json | jq .after

Exit codes: 0 compacted, 2 no site in the folder, 6 not reachable or locked, 11 store damaged, 12 disk full")]
pub(crate) struct Compact {}

/// Move the store to another engine, by a rebuild from the log
#[derive(Debug, Args)]
#[command(after_help = "\
Fills an empty engine from the site's log and packs, which stay as they are, and removes the old engine when
that is done. If it is cut off, the next start finishes it. The event stream begins anew.
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
        match self {
            Self::Compact(Compact {}) => compact(session).await,
            Self::Convert(args) => convert(args, session).await,
        }
    }
}

async fn compact(session: &Session) -> Outcome {
    let step = session.step("Compacting the store");
    let site = session.site(&step).await?;
    let report = site.compact_store().await?;
    drop(step);
    session.print(&report, render::compacted)?;
    Ok(ExitStatus::Pass)
}

async fn convert(args: Convert, session: &Session) -> Outcome {
    session.ensure_no_daemon("converting the store").await?;
    let step = session.step(format!("Converting to {}", args.engine.as_str()));
    let report = local::convert_store(session.home(), args.engine).await?;
    drop(step);
    session.print(&report, render::converted)?;
    Ok(ExitStatus::Pass)
}
