//! `starling doctor`

use clap::Args;
use starling_api_types::{DoctorRequest, ExitStatus};

use super::Outcome;
use crate::render;
use crate::session::Session;

/// Check every invariant of the store, and name what is damaged
#[derive(Debug, Args)]
#[command(after_help = "\
Asks the daemon if one runs, else opens the store.

With a running daemon, --repair drops damaged record bodies and rewrites damaged packs. Damage of the log
is then only named: stop the daemon and run `starling doctor --repair` again, which opens the site past it.
What is given up is fetched again from peers or bundles; --as-of cannot go back beyond a repair.

Example:
  starling doctor
  starling doctor --rebuild
  starling doctor --repair

Exit codes: 0 sound, 6 not reachable or locked, 11 damaged, 12 disk full")]
pub(crate) struct Doctor {
    /// Derive everything again from the site's log: claims, view, history, indexes; then repair
    #[arg(long)]
    rebuild: bool,
    /// Drop damaged bodies and rewrite damaged packs; without a daemon, go past damage of the log too
    #[arg(long, conflicts_with = "rebuild")]
    repair: bool,
}

impl Doctor {
    pub(crate) async fn run(&self, session: &Session) -> Outcome {
        let step = session.step(match (self.rebuild, self.repair) {
            (true, _) => "Checking and rebuilding",
            (_, true) => "Checking and repairing",
            _ => "Checking",
        });
        let site = if self.repair {
            session.site_to_repair(&step).await?
        } else {
            session.site(&step).await?
        };
        let report = site
            .doctor(DoctorRequest {
                rebuild: self.rebuild,
                repair: self.repair,
            })
            .await?;
        drop(step);
        session.print(&report, render::doctor)?;
        Ok(if report.ok {
            ExitStatus::Pass
        } else {
            ExitStatus::StoreDamaged
        })
    }
}
