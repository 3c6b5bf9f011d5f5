//! A certificate names one of two branches of a log: sites that hold the other one give way, and blame nobody.

use std::time::Duration;

use starling_protocol::{ClaimNumber, Lane, LaneResume, Reason, SigningKey};
use starling_sync::{Event, Notice, Replica, WritableReplica};

use crate::net::{Net, record, source};

/// Three sites: an author, a site with the first `held` claims of the author's lost branch, and one with nothing. The
/// author's own branch has `claims` claims in its first epoch. They have the first `shared` claims in common.
fn resolved(seed: u64, shared: u64, claims: u64, held: u64) -> Net {
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
    net.sites[0].replica.rotate(chain.clone(), keys);
    for site in 1..3 {
        net.sites[site].replica.learn_chain(&chain).unwrap();
    }
    net
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
