//! Continuing: the epoch that a restored site starts when it has all data that others hold of its log.

use starling_api_types::{ErrorCode, Problem};
use starling_protocol::{CertificateChain, ClaimNumber, Lane, LaneResume, Reason, SiteId, UnixMillis};
use starling_store::{Origin, RestoreStep, StoreError};

use super::{Hold, Lost, Waits};
use crate::clock::now;
use crate::home::home_problem;
use crate::service::{SiteParts, store_problem};

/// The result of an attempt to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GoesOn {
    /// The site was not held back.
    Already,
    /// It continues, with a new epoch.
    Now {
        /// The epoch.
        epoch: u32,
    },
    /// It started an epoch so that its peers accept it, and is getting its log back with it.
    Rejoins {
        /// The epoch.
        epoch: u32,
    },
    /// It waits.
    Waits(Waits),
    /// It has all data, but not the key that signs the epoch.
    RootKeyMissing,
    /// Its own log is frozen: an operator must choose the right branch.
    Frozen,
}

impl GoesOn {
    /// Returns the epoch that was started.
    pub(super) const fn epoch(&self) -> Option<u32> {
        match self {
            Self::Now { epoch } => Some(*epoch),
            _ => None,
        }
    }
}

impl SiteParts {
    /// Continues if this site is held back and has heard enough; with `alone`, it continues without hearing from
    /// anyone. The caller holds the import lock.
    ///
    /// The new epoch is signed and on disk before it is used. After a kill in between, the site is still held back,
    /// or continues with that epoch: there are never two certificates for one epoch.
    ///
    /// # Errors
    /// `file_access`, `disk_full`, `store_damaged`.
    pub(crate) fn go_on(&self, alone: bool) -> Result<GoesOn, Problem> {
        let Some(hold) = self.identity.restore.held() else {
            return Ok(GoesOn::Already);
        };
        let chain = self.known_chain()?;
        if !alone {
            let log = self
                .data
                .store
                .log(self.own_log())
                .map_err(|error| failed(&error))?;
            if log.is_some_and(|log| log.frozen) {
                return Ok(GoesOn::Frozen);
            }
            match self.waits(&hold, now())? {
                Some(Waits::Missing { .. }) if !chain.is_current_key(&self.key().public()) => {
                    return self.rejoin(&hold, &chain);
                }
                Some(waits) => return Ok(GoesOn::Waits(waits)),
                None => {}
            }
            if let Some(waits) = self.waits_for_bodies(now())? {
                return Ok(GoesOn::Waits(waits));
            }
        }
        // It was started for acceptance by peers, or before a kill: one epoch is enough.
        let has_begun = [hold.rejoined.filter(|_| !alone), hold.begins].contains(&Some(chain.epoch()));
        if has_begun && chain.is_current_key(&self.key().public()) {
            return self.end_hold(chain.epoch());
        }
        if !self.identity.home.has_root_key() {
            return Ok(GoesOn::RootKeyMissing);
        }
        // The missing data was checked above.
        let lanes = self
            .data
            .store
            .resume_points(true)
            .map_err(|error| failed(&error))?;
        let begins = chain.epoch().saturating_add(1);
        let noted = |hold: &mut Option<Hold>| {
            hold.as_mut().is_some_and(|hold| {
                hold.begins = Some(begins);
                true
            })
        };
        self.identity.restore.change(self.identity.home.path(), noted)?;
        self.begin_epoch(&chain, lanes)?;
        self.end_hold(begins)
    }

    /// Starts an epoch only so that peers accept the site again: they know certificates of this site that are newer
    /// than its key. It resumes at the newest head that they showed, so that nothing is given up.
    fn rejoin(&self, hold: &Hold, chain: &CertificateChain) -> Result<GoesOn, Problem> {
        if let Some(waits) = self.waits_for_word(hold, now())? {
            return Ok(GoesOn::Waits(waits));
        }
        if !self.identity.home.has_root_key() {
            return Ok(GoesOn::RootKeyMissing);
        }
        let mut lanes = Vec::new();
        for lane in Lane::ALL {
            let id = starling_store::LogId {
                lane,
                ..self.own_log()
            };
            let log = self.data.store.log(id).map_err(|error| failed(&error))?;
            let held = log.as_ref().map(|log| (log.tip.cursor.number, log.tip.header));
            let head = log.and_then(|log| log.head);
            let head = head.map(|head| (head.head().number, head.head().header));
            let start = chain.epoch_start(chain.epoch(), lane);
            let start = start.map(|start| (start.number, start.header));
            let newest = [held, start, head]
                .into_iter()
                .flatten()
                .max_by_key(|(number, _)| *number);
            if let Some((number, header)) = newest.filter(|(number, _)| *number > ClaimNumber::NONE) {
                lanes.push(LaneResume { lane, number, header });
            }
        }
        let begins = chain.epoch().saturating_add(1);
        let noted = |hold: &mut Option<Hold>| {
            hold.as_mut().is_some_and(|hold| {
                hold.rejoined = Some(begins);
                true
            })
        };
        self.identity.restore.change(self.identity.home.path(), noted)?;
        self.begin_epoch(chain, lanes)?;
        tracing::info!(
            epoch = begins,
            "the restored site started an epoch so that its peers accept it"
        );
        self.changed();
        Ok(GoesOn::Rejoins { epoch: begins })
    }

