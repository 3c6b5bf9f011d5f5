//! The store end to end on the in-memory engine: author, append, accept, fold, and refuse.

mod branches;
mod cuts;
mod damage;
mod durability;
mod epochs;
mod event_numbers;
mod imports;
mod ledger;
mod lost_end;
mod mutes;
mod offers;
mod positions;
mod reading;
mod rivals;
mod settings;

use std::sync::Arc;

use starling_protocol::{
    CertificateChain, Claim, ClaimKey, ClaimNumber, ContentHash, Lane, LaneResume, Reason, RecordId,
    SigningKey, Source, UnixMillis,
};
use starling_sync::AppendProblem;
use starling_view::{Action, Settings, ViewPolicy};

use super::test_parts::open_on;
use super::*;
use crate::activity::Origin;
use crate::disk::{DiskPlan, MemoryDisk, UnsyncedBytes};
use crate::engine::{FaultPlan, MemoryEngine};
use crate::{
    AllowedSources, Event, EventKind, EventNumber, FeedBase, FeedInput, FoundRecord, LedgerEntry, Retention,
};

/// A site with its keys and an in-memory store.
struct TestSite {
    chain: CertificateChain,
    root: SigningKey,
    key: SigningKey,
    disk: MemoryDisk,
    engine: Arc<MemoryEngine>,
    store: SiteStore,
}

fn open(disk: &MemoryDisk, engine: Arc<MemoryEngine>, chain: &CertificateChain) -> SiteStore {
    open_by(disk, engine, chain, &ViewPolicy::default())
}

fn open_by(
    disk: &MemoryDisk,
    engine: Arc<MemoryEngine>,
    chain: &CertificateChain,
    policy: &ViewPolicy,
) -> SiteStore {
    let settings = |_: &[ListedSite]| Settings {
        policy: policy.compile(chain.site()),
        decisions: Default::default(),
        normalise_name: |_, name| name.to_owned(),
        products_of: |_| Default::default(),
    };
    let options = SiteOptions {
        settings: &settings,
        compression_level: 3,
        max_delta_claims: 1_024,
        clock: Arc::new(|| UnixMillis::EPOCH),
    };
    open_on(disk, engine, chain, &options).unwrap()
}

impl TestSite {
    fn new(name: &str, seed: u8) -> Self {
        Self::with_policy(name, seed, &ViewPolicy::default())
    }

    fn with_policy(name: &str, seed: u8, policy: &ViewPolicy) -> Self {
        let root = SigningKey::from_seed(&[seed; 32]);
        let key = SigningKey::from_seed(&[seed + 100; 32]);
        let chain = CertificateChain::genesis(name.parse().unwrap(), &root, &key, UnixMillis::EPOCH);
        let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
        let disk = MemoryDisk::default();
        let store = open_by(&disk, engine.clone(), &chain, policy);
        Self {
            chain,
            root,
            key,
            disk,
            engine,
            store,
        }
    }

    fn own(&self) -> LogId {
        LogId {
            site: self.chain.site(),
            lane: Lane::Federation,
        }
    }

    fn list(&self, other: &Self, sources: &[&str]) {
        let listed = ListedSite {
            slug: other.chain.slug().clone(),
            site: other.chain.site(),
            display_name: None,
            addresses: Vec::new(),
            allowed_sources: sources
                .iter()
                .map(|s| (*s).to_owned())
                .collect::<Vec<_>>()
                .try_into()
                .unwrap(),
            max_bundle_size: None,
            enabled: true,
            may_mute: Some(true),
            added_at: UnixMillis::EPOCH,
        };
        self.store.list_site(listed, Some(&other.chain)).unwrap();
    }

    /// Opens the store after a loss of power in which the disk kept only synced data, and the engine
    /// everything.
    fn after_power_loss(&self) -> SiteStore {
        self.disk.crash(UnsyncedBytes::Lost);
        let engine = Arc::new(self.engine.reopen(FaultPlan::default()));
        open(&self.disk.reopen(DiskPlan::default()), engine, &self.chain)
    }

