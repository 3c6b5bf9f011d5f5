//! Sessions: a peer connects, proves that it is a listed site, and leaves.
//!
//! The transport proves the peer's key. The known key of a listed site is enough to be sent news. Any other key
//! may send one bounded hello, in which it shows its certificate chain.
//!
//! A session (`peer::Stage`):
//!
//! | state | event | next state | also |
//! |---|---|---|---|
//! | none | connected | greeting | a full table, a lock-out or the own key: disconnects |
//! | greeting | it is this site's turn to greet | greeting | sends a hello |
//! | greeting | a hello with a longer chain | greeting | queues its write (`inbox`) |
//! | greeting | a hello, or an answer to one, of a listed site's current key | ready | answers a hello, tells all |
//! | greeting | a hello of a listed site's earlier key | greeting, for a short time | sends the proof (`old_key`) |
//! | greeting | any other hello, a refusal, the deadline | none | disconnects; not while its hello waits for the store |
//! | greeting | a second hello of a key that is not known, while the first waits for the store | greeting | refuses it as busy |
//! | ready | unlisted, or its key was replaced; too many violations | none | disconnects |
//! | any | disconnected | none | its open requests go to other peers; open writes go on |

use starling_protocol::{CertificateChain, CertificateError, OfferedChain, PublicKey, SiteId, UnixMillis};

use crate::clock::later;
use crate::engine::{Context, RequestKind, SyncEngine};
use crate::event::{Effect, RequestId};
use crate::inbox::{HelloStep, Message, MessageKind};
use crate::limits::{MAX_PEERS, MAX_STRANGERS};
use crate::news::unverifiable;
use crate::notice::{DisconnectReason, Notice};
use crate::peer::{Peer, Stage};
use crate::wire::{Capabilities, Hello, News, Refusal, RefusalCode, Request, Response};

/// The consequence of the chain in a hello.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It is longer than the known one, and must be kept before the key is checked.
    Learn(CertificateChain),
    /// The key is the current one of this site.
    Site(SiteId),
}

impl SyncEngine {
    pub(crate) fn connected(&mut self, cx: &mut Context<'_>, key: PublicKey) {
        if self.peers.contains_key(&key) {
            return;
        }
        let own_key = own_key(cx);
        let refuse = if own_key == Some(key) {
            Some(DisconnectReason::Oneself)
        } else if let Some(until) = self.peer_scores.locked_until(&key, cx.now) {
            Some(DisconnectReason::LockedOut { until })
        } else if self.peers.len() >= MAX_PEERS {
            Some(DisconnectReason::TooMany)
        } else {
            None
        };
        if let Some(reason) = refuse {
            return cx.out.push(Effect::Disconnect { peer: key, reason });
        }
        let is_stranger = cx.replica.authorised(&key).is_none();
        if is_stranger {
            self.make_room_for_a_stranger(cx);
        }
        let deadline = later(cx.now, self.settings.hello_timeout);
        // One side greets, or both would send everything twice; the other greets later if the first does not.
        let first = own_key.is_some_and(|own| own < key);
        // A stranger may be a listed site with an earlier or later key. Its own hello shows that, and ours would
        // only be refused. But while the chain of a listed site is not known, each new key may be that site's, and
        // two such sites must not wait for each other.
        let patience = self.settings.hello_patience;
        let waits = is_stranger && !cx.replica.awaits_a_chain();
        let greet_at = match (waits, first) {
            (true, _) => later(cx.now, patience.saturating_mul(2)),
            (false, true) => cx.now,
            (false, false) => later(cx.now, patience),
        };
        self.peers
            .insert(key, Peer::new(cx.now, deadline, greet_at, &self.settings));
    }

    /// Disconnects a stranger if there are too many: of those whose hello has not come, and of those whose hello waits
    /// for the store, the one that had the most time.
    ///
    /// A site whose new key is not known yet is a stranger too and sends its hello at once. If the newcomer
    /// were turned away instead, a few idle connections would keep it out forever. The two kinds do not compete: hellos
    /// that wait for a slow store would leave a newcomer no time for its own.
    fn make_room_for_a_stranger(&mut self, cx: &mut Context<'_>) {
        for waits in [false, true] {
            let strangers = self.peers.iter().filter_map(|(key, peer)| match peer.stage {
                Stage::Greeting { deadline, .. } if cx.replica.authorised(key).is_none() => {
                    (self.inbox.has_hello_of(*key) == waits).then_some((deadline, *key))
                }
                _ => None,
            });
            let strangers: Vec<(UnixMillis, PublicKey)> = strangers.collect();
            if strangers.len() >= MAX_STRANGERS
                && let Some((_, oldest)) = strangers.into_iter().min()
            {
                self.close(cx, oldest, DisconnectReason::TooMany);
            }
        }
    }

