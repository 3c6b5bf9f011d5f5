//! Records the packages that changed since the match index was built, so that the next build folds only their advisories.
//!
//! An index is a file beside the store, built from the view ([`crate::ViewReader`]). Each change of the view adds
//! the affected packages here, in its own transaction. A row contains the number of the last step that wrote it. The
//! builder of an index remembers the number at its start and, when the index is complete, deletes the rows up to it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use starling_protocol::Source;
use starling_view::{Changes, PackageId, RecordKey};

use crate::SiteStore;
use crate::engine::{Direction, Engine, ROWS_PER_COMMIT, Tree};
use crate::error::StoreError;
use crate::rows::txn::Txn;
use crate::rows::{damaged, meta};
use crate::view::rows::ViewReader;

/// Most rows. With more changes, the next index is built from the whole view.
const MAX_UNINDEXED: u64 = 50_000;

/// First byte of a package's row; ecosystem and name follow, separated by NUL.
const PACKAGE: u8 = b'p';
/// First byte of a source's row.
const SOURCE: u8 = b's';

/// The number of a step that noted changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct IndexMark(u64);

/// The changes that an index lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unindexed {
    /// The builder's statement about the index; empty if there was none.
    pub base: Vec<u8>,
    /// The last step that is included.
    pub mark: IndexMark,
    /// Packages whose advisories may have changed: ecosystem and name.
    pub packages: BTreeSet<(String, String)>,
    /// Sources with a changed record.
    pub sources: BTreeSet<Source>,
}

