//! Processes messages with signed facts one after another, because a fact may need the previous one to be stored.
//!
//! | state | event | next state | also |
//! |---|---|---|---|
//! | queued | nothing before it waits | processing | admits the peer, if it is a hello |
//! | processing | a fact is news and verifies | waits | queues its write |
//! | processing | a fact is not news | processing | |
//! | processing | a fact is invalid | done | violation |
//! | processing | no fact is left | done | takes its notes; answers, or judges the gossip |
//! | waits | written, or the store failed | processing | |
//! | queued | the peer leaves | gone | |
//! | waits | the peer leaves | waits | is done after the write, without an answer |
//!
//! Messages wait for messages of other peers too: a chain from one makes the head from the other verifiable. What a
//! peer asks for beyond that (deltas, bodies, facts, comparisons) does not wait here.

use std::collections::VecDeque;

use starling_protocol::{PublicKey, SiteId};

use crate::engine::{Context, SyncEngine};
use crate::event::{Effect, GossipVerdict, RequestId};
use crate::limits::MAX_WAITING_MESSAGES;
use crate::notice::Violation;
use crate::session::Admission;
use crate::wire::{Hello, LogNote, News};
use crate::writes::QueuedWrite;

/// A signed fact, as it came.
#[derive(Debug)]
pub(crate) enum Fact {
    Chain(Vec<u8>),
    Head(Vec<u8>),
    Fork(SiteId, Vec<u8>),
}

/// The kind of a message, without its facts.
#[derive(Debug)]
pub(crate) enum MessageKind {
    /// With the request to answer; `None` if it is an answer itself.
    Hello(Option<RequestId>, Hello, HelloStep),
    /// As for a hello.
    News(Option<RequestId>),
    /// With its bytes.
    Gossip(Vec<u8>),
}

/// The progress of the chain in a hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HelloStep {
    New,
    /// It was longer than the known one; false if it could not be kept.
    ChainWritten(bool),
    Admitted,
}

/// A message that is being processed.
#[derive(Debug)]
pub(crate) struct Message {
    peer: PublicKey,
    kind: MessageKind,
    facts: VecDeque<Fact>,
    notes: Vec<LogNote>,
    /// True if any of its facts was new.
    is_new: bool,
    /// True if the session in which it came is over, or did not begin: it is not answered.
    is_over: bool,
}

impl Message {
    pub(crate) fn new(peer: PublicKey, kind: MessageKind, news: News) -> Self {
        let chains = news.chains.into_iter().map(Fact::Chain);
        let heads = news.heads.into_iter().map(Fact::Head);
        let forks = news
            .forks
            .into_iter()
            .map(|(site, bytes)| Fact::Fork(site, bytes));
        Self {
            peer,
            kind,
            facts: chains.chain(heads).chain(forks).collect(),
            notes: news.notes,
            is_new: false,
            is_over: false,
        }
    }
}

/// The messages that are processed.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// The message that waits for a write.
    waiting: Option<Message>,
    queue: VecDeque<Message>,
}

impl Inbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_none() && self.queue.is_empty()
    }

    fn messages_of(&self, peer: PublicKey) -> impl Iterator<Item = &Message> {
        let messages = self.waiting.iter().chain(&self.queue);
        messages.filter(move |message| message.peer == peer && !message.is_over)
    }

    /// Returns true if another message of a peer may wait here.
    pub(crate) fn has_room(&self, peer: PublicKey) -> bool {
        self.messages_of(peer).count() < MAX_WAITING_MESSAGES
    }

    /// Returns true if a hello of a peer waits here: the peer is not late.
    pub(crate) fn has_hello_of(&self, peer: PublicKey) -> bool {
        self.messages_of(peer)
            .any(|message| matches!(message.kind, MessageKind::Hello(..)))
    }

    /// Returns true if a hello that a peer sent of itself waits here, so that it has no reason for another one.
    pub(crate) fn has_asked_hello_of(&self, peer: PublicKey) -> bool {
        self.messages_of(peer)
            .any(|message| matches!(message.kind, MessageKind::Hello(Some(_), ..)))
    }

    /// Drops the messages of a peer that is gone.
    pub(crate) fn peer_left(&mut self, peer: PublicKey) {
        self.queue.retain(|message| message.peer != peer);
        if let Some(waiting) = self.waiting.as_mut().filter(|waiting| waiting.peer == peer) {
            waiting.is_over = true;
        }
    }
}

