//! Two branches of a log, one of which a certificate names: the other one is refused, or gives way.

use starling_protocol::{Delta, SourceCheck};

use super::*;
use crate::disk::DiskFaultKind;
use crate::{LOST_CHECK, LossCause};

/// An author's home, and a copy of it that went on otherwise after claim 1.
fn homes(true_claims: u64, lost_claims: u64) -> (TestSite, TestSite) {
    let (a, twin) = (TestSite::new("a", 1), TestSite::new("a", 1));
    for (home, claims, text) in [(&a, true_claims, "true"), (&twin, lost_claims, "lost")] {
        home.say(&[("P-1", Some("one"))], 1);
        for claim in 2..=claims {
            home.say(&[(&format!("P-{claim}"), Some(text))], claim);
        }
    }
    (a, twin)
}

/// Begins a new epoch of `a` at the end of its log.
fn resolve(a: &mut TestSite) {
    let end = a.store.log(a.own()).unwrap().unwrap().tip;
    let lanes = vec![LaneResume {
        lane: Lane::Federation,
        number: end.cursor.number,
        header: end.header,
    }];
    let key = SigningKey::from_seed(&[71; 32]);
    let chain = a
        .chain
        .next_epoch(&a.root, &key, lanes, Reason::ForkResolution, UnixMillis::EPOCH)
        .unwrap();
    a.store.learn_chain(&chain).unwrap();
    (a.chain, a.key) = (chain, key);
}

fn delta_at(home: &TestSite, number: u64) -> Vec<u8> {
    let delta = home.store.delta_with(home.own(), ClaimNumber(number)).unwrap();
    delta.unwrap()
}

fn hold(b: &TestSite, home: &TestSite) {
    assert_eq!(b.pull_from(home), None);
    b.pull_bodies_from(home);
    b.store.accept(&Origin::default()).unwrap();
}

fn new_head(a: &TestSite) -> starling_protocol::VerifiedHead {
    let now = UnixMillis::saturating(50);
    let head = a
        .store
        .sign_head(Lane::Federation, &a.key, now, 1_000, Vec::new());
    head.unwrap()
}

/// Answers what `b` asks for from the log of `a`, as a peer does, until nothing is asked.
fn pull_all(b: &TestSite, a: &TestSite) -> Vec<ClaimNumber> {
    let mut gave_up = Vec::new();
    let mut next = None;
    for _ in 0..40 {
        let log = b.store.log(a.own()).unwrap().unwrap();
        let held = log.tip.cursor.number;
        let page = match next {
            Some(ClaimNumber(next)) => delta_at(a, next),
            None if log.lost => delta_at(a, held.0),
            None => a.store.deltas(a.own(), held, usize::MAX).unwrap().deltas.concat(),
        };
        if page.is_empty() {
            return gave_up;
        }
        let outcome = b.store.append(&page).unwrap();
        gave_up.extend(outcome.gave_up_after);
        next = match outcome.problem {
            None => None,
            Some(AppendProblem::OtherBranch { next, .. }) => Some(next),
            Some(problem) => panic!("{problem:?}"),
        };
    }
    panic!("it never ends")
}

#[test]
fn stale_last_delta_is_refused_and_freezes_nothing() {
    // A relay that was cut off sends the end of the lost branch after the certificate. The kept head of the new epoch
    // names another delta there, which froze the log for good.
    for with_head in [false, true] {
        let (mut a, twin) = homes(2, 2);
        let b = TestSite::new("b", 2);
        b.list(&a, &["*"]);
        assert_eq!(b.store.append(&delta_at(&a, 1)).unwrap().problem, None);
        resolve(&mut a);
        b.store.learn_chain(&a.chain).unwrap();
        if with_head {
            assert!(b.store.learn_head(&new_head(&a)).unwrap());
        }
        let late = b.store.append(&delta_at(&twin, 2)).unwrap();
        assert!(
            matches!(late.problem, Some(AppendProblem::Closed { epoch: 0, .. })),
            "{:?}",
            late.problem
        );
        let log = b.store.log(a.own()).unwrap().unwrap();
        assert!(!log.frozen && log.tip.cursor.number == ClaimNumber(1));
        hold(&b, &a);
        assert_eq!(b.root(), a.root());
        b.assert_healthy();
    }
}

