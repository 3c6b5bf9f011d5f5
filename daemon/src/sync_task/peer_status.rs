//! The sync task's state for the rest of the site.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use libp2p::Multiaddr;
use starling_protocol::{ClaimNumber, SiteId, UnixMillis};
use starling_sync::{LogKey, TipDifference};

/// The state of a listed site as a peer.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeerState {
    pub(crate) connected: bool,
    pub(crate) address: Option<String>,
    pub(crate) last_seen_at: Option<UnixMillis>,
    /// The time of the last message of a session with it, also before this start.
    pub(crate) exchanged_at: Option<UnixMillis>,
    /// True if it was connected before this start.
    pub(crate) was_connected: bool,
    /// Bytes of messages to and from it since the start, without QUIC's overhead.
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) last_error: Option<String>,
}

/// The difference between a peer's copy of a log and this site's copy, up to the same claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) number: ClaimNumber,
    pub(crate) what: TipDifference,
    pub(crate) found_at: UnixMillis,
}

/// Time after the last record bodies during which more are expected.
const ARRIVING_FOR: Duration = Duration::from_secs(30);

/// Most strangers that are remembered; the one that was away longest goes first.
const MAX_STRANGERS: usize = 16;

/// A site that is not on the allow-list and asked to sync. It may say that it is any site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stranger {
    pub(crate) address: Option<String>,
    pub(crate) first_at: UnixMillis,
    pub(crate) last_at: UnixMillis,
    pub(crate) times: u64,
}

/// The latest peers and addresses.
#[derive(Debug, Default)]
pub(crate) struct PeerStatusTable {
    /// The last comparisons, by peer and log.
    differences: Mutex<BTreeMap<(SiteId, LogKey), Difference>>,
    /// The claim up to which each difference was last reported.
    told: Mutex<BTreeMap<(SiteId, LogKey), ClaimNumber>>,
    peers: Mutex<BTreeMap<SiteId, PeerState>>,
    strangers: Mutex<BTreeMap<SiteId, Stranger>>,
    listening: Mutex<Vec<Multiaddr>>,
    /// The time of the last record bodies.
    bodies_came: Mutex<Option<Instant>>,
}

impl PeerStatusTable {
    /// Records that record bodies came from a peer.
    pub(super) fn bodies_came(&self) {
        if let Ok(mut came) = self.bodies_came.lock() {
            *came = Some(Instant::now());
        }
    }

    /// Returns true if record bodies are coming: some came a moment ago.
    pub(crate) fn bodies_arrive(&self) -> bool {
        let came = self.bodies_came.lock().ok().and_then(|came| *came);
        came.is_some_and(|came| came.elapsed() < ARRIVING_FOR)
    }

    pub(crate) fn peer(&self, site: &SiteId) -> PeerState {
        self.peers
            .lock()
            .map(|peers| peers.get(site).cloned().unwrap_or_default())
            .unwrap_or_default()
    }

    /// Returns the logs whose copies at peers differ from this site's, by peer.
    pub(crate) fn differences(&self) -> BTreeMap<(SiteId, LogKey), Difference> {
        let differences = self.differences.lock();
        differences
            .map(|differences| differences.clone())
            .unwrap_or_default()
    }

    /// Records a comparison of a log. Returns true if a difference must be reported: once per claim, because a peer's
    /// statement may change back and forth.
    pub(super) fn compared(&self, peer: SiteId, log: LogKey, difference: Option<Difference>) -> bool {
        let Ok(mut differences) = self.differences.lock() else {
            return false;
        };
        let Some(difference) = difference else {
            differences.remove(&(peer, log));
            return false;
        };
        differences.insert((peer, log), difference);
        let Ok(mut told) = self.told.lock() else {
            return false;
        };
        let is_new = told
            .get(&(peer, log))
            .is_none_or(|before| *before < difference.number);
        if is_new {
            told.insert((peer, log), difference.number);
        }
        is_new
    }

    /// Returns the sites that asked to sync and were not on the allow-list then.
    pub(crate) fn strangers(&self) -> BTreeMap<SiteId, Stranger> {
        let strangers = self.strangers.lock();
        strangers.map(|strangers| strangers.clone()).unwrap_or_default()
    }

