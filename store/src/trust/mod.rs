//! Trust: the allow-list, certificate chains, heads and fork proofs.

mod chains;
mod forks;
mod heads;
pub(crate) mod listing;
mod rivals;
mod signing;
mod sites;

pub(crate) use self::heads::{check_not_behind, holdings_of, holdings_row};
pub use self::listing::{AllowedSources, ListedSite};
pub(crate) use self::rivals::rival_epoch;
pub use self::signing::HeadSigning;
pub(crate) use self::signing::keep_heads;
pub(crate) use self::sites::{listed_key, listed_row};
