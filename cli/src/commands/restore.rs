//! `starling restore`

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
  starling restore --alone

Exit codes: 0 recorded, or the site continues; 2 no site in the folder, 3 no root key in the folder (--alone),
  6 a daemon uses the store, 11 store damaged, 12 disk full")]
pub(crate) struct Restore {
    /// Continue from what this home holds, without waiting for any peer
    #[arg(long)]
    alone: bool,
}

impl Restore {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        session.ensure_no_daemon("restoring the site").await?;
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
