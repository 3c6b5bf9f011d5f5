//! The note of a home's place. In a restored or copied home, it does not match.
//!
//! `log/place` contains the machine, the device, the inode of the log's folder, and the inode and creation time of
//! the note itself. No tool that copies files can copy the last two: a rewritten file is another file. A new note is
//! written before this site signs anything, so that a copy whose note still matches lacks nothing that was signed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use starling_protocol::UnixMillis;

use super::hold::Hold;
use super::lost::Lost;
use crate::home::write_durably_with;
use crate::small_file;

/// The note, beside the log's segments, so that every copy of the log includes it.
const NOTE: &str = "log/place";
/// Largest accepted note, in bytes: it lists at most some hundred sites.
const MAX_NOTE_BYTES: u64 = 256 * 1024;
const VERSION: u32 = 1;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const MACHINE_CONTEXT: &str = "starling 2026-11 v1 machine of a home";

/// A home's place, as far as the system tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Place {
    /// A hash of the machine's id: the id itself must not leave the machine.
    machine: Option<String>,
    /// A hash of the id of the machine's boot.
    boot: Option<String>,
    /// The device of the log's folder.
    device: u64,
    /// The inode of the log's folder.
    folder: u64,
}

/// The content of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Note {
    version: u32,
    #[serde(flatten)]
    place: Place,
    /// The inode of the note itself.
    inode: u64,
    /// Creation time of the note itself, in nanoseconds, if the file system has it.
    born: Option<u64>,
    /// The hold on the site's signing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    /// The claims that were restated because no site had their bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost: Option<Lost>,
}

/// The result of reading the note.
#[derive(Debug)]
pub(crate) struct Found {
    /// The reason why the place does not match, in words; `None` if it matches, or if there was no note yet.
    pub(crate) moved: Option<String>,
    /// The time at which the present files were written: the restore, as far as the file system tells.
    pub(crate) since: Option<UnixMillis>,
    /// The hold in the note.
    pub(crate) hold: Option<Hold>,
    /// The losses in the note.
    pub(crate) lost: Option<Lost>,
    /// True if the note has all available data about the home's place.
    pub(crate) is_current: bool,
}

/// Reads and writes the note of one home.
#[derive(Debug, Clone)]
pub(crate) struct PlaceNote {
    home: PathBuf,
    machine_id: PathBuf,
}

impl PlaceNote {
    /// Creates the note in `home`; `machine_id` is the file that identifies the machine.
    pub(crate) fn new(home: &Path, machine_id: &Path) -> Self {
        Self {
            home: home.to_owned(),
            machine_id: machine_id.to_owned(),
        }
    }

    /// Compares the note with the home's place.
    ///
    /// # Errors
    /// If the folder or the note cannot be read. A damaged note is not an error.
    pub(crate) fn look(&self) -> std::io::Result<Found> {
        let path = self.home.join(NOTE);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            // Written by a version without notes, or not written yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Found {
                    moved: None,
                    since: None,
                    hold: None,
                    lost: None,
                    is_current: false,
                });
            }
            Err(error) => return Err(error),
        };
        let bytes = small_file::read(&path, MAX_NOTE_BYTES)?;
        let changed_at = u64::try_from(metadata.ctime()).unwrap_or(0).saturating_mul(1_000);
        let since = Some(UnixMillis::saturating(changed_at));
        let Some(note) = serde_json::from_slice::<Note>(&bytes)
            .ok()
            .filter(|note| note.version == VERSION)
        else {
            return Ok(Found {
                moved: Some("the note of its place is damaged".to_owned()),
                since,
                hold: None,
                lost: None,
                is_current: false,
            });
        };
        let here = self.here()?;
        let differences = note.differences(&here, metadata.ino(), born(&metadata));
        Ok(Found {
            moved: (!differences.is_empty()).then(|| differences.join(", ")),
            since,
            is_current: differences.is_empty() && note.place == here,
            hold: note.hold,
            lost: note.lost,
        })
    }

    /// Writes the note as a new file.
    ///
    /// # Errors
    /// If the note cannot be written; the old one stays.
    pub(crate) fn renew(&self, hold: Option<&Hold>, lost: Option<&Lost>) -> std::io::Result<()> {
        write_durably_with(&self.home.join(NOTE), 0o600, |file| {
            let metadata = file.metadata()?;
            let note = Note {
                version: VERSION,
                place: self.here()?,
                inode: metadata.ino(),
                born: born(&metadata),
                hold: hold.cloned(),
                lost: lost.cloned(),
            };
            let mut bytes = serde_json::to_vec_pretty(&note)?;
            bytes.push(b'\n');
            file.write_all(&bytes)
        })
    }

    fn here(&self) -> std::io::Result<Place> {
        let folder = fs::metadata(self.home.join("log"))?;
        Ok(Place {
            machine: hash_of(&self.machine_id),
            boot: hash_of(Path::new(BOOT_ID)),
            device: folder.dev(),
            folder: folder.ino(),
        })
    }
}