    /// Notes that a site which is not on the allow-list asked to sync. Returns true for its first time.
    pub(super) fn stranger(&self, site: SiteId, address: Option<String>, at: UnixMillis) -> bool {
        let Ok(mut strangers) = self.strangers.lock() else {
            return false;
        };
        if let Some(known) = strangers.get_mut(&site) {
            known.times = known.times.saturating_add(1);
            known.last_at = at;
            known.address = address.or(known.address.take());
            return false;
        }
        if strangers.len() >= MAX_STRANGERS {
            let longest_away = strangers
                .iter()
                .min_by_key(|(site, known)| (known.last_at, **site));
            if let Some(site) = longest_away.map(|(site, _)| *site) {
                strangers.remove(&site);
            }
        }
        let stranger = Stranger {
            address,
            first_at: at,
            last_at: at,
            times: 1,
        };
        strangers.insert(site, stranger);
        true
    }

    pub(crate) fn listening(&self) -> Vec<String> {
        self.listening
            .lock()
            .map(|listening| listening.iter().map(ToString::to_string).collect())
            .unwrap_or_default()
    }

    pub(super) fn listens_on(&self, address: Multiaddr) {
        if let Ok(mut listening) = self.listening.lock() {
            listening.push(address);
        }
    }

    /// Clears sessions and addresses when the swarm ends; returns the addresses.
    pub(crate) fn forget(&self) -> Vec<Multiaddr> {
        if let Ok(mut peers) = self.peers.lock() {
            for peer in peers.values_mut() {
                peer.connected = false;
            }
        }
        let listening = self.listening.lock();
        listening
            .map(|mut listening| std::mem::take(&mut *listening))
            .unwrap_or_default()
    }

    /// Updates the times of connected sites: if they were gone, the transport would have noticed within seconds.
    pub(super) fn seen(&self, sites: impl Iterator<Item = SiteId>, at: UnixMillis) {
        if let Ok(mut peers) = self.peers.lock() {
            for site in sites {
                peers.entry(site).or_default().last_seen_at = Some(at);
            }
        }
    }

    /// Clears the errors of earlier sessions for sites whose new session has lasted.
    pub(super) fn lasted(&self, sites: impl Iterator<Item = SiteId>) {
        if let Ok(mut peers) = self.peers.lock() {
            for site in sites {
                if let Some(peer) = peers.get_mut(&site).filter(|peer| peer.connected) {
                    peer.last_error = None;
                }
            }
        }
    }

    pub(crate) fn update(&self, site: SiteId, change: impl FnOnce(&mut PeerState)) {
        if let Ok(mut peers) = self.peers.lock() {
            change(peers.entry(site).or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasting_session_clears_the_earlier_error() {
        let table = PeerStatusTable::default();
        let (here, away) = (SiteId::from_bytes([1; 32]), SiteId::from_bytes([2; 32]));
        for (site, connected) in [(here, true), (away, false)] {
            table.update(site, |peer| {
                peer.connected = connected;
                peer.last_error = Some("the link broke".to_owned());
            });
        }
        table.lasted([here, away].into_iter());
        assert_eq!(table.peer(&here).last_error, None);
        assert!(table.peer(&away).last_error.is_some(), "it is not over");
    }

    #[test]
    fn strangers_are_counted_and_bounded() {
        let table = PeerStatusTable::default();
        let site = |number: u8| SiteId::from_bytes([number; 32]);
        let at = |number: u8| UnixMillis::EPOCH.plus_millis(u64::from(number));
        for number in 0..20 {
            assert!(table.stranger(site(number), Some(format!("/ip4/{number}")), at(number)));
        }
        assert!(!table.stranger(site(19), None, at(30)), "it was here before");
        let strangers = table.strangers();
        assert_eq!(strangers.len(), MAX_STRANGERS);
        assert!(
            !strangers.contains_key(&site(3)),
            "the one that was away longest is forgotten"
        );
        let last = &strangers[&site(19)];
        assert_eq!(
            (last.times, last.last_at, last.address.as_deref()),
            (2, at(30), Some("/ip4/19"))
        );
    }

    #[test]
    fn alternating_difference_is_reported_once_per_claim() {
        let table = PeerStatusTable::default();
        let peer = SiteId::from_bytes([1; 32]);
        let log = (SiteId::from_bytes([2; 32]), starling_protocol::Lane::Federation);
        let at = |number, what| Difference {
            number: ClaimNumber(number),
            what,
            found_at: UnixMillis::EPOCH,
        };
        let (history, rows) = (TipDifference::History, TipDifference::RowsThere);
        assert!(table.compared(peer, log, Some(at(5, history))));
        for _ in 0..3 {
            assert!(!table.compared(peer, log, None));
            assert!(table.differences().is_empty());
            assert!(!table.compared(peer, log, Some(at(5, rows))));
            assert_eq!(table.differences().len(), 1);
        }
        assert!(table.compared(peer, log, Some(at(6, history))));
    }
}
