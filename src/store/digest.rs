//! The fingerprint of what a store holds: one visit, its tiles digested in parts on several threads.

use std::ops::Range;

use ndarray::{Axis, Slice};

use super::{ArrayStore, Compressed, Context, Tile, TileOrder, Values};
use crate::array::{Compression, Digest, Digester, Element};
use crate::error::Result;

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

/// Adds a tile's cells: some lines of it on each thread.
fn add_tile<T: Element>(digester: &mut Digester, tile: &Tile<'_, T>, context: &Context) {
    let (lines, bytes) = match &tile.values {
        Values::Dense(block) => (block.len_of(long_axis(block)), block.len() * size_of::<T>()),
        Values::Sparse(block) => (block.lines(), size_of_val(block.data)),
    };
    if bytes < PARALLEL_BYTES || context.threads() == 1 {
        return add_lines(digester, tile, 0..lines);
    }
    // More parts than threads: they need not be equally long.
    let part = lines.div_ceil(4 * context.threads()).max(1);
    let mut digesters = vec![digester.empty(); lines.div_ceil(part)];
    context.for_each(digesters.iter_mut().collect(), |index, digester| {
        add_lines(digester, tile, index * part..lines.min((index + 1) * part));
    });
    digesters.iter().for_each(|part| digester.merge(part));
}

/// The axis along which neighbours lie far apart: parts of it are contiguous.
fn long_axis<T>(block: &ndarray::ArrayView2<'_, T>) -> Axis {
    Axis(usize::from(block.strides()[1] != 1 && block.strides()[0] == 1))
}

/// Adds some lines of a tile.
fn add_lines<T: Element>(digester: &mut Digester, tile: &Tile<'_, T>, lines: Range<usize>) {
    let (mut row, mut col) = (tile.rows.start, tile.cols.start);
    match &tile.values {
        Values::Dense(block) => {
            let axis = long_axis(block);
            *[&mut row, &mut col][axis.index()] += lines.start;
            digester.block(row, col, block.slice_axis(axis, Slice::from(lines)));
        }
        Values::Sparse(block) => {
            for line in lines {
                add_line(digester, block, line, row, col);
            }
        }
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
