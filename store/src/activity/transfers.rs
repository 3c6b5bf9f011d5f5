//! The ledger's data about one site, without reading the entries of all others.
//!
//! Rows of [`Tree::Meta`], written with the entry from which they follow: one with counts, and one for each of
//! the newest transfers of a site. They are derived: if a build that does not know them wrote entries, they are
//! rebuilt when the store opens.

use std::ops::{Bound, ControlFlow};

use starling_protocol::{SiteId, UnixMillis};

use super::ledger::{LedgerEntry, LedgerNumber, ledger_row, number_of};
use crate::SiteStore;
use crate::engine::{Direction, PageLimit, Tree, prefix_end};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{damaged, meta};

/// Transfers of one site that stay in the ledger. Of older transfers only bundles stay: sessions are too many,
/// and the log has them all.
pub const TRANSFERS_KEPT: usize = 1_000;

/// Entries that are read in one page while counting again.
const ENTRIES_PER_PAGE: usize = 4_096;

/// The ledger's counts for one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transfers {
    /// The number of its imported bundles.
    pub bundles: u64,
    /// The time at which a bundle or session last brought something; `None` if none did.
    pub last_at: Option<UnixMillis>,
    /// Rows of its newest transfers, at most [`TRANSFERS_KEPT`].
    kept: u64,
}

impl Transfers {
    /// Encodes the counts: bundles, kept, then the time if there is one; u64 LE each.
    fn encode(self) -> Vec<u8> {
        let mut row = Vec::with_capacity(24);
        row.extend_from_slice(&self.bundles.to_le_bytes());
        row.extend_from_slice(&self.kept.to_le_bytes());
        if let Some(at) = self.last_at {
            row.extend_from_slice(&at.as_millis().to_le_bytes());
        }
        row
    }

    fn decode(row: &[u8]) -> Option<Self> {
        let (bundles, rest) = row.split_first_chunk()?;
        let (kept, rest) = rest.split_first_chunk()?;
        let last_at = match rest {
            [] => None,
            at => Some(UnixMillis::saturating(u64::from_le_bytes(at.try_into().ok()?))),
        };
        Some(Self {
            bundles: u64::from_le_bytes(*bundles),
            kept: u64::from_le_bytes(*kept),
            last_at,
        })
    }
}

