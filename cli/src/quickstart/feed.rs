//! Prepares the first site's input: the built-in advisories, written to files, or the user's own feed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use starling_api_types::SourceName;

use super::builtin::advisories;
use super::error::QuickstartError;

/// Source name for a feed whose file name does not give one.
const UNNAMED: &str = "feed";

/// One input of `starling feeds import`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Feed {
    pub(super) source: String,
    pub(super) path: PathBuf,
    /// True if this is all of its source: then the source counts as checked.
    pub(super) complete: bool,
}

/// Writes the built-in advisories under `dir`, one folder per source, and returns the folders.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write_builtin(dir: &Path) -> Result<Vec<Feed>, QuickstartError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| QuickstartError::Folder {
            attempted: "writing",
            path,
            cause,
        }
    };
    let sources: BTreeSet<&str> = advisories().iter().map(|advisory| advisory.source).collect();
    for source in &sources {
        let folder = dir.join(source);
        std::fs::create_dir_all(&folder).map_err(failed(&folder))?;
    }
    for advisory in advisories() {
        let file = dir.join(advisory.source).join(format!("{}.json", advisory.id));
        std::fs::write(&file, advisory.json).map_err(failed(&file))?;
    }
    Ok(sources
        .into_iter()
        .map(|source| Feed {
            source: source.to_owned(),
            path: dir.join(source),
            complete: true,
        })
        .collect())
}

/// Returns the user's own feed, with a source named after its file.
pub(super) fn of_user(path: &Path) -> Feed {
    let file = path
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    // `rustsec-osv.tar.zst` is the source `rustsec-osv`.
    let stem = file.split('.').find(|part| !part.is_empty()).unwrap_or_default();
    let source = SourceName::new(stem).map_or_else(|_| UNNAMED.to_owned(), |name| name.as_str().to_owned());
    Feed {
        source,
        path: path.to_owned(),
        // It may be a part; the user knows.
        complete: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_named_after_the_file() {
        let source = |path: &str| of_user(Path::new(path)).source;
        assert_eq!(source("/data/rustsec-osv.tar.zst"), "rustsec-osv");
        assert_eq!(source("PyPI/all.zip"), "all");
        assert_eq!(source("My Feed.zip"), "feed");
        assert_eq!(source("/"), "feed");
    }

    #[test]
    fn builtin_records_are_written_under_their_source() {
        let temp = tempfile::tempdir().unwrap();
        let feeds = write_builtin(temp.path()).unwrap();
        let files: usize = feeds
            .iter()
            .map(|feed| std::fs::read_dir(&feed.path).unwrap().count())
            .sum();
        assert_eq!(files, advisories().len());
        for feed in &feeds {
            assert!(SourceName::new(feed.source.as_str()).is_ok(), "{}", feed.source);
            assert!(feed.complete, "status calls {} known in part", feed.source);
        }
    }
}
