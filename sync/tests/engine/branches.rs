//! A certificate names one of two branches of a log: sites that hold the other one give way, and blame nobody.

use std::time::Duration;

use starling_protocol::{ClaimNumber, Lane, LaneResume, Reason, SigningKey};
use starling_sync::{Event, LearnedHead, Notice, Replica, WritableReplica};

use crate::net::{Net, record, source};

/// Three sites: an author, a site with the first `held` claims of the author's lost branch, and one with nothing. The
/// author's own branch has `claims` claims in its first epoch. They have the first `shared` claims in common.
fn branches(seed: u64, shared: u64, claims: u64, held: u64) -> Net {
    let mut net = Net::new(3, seed);
    let author = net.sites[0].replica.site();
    let now = net.now;
    let say = |replica: &mut starling_sync::model::ModelReplica, from: u64, to: u64, text: &str| {
        for claim in from..=to {
            let said = [record(&format!("A-{claim}"), text)];
            replica.publish(Lane::Federation, &source(), &said, now).unwrap();
        }
    };
    say(&mut net.sites[0].replica, 1, shared, "shared");
    let mut twin = net.sites[0].replica.clone();
    say(&mut twin, shared + 1, held, "lost");
    say(&mut net.sites[0].replica, shared + 1, claims, "true");
    let lost = twin.log_bytes(&author, Lane::Federation);
    assert_eq!(net.sites[1].replica.append(&lost).unwrap().problem, None);

    let end = net.sites[0].replica.tip(&author, Lane::Federation).unwrap();
    let mut keys = net.sites[0].replica.keys().clone();
    keys.operating = SigningKey::from_seed(&[202; 32]);
    let lanes = vec![LaneResume {
        lane: Lane::Federation,
        number: end.number,
        header: end.header,
    }];
    let chain = net.sites[0].replica.own_chain().next_epoch(
        &keys.root,
        &keys.operating,
        lanes,
        Reason::ForkResolution,
        now,
    );
    let chain = chain.unwrap();
    net.sites[0].key = keys.operating.public();
    net.sites[0].replica.rotate(chain, keys);
    net
}

/// As [`branches`], and all know the certificate that names the author's branch.
fn resolved(seed: u64, shared: u64, claims: u64, held: u64) -> Net {
    let mut net = branches(seed, shared, claims, held);
    for site in 1..3 {
        learn(&mut net, site);
    }
    net
}

/// Brings the author's certificates to a site.
fn learn(net: &mut Net, site: usize) {
    let chain = net.sites[0].replica.own_chain().clone();
    net.sites[site].replica.learn_chain(&chain).unwrap();
}

fn assert_converged(net: &Net, case: &str) {
    let author = net.sites[0].replica.site();
    let own = net.sites[0].replica.position(&author, Lane::Federation).unwrap();
    for (index, site) in net.sites.iter().enumerate() {
        let at = site.replica.position(&author, Lane::Federation).unwrap();
        assert_eq!((at.held, at.frozen), (own.held, false), "{case}: site {index}");
        assert_eq!(
            site.replica.held_root(),
            net.sites[0].replica.held_root(),
            "{case}: site {index}"
        );
        let blames = site
            .notices
            .iter()
            .find(|notice| matches!(notice, Notice::Violation { .. }));
        assert!(blames.is_none(), "{case}: site {index}: {blames:?}");
    }
}

#[test]
fn lost_branch_gives_way_to_the_named_one() {
    // In common, on the valid branch, on the lost one. The last case has no delta in common.
    for (shared, claims, held) in [(1, 2, 2), (1, 4, 4), (2, 7, 4), (3, 9, 8), (0, 3, 3)] {
        for news in [false, true] {
            let mut net = resolved(81, shared, claims, held);
            if news {
                let said = [record("A-100", "new epoch")];
                let now = net.now;
                net.sites[0]
                    .replica
                    .publish(Lane::Federation, &source(), &said, now)
                    .unwrap();
            }
            net.link_line();
            net.feed(0, Event::LocalChanged);
            net.run(Duration::from_secs(600));
            let case = format!("{shared} {claims} {held} {news}");
            assert_converged(&net, &case);
            let gave_up = net.sites[1].notices.iter().find_map(|notice| match notice {
                Notice::GivenUp { resumed_after, .. } => Some(*resumed_after),
                _ => None,
            });
            assert_eq!(gave_up, Some(ClaimNumber(shared)), "{case}");
        }
    }
}

#[test]
fn relay_with_the_lost_branch_stops_nobody() {
    // The third site hears of the log from a relay with the lost branch alone, and of the author later.
    let mut net = resolved(82, 1, 4, 4);
    net.link(1, 2);
    net.run(Duration::from_secs(60));
    net.link(0, 2);
    net.feed(0, Event::LocalChanged);
    net.run(Duration::from_secs(600));
    assert_converged(&net, "late author");
}

/// Returns sites of which the last two hold the lost branch, as long as the valid one. They compared what they hold before
/// they learned the certificate, and the author's head of the new epoch if `head`.
fn lost_pair(seed: u64, head: bool) -> Net {
    let mut net = branches(seed, 1, 4, 4);
    let author = net.sites[0].replica.site();
    let lost = net.sites[1].replica.log_bytes(&author, Lane::Federation);
    assert_eq!(net.sites[2].replica.append(&lost).unwrap().problem, None);
    net.link(1, 2);
    net.run(Duration::from_secs(10));
    let now = net.now;
    let validity = Duration::from_secs(86_400);
    net.sites[0].replica.sign_head(Lane::Federation, now, validity);
    let newest = net.sites[0].replica.head(&author, Lane::Federation).unwrap();
    for site in 1..3 {
        learn(&mut net, site);
        if head {
            let learned = net.sites[site].replica.learn_head(&newest).unwrap();
            assert_eq!(learned, LearnedHead::Newer, "the certificate names its delta");
        }
        net.feed(site, Event::LocalChanged);
    }
    net
}

#[test]
fn lost_end_is_replaced_when_a_peer_has_the_named_one() {
    for head in [true, false] {
        let mut net = lost_pair(83, head);
        net.run(Duration::from_secs(300));
        let author = net.sites[0].replica.site();
        for site in 1..3 {
            let at = net.sites[site]
                .replica
                .position(&author, Lane::Federation)
                .unwrap();
            assert!(at.lost, "site {site} knows that its branch lost");
        }
        // The author meets the third site alone. The second hears of no new claim, and its link stays.
        net.link(0, 2);
        net.run(Duration::from_secs(300));
        assert_converged(&net, &format!("head {head}"));
        let at = net.sites[1].replica.position(&author, Lane::Federation).unwrap();
        assert!(!at.lost);
    }
}

#[test]
fn search_for_the_parting_place_is_no_flood() {
    let mut net = resolved(84, 1, 1_000, 1_000);
    net.link(0, 1);
    net.run(Duration::from_secs(600));
    net.link(1, 2);
    net.run(Duration::from_secs(600));
    assert_converged(&net, "thousand deltas");
}
