//! Rewrites an archive without the documents that newer ones replace, so that an import never sees both.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use starling_feeds::input::archive_stem;
use tokio_util::sync::CancellationToken;

use crate::names::check_name;
use crate::verify::Fault;

/// Fast, because the file is read once.
const ZSTD_LEVEL: i32 = 1;
const BUFFER_BYTES: usize = 256 << 10;

/// A rewritten archive.
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
/// If the archive is damaged, or unpacks to more than `max_bytes`, or the work is stopped.
pub(crate) fn without(
    archive: &Path,
    files: &BTreeSet<String>,
    max_bytes: u64,
    stop: &CancellationToken,
) -> Result<Written, Fault> {
    let mut head = [0; 4];
    let read = File::open(archive)?.read(&mut head)?;
    let target = target_of(archive);
    let partial = archive.with_file_name(".rest");
    let encoder = zstd::Encoder::new(BufWriter::new(File::create(&partial)?), ZSTD_LEVEL)?;
    let mut copy = Copy {
        files,
        stop,
        odd: 0,
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
    std::fs::rename(&partial, &target)?;
    let bytes = File::open(&target)?.metadata()?.len();
    Ok(Written {
        path: target,
        bytes,
        left_out,
    })
}

/// `all.zip` becomes `all.tar.zst`: an import names the members of both alike.
fn target_of(archive: &Path) -> PathBuf {
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    archive.with_file_name(format!("{}.tar.zst", archive_stem(&name)))
}

struct Copy<'a, W: Write> {
    files: &'a BTreeSet<String>,
    stop: &'a CancellationToken,
    /// Members whose name no tar can carry.
    odd: u64,
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
            // An import skips hidden files too.
            return Ok(());
        }
        if self.stop.is_cancelled() {
            return Err(Fault::Stopped);
        }
        // The names are only shown; nothing is unpacked under them.
        let name = match check_name(name) {
            Ok(name) => name.to_owned(),
            Err(_) => {
                self.odd += 1;
                format!("unnamed-{}{}", self.odd, ending(name))
            }
        };
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
        self.to.append_data(&mut header, &name, &mut counted)?;
        if counted.bytes != bytes {
            return Err(Fault::Truncated(format!(
                "{name} has {} of {bytes} bytes",
                counted.bytes
            )));
        }
        // The checksum of a zip's member is checked only when it is read to its end.
        if content.read(&mut [0])? > 0 {
            return Err(Fault::Damaged(format!("{name} is longer than its header says")));
        }
        Ok(())
    }
}

/// Returns the ending of a name, such as `.json`.
fn ending(name: &str) -> &str {
    const LONGEST: usize = 8;
    match name.rsplit_once('.') {
        Some((stem, ending))
            if ending.len() <= LONGEST && ending.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            &name[stem.len()..]
        }
        _ => "",
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

#[cfg(test)]
mod tests {
    use super::*;

    fn zip_of(names: &[&str]) -> Vec<u8> {
        let mut writer = ::zip::ZipWriter::new(io::Cursor::new(Vec::new()));
        for name in names {
            writer
                .start_file(*name, ::zip::write::SimpleFileOptions::default())
                .expect("in memory");
            writer.write_all(name.as_bytes()).expect("in memory");
        }
        writer.finish().expect("in memory").into_inner()
    }

    fn members(path: &Path) -> Vec<(String, String)> {
        let file = zstd::Decoder::new(File::open(path).expect("a file")).expect("zstd");
        let mut archive = tar::Archive::new(file);
        let entries = archive.entries().expect("a tar");
        entries
            .map(|entry| {
                let mut entry = entry.expect("an entry");
                let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                let mut content = String::new();
                entry.read_to_string(&mut content).expect("a text");
                (name, content)
            })
            .collect()
    }

    #[test]
    fn members_are_left_out_by_their_file_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("all.zip");
        std::fs::write(
            &path,
            zip_of(&["a/X.json", "Y.json", "b/Z.json", ".github/X.yml"]),
        )
        .expect("written");
        let files = BTreeSet::from(["X.json".to_owned()]);
        let written = without(&path, &files, 1 << 20, &CancellationToken::new()).expect("written");
        assert_eq!(written.left_out, 1);
        assert!(!path.exists());
        let names: Vec<String> = members(&written.path).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Y.json", "b/Z.json"]);
    }

    #[test]
    fn member_whose_name_leaves_the_folder_is_renamed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("all.zip");
        std::fs::write(&path, zip_of(&["../../up.json", "/root.json", "b\\c.json"])).expect("written");
        let written = without(&path, &BTreeSet::new(), 1 << 20, &CancellationToken::new()).expect("written");
        let names: Vec<String> = members(&written.path).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 3);
        assert!(names.iter().all(|name| check_name(name).is_ok()), "{names:?}");
    }

    #[test]
    fn archive_that_unpacks_to_too_much_or_is_torn_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("all.zip");
        let zip = zip_of(&["a-long-name.json"]);
        std::fs::write(&path, &zip).expect("written");
        let fault = without(&path, &BTreeSet::new(), 3, &CancellationToken::new()).expect_err("too much");
        assert!(matches!(fault, Fault::Limit(_)), "{fault:?}");
        std::fs::write(&path, &zip[..zip.len() - 5]).expect("written");
        assert!(without(&path, &BTreeSet::new(), 1 << 20, &CancellationToken::new()).is_err());
    }
}
