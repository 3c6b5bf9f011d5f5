//! Offers to fetch a source, and the site that takes over from another: it states what differs, and no more.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::{ClaimKind, FeedOffer, OfferInput, RestsOn, SiteId};
use starling_view::ConflictStrategy;

mod hostile;

use super::*;
use crate::{FeedCommit, FeedPlan, HeadSigning};

/// Number of records of the source.
const RECORDS: usize = 1_000;
/// Validity of a head.
const VALID_MILLIS: u64 = 1_000;

fn newest(name: &str, seed: u8) -> TestSite {
    by_strategy(name, seed, ConflictStrategy::PreferNewest, vec![])
}

fn by_strategy(
    name: &str,
    seed: u8,
    conflict_strategy: ConflictStrategy,
    site_order: Vec<SiteId>,
) -> TestSite {
    let policy = ViewPolicy {
        conflict_strategy,
        site_order,
        ..ViewPolicy::default()
    };
    TestSite::with_policy(name, seed, &policy)
}

/// Three sites that list one another, and follow the newest statement.
fn federation() -> [TestSite; 3] {
    let sites = [newest("a", 1), newest("b", 2), newest("c", 3)];
    for site in &sites {
        for other in sites.iter().filter(|other| other.chain != site.chain) {
            site.list(other, &["*"]);
        }
    }
    sites
}

/// The content of a source: texts by record id.
type Content = BTreeMap<String, String>;

fn id(number: usize) -> String {
    format!("PYSEC-2024-{number}")
}

fn whole() -> Content {
    (0..RECORDS)
        .map(|number| (id(number), "one".to_owned()))
        .collect()
}

/// Returns the source after three changes, two losses and one new record.
fn later() -> Content {
    let mut content = whole();
    for number in 0..3 {
        content.insert(id(number), "two".to_owned());
    }
    content.remove(&id(10));
    content.remove(&id(11));
    content.insert(id(RECORDS), "new".to_owned());
    content
}

impl TestSite {
    /// Takes in the whole source, compared with the view.
    fn fetch(&self, content: &Content, now: u64) -> FeedPlan {
        let source = source();
        let now = UnixMillis::saturating(now);
        let bodies: Vec<Vec<u8>> = content.iter().map(|(id, text)| body(id, text)).collect();
        let named: Vec<(ContentHash, &[u8])> = bodies
            .iter()
            .map(|body| (ContentHash::of(body), &body[..]))
            .collect();
        self.store.put_bodies(&source, &named).unwrap();
        let record = |(id, (content, body)): (&String, &(ContentHash, &[u8]))| {
            let size = u32::try_from(body.len()).unwrap();
            (
                id.parse().unwrap(),
                FoundRecord {
                    content: *content,
                    size,
                },
            )
        };
        let found = content.keys().zip(&named).map(record).collect();
        let input = FeedInput {
            source: &source,
            lane: Lane::Federation,
            base: FeedBase::View,
            found: &found,
            complete: true,
            keep: &BTreeSet::new(),
            now,
        };
        let plan = self.store.plan_feed(&input).unwrap();
        let commit = FeedCommit {
            source: &source,
            lane: Lane::Federation,
            claims: plan.claims.clone(),
            names: &[],
            is_checked: true,
        };
        let (key, valid_millis) = (&self.key, VALID_MILLIS);
        let signing = HeadSigning {
            key,
            now,
            valid_millis,
        };
        self.store
            .commit_feed(commit, &signing, &Origin::default())
            .unwrap();
        plan
    }

    fn take_from(&self, other: &Self) {
        assert_eq!(self.pull_from(other), None);
        self.pull_bodies_from(other);
        self.store.accept(&Origin::default()).unwrap();
        self.learn_head_of(other);
    }

    fn learn_head_of(&self, other: &Self) {
        if let Some(head) = other.store.log(other.own()).unwrap().and_then(|log| log.head) {
            self.store.learn_head(&head).unwrap();
        }
    }

    /// Returns the source as this site's view has it.
    fn content(&self) -> Content {
        let said = self
            .store
            .said(&source(), Lane::Federation, FeedBase::View)
            .unwrap();
        let text = |hash: ContentHash| {
            let body: serde_json::Value =
                serde_json::from_slice(&self.store.body(&hash).unwrap().unwrap()).unwrap();
            body["summary"].as_str().unwrap().to_owned()
        };
        let live = said
            .iter()
            .filter_map(|(id, said)| Some((id.to_string(), text(said.content?))));
        live.collect()
    }

    fn offers(&self, rests_on: RestsOn, at: u64) {
        let offer = offer(rests_on);
        let claim = offer.to_claim(&source(), UnixMillis::saturating(at));
        self.state(claim, at);
    }

    fn state(&self, claim: Claim, at: u64) {
        let now = UnixMillis::saturating(at);
        let lane = Lane::Federation;
        self.store
            .author(lane, [claim], &self.key, now, &Origin::default())
            .unwrap();
        let (key, valid_millis) = (&self.key, VALID_MILLIS);
        self.store
            .sign_heads(&HeadSigning {
                key,
                now,
                valid_millis,
            })
            .unwrap();
    }
}

