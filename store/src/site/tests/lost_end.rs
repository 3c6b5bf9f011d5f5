//! A log that lost acknowledged claims and was repaired: what they said is known to be missing, until they are back.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use super::damage::{LOG, empty_engine, open_with, place_of, try_say, with_options};
use super::*;
use crate::engine::{Batch, Direction, Engine, Tree};
use crate::history::MomentNumber;
use crate::rows::meta;
use crate::site::engine_rows::Salvaged;
use crate::site::test_parts::open_salvaging;
use crate::{FeedCommit, HeadSigning, LOST_CHECK, LostClaims};

fn other() -> Source {
    "nvd".parse().unwrap()
}

fn signing(key: &SigningKey, at: u64) -> HeadSigning<'_> {
    HeadSigning {
        key,
        now: UnixMillis::saturating(at),
        valid_millis: 1_000,
    }
}

/// Imports one record of a source as all of it; none is an import without news.
fn import(site: &TestSite, source: &Source, id: Option<&str>, at: u64) {
    let now = UnixMillis::saturating(at);
    let claims = id.map(|id| {
        let body = body(id, "one");
        let hash = ContentHash::of(&body);
        site.store.put_bodies(source, &[(hash, &body)]).unwrap();
        let size = u32::try_from(body.len()).unwrap();
        Claim::set(source, &id.parse().unwrap(), hash, size, now)
    });
    let commit = FeedCommit {
        source,
        lane: Lane::Federation,
        claims: claims.into_iter().collect(),
        names: &[],
        is_checked: true,
    };
    let signing = signing(&site.key, at);
    site.store
        .commit_feed(commit, &signing, &Origin::default())
        .unwrap();
}

fn log_of(disk: &MemoryDisk) -> Vec<u8> {
    let mut bytes = Vec::new();
    disk.damage(LOG, |log| bytes = log.clone());
    bytes
}

/// Returns the disk of a site with its log as it was earlier.
fn cut_to(disk: &MemoryDisk, log: &[u8]) -> MemoryDisk {
    let disk = disk.copy();
    disk.damage(LOG, |bytes| *bytes = log.to_vec());
    disk
}

fn checked(store: &SiteStore, source: &Source) -> Option<u64> {
    let found = store.view().unwrap().sources().unwrap();
    found.get(source)?.checked_at.map(UnixMillis::as_millis)
}

fn lost(store: &SiteStore) -> Vec<(u64, u64, bool)> {
    let lost = store.view().unwrap().lost_claims();
    assert_eq!(store.lost_claims().unwrap(), lost);
    let numbers = |lost: &LostClaims| (lost.held.0, lost.last.0, lost.by_repair());
    lost.iter().map(numbers).collect()
}

fn failed_checks(store: &SiteStore) -> Vec<&'static str> {
    let diagnosis = store.doctor(false).unwrap();
    let failed = diagnosis.checks.iter().filter(|check| !check.ok());
    failed.map(|check| check.name).collect()
}

fn repair(disk: &MemoryDisk, site: &TestSite, engine: Arc<dyn Engine>) -> SiteStore {
    let known = Salvaged::read(site.engine.as_ref(), site.chain.site());
    with_options(&site.chain, |options| {
        open_salvaging(disk, engine, &site.chain, options, known)
    })
    .unwrap()
}

