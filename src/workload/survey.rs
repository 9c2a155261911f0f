//! One pass over generated data that is never kept: its digest and the sums of its columns.

use std::ops::Range;

use ndarray::{ArrayView2, ShapeBuilder};
use rayon::prelude::*;

use super::sums::{sum_of, zeros};
use super::{Generated, Value};
use crate::array::{Digest, Digester, dispatch};
use crate::error::{Error, Result};
use crate::store::{Context, digest_block};

/// Cells made at once: they stay in the second-level cache until they are digested.
const CELLS: usize = 1 << 14;

/// Rows made at once, where there are so many.
const ROWS: usize = 1 << 10;

/// Rows that one task passes at least, and tasks that a band of columns is cut into at most.
const TASK_ROWS: usize = 1 << 16;
const TASKS: usize = 64;

/// What a pass finds.
pub(super) struct Survey {
    pub(super) digest: Digest,
    pub(super) sums: Vec<f64>,
    pub(super) magnitudes: Vec<f64>,
}

/// The same of some columns, or of some of their rows.
struct Part {
    digester: Digester,
    sums: Vec<f64>,
    magnitudes: Vec<f64>,
}

impl Generated {
    /// The matrix's digest, made without keeping the matrix.
    ///
    /// # Errors
    /// Where the context is cancelled, or its budget is below a few buffers of 16384 cells.
    pub fn digest(&self, context: &Context) -> Result<Digest> {
        if self.shape.is_empty() {
            return Ok(Digester::new(self.shape, self.dtype).finish());
        }
        Ok(self.survey(context)?.digest)
    }

    /// Each column's sum, as [`super::column_sums`] makes it.
    ///
    /// # Errors
    /// As [`Generated::digest`], and where there is no memory for the sums.
    pub fn column_sums(&self, context: &Context) -> Result<Vec<f64>> {
        Ok(self.survey(context)?.sums)
    }

    /// Digest, sums and sums of magnitudes, in one pass.
    pub(super) fn survey(&self, context: &Context) -> Result<Survey> {
        dispatch!(self.dtype, T => survey::<T>(self, context))
    }
}

fn survey<T: Value>(data: &Generated, context: &Context) -> Result<Survey> {
    let shape = data.shape;
    let (mut sums, mut magnitudes) = (zeros(shape.cols)?, zeros(shape.cols)?);
    let none = || Digester::new(shape, data.dtype);
    if shape.is_empty() {
        return Ok(Survey { digest: none().finish(), sums, magnitudes });
    }
    let buffers = context.threads() * CELLS * size_of::<T>();
    let _reservation = context.reserve(buffers as u64)?;
    let width = (CELLS / shape.rows.min(ROWS)).min(shape.cols);
    let digester = context.install(|| {
        let bands = sums.par_chunks_mut(width).zip(magnitudes.par_chunks_mut(width)).enumerate();
        let digesters = bands.map(|(band, (sums, magnitudes))| {
            let first = band * width;
            let part = band_part::<T>(data, first..first + sums.len(), context)?;
            sums.copy_from_slice(&part.sums);
            magnitudes.copy_from_slice(&part.magnitudes);
            Ok::<_, Error>(part.digester)
        });
        digesters.try_reduce(none, |mut all, other| {
            all.merge(&other);
            Ok(all)
        })
    })?;
    Ok(Survey { digest: digester.finish(), sums, magnitudes })
}

/// A band of columns: its rows on several threads where there are many.
fn band_part<T: Value>(data: &Generated, cols: Range<usize>, context: &Context) -> Result<Part> {
    let rows = data.shape.rows;
    let height = rows.div_ceil(TASKS).max(TASK_ROWS).next_multiple_of(ROWS);
    let tasks = (0..rows.div_ceil(height)).into_par_iter();
    let parts = tasks.map(|task| {
        let first = task * height;
        rows_part::<T>(data, first..rows.min(first + height), cols.clone(), context)
    });
    // Gathered in order, so that sums that are not exact are at least the same each time.
    let parts: Vec<Part> = parts.collect::<Result<_>>()?;
    let mut all = Part::new(data, cols.len());
    for part in &parts {
        all.digester.merge(&part.digester);
        add(&mut all.sums, &part.sums);
        add(&mut all.magnitudes, &part.magnitudes);
    }
    Ok(all)
}

