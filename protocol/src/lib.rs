//! What every site must agree on: certificates, records, claims, deltas, cursors, heads, bundles, limits.
