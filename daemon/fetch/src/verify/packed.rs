//! Packed documents and archives: read to their end, where their checksums stand, within bounds.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use starling_feeds::input::lists_more;
use tokio_util::sync::CancellationToken;

use super::{Fault, Found, Job, open, text};
use crate::http::Renamed;
use crate::plan::Form;

/// Number of unpacked bytes up to which their ratio does not matter.
const RATIO_FREE_BYTES: u64 = 64 << 20;
/// Most unpacked bytes for each packed byte: the limit of `feeds import`.
const MAX_RATIO: u64 = 400;
const BUFFER_BYTES: usize = 256 << 10;
const BLOCK_BYTES: usize = 512;
/// Compression level of rewritten archives: fast, because the file is read once.
const ZSTD_LEVEL: i32 = 1;

/// The forms that wrap documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zstd,
    Bzip2,
    Plain,
}

fn packing(head: &[u8]) -> Packing {
    match head {
        [0x1F, 0x8B, ..] => Packing::Gzip,
        [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Packing::Zstd,
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => Packing::Bzip2,
        _ => Packing::Plain,
    }
}

/// Returns true for the beginning of a packed document or a tar.
pub(super) fn is_packed(head: &[u8]) -> bool {
    packing(head) != Packing::Plain || is_tar(head)
}

fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(&b"ustar"[..])
}

fn decoder<'r>(packing: Packing, file: BufReader<File>) -> io::Result<Box<dyn Read + 'r>> {
    Ok(match packing {
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(file)?),
        Packing::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(file)),
        Packing::Plain => Box::new(file),
    })
}

/// Reads to the end and visits each part. Stops at `limit` bytes, or when the visitor says so.
pub(super) fn pass(
    reader: &mut dyn Read,
    limit: u64,
    stop: &CancellationToken,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, Fault> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0_u64;
    loop {
        let read = match reader.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Fault::from(error)),
        };
        bytes += read as u64;
        if stop.is_cancelled() {
            return Err(Fault::Stopped);
        }
        if bytes > limit {
            return Err(Fault::Limit(format!("it unpacks to more than {limit} bytes")));
        }
        each(&buffer[..read])?;
    }
}

fn unpacked_limit(packed_bytes: u64, max_unpacked_bytes: u64) -> u64 {
    packed_bytes
        .saturating_mul(MAX_RATIO)
        .max(RATIO_FREE_BYTES)
        .min(max_unpacked_bytes)
}

