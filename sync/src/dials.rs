//! Decides which sites to dial, where, when, and which key to expect. The driver dials, and reports what came of it.
//!
//! A site is dialled for its current operating key. If an address answers with another key, the site may have a new
//! key that is not known here yet. From then on that address is dialled for any key, and the peer must show
//! certificates that make the key the site's, as in every session. A peer with another key gets no further than its
//! hello, and is reported.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::{PublicKey, SiteId, UnixMillis};

/// First pause between two dials of a site, and the longest pause for a site that has been gone for long.
const FIRST_REDIAL_MILLIS: u64 = 1_000;
const LONGEST_REDIAL_MILLIS: u64 = 60_000;
/// The longest pause for a site that was connected recently, and the limit of "recently": a restart or a cut link is
/// over within minutes, and should not delay news.
const SOON_REDIAL_MILLIS: u64 = 2_000;
const SOON_FOR_MILLIS: u64 = 15 * 60_000;

/// A session that ends earlier was refused: the site is dialled again with growing pauses, not at once.
pub const SHORT_SESSION_MILLIS: u64 = 5_000;

/// Sessions in a row that ended at once, from which on the peer may refuse this site. One or two are a restart.
const BRIEF_SESSIONS: u32 = 5;
/// Sessions in a row that ended at once, from which on the peer does refuse this site. Fewer may be a network that breaks
/// every session, and the first dial after it is mended should not be late.
const MANY_BRIEF_SESSIONS: u32 = 30;
/// The longest pause between the two.
const BRIEF_REDIAL_MILLIS: u64 = 10_000;

/// One dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial<A> {
    /// The key that must answer; `None` for any key.
    pub peer: Option<PublicKey>,
    /// The address to dial.
    pub addresses: Vec<A>,
}

/// The dials of all listed sites. `A` is an address.
#[derive(Debug)]
pub struct Dials<A> {
    sites: BTreeMap<SiteId, Redial<A>>,
    /// Connected keys of unknown owners, and the site that was dialled.
    unproved: BTreeMap<PublicKey, SiteId>,
    /// Keys of sites that were dialled and answered, and have no session yet.
    starting: BTreeMap<PublicKey, SiteId>,
}

/// The time and way of the next dial of one site.
#[derive(Debug)]
struct Redial<A> {
    next_at: UnixMillis,
    pause_millis: u64,
    /// Time of the first dial since it was gone; `None` before that.
    since: Option<UnixMillis>,
    /// True if it was reached and would not talk: that will not change within seconds.
    is_refused: bool,
    /// Sessions in a row that ended at once.
    brief: u32,
    /// Addresses that answered with another key than the known one.
    open: BTreeSet<A>,
}

impl<A> Default for Dials<A> {
    fn default() -> Self {
        Self {
            sites: BTreeMap::new(),
            unproved: BTreeMap::new(),
            starting: BTreeMap::new(),
        }
    }
}

impl<A> Default for Redial<A> {
    fn default() -> Self {
        Self {
            next_at: UnixMillis::default(),
            pause_millis: 0,
            since: None,
            is_refused: false,
            brief: 0,
            open: BTreeSet::new(),
        }
    }
}

impl<A: Clone + Ord> Dials<A> {
    /// Returns the dials for an unconnected site, if any are due. `key` is its key as known here.
    pub fn due(
        &mut self,
        now: UnixMillis,
        site: SiteId,
        key: Option<PublicKey>,
        addresses: &[A],
    ) -> Vec<Dial<A>> {
        let redial = self.sites.entry(site).or_default();
        if addresses.is_empty() || now < redial.next_at {
            return Vec::new();
        }
        let since = *redial.since.get_or_insert(now);
        let is_soon = now < since.plus_millis(SOON_FOR_MILLIS);
        let longest = match redial.brief {
            _ if redial.is_refused || !is_soon => LONGEST_REDIAL_MILLIS,
            0..BRIEF_SESSIONS => SOON_REDIAL_MILLIS,
            BRIEF_SESSIONS..MANY_BRIEF_SESSIONS => BRIEF_REDIAL_MILLIS,
            _ => LONGEST_REDIAL_MILLIS,
        };
        redial.pause_millis = (redial.pause_millis * 2).clamp(FIRST_REDIAL_MILLIS, longest);
        redial.next_at = now.plus_millis(redial.pause_millis);
        let is_open = |address: &&A| key.is_none() || redial.open.contains(*address);
        let (open, closed): (Vec<&A>, Vec<&A>) = addresses.iter().partition(is_open);
        let mut dials = Vec::new();
        if !closed.is_empty() {
            dials.push(Dial {
                peer: key,
                addresses: closed.into_iter().cloned().collect(),
            });
        }
        // A peer that answered there and has not proved itself yet needs no second connection.
        if !open.is_empty() && !self.unproved.values().any(|dialled| *dialled == site) {
            dials.push(Dial {
                peer: None,
                addresses: open.into_iter().cloned().collect(),
            });
        }
        dials
    }

