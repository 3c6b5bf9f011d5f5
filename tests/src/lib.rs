//! Cross-crate and end-to-end checks, fixtures, benches.
