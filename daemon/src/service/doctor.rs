//! Converts the doctor's results to the API's form.

use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_store::{Check, LOG_CHECK, PACKS_CHECK};
use starling_sync::TipDifference;

use super::SiteParts;
use super::problem::store_problem;
use crate::home::FilesExamined;

impl SiteParts {
    pub(super) fn doctor(&self, request: types::DoctorRequest) -> ServiceResult<types::DoctorReport> {
        let started = Instant::now();
        let treated = match request {
            types::DoctorRequest { rebuild: true, .. } => self.data.store.doctor(true),
            types::DoctorRequest { repair: true, .. } => self.data.store.repair(),
            _ => self.data.store.doctor(false),
        };
        let diagnosis = treated.map_err(|error| store_problem("examining the store", &error))?;
        if request.rebuild || request.repair {
            self.drop_mark_of_other_rows();
            self.changed();
        }
        self.note_check(&diagnosis.checks);
        let is_daemon = self.live.started.is_some();
        let checks = diagnosis.checks.iter();
        let mut checks: Vec<_> = checks.map(|check| shown(check, is_daemon)).collect();
        checks.push(self.peers_check());
        checks.push(FilesExamined::of(&self.identity.home, &self.identity.config).into_check());
        checks.push(self.reach_check());
        checks.push(self.home_check());
        checks.extend(self.feeds_check());
        Ok(types::DoctorReport {
            ok: checks.iter().all(|check| check.ok),
            checks,
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

impl SiteParts {
    /// Reports which peers have a different copy of a log, up to the same claim.
    fn peers_check(&self) -> types::DoctorCheck {
        // A difference at a peer is not damage here, unless this site's rows are wrong.
        let differences = self.live.peer_status.differences();
        let texts = |is_here: bool| {
            let found = differences
                .iter()
                .filter(move |(_, found)| (found.what == TipDifference::RowsHere) == is_here);
            let texts = found.map(|((peer, log), found)| self.difference_text(peer, log, found));
            texts.collect::<Vec<String>>()
        };
        let (damaged, elsewhere) = (texts(true), texts(false));
        let found = match (differences.len(), self.live.started.is_some()) {
            (0, true) => "no peer that was compared differs".to_owned(),
            (0, false) => "not compared: only a daemon does that".to_owned(),
            (count, _) => format!("{count} differ; {}", elsewhere.join("; ")),
        };
        types::DoctorCheck {
            name: "peers hold the same".to_owned(),
            ok: damaged.is_empty(),
            found,
            damaged,
            repaired: 0,
        }
    }

    /// Reports if the site signs. A restored home is not damaged.
    fn home_check(&self) -> types::DoctorCheck {
        let found = match self.restore_status() {
            None => match self.lost_records() {
                None => "in its own place".to_owned(),
                Some(lost) => format!(
                    "since the restore at {}: {}; {}",
                    lost.since, lost.what, lost.advice
                ),
            },
            Some(restore) => format!(
                "the site signs nothing: {}; {}; {}",
                restore.reason, restore.waits_for, restore.advice
            ),
        };
        types::DoctorCheck {
            name: "home".to_owned(),
            ok: true,
            found,
            damaged: Vec::new(),
            repaired: 0,
        }
    }
}

/// What the number of a check counts, as one and as many, by the check's name.
const COUNTED: [(&str, &str, &str); 11] = [
    (LOG_CHECK, "frame of the log", "frames of the log"),
    (PACKS_CHECK, "record body in packs", "record bodies in packs"),
    ("every author has one history and one chain", "log", "logs"),
    (
        "certificate chains verify, and every log has its author's",
        "certificate chain",
        "certificate chains",
    ),
    (
        "every held delta verifies and follows the one before it",
        "delta",
        "deltas",
    ),
    ("claim rows hash to the signed state roots", "claim", "claims"),
    (
        "positions keep their order: viewed, accepted, held, high-water",
        "log",
        "logs",
    ),
    (
        "every body hashes to its name, and accepted ones are here",
        "record body",
        "record bodies",
    ),
    (
        "the view equals a rebuild, byte for byte",
        "row of the view",
        "rows of the view",
    ),
    (
        "the mutes are what the accepted changes say, and what Automerge merges",
        "change of mutes",
        "changes of mutes",
    ),
    (
        "what was known before can be put back",
        "replaced claim",
        "replaced claims",
    ),
];

/// Returns a check's number with what it counts.
fn examined(check: &Check) -> String {
    let known = COUNTED.iter().find(|(name, ..)| *name == check.name);
    let (one, many) = known.map_or(("row", "rows"), |(_, one, many)| (*one, *many));
    format!(
        "{} {} examined",
        check.examined,
        if check.examined == 1 { one } else { many }
    )
}

fn shown(check: &Check, is_daemon: bool) -> types::DoctorCheck {
    let Check { wrong, .. } = check;
    let examined = examined(check);
    let found = match (&check.repaired, wrong) {
        (_, 0) => match &check.remark {
            Some(remark) => format!("{examined}; {remark}"),
            None => examined,
        },
        (Some(repaired), wrong) => format!("{examined}, {wrong} wrong: {repaired}"),
        (None, wrong) if check.name == LOG_CHECK => {
            format!("{examined}, {wrong} wrong; {}", log_advice(is_daemon))
        }
        (None, wrong) => format!("{examined}, {wrong} wrong"),
    };
    types::DoctorCheck {
        name: check.name.to_owned(),
        ok: check.ok() || check.repaired.is_some(),
        found,
        damaged: check.damaged.clone(),
        repaired: if check.repaired.is_some() { check.wrong } else { 0 },
    }
}

/// Returns what to do about damage of the log. A site that is already open cannot skip it.
pub(super) fn log_advice(is_daemon: bool) -> &'static str {
    if is_daemon {
        "restore the files, or stop the daemon and run `starling doctor --repair` to continue without what \
         is damaged"
    } else {
        "restore the files, or run `starling doctor --repair` to continue without what is damaged"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, wrong: u64) -> Check {
        Check {
            name,
            examined: 7,
            wrong,
            damaged: Vec::new(),
            repaired: None,
            remark: None,
        }
    }

    #[test]
    fn log_damage_advice_fits_the_caller() {
        let found = |name, wrong, is_daemon| shown(&check(name, wrong), is_daemon).found;
        assert_eq!(found(LOG_CHECK, 0, true), "7 frames of the log examined");
        assert!(found(LOG_CHECK, 1, true).contains("stop the daemon and run `starling doctor --repair`"));
        assert!(found(LOG_CHECK, 1, false).contains("or run `starling doctor --repair`"));
        assert_eq!(found("another", 1, true), "7 rows examined, 1 wrong");
    }
}