    /// Records that an address of a site answered with another key: it is dialled soon, for any key.
    pub fn other_key(&mut self, site: SiteId, address: A) {
        let redial = self.sites.entry(site).or_default();
        // At once only the first time: an address that changes its key repeatedly is dialled with the usual pauses.
        if redial.open.insert(address) {
            redial.next_at = UnixMillis::EPOCH;
        }
    }

    /// Records that a dial was answered by a key. `expected` are the sites at that address, and `known` is the site whose
    /// key it is, as far as is known here. If that is another site, the one that was dialled must still prove itself.
    pub fn answered(&mut self, key: PublicKey, known: Option<SiteId>, expected: &[SiteId]) {
        // Sites may share an address by mistake; then one of them answers.
        if let Some(known) = known.filter(|known| expected.contains(known)) {
            self.starting.insert(key, known);
            return;
        }
        if let Some(site) = expected.first() {
            self.answered_by(key, *site);
        }
    }

    /// Records that a dial for a site was answered by a key of an unknown owner.
    fn answered_by(&mut self, key: PublicKey, site: SiteId) {
        self.unproved.insert(key, site);
    }

    /// Records that a session with a key began, which proves whose it is. Returns the site that was dialled, if the owner
    /// was unknown.
    pub fn proved(&mut self, key: &PublicKey) -> Option<SiteId> {
        self.starting.remove(key);
        self.unproved.remove(key)
    }

    /// Records that the connection to a key is closed. Returns the site that was dialled, if the owner is unknown still.
    ///
    /// A dialled site that hangs up before a session begins counts as one whose session ended at once.
    pub fn hung_up(&mut self, key: &PublicKey) -> Option<SiteId> {
        if let Some(site) = self.starting.remove(key) {
            self.ended_at_once(site);
        }
        self.unproved.remove(key)
    }

    /// Records that a site was reached and refused, or that another site answered: the pauses grow.
    pub fn refused(&mut self, site: SiteId) {
        self.sites.entry(site).or_default().is_refused = true;
    }

    /// Records that a session with a site ended, which began at `since`. Returns how many in a row
    /// ended at once, this one included.
    pub fn session_ended(&mut self, site: SiteId, since: UnixMillis, now: UnixMillis) -> u32 {
        if now < since.plus_millis(SHORT_SESSION_MILLIS) {
            self.ended_at_once(site)
        } else {
            self.start_over(&site);
            0
        }
    }

    /// Counts a session that ended at once, and returns the number of such sessions in a row. The site was reachable a
    /// moment ago, so it is dialled again soon, but not for ever: a site that ends every session refuses this site.
    fn ended_at_once(&mut self, site: SiteId) -> u32 {
        let redial = self.sites.entry(site).or_default();
        redial.brief = redial.brief.saturating_add(1);
        redial.since = None;
        if redial.brief < BRIEF_SESSIONS {
            redial.pause_millis = 0;
        }
        redial.brief
    }

