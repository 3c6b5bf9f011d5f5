//! Peers that break the protocol: bounded, counted, disconnected, and without loss to others.

use std::time::Duration;

use starling_protocol::{ClaimNumber, ContentHash, Lane};
use starling_sync::wire::{BodiesPage, DeltasPage, DeltasWanted, News, RefusalCode, Request, Response};
use starling_sync::{
    DisconnectReason, Effect, Event, FailureReason, GossipVerdict, Notice, Replica, RequestId, Settings,
    SyncEngine, Violation,
};

use crate::duel::{Duel, bodies_request, deltas_request, is_silent, parted, refusal, requests, violation};
use crate::net::{Net, record, source, start};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn unlisted_peer_is_refused_after_one_hello() {
    let mut duel = Duel::strangers();
    let key = duel.peer.key();
    let effects = duel.event(Event::Connected { peer: key });
    for (_, request) in requests(&effects) {
        let Request::Hello(hello) = request else {
            panic!("{request:?}")
        };
        assert!(hello.news.is_empty(), "only the own chain is shown");
    }
    let hello = Request::Hello(duel.hello(News::default())).encode();
    let effects = duel.ask_bytes(hello);
    assert_eq!(parted(&effects), Some(&DisconnectReason::NotListed));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Notice(Notice::Unlisted { peer, .. }) if *peer == key)),
        "the operator is told who asked"
    );
    let answer = effects.iter().find_map(|effect| match effect {
        Effect::Respond { bytes, .. } => Some(Response::decode(bytes).unwrap()),
        _ => None,
    });
    assert_eq!(answer.as_ref().and_then(refusal), Some(RefusalCode::NotListed));
}

#[test]
fn unlisted_peer_without_hello_gets_no_answer() {
    let mut duel = Duel::strangers();
    duel.event(Event::Connected {
        peer: duel.peer.key(),
    });
    let wanted = Request::Deltas(DeltasWanted {
        site: duel.site.replica.site(),
        lane: Lane::Federation,
        after: ClaimNumber::NONE,
        max_bytes: 1_000,
    });
    assert_eq!(refusal(&duel.ask(&wanted)), Some(RefusalCode::NotGreeted));
    let effects = duel.tick_after(MINUTE);
    assert_eq!(parted(&effects), Some(&DisconnectReason::NoHello));
}

#[test]
fn site_listed_by_id_introduces_itself_by_its_chain() {
    let mut duel = Duel::strangers();
    duel.site.replica.list(duel.peer.site());
    assert_eq!(duel.site.replica.authorised(&duel.peer.key()), None);
    duel.event(Event::Connected {
        peer: duel.peer.key(),
    });
    let greeting = duel.hello(News::default());
    assert!(matches!(duel.ask(&Request::Hello(greeting)), Response::Hello(_)));
    assert_eq!(
        duel.site.replica.authorised(&duel.peer.key()),
        Some(duel.peer.site())
    );
}

#[test]
fn sites_without_known_chains_greet_without_waiting() {
    let mut duel = Duel::strangers();
    duel.site.replica.list(duel.peer.site());
    let first = duel.site.key < duel.peer.key();
    let mut effects = duel.event(Event::Connected {
        peer: duel.peer.key(),
    });
    effects.extend(duel.tick_after(if first {
        Duration::ZERO
    } else {
        Settings::default().hello_patience
    }));
    let greeted = requests(&effects)
        .iter()
        .any(|(_, request)| matches!(request, Request::Hello(_)));
    assert!(
        greeted,
        "a stranger may be the listed site whose key is not known yet"
    );
}

#[test]
fn chain_shown_by_another_key_is_refused() {
    let mut duel = Duel::new();
    let thief = Net::site(9, 78).key;
    duel.event(Event::Connected { peer: thief });
    let bytes = Request::Hello(duel.hello(News::default())).encode();
    let effects = duel.event(Event::Request {
        peer: thief,
        id: RequestId(1),
        bytes,
    });
    assert_eq!(parted(&effects), Some(&DisconnectReason::NotCurrentKey));
}

/// Returns the bytes of a chain whose newest certificate has invalid signatures.
fn unsigned(chain: &starling_protocol::CertificateChain) -> Vec<u8> {
    let mut bytes = chain.to_bytes();
    let signatures = bytes.len() - 128;
    bytes[signatures..].fill(0);
    bytes
}

#[test]
fn allow_list_is_checked_before_signatures_of_a_stranger() {
    let mut duel = Duel::strangers();
    let key = duel.peer.key();
    duel.event(Event::Connected { peer: key });
    let mut hello = duel.hello(News::default());
    hello.chain = unsigned(duel.peer.own_chain());
    let effects = duel.ask_bytes(Request::Hello(hello).encode());
    assert_eq!(parted(&effects), Some(&DisconnectReason::NotListed));
    assert_eq!(violation(&effects), None, "nobody looked at the signature");
}