fn offer(rests_on: RestsOn) -> FeedOffer {
    FeedOffer {
        is_offered: true,
        is_healthy: true,
        every_ms: 3_600_000,
        input: OfferInput::of(&["pypa"]),
        rests_on,
    }
}

fn authors(site: &TestSite) -> Vec<SiteId> {
    site.store
        .offers()
        .unwrap()
        .others
        .iter()
        .map(|seen| seen.site)
        .collect()
}

/// Returns the sites whose heads a scan at a time misses.
fn expired(site: &TestSite, at: u64) -> BTreeSet<String> {
    let heads = site.store.view().unwrap().head_expiries().into_iter();
    let heads = heads.filter(|head| head.expires_at.as_millis() < at && head.sources.contains(&source()));
    heads.map(|head| head.site).collect()
}

fn named(site: &str) -> BTreeSet<String> {
    BTreeSet::from([site.to_owned()])
}

#[test]
fn successor_states_what_differs_whatever_the_clocks_say() {
    // The first site's clock is ahead by decades, behind by decades, and right.
    for clock in [4_000_000_000_000, 1_000, 1_790_000_000_000] {
        let [a, b, c] = federation();
        assert_eq!(a.fetch(&whole(), clock).stored, RECORDS as u64);
        b.take_from(&a);
        c.take_from(&a);
        let now = 1_790_000_000_000;
        let plan = b.fetch(&later(), now);
        assert_eq!(
            (plan.stored, plan.absent, plan.claims.len()),
            (4, 2, 6),
            "{clock}"
        );
        assert_eq!(plan.unchanged, RECORDS as u64 - 5);
        let accepted = a.store.log(a.own()).unwrap().unwrap().tip.cursor.number;
        assert_eq!(plan.rests_on, RestsOn::from([(a.chain.site(), accepted)]));
        c.take_from(&b);
        a.take_from(&b);
        for site in [&a, &b, &c] {
            assert_eq!(site.content(), later(), "{clock}");
            site.assert_healthy();
        }
        // The first site returns and has nothing to state; a change back to its first statement is a change.
        assert_eq!(a.fetch(&later(), clock).claims.len(), 0);
        assert_eq!(a.fetch(&whole(), clock).claims.len(), 6);
        b.take_from(&a);
        c.take_from(&a);
        for site in [&a, &b, &c] {
            assert_eq!(site.content(), whole(), "{clock}");
        }
    }
}

#[test]
fn two_fetching_at_once_is_harmless() {
    let [a, b, c] = federation();
    a.fetch(&whole(), 10);
    b.fetch(&whole(), 20);
    for (site, other) in [(&a, &b), (&b, &a), (&c, &a), (&c, &b)] {
        site.take_from(other);
    }
    assert_eq!(b.fetch(&later(), 30).claims.len(), 6);
    a.take_from(&b);
    c.take_from(&b);
    for site in [&a, &b, &c] {
        assert_eq!(site.content(), later());
    }
}

#[test]
fn statements_of_others_name_what_they_state() {
    let [a, b, _] = federation();
    let none = b.store.others_root(&source()).unwrap();
    a.fetch(&whole(), 10);
    b.take_from(&a);
    let before = b.store.others_root(&source()).unwrap();
    assert_ne!(before, none);
    let plan = b.fetch(&later(), 20);
    assert_eq!(plan.others, Some(before));
    assert_eq!(
        b.store.others_root(&source()).unwrap(),
        before,
        "its own do not count"
    );
    a.take_from(&b);
    a.fetch(&whole(), 30);
    b.take_from(&a);
    assert_ne!(b.store.others_root(&source()).unwrap(), before);
}

#[test]
fn offers_are_read_of_listed_sites_and_superseded() {
    let [a, b, c] = federation();
    a.offers(RestsOn::new(), 10);
    b.offers(RestsOn::new(), 10);
    c.take_from(&a);
    c.take_from(&b);
    assert_eq!(authors(&c), [a.chain.site(), b.chain.site()]);
    assert!(c.store.view().unwrap().is_empty(), "an offer is not knowledge");
    let seen = c.store.offers().unwrap();
    assert_eq!((seen.own.len(), seen.unread.len()), (0, 0));
    assert_eq!(seen.others[0].offer, offer(RestsOn::new()));
    // The next one takes its place; one that retracts it leaves none.
    a.offers(RestsOn::from([(b.chain.site(), ClaimNumber(7))]), 20);
    c.take_from(&a);
    let seen = c.store.offers().unwrap();
    assert_eq!((seen.others.len(), seen.others[0].is_whole), (2, false));
    a.state(Claim::delete(ClaimKey::offer(&source()), UnixMillis::EPOCH), 30);
    c.take_from(&a);
    assert_eq!(authors(&c), [b.chain.site()]);
    // The source is not accepted of the site any more.
    let slug = b.chain.slug();
    c.store
        .update_listed_site(slug, |listed| {
            listed.allowed_sources = vec!["ghsa".to_owned()].try_into().unwrap();
        })
        .unwrap();
    assert_eq!(authors(&c), []);
    assert_eq!(b.store.offers().unwrap().own[&source()], offer(RestsOn::new()));
}