    /// Records that a session with a site lasted: the next dial is at once, for the key known then.
    fn start_over(&mut self, site: &SiteId) {
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

    fn address(port: u16) -> String {
        format!("/ip4/192.0.2.1/udp/{port}/quic-v1")
    }

    fn key(seed: u8) -> PublicKey {
        SigningKey::from_seed(&[seed; 32]).public()
    }

    /// Returns the addresses to dial for the known key, and those to dial for any key.
    fn split(dials: Vec<Dial<String>>) -> (Vec<String>, Vec<String>) {
        let (mut closed, mut open) = (Vec::new(), Vec::new());
        for dial in dials {
            match dial.peer {
                Some(_) => closed.extend(dial.addresses),
                None => open.extend(dial.addresses),
            }
        }
        (closed, open)
    }

    #[test]
    fn address_with_another_key_is_dialled_for_any_key() {
        let mut dials = Dials::default();
        let at = UnixMillis::saturating(1_000_000);
        let addresses = [address(1), address(2)];
        let first = dials.due(at, site(), Some(key(1)), &addresses);
        assert_eq!(split(first), (addresses.to_vec(), Vec::new()));
        assert_eq!(dials.due(at, site(), Some(key(1)), &addresses), Vec::new());
        dials.other_key(site(), address(1));
        let again = dials.due(at, site(), Some(key(1)), &addresses);
        assert_eq!(split(again), (vec![address(2)], vec![address(1)]));
        // A second report does not speed up the dial.
        dials.other_key(site(), address(1));
        assert_eq!(dials.due(at, site(), Some(key(1)), &addresses), Vec::new());
        // While an unproved peer is connected there, the address is not dialled again.
        dials.answered_by(key(2), site());
        let later = at.plus_millis(LONGEST_REDIAL_MILLIS);
        let meanwhile = dials.due(later, site(), Some(key(1)), &addresses);
        assert_eq!(split(meanwhile), (vec![address(2)], Vec::new()));
        assert_eq!(dials.hung_up(&key(2)), Some(site()));
        dials.start_over(&site());
        let anew = dials.due(at, site(), Some(key(2)), &addresses);
        assert_eq!(split(anew), (addresses.to_vec(), Vec::new()));
    }

    #[test]
    fn recently_seen_site_is_dialled_every_two_seconds() {
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
    fn refusing_site_is_dialled_with_growing_pauses() {
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

    /// Returns the pauses before the next dials of a site that ends each session as `end` does.
    fn pauses(number: usize, end: impl Fn(&mut Dials<String>)) -> Vec<u64> {
        let mut dials = Dials::default();
        let mut at = UnixMillis::saturating(1_000_000);
        let pauses = (0..number).map(|_| {
            end(&mut dials);
            assert_eq!(dials.due(at, site(), None, &[address(1)]).len(), 1);
            let next = dials.sites[&site()].next_at;
            let pause = next.as_millis() - at.as_millis();
            at = next;
            pause
        });
        pauses.collect()
    }

    #[test]
    fn site_with_brief_sessions_is_dialled_soon_then_rarely() {
        let pauses = pauses(40, |dials| {
            dials.ended_at_once(site());
        });
        let up_to = |longest: u64| pauses.iter().take_while(|pause| **pause <= longest).count();
        assert!(
            up_to(SOON_REDIAL_MILLIS) >= 4,
            "a restart is over within seconds: {pauses:?}"
        );
        // A network that breaks every session for minutes is mended at last.
        assert_eq!(
            up_to(BRIEF_REDIAL_MILLIS),
            MANY_BRIEF_SESSIONS as usize - 1,
            "{pauses:?}"
        );
        assert_eq!(pauses.last(), Some(&LONGEST_REDIAL_MILLIS));
    }

    #[test]
    fn site_that_hangs_up_early_is_dialled_with_growing_pauses() {
        let refused = pauses(40, |dials| {
            dials.answered(key(1), Some(site()), &[site()]);
            assert_eq!(dials.hung_up(&key(1)), None);
        });
        assert_eq!(refused.last(), Some(&LONGEST_REDIAL_MILLIS));
        // A session that began is judged by its own end.
        let kept = pauses(40, |dials| {
            dials.answered(key(1), Some(site()), &[site()]);
            assert_eq!(dials.proved(&key(1)), None);
            assert_eq!(dials.hung_up(&key(1)), None);
        });
        assert_eq!(kept.iter().max(), Some(&SOON_REDIAL_MILLIS));
    }
}