    /// States that records of a source have these contents, or are absent.
    fn say(&self, records: &[(&str, Option<&str>)], at: u64) -> crate::Authored {
        let source = source();
        let now = UnixMillis::saturating(at);
        let mut claims = Vec::new();
        for (id, text) in records {
            let id: RecordId = id.parse().unwrap();
            match text {
                Some(text) => {
                    let body = body(id.as_str(), text);
                    let hash = ContentHash::of(&body);
                    self.store.put_bodies(&source, &[(hash, &body)]).unwrap();
                    claims.push(Claim::set(
                        &source,
                        &id,
                        hash,
                        u32::try_from(body.len()).unwrap(),
                        now,
                    ));
                }
                None => claims.push(Claim::absent(&source, &id, now)),
            }
        }
        self.store
            .author(Lane::Federation, claims, &self.key, now, &Origin::default())
            .unwrap()
    }

    fn pull_from(&self, other: &Self) -> Option<AppendProblem> {
        let held = self
            .store
            .log(other.own())
            .unwrap()
            .map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
        let run = other.store.deltas(other.own(), held, usize::MAX).unwrap();
        self.store.append(&run.deltas.concat()).unwrap().problem
    }

    fn pull_bodies_from(&self, other: &Self) -> usize {
        let missing = self
            .store
            .missing(other.own(), ClaimNumber::NONE, usize::MAX)
            .unwrap();
        let bodies: Vec<_> = missing
            .iter()
            .map(|body| other.store.body(&body.hash).unwrap().unwrap())
            .collect();
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        self.store.store_wanted(&bodies).unwrap()
    }

    fn live(&self) -> Vec<String> {
        let view = self.store.view().unwrap();
        let records = starling_view::live_records(&view, &source()).unwrap();
        records.iter().map(|record| record.id.to_string()).collect()
    }

    fn root(&self) -> starling_protocol::KnowledgeRoot {
        self.store.knowledge_root().unwrap()
    }

    fn assert_healthy(&self) {
        let diagnosis = self.store.doctor(false).unwrap();
        let wrong: Vec<_> = diagnosis.checks.iter().filter(|check| !check.ok()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

fn source() -> Source {
    "pypa".parse().unwrap()
}

fn body(id: &str, text: &str) -> Vec<u8> {
    format!(
        r#"{{"affected":[{{"package":{{"ecosystem":"PyPI","name":"{id}"}}}}],"id":"{id}","summary":"{text}"}}"#
    )
    .into_bytes()
}

#[test]
fn claims_are_accepted_only_with_their_bodies() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["pypa"]);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    assert_eq!(b.pull_from(&a), None);
    b.store.accept(&Origin::default()).unwrap();
    assert!(b.live().is_empty(), "held is not accepted");
    assert_eq!(a.store.held_root().unwrap(), b.store.held_root().unwrap());
    assert_ne!(a.root(), b.root());
    assert_eq!(b.pull_bodies_from(&a), 2);
    b.store.accept(&Origin::default()).unwrap();
    assert_eq!(b.live(), ["P-1", "P-2"]);
    assert_eq!(a.root(), b.root());
    b.assert_healthy();
}

#[test]
fn old_view_stays_until_new_bodies_are_complete() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    b.pull_from(&a);
    b.pull_bodies_from(&a);
    b.store.accept(&Origin::default()).unwrap();
    let before = b.root();
    a.say(&[("P-1", Some("changed"))], 2);
    a.say(&[("P-1", Some("changed again")), ("P-2", None)], 3);
    assert_eq!(b.pull_from(&a), None);
    b.store.accept(&Origin::default()).unwrap();
    assert_eq!(
        (b.root(), b.live()),
        (before, vec!["P-1".to_owned(), "P-2".to_owned()])
    );
    let missing = b.store.missing(a.own(), ClaimNumber::NONE, 10).unwrap();
    assert_eq!(missing.len(), 1, "only the last content of P-1 is live");
    assert!(
        missing[0].base.is_some(),
        "what it replaces helps to send it small"
    );
    b.pull_bodies_from(&a);
    b.store.accept(&Origin::default()).unwrap();
    assert_eq!((b.root(), b.live()), (a.root(), vec!["P-1".to_owned()]));
    b.assert_healthy();
    let dropped = b.store.drop_superseded(&Retention::NONE).unwrap();
    assert_eq!((dropped.live, dropped.dropped), (1, 2));
}

