//! Folders: every file in the order of names, never outside of the folder. An archive in a folder is read like the input
//! itself. Its members are named below the archive's name without its ending, so that the names stay if the archive is
//! packed in another way.

use std::fs::{self, File};
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::classify::{HEAD_BYTES, NotARecord, Packing, is_hidden, other_packing, packing};
use super::meter::{Packed, Unpacked};
use super::walk::{Halt, Step, Walk, open};
use super::{Found, InputErrorKind, Unreadable};

/// Deepest folder below the input. Deeper trees are mistakes (a mount loop) or attacks.
const MAX_FOLDER_DEPTH: usize = 64;

impl Walk<'_> {
    /// Reads a folder given by the user.
    pub(super) fn folder(&mut self, root: &Path) -> Step {
        let root_name = root.to_string_lossy();
        let root = root
            .canonicalize()
            .map_err(|error| self.fail(&root_name, InputErrorKind::Open(error)))?;
        self.subfolder(&root, &root, "", 0)
    }

    fn subfolder(&mut self, root: &Path, folder: &Path, prefix: &str, depth: usize) -> Step {
        for (name, path) in self.list(folder, prefix)? {
            let file_name = name.rsplit('/').next().unwrap_or(&name);
            // Not followed: a link has its own metadata.
            let metadata = match path.symlink_metadata() {
                Ok(metadata) => metadata,
                Err(error) => {
                    self.unreadable(name, &error)?;
                    continue;
                }
            };
            let kind = metadata.file_type();
            if is_hidden(file_name) {
                self.ignored(if kind.is_dir() { name + "/" } else { name }, NotARecord::Hidden)?;
            } else if kind.is_dir() {
                if depth >= MAX_FOLDER_DEPTH {
                    return Err(self.fail(
                        &name,
                        InputErrorKind::Unsupported {
                            what: "a folder nested too deep",
                        },
                    ));
                }
                self.subfolder(root, &path, &format!("{name}/"), depth + 1)?;
            } else if kind.is_file() {
                self.folder_file(name, &path)?;
            } else if kind.is_symlink() {
                // Some systems mount single files as links to files of the same tree.
                match path.canonicalize() {
                    Ok(target) if target.starts_with(root) && target.is_file() => {
                        self.folder_file(name, &target)?;
                    }
                    _ => self.ignored(name, NotARecord::Link)?,
                }
            } else {
                self.ignored(name, NotARecord::Special)?;
            }
        }
        Ok(())
    }

    /// Lists a folder by name, with each path relative to the root of the walk.
    fn list(&self, folder: &Path, prefix: &str) -> Result<Vec<(String, PathBuf)>, Halt> {
        let fail = |error| self.fail(&folder.to_string_lossy(), InputErrorKind::Read(error));
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            entries.push((format!("{prefix}{name}"), path));
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn folder_file(&mut self, name: String, path: &Path) -> Step {
        let mut file = match open(path) {
            Ok(file) => file,
            Err(error) => return self.unreadable(name, &error),
        };
        if let Some(form) = archive_form(&mut file, path) {
            self.prefix = format!("{}/", archive_stem(&name));
            let done = match form {
                Packing::Zip => self.zip(&name, file),
                Packing::Tar | Packing::Gzip | Packing::Zstd => self.stream(&name, file),
            };
            self.prefix.clear();
            return done;
        }
        let reader = Packed {
            inner: file,
            meter: Rc::clone(&self.meter),
        };
        let mut reader = Unpacked {
            inner: reader,
            meter: Rc::clone(&self.meter),
        };
        let mut head = Vec::with_capacity(HEAD_BYTES);
        if let Err(error) = (&mut reader).take(HEAD_BYTES as u64).read_to_end(&mut head) {
            return match self.meter.take_hit() {
                Some(limit) => Err(self.fail(&name, limit)),
                None => self.unreadable(name, &error),
            };
        }
        // Its records are named for it: ignored, they would all count as gone.
        let lower = name.to_ascii_lowercase();
        if archive_stem(&lower) != lower && packing(&head).is_none() {
            let reason = Unreadable::FalseArchive {
                what: what_instead(&head),
            };
            return self.show(Found::Rejected { name, reason });
        }
        self.member(name, &head.clone(), Cursor::new(head).chain(reader))
    }

    /// Reports a file that cannot be read.
    pub(super) fn unreadable(&mut self, name: String, error: &std::io::Error) -> Step {
        self.show(Found::Rejected {
            name,
            reason: Unreadable::File {
                what: error.to_string(),
            },
        })
    }
}

/// Returns the name of an archive in a folder without its ending: what the names of its members begin with.
#[must_use]
pub fn archive_stem(name: &str) -> &str {
    const ENDINGS: [&str; 5] = [".zip", ".tar.gz", ".tgz", ".tar.zst", ".tar"];
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    stem.filter(|stem| !stem.is_empty() && !stem.ends_with('/'))
        .unwrap_or(name)
}

/// Describes the content of a file that is named like an archive but is not one.
fn what_instead(head: &[u8]) -> String {
    let text = head.trim_ascii_start();
    match other_packing(head) {
        Some(packing) => format!("packed as {packing}, which is not supported"),
        None if head.is_empty() => "empty".to_owned(),
        None if text.first() == Some(&b'<') => "a page of HTML or XML".to_owned(),
        None => "of another form".to_owned(),
    }
}

/// Tells from the beginning of a file if it is an archive, and how it is packed. What cannot be read here is looked at
/// as a document, which names the fault.
fn archive_form(file: &mut File, path: &Path) -> Option<Packing> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    Read::by_ref(file)
        .take(HEAD_BYTES as u64)
        .read_to_end(&mut head)
        .ok()?;
    file.seek(SeekFrom::Start(0)).ok()?;
    let form = packing(&head)?;
    let mut inner = Vec::with_capacity(HEAD_BYTES);
    let reader: Box<dyn Read> = match form {
        Packing::Zip | Packing::Tar => return Some(form),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(open(path).ok()?)),
        Packing::Zstd => Box::new(zstd::Decoder::new(open(path).ok()?).ok()?),
    };
    reader.take(HEAD_BYTES as u64).read_to_end(&mut inner).ok()?;
    (packing(&inner) == Some(Packing::Tar)).then_some(form)
}
