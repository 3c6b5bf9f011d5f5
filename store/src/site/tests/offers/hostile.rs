//! Offers that are hostile, damaged or of nobody who can be followed.

use super::*;
use crate::engine::Tree;

#[test]
fn offers_of_a_hostile_site_are_bounded() {
    let [a, b, _] = federation();
    let invented = |number: u64| {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        (SiteId::from_bytes(bytes), ClaimNumber(1))
    };
    let offer = offer((0..1_024).map(invented).collect());
    let claim = |number: usize| {
        let source = format!("s{number}").parse().unwrap();
        offer.to_claim(&source, UnixMillis::EPOCH)
    };
    // Of one commit, at most so much.
    for first in (0..300).step_by(50) {
        let now = UnixMillis::saturating(10);
        let claims: Vec<Claim> = (first..first + 50).map(claim).collect();
        a.store
            .author(Lane::Federation, claims, &a.key, now, &Origin::default())
            .unwrap();
    }
    b.take_from(&a);
    let seen = b.store.offers().unwrap();
    assert_eq!((seen.others.len(), seen.unread.len()), (256, 1));
    assert_eq!(
        (seen.unread[0].site, &seen.unread[0].source),
        (a.chain.site(), &None)
    );
    assert!(
        seen.unread[0].why.contains("44 of its offers"),
        "{}",
        seen.unread[0].why
    );
    for offer in seen.others {
        assert!(!offer.is_whole);
        assert_eq!(offer.offer.rests_on.len(), 8, "for people");
    }
    assert_eq!(a.store.offers().unwrap().own.len(), 300);
}

#[test]
fn bare_offer_does_not_keep_a_dead_head() {
    let [a, b, c] = federation();
    a.fetch(&whole(), 10);
    b.take_from(&a);
    c.take_from(&a);
    let accepted = c.store.log(a.own()).unwrap().unwrap().tip.cursor.number;
    let rests_on = RestsOn::from([(a.chain.site(), accepted)]);
    // It has not checked the source, and states nothing of it.
    b.offers(rests_on.clone(), 20);
    c.take_from(&b);
    assert_eq!(expired(&c, 1_011), named("a"));
    // It has, and withdraws.
    b.fetch(&whole(), 30);
    c.take_from(&b);
    assert_eq!(expired(&c, 1_011), BTreeSet::new());
    assert_eq!(expired(&c, 1_031), named("b"), "without a record of its own");
    let mut withdrawn = offer(rests_on);
    withdrawn.is_offered = false;
    b.state(withdrawn.to_claim(&source(), UnixMillis::saturating(40)), 40);
    c.take_from(&b);
    assert_eq!(expired(&c, 1_011), named("a"));
}

#[test]
fn author_on_hold_is_not_followed() {
    let [a, b, _] = federation();
    a.fetch(&whole(), 10);
    a.offers(RestsOn::new(), 11);
    b.take_from(&a);
    assert!(b.store.offers().unwrap().others[0].is_whole);
    // Kind 127, critical, with a key of one byte, of the first moment.
    a.state(Claim::decode(&[127, 1, 1, b'z', 0]).unwrap(), 20);
    a.fetch(&whole(), 30);
    b.take_from(&a);
    let seen = b.store.offers().unwrap();
    assert!(b.store.log(a.own()).unwrap().unwrap().hold_reason.is_some());
    assert!(!seen.others[0].is_whole);
    assert_eq!(seen.others[0].check, Some(UnixMillis::saturating(10)));
}

#[test]
fn check_advances_when_what_it_says_is_accepted() {
    let [a, b, _] = federation();
    a.fetch(&whole(), 10);
    a.offers(RestsOn::new(), 11);
    b.take_from(&a);
    let check = || {
        let offers = b.store.offers().unwrap();
        assert_eq!(offers.others.len(), 1);
        offers.others[0].check.map(UnixMillis::as_millis)
    };
    assert_eq!(check(), Some(10));
    // Its head is known, its log is not.
    a.fetch(&later(), 40);
    b.learn_head_of(&a);
    assert_eq!(check(), Some(10));
    // Its log is here, its records are not.
    assert_eq!(b.pull_from(&a), None);
    b.store.accept(&Origin::default()).unwrap();
    assert_eq!(check(), Some(10));
    b.take_from(&a);
    assert_eq!(check(), Some(40));
    // A check without news is one.
    assert_eq!(a.fetch(&later(), 50).claims.len(), 0);
    b.take_from(&a);
    assert_eq!(check(), Some(50));
}

