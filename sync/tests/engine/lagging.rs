//! Honest peers that lag behind: old but true statements are not violations.

use std::time::Duration;

use starling_protocol::{
    CertificateChain, ClaimNumber, ContentHash, Delta, ForkProof, Lane, LaneResume, Reason, SigningKey,
};
use starling_sync::model::{ModelKeys, ModelReplica};
use starling_sync::wire::{DeltasPage, LogNote, News, Request, Response};
use starling_sync::{Event, Notice, Replica, RequestId, Violation, WritableReplica};

use crate::duel::{Duel, deltas_request, parted, violation};
use crate::net::{Net, record, source};

const MINUTE: Duration = Duration::from_secs(60);

/// Returns keys and chain of a site whose next epoch resumes after the first `keep` deltas of its log.
fn restored(author: &ModelReplica, keep: usize) -> (CertificateChain, ModelKeys) {
    let bytes = author.log_bytes(&author.site(), Lane::Federation);
    let mut rest = &bytes[..];
    let mut lanes = Vec::new();
    for _ in 0..keep {
        let (delta, tail) = Delta::decode_first(rest).unwrap();
        rest = tail;
        lanes = vec![LaneResume {
            lane: Lane::Federation,
            number: delta.header().last(),
            header: delta.header().hash(),
        }];
    }
    let mut keys = author.keys().clone();
    keys.operating = SigningKey::from_seed(&[201; 32]);
    let chain = author.own_chain().next_epoch(
        &keys.root,
        &keys.operating,
        lanes,
        Reason::Restore,
        crate::net::start(),
    );
    (chain.unwrap(), keys)
}

fn violations(net: &Net) -> Vec<&Notice> {
    let notices = net.sites.iter().flat_map(|site| &site.notices);
    notices
        .filter(|notice| matches!(notice, Notice::Violation { .. }))
        .collect()
}

#[test]
fn lagging_relay_of_closed_deltas_is_not_blamed() {
    let mut net = Net::new(3, 31);
    net.publish(0, &[record("A-1", "one")]);
    net.publish(0, &[record("A-2", "lost by the backup")]);
    net.link(0, 1);
    net.run(MINUTE);
    net.cut(0, 1);
    let author = net.sites[0].replica.site();
    let (chain, _) = restored(&net.sites[0].replica, 1);
    net.sites[2].replica.learn_chain(&chain).unwrap();
    net.link(1, 2);
    net.run(MINUTE * 10);
    assert_eq!(violations(&net), Vec::<&Notice>::new());
    let held = net.sites[2]
        .replica
        .position(&author, Lane::Federation)
        .unwrap()
        .held;
    assert_eq!(
        held,
        ClaimNumber(1),
        "only the deltas that the certificate names are held"
    );
    // The relay learns the new certificate too.
    assert_eq!(net.sites[1].replica.chain(&author), Some(chain));
}

#[test]
fn body_that_a_new_epoch_makes_live_again_is_fetched() {
    let mut net = Net::new(3, 32);
    net.publish(0, &[record("A-1", "one")]);
    net.link(0, 2);
    net.run(MINUTE);
    net.cut(0, 2);
    net.publish(0, &[record("A-1", "lost by the backup")]);
    net.link(0, 1);
    net.run(MINUTE);
    net.cut(0, 1);
    let (_, superseded) = record("A-1", "one");
    let hash = ContentHash::of(&superseded);
    assert_eq!(net.sites[1].replica.body(&hash), None, "superseded, not fetched");
    let (chain, _) = restored(&net.sites[0].replica, 1);
    net.sites[2].replica.learn_chain(&chain).unwrap();
    net.link(1, 2);
    net.run(MINUTE * 10);
    assert_eq!(net.sites[1].replica.body(&hash), Some(&superseded[..]));
    let author = net.sites[0].replica.site();
    let position = net.sites[1].replica.position(&author, Lane::Federation).unwrap();
    assert_eq!(
        (position.held, position.accepted),
        (ClaimNumber(1), ClaimNumber(1))
    );
}

