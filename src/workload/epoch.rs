//! An epoch: every row once, in batches of random rows, as models are trained.
//!
//! The answer is a sum for each column in which a row counts once more for each step of its batch in a cycle, so that
//! rows that come in another batch are noticed (docs/generated-v1.md).

use ndarray::Axis;
use rayon::prelude::*;

use super::sums::{add_tile, zeros};
use super::{Generated, Value};
use crate::array::dispatch;
use crate::error::Result;
use crate::store::{ArrayStore, Context, Tile, TileOrder, Values};

/// Rows of a batch.
pub const BATCH_ROWS: usize = 256;

/// Batches after which weights begin anew.
pub(super) const WEIGHTS: u8 = 4;

/// Rows of a generated column that are made at a time.
const PIECE_ROWS: usize = 1 << 14;

/// How often the rows of the batch count that begins at `place` of the order.
fn weight(place: usize) -> u8 {
    1 + (place / BATCH_ROWS % usize::from(WEIGHTS)) as u8
}

/// The workload `shuffle-epoch`: the rows of `store` in `order`, and each column's weighted sum in f64.
///
/// # Errors
/// As [`ArrayStore::visit_rows`].
pub fn epoch_sums<T: Value>(
    store: &dyn ArrayStore<Elem = T>,
    order: &[usize],
    context: &Context,
) -> Result<Vec<f64>> {
    let cols = store.spec().shape.cols;
    let (mut sums, mut of_batch) = (zeros(cols)?, zeros(cols)?);
    let add = &mut |place: usize, batch: ndarray::ArrayView2<'_, T>| {
        of_batch.fill(0.0);
        let values = Values::Dense(batch);
        let tile = Tile { rows: 0..batch.nrows(), cols: 0..cols, values };
        add_tile(&tile, &mut of_batch, T::addend, context);
        let weight = f64::from(weight(place));
        sums.iter_mut().zip(&of_batch).for_each(|(sum, of_batch)| *sum += weight * of_batch);
        Ok(())
    };
    store.visit_rows(order, BATCH_ROWS, add, context)?;
    Ok(sums)
}

/// How often each row counts where all are read in this order.
fn weights(order: &[usize]) -> Vec<u8> {
    let mut weights = vec![0; order.len()];
    for (place, &row) in order.iter().enumerate() {
        weights[row] = weight(place);
    }
    weights
}

/// The right sums over generated data.
pub(super) fn sums_of_generated(
    data: &Generated,
    order: &[usize],
    context: &Context,
) -> Result<Vec<f64>> {
    let weights = weights(order);
    let sum = |col: usize| {
        dispatch!(data.dtype, T => {
            let mut piece = vec![T::default(); PIECE_ROWS.min(data.shape.rows)];
            let mut sum = 0.0;
            for first in (0..data.shape.rows).step_by(PIECE_ROWS) {
                let rows = first..data.shape.rows.min(first + PIECE_ROWS);
                let piece = &mut piece[..rows.len()];
                data.fill_column(col, rows.clone(), piece);
                sum += weighted(piece.iter().copied(), &weights[rows]);
            }
            context.advance((data.shape.rows * size_of::<T>()) as u64)?;
            Ok(sum)
        })
    };
    context.install(|| (0..data.shape.cols).into_par_iter().map(sum).collect())
}

/// The right sums over the matrix in `store`.
pub(super) fn sums_of_store<T: Value>(
    store: &dyn ArrayStore<Elem = T>,
    order: &[usize],
    context: &Context,
) -> Result<Vec<f64>> {
    let weights = weights(order);
    let mut sums = zeros(store.spec().shape.cols)?;
    let add = &mut |tile: Tile<'_, T>| {
        let (first, sums) = (tile.rows.start, &mut sums[tile.cols.clone()]);
        match &tile.values {
            Values::Dense(block) => {
                for (sum, column) in sums.iter_mut().zip(block.axis_iter(Axis(1))) {
                    *sum += weighted(column.iter().copied(), &weights[tile.rows.clone()]);
                }
            }
            Values::Sparse(block) => {
                for line in 0..block.lines() {
                    for (position, value) in block.line(line) {
                        let (row, col) = match block.compression {
                            crate::array::Compression::Csr => (line, position),
                            crate::array::Compression::Csc => (position, line),
                        };
                        sums[col] += f64::from(weights[first + row]) * T::addend(*value);
                    }
                }
            }
        }
        Ok(())
    };
    store.visit(TileOrder::Any, add, context)?;
    Ok(sums)
}

fn weighted<T: Value>(values: impl Iterator<Item = T>, weights: &[u8]) -> f64 {
    values.zip(weights).map(|(value, &weight)| f64::from(weight) * T::addend(value)).sum()
}
