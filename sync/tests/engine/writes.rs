//! Events between a write and its outcome.

mod hellos;

use std::time::Duration;

use starling_protocol::{CertificateChain, ClaimNumber, Lane};
use starling_sync::wire::{Announce, Capabilities, DeltasPage, Hello, News, RefusalCode, Request, Response};
use starling_sync::{
    Effect, Event, GossipVerdict, Notice, Replica, RequestId, StoreFailure, Write, WriteId, Written,
};

use crate::duel::{
    Duel, bodies_request, deltas_request, is_silent, parted, refusal, requests, violation, write_of,
};
use crate::net::{Net, record, source, start};

const MINUTE: Duration = Duration::from_secs(60);

impl Duel {
    /// Returns the claim up to which the site holds the peer's log.
    fn held(&self) -> ClaimNumber {
        let position = self.site.replica.position(&self.peer.site(), Lane::Federation);
        position.map_or(ClaimNumber::NONE, |at| at.held)
    }

    /// Has the peer send a request, but carries out no write.
    fn ask_before_write(&mut self, request: &Request) -> Vec<Effect> {
        self.inbound += 1;
        let (peer, id) = (self.peer.key(), RequestId(self.inbound));
        let bytes = request.encode();
        self.step(Event::Request { peer, id, bytes })
    }

    /// Has the peer publish another record and report it, but carries out no write.
    fn publish_more(&mut self, id: &str) -> Vec<Effect> {
        let records = [record(id, "more")];
        let (lane, source, now) = (Lane::Federation, source(), self.now);
        self.peer.publish(lane, &source, &records, now).unwrap();
        let news = News {
            notes: vec![self.note()],
            ..News::default()
        };
        self.ask_before_write(&Request::News(news))
    }

    /// Has the peer gossip its newest head, but carries out no write.
    fn gossip_head(&mut self) -> Vec<Effect> {
        let head = self.peer.head(&self.peer.site(), Lane::Federation).unwrap();
        let heads = vec![head.as_bytes().to_vec()];
        let news = News {
            heads,
            ..News::default()
        };
        let (peer, bytes) = (self.peer.key(), Announce(news).encode());
        self.step(Event::Gossip { peer, bytes })
    }

    fn tick_before_write(&mut self, time: Duration) -> Vec<Effect> {
        self.now = self.now.plus_millis(u64::try_from(time.as_millis()).unwrap());
        self.step(Event::Tick)
    }

    /// Carries out a write without what follows from it, and returns the next one.
    fn write_once(&mut self, (id, write): (WriteId, Write)) -> (Vec<Effect>, Option<(WriteId, Write)>) {
        let outcome = write.carry_out(&mut self.site.replica);
        let effects = self.step(Event::Written { id, outcome });
        let next = write_of(&effects);
        (effects, next)
    }
}

fn verdict(effects: &[Effect]) -> Option<GossipVerdict> {
    effects.iter().find_map(|effect| match effect {
        Effect::GossipChecked { verdict, .. } => Some(*verdict),
        _ => None,
    })
}

fn notices(effects: &[Effect], wanted: impl Fn(&Notice) -> bool) -> bool {
    let mut effects = effects.iter();
    effects.any(|effect| matches!(effect, Effect::Notice(notice) if wanted(notice)))
}

fn store_failed(effects: &[Effect]) -> bool {
    notices(effects, |notice| matches!(notice, Notice::StoreFailed { .. }))
}

fn answers(effects: &[Effect]) -> Vec<Response> {
    let answers = effects.iter().filter_map(|effect| match effect {
        Effect::Respond { bytes, .. } => Some(Response::decode(bytes).unwrap()),
        _ => None,
    });
    answers.collect()
}

#[test]
fn log_with_open_append_is_not_requested_again() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let page = duel.page();
    let write = duel.answer_before_write(id, &page);
    assert!(matches!(write.1, Write::Append { .. }));
    assert!(!duel.site.engine.is_idle());
    let effects = duel.publish_more("P-2");
    assert_eq!(
        deltas_request(&effects),
        None,
        "the end of the log is not known yet"
    );
    assert_eq!(answers(&effects).len(), 1, "news is answered meanwhile");
    let effects = duel.tick_before_write(MINUTE / 6);
    assert!(!is_silent(&effects) && violation(&effects).is_none() && write_of(&effects).is_none());
    let effects = duel.carry_out(write);
    let (_, wanted) = deltas_request(&effects).expect("it goes on");
    assert_eq!(wanted.after, ClaimNumber(1));
}

