//! Tests of opening a home.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use starling_protocol::CertificateChain;
use starling_protocol::{SigningKey, UnixMillis};
use starling_view::{Settings, ViewPolicy};

use super::super::{SiteOptions, SiteStore};
use super::*;
use crate::engine::{self, ByteCount, EngineKind};
use crate::error::StoreError;

/// Returns the chain of a site, and a store in a home that is opened with an engine and a cache of 5 MiB.
fn open(home: &Path, engine: EngineKind, is_new: bool) -> Result<SiteStore, StoreError> {
    open_as(home, engine, is_new, false)
}

fn open_as(
    home: &Path,
    engine: EngineKind,
    is_new: bool,
    past_damage: bool,
) -> Result<SiteStore, StoreError> {
    let (root, key) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
    let chain = CertificateChain::genesis("a".parse().unwrap(), &root, &key, UnixMillis::EPOCH);
    let home = HomeStore {
        home,
        engine,
        cache: ByteCount::mebibytes(5),
        is_new,
        past_damage,
        random_id: Arc::new(|| [7; 16]),
        on_step: &|_| {},
        progress: &|_| {},
    };
    let options = SiteOptions {
        settings: &|_| Settings {
            policy: ViewPolicy::default().compile(chain.site()),
            decisions: Default::default(),
            normalise_name: |_, name| name.to_owned(),
            products_of: |_| Default::default(),
        },
        compression_level: 3,
        max_delta_claims: 1_024,
        clock: Arc::new(|| UnixMillis::EPOCH),
    };
    home.open(&chain, &options)
}

fn note(store: &SiteStore) {
    let entry = crate::LedgerEntry::SiteChanged {
        at: UnixMillis::EPOCH,
        site: store.site().unwrap(),
        change: "changed".to_owned(),
    };
    store.record(&entry).unwrap();
}

/// Opens a home whose log has lost its last group and its tip, and returns the reason for the refusal.
fn lost_after(stop_machine: bool) -> (tempfile::TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log/0000000001.log");
    drop(open(home.path(), EngineKind::Sled, true).unwrap());
    let before = std::fs::read(&log).unwrap();
    note(&open(home.path(), EngineKind::Sled, false).unwrap());
    std::fs::write(&log, before).unwrap();
    std::fs::remove_file(home.path().join("log/tip")).unwrap();
    if stop_machine {
        let engine = home.path().join(ENGINE_FOLDER);
        std::fs::remove_file(engine.join("clean")).unwrap();
        std::fs::write(engine.join("running"), "another-boot-id").unwrap();
    }
    let refused = open(home.path(), EngineKind::Sled, false);
    let Err(StoreError::LogLoss { what, .. }) = refused else {
        panic!("{refused:?}");
    };
    (home, what)
}

#[test]
fn sled_in_doubt_is_still_a_witness_of_the_log() {
    let (_home, what) = lost_after(false);
    assert!(what.contains("the store knows"), "{what}");
    let (home, what) = lost_after(true);
    assert!(what.contains("the engine that was set aside knows"), "{what}");
    // The loss is reported until it is given up, even if nothing of that engine is left.
    std::fs::remove_dir_all(home.path().join(ENGINE_FOLDER)).unwrap();
    let refused = open(home.path(), EngineKind::Sled, false);
    assert!(matches!(refused, Err(StoreError::LogLoss { .. })), "{refused:?}");
}

