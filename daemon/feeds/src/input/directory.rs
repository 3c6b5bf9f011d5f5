//! The list of a zip's members. The record at its end states their number, which may be lower than the real one.

use std::io::{self, Read, Seek, SeekFrom};

/// Begins the entry of a member in the list.
const MARK: [u8; 4] = *b"PK\x01\x02";
/// Bytes of such an entry before its name, its extra field and its comment.
const ENTRY_BYTES: usize = 46;

/// Returns true if the list of a zip's members continues after the `listed` ones that its end record states.
///
/// Some programs count members in two bytes, however many there are, and readers believe the count.
///
/// # Errors
/// If the list cannot be read.
pub fn lists_more(reader: &mut (impl Read + Seek), directory_start: u64, listed: usize) -> io::Result<bool> {
    reader.seek(SeekFrom::Start(directory_start))?;
    let mut entry = [0; ENTRY_BYTES];
    for _ in 0..listed {
        reader.read_exact(&mut entry)?;
        if !entry.starts_with(&MARK) {
            return Ok(false);
        }
        let length = |at: usize| i64::from(u16::from_le_bytes([entry[at], entry[at + 1]]));
        reader.seek_relative(length(28) + length(30) + length(32))?;
    }
    let mut mark = [0; MARK.len()];
    match reader.read_exact(&mut mark) {
        Ok(()) => Ok(mark == MARK),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;

    #[test]
    fn count_that_is_too_low_is_noticed() {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["a.json", "b.json", "c.json"] {
            let options = zip::write::SimpleFileOptions::default();
            writer.start_file(name, options).expect("in memory");
            writer.write_all(b"{}").expect("in memory");
        }
        let packed = writer.finish().expect("in memory").into_inner();
        let start = zip::ZipArchive::new(Cursor::new(&packed))
            .expect("a zip")
            .central_directory_start();
        let more = |listed| lists_more(&mut Cursor::new(&packed), start, listed).expect("in memory");
        assert!(more(0) && more(2));
        assert!(!more(3));
    }
}
