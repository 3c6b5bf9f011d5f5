//! The documents of feeds as they were fetched: kept after their import, forgotten with their feed.

use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

use starling_api_types::FeedName;
use starling_fetch::raw::{NewDocument, RawError, RawStore};

use super::fetching::BroughtDocument;
use super::lock;
use super::run_result::RunResult;
use crate::config::feeds::FeedSpec;
use crate::home::error_chain;
use crate::service::SiteParts;

/// Folder of the raw documents in the site's own.
const FOLDER: &str = "raw";

/// The open store; nobody else reads or writes it.
pub(super) struct OpenRaw<'a> {
    pub(super) store: RawStore,
    _alone: MutexGuard<'a, ()>,
}

impl SiteParts {
    /// Returns true if documents are kept as they were fetched.
    pub(super) fn keeps_raw(&self) -> bool {
        self.identity.config.store.raw_bytes.0 > 0
    }

    fn raw_folder(&self) -> PathBuf {
        self.identity.home.path().join(FOLDER)
    }

    /// Returns where a document is unpacked to be read, by whoever has the store open.
    pub(super) fn raw_reading(&self) -> PathBuf {
        self.raw_folder().join("reading")
    }

    /// Opens the raw documents. None if none were ever kept.
    pub(super) fn open_raw(&self) -> Result<Option<OpenRaw<'_>>, RawError> {
        let alone = lock(&self.live.feeds.raw);
        let folder = self.raw_folder();
        if !folder.exists() {
            return Ok(None);
        }
        let store = RawStore::open(&folder, self.identity.config.store.raw_bytes.0)?;
        Ok(Some(OpenRaw { store, _alone: alone }))
    }

    /// Keeps the documents of a run whose import was committed, and whose position is not kept yet. That they cannot be kept is a note of the run.
    pub(super) fn keep_raw(
        &self,
        spec: &FeedSpec,
        input: &Path,
        documents: &[BroughtDocument],
        result: &mut RunResult,
    ) {
        let kept = if self.keeps_raw() {
            self.add_raw(spec.name(), input, documents)
        } else {
            self.drop_raw()
        };
        match kept {
            Ok(notes) => notes.iter().for_each(|note| result.note(note)),
            Err(error) => {
                let error = error_chain(&error);
                tracing::warn!(feed = %spec.name(), %error, "the documents could not be kept as they were fetched");
                result.note(&format!(
                    "the documents could not be kept as they were fetched: {error}"
                ));
            }
        }
    }

    fn add_raw(
        &self,
        feed: &FeedName,
        input: &Path,
        documents: &[BroughtDocument],
    ) -> Result<Vec<String>, RawError> {
        let _alone = lock(&self.live.feeds.raw);
        let mut store = RawStore::open(&self.raw_folder(), self.identity.config.store.raw_bytes.0)?;
        for document in documents {
            let new = NewDocument {
                feed: feed.to_string(),
                name: name_of(input, &document.path),
                address: document.address.clone(),
                at_ms: document.at_ms,
                validator: document.validator.clone(),
            };
            store.keep(&document.path, new)?;
        }
        store.commit()?;
        Ok(store.take_notes())
    }

    /// Gives back the space of what was kept while there was a budget.
    fn drop_raw(&self) -> Result<Vec<String>, RawError> {
        match self.open_raw()? {
            Some(mut raw) => {
                raw.store.commit()?;
                Ok(raw.store.take_notes())
            }
            None => Ok(Vec::new()),
        }
    }

    /// Forgets the documents of a feed that was removed.
    pub(super) fn forget_raw(&self, feed: &FeedName) {
        let forgotten = self.open_raw().and_then(|raw| match raw {
            Some(mut raw) => {
                raw.store.forget_feed(feed.as_str());
                raw.store.commit()
            }
            None => Ok(()),
        });
        if let Err(error) = forgotten {
            let error = error_chain(&error);
            tracing::warn!(%feed, %error, "the documents of a removed feed are still kept");
        }
    }
}

/// Returns the name of a document in its run's folder, with `/`.
fn name_of(input: &Path, path: &Path) -> String {
    let below = path.strip_prefix(input).unwrap_or(path);
    // The input may be the one document itself.
    let below = if below.as_os_str().is_empty() {
        path.file_name().map_or(path, Path::new)
    } else {
        below
    };
    below.to_string_lossy().into_owned()
}
