//! Writing in bulk: in every order, over what is there, from store to store, and given up on the way.

use ndarray::s;

use super::*;
use crate::array::{Order, Selection};
use crate::store::{AnyStore, Compressed, CreateOptions, Indices, Layout, Tile, Values, copy};
use crate::sys::{FaultPlan, FaultyMedium, Operation, Recorded, RecordingMedium};

/// Orders in which columns may come.
fn orders(cols: usize) -> [Vec<usize>; 3] {
    let jumping = (0..cols).map(|k| k * 7 % cols).collect();
    [(0..cols).collect(), (0..cols).rev().collect(), jumping]
}

/// A new store, and what is told of its medium.
pub(super) fn create_recorded(
    compression: Compression,
    shape: Shape,
    context: &Context,
) -> (RecordingMedium, SparseStore<f32>) {
    let medium = RecordingMedium::new(Arc::new(MemoryMedium::new()));
    let shared = Arc::new(medium.clone());
    let store =
        SparseStore::create(shared, path(), shape, compression, Existing::Refuse, context).unwrap();
    (medium, store)
}

/// Bytes written since the last call.
pub(super) fn written_bytes(medium: &RecordingMedium) -> u64 {
    let written = |recorded: &Recorded| match &recorded.operation {
        Operation::Write(range) => range.end - range.start,
        _ => 0,
    };
    medium.take().iter().map(written).sum()
}

#[test]
fn columns_in_any_order_over_a_base_and_an_overlay() {
    let shape = Shape::new(150, 46);
    for compression in BOTH {
        for budget in [8 << 10, 32 << 10, 4 << 20] {
            for order in orders(shape.cols) {
                let context = context(budget);
                let mut store = create(compression, shape, &context);
                let mut expected = sample(shape, 2, 1);
                store.write(&Selection::all(), expected.view()).unwrap();
                store.sync().unwrap();
                let over = sample(Shape::new(20, 46), 2, 9);
                store.write(&Selection::rows(30..50), over.view()).unwrap();
                expected.slice_mut(s![30..50, ..]).assign(&over);
                let values = sample(shape, 3, 5);
                let mut writer = store.column_writer(&context).unwrap();
                // All but some: those stay as they are.
                for column in order.into_iter().filter(|column| column % 5 != 2) {
                    writer.write(column, values.slice(s![.., column..=column])).unwrap();
                    expected.column_mut(column).assign(&values.column(column));
                }
                writer.finish().unwrap();
                assert_reads(&store, &expected, &context);
                store.sync().unwrap();
                assert_reads(&store, &expected, &context);
            }
        }
    }
}

#[test]
fn what_comes_last_counts() {
    let shape = Shape::new(80, 30);
    for compression in BOTH {
        for budget in [8 << 10, 1 << 20] {
            let context = context(budget);
            let mut store = create(compression, shape, &context);
            let mut expected = Array2::zeros((80, 30));
            let mut writer = store.column_writer(&context).unwrap();
            for (seed, first, count) in
                [(1, 0, 30), (2, 10, 5), (3, 9, 1), (4, 29, 1), (5, 0, 12), (6, 0, 1)]
            {
                let values = sample(Shape::new(80, count), 2, seed);
                writer.write(first, values.view()).unwrap();
                expected.slice_mut(s![.., first..first + count]).assign(&values);
            }
            writer.finish().unwrap();
            assert_reads(&store, &expected, &context);
        }
    }
}

#[test]
fn a_dropped_writer_leaves_whole_columns_old_or_new() {
    let shape = Shape::new(70, 33);
    for compression in BOTH {
        for order in orders(shape.cols) {
            let context = context(16 << 10);
            let mut store = create(compression, shape, &context);
            let mut expected = Array2::zeros((70, 33));
            for round in 0..3 {
                let mut writer = store.column_writer(&context).unwrap();
                for &column in &order[..20] {
                    writer.write(column, Array2::ones((70, 1)).view()).unwrap();
                }
                drop(writer);
                // What was given may have arrived, where the order made the file be written on the way.
                let found = store.to_array().unwrap();
                for (column, (found, old)) in
                    found.columns().into_iter().zip(expected.columns()).enumerate()
                {
                    let is_new =
                        order[..20].contains(&column) && found.iter().all(|&value| value == 1.0);
                    assert!(
                        found == old || is_new,
                        "{compression}, round {round}, column {column}"
                    );
                }
                expected = sample(shape, 2, round);
                store.write(&Selection::all(), expected.view()).unwrap();
                if round == 1 {
                    store.sync().unwrap();
                }
                assert_eq!(
                    context.available_bytes() + held(&store),
                    16 << 10,
                    "memory is given back"
                );
            }
        }
    }
}

