//! The fingerprint of what a store holds: one visit, its tiles digested in parts on several threads.

use std::ops::Range;

use ndarray::{ArrayView2, Axis, Slice};

use super::{ArrayStore, Compressed, Context, Tile, TileOrder, Values};
use crate::array::{Compression, Digest, Digester, Element};
use crate::error::Result;
use crate::sys::{Kernel, in_widest_vectors};

/// Tiles below this many bytes are not worth another thread's wake-up.
const PARALLEL_BYTES: usize = 1 << 20;

/// Digest v1 of the matrix in `store`.
pub(super) fn digest<T: Element, S: ArrayStore<Elem = T> + ?Sized>(
    store: &S,
    context: &Context,
) -> Result<Digest> {
    let spec = store.spec();
    let mut digester = Digester::new(spec.shape, spec.dtype);
    let add = &mut |tile: Tile<'_, T>| {
        add_tile(&mut digester, &tile, context);
        Ok(())
    };
    store.visit(TileOrder::Any, add, context)?;
    Ok(digester.finish())
}

/// Adds a tile's cells: some lines of it on each thread, or some positions of each line where there are few.
fn add_tile<T: Element>(digester: &mut Digester, tile: &Tile<'_, T>, context: &Context) {
    // More parts than threads: they need not be equally long.
    let parts = 4 * context.threads();
    let (axis, length, bytes) = match &tile.values {
        Values::Dense(block) => {
            let along = long_axis(block);
            let across = Axis(1 - along.index());
            let axis = if block.len_of(along) < parts { across } else { along };
            (axis, block.len_of(axis), block.len() * size_of::<T>())
        }
        Values::Sparse(block) => (Axis(0), block.lines(), size_of_val(block.data)),
    };
    if bytes < PARALLEL_BYTES || context.threads() == 1 {
        return add_part(digester, tile, axis, 0..length);
    }
    let part = length.div_ceil(parts).max(1);
    let mut digesters = vec![digester.empty(); length.div_ceil(part)];
    context.for_each(digesters.iter_mut().collect(), |index, digester| {
        add_part(digester, tile, axis, index * part..length.min((index + 1) * part));
    });
    digesters.iter().for_each(|part| digester.merge(part));
}

/// The axis along which neighbours lie far apart: parts of it are contiguous.
fn long_axis<T>(block: &ndarray::ArrayView2<'_, T>) -> Axis {
    Axis(usize::from(block.strides()[1] != 1 && block.strides()[0] == 1))
}

/// Adds a part of a tile: a range along `axis` of a dense one, a range of lines of a sparse one.
fn add_part<T: Element>(
    digester: &mut Digester,
    tile: &Tile<'_, T>,
    axis: Axis,
    part: Range<usize>,
) {
    let (mut row, mut col) = (tile.rows.start, tile.cols.start);
    match &tile.values {
        Values::Dense(block) => {
            *[&mut row, &mut col][axis.index()] += part.start;
            let block = block.slice_axis(axis, Slice::from(part));
            digest_block(digester, row, col, block);
        }
        Values::Sparse(block) => {
            for line in part {
                add_line(digester, block, line, row, col);
            }
        }
    }
}

/// Adds a dense block whose first cell is (`row`, `col`), in the widest vectors of this processor.
pub(crate) fn digest_block<T: Element>(
    digester: &mut Digester,
    row: usize,
    col: usize,
    block: ArrayView2<'_, T>,
) {
    in_widest_vectors(Block { digester, row, col, block });
}

struct Block<'a, 'b, T> {
    digester: &'a mut Digester,
    row: usize,
    col: usize,
    block: ArrayView2<'b, T>,
}

impl<T: Element> Kernel for Block<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.digester.block(self.row, self.col, self.block);
    }
}

/// Adds the entries of one line of a block that begins at (`row`, `col`).
fn add_line<T: Element>(
    digester: &mut Digester,
    block: &Compressed<'_, T>,
    line: usize,
    row: usize,
    col: usize,
) {
    let entries = block.line(line);
    match block.compression {
        Compression::Csr => digester.row_entries(row + line, entries.map(|(j, v)| (col + j, v))),
        Compression::Csc => digester.column_entries(col + line, entries.map(|(i, v)| (row + i, v))),
    }
}
