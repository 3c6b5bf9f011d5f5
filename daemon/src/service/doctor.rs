//! Converts the doctor's results to the API's form.

use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_store::{BODIES_CHECK, Check, LOG_CHECK, LOST_CHECK, MissingBodies, PACKS_CHECK, StoreError};
use starling_sync::TipDifference;

use super::SiteParts;
use super::configuration::{CONFIG_CHECK, POLICY_CHECK};
use super::damage_note::{self, Damage};
use super::feed_runs::FEEDS_CHECK;
use super::problem::store_problem;
use super::reach::REACH_CHECK;
use crate::clock::now;
use crate::home::{FilesExamined, SECRETS_CHECK};

/// Name of the check of the bodies that claims need.
pub(super) const MISSING_CHECK: &str = "record bodies that claims need";
/// Name of the check of the home's place.
const HOME_CHECK: &str = "home";
/// Most authors and sources whose missing bodies are listed.
const LISTED: usize = 20;

/// Returns true if a check that is not ok tells no damage of the store: bodies that never came (unless some are
/// lost), a copied home, knowledge that no scan can use, imports that were left open, a configuration that waits for a restart, a policy file that
/// no scan can use, and secrets that others can read.
fn is_no_damage(name: &str, lost: bool) -> bool {
    match name {
        MISSING_CHECK => !lost,
        HOME_CHECK | REACH_CHECK | CONFIG_CHECK | POLICY_CHECK | SECRETS_CHECK | FEEDS_CHECK => true,
        _ => false,
    }
}

/// Returns true if a check of the doctor is about claims or record bodies that are not here. A repair cannot bring them
/// back.
#[must_use]
pub fn is_about_what_is_lost(check: &str) -> bool {
    check == LOST_CHECK || check == MISSING_CHECK
}