/// What an overlay keeps reserved.
fn held(store: &SparseStore<f32>) -> u64 {
    store.engine.overlay.reserved_bytes()
}

#[test]
fn copies_between_all_kinds_in_a_small_budget() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape::new(180, 220);
    let layouts = [
        ("c.npy", Layout::Dense(Order::C)),
        ("f.npy", Layout::Dense(Order::Fortran)),
        ("csr.npz", Layout::Sparse(Compression::Csr)),
        ("csc.npz", Layout::Sparse(Compression::Csc)),
    ];
    for budget in [16 << 10, 64 << 10, 4 << 20] {
        for every in [1, 7] {
            let context = context(budget);
            let oracle = MemoryStore::new(sample(shape, every, 3));
            let mut stores: Vec<_> = layouts
                .iter()
                .map(|&(name, layout)| {
                    let options = CreateOptions {
                        existing: Existing::Replace,
                        context: context.clone(),
                        ..CreateOptions::new(shape, crate::array::DType::F32).layout(layout)
                    };
                    let store = AnyStore::create(folder.path().join(name), &options).unwrap();
                    <f32 as crate::store::AnyElement>::from_any(store).unwrap()
                })
                .collect();
            for from in 0..4 {
                for to in 0..4 {
                    let what = format!("{} to {} in {budget}", layouts[from].0, layouts[to].0);
                    if from == to {
                        copy(&oracle, &mut *stores[to], &context)
                    } else {
                        let [one, other] = stores.get_disjoint_mut([from, to]).unwrap();
                        copy(&**one, &mut **other, &context)
                    }
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
                    assert!(stores[to].to_array().unwrap() == oracle.array(), "{what}");
                    stores[to].sync().unwrap();
                    assert!(stores[to].to_array().unwrap() == oracle.array(), "{what}, synced");
                    if from != to {
                        // What is copied next is copied over zeros.
                        let zeros = Array2::zeros((shape.rows, shape.cols));
                        stores[to].write(&Selection::all(), zeros.view()).unwrap();
                        copy(&oracle, &mut *stores[to], &context).unwrap();
                    }
                }
            }
        }
    }
}

/// Rows that exceed the window on their way from one sparse file to another.
#[test]
fn long_lines_are_copied_between_sparse_files() {
    let shape = Shape::new(6, 5000);
    for (from, to) in BOTH.into_iter().flat_map(|from| BOTH.map(|to| (from, to))) {
        for budget in [32 << 10, 256 << 10] {
            let context = context(budget);
            let mut values = sample(shape, 2, 4);
            values.row_mut(3).assign(&sample(Shape::new(1, 5000), 100, 5).row(0));
            let mut source = create(from, shape, &context);
            source.write(&Selection::all(), values.view()).unwrap();
            source.sync().unwrap();
            let mut copied = create(to, shape, &context);
            copied.write(&Selection::all(), sample(shape, 3, 1).view()).unwrap();
            copy(&source, &mut copied, &context).unwrap();
            assert_reads(&copied, &values, &context);
            copied.sync().unwrap();
            assert_reads(&copied, &values, &context);
        }
    }
}

/// The file is not written anew for every line that comes in parts.
#[test]
fn long_lines_among_short_ones_are_written_once() {
    let shape = Shape::new(40, 2500);
    let context = context(256 << 10);
    let mut values = sample(shape, 2, 4);
    for row in (0..40).step_by(2) {
        values.row_mut(row).assign(&sample(Shape::new(1, 2500), 100, row).row(0));
    }
    let mut source = create(Compression::Csr, shape, &context);
    source.write(&Selection::all(), values.view()).unwrap();
    for to in BOTH {
        let (medium, mut copied) = create_recorded(to, shape, &context);
        copy(&source, &mut copied, &context).unwrap();
        copied.sync().unwrap();
        assert_reads(&copied, &values, &context);
        let bytes = written_bytes(&medium);
        let file = copied.stats().bytes_on_disk;
        assert!(bytes < 6 * file, "{to}: {bytes} bytes for {file}");
    }
}

/// Lines whose list of places exceeds its share of the budget many times over.
#[test]
fn many_short_lines_are_turned_without_a_rewrite_for_each_list() {
    let shape = Shape::new(6000, 8);
    let values = sample(shape, 2, 1);
    let context = context(64 << 10);
    for (from, to) in [(Compression::Csr, Compression::Csc), (Compression::Csc, Compression::Csr)] {
        let values = if from == Compression::Csr { values.clone() } else { values.t().to_owned() };
        let shape = Shape::new(values.nrows(), values.ncols());
        let mut source = create(from, shape, &context);
        source.write(&Selection::all(), values.view()).unwrap();
        source.sync().unwrap();
        let (medium, mut copied) = create_recorded(to, shape, &context);
        copy(&source, &mut copied, &context).unwrap();
        copied.sync().unwrap();
        let written = written_bytes(&medium);
        assert_reads(&copied, &values, &context);
        let file = copied.stats().bytes_on_disk;
        assert!(written < 3 * file, "{from} to {to}: {written} bytes for {file}");
    }
}

