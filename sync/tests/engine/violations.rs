//! Peers that break the protocol: bounded, counted, disconnected, and without loss to others.

use std::time::Duration;

use starling_protocol::{ClaimNumber, ContentHash, Lane};
use starling_sync::wire::{BodiesPage, DeltasPage, DeltasWanted, News, Request, Response};
use starling_sync::{
    DisconnectReason, Effect, Event, FailureReason, Notice, Replica, RequestId, Settings, Violation,
};

use crate::duel::{Duel, bodies_request, deltas_request, is_silent, parted, requests, violation};
use crate::net::{Net, record, source, start};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn direct_lane_is_read_at_its_author_only() {
    let mut net = Net::new(3, 5);
    net.link_line();
    let now = net.now;
    net.sites[0]
        .replica
        .publish(Lane::Direct, &source(), &[record("D-1", "for neighbours")], now)
        .unwrap();
    net.feed(0, Event::LocalChanged);
    net.run(MINUTE * 5);
    let author = net.sites[0].replica.site();
    let held = |net: &Net, site: usize| {
        net.sites[site]
            .replica
            .position(&author, Lane::Direct)
            .map(|at| at.held.0)
    };
    assert_eq!((held(&net, 1), held(&net, 2)), (Some(1), None));
    // Asking the relay for it is refused and counted.
    let (relay, asker) = (1, net.sites[2].key);
    let wanted = Request::Deltas(DeltasWanted {
        site: author,
        lane: Lane::Direct,
        after: ClaimNumber::NONE,
        max_bytes: 1_000,
    });
    net.feed(
        relay,
        Event::Request {
            peer: asker,
            id: RequestId(900),
            bytes: wanted.encode(),
        },
    );
    assert!(net.noticed(relay, |notice| matches!(
        notice,
        Notice::Violation {
            violation: Violation::Trespass,
            ..
        }
    )));
}

#[test]
fn repeated_junk_ends_in_a_lock_out() {
    let mut duel = Duel::new();
    let effects = duel.ask_bytes(b"\x01\xffjunk".to_vec());
    assert!(matches!(violation(&effects), Some(Violation::Malformed(_))));
    let effects = duel.ask_bytes(Vec::new());
    assert!(matches!(
        parted(&effects),
        Some(DisconnectReason::Offences { .. })
    ));
    let effects = duel.event(Event::Connected {
        peer: duel.peer.key(),
    });
    assert!(matches!(
        parted(&effects),
        Some(DisconnectReason::LockedOut { .. })
    ));
    duel.tick_after(MINUTE * 2);
    let effects = duel.event(Event::Connected {
        peer: duel.peer.key(),
    });
    assert_eq!(parted(&effects), None, "a lock-out ends");
}

#[test]
fn request_flood_ends_in_a_lock_out() {
    let mut duel = Duel::new();
    let request = Request::News(News::default()).encode();
    let mut answered = 0;
    let effects = loop {
        let effects = duel.ask_bytes(request.clone());
        if parted(&effects).is_some() {
            break effects;
        }
        answered += 1;
        assert!(answered < 1_000, "a flood must end");
    };
    assert!(answered <= Settings::default().inbound_burst as usize + 10);
    assert_eq!(violation(&effects), Some(&Violation::Flood));
}

#[test]
fn altered_delta_is_refused_and_its_sender_disconnected() {
    let mut duel = Duel::new();
    let (id, wanted) = duel.tell();
    assert_eq!(wanted.after, ClaimNumber::NONE);
    let Response::Deltas(header, mut bytes) = duel.page() else {
        unreachable!()
    };
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let effects = duel.answer(id, &Response::Deltas(header, bytes));
    assert!(matches!(
        violation(&effects),
        Some(Violation::Unverifiable { .. })
    ));
    assert!(matches!(
        parted(&effects),
        Some(DisconnectReason::Offences { .. })
    ));
    let peer = duel.peer.site();
    let held = duel
        .site
        .replica
        .position(&peer, Lane::Federation)
        .map(|at| at.held);
    assert_eq!(held.unwrap_or_default(), ClaimNumber::NONE);
}

