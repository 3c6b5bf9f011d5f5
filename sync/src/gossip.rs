//! Gossip: an author's head and chain, sent to everyone at once, and the expiry of heads.
//!
//! | state | event | next state | also |
//! |---|---|---|---|
//! | none | the own head or chain is newer than published; a fork is proved | queued | |
//! | queued | a step ends | none | publishes it, if it fits into a message |
//! | none | gossip of a ready peer within its rate | processing (`inbox`) | |
//! | none | other gossip | none | judged at once; a flood or junk is a violation |
//! | processing | its last fact was looked at | none | judged: forwarded if any fact was new and is stored |
//!
//! A log's newest head is watched until it expires, reported as stale once, and watched again when it is renewed.

use std::collections::{BTreeMap, VecDeque};

use starling_protocol::{Lane, PublicKey, UnixMillis};

use crate::LogKey;
use crate::engine::{Context, SyncEngine};
use crate::event::{Effect, GossipVerdict};
use crate::inbox::{Message, MessageKind};
use crate::limits::MAX_ANNOUNCE_BYTES;
use crate::news::rank_of;
use crate::notice::{Notice, Violation};
use crate::peer::HeadRank;
use crate::wire::{Announce, News, WireFault};

/// Most gossip messages that wait to be published.
const MAX_UNPUBLISHED: usize = 256;

/// The facts that this site gossips, and the heads that it watches.
#[derive(Debug, Default)]
pub(crate) struct Gossip {
    /// Own heads and chain length that were published.
    heads: BTreeMap<Lane, HeadRank>,
    chain_length: usize,
    /// Messages to publish.
    queue: VecDeque<News>,
    /// For each log of another site, the expiry of its newest head; absent if it was already reported.
    expiries: Option<BTreeMap<LogKey, UnixMillis>>,
    /// The reported expiries: a log is reported as stale once per head.
    said: BTreeMap<LogKey, UnixMillis>,
}

impl Gossip {
    pub(crate) fn next_expiry(&self) -> Option<UnixMillis> {
        self.expiries.as_ref()?.values().min().copied()
    }

    /// Watches the expiry of a log's new head.
    pub(crate) fn watch_head(&mut self, log: LogKey, expires_at: UnixMillis) {
        if let Some(expiries) = &mut self.expiries {
            expiries.insert(log, expires_at);
        }
    }

    pub(crate) fn queue(&mut self, news: News) {
        if self.queue.len() == MAX_UNPUBLISHED {
            self.queue.pop_front();
        }
        self.queue.push_back(news);
    }
}

impl SyncEngine {
    /// Handles a change of the replica that the engine did not make: finds what is new and who should know.
    pub(crate) fn local_changed(&mut self, cx: &mut Context<'_>) {
        self.drop_unlisted(cx);
        self.announce_own(cx);
        self.gossip.expiries = None;
        for position in cx.replica.positions() {
            let log = (position.site, position.lane);
            self.log_changed(cx, log);
            self.reconsider(cx, log);
            self.look_at_bodies(cx, log);
        }
    }

    /// Gossips the site's own head and chain if they are newer than the last gossip.
    fn announce_own(&mut self, cx: &mut Context<'_>) {
        let own = cx.replica.site();
        let mut news = News::default();
        let Some(chain) = cx.replica.chain(&own) else {
            return;
        };
        // Only the readers of the direct lane may see its head; they get it as news.
        if let Some(head) = cx.replica.head(&own, Lane::Federation) {
            let rank = rank_of(head.head());
            if self
                .gossip
                .heads
                .get(&Lane::Federation)
                .is_none_or(|last| *last < rank)
            {
                self.gossip.heads.insert(Lane::Federation, rank);
                news.heads.push(head.as_bytes().to_vec());
            }
        }
        let length = chain.certificates().len();
        // Every hello shows the genesis; only later certificates are news to connected peers.
        if length > self.gossip.chain_length.max(1) {
            news.chains.push(chain.to_bytes());
        }
        self.gossip.chain_length = length;
        if !news.is_empty() {
            self.gossip.queue(news);
        }
    }

    pub(crate) fn publish(&mut self, cx: &mut Context<'_>) {
        for news in std::mem::take(&mut self.gossip.queue) {
            let bytes = Announce(news).encode();
            // A chain of hundreds of epochs does not fit; it travels as news, from neighbour to neighbour.
            if bytes.len() <= MAX_ANNOUNCE_BYTES {
                cx.out.push(Effect::Gossip { bytes });
            }
        }
    }

    pub(crate) fn gossip_came(&mut self, cx: &mut Context<'_>, peer: PublicKey, bytes: Vec<u8>) {
        let verdict = match self.open_gossip(cx, peer, &bytes) {
            Ok(news) => return self.take_in(cx, Message::new(peer, MessageKind::Gossip(bytes), news)),
            Err(verdict) => verdict,
        };
        cx.out.push(Effect::GossipChecked { peer, bytes, verdict });
    }

    /// Returns the facts in a gossip message, or its treatment if they do not matter.
    fn open_gossip(
        &mut self,
        cx: &mut Context<'_>,
        key: PublicKey,
        bytes: &[u8],
    ) -> Result<News, GossipVerdict> {
        let (per_second, burst) = (self.settings.inbound_per_second, self.settings.inbound_burst);
        let Some(peer) = self.peers.get_mut(&key).filter(|peer| peer.site().is_some()) else {
            return Err(GossipVerdict::Ignore);
        };
        if !peer.gossip.take(cx.now, per_second, burst) {
            self.record_violation(cx, key, Violation::Flood);
            return Err(GossipVerdict::Ignore);
        }
        match Announce::decode(bytes) {
            // Its facts will come as news.
            Ok(_) if !self.inbox.has_room(key) => Err(GossipVerdict::Ignore),
            // Only facts are gossiped.
            Ok(Announce(news)) => Ok(News {
                notes: Vec::new(),
                ..news
            }),
            // The forwarding peer need not speak its author's version.
            Err(WireFault::Version { .. }) => Err(GossipVerdict::Ignore),
            Err(fault) => {
                self.record_violation(cx, key, Violation::Malformed(fault.to_string()));
                Err(GossipVerdict::Reject)
            }
        }
    }

    /// Reports logs whose newest head has expired.
    pub(crate) fn watch_heads(&mut self, cx: &mut Context<'_>) {
        let own = cx.replica.site();
        let now = self.wall.unwrap_or(cx.now);
        let expiries = self.gossip.expiries.get_or_insert_with(|| {
            let heads = cx.replica.heads().into_iter();
            let others = heads.filter(|head| head.head().site != own);
            others
                .map(|head| ((head.head().site, head.head().lane), head.head().expires_at))
                .collect()
        });
        if expiries.values().all(|expiry| *expiry > now) {
            return;
        }
        let (stale, fresh) = std::mem::take(expiries)
            .into_iter()
            .partition(|(_, expiry)| *expiry <= now);
        *expiries = fresh;
        let stale: BTreeMap<LogKey, UnixMillis> = stale;
        for ((site, lane), expired_at) in stale {
            if self.gossip.said.insert((site, lane), expired_at) == Some(expired_at) {
                continue;
            }
            cx.notice(Notice::Stale {
                site,
                lane,
                expired_at,
            });
        }
    }
}