    /// Greets peers that wait for it, and drops those that do not prove their identity in time or are no longer
    /// listed.
    pub(crate) fn keep_sessions(&mut self, cx: &mut Context<'_>) {
        let keys: Vec<PublicKey> = self.peers.keys().copied().collect();
        for key in keys {
            let Some(peer) = self.peers.get_mut(&key) else {
                continue;
            };
            match &mut peer.stage {
                // It waits for the store.
                Stage::Greeting { .. } if self.inbox.has_hello_of(key) => {}
                Stage::Greeting { deadline, .. } if *deadline <= cx.now => {
                    self.close(cx, key, DisconnectReason::NoHello);
                }
                Stage::Greeting { greet_at, .. } if greet_at.is_some_and(|time| time <= cx.now) => {
                    *greet_at = None;
                    let hello = Request::Hello(self.hello_to(cx, key));
                    self.ask(cx, key, &hello, RequestKind::Hello, 0);
                }
                Stage::Greeting { .. } | Stage::Ready { .. } => {}
            }
        }
    }

    /// Ends the sessions of peers that may no longer take part, because the allow-list or their key changed.
    pub(crate) fn drop_unlisted(&mut self, cx: &mut Context<'_>) {
        let gone = self
            .ready_peers()
            .filter(|(key, site)| cx.replica.authorised(key) != Some(*site));
        let gone: Vec<PublicKey> = gone.map(|(key, _)| key).collect();
        for key in gone {
            self.close(cx, key, DisconnectReason::NotListed);
        }
    }

    pub(crate) fn session_wakes(peer: &Peer) -> Option<UnixMillis> {
        match peer.stage {
            Stage::Greeting { deadline, greet_at } => {
                Some(greet_at.map_or(deadline, |greet| greet.min(deadline)))
            }
            Stage::Ready { .. } => peer.outbox.wakes(),
        }
    }

    /// Returns this site's first message. A peer that has not proved that it is listed learns only this site's
    /// chain.
    fn hello_to(&mut self, cx: &mut Context<'_>, key: PublicKey) -> Hello {
        let known = cx.replica.authorised(&key).is_some();
        let news = if known {
            self.first_news(cx, key)
        } else {
            News::default()
        };
        let own = cx.replica.site();
        Hello {
            capabilities: Capabilities::OWN,
            chain: cx
                .replica
                .chain(&own)
                .map_or_else(Vec::new, |chain| chain.to_bytes()),
            news,
        }
    }

    pub(crate) fn hello_came(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        id: Option<RequestId>,
        mut hello: Hello,
    ) {
        // Anybody may send a hello. What a stranger sends waits for the store only if it may become a peer, and once.
        if cx.replica.authorised(&key).is_none() {
            if let Some(id) = id
                && self.inbox.has_asked_hello_of(key)
            {
                return self.refuse(cx, key, id, RefusalCode::Busy, "");
            }
            if let Err(code) = self.listed_chain(cx, key, &hello) {
                return self.not_admitted(cx, key, id, &hello, code);
            }
        }
        let news = std::mem::take(&mut hello.news);
        let kind = MessageKind::Hello(id, hello, HelloStep::New);
        self.take_in(cx, Message::new(key, kind, news));
    }

    /// Ends the session of a peer whose hello does not admit it.
    pub(crate) fn not_admitted(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        id: Option<RequestId>,
        hello: &Hello,
        code: RefusalCode,
    ) {
        if let Some(id) = id {
            if code == RefusalCode::NotCurrentKey && self.tell_old_key(cx, key, id, hello) {
                return;
            }
            self.refuse(cx, key, id, code, "");
        }
        self.close(cx, key, reason_of(code));
    }

    /// Answers the hello of an admitted peer, and reports to it what did not fit into this site's own hello.
    pub(crate) fn answer_hello(&mut self, cx: &mut Context<'_>, key: PublicKey, id: Option<RequestId>) {
        if let Some(id) = id {
            let answer = Response::Hello(self.hello_to(cx, key));
            self.respond(cx, key, id, &answer);
        }
        self.tell_all(cx, key);
    }

    /// Checks whether the chain in a hello makes this key a listed site's. A longer chain than the known one must be
    /// kept first.
    pub(crate) fn admit(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        hello: &Hello,
        step: HelloStep,
    ) -> Result<Admission, RefusalCode> {
        if step == HelloStep::ChainWritten(false) {
            return Err(RefusalCode::Failed);
        }
        let offered = self.listed_chain(cx, key, hello)?;
        let site = offered.site();
        // Certificates that are known are not checked again.
        let known = cx.replica.chain(&site);
        let is_known = known.as_ref().is_some_and(|known| offered.is_part_of(known));
        if step == HelloStep::New && !is_known {
            if *offered.operating_key() != key && cx.replica.authorised(&key) != Some(site) {
                return Err(RefusalCode::NotCurrentKey);
            }
            let chain = offered.verify(known.as_ref());
            let chain = chain.map_err(|error| self.forged(cx, key, &error))?;
            return Ok(Admission::Learn(chain));
        }
        // The key must be the current one according to the longer chain.
        match cx.replica.authorised(&key) {
            Some(authorised) if authorised == site => Ok(Admission::Site(site)),
            _ => Err(RefusalCode::NotCurrentKey),
        }
    }