impl SyncEngine {
    /// Takes in a message after those before it.
    pub(crate) fn take_in(&mut self, cx: &mut Context<'_>, message: Message) {
        self.inbox.queue.push_back(message);
        self.take_in_more(cx);
    }

    /// Goes on with the message whose fact was written. `outcome` is true if the fact was new.
    pub(crate) fn fact_written(&mut self, cx: &mut Context<'_>, outcome: Result<bool, ()>) {
        let Some(mut message) = self.inbox.waiting.take() else {
            return;
        };
        message.is_new |= outcome == Ok(true);
        if let MessageKind::Hello(_, _, step) = &mut message.kind
            && *step == HelloStep::New
        {
            *step = HelloStep::ChainWritten(outcome.is_ok());
        }
        self.inbox.queue.push_front(message);
        self.take_in_more(cx);
    }

    fn take_in_more(&mut self, cx: &mut Context<'_>) {
        while self.inbox.waiting.is_none()
            && let Some(mut message) = self.inbox.queue.pop_front()
        {
            match self.next_write_of(cx, &mut message) {
                Ok(Some(write)) => {
                    self.writes.push_fact(write);
                    self.inbox.waiting = Some(message);
                }
                Ok(None) => self.taken_in(cx, message, None),
                Err(violation) => self.taken_in(cx, message, Some(violation)),
            }
        }
    }

    /// Takes in a message up to a fact that is to be written, or its end.
    fn next_write_of(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Message,
    ) -> Result<Option<QueuedWrite>, Violation> {
        let peer = message.peer;
        if message.is_over {
            return Ok(None);
        }
        if let MessageKind::Hello(id, hello, step) = &mut message.kind
            && *step != HelloStep::Admitted
        {
            match self.admit(cx, peer, hello, *step) {
                Ok(Admission::Learn(chain)) => return Ok(Some(QueuedWrite::Chain(chain))),
                Ok(Admission::Site(site)) => {
                    *step = HelloStep::Admitted;
                    self.become_ready(cx, peer, site, hello.capabilities);
                }
                Err(code) => {
                    self.not_admitted(cx, peer, *id, hello, code);
                    message.is_over = true;
                    return Ok(None);
                }
            }
        }
        let is_gossip = matches!(message.kind, MessageKind::Gossip(_));
        while let Some(fact) = message.facts.pop_front() {
            let write = match fact {
                Fact::Chain(bytes) => self.check_chain(cx, &bytes)?,
                Fact::Head(bytes) => self.check_head(cx, peer, &bytes, is_gossip)?,
                Fact::Fork(site, bytes) => self.check_fork(cx, peer, site, &bytes)?,
            };
            if write.is_some() {
                return Ok(write);
            }
        }
        Ok(None)
    }

    /// Ends a message: takes its notes, and answers it.
    fn taken_in(&mut self, cx: &mut Context<'_>, message: Message, violation: Option<Violation>) {
        let Message { peer, notes, .. } = message;
        let is_valid = violation.is_none();
        if let Some(violation) = violation {
            self.record_violation(cx, peer, violation);
        } else if !message.is_over {
            for note in &notes {
                self.take_note(cx, peer, note);
            }
        }
        let is_here = !message.is_over && self.peers.contains_key(&peer);
        match message.kind {
            MessageKind::Hello(id, ..) if is_here => self.answer_hello(cx, peer, id),
            MessageKind::News(Some(id)) if is_here => self.answer_news(cx, peer, id, &notes),
            MessageKind::Hello(..) | MessageKind::News(_) => {}
            MessageKind::Gossip(bytes) => {
                let verdict = match (is_valid, message.is_new) {
                    (false, _) => GossipVerdict::Reject,
                    (true, true) => GossipVerdict::Accept,
                    (true, false) => GossipVerdict::Ignore,
                };
                cx.out.push(Effect::GossipChecked { peer, bytes, verdict });
            }
        }
    }
}
