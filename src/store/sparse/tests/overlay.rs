//! What is written over a file: cell by cell, in layers, logged, merged.

use super::*;
use crate::array::{Axis, Selection};
use crate::store::sparse::overlay::MOST_LAYERS;
use crate::sys::RecordingMedium;

fn write_cell(store: &mut SparseStore<f32>, (row, col): (usize, usize), value: f32) {
    let at = Selection::block(row..row + 1, col..col + 1);
    store.write(&at, Array2::from_elem((1, 1), value).view()).unwrap();
}

/// The cells of a matrix in an order that jumps about.
fn cells(shape: Shape, count: usize) -> impl Iterator<Item = (usize, (usize, usize))> {
    (0..count).map(move |k| {
        let cell = k.wrapping_mul(7919) % (shape.rows * shape.cols);
        (k, (cell / shape.cols, cell % shape.cols))
    })
}

#[test]
fn thousands_of_single_cells_are_read_before_and_after_sync() {
    let shape = Shape::new(60, 90);
    for compression in BOTH {
        for budget in [8 << 10, 24 << 10, 1 << 20] {
            let context = context(budget);
            let mut store = create(compression, shape, &context);
            let mut expected = sample(shape, 3, 1);
            store.write(&Selection::all(), expected.view()).unwrap();
            store.sync().unwrap();
            for (k, cell) in cells(shape, 7000) {
                let value = if k % 3 == 0 { 0.0 } else { k as f32 };
                write_cell(&mut store, cell, value);
                expected[cell] = value;
                if k % 1777 == 0 {
                    assert_reads(&store, &expected, &context);
                }
            }
            assert_reads(&store, &expected, &context);
            store.sync().unwrap();
            assert_reads(&store, &expected, &context);
            assert_eq!(store.stats().stored, expected.iter().filter(|v| **v != 0.0).count() as u64);
        }
    }
}

#[test]
fn layers_that_exceed_their_share_are_logged_and_read_from_there() {
    let shape = Shape::new(300, 40);
    for compression in BOTH {
        let context = context(64 << 10);
        let medium = RecordingMedium::new(Arc::new(MemoryMedium::new()));
        let shared: Arc<dyn Medium> = Arc::new(medium.clone());
        let mut store = SparseStore::<f32>::create(
            shared,
            path(),
            shape,
            compression,
            Existing::Refuse,
            &context,
        )
        .unwrap();
        let mut expected = Array2::zeros((300, 40));
        for (seed, rows) in [(1, 0..300), (2, 50..200), (3, 120..130), (4, 250..300)] {
            let values = sample(Shape::new(rows.len(), 40), 2, seed);
            store.write(&Selection::rows(rows.clone()), values.view()).unwrap();
            expected.slice_mut(ndarray::s![rows, ..]).assign(&values);
        }
        let is_scratch = |recorded: &crate::sys::Recorded| recorded.is_scratch;
        assert!(medium.take().iter().any(is_scratch), "nothing was logged");
        assert_reads(&store, &expected, &context);
        let picked =
            Selection { rows: Axis::Indices(vec![299, 7, 7, 125]), cols: Axis::from(3..9) };
        let (found, cols) = (store.select(&picked).unwrap(), ndarray::s![3..9]);
        for (k, row) in [299, 7, 7, 125].into_iter().enumerate() {
            assert_eq!(found.row(k), expected.row(row).slice(cols));
        }
        assert!(medium.take().iter().any(is_scratch), "nothing was read from the log");
        store.sync().unwrap();
        assert_reads(&store, &expected, &context);
    }
}

#[test]
fn many_layers_are_merged_on_the_way() {
    let shape = Shape::new(40, 300);
    let context = context(8 << 20);
    let mut store = create(Compression::Csr, shape, &context);
    let mut expected = Array2::zeros((40, 300));
    let mut deepest = 0;
    for k in 0..MOST_LAYERS + 40 {
        let values = sample(Shape::new(1, 300), 5, k);
        store.write(&Selection::row(k % 40), values.view()).unwrap();
        expected.row_mut(k % 40).assign(&values.row(0));
        deepest = deepest.max(store.engine.overlay.depth());
    }
    assert_eq!(deepest, MOST_LAYERS);
    assert!(store.engine.overlay.depth() < 50 && store.engine.base.entries() > 0);
    assert_reads(&store, &expected, &context);
}

/// Lists of indices cannot be logged: where they fill the budget, the layers are merged.
#[test]
fn scattered_lines_in_a_small_budget() {
    let shape = Shape::new(4000, 3);
    for compression in BOTH {
        let context = context(64 << 10);
        let mut store = create(compression, shape, &context);
        let mut expected = Array2::zeros((4000, 3));
        for k in 0..60 {
            let rows: Vec<usize> = (0..700).map(|n| (n * 37 + k * 11) % 4000).collect();
            let values = sample(Shape::new(700, 1), 2, k);
            let column = k % 3;
            let at = Selection { rows: Axis::Indices(rows.clone()), cols: Axis::one(column) };
            store.write(&at, values.view()).unwrap();
            for (n, row) in rows.into_iter().enumerate() {
                expected[(row, column)] = values[(n, 0)];
            }
        }
        assert_reads(&store, &expected, &context);
        store.sync().unwrap();
        assert_reads(&store, &expected, &context);
    }
}

#[test]
fn a_whole_matrix_is_written_in_the_smallest_budgets() {
    let shape = Shape::new(120, 70);
    for compression in BOTH {
        for budget in [4 << 10, 8 << 10, 64 << 10] {
            let context = context(budget);
            let mut store = create(compression, shape, &context);
            for every in [1, 4] {
                let values = sample(shape, every, every);
                store.write(&Selection::all(), values.view()).unwrap();
                assert_reads(&store, &values, &context);
            }
            store.sync().unwrap();
            assert_reads(&store, &sample(shape, 4, 4), &context);
        }
    }
}

#[test]
fn zeros_cover_what_is_below_and_are_not_stored() {
    let shape = Shape::new(30, 40);
    for compression in BOTH {
        let context = context(1 << 20);
        let mut store = create(compression, shape, &context);
        store.write(&Selection::all(), Array2::ones((30, 40)).view()).unwrap();
        store.sync().unwrap();
        assert_eq!(store.stats().stored, 1200);
        store.write(&Selection::all(), Array2::zeros((30, 40)).view()).unwrap();
        write_cell(&mut store, (29, 39), -0.0);
        let found = store.to_array().unwrap();
        assert_eq!(found.iter().filter(|value| value.to_bits() != 0).count(), 1);
        store.sync().unwrap();
        assert_eq!(store.stats().stored, 1);
        assert!(store.row(29).unwrap()[39].is_sign_negative());
    }
}
