//! Writes an archive anew without documents that newer ones replace, so that an import never sees both.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::names::check_name;
use crate::verify::Fault;

/// Fast, because the file is read once.
const ZSTD_LEVEL: i32 = 1;
const BUFFER_BYTES: usize = 256 << 10;

/// An archive that was written anew.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// Documents that were left out.
    pub(crate) left_out: u64,
}

/// Writes `archive` beside itself as a tar packed with zstd, without members whose file name is one of `files`, and
/// removes it.
///
/// # Errors
/// If the archive is damaged, or unpacks to more than `max_bytes`.
pub(crate) fn without(archive: &Path, files: &BTreeSet<String>, max_bytes: u64) -> Result<Written, Fault> {
    let mut head = [0; 4];
    let read = File::open(archive)?.read(&mut head)?;
    let target = target_of(archive);
    let encoder = zstd::Encoder::new(BufWriter::new(File::create(&target)?), ZSTD_LEVEL)?;
    let mut copy = Copy {
        files,
        left_bytes: max_bytes,
        left_out: 0,
        to: tar::Builder::new(encoder),
    };
    let source = BufReader::with_capacity(BUFFER_BYTES, File::open(archive)?);
    match &head[..read] {
        [b'P', b'K', ..] => copy.zip(source)?,
        [0x1F, 0x8B, ..] => copy.tar(flate2::bufread::MultiGzDecoder::new(source))?,
        [0x28, 0xB5, 0x2F, 0xFD] => copy.tar(zstd::Decoder::with_buffer(source)?)?,
        _ => copy.tar(source)?,
    }
    let left_out = copy.left_out;
    copy.to.into_inner()?.finish()?.flush()?;
    std::fs::remove_file(archive)?;
    let bytes = File::open(&target)?.metadata()?.len();
    Ok(Written {
        path: target,
        bytes,
        left_out,
    })
}

/// `all.zip` becomes `all.rest.tar.zst`.
fn target_of(archive: &Path) -> PathBuf {
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    let stem = [".zip", ".tar.gz", ".tgz", ".tar.zst", ".tar"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(&name);
    archive.with_file_name(format!("{stem}.rest.tar.zst"))
}

struct Copy<'a, W: Write> {
    files: &'a BTreeSet<String>,
    left_bytes: u64,
    left_out: u64,
    to: tar::Builder<W>,
}

impl<W: Write> Copy<'_, W> {
    fn zip(&mut self, source: BufReader<File>) -> Result<(), Fault> {
        let damaged = |error: ::zip::result::ZipError| match error {
            ::zip::result::ZipError::Io(error) => Fault::from(error),
            other => Fault::Damaged(other.to_string()),
        };
        let mut archive = ::zip::ZipArchive::new(source).map_err(damaged)?;
        for index in 0..archive.len() {
            let member = archive.by_index(index).map_err(damaged)?;
            if member.is_dir() || member.is_symlink() {
                continue;
            }
            let name = String::from_utf8_lossy(member.name_raw()).into_owned();
            let bytes = member.size();
            self.member(&name, bytes, member)?;
        }
        Ok(())
    }

    fn tar(&mut self, source: impl Read) -> Result<(), Fault> {
        let mut archive = tar::Archive::new(source);
        for entry in archive.entries()? {
            let entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let bytes = entry.size();
            self.member(&name, bytes, entry)?;
        }
        io::copy(&mut archive.into_inner(), &mut io::sink())?;
        Ok(())
    }

    fn member(&mut self, name: &str, bytes: u64, mut content: impl Read) -> Result<(), Fault> {
        let name = name.strip_prefix("./").unwrap_or(name);
        let file = name.rsplit('/').next().unwrap_or(name);
        if self.files.contains(file) {
            self.left_out += 1;
            return Ok(());
        }
        if name.split('/').any(|part| part.starts_with('.') && part != "..") {
            // An import passes hidden files over as well.
            return Ok(());
        }
        check_name(name).map_err(Fault::Damaged)?;
        self.left_bytes = self
            .left_bytes
            .checked_sub(bytes)
            .ok_or_else(|| Fault::Limit("it unpacks to more than a run may hold".to_owned()))?;
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        let mut counted = Counted {
            inner: (&mut content).take(bytes),
            bytes: 0,
        };
        self.to.append_data(&mut header, name, &mut counted)?;
        if counted.bytes != bytes {
            return Err(Fault::Truncated(format!(
                "{name} has {} of {bytes} bytes",
                counted.bytes
            )));
        }
        // The checksum of a zip's member is looked at behind its last byte.
        if content.read(&mut [0])? > 0 {
            return Err(Fault::Damaged(format!("{name} is longer than its header says")));
        }
        Ok(())
    }
}

struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
