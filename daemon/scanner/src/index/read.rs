//! Reads an index: opening checks the directory, each part is checked when it is read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::package::{DetailAt, Package};
use super::row::Row;
use super::screen::{ScreenRef, Screened};
use super::stored::StoredAdvisory;
use super::{CHECK_BYTES, FOOTER_BYTES, IndexStamp, MAGIC, ROW_BYTES, VERSION, check_of, key_hash};
use crate::knowledge::{Advisory, Knowledge, KnowledgeError, Memo};
use crate::matching::Subject;
use crate::name::ecosystem_base;
use crate::purl::osv::address_of;

/// Largest directory, and largest part, in bytes.
const MAX_PART_BYTES: u64 = 1 << 30;

/// The storage of an index's bytes: memory, or a file that is read on demand.
pub trait IndexBytes: Sync {
    /// Returns the number of bytes.
    fn len(&self) -> u64;

    /// Returns true if there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns `length` bytes from `offset` on; both are within [`IndexBytes::len`].
    ///
    /// # Errors
    /// If they cannot be read.
    fn read(&self, offset: u64, length: usize) -> std::io::Result<Cow<'_, [u8]>>;

    /// Returns true if these bytes are in memory and were checked ([`MatchIndex::check_screens`]), so that they need
    /// not be checked at each read.
    fn is_checked(&self, offset: u64, length: u64) -> bool {
        let _ = (offset, length);
        false
    }
}

impl IndexBytes for Vec<u8> {
    fn len(&self) -> u64 {
        Vec::len(self) as u64
    }

    fn read(&self, offset: u64, length: usize) -> std::io::Result<Cow<'_, [u8]>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        self.get(start..start.saturating_add(length))
            .map(Cow::Borrowed)
            .ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
    }
}

