//! The site's store as the engine sees it: the one door through which peers' bytes enter.
//!
//! The engine decides *what to ask whom and when*; the replica decides *what is true*: it verifies deltas
//! against their author's chain, keeps positions, and knows which bodies are in scope. Every write here is
//! all or nothing and is durable when the call returns. No method waits for a peer.

use starling_protocol::{
    CertificateChain, ClaimNumber, ContentHash, DeltaHash, ForkProof, Lane, PublicKey, SiteId, StateRoot,
    VerifiedHead,
};

/// Why the replica could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The request breaks a rule of this site: an unlisted site, a conflicting chain, a full quota.
    #[error("{attempted}: refused: {reason}")]
    Refused {
        /// What was attempted, with its data.
        attempted: String,
        /// The rule, and what an operator can do.
        reason: String,
    },
    /// The store itself failed, and the same call may be made again. What it was to write is kept as a whole or not at
    /// all; if it is kept, it shows with the next write that succeeds.
    #[error("{attempted}")]
    Storage {
        /// What was attempted, with its data.
        attempted: String,
        /// The store's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What came of offering a certificate chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// No chain of this site was known.
    New,
    /// It goes on from the known one.
    Longer,
    /// It says nothing that was not known (the same chain, or a shorter piece of it).
    Same,
}

/// Where one log stands at this site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    /// The author.
    pub site: SiteId,
    /// The log.
    pub lane: Lane,
    /// Newest claim that a verified head or a held delta proves to exist; never falls.
    pub high_water: ClaimNumber,
    /// Last claim whose delta is verified and stored; at most `high_water`.
    pub held: ClaimNumber,
    /// Last claim that entered the view.
    pub accepted: ClaimNumber,
    /// Greatest position at which every live body in scope is here.
    pub body_complete: ClaimNumber,
    /// Its author signed two histories: nothing further of this log is taken until a certificate names the branch.
    pub frozen: bool,
    /// A fork proof of it is kept.
    pub forked: bool,
}

/// The end of what is held of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldTip {
    /// The last claim held.
    pub number: ClaimNumber,
    /// The hash of the header of its delta.
    pub header: DeltaHash,
    /// What the live claims held here add up to.
    pub root: StateRoot,
    /// What they should, by that header.
    pub signed_root: StateRoot,
}

/// A run of deltas of one log, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaPage {
    /// The exact bytes of whole deltas, one after another; empty when there is none after the position.
    pub bytes: Vec<u8>,
    /// Last claim of the last delta in it; the asked-for position when it is empty.
    pub last: ClaimNumber,
    /// Whether this site holds deltas after `last`.
    pub more: bool,
}

/// What came of appending a page of deltas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendOutcome {
    /// Deltas that are held now and were not before; replays do not count.
    pub appended: usize,
    /// Why the rest of the page was not taken, if it was not. Deltas before the problem are kept.
    pub problem: Option<AppendProblem>,
}

/// Why a delta was not appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppendProblem {
    /// The bytes are no delta, or not the author's: whoever sent them is at fault.
    Invalid {
        /// What does not fit.
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
    /// A later certificate closed the delta's epoch before it: true once, and history. Who sent it need not
    /// know that certificate yet, and is not at fault.
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
        /// The first claim that is missing.
        missing_from: ClaimNumber,
        /// The first claim of the delta that was offered.
        found: ClaimNumber,
    },
    /// The delta has the next number but does not follow the last one held: somewhere at or before it the
    /// author signed two histories. The engine fetches the counterpart of the last delta held, which then
    /// comes out as [`AppendProblem::Fork`].
    Diverges {
        /// The author.
        site: SiteId,
        /// The log.
        lane: Lane,
    },
    /// The delta contradicts one that is held. The proof is kept already and the log frozen.
    Fork {
        /// The proof, for gossip.
        proof: Box<ForkProof>,
    },
    /// Two certificates of the author for one epoch were seen: nothing new of it is taken.
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
    /// The author signed it and broke a rule (a false state root, a time that runs back): the author is at
    /// fault, not who sent it.
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
    /// Its size in bytes, as the claim says.
    pub size: u32,
    /// The claim: on the wire a body is asked for by its place in a log, which takes a byte or two where a
    /// hash takes 32, and serves nobody who may not read that log.
    pub number: ClaimNumber,
    /// The body that the claim superseded, if it is held here: the page is compressed against it. (Offering
    /// a neighbour by key for a new record was measured too: the 32 bytes of its name cost what it saves.)
    pub base: Option<ContentHash>,
}

/// The site's store, as the engine sees it.
///
/// Facts about sites and positions are small and answered without failing; what reads or writes logs and
/// bodies can fail.
pub trait Replica {
    /// This site.
    fn site(&self) -> SiteId;

    /// The certificate chain of a listed site, or of this one.
    fn chain(&self, site: &SiteId) -> Option<CertificateChain>;

