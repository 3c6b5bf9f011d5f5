//! Compares the logs of two sites at equal positions: the last delta, and the sum of the claims.
//!
//! Notes carry numbers only. Two sites with equal numbers may hold two histories of an author, which no head
//! shows if none was signed for one of them, or rows that differ from the deltas because of damage. So each
//! site compares once in a session, and again whenever no head vouches for both.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::{ClaimNumber, PublicKey};

use crate::LogKey;
use crate::engine::{Context, RequestKind, SyncEngine};
use crate::event::RequestId;
use crate::limits::MAX_NOTES;
use crate::notice::{Notice, TipDifference};
use crate::peer::head_rank;
use crate::replica::{HeldTip, Replica};
use crate::telling::note_of;
use crate::wire::{Capabilities, LogTipNote, Request, Response, Tips};

/// The claim up to which two sites compared a log, and the length of the author's chain then.
type Compared = (ClaimNumber, u32);

/// The comparisons of logs with one peer.
#[derive(Debug, Default)]
pub(crate) struct Comparisons {
    /// Logs to compare.
    waiting: BTreeSet<LogKey>,
    /// Up to where each log was compared.
    compared: BTreeMap<LogKey, Compared>,
    /// Logs that were not the same when they were compared last.
    differs: BTreeMap<LogKey, TipDifference>,
    /// True while a request is not answered.
    is_open: bool,
}

impl Comparisons {
    /// Returns true if the peer held another history of a log when they were compared last.
    pub(crate) fn differs_in_history(&self, log: LogKey) -> bool {
        self.differs.get(&log) == Some(&TipDifference::History)
    }

    pub(crate) fn closed(&mut self) {
        self.is_open = false;
    }

    /// Forgets that a log was compared: its last delta may be another one with the same number.
    fn forget(&mut self, log: LogKey) {
        self.compared.remove(&log);
    }
}

impl SyncEngine {
    /// Plans to compare a log with every peer at the same position.
    pub(crate) fn plan_comparisons(&mut self, cx: &Context<'_>, log: LogKey) {
        let own = cx.replica.site();
        let mine = note_of(cx.replica, log);
        if mine.held == ClaimNumber::NONE {
            return;
        }
        let stands = (mine.held, mine.chain_length);
        let is_lost = cx.replica.position(&log.0, log.1).is_some_and(|at| at.lost);
        for peer in self.peers.values_mut() {
            let Some(theirs) = peer.knows.get(&log) else {
                continue;
            };
            if !peer.has(Capabilities::TIPS)
                || !peer.may_share(log, own)
                || (theirs.held, theirs.chain_length) != stands
            {
                continue;
            }
            // Both checked the same head against the delta that it names, unless a certificate names another one.
            let is_vouched =
                !is_lost && mine.head_number == mine.held && head_rank(theirs) == head_rank(&mine);
            let is_due = match peer.comparisons.compared.get(&log) {
                None => true,
                Some(compared) => *compared != stands && !is_vouched,
            };
            if is_due {
                peer.comparisons.waiting.insert(log);
            }
        }
    }

    /// Compares a log again with every peer, because held deltas of it were given up.
    pub(crate) fn compare_again(&mut self, log: LogKey) {
        for peer in self.peers.values_mut() {
            peer.comparisons.forget(log);
        }
    }

    /// Sends the planned requests.
    pub(crate) fn ask_tips(&mut self, cx: &mut Context<'_>) {
        let ready = self.peers.iter().filter(|(_, peer)| {
            peer.site().is_some()
                && !peer.comparisons.is_open
                && !peer.comparisons.waiting.is_empty()
                && !peer.pace.rests(cx.now)
        });
        let ready: Vec<PublicKey> = ready.map(|(key, _)| *key).collect();
        for key in ready {
            let Some(peer) = self.peers.get_mut(&key) else {
                continue;
            };
            let mut tips = Vec::new();
            let mut logs = Vec::new();
            while let Some(log) = peer.comparisons.waiting.pop_first() {
                let theirs = peer.knows.get(&log).map(|note| note.held);
                let tip = tip_note(cx.replica, log).filter(|tip| Some(tip.held) == theirs);
                tips.extend(tip);
                logs.extend(tip.map(|_| log));
                if tips.len() == MAX_NOTES {
                    break;
                }
            }
            if tips.is_empty() {
                continue;
            }
            peer.comparisons.is_open = true;
            self.ask(cx, key, &Request::Tips(Tips { tips }), RequestKind::Tips(logs), 0);
        }
    }

