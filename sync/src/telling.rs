//! Sends this site's positions to neighbours: to which, how soon, and with which facts.

use starling_protocol::{ClaimNumber, PublicKey, UnixMillis};

use crate::LogKey;
use crate::clock::later;
use crate::engine::{Context, RequestKind, SyncEngine};
use crate::limits::{MAX_FACTS, MAX_NOTES, MAX_REQUEST_BYTES};
use crate::news::rank_of;
use crate::peer::head_rank;
use crate::replica::Replica;
use crate::wire::{LogNote, News, Request};

/// Longest encoded note, in bytes.
pub(crate) const LONGEST_NOTE_BYTES: usize = 96;
/// Most bytes of facts in the first message to a peer about which nothing is known yet.
const FIRST_FACTS_BYTES: usize = 16 * 1024;
/// Bytes kept free for the frame around the parts of a message.
const FRAME_BYTES: usize = 1_024;

/// Returns this site's position in a log as a note.
pub(crate) fn note_of(replica: &dyn Replica, (site, lane): LogKey) -> LogNote {
    let position = replica.position(&site, lane);
    let head = replica.head(&site, lane).map(|head| rank_of(head.head()));
    let (head_epoch, head_number, head_issued_at) = head.unwrap_or((0, ClaimNumber::NONE, UnixMillis::EPOCH));
    let chain = replica.chain(&site).map_or(0, |chain| chain.certificates().len());
    LogNote {
        site,
        lane,
        chain_length: u32::try_from(chain).unwrap_or(u32::MAX),
        forked: position.is_some_and(|position| position.forked),
        head_epoch,
        head_number,
        head_issued_at,
        held: position.map_or(ClaimNumber::NONE, |position| position.held),
        body_complete: position.map_or(ClaimNumber::NONE, |position| position.body_complete),
    }
}

impl SyncEngine {
    /// Returns the first message to a peer: all logs that it may know.
    pub(crate) fn first_news(&mut self, cx: &Context<'_>, key: PublicKey) -> News {
        let own = cx.replica.site();
        let chain = cx.replica.chain(&own).map_or(0, |chain| chain.to_bytes().len());
        let logs: Vec<LogKey> = cx
            .replica
            .positions()
            .iter()
            .map(|at| (at.site, at.lane))
            .collect();
        let (news, sent) = self.compose(cx, key, logs.into_iter(), MAX_REQUEST_BYTES.saturating_sub(chain));
        self.count_as_told(key, &sent);
        news
    }

    /// Plans to report to a peer every log that was not reported to it yet.
    pub(crate) fn tell_all(&mut self, cx: &mut Context<'_>, key: PublicKey) {
        for position in cx.replica.positions() {
            let log = (position.site, position.lane);
            let note = note_of(cx.replica, log);
            let own = cx.replica.site();
            if let Some(peer) = self.peers.get_mut(&key)
                && peer.may_share(log, own)
                && !peer.outbox.is_confirmed(&note)
            {
                peer.outbox.plan(log, cx.now);
            }
        }
    }

    /// Plans to report a moved log to the peers, at once to those that can use it.
    pub(crate) fn log_changed(&mut self, cx: &Context<'_>, log: LogKey) {
        self.plan_comparisons(cx, log);
        let own = cx.replica.site();
        let note = note_of(cx.replica, log);
        let at_leisure = self.settings.renewal_interval;
        for peer in self.peers.values_mut() {
            if peer.site().is_none() || !peer.may_share(log, own) || peer.outbox.is_confirmed(&note) {
                continue;
            }
            let behind = peer.knows.get(&log).is_none_or(|theirs| {
                theirs.held < note.held
                    || theirs.body_complete < note.body_complete
                    || theirs.chain_length < note.chain_length
                    || (note.forked && !theirs.forked)
            });
            let due = if log.0 == own {
                // Gossip is faster, and a peer that pulls has received it.
                later(cx.now, self.settings.own_news_grace)
            } else if behind {
                peer.outbox.next_after(self.settings.news_gap).max(cx.now)
            } else {
                let jitter = self
                    .rng
                    .u64(0..=at_leisure.as_millis().try_into().unwrap_or(u64::MAX) / 4);
                later(cx.now, at_leisure).plus_millis(jitter)
            };
            peer.outbox.plan(log, due);
        }
    }

