//! What the engine tells of itself: for status, logs and metrics. Nothing in the engine reads it.

use std::time::Duration;

use starling_protocol::{ClaimNumber, ContentHash, Lane, PublicKey, SiteId, UnixMillis};

use crate::wire::RefusalCode;

/// Why a peer is disconnected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisconnectReason {
    /// It is this site itself.
    #[error("the peer is this site itself: remove the own address from the peers")]
    Oneself,
    /// It is not on the allow-list.
    #[error("the peer's site is not on the allow-list")]
    NotListed,
    /// Its key is not its site's current operating key.
    #[error("the peer's key is not the current operating key of the site whose chain it shows")]
    NotCurrentKey,
    /// It did not say hello in time.
    #[error("the peer did not say hello in time")]
    NoHello,
    /// It answers in another wire version.
    #[error("the peer speaks another wire version: upgrade the older site")]
    OtherVersion,
    /// It refused this site.
    #[error("the peer refused this site: {0:?}")]
    RefusedByPeer(RefusalCode),
    /// It offended too often.
    #[error("the peer offended too often, last: {last}; locked out for {locked_out:?}")]
    Offences {
        /// The last offence.
        last: Offence,
        /// For how long it stays locked out.
        locked_out: Duration,
    },
    /// It was disconnected for offences a short while ago.
    #[error("the peer is locked out until {until}")]
    LockedOut {
        /// Until when.
        until: UnixMillis,
    },
    /// There are too many peers.
    #[error("there are too many connected peers")]
    TooMany,
}

/// Something a peer did that it should not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Offence {
    /// A message that does not decode.
    #[error("a message that does not decode: {0}")]
    Malformed(String),
    /// A signed object that does not verify: altered on the way, or invented.
    #[error("a {object} that does not verify: {reason}")]
    Unverifiable {
        /// What it should have been.
        object: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// An answer of another kind, about another log, or larger than asked.
    #[error("an answer that does not fit the question: {0}")]
    WrongAnswer(&'static str),
    /// A response to no request.
    #[error("a response that nobody asked for")]
    Unsolicited,
    /// It said that it has what it then did not give.
    #[error("it does not have what it says it has")]
    BrokenPromise,
    /// More messages than it may send.
    #[error("more messages than it may send")]
    Flood,
    /// It asked for a log that it may not read.
    #[error("it asked for a log that it may not read")]
    Trespass,
}

impl Offence {
    /// Strikes it counts for, of the ten that are allowed by default.
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

/// How two sites differ that hold a log up to the same claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TipDifference {
    /// They hold two histories: their last deltas are not the same.
    History,
    /// The same deltas, and this site's rows do not add up to the state root that the last one signs.
    RowsHere,
    /// The same deltas, and the peer's rows do not.
    RowsThere,
}

/// Something worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A peer proved who it is.
    PeerReady {
        /// Its key.
        peer: PublicKey,
        /// Its site.
        site: SiteId,
    },
    /// A peer says that it is of a site that is not on the allow-list. Its chain was not verified.
    Unlisted {
        /// Its key, which it has proven.
        peer: PublicKey,
        /// The site it says it is.
        site: SiteId,
    },
    /// A session ended.
    PeerLeft {
        /// Its key.
        peer: PublicKey,
    },
    /// A peer did not answer in time. That is no offence: a link that loses what is sent looks the same.
    Silent {
        /// The peer.
        peer: PublicKey,
    },
    /// A peer offended.
    Offence {
        /// The peer.
        peer: PublicKey,
        /// What it did.
        offence: Offence,
    },
    /// A peer refused a request.
    RefusedByPeer {
        /// The peer.
        peer: PublicKey,
        /// Why.
        code: RefusalCode,
        /// In the peer's words.
        text: String,
    },
    /// A certificate chain became known or longer.
    ChainLearned {
        /// Whose.
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
        /// From whom.
        peer: PublicKey,
        /// How many.
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
    /// No connected peer can give a body that is needed.
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
        /// The first that is missing.
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
    /// What a peer holds of a log was compared with what is held here, up to the same claim.
    TipCompared {
        /// The peer's key.
        peer: PublicKey,
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The claim up to which both hold it.
        number: ClaimNumber,
        /// How they differ; none if they do not.
        difference: Option<TipDifference>,
    },
    /// An author signed two histories; the log is frozen.
    Forked {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
    },
    /// Claims that were held are given up, as a new certificate of their author closes them: this site held what the
    /// author did not find when it was restored.
    GivenUp {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// Up to where it was held.
        held: ClaimNumber,
        /// After which claim the author goes on.
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
    /// The replica refused what a peer told.
    Refused {
        /// What, and why.
        reason: String,
    },
    /// The newest head of a log has expired: what is known of that author may be old.
    Stale {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// When it expired.
        expired_at: UnixMillis,
    },
    /// The store failed; nothing is pulled until `retry_at`.
    StoreFailed {
        /// What was attempted, and the error.
        reason: String,
        /// When the engine goes on.
        retry_at: UnixMillis,
    },
}