#[test]
fn unreadable_offer_is_kept_and_named() {
    let [a, _, c] = federation();
    let mut frame = offer(RestsOn::new())
        .to_claim(&source(), UnixMillis::EPOCH)
        .encode();
    frame.push(0);
    a.state(Claim::decode(&frame).unwrap(), 10);
    c.take_from(&a);
    let seen = c.store.offers().unwrap();
    assert_eq!((seen.others.len(), seen.unread.len()), (0, 1));
    assert_eq!(seen.unread[0].source, Some(source()));
    let log = c.store.log(a.own()).unwrap().unwrap();
    assert_eq!(log.accepted, log.tip.cursor.number);
}

#[test]
fn check_in_a_direct_log_needs_what_the_offer_builds_on() {
    let [a, b, _] = federation();
    let d = newest("d", 4);
    d.list(&b, &["*"]);
    a.fetch(&whole(), 10);
    b.take_from(&a);
    let rests_on = b.fetch(&later(), 20).rests_on;
    let claim = Claim::absent(&source(), &"PYSEC-2024-0".parse().unwrap(), UnixMillis::EPOCH);
    let now = UnixMillis::saturating(21);
    b.store
        .author(Lane::Direct, [claim], &b.key, now, &Origin::default())
        .unwrap();
    b.offers(rests_on, 22);
    d.take_from(&b);
    let direct = LogId {
        lane: Lane::Direct,
        ..b.own()
    };
    let head = b.store.log(direct).unwrap().unwrap().head.unwrap();
    d.store.learn_head(&head).unwrap();
    assert!(d.store.log(direct).unwrap().unwrap().head.is_some());
    assert_eq!(checked_at(&d), None);
    d.list(&a, &["*"]);
    d.take_from(&a);
    assert_eq!(checked_at(&d), Some(UnixMillis::saturating(20)));
}

#[test]
fn statement_at_the_end_of_time_is_named_and_not_replaced() {
    let [a, b, _] = federation();
    let end = UnixMillis::MAX.as_millis();
    a.fetch(&whole(), end);
    b.take_from(&a);
    let plan = b.fetch(&later(), 20);
    assert_eq!((plan.stuck, plan.claims.len()), (5, 1));
    assert_eq!(plan.stuck_by, BTreeSet::from([a.chain.site()]));
}

#[test]
fn own_statements_at_the_end_of_time_are_replaced() {
    let [a, b, _] = federation();
    a.fetch(&whole(), UnixMillis::MAX.as_millis() - 1);
    b.take_from(&a);
    let plan = b.fetch(&later(), 20);
    assert_eq!((plan.stuck, plan.claims.len()), (0, 6));
    assert!(plan.claims[0].time() >= UnixMillis::MAX, "after the other's");
    // Its own statement is replaced by the next one, whatever its time.
    let plan = b.fetch(&whole(), 30);
    assert_eq!((plan.stuck, plan.claims.len()), (0, 6));
    assert_eq!(b.content(), whole());
    b.store
        .update_listed_site(a.chain.slug(), |listed| listed.enabled = false)
        .unwrap();
    let plan = b.fetch(&later(), 40);
    assert_eq!(plan.stuck, 0);
    assert_eq!(b.content(), later());
}

#[test]
fn damaged_row_is_an_offer_that_is_not_read() {
    let [a, b, c] = federation();
    a.fetch(&whole(), 10);
    a.offers(RestsOn::new(), 11);
    c.take_from(&a);
    assert_eq!(checked_at(&c), Some(UnixMillis::saturating(10)));
    let number = c.store.read().unwrap().logs[&a.own()].number;
    let mut batch = crate::engine::Batch::default();
    let key = crate::rows::claim_key(&ClaimKey::offer(&source()), number);
    batch.put(Tree::Claims, &key, b"rubbish");
    // A key of an unknown log.
    let stranger = [&key[..key.len() - 1], &[77]].concat();
    batch.put(Tree::Claims, &stranger, b"rubbish");
    c.engine.commit(&batch).unwrap();
    b.offers(RestsOn::new(), 20);
    c.take_from(&b);
    let seen = c.store.offers().unwrap();
    assert_eq!(authors(&c), [b.chain.site()], "the others count");
    let named: Vec<_> = seen
        .unread
        .iter()
        .map(|unread| (unread.site, unread.source.clone()))
        .collect();
    assert!(named.contains(&(a.chain.site(), Some(source()))), "{named:?}");
    assert!(named.contains(&(c.chain.site(), None)), "{named:?}");
    // It may have rested on statements that are not here.
    assert_eq!(checked_at(&c), None);
    assert_eq!(expired(&c, 1_012), super::named("a"));
}
