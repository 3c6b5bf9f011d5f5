//! The ledger: every import and export, kept as the audit trail.

use std::ops::{Bound, ControlFlow};

use serde::{Deserialize, Serialize};
use starling_protocol::{Cursor, SiteId, UnixMillis};

use crate::SiteStore;
use crate::engine::{Direction, Tree};
use crate::error::StoreError;
use crate::rows::damaged;
use crate::rows::txn::Txn;
use crate::view::accept::ViewCounts;

/// Number of an entry; the first is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerNumber(pub u64);

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LedgerEntry {
    /// A bundle was imported.
    BundleImported {
        /// When.
        at: UnixMillis,
        /// Its hash.
        bundle: String,
        /// Who sealed it; none when its seal was skipped.
        exporter: Option<SiteId>,
        /// Deltas that were new.
        deltas: u64,
        /// Claims that were new.
        items: u64,
        /// Bytes of the file.
        bytes: u64,
        /// Where the exporter's own log stands after it.
        cursor: Option<Cursor>,
        /// What it changed in the view.
        counts: ViewCounts,
    },
    /// A bundle was exported.
    BundleExported {
        /// When.
        at: UnixMillis,
        /// Its hash.
        bundle: String,
        /// For whom, if for one.
        to: Option<SiteId>,
        /// Deltas in it.
        deltas: u64,
        /// Bytes of the file.
        bytes: u64,
        /// Ranges in it: author, lane number, last claim.
        ends: Vec<(SiteId, u8, u64)>,
    },
    /// A session with a peer brought something of a log.
    Synced {
        /// When.
        at: UnixMillis,
        /// The author of the log that grew.
        peer: SiteId,
        /// Claims that were new.
        items: u64,
        /// Where its log stands after it.
        cursor: Option<Cursor>,
    },
    /// A site was listed or taken off the list.
    SiteChanged {
        /// When.
        at: UnixMillis,
        /// Which.
        site: SiteId,
        /// `added`, `removed` or `changed`.
        change: String,
    },
}

impl LedgerEntry {
    /// When it happened.
    #[must_use]
    pub fn at(&self) -> UnixMillis {
        match self {
            Self::BundleImported { at, .. }
            | Self::BundleExported { at, .. }
            | Self::Synced { at, .. }
            | Self::SiteChanged { at, .. } => *at,
        }
    }

    /// The other site that it is about.
    #[must_use]
    pub fn site(&self) -> Option<SiteId> {
        match self {
            Self::BundleImported { exporter, .. } => *exporter,
            Self::BundleExported { to, .. } => *to,
            Self::Synced { peer, .. } => Some(*peer),
            Self::SiteChanged { site, .. } => Some(*site),
        }
    }
}

impl SiteStore {
    /// Adds an entry.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn record(&self, entry: &LedgerEntry) -> Result<LedgerNumber, StoreError> {
        // Under the state's lock: numbers are given out one at a time.
        self.change(|_| {
            let last = self.engine.first(
                Tree::Ledger,
                Bound::Unbounded,
                Bound::Unbounded,
                Direction::Reverse,
            )?;
            let number = last.map_or(0, |(key, _)| number_of(&key)) + 1;
            let row =
                serde_json::to_vec(entry).map_err(|_| damaged(Tree::Ledger, &[], "an entry to write"))?;
            let mut txn = Txn::new(self.engine.as_ref());
            txn.put(Tree::Ledger, &number.to_be_bytes(), row);
            txn.commit()?;
            Ok(LedgerNumber(number))
        })
    }

    /// Entries, newest first, that `choose` wants, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn ledger(
        &self,
        limit: usize,
        choose: impl Fn(&LedgerEntry) -> bool,
    ) -> Result<Vec<(LedgerNumber, LedgerEntry)>, StoreError> {
        let mut entries = Vec::new();
        let mut bad = None;
        self.engine.scan(
            Tree::Ledger,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Reverse,
            &mut |key, row| {
                match serde_json::from_slice(row) {
                    Ok(entry) if choose(&entry) => entries.push((LedgerNumber(number_of(key)), entry)),
                    Ok(_) => {}
                    Err(_) => bad = Some(damaged(Tree::Ledger, key, "an entry")),
                }
                if entries.len() >= limit {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )?;
        bad.map_or(Ok(entries), Err)
    }
}

fn number_of(key: &[u8]) -> u64 {
    key.first_chunk::<8>()
        .map_or(0, |number| u64::from_be_bytes(*number))
}
