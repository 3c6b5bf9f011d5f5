//! The embedded store: an engine seam, trees, indexes, transactions, migrations.

pub mod engine;
