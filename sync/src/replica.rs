//! The site's store, as two interfaces: [`Replica`] to read, for the engine, and [`WritableReplica`] to write, for
//! its driver. It is the only way in for bytes from peers.
//!
//! The engine decides *what to ask which peer, and when*. The replica decides *what is true*: it verifies
//! deltas against their author's chain, keeps positions, and knows which bodies are in scope. Every write here
//! is all or nothing and durable when the call returns. No method waits for a peer.
//!
//! The engine writes nothing itself: it asks for a [`Write`](crate::Write), and the driver carries it out.

use starling_protocol::{
    CertificateChain, ClaimNumber, ContentHash, DeltaHash, ForkProof, Lane, PublicKey, SiteId, StateRoot,
    VerifiedHead,
};

/// The reason why the replica could not carry out a call.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The request breaks a rule of this site: an unlisted site, a conflicting chain, a full quota.
    #[error("{attempted}: refused: {reason}")]
    Refused {
        /// The operation that failed, with its data.
        attempted: String,
        /// The rule, and the operator's remedy.
        reason: String,
    },
    /// The store itself failed; the call may be repeated. The write is kept as a whole or not at all. If it is
    /// kept, it becomes visible with the next successful write.
    #[error("{attempted}")]
    Storage {
        /// The operation that failed, with its data.
        attempted: String,
        /// The store's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The result of offering a certificate chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// No chain of this site was known.
    New,
    /// It continues the known one.
    Longer,
    /// It contains nothing new: it is the same chain or a shorter part of it.
    Same,
}

/// The result of offering a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LearnedHead {
    /// It is newer than the known one.
    Newer,
    /// It is not newer than the known one.
    Known,
    /// It names another delta for its number than the held delta or the kept head: its author signed two
    /// histories.
    Diverges,
}

/// This site's position in one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// The author.
    pub site: SiteId,
    /// The log.
    pub lane: Lane,
    /// The newest claim whose existence a verified head or a held delta proves; never falls.
    pub high_water: ClaimNumber,
    /// The last claim whose delta is verified and stored; at most `high_water`.
    pub held: ClaimNumber,
    /// Last claim that entered the view.
    pub accepted: ClaimNumber,
    /// Greatest position at which every live body in scope is here.
    pub body_complete: ClaimNumber,
    /// True if its author signed two histories: nothing more is appended to this log until a certificate names the
    /// valid branch.
    pub frozen: bool,
    /// True if a fork proof of the log is kept.
    pub forked: bool,
    /// True if the newest certificate names another delta than the last one held, for the same claim: the held branch
    /// lost, and some peer must give the named one. Never true of this site's own log.
    pub lost: bool,
}

/// The end of the held part of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldTip {
    /// The last claim held.
    pub number: ClaimNumber,
    /// The hash of the header of its delta.
    pub header: DeltaHash,
    /// The root over the live claims held here.
    pub root: StateRoot,
    /// The root that the last header signs.
    pub signed_root: StateRoot,
}

/// A run of deltas of one log, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaPage {
    /// The exact bytes of whole deltas, one after another; empty if there is none after the position.
    pub bytes: Vec<u8>,
    /// The last claim of the last delta in the page; the requested position if the page is empty.
    pub last: ClaimNumber,
    /// True if this site holds deltas after `last`.
    pub more: bool,
}

/// The result of appending a page of deltas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendOutcome {
    /// Deltas that are held now and were not before; replays do not count.
    pub appended: usize,
    /// The reason why the rest of the page was not appended, if any. Deltas before the problem are kept.
    pub problem: Option<AppendProblem>,
    /// The position after which held deltas of a lost branch were given up for those of the page, if they were.
    pub gave_up_after: Option<ClaimNumber>,
}

