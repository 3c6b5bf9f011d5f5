//! The required behaviour of every engine, one behaviour per test.

use std::ops::{Bound, ControlFlow};

use starling_store::engine::{
    Batch, ByteCount, Direction, EngineError, EngineKind, Limited, MAX_BATCH_BYTES, MAX_KEY_BYTES,
    MAX_VALUE_BYTES, PageLimit, Tree,
};

use super::bed::{Bed, all_rows, for_every_engine, noise, put, rows};

fn keys(rows: &[(Vec<u8>, Vec<u8>)]) -> Vec<&[u8]> {
    rows.iter().map(|(key, _)| key.as_slice()).collect()
}

/// Sizes on both sides of every limit at which an engine splits a value.
fn sizes_around_splits() -> Vec<usize> {
    let mut sizes = vec![0, 1, 1_000, 64 << 10, 100_000, 128 << 10, 1 << 20];
    for limit in [7_000_usize, 16_320] {
        sizes.extend(limit - 40..limit + 4);
    }
    sizes
}

for_every_engine! {
    fn committed_value_is_read_back(bed) {
        let engine = bed.engine();
        assert_eq!(engine.get(Tree::Claims, b"k").unwrap(), None);
        put(&*engine, Tree::Claims, b"k", b"one");
        assert_eq!(engine.get(Tree::Claims, b"k").unwrap(), Some(b"one".to_vec()));
        put(&*engine, Tree::Claims, b"k", b"two");
        assert_eq!(engine.get(Tree::Claims, b"k").unwrap(), Some(b"two".to_vec()));
    }

    fn empty_keys_and_empty_values_are_rows(bed) {
        let engine = bed.engine();
        put(&*engine, Tree::Meta, b"", b"");
        put(&*engine, Tree::Meta, b"\0", b"x");
        assert_eq!(engine.get(Tree::Meta, b"").unwrap(), Some(Vec::new()));
        assert_eq!(all_rows(&*engine, Tree::Meta), vec![(vec![], vec![]), (vec![0], b"x".to_vec())]);
        let mut batch = Batch::new();
        batch.delete(Tree::Meta, b"");
        engine.commit(&batch).unwrap();
        assert_eq!(engine.get(Tree::Meta, b"").unwrap(), None);
    }

    fn trees_do_not_see_each_other(bed) {
        let engine = bed.engine();
        let mut batch = Batch::new();
        for tree in Tree::ALL {
            batch.put(*tree, b"", tree.name().as_bytes());
            batch.put(*tree, &[0xFF; 40], tree.name().as_bytes());
        }
        engine.commit(&batch).unwrap();
        for tree in Tree::ALL {
            let found = all_rows(&*engine, *tree);
            assert_eq!(keys(&found), vec![&b""[..], &[0xFF; 40]], "{tree}");
            assert!(found.iter().all(|(_, value)| value == tree.name().as_bytes()), "{tree}");
        }
    }

    fn scans_walk_in_byte_order_both_ways(bed) {
        let engine = bed.engine();
        let sorted: Vec<&[u8]> = vec![b"", b"\0", b"\0\0", b"\x01", b"a", b"a\0", b"aa", b"b", b"\x7F", b"\x80", b"\xFF", b"\xFF\xFF"];
        let mut batch = Batch::new();
        for key in sorted.iter().rev() {
            batch.put(Tree::ByAlias, key, b"v");
        }
        engine.commit(&batch).unwrap();
        assert_eq!(keys(&all_rows(&*engine, Tree::ByAlias)), sorted);
        let reverse = rows(&*engine, Tree::ByAlias, Bound::Unbounded, Bound::Unbounded, Direction::Reverse);
        assert_eq!(keys(&reverse), sorted.iter().rev().copied().collect::<Vec<_>>());
    }

    fn scan_bounds_include_and_exclude(bed) {
        use Bound::{Excluded, Included, Unbounded};
        use Direction::{Forward, Reverse};
        let engine = bed.engine();
        let mut batch = Batch::new();
        for key in [b"a", b"b", b"c", b"d"] {
            batch.put(Tree::View, key, key);
        }
        engine.commit(&batch).unwrap();
        let walk = |start, end, direction| {
            let rows = rows(&*engine, Tree::View, start, end, direction);
            rows.into_iter().map(|(key, _)| char::from(key[0])).collect::<String>()
        };
        assert_eq!(walk(Included(b"b"), Included(b"c"), Forward), "bc");
        assert_eq!(walk(Included(b"b"), Excluded(b"c"), Forward), "b");
        assert_eq!(walk(Excluded(b"b"), Included(b"d"), Reverse), "dc");
        assert_eq!(walk(Excluded(b"a"), Excluded(b"d"), Reverse), "cb");
        assert_eq!(walk(Unbounded, Excluded(b"c"), Reverse), "ba");
        assert_eq!(walk(Excluded(b"c"), Unbounded, Forward), "d");
        assert_eq!(walk(Included(b"bb"), Included(b"cc"), Forward), "c");
        assert_eq!(walk(Included(b"c"), Included(b"c"), Forward), "c");
        for empty in [
            (Included(&b"c"[..]), Included(&b"b"[..])),
            (Excluded(b"c"), Excluded(b"c")),
            (Included(b"c"), Excluded(b"c")),
            (Excluded(b"c"), Included(b"c")),
            (Excluded(b"d"), Unbounded),
            (Unbounded, Excluded(b"")),
        ] {
            for direction in [Forward, Reverse] {
                assert_eq!(walk(empty.0, empty.1, direction), "", "{empty:?}");
            }
        }
    }

    fn prefix_scan_visits_its_keys_only(bed) {
        let engine = bed.engine();
        let mut batch = Batch::new();
        let present: [&[u8]; 8] = [b"", b"p", b"pa", b"pb", b"q", b"\xFE\xFF", b"\xFF", b"\xFF\xFFz"];
        for key in present {
            batch.put(Tree::ByPackage, key, b"");
        }
        engine.commit(&batch).unwrap();
        for prefix in [&b""[..], b"p", b"pa", b"pz", b"\xFE", b"\xFF", b"\xFF\xFF"] {
            let expected: Vec<&[u8]> = present.into_iter().filter(|key| key.starts_with(prefix)).collect();
            for direction in [Direction::Forward, Direction::Reverse] {
                let mut found = Vec::new();
                engine.scan_prefix(Tree::ByPackage, prefix, direction, &mut |key, _| {
                    found.push(key.to_vec());
                    ControlFlow::Continue(())
                }).unwrap();
                if direction == Direction::Reverse {
                    found.reverse();
                }
                assert_eq!(found, expected, "{prefix:?} {direction:?}");
            }
        }
    }

    fn scan_stops_when_the_visitor_breaks(bed) {
        let engine = bed.engine();
        let mut batch = Batch::new();
        for index in 0..100_u8 {
            batch.put(Tree::Events, &[index], b"");
        }
        engine.commit(&batch).unwrap();
        let mut seen = 0;
        engine.scan(Tree::Events, Bound::Unbounded, Bound::Unbounded, Direction::Forward, &mut |_, _| {
            seen += 1;
            if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }).unwrap();
        assert_eq!(seen, 3);
    }

    fn pages_continue_where_the_last_one_ended(bed) {
        let engine = bed.engine();
        let mut batch = Batch::new();
        for index in 0..25_u8 {
            batch.put(Tree::Logs, &[index], &[index; 10]);
        }
        engine.commit(&batch).unwrap();
        let mut collected = Vec::new();
        let mut last: Option<Vec<u8>> = None;
        let mut pages = 0;
        loop {
            let start = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let limit = PageLimit { rows: 10, bytes: usize::MAX };
            let page = engine.page(Tree::Logs, start, Bound::Unbounded, Direction::Forward, limit).unwrap();
            pages += 1;
            last = page.rows.last().map(|(key, _)| key.clone());
            collected.extend(page.rows);
            if !page.more {
                break;
            }
        }
        assert_eq!((pages, collected.len()), (3, 25));
        assert_eq!(collected, all_rows(&*engine, Tree::Logs));
        // A page has at least one row, and ends with the row that reaches the byte limit.
        for (bytes, rows) in [(0, 1), (11, 1), (12, 2), (22, 2)] {
            let limit = PageLimit { rows: 10, bytes };
            let page = engine.page(Tree::Logs, Bound::Unbounded, Bound::Unbounded, Direction::Reverse, limit).unwrap();
            assert_eq!((page.rows.len(), page.more), (rows, true), "{bytes} bytes");
        }
    }

    fn first_row_of_either_end_is_found(bed) {
        let engine = bed.engine();
        let first = |direction| engine.first(Tree::ByCursor, Bound::Unbounded, Bound::Excluded(b"c"), direction).unwrap();
        assert_eq!(first(Direction::Forward), None);
        let mut batch = Batch::new();
        for key in [b"a", b"b", b"c"] {
            batch.put(Tree::ByCursor, key, b"");
        }
        engine.commit(&batch).unwrap();
        assert_eq!(first(Direction::Forward).unwrap().0, b"a");
        assert_eq!(first(Direction::Reverse).unwrap().0, b"b");
    }

    fn last_operation_on_a_key_wins(bed) {
        let engine = bed.engine();
        put(&*engine, Tree::Claims, b"old", b"old");
        let large = noise(1, 50_000);
        let mut batch = Batch::new();
        batch.put(Tree::Claims, b"put-delete", b"1");
        batch.delete(Tree::Claims, b"put-delete");
        batch.delete(Tree::Claims, b"old");
        batch.put(Tree::Claims, b"old", b"2");
        batch.put(Tree::Claims, b"large-small", &large);
        batch.put(Tree::Claims, b"large-small", b"3");
        batch.put(Tree::Claims, b"small-large", b"4");
        batch.put(Tree::Claims, b"small-large", &large);
        batch.put(Tree::Claims, b"large-delete", &large);
        batch.delete(Tree::Claims, b"large-delete");
        batch.delete(Tree::Claims, b"never-there");
        engine.commit(&batch).unwrap();
        assert_eq!(all_rows(&*engine, Tree::Claims), vec![
            (b"large-small".to_vec(), b"3".to_vec()),
            (b"old".to_vec(), b"2".to_vec()),
            (b"small-large".to_vec(), large),
        ]);
        assert!(engine.check().unwrap().is_sound());
    }

    fn values_of_every_size_are_read_back_after_reopening(bed) {
        let engine = bed.engine();
        let sizes = sizes_around_splits();
        let key = |size: usize| (size as u64).to_be_bytes();
        for chunk in sizes.chunks(10) {
            let mut batch = Batch::new();
            for size in chunk {
                batch.put(Tree::Bodies, &key(*size), &noise(*size as u64, *size));
            }
            engine.commit(&batch).unwrap();
        }
        drop(engine);
        let engine = bed.reopen();
        for size in &sizes {
            assert!(engine.get(Tree::Bodies, &key(*size)).unwrap() == Some(noise(*size as u64, *size)), "{size} bytes");
        }
        for direction in [Direction::Forward, Direction::Reverse] {
            let found = rows(&*engine, Tree::Bodies, Bound::Unbounded, Bound::Unbounded, direction);
            assert_eq!(found.len(), sizes.len());
            assert!(found.iter().all(|(_, value)| *value == noise(value.len() as u64, value.len())));
        }
        let report = engine.check().unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(report.trees[0].value_bytes, sizes.iter().sum::<usize>() as u64);
    }

    fn replaced_large_value_leaves_no_pieces(bed) {
        let engine = bed.engine();
        // Longer, shorter, small, removed; also after reopening, when old pieces are searched for again.
        for (round, size) in [200_000, 300_000, 20_000, 5, 100_000].into_iter().enumerate() {
            let value = noise(round as u64, size);
            put(&*engine, Tree::Logs, b"key", &value);
            assert!(engine.get(Tree::Logs, b"key").unwrap() == Some(value), "{size} bytes");
            let report = engine.check().unwrap();
            assert!(report.is_sound(), "{report:?}");
        }
        drop(engine);
        let engine = bed.reopen();
        let mut batch = Batch::new();
        batch.delete(Tree::Logs, b"key");
        engine.commit(&batch).unwrap();
        let report = engine.check().unwrap();
        assert!(report.is_sound() && report.trees.is_empty(), "{report:?}");
    }

    fn largest_key_and_value_are_accepted(bed) {
        let engine = bed.engine();
        let key = vec![0xFF; MAX_KEY_BYTES];
        let value = noise(9, MAX_VALUE_BYTES);
        put(&*engine, Tree::Bodies, &key, &value);
        drop(engine);
        let engine = bed.reopen();
        assert!(engine.get(Tree::Bodies, &key).unwrap() == Some(value));
    }

    fn write_over_a_limit_is_refused_unchanged(bed) {
        let engine = bed.engine();
        let refused = |batch: &Batch| match engine.commit(batch) {
            Err(EngineError::TooLarge { what, found, limit }) => (what, found - limit),
            other => panic!("expected a refusal, got {other:?}"),
        };
        let mut batch = Batch::new();
        batch.put(Tree::Meta, b"a", b"");
        batch.put(Tree::Meta, &vec![1; MAX_KEY_BYTES + 1], b"");
        assert_eq!(refused(&batch), (Limited::Key(Tree::Meta), 1));
        let mut batch = Batch::new();
        batch.put(Tree::Meta, b"a", b"");
        batch.put(Tree::Bodies, b"b", &vec![1; MAX_VALUE_BYTES + 1]);
        assert_eq!(refused(&batch), (Limited::Value(Tree::Bodies), 1));
        let mut batch = Batch::new();
        let piece = vec![1; MAX_VALUE_BYTES];
        while batch.byte_len() <= MAX_BATCH_BYTES {
            batch.put(Tree::Meta, b"a", &piece);
        }
        assert_eq!(refused(&batch).0, Limited::Batch);
        assert_eq!(all_rows(&*engine, Tree::Meta), vec![]);
        // A key that cannot be stored does not exist either, whatever its length.
        assert_eq!(engine.get(Tree::Meta, &vec![1; 1 << 20]).unwrap(), None);
        put(&*engine, Tree::Meta, b"a", b"goes on");
    }

    fn ten_thousand_rows_commit_at_once_and_survive_reopening(bed) {
        let engine = bed.engine();
        let mut batch = Batch::new();
        for index in 0..10_000_u64 {
            let tree = Tree::ALL[usize::try_from(index).unwrap() % Tree::ALL.len()];
            batch.put(tree, &noise(index, 32), &noise(index, 500));
        }
        engine.commit(&batch).unwrap();
        drop(engine);
        let engine = bed.reopen();
        let report = engine.check().unwrap();
        assert!(report.is_sound());
        assert_eq!(report.trees.iter().map(|tree| tree.rows).sum::<u64>(), 10_000);
        for index in (0..10_000).step_by(97) {
            let tree = Tree::ALL[usize::try_from(index).unwrap() % Tree::ALL.len()];
            assert_eq!(engine.get(tree, &noise(index, 32)).unwrap(), Some(noise(index, 500)));
        }
    }

    fn commits_are_visible_before_and_after_the_checkpoint(bed) {
        let engine = bed.engine();
        let mut batch = Batch::new();
        batch.put(Tree::Bodies, b"small", b"body");
        batch.put(Tree::Bodies, b"large", &noise(3, 90_000));
        engine.commit(&batch).unwrap();
        engine.commit(&batch).unwrap();
        engine.commit(&Batch::new()).unwrap();
        assert_eq!(engine.get(Tree::Bodies, b"small").unwrap(), Some(b"body".to_vec()));
        engine.checkpoint().unwrap();
        engine.checkpoint().unwrap();
        drop(engine);
        let engine = bed.reopen();
        assert_eq!(engine.get(Tree::Bodies, b"small").unwrap(), Some(b"body".to_vec()));
        assert!(engine.get(Tree::Bodies, b"large").unwrap() == Some(noise(3, 90_000)));
    }

    fn large_commits_need_no_explicit_checkpoint(bed) {
        let engine = bed.engine();
        // Twice the amount after which an engine makes a checkpoint by itself, over rows that are replaced.
        for round in 0..64_u64 {
            let mut batch = Batch::new();
            for index in 0..16_u64 {
                batch.put(Tree::Bodies, &(round % 8 * 16 + index).to_be_bytes(), &noise(round * 16 + index, 64 << 10));
            }
            engine.commit(&batch).unwrap();
        }
        // 8 MiB of rows; sled keeps replaced rows until their segments are free.
        assert!(engine.size_on_disk().unwrap() < ByteCount::mebibytes(160), "{}", engine.size_on_disk().unwrap());
        drop(engine);
        let engine = bed.reopen();
        for index in 0..128_u64 {
            let last = 56 * 16 + index;
            assert!(engine.get(Tree::Bodies, &index.to_be_bytes()).unwrap() == Some(noise(last, 64 << 10)), "row {index}");
        }
    }

    fn generation_stays_through_reopening(bed) {
        let engine = bed.engine();
        let generation = engine.generation();
        drop(engine);
        assert_eq!(bed.reopen().generation(), generation);
        if bed.engine().kind() != EngineKind::Memory {
            let other = Bed::new(bed.engine().kind());
            assert_ne!(other.engine().generation(), generation);
        }
    }

    fn visitor_may_read_and_write(bed) {
        let engine = bed.engine();
        let mut batch = Batch::new();
        for index in 0..50_u8 {
            batch.put(Tree::Claims, &[index], &noise(u64::from(index), 20_000));
        }
        engine.commit(&batch).unwrap();
        let mut visited = 0_u8;
        engine.scan(Tree::Claims, Bound::Unbounded, Bound::Unbounded, Direction::Forward, &mut |key, value| {
            assert!(engine.get(Tree::Claims, key).unwrap().as_deref() == Some(value));
            put(&*engine, Tree::View, key, b"seen");
            visited += 1;
            ControlFlow::Continue(())
        }).unwrap();
        assert_eq!((visited, all_rows(&*engine, Tree::View).len()), (50, 50));
    }

    fn empty_store_checks_and_compacts(bed) {
        let engine = bed.engine();
        let report = engine.check().unwrap();
        assert!(report.is_sound() && report.trees.is_empty(), "{report:?}");
        engine.compact().unwrap();
        put(&*engine, Tree::Meta, b"k", b"v");
        engine.compact().unwrap();
        drop(engine);
        assert_eq!(bed.reopen().get(Tree::Meta, b"k").unwrap(), Some(b"v".to_vec()));
    }
}
