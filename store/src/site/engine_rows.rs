//! The data in an engine's rows about the log from which they follow, also of an engine that is given up.

use starling_protocol::{CertificateChain, ClaimNumber, SiteId, VerifiedHead};

use super::open::SCHEMA;
use super::state::State;
use crate::engine::{Engine, Tree};
use crate::error::StoreError;
use crate::log::{JournalId, Log, LogPosition};
use crate::rows::{damaged, meta};
use crate::trust::ListedSite;

/// The position up to which an engine followed a log: all of it was durable once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineWitness {
    pub(super) journal: JournalId,
    pub(super) position: LogPosition,
}

impl EngineWitness {
    /// Reads it; returns `None` if the engine does not have it.
    pub(crate) fn read(engine: &dyn Engine, site: SiteId) -> Option<Self> {
        let rows = EngineRows::read(engine, site).ok()??;
        Some(Self {
            journal: JournalId(rows.journal),
            position: rows.position,
        })
    }

    /// Returns the one of two that followed its log further.
    pub(crate) fn further(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.into_iter().chain(other).max_by_key(|known| known.position)
    }
}

/// The knowledge of an engine that followed the log: the ends of all logs, and the sites it trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Salvaged {
    pub(super) position: LogPosition,
    ends: Vec<(super::LogId, ClaimNumber)>,
    pub(super) listed: Vec<ListedSite>,
    pub(super) chains: Vec<CertificateChain>,
    pub(super) heads: Vec<VerifiedHead>,
}

impl Salvaged {
    /// Returns the last claim of a log: of this site's own, the last that it signed as far as known; of another, the
    /// last that was held.
    pub(super) fn last(&self, id: &super::LogId) -> ClaimNumber {
        let found = self.ends.iter().find(|(log, _)| log == id);
        found.map_or(ClaimNumber::NONE, |(_, number)| *number)
    }

    /// Returns the logs of other sites.
    pub(super) fn foreign(&self, own: SiteId) -> impl Iterator<Item = super::LogId> + '_ {
        let logs = self.ends.iter().map(|(id, _)| *id);
        logs.filter(move |id| id.site != own)
    }

    /// Returns the one of two that followed the log further.
    pub(crate) fn further(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        match (one, other) {
            (Some(one), Some(other)) if other.position > one.position => Some(other),
            (None, other) => other,
            (one, _) => one,
        }
    }

    /// Reads it; returns `None` if the engine does not have it.
    pub(crate) fn read(engine: &dyn Engine, site: SiteId) -> Option<Self> {
        let position = EngineRows::read(engine, site).ok()??.position;
        let state = State::load(engine, site).ok()?;
        let ends = state.logs.iter().map(|(id, log)| {
            let held = log.tip.cursor.number.max(log.witnessed);
            (*id, if id.site == site { log.high_water() } else { held })
        });
        Some(Self {
            position,
            ends: ends.collect(),
            listed: state.listed.values().cloned().collect(),
            chains: state.chains.values().cloned().collect(),
            heads: state.logs.values().filter_map(|log| log.head.clone()).collect(),
        })
    }
}

/// The data in an engine's rows about the log from which they follow.
pub(super) struct EngineRows {
    journal: [u8; 16],
    pub(super) position: LogPosition,
}

impl EngineRows {
    /// Reads them; returns `None` for an empty engine.
    pub(super) fn read(engine: &dyn Engine, site: SiteId) -> Result<Option<Self>, StoreError> {
        let Some(found) = engine.get(Tree::Meta, meta::SCHEMA)? else {
            return Ok(None);
        };
        let found = <[u8; 4]>::try_from(found.as_slice())
            .map(u32::from_le_bytes)
            .map_err(|_| damaged(Tree::Meta, meta::SCHEMA, "the schema version"))?;
        let doubt = |reason: String| StoreError::EngineDoubt { reason };
        if found != SCHEMA {
            return Err(doubt(format!(
                "its rows have schema {found}, this build's have {SCHEMA}"
            )));
        }
        let owner = engine.get(Tree::Meta, meta::SITE)?.unwrap_or_default();
        if owner != site.as_bytes() {
            return Err(doubt("its rows are another site's".to_owned()));
        }
        let journal = engine.get(Tree::Meta, meta::JOURNAL)?;
        let journal = journal.and_then(|row| row.try_into().ok());
        let position = engine.get(Tree::Meta, meta::POSITION)?;
        let position = position.and_then(|row| LogPosition::decode(&row));
        let rows = journal
            .zip(position)
            .map(|(journal, position)| Self { journal, position });
        rows.map(Some)
            .ok_or_else(|| doubt("it has no log position for its rows".to_owned()))
    }

    pub(super) fn position_in(&self, log: &Log) -> Result<LogPosition, StoreError> {
        if self.journal != log.journal().0 {
            let reason = "its rows follow from another log".to_owned();
            return Err(StoreError::EngineDoubt { reason });
        }
        if self.position > log.end() {
            let reason = format!(
                "its rows follow the log up to group {}, but the log ends at {}",
                self.position.group,
                log.end().group
            );
            return Err(StoreError::EngineDoubt { reason });
        }
        Ok(self.position)
    }
}