/// The reason why a delta was not appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendProblem {
    /// The bytes are not a delta, or not the author's: the sender is at fault.
    Invalid {
        /// The reason.
        reason: String,
    },
    /// No chain of the author is known here.
    UnknownSite {
        /// The author.
        site: SiteId,
    },
    /// The author's chain known here ends before the delta's epoch.
    UnknownEpoch {
        /// The author.
        site: SiteId,
        /// The delta's epoch.
        epoch: u32,
    },
    /// A later certificate ended the delta's epoch before this delta, so the delta no longer belongs to the log. The
    /// sender may not know that certificate yet, and is not at fault.
    Closed {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The epoch that ended before the delta.
        epoch: u32,
    },
    /// Claims are missing before the delta.
    Gap {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The first missing claim.
        missing_from: ClaimNumber,
        /// The first claim of the delta that was offered.
        found: ClaimNumber,
    },
    /// The delta has the next number but does not follow the last held delta: at or before that delta, the
    /// author signed two histories. The engine fetches the counterpart of the last held delta, which then
    /// results in [`AppendProblem::Fork`].
    Diverges {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
    },
    /// The delta and a held one are of two branches, and a later certificate names one of them; which one is not known
    /// here yet. The engine fetches the delta that ends at `next`: its hash is known, because the certificate or the
    /// delta after it names it. When such deltas lead back to what is held, the held branch is given up from there.
    OtherBranch {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The end of the delta to fetch.
        next: ClaimNumber,
    },
    /// The delta contradicts a held one. The proof is already kept and the log frozen.
    Fork {
        /// The proof, for gossip.
        proof: Box<ForkProof>,
    },
    /// The author has two certificates for one epoch: nothing new from it is appended.
    Distrusted {
        /// The author.
        site: SiteId,
    },
    /// The log is frozen by an earlier fork proof.
    Frozen {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
    },
    /// The author signed the delta and broke a rule (a wrong state root, a time that runs back): the author is
    /// at fault, not the sender.
    Refused {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
        /// The rule.
        reason: String,
    },
}

/// A record body that this site wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingBody {
    /// Its name.
    pub hash: ContentHash,
    /// Its size in bytes, as the claim states.
    pub size: u32,
    /// The claim. On the wire a body is requested by its position in a log: this takes a byte or two where a
    /// hash takes 32, and is useless to peers that may not read that log.
    pub number: ClaimNumber,
    /// The body that the claim superseded, if it is held here: the page is compressed against it. (For a new record, the
    /// body with the next key was measured as a base too: its 32-byte hash costs as much as the compression gains.)
    pub base: Option<ContentHash>,
}

/// The site's store, as the engine reads it.
///
/// Facts about sites and positions are in memory, so these methods cannot fail. Methods that read logs and bodies can.
pub trait Replica {
    /// Returns this site's identity.
    fn site(&self) -> SiteId;

    /// Returns the certificate chain of a listed site, or of this one.
    fn chain(&self, site: &SiteId) -> Option<CertificateChain>;

    /// Returns true if the allow-list contains this site enabled, even if nothing else is known about it. Also
    /// true for this site itself.
    fn is_listed(&self, site: &SiteId) -> bool;

    /// Returns true if the certificate chain of an enabled site on the allow-list is not known yet.
    fn awaits_a_chain(&self) -> bool;

    /// Returns every known chain of listed sites, this site's included, ordered by site.
    fn chains(&self) -> Vec<CertificateChain>;

    /// Returns the listed and enabled site with this *current* operating key; never this site itself.
    fn authorised(&self, key: &PublicKey) -> Option<SiteId>;

    /// Returns the newest verified head of each log, this site's own included, ordered by site and lane.
    fn heads(&self) -> Vec<VerifiedHead>;

    /// Returns the newest verified head of one log.
    fn head(&self, site: &SiteId, lane: Lane) -> Option<VerifiedHead> {
        let mut heads = self.heads().into_iter();
        heads.find(|head| head.head().site == *site && head.head().lane == lane)
    }

    /// Returns every fork proof kept, ordered by site and lane.
    fn forks(&self) -> Vec<ForkProof>;

    /// Returns this site's position in every log with a known head or delta, ordered by site and lane.
    fn positions(&self) -> Vec<LogPosition>;

    /// Returns this site's position in one log.
    fn position(&self, site: &SiteId, lane: Lane) -> Option<LogPosition> {
        let mut positions = self.positions().into_iter();
        positions.find(|position| position.site == *site && position.lane == lane)
    }

