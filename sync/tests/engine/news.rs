//! News that sites pass on: heads, certificates and fork proofs.

use std::time::Duration;

use starling_protocol::{ClaimNumber, Lane};
use starling_sync::wire::News;
use starling_sync::{Effect, Event, GossipVerdict, Notice, Replica, Settings, SyncEngine};

use crate::duel::Duel;
use crate::net::{Net, record, start};

const MINUTE: Duration = Duration::from_secs(60);

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
    // Only the signature of a newer head is checked.
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
    // The author is not connected: the two sites with different histories detect the fork between themselves.
    net.link(1, 2);
    net.run(MINUTE);
    for site in [1, 2] {
        assert!(position(&net, site).frozen, "site {site}");
        assert_eq!(net.sites[site].replica.forks().len(), 1, "site {site}");
    }
}
