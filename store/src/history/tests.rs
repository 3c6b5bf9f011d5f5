//! Going back returns the former state, byte for byte, over random histories.

mod moments;

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use starling_protocol::{
    CertificateChain, Claim, ClaimKey, ClaimNumber, ContentHash, Cursor, KnowledgeRoot, Lane, RecordId,
    SigningKey, Source, SourceCheck, UnixMillis,
};
use starling_view::{ConflictStrategy, Settings, Table, ViewPolicy};

use super::*;
use crate::disk::MemoryDisk;
use crate::engine::{
    EngineKind, EngineOptions, FaultKind, FaultPlan, MemoryEngine, UnsyncedContent, copy_all, open,
};
use crate::site::test_parts::open_on;
use crate::view::rows::tree_of;
use crate::{AllowedSources, LogId, Origin, SiteOptions, SourceOverview, StoreError};

const SOURCES: [&str; 2] = ["ghsa", "pypa"];

/// A site whose clock the test sets.
struct Bench {
    chain: CertificateChain,
    key: SigningKey,
    disk: MemoryDisk,
    engine: Arc<dyn Engine>,
    store: SiteStore,
    time: Arc<AtomicU64>,
}

fn settings(chain: &CertificateChain, strategy: ConflictStrategy) -> Settings {
    let policy = ViewPolicy {
        conflict_strategy: strategy,
        ..ViewPolicy::default()
    };
    Settings {
        policy: policy.compile(chain.site()),
        decisions: Default::default(),
        normalise_name: |_, name| name.to_owned(),
        products_of: |_| Default::default(),
    }
}

fn open_store(
    disk: &MemoryDisk,
    engine: Arc<dyn Engine>,
    chain: &CertificateChain,
    time: &Arc<AtomicU64>,
) -> SiteStore {
    let time = time.clone();
    let options = SiteOptions {
        settings: &|_| settings(chain, ConflictStrategy::PreferNewest),
        compression_level: 3,
        max_delta_claims: 2,
        clock: Arc::new(move || UnixMillis::saturating(time.load(Ordering::SeqCst))),
    };
    open_on(disk, engine, chain, &options).unwrap()
}

impl Bench {
    fn new(name: &str, seed: u8, engine: Arc<dyn Engine>) -> Self {
        let root = SigningKey::from_seed(&[seed; 32]);
        let key = SigningKey::from_seed(&[seed + 100; 32]);
        let chain = CertificateChain::genesis(name.parse().unwrap(), &root, &key, UnixMillis::EPOCH);
        let time = Arc::new(AtomicU64::new(1_000));
        let disk = MemoryDisk::default();
        let store = open_store(&disk, engine.clone(), &chain, &time);
        Self {
            chain,
            key,
            disk,
            engine,
            store,
            time,
        }
    }

    fn in_memory(name: &str, seed: u8) -> Self {
        Self::new(name, seed, Arc::new(MemoryEngine::new(FaultPlan::default())))
    }

    fn own(&self) -> LogId {
        LogId {
            site: self.chain.site(),
            lane: Lane::Federation,
        }
    }

    fn now(&self) -> UnixMillis {
        UnixMillis::saturating(self.time.load(Ordering::SeqCst))
    }

    fn say(&self, source: usize, records: &[(u8, Said)]) {
        self.try_say(source, records).unwrap();
    }

    fn try_say(&self, source: usize, records: &[(u8, Said)]) -> Result<(), StoreError> {
        let source: Source = SOURCES[source].parse().unwrap();
        let now = self.now();
        let mut claims = Vec::new();
        for (record, said) in records {
            let id: RecordId = format!("R-{record}").parse().unwrap();
            claims.push(match said {
                Said::Content(text) => {
                    let body = body(*record, *text);
                    let hash = ContentHash::of(&body);
                    self.store.put_bodies(&source, &[(hash, &body)])?;
                    Claim::set(&source, &id, hash, u32::try_from(body.len()).unwrap(), now)
                }
                Said::Absent => Claim::absent(&source, &id, now),
                Said::Nothing => Claim::delete(ClaimKey::record(&source, &id), now),
            });
        }
        self.store
            .author(Lane::Federation, claims, &self.key, now, &Origin::default())
            .map(|_| ())
    }