/// The head from the engine named the lost claims and the check of their source, so the source counted as fresh.
#[test]
fn own_claims_lost_with_the_end_are_known_to_be_missing() {
    let a = TestSite::new("a", 1);
    import(&a, &source(), Some("P-1"), 10);
    let before = log_of(&a.disk);
    import(&a, &other(), Some("P-2"), 20);
    let disk = cut_to(&a.disk, &before);
    let engine = empty_engine();
    let repaired = repair(&disk, &a, engine.clone());
    let is_missing = |store: &SiteStore| {
        assert_eq!(lost(store), [(1, 2, true)]);
        assert_eq!(
            (checked(store, &source()), checked(store, &other())),
            (Some(10), None)
        );
        assert_eq!(failed_checks(store), [LOST_CHECK]);
        assert!(matches!(try_say(store, &a.key), Err(StoreError::Behind { .. })));
    };
    is_missing(&repaired);
    drop(repaired);
    let again = open_with(&disk, engine, &a.chain, false).unwrap();
    is_missing(&again);
    // A peer has them: all is as it was, and the next head says so too.
    let run = a.store.deltas(a.own(), ClaimNumber(1), usize::MAX).unwrap();
    assert_eq!(again.append(&run.deltas.concat()).unwrap().problem, None);
    again.accept(&Origin::default()).unwrap();
    assert!(lost(&again).is_empty());
    assert_eq!(checked(&again, &other()), Some(20));
    again.sign_heads(&signing(&a.key, 30)).unwrap();
    assert_eq!(
        (checked(&again, &source()), checked(&again, &other())),
        (Some(10), Some(20))
    );
    assert!(failed_checks(&again).is_empty());
    try_say(&again, &a.key).unwrap();
}

#[test]
fn claims_of_others_lost_with_the_end_are_known_to_be_missing() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    let pull = |at: u64| {
        a.store.sign_heads(&signing(&a.key, at)).unwrap();
        let head = a.store.log(a.own()).unwrap().unwrap().head.unwrap();
        b.store.learn_head(&head).unwrap();
        assert_eq!(b.pull_from(&a), None);
        b.pull_bodies_from(&a);
        b.store.accept(&Origin::default()).unwrap();
    };
    import(&a, &source(), Some("P-1"), 10);
    pull(10);
    let before = log_of(&b.disk);
    import(&a, &other(), Some("P-2"), 20);
    pull(20);
    assert_eq!(checked(&b.store, &other()), Some(20));
    let disk = cut_to(&b.disk, &before);
    let engine = empty_engine();
    drop(repair(&disk, &b, engine.clone()));
    let again = open_with(&disk, engine, &b.chain, false).unwrap();
    assert_eq!(lost(&again), [(1, 2, true)]);
    assert_eq!(checked(&again, &other()), None);
    assert_eq!(failed_checks(&again), [LOST_CHECK]);
    let run = a.store.deltas(a.own(), ClaimNumber(1), usize::MAX).unwrap();
    assert_eq!(again.append(&run.deltas.concat()).unwrap().problem, None);
    again.accept(&Origin::default()).unwrap();
    assert!(lost(&again).is_empty());
    assert_eq!(checked(&again, &other()), Some(20));
    assert!(failed_checks(&again).is_empty());
}

/// A certificate that was known before the loss ended what the repair noted, and the site signed numbers again.
#[test]
fn loss_in_a_later_epoch_is_known_after_a_reopening() {
    let a = TestSite::new("a", 1);
    a.say(&[("P-1", Some("one"))], 1);
    let before = log_of(&a.disk);
    let number = ClaimNumber(1);
    let (_, header) = a.store.position_at(a.own(), number).unwrap();
    let lanes = vec![LaneResume {
        lane: Lane::Federation,
        number,
        header,
    }];
    let key = SigningKey::from_seed(&[9; 32]);
    let chain = a
        .chain
        .next_epoch(&a.root, &key, lanes, Reason::Rotation, UnixMillis::EPOCH)
        .unwrap();
    a.store.learn_chain(&chain).unwrap();
    try_say(&a.store, &key).unwrap();
    let disk = cut_to(&a.disk, &before);
    let engine = empty_engine();
    for past_damage in [true, false] {
        let store = open_with(&disk, engine.clone(), &chain, past_damage).unwrap();
        assert!(matches!(try_say(&store, &key), Err(StoreError::Behind { .. })));
        assert_eq!(lost(&store), [(1, 2, true)]);
    }
    // The next epoch gives up what is lost.
    let store = open_with(&disk, engine, &chain, false).unwrap();
    let lanes = store.resume_points(true).unwrap();
    let next = SigningKey::from_seed(&[10; 32]);
    let chain = chain
        .next_epoch(&a.root, &next, lanes, Reason::Restore, UnixMillis::EPOCH)
        .unwrap();
    store.learn_chain(&chain).unwrap();
    assert!(lost(&store).is_empty());
    try_say(&store, &next).unwrap();
}