#[test]
fn lost_branch_gives_way_from_where_it_left() {
    // Lengths of the true and the lost branch; both part after claim 1.
    for (true_claims, lost_claims) in [(2, 2), (4, 4), (5, 2), (5, 4)] {
        let (mut a, twin) = homes(true_claims, lost_claims);
        let b = TestSite::new("b", 2);
        b.list(&a, &["*"]);
        hold(&b, &twin);
        resolve(&mut a);
        b.store.learn_chain(&a.chain).unwrap();
        assert!(
            b.store.learn_head(&new_head(&a)).unwrap(),
            "it contradicts nothing"
        );
        a.say(&[("P-9", Some("new epoch"))], 60);
        let gave_up = pull_all(&b, &a);
        assert_eq!(gave_up, [ClaimNumber(1)], "{true_claims} {lost_claims}");
        let log = b.store.log(a.own()).unwrap().unwrap();
        assert!(!log.frozen);
        assert!(log.accepted >= ClaimNumber(1), "what both branches have stays");
        b.pull_bodies_from(&a);
        b.store.accept(&Origin::default()).unwrap();
        assert_eq!(b.live(), a.live());
        assert_eq!(b.root(), a.root());
        b.assert_healthy();
        let again = b.after_power_loss();
        assert_eq!(again.knowledge_root().unwrap(), a.root());
    }
}

#[test]
fn high_water_stays_while_lost_branch_gives_way() {
    let (mut a, twin) = homes(4, 4);
    let b = TestSite::new("b", 2);
    b.list(&a, &["*"]);
    hold(&b, &twin);
    resolve(&mut a);
    b.store.learn_chain(&a.chain).unwrap();
    for number in [4, 3] {
        let asked = b.store.append(&delta_at(&a, number)).unwrap();
        let next = ClaimNumber(number - 1);
        assert!(
            matches!(asked.problem, Some(AppendProblem::OtherBranch { next: found, .. }) if found == next)
        );
        let log = b.store.log(a.own()).unwrap().unwrap();
        assert_eq!(
            log.tip.cursor.number,
            ClaimNumber(4),
            "nothing is given up for a part"
        );
        b.assert_healthy();
    }
    let taken = b.store.append(&delta_at(&a, 2)).unwrap();
    assert_eq!((taken.appended, taken.problem), (1, None));
    assert_eq!(taken.gave_up_after, Some(ClaimNumber(1)));
    let log = b.store.log(a.own()).unwrap().unwrap();
    assert_eq!(
        (log.tip.cursor.number, log.high_water),
        (ClaimNumber(2), ClaimNumber(4))
    );
    assert_eq!(b.live(), ["P-1"], "bodies of the valid branch are not here yet");
}

/// Claims of a branch that still arrives are missing, but no repair lost them.
#[test]
fn branch_that_still_arrives_is_not_lost_by_a_repair() {
    let (mut a, twin) = homes(4, 4);
    let b = TestSite::new("b", 2);
    b.list(&a, &["*"]);
    hold(&b, &twin);
    resolve(&mut a);
    b.store.learn_chain(&a.chain).unwrap();
    for number in [4, 3, 2] {
        b.store.append(&delta_at(&a, number)).unwrap();
    }
    let missing = |store: &SiteStore| {
        let lost = store.lost_claims().unwrap();
        let named: Vec<_> = lost
            .iter()
            .map(|lost| (lost.held.0, lost.last.0, lost.cause))
            .collect();
        let checks = store.doctor(false).unwrap().checks;
        assert!(checks.iter().find(|check| check.name == LOST_CHECK).unwrap().ok());
        named
    };
    let arriving = [(2, 4, LossCause::Replaced)];
    assert_eq!(missing(&b.store), arriving);
    // A replay of the log says the same, and so do the rows.
    let replayed = super::damage::open_with(&b.disk, super::damage::empty_engine(), &b.chain, false).unwrap();
    assert_eq!(missing(&replayed), arriving);
    drop(replayed);
    let again = open(&b.disk, b.engine.clone(), &b.chain);
    assert_eq!(missing(&again), arriving);
    assert_eq!(pull_all(&b, &a), []);
    assert_eq!(missing(&b.store), []);
}

