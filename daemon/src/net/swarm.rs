//! The swarm's loop: takes commands, sends events.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::request_response::{
    self, InboundRequestId, OutboundFailure, OutboundRequestId, ProtocolSupport, ResponseChannel,
};
use libp2p::swarm::{DialError, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts};
use libp2p::{Multiaddr, PeerId, Swarm, connection_limits};
use starling_protocol::{PublicKey, SigningKey};
use starling_sync::FailureReason;
use tokio::sync::mpsc;

use super::codec::{Codec, PROTOCOL, Question};
use super::presence::{Opened, Presence};
use super::unread::Unread;
use super::{Command, Event, NetError, RequestNumber, Traffic, key_of, peer_id, without_key};

/// Time limit of a request on the wire. The engine's own deadlines are shorter, even for the largest answer over the
/// slowest link: the engine alone decides which peer is late.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
/// Most request streams open on one connection.
const STREAMS_PER_CONNECTION: usize = 64;
/// Most connections of one peer: each side may have dialled.
const CONNECTIONS_PER_PEER: u32 = 4;
/// Most connections, and most unfinished handshakes: the limit of what strangers can make this site hold.
const CONNECTIONS: u32 = 1_024;
const PENDING_CONNECTIONS: u32 = 128;
/// Most requests of peers that wait for an answer; more are refused.
const WAITING_ANSWERS: usize = 4_096;
/// Time for which a connection without streams is kept. The messages of a session keep its connection open.
const IDLE_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a connection is kept for answers that were sent just before its end was decided: a peer that is refused learns
/// why, and hangs up by itself.
const LINGER: Duration = Duration::from_secs(1);

#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    limits: connection_limits::Behaviour,
    questions: request_response::Behaviour<Codec>,
}

pub(super) fn build(
    key: &SigningKey,
    listen: &[Multiaddr],
    receive_window: u32,
) -> Result<Swarm<Behaviour>, NetError> {
    let key_error = |cause: String| NetError::Key { cause };
    let mut seed = *key.seed();
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes(&mut seed)
        .map_err(|error| key_error(error.to_string()))?;
    let config = request_response::Config::default()
        .with_request_timeout(REQUEST_TIMEOUT)
        .with_max_concurrent_streams(STREAMS_PER_CONNECTION);
    let limits = connection_limits::ConnectionLimits::default()
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER))
        .with_max_established(Some(CONNECTIONS))
        .with_max_pending_incoming(Some(PENDING_CONNECTIONS));
    let behaviour = Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        questions: request_response::Behaviour::with_codec(
            Codec,
            [(PROTOCOL, ProtocolSupport::Full)],
            config,
        ),
    };
    let mut swarm = libp2p::SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_quic_config(|mut config| {
            // A dead peer is detected within seconds, not minutes.
            config.max_idle_timeout = 15_000;
            config.keep_alive_interval = Duration::from_secs(4);
            config.max_connection_data = receive_window;
            config.max_stream_data = receive_window;
            config
        })
        .with_behaviour(|_| behaviour)
        .map_err(|error| key_error(error.to_string()))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(IDLE_TIMEOUT))
        .build();
    for address in listen {
        swarm
            .listen_on(address.clone())
            .map_err(|error| NetError::Listen {
                address: address.clone(),
                cause: cause_of(&error),
            })?;
    }
    Ok(swarm)
}

/// Runs until the other ends of both channels are dropped.
pub(super) async fn drive(
    mut swarm: Swarm<Behaviour>,
    mut commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    traffic: Arc<Traffic>,
) {
    let mut driver = Driver {
        traffic,
        ours: BTreeMap::new(),
        theirs: BTreeMap::new(),
        unread: Unread::default(),
        presence: Presence::default(),
        leaving: BTreeMap::new(),
        next: 0,
    };
    // While an event waits for space in its queue, read commands but not the sockets: if neither was read, two full
    // queues would wait for each other forever.
    let mut waiting: Option<Event> = None;
    loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => driver.command(&mut swarm, command),
                None => return,
            },
            place = events.reserve(), if waiting.is_some() => match place {
                Ok(place) => {
                    if let Some(event) = waiting.take() {
                        place.send(event);
                    }
                }
                Err(_) => return,
            },
            () = until(driver.leaving.values().min().copied()), if !driver.leaving.is_empty() => {
                driver.hang_up_due(&mut swarm, Instant::now());
            }
            event = swarm.select_next_some(), if waiting.is_none() => waiting = driver.event(&mut swarm, event),
        }
    }
}

