//! One site's store: the one door through which claims, bodies and trust enter, and the rows behind it.
//!
//! | module | holds |
//! |---|---|
//! | [`disk`] | files written at offsets, in a folder or in memory with planned faults |
//! | [`engine`] | the seam to key-value libraries: sled, redb, memory |
//! | `rows` | keys and values of each tree, and the transaction that collects them |
//! | `site` | [`SiteStore`]: opening, the small state in memory, questions, the sync engine's replica |
//! | `deltas` | authoring, verifying, placing and reading deltas |
//! | `trust` | the allow-list, certificate chains, heads, fork proofs |
//! | `view` | acceptance and the replay of claims into the view, its rows, what an index lacks |
//! | `documents` | shared documents: accepted changes, folded |
//! | `feed` | what an input of one source changes |
//! | `history` | what the site knew before: kept, put back, forgotten |
//! | `activity` | events for subscribers, the ledger of imports and exports |
//! | `doctor` | checks of every invariant, repair of what is derived |

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
mod migrate;
pub mod packs;
mod rows;
mod site;
mod trust;
mod view;

pub use self::activity::{
    EVENTS_KEPT, Event, EventNumber, FeedEnding, Happening, LedgerEntry, LedgerNumber, Origin, RestoreStep,
    TRANSFERS_KEPT, Transfers,
};
pub use self::deltas::{Authored, DeltaRun, FrozenBy, LackedBodies, LogOverview, Restated};
pub use self::doctor::compact::CompactedBodies;
pub use self::doctor::{Check, Diagnosis, FilesCheck, LOG_CHECK, PACKS_CHECK};
pub use self::documents::{DocumentChange, KeptMutes, MuteBook};
pub use self::error::StoreError;
pub use self::feed::{FeedPlan, FeedRow, FoundRecord, Replaced};
pub use self::history::{Collected, CursorAt, HistorySpan, KnownMoment, MomentNumber, Retention};
pub use self::journal::EntryError;
pub use self::journal::replay::{OnProgress, ReplayProgress};
pub use self::site::{
    Clock, EngineWitness, HeadExpiry, HomeStore, LogId, OpeningStep, Salvaged, SharedReplica, SiteOptions,
    SiteStore, SourceOverview, StoreParts, StoreSize, discard_unfinished, log_ends_at,
};
pub use self::trust::{AllowedSources, ListedSite};
pub use self::view::{Accepted, IndexMark, Unindexed, ViewCounts, ViewReader};
