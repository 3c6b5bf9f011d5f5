//! News: the positions of sites, and the signed facts (chains, heads, fork proofs) that prove them.
//!
//! News goes to neighbours only and states what this site holds, because that is what a neighbour can fetch
//! here. It is confirmed, so a lost message is sent again, and nothing is sent twice. Facts that a note
//! mentions and that did not come with it are requested. This file handles incoming news. Outgoing news is in
//! `telling`, and gossip to everyone in `gossip`.

use starling_protocol::{
    CertificateChain, ClaimNumber, DeltaError, ForkError, ForkProof, Head, HeadError, Lane, OfferedChain,
    PublicKey, SiteId, UnixMillis, VerifiedHead,
};

use crate::LogKey;
use crate::engine::{Context, RequestKind, SyncEngine};
use crate::event::RequestId;
use crate::inbox::{Message, MessageKind};
use crate::limits::{MAX_NOTES, MAX_REQUEST_BYTES};
use crate::notice::{Notice, Violation};
use crate::peer::{HeadRank, head_rank};
use crate::pull::held;
use crate::telling::note_of;
use crate::wire::{FactsWanted, LogNote, News, Request, Response};
use crate::writes::QueuedWrite;

impl SyncEngine {
    pub(crate) fn news_asked(&mut self, cx: &mut Context<'_>, key: PublicKey, id: RequestId, news: News) {
        self.take_in(cx, Message::new(key, MessageKind::News(Some(id)), news));
    }

    /// Answers news about some logs with this site's own.
    pub(crate) fn answer_news(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        id: RequestId,
        notes: &[LogNote],
    ) {
        let logs = notes.iter().map(|note| (note.site, note.lane));
        let (answer, sent) = self.compose(cx, key, logs, MAX_REQUEST_BYTES);
        self.respond(cx, key, id, &Response::News(answer));
        self.count_as_told(key, &sent);
    }

    pub(crate) fn news_answered(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        told: &[LogNote],
        news: News,
    ) {
        self.count_as_told(key, told);
        self.take_in(cx, Message::new(key, MessageKind::News(None), news));
    }

    pub(crate) fn facts_asked(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        id: RequestId,
        wanted: &FactsWanted,
    ) {
        let own = cx.replica.site();
        let Some(peer) = self.peers.get(&key) else { return };
        let mut news = News::default();
        let mut room = MAX_REQUEST_BYTES - 1_024;
        let mut fits = |bytes: &[u8]| {
            let cost = bytes.len() + 64;
            let fits = cost <= room;
            room -= if fits { cost } else { 0 };
            fits
        };
        for site in &wanted.chains {
            let chain = cx.replica.chain(site).map(|chain| chain.to_bytes());
            news.chains.extend(chain.filter(|chain| fits(chain)));
        }
        for log in wanted.heads.iter().filter(|log| peer.may_share(**log, own)) {
            let head = cx
                .replica
                .head(&log.0, log.1)
                .map(|head| head.as_bytes().to_vec());
            news.heads.extend(head.filter(|head| fits(head)));
        }
        let forks = if wanted.forks.is_empty() {
            Vec::new()
        } else {
            cx.replica.forks()
        };
        for fork in forks
            .iter()
            .filter(|fork| wanted.forks.contains(&(fork.site(), fork.lane())) && peer.reads_fork(fork))
        {
            let bytes = fork.to_bytes();
            if peer.may_share((fork.site(), fork.lane()), own) && fits(&bytes) {
                news.forks.push((fork.site(), bytes));
            }
        }
        self.respond(cx, key, id, &Response::News(news));
    }

    pub(crate) fn facts_answered(&mut self, cx: &mut Context<'_>, key: PublicKey, news: News) {
        self.take_in(cx, Message::new(key, MessageKind::News(None), news));
    }

