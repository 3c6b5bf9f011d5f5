//! The times at which data was last exchanged with listed sites, kept over a restart.
//!
//! The ledger has what came from a site. A site that authored everything only gives, and two sites that hold the same
//! exchange nothing but their positions: no entry shows either. Nothing depends on the file but what is shown.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use starling_protocol::{SiteId, UnixMillis};

use crate::home::{error_chain, write_durably};
use crate::small_file;

/// The file in the site's folder: a line for each site, with its identity and the time in milliseconds since 1970.
const FILE: &str = "peers.synced";
/// Largest file that is read, in bytes: some 700 sites.
const MAX_BYTES: u64 = 64 << 10;
/// Shortest time between two writes of the file, in milliseconds.
const SAVE_EVERY_MS: u64 = 60_000;

/// The times of the last exchanges.
#[derive(Debug)]
pub(crate) struct Exchanges {
    path: PathBuf,
    at: BTreeMap<SiteId, UnixMillis>,
    is_changed: bool,
    saved_at: Option<UnixMillis>,
}

impl Exchanges {
    /// Reads the file of a site's folder. A missing or unreadable one counts as empty, and so does a line of another
    /// form.
    pub(crate) fn read(home: &Path) -> Self {
        let path = home.join(FILE);
        let text = small_file::read_text(&path, MAX_BYTES).unwrap_or_default();
        let pair = |line: &str| {
            let (site, at) = line.split_once(' ')?;
            Some((site.parse().ok()?, UnixMillis::saturating(at.parse().ok()?)))
        };
        Self {
            path,
            at: text.lines().filter_map(pair).collect(),
            is_changed: false,
            saved_at: None,
        }
    }

    /// Returns each site's last exchange.
    pub(crate) fn times(&self) -> impl Iterator<Item = (SiteId, UnixMillis)> {
        self.at.iter().map(|(site, at)| (*site, *at))
    }

    /// Records an exchange with a listed site.
    pub(super) fn note(&mut self, site: SiteId, at: UnixMillis) {
        self.is_changed |= self.at.insert(site, at) != Some(at);
    }

    /// Writes the file if there is news and the last time was a while ago.
    pub(super) fn save_if_due(&mut self, now: UnixMillis) {
        let is_due = self
            .saved_at
            .is_none_or(|saved| now.as_millis().saturating_sub(saved.as_millis()) >= SAVE_EVERY_MS);
        if is_due && self.is_changed {
            self.saved_at = Some(now);
            self.save();
        }
    }

    /// Writes the file if there is news.
    pub(super) fn save(&mut self) {
        if !std::mem::take(&mut self.is_changed) {
            return;
        }
        let lines: String = self
            .at
            .iter()
            .map(|(site, at)| format!("{site} {}\n", at.as_millis()))
            .collect();
        if let Err(error) = write_durably(&self.path, lines.as_bytes(), 0o600) {
            tracing::debug!(error = %error_chain(&error), "keeping the times of exchanges with peers");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_there_after_a_restart_and_junk_is_ignored() {
        let home = tempfile::tempdir().unwrap();
        let site = SiteId::from_bytes([1; 32]);
        let at = UnixMillis::saturating;
        let mut exchanges = Exchanges::read(home.path());
        assert_eq!(exchanges.times().count(), 0);
        exchanges.note(site, at(5));
        exchanges.save_if_due(at(1_000));
        exchanges.note(site, at(7));
        exchanges.save_if_due(at(2_000));
        let read = |home: &Path| Exchanges::read(home).times().collect::<Vec<_>>();
        assert_eq!(read(home.path()), [(site, at(5))], "a minute has not passed");
        exchanges.save();
        assert_eq!(read(home.path()), [(site, at(7))]);
        std::fs::write(
            home.path().join(FILE),
            format!("junk\n{site} soon\n{site} 9\n\u{0}"),
        )
        .unwrap();
        assert_eq!(read(home.path()), [(site, at(9))]);
    }
}
