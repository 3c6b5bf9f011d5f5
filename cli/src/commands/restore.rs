//! `starling restore`

use clap::Args;
use starling_api_types::ExitStatus;
use starling_daemon::RestoreWish;

use super::Outcome;
use crate::local;
use crate::render;
use crate::session::Session;

/// Say that this home was put back from a backup, or copied: the site takes back what peers hold of it, then goes on
#[derive(Debug, Args)]
#[command(after_help = "\
A home notices by itself that it was copied, unless a whole machine was: after a snapshot of a virtual machine was put
back, say so with this command. Until the site heard a peer (`starling up`) or a bundle it reads, scans and relays, and
signs nothing. The new epoch needs the root key in keys/root.key. The daemon must not run meanwhile. A home of which only
keys, configuration and certificates came back gets an empty store; list its peers again.

With --alone, what peers hold and this home lacks is given up, and whoever has a newer certificate of this site
distrusts it from then on: use it only if nobody can have either.

Example:
  starling restore
  starling restore --alone

Exit codes: 0 noted, or it goes on; 2 no site in the folder, 3 no root key in the folder (--alone),
  6 a daemon holds the store, 11 store damaged, 12 disk full")]
pub(crate) struct Restore {
    /// Go on from what this home holds, without hearing anybody
    #[arg(long)]
    alone: bool,
}

impl Restore {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        session.ensure_no_daemon("restoring the site").await?;
        let wish = if self.alone {
            RestoreWish::Alone
        } else {
            RestoreWish::Hear
        };
        session.print(
            &local::restore(session.home(), wish).await?,
            render::restore_report,
        )?;
        Ok(ExitStatus::Pass)
    }
}