impl Note {
    /// Describes how the place shows a copy. A value that is unknown on either side shows nothing.
    fn differences(&self, here: &Place, inode: u64, born: Option<u64>) -> Vec<String> {
        let mut differences = Vec::new();
        if differ(self.place.machine.as_ref(), here.machine.as_ref()) {
            differences.push("it is on another machine".to_owned());
        }
        if self.place.folder != here.folder {
            tracing::info!(
                here = here.folder,
                noted = self.place.folder,
                "the log's folder has another inode"
            );
            differences.push("its log's folder was copied or put back".to_owned());
        }
        if self.inode != inode {
            tracing::info!(
                here = inode,
                noted = self.inode,
                "the note of the home's place has another inode"
            );
            differences.push("its note was copied or put back".to_owned());
        } else if differ(self.born.as_ref(), born.as_ref()) {
            differences.push("its note was written again".to_owned());
        }
        // A boot may number devices in another order, and some file systems get a new number at each mount.
        let is_same_boot = self.place.boot.is_some() && self.place.boot == here.boot;
        let are_lasting = [self.place.device, here.device].into_iter().all(is_lasting);
        if self.place.device != here.device && is_same_boot && are_lasting {
            differences.push(format!(
                "it is on device {}, not {}",
                device_text(here.device),
                device_text(self.place.device)
            ));
        }
        differences
    }
}

fn differ<T: PartialEq>(before: Option<&T>, now: Option<&T>) -> bool {
    matches!((before, now), (Some(before), Some(now)) if before != now)
}

/// Returns true if a device number belongs to a real device: major number 0 is assigned at each mount.
fn is_lasting(device: u64) -> bool {
    major(device) != 0
}

const fn major(device: u64) -> u64 {
    (device >> 8) & 0xfff | (device >> 32) & !0xfff
}

fn device_text(device: u64) -> String {
    let minor = (device & 0xff) | (device >> 12) & !0xff & 0xffff_ffff;
    format!("{}:{minor}", major(device))
}

fn born(metadata: &fs::Metadata) -> Option<u64> {
    let born = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(born.as_nanos()).ok()
}

