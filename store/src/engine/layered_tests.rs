//! The shared layer over rows that no engine of ours wrote: damage, and layouts of other versions.

use super::batch::Batch;
use super::error::EngineError;
use super::kv::{Kv, KvOp};
use super::layered::Layered;
use super::memory::MemoryKv;
use super::split::piece_key;
use super::tree::Tree;
use super::{Direction, Engine};

/// The stored key of the value that [`with_large_value`] writes.
const STORED: &[u8] = b"\x04large";

fn layered(rows: &[(&[u8], &[u8])]) -> Result<Layered<MemoryKv>, EngineError> {
    let kv = MemoryKv::default();
    let ops: Vec<KvOp<'_>> = rows
        .iter()
        .map(|(key, value)| KvOp {
            key,
            value: Some(value),
        })
        .collect();
    kv.commit(&ops).unwrap();
    Layered::new(kv, None)
}

fn with_large_value() -> Layered<MemoryKv> {
    let engine = layered(&[]).unwrap();
    let mut batch = Batch::new();
    batch.put(Tree::Bodies, b"large", &[5; 30_000]);
    batch.put(Tree::Bodies, b"small", b"x");
    engine.commit(&batch).unwrap();
    engine
}

fn overwrite(engine: &Layered<MemoryKv>, key: &[u8], value: Option<&[u8]>) {
    engine.kv.commit(&[KvOp { key, value }]).unwrap();
}

fn assert_damage(engine: &Layered<MemoryKv>, expected: &str) {
    match engine.get(Tree::Bodies, b"large") {
        Err(EngineError::Corrupt { found, .. }) => assert!(found.contains(expected), "{found}"),
        other => panic!("expected damage, got {other:?}"),
    }
    let scanned = engine.first(
        Tree::Bodies,
        std::ops::Bound::Unbounded,
        std::ops::Bound::Unbounded,
        Direction::Forward,
    );
    assert!(matches!(scanned, Err(EngineError::Corrupt { .. })), "{scanned:?}");
    let report = engine.check().unwrap();
    assert!(
        report.problems.iter().any(|problem| problem.contains(expected)),
        "{report:?}"
    );
    // What is not damaged is still served.
    assert_eq!(engine.get(Tree::Bodies, b"small").unwrap(), Some(b"x".to_vec()));
}

#[test]
fn a_missing_piece_is_damage() {
    let engine = with_large_value();
    overwrite(&engine, &piece_key(STORED, 2), None);
    assert_damage(&engine, "piece 2 of a value is missing");
}

#[test]
fn a_shortened_piece_is_damage() {
    let engine = with_large_value();
    overwrite(&engine, &piece_key(STORED, 1), Some(b"short"));
    assert_damage(&engine, "piece 1 of a value has 5 bytes");
}

#[test]
fn a_changed_piece_is_damage() {
    let engine = with_large_value();
    let mut piece = engine.kv.get(&piece_key(STORED, 0)).unwrap().unwrap();
    piece[100] ^= 1;
    overwrite(&engine, &piece_key(STORED, 0), Some(&piece));
    assert_damage(&engine, "does not have its hash");
}

#[test]
fn a_row_without_a_known_mark_is_damage() {
    for row in [&b""[..], b"text\x02", b"\x01", b"\xFF"] {
        let engine = with_large_value();
        overwrite(&engine, STORED, Some(row));
        assert!(
            matches!(
                engine.get(Tree::Bodies, b"large"),
                Err(EngineError::Corrupt { .. })
            ),
            "{row:?}"
        );
        assert!(!engine.check().unwrap().is_sound(), "{row:?}");
    }
}

#[test]
fn pieces_without_their_value_are_found_by_a_check_and_removed_by_a_write() {
    let engine = with_large_value();
    overwrite(&engine, STORED, None);
    let report = engine.check().unwrap();
    assert_eq!(report.problems.len(), 5, "{report:?}");
    let mut batch = Batch::new();
    batch.delete(Tree::Bodies, b"large");
    engine.commit(&batch).unwrap();
    assert!(engine.check().unwrap().is_sound());
}

#[test]
fn a_check_lists_a_bounded_number_of_problems_and_counts_the_rest() {
    let engine = with_large_value();
    for index in 0..150_u8 {
        overwrite(&engine, &[0x77, index], Some(b"\0"));
    }
    let report = engine.check().unwrap();
    assert_eq!((report.problems.len(), report.more_problems), (100, 50));
    assert!(
        report.problems[0].contains("unknown tree 119"),
        "{}",
        report.problems[0]
    );
}

#[test]
fn a_newer_layout_is_refused_by_its_number() {
    match layered(&[(b"\0layout", &7_u32.to_le_bytes())]) {
        Err(EngineError::Newer { found, known, .. }) => assert_eq!((found, known), (7, 1)),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn rows_without_a_layout_are_not_taken_for_a_store() {
    for rows in [
        &[(&b"\x01key"[..], &b"value"[..])][..],
        &[(b"\0layout", b"1")],
        &[(b"\0layout", &[0; 4])],
    ] {
        let opened = layered(rows);
        assert!(matches!(opened, Err(EngineError::Corrupt { .. })), "{opened:?}");
    }
}