#[test]
fn forged_chain_is_a_violation() {
    let mut duel = Duel::new();
    let thief = Net::site(9, 78);
    let forged = |operating: &starling_protocol::SigningKey| {
        let root = &duel.peer.keys().root;
        let reason = starling_protocol::Reason::Rotation;
        let chain = duel.peer.own_chain();
        unsigned(
            &chain
                .next_epoch(root, operating, Vec::new(), reason, duel.now)
                .unwrap(),
        )
    };
    let other = forged(&starling_protocol::SigningKey::from_seed(&[99; 32]));
    let own = forged(&thief.replica.keys().operating);
    let mut greet = |chain| {
        duel.event(Event::Connected { peer: thief.key });
        let hello = starling_sync::wire::Hello {
            chain,
            ..duel.hello(News::default())
        };
        duel.event(Event::Request {
            peer: thief.key,
            id: RequestId(1),
            bytes: Request::Hello(hello).encode(),
        })
    };
    let effects = greet(other);
    assert_eq!(parted(&effects), Some(&DisconnectReason::NotCurrentKey));
    assert_eq!(violation(&effects), None, "nobody looked at the signature");
    let effects = greet(own);
    assert!(matches!(
        violation(&effects),
        Some(Violation::Unverifiable { .. })
    ));
}

#[test]
fn idle_strangers_do_not_block_a_listed_site() {
    let mut duel = Duel::strangers();
    duel.site.replica.list(duel.peer.site());
    let idle: Vec<_> = (0..100).map(|seed| Net::site(9, 1_000 + seed).key).collect();
    let mut connected = 0_usize;
    for peer in &idle {
        let effects = duel.event(Event::Connected { peer: *peer });
        let gone = |effect: &&Effect| matches!(effect, Effect::Disconnect { .. });
        connected = connected + 1 - effects.iter().filter(gone).count();
        assert!(connected <= starling_sync::limits::MAX_STRANGERS);
    }
    let peer = duel.peer.key();
    let effects = duel.event(Event::Connected { peer });
    let out = effects.iter().find_map(|effect| match effect {
        Effect::Disconnect { peer, reason } => Some((*peer, reason)),
        _ => None,
    });
    assert!(out.is_some_and(|(out, reason)| out != peer && *reason == DisconnectReason::TooMany));
    let greeting = duel.hello(News::default());
    assert!(matches!(duel.ask(&Request::Hello(greeting)), Response::Hello(_)));
}

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
fn another_wire_version_is_refused_without_blame() {
    let mut duel = Duel::new();
    for _ in 0..20 {
        let effects = duel.ask_bytes(vec![9, 1, 2, 3]);
        assert_eq!((violation(&effects), parted(&effects)), (None, None));
        let answer = effects.iter().find_map(|effect| match effect {
            Effect::Respond { bytes, .. } => Some(Response::decode(bytes).unwrap()),
            _ => None,
        });
        assert_eq!(answer.as_ref().and_then(refusal), Some(RefusalCode::Version));
    }
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
fn unattended_time_does_not_count_against_peers() {
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
fn proven_gossip_is_forwarded_once() {
    let mut duel = Duel::new();
    let peer = duel.peer.key();
    let head = duel.peer.head(&duel.peer.site(), Lane::Federation).unwrap();
    let news = News {
        heads: vec![head.as_bytes().to_vec()],
        ..News::default()
    };
    let bytes = starling_sync::wire::Announce(news).encode();
    let verdict = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::GossipChecked { verdict, .. } => Some(*verdict),
            _ => None,
        })
    };
    let gossip = |duel: &mut Duel, bytes: &[u8]| {
        let bytes = bytes.to_vec();
        let effects = duel.event(Event::Gossip { peer, bytes });
        verdict(&effects)
    };
    assert_eq!(gossip(&mut duel, &bytes), Some(GossipVerdict::Accept));
    assert_eq!(
        gossip(&mut duel, &bytes),
        Some(GossipVerdict::Ignore),
        "nothing new"
    );
    // A newer head, so that its signature is checked.
    let later = start().plus_millis(1_000);
    duel.peer.sign_head(Lane::Federation, later, MINUTE);
    let head = duel.peer.head(&duel.peer.site(), Lane::Federation).unwrap();
    let mut forged = head.as_bytes().to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let news = News {
        heads: vec![forged],
        ..News::default()
    };
    let bytes = starling_sync::wire::Announce(news).encode();
    assert_eq!(gossip(&mut duel, &bytes), Some(GossipVerdict::Reject));
}

