//! The embedded store: an engine seam, trees, indexes, transactions, migrations.

pub mod disk;
pub mod engine;
pub mod packs;
mod site;

pub use site::*;