impl SiteStore {
    /// Returns the changes since the last index was built, and starts noting further changes. The builder of an
    /// index then calls [`ViewReader::unindexed`] on its view.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn unindexed(&self) -> Result<Unindexed, StoreError> {
        let _state = self.write()?;
        let engine = self.engine.as_ref();
        let base = match engine.get(Tree::Meta, meta::INDEX_BASE)? {
            Some(base) => base,
            None => {
                self.forget_unindexed(IndexMark(u64::MAX))?;
                let mut txn = Txn::new(engine);
                txn.put(Tree::Meta, meta::INDEX_BASE, Vec::new());
                txn.put(Tree::Meta, meta::UNINDEXED, count(0));
                txn.commit()?;
                Vec::new()
            }
        };
        read(engine, base)
    }

    /// Records that an index covers all changes up to `mark`. [`SiteStore::unindexed`] returns `base` to the
    /// next builder.
    ///
    /// # Errors
    /// [`StoreError`] of the engine. A crash within this call could leave the old base with too few rows or the
    /// new one with too many, so the base is removed first.
    pub fn set_index_base(&self, base: &[u8], mark: IndexMark) -> Result<(), StoreError> {
        let _state = self.write()?;
        let engine = self.engine.as_ref();
        if engine.get(Tree::Meta, meta::INDEX_BASE)?.is_none() {
            // There were too many changes meanwhile: they are no longer recorded.
            return Ok(());
        }
        let mut txn = Txn::new(engine);
        txn.delete(Tree::Meta, meta::INDEX_BASE);
        txn.commit()?;
        let left = self.forget_unindexed(mark)?;
        let mut txn = Txn::new(engine);
        txn.put(Tree::Meta, meta::INDEX_BASE, base.to_vec());
        txn.put(Tree::Meta, meta::UNINDEXED, count(left));
        txn.commit()?;
        Ok(())
    }

    /// Removes the rows up to `mark`; returns the number of remaining rows.
    fn forget_unindexed(&self, mark: IndexMark) -> Result<u64, StoreError> {
        let engine = self.engine.as_ref();
        let (mut gone, mut left) = (Vec::new(), 0);
        let mut bad = None;
        engine.scan_prefix(Tree::Unindexed, &[], Direction::Forward, &mut |key, value| {
            match number(Some(value.to_vec())) {
                Ok(step) if step > mark.0 => left += 1,
                Ok(_) => gone.push(key.to_vec()),
                Err(error) => {
                    bad = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        if let Some(error) = bad {
            return Err(error);
        }
        for keys in gone.chunks(ROWS_PER_COMMIT) {
            let mut txn = Txn::new(engine);
            for key in keys {
                txn.delete(Tree::Unindexed, key);
            }
            txn.commit()?;
        }
        Ok(left)
    }
}

impl ViewReader<'_> {
    /// Returns the changes since the last index was built, as of this view; `None` if they were not recorded.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn unindexed(&self) -> Result<Option<Unindexed>, StoreError> {
        let rows = self.state.rows();
        match rows.get(Tree::Meta, meta::INDEX_BASE)? {
            Some(base) => read(rows, base).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the builder's statement about the last index, as of this view; `None` if the changes since then
    /// were not recorded.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn index_base(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let base = self.state.rows().get(Tree::Meta, meta::INDEX_BASE)?;
        Ok(base.filter(|base| !base.is_empty()))
    }

    /// Returns true if the advisories of a package may have changed since the last index was built.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn is_unindexed(&self, ecosystem: &str, name: &str) -> Result<bool, StoreError> {
        let row = self.state.rows().get(Tree::Unindexed, &key_of(ecosystem, name))?;
        Ok(row.is_some())
    }

    /// Returns the ecosystems of changed packages that consist of `base` and a suffix, sorted.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn unindexed_with_suffix(&self, base: &str) -> Result<BTreeSet<String>, StoreError> {
        let mut found = BTreeSet::new();
        self.each_unindexed(&[base, ":"].concat(), &mut |ecosystem, _| {
            found.insert(ecosystem.to_owned());
        })?;
        Ok(found)
    }

    /// Returns the changed packages of an ecosystem, with its suffix or with any: ecosystem and name.
    ///
    /// # Errors
    /// [`StoreError`] of the engine, or a damaged row.
    pub fn unindexed_of(&self, base: &str) -> Result<Vec<(String, String)>, StoreError> {
        let mut found = Vec::new();
        self.each_unindexed(base, &mut |ecosystem, name| {
            let is_of = |rest: &str| rest.is_empty() || rest.starts_with(':');
            if ecosystem.strip_prefix(base).is_some_and(is_of) {
                found.push((ecosystem.to_owned(), name.to_owned()));
            }
        })?;
        Ok(found)
    }

    /// Visits the changed packages whose ecosystem begins with `beginning`.
    fn each_unindexed(&self, beginning: &str, visit: &mut dyn FnMut(&str, &str)) -> Result<(), StoreError> {
        let prefix = [&[PACKAGE], beginning.as_bytes()].concat();
        let mut bad = None;
        let rows = self.state.rows();
        rows.scan_prefix(
            Tree::Unindexed,
            &prefix,
            Direction::Forward,
            &mut |key, _| match read_key(key) {
                Some(Noted::Package(ecosystem, name)) => {
                    visit(ecosystem, name);
                    ControlFlow::Continue(())
                }
                _ => {
                    bad = Some(key.to_vec());
                    ControlFlow::Break(())
                }
            },
        )?;
        bad.map_or(Ok(()), |key| {
            Err(damaged(Tree::Unindexed, &key, "a change that an index lacks"))
        })
    }

    /// Returns true if a record of a source changed since the last index was built.
    ///
    /// # Errors
    /// [`StoreError`] of the engine.
    pub fn is_source_unindexed(&self, source: &Source) -> Result<bool, StoreError> {
        let row = self.state.rows().get(Tree::Unindexed, &source_key(source))?;
        Ok(row.is_some())
    }
}

/// Records the changes of a step within its transaction. `records` are the records whose statements changed.
pub(crate) fn note(
    txn: &mut Txn<'_>,
    records: &BTreeSet<RecordKey>,
    changes: &Changes,
) -> Result<(), StoreError> {
    if txn.get(Tree::Meta, meta::INDEX_BASE)?.is_none() {
        return Ok(());
    }
    if records.is_empty() {
        return Ok(());
    }
    let Some(packages) = starling_view::packages_changed(txn, records, changes)? else {
        forget_base(txn);
        return Ok(());
    };
    let mut noted: BTreeSet<_> = packages.iter().filter_map(package_key).collect();
    noted.extend(records.iter().map(|record| source_key(&record.source)));
    let step = number(txn.get(Tree::Meta, meta::INDEX_STEP)?)?.saturating_add(1);
    let mut rows = number(txn.get(Tree::Meta, meta::UNINDEXED)?)?;
    for key in &noted {
        rows += u64::from(txn.get(Tree::Unindexed, key)?.is_none());
    }
    if rows > MAX_UNINDEXED {
        forget_base(txn);
        return Ok(());
    }
    for key in &noted {
        txn.put(Tree::Unindexed, key, count(step));
    }
    txn.put(Tree::Meta, meta::INDEX_STEP, count(step));
    txn.put(Tree::Meta, meta::UNINDEXED, count(rows));
    Ok(())
}

