//! Stores of the release before checksums: they are read on request, and neither build opens the other's store.

use std::path::Path;

use super::kv::{Kv, KvOp};
use super::opening::{Opened, open, open_layout_1, open_or_doubt};
use super::redb::RedbKv;
use super::sled::SledKv;
use super::split::piece_key;
use super::{EngineError, EngineKind, EngineOptions, Tree, discard_aside};

const ON_DISK: [EngineKind; 2] = [EngineKind::Sled, EngineKind::Redb];

fn large() -> Vec<u8> {
    (0..30_000_u32).map(|index| (index % 251) as u8).collect()
}

/// Writes rows as the release before did.
fn fill(kv: &impl Kv) {
    let large = large();
    let mut head = (large.len() as u64).to_le_bytes().to_vec();
    head.extend_from_slice(&6_000_u32.to_le_bytes());
    head.extend_from_slice(blake3::hash(&large).as_bytes());
    head.push(1);
    let mut rows = vec![
        (b"\0layout".to_vec(), 1_u32.to_le_bytes().to_vec()),
        (b"\x01name".to_vec(), b"value\0".to_vec()),
        (b"\x04large".to_vec(), head),
    ];
    for (index, piece) in (0..).zip(large.chunks(6_000)) {
        rows.push((piece_key(b"\x04large", index), piece.to_vec()));
    }
    rows.sort();
    let ops: Vec<KvOp<'_>> = rows
        .iter()
        .map(|(key, value)| KvOp {
            key,
            value: Some(value),
        })
        .collect();
    kv.commit(&ops).unwrap();
    kv.checkpoint().unwrap();
}

fn make(kind: EngineKind, dir: &Path) {
    let options = EngineOptions::default();
    match kind {
        EngineKind::Sled => fill(&SledKv::open(dir, &options).unwrap()),
        EngineKind::Redb => fill(&RedbKv::make_earlier(dir, &options).unwrap()),
        EngineKind::Memory => unreachable!("it has no files"),
    }
}

#[test]
fn earlier_store_is_read_and_never_used() {
    for kind in ON_DISK {
        let folder = tempfile::tempdir().unwrap();
        make(kind, folder.path());
        let options = EngineOptions::default();
        let refused = open(kind, folder.path(), &options);
        assert!(
            matches!(
                refused,
                Err(EngineError::OtherLayout { found: 1, .. } | EngineError::Corrupt { .. })
            ),
            "{kind}: {refused:?}"
        );
        for _ in 0..2 {
            let engine = open_layout_1(kind, folder.path(), &options).unwrap();
            assert_eq!(
                engine.get(Tree::Meta, b"name").unwrap(),
                Some(b"value".to_vec()),
                "{kind}"
            );
            assert!(
                engine.get(Tree::Bodies, b"large").unwrap() == Some(large()),
                "{kind}"
            );
            assert!(engine.check().unwrap().is_sound(), "{kind}");
        }
        let engine = match open_or_doubt(kind, folder.path(), &options).unwrap() {
            Opened::Doubt { engine, .. } => engine,
            Opened::Sound(_) => panic!("{kind}: an earlier store is not sound"),
        };
        assert_eq!(engine.get(Tree::Meta, b"name").unwrap(), None);
        // The old store is unchanged.
        let aside = folder.path().join("aside-1");
        let earlier = open_layout_1(kind, &aside, &options).unwrap();
        assert_eq!(earlier.get(Tree::Meta, b"name").unwrap(), Some(b"value".to_vec()));
        drop(earlier);
        discard_aside(folder.path()).unwrap();
        assert!(!aside.exists());
    }
}

#[test]
fn current_store_is_refused_by_previous_release() {
    for kind in ON_DISK {
        let folder = tempfile::tempdir().unwrap();
        drop(open(kind, folder.path(), &EngineOptions::default()).unwrap());
        let file = folder.path().join(super::redb::FILE);
        let before = std::fs::read(&file).ok();
        // Opens redb's file as the earlier release does, then reads the layout number.
        let refused = match kind {
            EngineKind::Redb => RedbKv::make_earlier(folder.path(), &EngineOptions::default()).map(drop),
            _ => open_layout_1(kind, folder.path(), &EngineOptions::default())
                .map(drop)
                .map_err(|error| super::error::Failure::Corrupt(error.to_string())),
        };
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("magic") || refused.contains("layout 2"),
            "{refused}"
        );
        assert_eq!(std::fs::read(&file).ok(), before);
        open(kind, folder.path(), &EngineOptions::default()).unwrap();
    }
}