#[test]
fn lost_log_is_not_current_even_with_the_newest_head() {
    let (mut a, twin) = homes(2, 2);
    let b = TestSite::new("b", 2);
    b.list(&a, &["*"]);
    hold(&b, &twin);
    resolve(&mut a);
    let check = SourceCheck {
        source: source(),
        checked_at: UnixMillis::saturating(49),
    };
    let now = UnixMillis::saturating(50);
    let head = a
        .store
        .sign_head(Lane::Federation, &a.key, now, 1_000, vec![check]);
    b.store.learn_chain(&a.chain).unwrap();
    assert!(b.store.learn_head(&head.unwrap()).unwrap());
    let checked = || b.store.view().unwrap().sources().unwrap()[&source()].checked_at;
    let log = b.store.log(a.own()).unwrap().unwrap();
    assert!(log.lost && log.hold_reason.is_some());
    assert_eq!(checked(), None, "the author checked its own branch, not this one");
    assert_eq!(pull_all(&b, &a), [ClaimNumber(1)]);
    hold(&b, &a);
    let log = b.store.log(a.own()).unwrap().unwrap();
    assert!(!log.lost && log.hold_reason.is_none());
    assert_eq!(checked(), Some(UnixMillis::saturating(49)));
    assert!(!a.store.log(a.own()).unwrap().unwrap().lost);
}

#[test]
fn freeze_by_the_named_head_ends_when_the_store_is_opened() {
    // Earlier versions kept the head of the new epoch as proof against the lost branch.
    for (holds_named, shared_only) in [(false, false), (false, true), (true, false)] {
        let (mut a, twin) = homes(2, 2);
        let b = TestSite::new("b", 2);
        b.list(&a, &["*"]);
        if shared_only {
            assert_eq!(b.store.append(&delta_at(&a, 1)).unwrap().problem, None);
        } else {
            hold(&b, if holds_named { &a } else { &twin });
        }
        resolve(&mut a);
        b.store.learn_chain(&a.chain).unwrap();
        let head = new_head(&a);
        let kept = b.store.change(|state| {
            let mut txn = b.store.txn();
            b.store.note_rival_head(&mut txn, state, &head)?;
            txn.commit()
        });
        kept.unwrap();
        assert!(b.store.log(a.own()).unwrap().unwrap().frozen);
        let again = open(&b.disk, b.engine.clone(), &b.chain);
        let log = again.log(a.own()).unwrap().unwrap();
        // The head may state another time or state than the delta that both name: that is a contradiction.
        assert_eq!(log.frozen, holds_named, "{holds_named} {shared_only}");
    }
}

#[test]
fn vouched_run_replaces_the_lost_branch_at_once() {
    let (mut a, twin) = homes(4, 4);
    let b = TestSite::new("b", 2);
    b.list(&a, &["*"]);
    hold(&b, &twin);
    resolve(&mut a);
    b.store.learn_chain(&a.chain).unwrap();
    let first = delta_at(&a, 2);
    let header = *starling_protocol::Delta::decode(&first).unwrap().header();
    b.store.vouch(a.own(), header.last(), header.hash()).unwrap();
    let run = b
        .store
        .append(&[first, delta_at(&a, 3), delta_at(&a, 4)].concat())
        .unwrap();
    assert_eq!((run.appended, run.problem), (3, None));
    assert_eq!(run.gave_up_after, Some(ClaimNumber(1)));
    hold(&b, &a);
    assert_eq!(b.root(), a.root());
    b.assert_healthy();
}

#[test]
fn site_on_the_named_branch_takes_nothing_of_another() {
    let (mut a, twin) = homes(4, 4);
    let b = TestSite::new("b", 2);
    b.list(&a, &["*"]);
    hold(&b, &a);
    resolve(&mut a);
    b.store.learn_chain(&a.chain).unwrap();
    for number in [2, 3, 4] {
        let late = b.store.append(&delta_at(&twin, number)).unwrap();
        assert!(
            matches!(late.problem, Some(AppendProblem::Closed { epoch: 0, .. })),
            "{number}: {:?}",
            late.problem
        );
    }
    assert_eq!(b.root(), a.root());
    assert!(!b.store.log(a.own()).unwrap().unwrap().frozen);
}