/// The reason why an index is not usable. The caller then rebuilds it.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The bytes could not be read.
    #[error("cannot read the match index")]
    Io(#[from] std::io::Error),
    /// They are not an index of this version.
    #[error("cannot use the match index: {0}")]
    Unusable(&'static str),
    /// They are damaged.
    #[error("the match index is damaged: its {part} at byte {offset} do not match their hash")]
    Damaged {
        /// Which part.
        part: &'static str,
        /// Its place.
        offset: u64,
    },
}

/// An open match index.
#[derive(Debug)]
pub struct MatchIndex<B> {
    bytes: B,
    stamp: IndexStamp,
    directory: Vec<u8>,
    ecosystems: BTreeMap<String, BTreeSet<String>>,
    screens: (u64, u64),
    memo: Option<Memo>,
}

impl<B: IndexBytes> MatchIndex<B> {
    /// Opens an index: reads its footer and checks it.
    ///
    /// # Errors
    /// If the bytes are damaged or not an index of this version.
    pub fn open(bytes: B) -> Result<Self, IndexError> {
        let total = bytes.len();
        let footer_at = total
            .checked_sub(FOOTER_BYTES as u64)
            .ok_or(IndexError::Unusable("it is too short"))?;
        let footer = bytes.read(footer_at, FOOTER_BYTES)?.into_owned();
        let mut fields = Fields(&footer);
        let hash: [u8; 32] = fields.take()?;
        let stamp: IndexStamp = fields.take()?;
        let [directory_at, directory_length, ecosystems_length, screens_at] = [
            fields.number()?,
            fields.number()?,
            fields.number()?,
            fields.number()?,
        ];
        let version = u32::from_le_bytes(fields.take()?);
        if fields.take::<8>()? != MAGIC {
            return Err(IndexError::Unusable("it does not end as one"));
        }
        if version != VERSION {
            return Err(IndexError::Unusable("another version of the program wrote it"));
        }
        let fits = directory_at
            .checked_add(directory_length)
            .and_then(|n| n.checked_add(ecosystems_length))
            == Some(footer_at)
            && screens_at <= directory_at
            && directory_length + ecosystems_length <= MAX_PART_BYTES
            && directory_length.is_multiple_of(ROW_BYTES as u64);
        if !fits {
            return Err(IndexError::Unusable("its parts do not fit together"));
        }
        let tail = bytes.read(directory_at, whole(footer_at - directory_at)?)?;
        let (_, unhashed) = footer.split_at_checked(32).unwrap_or_default();
        let found = blake3::Hasher::new().update(&tail).update(unhashed).finalize();
        if *found.as_bytes() != hash {
            return Err(IndexError::Damaged {
                part: "directory",
                offset: directory_at,
            });
        }
        let (directory, ecosystems) = tail
            .split_at_checked(whole(directory_length)?)
            .ok_or(IndexError::Unusable("its directory is cut"))?;
        let directory = directory.to_vec();
        let ecosystems = postcard::from_bytes(ecosystems)
            .map_err(|_| IndexError::Unusable("its ecosystems cannot be read"))?;
        Ok(Self {
            bytes,
            stamp,
            directory,
            ecosystems,
            screens: (screens_at, directory_at),
            memo: None,
        })
    }

    /// Returns the stamp of its knowledge.
    pub fn stamp(&self) -> &IndexStamp {
        &self.stamp
    }

    /// Returns the bytes, and the place of the screens, which are worth holding in memory.
    pub fn screens(&self) -> (&B, std::ops::Range<u64>) {
        (&self.bytes, self.screens.0..self.screens.1)
    }

    /// Returns the same index with its bytes in another storage.
    pub fn map_bytes<C: IndexBytes>(self, hold: impl FnOnce(B) -> C) -> MatchIndex<C> {
        MatchIndex {
            bytes: hold(self.bytes),
            stamp: self.stamp,
            directory: self.directory,
            ecosystems: self.ecosystems,
            screens: self.screens,
            memo: self.memo,
        }
    }

    /// Returns the same index with a memo of `places` entries, for many scans ([`Memo`]).
    #[must_use]
    pub fn remembering(self, slots: usize) -> Self {
        Self {
            memo: Some(Memo::with_slots(slots)),
            ..self
        }
    }

    /// Checks the screens of every package.
    ///
    /// # Errors
    /// If one is damaged or cannot be read.
    pub fn check_screens(&self) -> Result<(), IndexError> {
        self.rows().try_for_each(|row| self.screens_of(&row).map(drop))
    }

    /// Returns the number of its packages.
    pub fn packages(&self) -> usize {
        self.directory.len() / ROW_BYTES
    }

    /// Visits every package by ecosystem and name, in the order of the directory, which is practically random but the
    /// same for equal knowledge.
    ///
    /// # Errors
    /// If the index cannot be read or is damaged.
    pub fn for_each_package(&self, mut visit: impl FnMut(&str, &str)) -> Result<(), IndexError> {
        for row in self.rows() {
            let screens = self.screens_of(&row)?;
            let package = self.package_in(&row, &screens)?;
            visit(package.ecosystem, package.name);
        }
        Ok(())
    }

    /// Returns the sources with statements about one ecosystem, given with its suffix.
    pub(super) fn sources_in(&self, ecosystem: &str) -> impl Iterator<Item = &str> {
        self.ecosystems
            .get(ecosystem)
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    /// Returns the directory's rows, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.directory_rows().iter().filter_map(Row::read)
    }

    fn directory_rows(&self) -> &[[u8; ROW_BYTES]] {
        self.directory.as_chunks().0
    }

    /// Returns a package's screens, without the hash before them.
    pub(super) fn screens_of(&self, row: &Row) -> Result<Cow<'_, [u8]>, IndexError> {
        self.part("screens", row.screens, u64::from(row.screens_length))
    }

    /// Returns all of a package's details with their hashes, which are not checked.
    pub(super) fn details_of(&self, row: &Row) -> Result<Cow<'_, [u8]>, IndexError> {
        self.raw("details", row.details, u64::from(row.details_length))
    }

    /// Parses the screens of a row.
    pub(super) fn package_in<'a>(&self, row: &Row, screens: &'a [u8]) -> Result<Package<'a>, IndexError> {
        Package::read(screens).ok_or(IndexError::Damaged {
            part: "screens",
            offset: row.screens,
        })
    }

    /// Reads the advisories of a package whose screens are `wanted`.
    fn advisories_where(
        &self,
        ecosystem: &str,
        name: &str,
        version: Option<&str>,
        wanted: impl Fn(ScreenRef<'_>) -> bool,
    ) -> Result<Vec<Advisory>, IndexError> {
        let hash = key_hash(ecosystem, name);
        let rows = self.directory_rows();
        let first = super::row::first_at_least(rows, hash);
        let same = rows.iter().skip(first).map_while(Row::read);
        // Names with the same hash are adjacent.
        for row in same.take_while(|row| row.hash == hash) {
            let screens = self.screens_of(&row)?;
            let package = self.package_in(&row, &screens)?;
            if package.ecosystem != ecosystem || package.name != name {
                continue;
            }
            let mut found = Vec::new();
            let mut failed = None;
            let whole = package.for_each(|screen, at| {
                if failed.is_none() && wanted(screen) {
                    match self.advisory(&row, at, version) {
                        Ok(advisory) => found.push(advisory),
                        Err(error) => failed = Some(error),
                    }
                }
            });
            return match (failed, whole) {
                (Some(error), _) => Err(error),
                (None, Some(())) => Ok(found),
                (None, None) => Err(IndexError::Damaged {
                    part: "screens",
                    offset: row.screens,
                }),
            };
        }
        Ok(Vec::new())
    }

    /// Returns true if the directory has the package.
    fn has_package(&self, ecosystem: &str, name: &str) -> Result<bool, IndexError> {
        let hash = key_hash(ecosystem, name);
        let rows = self.directory_rows();
        let first = super::row::first_at_least(rows, hash);
        let same = rows.iter().skip(first).map_while(Row::read);
        for row in same.take_while(|row| row.hash == hash) {
            let screens = self.screens_of(&row)?;
            let package = self.package_in(&row, &screens)?;
            if package.ecosystem == ecosystem && package.name == name {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn advisory(&self, row: &Row, at: DetailAt, version: Option<&str>) -> Result<Advisory, IndexError> {
        let offset = row.details.saturating_add(u64::from(at.offset));
        let content = self.part("details", offset, u64::from(at.length))?;
        postcard::from_bytes::<StoredAdvisory<'_>>(&content)
            .map(|stored| stored.read(version))
            .map_err(|_| IndexError::Damaged {
                part: "details",
                offset,
            })
    }

    /// Reads a part, checks it and removes its hash.
    fn part(&self, part: &'static str, offset: u64, length: u64) -> Result<Cow<'_, [u8]>, IndexError> {
        let damaged = || IndexError::Damaged { part, offset };
        let bytes = self.raw(part, offset, length)?;
        let (check, content) = bytes.split_at_checked(CHECK_BYTES).ok_or_else(damaged)?;
        if !self.bytes.is_checked(offset, length) && check_of(content) != *check {
            return Err(damaged());
        }
        Ok(match bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(CHECK_BYTES..).unwrap_or_default()),
            Cow::Owned(mut bytes) => {
                bytes.drain(..CHECK_BYTES);
                Cow::Owned(bytes)
            }
        })
    }

    fn raw(&self, part: &'static str, offset: u64, length: u64) -> Result<Cow<'_, [u8]>, IndexError> {
        let within = offset
            .checked_add(length)
            .is_some_and(|end| end <= self.bytes.len());
        if !within || length > MAX_PART_BYTES {
            return Err(IndexError::Damaged { part, offset });
        }
        Ok(self.bytes.read(offset, whole(length)?)?)
    }
}

impl<B: IndexBytes> Knowledge for MatchIndex<B> {
    fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError> {
        self.advisories_where(ecosystem, name, None, |_| true)
            .map_err(|error| failed(ecosystem, name, error))
    }

    fn candidates(
        &self,
        ecosystem: &str,
        name: &str,
        subject: &Subject,
    ) -> Result<Option<Vec<Advisory>>, KnowledgeError> {
        let screened = Screened::new(subject);
        // A tag may be listed in a form that no version of the ecosystem has.
        let version = (subject.tag().is_none() && !subject.text().is_empty()).then(|| subject.text());
        self.advisories_where(ecosystem, name, version, |screen| !screen.rules_out(&screened))
            .map(Some)
            .map_err(|error| failed(ecosystem, name, error))
    }

    fn knows_ecosystem(&self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        Ok(self.ecosystems.contains_key(ecosystem))
    }

    fn sources_of(&self, base: &str) -> Result<Option<BTreeSet<String>>, KnowledgeError> {
        let from = self
            .ecosystems
            .range::<str, _>((Bound::Included(base), Bound::Unbounded))
            .take_while(|(ecosystem, _)| ecosystem.starts_with(base))
            .filter(|(ecosystem, _)| ecosystem_base(ecosystem) == base);
        Ok(Some(
            from.flat_map(|(_, sources)| sources.iter().cloned()).collect(),
        ))
    }

    fn knows_package(&self, ecosystem: &str, name: &str) -> Result<bool, KnowledgeError> {
        self.has_package(ecosystem, name)
            .map_err(|error| failed(ecosystem, name, error))
    }

    fn repositories(&self, base: &str) -> Result<Vec<String>, KnowledgeError> {
        let from = [base, ":http"].concat();
        let named = self
            .ecosystems
            .range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded));
        let of_base = named
            .map(|(ecosystem, _)| ecosystem)
            .take_while(|ecosystem| ecosystem.starts_with(&from));
        Ok(of_base
            .filter(|ecosystem| address_of(ecosystem).is_some())
            .cloned()
            .collect())
    }

    fn memo(&self) -> Option<&Memo> {
        self.memo.as_ref()
    }
}

fn failed(ecosystem: &str, name: &str, error: IndexError) -> KnowledgeError {
    KnowledgeError {
        ecosystem: ecosystem.to_owned(),
        name: name.to_owned(),
        source: Box::new(error),
    }
}

fn whole(length: u64) -> Result<usize, IndexError> {
    usize::try_from(length).map_err(|_| IndexError::Unusable("a part is larger than memory"))
}

/// Reads fixed-size fields from front to back.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], IndexError> {
        let (field, rest) = self
            .0
            .split_first_chunk()
            .ok_or(IndexError::Unusable("it is cut"))?;
        self.0 = rest;
        Ok(*field)
    }

    fn number(&mut self) -> Result<u64, IndexError> {
        self.take().map(u64::from_le_bytes)
    }
}
