//! Epochs that close a part of a log: which part is given up, and that the log continues.

use super::*;
use crate::disk::DiskFaultKind;

impl TestSite {
    /// Begins a new epoch after a claim of its log.
    fn resume_after(&mut self, number: u64, seed: u8) {
        let number = ClaimNumber(number);
        let (_, header) = self.store.position_at(self.own(), number).unwrap();
        let lane = Lane::Federation;
        let lanes = vec![LaneResume { lane, number, header }];
        let key = SigningKey::from_seed(&[seed; 32]);
        let chain = self
            .chain
            .next_epoch(&self.root, &key, lanes, Reason::Restore, UnixMillis::EPOCH)
            .unwrap();
        self.store.learn_chain(&chain).unwrap();
        (self.chain, self.key) = (chain, key);
    }

    fn take_all_from(&self, other: &Self) {
        assert_eq!(self.pull_from(other), None);
        self.pull_bodies_from(other);
        self.store.accept(&Origin::default()).unwrap();
    }
}

#[test]
fn closed_branch_is_cut_if_newest_epoch_resumes_beyond_it() {
    let (mut a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    for (record, at) in [("P-1", 1), ("P-2", 2), ("P-3", 3)] {
        a.say(&[(record, Some("one"))], at);
    }
    b.take_all_from(&a);
    let head = a
        .store
        .sign_head(Lane::Federation, &a.key, UnixMillis::EPOCH, 1_000, Vec::new());
    b.store.learn_head(&head.unwrap()).unwrap();
    a.resume_after(1, 71);
    for (record, at) in [("P-4", 4), ("P-5", 5), ("P-6", 6)] {
        a.say(&[(record, Some("two"))], at);
    }
    a.resume_after(4, 72);
    // Both epochs arrive at once: the newer one resumes after the held part, the older one before it.
    b.store.learn_chain(&a.chain).unwrap();
    let log = b.store.log(a.own()).unwrap().unwrap();
    assert_eq!(log.tip.cursor.number, ClaimNumber(1));
    assert!(log.head.is_none(), "the head of the closed branch is history");
    b.take_all_from(&a);
    assert_eq!(b.live(), ["P-1", "P-4", "P-5", "P-6"]);
    assert_eq!(b.root(), a.root());
    b.assert_healthy();
}

#[test]
fn chain_is_followed_whichever_operation_fails() {
    for operation in 1..=8 {
        let (mut a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
        b.list(&a, &["*"]);
        for (record, at) in [("P-1", 1), ("P-2", 2)] {
            a.say(&[(record, Some("one"))], at);
        }
        b.take_all_from(&a);
        a.resume_after(1, 71);
        let plan = DiskPlan::at(b.disk.operations() + operation, DiskFaultKind::Short);
        b.disk.set_plan(plan);
        let _ = b.store.learn_chain(&a.chain);
        b.disk.set_plan(DiskPlan::default());
        let end = |store: &SiteStore| store.log(a.own()).unwrap().unwrap().tip.cursor.number;
        // A log that could not be synced takes nothing more before it is opened again.
        if b.store.accept(&Origin::default()).is_ok() && b.store.learn_chain(&a.chain).is_ok() {
            assert_eq!(end(&b.store), ClaimNumber(1), "operation {operation}");
        } else {
            let again = b.after_power_loss();
            again.learn_chain(&a.chain).unwrap();
            assert_eq!(end(&again), ClaimNumber(1), "operation {operation}, opened again");
        }
    }
}

#[test]
fn claims_with_lost_bodies_are_replaced() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    b.take_all_from(&a);
    a.say(
        &[
            ("P-1", Some("changed")),
            ("P-2", None),
            ("P-3", Some("new")),
            ("P-4", Some("here")),
        ],
        2,
    );
    // The claims reach a peer with one of their bodies, and then the home is lost.
    assert_eq!(b.pull_from(&a), None);
    let here = body("P-4", "here");
    assert_eq!(b.store.store_wanted(&[&here]).unwrap(), 1);
    b.store.accept(&Origin::default()).unwrap();
    assert_eq!(b.live(), ["P-1", "P-2"], "it waits for the bodies");

    let mut restored = TestSite::new("a", 1);
    restored.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    restored.store.hold_back(true);
    let run = b.store.deltas(a.own(), ClaimNumber(2), usize::MAX).unwrap();
    assert_eq!(restored.store.append(&run.deltas.concat()).unwrap().problem, None);
    restored.store.store_wanted(&[&here]).unwrap();
    let lacked = restored.store.lacked_own_bodies().unwrap();
    assert_eq!(lacked.count, 2);
    assert_eq!(lacked.named[0].to_string(), "pypa/P-1");
    restored.resume_after(6, 71);
    restored.store.hold_back(false);
    let restated = restored
        .store
        .restate_lacked(&restored.key, UnixMillis::saturating(3), &Origin::default())
        .unwrap();
    assert_eq!((restated.went_back, restated.retracted), (1, 1));
    assert_eq!(restated.named.len(), 2);
    assert_eq!(restored.live(), ["P-1", "P-4"]);
    assert_eq!(restored.store.lacked_own_bodies().unwrap().count, 0);

    b.store.learn_chain(&restored.chain).unwrap();
    b.take_all_from(&restored);
    assert_eq!(b.live(), ["P-1", "P-4"]);
    assert_eq!(b.root(), restored.root());
    for site in [&b, &restored] {
        site.assert_healthy();
    }
    let again = restored
        .store
        .restate_lacked(&restored.key, UnixMillis::saturating(4), &Origin::default());
    assert!(again.unwrap().is_empty());
}

#[test]
fn claim_without_an_earlier_body_is_retracted() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one"))], 1);
    b.take_all_from(&a);
    a.say(&[("P-1", Some("two"))], 2);
    assert_eq!(b.pull_from(&a), None);
    // Only the keys of the home are left, and nobody keeps superseded bodies.
    let mut restored = TestSite::new("a", 1);
    restored.store.hold_back(true);
    let run = b.store.deltas(a.own(), ClaimNumber::NONE, usize::MAX).unwrap();
    assert_eq!(restored.store.append(&run.deltas.concat()).unwrap().problem, None);
    restored.resume_after(2, 71);
    restored.store.hold_back(false);
    let restated = restored
        .store
        .restate_lacked(&restored.key, UnixMillis::saturating(3), &Origin::default())
        .unwrap();
    assert_eq!((restated.went_back, restated.retracted), (0, 1));
    b.store.learn_chain(&restored.chain).unwrap();
    b.take_all_from(&restored);
    assert!(b.live().is_empty());
    assert_eq!(b.root(), restored.root());
}

