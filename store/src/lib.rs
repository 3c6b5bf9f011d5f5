//! The embedded store: an engine seam, trees, indexes, transactions, migrations.
