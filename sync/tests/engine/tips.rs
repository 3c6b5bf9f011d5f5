//! Sites with equal positions compare what they hold.

use std::time::Duration;

use starling_protocol::{Claim, ClaimNumber, Lane, UnixMillis};
use starling_sync::{Notice, Replica, TipDifference, WritableReplica};

use crate::net::{Net, record, source};

fn compared(net: &Net, site: usize, difference: Option<TipDifference>) -> usize {
    let notices = net.sites[site].notices.iter();
    let same = |notice: &&Notice| matches!(notice, Notice::TipCompared { difference: found, .. } if *found == difference);
    notices.filter(same).count()
}

/// Returns two sites that appended two histories of a third site, of equal length and without heads.
fn two_histories(seed: u64) -> Net {
    let mut net = Net::new(3, seed);
    let author = net.sites[2].replica.site();
    let mut twin = net.sites[2].replica.clone();
    for (replica, text) in [(0, "one"), (1, "two")] {
        let branch = if replica == 0 {
            &mut net.sites[2].replica
        } else {
            &mut twin
        };
        branch
            .publish(Lane::Federation, &source(), &[record("A-1", text)], net.now)
            .unwrap();
        let bytes = branch.log_bytes(&author, Lane::Federation);
        let held = &mut net.sites[replica].replica;
        assert_eq!(held.append(&bytes).unwrap().problem, None);
    }
    net
}

#[test]
fn equally_long_histories_without_heads_are_found() {
    let mut net = two_histories(61);
    let author = net.sites[2].replica.site();
    net.link(0, 1);
    net.run(Duration::from_secs(10));
    for site in 0..2 {
        let replica = &net.sites[site].replica;
        let at = replica.position(&author, Lane::Federation).unwrap();
        assert!(at.frozen && at.forked, "site {site}");
        assert_eq!(replica.forks().len(), 1, "site {site} keeps the proof");
        assert!(
            compared(&net, site, Some(TipDifference::History)) > 0,
            "site {site} says so"
        );
    }
}

#[test]
fn same_history_is_compared_once_a_session() {
    let mut net = Net::new(2, 62);
    net.publish(0, &[record("A-1", "one")]);
    net.link(0, 1);
    net.run(Duration::from_secs(10));
    for change in 0..5 {
        net.publish(0, &[record("A-1", &format!("again {change}"))]);
        net.run(Duration::from_secs(10));
    }
    let author = net.sites[0].replica.site();
    let held = net.sites[1]
        .replica
        .position(&author, Lane::Federation)
        .unwrap()
        .held;
    assert_eq!(held, ClaimNumber(6));
    for site in 0..2 {
        assert_eq!(
            compared(&net, site, None),
            1,
            "site {site}: heads vouch from then on"
        );
    }
}

#[test]
fn root_mismatch_is_reported_at_both_sites() {
    let mut net = Net::new(2, 63);
    net.publish(0, &[record("A-1", "one")]);
    net.link(0, 1);
    net.run(Duration::from_secs(10));
    net.cut(0, 1);
    let author = net.sites[0].replica.site();
    let phantom = Claim::absent(&source(), &"A-2".parse().unwrap(), UnixMillis::EPOCH);
    net.sites[1].replica.miscount(&author, Lane::Federation, &phantom);
    net.link(0, 1);
    net.run(Duration::from_secs(10));
    assert_eq!(compared(&net, 1, Some(TipDifference::RowsHere)), 1);
    assert_eq!(compared(&net, 0, Some(TipDifference::RowsThere)), 1);
    assert!(net.sites[0].replica.forks().is_empty(), "that is no fork");
}
