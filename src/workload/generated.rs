//! Generated data v1: a matrix whose every cell is a function of a seed, specified in docs/generated-v1.md.
//!
//! Frozen: a change to any value is a new version. Cells are reached in constant time, so data and right
//! answers of any size are made piece by piece and never kept.

use std::ops::Range;

use ndarray::Array2;

use super::stream::{Stream, choose};
use super::value::{Value, decided};
use crate::array::{DType, Selection, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{Kernel, in_widest_vectors};

/// The threshold below which every decision falls.
const ALL: u64 = 1 << 32;

/// A matrix of generated data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Generated {
    /// What all values follow from.
    pub seed: u64,
    /// Rows and columns.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
    /// The share of cells that are not zero, from 0 to 1, in steps of 2⁻³².
    pub density: f64,
}

impl Generated {
    /// The cell at (`row`, `col`), as type `T`, which is to be the one that `dtype` names.
    pub fn cell<T: Value>(&self, row: usize, col: usize) -> T {
        debug_assert_eq!(T::DTYPE, self.dtype);
        decided(self.column_stream(col).at(row as u64), self.threshold())
    }

    /// Rows `rows` of column `col`, which `out` is as long as.
    ///
    /// # Panics
    /// Where `out` has another length.
    pub fn fill_column<T: Value>(&self, col: usize, rows: Range<usize>, out: &mut [T]) {
        debug_assert_eq!(T::DTYPE, self.dtype);
        assert_eq!(out.len(), rows.len(), "a value for each row");
        let words = self.column_stream(col).from(rows.start as u64);
        in_widest_vectors(Cells { words, threshold: self.threshold(), out });
    }

    /// As [`Generated::fill_column`], with values normally distributed around 0 with deviation 1.
    ///
    /// They follow from the same words, but by way of the platform's logarithm and sine, so their last bit
    /// may differ from one platform to another: no part of the frozen format.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for integers and booleans.
    ///
    /// # Panics
    /// Where `out` has another length.
    pub fn fill_column_normal<T: Value>(
        &self,
        col: usize,
        rows: Range<usize>,
        out: &mut [T],
    ) -> Result<()> {
        debug_assert_eq!(T::DTYPE, self.dtype);
        assert_eq!(out.len(), rows.len(), "a value for each row");
        let (stream, threshold) = (self.column_stream(col), self.threshold());
        for (row, value) in rows.zip(out) {
            *value = normal(stream.at(row as u64), threshold)?;
        }
        Ok(())
    }

    /// The cells of row `row` in the columns of these streams.
    pub(super) fn fill_row_of<T: Value>(&self, streams: &[Stream], row: usize, out: &mut [T]) {
        let words = streams.iter().map(|stream| stream.at(row as u64));
        in_widest_vectors(Cells { words, threshold: self.threshold(), out });
    }

    /// As [`Generated::fill_row_of`], with normally distributed values.
    ///
    /// # Errors
    /// As [`Generated::fill_column_normal`].
    pub(super) fn fill_row_normal<T: Value>(
        &self,
        streams: &[Stream],
        row: usize,
        out: &mut [T],
    ) -> Result<()> {
        let threshold = self.threshold();
        for (stream, value) in streams.iter().zip(out) {
            *value = normal(stream.at(row as u64), threshold)?;
        }
        Ok(())
    }

    /// The selected cells, in C order.
    ///
    /// # Errors
    /// Where the selection does not fit the shape.
    pub fn select<T: Value>(&self, selection: &Selection) -> Result<Array2<T>> {
        let (rows, cols) = selection.resolve(self.shape)?;
        let streams: Vec<_> = cols.iter().map(|col| self.column_stream(col)).collect();
        let threshold = self.threshold();
        let mut out = Array2::from_elem((rows.len(), cols.len()), T::default());
        for (row, mut line) in rows.iter().zip(out.rows_mut()) {
            for (stream, value) in streams.iter().zip(&mut line) {
                *value = decided(stream.at(row as u64), threshold);
            }
        }
        Ok(out)
    }

    /// Columns' words come from the children of this generator.
    fn columns(&self) -> Stream {
        Stream::new(self.seed).child(0)
    }

    pub(super) fn column_stream(&self, col: usize) -> Stream {
        self.columns().child(col as u64)
    }

    /// A cell is not zero where the lower 32 bits of its word are below this.
    fn threshold(&self) -> u64 {
        // Exact: a multiplication by a power of two. The cast rounds down, and takes NaN to 0.
        ((self.density * ALL as f64) as u64).min(ALL)
    }
}

/// Cells from their words.
struct Cells<'a, W, T> {
    words: W,
    threshold: u64,
    out: &'a mut [T],
}

