//! The note of damage that a doctor found and nobody mended: a later command or daemon reports it too.

use std::path::Path;

use serde::{Deserialize, Serialize};
use starling_api_types::StoreCheck;

use crate::home::{error_chain, write_durably};
use crate::small_file;

/// The file in the site's folder.
const FILE: &str = "damage.json";
/// Largest note that is read, in bytes.
const MAX_BYTES: u64 = 256 << 10;
/// Most names that a note keeps.
const NAMED: usize = 20;

/// The damage that was left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Damage {
    /// The doctor's findings.
    pub(crate) check: StoreCheck,
    /// True if record bodies that were here are lost.
    pub(crate) lost_bodies: bool,
    /// True if nothing but bodies is missing: it ends when they come.
    pub(crate) only_bodies: bool,
}

/// Returns the damage that is left in a home. A note that cannot be read counts as damage that nobody knows.
pub(super) fn read(home: &Path) -> Option<Damage> {
    let path = home.join(FILE);
    match small_file::read(&path, MAX_BYTES) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap_or_else(|error| unreadable(&path, &error))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some(unreadable(&path, &error)),
    }
}

/// Keeps what a doctor left; `None` removes the note.
pub(super) fn keep(home: &Path, damage: Option<Damage>) {
    let path = home.join(FILE);
    let done = match damage {
        Some(mut damage) => {
            damage.check.damaged.truncate(NAMED);
            serde_json::to_vec_pretty(&damage)
                .map_err(|error| error.to_string())
                .and_then(|bytes| write_durably(&path, &bytes, 0o600).map_err(|error| error_chain(&error)))
        }
        None => match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        },
    };
    if let Err(error) = done {
        tracing::error!(path = %path.display(), error, "keeping what the doctor found: a later status does not know of it");
    }
}

/// Returns the damage that stands for a note that cannot be read.
fn unreadable(path: &Path, error: &dyn std::error::Error) -> Damage {
    Damage {
        check: StoreCheck {
            at: crate::clock::now().into(),
            frames: 0,
            wrong: 1,
            damaged: vec![format!(
                "{}: an earlier doctor left damage, and its note cannot be read: {error}",
                path.display()
            )],
            advice: Some(
                "run `starling doctor`: it examines the store again, and writes or removes the note"
                    .to_owned(),
            ),
        },
        lost_bodies: true,
        only_bodies: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_stays_until_removed_and_a_broken_one_is_damage() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(read(home.path()), None);
        let damage = unreadable(Path::new("x"), &std::io::Error::other("y"));
        keep(home.path(), Some(damage.clone()));
        assert_eq!(read(home.path()), Some(damage));
        std::fs::write(home.path().join(FILE), "{").unwrap();
        assert_eq!(read(home.path()).unwrap().check.wrong, 1);
        keep(home.path(), None);
        assert_eq!(read(home.path()), None);
    }
}
