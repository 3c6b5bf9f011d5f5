//! Opening a folder: with a missing store, another engine's store, or a store that is already open.

use starling_store::engine::{
    ByteCount, EngineError, EngineKind, IfMissing, Tree, detect, open, open_or_doubt,
};
use tempfile::TempDir;

use super::bed::{Bed, options, put};

const ON_DISK: [EngineKind; 2] = [EngineKind::Sled, EngineKind::Redb];

#[test]
fn second_opener_is_refused_and_nothing_is_set_aside() {
    for kind in ON_DISK {
        let bed = Bed::new(kind);
        put(&*bed.engine(), Tree::Meta, b"k", b"v");
        let refused = open(kind, bed.path(), &options()).map(drop);
        assert!(
            matches!(refused, Err(EngineError::Locked { .. })),
            "{kind}: {refused:?}"
        );
        let refused = open_or_doubt(kind, bed.path(), &options()).map(drop);
        assert!(
            matches!(refused, Err(EngineError::Locked { .. })),
            "{kind}: {refused:?}"
        );
        assert_eq!(bed.engine().get(Tree::Meta, b"k").unwrap(), Some(b"v".to_vec()));
    }
}

#[test]
fn closed_store_can_be_reopened() {
    for kind in ON_DISK {
        let mut bed = Bed::new(kind);
        for _ in 0..3 {
            bed.reopen();
        }
    }
}

#[test]
fn missing_store_is_refused_or_created_as_requested() {
    for kind in ON_DISK {
        let folder = TempDir::new().unwrap();
        let home = folder.path().join("deep/home");
        let refused = open(kind, &home, &options().with_if_missing(IfMissing::Refuse));
        assert!(matches!(refused, Err(EngineError::Missing { .. })), "{refused:?}");
        assert!(!home.exists(), "a refusal leaves nothing behind");
        drop(open(kind, &home, &options()).unwrap());
        assert_eq!(detect(&home), Some(kind));
        open(kind, &home, &options().with_if_missing(IfMissing::Refuse)).unwrap();
    }
}

#[test]
fn store_of_another_engine_is_refused() {
    for (kind, other) in [
        (EngineKind::Sled, EngineKind::Redb),
        (EngineKind::Redb, EngineKind::Sled),
    ] {
        let folder = TempDir::new().unwrap();
        drop(open(kind, folder.path(), &options()).unwrap());
        match open(other, folder.path(), &options()) {
            Err(EngineError::OtherEngine { asked, found, .. }) => assert_eq!((asked, found), (other, kind)),
            result => panic!("expected a refusal, got {result:?}"),
        }
    }
}

#[test]
fn write_into_the_reserve_is_refused() {
    for kind in ON_DISK {
        let folder = TempDir::new().unwrap();
        let reserve = ByteCount(u64::MAX / 2);
        let engine = open(kind, folder.path(), &options().with_reserve(reserve)).unwrap();
        let mut batch = starling_store::engine::Batch::new();
        batch.put(Tree::Meta, b"k", b"v");
        for _ in 0..2 {
            let refused = engine.commit(&batch).unwrap_err();
            assert!(matches!(refused, EngineError::NoSpace { .. }), "{refused:?}");
            assert!(refused.is_retryable());
        }
        assert_eq!(engine.get(Tree::Meta, b"k").unwrap(), None);
    }
}

#[test]
fn rows_at_the_split_limit_keep_sled_from_making_page_files() {
    // A sled page of more than 128 KiB becomes a file that sled never syncs.
    let bed = Bed::new(EngineKind::Sled);
    for index in 0..400_u64 {
        let key = [vec![0xAA; 1_000], index.reverse_bits().to_be_bytes().to_vec()].concat();
        put(
            &*bed.engine(),
            Tree::Bodies,
            &key,
            &super::bed::noise(index, 7_000 - 1_008 - 2),
        );
    }
    let files = std::fs::read_dir(bed.path().join("sled/blobs")).unwrap().count();
    assert_eq!(files, 0);
}