struct Driver {
    traffic: Arc<Traffic>,
    /// This site's running requests. One-way messages have no number.
    ours: BTreeMap<OutboundRequestId, Option<RequestNumber>>,
    /// Requests of peers that wait for an answer.
    theirs: BTreeMap<RequestNumber, Waiting>,
    unread: Unread,
    presence: Presence,
    /// Peers that are disconnected at a later time, because answers to them are being sent.
    leaving: BTreeMap<PeerId, Instant>,
    next: u64,
}

/// Waits until a time; for ever without one.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

/// A request of a peer that waits for an answer.
struct Waiting {
    peer: PeerId,
    id: InboundRequestId,
    channel: ResponseChannel<Vec<u8>>,
}

impl Driver {
    fn command(&mut self, swarm: &mut Swarm<Behaviour>, command: Command) {
        match command {
            Command::Dial { peer, addresses } => {
                let known = peer.as_ref().and_then(peer_id);
                for options in dials(known, addresses) {
                    if let Err(error) = swarm.dial(options) {
                        tracing::debug!(%error, "dialling");
                    }
                }
            }
            Command::Request { peer, number, bytes } => {
                self.ask(swarm, &peer, Some(number), Question::Request(bytes));
            }
            Command::Tell { peer, bytes } => self.ask(swarm, &peer, None, Question::Telling(bytes)),
            Command::Respond { number, bytes } => {
                if let Some(Waiting { peer, id, channel }) = self.theirs.remove(&number) {
                    if !self.unread.admit(peer, id, bytes.len()) {
                        tracing::debug!(%peer, "a peer sends requests without reading the answers");
                        // Dropping the channel ends the stream, which the peer notices.
                        return;
                    }
                    self.traffic.add_sent(bytes.len());
                    // An error means that the connection is closed, which another event reports.
                    let _ = swarm.behaviour_mut().questions.send_response(channel, bytes);
                }
            }
            Command::Disconnect { peer } => {
                let Some(id) = peer_id(&peer) else { return };
                if self.unread.is_any_of(&id) && swarm.is_connected(&id) {
                    self.presence.closing(id);
                    self.leaving.entry(id).or_insert_with(|| Instant::now() + LINGER);
                } else {
                    self.hang_up(swarm, id);
                }
            }
        }
    }

    fn hang_up(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId) {
        self.leaving.remove(&peer);
        if swarm.disconnect_peer_id(peer).is_ok() {
            self.presence.closing(peer);
        }
    }

    /// Disconnects the peers whose time is over.
    fn hang_up_due(&mut self, swarm: &mut Swarm<Behaviour>, now: Instant) {
        let due = self.leaving.iter().filter(|(_, at)| **at <= now);
        let due: Vec<PeerId> = due.map(|(peer, _)| *peer).collect();
        for peer in due {
            self.hang_up(swarm, peer);
        }
    }

    fn ask(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: &PublicKey,
        number: Option<RequestNumber>,
        question: Question,
    ) {
        let Some(id) = peer_id(peer) else { return };
        let (Question::Request(bytes) | Question::Telling(bytes)) = &question;
        self.traffic.add_sent(bytes.len());
        let ours = swarm.behaviour_mut().questions.send_request(&id, question);
        self.ours.insert(ours, number);
    }

