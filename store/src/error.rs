//! Errors of the store.

use starling_protocol::{
    CertificateError, ClaimNumber, ContentHash, DeltaError, HeadError, Lane, SiteId, SiteSlug, UnixMillis,
    error_chain,
};

use crate::engine::{EngineError, Tree};
use crate::journal::EntryError;
use crate::log::LogError;
use crate::packs::PackError;

/// The reason why the store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine failed.
    #[error("using the store's engine")]
    Engine(#[from] EngineError),
    /// The log refused or failed.
    #[error("using the site's log")]
    Log(#[from] LogError),
    /// Files could not be examined.
    #[error("examining the site's files: {0}")]
    Measure(#[source] std::io::Error),
    /// An entry of the log does not read.
    #[error(
        "reading the site's log: {0}; use a newer starling if it wrote this log, or run `starling doctor --repair`"
    )]
    Entry(EntryError),
    /// A pack refused or failed.
    #[error("using the packs of record bodies")]
    Pack(#[from] PackError),
    /// The change is stored, but the engine did not take the derived rows.
    #[error(
        "showing a stored change: it is in the log and appears after a restart of starling; do not repeat it"
    )]
    NotShown {
        /// The engine's error.
        source: EngineError,
    },
    /// The site was opened to read only.
    #[error(
        "changing the site: it was opened read-only, because the disk is full; free space, then start it again"
    )]
    ReadOnly,
    /// The engine's rows do not match the log and must be rebuilt.
    #[error("opening the engine: {reason}; it is rebuilt from the log")]
    EngineDoubt {
        /// The mismatch.
        reason: String,
    },
    /// The log is missing although it must exist.
    #[error(
        "opening the site's log in {folder}: there is none; was the folder moved, or its disk not mounted?"
    )]
    LogMissing {
        /// The folder.
        folder: String,
    },
    /// Acknowledged groups are missing or damaged.
    #[error("opening the site's log: it is damaged: {what}")]
    LogLoss {
        /// The missing part, and the evidence for it.
        what: String,
        /// True if nothing is known to be missing: only nothing confirms where the log ends.
        only_unconfirmed: bool,
    },
    /// The view could not be read or written.
    #[error("using the view")]
    View(#[from] starling_view::ViewError),
    /// The store belongs to another site.
    #[error("opening the store: it belongs to {found}, this home is {expected}")]
    OtherSite {
        /// The site that was expected.
        expected: SiteId,
        /// The site in the store.
        found: SiteId,
    },
    /// The store was written by a newer build.
    #[error(
        "opening the store: its schema is version {found}, but this build supports versions up to {known}; upgrade starling"
    )]
    NewerSchema {
        /// The version found.
        found: u32,
        /// The newest version this build knows.
        known: u32,
    },
    /// The migrated store differs from the old one.
    #[error("migrating the store: {what}; the old store is unchanged: keep it, and report this")]
    MigrationDiffers {
        /// The difference.
        what: String,
    },
    /// A row does not decode.
    #[error("reading {what} in {tree} at key {key}: the row is damaged; run `starling doctor --rebuild`")]
    DamagedRow {
        /// The tree.
        tree: Tree,
        /// The first bytes of the key, as hex.
        key: String,
        /// The expected content.
        what: &'static str,
    },
    /// A body's bytes do not fit its hash.
    #[error("reading body {hash}: it is damaged ({what})")]
    DamagedBody {
        /// The body.
        hash: ContentHash,
        /// The damage and its place.
        what: String,
    },
    /// A body that a claim names is not here.
    #[error("reading body {hash}: it is not in this store")]
    MissingBody {
        /// The body.
        hash: ContentHash,
    },
    /// Compression failed.
    #[error("compressing a record body: {cause}")]
    Compress {
        /// The compressor's error.
        cause: String,
    },
    /// The site is not on the allow-list.
    #[error(
        "site {site} is not on this site's allow-list: `starling sites list` shows it, `starling sites add` adds to it"
    )]
    SiteNotListed {
        /// The name or id asked for.
        site: String,
    },
    /// The name is taken.
    #[error(
        "adding site {slug}: that name is on the allow-list already, for {found}; `starling sites set` changes its entry"
    )]
    SiteExists {
        /// The name.
        slug: SiteSlug,
        /// The site that has the name.
        found: SiteId,
    },
    /// The site is listed under another name.
    #[error(
        "adding site {slug}: this key is on the allow-list already, as {found}; `starling sites set {found}` changes its entry"
    )]
    KeyListed {
        /// The name asked for.
        slug: SiteSlug,
        /// The name under which it is listed.
        found: SiteSlug,
    },
    /// The allow-list may not hold the site itself.
    #[error("adding site {slug}: it is this site itself")]
    OwnSite {
        /// The name.
        slug: SiteSlug,
    },
    /// More authors than the store can number.
    #[error("adding an author: the store already knows {known} authors, the limit")]
    TooManyAuthors {
        /// The number of known authors.
        known: usize,
    },
    /// A certificate chain does not fit.
    #[error("learning a certificate chain")]
    Certificate(#[from] CertificateError),
    /// A head does not fit.
    #[error("learning a head")]
    Head(#[from] HeadError),
    /// A delta could not be made.
    #[error("authoring a delta")]
    Author(#[source] DeltaError),
    /// A fork froze the log, which takes nothing until the fork is resolved.
    #[error(
        "writing to the {lane} log of {site}: it is frozen by a proof of fork; its operator must issue an epoch certificate that names the true branch"
    )]
    Frozen {
        /// The author.
        site: SiteId,
        /// The lane.
        lane: Lane,
    },
    /// The site's own log is known to continue beyond the part held here.
    #[error(
        "writing to this site's own {lane} log: others hold it up to {high_water}, this home only up to {held}: it was restored from a backup or copied, or its log lost its end; connect to peers or import a bundle to get the missing part"
    )]
    Behind {
        /// The lane.
        lane: Lane,
        /// The claim up to which it is held here.
        held: ClaimNumber,
        /// The claim up to which a verified head of this site says that it goes.
        high_water: ClaimNumber,
    },
    /// This home was restored from a backup, or copied.
    #[error(
        "signing for this site: its home was restored from a backup or copied, and its peers have not told yet what \
         it wrote since; connect to them, or run `starling restore`"
    )]
    HeldBack,
    /// Another copy of this home began a new epoch.
    #[error(
        "signing for this site: its certificate of epoch {epoch}, of {since}, names another operating key, which \
         another copy of this home uses"
    )]
    Superseded {
        /// The newest epoch.
        epoch: u32,
        /// The start of that epoch.
        since: UnixMillis,
    },
    /// The view is still being brought up to date.
    #[error("reading the view: it is being updated; try again in a moment")]
    ViewBehind,
    /// A cursor names no place in the log.
    #[error("finding claim {number} in the {lane} log of {site}: the log ends at {end}")]
    NoSuchPosition {
        /// The author.
        site: SiteId,
        /// The lane.
        lane: Lane,
        /// The number asked for.
        number: ClaimNumber,
        /// The log's last claim.
        end: ClaimNumber,
    },
    /// The history does not go back that far.
    #[error("going back to {asked}: the oldest available snapshot is {oldest}")]
    BeforeHistory {
        /// The time asked for.
        asked: UnixMillis,
        /// The oldest that can be answered.
        oldest: UnixMillis,
    },
    /// The restored state differs from the recorded one.
    #[error(
        "restoring an earlier state: {what}; run `starling doctor --rebuild`, which starts a new history"
    )]
    HistoryDamaged {
        /// The mismatch.
        what: &'static str,
    },
    /// A thread panicked while it held the store.
    #[error("using the store: an earlier operation failed midway; restart starling")]
    Poisoned,
}

