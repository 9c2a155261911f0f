//! Where the elements of a dense file lie, in terms of lines.
//!
//! A line is a row in C order and a column in Fortran order: the axis along which elements are
//! neighbours. Everything below the typed layer speaks of lines and positions in a line, so that both
//! orders are one case.

use std::ops::Range;

use crate::array::{DType, Order, Shape};

/// The extent of a dense matrix in a file, as lines of items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// How many lines there are.
    pub lines: usize,
    /// Items in a line.
    pub line_items: usize,
    /// Bytes of an item.
    pub item_bytes: usize,
    /// Where the first item lies in the file.
    pub data_offset: u64,
}

impl Geometry {
    /// The lines of a matrix. The caller has checked that it fits in a file, so no product below overflows.
    pub(super) fn new(shape: Shape, order: Order, dtype: DType, data_offset: u64) -> Self {
        let (lines, line_items) = match order {
            Order::C => (shape.rows, shape.cols),
            Order::Fortran => (shape.cols, shape.rows),
        };
        Self { lines, line_items, item_bytes: dtype.item_size(), data_offset }
    }

    /// Bytes of a line.
    pub(super) fn line_bytes(&self) -> usize {
        self.line_items * self.item_bytes
    }

    /// Bytes of the whole matrix.
    pub(super) fn total_bytes(&self) -> u64 {
        self.lines as u64 * self.line_bytes() as u64
    }

    /// Where item `position` of line `line` lies in the file.
    pub(super) fn offset(&self, line: usize, position: usize) -> u64 {
        self.data_offset
            + line as u64 * self.line_bytes() as u64
            + (position * self.item_bytes) as u64
    }

    /// The bytes of whole lines.
    pub(super) fn lines_range(&self, lines: Range<usize>) -> Range<u64> {
        self.offset(lines.start, 0)..self.offset(lines.end, 0)
    }

    /// The bytes of some neighbouring items of one line.
    pub(super) fn part_range(&self, line: usize, positions: Range<usize>) -> Range<u64> {
        self.offset(line, positions.start)..self.offset(line, positions.end)
    }
}