/// Returns true if a repair may mend what a check of the doctor finds: damage of the store, and nothing that only a person,
/// a peer or an import settles.
#[must_use]
pub fn may_be_repaired(check: &str) -> bool {
    !is_about_what_is_lost(check) && !is_no_damage(check, true)
}

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
        let missing = self.missing();
        let is_missing = !matches!(&missing, Ok(missing) if missing.is_empty());
        let checks = diagnosis.checks.iter();
        let mut checks: Vec<_> = checks.map(|check| shown(check, is_daemon, is_missing)).collect();
        checks.push(missing_check(&missing));
        let lost = self.note_damage(&diagnosis.checks, &checks, &missing);
        checks.push(self.peers_check());
        checks.extend(FilesExamined::of(&self.identity.home, &self.identity.config).into_checks());
        checks.extend(self.data.kept_vex.check());
        checks.push(self.reach_check());
        checks.push(self.home_check());
        checks.extend(self.feeds_check());
        checks.extend(self.config_check());
        checks.extend(self.policy_check());
        Ok(types::DoctorReport {
            ok: checks
                .iter()
                .all(|check| check.ok || is_no_damage(&check.name, lost)),
            checks,
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// Missing bodies of one author about one source, with the author's name.
pub(super) struct Missing {
    pub(super) bodies: u64,
    pub(super) source: String,
    /// The author, the source and a record, for a person.
    text: String,
}

impl SiteParts {
    /// Returns which bodies are missing here.
    pub(super) fn missing(&self) -> Result<Vec<Missing>, StoreError> {
        let missing = self.data.store.missing_bodies()?.into_iter();
        Ok(missing.map(|missing| self.missing_shown(missing)).collect())
    }

    fn missing_shown(&self, missing: MissingBodies) -> Missing {
        let MissingBodies {
            site,
            source,
            bodies,
            example,
        } = missing;
        let author = self
            .slug_of(&site)
            .map_or_else(|| site.to_string(), |slug| slug.to_string());
        let source = source.map_or_else(|| "shared documents".to_owned(), |source| source.to_string());
        Missing {
            text: format!("{bodies} of {author}, {source}, such as {example}"),
            bodies,
            source,
        }
    }

    /// Keeps what this examination leaves damaged, for a later status, or removes that. Returns true if bodies that
    /// were here are lost.
    fn note_damage(
        &self,
        found: &[Check],
        shown: &[types::DoctorCheck],
        missing: &Result<Vec<Missing>, StoreError>,
    ) -> bool {
        let home = self.identity.home.path();
        let is_missing = !matches!(missing, Ok(missing) if missing.is_empty());
        let was_lost = damage_note::read(home).is_some_and(|damage| damage.lost_bodies);
        let is_lost = found
            .iter()
            .any(|check| check.name == BODIES_CHECK && check.wrong > 0);
        let lost = is_missing && (was_lost || is_lost);
        let bad: Vec<&types::DoctorCheck> = shown
            .iter()
            .filter(|check| !check.ok && !is_no_damage(&check.name, lost))
            // The store knows of lost claims itself, and when they are back.
            .filter(|check| check.name != LOST_CHECK)
            .collect();
        // The bodies that were just given up are those that are missing.
        let is_about_bodies = |name: &str| name == MISSING_CHECK || name == BODIES_CHECK;
        let given_up = found
            .iter()
            .any(|check| check.name == BODIES_CHECK && check.repaired.is_some());
        let only_bodies = bad
            .iter()
            .all(|check| check.name == MISSING_CHECK || (given_up && is_about_bodies(&check.name)));
        let wrong: u64 = if only_bodies {
            missing.as_ref().map_or(1, |missing| count(missing))
        } else {
            let checks = found
                .iter()
                .filter(|check| check.repaired.is_none() && check.name != LOST_CHECK);
            checks.map(|check| check.wrong).sum::<u64>().max(1)
        };
        let damage = bad.first().map(|first| Damage {
            check: types::StoreCheck {
                at: now().into(),
                frames: found.iter().map(|check| check.examined).sum(),
                wrong,
                damaged: match bad
                    .iter()
                    .flat_map(|check| check.damaged.iter().cloned())
                    .collect::<Vec<_>>()
                {
                    named if named.is_empty() => vec![format!("{}: {}", first.name, first.found)],
                    named => named,
                },
                advice: Some(left_advice(only_bodies).to_owned()),
            },
            lost_bodies: lost,
            only_bodies,
        });
        damage_note::keep(home, damage);
        lost
    }

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
            not_examined: differences.is_empty() && self.live.started.is_none(),
        }
    }

    /// Reports if the site signs. A restored home is not damaged, and not well.
    fn home_check(&self) -> types::DoctorCheck {
        let restore = self.restore_status();
        let found = match &restore {
            None => match self.lost_records() {
                None => "in its own place".to_owned(),
                Some(lost) => format!(
                    "since the restore at {}: {}; {}",
                    lost.since, lost.what, lost.advice
                ),
            },
            Some(restore) => {
                let told = format!(
                    "the site signs nothing: {}; {}; {}",
                    restore.reason, restore.waits_for, restore.advice
                );
                if told.contains("starling restore") {
                    told
                } else {
                    format!("{told}; `starling restore` says how far it is, and continues if it can")
                }
            }
        };
        types::DoctorCheck {
            name: HOME_CHECK.to_owned(),
            ok: restore.is_none(),
            found,
            damaged: Vec::new(),
            repaired: 0,
            not_examined: false,
        }
    }
}

/// By the check's name: the unit of its number, in singular and plural.
const COUNTED: [(&str, &str, &str); 12] = [
    (LOST_CHECK, "log", "logs"),
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

/// Returns the number of missing bodies.
pub(super) fn count(missing: &[Missing]) -> u64 {
    missing.iter().map(|missing| missing.bodies).sum()
}

/// Says what to do about damage that a doctor left.
fn left_advice(only_bodies: bool) -> &'static str {
    if only_bodies {
        "record bodies that were here are lost: let `starling up` reach a peer that has them, or import a bundle or the \
         source again; then `starling doctor` examines the store again"
    } else {
        "a doctor found this and did not mend it: `starling doctor` says what to do"
    }
}