    fn begin_epoch(&self, chain: &CertificateChain, lanes: Vec<LaneResume>) -> Result<(), Problem> {
        let (chain, key) = self
            .identity
            .home
            .next_epoch(chain, lanes, Reason::Restore, now())
            .map_err(|error| home_problem(&error))?;
        self.data
            .store
            .learn_chain(&chain)
            .map_err(|error| failed(&error))?;
        self.use_key(key);
        Ok(())
    }

    /// Ends the hold. First restates the claims whose bodies nobody has, so that after a kill in between the site is
    /// still held back.
    fn end_hold(&self, epoch: u32) -> Result<GoesOn, Problem> {
        self.data.store.hold_back(false);
        let ended = self.plan_lost().and_then(|lost| {
            // Recorded before it is restated: after a kill in between, nothing is missing any more, and only the note
            // knows it.
            self.identity
                .restore
                .note_lost(self.identity.home.path(), lost.clone())?;
            self.restate()?;
            self.identity.restore.end(self.identity.home.path())?;
            Ok(lost)
        });
        let lost = ended.inspect_err(|_| self.data.store.hold_back(true))?;
        // A full disk prevents signing heads now; they are signed later.
        if let Err(error) = self.sign_heads() {
            tracing::warn!(error = %crate::home::error_chain(&error), "signing heads of the new epoch");
        }
        let mut told = format!("it has what others hold of it, and goes on under epoch {epoch}");
        if let Some(lost) = lost {
            let lost = lost.text();
            tracing::warn!(
                lost,
                "claims of this site were restated; import their sources again"
            );
            told = format!("{told}; {lost}");
        }
        self.tell_restored(RestoreStep::WentOn, &told);
        tracing::info!(epoch, "the restored site continues with a new epoch");
        Ok(GoesOn::Now { epoch })
    }

    /// Restates the claims whose bodies nobody has: no site could accept them, or anything later from their sources.
    fn restate(&self) -> Result<(), Problem> {
        let at = now();
        let origin = Origin { bundle: None, at };
        let restated = self.data.store.restate_lacked(&self.key(), at, &origin);
        restated.map(|_| ()).map_err(|error| failed(&error))
    }

    /// Records what will be restated.
    fn plan_lost(&self) -> Result<Option<Lost>, Problem> {
        let planned = self
            .data
            .store
            .plan_restatement()
            .map_err(|error| failed(&error))?;
        Ok(Lost::of(&planned, now()))
    }

    /// Returns true while bodies of the own log are awaited: until every holder of the claims was asked in vain for a
    /// while.
    pub(super) fn waits_for_bodies(&self, at: UnixMillis) -> Result<Option<Waits>, Problem> {
        let lacked = self
            .data
            .store
            .lacked_own_bodies()
            .map_err(|error| failed(&error))?;
        if lacked.count == 0 {
            return Ok(None);
        }
        let until = self
            .identity
            .restore
            .vain_since(lacked.count)
            .map(|since| since.plus_millis(self.patience_millis()));
        if until.is_some_and(|until| until <= at) {
            return Ok(None);
        }
        Ok(Some(Waits::Bodies {
            lacks: u64::try_from(lacked.count).unwrap_or(u64::MAX),
            until,
        }))
    }

    /// Returns how long it waits for unheard sites, or for missing bodies.
    pub(super) const fn patience_millis(&self) -> u64 {
        self.identity
            .config
            .restore
            .patience_seconds
            .saturating_mul(1_000)
    }

    /// Returns true if this site's key does not belong to its newest certificate.
    pub(crate) fn is_outdated(&self) -> bool {
        let key = self.key().public();
        self.known_chain().is_ok_and(|chain| !chain.is_current_key(&key))
    }

    /// Sends subscribers the state of this home; logs a failure.
    pub(crate) fn tell_restored(&self, step: RestoreStep, why: &str) {
        if self.data.store.is_read_only() {
            return;
        }
        if let Err(error) = self.data.store.tell_restored(step, why) {
            tracing::warn!(error = %crate::home::error_chain(&error), "reporting that the home was restored");
        }
        self.changed();
    }

    /// Returns the newest known certificates of this site, even if their key is not here.
    pub(super) fn known_chain(&self) -> Result<CertificateChain, Problem> {
        let chain = self.data.store.chain(&self.own_log().site);
        let chain = chain.map_err(|error| failed(&error))?;
        Ok(chain.unwrap_or_else(|| self.identity.home.chain().clone()))
    }

    /// Continues from what is here, whatever others hold. Returns the epoch; `None` if the site was not held back.
    ///
    /// # Errors
    /// `site_restored` without the root key; else as [`go_on`](Self::go_on).
    pub(crate) fn go_on_alone(&self, attempted: &str) -> Result<Option<u32>, Problem> {
        let ended = self.go_on(true)?;
        match (&ended, self.advice_on(&ended)) {
            (_, Some(advice)) => Err(restored_problem(attempted, advice)),
            (GoesOn::Now { epoch }, None) => Ok(Some(*epoch)),
            _ => Ok(None),
        }
    }

