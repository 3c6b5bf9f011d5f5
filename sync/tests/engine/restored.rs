//! Sites whose homes were put back: what peers tell them of themselves.

use std::time::Duration;

use starling_protocol::{ClaimNumber, Reason, SigningKey};
use starling_sync::wire::{News, RefusalCode, Request, Response};
use starling_sync::{DisconnectReason, Event, HeardPeer, Replica};

use crate::duel::{Duel, parted, refusal};
use crate::net::{Net, record};

#[test]
fn replaced_key_is_told_what_its_site_does_not_know() {
    let mut duel = Duel::new();
    let newer = duel.peer.own_chain().next_epoch(
        &duel.peer.keys().root,
        &SigningKey::from_seed(&[200; 32]),
        Vec::new(),
        Reason::Rotation,
        duel.now,
    );
    let newer = newer.unwrap();
    duel.site.replica.learn_chain(&newer).unwrap();
    let peer = duel.peer.key();
    duel.event(Event::Disconnected { peer });
    duel.event(Event::Connected { peer });
    let hello = Request::Hello(duel.hello(News::default()));
    let Response::Hello(answer) = duel.ask(&hello) else {
        panic!("it is told")
    };
    assert_eq!(answer.news.chains, [newer.to_bytes()]);
    assert_eq!(answer.news.notes.len(), 1, "of its own log alone");
    assert_eq!(answer.news.notes[0].site, duel.peer.site());

    // It takes no part all the same.
    let news = Request::News(News::default());
    assert_eq!(refusal(&duel.ask(&news)), Some(RefusalCode::NotGreeted));
    let effects = duel.tick_after(Duration::from_secs(3));
    assert_eq!(parted(&effects), Some(&DisconnectReason::NoHello));
}

#[test]
fn peers_tell_how_far_they_have_the_own_log() {
    let mut net = Net::new(2, 31);
    net.publish(0, &[record("A-1", "one"), record("A-2", "two")]);
    let news = net.sites[0].engine.own_log_news(&net.sites[0].replica);
    assert!(news.peers.is_empty() && news.is_settled);
    net.link(0, 1);
    net.run(Duration::from_secs(30));
    let news = net.sites[0].engine.own_log_news(&net.sites[0].replica);
    let told = HeardPeer {
        site: net.sites[1].replica.site(),
        reaches: Some(ClaimNumber(2)),
    };
    assert_eq!(news.peers, [told]);
    assert!(news.is_settled);
}