impl SiteStore {
    /// Returns the counts for a site.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn transfers(&self, site: &SiteId) -> Result<Transfers, StoreError> {
        let key = counts_key(site);
        read_counts(&key, self.engine.get(Tree::Meta, &key)?)
    }

    /// Returns the newest transfers of a site, newest first, at most `limit` and [`TRANSFERS_KEPT`].
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn newest_transfers(
        &self,
        site: &SiteId,
        limit: usize,
    ) -> Result<Vec<(LedgerNumber, LedgerEntry)>, StoreError> {
        let prefix = transfer_prefix(site);
        let mut numbers = Vec::new();
        if limit > 0 {
            self.engine
                .scan_prefix(Tree::Meta, &prefix, Direction::Reverse, &mut |key, _| {
                    numbers.push(number_of(&key[prefix.len()..]));
                    if numbers.len() < limit {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                })?;
        }
        let mut entries = Vec::with_capacity(numbers.len());
        for number in numbers {
            let key = number.to_be_bytes();
            let row = self.engine.get(Tree::Ledger, &key)?;
            let entry = row.and_then(|row| serde_json::from_slice(&row).ok());
            let entry = entry.ok_or_else(|| damaged(Tree::Ledger, &key, "an entry"))?;
            entries.push((LedgerNumber(number), entry));
        }
        Ok(entries)
    }

    /// Adds an entry to the rows, and updates the counts.
    pub(crate) fn put_ledger_entry(&self, txn: &mut Txn<'_>, entry: &LedgerEntry) -> Result<u64, StoreError> {
        let number = self.next_ledger_number(txn)?;
        txn.put(Tree::Ledger, &number.to_be_bytes(), ledger_row(entry)?);
        self.count_transfer(txn, number, entry)?;
        Ok(number)
    }

    fn count_transfer(&self, txn: &mut Txn<'_>, number: u64, entry: &LedgerEntry) -> Result<(), StoreError> {
        txn.put(Tree::Meta, meta::LEDGER_COUNTED, number.to_le_bytes().to_vec());
        let is_bundle = matches!(entry, LedgerEntry::BundleImported { .. });
        let (Some(site), true) = (
            entry.site(),
            is_bundle || matches!(entry, LedgerEntry::Synced { .. }),
        ) else {
            return Ok(());
        };
        let key = counts_key(&site);
        let mut counts = read_counts(&key, txn.get(Tree::Meta, &key)?)?;
        counts.bundles += u64::from(is_bundle);
        counts.last_at = Some(entry.at());
        counts.kept += 1;
        txn.put(Tree::Meta, &transfer_key(&site, number), Vec::new());
        if counts.kept > TRANSFERS_KEPT as u64 && self.forget_oldest(txn, &site)? {
            counts.kept -= 1;
        }
        txn.put(Tree::Meta, &key, counts.encode());
        Ok(())
    }

    /// Deletes the oldest of a site's newest transfers, and its entry too if it is a session.
    fn forget_oldest(&self, txn: &mut Txn<'_>, site: &SiteId) -> Result<bool, StoreError> {
        let prefix = transfer_prefix(site);
        let mut oldest = None;
        txn.scan_prefix(Tree::Meta, &prefix, &mut |key, _| {
            oldest = Some(number_of(&key[prefix.len()..]));
            ControlFlow::Break(())
        })?;
        let Some(number) = oldest else {
            return Ok(false);
        };
        txn.delete(Tree::Meta, &transfer_key(site, number));
        let key = number.to_be_bytes();
        let entry = txn.get(Tree::Ledger, &key)?;
        let entry = entry.and_then(|row| serde_json::from_slice(&row).ok());
        if let Some(LedgerEntry::Synced { .. }) = entry {
            txn.delete(Tree::Ledger, &key);
        }
        Ok(true)
    }

    /// Counts the ledger again if a build without counts added entries.
    pub(crate) fn recount_ledger(&self) -> Result<(), StoreError> {
        let counted = self.engine.get(Tree::Meta, meta::LEDGER_COUNTED)?;
        let counted = counted.and_then(|row| Some(u64::from_le_bytes(row.try_into().ok()?)));
        let next = self.next_ledger_number(&Txn::new(self.engine.as_ref()))?;
        if counted.unwrap_or(0) + 1 == next {
            return Ok(());
        }
        self.forget_counts()?;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let start = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let limit = PageLimit {
                rows: ENTRIES_PER_PAGE,
                bytes: usize::MAX,
            };
            let page = self
                .engine
                .page(Tree::Ledger, start, Bound::Unbounded, Direction::Forward, limit)?;
            let mut txn = Txn::new(self.engine.as_ref());
            for (key, row) in &page.rows {
                let entry =
                    serde_json::from_slice(row).map_err(|_| damaged(Tree::Ledger, key, "an entry"))?;
                self.count_transfer(&mut txn, number_of(key), &entry)?;
            }
            // Only the last page makes the counts valid: after an earlier crash, counting starts again.
            if page.more {
                txn.delete(Tree::Meta, meta::LEDGER_COUNTED);
            }
            if !txn.is_empty() {
                txn.commit()?;
            }
            match page.rows.into_iter().next_back() {
                Some((key, _)) if page.more => after = Some(key),
                _ => return Ok(()),
            }
        }
    }

    fn forget_counts(&self) -> Result<(), StoreError> {
        let end = prefix_end(meta::LEDGER_OF);
        loop {
            let limit = PageLimit {
                rows: ENTRIES_PER_PAGE,
                bytes: usize::MAX,
            };
            let page = self.engine.page(
                Tree::Meta,
                Bound::Included(meta::LEDGER_OF),
                end.as_deref().map_or(Bound::Unbounded, Bound::Excluded),
                Direction::Forward,
                limit,
            )?;
            if page.rows.is_empty() {
                return Ok(());
            }
            let mut txn = Txn::new(self.engine.as_ref());
            for (key, _) in &page.rows {
                txn.delete(Tree::Meta, key);
            }
            txn.delete(Tree::Meta, meta::LEDGER_COUNTED);
            txn.commit()?;
        }
    }
}

fn read_counts(key: &[u8], row: Option<Vec<u8>>) -> Result<Transfers, StoreError> {
    row.map_or(Ok(Transfers::default()), |row| {
        Transfers::decode(&row).ok_or_else(|| damaged(Tree::Meta, key, "counts of the ledger"))
    })
}

/// Returns the key of a site's counts.
fn counts_key(site: &SiteId) -> Vec<u8> {
    [meta::LEDGER_OF, b"c", site.as_bytes().as_slice()].concat()
}

/// Returns the common prefix of the keys of a site's newest transfers; the entry's number follows, u64 BE.
fn transfer_prefix(site: &SiteId) -> Vec<u8> {
    [meta::LEDGER_OF, b"t", site.as_bytes().as_slice()].concat()
}

fn transfer_key(site: &SiteId, number: u64) -> Vec<u8> {
    [transfer_prefix(site).as_slice(), &number.to_be_bytes()].concat()
}
