//! What a visit shows: a block of the matrix, dense or compressed.

use std::ops::Range;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::array::{Compression, Element, Shape};
use crate::error::{Error, ErrorKind, Result};

/// A block of rows × columns, shown during a visit.
#[derive(Debug, Clone)]
pub struct Tile<'a, T> {
    /// The rows that it covers.
    pub rows: Range<usize>,
    /// The columns that it covers.
    pub cols: Range<usize>,
    /// Its elements.
    pub values: Values<'a, T>,
}

/// A tile's elements.
#[derive(Debug, Clone)]
pub enum Values<'a, T> {
    /// All of them; rows or columns are contiguous, as the store found cheaper.
    Dense(ArrayView2<'a, T>),
    /// The entries of a sparse block.
    Sparse(Compressed<'a, T>),
}

/// The entries of a sparse block, line by line: checked, sorted, without duplicates.
#[derive(Debug, Clone)]
pub struct Compressed<'a, T> {
    /// Whether lines are rows (CSR) or columns (CSC).
    pub compression: Compression,
    /// For each line of the block and one more: where its entries begin in `indices` and `data`. Starts at 0.
    pub offsets: &'a [usize],
    /// Each entry's position in its line, counted from the tile's first column (CSR) or row (CSC).
    pub indices: Indices<'a>,
    /// Each entry's value; explicit zeros may occur.
    pub data: &'a [T],
}

/// The entries of some rows × columns, in memory: [`Compressed`] that owns its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Entries<T> {
    /// Whether lines are rows (CSR) or columns (CSC).
    pub compression: Compression,
    /// How many rows and columns.
    pub shape: Shape,
    /// As [`Compressed::offsets`].
    pub offsets: Vec<usize>,
    /// As [`Compressed::indices`]: of 32 bits where shape and number of entries let them be.
    pub indices: OwnedIndices,
    /// As [`Compressed::data`].
    pub data: Vec<T>,
}

/// [`Indices`] that own themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnedIndices {
    /// 32 bits.
    I32(Vec<i32>),
    /// 64 bits.
    I64(Vec<i64>),
}

/// Positions in a line, in the file's own width.
#[derive(Debug, Clone, Copy)]
pub enum Indices<'a> {
    /// 32 bits.
    I32(&'a [i32]),
    /// 64 bits.
    I64(&'a [i64]),
}

impl Indices<'_> {
    /// The position of entry `entry`.
    #[inline]
    pub fn at(&self, entry: usize) -> usize {
        match self {
            Self::I32(indices) => indices[entry] as usize,
            Self::I64(indices) => indices[entry] as usize,
        }
    }
}

impl<T: Copy> Compressed<'_, T> {
    /// Checks that offsets rise from 0 to the number of entries, and each line's positions, below `length`, too.
    fn check(&self, length: usize) -> Result<()> {
        let refuse = |reason: &'static str| {
            Err(Error::new(ErrorKind::InvalidArgument, "write tile", reason))
        };
        let ends = (self.offsets.first(), self.offsets.last());
        let entries = self.data.len();
        if self.offsets.windows(2).any(|pair| pair[0] > pair[1])
            || ends != (Some(&0), Some(&entries))
            || self.indices.len() != entries
        {
            return refuse("a sparse tile's offsets do not rise from 0 to the number of entries");
        }
        let lines = self.offsets.windows(2).map(|pair| self.indices.part(pair[0]..pair[1]));
        if lines.into_iter().all(|line| line.rises_below(length)) {
            return Ok(());
        }
        refuse("a sparse tile's positions do not rise, or lie outside it")
    }

    /// Number of lines.
    pub fn lines(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Line `line`'s entries: (position in the line, value).
    #[inline]
    pub fn line(&self, line: usize) -> impl Iterator<Item = (usize, &T)> + '_ {
        let range = self.offsets[line]..self.offsets[line + 1];
        let from = range.start;
        let data = &self.data[range];
        data.iter().enumerate().map(move |(k, value)| (self.indices.at(from + k), value))
    }

    /// Every entry: (row, column) within the tile, and value.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize, T)> + '_ {
        (0..self.lines()).flat_map(move |line| {
            self.line(line).map(move |(position, &value)| match self.compression {
                Compression::Csr => (line, position, value),
                Compression::Csc => (position, line, value),
            })
        })
    }
}

impl<T: Element> Tile<'_, T> {
    /// Checks that the tile lies within a matrix of `shape` and holds as many elements as it covers.
    pub(super) fn check(&self, shape: Shape) -> Result<()> {
        if self.rows.end > shape.rows || self.cols.end > shape.cols {
            let reason =
                format!("rows {:?} and columns {:?} do not fit in {shape}", self.rows, self.cols);
            return Err(Error::new(ErrorKind::OutOfBounds, "write tile", reason));
        }
        match &self.values {
            Values::Dense(block) => {
                super::check_shape(block.dim(), (self.rows.len(), self.cols.len()))
            }
            Values::Sparse(block) => {
                let along = match block.compression {
                    Compression::Csr => &self.rows,
                    Compression::Csc => &self.cols,
                };
                super::check_shape((block.lines(), 0), (along.len(), 0))?;
                let length = match block.compression {
                    Compression::Csr => self.cols.len(),
                    Compression::Csc => self.rows.len(),
                };
                block.check(length)
            }
        }
    }

    /// Copies the tile, zeros included, into `out`, whose shape must be the tile's.
    ///
    /// # Panics
    /// Where the shapes differ.
    pub fn copy_to(&self, mut out: ArrayViewMut2<'_, T>) {
        assert_eq!(out.dim(), (self.rows.len(), self.cols.len()), "the tile's shape");
        match &self.values {
            Values::Dense(block) => out.assign(block),
            Values::Sparse(block) => {
                out.fill(T::zeroed());
                for (row, col, value) in block.entries() {
                    out[(row, col)] = value;
                }
            }
        }
    }
}
