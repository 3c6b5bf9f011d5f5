//! Bodies that some peers lack: others are asked, and no peer is asked endlessly.

use std::time::Duration;

use starling_protocol::{ContentHash, Lane, RecordId, Source, UnixMillis};
use starling_sync::limits::MAX_UNAVAILABLE;
use starling_sync::wire::{BodiesPage, Response};
use starling_sync::{Event, FailureReason, Notice, Replica, Settings};

use crate::duel::{Duel, bodies_request, violation};
use crate::net::{Net, record, source};

const MINUTE: Duration = Duration::from_secs(60);

fn other_source() -> Source {
    "ghsa".parse().unwrap()
}

fn records(count: usize) -> Vec<(RecordId, Vec<u8>)> {
    (0..count)
        .map(|number| record(&format!("R-{number}"), "outside of the relay's scope"))
        .collect()
}

fn publish(net: &mut Net, site: usize, source: &Source, records: &[(RecordId, Vec<u8>)]) {
    let now: UnixMillis = net.now;
    net.sites[site]
        .replica
        .publish(Lane::Federation, source, records, now)
        .unwrap();
    net.feed(site, Event::LocalChanged);
}

#[test]
fn narrow_relay_is_not_asked_again_for_missing_bodies() {
    let mut net = Net::new(4, 41);
    net.sites[1].replica.set_scope(vec![source()]);
    publish(&mut net, 0, &source(), &[record("A-1", "in scope")]);
    publish(&mut net, 0, &other_source(), &records(MAX_UNAVAILABLE + 100));
    publish(&mut net, 0, &source(), &[record("A-2", "in scope")]);
    net.link(0, 1);
    net.link(0, 2);
    net.run(MINUTE * 3);
    net.cut(0, 1);
    net.cut(0, 2);
    let author = net.sites[0].replica.site();
    let position = net.sites[1].replica.position(&author, Lane::Federation).unwrap();
    assert_eq!(position.body_complete, position.held, "complete in its own scope");
    net.link(1, 3);
    net.run(MINUTE);
    let before = net.traffic.messages;
    net.run(MINUTE * 30);
    let told = net.traffic.messages - before;
    assert!(
        told < 400,
        "{told} messages in half an hour to ask for what is not there"
    );
    let violations = |site| net.noticed(site, |notice| matches!(notice, Notice::Violation { .. }));
    assert!(!violations(3), "it never said that it has them");
    assert!(!violations(1), "nobody asks so much that it is taken for a flood");
    let named = net.sites[3].notices.iter();
    let named = named.filter(|notice| matches!(notice, Notice::BodyUnavailable { .. }));
    assert!(named.count() <= MAX_UNAVAILABLE);
    // A peer with all bodies connects and is asked for all.
    net.link(2, 3);
    net.run(MINUTE);
    let position = net.sites[3].replica.position(&author, Lane::Federation).unwrap();
    assert_eq!(position.accepted, position.held);
    assert_eq!(net.sites[3].replica.accepted_without_body(), []);
}

#[test]
fn possible_body_source_is_asked_after_expected_ones() {
    let mut net = Net::new(4, 42);
    net.sites[1].replica.set_scope(vec![other_source()]);
    // The author loses one body: site 2, which wants all, does not state that it is complete.
    let lost = record("A-0", "lost");
    publish(&mut net, 0, &source(), std::slice::from_ref(&lost));
    publish(&mut net, 0, &source(), &records(10));
    let lost = ContentHash::of(&lost.1);
    net.sites[0].replica.purge_body(&lost);
    net.link(0, 1);
    net.link(0, 2);
    net.run(MINUTE * 3);
    net.cut(0, 1);
    net.cut(0, 2);
    net.link(1, 3);
    net.link(2, 3);
    net.run(MINUTE);
    for (_, body) in records(10) {
        let hash = ContentHash::of(&body);
        assert!(net.sites[3].replica.body(&hash).is_some(), "{hash}");
    }
    assert!(net.noticed(
        3,
        |notice| matches!(notice, Notice::BodyUnavailable { hash, .. } if *hash == lost)
    ));
}

#[test]
fn stalled_peer_gets_small_requests_until_it_answers() {
    let mut duel = Duel::new();
    let text = "x".repeat(600_000);
    let large: Vec<_> = (0..3)
        .map(|number| record(&format!("L-{number}"), &text))
        .collect();
    duel.peer
        .publish(Lane::Federation, &source(), &large, duel.now)
        .unwrap();
    let (id, _) = duel.tell();
    let page = duel.page();
    let effects = duel.answer(id, &page);
    let (id, wanted) = bodies_request(&effects).expect("the bodies are asked for");
    assert_eq!(wanted.numbers().count(), 4);
    let reason = FailureReason::TimedOut;
    let peer = duel.peer.key();
    duel.event(Event::RequestFailed { peer, id, reason });
    let (id, wanted) = bodies_request(&duel.tick_after(MINUTE / 30)).expect("they are asked for again");
    assert_eq!(wanted.numbers().count(), 2, "no more than a mebibyte");
    let bodies: Vec<_> = wanted
        .numbers()
        .map(|number| match number.0 {
            1 => Some(record("P-1", "text").1),
            number => large
                .get(usize::try_from(number).unwrap() - 2)
                .map(|(_, body)| body.clone()),
        })
        .collect();
    let packed = starling_sync::wire::pack(&bodies, &[], false, Settings::default().compression).unwrap();
    let header = BodiesPage {
        sizes: packed.sizes,
        bases_used: Vec::new(),
    };
    let effects = duel.answer(id, &Response::Bodies(header, packed.frame));
    assert_eq!(violation(&effects), None);
    let (_, wanted) = bodies_request(&effects).expect("the rest is asked for");
    assert_eq!(wanted.numbers().count(), 2, "all of it");
}

#[test]
fn page_beyond_stated_position_fetches_all_bodies() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    // Written after the peer stated its position, but contained in its answer: it need not state it again.
    duel.peer
        .publish(
            Lane::Federation,
            &source(),
            &[record("P-2", "written meanwhile")],
            duel.now,
        )
        .unwrap();
    let page = duel.page();
    let effects = duel.answer(id, &page);
    let (_, wanted) = bodies_request(&effects).expect("the bodies are asked for");
    assert_eq!(wanted.numbers().count(), 2);
}