    /// Requests the facts that peers' notes mention.
    pub(crate) fn ask_facts(&mut self, cx: &mut Context<'_>) {
        // A waiting message may contain the wanted facts: they are requested after that message was processed.
        if !self.inbox.is_empty() {
            return;
        }
        let ready = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.site().is_some() && peer.wanted.is_due() && !peer.pace.rests(cx.now));
        let ready: Vec<PublicKey> = ready.map(|(key, _)| *key).collect();
        for key in ready {
            let Some(peer) = self.peers.get_mut(&key) else {
                continue;
            };
            let wanted = peer.wanted.take();
            self.ask(
                cx,
                key,
                &Request::Facts(wanted),
                RequestKind::Facts,
                MAX_REQUEST_BYTES as u64,
            );
        }
    }

    /// Checks a chain. Returns its write if it is news.
    pub(crate) fn check_chain(
        &self,
        cx: &Context<'_>,
        bytes: &[u8],
    ) -> Result<Option<QueuedWrite>, Violation> {
        let forged = |error| unverifiable("certificate chain", &error);
        let offered = OfferedChain::decode(bytes).map_err(forged)?;
        if !cx.replica.is_listed(&offered.site()) {
            return Ok(None);
        }
        let known = cx.replica.chain(&offered.site());
        if known.as_ref().is_some_and(|known| offered.is_part_of(known)) {
            return Ok(None);
        }
        let chain = offered.verify(known.as_ref()).map_err(forged)?;
        Ok(Some(QueuedWrite::Chain(chain)))
    }

    /// Handles a longer chain: its logs can be verified further, and its old key is no longer accepted.
    pub(crate) fn chain_learned(
        &mut self,
        cx: &mut Context<'_>,
        chain: &CertificateChain,
        before: Vec<(Lane, ClaimNumber)>,
    ) {
        let site = chain.site();
        cx.notice(Notice::ChainLearned {
            site,
            epoch: chain.epoch(),
        });
        for ((lane, held), (_, now)) in before.into_iter().zip(held_of(cx, &site)) {
            if now < held {
                cx.notice(Notice::GivenUp {
                    site,
                    lane,
                    held,
                    resumed_after: now,
                });
            }
        }
        self.drop_unlisted(cx);
        for lane in Lane::ALL {
            self.pulls.end_pauses((site, lane));
            self.bodies.start_anew((site, lane));
            self.reconsider(cx, (site, lane));
            self.log_changed(cx, (site, lane));
            // A head that came before its chain could not be checked then.
            for peer in self.peers.values_mut() {
                if peer
                    .knows
                    .get(&(site, lane))
                    .is_some_and(|note| note.head_issued_at > UnixMillis::EPOCH)
                {
                    peer.wanted.head((site, lane));
                }
            }
        }
    }

    /// Checks a head. Returns its write if it is news.
    pub(crate) fn check_head(
        &mut self,
        cx: &Context<'_>,
        key: PublicKey,
        bytes: &[u8],
        gossip: bool,
    ) -> Result<Option<QueuedWrite>, Violation> {
        let head = Head::peek(bytes).map_err(|error| unverifiable("head", &error))?;
        let log = (head.site, head.lane);
        let own = cx.replica.site();
        let Some(peer) = self.peers.get_mut(&key) else {
            return Ok(None);
        };
        let shared = peer.may_share(log, own) && !(gossip && head.lane == Lane::Direct);
        if !shared || !cx.replica.is_listed(&head.site) {
            return Ok(None);
        }
        let known = cx.replica.head(&head.site, head.lane);
        let is_other = |known: &Head| known.number == head.number && known.header != head.header;
        let is_news = known.is_none_or(|known| {
            // An older head that names another delta for the same claim is half of a fork.
            rank_of(known.head()) < rank_of(&head) || is_other(known.head())
        });
        if !is_news {
            return Ok(None);
        }
        let Some(chain) = cx.replica.chain(&head.site) else {
            peer.wanted.chain(head.site);
            return Ok(None);
        };
        let verified = match VerifiedHead::verify(bytes, &chain) {
            Ok(verified) => verified,
            Err(HeadError::UnknownEpoch { site, .. }) => {
                peer.wanted.chain(site);
                return Ok(None);
            }
            // It was true, and a certificate closed it since, which the sender may not know yet.
            Err(HeadError::OutsideEpoch { .. }) => return Ok(None),
            Err(error) => return Err(unverifiable("head", &error)),
        };
        Ok(Some(QueuedWrite::Head(verified, key)))
    }

    /// Handles a head that shows two histories. The peer's delta at that number proves the fork to everyone.
    pub(crate) fn head_diverges(&mut self, cx: &mut Context<'_>, key: PublicKey, head: &Head) {
        let (site, lane, number) = (head.site, head.lane, head.number);
        cx.notice(Notice::Diverges { site, lane, number });
        self.probe(key, (site, lane), number);
        self.log_changed(cx, (site, lane));
    }

    pub(crate) fn head_learned(&mut self, cx: &mut Context<'_>, head: &Head) {
        let log = (head.site, head.lane);
        if head.site != cx.replica.site() {
            self.gossip.watch_head(log, head.expires_at);
        }
        cx.notice(Notice::HeadLearned {
            site: head.site,
            lane: head.lane,
            number: head.number,
        });
        // An author has its own log, and all bodies in it.
        let mut author = self.peers.iter_mut();
        if let Some((key, author)) = author.find(|(_, peer)| peer.site() == Some(head.site)) {
            let is_new = !author.knows.contains_key(&log);
            let note = author.knows.entry(log).or_insert_with(|| empty_note(log));
            if rank_of(head) > head_rank(note) {
                (note.head_epoch, note.head_number, note.head_issued_at) = rank_of(head);
            }
            let before = note.body_complete;
            note.held = note.held.max(head.number);
            note.body_complete = note.body_complete.max(head.number);
            // Its next statement about itself would then be no news, and bodies that nobody could give would
            // wait long.
            if is_new || note.body_complete > before {
                self.bodies.peer_has_more(log, *key, before);
            }
        }
        self.reconsider(cx, log);
        self.log_changed(cx, log);
    }

    /// Checks a fork proof. Returns its write if it can be verified.
    pub(crate) fn check_fork(
        &mut self,
        cx: &Context<'_>,
        key: PublicKey,
        site: SiteId,
        bytes: &[u8],
    ) -> Result<Option<QueuedWrite>, Violation> {
        if !cx.replica.is_listed(&site) {
            return Ok(None);
        }
        let chain = cx.replica.chain(&site);
        let proof = chain.as_ref().map(|chain| ForkProof::verify(bytes, chain));
        match proof {
            Some(Ok(proof)) => Ok(Some(QueuedWrite::Fork(Box::new(proof)))),
            None | Some(Err(ForkError::Header(DeltaError::UnknownEpoch { .. }))) => {
                if let Some(peer) = self.peers.get_mut(&key) {
                    peer.wanted.chain(site);
                }
                Ok(None)
            }
            // The proof is about a branch that a certificate closed, which the sender may not know yet:
            // settled.
            Some(Err(ForkError::Header(error)))
                if chain.as_ref().is_some_and(|chain| error.was_true_once(chain)) =>
            {
                Ok(None)
            }
            Some(Err(error)) => Err(unverifiable("fork proof", &error)),
        }
    }

    /// Handles a proved and kept fork: every site must learn of it, and the log is frozen.
    pub(crate) fn fork_learned(&mut self, cx: &mut Context<'_>, proof: &ForkProof) {
        let (site, lane) = (proof.site(), proof.lane());
        cx.notice(Notice::Forked { site, lane });
        // Gossip goes to everyone, and not every site reads version 2; peers that do get it as news.
        if lane == Lane::Federation && !proof.is_of_neighbours() {
            self.gossip.queue(News {
                forks: vec![(site, proof.to_bytes())],
                ..News::default()
            });
        }
        self.reconsider(cx, (site, lane));
        self.log_changed(cx, (site, lane));
    }

    /// Takes a peer's stated position, and plans to fetch what it has and this site lacks.
    pub(crate) fn take_note(&mut self, cx: &mut Context<'_>, key: PublicKey, note: &LogNote) {
        let log = (note.site, note.lane);
        let own = cx.replica.site();
        if !cx.replica.is_listed(&note.site) {
            return;
        }
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| peer.may_share(log, own)) else {
            return;
        };
        let body_complete = note.body_complete.min(note.held);
        let before = peer.knows.insert(
            log,
            LogNote {
                body_complete,
                ..*note
            },
        );
        if before.is_some_and(|before| before == *note) {
            return;
        }
        let mine = note_of(cx.replica, log);
        if note.chain_length > mine.chain_length {
            peer.wanted.chain(note.site);
        }
        if head_rank(note) > head_rank(&mine) {
            peer.wanted.head(log);
        }
        if note.forked
            && !mine.forked
            && !cx
                .replica
                .forks()
                .iter()
                .any(|fork| (fork.site(), fork.lane()) == log)
        {
            peer.wanted.fork(log);
        }
        self.reconsider(cx, log);
        let rises = |before: LogNote| before.body_complete < body_complete || before.held < note.held;
        if before.is_none_or(rises) {
            if mine.body_complete < mine.held {
                self.bodies.look_at(log);
            }
            let before = before.map_or(ClaimNumber::NONE, |before| {
                if before.body_complete < body_complete {
                    before.body_complete
                } else {
                    before.held
                }
            });
            self.bodies.peer_has_more(log, key, before);
        }
        self.plan_comparisons(cx, log);
    }
}

