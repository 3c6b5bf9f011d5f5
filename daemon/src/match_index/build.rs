//! Builds an index from the view.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use starling_scanner::cpe::CPE_ECOSYSTEM;
use starling_scanner::index::{IndexStamp, IndexWriter};
use starling_scanner::knowledge::{Advisory, Knowledge, KnowledgeError};
use starling_store::{SiteStore, Unindexed, ViewReader, Working};
use starling_view::PackageId;

use super::{Hold, SiteIndex, UNFINISHED_PREFIX, UNFINISHED_SUFFIX, how_of, stamp_of};
use crate::service::{KEV_SOURCE, ViewKnowledge, view_knowledge};

/// Number of bytes per write.
const WRITE_BYTES: usize = 1024 * 1024;
/// Number of packages that a thread folds at a time.
const BLOCK: usize = 64;
/// Number of blocks that a thread may be ahead of the writer.
const BLOCKS_AHEAD: usize = 2;

/// The reason why an index could not be built.
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
    /// The earlier index is damaged or unreadable.
    #[error("cannot copy from the earlier match index")]
    Index(#[from] starling_scanner::index::IndexError),
    /// The site's settings could not be read.
    #[error("cannot read the view for the match index: {0}")]
    Problem(#[from] starling_api_types::Problem),
    /// The file could not be written.
    #[error("cannot write the match index")]
    Io(#[from] std::io::Error),
}

/// Writes the index of the current view to `path`, folded by `threads` threads, and returns its stamp; `None` if the
/// work was stopped, and then nothing is written. The view may have changed in the meantime.
///
/// If an index of an earlier view exists, and the store has recorded the changes since then, only those are folded
/// again; the rest is copied.
///
/// # Errors
/// If the view or the file fails.
pub(crate) fn build(
    store: &SiteStore,
    path: &Path,
    threads: NonZeroUsize,
    given_up: &AtomicBool,
) -> Result<Option<IndexStamp>, BuildError> {
    // Start recording changes first. The view is read afterwards: a change between the two steps would be in the
    // view, but not in the recorded changes.
    store.unindexed()?;
    // One view for everything: later changes are recorded, and scans read those from the view.
    let reader = store.view()?;
    let stamp = &stamp_of(&reader);
    let how = how_of(&reader);
    // More has changed than is recorded: this index, and the next one, are built from all packages.
    let unindexed = reader.unindexed()?.unwrap_or_default();
    let before = earlier(path, &unindexed, &how);
    let packages = match &before {
        Some(_) => unindexed.packages.iter().cloned().collect(),
        None => packages(&reader)?,
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = tempfile::Builder::new()
        .prefix(UNFINISHED_PREFIX)
        .suffix(UNFINISHED_SUFFIX)
        .tempfile_in(folder)?;
    let mut writer = IndexWriter::new(BufWriter::with_capacity(WRITE_BYTES, file));
    if let Some(before) = &before {
        let changed = |ecosystem: &str, name: &str| {
            // Looked up in stored form: an index has tens of thousands of entries, but there are few changes.
            unindexed
                .packages
                .contains(&(ecosystem.to_owned(), name.to_owned()))
        };
        let copied = writer.copy(before, |ecosystem, name| !changed(ecosystem, name));
        if let Err(error) = copied {
            // The index is derived data: without it, the next one is built from all packages.
            let _ = std::fs::remove_file(path);
            return Err(error.into());
        }
    }
    let working = store
        .meter()
        .begin(crate::service::MAKING_THE_INDEX, packages.len() as u64);
    if !fold(&reader, &packages, threads, given_up, &mut writer, &working)? {
        return Ok(None);
    }
    let mut file = writer
        .finish(stamp)?
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?;
    file.flush()?;
    // Not synced: after a crash its hashes do not match, and it is rebuilt.
    file.persist(path).map_err(|error| error.error)?;
    store.set_index_base(&[stamp.as_slice(), &how].concat(), unindexed.mark)?;
    Ok(Some(*stamp))
}

/// The folded advisories of a package, or the error.
type Folded = Result<Vec<Advisory>, KnowledgeError>;

/// Folds packages in several threads and writes them in order. Returns false if the work was stopped.
fn fold<W: Write>(
    reader: &ViewReader<'_>,
    packages: &[(String, String)],
    threads: NonZeroUsize,
    given_up: &AtomicBool,
    writer: &mut IndexWriter<W>,
    working: &Working<'_>,
) -> Result<bool, BuildError> {
    let blocks: Vec<&[(String, String)]> = packages.chunks(BLOCK).collect();
    let threads = threads.get().min(blocks.len().max(1));
    // Each thread has its own cache of folded records, so that none waits for another.
    let knowledge = (0..threads).map(|_| view_knowledge(reader));
    let knowledge = knowledge.collect::<Result<Vec<_>, _>>()?;
    std::thread::scope(|scope| {
        let mut folded: Vec<Receiver<Vec<Folded>>> = Vec::with_capacity(threads);
        for (number, knowledge) in knowledge.into_iter().enumerate() {
            let (sender, receiver) = sync_channel(BLOCKS_AHEAD);
            folded.push(receiver);
            let own = blocks.iter().skip(number).step_by(threads);
            std::thread::Builder::new()
                .name("match-index".to_owned())
                .spawn_scoped(scope, move || {
                    fold_blocks(&knowledge, own.copied(), given_up, &sender);
                })?;
        }
        for (block, receiver) in blocks.iter().zip(folded.iter().cycle()) {
            // A thread ended early because the work was stopped or it panicked; the scope passes a panic on.
            let Ok(advisories) = receiver.recv() else {
                return Ok(false);
            };
            working.add(block.len() as u64);
            for ((ecosystem, name), advisories) in block.iter().zip(advisories) {
                let advisories = advisories?;
                if !advisories.is_empty() {
                    writer.add(ecosystem, name, &advisories)?;
                }
            }
        }
        Ok(true)
    })
}

/// Folds blocks of packages, one after another, until nobody receives them.
fn fold_blocks<'a>(
    knowledge: &ViewKnowledge<'_>,
    blocks: impl Iterator<Item = &'a [(String, String)]>,
    given_up: &AtomicBool,
    sender: &SyncSender<Vec<Folded>>,
) {
    for block in blocks {
        if given_up.load(Ordering::SeqCst) {
            return;
        }
        let fold = |(ecosystem, name): &(String, String)| knowledge.advisories(ecosystem, name);
        if sender.send(block.iter().map(fold).collect()).is_err() {
            return;
        }
    }
}

/// Returns the index at `path` if the store's recorded changes continue from it, and it was built in the current way.
fn earlier(path: &Path, unindexed: &Unindexed, how: &[u8; 32]) -> Option<SiteIndex> {
    let (stamp, made_how) = unindexed.base.split_first_chunk::<32>()?;
    // A catalogue of exploited vulnerabilities affects every advisory.
    let catalogue = unindexed
        .sources
        .iter()
        .any(|source| source.as_str() == KEV_SOURCE);
    if made_how != how || catalogue {
        return None;
    }
    let index = super::file::open(path, Hold::Directory).ok()?;
    (index.stamp() == stamp).then_some(index)
}

/// Returns all packages and products that have an advisory, in the view's order.
fn packages(reader: &ViewReader<'_>) -> Result<Vec<(String, String)>, BuildError> {
    let mut found: BTreeSet<(String, String)> = BTreeSet::new();
    starling_view::for_each_advisory(reader, |advisory| {
        if let PackageId::Package { ecosystem, name } = advisory.package {
            found.insert((ecosystem, name));
        }
        ControlFlow::Continue(())
    })?;
    starling_view::for_each_product(reader, |product| {
        found.insert((CPE_ECOSYSTEM.to_owned(), product.to_owned()));
        ControlFlow::Continue(())
    })?;
    Ok(found.into_iter().collect())
}
