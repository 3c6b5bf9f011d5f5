//! The shared layer over rows that our engines did not write: damage, and layouts of other versions.

use super::batch::Batch;
use super::error::EngineError;
use super::generation::Generation;
use super::kv::{Kv, KvOp};
use super::layered::Layered;
use super::memory::MemoryKv;
use super::settle::Opening;
use super::split::piece_key;
use super::tree::Tree;
use super::{Direction, Engine};

/// The stored key of the value that [`with_large_value`] writes.
const STORED: &[u8] = b"\x04large";

fn opened(rows: &[(&[u8], &[u8])], opening: Opening) -> Result<Layered<MemoryKv>, EngineError> {
    let kv = MemoryKv::default();
    let ops: Vec<KvOp<'_>> = rows
        .iter()
        .map(|(key, value)| KvOp {
            key,
            value: Some(value),
        })
        .collect();
    kv.commit(&ops).unwrap();
    Layered::new(kv, None, opening, &|| Ok(Generation([7; 8])))
}

fn layered(rows: &[(&[u8], &[u8])]) -> Result<Layered<MemoryKv>, EngineError> {
    opened(rows, Opening::Current)
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
    // Undamaged rows are still served.
    assert_eq!(engine.get(Tree::Bodies, b"small").unwrap(), Some(b"x".to_vec()));
}

#[test]
fn missing_piece_is_damage() {
    let engine = with_large_value();
    overwrite(&engine, &piece_key(STORED, 2), None);
    assert_damage(&engine, "piece 2 of a value is missing");
}

#[test]
fn shortened_piece_is_damage() {
    let engine = with_large_value();
    overwrite(&engine, &piece_key(STORED, 1), Some(b"short"));
    assert_damage(&engine, "piece 1 of a value has 5 bytes");
}

#[test]
fn changed_piece_is_damage() {
    let engine = with_large_value();
    let mut piece = engine.kv.get(&piece_key(STORED, 0)).unwrap().unwrap();
    piece[100] ^= 1;
    overwrite(&engine, &piece_key(STORED, 0), Some(&piece));
    assert_damage(&engine, "does not have its hash");
}

#[test]
fn row_with_unknown_marker_is_damage() {
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
fn orphaned_pieces_are_reported_and_removed_by_a_write() {
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
fn check_lists_bounded_problems_and_counts_the_rest() {
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
fn newer_layout_is_refused_by_its_number() {
    match layered(&[(b"\0layout", &7_u32.to_le_bytes())]) {
        Err(EngineError::Newer { found, known, .. }) => assert_eq!((found, known), (7, 2)),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn rows_without_layout_are_not_a_store() {
    for rows in [
        &[(&b"\x01key"[..], &b"value"[..])][..],
        &[(b"\0layout", b"1")],
        &[(b"\0layout", &[0; 4])],
    ] {
        let opened = layered(rows);
        assert!(matches!(opened, Err(EngineError::Corrupt { .. })), "{opened:?}");
    }
}

#[test]
fn changed_row_is_named_and_the_others_are_served() {
    let engine = with_large_value();
    let mut row = engine.kv.get(b"\x04small").unwrap().unwrap();
    row[0] ^= 1;
    overwrite(&engine, b"\x04small", Some(&row));
    let expected = "tree bodies, key 736d616c6c: the row fails its checksum";
    match engine.get(Tree::Bodies, b"small") {
        Err(EngineError::Corrupt { found, .. }) => assert_eq!(found, expected),
        other => panic!("expected damage, got {other:?}"),
    }
    assert_eq!(engine.check().unwrap().problems, [expected]);
    assert!(engine.get(Tree::Bodies, b"large").unwrap().is_some());
}

#[test]
fn misplaced_row_is_damage() {
    let engine = with_large_value();
    for stored in [STORED, b"\x04small"] {
        let row = engine.kv.get(stored).unwrap();
        overwrite(&engine, b"\x04other", row.as_deref());
        let found = engine.get(Tree::Bodies, b"other");
        assert!(matches!(found, Err(EngineError::Corrupt { .. })), "{found:?}");
    }
}

#[test]
fn generation_is_drawn_once_and_its_damage_is_found() {
    let engine = layered(&[]).unwrap();
    assert_eq!(engine.generation(), Generation([7; 8]));
    let sound = engine.kv.get(b"\0generation").unwrap().unwrap();
    let layout = (&b"\0layout"[..], &2_u32.to_le_bytes()[..]);
    let again = layered(&[layout, (b"\0generation", &sound)]).unwrap();
    assert_eq!(again.generation(), Generation([7; 8]));
    let mut bad = sound.clone();
    bad[3] ^= 4;
    for rows in [&[layout][..], &[layout, (b"\0generation", &bad)]] {
        let opened = layered(rows);
        assert!(matches!(opened, Err(EngineError::Corrupt { .. })), "{opened:?}");
    }
}

#[test]
fn previous_layout_is_read_only_on_request() {
    let layout = (&b"\0layout"[..], &1_u32.to_le_bytes()[..]);
    let rows = [layout, (b"\x03key", b"value\0"), (b"\x04empty", b"\0")];
    match layered(&rows) {
        Err(EngineError::OtherLayout { found, current, .. }) => assert_eq!((found, current), (1, 2)),
        other => panic!("expected a refusal, got {other:?}"),
    }
    let engine = opened(&rows, Opening::Earlier).unwrap();
    assert_eq!(engine.get(Tree::Claims, b"key").unwrap(), Some(b"value".to_vec()));
    assert_eq!(engine.get(Tree::Bodies, b"empty").unwrap(), Some(Vec::new()));
    assert!(engine.check().unwrap().is_sound());
    let mut batch = Batch::new();
    batch.put(Tree::Claims, b"key", b"other");
    assert!(matches!(
        engine.commit(&batch),
        Err(EngineError::ReadOnly { found: 1, .. })
    ));
    engine.checkpoint().unwrap();
    assert!(matches!(
        opened(&[], Opening::Earlier),
        Err(EngineError::Missing { .. })
    ));
    let current = (&b"\0layout"[..], &2_u32.to_le_bytes()[..]);
    assert!(matches!(
        opened(&[current], Opening::Earlier),
        Err(EngineError::OtherLayout { .. })
    ));
}
