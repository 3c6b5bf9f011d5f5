//! `starling doctor`

use clap::Args;
use serde::Serialize;
use starling_api_types::{DoctorCheck, DoctorReport, DoctorRequest, ExitStatus};

use super::Outcome;
use crate::healthy::{self, Demands, HealthPoint};
use crate::local;
use crate::render;
use crate::session::Session;

/// Check every invariant of the store, list the damage, and list what a healthy site would have
#[derive(Debug, Args)]
#[command(after_help = "\
Asks the daemon if one runs, else opens the store.

With a running daemon, --repair drops damaged record bodies and rewrites damaged packs. Damage of the log is only
reported. To repair it, stop the daemon and run `starling doctor --repair` again, which skips the damaged part.
Dropped data is fetched again from peers or bundles; until it is here, doctor and status go on saying that it is lost,
and exit with 11. --as-of cannot go back beyond a repair.

A check may say NO without damage: record bodies that never came, a copied home, or records that no scan can use. That
does not change the exit code.

Below the checks is a list of what a healthy site also has: a daemon, a partner, recent sources, an offline root key, a
policy. It does not change the exit code.

Example:
  starling doctor
  starling doctor --rebuild
  starling doctor --repair

Exit codes: 0 undamaged, 6 not reachable or locked, 11 damaged or data lost, 12 disk full")]
pub(crate) struct Doctor {
    /// Rebuild all derived data from the site's log (claims, view, history, indexes), then repair
    #[arg(long)]
    rebuild: bool,
    /// Drop damaged bodies and rewrite damaged packs; without a daemon, skip damaged parts of the log too
    #[arg(long, conflicts_with = "rebuild")]
    repair: bool,
}

/// The answer of `doctor`.
#[derive(Debug, Serialize)]
struct Examined {
    #[serde(flatten)]
    report: DoctorReport,
    /// The items that a healthy site has, each with its state here. They do not change the exit code.
    healthy: Vec<HealthPoint>,
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
        // Read before the repair, which changes the store's part of the status.
        let status = site.status().await?;
        let request = DoctorRequest {
            rebuild: self.rebuild,
            repair: self.repair,
        };
        let report = step.follow(site.as_ref(), site.doctor(request)).await?;
        drop(step);
        let keys = local::list_keys(session.home()).ok();
        let not_in_force = report
            .checks
            .iter()
            .any(|check| check.name == local::CONFIG_CHECK && !check.ok);
        let demands = match local::demands(session.home()) {
            // Also if the file cannot be read any more.
            demands if not_in_force => Some(Demands {
                not_in_force,
                ..demands.unwrap_or_default()
            }),
            demands => demands,
        };
        let mut checks = report.checks.iter();
        let unusable = checks.find(|check| check.name == local::POLICY_CHECK && !check.ok);
        let demands = demands.map(|demands| Demands {
            unusable_policy: unusable.map(|check| check.found.as_str()),
            ..demands
        });
        let healthy = healthy::examine(&status, keys.as_ref(), demands, local::now().into());
        let examined = Examined { report, healthy };
        session.print(&examined, |examined| {
            render::doctor(&examined.report, &examined.healthy)
        })?;
        if examined.report.ok {
            return Ok(ExitStatus::Pass);
        }
        let last = last_sentence(&examined.report.checks, self.repair);
        session.close(ExitStatus::StoreDamaged, &last);
        Ok(ExitStatus::StoreDamaged)
    }
}

/// Returns the last sentence about a damaged store: how many checks found damage, and what helps. A check that says NO for
/// another reason, as the home of a site that waits for its claims, does not make a repair any use.
fn last_sentence(checks: &[DoctorCheck], after_repair: bool) -> String {
    let failed = checks.iter().filter(|check| !check.ok);
    let (mut mendable, mut lost) = (0_u64, 0);
    for check in failed {
        mendable += u64::from(local::may_be_repaired(&check.name));
        lost += u64::from(local::is_about_what_is_lost(&check.name));
    }
    let next = if after_repair {
        "this repair could not mend them: each check above says what to do"
    } else if mendable == 0 {
        "each says above what brings back what is lost; a repair cannot"
    } else {
        "each says above what to do; `starling doctor --repair` mends what can be mended here"
    };
    let checks = crate::render::counted(mendable + lost, "check found", "checks found");
    format!("{checks} damage: {next}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(names: &[&str]) -> Vec<DoctorCheck> {
        let check = |name: &&str| DoctorCheck {
            name: (*name).to_owned(),
            ok: false,
            found: String::new(),
            damaged: Vec::new(),
            repaired: 0,
            not_examined: false,
        };
        names.iter().map(check).collect()
    }

    /// A site that lost own claims does not sign, so that the check of its home says NO as well: a repair was advised again.
    #[test]
    fn repair_is_not_advised_for_lost_claims_of_a_home_that_waits() {
        let lost = failed(&["every claim that was here is held", "home", local::CONFIG_CHECK]);
        let last = last_sentence(&lost, false);
        assert!(
            last.starts_with("1 check ") && !last.contains("--repair"),
            "{last}"
        );
        let damaged = failed(&["every claim that was here is held", "home", "view"]);
        let last = last_sentence(&damaged, false);
        assert!(
            last.starts_with("2 checks ") && last.contains("--repair"),
            "{last}"
        );
    }
}
