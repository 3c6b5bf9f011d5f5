//! What the sync task shows to the rest of the site.

use std::collections::BTreeMap;
use std::sync::Mutex;

use libp2p::Multiaddr;
use starling_protocol::{ClaimNumber, SiteId, UnixMillis};
use starling_sync::{LogKey, TipDifference};

/// What is known of a listed site as a peer.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeerState {
    pub(crate) connected: bool,
    pub(crate) address: Option<String>,
    pub(crate) last_seen_at: Option<UnixMillis>,
    /// Bytes of messages to and from it since the start, without those of QUIC around them.
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) last_error: Option<String>,
}

/// How a peer's log and this site's differ, that both hold up to the same claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) number: ClaimNumber,
    pub(crate) what: TipDifference,
    pub(crate) found_at: UnixMillis,
}

/// The peers and the addresses, as last told.
#[derive(Debug, Default)]
pub(crate) struct SyncBoard {
    /// By peer and log, as last compared.
    differences: Mutex<BTreeMap<(SiteId, LogKey), Difference>>,
    /// The claim up to which each of them was told last.
    told: Mutex<BTreeMap<(SiteId, LogKey), ClaimNumber>>,
    peers: Mutex<BTreeMap<SiteId, PeerState>>,
    listening: Mutex<Vec<Multiaddr>>,
}

impl SyncBoard {
    pub(crate) fn peer(&self, site: &SiteId) -> PeerState {
        self.peers
            .lock()
            .map(|peers| peers.get(site).cloned().unwrap_or_default())
            .unwrap_or_default()
    }

    /// The logs that a peer holds otherwise than this site, by peer.
    pub(crate) fn differences(&self) -> BTreeMap<(SiteId, LogKey), Difference> {
        let differences = self.differences.lock();
        differences
            .map(|differences| differences.clone())
            .unwrap_or_default()
    }

    /// Notes how a log was compared. Returns true if a difference is to be told: once for each claim, as a peer may
    /// say now this and now that.
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

    /// Forgets sessions and addresses, as the swarm ends; gives the addresses.
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

    /// Sites are connected now: were they gone, the transport would have noticed within seconds.
    pub(super) fn seen(&self, sites: impl Iterator<Item = SiteId>, at: UnixMillis) {
        if let Ok(mut peers) = self.peers.lock() {
            for site in sites {
                peers.entry(site).or_default().last_seen_at = Some(at);
            }
        }
    }

    /// Sessions with sites have lasted: what ended the ones before is over.
    pub(super) fn lasted(&self, sites: impl Iterator<Item = SiteId>) {
        if let Ok(mut peers) = self.peers.lock() {
            for site in sites {
                if let Some(peer) = peers.get_mut(&site).filter(|peer| peer.connected) {
                    peer.last_error = None;
                }
            }
        }
    }

    pub(super) fn update(&self, site: SiteId, change: impl FnOnce(&mut PeerState)) {
        if let Ok(mut peers) = self.peers.lock() {
            change(peers.entry(site).or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_an_earlier_session_ends_with_one_that_lasts() {
        let board = SyncBoard::default();
        let (here, away) = (SiteId::from_bytes([1; 32]), SiteId::from_bytes([2; 32]));
        for (site, connected) in [(here, true), (away, false)] {
            board.update(site, |peer| {
                peer.connected = connected;
                peer.last_error = Some("the link broke".to_owned());
            });
        }
        board.lasted([here, away].into_iter());
        assert_eq!(board.peer(&here).last_error, None);
        assert!(board.peer(&away).last_error.is_some(), "it is not over");
    }

    #[test]
    fn difference_that_a_peer_takes_back_is_told_once_a_claim() {
        let board = SyncBoard::default();
        let peer = SiteId::from_bytes([1; 32]);
        let log = (SiteId::from_bytes([2; 32]), starling_protocol::Lane::Federation);
        let at = |number, what| Difference {
            number: ClaimNumber(number),
            what,
            found_at: UnixMillis::EPOCH,
        };
        let (history, rows) = (TipDifference::History, TipDifference::RowsThere);
        assert!(board.compared(peer, log, Some(at(5, history))));
        for _ in 0..3 {
            assert!(!board.compared(peer, log, None));
            assert!(board.differences().is_empty());
            assert!(!board.compared(peer, log, Some(at(5, rows))));
            assert_eq!(board.differences().len(), 1);
        }
        assert!(board.compared(peer, log, Some(at(6, history))));
    }
}
