//! A long log is cut in bounded steps, and a crash between two of them is repaired by the next start.

use super::damage::open_with;
use super::*;
use crate::engine::{FaultKind, ROWS_PER_COMMIT, RecordingEngine, UnsyncedContent, Write, copy_all};

/// Claims of the author, in deltas of 1,024, and where the next epoch begins.
const CLAIMS: u64 = 6 * 1_024;
const KEPT: ClaimNumber = ClaimNumber(5 * 1_024);

/// Returns a site that holds a long log, the log's author, and the certificate that ends it earlier.
fn long_log() -> (TestSite, TestSite, CertificateChain) {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    let names: Vec<String> = (1..=CLAIMS).map(|claim| format!("P-{claim}")).collect();
    let claims: Vec<(&str, Option<&str>)> = names.iter().map(|name| (name.as_str(), None)).collect();
    a.say(&claims, 1);
    assert_eq!(b.pull_from(&a), None);
    b.store.accept(&Origin::default()).unwrap();
    let (number, header) = a.store.position_at(a.own(), KEPT).unwrap();
    assert_eq!(number.number, KEPT);
    let lanes = vec![LaneResume {
        lane: Lane::Federation,
        number: KEPT,
        header,
    }];
    let key = SigningKey::from_seed(&[71; 32]);
    let chain = a
        .chain
        .next_epoch(&a.root, &key, lanes, Reason::Restore, UnixMillis::EPOCH)
        .unwrap();
    (a, b, chain)
}

fn end_of(store: &SiteStore, a: &TestSite) -> ClaimNumber {
    store.log(a.own()).unwrap().unwrap().tip.cursor.number
}

#[test]
fn long_log_is_cut_in_bounded_commits() {
    let (a, b, chain) = long_log();
    let engine = Arc::new(RecordingEngine::new(b.engine.clone()));
    let store = open_with(&b.disk, engine.clone(), &b.chain, false).unwrap();
    engine.take();
    store.learn_chain(&chain).unwrap();
    assert_eq!(end_of(&store, &a), KEPT);
    let check = |writes: Vec<Write>| {
        let rows: Vec<usize> = writes
            .iter()
            .filter_map(Write::batch)
            .map(crate::engine::Batch::len)
            .collect();
        assert!(rows.iter().sum::<usize>() > 2 * ROWS_PER_COMMIT, "{rows:?}");
        // A delta is written whole.
        assert!(rows.iter().all(|rows| *rows < 2 * ROWS_PER_COMMIT), "{rows:?}");
    };
    check(engine.take());
    assert!(store.doctor(false).unwrap().healthy());
    let root = store.held_root().unwrap();
    drop(store);
    // So is the replay of the cut.
    let empty = Arc::new(RecordingEngine::new(super::damage::empty_engine()));
    let replayed = open_with(&b.disk, empty.clone(), &b.chain, false).unwrap();
    check(empty.take());
    assert_eq!(
        (end_of(&replayed, &a), replayed.held_root().unwrap()),
        (KEPT, root)
    );
}

#[test]
fn cut_interrupted_anywhere_is_finished_by_the_next_start() {
    let (a, b, chain) = long_log();
    b.store.stop_cleanly().unwrap();
    let cut = |fails_at: Option<u64>| {
        let (disk, engine) = (b.disk.copy(), Arc::new(MemoryEngine::new(FaultPlan::default())));
        copy_all(b.engine.as_ref(), engine.as_ref(), &mut |_| {}).unwrap();
        let store = open(&disk, engine.clone(), &b.chain);
        let before = engine.writes();
        if let Some(write) = fails_at {
            let fault = FaultKind::CrashAfter(UnsyncedContent::Kept);
            engine.set_plan(FaultPlan::at_write(before + write, fault));
        }
        let learned = store.learn_chain(&chain);
        assert!(learned.is_ok() || fails_at.is_some());
        (store.held_root(), engine.writes() - before, disk, engine)
    };
    let (root, writes, ..) = cut(None);
    assert!(writes > 4, "{writes}");
    for write in 1..=writes {
        let (_, _, disk, engine) = cut(Some(write));
        let again = open(&disk, Arc::new(engine.reopen(FaultPlan::default())), &b.chain);
        again.learn_chain(&chain).unwrap();
        assert_eq!(end_of(&again, &a), KEPT, "write {write}");
        assert_eq!(
            again.held_root().unwrap(),
            *root.as_ref().unwrap(),
            "write {write}"
        );
        let diagnosis = again.doctor(false).unwrap();
        assert!(diagnosis.healthy(), "write {write}: {diagnosis:#?}");
    }
}
