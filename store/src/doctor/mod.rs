//! The doctor: checks every invariant of the store, names the damage, and rebuilds derived data.

mod bodies;
pub(crate) mod compact;
mod files;
mod logs;
mod missing;
mod view;

use std::ops::ControlFlow;

use starling_protocol::{ClaimKey, ClaimNumber, ContentHash};

pub use self::bodies::BODIES_CHECK;
pub use self::files::{FilesCheck, LOG_CHECK, PACKS_CHECK};
pub use self::logs::LOST_CHECK;
pub use self::missing::MissingBodies;

use crate::SiteStore;
use crate::activity::events::Origin;
use crate::deltas::logs::overview;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::journal::Entry;
use crate::log::LogPosition;
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, claim_key, meta};
use crate::site::open::begin_rows;
use crate::site::state::{LogId, State};

/// Damaged things named per check; more are only counted.
const NAMED: usize = 20;

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The invariant, in a few words.
    pub name: &'static str,
    /// The number of examined items.
    pub examined: u64,
    /// The number of items that fail.
    pub wrong: u64,
    /// The failing items; at most 20.
    pub damaged: Vec<String>,
    /// The repair that was made.
    pub repaired: Option<String>,
    /// A remark worth knowing although nothing is wrong.
    pub remark: Option<String>,
}

impl Check {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            examined: 0,
            wrong: 0,
            damaged: Vec::new(),
            repaired: None,
            remark: None,
        }
    }

    fn fail(&mut self, what: String) {
        self.wrong += 1;
        if self.damaged.len() < NAMED {
            self.damaged.push(what);
        }
    }

    /// Fails many items for one cause, in one sentence.
    fn fail_together(&mut self, items: u64, what: String) {
        self.fail(what);
        self.wrong += items.saturating_sub(1);
    }

    /// Returns true if the invariant holds.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.wrong == 0
    }
}

/// All checks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diagnosis {
    /// In the order in which they were made.
    pub checks: Vec<Check>,
}

impl Diagnosis {
    /// Returns true if every invariant holds, or was made to hold.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.checks
            .iter()
            .all(|check| check.ok() || check.repaired.is_some())
    }
}

/// Keeps no check waiting.
fn at_once(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// The treatment of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// Nothing.
    Examine,
    /// Gives up damaged data, which is then fetched again.
    Repair,
    /// The same, and rebuilds every row from the log.
    Rebuild,
}

/// Turns damage that prevented a check into that check's finding.
fn named(name: &'static str, outcome: Result<Check, StoreError>) -> Result<Check, StoreError> {
    match outcome {
        Err(
            error @ (StoreError::DamagedBody { .. } | StoreError::DamagedRow { .. } | StoreError::View(_)),
        ) => {
            let mut check = Check::new(name);
            check.fail(starling_protocol::error_chain(&error));
            Ok(check)
        }
        outcome => outcome,
    }
}

/// Reports authors who signed two histories. This is not damage, and no treatment ends it.
fn check_authors(state: &State) -> Check {
    let mut check = Check::new("every author has one history and one chain");
    let mut frozen = Vec::new();
    for (id, log) in &state.logs {
        check.examined += 1;
        if let Some(by) = overview(state, *id, log).frozen_by {
            let name = state
                .chains
                .get(&id.site)
                .map_or_else(|| id.site.to_string(), |chain| chain.slug().to_string());
            frozen.push(format!("the {} log of {name} is frozen: {}", id.lane, by.why()));
        }
    }
    for site in state.rival_chains.keys() {
        if !state.logs.keys().any(|id| id.site == *site) {
            frozen.push(format!("two certificates of {site} for one epoch exist"));
        }
    }
    if !frozen.is_empty() {
        check.remark = Some(frozen.join("; "));
    }
    check
}