#[test]
fn unlisted_author_is_refused_and_unlisted_source_not_accepted() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    a.say(&[("P-1", Some("one"))], 1);
    assert!(matches!(b.pull_from(&a), Some(AppendProblem::UnknownSite { .. })));
    b.list(&a, &[]);
    assert_eq!(b.pull_from(&a), None);
    b.store.accept(&Origin::default()).unwrap();
    assert!(
        b.store
            .missing(a.own(), ClaimNumber::NONE, 10)
            .unwrap()
            .is_empty()
    );
    assert!(b.live().is_empty());
    assert_eq!(
        a.store.held_root().unwrap(),
        b.store.held_root().unwrap(),
        "logs replicate all the same"
    );
    // A wider scope needs no new sync, only the bodies.
    b.store
        .update_listed_site(a.chain.slug(), |listed| {
            listed.allowed_sources = AllowedSources::All;
        })
        .unwrap();
    assert_eq!(b.pull_bodies_from(&a), 1);
    b.store.accept(&Origin::default()).unwrap();
    assert_eq!((b.root(), b.live()), (a.root(), vec!["P-1".to_owned()]));
    // With a narrower scope, content that is no longer allowed is no longer known.
    b.store.unlist_site(a.chain.slug()).unwrap();
    assert!(b.live().is_empty());
    b.assert_healthy();
}

#[test]
fn replays_are_no_ops_and_gaps_are_named() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one"))], 1);
    a.say(&[("P-2", Some("two"))], 2);
    let run = a.store.deltas(a.own(), ClaimNumber::NONE, usize::MAX).unwrap();
    let outcome = b.store.append(&run.deltas[1]).unwrap();
    assert!(matches!(
        outcome.problem,
        Some(AppendProblem::Gap {
            missing_from: ClaimNumber(1),
            ..
        })
    ));
    assert_eq!(b.store.append(&run.deltas.concat()).unwrap().appended, 2);
    let replay = b.store.append(&run.deltas.concat()).unwrap();
    assert_eq!((replay.appended, replay.problem), (0, None));
}

#[test]
fn fork_freezes_author_until_certificate_names_the_branch() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    let twin = TestSite::new("a", 1);
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one"))], 1);
    b.pull_from(&a);
    b.pull_bodies_from(&a);
    b.store.accept(&Origin::default()).unwrap();
    twin.say(&[("P-1", Some("another history"))], 1);
    let run = twin
        .store
        .deltas(twin.own(), ClaimNumber::NONE, usize::MAX)
        .unwrap();
    let outcome = b.store.append(&run.deltas.concat()).unwrap();
    assert!(matches!(outcome.problem, Some(AppendProblem::Fork { .. })));
    a.say(&[("P-2", Some("two"))], 2);
    assert!(matches!(b.pull_from(&a), Some(AppendProblem::Frozen { .. })));
    assert_eq!(b.live(), ["P-1"], "what was accepted stays");
    // The root key names the twin's branch: the other one is given up and the log continues.
    let (_, header) = twin.store.position_at(twin.own(), ClaimNumber(1)).unwrap();
    let lanes = vec![LaneResume {
        lane: Lane::Federation,
        number: ClaimNumber(1),
        header,
    }];
    let next = SigningKey::from_seed(&[77; 32]);
    let resolved = a
        .chain
        .next_epoch(&a.root, &next, lanes, Reason::ForkResolution, UnixMillis::EPOCH)
        .unwrap();
    b.store.learn_chain(&resolved).unwrap();
    assert!(b.live().is_empty());
    assert_eq!(b.pull_from(&twin), None);
    b.pull_bodies_from(&twin);
    b.store.accept(&Origin::default()).unwrap();
    assert_eq!(b.root(), twin.root());
    b.assert_healthy();
}

#[test]
fn reopened_store_holds_everything_acknowledged() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    b.pull_from(&a);
    // Reopened between holding and accepting, it still knows its missing bodies.
    let b2 = open(&b.disk, b.engine.clone(), &b.chain);
    assert_eq!(b2.missing(a.own(), ClaimNumber::NONE, 10).unwrap().len(), 2);
    assert_eq!(b2.held_root().unwrap(), a.store.held_root().unwrap());
    let a2 = open(&a.disk, a.engine.clone(), &a.chain);
    assert_eq!(a2.knowledge_root().unwrap(), a.root());
    assert!(a2.doctor(false).unwrap().healthy());
}