    fn check(&self, source: usize) {
        let checks = vec![SourceCheck {
            source: SOURCES[source].parse().unwrap(),
            checked_at: self.now(),
        }];
        self.store
            .sign_head(Lane::Federation, &self.key, self.now(), 1_000_000, checks)
            .unwrap();
    }

    fn list(&self, other: &Self, sources: &[&str]) {
        let listed = ListedSite {
            slug: other.chain.slug().clone(),
            site: other.chain.site(),
            display_name: None,
            addresses: Vec::new(),
            allowed_sources: allowed(sources),
            max_bundle_size: None,
            enabled: true,
            may_mute: Some(true),
            added_at: UnixMillis::EPOCH,
        };
        self.store.list_site(listed, Some(&other.chain)).unwrap();
    }

    /// Takes everything from another site except the bodies of one source, if given.
    fn pull(&self, other: &Self, without: Option<usize>) {
        if !self.store.listed_site(other.chain.slug()).unwrap().enabled {
            return;
        }
        let held = self
            .store
            .log(other.own())
            .unwrap()
            .map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
        let run = other.store.deltas(other.own(), held, usize::MAX).unwrap();
        assert_eq!(self.store.append(&run.deltas.concat()).unwrap().problem, None);
        for missing in self
            .store
            .missing(other.own(), ClaimNumber::NONE, 10_000)
            .unwrap()
        {
            let body = other.store.body(&missing.hash).unwrap().unwrap();
            let of = SOURCES.iter().position(|source| {
                let text = String::from_utf8_lossy(&body);
                text.contains(&format!("of {source}"))
            });
            if without.is_none() || of != without {
                self.store.store_wanted(&[&body]).unwrap();
            }
        }
        let head = other.store.log(other.own()).unwrap().and_then(|log| log.head);
        if let Some(head) = head {
            self.store.learn_head(&head).unwrap();
        }
        self.store.accept(&Origin::default()).unwrap();
    }
}

fn allowed(sources: &[&str]) -> AllowedSources {
    let sources: Vec<String> = sources.iter().map(|source| (*source).to_owned()).collect();
    sources.try_into().unwrap()
}

fn body(record: u8, text: u8) -> Vec<u8> {
    // Aliases that come and go join and split advisories.
    let alias = text % 3;
    format!(
        r#"{{"affected":[{{"package":{{"ecosystem":"PyPI","name":"p{}"}}}}],"aliases":["X-{alias}"],"id":"R-{record}","summary":"{text} of {}"}}"#,
        record % 3,
        SOURCES[usize::from(text) % 2],
    )
    .into_bytes()
}

#[derive(Debug, Clone)]
enum Said {
    Content(u8),
    Absent,
    Nothing,
}

/// All that a verdict can depend on.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    root: KnowledgeRoot,
    advisories: u64,
    sources: BTreeMap<Source, SourceOverview>,
    mark: [u8; 32],
    rows: Vec<(Tree, Vec<u8>, Vec<u8>)>,
    statements: Vec<String>,
}

