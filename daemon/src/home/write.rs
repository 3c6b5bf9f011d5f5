//! Writes the small files of a folder: complete or not at all, and for the owner alone.

use std::fs;
use std::io::Write;
use std::path::Path;

use super::HomeError;
use super::error::file;

/// Writes a file under a temporary name, syncs it, and renames it: it appears complete or not at all.
pub(crate) fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> Result<(), HomeError> {
    write_durably_with(path, mode, |out| out.write_all(bytes)).map_err(file("writing", path))
}

/// As [`write_durably`], for content that depends on the file that gets it. After an error, the old file is still there.
pub(crate) fn write_durably_with(
    path: &Path,
    mode: u32,
    content: impl FnOnce(&mut fs::File) -> std::io::Result<()>,
) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let temporary = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let _ = fs::remove_file(&temporary);
        let mut out = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        content(&mut out)?;
        out.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(parent) => fs::File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    };
    write().inspect_err(|_| {
        // On a full disk it would stay, empty.
        let _ = fs::remove_file(&temporary);
    })
}

/// Writes the configuration file, completely or not at all. One that is there keeps its owner, group and mode; a new one
/// is for this user alone.
///
/// # Errors
/// If the file cannot be written, or its owner cannot be kept. Then nothing was changed.
pub(crate) fn write_config(path: &Path, text: &str) -> Result<(), HomeError> {
    replace(path, text.as_bytes()).map_err(file("writing", path))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let before = match fs::metadata(path) {
        Ok(before) => Some(before),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // For nobody else before its owner and mode are right.
    write_durably_with(path, 0o600, |out| {
        if let Some(before) = &before {
            keep_access(out, before)?;
        }
        out.write_all(bytes)
    })
}

/// Gives a new file the owner, group and mode of another one.
fn keep_access(file: &fs::File, other: &fs::Metadata) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (other.uid(), other.gid()) {
        fchown(file, Some(other.uid()), Some(other.gid())).map_err(|error| {
            let why = format!(
                "it is owned by user {} and group {}, which this process cannot keep ({error}): change it as that user, or \
                 as root",
                other.uid(),
                other.gid()
            );
            std::io::Error::new(error.kind(), why)
        })?;
    }
    // Not by the mode of its creation, which the umask cuts.
    file.set_permissions(fs::Permissions::from_mode(other.permissions().mode() & 0o7777))
}

pub(super) fn restrict(path: &Path, mode: u32) -> Result<(), HomeError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(file("restricting access to", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

    use super::*;

    #[test]
    fn replaced_configuration_keeps_owner_and_mode() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("starling.toml");
        write_config(&path, "a").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        // Only root can give a file away; for others, the owner is their own.
        let _ = chown(&path, Some(12_345), Some(54_321));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let access = |path: &Path| {
            let found = fs::metadata(path).unwrap();
            (found.uid(), found.gid(), found.permissions().mode())
        };
        let before = access(&path);
        write_config(&path, "b").unwrap();
        assert_eq!(access(&path), before);
        assert_eq!(fs::read_to_string(&path).unwrap(), "b");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