#[test]
fn check_of_a_part_is_not_used_without_the_rest() {
    let [a, b, _] = federation();
    let c = newest("d", 4);
    c.list(&b, &["*"]);
    a.fetch(&whole(), 10);
    b.take_from(&a);
    let rests_on = b.fetch(&later(), 20).rests_on;
    b.offers(rests_on, 21);
    c.take_from(&b);
    let checked = |site: &TestSite| {
        let sources = site.store.view().unwrap().sources().unwrap();
        sources.get(&source()).and_then(|source| source.checked_at)
    };
    assert_eq!(checked(&c), None, "it has six of a thousand records");
    let heard = |site: &TestSite| site.store.view().unwrap().last_heard(&source()).unwrap();
    assert_eq!(heard(&c), None);
    assert!(!c.store.offers().unwrap().others[0].is_whole);
    c.list(&a, &["*"]);
    assert_eq!(checked(&c), None, "listed is not accepted");
    c.take_from(&a);
    assert_eq!(checked(&c), Some(UnixMillis::saturating(20)));
    assert_eq!(heard(&c), Some(UnixMillis::saturating(20)));
    assert_eq!(c.content(), later());
}

#[test]
fn offer_counts_after_the_statements_that_it_was_made_with() {
    let [a, b, c] = federation();
    a.fetch(&whole(), 10);
    c.take_from(&a);
    b.take_from(&a);
    let rests_on = b.fetch(&later(), 20).rests_on;
    b.offers(rests_on, 21);
    // The log is here, its records are not.
    assert_eq!(c.pull_from(&b), None);
    c.store.accept(&Origin::default()).unwrap();
    c.learn_head_of(&b);
    assert_eq!(authors(&c), [b.chain.site()], "the offer is accepted");
    assert!(!c.store.offers().unwrap().others[0].is_whole);
    let checked = || c.store.view().unwrap().sources().unwrap()[&source()].checked_at;
    assert_eq!(checked(), Some(UnixMillis::saturating(10)), "of the first site");
    c.take_from(&b);
    assert!(c.store.offers().unwrap().others[0].is_whole);
    assert_eq!(checked(), Some(UnixMillis::saturating(20)));
}

#[test]
fn head_of_a_dead_site_is_not_missed_where_another_builds_on_it() {
    let [a, b, c] = federation();
    a.fetch(&whole(), 10);
    b.take_from(&a);
    c.take_from(&a);
    // Both miss the first site once its head has expired.
    assert_eq!((expired(&b, 1_011), expired(&c, 1_011)), (named("a"), named("a")));
    let rests_on = b.fetch(&later(), 20).rests_on;
    b.offers(rests_on, 21);
    c.take_from(&b);
    assert_eq!(
        (expired(&b, 1_020), expired(&c, 1_020)),
        (BTreeSet::new(), BTreeSet::new())
    );
    // Then the one that builds on it is missed; it misses itself when its check is as old as a turn.
    assert_eq!(
        (expired(&b, 1_022), expired(&c, 1_022)),
        (BTreeSet::new(), named("b"))
    );
    assert_eq!(expired(&b, 20 + 3 * 3_600_000 + 1), named("a"));
    // Its later statements are not built on.
    a.fetch(&later(), 30);
    b.take_from(&a);
    c.take_from(&a);
    assert_eq!(
        (expired(&b, 1_031), expired(&c, 1_031)),
        (named("a"), BTreeSet::from(["a", "b"].map(str::to_owned)))
    );
}

fn checked_at(site: &TestSite) -> Option<UnixMillis> {
    let sources = site.store.view().unwrap().sources().unwrap();
    sources.get(&source()).and_then(|source| source.checked_at)
}

#[test]
fn successors_check_is_used_only_with_its_newest_statement() {
    for (strategy, _) in ConflictStrategy::ALL {
        let [a, b, _] = federation();
        let d = by_strategy("d", 4, strategy, vec![a.chain.site(), b.chain.site()]);
        d.list(&a, &["*"]);
        d.list(&b, &["*"]);
        a.fetch(&whole(), 10);
        b.take_from(&a);
        let rests_on = b.fetch(&later(), 20).rests_on;
        b.offers(rests_on, 21);
        d.take_from(&a);
        d.take_from(&b);
        let is_newest = strategy == ConflictStrategy::PreferNewest;
        let checked = if is_newest { 20 } else { 10 };
        assert_eq!(
            checked_at(&d),
            Some(UnixMillis::saturating(checked)),
            "{strategy}"
        );
        assert_eq!(d.store.offers().unwrap().others[0].is_whole, is_newest);
        if strategy == ConflictStrategy::PreferSiteOrder {
            assert_ne!(d.content(), later(), "the first site's statements count");
        }
    }
}

#[test]
fn offers_of_known_kind_number_stay_what_they_are() {
    assert_eq!(ClaimKind::FEED_OFFER.0, 6);
    assert_eq!(ClaimKey::offer(&source()).as_bytes(), b"opypa\0");
}
