//! `starling restore`

use std::io::{IsTerminal, Write};

use clap::Args;
use starling_api_types::ExitStatus;
use starling_daemon::RestoreMode;

use super::Outcome;
use crate::local;
use crate::render;
use crate::session::Session;

/// Declare that this home was restored from a backup or copied: the site gets its newer data back from peers
#[derive(Debug, Args)]
#[command(after_help = "\
The site detects a copied home, but not a copied machine: after you restore a virtual machine's snapshot, run this
command. Stop the daemon first. Until the site has heard from a peer (`starling up`) or a bundle, it reads, scans and
relays, but does not sign. It then starts a new epoch, which needs the root key in keys/root.key. If only keys,
configuration and certificates were restored, the site gets an empty store, and you must list its peers again.

With --alone, the site gives up data that peers hold and this home lacks. A site that has a newer certificate of this
site then distrusts it. Use --alone only if no other site can have such data or certificates.

Example:
  starling restore
  starling restore --alone --yes

Exit codes: 0 recorded, or the site continues; 2 no site in the folder, or not confirmed, 3 no root key in the folder (--alone),
  6 a daemon uses the store, 11 store damaged, 12 disk full")]
pub(crate) struct Restore {
    /// Continue from what this home holds, without waiting for any peer
    #[arg(long)]
    alone: bool,
    /// Do not ask on a terminal
    #[arg(long)]
    yes: bool,
}

impl Restore {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        session.ensure_no_daemon("restoring the site").await?;
        if !self.yes && !session.json() && is_refused(self.alone) {
            crate::session::note("nothing was changed");
            return Ok(ExitStatus::Usage);
        }
        let mode = if self.alone {
            RestoreMode::Alone
        } else {
            RestoreMode::Hear
        };
        session.print(
            &local::restore(session.home(), mode).await?,
            render::restore_report,
        )?;
        Ok(ExitStatus::Pass)
    }
}

/// Asks on a terminal; returns true if the answer is not yes. In a script, the command itself is the answer.
fn is_refused(alone: bool) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return false;
    }
    crate::session::note(if alone {
        "The site goes on from what this home holds, and gives up anything newer that peers hold."
    } else {
        "The site signs nothing (no import, no export) until a peer or a bundle shows its newest data."
    });
    let mut error = std::io::stderr();
    // If standard error is closed, nobody can be asked, and the answer below is missing too.
    let _ = write!(error, "Was this home restored from a backup, or copied? [y/N] ");
    let _ = error.flush();
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    read.is_err() || !matches!(answer.trim(), "y" | "Y" | "yes")
}