/// Many times as much as the memory holds, in lines that are short along both axes: turned runs are merged, some of
/// them several times.
#[test]
fn what_exceeds_the_memory_many_times_is_merged_from_runs() {
    let (rows, cols) = (9000, 70);
    let context = context(64 << 10);
    for (from, to) in [(Compression::Csr, Compression::Csc), (Compression::Csc, Compression::Csr)] {
        let is_wide = from == Compression::Csc;
        let shape = if is_wide { Shape::new(cols, rows) } else { Shape::new(rows, cols) };
        let mut values = sample(shape, 3, 1);
        // One line of the new file that by itself exceeds the memory.
        if is_wide {
            values.row_mut(5).fill(1.0)
        } else {
            values.column_mut(5).fill(1.0)
        }
        let mut source = create(from, shape, &context);
        source.write(&Selection::all(), values.view()).unwrap();
        source.sync().unwrap();
        for over in [false, true] {
            let (medium, mut copied) = create_recorded(to, shape, &context);
            if over {
                let old = sample(shape, 40, 2);
                copied.write(&Selection::all(), old.view()).unwrap();
                copied.sync().unwrap();
            }
            medium.take();
            copy(&source, &mut copied, &context).unwrap();
            copied.sync().unwrap();
            let written = written_bytes(&medium);
            assert!(copied.to_array().unwrap() == values, "{from} to {to}, over {over}");
            let file = copied.stats().bytes_on_disk;
            assert!(written < 8 * file, "{from} to {to}: {written} bytes for {file}");
        }
    }
}

/// Short columns into rows, in every order and twice: what comes last counts, also where the first was put aside.
#[test]
fn short_columns_are_put_aside_in_any_order() {
    let shape = Shape::new(7, 3001);
    let context = context(64 << 10);
    let old = sample(shape, 5, 1);
    for (step, is_twice) in [(1, false), (1, true), (1237, false), (1237, true)] {
        let mut store = create(Compression::Csr, shape, &context);
        store.write(&Selection::all(), old.view()).unwrap();
        let mut expected = old.clone();
        let mut writer = store.column_writer(&context).unwrap();
        for (seed, count) in [(2, 2500), (3, if is_twice { 700 } else { 0 })] {
            let values = sample(shape, 2, seed);
            for k in
                (0..count).flat_map(|k: usize| [k, if is_twice { k.saturating_sub(3) } else { k }])
            {
                let column = k * step % shape.cols;
                writer.write(column, values.slice(s![.., column..=column])).unwrap();
                expected.column_mut(column).assign(&values.column(column));
            }
        }
        writer.finish().unwrap();
        assert!(store.to_array().unwrap() == expected, "step {step}, twice {is_twice}");
    }
}

/// Parts of lines in and out of order, some lines never completed: what did not come is what it was.
#[test]
fn lines_that_are_not_completed_keep_their_rest() {
    let shape = Shape::new(5, 60);
    let context = context(1 << 20);
    let values = sample(shape, 2, 7);
    for parts in [
        &[(1, 0..20), (1, 20..60), (2, 0..30), (4, 0..10), (4, 10..20)][..],
        &[(2, 0..20), (2, 30..60), (3, 0..50), (3, 0..10), (1, 5..9)],
        &[(0, 0..59), (0, 0..60), (1, 0..1), (4, 0..59), (4, 59..60)],
    ] {
        for compression in BOTH {
            for is_synced in [false, true] {
                let mut expected = sample(shape, 3, 1);
                let lay = |array: &Array2<f32>| match compression {
                    Compression::Csr => array.clone(),
                    Compression::Csc => array.t().to_owned(),
                };
                let (rows, cols) = lay(&expected).dim();
                let mut store = create(compression, Shape::new(rows, cols), &context);
                store.write(&Selection::all(), lay(&expected).view()).unwrap();
                if is_synced {
                    store.sync().unwrap();
                }
                let mut writer = store.tile_writer(&context).unwrap();
                for (line, positions) in parts {
                    let new = values.slice(s![*line, positions.clone()]);
                    expected.slice_mut(s![*line, positions.clone()]).assign(&new);
                    let entries: Vec<_> =
                        new.iter().enumerate().filter(|(_, value)| **value != 0.0).collect();
                    let indices: Vec<i32> = entries.iter().map(|&(at, _)| at as i32).collect();
                    let data: Vec<f32> = entries.iter().map(|&(_, &value)| value).collect();
                    let block = Compressed {
                        compression,
                        offsets: &[0, data.len()],
                        indices: Indices::I32(&indices),
                        data: &data,
                    };
                    let (rows, cols) = match compression {
                        Compression::Csr => (*line..line + 1, positions.clone()),
                        Compression::Csc => (positions.clone(), *line..line + 1),
                    };
                    writer.write(&Tile { rows, cols, values: Values::Sparse(block) }).unwrap();
                }
                writer.finish().unwrap();
                assert_reads(&store, &lay(&expected), &context);
                store.sync().unwrap();
                assert_reads(&store, &lay(&expected), &context);
            }
        }
    }
}

