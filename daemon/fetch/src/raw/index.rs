//! The index: one line of JSON for each document, below a line that names the format.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use super::entry::RawEntry;
use super::error::{RawError, disk};
use super::{MAX_ENTRIES, replace};

pub(super) const NAME: &str = "index.ndjson";
const FORMAT: &str = r#"{"format":"starling raw documents","version":1}"#;
/// Longest line, in bytes.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// Reads the index; a missing file is an empty index.
pub(super) fn read(path: &Path) -> Result<Vec<RawEntry>, RawError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(disk(path, "read", error)),
    };
    let broken = |line: usize, what: &str| RawError::Index {
        path: path.to_owned(),
        line,
        what: what.to_owned(),
    };
    let mut reader = BufReader::new(file);
    let mut entries = Vec::new();
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        let read = io::Read::take(&mut reader, MAX_LINE_BYTES).read_until(b'\n', &mut text);
        if read.map_err(|error| disk(path, "read", error))? == 0 {
            break;
        }
        if text.pop() != Some(b'\n') {
            return Err(broken(number, "the line does not end"));
        }
        if number == 1 {
            if text != FORMAT.as_bytes() {
                return Err(broken(number, "it names another format"));
            }
            continue;
        }
        if entries.len() >= MAX_ENTRIES {
            return Err(broken(number, "there are too many lines"));
        }
        let entry = serde_json::from_slice(&text).map_err(|error| broken(number, &error.to_string()))?;
        entries.push(entry);
    }
    Ok(entries)
}

/// Replaces the index.
pub(super) fn write(root: &Path, entries: &[RawEntry]) -> Result<(), RawError> {
    let path = root.join(NAME);
    let written = replace(&path, |file| {
        writeln!(file, "{FORMAT}")?;
        for entry in entries {
            serde_json::to_writer(&mut *file, entry)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    });
    written.map_err(|error| disk(&path, "written", error))
}
