//! Whom to dial, where, when, and who is expected to answer.
//!
//! A site is dialled for its current operating key. Where an address answers with another key, the site may
//! have a new one that is not known here yet: from then on that address is dialled for any key, and whoever
//! answers must show certificates that make the key the site's, as in every session. Another key than that
//! comes no further than its hello, and is said.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::Multiaddr;
use starling_protocol::{PublicKey, SiteId, UnixMillis};

use crate::net::Command;

/// First pause between two dials of one site, and the longest of one that is gone for long.
const FIRST_REDIAL_MILLIS: u64 = 1_000;
const LONGEST_REDIAL_MILLIS: u64 = 60_000;
/// The longest pause of a site that was there a short while ago, and how long that is: a restart and a link that was
/// cut are over within minutes, and nobody should wait for news then.
const SOON_REDIAL_MILLIS: u64 = 2_000;
const SOON_FOR_MILLIS: u64 = 15 * 60_000;

/// Sessions in a row that ended at once, from which on the peer is taken to refuse this site. One or two are a restart.
const BRIEF_SESSIONS: u32 = 5;

/// The dials of all listed sites.
#[derive(Debug, Default)]
pub(crate) struct Dials {
    sites: BTreeMap<SiteId, Redial>,
    /// Connected keys that nobody is known to have, and the site that was dialled for.
    unproved: BTreeMap<PublicKey, SiteId>,
}

/// When and how one site is dialled again.
#[derive(Debug, Default)]
struct Redial {
    next_at: UnixMillis,
    pause_millis: u64,
    /// When it was dialled first since it was gone; none before.
    since: Option<UnixMillis>,
    /// It was reached and would not talk: what it says will not change within seconds.
    is_refused: bool,
    /// Sessions in a row that ended at once.
    brief: u32,
    /// Addresses that answered with another key than the one known.
    open: BTreeSet<Multiaddr>,
}

impl Dials {
    /// The dials of a site that is not connected, if it is time for any. `key` is its key as known here.
    pub(super) fn due(
        &mut self,
        now: UnixMillis,
        site: SiteId,
        key: Option<PublicKey>,
        addresses: &[Multiaddr],
    ) -> Vec<Command> {
        let redial = self.sites.entry(site).or_default();
        if addresses.is_empty() || now < redial.next_at {
            return Vec::new();
        }
        let since = *redial.since.get_or_insert(now);
        let longest = if now < since.plus_millis(SOON_FOR_MILLIS) && !redial.is_refused {
            SOON_REDIAL_MILLIS
        } else {
            LONGEST_REDIAL_MILLIS
        };
        redial.pause_millis = (redial.pause_millis * 2).clamp(FIRST_REDIAL_MILLIS, longest);
        redial.next_at = now.plus_millis(redial.pause_millis);
        let is_open = |address: &&Multiaddr| key.is_none() || redial.open.contains(*address);
        let (open, closed): (Vec<&Multiaddr>, Vec<&Multiaddr>) = addresses.iter().partition(is_open);
        let mut commands = Vec::new();
        if !closed.is_empty() {
            commands.push(Command::Dial {
                peer: key,
                addresses: closed.into_iter().cloned().collect(),
            });
        }
        // Who answered there and has not proved itself yet needs no second connection.
        if !open.is_empty() && !self.unproved.values().any(|dialled| *dialled == site) {
            commands.push(Command::Dial {
                peer: None,
                addresses: open.into_iter().cloned().collect(),
            });
        }
        commands
    }

    /// An address of a site answered with another key than the one known: it is dialled for any key, soon.
    pub(super) fn other_key(&mut self, site: SiteId, address: Multiaddr) {
        let redial = self.sites.entry(site).or_default();
        // At once the first time only: an address that changes its mind is dialled at the usual pace.
        if redial.open.insert(address) {
            redial.next_at = UnixMillis::EPOCH;
        }
    }

    /// A dial for a site was answered by a key that nobody is known to have.
    pub(super) fn answered_by(&mut self, key: PublicKey, site: SiteId) {
        self.unproved.insert(key, site);
    }

    /// A connection is gone, or its key is proved. Gives the site that was dialled for when it answered.
    pub(super) fn forget_key(&mut self, key: &PublicKey) -> Option<SiteId> {
        self.unproved.remove(key)
    }

    /// A site was reached and would not talk, or another one was there: it is dialled less and less often.
    pub(super) fn refused(&mut self, site: SiteId) {
        self.sites.entry(site).or_default().is_refused = true;
    }

    /// A session with a site ended at once. The site was there a moment ago, so it is dialled soon again, but not for
    /// ever: one that ends every session refuses this site.
    pub(super) fn ended_at_once(&mut self, site: SiteId) {
        let redial = self.sites.entry(site).or_default();
        redial.brief = redial.brief.saturating_add(1);
        redial.since = None;
        if redial.brief >= BRIEF_SESSIONS {
            redial.is_refused = true;
        } else {
            redial.pause_millis = 0;
        }
    }

