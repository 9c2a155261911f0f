use ndarray::{Array2, Axis};
use proptest::prelude::*;

use crate::array::{Arithmetic, Compression, Order, Shape};
use crate::store::{
    Along, AnyElement, ArrayStore, ArrayStoreExt, Budget, Context, CreateOptions, Io, Layout,
    MemoryStore, copy, create,
};

const LAYOUTS: [Layout; 4] = [
    Layout::Dense(Order::C),
    Layout::Dense(Order::Fortran),
    Layout::Sparse(Compression::Csr),
    Layout::Sparse(Compression::Csc),
];

/// The same matrix in every layout, mapped or read.
fn stores<T: AnyElement>(
    values: &Array2<T>,
    io: Io,
    folder: &std::path::Path,
) -> Vec<Box<dyn ArrayStore<Elem = T>>> {
    let oracle = MemoryStore::new(values.clone());
    LAYOUTS
        .iter()
        .map(|&layout| {
            let extension = if matches!(layout, Layout::Sparse(_)) { "npz" } else { "npy" };
            let path = folder.join(format!("{layout}.{extension}"));
            let options = CreateOptions {
                io,
                existing: crate::sys::Existing::Replace,
                ..CreateOptions::new(Shape::new(values.nrows(), values.ncols()), T::DTYPE)
                    .layout(layout)
            };
            let mut store = create::<T>(&path, &options).unwrap();
            copy(&oracle, &mut *store, &Context::default()).unwrap();
            store.sync().unwrap();
            store
        })
        .collect()
}

/// Small integers, so that sums are exact in any order; most of them zero.
fn matrix(rows: usize, cols: usize, seed: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, cols), |(row, col)| {
        let mixed = (row * 7919 + col * 104_729 + seed).wrapping_mul(0x9e37_79b9) >> 7;
        if mixed.is_multiple_of(3) { (mixed % 17) as f32 - 8.0 } else { 0.0 }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn products_are_those_of_the_whole_matrix(
        rows in 0usize..40, cols in 0usize..40, width in 0usize..4, seed: u16, threads in 1usize..4,
        budget in 2u64 << 10..64 << 10,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let values = matrix(rows, cols, seed.into());
        let context = Context::new(Budget::new(budget.max(1 << 14))).with_threads(threads);
        let (right, left) = (matrix(cols, width, 1), matrix(rows, width, 2));
        for io in [Io::Mapped, Io::Positioned] {
            for store in stores(&values, io, folder.path()) {
                let layout = store.spec().layout;
                let product = store.multiply(right.view(), &context).unwrap();
                prop_assert_eq!(product, values.dot(&right), "{}", layout);
                let product = store.multiply_transposed(left.view(), &context).unwrap();
                prop_assert_eq!(product, values.t().dot(&left), "{}", layout);
            }
        }
    }
}

/// Both products of a matrix in every layout, of small integers.
fn multiply_both_ways<T: Arithmetic + AnyElement + ndarray::LinalgScalar>(
    (rows, cols): (usize, usize),
    number: impl Fn(f32) -> T,
) {
    let folder = tempfile::tempdir().unwrap();
    let values = matrix(rows, cols, 5).mapv(&number);
    let (right, left) = (matrix(cols, 1, 1).mapv(&number), matrix(rows, 1, 2).mapv(&number));
    let (expected, transposed) = (values.dot(&right), values.t().dot(&left));
    for threads in [1, 3] {
        let context = Context::default().with_threads(threads);
        for store in stores(&values, Io::Mapped, folder.path()) {
            let layout = store.spec().layout;
            let product = store.multiply(right.view(), &context).unwrap();
            assert!(product == expected, "{rows}×{cols} {layout} {threads}");
            let product = store.multiply_transposed(left.view(), &context).unwrap();
            assert!(product == transposed, "{rows}×{cols} {layout} {threads}, transposed");
        }
    }
}

/// Large enough for several threads, and for stretches of positions.
#[test]
fn large_products_are_made_by_threads_in_stretches() {
    for shape in [(6, 1_200_000), (120_000, 6), (700, 300)] {
        multiply_both_ways(shape, f64::from);
    }
    // By the loops for whatever number there is.
    multiply_both_ways((3, 1_200_000), |value| value as i32);
}

#[test]
fn rows_and_columns_are_summed_counted_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let mut values = matrix(30, 20, 3);
    values.row_mut(4).fill(-1.0);
    values.column_mut(7).mapv_inplace(|value| if value > 0.0 { -value } else { value });
    values[(3, 3)] = f32::NAN;
    let context = Context::default();
    for store in stores(&values, Io::Mapped, folder.path()) {
        for (along, axis) in [(Along::Rows, Axis(1)), (Along::Columns, Axis(0))] {
            let sums = store.sums(along, &context).unwrap();
            for (sum, lane) in sums.iter().zip(values.lanes(axis)) {
                let expected: f64 = lane.iter().map(|&value| f64::from(value)).sum();
                assert!(*sum == expected || (sum.is_nan() && expected.is_nan()));
            }
            let counts = store.count_nonzero(along, &context).unwrap();
            let expected: Vec<u64> = values
                .lanes(axis)
                .into_iter()
                .map(|lane| lane.iter().filter(|&&it| it != 0.0).count() as u64)
                .collect();
            assert_eq!(counts, expected);
            for (largest, lane) in
                store.largest(along, &context).unwrap().iter().zip(values.lanes(axis))
            {
                let largest = largest.unwrap();
                let expected = lane.iter().fold(f32::NEG_INFINITY, |one, &other| one.max(other));
                assert!(
                    largest == expected || (largest.is_nan() && lane.iter().any(|it| it.is_nan()))
                );
            }
        }
    }
    let empty = MemoryStore::<i8>::zeros(Shape::new(0, 3));
    assert_eq!(empty.largest(Along::Columns, &context).unwrap(), [None; 3]);
    assert_eq!(empty.sums(Along::Columns, &context).unwrap(), [0; 3]);
}

#[test]
fn integers_wrap_and_what_does_not_fit_is_said() {
    let context = Context::default();
    let store = MemoryStore::new(ndarray::arr2(&[[100i8, 100], [-128, 1]]));
    let product = store.multiply(ndarray::arr2(&[[2i8], [1]]).view(), &context).unwrap();
    assert_eq!(product, ndarray::arr2(&[[44i8], [1]]));
    let misfit = store.multiply(ndarray::arr2(&[[2i8]]).view(), &context).unwrap_err();
    assert_eq!(misfit.kind(), crate::ErrorKind::ShapeMismatch);
    let small = Context::new(Budget::new(8));
    let error = store.multiply(ndarray::arr2(&[[2i8], [1]]).view(), &small).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Budget);
}
