//! Scans without opening the store, using only the match index and its marker file.
//!
//! Opening a large store takes longer than a scan, and a command scans only once; a daemon uses this while it opens
//! its store. If the log ends where the marker says ([`crate::match_index`]), and configuration and program fold in
//! the same way as when it was written, the verdict has the same bytes as one from the open store.

use std::path::Path;
use std::sync::Arc;

use starling_api::{ScanDocuments, ServiceResult};
use starling_api_types as types;

use crate::config::{Config, Overrides};
use crate::home::Home;
use crate::match_index::{Hold, Indexes, ReadyState, SiteIndex};
use crate::policies::Policies;
use crate::service::{Judge, folding_of};
use crate::vex_store::VexStore;

/// Scans with the index only; `None` if it is missing, outdated or damaged, or the folder has a problem. Then the
/// store must be opened, which reports the problem or rebuilds the index.
#[must_use]
pub fn scan_without_store(
    home: &Path,
    documents: &ScanDocuments,
    params: &types::ScanParams,
) -> Option<ServiceResult<types::VerdictEnvelope>> {
    let home = Home::open(home).ok()?;
    let config = home.config(&Overrides::default()).ok()?;
    scan_by_index(&home, &config, documents, params)
}

/// Same as [`scan_without_store`], for an open home with its configuration.
pub(crate) fn scan_by_index(
    home: &Home,
    config: &Config,
    documents: &ScanDocuments,
    params: &types::ScanParams,
) -> Option<ServiceResult<types::VerdictEnvelope>> {
    if params.as_of.is_some() {
        // The index only knows the present.
        return None;
    }
    let (state, index) = ready_index(home, config)?;
    let judge = Judge {
        home,
        config,
        policies: &Policies::of(home, config),
        kept_vex: &VexStore::in_home(home.path()),
    };
    let judged = judge.scan(documents, params, &*index, &state.knowledge);
    // The index is damaged: the store's own path finds and repairs it.
    match judged {
        Ok(Err(_unreadable)) => None,
        Ok(Ok(envelope)) => Some(Ok(envelope)),
        Err(problem) => Some(Err(problem)),
    }
}

/// Returns the index of the site's knowledge, and its other data; `None` if only the open store can tell.
pub(crate) fn ready_index(home: &Home, config: &Config) -> Option<(ReadyState, Arc<SiteIndex>)> {
    let indexes = Indexes::new(home.path(), Hold::Directory);
    let state = indexes.ready().read()?;
    if state.folding != folding_of(home.chain(), config) {
        // The view must be folded again first.
        return None;
    }
    // The stamp contains the position in the log, so that an old index does not look current.
    if !starling_store::log_ends_at(home.path(), &state.position).ok()? {
        return None;
    }
    let index = indexes.find(&state.stamp)?;
    Some((state, index))
}
