//! Writes an index, one package at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Write};

use serde::Serialize;

use super::cursor::length_of;
use super::package::PackageWriter;
use super::read::{IndexBytes, IndexError, MatchIndex};
use super::row::Row;
use super::screen::Screen;
use super::stored::StoredAdvisory;
use super::{FOOTER_BYTES, IndexStamp, MAGIC, ROW_BYTES, VERSION, check_of, key_hash};
use crate::knowledge::Advisory;

/// Writes an index to a file. Details are written at once; screens are held until the end: about 10 MB for 80,000
/// records.
#[derive(Debug)]
pub struct IndexWriter<W> {
    out: W,
    written: u64,
    screens: Vec<u8>,
    /// Offsets of screens are relative to the first screen until all details are written.
    directory: Vec<Row>,
    /// Each with its sources.
    ecosystems: BTreeMap<String, BTreeSet<String>>,
}

impl<W: Write> IndexWriter<W> {
    /// Starts an index.
    pub fn new(out: W) -> Self {
        Self {
            out,
            written: 0,
            screens: Vec::new(),
            directory: Vec::new(),
            ecosystems: BTreeMap::new(),
        }
    }

    /// Adds a package with all its advisories, in the order in which a scan must see them. Each package is added
    /// once; `name` is normalised for its ecosystem.
    ///
    /// # Errors
    /// If it cannot be written, or one part exceeds 4 GiB.
    pub fn add(&mut self, ecosystem: &str, name: &str, advisories: &[Advisory]) -> Result<(), Error> {
        let mut package = PackageWriter::new(ecosystem, name, advisories.len())?;
        let mut details = Vec::new();
        for advisory in advisories {
            let encoded = encode(&StoredAdvisory::from(advisory))?;
            let offset = details.len();
            details.extend_from_slice(&check_of(&encoded));
            details.extend_from_slice(&encoded);
            package.add(
                &Screen::of(ecosystem, advisory),
                offset,
                details.len().saturating_sub(offset),
            )?;
        }
        let content = package.finish();
        let mut screens = check_of(&content).to_vec();
        screens.extend_from_slice(&content);
        self.put_package(ecosystem, name, &screens, &details)?;
        let provenance = advisories.iter().flat_map(|advisory| &advisory.provenance);
        self.add_sources(ecosystem, provenance.map(|from| from.source.as_str()));
        Ok(())
    }

    /// Records the sources of an ecosystem.
    fn add_sources<'s>(&mut self, ecosystem: &str, sources: impl Iterator<Item = &'s str>) {
        if !self.ecosystems.contains_key(ecosystem) {
            self.ecosystems.insert(ecosystem.to_owned(), BTreeSet::new());
        }
        if let Some(known) = self.ecosystems.get_mut(ecosystem) {
            for source in sources {
                if !known.contains(source) {
                    known.insert(source.to_owned());
                }
            }
        }
    }

    /// Copies the packages of another index that `wanted` selects: bytes are copied without reading them, and damage
    /// is copied too.
    ///
    /// # Errors
    /// If the other index cannot be read or the name of one of its packages is damaged, or it cannot be written.
    pub fn copy<B: IndexBytes>(
        &mut self,
        from: &MatchIndex<B>,
        mut wanted: impl FnMut(&str, &str) -> bool,
    ) -> Result<(), IndexError> {
        let mut rows: Vec<Row> = from.rows().collect();
        // In file order, so that the file is read from front to back.
        rows.sort_unstable_by_key(|row| row.details);
        for row in rows {
            let screens = from.screens_of(&row)?;
            let package = from.package_in(&row, &screens)?;
            if wanted(package.ecosystem, package.name) {
                let details = from.details_of(&row)?;
                let mut part = check_of(&screens).to_vec();
                part.extend_from_slice(&screens);
                self.put_package(package.ecosystem, package.name, &part, &details)?;
                // The screens do not show which sources have statements about this package; one source too many does no
                // harm.
                if !self.ecosystems.contains_key(package.ecosystem) {
                    let sources = from.sources_in(package.ecosystem);
                    self.add_sources(package.ecosystem, sources);
                }
            }
        }
        Ok(())
    }

    fn put_package(
        &mut self,
        ecosystem: &str,
        name: &str,
        screens: &[u8],
        details: &[u8],
    ) -> Result<(), Error> {
        self.directory.push(Row {
            hash: key_hash(ecosystem, name),
            screens: self.screens.len() as u64,
            screens_length: length_of(screens.len())?,
            details: self.written,
            details_length: length_of(details.len())?,
        });
        self.put(details)?;
        self.screens.extend_from_slice(screens);
        Ok(())
    }

    /// Completes the index and returns the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self, stamp: &IndexStamp) -> Result<W, Error> {
        let screens = std::mem::take(&mut self.screens);
        let screens_at = self.written;
        self.put(&screens)?;
        drop(screens);
        let mut directory = std::mem::take(&mut self.directory);
        directory.sort_unstable();
        let directory_at = self.written;
        let mut tail = Vec::with_capacity(directory.len() * ROW_BYTES);
        for mut row in directory {
            row.screens += screens_at;
            row.write(&mut tail);
        }
        let directory_length = tail.len() as u64;
        let ecosystems = encode(&self.ecosystems)?;
        tail.extend_from_slice(&ecosystems);
        let mut footer = Vec::with_capacity(FOOTER_BYTES);
        footer.extend_from_slice(stamp);
        for number in [
            directory_at,
            directory_length,
            ecosystems.len() as u64,
            screens_at,
        ] {
            footer.extend_from_slice(&number.to_le_bytes());
        }
        footer.extend_from_slice(&VERSION.to_le_bytes());
        footer.extend_from_slice(&MAGIC);
        let hash = blake3::Hasher::new().update(&tail).update(&footer).finalize();
        self.put(&tail)?;
        self.put(hash.as_bytes())?;
        self.put(&footer)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(value).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}
