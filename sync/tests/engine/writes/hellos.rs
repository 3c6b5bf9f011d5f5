//! Hellos of strangers that wait for the write of their certificate chain.

use super::*;

/// Returns a site that lists its peer and does not know its chain, the greeting of that peer, and the open write.
fn greeted_stranger() -> (Duel, (WriteId, Write)) {
    let mut duel = Duel::strangers();
    let peer = duel.peer.key();
    duel.site.replica.list(duel.peer.site());
    duel.event(Event::Connected { peer });
    let hello = Request::Hello(duel.hello(News::default()));
    let effects = duel.ask_before_write(&hello);
    assert!(answers(&effects).is_empty());
    let write = write_of(&effects).expect("it keeps the chain");
    assert!(matches!(write.1, Write::LearnChain(_)));
    (duel, write)
}

#[test]
fn hello_that_waits_for_its_chain_is_not_late() {
    let (mut duel, write) = greeted_stranger();
    let effects = duel.tick_before_write(MINUTE);
    assert_eq!(parted(&effects), None);
    assert!(requests(&effects).is_empty(), "it was greeted already");
    let effects = duel.carry_out(write);
    assert!(matches!(answers(&effects)[..], [Response::Hello(_)]));
    assert!(notices(&effects, |notice| matches!(
        notice,
        Notice::PeerReady { .. }
    )));
    assert_eq!(parted(&duel.tick_after(MINUTE / 60)), None);
}

#[test]
fn hello_of_a_peer_that_left_is_not_answered() {
    let (mut duel, write) = greeted_stranger();
    let peer = duel.peer.key();
    duel.step(Event::Disconnected { peer });
    // Its next session begins before the write of the last one ended.
    duel.step(Event::Connected { peer });
    let effects = duel.carry_out(write);
    assert!(answers(&effects).is_empty(), "its request ended with its session");
    let site = duel.peer.site();
    assert_eq!(
        duel.site.replica.chain(&site).as_ref(),
        Some(duel.peer.own_chain())
    );
    assert!(notices(&effects, |notice| matches!(
        notice,
        Notice::ChainLearned { .. }
    )));
    let hello = Request::Hello(duel.hello(News::default()));
    assert!(matches!(duel.ask(&hello), Response::Hello(_)));
}

#[test]
fn hello_is_refused_if_its_chain_cannot_be_stored() {
    let (mut duel, write) = greeted_stranger();
    duel.site.replica.fail_after(Some(0));
    let effects = duel.carry_out(write);
    let answers = answers(&effects);
    assert_eq!(answers.len(), 1);
    assert_eq!(refusal(&answers[0]), Some(RefusalCode::Failed));
    assert!(parted(&effects).is_some() && violation(&effects).is_none());
}

#[test]
fn stranger_may_not_send_hellos_while_one_waits() {
    let (mut duel, write) = greeted_stranger();
    let hello = Request::Hello(duel.hello(News::default()));
    // Another site's write is open: hellos wait behind it, however many strangers there are.
    for _ in 0..3 {
        let refused = answers(&duel.ask_before_write(&hello));
        assert_eq!(refused.len(), 1);
        assert_eq!(refusal(&refused[0]), Some(RefusalCode::Busy));
    }
    let effects = duel.carry_out(write);
    assert!(matches!(answers(&effects)[..], [Response::Hello(_)]));
}

#[test]
fn unlisted_site_is_refused_at_once_while_the_store_writes() {
    let (mut duel, _write) = greeted_stranger();
    let unlisted = Net::site(9, 78).replica;
    let peer = unlisted.key();
    duel.step(Event::Connected { peer });
    let hello = Hello {
        capabilities: Capabilities::OWN,
        chain: unlisted.own_chain().to_bytes(),
        news: News::default(),
    };
    let bytes = Request::Hello(hello).encode();
    let id = RequestId(1_000);
    let effects = duel.step(Event::Request { peer, id, bytes });
    let refused = answers(&effects);
    assert_eq!(refused.len(), 1);
    assert_eq!(refusal(&refused[0]), Some(RefusalCode::NotListed));
    assert!(parted(&effects).is_some());
    assert!(notices(&effects, |notice| matches!(
        notice,
        Notice::Unlisted { .. }
    )));
}

#[test]
fn stranger_whose_hello_waits_is_not_the_first_to_go() {
    let (mut duel, write) = greeted_stranger();
    for seed in 0..100 {
        duel.step(Event::Connected {
            peer: Net::site(9, 1_000 + seed).key,
        });
    }
    let effects = duel.carry_out(write);
    assert!(matches!(answers(&effects)[..], [Response::Hello(_)]));
}

#[test]
fn waiting_hellos_do_not_shorten_a_newcomers_time() {
    let (mut duel, write) = greeted_stranger();
    let hello = |site: &starling_sync::model::ModelReplica| {
        let hello = Hello {
            capabilities: Capabilities::OWN,
            chain: site.own_chain().to_bytes(),
            news: News::default(),
        };
        Request::Hello(hello).encode()
    };
    // The hellos of many listed sites wait for the store.
    for seed in 0..30 {
        let waiting = Net::site(9, 2_000 + seed).replica;
        duel.site.replica.list(waiting.site());
        let peer = waiting.key();
        duel.step(Event::Connected { peer });
        let (id, bytes) = (RequestId(5_000 + seed), hello(&waiting));
        assert!(answers(&duel.step(Event::Request { peer, id, bytes })).is_empty());
    }
    let newcomer = Net::site(9, 3_000).replica;
    duel.site.replica.list(newcomer.site());
    let peer = newcomer.key();
    duel.step(Event::Connected { peer });
    // Others come before its hello does.
    for seed in 0..20 {
        let effects = duel.step(Event::Connected {
            peer: Net::site(9, 4_000 + seed).key,
        });
        let gone = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Disconnect { peer: gone, .. } if *gone == peer));
        assert!(!gone, "{seed}");
    }
    let (id, bytes) = (RequestId(6_000), hello(&newcomer));
    duel.step(Event::Request { peer, id, bytes });
    let effects = duel.carry_out(write);
    assert!(notices(&effects, |notice| matches!(
        notice,
        Notice::PeerReady { peer: ready, .. } if *ready == peer
    )));
}