/// The end of the log, its tip and the engine were deleted: the rest was opened as if it were all.
#[test]
fn log_whose_end_nothing_confirms_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log/0000000001.log");
    note(&open(home.path(), EngineKind::Redb, true).unwrap());
    let before = std::fs::read(&log).unwrap();
    note(&open(home.path(), EngineKind::Redb, false).unwrap());
    std::fs::write(&log, before).unwrap();
    std::fs::remove_dir_all(home.path().join(ENGINE_FOLDER)).unwrap();
    let tip = home.path().join("log/tip");
    let slots = std::fs::read(&tip).unwrap();
    std::fs::remove_file(&tip).unwrap();
    let refused = open(home.path(), EngineKind::Redb, false);
    assert!(
        matches!(&refused, Err(StoreError::LogLoss { what, only_unconfirmed: true }) if what.contains("nothing confirms")),
        "{refused:?}"
    );
    // The refusal lasts: it creates nothing that would count as confirmation.
    let again = open(home.path(), EngineKind::Redb, false);
    assert!(matches!(again, Err(StoreError::LogLoss { .. })), "{again:?}");
    // With the tip, the loss is known; without a loss, the engine alone can be thrown away.
    std::fs::write(&tip, slots).unwrap();
    let refused = open(home.path(), EngineKind::Redb, false);
    assert!(
        matches!(&refused, Err(StoreError::LogLoss { what, only_unconfirmed: false }) if what.contains("the tip file knows")),
        "{refused:?}"
    );
}

/// What a repair of such a log presumes to be lost is reported until peers or a restore settle it.
#[test]
fn repair_of_a_log_whose_end_nothing_confirms_presumes_a_loss() {
    let home = tempfile::tempdir().unwrap();
    note(&open(home.path(), EngineKind::Redb, true).unwrap());
    std::fs::remove_dir_all(home.path().join(ENGINE_FOLDER)).unwrap();
    std::fs::remove_file(home.path().join("log/tip")).unwrap();
    let repaired = open_as(home.path(), EngineKind::Redb, false, true).unwrap();
    assert_eq!(repaired.lost_claims().unwrap().len(), 1);
    drop(repaired);
    let again = open(home.path(), EngineKind::Redb, false).unwrap();
    assert_eq!(again.lost_claims().unwrap().len(), 1);
}

#[test]
fn sled_in_doubt_over_a_whole_log_is_rebuilt() {
    let home = tempfile::tempdir().unwrap();
    note(&open(home.path(), EngineKind::Sled, true).unwrap());
    let engine = home.path().join(ENGINE_FOLDER);
    std::fs::remove_file(engine.join("clean")).unwrap();
    std::fs::write(engine.join("running"), "another-boot-id").unwrap();
    let store = open(home.path(), EngineKind::Sled, false).unwrap();
    assert_eq!(engine::asides_in(&engine).unwrap(), [""; 0].map(PathBuf::from));
    assert!(store.doctor(false).unwrap().healthy());
}

#[test]
fn site_is_created_over_an_interrupted_engine() {
    let bare_sled = |folder: &Path| std::fs::create_dir_all(folder.join("sled/blobs")).unwrap();
    let redb_of = |size: usize| {
        move |folder: &Path| {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::write(folder.join("store.redb"), vec![0; size]).unwrap();
        }
    };
    type Begin<'a> = &'a dyn Fn(&Path);
    let cases: [(EngineKind, Begin<'_>); 5] = [
        (EngineKind::Sled, &engine::begin_sled_files),
        (EngineKind::Sled, &bare_sled),
        (EngineKind::Redb, &redb_of(0)),
        (EngineKind::Redb, &redb_of(4_096)),
        (EngineKind::Redb, &redb_of(1 << 20)),
    ];
    for (number, (engine, begin)) in cases.into_iter().enumerate() {
        let home = tempfile::tempdir().unwrap();
        begin(&home.path().join(ENGINE_FOLDER));
        let made = open(home.path(), engine, true);
        assert!(made.is_ok(), "case {number}: {:?}", made.err());
    }
}

#[test]
fn compacted_engine_keeps_the_configured_cache() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path(), EngineKind::Sled, true).unwrap();
    let (_, options) = store.swap.as_ref().unwrap();
    assert_eq!(options.cache, ByteCount::mebibytes(5));
    let compacted = store.compact_engine().unwrap();
    assert!(
        matches!(compacted, Some(engine::Compaction::Done { .. })),
        "{compacted:?}"
    );
}
