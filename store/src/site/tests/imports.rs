//! An import, as one call: what a crash at any moment of it leaves.

use starling_protocol::{Claim, RecordId, VerifiedHead};

use super::*;
use crate::disk::DiskFaultKind;
use crate::{FeedCommit, HeadSigning};

fn at() -> UnixMillis {
    UnixMillis::saturating(7)
}
/// More than fit the commits of the smallest deltas: the import is written in several parts.
const RECORDS: usize = 8_400;

/// Takes in the source's records, as an import of all of them does.
fn import(store: &SiteStore, key: &SigningKey, ids: &[RecordId]) -> Result<(), StoreError> {
    let bodies: Vec<Vec<u8>> = ids.iter().map(|id| body(id.as_str(), "one")).collect();
    let named: Vec<(ContentHash, &[u8])> = bodies
        .iter()
        .map(|body| (ContentHash::of(body), body.as_slice()))
        .collect();
    store.put_bodies(&source(), &named)?;
    let found = ids.iter().zip(&named).map(|(id, (content, body))| {
        let size = u32::try_from(body.len()).unwrap();
        let content = *content;
        (id.clone(), FoundRecord { content, size })
    });
    let lane = Lane::Federation;
    let source = source();
    let plan = store.plan_feed(&FeedInput {
        source: &source,
        lane,
        base: FeedBase::Own,
        found: &found.collect(),
        complete: true,
        keep: &Default::default(),
        now: at(),
    })?;
    let commit = FeedCommit {
        source: &source,
        lane,
        claims: plan.claims,
        names: &[("first.json".to_owned(), ids[0].clone())],
        is_checked: true,
    };
    let signing = HeadSigning {
        key,
        now: at(),
        valid_millis: 1_000,
    };
    store
        .commit_feed(
            commit,
            &signing,
            &Origin {
                bundle: None,
                at: at(),
            },
        )
        .map(|_| ())
}

fn head_of(store: &SiteStore, id: LogId) -> Option<VerifiedHead> {
    store.log(id).unwrap().and_then(|log| log.head)
}

#[test]
fn import_is_not_checked_before_its_last_claim_is_durable() {
    let ids: Vec<RecordId> = (0..RECORDS).map(|n| format!("P-{n}").parse().unwrap()).collect();
    let whole = TestSite::new("a", 1);
    let before = whole.disk.operations();
    import(&whole.store, &whole.key, &ids).unwrap();
    let operations = whole.disk.operations() - before;
    let mut parts = std::collections::BTreeSet::new();
    for operation in 1..=operations {
        let site = TestSite::new("a", 1);
        let at = site.disk.operations() + operation;
        site.disk
            .set_plan(DiskPlan::at(at, DiskFaultKind::CrashBefore(UnsyncedBytes::Lost)));
        // The last operations are beyond the acknowledgement.
        let acknowledged = import(&site.store, &site.key, &ids).is_ok();
        let again = site.after_power_loss();
        let held = again
            .log(site.own())
            .unwrap()
            .map_or(0, |log| log.tip.cursor.number.0);
        parts.insert(held);
        let checked = again
            .feed(&source())
            .unwrap()
            .is_some_and(|feed| feed.checked_at.is_some());
        let told = head_of(&again, site.own()).is_some_and(|head| !head.head().checks.is_empty());
        let is_whole = held == RECORDS as u64;
        assert!(
            !checked || is_whole,
            "operation {operation}: checked with {held} claims"
        );
        assert_eq!(
            told, checked,
            "operation {operation}: the head and the row differ"
        );
        assert!(
            checked || !acknowledged,
            "operation {operation}: acknowledged, not checked"
        );
        if is_whole && checked {
            continue;
        }
        // The same input again completes it.
        import(&again, &site.key, &ids).unwrap();
        assert_eq!(again.knowledge_root().unwrap(), whole.root());
        assert_eq!(
            again.log(site.own()).unwrap().unwrap().tip.cursor.number.0,
            RECORDS as u64,
            "operation {operation}: no claim is written twice"
        );
    }
    assert!(parts.len() > 2, "no crash left a part of the import: {parts:?}");
}

#[test]
fn import_without_news_writes_check_and_heads_in_one_group() {
    let site = TestSite::new("a", 1);
    let ids = ["P-1".parse().unwrap()];
    import(&site.store, &site.key, &ids).unwrap();
    let before = site.disk.operations();
    let commit = FeedCommit {
        source: &source(),
        lane: Lane::Federation,
        claims: Vec::<Claim>::new(),
        names: &[],
        is_checked: true,
    };
    let signing = HeadSigning {
        key: &site.key,
        now: UnixMillis::saturating(8),
        valid_millis: 1_000,
    };
    site.store
        .commit_feed(commit, &signing, &Origin::default())
        .unwrap();
    let written = site.disk.operations() - before;
    // One write and one sync of the log; at times its tip file besides.
    assert!(written <= 4, "{written} operations of the disk");
    let head = head_of(&site.store, site.own()).unwrap();
    let checks: Vec<_> = head.head().checks.iter().map(|check| check.checked_at).collect();
    assert_eq!(checks, [UnixMillis::saturating(8)]);
}
