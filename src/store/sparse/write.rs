//! The typed ends of writing in bulk: columns and tiles on their way into an engine.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::SparseStore;
use super::base::window_bytes;
use super::bulk::Bulk;
use super::ints::Ints;
use super::parts::{Parts, Place};
use super::runs::Set;
use crate::array::{Compression, Element, Picks, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{ColumnWriter, Compressed, Context, Tile, TileWriter, Values, check_columns};

/// Bytes of a block that is made dense at a time, where a tile covers neither whole rows nor columns.
const PART_BYTES: usize = 4 << 20;

/// Columns or tiles, on their way.
pub(super) struct SparseWriter<'a, T: Element> {
    bulk: Bulk<'a, T::Bits>,
    compression: Compression,
    shape: Shape,
    context: Context,
    /// A line that is not contiguous where it comes from.
    line: Vec<T::Bits>,
    /// A line that comes in parts.
    parts: Option<Parts<T>>,
    /// Whether writing failed: the new file may end in the middle of a line.
    has_failed: bool,
}

impl<'a, T: Element> SparseWriter<'a, T> {
    pub(super) fn new(store: &'a mut SparseStore<T>, context: &Context) -> Self {
        let facts = store.engine.facts;
        Self {
            bulk: Bulk::new(&mut store.engine, context),
            compression: facts.compression,
            shape: facts.shape,
            context: context.clone(),
            line: Vec::new(),
            parts: None,
            has_failed: false,
        }
    }

    /// Does a part of the writing, unless an earlier one failed.
    fn attempt(&mut self, work: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.has_failed {
            let reason = "an earlier write through this writer failed";
            return Err(Error::new(ErrorKind::Io, "write", reason));
        }
        work(self).inspect_err(|_| self.has_failed = true)
    }

    /// Writes lines of the file, or of its other axis, that are whole.
    fn put_whole(&mut self, first: usize, lines: ArrayView2<'_, T>, across: bool) -> Result<()> {
        if !across && lines.nrows() > 1 {
            return self.put_together(first, lines);
        }
        for (k, line) in lines.outer_iter().enumerate() {
            let values = contiguous(line, &mut self.line);
            if across {
                self.bulk.put_across(first + k, values)?;
            } else {
                self.bulk.put_line(first + k, values)?;
            }
        }
        Ok(())
    }

    /// Writes many lines at a time: a call for each would cost more than what it writes.
    fn put_together(&mut self, first: usize, lines: ArrayView2<'_, T>) -> Result<()> {
        let entry = 8 + size_of::<T>();
        let most = usize::try_from(window_bytes(&self.context)).unwrap_or(usize::MAX) / entry;
        if lines.ncols() > most {
            for (k, line) in lines.outer_iter().enumerate() {
                self.bulk.put_line(first + k, contiguous(line, &mut self.line))?;
            }
            return Ok(());
        }
        let _memory = self.context.reserve((most * entry) as u64)?;
        let mut indices = Ints::new(lines.ncols());
        let mut values: Vec<T::Bits> = Vec::new();
        let mut offsets = vec![0];
        let mut begin = first;
        for (k, line) in lines.outer_iter().enumerate() {
            let ends = offsets.len();
            if values.len() + lines.ncols() > most || ends > most {
                self.bulk.put_lines(begin, &offsets, indices.view(), &values)?;
                indices.clear();
                values.clear();
                offsets.truncate(1);
                begin = first + k;
            }
            for (position, value) in line.iter().enumerate() {
                if !value.is_zero_bits() {
                    indices.push(position);
                    values.push(bytemuck::cast(*value));
                }
            }
            offsets.push(values.len());
        }
        self.bulk.put_lines(begin, &offsets, indices.view(), &values)
    }

    /// Writes the cells of a tile that covers neither whole rows nor whole columns.
    fn put_cells(&mut self, tile: &Tile<'_, T>) -> Result<()> {
        let compression = self.compression;
        let bulk = &mut self.bulk;
        tile.for_each_dense(Axis(0), PART_BYTES, &mut |rows, cols, block| {
            let set = |range: Range<usize>| {
                let (start, count) = (range.start, range.len());
                Set::of(Picks::Range { start, step: 1, count }).0
            };
            let (lines, positions, block) = match compression {
                Compression::Csr => (set(rows), set(cols), block),
                Compression::Csc => (set(cols), set(rows), block.reversed_axes()),
            };
            bulk.put_cells(lines, positions, &|l, p| bytemuck::cast(block[(l, p)]))
        })
    }

