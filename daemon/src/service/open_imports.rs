//! What the last import of each source left open: that it has not ended, or which documents it rejected.
//!
//! An import is written in several steps, and the last one carries the check. One that is interrupted between them leaves a
//! part of what it read, which no row of the store tells from the whole.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use starling_api_types::{FeedFile, FeedOutcome, Timestamp};
use starling_protocol::Source;

use crate::home::{error_chain, write_durably};
use crate::small_file;

/// The file in the site's folder.
const FILE: &str = "imports.json";
/// Stands for the sources of a file that cannot be read. No source has a name with a blank.
const EVERY_SOURCE: &str = "every source";
/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;
/// Most rejected documents that are kept by name, and the characters of each.
const NAMED: usize = 20;
const NAMED_CHARS: usize = 200;
/// Rejected documents in a sentence.
const SHOWN: usize = 3;

/// An import that left something open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenImport {
    /// The time of the entry.
    at: Timestamp,
    /// It was of the whole source, so that only another one of the whole closes it.
    #[serde(default)]
    pub(super) is_whole: bool,
    /// It has not ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_unfinished: bool,
    /// The documents that it rejected, and some of them with the reason.
    #[serde(default)]
    rejected: u64,
    #[serde(default)]
    named: Vec<String>,
    /// The reason why the file cannot be read; then nothing is known about the import.
    #[serde(skip)]
    damage: Option<String>,
}

/// All of them, by source.
pub(crate) type OpenImports = BTreeMap<String, OpenImport>;

impl OpenImport {
    /// Returns what is open of an import until it ends.
    pub(super) fn unfinished(at: Timestamp, is_whole: bool) -> Self {
        Self {
            at,
            is_whole,
            is_unfinished: true,
            rejected: 0,
            named: Vec::new(),
            damage: None,
        }
    }

    /// Returns what an import leaves open that rejected documents; `None` if it rejected none.
    pub(super) fn of_rejected(
        at: Timestamp,
        is_whole: bool,
        rejected: u64,
        files: &[FeedFile],
    ) -> Option<Self> {
        let named = files.iter().filter(|file| file.outcome == FeedOutcome::Rejected);
        let named = named.take(NAMED).map(|file| {
            let told = format!("{}: {}", file.name, file.reason);
            told.chars().take(NAMED_CHARS).collect()
        });
        (rejected > 0).then(|| Self {
            at,
            is_whole,
            is_unfinished: false,
            rejected,
            named: named.collect(),
            damage: None,
        })
    }

    /// Says it in one sentence.
    pub(super) fn told(&self, source: &str) -> String {
        let at = self.at;
        if let Some(why) = &self.damage {
            return format!(
                "import of {source}: {FILE} in the site's folder cannot be read ({why}), so it is not known which imports have \
                 not ended: remove the file, then import each source again"
            );
        }
        if self.is_unfinished {
            return format!(
                "import of {source}: half finished, it began at {at} and has not ended, so records of the source may be missing \
                 or old: if it was interrupted, `{}` completes it",
                self.command(source)
            );
        }
        let rejected = match self.rejected {
            1 => "1 document was rejected".to_owned(),
            many => format!("{many} documents were rejected"),
        };
        let shown = self.named.get(..SHOWN).unwrap_or(&self.named).join(", ");
        let more = if self.rejected > SHOWN as u64 { ", …" } else { "" };
        format!(
            "import of {source}: {rejected} at {at} ({shown}{more}), so it does not count as checked: mend them or leave them \
             out, then `{}`",
            self.command(source)
        )
    }

    /// Returns the command that closes it.
    fn command(&self, source: &str) -> String {
        let complete = if self.is_whole { " --complete" } else { "" };
        format!("starling feeds import PATH --source {source}{complete}")
    }
}

/// Returns what is open in a home.
pub(crate) fn read(home: &Path) -> OpenImports {
    let path = home.join(FILE);
    let read = match small_file::read(&path, MAX_BYTES) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(OpenImports::new()),
        Err(error) => Err(error.to_string()),
    };
    read.unwrap_or_else(|error| {
        let unknown = OpenImport {
            damage: Some(error),
            ..OpenImport::unfinished(Timestamp::saturating(0), true)
        };
        [(EVERY_SOURCE.to_owned(), unknown)].into()
    })
}

/// Returns the sources whose import has not ended.
pub(crate) fn unfinished(home: &Path) -> Vec<String> {
    let open = read(home).into_iter();
    open.filter_map(|(source, open)| open.is_unfinished.then_some(source))
        .collect()
}

/// Keeps what is open of a source, and returns what was before.
pub(super) fn keep(home: &Path, source: &Source, now: Option<&OpenImport>) -> Option<OpenImport> {
    let path = home.join(FILE);
    let mut open = read(home);
    // A damaged file stays as it is, and is reported, until an operator removes it.
    if open.contains_key(EVERY_SOURCE) {
        return None;
    }
    let before = match now {
        Some(now) => open.insert(source.to_string(), now.clone()),
        None => open.remove(source.as_str()),
    };
    if before.as_ref() != now {
        let bytes = serde_json::to_vec_pretty(&open).map_err(|error| error.to_string());
        let done =
            bytes.and_then(|bytes| write_durably(&path, &bytes, 0o600).map_err(|error| error_chain(&error)));
        if let Err(error) = done {
            tracing::error!(path = %path.display(), error, "keeping what an import left open: a later status does not know of it");
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_file_leaves_every_source_open() {
        let home = tempfile::tempdir().unwrap();
        let source: Source = "mine".parse().unwrap();
        std::fs::write(home.path().join(FILE), "{").unwrap();
        assert_eq!(keep(home.path(), &source, None), None);
        assert_eq!(unfinished(home.path()), [EVERY_SOURCE]);
        let told = read(home.path())[EVERY_SOURCE].told(EVERY_SOURCE);
        assert!(told.contains("cannot be read"), "{told}");
        std::fs::remove_file(home.path().join(FILE)).unwrap();
        assert!(unfinished(home.path()).is_empty());
    }

    #[test]
    fn open_import_is_kept_until_one_ends_well() {
        let home = tempfile::tempdir().unwrap();
        let (source, at): (Source, _) = ("mine".parse().unwrap(), Timestamp::saturating(0));
        assert!(read(home.path()).is_empty());
        let begun = OpenImport::unfinished(at, true);
        assert_eq!(keep(home.path(), &source, Some(&begun)), None);
        assert_eq!(unfinished(home.path()), ["mine"]);
        let told = begun.told("mine");
        assert!(
            told.contains("half finished")
                && told.contains("`starling feeds import PATH --source mine --complete`"),
            "{told}"
        );
        let file = |name: &str, outcome| FeedFile {
            name: name.to_owned(),
            outcome,
            reason: "why".to_owned(),
        };
        let files = [
            file("a.json", FeedOutcome::Ignored),
            file("b.json", FeedOutcome::Rejected),
        ];
        let rejected = OpenImport::of_rejected(at, true, 1, &files);
        assert_eq!(keep(home.path(), &source, rejected.as_ref()), Some(begun));
        assert!(unfinished(home.path()).is_empty());
        assert_eq!(
            rejected.as_ref().unwrap().told("mine"),
            "import of mine: 1 document was rejected at 1970-01-01T00:00:00.000Z (b.json: why), so it does not count as \
             checked: mend them or leave them out, then `starling feeds import PATH --source mine --complete`"
        );
        assert_eq!(OpenImport::of_rejected(at, true, 0, &[]), None);
        assert_eq!(keep(home.path(), &source, None), rejected);
        assert!(read(home.path()).is_empty());
    }
}
