//! Positions of a log never fall, in any order of events, as long as neither scope nor epoch changes.

use proptest::prelude::*;

use super::*;
use crate::engine::{FaultKind, UnsyncedContent};

/// One thing that happens to a site that follows an author.
#[derive(Debug, Clone)]
enum Step {
    /// The author makes claims about records of some sources, in one delta.
    Say(Vec<(u8, u8, u8)>),
    /// So many of the author's deltas come.
    Deltas(usize),
    /// Some of the wanted bodies come: every second one, or all.
    Bodies(bool),
    Accept,
    /// There is no room at one of the next writes.
    NoSpace(u64),
    Restart,
    /// Power is lost: the disk keeps synced data; the engine keeps everything, or only synced data.
    PowerLoss(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let record = (0..4_u8, 0..6_u8, 0..3_u8);
    prop_oneof![
        4 => prop::collection::vec(record, 1..5).prop_map(Step::Say),
        4 => (1..4_usize).prop_map(Step::Deltas),
        2 => any::<bool>().prop_map(Step::Bodies),
        3 => Just(Step::Accept),
        1 => (0..4_u64).prop_map(Step::NoSpace),
        1 => Just(Step::Restart),
        1 => any::<bool>().prop_map(Step::PowerLoss),
    ]
}

/// Source 0 is out of scope, the others are in it.
const SOURCES: [&str; 4] = ["outside", "ghsa", "osv", "pypa"];

fn say(author: &TestSite, records: &[(u8, u8, u8)], at: u64) {
    let now = UnixMillis::saturating(at);
    let mut claims = std::collections::BTreeMap::new();
    for (source, id, text) in records {
        let source: Source = SOURCES[usize::from(*source)].parse().unwrap();
        let id: RecordId = format!("P-{id}").parse().unwrap();
        let claim = if *text == 0 {
            Claim::absent(&source, &id, now)
        } else {
            let body = body(id.as_str(), &format!("{source} {text}"));
            let hash = ContentHash::of(&body);
            author.store.put_bodies(&source, &[(hash, &body)]).unwrap();
            Claim::set(&source, &id, hash, u32::try_from(body.len()).unwrap(), now)
        };
        claims.insert(claim.key().clone(), claim);
    }
    author
        .store
        .author(
            Lane::Federation,
            claims.into_values(),
            &author.key,
            now,
            &Origin::default(),
        )
        .unwrap();
}

/// Executes a step. A write without room makes it fail, which is one of the possible outcomes.
fn happen(author: &TestSite, site: &mut TestSite, step: &Step, at: u64) {
    match step {
        Step::Say(records) => say(author, records, at),
        Step::Deltas(count) => {
            let held = site.store.log(author.own()).unwrap();
            let held = held.map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
            let run = author.store.deltas(author.own(), held, usize::MAX).unwrap();
            let page = run.deltas.into_iter().take(*count).collect::<Vec<_>>().concat();
            if let Ok(outcome) = site.store.append(&page) {
                assert_eq!(outcome.problem, None);
            }
        }
        Step::Bodies(all) => {
            let missing = site
                .store
                .missing(author.own(), ClaimNumber::NONE, usize::MAX)
                .unwrap();
            let step = if *all { 1 } else { 2 };
            let bodies: Vec<Vec<u8>> = missing
                .iter()
                .step_by(step)
                .map(|missing| author.store.body(&missing.hash).unwrap().unwrap())
                .collect();
            let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
            let _ = site.store.store_wanted(&bodies);
        }
        Step::Accept => {
            let _ = site.store.accept(&Origin::default());
        }
        Step::NoSpace(writes) => {
            let write = site.engine.writes() + 1 + writes;
            site.engine
                .set_plan(FaultPlan::at_write(write, FaultKind::NoSpace));
        }
        Step::Restart => {
            site.engine.set_plan(FaultPlan::default());
            site.store = open(&site.disk, site.engine.clone(), &site.chain);
        }
        Step::PowerLoss(kept) => {
            let rows = if *kept {
                UnsyncedContent::Kept
            } else {
                UnsyncedContent::Lost
            };
            site.disk.crash(UnsyncedBytes::Lost);
            site.engine.crash(rows);
            site.disk = site.disk.reopen(DiskPlan::default());
            site.engine = Arc::new(site.engine.reopen(FaultPlan::default()));
            site.store = open(&site.disk, site.engine.clone(), &site.chain);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn accepted_and_body_complete_never_fall(steps in prop::collection::vec(step(), 1..40)) {
        let (author, mut site) = (TestSite::new("a", 1), TestSite::new("b", 2));
        site.list(&author, &SOURCES[1..]);
        let mut before = (ClaimNumber::NONE, ClaimNumber::NONE);
        for (at, step) in (1..).zip(&steps) {
            happen(&author, &mut site, step, at);
            let Some(log) = site.store.log(author.own()).unwrap() else { continue };
            let tip = log.tip.cursor.number;
            prop_assert!(log.accepted >= before.0, "accepted fell from {} to {}", before.0, log.accepted);
            prop_assert!(
                log.body_complete >= before.1,
                "body-complete fell from {} to {}", before.1, log.body_complete
            );
            prop_assert!(log.accepted <= log.body_complete && log.body_complete <= tip);
            // A body-complete position lacks no live body.
            let missing = site.store.missing(author.own(), ClaimNumber::NONE, 1).unwrap();
            prop_assert!(missing.iter().all(|missing| missing.number > log.body_complete));
            before = (log.accepted, log.body_complete);
        }
        // With all claims and bodies, both are at the end.
        site.engine.set_plan(FaultPlan::default());
        for last in [Step::Deltas(usize::MAX), Step::Bodies(true), Step::Accept] {
            happen(&author, &mut site, &last, 1_000);
        }
        if let Some(log) = site.store.log(author.own()).unwrap() {
            let tip = log.tip.cursor.number;
            prop_assert_eq!((log.accepted, log.body_complete), (tip, tip));
        }
    }
}

#[test]
fn new_source_in_a_log_lowers_no_position() {
    let (author, mut site) = (TestSite::new("a", 1), TestSite::new("b", 2));
    site.list(&author, &["*"]);
    say(&author, &[(1, 1, 1), (2, 1, 1)], 1);
    for step in [Step::Deltas(1), Step::Bodies(true), Step::Accept] {
        happen(&author, &mut site, &step, 1);
    }
    // The next delta mentions a known source first and a new one at its end.
    say(&author, &[(1, 2, 1), (3, 1, 1)], 2);
    happen(&author, &mut site, &Step::Deltas(1), 2);
    let log = site.store.log(author.own()).unwrap().unwrap();
    assert_eq!(
        (log.accepted, log.body_complete),
        (ClaimNumber(2), ClaimNumber(2))
    );
    // The body of the first is here: everything before the second is complete, and accepted.
    let missing = site.store.missing(author.own(), ClaimNumber::NONE, 1).unwrap();
    let body = author.store.body(&missing[0].hash).unwrap().unwrap();
    site.store.store_wanted(&[&body]).unwrap();
    site.store.accept(&Origin::default()).unwrap();
    let log = site.store.log(author.own()).unwrap().unwrap();
    assert_eq!(
        (log.accepted, log.body_complete),
        (ClaimNumber(3), ClaimNumber(3))
    );
}
