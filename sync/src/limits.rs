//! Every bound of the wire and of the engine's memory, by name and with its unit.
//!
//! Operators tune [`Settings`](crate::Settings); these are the hard limits around it. The bounds of signed
//! objects (deltas, heads, certificates) are in the protocol crate.

use starling_protocol::limits::{KIB, MAX_DELTA_BYTES, MAX_RECORD_BYTES, MIB};

/// Longest request, in bytes: hello, news, wants.
pub const MAX_REQUEST_BYTES: usize = 256 * KIB;
/// Longest response, in bytes: one page of bodies or deltas and what describes it.
pub const MAX_RESPONSE_BYTES: usize = MAX_RECORD_BYTES + 256 * KIB;
/// Longest gossip message, in bytes; gossipsub's default limit is 64 KiB.
pub const MAX_ANNOUNCE_BYTES: usize = 60 * KIB;

/// Most log notes in one message.
pub const MAX_NOTES: usize = 1_024;
/// Most heads, chains or fork proofs in one message, each.
pub const MAX_FACTS: usize = 256;
/// Longest certificate chain in a message, in bytes: about 500 epochs.
pub const MAX_CHAIN_BYTES: usize = 192 * KIB;
/// Longest fork proof, in bytes.
pub const MAX_FORK_BYTES: usize = 2 * KIB;

/// Most bytes of deltas in one page; a single delta may be longer (`MAX_DELTA_BYTES`).
pub const MAX_DELTAS_PAGE_BYTES: usize = 4 * MIB;
/// Most bytes of deltas in one answer, whatever was requested.
pub const MAX_DELTAS_ANSWER_BYTES: usize = if MAX_DELTA_BYTES > MAX_DELTAS_PAGE_BYTES {
    MAX_DELTA_BYTES
} else {
    MAX_DELTAS_PAGE_BYTES
};
/// Most bodies in one page.
pub const MAX_PAGE_BODIES: usize = 4_096;
/// Most bytes of bodies in one page, before compression; at least one record of the greatest size.
pub const MAX_BODIES_PAGE_BYTES: usize = MAX_RECORD_BYTES;
/// Most bodies offered as compression context for one page.
pub const MAX_BASES: usize = 1_024;
/// Most bytes of bodies used as compression context for one page.
pub const MAX_BASES_BYTES: usize = 4 * MIB;
/// Most deltas that a responder opens to find the bodies of one page; the rest is left to the next page.
pub const MAX_DELTAS_OPENED: usize = 64;

/// Longest explanation in a refusal, in bytes of UTF-8.
pub const MAX_REFUSAL_TEXT_BYTES: usize = 200;

/// Most connected peers.
pub const MAX_PEERS: usize = 1_024;
/// Most connected peers that have not proved yet that they are listed: those whose hello has not come, and, counted by
/// themselves, those whose hello waits for the store.
pub const MAX_STRANGERS: usize = 32;
/// Most peers whose score is kept after they left.
pub const MAX_PEER_SCORES: usize = 4_096;
/// Most timed-out requests per peer whose late answers are forgiven.
pub const MAX_FORGIVEN: usize = 64;
/// Most messages with news of one peer that wait for the store.
pub const MAX_WAITING_MESSAGES: usize = 16;
/// Most bodies remembered as reported unavailable.
pub const MAX_UNAVAILABLE: usize = 4_096;
