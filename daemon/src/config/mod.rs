//! `starling.toml`: every key with its default, environment and flags over it, wrong keys refused.
//!
//! Each section has a file with its keys, their defaults and their bounds. `whole` joins the sections, `read` reads a
//! file and lays variables and flags over it, `feed_edit` changes a file in place.

mod api;
mod error;
mod federation;
pub(crate) mod feed_edit;
pub(crate) mod feeds;
mod keys;
mod log;
mod network;
mod place;
mod read;
mod restore;
mod scan;
mod size;
mod store;
#[cfg(test)]
mod tests;
mod view;
mod whole;

pub use self::api::Api;
pub use self::error::ConfigError;
pub use self::federation::{Federation, Import};
pub use self::feeds::FeedEntry;
pub use self::keys::{KEYS, Key};
pub use self::log::Log;
pub use self::network::Network;
pub(crate) use self::read::toml_fault;
pub use self::read::{Overrides, SettingVariable};
pub use self::restore::Restore;
pub use self::scan::Scan;
pub use self::size::ByteSize;
pub use self::store::Store;
pub use self::view::View;
pub(crate) use self::whole::CONFIG_FORMAT;
use self::whole::Refused;
pub use self::whole::{Config, End};
