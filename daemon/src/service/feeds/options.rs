//! How an input is taken in, beyond what a caller of `feeds import` may ask for; and sources that have nothing new.

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_protocol::{Lane, Source};
use starling_store::{FeedCommit, Origin};

use crate::clock::now;
use crate::service::SiteParts;
use crate::service::problem::store_problem;

/// How an input is taken in.
#[derive(Debug, Clone, Default)]
pub(in crate::service) struct ImportOptions {
    pub(in crate::service) asked: types::FeedImportOptions,
    /// The source was read to its end: it is checked as of now, even if the input holds only what changed.
    pub(in crate::service) is_checked: bool,
    /// Names of files that the source had and dropped: their records become absent.
    pub(in crate::service) gone: Vec<String>,
    /// What the input's path is called, where it lies at another place each time.
    pub(in crate::service) root: Option<String>,
}

/// What is written at the end of an import.
pub(super) struct Commit<'a> {
    pub(super) complete: bool,
    pub(super) is_checked: bool,
    pub(super) gone: &'a [String],
    pub(super) approved: bool,
}

impl SiteParts {
    /// Notes that a source was read and has nothing new, as an import that changes nothing does.
    pub(in crate::service) fn note_read(&self, source: &Source, is_checked: bool) -> ServiceResult<()> {
        let _one_at_a_time = self.one_import();
        self.prepare_to_sign(&format!("noting that {source} was read"))?;
        let failed = |error| store_problem("writing the site's log", &error);
        let feed = FeedCommit {
            source,
            lane: Lane::Federation,
            claims: Vec::new(),
            names: &[],
            is_checked,
        };
        let at = now();
        let origin = Origin { bundle: None, at };
        let key = self.key();
        self.store
            .commit_feed(feed, &self.head_signing(&key, at), &origin)
            .map_err(failed)?;
        self.changed();
        Ok(())
    }
}
