//! Restored homes: what sites learn about themselves from their peers.

use std::time::Duration;

use starling_protocol::{Claim, ClaimNumber, ContentHash, Lane, LaneResume, Reason, SigningKey};
use starling_sync::wire::{News, RefusalCode, Request, Response};
use starling_sync::{
    DisconnectReason, Event, HeardPeer, Notice, Replica, Settings, SyncEngine, WritableReplica,
};

use crate::duel::{Duel, parted, refusal};
use crate::net::{Net, record, source};

#[test]
fn replaced_key_is_sent_its_newer_chain() {
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

    // It still takes no part.
    let news = Request::News(News::default());
    assert_eq!(refusal(&duel.ask(&news)), Some(RefusalCode::NotGreeted));
    let effects = duel.tick_after(Duration::from_secs(3));
    assert_eq!(parted(&effects), Some(&DisconnectReason::NoHello));
}

#[test]
fn peers_report_their_position_in_the_own_log() {
    let mut net = Net::new(2, 31);
    net.publish(0, &[record("A-1", "one"), record("A-2", "two")]);
    let news = net.sites[0].engine.own_log_news(&net.sites[0].replica);
    assert!(news.peers.is_empty() && news.is_settled);
    net.link(0, 1);
    net.run(Duration::from_secs(30));
    // A peer's position is sent in time, and in the first message of a session.
    net.cut(0, 1);
    net.link(0, 1);
    net.run(Duration::from_secs(30));
    let news = net.sites[0].engine.own_log_news(&net.sites[0].replica);
    let told = HeardPeer {
        site: net.sites[1].replica.site(),
        reaches: Some(ClaimNumber(2)),
        holds: Some(ClaimNumber(2)),
    };
    assert_eq!(news.peers, [told]);
    assert!(news.is_settled);
}

#[test]
fn author_ends_the_wait_for_unavailable_bodies() {
    let mut net = Net::new(3, 32);
    net.link_line();
    net.publish(0, &[record("A-1", "old")]);
    net.run(Duration::from_secs(30));
    // The claims spread, but their bodies are lost with the home.
    let lost = [record("A-1", "new"), record("A-2", "new")];
    net.sites[0]
        .replica
        .publish(Lane::Federation, &source(), &lost, net.now)
        .unwrap();
    for (_, body) in &lost {
        net.sites[0].replica.purge_body(&ContentHash::of(body));
    }
    net.feed(0, Event::LocalChanged);
    net.run(Duration::from_secs(600));
    let author = net.sites[0].replica.site();
    for site in 1..3 {
        let at = net.sites[site]
            .replica
            .position(&author, Lane::Federation)
            .unwrap();
        assert_eq!(
            (at.held, at.accepted),
            (ClaimNumber(3), ClaimNumber(1)),
            "site {site} waits"
        );
    }
    assert!(net.noticed(1, |notice| matches!(notice, Notice::BodyUnavailable { .. })));

    // The restored author continues in a new epoch and states what it still can.
    let tip = net.sites[0].replica.tip(&author, Lane::Federation).unwrap();
    let mut keys = net.sites[0].replica.keys().clone();
    keys.operating = SigningKey::from_seed(&[201; 32]);
    let resume = LaneResume {
        lane: Lane::Federation,
        number: tip.number,
        header: tip.header,
    };
    let chain = net.sites[0].replica.own_chain().next_epoch(
        &keys.root,
        &keys.operating,
        vec![resume],
        Reason::Restore,
        net.now,
    );
    net.cut(0, 1);
    net.sites[0].replica.rotate(chain.unwrap(), keys);
    net.sites[0].key = net.sites[0].replica.key();
    net.sites[0].engine = SyncEngine::new(Settings::default(), 1);
    let (id, old) = record("A-1", "old");
    let size = u32::try_from(old.len()).unwrap();
    let again = Claim::set(&source(), &id, ContentHash::of(&old), size, net.now);
    let retracted = Claim::delete(
        starling_protocol::ClaimKey::record(&source(), &lost[1].0),
        net.now,
    );
    net.sites[0]
        .replica
        .author(Lane::Federation, vec![again, retracted], net.now)
        .unwrap();
    net.link(0, 1);
    net.run(Duration::from_secs(60));
    net.assert_converged();
    for site in 1..3 {
        let at = net.sites[site]
            .replica
            .position(&author, Lane::Federation)
            .unwrap();
        assert_eq!(
            (at.held, at.accepted),
            (ClaimNumber(5), ClaimNumber(5)),
            "site {site}"
        );
    }
}

#[test]
fn returning_peer_reports_given_up_claims() {
    let mut net = Net::new(2, 33);
    net.link(0, 1);
    net.publish(0, &[record("A-1", "one")]);
    net.run(Duration::from_secs(30));
    let mut restored = net.sites[0].replica.clone();
    net.publish(0, &[record("A-2", "two")]);
    net.run(Duration::from_secs(30));
    net.cut(0, 1);
    // It continues from a backup while the peer is away.
    let author = restored.site();
    let tip = restored.tip(&author, Lane::Federation).unwrap();
    let mut keys = restored.keys().clone();
    keys.operating = SigningKey::from_seed(&[202; 32]);
    let resume = LaneResume {
        lane: Lane::Federation,
        number: tip.number,
        header: tip.header,
    };
    let chain = restored.own_chain().next_epoch(
        &keys.root,
        &keys.operating,
        vec![resume],
        Reason::Restore,
        net.now,
    );
    restored.rotate(chain.unwrap(), keys);
    net.sites[0].key = restored.key();
    net.sites[0].replica = restored;
    net.sites[0].engine = SyncEngine::new(Settings::default(), 1);
    net.link(0, 1);
    net.run(Duration::from_secs(60));
    let told = Notice::GivenUp {
        site: author,
        lane: Lane::Federation,
        held: ClaimNumber(2),
        resumed_after: ClaimNumber(1),
    };
    assert!(net.noticed(1, |notice| *notice == told));
    let at = net.sites[1].replica.position(&author, Lane::Federation).unwrap();
    assert_eq!((at.held, at.accepted), (ClaimNumber(1), ClaimNumber(1)));
    net.assert_converged();
}
