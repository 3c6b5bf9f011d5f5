//! Hellos: who is answered, how sites introduce themselves, and chains and versions that are refused.

use std::time::Duration;

use starling_protocol::{ClaimNumber, Lane};
use starling_sync::wire::{DeltasWanted, News, RefusalCode, Request, Response};
use starling_sync::{
    DisconnectReason, Effect, Event, FailureReason, Notice, Replica, RequestId, Settings, Violation,
};

use crate::duel::{Duel, parted, refusal, requests, violation};
use crate::net::Net;

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
fn refusal_by_a_peer_is_described() {
    for code in 0..=9 {
        let told = DisconnectReason::RefusedByPeer(RefusalCode::from(code)).to_string();
        let why = told.strip_prefix("the peer refused this site: ").unwrap();
        assert!(
            why.starts_with(|c: char| c.is_lowercase()) && why.contains(' '),
            "{told}"
        );
    }
    let told = DisconnectReason::RefusedByPeer(RefusalCode::NotListed).to_string();
    assert!(told.ends_with("this site is not on its allow-list"), "{told}");
}

/// It was reported as silence. A site that refuses a hello also closes the connection, and the refusal may be lost.
#[test]
fn connection_lost_before_the_hello_is_no_silence() {
    for (reason, told) in [
        (FailureReason::ConnectionLost, DisconnectReason::LeftBeforeHello),
        (FailureReason::TimedOut, DisconnectReason::NoHello),
    ] {
        let mut duel = Duel::strangers();
        let peer = duel.peer.key();
        let mut effects = duel.event(Event::Connected { peer });
        // A stranger is greeted late.
        effects.extend(duel.tick_after(2 * Settings::default().hello_patience));
        let hello = requests(&effects);
        let id = hello
            .iter()
            .find_map(|(id, request)| matches!(request, Request::Hello(_)).then_some(*id));
        let id = id.expect("it greets");
        let effects = duel.event(Event::RequestFailed { peer, id, reason });
        assert_eq!(parted(&effects), Some(&told));
    }
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