fn seen(store: &SiteStore) -> Seen {
    let view = store.view().unwrap();
    let mut rows = Vec::new();
    let mut ids = BTreeMap::new();
    for table in Table::ALL {
        let tree = tree_of(table);
        store
            .engine()
            .scan_prefix(tree, &[], Direction::Forward, &mut |key, value| {
                rows.push((tree, key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    for source in SOURCES {
        let source: Source = source.parse().unwrap();
        for record in starling_view::live_records(&view, &source).unwrap() {
            ids.insert((source.clone(), record.id.clone()), ());
        }
    }
    let statements = ids.keys().flat_map(|(source, id)| {
        let statements = starling_view::Claims::statements(&view, source, id).unwrap();
        statements.into_iter().map(move |statement| {
            if let starling_view::StatementKind::Set(hash) = statement.kind {
                assert!(store.body(&hash).unwrap().is_some(), "the body of {id} is here");
            }
            format!("{statement:?}")
        })
    });
    Seen {
        root: view.knowledge_root(),
        advisories: view.advisory_count().unwrap(),
        sources: view.sources().unwrap(),
        mark: view.settings().mark(),
        rows,
        statements: statements.collect(),
    }
}

fn memory() -> Result<Arc<dyn Engine>, crate::engine::EngineError> {
    open(EngineKind::Memory, Path::new(""), &EngineOptions::default())
}

fn seen_at(store: &SiteStore, at: UnixMillis) -> Result<Seen, StoreError> {
    let moment = store.moment_at(at)?;
    store.as_of(moment.number, moment.at, memory, |then| seen(&then))
}

#[derive(Debug, Clone)]
enum Step {
    Say(usize, Vec<(u8, Said)>),
    OtherSays(usize, Vec<(u8, Said)>),
    Pull(Option<usize>),
    Check(usize),
    OtherChecks(usize),
    Allow(u8),
    Fold(bool),
    Reopen,
    Forget { steps: u64, bytes: u64 },
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => (0_u8..6).prop_map(Said::Content),
        1 => Just(Said::Absent),
        1 => Just(Said::Nothing),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    // A delta mentions each record once.
    let records = || {
        prop::collection::btree_map(0_u8..5, said(), 1..5).prop_map(|records| records.into_iter().collect())
    };
    prop_oneof![
        4 => (0..2_usize, records()).prop_map(|(source, records)| Step::Say(source, records)),
        4 => (0..2_usize, records()).prop_map(|(source, records)| Step::OtherSays(source, records)),
        4 => prop::option::of(0..2_usize).prop_map(Step::Pull),
        2 => (0..2_usize).prop_map(Step::Check),
        1 => (0..2_usize).prop_map(Step::OtherChecks),
        1 => (0_u8..4).prop_map(Step::Allow),
        1 => any::<bool>().prop_map(Step::Fold),
        1 => Just(Step::Reopen),
        1 => (0_u64..8, 0_u64..6_000).prop_map(|(steps, bytes)| Step::Forget { steps, bytes }),
    ]
}

/// Executes steps, remembers the state after each, and compares each with the result of going back.
fn run(engine: Arc<dyn Engine>, steps: &[Step], thin: usize) {
    let (mut a, b) = (Bench::new("a", 1, engine), Bench::in_memory("b", 2));
    a.list(&b, &["*"]);
    let mut remembered = vec![(a.now(), seen(&a.store))];
    for step in steps {
        for bench in [&a, &b] {
            bench.time.fetch_add(10, Ordering::SeqCst);
        }
        match step {
            Step::Say(source, records) => a.say(*source, records),
            Step::OtherSays(source, records) => b.say(*source, records),
            Step::Pull(without) => a.pull(&b, *without),
            Step::Check(source) => a.check(*source),
            Step::OtherChecks(source) => b.check(*source),
            Step::Allow(which) => {
                let change = |listed: &mut ListedSite| match which {
                    0 => listed.allowed_sources = allowed(&[]),
                    1 => listed.allowed_sources = allowed(&["ghsa"]),
                    2 => listed.allowed_sources = allowed(&["*"]),
                    _ => listed.enabled = !listed.enabled,
                };
                a.store.update_listed_site(b.chain.slug(), change).unwrap();
                a.store.accept(&Origin::default()).unwrap();
            }
            Step::Fold(newest) => {
                let strategy = if *newest {
                    ConflictStrategy::PreferNewest
                } else {
                    ConflictStrategy::PreferLocal
                };
                a.store.set_settings(settings(&a.chain, strategy)).unwrap();
            }
            Step::Reopen => {
                drop(std::mem::replace(
                    &mut a.store,
                    open_store(&a.disk, a.engine.clone(), &a.chain, &a.time),
                ));
            }
            Step::Forget { steps, bytes } => {
                let retention = Retention {
                    millis: steps * 10,
                    bytes: *bytes,
                };
                a.store.drop_superseded(&retention).unwrap();
            }
        }
        remembered.push((a.now(), seen(&a.store)));
    }
    let since = a.store.history().unwrap().since;
    // Opening may accept bodies that completed meanwhile: a separate change.
    a.time.fetch_add(10, Ordering::SeqCst);
    let copy: Arc<dyn Engine> = Arc::new(MemoryEngine::new(FaultPlan::default()));
    copy_all(a.engine.as_ref(), copy.as_ref(), &mut |_| {}).unwrap();
    let copied = open_store(&a.disk.copy(), copy, &a.chain, &a.time);
    copied
        .set_settings(Settings::clone(a.store.view().unwrap().settings()))
        .unwrap();
    // A discarded engine is rebuilt from the log with the same present and the same past.
    let rebuilt = open_store(
        &a.disk.copy(),
        Arc::new(MemoryEngine::new(FaultPlan::default())),
        &a.chain,
        &a.time,
    );
    rebuilt
        .set_settings(Settings::clone(a.store.view().unwrap().settings()))
        .unwrap();
    assert_eq!(seen(&rebuilt), seen(&a.store));
    for (at, then) in remembered.iter().step_by(thin) {
        if let Ok(again) = seen_at(&a.store, *at) {
            assert_eq!(seen_at(&rebuilt, *at).unwrap(), again, "rebuilt, at {at}");
        }
        match seen_at(&a.store, *at) {
            Ok(again) => {
                assert!(again == *then, "at {at}: {again:#?} and not {then:#?}");
                assert_eq!(seen_at(&copied, *at).unwrap(), *then, "in a copy, at {at}");
            }
            Err(StoreError::BeforeHistory { oldest, .. }) => assert!(*at < oldest && oldest == since),
            Err(error) => panic!("at {at}: {error}"),
        }
    }
    let diagnosis = a.store.doctor(false).unwrap();
    assert!(diagnosis.healthy(), "{diagnosis:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn going_back_restores_the_former_state(steps in prop::collection::vec(step(), 1..24)) {
        run(Arc::new(MemoryEngine::new(FaultPlan::default())), &steps, 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, ..ProptestConfig::default() })]

    #[test]
    fn going_back_works_on_file_engines(steps in prop::collection::vec(step(), 6..16)) {
        for kind in [EngineKind::Sled, EngineKind::Redb] {
            let folder = tempfile::tempdir().unwrap();
            let engine = open(kind, folder.path(), &EngineOptions::default()).unwrap();
            run(engine, &steps, 3);
        }
    }

    #[test]
    fn snapshot_row_round_trips(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(moment) = Moment::<LogNumber>::decode(&bytes) {
            prop_assert_eq!(moment.encode(), bytes);
        }
    }
}

/// A claim of one source that was never accepted is not missed because of another source's position in the same
/// log.
#[test]
fn missing_body_does_not_affect_other_sources_of_its_log() {
    let one = |record: u8, text: u8| vec![(record, Said::Content(text))];
    let steps = [
        Step::OtherSays(0, one(0, 0)),
        Step::Pull(None),
        Step::OtherSays(1, one(4, 0)),
        Step::OtherSays(0, one(0, 2)),
        Step::OtherSays(1, one(4, 1)),
        Step::Pull(None),
    ];
    run(Arc::new(MemoryEngine::new(FaultPlan::default())), &steps, 1);
}

#[test]
fn history_is_consistent_after_crash_at_any_write() {
    for kind in [FaultKind::Fail, FaultKind::CrashAfter(UnsyncedContent::Kept)] {
        for write in 1.. {
            let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
            let mut a = Bench::new("a", 1, engine.clone());
            engine.set_plan(FaultPlan::at_write(engine.writes() + write, kind));
            let mut remembered = vec![(a.now(), seen(&a.store))];
            let mut failed = false;
            for round in 0..4_u8 {
                a.time.fetch_add(10, Ordering::SeqCst);
                let records = [1, 2, 3].map(|record| (record, Said::Content(round)));
                failed = a.try_say(1, &records).is_err();
                if failed {
                    break;
                }
                remembered.push((a.now(), seen(&a.store)));
            }
            if !failed {
                assert!(write > 8, "only {write} writes were struck");
                break;
            }
            a.time.fetch_add(10, Ordering::SeqCst);
            a.engine = Arc::new(engine.reopen(FaultPlan::default()));
            a.store = open_store(&a.disk, a.engine.clone(), &a.chain, &a.time);
            remembered.push((a.now(), seen(&a.store)));
            a.time.fetch_add(10, Ordering::SeqCst);
            a.say(1, &[(2, Said::Nothing), (3, Said::Content(9))]);
            remembered.push((a.now(), seen(&a.store)));
            for (at, then) in &remembered {
                assert_eq!(
                    seen_at(&a.store, *at).unwrap(),
                    *then,
                    "{kind:?} at write {write}, at {at}"
                );
            }
        }
    }
}
