//! A listed peer that writes arbitrary bytes to its streams, for tests: parts of messages, false lengths, silence. It
//! works below the daemon's codec, which would refuse to send them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol, Swarm};
use starling_protocol::{ClaimNumber, Lane, SigningKey, UnixMillis};
use starling_sync::wire::{Capabilities, DeltasPage, Hello, LogNote, News, Request, Response, Tips};
use tokio::sync::{Notify, watch};

use crate::home::Home;

/// Number of times that a rogue peer reconnects after it was disconnected.
const RETURNS: u32 = 3;
/// The log position that it claims to hold, falsely.
const CLAIMED: ClaimNumber = ClaimNumber(1_000);

/// A rogue's answer to a request for the deltas that it claims to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lie {
    /// It announces an answer of 4 GiB.
    HugeLength,
    /// It announces more than it sends, and ends the stream.
    EndsEarly,
    /// It sends half of its answer, then nothing.
    Stalls,
    /// It sends half of its answer and breaks the connection.
    HangsUp,
    /// It sends nothing at all.
    Silent,
    /// It sends random bytes.
    Junk,
    /// It sends a well-formed page that contains junk instead of deltas.
    JunkDeltas,
    /// It answers another request.
    OtherKind,
}

impl Lie {
    pub(super) const ALL: [Self; 8] = [
        Self::HugeLength,
        Self::EndsEarly,
        Self::Stalls,
        Self::HangsUp,
        Self::Silent,
        Self::Junk,
        Self::JunkDeltas,
        Self::OtherKind,
    ];

    fn told(self) -> Say {
        let header = DeltasPage {
            last: CLAIMED,
            more: true,
        };
        let page = Response::Deltas(header, junk(1, 5_000)).encode();
        let half = || [&10_000_u32.to_be_bytes()[..], &junk(2, 5_000)].concat();
        match self {
            Self::HugeLength => Say::whole([&[0xff; 4][..], &junk(3, 5_000)].concat()),
            Self::EndsEarly => Say::whole(half()),
            Self::Stalls => Say(half(), Then::Stall),
            Self::HangsUp => Say(half(), Then::HangUp),
            Self::Silent => Say(Vec::new(), Then::Stall),
            Self::Junk => Say::whole(framed(&junk(4, 5_000))),
            Self::JunkDeltas => Say::whole(framed(&page)),
            Self::OtherKind => Say::whole(framed(&Response::News(News::default()).encode())),
        }
    }
}

/// Returns random bytes, the same in every run.
pub(super) fn junk(seed: u8, length: usize) -> Vec<u8> {
    let blocks = (0_u32..).flat_map(move |block| {
        let mut input = vec![seed];
        input.extend_from_slice(&block.to_le_bytes());
        *starling_protocol::ContentHash::of(&input).as_bytes()
    });
    blocks.take(length).collect()
}

/// Runs a rogue with the listed key in `home` against the site at `address`; counts its lies.
pub(super) async fn run(home: Home, address: Multiaddr, lie: Lie, told: watch::Sender<u32>) {
    let hang_up = Arc::new(Notify::new());
    let key = home.operating_key().unwrap();
    let mut swarm = swarm(
        &key,
        Raw {
            hang_up: hang_up.clone(),
        },
    );
    let mut returns = 0;
    swarm.dial(address.clone()).unwrap();
    loop {
        let event = tokio::select! {
            event = swarm.select_next_some() => event,
            () = hang_up.notified() => {
                let peers: Vec<_> = swarm.connected_peers().copied().collect();
                for peer in peers {
                    let _ = swarm.disconnect_peer_id(peer);
                }
                continue;
            }
        };
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                let hello = framed(&Request::Hello(hello(&home)).encode());
                let hello = Say::whole([&[1][..], &hello].concat());
                swarm.behaviour_mut().send_request(&peer_id, hello);
            }
            SwarmEvent::ConnectionClosed {
                num_established: 0, ..
            } if returns < RETURNS => {
                returns += 1;
                swarm.dial(address.clone()).unwrap();
            }
            SwarmEvent::Behaviour(request_response::Event::Message {
                message: request_response::Message::Request { request, channel, .. },
                ..
            }) => {
                let answer = match Request::decode(&request.0) {
                    Ok(Request::Hello(_)) => Say::whole(framed(&Response::Hello(hello(&home)).encode())),
                    Ok(Request::News(_) | Request::Facts(_)) => {
                        Say::whole(framed(&Response::News(News::default()).encode()))
                    }
                    Ok(Request::Tips(_)) => Say::whole(framed(&Response::Tips(Tips::default()).encode())),
                    Ok(Request::Deltas(_) | Request::Bodies(_)) => {
                        told.send_modify(|count| *count += 1);
                        lie.told()
                    }
                    Err(_) => continue,
                };
                let _ = swarm.behaviour_mut().send_response(channel, answer);
            }
            _ => {}
        }
    }
}

/// Returns its own state: true, except for the log.
fn hello(home: &Home) -> Hello {
    let note = LogNote {
        site: home.chain().site(),
        lane: Lane::Federation,
        chain_length: 1,
        forked: false,
        head_epoch: 0,
        head_number: ClaimNumber::NONE,
        head_issued_at: UnixMillis::EPOCH,
        held: CLAIMED,
        body_complete: CLAIMED,
    };
    Hello {
        capabilities: Capabilities::OWN,
        chain: home.chain().to_bytes(),
        news: News {
            notes: vec![note],
            ..News::default()
        },
    }
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap();
    [&length.to_be_bytes()[..], message].concat()
}

fn swarm(key: &SigningKey, codec: Raw) -> Swarm<request_response::Behaviour<Raw>> {
    let keypair = libp2p::identity::Keypair::ed25519_from_bytes(&mut key.seed().clone()).unwrap();
    let protocols = [(StreamProtocol::new("/starling/sync/1"), ProtocolSupport::Full)];
    let config = request_response::Config::default();
    libp2p::SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_quic()
        .with_behaviour(|_| request_response::Behaviour::with_codec(codec, protocols, config))
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(3_600)))
        .build()
}

/// Bytes for a stream, sent unchanged, and the end of the stream.
#[derive(Debug, Clone)]
struct Say(Vec<u8>, Then);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Close,
    Stall,
    HangUp,
}

impl Say {
    fn whole(bytes: Vec<u8>) -> Self {
        Self(bytes, Then::Close)
    }
}

/// A codec that reads like the daemon's, but writes any bytes.
#[derive(Debug, Clone)]
struct Raw {
    hang_up: Arc<Notify>,
}

impl Raw {
    async fn write(&self, stream: &mut (impl AsyncWrite + Unpin), say: Say) -> io::Result<()> {
        stream.write_all(&say.0).await?;
        stream.flush().await?;
        match say.1 {
            Then::Close => stream.close().await,
            Then::Stall => std::future::pending().await,
            Then::HangUp => {
                self.hang_up.notify_one();
                std::future::pending().await
            }
        }
    }
}

/// Returns the message after `skip` bytes of framing.
async fn message(stream: &mut (impl AsyncRead + Unpin), skip: usize) -> io::Result<Say> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    Ok(Say::whole(bytes.split_off(skip.min(bytes.len()))))
}

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Say;
    type Response = Say;

    async fn read_request<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Say>
    where
        T: AsyncRead + Unpin + Send,
    {
        message(stream, 5).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Say>
    where
        T: AsyncRead + Unpin + Send,
    {
        message(stream, 4).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, stream: &mut T, say: Say) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write(stream, say).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, stream: &mut T, say: Say) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write(stream, say).await
    }
}