    /// Returns the end of the held part of a log, or `None` if none is held or its last delta cannot be read.
    fn tip(&self, site: &SiteId, lane: Lane) -> Option<HeldTip>;

    /// Returns whole deltas of a log, from the one that contains the claim after `after`.
    ///
    /// Returns as many as fit into `max_bytes`, but at least one if there is one: a page is never longer than
    /// the greater of `max_bytes` and one delta.
    ///
    /// # Errors
    /// [`ReplicaError::Storage`].
    fn deltas(
        &self,
        site: &SiteId,
        lane: Lane,
        after: ClaimNumber,
        max_bytes: usize,
    ) -> Result<DeltaPage, ReplicaError>;

    /// Returns the missing bodies of one log, ordered by claim number; at most `limit`. These are the bodies of claims
    /// after `after` that are live at the held position, in scope and not here.
    ///
    /// # Errors
    /// [`ReplicaError::Storage`].
    fn missing_bodies(
        &self,
        site: &SiteId,
        lane: Lane,
        after: ClaimNumber,
        limit: usize,
    ) -> Result<Vec<MissingBody>, ReplicaError>;

    /// Looks up bodies: one answer per hash, in order; `None` for bodies that are not here.
    ///
    /// Stops before the bodies exceed `max_bytes` in total, but always answers the first hash: the answer may
    /// be shorter than the question.
    ///
    /// # Errors
    /// [`ReplicaError::Storage`].
    fn bodies(&self, hashes: &[ContentHash], max_bytes: usize) -> Result<Vec<Option<Vec<u8>>>, ReplicaError>;
}

/// The site's store, as the engine's driver writes to it. Each method carries out one [`Write`](crate::Write).
pub trait WritableReplica: Replica {
    /// Keeps a chain of a listed site if it is longer than the known one.
    ///
    /// The allow-list may contain a site without a known chain; this method provides the chain.
    ///
    /// # Errors
    /// [`ReplicaError::Refused`] for an unlisted site or a chain that contradicts the known one.
    fn learn_chain(&mut self, chain: &CertificateChain) -> Result<Learned, ReplicaError>;

    /// Keeps a head if it is newer than the kept one, and raises the high-water mark, which never falls. A head
    /// that contradicts the held log freezes the log and is not kept as the newest.
    ///
    /// # Errors
    /// [`ReplicaError::Refused`] for an unlisted site.
    fn learn_head(&mut self, head: &VerifiedHead) -> Result<LearnedHead, ReplicaError>;

    /// Keeps a fork proof and freezes its log. Returns true if it is new.
    ///
    /// # Errors
    /// [`ReplicaError::Refused`] for an unlisted site.
    fn learn_fork(&mut self, proof: &ForkProof) -> Result<bool, ReplicaError>;

    /// Verifies the consecutive deltas in `page`, each against its author's chain, and appends them.
    ///
    /// Replays are no-ops. Stops at the first delta that cannot be appended and returns the reason; earlier deltas
    /// stay. A fork is kept as proof and freezes the log.
    ///
    /// # Errors
    /// [`ReplicaError::Storage`], if nothing of the page was kept.
    fn append(&mut self, page: &[u8]) -> Result<AppendOutcome, ReplicaError>;

    /// Keeps bodies under their own hashes. Bodies that nobody wants or that are already here are skipped.
    /// Returns the number kept.
    ///
    /// # Errors
    /// [`ReplicaError::Storage`].
    fn store_bodies(&mut self, bodies: Vec<Vec<u8>>) -> Result<usize, ReplicaError>;

    /// Moves the body-complete and accepted positions of every log whose live bodies in scope are here. Returns
    /// the logs whose accepted position moved, with that position.
    ///
    /// Called after every page of deltas or bodies. A store keeps a count of missing bodies per log, so that an
    /// incomplete log costs nothing here.
    ///
    /// # Errors
    /// [`ReplicaError::Storage`].
    fn accept(&mut self) -> Result<Vec<(SiteId, Lane, ClaimNumber)>, ReplicaError>;
}
