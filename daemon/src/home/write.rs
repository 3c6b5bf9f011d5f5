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

/// Writes the configuration file, completely or not at all.
pub(crate) fn write_config(path: &Path, text: &str) -> Result<(), HomeError> {
    write_durably(path, text.as_bytes(), 0o600)
}

pub(super) fn restrict(path: &Path, mode: u32) -> Result<(), HomeError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(file("restricting access to", path))
}
