//! A site's folder: configuration, keys, certificates, log, packs, engine and socket.
//!
//! ```text
//! starling.toml          configuration
//! site.chain             the site's certificate chain (public)
//! keys/root.key          root key: signs certificates only; may be kept elsewhere
//! keys/operating-N.key   operating key of epoch N
//! log/                   everything that the site acknowledged, in order; `log/place` notes where the home is
//! packs/                 record bodies by hash
//! store/                 the engine: rows derived from log and packs, rebuilt if missing
//! store.v2/              the old store after a migration, until a daemon stops cleanly
//! match.idx              the match index, rebuilt if missing
//! vex/, policies/        VEX documents stored for every scan, versions of the policy files
//! feeds/NAME/            how the runs of a feed went, and where its source was read to
//! LOCK                   the lock of the folder: one process at a time
//! starling.sock          the API's Unix socket, while a daemon runs
//! ```

mod error;
mod files;
mod folder;
mod identity;
mod keys;
pub(crate) mod problem;
mod sample;
#[cfg(test)]
mod tests;
mod write;

pub use self::error::HomeError;
pub(crate) use self::files::FilesExamined;
pub use self::files::SECRETS_CHECK;
pub use self::folder::{Home, socket_path};
pub use self::identity::read_identity;
pub(crate) use self::problem::config_problem;
pub use self::problem::home_problem;
pub use self::sample::{Reach, sample_config};
pub(crate) use self::write::{write_config, write_durably, write_durably_with};

pub use starling_api_types::wording::chain as error_chain;
