//! A file or stream of unknown form: detects it from its first bytes, unwraps it, passes it on.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::rc::Rc;

use super::InputErrorKind;
use super::classify::{Expectation, HEAD_BYTES, Packing, is_bundle, other_packing, packing};
use super::meter::{EndSeen, Packed, Unpacked};
use super::walk::{Halt, Step, Walk};

/// Buffer between the system and the decoders, in bytes.
const BUFFER_BYTES: usize = 256 << 10;

impl Walk<'_> {
    /// Reads a file given by the user.
    pub(super) fn file(&mut self, name: &str, mut file: File) -> Step {
        let head = self.head(name, &mut file)?;
        file.seek(SeekFrom::Start(0))
            .or_else(|error| match error.kind() {
                // A pipe given by name (`<(…)`) cannot seek; the bytes that were read are put back below.
                io::ErrorKind::NotSeekable => Ok(0),
                _ => Err(self.fail_read(name, error)),
            })?;
        let seekable = file.stream_position().is_ok();
        match packing(&head) {
            Some(Packing::Zip) if seekable => self.zip(name, file),
            _ if seekable => self.stream(name, file),
            _ => self.stream(name, Cursor::new(head).chain(file)),
        }
    }

    /// Reads a stream of unknown form.
    pub(super) fn stream(&mut self, name: &str, reader: impl Read) -> Step {
        let reader = Packed {
            inner: BufReader::with_capacity(BUFFER_BYTES, reader),
            meter: Rc::clone(&self.meter),
        };
        let (form, reader) = self.look(name, reader)?;
        match form {
            Some(Packing::Zstd) => {
                let decoder = zstd::Decoder::new(reader).map_err(|error| self.fail_read(name, error))?;
                self.unpacked(name.strip_suffix(".zst").unwrap_or(name), decoder)
            }
            Some(Packing::Gzip) => {
                let decoder = flate2::read::MultiGzDecoder::new(reader);
                self.unpacked(name.strip_suffix(".gz").unwrap_or(name), decoder)
            }
            Some(Packing::Zip) => {
                let mut file =
                    tempfile::tempfile().map_err(|error| self.fail(name, InputErrorKind::Read(error)))?;
                let limit = self.limits.max_total_bytes;
                let copied = io::copy(&mut reader.take(limit + 1), &mut file);
                if copied.map_err(|error| self.fail_read(name, error))? > limit {
                    return Err(self.fail(name, InputErrorKind::TooLarge { limit }));
                }
                self.zip(name, file)
            }
            Some(Packing::Tar) | None => self.unpacked(name, reader),
        }
    }

    /// Reads a stream that is not, or no longer, compressed: a tar, or one document.
    fn unpacked(&mut self, name: &str, reader: impl Read) -> Step {
        let end_seen = Rc::new(Cell::new(false));
        let reader = Unpacked {
            inner: reader,
            meter: Rc::clone(&self.meter),
        };
        let reader = EndSeen {
            inner: reader,
            seen: Rc::clone(&end_seen),
        };
        let (form, mut reader) = self.look(name, reader)?;
        match form {
            Some(Packing::Tar) => self.tar(&mut reader, name, &end_seen)?,
            Some(Packing::Zip | Packing::Zstd | Packing::Gzip) => {
                return Err(self.fail(
                    name,
                    InputErrorKind::Unsupported {
                        what: "packed more than once",
                    },
                ));
            }
            None => self.split(name, &mut reader, Expectation::Stated)?,
        }
        // The data after a tar's end mark is padding, but a decoder checks its checksums only at its end.
        io::copy(&mut reader, &mut io::sink()).map_err(|error| self.fail_read(name, error))?;
        Ok(())
    }

    /// Reads the first bytes of a stream; returns the stream with them still in it.
    fn look<R: Read>(
        &self,
        name: &str,
        mut reader: R,
    ) -> Result<(Option<Packing>, impl Read + use<R>), Halt> {
        let head = self.head(name, &mut reader)?;
        if is_bundle(&head) {
            return Err(self.fail(name, InputErrorKind::Bundle));
        }
        if let Some(what) = other_packing(&head) {
            return Err(self.fail(name, InputErrorKind::Unsupported { what }));
        }
        Ok((packing(&head), Cursor::new(head).chain(reader)))
    }

    fn head(&self, name: &str, reader: &mut impl Read) -> Result<Vec<u8>, Halt> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let mut limited = reader.take(HEAD_BYTES as u64);
        limited
            .read_to_end(&mut head)
            .map_err(|error| self.fail_read(name, error))?;
        Ok(head)
    }
}
