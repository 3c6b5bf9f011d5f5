//! The engine's settings, for operators.

use std::time::Duration;

/// The pace of the engine. The defaults suit sites on a LAN and on slow links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The time in which a peer must begin to answer.
    pub request_timeout: Duration,
    /// The slowest acceptable link, in bytes per second: large answers get that much more time.
    pub slowest_bytes_per_second: u64,
    /// The time in which a connected peer must prove that it is listed.
    pub hello_timeout: Duration,
    /// The time after which the side that does not greet first greets anyway.
    pub hello_patience: Duration,
    /// Least time between two news messages to one peer.
    pub news_gap: Duration,
    /// The time that an author leaves to gossip before it sends its own new head to its peers.
    pub own_news_grace: Duration,
    /// The interval at which peers are sent heads that moved nothing else, such as renewed ones.
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
    /// The wait for a peer with all bodies of a log before a peer with some is asked.
    pub completeness_patience: Duration,
    /// The wait before a body that no peer could give is requested again, unless something changes earlier.
    pub body_retry: Duration,
    /// Strikes at which a peer is disconnected.
    pub strikes_allowed: u32,
    /// Time in which one strike is forgotten.
    pub strike_lifetime: Duration,
    /// The first lock-out of a peer after violations; doubles with each further lock-out, up to one hour.
    pub cool_down: Duration,
    /// Requests that one peer may make per second, on average.
    pub inbound_per_second: u32,
    /// Requests that one peer may make at once.
    pub inbound_burst: u32,

    /// zstd levels of pages of bodies.
    pub compression: CompressionLevels,
}

/// zstd levels of pages of bodies, by size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressionLevels {
    /// Pages of at most 256 KiB: a day's change, in which every byte is latency on a slow link.
    pub small: i32,
    /// Larger pages.
    pub large: i32,
    /// Pages of a first sync, in which the processor is the limit.
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