    fn event(&mut self, swarm: &mut Swarm<Behaviour>, event: SwarmEvent<BehaviourEvent>) -> Option<Event> {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => Some(Event::Listening { address }),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                let Some(peer) = key_of(&peer_id) else {
                    // Not an Ed25519 key, so it is not a Starling site.
                    let _ = swarm.disconnect_peer_id(peer_id);
                    return None;
                };
                let address = without_key(endpoint.get_remote_address().clone());
                let dialled = endpoint.is_dialer();
                match self
                    .presence
                    .opened(&peer_id, connection_id, dialled, Instant::now())
                {
                    Opened::First => Some(Event::Connected {
                        peer,
                        address,
                        dialled,
                    }),
                    Opened::Further => None,
                    Opened::Instead(dead) => {
                        for connection in dead {
                            swarm.close_connection(connection);
                        }
                        self.unread.forget(&peer_id);
                        Some(Event::Reconnected {
                            peer,
                            address,
                            dialled,
                        })
                    }
                    Opened::Unwanted => {
                        swarm.close_connection(connection_id);
                        None
                    }
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                ..
            } => {
                if !self.presence.closed(&peer_id, &connection_id) {
                    return None;
                }
                self.unread.forget(&peer_id);
                self.leaving.remove(&peer_id);
                Some(Event::Disconnected {
                    peer: key_of(&peer_id)?,
                })
            }
            SwarmEvent::OutgoingConnectionError { error, .. } => Some(dial_failed(&error)),
            SwarmEvent::Behaviour(BehaviourEvent::Questions(event)) => self.question_event(event),
            _ => None,
        }
    }

    fn question_event(&mut self, event: request_response::Event<Question, Vec<u8>>) -> Option<Event> {
        use request_response::{Event as Questions, Message};
        match event {
            Questions::Message {
                peer,
                message:
                    Message::Request {
                        request,
                        channel,
                        request_id,
                        ..
                    },
                ..
            } => self.asked(&peer, request, channel, request_id),
            Questions::Message {
                peer,
                message: Message::Response { request_id, response },
                ..
            } => {
                self.traffic.add_received(response.len());
                let number = self.ours.remove(&request_id)??;
                Some(Event::Response {
                    peer: key_of(&peer)?,
                    number,
                    bytes: response,
                })
            }
            Questions::OutboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                let number = self.ours.remove(&request_id)??;
                Some(Event::RequestFailed {
                    peer: key_of(&peer)?,
                    number,
                    reason: failure(&error),
                    said: error.to_string(),
                })
            }
            Questions::InboundFailure {
                peer,
                request_id,
                error,
                ..
            } => {
                tracing::debug!(%error, "a peer's request ended early");
                self.unread.settled(&peer, &request_id);
                None
            }
            Questions::ResponseSent { peer, request_id, .. } => {
                self.unread.settled(&peer, &request_id);
                None
            }
        }
    }

    fn asked(
        &mut self,
        peer: &PeerId,
        question: Question,
        channel: ResponseChannel<Vec<u8>>,
        id: InboundRequestId,
    ) -> Option<Event> {
        let from = *peer;
        let peer = key_of(peer)?;
        // The session has ended: what still comes belongs to none.
        if self.leaving.contains_key(&from) {
            return None;
        }
        match question {
            Question::Telling(bytes) => {
                self.traffic.add_received(bytes.len());
                // Dropping the channel ends the stream without an answer, as a one-way message expects.
                drop(channel);
                Some(Event::Told { peer, bytes })
            }
            Question::Request(bytes) => {
                self.traffic.add_received(bytes.len());
                // The connection of these channels is closed.
                self.theirs.retain(|_, waiting| waiting.channel.is_open());
                if self.theirs.len() >= WAITING_ANSWERS {
                    return None;
                }
                self.next += 1;
                let number = RequestNumber(self.next);
                let waiting = Waiting {
                    peer: from,
                    id,
                    channel,
                };
                self.theirs.insert(number, waiting);
                Some(Event::Request { peer, number, bytes })
            }
        }
    }
}

/// Dials once with all addresses if the peer's key is known, else once per address.
fn dials(peer: Option<PeerId>, addresses: Vec<Multiaddr>) -> Vec<DialOpts> {
    match peer {
        Some(peer) => vec![DialOpts::peer_id(peer).addresses(addresses).build()],
        None => addresses
            .into_iter()
            .map(|address| DialOpts::unknown_peer_id().address(address).build())
            .collect(),
    }
}

fn dial_failed(error: &DialError) -> Event {
    let addresses = match error {
        DialError::WrongPeerId { address, .. } => {
            return Event::OtherKey {
                address: without_key(address.clone()),
            };
        }
        DialError::LocalPeerId { address } => vec![without_key(address.clone())],
        DialError::Transport(failed) => {
            let addresses = failed.iter().map(|(address, _)| address.clone());
            addresses.map(without_key).collect()
        }
        _ => Vec::new(),
    };
    Event::DialFailed {
        addresses,
        reason: super::dial_error::sentence(error),
    }
}

/// Returns libp2p's description of a failure. Some of its errors only have text in their cause.
fn cause_of(error: &(dyn std::error::Error + 'static)) -> String {
    let said = crate::home::error_chain(error);
    let said = said.trim_matches([':', ' ']);
    if said.is_empty() {
        format!("{error:?}")
    } else {
        said.to_owned()
    }
}

/// Returns the reason why a request got no answer, from the error's type, never from its text.
fn failure(error: &OutboundFailure) -> FailureReason {
    match error {
        OutboundFailure::Timeout => FailureReason::TimedOut,
        OutboundFailure::ConnectionClosed | OutboundFailure::DialFailure => FailureReason::ConnectionLost,
        OutboundFailure::UnsupportedProtocols => FailureReason::Unsupported,
        OutboundFailure::Io(error) => match error.kind() {
            ErrorKind::TimedOut => FailureReason::TimedOut,
            ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::NotConnected => FailureReason::ConnectionLost,
            _ => FailureReason::Transport,
        },
    }
}