impl<W: Iterator<Item = u64>, T: Value> Kernel for Cells<'_, W, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let cells = self.out.iter_mut().zip(self.words);
        match self.threshold {
            // Without the decision twice as fast.
            ALL => cells.for_each(|(value, word)| *value = T::uniform(word)),
            threshold => cells.for_each(|(value, word)| *value = decided(word, threshold)),
        }
    }
}

/// The normally distributed value of a cell with this word.
fn normal<T: Value>(word: u64, threshold: u64) -> Result<T> {
    let normal = T::normal(word).ok_or_else(no_normal::<T>)?;
    Ok(if word & 0xFFFF_FFFF < threshold { normal } else { T::default() })
}

/// `count` different rows of `rows`, in random order, for this seed.
pub(super) fn chosen_rows(seed: u64, rows: usize, count: usize) -> Vec<usize> {
    choose(Stream::new(seed).child(1), rows, count)
}

fn no_normal<T: Value>() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "generate",
        format!("{} has no normal distribution: values would not be whole numbers", T::DTYPE),
    )
    .hint("use --fill uniform, or a dtype of real or complex numbers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::dispatch;

    fn data(dtype: DType, density: f64) -> Generated {
        Generated { seed: 3, shape: Shape::new(50, 12), dtype, density }
    }

    #[test]
    fn a_cell_is_the_same_however_it_is_reached() {
        for dtype in DType::ALL {
            let data = data(dtype, 0.6);
            dispatch!(dtype, T => {
                let all: Array2<T> = data.select(&Selection::all()).unwrap();
                let mut column = [T::default(); 30];
                let mut row = [T::default(); 9];
                let streams: Vec<_> = (2..11).map(|col| data.column_stream(col)).collect();
                for ((row_index, col), &value) in all.indexed_iter() {
                    assert_eq!(data.cell::<T>(row_index, col), value);
                    data.fill_row_of(&streams, row_index, &mut row);
                    assert_eq!(row, all.row(row_index).as_slice().unwrap()[2..11]);
                    data.fill_column(col, 15..45, &mut column);
                    assert!(column.iter().eq(all.column(col).iter().skip(15).take(30)));
                }
            });
        }
    }

    #[test]
    fn density_is_what_was_asked_for_and_its_cells_the_same_in_every_dtype() {
        let shape = Shape::new(20_000, 2);
        for (density, low, high) in
            [(0.0, 0, 0), (0.01, 330, 470), (0.5, 19_600, 20_400), (1.0, 40_000, 40_000)]
        {
            let data = Generated { seed: 1, shape, dtype: DType::F32, density };
            let values: Array2<f32> = data.select(&Selection::all()).unwrap();
            let nonzero = values.iter().filter(|&&value| value != 0.0).count();
            assert!((low..=high).contains(&nonzero), "{density}: {nonzero}");
            let data = Generated { dtype: DType::U64, ..data };
            let others: Array2<u64> = data.select(&Selection::all()).unwrap();
            assert!(values.iter().zip(&others).all(|(&a, &b)| (a != 0.0) == (b != 0)));
        }
        for (density, threshold) in
            [(f64::NAN, 0), (-1.0, 0), (2.0, 1 << 32), (1.0 / 3.0, 1_431_655_765)]
        {
            assert_eq!(data(DType::F32, density).threshold(), threshold);
        }
    }

    #[test]
    fn normal_values_keep_the_zeros_and_refuse_integers() {
        let data = data(DType::F64, 0.5);
        let (mut uniform, mut normal) = ([0.0; 50], [0.0; 50]);
        data.fill_column(4, 0..50, &mut uniform);
        data.fill_column_normal(4, 0..50, &mut normal).unwrap();
        assert!(uniform.iter().zip(&normal).all(|(&u, &n): (&f64, &f64)| (u == 0.0) == (n == 0.0)));
        assert!(normal.iter().any(|&value| value < 0.0));
        let whole = Generated { dtype: DType::I16, ..data };
        let error = whole.fill_column_normal::<i16>(0, 0..1, &mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn no_two_columns_and_no_two_seeds_are_alike() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..50 {
            for col in 0..12 {
                assert!(
                    seen.insert(Generated { seed, ..data(DType::U64, 1.0) }.cell::<u64>(0, col))
                );
            }
        }
    }

    #[test]
    fn the_last_row_and_column_there_can_be_are_reached() {
        let data = Generated { shape: Shape::new(usize::MAX, usize::MAX), ..data(DType::U64, 1.0) };
        let mut last = [0; 1];
        data.fill_column(usize::MAX - 1, usize::MAX - 1..usize::MAX, &mut last);
        assert_eq!(last, [data.cell::<u64>(usize::MAX - 1, usize::MAX - 1)]);
    }
}