/// Reports the bodies that claims need and that are not here.
fn missing_check(missing: &Result<Vec<Missing>, StoreError>) -> types::DoctorCheck {
    let (ok, found, damaged) = match missing {
        Err(error) => (
            false,
            format!("not examined: {}", crate::home::error_chain(error)),
            Vec::new(),
        ),
        Ok(missing) if missing.is_empty() => (true, "none is missing".to_owned(), Vec::new()),
        Ok(missing) => {
            let (number, first) = (count(missing), &missing[0].text);
            let are = if number == 1 {
                "record body is"
            } else {
                "record bodies are"
            };
            let found = format!(
                "{number} {are} missing here ({first}): a peer or a bundle brings them back; until then no scan uses \
                 what they say, and their sources are held back"
            );
            let listed = missing.iter().take(LISTED).map(|missing| missing.text.clone());
            (false, found, listed.collect())
        }
    };
    types::DoctorCheck {
        name: MISSING_CHECK.to_owned(),
        ok,
        found,
        damaged,
        repaired: 0,
        not_examined: false,
    }
}

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

/// Shows a check of the store. Bodies that were given up are repaired only if nothing needs them: `is_missing` says
/// that something does.
fn shown(check: &Check, is_daemon: bool, is_missing: bool) -> types::DoctorCheck {
    let Check { wrong, .. } = check;
    let is_repaired = check.repaired.is_some() && !(check.name == BODIES_CHECK && is_missing);
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
        (None, wrong) if check.name == LOST_CHECK => format!(
            "{examined}, {wrong} lost claims: no scan uses what they say, until a peer or a bundle brings them back; \
             `starling status` says what to do"
        ),
        (None, wrong) => format!("{examined}, {wrong} wrong"),
    };
    types::DoctorCheck {
        name: check.name.to_owned(),
        ok: check.ok() || is_repaired,
        found,
        damaged: check.damaged.clone(),
        repaired: if is_repaired { check.wrong } else { 0 },
        not_examined: false,
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
        let found = |name, wrong, is_daemon| shown(&check(name, wrong), is_daemon, false).found;
        assert_eq!(found(LOG_CHECK, 0, true), "7 frames of the log examined");
        assert!(found(LOG_CHECK, 1, true).contains("stop the daemon and run `starling doctor --repair`"));
        assert!(found(LOG_CHECK, 1, false).contains("or run `starling doctor --repair`"));
        assert_eq!(found("another", 1, true), "7 rows examined, 1 wrong");
    }
    #[test]
    fn bodies_given_up_are_not_repaired_while_they_are_missing() {
        let mut given_up = check(BODIES_CHECK, 3);
        given_up.repaired = Some("given up".to_owned());
        let told = shown(&given_up, false, true);
        assert!(!told.ok && told.repaired == 0, "{told:?}");
        let told = shown(&given_up, false, false);
        assert!(told.ok && told.repaired == 3, "{told:?}");
        let missing = vec![Missing {
            bodies: 47,
            source: "ghsa".to_owned(),
            text: "47 of north, ghsa, such as ghsa/GHSA-1".to_owned(),
        }];
        let told = missing_check(&Ok(missing));
        assert!(!told.ok);
        assert!(
            told.found.starts_with(
                "47 record bodies are missing here (47 of north, ghsa, such as ghsa/GHSA-1): a peer or a bundle brings them back"
            ),
            "{}",
            told.found
        );
        assert!(missing_check(&Ok(Vec::new())).ok);
        assert!(is_no_damage(MISSING_CHECK, false) && !is_no_damage(MISSING_CHECK, true));
    }
}
