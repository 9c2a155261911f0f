//! Tiles in pieces: dense blocks of some lines, entries of a bounded number, entries without stored zeros.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};

use super::{Compressed, Indices, StoredZeros, Tile, Values};
use crate::array::{Compression, Element};
use crate::error::Result;

/// Entries that are copied together at a time.
const PIECE_ENTRIES: usize = 1 << 16;

/// Who is shown dense blocks: the rows and columns that one covers, and its elements.
type BlockVisitor<'v, T> =
    dyn FnMut(Range<usize>, Range<usize>, ArrayView2<'_, T>) -> Result<()> + 'v;

/// Who is shown entries: the rows and columns that they are of, and the entries.
type EntryVisitor<'v, T> =
    dyn FnMut(Range<usize>, Range<usize>, &Compressed<'_, T>) -> Result<()> + 'v;

impl<T: Element> Tile<'_, T> {
    /// Shows the tile as dense blocks of whole lines along `axis`: a dense tile as it is, a sparse one in
    /// blocks of about `part_bytes`.
    pub(in crate::store) fn for_each_dense(
        &self,
        axis: Axis,
        part_bytes: usize,
        show: &mut BlockVisitor<'_, T>,
    ) -> Result<()> {
        if let Values::Dense(block) = &self.values {
            return show(self.rows.clone(), self.cols.clone(), block.view());
        }
        let extents = [self.rows.len(), self.cols.len()];
        let (lines, other) = (extents[axis.index()], extents[1 - axis.index()]);
        let step = (part_bytes / size_of::<T>() / other.max(1)).max(1);
        for from in (0..lines).step_by(step) {
            let to = lines.min(from + step);
            let (mut rows, mut cols) = (self.rows.clone(), self.cols.clone());
            let range = if axis == Axis(0) { &mut rows } else { &mut cols };
            *range = range.start + from..range.start + to;
            let mut block = Array2::from_elem((rows.len(), cols.len()), T::default());
            self.copy_part(axis, from..to, block.view_mut());
            show(rows, cols, block.view())?;
        }
        Ok(())
    }

    /// Copies some lines along `axis`, counted from the tile's first, into `out`, which is all zero.
    fn copy_part(&self, axis: Axis, lines: Range<usize>, mut out: ArrayViewMut2<'_, T>) {
        match &self.values {
            Values::Dense(block) => {
                out.assign(&block.slice_axis(axis, ndarray::Slice::from(lines)));
            }
            Values::Sparse(block) => {
                let along = Axis(usize::from(block.compression == Compression::Csc));
                let range = if along == axis { lines.clone() } else { 0..block.lines() };
                for line in range {
                    for (position, &value) in block.line(line) {
                        let mut at = [position; 2];
                        at[along.index()] = line;
                        if lines.contains(&at[axis.index()]) {
                            at[axis.index()] -= lines.start;
                            out[at] = value;
                        }
                    }
                }
            }
        }
    }
}

impl<T: Copy> Tile<'_, T> {
    /// Shows the entries of a sparse tile in pieces of at most `most`: whole lines or, where one has more, parts of it. Shows
    /// nothing of a dense tile.
    pub(in crate::store) fn for_each_sparse(
        &self,
        most: usize,
        show: &mut EntryVisitor<'_, T>,
    ) -> Result<()> {
        let Values::Sparse(block) = &self.values else { return Ok(()) };
        if block.data.len() <= most {
            return show(self.rows.clone(), self.cols.clone(), block);
        }
        let Compressed { compression, offsets, indices, data } = *block;
        let (lines, positions) = match compression {
            Compression::Csr => (&self.rows, &self.cols),
            Compression::Csc => (&self.cols, &self.rows),
        };
        let mut show = |own: Range<usize>, part: Range<usize>, block: Compressed<'_, T>| {
            let own = lines.start + own.start..lines.start + own.end;
            let part = positions.start + part.start..positions.start + part.end;
            match compression {
                Compression::Csr => show(own, part, &block),
                Compression::Csc => show(part, own, &block),
            }
        };
        let mut line = 0;
        while line < block.lines() {
            let begin = offsets[line];
            let fit = offsets[line + 1..].partition_point(|end| end - begin <= most);
            if fit > 0 {
                let own = line..line + fit;
                let entries = begin..offsets[own.end];
                let offsets: Vec<usize> =
                    offsets[own.start..=own.end].iter().map(|offset| offset - begin).collect();
                let (indices, data) = (indices.part(entries.clone()), &data[entries]);
                let block = Compressed { compression, offsets: &offsets, indices, data };
                show(own.clone(), 0..positions.len(), block)?;
                line = own.end;
                continue;
            }
            let end = offsets[line + 1];
            let mut first = 0;
            for start in (begin..end).step_by(most) {
                let entries = start..end.min(start + most);
                let last =
                    if entries.end == end { positions.len() } else { indices.at(entries.end) };
                let moved: Vec<i64> =
                    entries.clone().map(|entry| (indices.at(entry) - first) as i64).collect();
                let offsets = [0, entries.len()];
                let (indices, data) = (Indices::I64(&moved), &data[entries]);
                let block = Compressed { compression, offsets: &offsets, indices, data };
                show(line..line + 1, first..last, block)?;
                first = last;
            }
            line += 1;
        }
        Ok(())
    }

    /// Shows the tile, a sparse one without those of its entries that are zero where they are to be dropped.
    pub(in crate::store) fn show_stored(
        self,
        zeros: StoredZeros,
        is_zero: fn(&T) -> bool,
        show: &mut dyn FnMut(Tile<'_, T>) -> Result<()>,
    ) -> Result<()> {
        let has_zeros = |values: &Values<'_, T>| match values {
            Values::Sparse(block) => block.data.iter().any(is_zero),
            Values::Dense(_) => false,
        };
        if zeros == StoredZeros::Kept || !has_zeros(&self.values) {
            return show(self);
        }
        self.for_each_sparse(PIECE_ENTRIES, &mut |rows, cols, block| {
            let (mut offsets, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
            for line in 0..block.lines() {
                for (position, &value) in block.line(line).filter(|(_, value)| !is_zero(value)) {
                    indices.push(position as i64);
                    data.push(value);
                }
                offsets.push(data.len());
            }
            let block = Compressed {
                compression: block.compression,
                offsets: &offsets,
                indices: Indices::I64(&indices),
                data: &data,
            };
            show(Tile { rows, cols, values: Values::Sparse(block) })
        })
    }
}