impl StoreError {
    /// Returns true if the error says that the disk is full.
    #[must_use]
    pub fn is_no_room(&self) -> bool {
        match self {
            Self::Engine(error) | Self::NotShown { source: error } => error.is_no_room(),
            // The view's errors carry the engine's as a cause.
            Self::View(error) => causes(error).any(|cause| {
                let engine = cause.downcast_ref::<EngineError>();
                engine.is_some_and(EngineError::is_no_room)
            }),
            Self::Log(LogError::NoRoom { .. })
            | Self::Pack(PackError::NoRoom { .. } | PackError::ReadOnly)
            | Self::Log(LogError::ReadOnly)
            | Self::ReadOnly => true,
            Self::Log(LogError::Io { source, .. }) | Self::Pack(PackError::Io { cause: source, .. }) => {
                is_full(source)
            }
            Self::Measure(source) => is_full(source),
            _ => false,
        }
    }

    /// Returns the reason why the engine's rows must be rebuilt, if this error is one.
    #[must_use]
    pub fn engine_doubt(&self) -> Option<String> {
        // Rebuilding needs room: a full disk is no reason for it.
        if self.is_no_room() {
            return None;
        }
        match self {
            Self::EngineDoubt { reason } => Some(reason.clone()),
            Self::Engine(EngineError::Corrupt { .. } | EngineError::Stopped { .. })
            | Self::NotShown {
                source: EngineError::Corrupt { .. } | EngineError::Stopped { .. },
            }
            | Self::DamagedRow { .. } => Some(error_chain(self)),
            Self::View(
                starling_view::ViewError::ReadRows { .. }
                | starling_view::ViewError::WriteRows { .. }
                | starling_view::ViewError::DamagedRow { .. },
            ) => Some(error_chain(self)),
            _ => None,
        }
    }
}

/// Returns an error and its causes, the outermost first.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