    /// Whether the allow-list names this site and has it enabled, whatever is known of it; true of this site.
    fn is_listed(&self, site: &SiteId) -> bool;

    /// Returns true if the certificate chain of an enabled site on the allow-list is not known yet.
    fn awaits_a_chain(&self) -> bool;

    /// Every chain known of listed sites, this site's included, ordered by site.
    fn chains(&self) -> Vec<CertificateChain>;

    /// The listed and enabled site whose *current* operating key this is; never this site itself.
    fn authorised(&self, key: &PublicKey) -> Option<SiteId>;

    /// Keeps a chain of a listed site if it goes further than the known one.
    ///
    /// The allow-list may name a site of which no chain is known yet: this is how it is filled in.
    ///
    /// # Errors
    /// [`ReplicaError::Refused`] for an unlisted site or a chain that contradicts the known one.
    fn learn_chain(&mut self, chain: &CertificateChain) -> Result<Learned, ReplicaError>;

    /// The newest verified head of each log, this site's own included, ordered by site and lane.
    fn heads(&self) -> Vec<VerifiedHead>;

    /// The newest verified head of one log.
    fn head(&self, site: &SiteId, lane: Lane) -> Option<VerifiedHead> {
        let mut heads = self.heads().into_iter();
        heads.find(|head| head.head().site == *site && head.head().lane == lane)
    }

    /// Returns true if a verified head names another delta than the one held, or named by the kept head, for its number.
    fn contradicts(&self, head: &VerifiedHead) -> bool;

    /// Keeps a head if it is newer than the kept one, and raises the high-water mark; never lowers it.
    /// Gives whether it was newer. One that contradicts what is held freezes the log and is not newer.
    ///
    /// # Errors
    /// [`ReplicaError::Refused`] for an unlisted site.
    fn learn_head(&mut self, head: &VerifiedHead) -> Result<bool, ReplicaError>;

    /// Every fork proof kept, ordered by site and lane.
    fn forks(&self) -> Vec<ForkProof>;

    /// Keeps a fork proof and freezes the log it is about. Gives whether it is news.
    ///
    /// # Errors
    /// [`ReplicaError::Refused`] for an unlisted site.
    fn learn_fork(&mut self, proof: &ForkProof) -> Result<bool, ReplicaError>;

    /// Where every log stands of which a head or a delta is known, ordered by site and lane.
    fn positions(&self) -> Vec<LogPosition>;

    /// Where one log stands.
    fn position(&self, site: &SiteId, lane: Lane) -> Option<LogPosition> {
        let mut positions = self.positions().into_iter();
        positions.find(|position| position.site == *site && position.lane == lane)
    }

    /// The end of what is held of a log; none if nothing of it is held, or if its last delta cannot be read.
    fn tip(&self, site: &SiteId, lane: Lane) -> Option<HeldTip>;

    /// Whole deltas of a log, from the one that holds the claim after `after`.
    ///
    /// As many as fit into `max_bytes`, but at least one if there is one: a page is never longer than the
    /// greater of `max_bytes` and one delta.
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

    /// Verifies deltas that follow one another in `page`, each against its author's chain, and appends them.
    ///
    /// Replays are no-ops. Stops at the first delta that cannot be taken and names why; what went before
    /// stays. A fork is kept as proof and freezes the log.
    ///
    /// # Errors
    /// [`ReplicaError::Storage`], when nothing of the page was kept.
    fn append(&mut self, page: &[u8]) -> Result<AppendOutcome, ReplicaError>;

    /// Bodies that claims of one log after `after` name and that are live at the held position, in scope and
    /// absent here, ordered by claim number; at most `limit`.
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

    /// Looks bodies up: one answer per hash, in order, `None` for what is not here.
    ///
    /// Stops before the bodies exceed `max_bytes` in sum, but answers the first hash in any case: the
    /// answer may be shorter than the question.
    ///
    /// # Errors
    /// [`ReplicaError::Storage`].
    fn bodies(&self, hashes: &[ContentHash], max_bytes: usize) -> Result<Vec<Option<Vec<u8>>>, ReplicaError>;

    /// Keeps bodies under their own hashes; what nobody wants or what is here already is passed over.
    /// Gives how many were kept.
    ///
    /// # Errors
    /// [`ReplicaError::Storage`].
    fn store_bodies(&mut self, bodies: Vec<Vec<u8>>) -> Result<usize, ReplicaError>;

    /// Moves the body-complete and accepted positions of every log whose live bodies in scope are here.
    /// Gives the logs whose accepted position moved, with it.
    ///
    /// Called after every page of deltas or bodies: a store keeps a count of missing bodies per log, so
    /// that a log that is not complete costs nothing here.
    ///
    /// # Errors
    /// [`ReplicaError::Storage`].
    fn accept(&mut self) -> Result<Vec<(SiteId, Lane, ClaimNumber)>, ReplicaError>;
}