impl SiteStore {
    /// Checks every invariant; with `rebuild`, rebuilds every row from the log, and repairs.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn doctor(&self, rebuild: bool) -> Result<Diagnosis, StoreError> {
        self.treat(if rebuild {
            Treatment::Rebuild
        } else {
            Treatment::Examine
        })
    }

    /// Checks every invariant, and gives up damaged data in the packs, which is then fetched again from peers
    /// or a bundle.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn repair(&self) -> Result<Diagnosis, StoreError> {
        self.treat(Treatment::Repair)
    }

    fn treat(&self, treatment: Treatment) -> Result<Diagnosis, StoreError> {
        let rebuild = treatment == Treatment::Rebuild;
        let repair = treatment != Treatment::Examine;
        if repair && self.journal.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        let examine = |state: &mut State| {
            let mut diagnosis = Diagnosis::default();
            let frames = self.check_log_shown()?;
            // Intact rows are not replaced by those of a damaged log.
            let rebuild = rebuild && frames.ok();
            diagnosis.checks.push(frames);
            let (mut packs, damaged_packs) = self.check_packs()?;
            let working = self.meter.begin("checking the rows", 0);
            diagnosis.checks.push(self.check_engine()?);
            diagnosis.checks.push(self.check_chains(state));
            diagnosis.checks.push(check_authors(state));
            diagnosis.checks.push(self.check_logs(state)?);
            let mut claims = self.check_claims(state)?;
            drop(working);
            if rebuild {
                self.rebuild_rows(state)?;
                claims.repaired = (!claims.ok()).then(|| "derived again from the log".to_owned());
            }
            diagnosis.checks.push(claims);
            let (mut bodies, bad) = self.check_bodies(state)?;
            if repair && !bad.is_empty() {
                self.forget_bodies(state, &bad)?;
                bodies.repaired = Some(
                    "given up; their sources are held back until peers or a bundle bring them again"
                        .to_owned(),
                );
            }
            if repair && !packs.ok() {
                self.rewrite_packs(&damaged_packs)?;
                packs.repaired = Some("written again without what is damaged".to_owned());
            }
            diagnosis.checks.push(packs);
            diagnosis.checks.push(bodies);
            diagnosis.checks.push(self.check_lost(state));
            diagnosis.checks.push(self.check_positions(state));
            if repair && state.rebuild {
                // The view may still show data that was just given up.
                self.show(state, &Origin::default())?;
            }
            let working = self.meter.begin("checking the view", 0);
            let mut lookup = Check::new("records can be looked up as a whole");
            let checked = self.check_view(state, &mut lookup);
            let mut view = named("the view equals a rebuild, byte for byte", checked)?;
            if rebuild {
                self.rebuild_view(state)?;
                self.find_wanted(state)?;
                view.repaired = (!view.ok()).then(|| "folded again from the accepted claims".to_owned());
            }
            diagnosis.checks.push(view);
            diagnosis.checks.push(lookup);
            let mut history = self.check_history(state)?;
            if repair && !history.ok() {
                let mut txn = self.txn();
                txn.log(Entry::HistoryBegins);
                state.history.begin_anew(&mut txn);
                txn.commit()?;
                history.repaired = Some("starts again: earlier states are no longer available".to_owned());
            }
            diagnosis.checks.push(history);
            let (mut mutes, book) = self.check_mutes(state)?;
            if repair && !mutes.ok() {
                self.keep_mutes(state, &book)?;
                mutes.repaired = Some("folded again from the accepted changes".to_owned());
            }
            diagnosis.checks.push(mutes);
            drop(working);
            self.accept_whole(state)?;
            self.show(state, &Origin::default())?;
            Ok(diagnosis)
        };
        if self.journal.is_read_only() {
            return examine(&mut *self.write()?);
        }
        self.change(examine)
    }

    /// Rebuilds every row from the log, in place.
    fn rebuild_rows(&self, state: &mut State) -> Result<(), StoreError> {
        // Until the replay is done no published position exists, so that a crash leaves the rows in doubt.
        let mut txn = Txn::new(self.engine.as_ref());
        txn.delete(Tree::Meta, meta::POSITION);
        txn.commit()?;
        self.engine.checkpoint()?;
        let journal = self.journal.log().journal();
        for tree in Tree::ALL {
            // Events are written once: their numbers continue for subscribers.
            if *tree != Tree::Events && *tree != Tree::Meta {
                self.wipe(*tree)?;
            }
        }
        self.wipe(Tree::Meta)?;
        begin_rows(self.engine.as_ref(), state.site, journal)?;
        let mut txn = Txn::new(self.engine.as_ref());
        self.begin_event_generation(&mut txn, &self.journal.log().end());
        txn.commit()?;
        *state = State::load(self.engine.as_ref(), state.site)?;
        self.bodies.find_places()?;
        let working = self.meter.begin("deriving the rows from the log", 0);
        self.replay(state, LogPosition::START, &|progress| {
            working.set(progress.groups, progress.of);
        })?;
        drop(working);
        self.find_wanted(state)?;
        let now = (self.clock)();
        state.history.begin(now);
        self.journal.begin(now);
        Ok(())
    }

    fn check_engine(&self) -> Result<Check, StoreError> {
        let mut check = Check::new("the engine's own structures");
        let report = self.engine.check()?;
        check.examined = report.trees.iter().map(|tree| tree.rows).sum();
        for problem in &report.problems {
            check.fail(problem.to_string());
        }
        Ok(check)
    }

    /// Returns the accepted claim row of one record in one log; for tests and tools.
    #[doc(hidden)]
    pub fn accepted_content(&self, id: LogId, key: &ClaimKey) -> Result<Option<ContentHash>, StoreError> {
        let state = self.read()?;
        let Some(log) = state.logs.get(&id) else {
            return Ok(None);
        };
        let accepted = log
            .sources
            .get(&key.source())
            .map_or(ClaimNumber::NONE, |row| row.accepted);
        let row = self.engine.get(Tree::Claims, &claim_key(key, log.number))?;
        let row = row.and_then(|row| ClaimRow::decode(&row));
        Ok(row.and_then(|row| row.accepted_at(accepted)?.kind_and_content()?.2))
    }
}
