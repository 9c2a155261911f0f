//! Generated data into a store, in tiles of whole lines as the file lies: nothing is turned, and no more held than a tile.

use std::ops::Range;

use ndarray::{ArrayView2, ShapeBuilder};

use super::stream::Stream;
use super::{Generated, Value};
use crate::array::{Compression, Order};
use crate::error::{Error, Result};
use crate::store::{ArrayStore, Context, Layout, Tile, Values};

/// Bytes of a tile, where the budget allows: long enough for every thread to have a part of it.
const TILE_BYTES: u64 = 8 << 20;

/// Parts of a tile for each thread: they need not be equally quick.
const PARTS: usize = 4;

/// How the values of cells that are not zero are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// Generated data v1.
    Uniform,
    /// Around 0 with deviation 1, from the same words: no part of the frozen format.
    Normal,
}

/// Which lines of the matrix a tile holds, and which of their positions.
struct Part {
    lines: Range<usize>,
    positions: Range<usize>,
}

impl Generated {
    /// Writes the matrix into `store`, which has its shape and type and whose cells are all zero. Not durable before
    /// [`ArrayStore::sync`].
    ///
    /// # Errors
    /// Where writing fails, the context is cancelled or its budget too small; [`crate::ErrorKind::Unsupported`] for a type that
    /// has no normal distribution.
    pub fn write_to<T: Value>(
        &self,
        store: &mut dyn ArrayStore<Elem = T>,
        distribution: Distribution,
        context: &Context,
    ) -> Result<()> {
        let are_rows = match store.spec().layout {
            Layout::Dense(Order::C) | Layout::Sparse(Compression::Csr) => true,
            Layout::Dense(Order::Fortran) | Layout::Sparse(Compression::Csc) => false,
        };
        let (rows, cols) = (self.shape.rows, self.shape.cols);
        let (count, length) = if are_rows { (rows, cols) } else { (cols, rows) };
        if self.shape.is_empty() {
            return Ok(());
        }
        // Each of rows' columns has a stream of its own.
        let streams: Vec<_> = match are_rows {
            true => (0..cols).map(|col| self.column_stream(col)).collect(),
            false => Vec::new(),
        };
        let _streams = context.reserve(size_of_val(&*streams) as u64)?;
        let most = (context.available_bytes() / 4).min(TILE_BYTES) as usize / size_of::<T>();
        let width = length.min(most.max(1));
        let height = (most / width).clamp(1, count);
        let cells = height * width;
        let _tile = context.reserve((cells * size_of::<T>()) as u64)?;
        let mut tile = vec![T::default(); cells];
        let mut writer = store.tile_writer(context)?;
        for first in (0..count).step_by(height) {
            for start in (0..length).step_by(width) {
                let part = Part {
                    lines: first..count.min(first + height),
                    positions: start..length.min(start + width),
                };
                let made = &mut tile[..part.lines.len() * part.positions.len()];
                self.make(&part, are_rows.then_some(&streams), distribution, made, context)?;
                writer.write(&part.tile(made, are_rows)?)?;
            }
        }
        writer.finish()
    }

    /// The values of `part`, line by line: rows where there are `streams` of their columns.
    fn make<T: Value>(
        &self,
        part: &Part,
        streams: Option<&Vec<Stream>>,
        distribution: Distribution,
        out: &mut [T],
        context: &Context,
    ) -> Result<()> {
        let width = part.positions.len();
        let height = part.lines.len().div_ceil(PARTS * context.threads()).max(1);
        let mut made: Vec<_> = out.chunks(height * width).map(|_| Ok(())).collect();
        let parts = out.chunks_mut(height * width).zip(&mut made).collect();
        context.for_each(parts, |index, (out, made): (&mut [T], &mut Result<()>)| {
            let lines = out.chunks_mut(width).zip(part.lines.start + index * height..);
            for (out, line) in lines {
                *made = match (streams, distribution) {
                    (Some(streams), Distribution::Uniform) => {
                        self.fill_row_of(&streams[part.positions.clone()], line, out);
                        Ok(())
                    }
                    (Some(streams), Distribution::Normal) => {
                        self.fill_row_normal(&streams[part.positions.clone()], line, out)
                    }
                    (None, Distribution::Uniform) => {
                        self.fill_column(line, part.positions.clone(), out);
                        Ok(())
                    }
                    (None, Distribution::Normal) => {
                        self.fill_column_normal(line, part.positions.clone(), out)
                    }
                };
                if made.is_err() {
                    return;
                }
            }
        });
        made.into_iter().collect()
    }
}