    /// Writes a tile as it is.
    fn put_tile(&mut self, tile: &Tile<'_, T>) -> Result<()> {
        let (has_rows, has_cols) =
            (tile.cols.len() == self.shape.cols, tile.rows.len() == self.shape.rows);
        // (is it whole along the file's lines, along the other axis' lines; the first of each)
        let (along, across, first, first_across) = match self.compression {
            Compression::Csr => (has_rows, has_cols, tile.rows.start, tile.cols.start),
            Compression::Csc => (has_cols, has_rows, tile.cols.start, tile.rows.start),
        };
        match &tile.values {
            Values::Sparse(block) if block.compression == self.compression && along => {
                let Compressed { offsets, indices, data, .. } = *block;
                self.bulk.put_lines(first, offsets, indices, bytemuck::cast_slice(data))
            }
            Values::Sparse(block) if block.compression != self.compression && across => {
                let Compressed { offsets, indices, data, .. } = *block;
                self.bulk.put_across_entries(
                    first_across,
                    offsets,
                    indices,
                    bytemuck::cast_slice(data),
                )
            }
            Values::Dense(block) if along || across => {
                let is_csr = self.compression == Compression::Csr;
                let lines = if is_csr == along { block.view() } else { block.t() };
                self.put_whole(if along { first } else { first_across }, lines, !along)
            }
            _ => self.put_cells(tile),
        }
    }

    /// Writes a part of a line straight to the file where it comes in order, or to what waits to be turned; else keeps it
    /// until the line is whole, and writes it as cells where it cannot be kept.
    fn put_part(
        &mut self,
        tile: &Tile<'_, T>,
        block: &Compressed<'_, T>,
        place: &Place,
    ) -> Result<()> {
        if !self.parts.as_ref().is_some_and(|parts| parts.is_continued_by(place)) {
            self.put_parts()?;
            let Place { compression, line, ref positions, .. } = *place;
            let values = bytemuck::cast_slice(block.data);
            let bulk = &mut self.bulk;
            if compression != self.compression {
                if bulk.takes_part_across(line, positions.start) {
                    return bulk.put_part_across(line, positions, block.indices, values);
                }
            } else if bulk.takes_part(line, positions.start) {
                return bulk.put_part(line, positions, block.indices, values);
            }
            self.parts = (place.positions.start == 0).then(|| Parts::new(place));
        }
        let context = &self.context;
        if !self.parts.as_mut().is_some_and(|parts| parts.add(block, place, context)) {
            self.put_parts()?;
            return self.put_cells(tile);
        }
        if place.positions.end == place.length { self.put_parts() } else { Ok(()) }
    }

    /// Writes the parts that were kept.
    fn put_parts(&mut self) -> Result<()> {
        match self.parts.take() {
            Some(parts) => parts.show(|tile| self.put_tile(tile)),
            None => Ok(()),
        }
    }
}

impl<T: Element> ColumnWriter for SparseWriter<'_, T> {
    type Elem = T;

    fn write(&mut self, first: usize, columns: ArrayView2<'_, T>) -> Result<()> {
        check_columns(self.shape, first, columns.dim())?;
        let is_across = self.compression == Compression::Csr;
        self.attempt(|writer| writer.put_whole(first, columns.reversed_axes(), is_across))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.attempt(|writer| writer.bulk.finish())
    }
}

impl<T: Element> TileWriter for SparseWriter<'_, T> {
    type Elem = T;

    fn write(&mut self, tile: &Tile<'_, T>) -> Result<()> {
        tile.check(self.shape)?;
        if let (Some(place), Values::Sparse(block)) = (Place::of(tile, self.shape), &tile.values) {
            return self.attempt(|writer| writer.put_part(tile, block, &place));
        }
        self.attempt(|writer| {
            writer.put_parts()?;
            writer.put_tile(tile)
        })
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.attempt(|writer| {
            writer.put_parts()?;
            writer.bulk.finish()
        })
    }
}

/// A line's values as bits, as they lie or copied together.
fn contiguous<'l, T: Element>(
    line: ArrayView1<'l, T>,
    copied: &'l mut Vec<T::Bits>,
) -> &'l [T::Bits] {
    match line.to_slice() {
        Some(values) => bytemuck::cast_slice(values),
        None => {
            copied.clear();
            copied.extend(line.iter().map(|&value| bytemuck::cast::<T, T::Bits>(value)));
            copied
        }
    }
}
