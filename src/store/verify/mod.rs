//! Whether two stores hold the same matrix, bit for bit.

mod entries;
#[cfg(test)]
mod tests;

use ndarray::{Array2, Axis, s};

use super::{ArrayStore, Context, Layout, TileOrder};
use crate::array::{Element, Selection};
use crate::error::Result;

/// Bytes of a block that is compared at a time.
const PART_BYTES: usize = 4 << 20;

/// Where two matrices differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference<T> {
    /// How many cells differ.
    pub cells: u64,
    /// Row and column of the first of them, row by row.
    pub first: (usize, usize),
    /// That cell's values in the one and in the other.
    pub values: (T, T),
}

/// Compares all cells of two stores by their bits: NaNs of the same bits are equal, 0.0 and −0.0 are not.
///
/// # Errors
/// [`crate::ErrorKind::ShapeMismatch`] where the shapes differ; else as reading.
pub fn compare<T: Element>(
    one: &dyn ArrayStore<Elem = T>,
    other: &dyn ArrayStore<Elem = T>,
    context: &Context,
) -> Result<Option<Difference<T>>> {
    let (shape, needs) = (one.spec().shape, other.spec().shape);
    super::check_shape((needs.rows, needs.cols), (shape.rows, shape.cols))?;
    let is_sparse =
        |store: &dyn ArrayStore<Elem = T>| matches!(store.spec().layout, Layout::Sparse(_));
    let bytes = |store: &dyn ArrayStore<Elem = T>| store.stats().bytes_on_disk;
    if is_sparse(one) && is_sparse(other) {
        context.begin("verify", bytes(one) + bytes(other));
        return entries::compare(one, other, context);
    }
    context.begin("verify", bytes(one));
    compare_blocks(one, other, context)
}

/// Compares all cells of two stores of one shape, block by block.
fn compare_blocks<T: Element>(
    one: &dyn ArrayStore<Elem = T>,
    other: &dyn ArrayStore<Elem = T>,
    context: &Context,
) -> Result<Option<Difference<T>>> {
    // The other is read block by block; the one that keeps columns together decides the direction.
    let by_columns = one.spec().layout.is_columnar() && other.spec().layout.is_columnar();
    let (order, axis) =
        if by_columns { (TileOrder::Columns, Axis(1)) } else { (TileOrder::Rows, Axis(0)) };
    let visiting = context.share(1, 2);
    let mut found: Option<Difference<T>> = None;
    let step_bytes =
        PART_BYTES.min(usize::try_from(context.available_bytes() / 4).unwrap_or(usize::MAX));
    one.visit(
        order,
        &mut |tile| {
            tile.for_each_dense(axis, step_bytes, &mut |rows, cols, block| {
                // Parts of at most so many cells, also where a line is longer.
                let most = (step_bytes / size_of::<T>()).max(1);
                let wide = block.ncols().clamp(1, most);
                let high = (most / wide).max(1);
                for top in (0..block.nrows()).step_by(high) {
                    for left in (0..block.ncols()).step_by(wide) {
                        let part = block.slice(s![
                            top..block.nrows().min(top + high),
                            left..block.ncols().min(left + wide)
                        ]);
                        let at = (rows.start + top, cols.start + left);
                        let _memory = context.reserve((part.len() * size_of::<T>()) as u64)?;
                        let mut there = Array2::from_elem(part.raw_dim(), T::default());
                        let selection =
                            Selection::block(at.0..at.0 + part.nrows(), at.1..at.1 + part.ncols());
                        other.read(&selection, there.view_mut())?;
                        for ((cell, here), there) in part.indexed_iter().zip(&there) {
                            if bytemuck::bytes_of(here) != bytemuck::bytes_of(there) {
                                note(&mut found, (at.0 + cell.0, at.1 + cell.1), (*here, *there));
                            }
                        }
                    }
                }
                Ok(())
            })
        },
        &visiting,
    )?;
    Ok(found)
}

/// Counts a differing cell, and keeps it if it comes before the first so far.
fn note<T: Element>(found: &mut Option<Difference<T>>, at: (usize, usize), values: (T, T)) {
    match found {
        Some(difference) => {
            difference.cells += 1;
            if at < difference.first {
                difference.first = at;
                difference.values = values;
            }
        }
        None => *found = Some(Difference { cells: 1, first: at, values }),
    }
}