#[test]
fn expired_head_reports_stale_log_once() {
    let mut net = Net::new(2, 6);
    net.publish(0, &[record("A-1", "one")]);
    net.link(0, 1);
    net.run(Duration::from_secs(86_400 * 2));
    let author = net.sites[0].replica.site();
    let stale = net.sites[1]
        .notices
        .iter()
        .filter(|notice| matches!(notice, Notice::Stale { site, .. } if *site == author));
    assert_eq!(stale.count(), 1);
    net.feed(1, Event::LocalChanged);
    net.run(MINUTE);
    let stale = net.sites[1]
        .notices
        .iter()
        .filter(|notice| matches!(notice, Notice::Stale { .. }));
    assert_eq!(stale.count(), 1, "once per head, whatever else changes");
    net.assert_converged();
    assert!(
        !net.noticed(0, |notice| matches!(notice, Notice::Stale { .. })),
        "the own log is never stale"
    );
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
    // When it dies, its claims are here and their bodies are not.
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

#[test]
fn rotated_key_spreads_and_old_key_is_rejected() {
    let mut net = Net::new(3, 12);
    net.link_line();
    net.publish(0, &[record("A-1", "one")]);
    net.run(MINUTE);
    // The operator of site 2 rotates its key; site 0 learns it through site 1.
    let old = net.sites[2].replica.clone();
    let mut keys = old.keys().clone();
    keys.operating = starling_protocol::SigningKey::from_seed(&[200; 32]);
    let reason = starling_protocol::Reason::Rotation;
    let chain = old
        .own_chain()
        .next_epoch(&keys.root, &keys.operating, Vec::new(), reason, net.now)
        .unwrap();
    net.cut(1, 2);
    net.sites[2].replica.rotate(chain, keys);
    net.sites[2].key = net.sites[2].replica.key();
    net.sites[2].engine = SyncEngine::new(Settings::default(), 1);
    net.link(1, 2);
    net.publish(2, &[record("C-1", "signed by the new key")]);
    net.run(MINUTE);
    net.assert_converged();
    assert_eq!(net.sites[0].replica.authorised(&old.key()), None);
}

#[test]
fn fork_is_proved_gossiped_and_freezes_the_log() {
    let mut net = Net::new(3, 13);
    net.link_line();
    net.publish(0, &[record("A-1", "one")]);
    net.run(MINUTE);
    let backup = net.sites[0].replica.clone();
    net.publish(0, &[record("A-2", "first history")]);
    net.run(MINUTE);
    net.cut(0, 1);
    net.sites[0].replica = backup;
    net.sites[0].engine = SyncEngine::new(Settings::default(), 1);
    net.publish(0, &[record("A-2", "second history")]);
    net.publish(0, &[record("A-3", "and on")]);
    net.link(0, 1);
    net.run(MINUTE * 5);
    let forker = net.sites[0].replica.site();
    for site in &net.sites {
        let position = site.replica.position(&forker, Lane::Federation).unwrap();
        assert!(position.frozen);
        assert_eq!(site.replica.forks().len(), 1);
    }
    assert_eq!(
        net.sites[2]
            .replica
            .position(&forker, Lane::Federation)
            .unwrap()
            .held,
        ClaimNumber(2)
    );
    assert!(net.noticed(2, |notice| matches!(notice, Notice::Forked { .. })));
}

#[test]
fn branches_of_equal_length_are_found_by_their_heads() {
    let mut net = Net::new(3, 17);
    net.link_line();
    net.publish(0, &[record("A-1", "one")]);
    net.run(MINUTE);
    net.cut(1, 2);
    let backup = net.sites[0].replica.clone();
    net.publish(0, &[record("A-2", "first history")]);
    net.run(MINUTE);
    net.cut(0, 1);
    net.sites[0].replica = backup;
    net.sites[0].engine = SyncEngine::new(Settings::default(), 1);
    net.publish(0, &[record("A-2", "second history")]);
    net.link(0, 2);
    net.run(MINUTE);
    net.cut(0, 2);
    let forker = net.sites[0].replica.site();
    let position = |net: &Net, site: usize| {
        net.sites[site]
            .replica
            .position(&forker, Lane::Federation)
            .unwrap()
    };
    assert_eq!(position(&net, 1).held, position(&net, 2).held);
    assert!(!position(&net, 1).frozen && !position(&net, 2).frozen);
    // The author is absent: the two sites with different histories detect it between them.
    net.link(1, 2);
    net.run(MINUTE);
    for site in [1, 2] {
        assert!(position(&net, site).frozen, "site {site}");
        assert_eq!(net.sites[site].replica.forks().len(), 1, "site {site}");
    }
}