fn length(path: &Path) -> Result<u64, Fault> {
    Ok(open(path)?.metadata()?.len())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Decodes the content encoding of an answer into another file.
pub(super) fn decode(job: &Job) -> Result<PathBuf, Fault> {
    let limit = unpacked_limit(length(&job.path)?, job.max_unpacked_bytes).min(job.max_written_bytes);
    let target = beside(&job.path, "-decoded");
    let mut reader = decoder(Packing::Gzip, BufReader::new(open(&job.path)?))?;
    write_to(&target, &mut *reader, limit, &job.stop)?;
    remove(&job.path)?;
    Ok(target)
}

fn write_to(
    target: &Path,
    reader: &mut dyn Read,
    limit: u64,
    stop: &CancellationToken,
) -> Result<u64, Fault> {
    let mut file = File::create(target)?;
    let bytes = pass(reader, limit, stop, &mut |chunk| file.write_all(chunk))?;
    file.flush()?;
    Ok(bytes)
}

fn remove(path: &Path) -> Result<(), Fault> {
    std::fs::remove_file(path).map_err(Fault::from)
}

/// Checks a document packed by itself, or a tar.
pub(super) fn packed(job: &Job, path: PathBuf, head: &[u8]) -> Result<Found, Fault> {
    let packing = packing(head);
    let fits = match job.form {
        Form::Gzip => packing == Packing::Gzip,
        Form::Bzip2 => packing == Packing::Bzip2,
        Form::Tar => packing != Packing::Plain || is_tar(head),
        _ => true,
    };
    if !fits {
        return Err(text::not_of(job.form, head));
    }
    let inner = inner_head(&path, packing)?;
    let is_tar = is_tar(&inner);
    if job.form == Form::Tar && !is_tar {
        return Err(text::not_of(job.form, &inner));
    }
    text::refuse_html(&inner, None, job.form)?;
    let limit = unpacked_limit(length(&path)?, job.max_unpacked_bytes);
    let mut reader = decoder(packing, BufReader::with_capacity(BUFFER_BYTES, open(&path)?))?;
    let mut end = TarEnd::default();
    if packing == Packing::Bzip2 {
        let target = beside(&path, "-unpacked");
        let renamed = if is_tar {
            let mut file = zstd::Encoder::new(File::create(&target)?, ZSTD_LEVEL)?;
            pass(&mut *reader, limit, &job.stop, &mut |chunk| {
                end.see(chunk);
                file.write_all(chunk)
            })?;
            file.finish()?.flush()?;
            Renamed::Zstd
        } else {
            write_to(&target, &mut *reader, limit.min(job.max_written_bytes), &job.stop)?;
            Renamed::Unpacked
        };
        end.check(is_tar)?;
        remove(&path)?;
        return Ok((target, Some(renamed), None));
    }
    pass(&mut *reader, limit, &job.stop, &mut |chunk| {
        end.see(chunk);
        Ok(())
    })?;
    end.check(is_tar)?;
    Ok((path, None, None))
}

fn inner_head(path: &Path, packing: Packing) -> Result<Vec<u8>, Fault> {
    let mut head = Vec::with_capacity(BLOCK_BYTES);
    let reader = decoder(packing, BufReader::new(open(path)?))?;
    reader.take(BLOCK_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Follows the end of a tar, which is an empty block.
#[derive(Default)]
struct TarEnd {
    bytes: u64,
    /// Number of zero bytes at the end of the data so far.
    zeros: u64,
}

impl TarEnd {
    fn see(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        let zeros = chunk.iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = match zeros == chunk.len() {
            true => self.zeros + zeros as u64,
            false => zeros as u64,
        };
    }

    fn check(&self, is_tar: bool) -> Result<(), Fault> {
        if !is_tar || (self.zeros >= BLOCK_BYTES as u64 && self.bytes.is_multiple_of(BLOCK_BYTES as u64)) {
            return Ok(());
        }
        Err(Fault::Truncated(format!(
            "the archive has {} bytes and does not end with an empty block",
            self.bytes
        )))
    }
}

/// Checks that a zip has its list of members, and does not unpack to too much.
pub(super) fn zip(path: &Path, head: &[u8], max_unpacked_bytes: u64) -> Result<(), Fault> {
    if !head.starts_with(b"PK") {
        return Err(text::not_of(Form::Zip, head));
    }
    let file = BufReader::with_capacity(BUFFER_BYTES, open(path)?);
    let archive = ::zip::ZipArchive::new(file).map_err(|error| match error {
        ::zip::result::ZipError::Io(error) => Fault::from(error),
        // The list of members is at the end of the file: without it, the end is missing.
        other => Fault::Truncated(format!(
            "the list of the archive's members cannot be read ({other})"
        )),
    })?;
    let start = archive.central_directory_start();
    let again = &mut BufReader::new(open(path)?);
    // Two members with one name count as one here; the import reports them.
    if !archive.has_duplicate_names() && lists_more(again, start, archive.len())? {
        return Err(Fault::Damaged(format!(
            "the end of the archive tells of {} members, and it lists more",
            archive.len()
        )));
    }
    let limit = unpacked_limit(length(path)?, max_unpacked_bytes);
    match archive.decompressed_size() {
        Some(size) if size > u128::from(limit) => Err(Fault::Limit(format!(
            "it unpacks to {size} bytes, more than {limit}"
        ))),
        _ => Ok(()),
    }
}