/// Records that the next index must be built from the whole view.
pub(crate) fn forget_base(txn: &mut Txn<'_>) {
    txn.delete(Tree::Meta, meta::INDEX_BASE);
}

/// Reads the changes noted since an index was built.
fn read(engine: &dyn Engine, base: Vec<u8>) -> Result<Unindexed, StoreError> {
    let mut unindexed = Unindexed {
        base,
        mark: IndexMark(number(engine.get(Tree::Meta, meta::INDEX_STEP)?)?),
        packages: BTreeSet::new(),
        sources: BTreeSet::new(),
    };
    let mut bad = None;
    engine.scan_prefix(Tree::Unindexed, &[], Direction::Forward, &mut |key, _| {
        match read_key(key) {
            Some(Noted::Package(ecosystem, name)) => {
                unindexed.packages.insert((ecosystem.to_owned(), name.to_owned()));
            }
            Some(Noted::Source(source)) => {
                unindexed.sources.insert(source);
            }
            None => {
                bad = Some(key.to_vec());
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    match bad {
        Some(key) => Err(damaged(Tree::Unindexed, &key, "a change that an index lacks")),
        None => Ok(unindexed),
    }
}

/// The subject of a row.
enum Noted<'a> {
    Package(&'a str, &'a str),
    Source(Source),
}

/// Returns the row of a package; `None` for a package that is never indexed.
fn package_key(package: &PackageId) -> Option<Vec<u8>> {
    let PackageId::Package { ecosystem, name } = package else {
        return None;
    };
    Some(key_of(ecosystem, name))
}

fn key_of(ecosystem: &str, name: &str) -> Vec<u8> {
    let mut key = vec![PACKAGE];
    key.extend_from_slice(ecosystem.as_bytes());
    key.push(0);
    key.extend_from_slice(name.as_bytes());
    key
}

fn source_key(source: &Source) -> Vec<u8> {
    let mut key = vec![SOURCE];
    key.extend_from_slice(source.as_str().as_bytes());
    key
}

fn read_key(key: &[u8]) -> Option<Noted<'_>> {
    let (kind, rest) = key.split_first()?;
    let text = std::str::from_utf8(rest).ok()?;
    match *kind {
        PACKAGE => text
            .split_once('\0')
            .map(|(ecosystem, name)| Noted::Package(ecosystem, name)),
        SOURCE => text.parse().ok().map(Noted::Source),
        _ => None,
    }
}

fn count(number: u64) -> Vec<u8> {
    number.to_le_bytes().to_vec()
}

/// Decodes a row that holds a number; a missing row means 0.
fn number(row: Option<Vec<u8>>) -> Result<u64, StoreError> {
    match row {
        None => Ok(0),
        Some(row) => crate::view::counts::decode_count(&row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> PackageId {
        PackageId::Package {
            ecosystem: "npm".to_owned(),
            name: name.to_owned(),
        }
    }

    #[test]
    fn rows_name_packages_and_sources() {
        let key = package_key(&package("@scope/a")).unwrap();
        assert!(matches!(read_key(&key), Some(Noted::Package("npm", "@scope/a"))));
        let key = source_key(&"kev".parse().unwrap());
        assert!(matches!(read_key(&key), Some(Noted::Source(source)) if source.as_str() == "kev"));
        for bad in [&b""[..], b"p", b"pnpm", b"sNo Source", b"x", b"p\xff\0"] {
            assert!(read_key(bad).is_none(), "{bad:?}");
        }
    }
}