    /// Returns the chain in a hello if it is of another listed site: the cheap checks, which verify no signature.
    fn listed_chain<'h>(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        hello: &'h Hello,
    ) -> Result<OfferedChain<'h>, RefusalCode> {
        let offered = OfferedChain::decode(&hello.chain).map_err(|error| self.forged(cx, key, &error))?;
        let site = offered.site();
        if site == cx.replica.site() {
            return Err(RefusalCode::NotListed);
        }
        if !cx.replica.is_listed(&site) {
            cx.notice(Notice::Unlisted { peer: key, site });
            return Err(RefusalCode::NotListed);
        }
        Ok(offered)
    }

    fn forged(&mut self, cx: &mut Context<'_>, key: PublicKey, error: &CertificateError) -> RefusalCode {
        self.record_violation(cx, key, unverifiable("certificate chain", error));
        RefusalCode::Malformed
    }

    pub(crate) fn become_ready(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        site: SiteId,
        theirs: Capabilities,
    ) {
        let Some(peer) = self.peers.get_mut(&key) else {
            return;
        };
        if peer.site() != Some(site) {
            cx.notice(Notice::PeerReady { peer: key, site });
        }
        peer.stage = Stage::Ready {
            site,
            capabilities: Capabilities::OWN.and(theirs),
        };
    }

    /// Handles the refusal of a request of this site.
    pub(crate) fn refused(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        ask: RequestKind,
        refusal: Refusal,
    ) {
        let Refusal {
            code,
            text,
            retry_after_millis,
        } = refusal;
        cx.notice(Notice::RefusedByPeer {
            peer: key,
            code,
            text,
        });
        self.abandon_quietly(cx, key, ask);
        match code {
            RefusalCode::NotListed | RefusalCode::NotCurrentKey | RefusalCode::Version => {
                self.close(cx, key, DisconnectReason::RefusedByPeer(code));
            }
            _ => {
                // Not longer than our own longest rest: a peer may ask for patience, not for silence.
                let asked = cx.now.plus_millis(u64::from(retry_after_millis));
                let most = later(cx.now, self.settings.longest_backoff);
                if let Some(peer) = self.peers.get_mut(&key) {
                    peer.pace.rest_at_least_until(asked.min(most));
                }
            }
        }
    }

    /// As [`Self::abandon`], but a refused hello is answered by its code.
    fn abandon_quietly(&mut self, cx: &mut Context<'_>, key: PublicKey, ask: RequestKind) {
        match ask {
            RequestKind::Hello => self.rest(cx.now, key),
            other => self.abandon(cx, key, other),
        }
    }

    /// Disconnects a peer and forgets it.
    pub(crate) fn close(&mut self, cx: &mut Context<'_>, key: PublicKey, reason: DisconnectReason) {
        if self.peers.contains_key(&key) {
            cx.out.push(Effect::Disconnect { peer: key, reason });
            self.forget(cx, key);
        }
    }

    /// Forgets a peer that is gone; its open requests go to other peers.
    pub(crate) fn forget(&mut self, cx: &mut Context<'_>, key: PublicKey) {
        let Some(peer) = self.peers.remove(&key) else {
            return;
        };
        let open = self.pending.iter().filter(|(_, pending)| pending.peer == key);
        let open: Vec<RequestId> = open.map(|(id, _)| *id).collect();
        for id in open {
            match self.pending.remove(&id).map(|pending| pending.ask) {
                Some(RequestKind::Deltas(ask)) => self.deltas_failed(&ask),
                Some(RequestKind::Bodies(ask)) => self.bodies_failed(key, ask),
                Some(
                    RequestKind::Hello | RequestKind::News(_) | RequestKind::Facts | RequestKind::Tips(_),
                )
                | None => {}
            }
        }
        self.pulls.peer_left(&key);
        self.bodies.peer_left(&key);
        self.inbox.peer_left(key);
        for log in peer.knows.keys() {
            self.reconsider(cx, *log);
        }
        if peer.site().is_some() {
            cx.notice(Notice::PeerLeft { peer: key });
        }
    }
}

/// This site's current operating key.
fn own_key(cx: &Context<'_>) -> Option<PublicKey> {
    let chain = cx.replica.chain(&cx.replica.site())?;
    Some(chain.current().body().operating_key)
}

fn reason_of(code: RefusalCode) -> DisconnectReason {
    match code {
        RefusalCode::NotCurrentKey => DisconnectReason::NotCurrentKey,
        _ => DisconnectReason::NotListed,
    }
}
