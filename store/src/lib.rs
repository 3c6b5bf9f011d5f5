//! One site's store: the entry point for claims, bodies and trust, and the rows behind it.
//!
//! # How a change is stored
//!
//! Feeds, peers and bundles all end in `SiteStore::change`. One writer at a time runs these steps:
//!
//! 1. **Judge** (`deltas`, `trust`). Signatures, the chain, the place in the log and the state root are checked. A
//!    crash here loses nothing: the change was not acknowledged.
//! 2. **Packs** ([`packs`], `site::bodies`). New bodies are appended to the last pack and synced. After a crash
//!    here they are unused, and the next collection removes them.
//! 3. **Log** ([`log`], `journal`). The outcome is appended as one group of entries, protected by hashes, and
//!    synced. **This is the acknowledgement.** From here on the change exists, and the next start replays it if
//!    needed.
//! 4. **Engine** (`rows`, [`engine`]). The rows and the log's new position are committed in one transaction. They
//!    are visible at once and durable with the next checkpoint. After a crash the log is replayed from the engine's
//!    position.
//! 5. **View** (`view`, `documents`, `activity`). Accepted claims are folded, delta by delta. The view's position
//!    and its events commit with each step, so the next start continues an interrupted fold.
//! 6. **Publish** (`site::guard`, `engine::versions`). Readers get a copy of the small state and a version of the
//!    rows, all of one moment. Readers never block the writer, and the writer never blocks readers.
//!
//! Two rules follow. The log and the packs are the truth: every row of the engine can be derived from them again,
//! so engine files in doubt are set aside and rebuilt. And an acknowledgement needs only the syncs of steps 2 and
//! 3: if step 4 fails, the change is stored but not shown ([`StoreError::NotShown`]), and the next change first
//! brings the engine up to date.
//!
//! # Modules
//!
//! | module | content |
//! |---|---|
//! | [`disk`] | files written at offsets, in a folder or in memory with planned faults |
//! | [`log`] | frames, groups, segments, recovery of the site's log |
//! | [`packs`] | record bodies by hash, dictionaries, compaction |
//! | [`engine`] | the seam to key-value libraries: sled, redb, memory |
//! | `rows` | keys and values of each tree, and the transaction that collects entries and rows |
//! | `journal` | the meaning of the log's entries: write and replay |
//! | `site` | [`SiteStore`]: opening, the small state in memory, queries, the sync engine's replica |
//! | `deltas` | authoring, verifying, placing and reading deltas |
//! | `trust` | the allow-list, certificate chains, heads, fork proofs |
//! | `view` | acceptance, the replay of accepted claims into the view, its rows, changes since the last index |
//! | `documents` | shared documents: accepted changes, folded |
//! | `feed` | the changes that an input of one source makes |
//! | `history` | earlier knowledge: kept, restored on a copy, forgotten |
//! | `activity` | events for subscribers, the ledger of imports and exports |
//! | `meter` | how far long work is, for those who wait |
//! | `migrate` | stores of older schemas |
//! | `doctor` | checks of every invariant, repair of derived data |
//!
//! Read `site/mod.rs` and `rows/txn.rs` first: they contain `change` and the commit. `deltas/append.rs` shows a change
//! from the outside, `site/open.rs` what an opening does. `docs/formats/store.md` describes the rows.

mod activity;
mod deltas;
pub mod disk;
mod doctor;
mod documents;
pub mod engine;
mod error;
mod feed;
mod history;
mod journal;
pub mod log;
mod meter;
mod migrate;
pub mod packs;
mod rows;
mod site;
mod trust;
mod view;

pub use self::activity::{
    EVENTS_KEPT, Event, EventKind, EventNumber, FeedEnding, LedgerEntry, LedgerNumber, Origin, RestoreStep,
    TRANSFERS_KEPT, Transfers,
};
pub use self::deltas::{Authored, DeltaRun, FrozenBy, LackedBodies, LogOverview, Restated};
pub use self::doctor::compact::CompactedBodies;
pub use self::doctor::{
    BODIES_CHECK, Check, Diagnosis, FilesCheck, LOG_CHECK, LOST_CHECK, MissingBodies, PACKS_CHECK,
};
pub use self::documents::{DocumentChange, KeptMutes, MuteBook};
pub use self::error::StoreError;
pub use self::feed::{
    FeedBase, FeedCommit, FeedInput, FeedPlan, FeedRow, FoundRecord, Replaced, Said, SeenOffers, UnreadOffer,
};
pub use self::history::{Collected, CursorAt, HistorySpan, KnownMoment, MomentNumber, Retention};
pub use self::journal::EntryError;
pub use self::journal::replay::{OnProgress, ReplayProgress};
pub use self::meter::{Meter, Progress, Working};
pub use self::site::{
    Clock, EngineWitness, HeadExpiry, HomeStore, LogId, LossCause, LostClaims, OpeningStep, Salvaged,
    SharedReplica, SiteOptions, SiteStore, SourceOverview, StoreParts, StoreSize, discard_unfinished,
    log_ends_at,
};
pub use self::trust::{AllowedSources, HeadSigning, ListedSite};
pub use self::view::{Accepted, IndexMark, Unindexed, ViewCounts, ViewReader};