/// Returns the claims up to which the logs of a site are held.
pub(crate) fn held_of(cx: &Context<'_>, site: &SiteId) -> Vec<(Lane, ClaimNumber)> {
    let lanes = Lane::ALL.into_iter();
    lanes.map(|lane| (lane, held(cx, (*site, lane)))).collect()
}

pub(crate) fn rank_of(head: &Head) -> HeadRank {
    (head.epoch, head.number, head.issued_at)
}

pub(crate) fn unverifiable(object: &'static str, error: &dyn std::error::Error) -> Violation {
    let cause = error
        .source()
        .map_or_else(String::new, |cause| format!(": {cause}"));
    let reason = format!("{error}{cause}");
    Violation::Unverifiable { object, reason }
}

fn empty_note((site, lane): LogKey) -> LogNote {
    LogNote {
        site,
        lane,
        chain_length: 0,
        forked: false,
        head_epoch: 0,
        head_number: ClaimNumber::NONE,
        head_issued_at: UnixMillis::EPOCH,
        held: ClaimNumber::NONE,
        body_complete: ClaimNumber::NONE,
    }
}

// The notes of a full message leave room for the rest of the message.
const _: () = assert!(MAX_NOTES * crate::telling::LONGEST_NOTE_BYTES < MAX_REQUEST_BYTES);
