use super::super::copy::copy_all;
use super::super::opening::{Opened, open_or_doubt};
use super::super::{Batch, Direction, Tree};
use super::*;

const ON_DISK: [EngineKind; 2] = [EngineKind::Sled, EngineKind::Redb];

fn options() -> EngineOptions {
    EngineOptions::default().with_reserve(super::super::ByteCount(0))
}

fn row(engine: &dyn Engine) -> Option<Vec<u8>> {
    engine.get(Tree::Claims, b"key").unwrap()
}

/// Creates a store in `dir`, and a whole copy of it beside.
fn with_copy(kind: EngineKind, dir: &Path) {
    let engine = open(kind, dir, &options()).unwrap();
    let mut batch = Batch::new();
    batch.put(Tree::Claims, b"key", b"value");
    engine.commit(&batch).unwrap();
    let copy = open(kind, &dir.join(BESIDE), &options()).unwrap();
    copy_all(&*engine, &*copy, &mut |_| {}).unwrap();
}

#[test]
fn crash_at_any_step_leaves_a_store_that_opens() {
    type Step = fn(&Path, &str) -> io::Result<()>;
    let steps: [(&str, Step); 4] = [
        ("before the renames", |_, _| Ok(())),
        ("with the copy unfinished", |dir, files| {
            let copy = dir.join(BESIDE).join(files);
            if copy.is_dir() {
                fs::remove_file(copy.join("db"))
            } else {
                fs::write(copy, b"unfinished")
            }
        }),
        ("between the renames", |dir, files| {
            let old = dir.join(BESIDE).join(OLD);
            fs::create_dir(&old)?;
            fs::rename(dir.join(files), old.join(files))
        }),
        ("after the renames", put_in_place),
    ];
    for kind in ON_DISK {
        for (what, step) in steps {
            let folder = tempfile::tempdir().unwrap();
            with_copy(kind, folder.path());
            step(folder.path(), files_of(kind).unwrap()).unwrap();
            match open_or_doubt(kind, folder.path(), &options()).unwrap() {
                Opened::Sound(engine) => {
                    assert_eq!(row(&*engine), Some(b"value".to_vec()), "{kind} {what}");
                    assert!(engine.check().unwrap().is_sound());
                }
                Opened::Doubt { reason, .. } => panic!("{kind} {what}: {reason}"),
            }
            assert!(!folder.path().join(BESIDE).exists(), "{kind} {what}");
        }
    }
}

#[test]
fn copy_that_does_not_open_leaves_the_old_files_in_use() {
    for kind in ON_DISK {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        with_copy(kind, dir);
        let files = files_of(kind).unwrap();
        put_in_place(dir, files).unwrap();
        take_back(dir, files).unwrap();
        clear(dir).unwrap();
        let engine = open(kind, dir, &options()).unwrap();
        assert_eq!(row(&*engine), Some(b"value".to_vec()), "{kind}");
    }
}

#[test]
fn compaction_keeps_rows_and_generation_and_closes_clean() {
    for kind in ON_DISK {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let swap = SwapEngine::new(open(kind, dir, &options()).unwrap());
        let generation = swap.generation();
        for round in 0..40_u32 {
            let mut batch = Batch::new();
            for key in 0..200_u32 {
                batch.put(
                    Tree::View,
                    &key.to_be_bytes(),
                    &[u8::try_from(round).unwrap(); 3_000],
                );
            }
            swap.commit(&batch).unwrap();
        }
        match compact_beside(dir, &swap, &options()).unwrap() {
            // redb has not written anything yet.
            Compaction::Done { before, after } => {
                assert!(
                    kind != EngineKind::Sled || after < before,
                    "{kind}: {before} to {after}"
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(!dir.join(BESIDE).exists());
        let mut rows = 0;
        let (start, end) = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        swap.scan(Tree::View, start, end, Direction::Forward, &mut |_, value| {
            assert_eq!(value, [39; 3_000]);
            rows += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!((rows, swap.generation()), (200, generation));
        drop(swap);
        match open_or_doubt(kind, dir, &options()).unwrap() {
            Opened::Sound(engine) => assert_eq!(engine.generation(), generation),
            Opened::Doubt { reason, .. } => panic!("{kind}: {reason}"),
        }
        if kind == EngineKind::Sled {
            assert!(dir.join("clean").exists());
        }
    }
}
