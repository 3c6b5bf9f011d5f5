//! The engine's writes: an ordered queue, at most one open, and the work that continues after each.
//!
//! | state | event | next state | also |
//! |---|---|---|---|
//! | queued | a step ends and no write is open | open | notes the positions before the write; [`Effect::Write`] |
//! | open | [`Event::Written`](crate::Event::Written) with its id | gone | the module that asked for it goes on |
//! | queued, open | a peer leaves or answers, gossip, a local change, time | same | |
//!
//! Only one is open, so that the engine changes nothing else between a write and its outcome. An outcome with
//! another id is ignored. No deadline applies: the driver reports the outcome of every write.

use std::collections::{BTreeSet, VecDeque};

use starling_protocol::{CertificateChain, ClaimNumber, ForkProof, Head, Lane, PublicKey, VerifiedHead};

use crate::LogKey;
use crate::bodies::BodiesToStore;
use crate::engine::{Context, SyncEngine};
use crate::event::Effect;
use crate::news::held_of;
use crate::pull::{DeltasRequest, held};
use crate::replica::{Learned, LearnedHead};
use crate::write::{StoreFailure, Write, WriteId, Written};

/// A write that waits for its turn, with the data that the engine needs to continue after it.
#[derive(Debug)]
pub(crate) enum QueuedWrite {
    /// A page of deltas, with the peer that sent it and the request that it answers.
    Append(Vec<u8>, PublicKey, DeltasRequest),
    /// Record bodies, with the request that they answer.
    Bodies(Vec<Vec<u8>>, BodiesToStore),
    Chain(CertificateChain),
    /// A head, with the peer that sent it.
    Head(VerifiedHead, PublicKey),
    Fork(Box<ForkProof>),
    Accept(AfterAccept),
}

/// The data that the engine needs to continue after the open write.
#[derive(Debug)]
enum AfterWrite {
    /// The peer that sent the page, the request that it answers, and the log's newest claim before the write.
    Append(PublicKey, DeltasRequest, ClaimNumber),
    Bodies(BodiesToStore),
    /// The chain, and the newest claim of each of its author's logs before the write.
    Chain(CertificateChain, Vec<(Lane, ClaimNumber)>),
    /// The peer that sent the head, and the head.
    Head(PublicKey, Head),
    Fork(Box<ForkProof>),
    Accept(AfterAccept),
}

/// The work that continues after everything complete was accepted.
#[derive(Debug, Default)]
pub(crate) struct AfterAccept {
    /// Logs that moved otherwise, to be reported to peers together with what was accepted.
    pub(crate) report: BTreeSet<LogKey>,
    /// True if all logs are examined then, because the store had failed.
    pub(crate) examines: bool,
}

/// The queued writes, and the open one.
#[derive(Debug)]
pub(crate) struct Writes {
    last_id: u64,
    queue: VecDeque<QueuedWrite>,
    open: Option<(WriteId, AfterWrite)>,
}

impl Default for Writes {
    /// Begins with an acceptance: an earlier engine may have ended between a page and its acceptance.
    fn default() -> Self {
        Self {
            last_id: 0,
            queue: [QueuedWrite::Accept(AfterAccept::default())].into(),
            open: None,
        }
    }
}

impl Writes {
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.open.is_none()
    }

    pub(crate) fn push(&mut self, write: QueuedWrite) {
        self.queue.push_back(write);
    }

    /// Queues a fact (a chain, a head, a fork proof) before the pages: one is queued at a time, is small, and hellos and
    /// news of all peers wait for it.
    pub(crate) fn push_fact(&mut self, write: QueuedWrite) {
        self.queue.push_front(write);
    }

    /// Queues the acceptance of everything that is complete, unless it is queued already. An open one may have
    /// begun before the last change.
    pub(crate) fn accept(&mut self, after: AfterAccept) {
        let queued = self.queue.iter_mut().find_map(|write| match write {
            QueuedWrite::Accept(queued) => Some(queued),
            _ => None,
        });
        match queued {
            Some(queued) => {
                queued.report.extend(after.report);
                queued.examines |= after.examines;
            }
            None => self.push(QueuedWrite::Accept(after)),
        }
    }
}