    /// Answers a peer's request to compare with what is held here of the same logs.
    pub(crate) fn tips_asked(&mut self, cx: &mut Context<'_>, key: PublicKey, id: RequestId, asked: &Tips) {
        let own = cx.replica.site();
        let Some(peer) = self.peers.get(&key) else { return };
        let logs = asked.tips.iter().map(|tip| (tip.site, tip.lane));
        let readable = logs.filter(|log| peer.may_share(*log, own) && cx.replica.is_listed(&log.0));
        let tips = readable.filter_map(|log| tip_note(cx.replica, log)).collect();
        self.respond(cx, key, id, &Response::Tips(Tips { tips }));
        self.compare_tips(cx, key, asked);
    }

    pub(crate) fn tips_failed(&mut self, key: PublicKey, logs: Vec<LogKey>) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.comparisons.waiting.extend(logs);
        }
    }

    /// Compares what a peer holds with what is held here, if both are at the same claim.
    pub(crate) fn compare_tips(&mut self, cx: &mut Context<'_>, key: PublicKey, tips: &Tips) {
        let own = cx.replica.site();
        for theirs in &tips.tips {
            let log = (theirs.site, theirs.lane);
            let chain_length = note_of(cx.replica, log).chain_length;
            let Some(peer) = self.peers.get_mut(&key) else {
                return;
            };
            let is_shared = peer.may_share(log, own) && cx.replica.is_listed(&log.0);
            let knows_as_many = peer
                .knows
                .get(&log)
                .is_some_and(|note| note.chain_length == chain_length);
            let mine = cx.replica.tip(&log.0, log.1);
            let Some(mine) = mine.filter(|mine| is_shared && knows_as_many && mine.number == theirs.held)
            else {
                // One of the two moved on; its next note begins a new comparison.
                continue;
            };
            peer.comparisons.waiting.remove(&log);
            let is_first = peer
                .comparisons
                .compared
                .insert(log, (mine.number, chain_length))
                .is_none();
            let difference = difference(&mine, theirs);
            let before = match difference {
                Some(found) => peer.comparisons.differs.insert(log, found),
                None => peer.comparisons.differs.remove(&log),
            };
            if is_first || before != difference {
                cx.notice(Notice::TipCompared {
                    peer: key,
                    site: log.0,
                    lane: log.1,
                    number: mine.number,
                    difference,
                });
            }
            let is_proved = cx.replica.position(&log.0, log.1).is_some_and(|at| at.forked);
            if difference == Some(TipDifference::History) && !is_proved && !is_settled(cx, log, mine.number) {
                self.probe(key, log, mine.number);
            }
        }
    }
}

/// Returns true if the newest certificate of an author decides between two branches up to a claim: there is nothing to
/// prove, and whichever site has lost asks for the named branch.
fn is_settled(cx: &Context<'_>, (site, lane): LogKey, number: ClaimNumber) -> bool {
    let chain = cx.replica.chain(&site).filter(|chain| chain.epoch() > 0);
    let named = chain.and_then(|chain| chain.epoch_start(chain.epoch(), lane));
    named.is_some_and(|named| named.number >= number)
}

fn difference(mine: &HeldTip, theirs: &LogTipNote) -> Option<TipDifference> {
    if mine.header != theirs.header {
        Some(TipDifference::History)
    } else if mine.root == theirs.root {
        None
    } else if mine.root == mine.signed_root {
        Some(TipDifference::RowsThere)
    } else {
        Some(TipDifference::RowsHere)
    }
}

fn tip_note(replica: &dyn Replica, (site, lane): LogKey) -> Option<LogTipNote> {
    let tip = replica.tip(&site, lane)?;
    Some(LogTipNote {
        site,
        lane,
        held: tip.number,
        header: tip.header,
        root: tip.root,
    })
}
