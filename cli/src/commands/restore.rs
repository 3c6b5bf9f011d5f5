//! `starling restore`

use clap::Args;
use starling_api_types::{ErrorCode, ExitStatus, Problem};
use starling_daemon::RestoreMode;

use super::{Outcome, confirm};
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
site then distrusts it. Use --alone only if no other site can have such data or certificates. It cannot be undone.

Both ask on a terminal, and a script needs --yes. Without --alone, nothing is asked about a site that is held back already
or has lost its store: the command says how far it is, and continues if it can.

Example:
  starling restore --yes
  starling restore --alone --yes

Exit codes: 0 recorded, or the site continues; 2 no site in the folder, or not confirmed, 3 no root key in the folder (--alone),
  6 a daemon uses the store, 11 store damaged, 12 disk full")]
pub(crate) struct Restore {
    /// Continue from what this home holds, without waiting for any peer
    #[arg(long)]
    alone: bool,
    /// Do not ask; a script needs it
    #[arg(long)]
    yes: bool,
}

impl Restore {
    pub(crate) async fn run(self, session: &Session) -> Outcome {
        session.ensure_no_daemon("restoring the site").await?;
        let (yes, can_ask, is_alone) = (self.yes, confirm::can_ask(session), self.alone);
        // The confirmation of an irreversible step comes first, whatever the state of the home is.
        if is_alone && !confirm::agrees(yes, can_ask, "starling restore --alone", ALONE, QUESTION)? {
            crate::session::note("nothing was changed");
            return Ok(ExitStatus::Usage);
        }
        let mode = if is_alone {
            RestoreMode::Alone
        } else {
            RestoreMode::Hear
        };
        let confirmed = move || {
            if is_alone || yes {
                return Ok(true);
            }
            if can_ask {
                return Ok(confirm::ask(HEAR, QUESTION));
            }
            let detail = format!("starling restore: nothing was changed. {HEAR}");
            Err(Problem::new(ErrorCode::BadRequest, detail)
                .hint("if this home was restored from a backup, or copied: starling restore --yes"))
        };
        let Some(report) = local::restore(session.home(), mode, confirmed).await? else {
            crate::session::note("nothing was changed");
            return Ok(ExitStatus::Usage);
        };
        session.print(&report, render::restore_report)?;
        Ok(ExitStatus::Pass)
    }
}

/// The effect of `restore` on a site that signs.
const HEAR: &str = "The site would sign nothing (no import, no export) until a peer or a bundle shows its newest data, \
                    and then go on in a new epoch, which needs its root key.";
/// The effect of `--alone`.
pub(super) const ALONE: &str =
    "The site goes on from what this home holds, and gives up anything newer that peers hold.";
/// The precondition of a restore.
pub(super) const QUESTION: &str = "Was this home restored from a backup, or copied?";
