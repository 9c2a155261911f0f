//! A product with a vector: A·x, where x is 1, 2, 3, 4, 1, … (docs/generated-v1.md), so that columns that changed places
//! are noticed.

use ndarray::Axis;
use rayon::prelude::*;

use super::answers::Exactness;
use super::sums::zeros;
use super::{Generated, Value};
use crate::array::{Compression, dispatch};
use crate::error::Result;
use crate::store::{ArrayStore, Context, Tile, TileOrder, Values, multiply_as_f64};

/// The largest factor.
pub(super) const LARGEST_FACTOR: u8 = 4;

/// Elements that a thread makes and multiplies at a time.
const PIECE_ELEMENTS: usize = 1 << 16;

/// What column `col` is multiplied by.
fn factor(col: usize) -> f64 {
    (1 + col % usize::from(LARGEST_FACTOR)) as f64
}

/// The workload `spmv`: A·x in f64, a number for each row.
///
/// # Errors
/// As [`crate::store::ArrayStoreExt::multiply`].
pub fn product<T: Value>(store: &dyn ArrayStore<Elem = T>, context: &Context) -> Result<Vec<f64>> {
    let factors: Vec<f64> = (0..store.spec().shape.cols).map(factor).collect();
    multiply_as_f64(store, &factors, T::addend, context)
}

/// The right product, and how closely one must agree with it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Product {
    pub values: Vec<f64>,
    /// The same of the elements' magnitudes, where sums are not exact.
    pub magnitudes: Vec<f64>,
    pub exactness: Exactness,
}

impl Product {
    /// Over generated data.
    pub(super) fn of_generated(data: &Generated, context: &Context) -> Result<Self> {
        dispatch!(data.dtype, T => {
            let exactness = exactness(data.shape.cols, T::GENERATED_UNITS);
            let of = |addend: fn(T) -> f64| generated(data, addend, context);
            let magnitudes =
                if exactness == Exactness::Exact { Vec::new() } else { of(T::magnitude)? };
            Ok(Self { values: of(T::addend)?, magnitudes, exactness })
        })
    }

    /// Over the matrix in `store`: element by element, by other loops than those that are measured.
    pub(super) fn of_store<T: Value>(
        store: &dyn ArrayStore<Elem = T>,
        context: &Context,
    ) -> Result<Self> {
        let rows = store.spec().shape.rows;
        let exactness = exactness(store.spec().shape.cols, T::UNITS);
        let (mut values, mut magnitudes) = (zeros(rows)?, Vec::new());
        if exactness != Exactness::Exact {
            magnitudes = zeros(rows)?;
        }
        let mut add = |row: usize, col: usize, value: T| {
            values[row] += factor(col) * value.addend();
            if let Some(magnitude) = magnitudes.get_mut(row) {
                *magnitude += factor(col) * value.magnitude();
            }
        };
        let visit = &mut |tile: Tile<'_, T>| {
            let (top, left) = (tile.rows.start, tile.cols.start);
            match &tile.values {
                Values::Dense(block) => {
                    for (row, line) in block.axis_iter(Axis(0)).enumerate() {
                        for (col, &value) in line.iter().enumerate() {
                            add(top + row, left + col, value);
                        }
                    }
                }
                Values::Sparse(block) => {
                    for line in 0..block.lines() {
                        for (position, &value) in block.line(line) {
                            let (row, col) = match block.compression {
                                Compression::Csr => (line, position),
                                Compression::Csc => (position, line),
                            };
                            add(top + row, left + col, value);
                        }
                    }
                }
            }
            Ok(())
        };
        store.visit(TileOrder::Any, visit, context)?;
        Ok(Self { values, magnitudes, exactness })
    }
}

/// A product of generated data, a number for each row: pieces of rows on all cores, column by column.
fn generated<T: Value>(
    data: &Generated,
    addend: fn(T) -> f64,
    context: &Context,
) -> Result<Vec<f64>> {
    let mut product = zeros(data.shape.rows)?;
    let parts: Vec<_> = product.chunks_mut(PIECE_ELEMENTS).enumerate().collect();
    let make = |(part, sums): (usize, &mut [f64])| -> Result<()> {
        let first = part * PIECE_ELEMENTS;
        let rows = first..first + sums.len();
        let mut column = vec![T::default(); sums.len()];
        for col in 0..data.shape.cols {
            data.fill_column(col, rows.clone(), &mut column);
            let factor = factor(col);
            sums.iter_mut().zip(&column).for_each(|(sum, &value)| *sum += factor * addend(value));
            context.advance(size_of_val(&*column) as u64)?;
        }
        Ok(())
    };
    context.install(|| parts.into_par_iter().try_for_each(make))?;
    Ok(product)
}

/// For sums of `cols` values times their factors, each value a whole number of units, at most `units`.
fn exactness(cols: usize, units: f64) -> Exactness {
    Exactness::of(cols, units * f64::from(LARGEST_FACTOR))
}
