//! The view: acceptance, the replay of accepted claims into it, its rows, and the changes since the last index.

pub(crate) mod accept;
pub(crate) mod counts;
mod rebuild;
pub(crate) mod rows;
pub(crate) mod show;
pub(crate) mod unindexed;

pub use self::accept::Accepted;
pub use self::counts::ViewCounts;
pub use self::rows::ViewReader;
pub use self::unindexed::{IndexMark, Unindexed};