fn newest(store: &SiteStore) -> MomentNumber {
    store.moment_at(UnixMillis::saturating(u64::MAX)).unwrap().number
}

/// Returns what is lost as of a snapshot, and the checks of both sources.
type Then = (Vec<(u64, u64, bool)>, [Option<u64>; 2]);

fn as_of(store: &SiteStore, moment: MomentNumber) -> Then {
    let layer = || Ok(empty_engine());
    let then = store.as_of(moment, UnixMillis::EPOCH, layer, |then| {
        (lost(&then), [checked(&then, &source()), checked(&then, &other())])
    });
    then.unwrap()
}

/// The answer about the time between a repair and the return of the claims was as if nothing had been lost.
#[test]
fn past_within_a_loss_names_it() {
    let a = TestSite::new("a", 1);
    import(&a, &source(), Some("P-1"), 10);
    let before = log_of(&a.disk);
    import(&a, &other(), Some("P-2"), 20);
    let disk = cut_to(&a.disk, &before);
    let engine = empty_engine();
    drop(repair(&disk, &a, engine.clone()));
    let ticks = Ticks::from(1_000);
    let site = ticks.open(&disk, engine.clone(), &a.chain);
    let (repaired, without) = (newest(&site), ticks.next());
    let missing: Then = (vec![(1, 2, true)], [None, None]);
    assert_eq!(as_of(&site, repaired), missing);
    assert_eq!(as_of_time(&site, without).0, missing);
    let run = a.store.deltas(a.own(), ClaimNumber(1), usize::MAX).unwrap();
    assert_eq!(site.append(&run.deltas.concat()).unwrap().problem, None);
    site.accept(&Origin::default()).unwrap();
    let back = newest(&site);
    assert!(repaired < back);
    site.sign_heads(&signing(&a.key, 30)).unwrap();
    let whole: Then = (vec![], [Some(10), Some(20)]);
    let check = |store: &SiteStore| {
        assert_eq!(as_of(store, repaired), missing);
        assert_eq!(
            (as_of_time(store, without).0, lost(store)),
            (missing.clone(), vec![])
        );
        assert_eq!(as_of_time(store, ticks.next()).0, whole);
        assert_eq!(as_of(store, back).0, []);
    };
    check(&site);
    drop(site);
    check(&ticks.open(&disk, engine, &a.chain));
    check(&ticks.open(&disk, empty_engine(), &a.chain));
}

/// A clock of which each reading is later than the one before.
#[derive(Clone)]
struct Ticks(Arc<AtomicU64>);

impl Ticks {
    fn from(first: u64) -> Self {
        Self(Arc::new(AtomicU64::new(first)))
    }

