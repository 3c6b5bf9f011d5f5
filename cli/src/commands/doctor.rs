//! `starling doctor`

use clap::Args;
use starling_api_types::{DoctorRequest, ExitStatus};

use super::Outcome;
use crate::render;
use crate::session::Session;

/// Check every invariant of the store, and name what is damaged
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  starling doctor
  starling doctor --rebuild

Exit codes: 0 sound, 6 not reachable or locked, 11 damaged, 12 disk full")]
pub(crate) struct Doctor {
    /// Rebuild all that is derived from the signed deltas: view and indexes
    #[arg(long)]
    rebuild: bool,
}

impl Doctor {
    pub(crate) async fn run(&self, session: &Session) -> Outcome {
        let step = session.step(if self.rebuild {
            "Checking and rebuilding"
        } else {
            "Checking"
        });
        let site = session.site(&step).await?;
        let report = site
            .doctor(DoctorRequest {
                rebuild: self.rebuild,
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