#[test]
fn deltas_of_another_log_are_a_wrong_answer() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let mut other = Net::site(5, 3).replica;
    other
        .publish(Lane::Federation, &source(), &[record("O-1", "text")], start())
        .unwrap();
    let bytes = other.log_bytes(&other.site(), Lane::Federation);
    let header = DeltasPage {
        last: ClaimNumber(1),
        more: false,
    };
    let effects = duel.answer(id, &Response::Deltas(header, bytes));
    assert!(matches!(violation(&effects), Some(Violation::WrongAnswer(_))));
}

#[test]
fn peer_without_its_stated_deltas_is_not_asked_again() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let header = DeltasPage {
        last: ClaimNumber::NONE,
        more: true,
    };
    let effects = duel.answer(id, &Response::Deltas(header, Vec::new()));
    assert_eq!(violation(&effects), Some(&Violation::BrokenPromise));
    assert_eq!(deltas_request(&effects), None);
    for _ in 0..100 {
        assert_eq!(deltas_request(&duel.tick_after(MINUTE)), None);
    }
}

#[test]
fn body_with_wrong_hash_is_not_kept() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let page = duel.page();
    let effects = duel.answer(id, &page);
    let (id, wanted) = bodies_request(&effects).expect("the body is asked for");
    assert_eq!(wanted.numbers().collect::<Vec<_>>(), [ClaimNumber(1)]);
    let forged = b"forged".to_vec();
    let packed = starling_sync::wire::pack(
        &[Some(forged.clone())],
        &[],
        false,
        Settings::default().compression,
    );
    let packed = packed.unwrap();
    let header = BodiesPage {
        sizes: packed.sizes,
        bases_used: Vec::new(),
    };
    let page = Response::Bodies(header, packed.frame);
    // A certificate may have given the number to another claim: chains are compared before anyone is blamed.
    let effects = duel.answer(id, &page);
    assert_eq!(violation(&effects), None);
    let asks = |(_, request): &(RequestId, Request)| matches!(request, Request::Facts(_));
    assert!(requests(&effects).iter().any(asks), "{effects:?}");
    assert_eq!(bodies_request(&effects), None, "nobody is asked in circles");
    let mut ticks = (0..40).map(|_| duel.tick_after(MINUTE / 6));
    let again = ticks.find_map(|effects| bodies_request(&effects));
    drop(ticks);
    let effects = duel.answer(again.expect("it is asked again").0, &page);
    assert!(matches!(
        violation(&effects),
        Some(Violation::Unverifiable { .. })
    ));
    assert!(matches!(
        parted(&effects),
        Some(DisconnectReason::Offences { .. })
    ));
    assert_eq!(duel.site.replica.body(&ContentHash::of(&forged)), None);
}

#[test]
fn stalled_peer_is_replaced_by_another() {
    let mut net = Net::new(3, 9);
    net.publish(0, &[record("A-1", "one")]);
    net.link(0, 1);
    net.run(MINUTE);
    // Sites 0 and 1 have it now; 0 stops answering 2.
    let slow = net.sites[0].key;
    net.mute = Some((0, 2));
    net.link(0, 2);
    net.link(1, 2);
    net.run(MINUTE * 3);
    net.assert_converged();
    let stalled = |notice: &Notice| {
        matches!(notice, Notice::Silent { peer } if *peer == slow)
            || matches!(notice, Notice::PeerLeft { peer } if *peer == slow)
    };
    assert!(
        net.noticed(2, stalled)
            || !net.noticed(
                2,
                |notice| matches!(notice, Notice::PeerReady { peer, .. } if *peer == slow)
            )
    );
}