    /// A session with a site lasted: the next one is dialled at once, and for the key that is known then.
    pub(super) fn start_over(&mut self, site: &SiteId) {
        self.sites.remove(site);
    }
}

#[cfg(test)]
mod tests {
    use starling_protocol::SigningKey;

    use super::*;

    fn site() -> SiteId {
        SiteId::from_bytes([7; 32])
    }

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/192.0.2.1/udp/{port}/quic-v1").parse().unwrap()
    }

    fn key(seed: u8) -> PublicKey {
        SigningKey::from_seed(&[seed; 32]).public()
    }

    /// The addresses dialled for the known key, and those dialled for any.
    fn split(commands: Vec<Command>) -> (Vec<Multiaddr>, Vec<Multiaddr>) {
        let (mut closed, mut open) = (Vec::new(), Vec::new());
        for command in commands {
            match command {
                Command::Dial {
                    peer: Some(_),
                    addresses,
                } => closed.extend(addresses),
                Command::Dial {
                    peer: None,
                    addresses,
                } => open.extend(addresses),
                other => panic!("{other:?}"),
            }
        }
        (closed, open)
    }

    #[test]
    fn an_address_that_answers_with_another_key_is_dialled_openly_and_the_others_for_the_known_key() {
        let mut dials = Dials::default();
        let at = UnixMillis::saturating(1_000_000);
        let addresses = [address(1), address(2)];
        let first = dials.due(at, site(), Some(key(1)), &addresses);
        assert_eq!(split(first), (addresses.to_vec(), Vec::new()));
        assert_eq!(dials.due(at, site(), Some(key(1)), &addresses), Vec::new());
        dials.other_key(site(), address(1));
        let again = dials.due(at, site(), Some(key(1)), &addresses);
        assert_eq!(split(again), (vec![address(2)], vec![address(1)]));
        // Told a second time it is no reason to hurry.
        dials.other_key(site(), address(1));
        assert_eq!(dials.due(at, site(), Some(key(1)), &addresses), Vec::new());
        // While somebody is there who has not proved itself, it is not dialled again.
        dials.answered_by(key(2), site());
        let later = at.plus_millis(LONGEST_REDIAL_MILLIS);
        let meanwhile = dials.due(later, site(), Some(key(1)), &addresses);
        assert_eq!(split(meanwhile), (vec![address(2)], Vec::new()));
        assert_eq!(dials.forget_key(&key(2)), Some(site()));
        dials.start_over(&site());
        let anew = dials.due(at, site(), Some(key(2)), &addresses);
        assert_eq!(split(anew), (addresses.to_vec(), Vec::new()));
    }

    #[test]
    fn site_that_was_here_a_short_while_ago_is_dialled_every_two_seconds() {
        let mut dials = Dials::default();
        let start = UnixMillis::saturating(1_000_000);
        let mut dialled = Vec::new();
        for second in 0..SOON_FOR_MILLIS / 1_000 + 300 {
            if !dials
                .due(start.plus_millis(second * 1_000), site(), None, &[address(1)])
                .is_empty()
            {
                dialled.push(second);
            }
        }
        let pause = |second: u64| {
            let next = dialled.partition_point(|one| *one <= second);
            dialled[next] - dialled[next - 1]
        };
        assert_eq!(pause(10), 2);
        assert_eq!(pause(SOON_FOR_MILLIS / 1_000 - 5), 2);
        assert_eq!(
            pause(SOON_FOR_MILLIS / 1_000 + 200),
            LONGEST_REDIAL_MILLIS / 1_000
        );
    }

    #[test]
    fn site_that_refuses_is_dialled_openly_at_a_growing_pace() {
        let mut dials = Dials::default();
        dials.refused(site());
        let mut at = UnixMillis::saturating(1_000_000);
        let mut pauses = Vec::new();
        for _ in 0..10 {
            let dialled = dials.due(at, site(), None, &[address(1)]);
            assert_eq!(split(dialled), (Vec::new(), vec![address(1)]));
            let from = at;
            while dials.sites[&site()].next_at > at {
                at = at.plus_millis(500);
            }
            pauses.push(at.as_millis() - from.as_millis());
        }
        assert!(pauses.is_sorted() && pauses.last() == Some(&LONGEST_REDIAL_MILLIS));
    }

    #[test]
    fn site_whose_sessions_are_brief_is_dialled_soon_and_at_last_rarely() {
        let mut dials = Dials::default();
        let mut at = UnixMillis::saturating(1_000_000);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            dials.ended_at_once(site());
            assert_eq!(dials.due(at, site(), None, &[address(1)]).len(), 1);
            let next = dials.sites[&site()].next_at;
            pauses.push(next.as_millis() - at.as_millis());
            at = next;
        }
        let soon = pauses
            .iter()
            .take_while(|pause| **pause <= SOON_REDIAL_MILLIS)
            .count();
        assert!(soon >= 4, "a restart is over within seconds: {pauses:?}");
        assert_eq!(pauses.last(), Some(&LONGEST_REDIAL_MILLIS));
    }
}