    /// Sends the reports that are due.
    pub(crate) fn tell_news(&mut self, cx: &mut Context<'_>) {
        // The answer is a message too: a peer with many messages that wait for the store gets it later.
        let due = self.peers.iter().filter(|(key, peer)| {
            peer.site().is_some() && peer.outbox.is_due(cx.now) && self.inbox.has_room(**key)
        });
        let due: Vec<PublicKey> = due.map(|(key, _)| *key).collect();
        for key in due {
            let Some(peer) = self.peers.get_mut(&key) else {
                continue;
            };
            if peer.pace.rests(cx.now) {
                peer.outbox.delay(peer.pace.rests_until());
                continue;
            }
            let gap = self.settings.news_gap;
            let logs = peer.outbox.take(cx.now, gap, |log| note_of(cx.replica, log));
            if logs.is_empty() {
                continue;
            }
            peer.outbox.sent(cx.now);
            let (news, sent) = self.compose(cx, key, logs.into_iter(), MAX_REQUEST_BYTES);
            self.ask(cx, key, &Request::News(news), RequestKind::News(sent), 0);
        }
    }

    /// Plans to send news again that a peer did not confirm.
    pub(crate) fn news_failed(&mut self, cx: &Context<'_>, key: PublicKey, told: &[LogNote]) {
        if let Some(peer) = self.peers.get_mut(&key) {
            let due = peer.pace.rests_until().max(cx.now);
            told.iter()
                .for_each(|note| peer.outbox.plan((note.site, note.lane), due));
        }
    }

    pub(crate) fn count_as_told(&mut self, key: PublicKey, notes: &[LogNote]) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.outbox.confirm(notes);
        }
    }

    /// Builds news about some logs for a peer: this site's positions, and the facts that the peer lacks.
    ///
    /// Stays within `room` bytes; a peer requests the facts that do not fit. Returns the included notes too.
    /// Logs that the peer may not know, or beyond [`MAX_NOTES`], are left out.
    pub(crate) fn compose(
        &self,
        cx: &Context<'_>,
        key: PublicKey,
        logs: impl Iterator<Item = LogKey>,
        room: usize,
    ) -> (News, Vec<LogNote>) {
        let own = cx.replica.site();
        let mut news = News::default();
        let Some(peer) = self.peers.get(&key) else {
            return (news, Vec::new());
        };
        let mut room = room.saturating_sub(FRAME_BYTES);
        for log in logs.filter(|log| peer.may_share(*log, own) && cx.replica.is_listed(&log.0)) {
            if news.notes.len() == MAX_NOTES || room < LONGEST_NOTE_BYTES {
                break;
            }
            room -= LONGEST_NOTE_BYTES;
            news.notes.push(note_of(cx.replica, log));
        }
        if peer.knows.is_empty() {
            room = room.min(FIRST_FACTS_BYTES);
        }
        let mut fits = |bytes: usize| {
            let cost = bytes + 64;
            let fits = cost <= room;
            room -= if fits { cost } else { 0 };
            fits
        };
        let mut forks = None;
        for note in &news.notes {
            let log = (note.site, note.lane);
            let theirs = peer.knows.get(&log);
            // The own chain is in the hello, and a peer knows its own chain.
            let chain_is_news = note.chain_length > theirs.map_or(0, |theirs| theirs.chain_length)
                && (theirs.is_some() || note.site != own)
                && peer.site() != Some(note.site);
            if chain_is_news && news.chains.len() < MAX_FACTS {
                let chain = cx.replica.chain(&note.site).map(|chain| chain.to_bytes());
                let chain = chain.filter(|chain| !news.chains.contains(chain) && fits(chain.len()));
                news.chains.extend(chain);
            }
            let head_is_news = theirs.is_none_or(|theirs| head_rank(theirs) < head_rank(note));
            if head_is_news && peer.site() != Some(note.site) && news.heads.len() < MAX_FACTS {
                let head = cx
                    .replica
                    .head(&note.site, note.lane)
                    .map(|head| head.as_bytes().to_vec());
                news.heads.extend(head.filter(|head| fits(head.len())));
            }
            if note.forked && theirs.is_none_or(|theirs| !theirs.forked) && news.forks.len() < MAX_FACTS {
                let forks = forks.get_or_insert_with(|| cx.replica.forks());
                let fork = forks.iter().find(|fork| (fork.site(), fork.lane()) == log);
                let fork = fork.filter(|fork| peer.reads_fork(fork));
                let fork = fork.map(|fork| (note.site, fork.to_bytes()));
                news.forks.extend(fork.filter(|(_, bytes)| fits(bytes.len())));
            }
        }
        let sent = news.notes.clone();
        (news, sent)
    }
}