#[test]
fn unattended_time_is_not_held_against_peers() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let page = duel.page();
    // A long import blocked the store, and the answer waited meanwhile.
    duel.site.engine.was_away(MINUTE * 10);
    assert_eq!(violation(&duel.tick_after(MINUTE * 10)), None);
    assert_eq!(violation(&duel.answer(id, &page)), None);
    // A peer that does not answer within the extended deadline is late all the same.
    let mut duel = Duel::new();
    duel.tell();
    duel.site.engine.was_away(MINUTE * 10);
    assert!(is_silent(&duel.tick_after(MINUTE * 12)));
    // The same holds for the deadline of a hello.
    let mut duel = Duel::strangers();
    let peer = duel.peer.key();
    duel.event(Event::Connected { peer });
    duel.site.engine.was_away(MINUTE);
    assert_eq!(parted(&duel.tick_after(MINUTE)), None);
    assert_eq!(parted(&duel.tick_after(MINUTE)), Some(&DisconnectReason::NoHello));
}

#[test]
fn late_answer_is_forgiven_but_unrequested_is_not() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let page = duel.page();
    let effects = duel.tick_after(MINUTE * 2);
    assert!(is_silent(&effects));
    assert_eq!(
        violation(&effects),
        None,
        "a link that loses what is sent looks the same"
    );
    assert_eq!(violation(&duel.answer(id, &page)), None, "late");
    assert_eq!(
        violation(&duel.answer(id, &page)),
        Some(&Violation::Unsolicited),
        "twice"
    );
    assert_eq!(
        violation(&duel.answer(RequestId(4_000), &page)),
        Some(&Violation::Unsolicited)
    );
}

#[test]
fn failed_response_is_requested_again() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let reason = FailureReason::ConnectionLost;
    let effects = duel.event(Event::RequestFailed {
        peer: duel.peer.key(),
        id,
        reason,
    });
    assert_eq!(deltas_request(&effects), None, "not at once");
    let wake = effects.iter().find_map(|effect| match effect {
        Effect::WakeAt(time) => Some(*time),
        _ => None,
    });
    duel.now = wake.expect("it wants to be woken");
    assert!(deltas_request(&duel.event(Event::Tick)).is_some());
}

#[test]
fn failing_store_pauses_pulling_without_blame() {
    let mut net = Net::new(2, 8);
    net.publish(0, &[record("A-1", "one")]);
    net.sites[1].replica.fail_after(Some(0));
    net.link(0, 1);
    net.run(MINUTE);
    assert!(net.noticed(1, |notice| matches!(notice, Notice::StoreFailed { .. })));
    assert!(!net.noticed(1, |notice| matches!(notice, Notice::Violation { .. })));
    net.sites[1].replica.fail_after(None);
    net.run(MINUTE * 5);
    net.assert_converged();
}

#[test]
fn deltas_kept_by_a_failing_store_get_their_bodies() {
    let mut net = Net::new(2, 5);
    net.publish(0, &[record("A-1", "one")]);
    net.sites[1].replica.hide_next_append();
    net.link(0, 1);
    net.run(MINUTE);
    net.assert_converged();
    let author = net.sites[0].replica.site();
    let position = net.sites[1].replica.position(&author, Lane::Federation);
    assert_eq!(position.unwrap().accepted, ClaimNumber(1));
}

#[test]
fn restarted_author_is_asked_for_bodies_at_once() {
    let mut net = Net::new(2, 6);
    net.latency_millis = 50;
    net.publish(0, &[record("A-1", "one")]);
    net.link(0, 1);
    let author = net.sites[0].replica.site();
    let position = |net: &Net| net.sites[1].replica.position(&author, Lane::Federation);
    // When it dies, its claims are here, but their bodies are not.
    let held = |net: &Net| position(net).is_some_and(|position| position.held == ClaimNumber(1));
    for _ in 0..1_000 {
        if held(&net) {
            break;
        }
        net.run(Duration::from_millis(10));
    }
    assert_eq!(position(&net).unwrap().accepted, ClaimNumber(0));
    net.cut(0, 1);
    net.run(Duration::from_secs(20));
    // A start signs a head, which is the first message that the other site gets.
    let now = net.now;
    net.sites[0].replica.sign_head(Lane::Federation, now, MINUTE * 60);
    net.restart(0, 9);
    net.link(0, 1);
    net.run(Duration::from_secs(3));
    net.assert_converged();
}
