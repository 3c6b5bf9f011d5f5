//! Bounds on the effect of one record, or of records that name each other, on the view.
//!
//! Every bound applies to the whole record or component, never to the part seen so far. So it is exceeded in
//! every order of arrival or in none.

/// Most aliases of one record that are followed; a record with more contributes none.
pub const MAX_RECORD_ALIASES: usize = 256;
/// Most packages of one record that make advisories; beyond that, the first in key order do.
pub const MAX_RECORD_PACKAGES: usize = 16_384;
/// Most products of one record that it can be looked up by; beyond that, the first in order are used.
pub const MAX_RECORD_PRODUCTS: usize = 16_384;
/// Longest ecosystem, package name, product or repository URL that can be a key, in bytes.
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
