//! The whole configuration: its sections in the order of the file.

use serde::{Deserialize, Serialize};

use super::{Api, Federation, FeedEntry, Log, Network, Restore, Scan, Store, View};

/// A key whose value is out of bounds, and the problem.
pub(super) type Refused = (&'static str, String);

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The form of the file. One that says it must end with the table `end`: a file that was cut off does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<u32>,
    /// The last table of the file; it holds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// Sharing with other sites.
    pub federation: Federation,
    /// Listening for and dialling peers.
    pub network: Network,
    /// The local API.
    pub api: Api,
    /// The embedded store.
    pub store: Store,
    /// How claims of several authors fold into one view.
    pub view: View,
    /// Scans.
    pub scan: Scan,
    /// Homes that were restored from a backup, or copied.
    pub restore: Restore,
    /// Logs.
    pub log: Log,
    /// Feeds that the site fetches by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<FeedEntry>,
}

/// The end of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {}

/// The form of configuration files that this build writes.
pub(crate) const CONFIG_FORMAT: u32 = 1;

impl Config {
    /// Returns true if the site has no network: it neither dials nor listens, as `init --air-gapped` writes it.
    pub fn is_air_gapped(&self) -> bool {
        !self.federation.enabled && self.network.listen.is_empty()
    }

    /// Checks the bounds that types alone do not keep, section by section; returns the first key with a problem.
    pub(super) fn check(&self) -> Result<(), Refused> {
        self.federation.check()?;
        self.network.check()?;
        self.api.check()?;
        self.store.check()?;
        self.scan.check()?;
        self.view.check()?;
        self.log.check()
    }
}
