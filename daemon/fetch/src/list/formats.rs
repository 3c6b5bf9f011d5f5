//! The formats of lists.

use std::fmt;
use std::io::{BufRead, Read};

use serde::Deserialize;
use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::names::shorten;

use super::{ListFault, MAX_LINE_BYTES, MAX_LIST_BYTES, Naming, Row, Rows, quoted, time_ms};

/// Visits each line without its end. A line that is too long or not UTF-8 is reported as odd.
fn lines(
    reader: &mut dyn BufRead,
    rows: &mut Rows,
    each: &mut dyn FnMut(&str, &mut Rows) -> Result<(), ListFault>,
) -> Result<(), ListFault> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = Read::take(&mut *reader, MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        rows.is_open = !line.ends_with(b"\n");
        if read as u64 == MAX_LINE_BYTES && !line.ends_with(b"\n") {
            return Err(ListFault::Broken(format!(
                "a line is longer than {MAX_LINE_BYTES} bytes"
            )));
        }
        match std::str::from_utf8(&line) {
            Ok(text) => {
                let text = text.trim_start_matches('\u{FEFF}').trim();
                if !text.is_empty() {
                    each(text, rows)?;
                }
            }
            Err(_) => rows.odd(format!("{}: not UTF-8", quoted(&String::from_utf8_lossy(&line)))),
        }
    }
}

fn row(name: &str, time: Option<&str>) -> Row {
    Row {
        name: name.to_owned(),
        address: None,
        time_ms: time.and_then(time_ms),
        fingerprint: time.unwrap_or_default().to_owned(),
        sha256: None,
        checksum: None,
    }
}

fn unquote(field: &str) -> &str {
    let field = field.trim();
    field
        .strip_prefix('"')
        .and_then(|field| field.strip_suffix('"'))
        .unwrap_or(field)
}

fn timed(name: &str, time: &str, line: &str, naming: Naming<'_>, rows: &mut Rows) -> Result<(), ListFault> {
    let row = row(name, Some(time));
    if row.time_ms.is_none() {
        rows.odd(format!("{}: {time:?} is not a time with a zone", quoted(line)));
        return Ok(());
    }
    rows.take(row, naming)
}

pub(super) fn time_then_id(
    reader: &mut dyn BufRead,
    naming: Naming<'_>,
    rows: &mut Rows,
) -> Result<(), ListFault> {
    lines(reader, rows, &mut |line, rows| match line.split_once(',') {
        Some((time, id)) => timed(unquote(id), unquote(time), line, naming, rows),
        None => {
            rows.odd(format!("{}: expected TIME,ID", quoted(line)));
            Ok(())
        }
    })
}

pub(super) fn path_then_time(
    reader: &mut dyn BufRead,
    naming: Naming<'_>,
    rows: &mut Rows,
) -> Result<(), ListFault> {
    lines(reader, rows, &mut |line, rows| match line.rsplit_once(',') {
        Some((path, time)) => timed(unquote(path), unquote(time), line, naming, rows),
        None => {
            rows.odd(format!("{}: expected \"PATH\",\"TIME\"", quoted(line)));
            Ok(())
        }
    })
}

pub(super) fn paths(reader: &mut dyn BufRead, naming: Naming<'_>, rows: &mut Rows) -> Result<(), ListFault> {
    lines(reader, rows, &mut |line, rows| {
        rows.take(row(unquote(line), None), naming)
    })
}

/// Reads a short JSON document.
pub(super) fn json<T: DeserializeOwned>(reader: &mut dyn BufRead) -> Result<T, ListFault> {
    const MAX_BYTES: u64 = 16 << 20;
    let mut bytes = Vec::new();
    Read::take(reader, MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ListFault::TooLong);
    }
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    serde_json::from_slice(text).map_err(|error| ListFault::Broken(error.to_string()))
}

/// Shows each entry of a list that is one JSON array, without holding the others. Entries that are not of this shape are
/// odd; `expected` says what they lack.
pub(super) fn entries<T: DeserializeOwned>(
    reader: &mut dyn BufRead,
    rows: &mut Rows,
    expected: &str,
    each: &mut dyn FnMut(T, &mut Rows) -> Result<(), ListFault>,
) -> Result<(), ListFault> {
    let mut bounded = Read::take(reader, MAX_LIST_BYTES + 1);
    skip_mark(&mut bounded)?;
    let mut walk = Walk {
        rows,
        expected,
        each,
        fault: None,
    };
    let mut text = serde_json::Deserializer::from_reader(&mut bounded);
    let read = serde::Deserializer::deserialize_seq(&mut text, &mut walk).and_then(|()| text.end());
    if let Some(fault) = walk.fault {
        return Err(fault);
    }
    drop(text);
    match read {
        Ok(()) => Ok(()),
        Err(_) if bounded.limit() == 0 => Err(ListFault::TooLong),
        Err(error) => Err(ListFault::Broken(error.to_string())),
    }
}

/// Skips a byte order mark.
pub(super) fn skip_mark(reader: &mut impl BufRead) -> Result<(), ListFault> {
    if reader.fill_buf()?.starts_with(b"\xEF\xBB\xBF") {
        reader.consume(3);
    }
    Ok(())
}

