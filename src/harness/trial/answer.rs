//! What a sample leaves, kept until it is asked for, and the bytes that it is as a file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use ndarray::Array2;

use crate::workload::Value;

/// What a sample leaves.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// The values that were extracted.
    Values(Array2<T>),
    /// The column that was written last.
    Column(Vec<T>),
    /// Each column's sum.
    Sums(Vec<f64>),
}

impl<T: Value> Answer<T> {
    /// Leaves the answer at `path`: raw, little-endian, in C order.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        match self {
            Self::Values(values) => match values.as_slice() {
                Some(values) => out.write_all(bytemuck::cast_slice(values))?,
                None => {
                    for value in values {
                        out.write_all(bytemuck::bytes_of(value))?;
                    }
                }
            },
            Self::Column(column) => out.write_all(bytemuck::cast_slice(column))?,
            Self::Sums(sums) => out.write_all(bytemuck::cast_slice(sums))?,
        }
        out.flush()
    }
}
