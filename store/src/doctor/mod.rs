//! The doctor: checks every invariant of the store, names what is damaged, rebuilds what is derived.

pub(crate) mod compact;

use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};

use starling_protocol::{ClaimKey, ClaimNumber, ContentHash, Delta, LogTip, SourceState, Succession};
use starling_view::{MemoryRows, Table};

use crate::SiteStore;
use crate::activity::events::Origin;
use crate::deltas::logs::overview;
use crate::documents::MuteBook;
use crate::engine::{Direction, Tree};
use crate::error::StoreError;
use crate::journal::Entry;
use crate::journal::apply::{apply_position, ask_for_rebuild};
use crate::journal::replay::given_up;
use crate::log::LogPosition;
use crate::packs::{PackNumber, PackPosition};
use crate::rows::txn::Txn;
use crate::rows::{ClaimRow, claim_key, meta, split_claim_key};
use crate::site::open::begin_rows;
use crate::site::state::{LogId, State};
use crate::view::accept::decode_count;
use crate::view::rows::{Ports, tree_of};

/// Damaged things named per check; more are only counted.
const NAMED: usize = 20;

/// Name of the check of the site's log, whose damage only an opening past it gives up.
pub const LOG_CHECK: &str = "every frame of the log is whole and in its place";

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The invariant, in a few words.
    pub name: &'static str,
    /// How many things were looked at.
    pub examined: u64,
    /// How many do not hold.
    pub wrong: u64,
    /// Which ones, at most 20.
    pub damaged: Vec<String>,
    /// What was done about it.
    pub repaired: Option<String>,
    /// What is worth knowing though nothing is wrong.
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

    /// Whether the invariant holds.
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
    /// Whether every invariant holds, or was made to hold.
    #[must_use]
    pub fn healthy(&self) -> bool {
        self.checks
            .iter()
            .all(|check| check.ok() || check.repaired.is_some())
    }
}

/// What a doctor does about what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// Nothing.
    Examine,
    /// Gives up what is damaged, to be fetched again.
    Repair,
    /// That, and derives every row again from the log.
    Rebuild,
}

/// Turns damage that kept a check from being made into what the check found.
fn named(name: &'static str, outcome: Result<Check, StoreError>) -> Result<Check, StoreError> {
    match outcome {
        Err(
            error @ (StoreError::DamagedBody { .. } | StoreError::DamagedRow { .. } | StoreError::View(_)),
        ) => {
            let mut check = Check::new(name);
            check.fail(crate::error::chain(&error));
            Ok(check)
        }
        outcome => outcome,
    }
}