    fn next(&self) -> UnixMillis {
        UnixMillis::saturating(self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn open(&self, disk: &MemoryDisk, engine: Arc<dyn Engine>, chain: &CertificateChain) -> SiteStore {
        let ticks = self.clone();
        with_options(chain, |options| {
            let options = SiteOptions {
                settings: options.settings,
                compression_level: options.compression_level,
                max_delta_claims: options.max_delta_claims,
                clock: Arc::new(move || ticks.next()),
            };
            open_on(disk, engine, chain, &options).unwrap()
        })
    }
}

/// Returns what is lost as of a time, the checks of both sources, and the time since which nothing changed.
fn as_of_time(store: &SiteStore, at: UnixMillis) -> (Then, Option<UnixMillis>) {
    let moment = store.moment_at(at).unwrap().number;
    let then = store.as_of(
        moment,
        at,
        || Ok(empty_engine()),
        |then| (lost(&then), [checked(&then, &source()), checked(&then, &other())]),
    );
    (then.unwrap(), store.losses_changed(moment, at).unwrap())
}

/// An earlier copy of a home hears of claims that it signed, from a head that changes nothing else. The loss was dated back
/// to the snapshot before, in which nothing was missing, and stayed there after its end.
#[test]
fn loss_without_a_snapshot_counts_from_its_beginning_to_its_end() {
    let a = TestSite::new("a", 1);
    import(&a, &source(), Some("P-1"), 10);
    let disk = a.disk.copy();
    a.say(&[("P-2", Some("two"))], 20);
    let checks = vec![starling_protocol::SourceCheck {
        source: source(),
        checked_at: UnixMillis::saturating(10),
    }];
    let at = UnixMillis::saturating(50);
    let head = a
        .store
        .sign_head(Lane::Federation, &a.key, at, 1_000, checks)
        .unwrap();
    let ticks = Ticks::from(1_000);
    let engine = empty_engine();
    let site = ticks.open(&disk, engine.clone(), &a.chain);
    site.hold_back(true);
    let whole: Then = (vec![], [Some(10), None]);
    let missing: Then = (vec![(1, 2, false)], [None, None]);
    let (newest_before, before) = (newest(&site), ticks.next());
    assert_eq!(as_of_time(&site, before), (whole.clone(), None));
    site.learn_head(&head).unwrap();
    let within = ticks.next();
    assert_eq!(newest(&site), newest_before);
    assert_eq!(lost(&site), missing.0);
    let began = as_of_time(&site, within).1;
    assert!(began.is_some_and(|began| before < began && began < within));
    let check_beginning = |store: &SiteStore| {
        assert_eq!(as_of_time(store, before), (whole.clone(), None));
        assert_eq!(as_of_time(store, within), (missing.clone(), began));
    };
    check_beginning(&site);
    check_beginning(&ticks.open(&disk.copy(), empty_engine(), &a.chain));
    // The claims come without a snapshot too: none is written before they are accepted.
    let run = a.store.deltas(a.own(), ClaimNumber(1), usize::MAX).unwrap();
    assert_eq!(site.append(&run.deltas.concat()).unwrap().problem, None);
    let after = ticks.next();
    assert_eq!(newest(&site), newest_before);
    assert_eq!(lost(&site), []);
    let check = |store: &SiteStore| {
        check_beginning(store);
        let (then, ended) = as_of_time(store, after);
        assert_eq!(then, whole);
        assert!(ended.is_some_and(|ended| within < ended && ended < after));
    };
    check(&site);
    drop(site);
    check(&ticks.open(&disk, engine, &a.chain));
    check(&ticks.open(&disk, empty_engine(), &a.chain));
}

/// Makes rows as an earlier build left them, which noted no losses.
fn forget_losses(engine: &dyn Engine) {
    let mut batch = Batch::new();
    let mut forget = |key: &[u8], _: &[u8]| {
        batch.delete(Tree::Meta, key);
        ControlFlow::Continue(())
    };
    let prefix = meta::LOSSES_NOTED;
    assert!(meta::LOSSES.starts_with(prefix));
    engine
        .scan_prefix(Tree::Meta, prefix, Direction::Forward, &mut forget)
        .unwrap();
    engine.commit(&batch).unwrap();
}

/// The first opening of such rows dated a loss that lasts to the newest snapshot: the past before was as if nothing had been
/// lost.
#[test]
fn loss_in_rows_of_an_earlier_build_counts_for_all_of_the_kept_past() {
    let a = TestSite::new("a", 1);
    import(&a, &source(), Some("P-1"), 10);
    let before = log_of(&a.disk);
    import(&a, &other(), Some("P-2"), 20);
    let disk = cut_to(&a.disk, &before);
    let engine = empty_engine();
    let site = repair(&disk, &a, engine.clone());
    let floor = newest(&site);
    let b = TestSite::new("b", 2);
    let listed = ListedSite {
        slug: b.chain.slug().clone(),
        site: b.chain.site(),
        display_name: None,
        addresses: Vec::new(),
        allowed_sources: vec!["*".to_owned()].try_into().unwrap(),
        max_bundle_size: None,
        enabled: true,
        may_mute: None,
        added_at: UnixMillis::EPOCH,
    };
    site.list_site(listed, Some(&b.chain)).unwrap();
    assert!(floor < newest(&site));
    let missing: Then = (vec![(1, 2, true)], [None, None]);
    let check = |store: &SiteStore| {
        assert_eq!(as_of(store, floor), missing);
        assert_eq!(as_of(store, newest(store)), missing);
    };
    check(&site);
    drop(site);
    forget_losses(engine.as_ref());
    for _ in 0..2 {
        check(&open_with(&disk, engine.clone(), &a.chain, false).unwrap());
    }
    let site = open_with(&disk, engine, &a.chain, false).unwrap();
    site.doctor(true).unwrap();
    check(&site);
}

/// A restore gives the lost claims up for good; before it, they were missing.
#[test]
fn past_before_a_restore_names_the_loss_that_it_ended() {
    let a = TestSite::new("a", 1);
    import(&a, &source(), Some("P-1"), 10);
    let before = log_of(&a.disk);
    import(&a, &other(), Some("P-2"), 20);
    let disk = cut_to(&a.disk, &before);
    let engine = empty_engine();
    drop(repair(&disk, &a, engine.clone()));
    let ticks = Ticks::from(1_000);
    let site = ticks.open(&disk, engine.clone(), &a.chain);
    let without = ticks.next();
    let lanes = site.resume_points(true).unwrap();
    let next = SigningKey::from_seed(&[10; 32]);
    let chain = a
        .chain
        .next_epoch(&a.root, &next, lanes, Reason::Restore, UnixMillis::EPOCH)
        .unwrap();
    site.learn_chain(&chain).unwrap();
    try_say(&site, &next).unwrap();
    let check = |store: &SiteStore| {
        assert_eq!(lost(store), []);
        assert_eq!(as_of_time(store, without).0.0, [(1, 2, true)]);
        assert_eq!(as_of_time(store, ticks.next()).0.0, []);
    };
    check(&site);
    drop(site);
    check(&ticks.open(&disk, engine, &chain));
    check(&ticks.open(&disk, empty_engine(), &chain));
}

/// The note of the last import came after the hole that had the claims of the first.
#[test]
fn check_after_a_hole_does_not_count() {
    let a = TestSite::new("a", 1);
    import(&a, &source(), Some("P-1"), 10);
    import(&a, &source(), None, 20);
    let place = place_of(&a, 1);
    let disk = a.disk.copy();
    disk.damage(LOG, |bytes| bytes[place.start + 60] ^= 4);
    drop(open_with(&disk, empty_engine(), &a.chain, true).unwrap());
    // Every later replay skips the hole too.
    let again = open_with(&disk, empty_engine(), &a.chain, false).unwrap();
    assert_eq!(checked(&again, &source()), None);
    let feed = again.feed(&source()).unwrap().unwrap();
    assert_eq!(feed.checked_at, None);
    assert!(!lost(&again).is_empty());
}

/// An engine that has only begun to follow the log confirms no end of it.
#[test]
fn engine_that_is_behind_confirms_no_end() {
    use crate::disk::Disk as _;
    let a = TestSite::new("a", 1);
    import(&a, &source(), Some("P-1"), 10);
    let before = log_of(&a.disk);
    import(&a, &other(), Some("P-2"), 20);
    let disk = cut_to(&a.disk, &before);
    disk.remove("log/tip").unwrap();
    let engine = empty_engine();
    let journal = a.store.journal.log().journal();
    crate::site::open::begin_rows(engine.as_ref(), a.chain.site(), journal).unwrap();
    let refused = open_with(&disk, engine, &a.chain, false);
    assert!(matches!(refused, Err(StoreError::LogLoss { .. })));
}

/// A tip file that was lost is written again while the engine still knows the end.
#[test]
fn lost_tip_is_written_again_from_what_the_engine_knows() {
    use crate::disk::Disk as _;
    let b = TestSite::new("b", 2);
    import(&b, &source(), Some("P-1"), 10);
    let before = log_of(&b.disk);
    import(&b, &other(), Some("P-2"), 20);
    let disk = b.disk.copy();
    disk.remove("log/tip").unwrap();
    let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
    crate::engine::copy_all(b.engine.as_ref(), engine.as_ref(), &mut |_| {}).unwrap();
    drop(open_with(&disk, engine, &b.chain, false).unwrap());
    disk.damage(LOG, |bytes| *bytes = before.clone());
    let refused = open_with(&disk, empty_engine(), &b.chain, false);
    assert!(matches!(refused, Err(StoreError::LogLoss { .. })));
}