#[test]
fn damaged_body_is_reported_and_wanted_after_rebuild() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    b.pull_from(&a);
    b.pull_bodies_from(&a);
    b.store.accept(&Origin::default()).unwrap();
    let key = ClaimKey::record(&source(), &"P-2".parse().unwrap());
    let lost = b.store.accepted_content(a.own(), &key).unwrap().unwrap();
    let place = b.store.bodies.place(&lost).unwrap().unwrap();
    let middle = usize::try_from(place.offset).unwrap() + place.length as usize / 2;
    b.disk.damage("packs/00000001.pack", |bytes| bytes[middle] ^= 1);
    assert!(matches!(b.store.body(&lost), Err(StoreError::DamagedBody { .. })));
    let found = b.store.doctor(false).unwrap();
    assert!(!found.healthy());
    assert!(b.store.doctor(true).unwrap().healthy());
    assert_eq!(b.pull_bodies_from(&a), 1);
    b.store.accept(&Origin::default()).unwrap();
    assert_eq!(b.root(), a.root());
    b.assert_healthy();
}

#[test]
fn complete_feed_drops_absent_but_not_rejected_records() {
    let a = TestSite::new("a", 1);
    a.say(
        &[("P-1", Some("one")), ("P-2", Some("two")), ("P-3", Some("three"))],
        1,
    );
    let body = body("P-1", "one");
    let found = FoundRecord {
        content: ContentHash::of(&body),
        size: u32::try_from(body.len()).unwrap(),
    };
    let found = [("P-1".parse().unwrap(), found)].into();
    let keep = ["P-2".parse().unwrap()].into();
    let now = UnixMillis::saturating(2);
    let plan = a
        .store
        .plan_feed(&FeedInput {
            source: &source(),
            lane: Lane::Federation,
            base: FeedBase::Own,
            found: &found,
            complete: true,
            keep: &keep,
            now,
        })
        .unwrap();
    assert_eq!((plan.stored, plan.unchanged, plan.absent), (0, 1, 1));
    a.store
        .author(Lane::Federation, plan.claims, &a.key, now, &Origin::default())
        .unwrap();
    assert_eq!(a.live(), ["P-1", "P-2"]);
}

#[test]
fn advisory_count_follows_changes() {
    let a = TestSite::new("a", 1);
    let shown = || {
        let view = a.store.view().unwrap();
        let mut walked = 0;
        starling_view::for_each_advisory(&view, |_| {
            walked += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(view.advisory_count().unwrap(), walked);
        walked
    };
    assert_eq!(shown(), 0);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    assert_eq!(shown(), 2);
    a.say(&[("P-1", None), ("P-3", Some("three")), ("P-4", Some("four"))], 2);
    assert_eq!(shown(), 3);
    assert!(a.store.doctor(true).unwrap().healthy());
    assert_eq!(shown(), 3);
}

#[test]
fn positions_of_an_up_to_date_source_follow_its_claims() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    let other: Source = "other".parse().unwrap();
    a.store
        .put_bodies(&other, &[(ContentHash::of(b"{}"), b"{}")])
        .unwrap();
    let claim = Claim::set(
        &other,
        &"O-1".parse().unwrap(),
        ContentHash::of(b"{}"),
        2,
        UnixMillis::EPOCH,
    );
    a.store
        .author(
            Lane::Federation,
            [claim],
            &a.key,
            UnixMillis::saturating(5),
            &Origin::default(),
        )
        .unwrap();
    assert_eq!(b.pull_from(&a), None);
    let state = b.store.read().unwrap();
    let row = &state.logs[&a.own()].sources[&Some(other)];
    // Claims 1 and 2 are about another source: nothing of them is awaited.
    assert_eq!(
        (row.last, row.accepted, row.viewed),
        (ClaimNumber(3), ClaimNumber(2), ClaimNumber(2))
    );
    drop(state);
    assert!(b.store.doctor(false).unwrap().healthy());
}

#[test]
fn events_report_view_changes_and_can_be_resumed() {
    let a = TestSite::new("a", 1);
    a.say(&[("P-1", Some("one"))], 1);
    let first = a.store.events_after(EventNumber(0), 10).unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(told(&first[0].1), (Action::Created, "P-1".to_owned()));
    a.say(&[("P-1", None)], 2);
    let later = a.store.events_after(first[0].0, 10).unwrap();
    assert_eq!(later.len(), 1);
    assert_eq!(told(&later[0].1).0, Action::Removed);
}

fn told(event: &Event) -> (Action, String) {
    match &event.what {
        EventKind::Advisory(change) => (change.action.clone(), change.vulnerability.to_string()),
        other => panic!("{other:?}"),
    }
}
