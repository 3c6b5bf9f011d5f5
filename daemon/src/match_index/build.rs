//! Making an index from the view, a part at a time: the view is not held while all of it is folded.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use starling_scanner::index::{IndexStamp, IndexWriter};
use starling_scanner::knowledge::Knowledge;
use starling_store::SiteStore;
use starling_view::PackageId;

use super::stamp_of;
use crate::service::ViewKnowledge;

/// Packages that are folded before the view is let go of, so that changes need not wait for the rest.
const PACKAGES_AT_ONCE: usize = 16;
/// How much is written at once, in bytes.
const WRITE_BYTES: usize = 1024 * 1024;

/// Why an index could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// The view could not be read.
    #[error("cannot read the view for the match index")]
    Store(#[from] starling_store::StoreError),
    /// The view's rows could not be read.
    #[error("cannot read the view for the match index")]
    View(#[from] starling_view::ViewError),
    /// A package could not be folded.
    #[error("cannot fold a package for the match index")]
    Knowledge(#[from] starling_scanner::knowledge::KnowledgeError),
    /// The site's settings could not be read.
    #[error("cannot read the view for the match index: {0}")]
    Problem(#[from] starling_api_types::Problem),
    /// The file could not be written.
    #[error("cannot write the match index")]
    Io(#[from] std::io::Error),
}

/// Writes the index of what `stamp` says to `path`; false if the view has changed meanwhile or it was given up,
/// and nothing is written.
///
/// # Errors
/// When the view or the file fails.
pub(crate) fn build(
    store: &SiteStore,
    path: &Path,
    stamp: &IndexStamp,
    given_up: &AtomicBool,
) -> Result<bool, BuildError> {
    let Some(packages) = packages(store, stamp)? else {
        return Ok(false);
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = tempfile::Builder::new()
        .prefix(".match.")
        .suffix(".new")
        .tempfile_in(folder)?;
    let mut writer = IndexWriter::new(BufWriter::with_capacity(WRITE_BYTES, file));
    for some in packages.chunks(PACKAGES_AT_ONCE) {
        let reader = store.view()?;
        if stamp_of(&reader)? != *stamp || given_up.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let knowledge = ViewKnowledge::new(&reader)?;
        for (ecosystem, name) in some {
            writer.add(ecosystem, name, &knowledge.advisories(ecosystem, name)?)?;
        }
    }
    let mut file = writer
        .finish(stamp)?
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?;
    file.flush()?;
    // Not synced: what a crash leaves of it has not the hashes that it should, and is made again.
    file.persist(path).map_err(|error| error.error)?;
    Ok(true)
}

/// Every package that has an advisory, in the view's order; none if the view is not what `stamp` says.
fn packages(store: &SiteStore, stamp: &IndexStamp) -> Result<Option<Vec<(String, String)>>, BuildError> {
    let reader = store.view()?;
    if stamp_of(&reader)? != *stamp {
        return Ok(None);
    }
    let mut found: BTreeSet<(String, String)> = BTreeSet::new();
    starling_view::for_each_advisory(&reader, |advisory| {
        if let PackageId::Package { ecosystem, name } = advisory.package {
            found.insert((ecosystem, name));
        }
        ControlFlow::Continue(())
    })?;
    Ok(Some(found.into_iter().collect()))
}
