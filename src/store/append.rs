//! Appending one store to another in bounded memory.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis as NdAxis, ShapeBuilder, Slice};

use super::{ArrayStore, Context, Tile, TileOrder, shape_error};
use crate::array::{Axis, Element, Selection, Shape};
use crate::error::Result;

/// Bytes that are read and appended at a time, at most: a quarter of the budget.
const LARGEST_PART_BYTES: u64 = 64 << 20;

/// Appends every line of `from` to `to`, along the axis that `to` grows along.
pub(super) fn append_from<S: ArrayStore + ?Sized>(
    to: &mut S,
    from: &dyn ArrayStore<Elem = S::Elem>,
    context: &Context,
) -> Result<()> {
    let along = Along(usize::from(to.spec().layout.is_columnar()));
    let shape = from.spec().shape;
    let (many, width) = along.split(shape.rows, shape.cols);
    // What cannot be appended is refused before anything is read, also where there is nothing to read.
    to.append(along.block(0, width).view())?;
    if to.capabilities().sparse {
        return append_tiles(to, from, along, context);
    }
    let item_bytes = size_of::<S::Elem>() as u64;
    let part_bytes = LARGEST_PART_BYTES.min(context.available_bytes() / 4);
    let part_items = usize::try_from(part_bytes / item_bytes).unwrap_or(usize::MAX).max(1);
    if width > part_items {
        return append_in_parts(to, from, along, part_items, context);
    }
    let step = (part_items / width.max(1)).min(many).max(1);
    let _memory = context.reserve((step * width) as u64 * item_bytes)?;
    let mut block = along.block(step, width);
    for first in (0..many).step_by(step) {
        let end = many.min(first + step);
        let mut part = block.slice_axis_mut(NdAxis(along.0), Slice::from(..end - first));
        from.read(&along.selection(first..end, Axis::All), part.view_mut())?;
        to.append(part.view())?;
        context.advance(0)?;
    }
    Ok(())
}

/// Tile by tile, behind zeros that are appended first: of what is sparse no more than its entries.
fn append_tiles<S: ArrayStore + ?Sized>(
    to: &mut S,
    from: &dyn ArrayStore<Elem = S::Elem>,
    along: Along,
    context: &Context,
) -> Result<()> {
    let of = |shape: Shape| along.split(shape.rows, shape.cols).0;
    let before = of(to.spec().shape);
    to.append_zeros(of(from.spec().shape))?;
    let (reading, writing) = (context.share(1, 2), context.share(1, 2));
    let mut writer = to.tile_writer(&writing)?;
    let order = if along.0 == 0 { TileOrder::Rows } else { TileOrder::Columns };
    let mut put = |tile: Tile<'_, S::Elem>| {
        let moved = |range: Range<usize>| before + range.start..before + range.end;
        let Tile { rows, cols, values } = tile;
        let (rows, cols) = if along.0 == 0 { (moved(rows), cols) } else { (rows, moved(cols)) };
        writer.write(&Tile { rows, cols, values })
    };
    from.visit(order, &mut put, &reading)?;
    writer.finish()
}

/// Appends lines of zeros, a few at a time.
pub(super) fn append_zeros<S: ArrayStore + ?Sized>(to: &mut S, lines: usize) -> Result<()> {
    let along = Along(usize::from(to.spec().layout.is_columnar()));
    let width = along.split(to.spec().shape.rows, to.spec().shape.cols).1;
    let zero = [S::Elem::default()];
    let zero = ArrayView2::from_shape((1, 1), &zero).map_err(shape_error)?;
    // None of them takes memory.
    let most = (LARGEST_PART_BYTES as usize / size_of::<S::Elem>() / width.max(1)).max(1);
    let mut left = lines;
    loop {
        let some = left.min(most);
        to.append(zero.broadcast(along.join(some, width)).expect("one cell is as many as asked"))?;
        left -= some;
        if left == 0 {
            return Ok(());
        }
    }
}

/// Line by line, each as zeros first and then part by part: where a line is longer than what is moved at a time.
fn append_in_parts<S: ArrayStore + ?Sized>(
    to: &mut S,
    from: &dyn ArrayStore<Elem = S::Elem>,
    along: Along,
    part_items: usize,
    context: &Context,
) -> Result<()> {
    let (many, width) = along.split(from.spec().shape.rows, from.spec().shape.cols);
    let _memory = context.reserve((part_items * size_of::<S::Elem>()) as u64)?;
    for line in 0..many {
        let place = along.split(to.spec().shape.rows, to.spec().shape.cols).0;
        to.append_zeros(1)?;
        for start in (0..width).step_by(part_items) {
            let part = start..width.min(start + part_items);
            let mut block = along.block(1, part.len());
            from.read(&along.selection(line..line + 1, part.clone()), block.view_mut())?;
            to.write(&along.selection(place..place + 1, part), block.view())?;
            context.advance(0)?;
        }
    }
    Ok(())
}

/// The axis along which lines follow one another: 0 where they are rows, 1 where they are columns.
#[derive(Debug, Clone, Copy)]
struct Along(usize);

impl Along {
    /// (lines, positions) for (rows, columns).
    fn split<P>(self, rows: P, cols: P) -> (P, P) {
        if self.0 == 0 { (rows, cols) } else { (cols, rows) }
    }

    /// (rows, columns) for (lines, positions).
    fn join<P>(self, lines: P, positions: P) -> (P, P) {
        self.split(lines, positions)
    }

    /// Zeros, each line together.
    fn block<T: Element>(self, lines: usize, width: usize) -> Array2<T> {
        Array2::from_elem(self.join(lines, width).set_f(self.0 == 1), T::default())
    }

    fn selection(self, lines: Range<usize>, positions: impl Into<Axis>) -> Selection {
        let (rows, cols) = self.join(lines.into(), positions.into());
        Selection::block(rows, cols)
    }
}
