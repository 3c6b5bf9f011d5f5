//! Names of products by CPE 2.3, and the configurations in which sources say that they are affected.
//!
//! Only components that no package URL can speak for are matched by them (docs/adr/0019). A name is parsed by NISTIR
//! 7695 ([`Cpe`]), compared by NISTIR 7696 ([`judge`]), and found by its product: `part:vendor:product`. Everything
//! here is bounded: names by [`MAX_CPE_BYTES`], configurations by [`MAX_NODES`] and [`MAX_DEPTH`].

mod applicability;
mod cnnvd;
mod judge;
mod listed;
mod name;
mod system;
#[cfg(test)]
mod tests;
mod value;
mod version;

pub use applicability::{
    Applicability, Bound, Configurations, MAX_DEPTH, MAX_NODES, MAX_PLATFORMS, Platform, ProductMatch,
    configurations, products,
};
pub use judge::{CpeRule, CpeSubject, CpeVerdict, judge, judge_each};
pub use name::{Cpe, CpeError, MAX_CPE_BYTES};
pub use system::OperatingSystem;
pub(crate) use system::is_linux_distribution;
pub use value::{Value, Wild};
pub use version::compare_versions;

/// The name under which the knowledge finds products, in place of an ecosystem.
pub const CPE_ECOSYSTEM: &str = "CPE";
