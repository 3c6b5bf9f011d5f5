//! Notices for status, logs and metrics. Nothing in the engine reads them.

use std::time::Duration;

use starling_protocol::{ClaimNumber, ContentHash, Lane, PublicKey, SiteId, UnixMillis};

use crate::wire::RefusalCode;

/// The reason why a peer is disconnected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// The peer is this site itself.
    #[error("the peer is this site itself; remove the site's own address from its peers")]
    Oneself,
    /// The peer's site is not on the allow-list.
    #[error("the peer's site is not on the allow-list")]
    NotListed,
    /// Its key is not its site's current operating key.
    #[error("the peer's key is not the current operating key of the site whose chain it shows")]
    NotCurrentKey,
    /// The peer did not say hello in time.
    #[error("the peer did not say hello in time")]
    NoHello,
    /// The peer closed the connection before it said hello. It may have refused this site, and the refusal was lost.
    #[error("the peer ended the connection before it said hello: check that this site is on its allow-list")]
    LeftBeforeHello,
    /// The peer answers in another wire version.
    #[error("the peer speaks another wire version; upgrade the older site")]
    OtherVersion,
    /// The peer refused this site.
    #[error("the peer refused this site: {0}")]
    RefusedByPeer(RefusalCode),
    /// The peer committed too many violations.
    #[error("the peer broke the protocol too often, last: {last}; locked out for {locked_out:?}")]
    Offences {
        /// The last violation.
        last: Violation,
        /// The length of the lock-out.
        locked_out: Duration,
    },
    /// The peer was disconnected for violations a short while ago.
    #[error("the peer is locked out until {until}")]
    LockedOut {
        /// The end of the lock-out.
        until: UnixMillis,
    },
    /// There are too many peers.
    #[error("there are too many connected peers")]
    TooMany,
}

/// A violation of the protocol by a peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A message that does not decode.
    #[error("a message that does not decode: {0}")]
    Malformed(String),
    /// A signed object that does not verify: altered on the way, or invented.
    #[error("a {object} that does not verify: {reason}")]
    Unverifiable {
        /// The expected kind of object.
        object: &'static str,
        /// The reason.
        reason: String,
    },
    /// An answer of another kind, about another log, or larger than asked.
    #[error("an answer that does not match the request: {0}")]
    WrongAnswer(&'static str),
    /// A response to no request.
    #[error("a response without a request")]
    Unsolicited,
    /// The peer did not give what it stated to have.
    #[error("it does not have what it stated to have")]
    BrokenPromise,
    /// The peer sent more messages than it may.
    #[error("more messages than it may send")]
    Flood,
    /// The peer requested a log that it may not read.
    #[error("it requested a log that it may not read")]
    Trespass,
}

impl Violation {
    /// Returns the number of strikes it counts for, of the ten that are allowed by default.
    #[must_use]
    pub fn weight(&self) -> u32 {
        match self {
            Self::Unverifiable { .. } => 10,
            Self::Malformed(_) | Self::WrongAnswer(_) => 5,
            Self::Unsolicited | Self::Trespass => 2,
            Self::BrokenPromise | Self::Flood => 1,
        }
    }
}

/// The difference between two sites that hold a log up to the same claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TipDifference {
    /// They hold two histories: their last deltas are not the same.
    History,
    /// Both hold the same deltas, but this site's rows do not add up to the state root that the last one signs.
    RowsHere,
    /// Both hold the same deltas, but the peer's rows do not add up to the state root that the last one signs.
    RowsThere,
}

/// Something that happened, for status, logs and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A peer proved its identity.
    PeerReady {
        /// Its key.
        peer: PublicKey,
        /// Its site.
        site: SiteId,
    },
    /// A peer claims to be a site that is not on the allow-list. Its chain was not verified.
    Unlisted {
        /// The peer's key, which the transport proved.
        peer: PublicKey,
        /// The site that it claims to be.
        site: SiteId,
    },
    /// A session ended.
    PeerLeft {
        /// Its key.
        peer: PublicKey,
    },
    /// A peer did not answer in time. This is not a violation: a lossy link looks the same.
    Silent {
        /// The peer.
        peer: PublicKey,
    },
    /// A peer broke the protocol.
    Violation {
        /// The peer.
        peer: PublicKey,
        /// The violation.
        violation: Violation,
    },
    /// A peer refused a request.
    RefusedByPeer {
        /// The peer.
        peer: PublicKey,
        /// The reason.
        code: RefusalCode,
        /// The peer's text.
        text: String,
    },
    /// A certificate chain became known or longer.
    ChainLearned {
        /// The author.
        site: SiteId,
        /// Its newest epoch.
        epoch: u32,
    },
    /// A newer head was learned.
    HeadLearned {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// Its claim number.
        number: ClaimNumber,
    },
    /// Deltas were appended.
    Held {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The held position now.
        number: ClaimNumber,
        /// Deltas appended.
        deltas: usize,
        /// Claims in them.
        claims: u64,
    },
    /// Bodies were stored.
    BodiesStored {
        /// The sender.
        peer: PublicKey,
        /// The number of bodies.
        count: usize,
    },
    /// A log entered the view up to a position.
    SyncedTo {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The accepted position now.
        number: ClaimNumber,
    },
    /// No connected peer can give a needed body.
    BodyUnavailable {
        /// The author of the claim that names it.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The claim.
        number: ClaimNumber,
        /// The body.
        hash: ContentHash,
    },
    /// Claims are missing before deltas that a peer sent.
    Gap {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The first missing claim.
        missing_from: ClaimNumber,
    },
    /// A head names another delta than the one held for its number: its author signed two histories.
    Diverges {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The claim.
        number: ClaimNumber,
    },
    /// A log was compared with a peer's, up to the same claim.
    TipCompared {
        /// The peer's key.
        peer: PublicKey,
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The claim up to which both hold it.
        number: ClaimNumber,
        /// The difference, if there is one.
        difference: Option<TipDifference>,
    },
    /// An author signed two histories; the log is frozen.
    Forked {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
    },
    /// Held claims are given up because a certificate of their author closes them: this site held claims that the
    /// author did not find when it was restored, or a branch of its log that lost.
    GivenUp {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The claim up to which it was held.
        held: ClaimNumber,
        /// The claim after which the author continues.
        resumed_after: ClaimNumber,
    },
    /// An author broke a rule; nothing further of the log can be taken.
    AuthorRefused {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The rule.
        reason: String,
    },
    /// The replica refused something that a peer sent.
    Refused {
        /// The refused object and the reason.
        reason: String,
    },
    /// The newest head of a log has expired: the knowledge about that author may be old.
    Stale {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The time of expiry.
        expired_at: UnixMillis,
    },
    /// The store failed; nothing is pulled until `retry_at`.
    StoreFailed {
        /// The operation that failed, and the error.
        reason: String,
        /// The time at which the engine continues.
        retry_at: UnixMillis,
    },
}