/// Names the authors who signed two histories. That is no damage here, and no treatment ends it.
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
    /// Checks every invariant; with `rebuild`, derives every row again from the log, and repairs.
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

    /// Checks every invariant, and gives up what is damaged in the packs: it is fetched again from peers or a bundle.
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
            let frames = self.check_log_frames()?;
            // Rows that are sound are not given for a log that is not.
            let rebuild = rebuild && frames.ok();
            diagnosis.checks.push(frames);
            let (mut packs, damaged_packs) = self.check_packs()?;
            diagnosis.checks.push(self.check_engine()?);
            diagnosis.checks.push(self.check_chains(state));
            diagnosis.checks.push(check_authors(state));
            diagnosis.checks.push(self.check_logs(state)?);
            let mut claims = self.check_claims(state)?;
            if rebuild {
                self.rebuild_rows(state)?;
                claims.repaired = (!claims.ok()).then(|| "derived again from the log".to_owned());
            }
            diagnosis.checks.push(claims);
            let (mut bodies, bad) = self.check_bodies(state)?;
            if repair && !bad.is_empty() {
                self.forget_bodies(state, &bad)?;
                bodies.repaired = Some(
                    "dropped; peers or a bundle bring them again, and their source is held until then"
                        .to_owned(),
                );
            }
            if repair && !packs.ok() {
                self.rewrite_packs(&damaged_packs)?;
                packs.repaired = Some("written again without what is damaged".to_owned());
            }
            diagnosis.checks.push(packs);
            diagnosis.checks.push(bodies);
            diagnosis.checks.push(self.check_positions(state));
            if repair && state.rebuild {
                // The view may show what was just given up.
                self.show(state, &Origin::default())?;
            }
            let mut view = named("the view equals a rebuild, byte for byte", self.check_view(state))?;
            if rebuild {
                self.rebuild_view(state)?;
                self.find_wanted(state)?;
                view.repaired = (!view.ok()).then(|| "folded anew from the accepted claims".to_owned());
            }
            diagnosis.checks.push(view);
            let mut history = self.check_history(state)?;
            if repair && !history.ok() {
                let mut txn = self.txn();
                txn.log(Entry::HistoryBegins);
                state.history.begin_anew(&mut txn);
                txn.commit()?;
                history.repaired =
                    Some("begins anew: what was known before cannot be told any more".to_owned());
            }
            diagnosis.checks.push(history);
            let (mut mutes, book) = self.check_mutes(state)?;
            if repair && !mutes.ok() {
                self.keep_mutes(state, &book)?;
                mutes.repaired = Some("folded anew from the accepted changes".to_owned());
            }
            diagnosis.checks.push(mutes);
            self.accept_whole(state)?;
            self.show(state, &Origin::default())?;
            Ok(diagnosis)
        };
        if self.journal.is_read_only() {
            return examine(&mut *self.write()?);
        }
        self.change(examine)
    }

    /// What was known at the oldest moment can be put back: claims, states and bodies.
    fn check_history(&self, state: &State) -> Result<Check, StoreError> {
        let mut check = Check::new("what was known before can be put back");
        let mut wrong = Vec::new();
        match self.check_history_rows(state, &mut |what| wrong.push(what)) {
            Ok(examined) => check.examined = examined,
            Err(error @ StoreError::DamagedRow { .. }) => check.fail(error.to_string()),
            Err(error) => return Err(error),
        }
        for what in wrong {
            check.fail(what);
        }
        match self.try_history(state) {
            Ok(()) => {}
            Err(error @ StoreError::Engine(_)) => return Err(error),
            Err(error) => check.fail(error.to_string()),
        }
        Ok(check)
    }

    /// Every frame of the log has its hash, and every group follows the one before it.
    fn check_log_frames(&self) -> Result<Check, StoreError> {
        let mut check = Check::new(LOG_CHECK);
        let given_up = given_up(self.journal.log())?;
        let mut passed = 0;
        let report = self.journal.log().check(&mut |damage| {
            if given_up.contains(&(damage.segment, damage.from, damage.to)) {
                passed += 1;
            } else {
                check.fail(damage.to_string());
            }
        })?;
        check.examined = report.frames;
        if passed > 0 {
            check.remark = Some(format!("{passed} damaged stretches were given up earlier"));
        }
        Ok(check)
    }

    /// Returns true if every frame of the log is whole, or was given up.
    ///
    /// # Errors
    /// [`StoreError`] of the log.
    pub fn log_is_whole(&self) -> Result<bool, StoreError> {
        let given_up = given_up(self.journal.log())?;
        let mut whole = true;
        self.journal.log().check(&mut |damage| {
            whole &= given_up.contains(&(damage.segment, damage.from, damage.to));
        })?;
        Ok(whole)
    }

    /// Every frame of the packs has its hash.
    fn check_packs(&self) -> Result<(Check, Vec<PackNumber>), StoreError> {
        let mut check = Check::new("every frame of the packs is whole and in its place");
        let scan = self.bodies.packs().scan(PackPosition::START, &mut |_, _| {})?;
        check.examined = scan.bodies;
        for damage in &scan.damage {
            check.fail(damage.to_string());
        }
        Ok((check, scan.damage.iter().map(|damage| damage.pack).collect()))
    }

    /// Derives every row again from the log, in place.
    fn rebuild_rows(&self, state: &mut State) -> Result<(), StoreError> {
        // Until the replay is done nothing says up to where the rows follow: what a crash leaves is in doubt.
        let mut txn = Txn::new(self.engine.as_ref());
        txn.delete(Tree::Meta, meta::POSITION);
        txn.commit()?;
        self.engine.checkpoint()?;
        let journal = self.journal.log().journal();
        for tree in Tree::ALL {
            // Events are told once: whoever follows them goes on.
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
        self.replay(state, LogPosition::START, &|_| {})?;
        self.find_wanted(state)?;
        state.history.begin((self.clock)());
        self.journal.begin((self.clock)());
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

    fn check_chains(&self, state: &State) -> Check {
        let mut check = Check::new("certificate chains verify, and every log has its author's");
        check.examined = state.chains.len() as u64;
        for id in state.logs.keys() {
            if !state.chains.contains_key(&id.site) {
                check.fail(format!(
                    "the {} log of {} has no certificate chain",
                    id.lane, id.site
                ));
            }
        }
        check
    }

    /// Every delta verifies against its author's chain and follows the one before it.
    fn check_logs(&self, state: &State) -> Result<Check, StoreError> {
        let mut check = Check::new("every held delta verifies and follows the one before it");
        for (id, log) in &state.logs {
            let Some(chain) = state.chains.get(&id.site) else {
                continue;
            };
            let mut tip = LogTip::default();
            let mut broken = false;
            self.scan_deltas(
                log.number,
                ClaimNumber::NONE,
                log.tip.cursor.number,
                &mut |first, bytes| {
                    check.examined += 1;
                    let name = || format!("the delta at {first} of the {} log of {}", id.lane, id.site);
                    match Delta::decode(bytes).and_then(|delta| delta.verify(chain)) {
                        Ok(delta) if tip.place(delta.header(), chain) == Succession::Next => {
                            let header = delta.header();
                            tip = LogTip {
                                cursor: header.cursor(),
                                header: delta.hash(),
                                epoch: header.epoch,
                            };
                            ControlFlow::Continue(())
                        }
                        Ok(_) => {
                            check.fail(format!("{} does not follow {}", name(), tip.cursor));
                            broken = true;
                            ControlFlow::Break(())
                        }
                        Err(error) => {
                            check.fail(format!("{}: {error}", name()));
                            broken = true;
                            ControlFlow::Break(())
                        }
                    }
                },
            )?;
            if !broken && tip != log.tip {
                check.fail(format!(
                    "the {} log of {} ends at {}, its tip says {}",
                    id.lane, id.site, tip.cursor, log.tip.cursor
                ));
            }
        }
        Ok(check)
    }

    /// The claim rows of each log hash to the state root that its author signed.
    fn check_claims(&self, state: &State) -> Result<Check, StoreError> {
        let mut check = Check::new("claim rows hash to the signed state roots");
        let mut states: std::collections::BTreeMap<_, std::collections::BTreeMap<_, SourceState>> =
            std::collections::BTreeMap::new();
        let mut bad = Vec::new();
        self.engine.scan(
            Tree::Claims,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, row| {
                check.examined += 1;
                let parts = split_claim_key(key).zip(ClaimRow::decode(row));
                let Some(((claim_key, log), row)) = parts else {
                    bad.push(format!("row {}", hex::encode(&key[..key.len().min(40)])));
                    return ControlFlow::Continue(());
                };
                if !row.is_tombstone()
                    && let Some(frame) = row.frame(&claim_key)
                {
                    let state: &mut SourceState = states
                        .entry(log)
                        .or_default()
                        .entry(claim_key.source())
                        .or_default();
                    state.state.add(&frame);
                    state.live += 1;
                }
                ControlFlow::Continue(())
            },
        )?;
        for what in bad {
            check.fail(what);
        }
        for (id, log) in &state.logs {
            let derived = states.remove(&log.number).unwrap_or_default();
            for (source, row) in &log.sources {
                let found = derived.get(source).cloned().unwrap_or_default();
                if found != row.held {
                    let name = source
                        .as_ref()
                        .map_or("(none)", starling_protocol::Source::as_str);
                    check.fail(format!(
                        "source {name} in the {} log of {}: {} live rows, {} counted",
                        id.lane, id.site, found.live, row.held.live
                    ));
                }
            }
        }
        Ok(check)
    }

    /// Every body hashes to its name, and every accepted live one is here. Gives those that do not.
    fn check_bodies(&self, state: &State) -> Result<(Check, BTreeSet<ContentHash>), StoreError> {
        let mut check = Check::new("every body hashes to its name, and accepted ones are here");
        let mut bad = BTreeSet::new();
        for hash in self.named_in_scope(state)? {
            check.examined += 1;
            match self.bodies.get(&hash) {
                Ok(Some(_)) => {}
                Ok(None) if state.wants(&hash) => {}
                Ok(None) => {
                    check.fail(format!("body {hash} is missing"));
                    bad.insert(hash);
                }
                Err(error @ StoreError::DamagedBody { .. }) => {
                    check.fail(error.to_string());
                    bad.insert(hash);
                }
                Err(error) => return Err(error),
            }
        }
        Ok((check, bad))
    }

    fn named_in_scope(&self, state: &State) -> Result<BTreeSet<ContentHash>, StoreError> {
        let mut named = BTreeSet::new();
        self.engine.scan(
            Tree::Claims,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, row| {
                if let Some((claim_key, log)) = split_claim_key(key)
                    && let Some(id) = state.log_id(log)
                    && state.in_scope(&id.site, claim_key.source().as_ref())
                    && let Some((.., Some(content), _)) =
                        ClaimRow::decode(row).and_then(|row| row.kind_and_content())
                {
                    named.insert(content);
                }
                ControlFlow::Continue(())
            },
        )?;
        Ok(named)
    }

    /// Takes back the acceptance of what was accepted with bodies that the packs do not hold any more: after a
    /// rebuild, what is missing must not look as if it had never been said.
    ///
    /// # Errors
    /// [`StoreError`] of the log or the engine.
    pub(crate) fn take_back_what_lacks_bodies(&self, state: &mut State) -> Result<(), StoreError> {
        let mut missing = BTreeSet::new();
        for hash in self.accepted_bodies(state)? {
            if !self.bodies.contains(&hash)? {
                missing.insert(hash);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        tracing::error!(
            bodies = missing.len(),
            "record bodies are gone from the packs: their sources are held back until peers, bundles or feeds bring them again"
        );
        self.forget_bodies(state, &missing)
    }

    /// The bodies that accepted claims in scope name.
    fn accepted_bodies(&self, state: &State) -> Result<BTreeSet<ContentHash>, StoreError> {
        let mut named = BTreeSet::new();
        self.engine.scan(
            Tree::Claims,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, row| {
                if let Some((claim_key, log)) = split_claim_key(key)
                    && let Some(id) = state.log_id(log)
                    && let source = claim_key.source()
                    && state.in_scope(&id.site, source.as_ref())
                    && let Some(accepted) = state
                        .logs
                        .get(&id)
                        .and_then(|log| log.sources.get(&source))
                        .map(|row| row.accepted)
                    && let Some(row) = ClaimRow::decode(row)
                    && let Some((.., Some(content), _)) =
                        row.accepted_at(accepted).and_then(ClaimRow::kind_and_content)
                {
                    named.insert(content);
                }
                ControlFlow::Continue(())
            },
        )?;
        Ok(named)
    }

    /// Drops damaged bodies and takes back the acceptance of what needs them: it counts again once they are here.
    fn forget_bodies(&self, state: &mut State, bad: &BTreeSet<ContentHash>) -> Result<(), StoreError> {
        let mut affected: BTreeSet<(LogId, Option<starling_protocol::Source>)> = BTreeSet::new();
        self.engine.scan(
            Tree::Claims,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
            &mut |key, row| {
                if let Some((claim_key, log)) = split_claim_key(key)
                    && let Some(id) = state.log_id(log)
                    && let Some(row) = ClaimRow::decode(row)
                    && [Some(&row), row.prior.as_deref()].into_iter().flatten().any(|row| {
                        matches!(row.kind_and_content(), Some((.., Some(content), _)) if bad.contains(&content))
                    })
                {
                    affected.insert((id, claim_key.source()));
                }
                ControlFlow::Continue(())
            },
        )?;
        let mut txn = self.txn();
        let mut dropped = Vec::new();
        for hash in bad {
            if let Some(place) = self.bodies.place(hash)? {
                dropped.push((*hash, place));
            }
            txn.delete(Tree::Bodies, hash.as_bytes());
        }
        txn.log(Entry::BodiesDropped(dropped));
        let mut positions = Vec::new();
        for (id, source) in affected {
            apply_position(&mut txn, state, id, source.as_ref(), ClaimNumber::NONE)?;
            positions.push((id, source, ClaimNumber::NONE));
        }
        txn.log(Entry::Accepted {
            bundle: None,
            positions,
        });
        // What was accepted with those bodies cannot be shown without them.
        txn.log(Entry::HistoryBegins);
        state.history.begin_anew(&mut txn);
        ask_for_rebuild(&mut txn, state);
        txn.commit()?;
        self.find_wanted(state)
    }

    /// accepted <= held <= high-water, and the view is not ahead of what is accepted.
    fn check_positions(&self, state: &State) -> Check {
        let mut check = Check::new("positions keep their order: viewed, accepted, held, high-water");
        for (id, log) in &state.logs {
            check.examined += 1;
            let held = log.tip.cursor.number;
            let in_order = log
                .sources
                .values()
                .all(|row| row.viewed <= row.accepted && row.accepted <= row.last && row.last <= held);
            if !in_order || held > log.high_water() {
                check.fail(format!("the {} log of {}", id.lane, id.site));
            }
        }
        check
    }

    /// The view equals, byte for byte, what the accepted claims fold to.
    fn check_view(&self, state: &State) -> Result<Check, StoreError> {
        let mut check = Check::new("the view equals a rebuild, byte for byte");
        let mut keys = BTreeSet::new();
        self.engine
            .scan_prefix(Tree::Claims, b"r", Direction::Forward, &mut |key, _| {
                if let Some((claim_key, _)) = split_claim_key(key)
                    && let starling_protocol::KeyRef::Record(source, id) = claim_key.parse()
                {
                    keys.insert(starling_view::RecordKey::new(source, id));
                }
                ControlFlow::Continue(())
            })?;
        let ports = Ports {
            engine: self.engine.as_ref(),
            bodies: &self.bodies,
            state,
        };
        let settings = self.settings.read().map_err(|_| StoreError::Poisoned)?;
        let mut fresh = MemoryRows::new();
        starling_view::update(&mut fresh, &ports, &ports, &settings, &keys)?;
        for table in Table::ALL {
            let mut expected = fresh.iter(table);
            let mut next = expected.next();
            self.engine.scan(
                tree_of(table),
                Bound::Unbounded,
                Bound::Unbounded,
                Direction::Forward,
                &mut |key, value| {
                    check.examined += 1;
                    while next.is_some_and(|(wanted, _)| wanted < key) {
                        check.fail(format!("a row of {table} is missing"));
                        next = expected.next();
                    }
                    match next {
                        Some((wanted, content)) if wanted == key => {
                            if content != value {
                                check.fail(format!(
                                    "row {} of {table}",
                                    hex::encode(&key[..key.len().min(24)])
                                ));
                            }
                            next = expected.next();
                        }
                        _ => check.fail(format!(
                            "row {} of {table} stands alone",
                            hex::encode(&key[..key.len().min(24)])
                        )),
                    }
                    ControlFlow::Continue(())
                },
            )?;
            while next.is_some() {
                check.fail(format!("a row of {table} is missing"));
                next = expected.next();
            }
        }
        let mut advisories = 0_u64;
        starling_view::for_each_advisory(&fresh, |_| {
            advisories += 1;
            ControlFlow::Continue(())
        })?;
        let kept = self.engine.get(Tree::Meta, meta::ADVISORIES)?;
        let kept = kept.map_or(Ok(0), |row| decode_count(&row))?;
        if kept != advisories {
            check.fail(format!(
                "the number of advisories: {kept} is kept, there are {advisories}"
            ));
        }
        let counted = starling_view::live_record_counts(&fresh)?;
        for (source, count) in counted {
            let kept = self.engine.get(Tree::Meta, &meta::records(&source))?;
            let kept = kept.map_or(Ok(0), |row| decode_count(&row))?;
            if kept != count {
                check.fail(format!(
                    "the records of {source}: {kept} is kept, there are {count}"
                ));
            }
        }
        Ok(check)
    }

    /// The kept mutes are those that the accepted changes say, and Automerge merges the changes to the same entries.
    fn check_mutes(&self, state: &State) -> Result<(Check, MuteBook), StoreError> {
        let mut check = Check::new("the mutes are what the accepted changes say, and what Automerge merges");
        let (kept, book) = self.compare_mutes(state)?;
        check.examined = book.changes.len() as u64;
        let folded = &book.folded;
        if !book.changes.is_empty() && kept.is_none_or(|kept| *kept.mutes != book.in_force()) {
            check.fail("the kept fold is damaged or behind".to_owned());
        }
        let applied = folded.applied.iter().filter_map(|index| book.changes.get(*index));
        let applied: Vec<&[u8]> = applied.map(|change| change.bytes.as_slice()).collect();
        let count = applied.len();
        // The strict reader took them all; should Automerge still fail, the check says so and the store stands.
        let merged = std::panic::catch_unwind(|| starling_documents::mutes::merged_entries(applied));
        match merged {
            Ok(Ok(entries)) if entries.len() == count => {}
            Ok(Ok(entries)) => {
                check.fail(format!(
                    "Automerge merges {count} changes to {} entries",
                    entries.len()
                ));
            }
            Ok(Err(error)) => check.fail(error.to_string()),
            Err(_) => check.fail("Automerge cannot take the changes".to_owned()),
        }
        let whose = |index: &usize| book.changes.get(*index).map(|change| change.log.site.short());
        let mut remarks = Vec::new();
        let waiting: BTreeSet<_> = folded
            .waiting
            .iter()
            .filter_map(|(index, _)| whose(index))
            .collect();
        let refused: BTreeSet<_> = folded
            .refused
            .iter()
            .filter_map(|(index, _)| whose(index))
            .collect();
        for (count, what, sites) in [
            (
                folded.waiting.len(),
                "wait for changes that are not here",
                waiting,
            ),
            (folded.refused.len(), "are refused", refused),
        ] {
            if count > 0 {
                let sites: Vec<String> = sites.into_iter().take(NAMED).collect();
                remarks.push(format!("{count} {what} (of {})", sites.join(", ")));
            }
        }
        check.remark = (!remarks.is_empty()).then(|| remarks.join("; "));
        Ok((check, book))
    }

    /// The accepted claim row of one record in one log; for tests and tools.
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
