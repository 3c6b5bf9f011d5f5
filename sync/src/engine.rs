//! The engine: passes each event to the module that it concerns, then starts everything that became possible.
//!
//! It has no clock, no socket and no disk. Time comes with the event, bytes and writes leave as effects, and the
//! replica, which a step only reads, decides what is true. Equal events, times, seed and replica give equal effects,
//! byte for byte.
//!
//! The store's health (`StoreHealth`):
//!
//! | state | event | next state | also |
//! |---|---|---|---|
//! | works | a read or a write fails | rests, longer each time | pulls nothing |
//! | rests | the rest is over | examined | queues an acceptance |
//! | examined | accepted, and nothing failed meanwhile | works | lists all missing bodies and reports all logs again |
//! | examined | a read or a write fails | rests | |

use std::collections::BTreeMap;
use std::time::Duration;

use starling_protocol::{PublicKey, SiteId, UnixMillis};

use crate::LogKey;
use crate::bodies::{BodiesRequest, BodyPulls};
use crate::clock::later;
use crate::event::{Effect, Event, FailureReason, RequestId};
use crate::gossip::Gossip;
use crate::inbox::Inbox;
use crate::notice::{DisconnectReason, Notice, Violation};
use crate::peer::Peer;
use crate::peer_score::{PeerScores, backoff};
use crate::pull::DeltasRequest;
use crate::pulls::Pulls;
use crate::replica::Replica;
use crate::settings::Settings;
use crate::wire::{LogNote, Request, Response, WireFault};
use crate::write::StoreFailure;
use crate::writes::{AfterAccept, Writes};

/// The context in which one event is handled.
pub(crate) struct Context<'a> {
    pub(crate) now: UnixMillis,
    pub(crate) replica: &'a dyn Replica,
    pub(crate) out: Vec<Effect>,
}

impl Context<'_> {
    pub(crate) fn notice(&mut self, notice: Notice) {
        self.out.push(Effect::Notice(notice));
    }
}

/// The subject of an open request of this site.
#[derive(Debug)]
pub(crate) enum RequestKind {
    Hello,
    /// With the notes that count as delivered when the request is answered.
    News(Vec<LogNote>),
    Facts,
    /// With the logs that are compared.
    Tips(Vec<LogKey>),
    Deltas(DeltasRequest),
    Bodies(BodiesRequest),
}

/// An unanswered request of this site.
#[derive(Debug)]
pub(crate) struct PendingRequest {
    pub(crate) peer: PublicKey,
    pub(crate) deadline: UnixMillis,
    pub(crate) ask: RequestKind,
}

/// A pause after the store failed.
#[derive(Debug, Default)]
pub(crate) struct StoreHealth {
    failures: u32,
    pub(crate) rests_until: UnixMillis,
    /// True if something failed since all logs were last examined: the store may hold more than it showed then.
    in_doubt: bool,
    /// True while it is examined: the acceptance with which that begins is queued or open.
    is_examined: bool,
}

impl StoreHealth {
    /// Returns true if more may be pulled into the store.
    fn takes_more(&self, now: UnixMillis) -> bool {
        self.rests_until <= now && !self.in_doubt && !self.is_examined
    }
}

/// One site's part in replication.
#[derive(Debug)]
pub struct SyncEngine {
    pub(crate) settings: Settings,
    pub(crate) rng: fastrand::Rng,
    next_request: u64,
    pub(crate) peers: BTreeMap<PublicKey, Peer>,
    pub(crate) peer_scores: PeerScores,
    pub(crate) pending: BTreeMap<RequestId, PendingRequest>,
    /// Logs for which some peer holds more than this site.
    pub(crate) pulls: Pulls,
    pub(crate) bodies: BodyPulls,
    pub(crate) gossip: Gossip,
    pub(crate) inbox: Inbox,
    pub(crate) writes: Writes,
    pub(crate) store: StoreHealth,
    wake_at: Option<UnixMillis>,
    /// The wall-clock time, if it differs from the engine's time.
    pub(crate) wall: Option<UnixMillis>,
}

/// The rest given to a peer that did not answer.
const SILENT_REST: Duration = Duration::from_secs(2);

