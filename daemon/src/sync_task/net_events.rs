//! The swarm's events, as events of the engine.

use libp2p::Multiaddr;
use starling_protocol::{PublicKey, UnixMillis};
use starling_sync::{Event, RequestId};

use super::SyncTask;
use crate::clock::now;
use crate::net::Event as NetEvent;

impl SyncTask {
    pub(super) async fn net_event(&mut self, event: NetEvent, wake_at: &mut Option<UnixMillis>) {
        let event = match event {
            NetEvent::Reconnected {
                peer,
                address,
                dialled,
            } => {
                self.addresses.remove(&peer);
                self.handle(Event::Disconnected { peer }, wake_at).await;
                self.connection_began(peer, address, dialled)
            }
            NetEvent::Listening { address } => {
                tracing::info!(%address, "listening for peers");
                self.peer_status.listens_on(address);
                return;
            }
            NetEvent::DialFailed { addresses, reason } => {
                self.dial_failed(&addresses, &reason);
                return;
            }
            NetEvent::OtherKey { address } => {
                for site in self.sites_at(std::slice::from_ref(&address)) {
                    self.dials.other_key(site, address.clone());
                }
                return;
            }
            NetEvent::Connected {
                peer,
                address,
                dialled,
            } => self.connection_began(peer, address, dialled),
            NetEvent::Disconnected { peer } => self.connection_ended(peer),
            NetEvent::Request { peer, number, bytes } => {
                self.received(&peer, &bytes);
                Event::Request {
                    peer,
                    id: RequestId(number.0),
                    bytes,
                }
            }
            NetEvent::Response { peer, number, bytes } => {
                self.received(&peer, &bytes);
                Event::Response {
                    peer,
                    id: RequestId(number.0),
                    bytes,
                }
            }
            NetEvent::RequestFailed {
                peer,
                number,
                reason,
                said,
            } => {
                tracing::debug!(%peer, ?reason, said, "a request failed");
                Event::RequestFailed {
                    peer,
                    id: RequestId(number.0),
                    reason,
                }
            }
            NetEvent::Told { peer, bytes } => {
                self.received(&peer, &bytes);
                Event::Gossip { peer, bytes }
            }
        };
        self.handle(event, wake_at).await;
    }

    /// Notes the address of a new connection, and that a dial succeeded if this site dialled.
    fn connection_began(&mut self, peer: PublicKey, address: Multiaddr, dialled: bool) -> Event {
        if dialled {
            self.dial_answered(peer, &address);
        }
        self.addresses.insert(peer, address);
        Event::Connected { peer }
    }

    /// Forgets the address of a connection, and notes a dial whose answer hung up before it proved to be the site.
    fn connection_ended(&mut self, peer: PublicKey) -> Event {
        if let Some(site) = self.dials.hung_up(&peer) {
            self.not_the_site(site, &peer, "it hung up");
        }
        self.addresses.remove(&peer);
        Event::Disconnected { peer }
    }

    /// Counts a message from a peer. In a session each one is an exchange: a request takes news, an answer or a
    /// notice gives some, or shows that both hold the same.
    pub(super) fn received(&mut self, peer: &PublicKey, bytes: &[u8]) {
        if let Some((site, _)) = self.sessions.get(peer) {
            let at = now();
            self.exchanges.note(*site, at);
            self.peer_status.update(*site, |state| {
                state.bytes_received += bytes.len() as u64;
                state.exchanged_at = Some(at);
            });
        }
    }
}
