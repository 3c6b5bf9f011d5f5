//! A scan without opening the store: the index and the mark beside it are enough.
//!
//! Opening a large store takes longer than scanning does, and a command scans once; a daemon scans so while it opens
//! its store. If the log ends where the mark says ([`crate::match_index`]), and the configuration and the program fold
//! as those that wrote it did, the verdict is byte for byte the one that the open store would give.

use std::path::Path;
use std::sync::Arc;

use starling_api::{ScanDocuments, ServiceResult};
use starling_api_types as types;

use crate::config::{Config, Overrides};
use crate::home::Home;
use crate::match_index::{Hold, Indexes, ReadyState, SiteIndex};
use crate::policies::Policies;
use crate::service::{Judge, folding_of};
use crate::vex_kept::KeptVex;

/// Scans with the index alone; none if it is missing, behind or damaged, or the folder is not as it should be:
/// then the store has to be opened, which says what is wrong or makes the index anew.
#[must_use]
pub fn scan_cold(
    home: &Path,
    documents: &ScanDocuments,
    params: &types::ScanParams,
) -> Option<ServiceResult<types::VerdictEnvelope>> {
    let home = Home::open(home).ok()?;
    let config = home.config(&Overrides::default()).ok()?;
    scan_by_index(&home, &config, documents, params)
}

/// As [`scan_cold`], of a home that is open by a configuration that was read.
pub(crate) fn scan_by_index(
    home: &Home,
    config: &Config,
    documents: &ScanDocuments,
    params: &types::ScanParams,
) -> Option<ServiceResult<types::VerdictEnvelope>> {
    if params.as_of.is_some() {
        // The index knows the present only.
        return None;
    }
    let (state, index) = ready_index(home, config)?;
    let judge = Judge {
        home,
        config,
        policies: &Policies::of(home, config),
        kept_vex: &KeptVex::in_home(home.path()),
    };
    let judged = judge.scan(documents, params, &*index, &state.knowledge);
    // Damage inside of the index: the store's way finds and mends it.
    match judged {
        Ok(Err(_unreadable)) => None,
        Ok(Ok(envelope)) => Some(Ok(envelope)),
        Err(problem) => Some(Err(problem)),
    }
}

/// The index of what the site knows, with what else is known of it; none where only the open store can tell.
pub(crate) fn ready_index(home: &Home, config: &Config) -> Option<(ReadyState, Arc<SiteIndex>)> {
    let indexes = Indexes::new(home.path(), Hold::Directory);
    let state = indexes.ready().read()?;
    if state.folding != folding_of(home.chain(), config) {
        // The view has to be folded anew first.
        return None;
    }
    // Stamped with the place in the log: an index of before does not pass for one of now.
    if !starling_store::log_ends_at(home.path(), &state.position).ok()? {
        return None;
    }
    let index = indexes.find(&state.stamp)?;
    Some((state, index))
}