#[test]
fn branch_closed_by_certificate_freezes_nobody() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    let twin = TestSite::new("a", 1);
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one"))], 1);
    twin.say(&[("P-1", Some("another history"))], 1);
    let losing = twin
        .store
        .deltas(twin.own(), ClaimNumber::NONE, usize::MAX)
        .unwrap()
        .deltas
        .concat();
    b.pull_from(&a);
    // The root key names a's branch before b learns of the other one.
    let (_, header) = a.store.position_at(a.own(), ClaimNumber(1)).unwrap();
    let lanes = vec![LaneResume {
        lane: Lane::Federation,
        number: ClaimNumber(1),
        header,
    }];
    let next = SigningKey::from_seed(&[77; 32]);
    let chain = a
        .chain
        .next_epoch(&a.root, &next, lanes, Reason::ForkResolution, UnixMillis::EPOCH)
        .unwrap();
    b.store.learn_chain(&chain).unwrap();
    let late = b.store.append(&losing).unwrap();
    assert_eq!(late.appended, 0);
    assert!(matches!(
        late.problem,
        Some(AppendProblem::Closed { epoch: 0, .. })
    ));
    assert!(!b.store.log(a.own()).unwrap().unwrap().frozen);
}

#[test]
fn home_behind_its_own_heads_signs_nothing() {
    let (a, old) = (TestSite::new("a", 1), TestSite::new("a", 1));
    a.say(&[("P-1", Some("one"))], 1);
    let head = a
        .store
        .sign_head(Lane::Federation, &a.key, UnixMillis::EPOCH, 1_000, Vec::new())
        .unwrap();
    old.store.learn_head(&head).unwrap();
    let refused = old
        .store
        .sign_head(Lane::Federation, &old.key, UnixMillis::EPOCH, 1_000, Vec::new());
    assert!(matches!(refused, Err(StoreError::Behind { .. })));
    let claim = Claim::absent(&source(), &"P-9".parse().unwrap(), UnixMillis::EPOCH);
    let refused = old.store.author(
        Lane::Federation,
        [claim],
        &old.key,
        UnixMillis::EPOCH,
        &Origin::default(),
    );
    assert!(matches!(refused, Err(StoreError::Behind { .. })));
    assert_eq!(
        old.store.log(old.own()).unwrap().unwrap().high_water,
        ClaimNumber(1),
        "high-water never falls"
    );
}