impl SyncEngine {
    /// Returns an engine without peers. Equal seeds make equal choices.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            rng: fastrand::Rng::with_seed(seed),
            next_request: 1,
            peers: BTreeMap::new(),
            peer_scores: PeerScores::default(),
            pending: BTreeMap::new(),
            pulls: Pulls::default(),
            bodies: BodyPulls::default(),
            gossip: Gossip::default(),
            inbox: Inbox::default(),
            writes: Writes::default(),
            store: StoreHealth::default(),
            wake_at: None,
            wall: None,
        }
    }

    /// Sets the wall-clock time, which decides expiry only. Deadlines, pauses and lock-outs use the time passed
    /// with each event, which must never jump.
    pub fn wall_clock(&mut self, now: UnixMillis) {
        self.wall = Some(now);
    }

    /// Handles one event. The returned effects must be carried out in order, except that a write may take its time.
    ///
    /// Only reads the replica. See [`drive`](crate::drive) for a driver that writes at once.
    pub fn handle(&mut self, now: UnixMillis, event: Event, replica: &dyn Replica) -> Vec<Effect> {
        let mut cx = Context {
            now,
            replica,
            out: Vec::new(),
        };
        if let Event::Request { peer, .. } | Event::Gossip { peer, .. } = &event {
            self.heard(now, peer);
        }
        match event {
            Event::Connected { peer } => self.connected(&mut cx, peer),
            Event::Disconnected { peer } => self.forget(&mut cx, peer),
            Event::Request { peer, id, bytes } => self.asked(&mut cx, peer, id, &bytes),
            Event::Response { peer, id, bytes } => self.answered(&mut cx, peer, id, &bytes),
            Event::RequestFailed { peer, id, reason } => self.request_failed(&mut cx, peer, id, reason),
            Event::Gossip { peer, bytes } => self.gossip_came(&mut cx, peer, bytes),
            Event::Written { id, outcome } => self.written(&mut cx, id, outcome),
            Event::LocalChanged => self.local_changed(&mut cx),
            // The timer has fired, perhaps early: it must be set again in any case.
            Event::Tick => self.wake_at = None,
        }
        self.go_on(&mut cx);
        cx.out
    }

    /// Tells the engine that no events were handled for `span` until now: an event took long, or the machine
    /// slept. Messages from that time may still wait. No peer is blamed for it: all deadlines move by that
    /// span.
    pub fn was_away(&mut self, span: Duration) {
        for pending in self.pending.values_mut() {
            pending.deadline = later(pending.deadline, span);
        }
        for peer in self.peers.values_mut() {
            peer.grant(span);
        }
    }

    /// Returns the peers that proved their identity, with their sites, ordered by key.
    pub fn ready_peers(&self) -> impl Iterator<Item = (PublicKey, SiteId)> + '_ {
        self.peers
            .iter()
            .filter_map(|(key, peer)| Some((*key, peer.site()?)))
    }

    /// Returns the peers to send gossip to: every authorised peer, except the one that sent it.
    pub fn gossip_to(&self, from: Option<PublicKey>) -> impl Iterator<Item = PublicKey> + '_ {
        self.ready_peers()
            .map(|(peer, _)| peer)
            .filter(move |peer| Some(*peer) != from)
    }

    /// Returns true if there is no open request, no log behind a peer's, no body to fetch, and nothing to write.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
            && self.pulls.is_empty()
            && self.bodies.is_idle()
            && self.inbox.is_empty()
            && self.writes.is_idle()
    }

    /// Starts everything that time or the last event made possible.
    fn go_on(&mut self, cx: &mut Context<'_>) {
        self.expire_requests(cx);
        self.keep_sessions(cx);
        self.watch_heads(cx);
        self.look_again(cx);
        if self.store.takes_more(cx.now) {
            self.pull_deltas(cx);
            self.pull_bodies(cx);
        }
        self.ask_facts(cx);
        self.ask_tips(cx);
        self.tell_news(cx);
        self.publish(cx);
        self.open_write(cx);
        self.plan_waking(cx);
    }

    /// Sends a request and records its subject. `expected_bytes` of answer extend the deadline.
    pub(crate) fn ask(
        &mut self,
        cx: &mut Context<'_>,
        peer: PublicKey,
        request: &Request,
        ask: RequestKind,
        expected_bytes: u64,
    ) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let seconds = expected_bytes / self.settings.slowest_bytes_per_second.max(1);
        let deadline =
            later(cx.now, self.settings.request_timeout).plus_millis(seconds.saturating_mul(1_000));
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.pace.opened(matches!(ask, RequestKind::Bodies(_)));
        }
        self.pending.insert(id, PendingRequest { peer, deadline, ask });
        let bytes = request.encode();
        cx.out.push(Effect::Request { peer, id, bytes });
        id
    }

    /// Removes a request from the open ones, whatever its outcome.
    fn close_request(&mut self, id: RequestId) -> Option<PendingRequest> {
        let pending = self.pending.remove(&id)?;
        if let Some(peer) = self.peers.get_mut(&pending.peer) {
            peer.pace.closed(matches!(pending.ask, RequestKind::Bodies(_)));
            match pending.ask {
                RequestKind::News(_) => peer.outbox.closed(),
                RequestKind::Facts => peer.wanted.closed(),
                RequestKind::Tips(_) => peer.comparisons.closed(),
                RequestKind::Hello | RequestKind::Deltas(_) | RequestKind::Bodies(_) => {}
            }
        }
        Some(pending)
    }

    fn answered(&mut self, cx: &mut Context<'_>, peer: PublicKey, id: RequestId, bytes: &[u8]) {
        if self.pending.get(&id).is_none_or(|pending| pending.peer != peer) {
            let late = self.peers.get_mut(&peer).is_none_or(|peer| peer.takes_late(id));
            if !late {
                self.record_violation(cx, peer, Violation::Unsolicited);
            }
            return;
        }
        let Some(pending) = self.close_request(id) else {
            return;
        };
        let response = match Response::decode(bytes) {
            Ok(response) => response,
            Err(WireFault::Version { .. }) => {
                self.abandon(cx, peer, pending.ask);
                return self.close(cx, peer, DisconnectReason::OtherVersion);
            }
            Err(fault) => {
                self.abandon(cx, peer, pending.ask);
                return self.record_violation(cx, peer, Violation::Malformed(fault.to_string()));
            }
        };
        if !matches!(response, Response::Refusal(_))
            && let Some(peer) = self.peers.get_mut(&peer)
        {
            peer.pace.worked();
        }
        match (pending.ask, response) {
            (ask, Response::Refusal(refusal)) => self.refused(cx, peer, ask, refusal),
            (RequestKind::Hello, Response::Hello(hello)) => self.hello_came(cx, peer, None, hello),
            (RequestKind::News(told), Response::News(news)) => self.news_answered(cx, peer, &told, news),
            (RequestKind::Facts, Response::News(news)) => self.facts_answered(cx, peer, news),
            (RequestKind::Tips(_), Response::Tips(tips)) => self.compare_tips(cx, peer, &tips),
            (RequestKind::Deltas(ask), Response::Deltas(page, deltas)) => {
                self.deltas_answered(cx, peer, ask, page, deltas);
            }
            (RequestKind::Bodies(ask), Response::Bodies(page, frame)) => {
                self.bodies_answered(cx, peer, ask, &page, &frame);
            }
            (ask, _) => {
                self.abandon(cx, peer, ask);
                self.record_violation(cx, peer, Violation::WrongAnswer("an answer of another kind"));
            }
        }
    }

    fn request_failed(
        &mut self,
        cx: &mut Context<'_>,
        peer: PublicKey,
        id: RequestId,
        reason: FailureReason,
    ) {
        if self.pending.get(&id).is_none_or(|pending| pending.peer != peer) {
            return;
        }
        let Some(pending) = self.close_request(id) else {
            return;
        };
        // A connection that ends is no silence: who refuses a hello ends it too.
        if matches!(pending.ask, RequestKind::Hello) && reason == FailureReason::ConnectionLost {
            self.rest(cx.now, peer);
            self.hello_unanswered(cx, peer, DisconnectReason::LeftBeforeHello);
        } else {
            self.abandon(cx, peer, pending.ask);
        }
        if reason == FailureReason::TimedOut {
            self.was_silent(cx, peer);
        }
    }

    fn expire_requests(&mut self, cx: &mut Context<'_>) {
        let overdue = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.deadline <= cx.now);
        let overdue: Vec<RequestId> = overdue.map(|(id, _)| *id).collect();
        for id in overdue {
            let Some(pending) = self.close_request(id) else {
                continue;
            };
            if let Some(peer) = self.peers.get_mut(&pending.peer) {
                peer.forgive(id);
            }
            self.abandon(cx, pending.peer, pending.ask);
            self.was_silent(cx, pending.peer);
        }
    }

    /// Handles a peer that did not answer in time: it is asked again soon, since its link may return at any
    /// moment.
    fn was_silent(&mut self, cx: &mut Context<'_>, key: PublicKey) {
        cx.notice(Notice::Silent { peer: key });
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.pace.rest_at_most_until(later(cx.now, SILENT_REST));
        }
    }

    /// Notes that a peer sent something, so that it is reachable despite earlier failures.
    fn heard(&mut self, now: UnixMillis, key: &PublicKey) {
        if let Some(peer) = self.peers.get_mut(key) {
            peer.pace
                .rest_at_most_until(later(now, self.settings.first_backoff));
        }
    }

    /// Allows the subject of a failed request to be tried elsewhere or later, and rests the peer.
    pub(crate) fn abandon(&mut self, cx: &mut Context<'_>, peer: PublicKey, ask: RequestKind) {
        self.rest(cx.now, peer);
        match ask {
            RequestKind::Hello => self.hello_unanswered(cx, peer, DisconnectReason::NoHello),
            RequestKind::News(told) => self.news_failed(cx, peer, &told),
            RequestKind::Facts => {}
            RequestKind::Tips(logs) => self.tips_failed(peer, logs),
            RequestKind::Deltas(ask) => self.deltas_failed(&ask),
            RequestKind::Bodies(ask) => self.bodies_failed(peer, ask),
        }
    }

    /// Ends the session of a peer that did not answer a hello, unless it sent its own: both sides may have greeted.
    fn hello_unanswered(&mut self, cx: &mut Context<'_>, peer: PublicKey, reason: DisconnectReason) {
        let is_known = self.peers.get(&peer).is_some_and(|peer| peer.site().is_some());
        // Its own hello may wait for the store.
        if !is_known && !self.inbox.has_hello_of(peer) {
            self.close(cx, peer, reason);
        }
    }

    /// Rests a peer, longer after each consecutive failure.
    pub(crate) fn rest(&mut self, now: UnixMillis, peer: PublicKey) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.pace.failed(now, &self.settings, &mut self.rng);
        }
    }

    /// Counts a violation, and disconnects a peer with too many.
    pub(crate) fn record_violation(&mut self, cx: &mut Context<'_>, peer: PublicKey, violation: Violation) {
        cx.notice(Notice::Violation {
            peer,
            violation: violation.clone(),
        });
        let locked_out = self
            .peer_scores
            .strike(peer, violation.weight(), cx.now, &self.settings);
        if let Some(locked_out) = locked_out {
            let last = violation;
            self.close(cx, peer, DisconnectReason::Offences { last, locked_out });
        }
    }

    /// Notes that the store failed: pulling pauses, for peers are not to blame.
    pub(crate) fn store_failed(&mut self, cx: &mut Context<'_>, failure: impl Into<StoreFailure>) {
        let reason = match failure.into() {
            StoreFailure::Refused(reason) => return cx.notice(Notice::Refused { reason }),
            StoreFailure::Storage(reason) => reason,
        };
        self.store.in_doubt = true;
        self.store.failures = self.store.failures.saturating_add(1);
        let pause = backoff(self.store.failures, &self.settings, &mut self.rng);
        self.store.rests_until = later(cx.now, pause);
        cx.notice(Notice::StoreFailed {
            reason,
            retry_at: self.store.rests_until,
        });
    }

    /// Begins to examine the store after a failure. A failed write may still have been kept, and then becomes visible
    /// with the next one: deltas whose bodies nobody requested, or a chain.
    fn look_again(&mut self, cx: &Context<'_>) {
        if !self.store.in_doubt || self.store.is_examined || self.store.rests_until > cx.now {
            return;
        }
        (self.store.in_doubt, self.store.is_examined) = (false, true);
        self.writes.accept(AfterAccept {
            examines: true,
            ..AfterAccept::default()
        });
    }

    /// Examines all logs, unless the store failed again.
    pub(crate) fn examine_logs(&mut self, cx: &mut Context<'_>) {
        self.store.is_examined = false;
        if self.store.in_doubt {
            return;
        }
        for position in cx.replica.positions() {
            self.bodies.start_anew((position.site, position.lane));
        }
        self.local_changed(cx);
    }

    pub(crate) fn store_worked(&mut self) {
        self.store.failures = 0;
    }

    /// Requests a tick at the earliest time at which anything could become possible.
    fn plan_waking(&mut self, cx: &mut Context<'_>) {
        let requests = self.pending.values().map(|pending| pending.deadline);
        let sessions = self.peers.values().filter_map(Self::session_wakes);
        let work = [
            self.gossip.next_expiry(),
            self.pulls_wake(cx.now),
            self.bodies_wake(cx.now),
            Some(self.store.rests_until),
        ];
        // Everything possible by now was done; the rest waits for something other than time.
        let times = requests
            .chain(sessions)
            .chain(work.into_iter().flatten())
            .filter(|time| *time > cx.now);
        let earliest = times.min();
        if self.wake_at != earliest || self.wake_at.is_some_and(|time| time <= cx.now) {
            self.wake_at = earliest;
            cx.out.extend(earliest.map(Effect::WakeAt));
        }
    }
}
