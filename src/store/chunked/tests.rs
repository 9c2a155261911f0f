//! Chunked datasets against the same matrix in memory.

use std::path::PathBuf;

use hdf5_pure::FileBuilder;
use ndarray::Array2;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::array::Axis;
use crate::store::{AnyStore, ArrayStoreExt, Budget, MemoryStore, OpenOptions, open};

/// A file of the matrix in chunks of `chunks`, of as many axes, compressed or not.
fn written(
    folder: &Path,
    shape: &[u64],
    chunks: &[u64],
    is_compressed: bool,
) -> (PathBuf, MemoryStore<f64>) {
    let rows = shape.first().copied().unwrap_or(1) as usize;
    let cols = shape.iter().skip(1).product::<u64>() as usize;
    let values: Vec<f64> = (0..rows * cols).map(|at| (at * 7919 % 10_007) as f64).collect();
    let mut builder = FileBuilder::new();
    let dataset = builder.create_dataset("x").with_f64_data(&values).with_shape(shape);
    dataset.with_chunks(chunks);
    if is_compressed {
        dataset.with_shuffle().with_deflate(1);
    }
    let path = folder.join("x.h5");
    builder.write(&path).unwrap();
    (path, MemoryStore::new(Array2::from_shape_vec((rows, cols), values).unwrap()))
}

fn contexts() -> [Context; 3] {
    [1 << 30, 2 << 20, 1 << 20].map(|bytes| Context::new(Budget::new(bytes)))
}

/// What a visit shows, put together again; checked to be of whole lines, in order.
fn visited(store: &dyn ArrayStore<Elem = f64>, order: TileOrder, context: &Context) -> Array2<f64> {
    let Shape { rows, cols } = store.spec().shape;
    let mut seen = Array2::from_elem((rows, cols), f64::NAN);
    let mut next = 0;
    store
        .visit(
            order,
            &mut |tile| {
                let (lines, is_whole) = match order {
                    TileOrder::Rows => (tile.rows.clone(), tile.cols == (0..cols)),
                    TileOrder::Columns => (tile.cols.clone(), tile.rows == (0..rows)),
                    TileOrder::Any => (0..0, false),
                };
                if is_whole {
                    assert_eq!(lines.start, next, "{order:?}");
                    next = lines.end;
                }
                let mut part = seen.slice_mut(ndarray::s![tile.rows.clone(), tile.cols.clone()]);
                assert!(part.iter().all(|value| value.is_nan()), "shown twice");
                tile.copy_to(part.view_mut());
                Ok(())
            },
            context,
        )
        .unwrap();
    seen
}

#[test]
fn every_read_and_visit_gives_what_is_there() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    let cases: [(&[u64], &[u64]); 8] = [
        (&[3000, 40], &[32, 16]),
        (&[3000, 40], &[3000, 1]),
        (&[3000, 40], &[1, 40]),
        (&[3000, 40], &[700, 40]),
        (&[3000, 40], &[70, 3]),
        (&[200, 60, 7], &[60, 40, 3]),
        (&[10_000], &[64]),
        (&[5, 30_000], &[2, 1000]),
    ];
    for (shape, chunks) in cases {
        for is_compressed in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let (path, memory) = written(folder.path(), shape, chunks, is_compressed);
            for context in contexts() {
                let options = OpenOptions { context: context.clone(), ..OpenOptions::default() };
                let store = open::<f64>(&path, &options).unwrap();
                assert!(store.stats().chunks.is_some(), "{shape:?} in {chunks:?}");
                let Shape { rows, cols } = store.spec().shape;
                for order in [TileOrder::Rows, TileOrder::Columns, TileOrder::Any] {
                    assert_eq!(
                        visited(&*store, order, &context),
                        memory.array(),
                        "{shape:?} in {chunks:?}"
                    );
                    store.plan(&Access::Visit(order), &context).unwrap();
                }
                for _ in 0..30 {
                    let mut axis = |len: usize| match random.random_range(0..3) {
                        0 => Axis::All,
                        1 => {
                            let start = random.random_range(0..len);
                            let stop = random.random_range(start..=len);
                            Axis::Range { start, stop, step: random.random_range(1..4) }
                        }
                        _ => Axis::Indices(
                            (0..random.random_range(0..20))
                                .map(|_| random.random_range(0..len))
                                .collect(),
                        ),
                    };
                    let selection = Selection { rows: axis(rows), cols: axis(cols) };
                    for order in [Order::C, Order::Fortran] {
                        let found = store.select_in(order, &selection).unwrap();
                        assert_eq!(found, memory.select(&selection).unwrap(), "{selection:?}");
                    }
                    let plan = store.plan(&Access::Read(selection), &context).unwrap();
                    assert!(plan.memory_bytes <= 2 << 20, "{plan}");
                }
                // A group of rows and a chunk beside it.
                let roomy =
                    Context::new(Budget::new(context.budget().requested_bytes().max(4 << 20)));
                let order: Vec<_> = (0..rows).map(|row| row * 7 % rows).collect();
                let mut next = 0;
                store
                    .visit_rows(
                        &order,
                        16,
                        &mut |place, batch| {
                            assert_eq!(place, next);
                            for (row, values) in batch.rows().into_iter().enumerate() {
                                assert_eq!(values, memory.array().row(order[place + row]));
                            }
                            next += batch.nrows();
                            Ok(())
                        },
                        &roomy,
                    )
                    .unwrap();
                assert_eq!(next, rows);
            }
        }
    }
}

#[test]
fn chunks_are_read_and_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = written(folder.path(), &[30, 4], &[8, 4], true);
    for mode in [Mode::ReadWrite, Mode::CopyOnWrite] {
        let options = OpenOptions { mode, ..OpenOptions::default() };
        assert_eq!(AnyStore::open(&path, &options).unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let mut store = open::<f64>(&path, &OpenOptions::default()).unwrap();
    let one = Array2::zeros((1, 1));
    let error = store.write(&Selection::cell(0, 0), one.view()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert!(store.plan(&Access::FillColumns, &Context::default()).is_err());
    assert_eq!(store.column_writer(&Context::default()).err().unwrap().kind(), ErrorKind::ReadOnly);
}

#[test]
fn too_little_memory_says_how_much_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = written(folder.path(), &[300, 40], &[300, 40], true);
    let context = Context::new(Budget::new(10_000));
    let options = OpenOptions { context: context.clone(), ..OpenOptions::default() };
    let store = open::<f64>(&path, &options).unwrap();
    let error = store.select(&Selection::cell(0, 0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert!(error.to_string().contains("at least"), "{error}");
}
