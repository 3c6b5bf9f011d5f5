//! Bounds on what one record, or records that name each other, can make the view do.
//!
//! Every bound is judged on the record or on the whole component, never on the part seen so far,
//! so that what exceeds it does so in every order of arrival.

/// Most aliases of one record that are followed; a record with more contributes none.
pub const MAX_RECORD_ALIASES: usize = 256;
/// Most packages of one record that make advisories; of more, the first in key order do.
pub const MAX_RECORD_PACKAGES: usize = 16_384;
/// Longest ecosystem, package name or repository URL that can be a key, in bytes.
pub const MAX_NAME_BYTES: usize = 1_024;
/// Most ids and records in one component; in a larger one every record stands alone.
pub const MAX_COMPONENT_MEMBERS: usize = 4_096;
/// Most pairs of (id, package of a record) in one component; likewise.
pub const MAX_COMPONENT_PAIRS: usize = 65_536;

/// The bounds of a component, as one value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ComponentLimits {
    pub(crate) members: usize,
    pub(crate) pairs: usize,
}

impl ComponentLimits {
    /// The bounds that every site shares.
    pub(crate) const DEFAULT: Self = Self {
        members: MAX_COMPONENT_MEMBERS,
        pairs: MAX_COMPONENT_PAIRS,
    };
}