/// Reads the entries of an array one by one.
pub(super) struct Walk<'w, T> {
    pub(super) rows: &'w mut Rows,
    pub(super) expected: &'w str,
    pub(super) each: &'w mut dyn FnMut(T, &mut Rows) -> Result<(), ListFault>,
    /// The reason why the walk ended early.
    pub(super) fault: Option<ListFault>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for &mut Walk<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(raw) = items.next_element::<Box<RawValue>>()? {
            let taken = match serde_json::from_str::<T>(raw.get()) {
                Ok(entry) => (self.each)(entry, self.rows),
                Err(_) => {
                    self.rows
                        .odd(format!("{}: expected {}", quoted(raw.get()), self.expected));
                    Ok(())
                }
            };
            if let Err(fault) = taken {
                self.fault = Some(fault);
                return Err(serde::de::Error::custom("the list is not read to its end"));
            }
        }
        Ok(())
    }
}

pub(super) fn id_and_modified(
    reader: &mut dyn BufRead,
    naming: Naming<'_>,
    rows: &mut Rows,
) -> Result<(), ListFault> {
    #[derive(Deserialize)]
    struct Entry {
        id: String,
        modified: String,
    }
    entries::<Entry>(reader, rows, "id and modified", &mut |entry, rows| {
        timed(&entry.id, &entry.modified, &entry.id, naming, rows)
    })
}

/// Each run of the CVE list names the records that it changed; a record can be in many runs.
pub(super) fn cve_delta_log(
    reader: &mut dyn BufRead,
    naming: Naming<'_>,
    rows: &mut Rows,
) -> Result<(), ListFault> {
    #[derive(Deserialize)]
    struct Run {
        #[serde(rename = "fetchTime")]
        fetch_time: String,
        #[serde(default)]
        new: Vec<Change>,
        #[serde(default)]
        updated: Vec<Change>,
    }
    #[derive(Deserialize)]
    struct Change {
        #[serde(rename = "cveId")]
        cve_id: String,
    }
    entries::<Run>(reader, rows, "fetchTime, new and updated", &mut |run, rows| {
        let Some(run_ms) = time_ms(&run.fetch_time) else {
            rows.odd(format!(
                "{:?} is not a time with a zone",
                shorten(&run.fetch_time)
            ));
            return Ok(());
        };
        // An empty run counts too: the log goes back to it.
        rows.oldest_ms = Some(rows.oldest_ms.map_or(run_ms, |oldest| oldest.min(run_ms)));
        for change in run.new.iter().chain(&run.updated) {
            match cve_path(&change.cve_id) {
                Some(path) => timed(&path, &run.fetch_time, &change.cve_id, naming, rows)?,
                None => rows.odd(format!("{} is not a CVE id", quoted(&change.cve_id))),
            }
        }
        Ok(())
    })
}

/// Returns the path of a record in the CVE list: `2024/1xxx/CVE-2024-1234`.
fn cve_path(id: &str) -> Option<String> {
    let (year, serial) = id.strip_prefix("CVE-")?.split_once('-')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if year.len() != 4 || !(4..=19).contains(&serial.len()) || !is_number(year) || !is_number(serial) {
        return None;
    }
    let thousands = &serial[..serial.len() - 3];
    Some(format!("{year}/{thousands}xxx/{id}"))
}

/// Reads a list whose addresses name a server. Only their paths are used, so that a mirror serves its own copies.
pub(super) fn jvn_checksums(
    reader: &mut dyn BufRead,
    naming: Naming<'_>,
    rows: &mut Rows,
) -> Result<(), ListFault> {
    #[derive(Deserialize)]
    struct Entry {
        url: String,
        sha256: String,
    }
    entries::<Entry>(reader, rows, "url and sha256", &mut |entry, rows| {
        let sha256 = entry.sha256.to_ascii_lowercase();
        if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            rows.odd(format!(
                "{}: {:?} is not a SHA-256",
                quoted(&entry.url),
                shorten(&sha256)
            ));
            return Ok(());
        }
        let path = entry.url.split_once("://").map_or("", |(_, rest)| rest);
        let Some((_, path)) = path.split_once('/') else {
            rows.odd(format!("{} is not an address", quoted(&entry.url)));
            return Ok(());
        };
        rows.take(
            Row {
                name: path.to_owned(),
                address: None,
                time_ms: None,
                fingerprint: sha256.clone(),
                sha256: Some(sha256),
                checksum: None,
            },
            naming,
        )
    })
}

/// Reads the links of a page to folders below it, such as `v3.20/`. Each folder has the documents that the step
/// names.
pub(super) fn html_folders(
    reader: &mut dyn BufRead,
    naming: Naming<'_>,
    rows: &mut Rows,
) -> Result<(), ListFault> {
    const MAX_PAGE_BYTES: u64 = 4 << 20;
    let mut page = String::new();
    let mut bytes = Vec::new();
    Read::take(reader, MAX_PAGE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_PAGE_BYTES {
        return Err(ListFault::TooLong);
    }
    page.push_str(&String::from_utf8_lossy(&bytes));
    let mut folders: Vec<&str> = page
        .split("href=")
        .skip(1)
        .filter_map(|rest| {
            let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
            let (link, _) = rest[1..].split_once(quote)?;
            let folder = link.strip_prefix("./").unwrap_or(link).strip_suffix('/')?;
            let is_plain = !folder.is_empty()
                && !folder.starts_with('.')
                && folder
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
            is_plain.then_some(folder)
        })
        .collect();
    folders.sort_unstable();
    folders.dedup();
    if folders.is_empty() {
        return Err(ListFault::Broken("the page links to no folder".to_owned()));
    }
    for folder in folders {
        for file in naming.files {
            rows.take(row(&format!("{folder}/{file}"), None), naming)?;
        }
    }
    Ok(())
}