    /// Checks all that a new epoch needs, before anything is written.
    ///
    /// # Errors
    /// `site_restored` without the root key; a root key that is damaged or another's; `disk_full` if the site is read-only.
    pub(super) fn ensure_can_begin_epoch(&self, attempted: &str) -> Result<(), Problem> {
        if self.data.store.is_read_only() {
            return Err(store_problem(attempted, &StoreError::ReadOnly));
        }
        let home = &self.identity.home;
        if !home.has_root_key() {
            let detail = format!(
                "{attempted}: a new epoch needs the root key, which is not here; nothing was changed"
            );
            let hint = format!(
                "put the root key into {}, and try again; until then a home that was put back signs as if nothing had happened: `starling \
                 restore` stops that",
                home.root_key_path().display()
            );
            return Err(Problem::new(ErrorCode::SiteRestored, detail).hint(hint));
        }
        let points = self.data.store.resume_points(true);
        let points = points.map_err(|error| failed(&error))?;
        let chain = self.known_chain()?;
        home.try_next_epoch(&chain, points, Reason::Restore, now())
            .map_err(|error| home_problem(&error))
    }

    /// Continues in the background if it may; logs a failure.
    pub(crate) fn go_on_as_far_as_known(&self) {
        if !self.identity.restore.is_held() || self.data.store.is_read_only() {
            return;
        }
        // An import may take long, and ends with its own attempt.
        let Some(_one_at_a_time) = self.import_if_free() else {
            return;
        };
        if let Err(problem) = self.go_on(false) {
            tracing::warn!(%problem, "going on after a restore");
        }
    }

    /// Returns the reason why this site does not continue.
    pub(super) fn waits(&self, hold: &Hold, at: UnixMillis) -> Result<Option<Waits>, Problem> {
        let log = self
            .data
            .store
            .log(self.own_log())
            .map_err(|error| failed(&error))?;
        let held = log
            .as_ref()
            .map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
        // A repaired log may have been longer than anyone knows: only heads and the statements of others help.
        let head = log.and_then(|log| log.head).map(|head| head.head().number);
        if let Some(of) = head.filter(|head| *head > held) {
            return Ok(Some(hold.misses(&self.sites_to_hear()?, held.0, of.0)));
        }
        self.waits_with(hold, held.0, at)
    }

    /// Returns the sites from which this site waits to hear, whatever it holds.
    pub(super) fn waits_for_word(&self, hold: &Hold, at: UnixMillis) -> Result<Option<Waits>, Problem> {
        self.waits_with(hold, u64::MAX, at)
    }

    fn waits_with(&self, hold: &Hold, held: u64, at: UnixMillis) -> Result<Option<Waits>, Problem> {
        Ok(hold.waits(&self.sites_to_hear()?, held, self.patience_millis(), at))
    }

    /// Returns the listed and enabled sites, for which a restored site waits.
    fn sites_to_hear(&self) -> Result<Vec<SiteId>, Problem> {
        let listed = self.data.store.listed_sites().map_err(|error| failed(&error))?;
        let enabled = listed.iter().filter(|site| site.enabled);
        Ok(enabled.map(|site| site.site).collect())
    }

    /// Refuses to sign while this home is held back, or if another copy of it continues. Otherwise records that
    /// something will be signed.
    ///
    /// # Errors
    /// `site_restored`, `site_superseded`; `file_access`, `disk_full`.
    pub(crate) fn prepare_to_sign(&self, attempted: &str) -> Result<(), Problem> {
        if self.identity.restore.is_held() {
            // The patience may be over, and the root key may have arrived.
            let ended = self.go_on(false)?;
            if let Some(advice) = self.advice_on(&ended) {
                return Err(restored_problem(attempted, advice));
            }
        }
        let own = self.own_log().site;
        let chain = self.data.store.chain(&own);
        let chain = chain.map_err(|error| store_problem(attempted, &error))?;
        if let Some(chain) = chain.filter(|chain| !chain.is_current_key(&self.key().public())) {
            let issued = chain.current().body().issued_at;
            let detail = format!(
                "{attempted}: another copy of this home started epoch {} at {issued}, and this copy's key is no longer valid",
                chain.epoch()
            );
            return Err(Problem::new(ErrorCode::SiteSuperseded, detail).hint(super::advice::SUPERSEDED));
        }
        self.identity.restore.renew(self.identity.home.path())
    }

    /// Returns the site's own log in the lane that everyone reads.
    pub(crate) fn own_log(&self) -> starling_store::LogId {
        starling_store::LogId {
            site: self.identity.home.chain().site(),
            lane: Lane::Federation,
        }
    }
}

fn restored_problem(attempted: &str, (why, advice): (String, String)) -> Problem {
    let detail = format!(
        "{attempted}: this home was restored from a backup, or copied, and the site cannot sign yet: {why}"
    );
    Problem::new(ErrorCode::SiteRestored, detail).hint(advice)
}

fn failed(error: &StoreError) -> Problem {
    store_problem("going on after a restore", error)
}
