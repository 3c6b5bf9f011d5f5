//! The misbehaviour of a malicious site: changes to the messages that leave it.

use serde::Deserialize;
use starling_protocol::ClaimNumber;
use starling_sync::limits::MAX_RESPONSE_BYTES;
use starling_sync::wire::{News, Request, Response};

/// A kind of misbehaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mischief {
    /// Flips one bit somewhere.
    FlipBits,
    /// Cuts the message short.
    Truncate,
    /// Sends random bytes instead.
    Junk,
    /// Sends an earlier message instead.
    Replay,
    /// Never answers.
    Silence,
    /// States that it holds far more than it does.
    Boast,
    /// Sends everything many times.
    Flood,
    /// Sends as much as a message can hold, and more.
    Bloat,
}

/// The outcome for a message.
pub(crate) enum Tampered {
    /// The message is sent this many times.
    Send(Vec<u8>, usize),
    /// The message is dropped.
    Drop,
}

/// The number of times that a flooding site sends each message.
const FLOOD: usize = 40;

impl Mischief {
    /// Tampers with a message; `earlier` is one that went out before.
    pub(crate) fn tamper(self, bytes: Vec<u8>, earlier: &[u8], rng: &mut fastrand::Rng) -> Tampered {
        match self {
            Self::FlipBits => {
                let mut bytes = bytes;
                if let Some(place) = (0..bytes.len()).next_back().map(|last| rng.usize(0..=last)) {
                    bytes[place] ^= 1 << rng.u32(0..8);
                }
                Tampered::Send(bytes, 1)
            }
            Self::Truncate => {
                let length = rng.usize(0..=bytes.len());
                Tampered::Send(bytes[..length].to_vec(), 1)
            }
            Self::Junk => {
                let mut junk = vec![0; rng.usize(0..4_096)];
                rng.fill(&mut junk);
                Tampered::Send(junk, 1)
            }
            Self::Replay if !earlier.is_empty() => Tampered::Send(earlier.to_vec(), 1),
            Self::Replay => Tampered::Send(bytes, 1),
            Self::Silence => Tampered::Drop,
            Self::Boast => Tampered::Send(boast(&bytes).unwrap_or(bytes), 1),
            Self::Flood => Tampered::Send(bytes, FLOOD),
            Self::Bloat => {
                let mut bytes = bytes;
                bytes.resize(MAX_RESPONSE_BYTES + rng.usize(0..2), 0);
                Tampered::Send(bytes, 1)
            }
        }
    }
}

/// Raises every position in news.
fn boast(bytes: &[u8]) -> Option<Vec<u8>> {
    let raise = |news: &mut News| {
        for note in &mut news.notes {
            note.held = ClaimNumber(note.held.0 + 1_000);
            note.body_complete = ClaimNumber(note.body_complete.0 + 1_000);
            note.chain_length += 1;
        }
    };
    if let Ok(mut request) = Request::decode(bytes) {
        match &mut request {
            Request::Hello(hello) => raise(&mut hello.news),
            Request::News(news) => raise(news),
            _ => return None,
        }
        return Some(request.encode());
    }
    let mut response = Response::decode(bytes).ok()?;
    match &mut response {
        Response::Hello(hello) => raise(&mut hello.news),
        Response::News(news) => raise(news),
        _ => return None,
    }
    Some(response.encode())
}
