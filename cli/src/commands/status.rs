//! `starling status`

use std::time::Duration;

use clap::Args;
use starling_api_types::{ErrorCode, ExitStatus, Problem};
use tokio::time::Instant;

use super::Outcome;
use crate::local;
use crate::progress::{Step, Waiting};
use crate::render;
use crate::session::Session;

/// Fewest digits of a root that identify it.
const LEAST_ROOT_DIGITS: usize = 8;
/// Time between two checks of the root.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Show what needs attention first, then the site: head, knowledge root, peers, feeds, store
#[derive(Debug, Args)]
#[command(after_help = "\
Asks the daemon if one runs, else opens the store. The short form has about 24 lines, for any number of sites.

Equal knowledge roots mean equal knowledge: a root is the hash of all that a site accepted. --await-root waits until this
site knows what another site knows; ROOT is what the other site's status shows. It says what it waits for.

In the answer, head is the newest position in this site's own log, which it signs; held is what it stores and passes on,
accepted is what scans use. `starling help terms` explains these words.

Example:
  starling status
  starling status --all
  starling status --json | jq -r .knowledge_root
  starling status --await-root 6c31ab20d1f3e455 --timeout 60

Exit codes: 0 shown, 2 no site in the folder, 4 the root was not reached in time, 6 not reachable or locked, 11 store damaged, or
  claims lost by a repair")]
pub(crate) struct Status {
    /// Show all peers, positions, feeds and warnings
    #[arg(long)]
    all: bool,
    /// Wait until the knowledge root equals this one, or starts with it
    #[arg(long, value_name = "ROOT", value_parser = parse_root)]
    await_root: Option<String>,
    /// Seconds to wait for the root
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "await_root")]
    timeout: u64,
}

/// Parses the digits of a root, or its first digits.
fn parse_root(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix("blake3:").unwrap_or(text);
    let hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    if digits.len() < LEAST_ROOT_DIGITS || !digits.chars().all(hex) {
        return Err(format!(
            "expected at least {LEAST_ROOT_DIGITS} hexadecimal digits of a knowledge root, got {text:?}"
        ));
    }
    Ok(digits.to_owned())
}

/// Returns the exit status for what a status says of the store.
fn exit_of(status: &starling_api_types::Status) -> ExitStatus {
    match &status.store.check {
        Some(check) if check.wrong > 0 => ExitStatus::StoreDamaged,
        _ if !status.lost_claims.is_empty() => ExitStatus::StoreDamaged,
        _ => ExitStatus::Pass,
    }
}

/// Returns the last sentence about a store that is not well: why, and what helps. A repair brings nothing back that is
/// lost.
fn last_sentence(status: &starling_api_types::Status) -> Option<String> {
    let damaged = status.store.check.as_ref().filter(|check| check.wrong > 0);
    let damaged = damaged.map(|check| {
        let advice = check
            .advice
            .as_deref()
            .unwrap_or("`starling doctor` names it, `starling doctor --repair` mends what can be mended");
        format!("the last check found damage: {advice}")
    });
    let lost = (!status.lost_claims.is_empty()).then(|| {
        format!(
            "{} were here and are lost: a repair cannot bring them back, a site that has them can: let `starling up` reach \
             it, or import its bundle",
            status.lost_claims.join(", ")
        )
    });
    let all: Vec<String> = damaged.into_iter().chain(lost).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

impl Status {
    pub(crate) async fn run(&self, session: &Session) -> Outcome {
        if let Some(root) = &self.await_root {
            self.wait_for(session, root).await?;
        }
        let site = session.site(&Step::silent()).await?;
        if session.json() {
            let status = site.status().await?;
            session.print(&status, |_| String::new())?;
            return Ok(exit_of(&status));
        }
        // Other unreadable files do not fail the status: each reports its own error.
        let conflicts = site.conflicts().await.ok();
        let keys = local::list_keys(session.home()).ok();
        let sites = site.sites().await.ok();
        let status = site.status().await?;
        session.print(&status, |status| {
            let view = render::StatusView {
                status,
                conflicts: conflicts.as_ref(),
                keys: keys.as_ref(),
                sites: sites.as_ref(),
                now: local::now().into(),
            };
            if self.all {
                render::status_in_full(&view)
            } else {
                render::status(&view)
            }
        })?;
        let exit = exit_of(&status);
        if let Some(last) = last_sentence(&status) {
            session.close(exit, &last);
        }
        Ok(exit)
    }

    async fn wait_for(&self, session: &Session, root: &str) -> Result<(), Problem> {
        let step = session.step(format!("Waiting for the knowledge root {root}"));
        let deadline = Instant::now() + Duration::from_secs(self.timeout);
        let mut waiting = Waiting::start();
        loop {
            // Open the site again each time: without a daemon, an open store does not change.
            let status = session.site(&step).await?.status().await?;
            let found = status.knowledge_root.to_string();
            let digits = found.split_once(':').map_or(found.as_str(), |(_, digits)| digits);
            if digits.starts_with(root) {
                return Ok(());
            }
            let why = render::waits_for(&status);
            if Instant::now() >= deadline {
                let detail = format!(
                    "waiting for the knowledge root {root}: it did not come within {} s, here it is {}; {why}",
                    self.timeout,
                    render::short(&found)
                );
                return Err(Problem::new(ErrorCode::NotAccepted, detail).hint(
                    "`starling status --all` shows each peer and log; at the other site it shows its root",
                ));
            }
            let here = render::short(&found);
            waiting.say(&step, || {
                format!("Waiting for the knowledge root {root}; here it is {here}: {why}")
            });
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::healthy::tests::status;

    /// A repair was advised although nothing but lost claims was wrong, after a repair had lost them.
    #[test]
    fn repair_is_not_advised_for_what_it_lost() {
        let lost = status(&json!({"lost_claims": ["claims 2 to 3 of site-a"]}));
        assert_eq!(exit_of(&lost), ExitStatus::StoreDamaged);
        let last = last_sentence(&lost).unwrap();
        assert!(
            last.contains("claims 2 to 3 of site-a")
                && last.contains("starling up")
                && !last.contains("--repair"),
            "{last}"
        );
        let check = json!({"at": "2026-01-15T00:00:00.000Z", "frames": 1, "wrong": 1, "damaged": ["x"]});
        let mut damaged = json!({"engine": "sled", "size_bytes": 0, "schema": 3, "check": check});
        let unadvised = last_sentence(&status(&json!({"store": damaged}))).unwrap();
        assert!(unadvised.contains("--repair"), "{unadvised}");
        damaged["check"]["advice"] = json!("do this");
        let advised = last_sentence(&status(&json!({"store": damaged}))).unwrap();
        assert!(advised.ends_with("do this"), "{advised}");
        assert_eq!(last_sentence(&status(&json!({}))), None);
    }
}
