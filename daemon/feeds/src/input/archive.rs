//! Archives: the members of a tar or zip, in order.

use std::borrow::Cow;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;

use zip::result::ZipError;

use super::classify::{HEAD_BYTES, NotARecord, Packing, classify, is_hidden, packing};
use super::directory::lists_more;
use super::meter::Unpacked;
use super::walk::{Step, Walk};
use super::wide::is_utf_16;
use super::{Found, InputErrorKind, Unreadable};

/// Largest distance of a zip's end record from its end: the record and the longest comment, in bytes.
const ZIP_END_BYTES: u64 = 22 + 65_535;

impl Walk<'_> {
    /// Reads a tar. `end_seen` becomes true when `reader` has reached its end.
    pub(super) fn tar(&mut self, reader: &mut impl Read, name: &str, end_seen: &Cell<bool>) -> Step {
        let mut archive = tar::Archive::new(reader);
        let mut entries = archive.entries().map_err(|error| self.fail_read(name, error))?;
        loop {
            self.meter.expect_headers(true);
            let entry = entries.next();
            self.meter.expect_headers(false);
            let mut entry = match entry {
                // A complete archive ends with an empty block, after which its reader is not used.
                None if end_seen.get() => return Err(self.fail(name, InputErrorKind::Truncated)),
                None => return Ok(()),
                Some(Ok(entry)) => entry,
                Some(Err(error)) => {
                    let kind = self.meter.take_hit().unwrap_or_else(|| match end_seen.get() {
                        true => InputErrorKind::Truncated,
                        false => InputErrorKind::Damaged {
                            what: error.to_string(),
                        },
                    });
                    return Err(self.fail(name, kind));
                }
            };
            let member = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let member = format!("{}{}", self.prefix, member.strip_prefix("./").unwrap_or(&member));
            let kind = entry.header().entry_type();
            if kind.is_dir() {
                continue;
            }
            if !kind.is_file() && !kind.is_contiguous() && !kind.is_gnu_sparse() {
                self.ignored(member, NotARecord::Special)?;
                continue;
            }
            let missing_bytes = entry.size();
            let mut content = Whole {
                inner: &mut entry,
                missing_bytes,
            };
            let head = read_head(&mut content).map_err(|error| self.fail_read(&member, error))?;
            self.member(
                member.clone(),
                &head,
                Cursor::new(head.clone()).chain(&mut content),
            )?;
            // Read to the member's end here, under the limits for content.
            io::copy(&mut content, &mut io::sink()).map_err(|error| self.fail_read(&member, error))?;
        }
    }

    /// Reads a zip from a file.
    pub(super) fn zip(&mut self, name: &str, mut file: File) -> Step {
        let length = file
            .seek(SeekFrom::End(0))
            .map_err(|error| self.fail_read(name, error))?;
        match self.prefix.is_empty() {
            true => self.meter.set_packed(length),
            // One of several files.
            false => self.meter.add_packed(length),
        }
        let has_end = has_zip_end(&mut file, length).map_err(|error| self.fail_read(name, error))?;
        if !has_end {
            return Err(self.fail(name, InputErrorKind::Truncated));
        }
        let again = file.try_clone().map_err(|error| self.fail_read(name, error))?;
        let mut archive =
            zip::ZipArchive::new(BufReader::new(file)).map_err(|error| self.fail_zip(name, error))?;
        if archive.has_duplicate_names() {
            // Programs differ in which of the two they show.
            let what = "two members have one name".to_owned();
            return Err(self.fail(name, InputErrorKind::Damaged { what }));
        }
        let start = archive.central_directory_start();
        let more = lists_more(&mut BufReader::new(again), start, archive.len());
        if more.map_err(|error| self.fail_read(name, error))? {
            let what = format!("its end tells of {} members, and it lists more", archive.len());
            return Err(self.fail(name, InputErrorKind::Damaged { what }));
        }
        for index in 0..archive.len() {
            let listed = archive.name_for_index(index).transpose().ok().flatten();
            let member = listed.map_or_else(|| format!("member {index}"), Cow::into_owned);
            let member = format!("{}{member}", self.prefix);
            let file = match archive.by_index(index) {
                Ok(file) => file,
                Err(ZipError::UnsupportedArchive(what)) => {
                    let reason = Unreadable::Packing {
                        what: what.to_owned(),
                    };
                    self.show(Found::Rejected { name: member, reason })?;
                    continue;
                }
                Err(ZipError::CompressionMethodNotSupported(method)) => {
                    let reason = Unreadable::Packing {
                        what: format!("method {method}"),
                    };
                    self.show(Found::Rejected { name: member, reason })?;
                    continue;
                }
                Err(error) => return Err(self.fail_zip(&member, error)),
            };
            if file.is_dir() {
                continue;
            }
            if file.is_symlink() {
                drop(file);
                self.ignored(member, NotARecord::Special)?;
                continue;
            }
            let mut reader = Unpacked {
                inner: file,
                meter: Rc::clone(&self.meter),
            };
            let head = read_head(&mut reader).map_err(|error| self.fail_read(&member, error))?;
            self.member(member, &head, Cursor::new(head.clone()).chain(reader))?;
        }
        Ok(())
    }

    /// Passes on one file of a folder or archive, whose first bytes are `head` (and still in `reader`).
    pub(super) fn member(&mut self, name: String, head: &[u8], mut reader: impl Read) -> Step {
        if is_utf_16(head) && !name.split('/').any(is_hidden) {
            return self.wide(&name, &mut reader, None);
        }
        match classify(&name, head) {
            Ok(expectation) => self.split(&name, &mut reader, expectation),
            Err(NotARecord::OtherKind) if !head.contains(&0) => self.foreign(&name, &mut reader),
            Err(NotARecord::NestedArchive) => self.packed_member(name, head, reader),
            Err(reason) => self.ignored(name, reason),
        }
    }

    /// Passes on a document that is compressed separately inside a folder or archive, as several sources do. A nested
    /// archive stays one.
    fn packed_member(&mut self, name: String, head: &[u8], reader: impl Read) -> Step {
        let (extension, decoder): (_, Box<dyn Read + '_>) = match packing(head) {
            Some(Packing::Gzip) => (".gz", Box::new(flate2::read::MultiGzDecoder::new(reader))),
            Some(Packing::Zstd) => match zstd::Decoder::new(reader) {
                Ok(decoder) => (".zst", Box::new(decoder)),
                Err(error) => return self.unreadable(name, &error),
            },
            _ => return self.ignored(name, NotARecord::NestedArchive),
        };
        let mut decoder = Unpacked {
            inner: decoder,
            meter: Rc::clone(&self.meter),
        };
        // Read to its end before it is passed on: its checksum is only known there.
        let mut bytes = Vec::new();
        let limit = self.limits.max_document_bytes;
        if let Err(error) = (&mut decoder).take(limit as u64 + 1).read_to_end(&mut bytes) {
            return match self.meter.take_hit() {
                Some(limit) => Err(self.fail(&name, limit)),
                None => self.unreadable(name, &error),
            };
        }
        if bytes.len() > limit {
            let reason = Unreadable::TooLarge { limit };
            return self.show(Found::Rejected { name, reason });
        }
        let inner = name.strip_suffix(extension).unwrap_or(&name);
        if is_utf_16(&bytes) {
            return self.wide(inner, &mut bytes.as_slice(), None);
        }
        match classify(inner, &bytes) {
            Ok(expectation) => self.split(inner, &mut bytes.as_slice(), expectation),
            Err(NotARecord::OtherKind) => self.foreign(inner, &mut bytes.as_slice()),
            Err(reason) => self.ignored(name, reason),
        }
    }

    fn fail_zip(&self, name: &str, error: ZipError) -> super::walk::Halt {
        match error {
            ZipError::Io(error) => self.fail_read(name, error),
            other => self.fail(
                name,
                InputErrorKind::Damaged {
                    what: other.to_string(),
                },
            ),
        }
    }
}

fn read_head(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    reader.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Returns true if the end record of a zip is there.
fn has_zip_end(file: &mut File, length: u64) -> io::Result<bool> {
    let tail_bytes = length.min(ZIP_END_BYTES);
    file.seek(SeekFrom::Start(length - tail_bytes))?;
    let mut tail = Vec::new();
    Read::by_ref(file).take(tail_bytes).read_to_end(&mut tail)?;
    file.seek(SeekFrom::Start(0))?;
    // The mark, 16 bytes, then the length of the final comment.
    Ok((0..tail.len()).rev().any(|at| match &tail[at..] {
        [b'P', b'K', 5, 6, rest @ ..] if rest.len() >= 18 => {
            usize::from(u16::from_le_bytes([rest[16], rest[17]])) <= rest.len() - 18
        }
        _ => false,
    }))
}

/// A member's content, which must have the length in its header.
struct Whole<R> {
    inner: R,
    missing_bytes: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.inner.read(buffer)?;
        if bytes == 0 && !buffer.is_empty() && self.missing_bytes > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.missing_bytes = self.missing_bytes.saturating_sub(bytes as u64);
        Ok(bytes)
    }
}
