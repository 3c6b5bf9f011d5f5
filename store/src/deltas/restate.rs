//! Replaces this site's own claims whose bodies are lost.
//!
//! A claim may reach a peer without its body before the home with the body is lost. No site can then accept
//! that claim, nor any later claim of its source. Only the author can end that: for each record it states the
//! last earlier content whose body it still has, or retracts its statement.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use starling_protocol::{
    Claim, ClaimKey, ClaimKind, ClaimNumber, ContentHash, KeyRef, Lane, SigningKey, Source, UnixMillis,
};

use crate::SiteStore;
use crate::activity::events::Origin;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::rows::damaged;
use crate::site::state::LogId;
use crate::view::accept::claims_of;

/// Keys that a report names.
const NAMED: usize = 8;

/// Live claims of this site whose bodies are not here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LackedBodies {
    /// The number of them.
    pub count: usize,
    /// The keys of the first of them.
    pub named: Vec<ClaimKey>,
}

/// The claims that this site replaced because their bodies are lost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restated {
    /// Records that are as an earlier claim of the log had them.
    pub went_back: u64,
    /// The number of records without an earlier statement: they are retracted.
    pub retracted: u64,
    /// The sources of these records.
    pub sources: BTreeSet<Source>,
    /// The keys of the first of them.
    pub named: Vec<ClaimKey>,
}

impl Restated {
    /// Returns true if nothing was lost.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.went_back == 0 && self.retracted == 0
    }
}

/// An earlier statement of a log about a record, if it can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Earlier {
    /// It had this content, of so many bytes, and the body is here.
    Set(ContentHash, u32),
    /// The source had dropped it.
    Absent,
    /// There is none, or it was retracted.
    Nothing,
}

/// The earlier statements of a log about records.
type Statements = BTreeMap<ClaimKey, Earlier>;

impl SiteStore {
    /// Returns this site's live claims whose bodies are not here.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`].
    pub fn lacked_own_bodies(&self) -> Result<LackedBodies, StoreError> {
        let state = self.read()?;
        let own = state.logs.iter().filter(|(id, _)| id.site == state.site);
        let mut lacked = LackedBodies::default();
        for (_, log) in own {
            lacked.count += log.wanted.len();
            let names = log.wanted.values().map(|wanted| wanted.key.clone());
            lacked
                .named
                .extend(names.take(NAMED.saturating_sub(lacked.named.len())));
        }
        Ok(lacked)
    }

    /// Returns the result that [`restate_lacked`](Self::restate_lacked) would have.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn plan_restatement(&self) -> Result<Restated, StoreError> {
        self.restated(&mut |_, _| Ok(()))
    }

    /// Replaces this site's claims whose bodies are not here.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or as [`author`](Self::author).
    pub fn restate_lacked(
        &self,
        key: &SigningKey,
        now: UnixMillis,
        origin: &Origin,
    ) -> Result<Restated, StoreError> {
        self.restated(&mut |lane, earlier| {
            let claims = earlier
                .iter()
                .map(|(claim_key, earlier)| statement(claim_key.clone(), *earlier, now));
            self.author(lane, claims, key, now, origin).map(|_| ())
        })
    }

    /// Calls `each` for each lane with the earlier statements of the claims that lack their bodies, and counts them.
    fn restated(
        &self,
        each: &mut dyn FnMut(Lane, &Statements) -> Result<(), StoreError>,
    ) -> Result<Restated, StoreError> {
        let mut restated = Restated::default();
        let site = self.site()?;
        for lane in Lane::ALL {
            let earlier = self.earlier_statements(LogId { site, lane })?;
            for (claim_key, earlier) in &earlier {
                match earlier {
                    Earlier::Nothing => restated.retracted += 1,
                    Earlier::Set(..) | Earlier::Absent => restated.went_back += 1,
                }
                restated.sources.extend(claim_key.source());
                if restated.named.len() < NAMED {
                    restated.named.push(claim_key.clone());
                }
            }
            if !earlier.is_empty() {
                each(lane, &earlier)?;
            }
        }
        Ok(restated)
    }

    /// Returns the keys of a log whose live claims lack their bodies, each with the log's earlier statement.
    fn earlier_statements(&self, id: LogId) -> Result<BTreeMap<ClaimKey, Earlier>, StoreError> {
        let (number, last, lacking) = {
            let state = self.read()?;
            let Some(log) = state.logs.get(&id).filter(|log| !log.wanted.is_empty()) else {
                return Ok(BTreeMap::new());
            };
            let lacking: BTreeMap<ClaimKey, ClaimNumber> = log
                .wanted
                .iter()
                .map(|(number, wanted)| (wanted.key.clone(), *number))
                .collect();
            let last = log.wanted.last_key().copied().unwrap_or_default();
            (log.number, last, lacking)
        };
        let mut earlier: BTreeMap<ClaimKey, Earlier> = lacking
            .keys()
            .map(|key| (key.clone(), Earlier::Nothing))
            .collect();
        let mut failed = None;
        self.scan_deltas(number, ClaimNumber::NONE, last, &mut |_, bytes| {
            let read = claims_of(bytes)
                .ok_or_else(|| damaged(Tree::Logs, &number.to_bytes(), "a delta"))
                .and_then(|claims| self.note_earlier(&claims, &lacking, &mut earlier));
            match read {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        failed.map_or(Ok(earlier), Err)
    }

    /// Updates `earlier` from a delta: for each record of `lacking`, the last statement before the claim that lacks its
    /// body.
    fn note_earlier(
        &self,
        claims: &[(ClaimNumber, Claim)],
        lacking: &BTreeMap<ClaimKey, ClaimNumber>,
        earlier: &mut BTreeMap<ClaimKey, Earlier>,
    ) -> Result<(), StoreError> {
        for (number, claim) in claims {
            if lacking.get(claim.key()).is_none_or(|lacks| number >= lacks) {
                continue;
            }
            let said = match (claim.kind(), claim.content()) {
                (ClaimKind::SET, Some((hash, size))) if self.bodies.contains(&hash)? => {
                    Earlier::Set(hash, size)
                }
                (ClaimKind::ABSENT, _) => Earlier::Absent,
                (ClaimKind::DELETE, _) => Earlier::Nothing,
                // Its body is not here either: the statement before it is used.
                _ => continue,
            };
            earlier.insert(claim.key().clone(), said);
        }
        Ok(())
    }
}

/// Returns the claim that repeats an earlier statement, or retracts the record if there is none.
fn statement(key: ClaimKey, earlier: Earlier, now: UnixMillis) -> Claim {
    match (key.parse(), earlier) {
        (KeyRef::Record(source, id), Earlier::Set(hash, size)) => Claim::set(&source, &id, hash, size, now),
        (KeyRef::Record(source, id), Earlier::Absent) => Claim::absent(&source, &id, now),
        _ => Claim::delete(key, now),
    }
}
