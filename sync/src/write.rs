//! Writes to the store: what the engine asks its driver to write, what came of it, and a driver that writes at once.
//!
//! A step of the engine only reads. A write may wait for the disk, so it leaves the step as [`Effect::Write`]; the
//! driver carries it out, in any thread, and reports what came of it as [`Event::Written`].

use starling_protocol::{CertificateChain, ClaimNumber, ForkProof, Lane, SiteId, UnixMillis, VerifiedHead};

use crate::engine::SyncEngine;
use crate::event::{Effect, Event};
use crate::replica::{AppendOutcome, Learned, LearnedHead, ReplicaError, WritableReplica};

/// The name of a write; unique in the life of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// A write to the store. Each is all or nothing, and durable when it was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Append a page of deltas.
    Append {
        /// The bytes of whole deltas, one after another.
        page: Vec<u8>,
    },
    /// Keep bodies.
    StoreBodies {
        /// The bodies.
        bodies: Vec<Vec<u8>>,
    },
    /// Keep a certificate chain.
    LearnChain(CertificateChain),
    /// Keep a head.
    LearnHead(VerifiedHead),
    /// Keep a fork proof.
    LearnFork(Box<ForkProof>),
    /// Accept every log whose bodies are here.
    Accept,
}

/// The result of a write that was carried out, one variant for each [`Write`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Deltas were appended, or not, with the reason.
    Appended(AppendOutcome),
    /// So many bodies were kept.
    BodiesStored(usize),
    /// A certificate chain was offered.
    ChainLearned(Learned),
    /// A head was offered.
    HeadLearned(LearnedHead),
    /// A fork proof was offered; true if it is new.
    ForkLearned(bool),
    /// The accepted positions of these logs moved.
    Accepted(Vec<(SiteId, Lane, ClaimNumber)>),
}

/// The reason why a write was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreFailure {
    /// It breaks a rule of this site.
    #[error("{0}")]
    Refused(String),
    /// The store failed. The write is kept as a whole or not at all.
    #[error("{0}")]
    Storage(String),
}

impl From<&ReplicaError> for StoreFailure {
    fn from(error: &ReplicaError) -> Self {
        if let ReplicaError::Refused { .. } = error {
            return Self::Refused(error.to_string());
        }
        // Include every cause: only the last one states that the disk is full.
        let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        Self::Storage(causes.fold(error.to_string(), |reason, cause| format!("{reason}: {cause}")))
    }
}

impl Write {
    /// Carries out the write. Returns when it is durable.
    ///
    /// # Errors
    /// [`StoreFailure`].
    pub fn carry_out(self, replica: &mut dyn WritableReplica) -> Result<Written, StoreFailure> {
        let outcome = match self {
            Self::Append { page } => replica.append(&page).map(Written::Appended),
            Self::StoreBodies { bodies } => replica.store_bodies(bodies).map(Written::BodiesStored),
            Self::LearnChain(chain) => replica.learn_chain(&chain).map(Written::ChainLearned),
            Self::LearnHead(head) => replica.learn_head(&head).map(Written::HeadLearned),
            Self::LearnFork(proof) => replica.learn_fork(&proof).map(Written::ForkLearned),
            Self::Accept => replica.accept().map(Written::Accepted),
        };
        outcome.map_err(|error| StoreFailure::from(&error))
    }
}

/// Handles an event, and carries out at once each write that follows from it. Returns the other effects, in order.
///
/// For drivers that have nothing else to do while the store writes. Another driver calls [`SyncEngine::handle`],
/// carries out [`Effect::Write`] with [`Write::carry_out`] where it may wait, and handles other events meanwhile.
pub fn drive(
    engine: &mut SyncEngine,
    now: UnixMillis,
    event: Event,
    replica: &mut dyn WritableReplica,
) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut next = Some(event);
    while let Some(event) = next.take() {
        for effect in engine.handle(now, event, replica) {
            match effect {
                // The engine has one write open at a time.
                Effect::Write { id, write } => {
                    let outcome = write.carry_out(replica);
                    next = Some(Event::Written { id, outcome });
                }
                other => effects.push(other),
            }
        }
    }
    effects
}