impl SyncEngine {
    /// Opens the next write if none is open.
    pub(crate) fn open_write(&mut self, cx: &mut Context<'_>) {
        if self.writes.open.is_some() {
            return;
        }
        let Some(queued) = self.writes.queue.pop_front() else {
            return;
        };
        let (write, after) = match queued {
            QueuedWrite::Append(page, peer, ask) => {
                let before = held(cx, ask.log);
                (Write::Append { page }, AfterWrite::Append(peer, ask, before))
            }
            QueuedWrite::Bodies(bodies, after) => (Write::StoreBodies { bodies }, AfterWrite::Bodies(after)),
            QueuedWrite::Chain(chain) => {
                let before = held_of(cx, &chain.site());
                (Write::LearnChain(chain.clone()), AfterWrite::Chain(chain, before))
            }
            QueuedWrite::Head(head, peer) => {
                let after = AfterWrite::Head(peer, head.head().clone());
                (Write::LearnHead(head), after)
            }
            QueuedWrite::Fork(proof) => (Write::LearnFork(proof.clone()), AfterWrite::Fork(proof)),
            QueuedWrite::Accept(after) => (Write::Accept, AfterWrite::Accept(after)),
        };
        self.writes.last_id += 1;
        let id = WriteId(self.writes.last_id);
        self.writes.open = Some((id, after));
        cx.out.push(Effect::Write { id, write });
    }

    /// Goes on after a write.
    pub(crate) fn written(
        &mut self,
        cx: &mut Context<'_>,
        id: WriteId,
        outcome: Result<Written, StoreFailure>,
    ) {
        let Some((_, after)) = self.writes.open.take_if(|(open, _)| *open == id) else {
            return;
        };
        match (after, outcome) {
            (AfterWrite::Append(peer, ask, before), Ok(Written::Appended(outcome))) => {
                self.appended(cx, peer, &ask, outcome, before);
            }
            (AfterWrite::Bodies(after), Ok(Written::BodiesStored(count))) => {
                self.bodies_stored(cx, &after, count);
            }
            (AfterWrite::Chain(chain, before), Ok(Written::ChainLearned(learned))) => {
                let is_new = learned != Learned::Same;
                if is_new {
                    self.chain_learned(cx, &chain, before);
                }
                self.fact_written(cx, Ok(is_new));
            }
            (AfterWrite::Head(peer, head), Ok(Written::HeadLearned(learned))) => {
                match learned {
                    LearnedHead::Newer => self.head_learned(cx, &head),
                    LearnedHead::Diverges => self.head_diverges(cx, peer, &head),
                    LearnedHead::Known => {}
                }
                self.fact_written(cx, Ok(learned == LearnedHead::Newer));
            }
            (AfterWrite::Fork(proof), Ok(Written::ForkLearned(is_new))) => {
                if is_new {
                    self.fork_learned(cx, &proof);
                }
                self.fact_written(cx, Ok(is_new));
            }
            (AfterWrite::Accept(after), Ok(Written::Accepted(moved))) => self.accepted(cx, after, Ok(moved)),
            (after, Ok(other)) => {
                let failure = StoreFailure::Storage(format!("the outcome of another write: {other:?}"));
                self.not_written(cx, after, failure);
            }
            (after, Err(failure)) => self.not_written(cx, after, failure),
        }
    }

    /// Goes on after a write that failed.
    fn not_written(&mut self, cx: &mut Context<'_>, after: AfterWrite, failure: StoreFailure) {
        match after {
            AfterWrite::Append(_, ask, _) => {
                self.deltas_failed(&ask);
                // The last peer with the log may have left meanwhile.
                self.reconsider(cx, ask.log);
                self.store_failed(cx, failure);
            }
            AfterWrite::Bodies(after) => {
                self.bodies_not_stored(after);
                self.store_failed(cx, failure);
            }
            AfterWrite::Chain(..) | AfterWrite::Head(..) | AfterWrite::Fork(_) => {
                self.store_failed(cx, failure);
                self.fact_written(cx, Err(()));
            }
            AfterWrite::Accept(after) => self.accepted(cx, after, Err(failure)),
        }
    }
}
