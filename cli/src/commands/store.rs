//! `starling store …`

use clap::{Args, Subcommand};
use starling_api_types::ExitStatus;

use super::Outcome;
use crate::local::{self, Engine};
use crate::render;
use crate::session::Session;

/// Compact the store, or move it to another engine
#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    Compact(Compact),
    Convert(Convert),
}

/// Free disk space: drop old bodies, rewrite packs, rebuild the engine's files
#[derive(Debug, Args)]
#[command(after_help = "\
Drops record bodies that were replaced longer ago than store.retention, rewrites packs that are less than half live, and
rebuilds the engine's files. The log is not changed: it only grows. Needs disk space for the live half of the packs
and for a second copy of the engine.

Asks the daemon if one runs, else opens the store. Scans and reads continue meanwhile; with redb they wait while its file
is compacted. A daemon does the same every six hours, but rebuilds the engine only if its files take at least 16 MiB,
and twice their size after the last rebuild (on sled 8 MiB, and one and a half times).

Example:
  starling store compact
  starling store compact --json | jq .after

Exit codes: 0 compacted, 2 no site in the folder, 6 not reachable or locked, 11 store damaged, 12 disk full")]
pub(crate) struct Compact {}

/// Move the store to another engine by replaying the log
#[derive(Debug, Args)]
#[command(after_help = "\
Fills an empty engine from the site's log and packs, which do not change. Then removes the old engine. After a crash, the
next start completes the conversion. The event stream starts again from the beginning. Stop the daemon first.

Example:
  starling store convert --engine redb

Exit codes: 0 converted, 2 the store already has that engine, 6 a daemon runs or the store is locked,
  11 store damaged, 12 disk full")]
pub(crate) struct Convert {
    /// Engine to move to
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
    let report = step.follow(site.as_ref(), site.compact_store()).await?;
    drop(step);
    session.print(&report, render::compacted)?;
    Ok(ExitStatus::Pass)
}

async fn convert(args: Convert, session: &Session) -> Outcome {
    session.ensure_no_daemon("converting the store").await?;
    let step = session.step(format!("Converting to {}", args.engine.as_str()));
    let report = local::convert_store(session.home(), args.engine, step.watcher()).await?;
    drop(step);
    session.print(&report, render::converted)?;
    Ok(ExitStatus::Pass)
}
