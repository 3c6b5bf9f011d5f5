//! Deltas: written by this site, taken from others, read by position.

pub(crate) mod append;
pub(crate) mod author;
pub(crate) mod branch;
pub(crate) mod extend;
pub(crate) mod ground;
pub(crate) mod logs;
pub(crate) mod restate;

pub use self::author::Authored;
pub(crate) use self::author::Authoring;
pub use self::logs::{DeltaRun, FrozenBy, LogOverview};
pub use self::restate::{LackedBodies, Restated};