/// Returns the hash of a small file's content; `None` if it is empty.
fn hash_of(path: &Path) -> Option<String> {
    let text = small_file::read_text(path, 4_096).ok()?;
    let text = text.trim();
    // The content of an image that is not configured for a machine yet.
    if text.is_empty() || text == "uninitialized" {
        return None;
    }
    Some(hex::encode(
        &blake3::derive_key(MACHINE_CONTEXT, text.as_bytes())[..16],
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(folder: &Path) -> PlaceNote {
        fs::create_dir_all(folder.join("log")).unwrap();
        let machine = folder.join("machine-id");
        fs::write(&machine, "0123\n").unwrap();
        PlaceNote::new(folder, &machine)
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to.join("log")).unwrap();
        fs::copy(from.join(NOTE), to.join(NOTE)).unwrap();
    }

    #[test]
    fn unchanged_home_matches_its_note() {
        let folder = tempfile::tempdir().unwrap();
        let note = home(folder.path());
        assert!(note.look().unwrap().moved.is_none(), "there is no note yet");
        note.renew(None, None).unwrap();
        assert!(note.look().unwrap().moved.is_none());
        let hold = Hold::new(UnixMillis::EPOCH, "a test", 0);
        note.renew(Some(&hold), None).unwrap();
        let found = note.look().unwrap();
        assert!(found.moved.is_none());
        assert_eq!(found.hold.unwrap().why, "a test");
    }

    #[test]
    fn renamed_home_matches_its_note() {
        let bench = tempfile::tempdir().unwrap();
        let (before, after) = (bench.path().join("before"), bench.path().join("after"));
        home(&before).renew(None, None).unwrap();
        fs::rename(&before, &after).unwrap();
        let note = PlaceNote::new(&after, &after.join("machine-id"));
        assert!(note.look().unwrap().moved.is_none());
    }

    #[test]
    fn copied_home_does_not_match_its_note() {
        let bench = tempfile::tempdir().unwrap();
        let (original, copied) = (bench.path().join("original"), bench.path().join("copied"));
        home(&original).renew(None, None).unwrap();
        copy(&original, &copied);
        let note = PlaceNote::new(&copied, &original.join("machine-id"));
        let moved = note.look().unwrap().moved.unwrap();
        assert_eq!(
            moved,
            "its log's folder was copied or put back, its note was copied or put back"
        );
    }

    #[test]
    fn rewritten_note_is_detected() {
        let folder = tempfile::tempdir().unwrap();
        let note = home(folder.path());
        note.renew(None, None).unwrap();
        let backup = fs::read(folder.path().join(NOTE)).unwrap();
        // The file system may reuse the first note's inode for the third.
        for _ in 0..3 {
            note.renew(None, None).unwrap();
            fs::write(folder.path().join(NOTE), &backup).unwrap();
            assert!(note.look().unwrap().moved.is_some());
        }
    }

    #[test]
    fn other_machine_is_detected_but_unknown_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let note = home(folder.path());
        note.renew(None, None).unwrap();
        let machine = folder.path().join("machine-id");
        fs::write(&machine, "4567\n").unwrap();
        assert_eq!(
            note.look().unwrap().moved.as_deref(),
            Some("it is on another machine")
        );
        for unknown in ["", "uninitialized\n"] {
            fs::write(&machine, unknown).unwrap();
            assert!(note.look().unwrap().moved.is_none(), "{unknown:?}");
        }
        fs::remove_file(&machine).unwrap();
        assert!(note.look().unwrap().moved.is_none());
    }

    #[test]
    fn damaged_note_does_not_match() {
        let folder = tempfile::tempdir().unwrap();
        let note = home(folder.path());
        for bytes in [&b""[..], b"{}", b"\xff\xff", b"{\"version\":9}"] {
            fs::write(folder.path().join(NOTE), bytes).unwrap();
            assert!(note.look().unwrap().moved.is_some(), "{bytes:?}");
        }
    }

    #[test]
    fn device_is_compared_within_one_boot_only() {
        let place = Place {
            device: 0x801,
            boot: Some("boot".to_owned()),
            ..Place::default()
        };
        let note = Note {
            version: VERSION,
            place: place.clone(),
            inode: 1,
            born: None,
            hold: None,
            lost: None,
        };
        let differences = |device, boot: &str| {
            let here = Place {
                device,
                boot: Some(boot.to_owned()),
                ..Place::default()
            };
            note.differences(&here, 1, None)
        };
        assert!(differences(0x801, "boot").is_empty());
        assert_eq!(differences(0x811, "boot"), ["it is on device 8:17, not 8:1"]);
        assert!(differences(0x811, "another").is_empty(), "after a reboot");
        assert!(differences(0x2a, "boot").is_empty(), "numbered at each mount");
    }
}
