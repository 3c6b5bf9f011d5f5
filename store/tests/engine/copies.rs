//! Copies a store into one of another engine.

use starling_store::engine::{Batch, Copied, EngineError, EngineKind, Tree, copy_all};

use super::bed::{Bed, all_rows, noise, put};

#[test]
fn copy_between_any_engines_has_the_same_rows() {
    for from in EngineKind::ALL {
        for to in EngineKind::ALL {
            let (source, mut target) = (Bed::new(*from), Bed::new(*to));
            let mut batch = Batch::new();
            for index in 0..5_000_u64 {
                batch.put(Tree::Claims, &index.to_be_bytes(), &noise(index, 50));
            }
            batch.put(Tree::Bodies, b"large", &noise(1, 500_000));
            batch.put(Tree::Held, b"", b"");
            source.engine().commit(&batch).unwrap();
            let mut steps = Vec::new();
            let copied =
                copy_all(&*source.engine(), &*target.engine(), &mut |step| steps.push(step)).unwrap();
            assert_eq!(
                copied,
                Copied {
                    rows: 5_002,
                    bytes: 5_000 * 58 + 500_005
                }
            );
            assert!(steps.len() > 1, "progress is told on the way");
            assert_eq!(steps.last(), Some(&copied));
            let target = target.reopen();
            for tree in Tree::ALL {
                assert!(
                    all_rows(&*source.engine(), *tree) == all_rows(&*target, *tree),
                    "{from} to {to}: {tree}"
                );
            }
        }
    }
}

#[test]
fn copy_into_a_store_with_rows_is_refused() {
    let (source, target) = (Bed::new(EngineKind::Memory), Bed::new(EngineKind::Memory));
    put(&*target.engine(), Tree::Sites, b"k", b"v");
    let refused = copy_all(&*source.engine(), &*target.engine(), &mut |_| {});
    assert!(
        matches!(
            refused,
            Err(EngineError::NotEmpty {
                tree: Tree::Sites,
                ..
            })
        ),
        "{refused:?}"
    );
}
