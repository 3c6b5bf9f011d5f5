//! The rows that the view keeps, behind two traits: one for reading, one for reading and writing.
//!
//! Keys and values are bytes whose layout only this crate knows (`docs/formats/view.md`). The implementer
//! decides where they are stored, and makes a batch of changes commit as a whole.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::ops::{Bound, ControlFlow};

/// The tables of the view. Numbers are frozen: a store may use them as key prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// One row per record: its state, chosen content, aliases and packages.
    Records = 1,
    /// One row per record and alias: who mentions an id.
    Aliases = 2,
    /// One row per edge: the records that feed an advisory, found by package.
    Edges = 3,
    /// One row per merge hash, past names included: the advisory it stands for.
    Hashes = 4,
    /// One row per record whose authors disagree and that waits for a decision.
    Held = 5,
    /// One row per product and record: who names a product by CPE.
    Products = 6,
}

impl Table {
    /// Every table, in order.
    pub const ALL: [Self; 6] = [
        Self::Records,
        Self::Aliases,
        Self::Edges,
        Self::Hashes,
        Self::Held,
        Self::Products,
    ];

    /// Returns the number of this table.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Records => "records",
            Self::Aliases => "aliases",
            Self::Edges => "edges",
            Self::Hashes => "hashes",
            Self::Held => "held",
            Self::Products => "products",
        })
    }
}

/// The callback of a scan for each row: key and value in, whether to continue out.
pub type Visitor<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// Reading rows.
pub trait Rows {
    /// The reason why a row could not be read or written.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Returns the value under a key.
    ///
    /// # Errors
    /// If the row cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Visits every row whose key starts with `prefix`, in ascending byte order of the keys, until the visitor
    /// breaks.
    ///
    /// # Errors
    /// If the rows cannot be read.
    fn scan(&self, table: Table, prefix: &[u8], visit: &mut Visitor<'_>) -> Result<(), Self::Error>;
}

/// Reads and writes rows. Every later read through the same value sees a write, committed or not.
pub trait RowsMut: Rows {
    /// Writes a row, replacing any existing one.
    ///
    /// # Errors
    /// If the row cannot be written.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Self::Error>;

    /// Removes a row; a missing row is not an error.
    ///
    /// # Errors
    /// If the row cannot be removed.
    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), Self::Error>;
}

/// Rows in memory: for tests, simulations and checking a store against a fresh rebuild.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryRows {
    tables: BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MemoryRows {
    /// Returns rows that hold nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a table's rows in ascending order of their keys.
    pub fn iter(&self, table: Table) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.tables
            .get(&table)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// Returns the number of rows of a table and the bytes of their keys and values.
    #[must_use]
    pub fn size(&self, table: Table) -> (usize, usize) {
        self.iter(table).fold((0, 0), |(rows, bytes), (key, value)| {
            (rows + 1, bytes + key.len() + value.len())
        })
    }
}

impl Rows for MemoryRows {
    type Error = Infallible;

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.tables.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn scan(&self, table: Table, prefix: &[u8], visit: &mut Visitor<'_>) -> Result<(), Infallible> {
        let Some(rows) = self.tables.get(&table) else {
            return Ok(());
        };
        for (key, value) in rows.range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded)) {
            if !key.starts_with(prefix) || visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl RowsMut for MemoryRows {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), Infallible> {
        self.tables
            .entry(table)
            .or_default()
            .insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&mut self, table: Table, key: &[u8]) -> Result<(), Infallible> {
        if let Some(rows) = self.tables.get_mut(&table) {
            rows.remove(key);
            // An emptied table equals one that was never written.
            if rows.is_empty() {
                self.tables.remove(&table);
            }
        }
        Ok(())
    }
}
