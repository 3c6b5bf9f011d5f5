//! Runs a scenario: the busy time, the calm after it, and the judgement at the end.

use starling_protocol::{ClaimNumber, Lane, PublicKey, SiteId};
use starling_sync::{Notice, Violation};

use crate::invariants;
use crate::report::{BrokenInvariant, Report};
use crate::scenario::Scenario;
use crate::stores::SimStore;
use crate::world::World;

/// The interval of checks for agreement, in simulated milliseconds.
const LOOK_EVERY_MILLIS: u64 = 1_000;

/// Runs a scenario with a seed.
///
/// # Errors
/// If the world could not be made, with the reason. A broken invariant is part of the report.
pub fn run(scenario: &Scenario, seed: u64) -> Result<Report, String> {
    let mut world = World::new(scenario, seed)?;
    world.run_until(scenario.busy_millis);
    world.heal();
    let agreed_at = world.settle();
    world.judge();
    let World {
        counts,
        violation,
        digest,
        ..
    } = world;
    Ok(Report {
        scenario: scenario.name.clone(),
        seed,
        events: counts.events,
        messages: counts.messages,
        bytes: counts.bytes,
        records: counts.records,
        agreed_after_millis: agreed_at.map(|millis| millis.saturating_sub(scenario.busy_millis)),
        notices: counts.notices,
        violation,
        digest: hex::encode(digest.finalize().as_bytes()),
    })
}

/// Runs a scenario twice with one seed: the two runs must be the same, byte for byte.
///
/// # Errors
/// As [`run`].
pub fn run_twice(scenario: &Scenario, seed: u64) -> Result<Report, String> {
    let mut report = run(scenario, seed)?;
    let again = run(scenario, seed)?;
    if report != again && report.violation.is_none() {
        report.violation = Some(BrokenInvariant {
            invariant: "equal_seeds_make_equal_runs",
            site: 0,
            at_millis: 0,
            found: format!("digests {} and {}", report.digest, again.digest),
        });
    }
    Ok(report)
}

impl World {
    /// Ends all faults: every site is up, every link may connect, stores work.
    fn heal(&mut self) {
        for state in self.network.links.values_mut() {
            state.cut = false;
        }
    }

    /// Runs the calm time. Returns the time from which the sites agreed for good, if they do.
    fn settle(&mut self) -> Option<u64> {
        let end = self.scenario.busy_millis + self.scenario.calm_millis;
        let mut agreed_at = None;
        while self.millis() < end && self.violation.is_none() {
            match (self.agree().is_ok(), agreed_at) {
                (true, None) => agreed_at = Some(self.millis()),
                (false, Some(_)) => agreed_at = None,
                _ => {}
            }
            self.run_until(self.millis() + LOOK_EVERY_MILLIS);
        }
        agreed_at.filter(|_| self.agree().is_ok())
    }

    /// Returns the sites that must agree: listed, and true to the rules.
    fn judged(&self) -> Vec<usize> {
        let sites = 0..self.sites.len();
        sites
            .filter(|site| self.scenario.is_honest(*site) && !self.scenario.unlisted.contains(site))
            .collect()
    }

    fn store(&self, site: usize) -> Option<&dyn SimStore> {
        self.sites[site].store.as_deref()
    }

