//! Reads the lists of documents that sources publish into rows.
//!
//! A row that is not understood is named and counted, and never counts as a document. Names are checked here, once, so
//! that no other module gets a name that leads out of its folder.

mod csaf;
mod formats;
mod page;
mod repomd;
#[cfg(test)]
mod tests;

use std::io::BufRead;

use crate::names::{check_name, shorten};
use crate::plan::ListFormat;

pub(crate) use csaf::{Distribution, Provider, read_provider};
pub(crate) use page::{Page, read_page};
pub(crate) use repomd::{Updateinfo, first_mirror, read_repomd};

/// Most rows of a list.
pub(crate) const MAX_ROWS: usize = 1_000_000;
/// Longest line of a list, in bytes.
pub(crate) const MAX_LINE_BYTES: u64 = 8 << 10;
/// Longest list that is read as a whole, in bytes.
pub(crate) const MAX_LIST_BYTES: u64 = 256 << 20;
/// Most rows that are named when they are not understood; further ones are counted.
const NAMED_ROWS: usize = 20;

/// One document of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its path below the folder of documents, checked.
    pub(crate) name: String,
    /// Its address, if the list gives one. Not checked.
    pub(crate) address: Option<String>,
    /// The time of its last change, in milliseconds since 1970.
    pub(crate) time_ms: Option<u64>,
    /// A value that changes with the document; empty if the list has none.
    pub(crate) fingerprint: String,
    /// SHA-256 of the document, as hexadecimal digits.
    pub(crate) sha256: Option<String>,
    /// Address of a file with the checksum of the document, if the list gives one. Not checked.
    pub(crate) checksum: Option<String>,
}

/// The rows of a list.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    /// Descriptions of the first rows that were not understood.
    pub(crate) odd: Vec<String>,
    /// Number of rows that were not understood.
    pub(crate) odd_count: u64,
    /// The oldest time of the list: it does not contain earlier changes.
    pub(crate) oldest_ms: Option<u64>,
    /// The address of the next page.
    pub(crate) next: Option<String>,
    /// True if the last line of a text does not end.
    pub(crate) is_open: bool,
}

/// The reason why a list cannot be read.
#[derive(Debug)]
pub(crate) enum ListFault {
    /// It has more rows than [`MAX_ROWS`].
    TooLong,
    /// It is not such a list.
    Broken(String),
    /// The disk failed.
    Io(std::io::Error),
}

impl From<std::io::Error> for ListFault {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// The rules by which the rows of a list become names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Naming<'a> {
    /// Appended to each row.
    pub(crate) suffix: &'a str,
    /// Rows with another ending are skipped.
    pub(crate) only: &'a str,
    /// Rows with another beginning are skipped.
    pub(crate) below: &'a str,
    /// The documents of each folder of a page.
    pub(crate) files: &'a [String],
}

impl Rows {
    fn odd(&mut self, what: String) {
        self.odd_count += 1;
        if self.odd.len() < NAMED_ROWS {
            self.odd.push(what);
        }
    }

    /// Adds the rows of the next page.
    pub(crate) fn add(&mut self, page: Self) -> Result<(), ListFault> {
        if self.rows.len() + page.rows.len() > MAX_ROWS {
            return Err(ListFault::TooLong);
        }
        self.rows.extend(page.rows);
        self.odd.extend(page.odd);
        self.odd.truncate(NAMED_ROWS);
        self.odd_count += page.odd_count;
        self.oldest_ms = self.oldest_ms.into_iter().chain(page.oldest_ms).min();
        self.is_open |= page.is_open;
        Ok(())
    }

    /// Keeps the newest row of each document, in the order of names.
    pub(crate) fn newest_of_each(&mut self) {
        self.rows.sort_by(|a, b| {
            (&a.name, &a.address, std::cmp::Reverse(a.time_ms)).cmp(&(
                &b.name,
                &b.address,
                std::cmp::Reverse(b.time_ms),
            ))
        });
        self.rows
            .dedup_by(|later, first| later.name == first.name && later.address == first.address);
    }

    /// Adds a row if its name is valid.
    fn take(&mut self, row: Row, naming: Naming<'_>) -> Result<(), ListFault> {
        if self.rows.len() >= MAX_ROWS {
            return Err(ListFault::TooLong);
        }
        let name = format!("{}{}", row.name, naming.suffix);
        if !name.ends_with(naming.only) || !name.starts_with(naming.below) {
            return Ok(());
        }
        if let Err(why) = check_name(&name) {
            self.odd(why);
            return Ok(());
        }
        if let Some(time_ms) = row.time_ms {
            self.oldest_ms = Some(self.oldest_ms.map_or(time_ms, |oldest| oldest.min(time_ms)));
        }
        self.rows.push(Row { name, ..row });
        Ok(())
    }
}

/// Reads a list.
///
/// # Errors
/// If it is not a list of this format, or too long. Single rows that are not understood are no error.
pub(crate) fn read(
    format: ListFormat,
    reader: &mut dyn BufRead,
    naming: Naming<'_>,
) -> Result<Rows, ListFault> {
    let mut rows = Rows::default();
    match format {
        ListFormat::TimeThenId => formats::time_then_id(reader, naming, &mut rows)?,
        ListFormat::PathThenTime => formats::path_then_time(reader, naming, &mut rows)?,
        ListFormat::Paths => formats::paths(reader, naming, &mut rows)?,
        ListFormat::IdAndModified => formats::id_and_modified(reader, naming, &mut rows)?,
        ListFormat::CveDeltaLog => formats::cve_delta_log(reader, naming, &mut rows)?,
        ListFormat::JvnChecksums => formats::jvn_checksums(reader, naming, &mut rows)?,
        ListFormat::Rolie => csaf::rolie(reader, naming, &mut rows)?,
        ListFormat::HtmlFolders => formats::html_folders(reader, naming, &mut rows)?,
    }
    rows.newest_of_each();
    Ok(rows)
}

/// Reads a time of a list, with its zone, as milliseconds since 1970.
pub(crate) fn time_ms(text: &str) -> Option<u64> {
    let time: jiff::Timestamp = text.trim().parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

fn quoted(line: &str) -> String {
    format!("{:?}", shorten(line))
}
