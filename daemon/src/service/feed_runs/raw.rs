//! Keeps the documents of feeds as they were fetched (*raw documents*), until their feed is removed.

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

/// Folder of the raw documents in the site's folder.
const FOLDER: &str = "raw";

/// The open store of raw documents, with exclusive access.
pub(super) struct OpenRaw<'a> {
    pub(super) store: RawStore,
    _alone: MutexGuard<'a, ()>,
}

impl SiteParts {
    /// Returns true if raw documents are kept.
    pub(super) fn keeps_raw(&self) -> bool {
        self.identity.config.store.raw_bytes.0 > 0
    }

    fn raw_folder(&self) -> PathBuf {
        self.identity.home.path().join(FOLDER)
    }

    /// Returns the folder into which the holder of the open store unpacks a document to read it.
    pub(super) fn raw_reading(&self) -> PathBuf {
        self.raw_folder().join("reading")
    }

    /// Opens the store of raw documents; `None` if none was ever kept.
    pub(super) fn open_raw(&self) -> Result<Option<OpenRaw<'_>>, RawError> {
        let alone = lock(&self.live.feeds.raw);
        let folder = self.raw_folder();
        if !folder.exists() {
            return Ok(None);
        }
        let store = RawStore::open(&folder, self.identity.config.store.raw_bytes.0)?;
        Ok(Some(OpenRaw { store, _alone: alone }))
    }

    /// Keeps the documents of a run, after its import was committed and before its position is stored. A failure becomes a
    /// note of the run.
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

    /// Frees the space of raw documents that were kept under an earlier budget, now that the site keeps none.
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
    // The input may be a single document instead of a folder.
    let below = if below.as_os_str().is_empty() {
        path.file_name().map_or(path, Path::new)
    } else {
        below
    };
    below.to_string_lossy().into_owned()
}