#[test]
fn fork_is_resolved_whichever_operation_fails() {
    // The proof is read again after a crash between the certificate and its consequences: one of its deltas ends where
    // the certificate ends the epoch.
    for operation in 1..=10 {
        let (mut a, twin) = homes(2, 2);
        let b = TestSite::new("b", 2);
        b.list(&a, &["*"]);
        hold(&b, &twin);
        let fork = b.store.append(&delta_at(&a, 2)).unwrap();
        assert!(matches!(fork.problem, Some(AppendProblem::Fork { .. })));
        resolve(&mut a);
        let plan = DiskPlan::at(b.disk.operations() + operation, DiskFaultKind::Short);
        b.disk.set_plan(plan);
        let _ = b.store.learn_chain(&a.chain);
        b.disk.set_plan(DiskPlan::default());
        let again = b.after_power_loss();
        again.learn_chain(&a.chain).unwrap();
        // A log without deltas is not listed.
        let log = again.log(a.own()).unwrap();
        let state = log.map_or((false, ClaimNumber::NONE), |log| {
            (log.frozen, log.tip.cursor.number)
        });
        assert_eq!(state, (false, ClaimNumber::NONE), "operation {operation}");
    }
}

/// The held branch was cut before the first delta of the other one was judged, and stayed cut if that was refused.
#[test]
fn refused_delta_of_the_named_branch_costs_no_claims() {
    let (mut a, twin) = homes(4, 4);
    let b = TestSite::new("b", 2);
    b.list(&a, &["*"]);
    hold(&b, &twin);
    let wrong = wrong_root_after(&a);
    let at = *Delta::decode(&wrong).unwrap().header();
    let lanes = vec![LaneResume {
        lane: Lane::Federation,
        number: at.last(),
        header: at.hash(),
    }];
    let key = SigningKey::from_seed(&[71; 32]);
    let chain = a
        .chain
        .next_epoch(&a.root, &key, lanes, Reason::ForkResolution, UnixMillis::EPOCH)
        .unwrap();
    a.chain = chain;
    b.store.learn_chain(&a.chain).unwrap();
    let before = (b.live(), b.root(), b.store.log(a.own()).unwrap().unwrap().tip);
    let groups = b.store.journal.log().end();
    let refused = b.store.append(&wrong).unwrap();
    assert!(
        matches!(refused.problem, Some(AppendProblem::Refused { .. })),
        "{refused:?}"
    );
    assert_eq!((refused.appended, refused.gave_up_after), (0, None));
    assert_eq!(b.store.journal.log().end(), groups, "nothing is written for it");
    let after = (b.live(), b.root(), b.store.log(a.own()).unwrap().unwrap().tip);
    assert_eq!(after, before);
}

/// Returns a delta that follows claim 1 and goes to claim 4, and whose header states a wrong state.
fn wrong_root_after(a: &TestSite) -> Vec<u8> {
    let first = a
        .store
        .deltas(a.own(), ClaimNumber::NONE, 0)
        .unwrap()
        .deltas
        .remove(0);
    let first = *Delta::decode(&first).unwrap().header();
    let mut builder = starling_protocol::DeltaBuilder::default();
    for id in ["P-2", "P-3", "P-4"] {
        let claim = Claim::absent(&source(), &id.parse().unwrap(), UnixMillis::saturating(2));
        assert!(builder.push(claim).is_ok());
    }
    let place = starling_protocol::DeltaPlace {
        site: a.chain.site(),
        epoch: 0,
        lane: Lane::Federation,
        first: ClaimNumber(2),
        previous: first.hash(),
        time: UnixMillis::saturating(2),
    };
    let delta = builder
        .finish(place, first.live_entries + 9, first.state_root, 3, &a.key)
        .unwrap();
    delta.as_bytes().to_vec()
}

/// The cut and the first delta are one group: after a crash anywhere, the log is one branch or the other.
#[test]
fn interrupted_replacement_leaves_one_whole_branch() {
    for operation in 1..=12 {
        let (mut a, twin) = homes(4, 4);
        let b = TestSite::new("b", 2);
        b.list(&a, &["*"]);
        hold(&b, &twin);
        resolve(&mut a);
        b.store.learn_chain(&a.chain).unwrap();
        b.store.append(&delta_at(&a, 4)).unwrap();
        b.store.append(&delta_at(&a, 3)).unwrap();
        b.disk.set_plan(DiskPlan::at(
            b.disk.operations() + operation,
            DiskFaultKind::Short,
        ));
        let _ = b.store.append(&delta_at(&a, 2));
        b.disk.set_plan(DiskPlan::default());
        let again = b.after_power_loss();
        let tip = again.log(a.own()).unwrap().unwrap().tip.cursor.number;
        assert!(
            [ClaimNumber(2), ClaimNumber(4)].contains(&tip),
            "operation {operation}: {tip}"
        );
        assert!(again.doctor(false).unwrap().healthy(), "operation {operation}");
    }
}
