//! What is done: generated data, the workloads and the right answers.
//!
//! Knows stores only through their trait; measures nothing.

use std::ops::Range;

use crate::array::{DType, Element, Shape};
use crate::error::Result;

/// Generated data v1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Generated {
    /// Seed.
    pub seed: u64,
    /// Rows and columns.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
    /// Share of cells that are not zero.
    pub density: f64,
}

impl Generated {
    /// Rows `rows` of column `column`.
    pub fn fill_column<T: Element>(&self, _column: usize, _rows: Range<usize>, _out: &mut [T]) {
        todo!()
    }
    /// The same, normally distributed.
    pub fn fill_column_normal<T: Element>(
        &self,
        _column: usize,
        _rows: Range<usize>,
        _out: &mut [T],
    ) -> Result<()> {
        todo!()
    }
}
