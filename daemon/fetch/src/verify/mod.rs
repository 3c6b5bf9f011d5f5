//! Checks that a document is complete and of the form that the plan expects, before it is used.
//!
//! What the document means is left to the import. Here only its end is looked for: a JSON text that does not close, an
//! archive without its list of members, a checksum that does not fit.

mod fault;
mod packed;
#[cfg(test)]
mod tests;
mod text;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::http::Renamed;
use crate::plan::Form;

pub(crate) use fault::Fault;

/// Number of bytes that show the form of a document: the header of a tar member.
const HEAD_BYTES: usize = 1024;

/// A document to check.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) path: PathBuf,
    pub(crate) form: Form,
    /// The `Content-Encoding` of the answer.
    pub(crate) encoding: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) max_unpacked_bytes: u64,
    /// Most bytes that may be written while it is unpacked.
    pub(crate) max_written_bytes: u64,
    /// Ends the work early.
    pub(crate) stop: CancellationToken,
}

/// A complete document.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Its path now: unpacking writes another file.
    pub(crate) path: PathBuf,
    pub(crate) renamed: Option<Renamed>,
    pub(crate) bytes: u64,
    /// BLAKE3 of the file.
    pub(crate) hash: String,
    pub(crate) note: Option<String>,
}

/// Checks a document.
///
/// # Errors
/// If it is cut off, damaged, too large, or of another form.
pub(crate) fn check(job: &Job) -> Result<Checked, Fault> {
    let is_text = job.form.is_text();
    let path = match job.encoding.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "identity") => job.path.clone(),
        // A packed document that is called so because it is packed.
        Some("gzip" | "x-gzip") if !is_text && job.form != Form::Zip => job.path.clone(),
        Some("gzip" | "x-gzip") => packed::decode(job)?,
        Some(other) => {
            return Err(Fault::Unexpected {
                expected: "a document that is sent as it is or with gzip",
                found: format!("the encoding {}", crate::names::shorten(other)),
            });
        }
    };
    let head = head_of(&path)?;
    if job.form != Form::Html {
        text::refuse_html(&head, job.content_type.as_deref(), job.form)?;
    }
    let (path, renamed, note) = by_form(job, path, &head)?;
    let (hash, bytes) = hash_of(&path, &job.stop)?;
    Ok(Checked {
        path,
        renamed,
        bytes,
        hash,
        note,
    })
}

type Found = (PathBuf, Option<Renamed>, Option<String>);

fn by_form(job: &Job, path: PathBuf, head: &[u8]) -> Result<Found, Fault> {
    match job.form {
        Form::Json => text::json(&path, head).map(|note| (path, None, note)),
        Form::Xml => text::xml(&path, head).map(|()| (path, None, None)),
        Form::Text if text::first_byte(head).is_none() && head.len() < HEAD_BYTES => {
            Err(Fault::Truncated("it is empty".to_owned()))
        }
        Form::Text | Form::TextOrEmpty | Form::Html => Ok((path, None, None)),
        Form::Zip => packed::zip(&path, head, job.max_unpacked_bytes).map(|()| (path, None, None)),
        Form::Gzip | Form::Bzip2 | Form::Tar => packed::packed(job, path, head),
        Form::Any => any(job, path, head),
    }
}

/// Recognises the form by the first bytes.
fn any(job: &Job, path: PathBuf, head: &[u8]) -> Result<Found, Fault> {
    let form = match text::first_byte(head) {
        None => return Err(Fault::Truncated("it is empty".to_owned())),
        _ if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") => Form::Zip,
        _ if packed::is_packed(head) => return packed::packed(job, path, head),
        _ if head.starts_with(b"\xFD7zXZ\0") => {
            return Err(Fault::Unexpected {
                expected: "a document or an archive that an import reads",
                found: "a file packed with xz; unpack it first".to_owned(),
            });
        }
        Some(b'{' | b'[') => Form::Json,
        Some(b'<') => Form::Xml,
        Some(_) => Form::Text,
    };
    by_form(&Job { form, ..job.clone() }, path, head)
}

fn head_of(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    open(path)?.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn open(path: &Path) -> Result<File, Fault> {
    File::open(path).map_err(|source| Fault::Disk {
        path: path.to_owned(),
        action: "read",
        source,
    })
}

/// Returns the BLAKE3 of a file as hexadecimal digits, and its length.
fn hash_of(path: &Path, stop: &CancellationToken) -> Result<(String, u64), Fault> {
    let mut hasher = blake3::Hasher::new();
    let bytes = packed::pass(&mut open(path)?, u64::MAX, stop, &mut |chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    Ok((hasher.finalize().to_hex().to_string(), bytes))
}

/// SHA-256 of a file as hexadecimal digits; of a gzip file if `unpack` is set, of what is in it.
///
/// # Errors
/// If it cannot be read, unpacks to more than `max_bytes`, or the work is stopped.
pub(crate) fn sha256_of(
    path: &Path,
    unpack: bool,
    max_bytes: u64,
    stop: &CancellationToken,
) -> Result<String, Fault> {
    use sha2::{Digest as _, Sha256};
    let mut hasher = Sha256::new();
    let file = io::BufReader::with_capacity(256 << 10, open(path)?);
    let mut reader: Box<dyn Read> = match unpack {
        true => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        false => Box::new(file),
    };
    packed::pass(&mut reader, max_bytes, stop, &mut |chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    Ok(hex::encode(hasher.finalize()))
}

/// The algorithm of a published checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha256,
    Sha512,
}

impl Digest {
    /// Recognises the algorithm by the number of hexadecimal digits.
    pub(crate) fn of_digits(digits: &str) -> Option<Self> {
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        match digits.len() {
            64 => Some(Self::Sha256),
            128 => Some(Self::Sha512),
            _ => None,
        }
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sha256 => "SHA-256",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// Hashes a document as a published checksum does, as hexadecimal digits.
///
/// # Errors
/// If it cannot be read, is longer than `max_bytes`, or the work is stopped.
pub(crate) fn digest_of(
    path: &Path,
    digest: Digest,
    max_bytes: u64,
    stop: &CancellationToken,
) -> Result<String, Fault> {
    use sha2::{Digest as _, Sha512};
    if digest == Digest::Sha256 {
        return sha256_of(path, false, max_bytes, stop);
    }
    let mut hasher = Sha512::new();
    let mut file: Box<dyn Read> = Box::new(io::BufReader::with_capacity(256 << 10, open(path)?));
    packed::pass(&mut file, max_bytes, stop, &mut |chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    Ok(hex::encode(hasher.finalize()))
}