    /// Checks that the honest sites hold and accept the same of one another, up to what each author has.
    fn agree(&self) -> Result<(), (usize, String)> {
        let judged = self.judged();
        let authors: Vec<SiteId> = judged.iter().map(|site| self.sites[*site].id).collect();
        for (author, id) in judged.iter().zip(&authors) {
            let Some(own) = self
                .store(*author)
                .and_then(|store| store.position(id, Lane::Federation))
            else {
                continue;
            };
            for site in &judged {
                let theirs = self
                    .store(*site)
                    .and_then(|store| store.position(id, Lane::Federation));
                let same =
                    theirs.is_some_and(|theirs| theirs.held == own.held && theirs.accepted == own.held);
                if !same {
                    return Err((
                        *site,
                        format!("it has {theirs:?} of site {author}, which has {own:?}"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Judges the sites at the end of a run.
    fn judge(&mut self) {
        if self.violation.is_some() {
            return;
        }
        if let Err((site, found)) = self.agree() {
            return self.violate("honest_sites_converge", site, found);
        }
        self.judge_feeds();
        let judged = self.judged();
        let no_forks = self.scenario.forkers.is_empty() || self.scenario.forks_end();
        let all_honest = self.scenario.byzantine.is_empty() && no_forks;
        let mut found = Vec::new();
        for &site in &judged {
            let Some(store) = self.store(site) else { continue };
            let writes = |author: &&usize| **author < self.scenario.traffic.authors;
            for &author in judged.iter().filter(writes) {
                let checked = self
                    .store(author)
                    .map(|author| invariants::every_delta_is_the_authors(store, author));
                found.push(("every_delta_is_the_authors", site, checked));
            }
            // Different sites may know different true parts of the logs of malicious sites.
            if all_honest {
                let first = self.store(judged[0]);
                let checked = first.map(|first| invariants::honest_sites_agree(first, store));
                found.push(("honest_sites_agree", site, checked));
            }
            if no_forks {
                let checked = invariants::no_log_is_frozen(&store.positions());
                found.push(("no_log_is_frozen", site, Some(checked)));
            }
            for forker in self.scenario.forkers.iter().filter(|_| !no_forks) {
                let checked = invariants::the_fork_is_known(store, &self.sites[*forker].id);
                found.push(("the_fork_is_known", site, Some(checked)));
            }
        }
        let ids = |sites: &[usize]| sites.iter().map(|site| self.sites[*site].id).collect::<Vec<_>>();
        let (inside, outside) = (ids(&judged), ids(&self.scenario.unlisted));
        let sides = [(&judged, &outside), (&self.scenario.unlisted, &inside)];
        for (sites, others) in sides {
            for &site in sites {
                let checked = self
                    .store(site)
                    .map(|store| invariants::the_unlisted_stay_outside(store, others));
                found.push(("the_unlisted_stay_outside", site, checked));
            }
        }
        let broken = found.into_iter().find_map(|(name, site, checked)| match checked {
            Some(Err(found)) => Some((name, site, found)),
            _ => None,
        });
        if let Some((name, site, found)) = broken {
            self.violate(name, site, found);
        }
    }

    /// Checks the invariants that hold at a site at any time.
    pub(crate) fn check_site(&mut self, site: usize) {
        let Some(store) = self.sites[site].store.as_deref() else {
            return;
        };
        let positions = store.positions();
        let epoch = |site: &SiteId| store.chain(site).map_or(0, |chain| chain.epoch());
        let by_epoch = positions
            .iter()
            .map(|at| (((at.site, at.lane), epoch(&at.site)), *at))
            .collect();
        let checks = [
            (
                "positions_never_fall",
                invariants::positions_never_fall(&self.sites[site].positions, &by_epoch),
            ),
            (
                "positions_are_in_order",
                invariants::positions_are_in_order(&positions),
            ),
            (
                "nothing_is_accepted_without_its_bodies",
                invariants::nothing_is_accepted_without_its_bodies(store, &positions),
            ),
        ];
        for (name, checked) in checks {
            if let Err(found) = checked {
                return self.violate(name, site, found);
            }
        }
        self.sites[site].positions = by_epoch;
    }

    /// Lets a site's positions of a log fall, except high-water, if it gave up a lost branch.
    pub(crate) fn note_lost_branch(&mut self, site: usize, notice: &Notice) {
        let &Notice::GivenUp {
            site: author, lane, ..
        } = notice
        else {
            return;
        };
        for ((log, _), position) in &mut self.sites[site].positions {
            if *log == (author, lane) {
                position.held = ClaimNumber::NONE;
                position.body_complete = ClaimNumber::NONE;
                position.accepted = ClaimNumber::NONE;
            }
        }
    }

    /// Checks a strike: an honest site may be slow or lack what it stated to have, but must never be taken for
    /// a liar.
    pub(crate) fn check_strike(&mut self, site: usize, peer: PublicKey, violation: &Violation) {
        let peer = self.keys[&peer];
        let honest = self.scenario.is_honest(site) && self.scenario.is_honest(peer);
        let lies = matches!(
            violation,
            Violation::Unverifiable { .. }
                | Violation::Malformed(_)
                | Violation::WrongAnswer(_)
                | Violation::Trespass
        );
        if honest && lies {
            let found = format!("it blames site {peer}: {violation}");
            self.violate("no_honest_site_is_taken_for_a_liar", site, found);
        }
    }

    pub(crate) fn violate(&mut self, invariant: &'static str, site: usize, found: String) {
        let at_millis = self.millis();
        self.violation.get_or_insert(BrokenInvariant {
            invariant,
            site,
            at_millis,
            found,
        });
    }
}
