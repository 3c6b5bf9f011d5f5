//! The addresses at which listed sites were last connected, kept over a restart.
//!
//! A peer that dialled this site does not notice its end at once: nothing comes from a killed process, so the
//! connection seems alive until its idle time is over, and nobody dials a connected peer. A site that starts
//! therefore dials each listed site once where it was last seen, in addition to the listed addresses. The peer takes the
//! new connection instead of the dead one. Nothing depends on it: a wrong or lost address costs one dial.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use libp2p::Multiaddr;
use starling_protocol::SiteId;

use crate::home::{error_chain, write_durably};
use crate::small_file;

/// The file in the site's folder: a line for each site, with its identity and the address.
const FILE: &str = "peers.seen";
/// Largest file that is read, in bytes: some 300 sites.
const MAX_BYTES: u64 = 64 << 10;

/// The last addresses of sites.
#[derive(Debug)]
pub(crate) struct SeenPeers {
    path: PathBuf,
    at: BTreeMap<SiteId, Multiaddr>,
    /// Sites that were dialled where they were seen: each once.
    dialled: BTreeSet<SiteId>,
}

impl SeenPeers {
    /// Reads the file of a site's folder. A missing or unreadable one counts as empty, and so does a line of another
    /// form.
    pub(crate) fn read(home: &Path) -> Self {
        let path = home.join(FILE);
        let text = small_file::read_text(&path, MAX_BYTES).unwrap_or_default();
        let pair = |line: &str| {
            let (site, address) = line.split_once(' ')?;
            Some((site.parse().ok()?, address.parse().ok()?))
        };
        Self {
            path,
            at: text.lines().filter_map(pair).collect(),
            dialled: BTreeSet::new(),
        }
    }

    /// Returns the sites that were connected.
    pub(crate) fn sites(&self) -> impl Iterator<Item = SiteId> {
        self.at.keys().copied()
    }

    /// Returns where a site was last connected, the first time that this is asked.
    pub(super) fn dial_of(&mut self, site: SiteId) -> Option<&Multiaddr> {
        self.dialled.insert(site).then(|| self.at.get(&site)).flatten()
    }

    /// Records where a listed site is connected.
    pub(super) fn note(&mut self, site: SiteId, address: &Multiaddr) {
        if self.at.get(&site) == Some(address) {
            return;
        }
        self.at.insert(site, address.clone());
        let lines: String = self
            .at
            .iter()
            .map(|(site, address)| format!("{site} {address}\n"))
            .collect();
        if let Err(error) = write_durably(&self.path, lines.as_bytes(), 0o600) {
            tracing::debug!(error = %error_chain(&error), "keeping the addresses of peers");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_there_after_a_restart_and_junk_is_ignored() {
        let home = tempfile::tempdir().unwrap();
        let (a, b) = (SiteId::from_bytes([1; 32]), SiteId::from_bytes([2; 32]));
        let first: Multiaddr = "/ip4/127.0.0.1/udp/7946/quic-v1".parse().unwrap();
        let second: Multiaddr = "/ip4/127.0.0.1/udp/7947/quic-v1".parse().unwrap();
        let mut seen = SeenPeers::read(home.path());
        assert_eq!(seen.dial_of(a), None);
        seen.note(a, &first);
        seen.note(b, &first);
        seen.note(a, &second);
        let mut again = SeenPeers::read(home.path());
        assert_eq!(again.dial_of(a), Some(&second));
        assert_eq!(again.dial_of(a), None, "once");
        assert_eq!(again.dial_of(b), Some(&first));
        std::fs::write(
            home.path().join(FILE),
            format!("junk\n{b} nowhere\n{a} {first}\n\u{0}"),
        )
        .unwrap();
        let mut again = SeenPeers::read(home.path());
        assert_eq!(again.dial_of(a), Some(&first));
        assert_eq!(again.dial_of(b), None);
    }
}
