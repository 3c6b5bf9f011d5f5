//! What a site's operator may tune in the engine.

use std::time::Duration;

/// How the engine paces itself. The defaults suit sites on a LAN and on slow links alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a peer may take to begin answering.
    pub request_timeout: Duration,
    /// The slowest link worth waiting for, in bytes per second: large answers get this much more time.
    pub slowest_bytes_per_second: u64,
    /// How long a connected peer may take to prove that it is listed.
    pub hello_timeout: Duration,
    /// How long the side that does not greet first waits before it does.
    pub hello_patience: Duration,
    /// Least time between two news messages to one peer.
    pub news_gap: Duration,
    /// How long an author leaves it to gossip to tell its peers of its own new head.
    pub own_news_grace: Duration,
    /// How often peers are told of heads that moved nothing else, such as renewed ones.
    pub renewal_interval: Duration,

    /// Most requests of this site that one peer has open.
    pub requests_per_peer: usize,
    /// Most logs whose deltas are pulled at the same time.
    pub delta_pulls: usize,
    /// Bytes of deltas to ask for in one page.
    pub deltas_page_bytes: usize,
    /// Most pages of bodies that one peer has open.
    pub body_pages_per_peer: usize,
    /// Bytes of bodies to ask for in one page, before compression.
    pub bodies_page_bytes: usize,
    /// Most bytes of bodies asked for and not yet here, over all peers.
    pub bodies_in_flight_bytes: u64,

    /// First pause after a peer or a log failed; doubles up to `longest_backoff`.
    pub first_backoff: Duration,
    /// Longest pause.
    pub longest_backoff: Duration,
    /// How long to wait for a peer that has all bodies of a log before asking one that has some.
    pub completeness_patience: Duration,
    /// How long before a body that no peer could give is asked for again, if nothing changes before.
    pub body_retry: Duration,
    /// Strikes at which a peer is disconnected.
    pub strikes_allowed: u32,
    /// Time in which one strike is forgotten.
    pub strike_lifetime: Duration,
    /// First time a disconnected offender stays locked out; doubles with each offence up to one hour.
    pub cool_down: Duration,
    /// Requests that one peer may make per second, on average.
    pub inbound_per_second: u32,
    /// Requests that one peer may make at once.
    pub inbound_burst: u32,

    /// zstd levels of pages of bodies.
    pub compression: CompressionLevels,
}

/// zstd levels of pages of bodies, by what the reader waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionLevels {
    /// Pages of at most 256 KiB: a day's change, where every byte is latency on a slow link.
    pub small: i32,
    /// Larger pages.
    pub large: i32,
    /// Pages of a first sync, where the processor is the limit.
    pub bulk: i32,
}

impl Default for CompressionLevels {
    fn default() -> Self {
        Self {
            small: 15,
            large: 9,
            bulk: 3,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(20),
            slowest_bytes_per_second: 64 * 1024,
            hello_timeout: Duration::from_secs(10),
            hello_patience: Duration::from_secs(2),
            news_gap: Duration::from_millis(20),
            own_news_grace: Duration::from_secs(1),
            renewal_interval: Duration::from_secs(30),
            requests_per_peer: 4,
            delta_pulls: 16,
            deltas_page_bytes: 1024 * 1024,
            body_pages_per_peer: 2,
            bodies_page_bytes: 8 * 1024 * 1024,
            bodies_in_flight_bytes: 32 * 1024 * 1024,
            first_backoff: Duration::from_millis(500),
            longest_backoff: Duration::from_secs(60),
            completeness_patience: Duration::from_secs(5),
            body_retry: Duration::from_secs(60),
            strikes_allowed: 10,
            strike_lifetime: Duration::from_secs(60),
            cool_down: Duration::from_secs(60),
            inbound_per_second: 100,
            inbound_burst: 200,
            compression: CompressionLevels::default(),
        }
    }
}
