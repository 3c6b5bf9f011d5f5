//! The ledger: the audit trail of every import and export.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use serde::{Deserialize, Serialize};
use starling_protocol::{ContentHash, Cursor, RecordId, SiteId, Source, UnixMillis};
use starling_view::{Decisions, RecordKey};

use crate::SiteStore;
use crate::engine::{Direction, Engine, Tree};
use crate::error::StoreError;
use crate::journal::Entry;
use crate::rows::damaged;
use crate::rows::txn::Txn;
use crate::view::counts::ViewCounts;

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
        /// The site that sealed it; `None` if its seal was skipped.
        exporter: Option<SiteId>,
        /// Deltas that were new.
        deltas: u64,
        /// Claims that were new.
        items: u64,
        /// Bytes of the file.
        bytes: u64,
        /// The end of the exporter's own log after it.
        cursor: Option<Cursor>,
        /// Its changes in the view.
        counts: ViewCounts,
    },
    /// A bundle was exported.
    BundleExported {
        /// When.
        at: UnixMillis,
        /// Its hash.
        bundle: String,
        /// The destination site, if there is one.
        to: Option<SiteId>,
        /// The number of its deltas.
        deltas: u64,
        /// Bytes of the file.
        bytes: u64,
        /// Its ranges: author, lane number, last claim.
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
        /// The end of the site's log after it.
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
    /// An operator decided a disagreement between authors, or withdrew a decision.
    Decided {
        /// When.
        at: UnixMillis,
        /// The record's source.
        source: Source,
        /// The record's id.
        record: RecordId,
        /// The decided content; `None` for a withdrawn decision.
        content: Option<ContentHash>,
        /// The person who decided.
        by: String,
        /// Why.
        reason: String,
    },
}

impl LedgerEntry {
    /// Returns the time of the entry.
    #[must_use]
    pub fn at(&self) -> UnixMillis {
        match self {
            Self::BundleImported { at, .. }
            | Self::BundleExported { at, .. }
            | Self::Synced { at, .. }
            | Self::SiteChanged { at, .. }
            | Self::Decided { at, .. } => *at,
        }
    }

    /// Returns the other site of the entry.
    #[must_use]
    pub fn site(&self) -> Option<SiteId> {
        match self {
            Self::BundleImported { exporter, .. } => *exporter,
            Self::BundleExported { to, .. } => *to,
            Self::Synced { peer, .. } => Some(*peer),
            Self::SiteChanged { site, .. } => Some(*site),
            Self::Decided { .. } => None,
        }
    }
}

impl SiteStore {
    /// Adds an entry.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn record(&self, entry: &LedgerEntry) -> Result<LedgerNumber, StoreError> {
        // Under the state's lock: numbers are assigned one at a time.
        self.change(|_| {
            let mut txn = self.txn();
            let number = self.put_ledger_entry(&mut txn, entry)?;
            txn.log(Entry::Ledger(entry.clone()));
            txn.commit()?;
            Ok(LedgerNumber(number))
        })
    }

    /// Records a decision and folds the view again.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn decide(&self, entry: &LedgerEntry) -> Result<(), StoreError> {
        self.record(entry)?;
        let settings = self.view()?.settings().as_ref().clone();
        self.set_settings(settings)
    }

    /// Returns the last decision about each record.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn decided(&self) -> Result<BTreeMap<RecordKey, LedgerEntry>, StoreError> {
        decided_in(self.engine.as_ref(), UnixMillis::MAX)
    }

    /// Returns the time at which a decision was last made or withdrawn, up to `until`.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn decided_last(&self, until: UnixMillis) -> Result<Option<UnixMillis>, StoreError> {
        let decided = decided_in(self.engine.as_ref(), until)?;
        Ok(decided.values().map(LedgerEntry::at).max())
    }

    pub(crate) fn next_ledger_number(&self, txn: &Txn<'_>) -> Result<u64, StoreError> {
        let written = txn.last_written(Tree::Ledger).map(|key| number_of(&key));
        let last = self.engine.first(
            Tree::Ledger,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Reverse,
        )?;
        let stored = last.map(|(key, _)| number_of(&key));
        Ok(written.max(stored).unwrap_or(0) + 1)
    }

    /// Returns the entries that `choose` accepts, newest first, at most `limit`.
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

/// Returns the decisions that hold, by an engine's rows.
pub(crate) fn decisions_in(engine: &dyn Engine) -> Result<Decisions, StoreError> {
    decisions_until(engine, UnixMillis::MAX)
}

/// Returns the decisions that held at a moment.
pub(crate) fn decisions_until(engine: &dyn Engine, until: UnixMillis) -> Result<Decisions, StoreError> {
    let last = decided_in(engine, until)?.into_iter();
    let holding = last.filter_map(|(record, entry)| match entry {
        LedgerEntry::Decided { content, .. } => Some((record, content?)),
        _ => None,
    });
    Ok(holding.collect())
}

/// Returns the last decision of each record, of those made up to a moment.
fn decided_in(
    engine: &dyn Engine,
    until: UnixMillis,
) -> Result<BTreeMap<RecordKey, LedgerEntry>, StoreError> {
    const MARK: &[u8] = b"\"kind\":\"decided\"";
    let mut last = BTreeMap::new();
    let mut bad = None;
    engine.scan_all(Tree::Ledger, &mut |key, row| {
        // Nearly all entries are about something else, and need not be decoded for that.
        if row.windows(MARK.len()).any(|window| window == MARK) {
            match serde_json::from_slice::<LedgerEntry>(row) {
                Ok(entry) => {
                    if let LedgerEntry::Decided {
                        at, source, record, ..
                    } = &entry
                        && *at <= until
                    {
                        last.insert(RecordKey::new(source.clone(), record.clone()), entry);
                    }
                }
                Err(_) => bad = Some(damaged(Tree::Ledger, key, "an entry")),
            }
        }
        ControlFlow::Continue(())
    })?;
    bad.map_or(Ok(last), Err)
}

pub(crate) fn ledger_row(entry: &LedgerEntry) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(entry).map_err(|_| damaged(Tree::Ledger, &[], "an entry to write"))
}

pub(crate) fn number_of(key: &[u8]) -> u64 {
    key.first_chunk::<8>()
        .map_or(0, |number| u64::from_be_bytes(*number))
}
