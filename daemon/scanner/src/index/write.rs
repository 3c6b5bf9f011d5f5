//! Writing an index, a package at a time.

use std::collections::BTreeSet;
use std::io::{Error, ErrorKind, Write};

use serde::{Deserialize, Serialize};

use super::screen::Screen;
use super::stored::StoredAdvisory;
use super::{FOOTER_BYTES, IndexStamp, MAGIC, ROW_BYTES, VERSION, check_of, key_hash};
use crate::knowledge::Advisory;

/// Everything about one package but the advisories themselves.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredPackage {
    pub(super) ecosystem: String,
    pub(super) name: String,
    pub(super) advisories: Vec<StoredScreen>,
}

/// One advisory's screen, and where its detail lies.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredScreen {
    pub(super) screen: Screen,
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// Writes an index to a file. Details go out as they come; screens are held until the end: some 10 MB for
/// 80,000 records.
#[derive(Debug)]
pub struct IndexWriter<W> {
    out: W,
    written: u64,
    screens: Vec<u8>,
    /// Key hash, offset in `screens`, length.
    directory: Vec<(u64, u64, u32)>,
    ecosystems: BTreeSet<String>,
}

impl<W: Write> IndexWriter<W> {
    /// Begins an index.
    pub fn new(out: W) -> Self {
        Self {
            out,
            written: 0,
            screens: Vec::new(),
            directory: Vec::new(),
            ecosystems: BTreeSet::new(),
        }
    }

    /// Adds a package with all its advisories, in the order in which a scan is to see them. Each package is
    /// added once; `name` is in its ecosystem's spelling.
    ///
    /// # Errors
    /// If it cannot be written, or one part exceeds 4 GiB.
    pub fn add(&mut self, ecosystem: &str, name: &str, advisories: &[Advisory]) -> Result<(), Error> {
        let mut package = StoredPackage {
            ecosystem: ecosystem.to_owned(),
            name: name.to_owned(),
            advisories: Vec::with_capacity(advisories.len()),
        };
        for advisory in advisories {
            let detail = part(&StoredAdvisory::from(advisory))?;
            package.advisories.push(StoredScreen {
                screen: Screen::of(ecosystem, advisory),
                offset: self.written,
                length: length(&detail)?,
            });
            self.put(&detail)?;
        }
        let screens = part(&package)?;
        let offset = self.screens.len() as u64;
        self.directory
            .push((key_hash(ecosystem, name), offset, length(&screens)?));
        self.screens.extend_from_slice(&screens);
        if !self.ecosystems.contains(ecosystem) {
            self.ecosystems.insert(ecosystem.to_owned());
        }
        Ok(())
    }

    /// Ends the index and gives the file back.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(mut self, stamp: &IndexStamp) -> Result<W, Error> {
        let screens = std::mem::take(&mut self.screens);
        let screens_at = self.written;
        self.put(&screens)?;
        drop(screens);
        self.directory.sort_unstable();
        let directory_at = self.written;
        let mut tail = Vec::with_capacity(self.directory.len() * ROW_BYTES);
        for (hash, offset, length) in &self.directory {
            tail.extend_from_slice(&hash.to_le_bytes());
            tail.extend_from_slice(&(screens_at + offset).to_le_bytes());
            tail.extend_from_slice(&u64::from(*length).to_le_bytes());
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

/// A part with its check before it.
fn part<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    let encoded = encode(value)?;
    let mut part = check_of(&encoded).to_vec();
    part.extend_from_slice(&encoded);
    Ok(part)
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    postcard::to_stdvec(value).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

fn length(part: &[u8]) -> Result<u32, Error> {
    u32::try_from(part.len())
        .map_err(|_| Error::new(ErrorKind::InvalidData, "a part of the match index exceeds 4 GiB"))
}