/// A writer whose medium fails once says so again when it is finished: the columns it lost are not passed over.
#[test]
fn a_writer_that_failed_does_not_go_on() {
    let shape = Shape::new(400, 6);
    let values = sample(shape, 1, 3);
    let context = context(64 << 10);
    let mut refused = 0;
    for compression in BOTH {
        for at in 0..40 {
            let medium: Arc<dyn Medium> =
                Arc::new(FaultyMedium::new(Arc::new(MemoryMedium::new()), FaultPlan::once(at)));
            let Ok(mut store) = SparseStore::<f32>::create(
                medium,
                path(),
                shape,
                compression,
                Existing::Refuse,
                &context,
            ) else {
                continue;
            };
            let mut writer = store.column_writer(&context).unwrap();
            let failed = (0..shape.cols)
                .filter(|&column| {
                    writer.write(column, values.slice(s![.., column..=column])).is_err()
                })
                .count();
            let finished = writer.finish();
            assert!(failed == 0 || finished.is_err(), "{compression}, a fault at {at}");
            refused += usize::from(failed > 0);
            // A fault that no write met may be met by reading.
            if let (Ok(()), Ok(found)) = (finished, store.to_array()) {
                assert_eq!(found, values, "{compression}, a fault at {at}");
            }
        }
    }
    assert!(refused > 5, "{refused} faults met a write");
}

/// Columns of CSR that come twice through one writer, the second time without entries but for the first: also where they
/// are so many that they are sorted.
#[test]
fn columns_that_come_again_without_entries_are_empty() {
    let (rows, cols) = (30, 400);
    for budget in [16 << 10, 4 << 20] {
        let context = context(budget);
        let mut store = create(Compression::Csr, Shape::new(rows, cols), &context);
        let mut writer = store.tile_writer(&context).unwrap();
        let mut write = |offsets: &[usize], indices: &[i32], data: &[f32]| {
            let compression = Compression::Csc;
            let indices = Indices::I32(indices);
            let block = Compressed { compression, offsets, indices, data };
            let tile = Tile { rows: 0..rows, cols: 0..cols, values: Values::Sparse(block) };
            writer.write(&tile).unwrap();
        };
        let offsets: Vec<usize> = (0..=cols).map(|column| 3 * column).collect();
        let indices: Vec<i32> = (0..cols).flat_map(|_| [1, 8, 20]).collect();
        write(&offsets, &indices, &vec![1.0; 3 * cols]);
        let mut again = vec![1; cols + 1];
        again[0] = 0;
        write(&again, &[5], &[2.0]);
        writer.finish().unwrap();
        let mut expected = Array2::zeros((rows, cols));
        expected[(5, 0)] = 2.0;
        assert_eq!(store.to_array().unwrap(), expected, "in {budget}");
    }
}

#[test]
fn a_tile_that_is_none_is_refused() {
    let shape = Shape::new(3, 4);
    let context = context(1 << 20);
    for (offsets, indices) in [
        (&[0, 2, 1, 3][..], &[0, 1, 2][..]),
        (&[1, 1, 2, 3], &[0, 1, 2]),
        (&[0, 1, 2, 4], &[0, 1, 2]),
        (&[0, 2, 2, 3], &[1, 0, 2]),
        (&[0, 2, 2, 3], &[1, 1, 2]),
        (&[0, 1, 2, 3], &[0, 4, 2]),
        (&[0, 1, 2, 3], &[0, -1, 2]),
        (&[0, 1, 2, 3], &[0, 1]),
    ] {
        for compression in BOTH {
            let mut store = create(compression, shape, &context);
            let mut writer = store.tile_writer(&context).unwrap();
            let block = Compressed {
                compression: Compression::Csr,
                offsets,
                indices: Indices::I32(indices),
                data: &[1.0f32, 2.0, 3.0],
            };
            let tile = Tile { rows: 0..3, cols: 0..4, values: Values::Sparse(block) };
            assert_eq!(
                kind(writer.write(&tile)),
                ErrorKind::InvalidArgument,
                "{offsets:?} {indices:?}"
            );
        }
    }
}
