//! Sparse matrices compared by their entries, against cells looked at one by one.

use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use proptest::prelude::*;

use super::{Difference, compare};
use crate::array::{Compression, Selection, Shape};
use crate::error::ErrorKind;
use crate::store::{ArrayStore, Budget, Cancel, Context, MemoryStore, SparseStore};
use crate::sys::{Existing, MemoryMedium};

fn sparse(cells: &Array2<f32>, compression: Compression, context: &Context) -> SparseStore<f32> {
    let shape = Shape::new(cells.nrows(), cells.ncols());
    let medium = Arc::new(MemoryMedium::new());
    let path = Path::new("a.npz");
    let mut store =
        SparseStore::create(medium, path, shape, compression, Existing::Refuse, context).unwrap();
    store.write(&Selection::all(), cells.view()).unwrap();
    store.sync().unwrap();
    store
}

/// What a look at each cell finds.
fn expected(one: &Array2<f32>, other: &Array2<f32>) -> Option<Difference<f32>> {
    let differing: Vec<_> = one
        .indexed_iter()
        .zip(other)
        .filter(|((_, a), b)| a.to_bits() != b.to_bits())
        .map(|((cell, &a), &b)| (cell, (a, b)))
        .collect();
    let &(first, values) = differing.first()?;
    Some(Difference { cells: differing.len() as u64, first, values })
}

/// By bits, since NaNs are not equal to themselves.
fn bits(found: Option<Difference<f32>>) -> Option<Difference<u32>> {
    let bits = |(one, other): (f32, f32)| (one.to_bits(), other.to_bits());
    found.map(|it| Difference { cells: it.cells, first: it.first, values: bits(it.values) })
}

fn cells(rows: usize, cols: usize) -> impl Strategy<Value = Vec<f32>> {
    let value = prop_oneof![
        12 => Just(0.0f32), 2 => Just(1.0), 2 => Just(2.0), 1 => Just(-0.0), 1 => Just(f32::NAN),
    ];
    prop::collection::vec(value, rows * cols)
}

fn pair() -> impl Strategy<Value = (Array2<f32>, Array2<f32>)> {
    (0usize..12, 0usize..12)
        .prop_flat_map(|(rows, cols)| {
            let changes = prop::collection::vec((0..(rows * cols).max(1), 0..4u8), 0..4);
            (Just((rows, cols)), cells(rows, cols), changes)
        })
        .prop_map(|(dim, cells, changes)| {
            let mut other = cells.clone();
            for (at, value) in changes {
                if let Some(cell) = other.get_mut(at) {
                    *cell = [0.0, -0.0, 1.0, f32::NAN][usize::from(value)];
                }
            }
            let array = |cells| Array2::from_shape_vec(dim, cells).unwrap();
            (array(cells), array(other))
        })
}

proptest! {
    #[test]
    fn differences_are_those_of_the_cells(
        (a, b) in pair(), compressions: [bool; 2], budget in prop::sample::select(vec![8u64, 1024]),
    ) {
        let context = Context::new(Budget::new(budget << 10)).with_threads(2);
        let kinds = [Compression::Csr, Compression::Csc];
        let [one, other] = compressions.map(|is_csc| kinds[usize::from(is_csc)]);
        let (one, other) = (sparse(&a, one, &context), sparse(&b, other, &context));
        let dense = MemoryStore::new(b.clone());
        let wanted = bits(expected(&a, &b));
        prop_assert_eq!(bits(compare(&one, &other, &context).unwrap()), wanted);
        prop_assert_eq!(bits(compare(&one, &dense, &context).unwrap()), wanted);
        prop_assert_eq!(bits(compare(&one, &one, &context).unwrap()), None);
    }
}

/// Entries that do not fit in a run, in matrices whose cells could not be looked at one by one.
#[test]
fn large_matrices_are_compared_by_their_entries() {
    let shape = Shape::new(300_000, 200_000);
    let context = Context::new(Budget::new(4 << 20)).with_threads(2);
    let kinds = [Compression::Csr, Compression::Csc];
    let store = |compression, last: f32| {
        let medium = Arc::new(MemoryMedium::new());
        let (path, refuse) = (Path::new("a.npz"), Existing::Refuse);
        let mut store =
            SparseStore::create(medium, path, shape, compression, refuse, &context).unwrap();
        let rows: Vec<usize> = (0..300).map(|k| k * 900 + 1).collect();
        let cols: Vec<usize> = (0..300).map(|k| k * 600 + 3).collect();
        let mut values = Array2::ones((300, 300));
        values[(299, 299)] = last;
        store.write(&Selection::block(rows, cols), values.view()).unwrap();
        store.sync().unwrap();
        store
    };
    for one in kinds {
        let ones = store(one, 1.0);
        for other in kinds {
            assert_eq!(compare(&ones, &store(other, 1.0), &context).unwrap(), None);
            let cell = (299 * 900 + 1, 299 * 600 + 3);
            let found = Difference { cells: 1, first: cell, values: (1.0, 0.0) };
            assert_eq!(compare(&ones, &store(other, 0.0), &context).unwrap(), Some(found));
        }
    }
}

/// Whoever stops it, the other visit ends too.
#[test]
fn a_comparison_that_is_stopped_ends() {
    let cancel = Cancel::default();
    let context = Context::new(Budget::new(64 << 10)).with_threads(2);
    let cells = Array2::from_elem((300, 300), 1.0f32);
    let one = sparse(&cells, Compression::Csr, &context);
    let other = sparse(&cells, Compression::Csc, &context);
    cancel.cancel();
    let stopped = context.clone().with_cancel(cancel);
    assert_eq!(compare(&one, &other, &stopped).unwrap_err().kind(), ErrorKind::Cancelled);
    let tiny = Context::new(Budget::new(16)).with_threads(2);
    assert_eq!(compare(&one, &other, &tiny).unwrap_err().kind(), ErrorKind::Budget);
}