impl Part {
    fn tile<'a, T>(&self, values: &'a [T], are_rows: bool) -> Result<Tile<'a, T>> {
        let (lines, positions) = (self.lines.clone(), self.positions.clone());
        let dim = (lines.len(), positions.len());
        let (rows, cols, block) = if are_rows {
            (lines, positions, ArrayView2::from_shape(dim, values))
        } else {
            (positions, lines, ArrayView2::from_shape((dim.1, dim.0).f(), values))
        };
        let block = block.map_err(|error| {
            Error::new(crate::ErrorKind::ShapeMismatch, "generate", error.to_string())
        })?;
        Ok(Tile { rows, cols, values: Values::Dense(block) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{DType, Shape};
    use crate::store::{ArrayStoreExt, Budget, CreateOptions, create};

    #[test]
    fn every_layout_gets_the_same_matrix_whatever_the_tiles() {
        let folder = tempfile::tempdir().unwrap();
        let dense = [Order::C, Order::Fortran].map(Layout::Dense);
        let sparse = [Compression::Csr, Compression::Csc].map(Layout::Sparse);
        for (index, layout) in dense.into_iter().chain(sparse).enumerate() {
            for (density, budget) in [(1.0, 256 << 20), (0.3, 256 << 20), (0.3, 40 << 10)] {
                let shape = Shape::new(700, 90);
                let data = Generated { seed: 5, shape, dtype: DType::F32, density };
                let context = Context::new(Budget::new(budget)).with_threads(2);
                let extension = if index < 2 { "npy" } else { "npz" };
                let path = folder.path().join(format!("{index}-{density}-{budget}.{extension}"));
                let options = CreateOptions {
                    context: context.clone(),
                    ..CreateOptions::new(shape, DType::F32)
                };
                let mut store = create::<f32>(&path, &options.layout(layout)).unwrap();
                data.write_to(&mut *store, Distribution::Uniform, &context).unwrap();
                store.sync().unwrap();
                let found = store.digest(&Context::default()).unwrap();
                assert_eq!(found, data.digest(&Context::default()).unwrap(), "{layout} {density}");
            }
        }
    }

    #[test]
    fn normal_values_are_the_same_by_rows_and_by_columns_and_integers_have_none() {
        let folder = tempfile::tempdir().unwrap();
        let shape = Shape::new(60, 7);
        let context = Context::default();
        let mut digests = Vec::new();
        for order in [Order::C, Order::Fortran] {
            let data = Generated { seed: 5, shape, dtype: DType::F64, density: 0.5 };
            let path = folder.path().join(format!("{order}.npy"));
            let options = CreateOptions::new(shape, DType::F64).layout(Layout::Dense(order));
            let mut store = create::<f64>(&path, &options).unwrap();
            data.write_to(&mut *store, Distribution::Normal, &context).unwrap();
            digests.push(store.digest(&context).unwrap());
        }
        assert_eq!(digests[0], digests[1]);
        let data = Generated { seed: 5, shape, dtype: DType::I32, density: 1.0 };
        let options = CreateOptions::new(shape, DType::I32);
        let mut store = create::<i32>(&folder.path().join("i.npy"), &options).unwrap();
        let error = data.write_to(&mut *store, Distribution::Normal, &context).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
    }
}