#[test]
fn deltas_are_kept_if_their_peer_leaves_during_the_append() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let page = duel.page();
    let write = duel.answer_before_write(id, &page);
    let peer = duel.peer.key();
    let effects = duel.step(Event::Disconnected { peer });
    assert!(requests(&effects).is_empty());
    let effects = duel.carry_out(write);
    assert!(notices(&effects, |notice| matches!(notice, Notice::Held { .. })));
    assert!(requests(&effects).is_empty(), "nobody is here");
    assert_eq!(duel.held(), ClaimNumber(1));
    // In its next session it is asked for what is left: the body.
    duel.event(Event::Connected { peer });
    let greeting = duel.hello(News::default());
    duel.ask(&Request::Hello(greeting));
    let news = News {
        notes: vec![duel.note()],
        ..News::default()
    };
    let effects = duel.ask_bytes(Request::News(news).encode());
    assert_eq!(deltas_request(&effects), None);
    assert!(bodies_request(&effects).is_some());
}

#[test]
fn failed_append_is_requested_again_without_blame() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let page = duel.page();
    let write = duel.answer_before_write(id, &page);
    duel.site.replica.fail_after(Some(0));
    let effects = duel.carry_out(write);
    assert!(store_failed(&effects) && violation(&effects).is_none());
    assert_eq!(deltas_request(&effects), None, "not at once");
    // After the pause the store is examined before it takes more.
    let effects = duel.tick_before_write(MINUTE / 30);
    let write = write_of(&effects).expect("it accepts what a failed write may have kept");
    assert_eq!((write.1.clone(), deltas_request(&effects)), (Write::Accept, None));
    duel.site.replica.fail_after(None);
    let effects = duel.carry_out(write);
    let (id, wanted) = deltas_request(&effects).expect("it asks again");
    assert_eq!(wanted.after, ClaimNumber::NONE);
    duel.answer(id, &page);
    assert_eq!(duel.held(), ClaimNumber(1));
}

#[test]
fn writes_are_carried_out_in_order_one_at_a_time() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let page = duel.page();
    let append = duel.answer_before_write(id, &page);
    let effects = duel.gossip_head();
    assert_eq!(
        (verdict(&effects), write_of(&effects)),
        (None, None),
        "one is open"
    );
    let (_, head) = duel.write_once(append);
    let head = head.expect("the head's turn");
    assert!(matches!(head.1, Write::LearnHead(_)));
    let (effects, accept) = duel.write_once(head);
    assert_eq!(verdict(&effects), Some(GossipVerdict::Accept));
    let accept = accept.expect("what the append made possible");
    assert_eq!(accept.1, Write::Accept);
    let (_, nothing) = duel.write_once(accept);
    assert_eq!(nothing, None);
}

#[test]
fn facts_wait_for_the_facts_before_them() {
    let mut duel = Duel::new();
    let effects = duel.gossip_head();
    let head = write_of(&effects).expect("the first head is written");
    // The same head again: it is judged when the first one is stored.
    let effects = duel.gossip_head();
    assert_eq!((verdict(&effects), write_of(&effects)), (None, None));
    let (effects, next) = duel.write_once(head);
    let mut verdicts = effects.iter().filter_map(|effect| match effect {
        Effect::GossipChecked { verdict, .. } => Some(*verdict),
        _ => None,
    });
    assert_eq!(verdicts.next(), Some(GossipVerdict::Accept));
    assert_eq!(verdicts.next(), Some(GossipVerdict::Ignore), "nothing new");
    assert_eq!(next, None);
}

#[test]
fn gossip_of_a_peer_that_left_is_forwarded_after_its_write() {
    let mut duel = Duel::new();
    let effects = duel.gossip_head();
    let head = write_of(&effects).expect("the head is written");
    let effects = duel.gossip_head();
    assert_eq!(verdict(&effects), None);
    let peer = duel.peer.key();
    duel.step(Event::Disconnected { peer });
    let (effects, next) = duel.write_once(head);
    assert_eq!(verdict(&effects), Some(GossipVerdict::Accept));
    assert!(notices(&effects, |notice| matches!(
        notice,
        Notice::HeadLearned { .. }
    )));
    assert_eq!(next, None, "what waited behind it left with the peer");
    assert!(duel.site.engine.is_idle());
}

#[test]
fn head_that_could_not_be_stored_is_not_forwarded() {
    let mut duel = Duel::new();
    let effects = duel.gossip_head();
    let head = write_of(&effects).expect("the head is written");
    duel.site.replica.fail_after(Some(0));
    let (effects, _) = duel.write_once(head);
    assert_eq!(verdict(&effects), Some(GossipVerdict::Ignore));
    assert!(store_failed(&effects) && violation(&effects).is_none());
}

