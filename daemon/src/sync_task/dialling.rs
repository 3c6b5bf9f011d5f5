//! Dials listed sites, and handles what came of it.

use libp2p::Multiaddr;
use starling_protocol::{PublicKey, SiteId};
use starling_store::ListedSite;
use starling_sync::SHORT_SESSION_MILLIS;

use super::SyncTask;
use crate::clock::now;
use crate::net::{Command, peer_id, without_key};

impl SyncTask {
    /// Dials listed sites that are not connected, each with its own growing pauses.
    pub(super) async fn dial_due(&mut self) {
        let at = self.clock.now();
        let connected: std::collections::BTreeSet<SiteId> =
            self.engine.ready_peers().map(|(_, site)| site).collect();
        self.peer_status.seen(connected.iter().copied(), now());
        let lasting = self.sessions.values();
        let lasting = lasting.filter(|(_, since)| at >= since.plus_millis(SHORT_SESSION_MILLIS));
        self.peer_status.lasted(lasting.map(|(site, _)| *site));
        let Ok(listed) = self.store.listed_sites() else {
            return;
        };
        for site in listed
            .iter()
            .filter(|site| site.enabled && !connected.contains(&site.site))
        {
            let chain = self.store.chain(&site.site).ok().flatten();
            let key = chain.map(|chain| chain.current().body().operating_key);
            // A connection with a starting session needs no second one.
            if key.is_some_and(|key| self.addresses.contains_key(&key)) {
                continue;
            }
            let addresses = addresses_of(site);
            self.dial_where_seen(site.site, key, &addresses).await;
            for dial in self.dials.due(at, site.site, key, &addresses) {
                let dial = Command::Dial {
                    peer: dial.peer,
                    addresses: dial.addresses,
                };
                let _ = self.net.commands.send(dial).await;
            }
        }
    }

    /// Dials a site once where it was last seen, unless that is one of its listed addresses.
    async fn dial_where_seen(&mut self, site: SiteId, key: Option<PublicKey>, listed: &[Multiaddr]) {
        let Some(address) = self.seen.dial_of(site) else {
            return;
        };
        if key.is_some() && !listed.contains(address) {
            let dial = Command::Dial {
                peer: key,
                addresses: vec![address.clone()],
            };
            let _ = self.net.commands.send(dial).await;
        }
    }

    /// Returns the listed sites that have any of these addresses.
    pub(super) fn sites_at(&self, addresses: &[Multiaddr]) -> Vec<SiteId> {
        let listed = self.store.listed_sites().unwrap_or_default();
        let here = |site: &ListedSite| addresses_of(site).iter().any(|known| addresses.contains(known));
        let sites = listed.iter().filter(|site| here(site));
        sites.map(|site| site.site).collect()
    }

    pub(super) fn dial_failed(&self, addresses: &[Multiaddr], reason: &str) {
        for site in self.sites_at(addresses) {
            tracing::debug!(%site, reason, "dialling failed");
            self.peer_status.update(site, |state| {
                state.last_error = Some(reason.to_owned());
                state.address = addresses.first().map(ToString::to_string);
            });
        }
    }

    /// Handles a successful dial: if the key is unknown for the site, the site must still prove itself.
    pub(super) fn dial_answered(&mut self, peer: PublicKey, address: &Multiaddr) {
        let known = self.site_of(&peer);
        let expected = self.sites_at(std::slice::from_ref(address));
        self.dials.answered(peer, known, &expected);
    }

    /// Handles an answer at a site's address that did not prove to be that site.
    pub(super) fn not_the_site(&mut self, site: SiteId, peer: &PublicKey, reason: &str) {
        self.dials.refused(site);
        let address = self.addresses.get(peer).map(ToString::to_string);
        let chain = self.store.chain(&site).ok().flatten();
        let expected = chain.map(|chain| chain.current().body().operating_key);
        let shown = peer_id(peer).map_or_else(|| peer.to_string(), |id| id.to_string());
        tracing::warn!(%site, address = address.as_ref().map(tracing::field::display), peer = shown, reason, "answered with another key");
        self.peer_status.update(site, |state| {
            state.last_error = Some(other_key(expected.as_ref(), peer, reason));
            state.address = address;
        });
    }
}

/// Says that an address answered with a key that is not the site's: what was expected, what came, and what to compare.
fn other_key(expected: Option<&PublicKey>, found: &PublicKey, reason: &str) -> String {
    let expected = expected.map_or_else(
        || "a key that the site's certificates name".to_owned(),
        |key| format!("{key}, or a later key that the site's certificates name"),
    );
    format!(
        "the address answered with another key: expected {expected}, got {found}, and nothing shows that it is the site's: \
         {reason}; `starling keys list` at that site shows its key"
    )
}

/// Returns the addresses of a listed site.
fn addresses_of(site: &ListedSite) -> Vec<Multiaddr> {
    let addresses = site.addresses.iter().filter_map(|text| text.parse().ok());
    addresses.map(without_key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_key_names_what_was_expected_and_what_came() {
        let key = |seed: u8| starling_protocol::SigningKey::from_seed(&[seed; 32]).public();
        let (expected, found) = (key(1), key(2));
        let told = other_key(Some(&expected), &found, "it hung up");
        assert!(
            told.contains(&format!("expected {expected}, ")) && told.contains(&format!("got {found}, ")),
            "{told}"
        );
        assert!(other_key(None, &found, "it hung up").contains("expected a key that"));
    }
}