/// Some rows of a band, block by block.
fn rows_part<T: Value>(
    data: &Generated,
    rows: Range<usize>,
    cols: Range<usize>,
    context: &Context,
) -> Result<Part> {
    let mut part = Part::new(data, cols.len());
    let mut buffer = vec![T::default(); ROWS.min(rows.len()) * cols.len()];
    for first in rows.clone().step_by(ROWS) {
        let height = ROWS.min(rows.end - first);
        let cells = &mut buffer[..height * cols.len()];
        let sums = part.sums.iter_mut().zip(&mut part.magnitudes);
        for ((col, column), (sum, magnitude)) in
            cols.clone().zip(cells.chunks_exact_mut(height)).zip(sums)
        {
            data.fill_column(col, first..first + height, column);
            *sum += sum_of(column, T::addend);
            *magnitude += sum_of(column, T::magnitude);
        }
        let block = ArrayView2::from_shape((height, cols.len()).f(), cells)
            .expect("the buffer was cut to these rows and columns");
        digest_block(&mut part.digester, first, cols.start, block);
        context.advance(size_of_val(cells) as u64)?;
    }
    Ok(part)
}

impl Part {
    fn new(data: &Generated, cols: usize) -> Self {
        Self {
            digester: Digester::new(data.shape, data.dtype),
            sums: vec![0.0; cols],
            magnitudes: vec![0.0; cols],
        }
    }
}

fn add(sums: &mut [f64], others: &[f64]) {
    for (sum, other) in sums.iter_mut().zip(others) {
        *sum += other;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::array::{DType, Selection, Shape};
    use crate::error::ErrorKind;
    use crate::store::{ArrayStoreExt, Budget, Cancel, MemoryStore, TileOrder};
    use crate::workload::column_sums;

    fn data(shape: Shape, dtype: DType, density: f64) -> Generated {
        Generated { seed: 42, shape, dtype, density }
    }

    #[test]
    fn what_is_found_is_what_a_store_of_the_same_values_finds() {
        let context = Context::default().with_threads(3);
        for dtype in DType::ALL {
            for (rows, cols, density) in [(2100, 40, 1.0), (3, 6000, 0.3), (70_000, 1, 0.01)] {
                let data = data(Shape::new(rows, cols), dtype, density);
                let found = data.survey(&context).unwrap();
                dispatch!(dtype, T => {
                    let array: Array2<T> = data.select(&Selection::all()).unwrap();
                    let magnitudes: Vec<f64> = array.columns().into_iter().map(|column| {
                        column.iter().map(|value| value.magnitude()).sum()
                    }).collect();
                    let store = MemoryStore::new(array);
                    assert_eq!(found.digest, store.digest(&context).unwrap(), "{dtype}");
                    let sums = column_sums(&store, TileOrder::Any, &context).unwrap();
                    for (col, magnitude) in magnitudes.iter().enumerate() {
                        let slack = if T::GENERATED_UNITS.is_finite() { 0.0 } else { magnitude * 1e-12 };
                        assert!((found.sums[col] - sums[col]).abs() <= slack, "{dtype}, column {col}");
                        assert!((found.magnitudes[col] - magnitude).abs() <= slack, "{dtype}, {col}");
                    }
                });
            }
        }
    }

    #[test]
    fn empty_matrices_have_answers_too() {
        let context = Context::default();
        for (rows, cols) in [(0, 0), (0, 5), (5, 0)] {
            let found = data(Shape::new(rows, cols), DType::F32, 1.0).survey(&context).unwrap();
            assert_eq!(found.sums, vec![0.0; cols]);
        }
        let countless = data(Shape::new(0, usize::MAX), DType::F32, 1.0);
        countless.digest(&context).unwrap();
        assert_eq!(countless.column_sums(&context).unwrap_err().kind(), ErrorKind::Budget);
    }

    #[test]
    fn the_budget_and_a_wish_to_stop_are_heeded() {
        let data = data(Shape::new(10_000, 10), DType::F32, 1.0);
        let small = Context::new(Budget::new(1000));
        assert_eq!(data.digest(&small).unwrap_err().kind(), ErrorKind::Budget);
        let cancel = Cancel::default();
        cancel.cancel();
        let cancelled = Context::default().with_cancel(cancel);
        assert_eq!(data.digest(&cancelled).unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