/// Returns a site that holds the peer's deltas, and the open write of the body that the peer sent.
fn body_being_stored() -> (Duel, (WriteId, Write)) {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let page = duel.page();
    let effects = duel.answer(id, &page);
    let (id, _) = bodies_request(&effects).expect("it asks for the body");
    let body = record("P-1", "text").1;
    let levels = starling_sync::Settings::default().compression;
    let packed = starling_sync::wire::pack(&[Some(body)], &[], false, levels).unwrap();
    let page = starling_sync::wire::BodiesPage {
        sizes: packed.sizes,
        bases_used: Vec::new(),
    };
    let write = duel.answer_before_write(id, &Response::Bodies(page, packed.frame));
    assert!(matches!(write.1, Write::StoreBodies { .. }));
    (duel, write)
}

#[test]
fn body_that_is_being_stored_is_not_requested_again() {
    let (mut duel, write) = body_being_stored();
    assert!(!duel.site.engine.is_idle());
    let effects = duel.step(Event::LocalChanged);
    assert_eq!(bodies_request(&effects), None);
    let effects = duel.tick_before_write(MINUTE * 30);
    assert_eq!(bodies_request(&effects), None);
    assert!(!notices(&effects, |notice| matches!(
        notice,
        Notice::BodyUnavailable { .. }
    )));
    let effects = duel.carry_out(write);
    assert!(notices(&effects, |notice| matches!(
        notice,
        Notice::SyncedTo { .. }
    )));
    assert!(duel.site.engine.is_idle() || !requests(&effects).is_empty());
}

#[test]
fn body_that_could_not_be_stored_is_requested_again() {
    let (mut duel, write) = body_being_stored();
    duel.site.replica.fail_after(Some(0));
    let effects = duel.carry_out(write);
    assert!(store_failed(&effects) && violation(&effects).is_none());
    duel.site.replica.fail_after(None);
    assert!(bodies_request(&duel.tick_after(MINUTE / 30)).is_some());
}

#[test]
fn outcome_of_another_write_is_ignored() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let page = duel.page();
    let (id, write) = duel.answer_before_write(id, &page);
    let unknown = WriteId(id.0 + 1);
    let outcome = Err(StoreFailure::Storage("of an earlier engine".to_owned()));
    let effects = duel.step(Event::Written { id: unknown, outcome });
    assert!(!store_failed(&effects), "it is not of this engine");
    // A driver that mixes up outcomes is reported like a store that fails.
    let outcome = Ok(Written::BodiesStored(1));
    let effects = duel.step(Event::Written { id, outcome });
    assert!(store_failed(&effects));
    let effects = duel.carry_out((id, write));
    assert!(!notices(&effects, |notice| matches!(notice, Notice::Held { .. })));
}

#[test]
fn certificate_during_a_body_write_lists_bodies_again() {
    let (mut duel, write) = body_being_stored();
    // The author gives up its log and begins a new epoch at its first claim.
    let keys = duel.peer.keys().clone();
    let operating = starling_protocol::SigningKey::from_seed(&[201; 32]);
    let reason = starling_protocol::Reason::Restore;
    let chain: CertificateChain = duel
        .peer
        .own_chain()
        .next_epoch(&keys.root, &operating, Vec::new(), reason, start())
        .unwrap();
    let news = News {
        chains: vec![chain.to_bytes()],
        ..News::default()
    };
    let effects = duel.ask_before_write(&Request::News(news));
    assert_eq!(write_of(&effects), None, "the body first");
    duel.carry_out(write);
    assert_eq!(duel.site.replica.chain(&chain.site()), Some(chain));
    assert!(!duel.site.engine.is_idle() || duel.site.replica.accepted_without_body().is_empty());
}

#[test]
fn slow_writes_do_not_keep_sites_from_converging() {
    let mut net = Net::new(4, 23);
    net.latency_millis = 50;
    net.write_millis = Some(1_000);
    net.link_all();
    for round in 0..8 {
        net.publish(round % 4, &[record(&format!("R-{round}"), "text")]);
        net.run(Duration::from_millis(700));
    }
    net.run(MINUTE * 10);
    net.assert_converged();
    for site in 0..4 {
        assert!(
            net.sites[site].engine.is_idle(),
            "site {site} {:?}",
            net.sites[site].engine
        );
        let blames = |notice: &Notice| matches!(notice, Notice::Violation { .. } | Notice::Silent { .. });
        let blamed: Vec<_> = net.sites[site]
            .notices
            .iter()
            .filter(|notice| blames(notice))
            .collect();
        assert!(blamed.is_empty(), "site {site}: {blamed:?}");
    }
}

#[test]
fn page_is_not_blamed_if_a_write_before_it_moved_the_log() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let page = duel.page();
    let write = duel.answer_before_write(id, &page);
    // A bundle brings the same deltas before the write is carried out.
    let Response::Deltas(DeltasPage { .. }, bytes) = &page else {
        panic!("a page of deltas");
    };
    starling_sync::WritableReplica::append(&mut duel.site.replica, bytes).unwrap();
    let effects = duel.carry_out(write);
    assert_eq!(violation(&effects), None);
    assert_eq!(duel.held(), ClaimNumber(1));
}