#[test]
fn settled_fork_proof_is_not_blamed_but_forged_one_is() {
    let mut duel = Duel::new();
    let author = duel.peer.clone();
    let key = author.key();
    let build = |text: &str| {
        let mut branch = author.clone();
        branch
            .publish(Lane::Federation, &source(), &[record("P-2", text)], duel.now)
            .unwrap();
        branch.log_bytes(&author.site(), Lane::Federation)
    };
    let (one, other) = (build("one"), build("other"));
    let last = |bytes: &[u8]| {
        let (_, tail) = Delta::decode_first(bytes).unwrap();
        bytes.len() - tail.len()
    };
    let (one, other) = (
        Delta::decode(&one[last(&one)..]).unwrap(),
        Delta::decode(&other[last(&other)..]).unwrap(),
    );
    let proof = ForkProof::of(&one, &other, author.own_chain())
        .unwrap()
        .to_bytes();
    let (chain, _) = restored(&author, 1);
    duel.site.replica.learn_chain(&chain).unwrap();
    let mut forged = proof.clone();
    let end = forged.len() - 1;
    forged[end] ^= 1;
    // The author's old key is no longer accepted, so a relay sends the proof.
    let relay = Net::site(7, 99);
    duel.site.replica.list(relay.replica.site());
    duel.site.replica.learn_chain(relay.replica.own_chain()).unwrap();
    assert_ne!(relay.key, key);
    let mut tell = |number, proof: Vec<u8>| {
        let news = News {
            forks: vec![(author.site(), proof)],
            ..News::default()
        };
        duel.event(Event::Connected { peer: relay.key });
        duel.event(Event::Request {
            peer: relay.key,
            id: RequestId(number),
            bytes: Request::News(news).encode(),
        })
    };
    assert_eq!(violation(&tell(1, proof)), None);
    assert!(matches!(
        violation(&tell(2, forged)),
        Some(Violation::Unverifiable { .. })
    ));
}

#[test]
fn answer_overtaken_by_a_bundle_is_not_blamed() {
    let mut duel = Duel::new();
    let (id, _) = duel.tell();
    let page = duel.page();
    let Response::Deltas(_, bytes) = &page else {
        unreachable!()
    };
    duel.site.replica.append(bytes).unwrap();
    duel.event(Event::LocalChanged);
    let effects = duel.answer(id, &page);
    assert_eq!((violation(&effects), parted(&effects)), (None, None));
}

#[test]
fn bad_deltas_of_one_peer_do_not_block_another() {
    let mut duel = Duel::new();
    let author = duel.peer.site();
    let true_page = duel.page();
    let relay = Net::site(7, 99);
    duel.site.replica.list(relay.replica.site());
    duel.site.replica.learn_chain(relay.replica.own_chain()).unwrap();
    let note = LogNote {
        chain_length: 2,
        ..duel.note()
    };
    let (id, _) = duel.tell();
    // A delta of an epoch whose certificate nobody has: it is neither a violation nor appended.
    let (chain, keys) = restored(&duel.peer, 0);
    let mut rotated = ModelReplica::new(
        "site-1".parse().unwrap(),
        duel.peer.keys().clone(),
        crate::net::start(),
    );
    assert_eq!(rotated.site(), author);
    rotated.rotate(chain, keys);
    rotated
        .publish(Lane::Federation, &source(), &[record("P-9", "text")], duel.now)
        .unwrap();
    let bytes = rotated.log_bytes(&author, Lane::Federation);
    let header = DeltasPage {
        last: ClaimNumber(1),
        more: false,
    };
    let effects = duel.answer(id, &Response::Deltas(header, bytes));
    assert_eq!(deltas_request(&effects), None, "not of the same peer at once");
    // Another peer that has the log is asked at once.
    duel.event(Event::Connected { peer: relay.key });
    let news = News {
        notes: vec![note],
        ..News::default()
    };
    let hello = starling_sync::wire::Hello {
        chain: relay.replica.own_chain().to_bytes(),
        ..duel.hello(news)
    };
    let effects = duel.event(Event::Request {
        peer: relay.key,
        id: RequestId(1),
        bytes: Request::Hello(hello).encode(),
    });
    let (id, wanted) = deltas_request(&effects).expect("the other peer is asked");
    assert_eq!(wanted.site, author);
    let effects = duel.event(Event::Response {
        peer: relay.key,
        id,
        bytes: true_page.encode(),
    });
    assert_eq!(violation(&effects), None);
    let held = duel
        .site
        .replica
        .position(&author, Lane::Federation)
        .unwrap()
        .held;
    assert_eq!(held, ClaimNumber(1));
}
