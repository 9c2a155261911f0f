//! Writing blocks across a file's lines, one below the other: the part of each line that does not fill its page waits
//! for the next block.
//!
//! Otherwise every page in which a block ends and the next begins would be written twice, and read back between.

use ndarray::ArrayView2;

use super::DenseStore;
use super::windows::PAGE_BYTES;
use crate::array::{Element, Order};
use crate::error::Result;
use crate::store::copy::DenseTiles;
use crate::store::{Context, Reservation, Tile, TileWriter, Values};
use crate::sys::Pages;

/// Bytes that may wait of each line.
const TAIL_BYTES: usize = PAGE_BYTES as usize;

/// Takes tiles in any order; those of all lines that come one after another fill whole pages.
#[derive(Debug)]
pub(super) struct TailTiles<'a, T> {
    store: &'a mut DenseStore<T>,
    /// The positions of each line that have come one after another, of which the last ones wait.
    from: usize,
    to: usize,
    tails: Pages,
    /// A tail and what completes it.
    joined: Vec<u8>,
    context: Context,
    _memory: Reservation,
}

impl<'a, T: Element> TailTiles<'a, T> {
    /// Memory that a writer to `store` takes.
    pub(super) fn memory_bytes(store: &DenseStore<T>) -> u64 {
        store.engine.geometry.lines as u64 * PAGE_BYTES
    }

    pub(super) fn new(store: &'a mut DenseStore<T>, context: &Context) -> Result<Self> {
        let bytes = Self::memory_bytes(store);
        let _memory = context.reserve(bytes)?;
        let tails = Pages::new(store.engine.geometry.lines * TAIL_BYTES)?;
        let context = context.clone();
        Ok(Self { store, from: 0, to: 0, tails, joined: Vec::new(), context, _memory })
    }

    /// How much of each line waits: the part of its last page that has come.
    fn tail_bytes(&self, line: usize) -> usize {
        let geometry = &self.store.engine.geometry;
        let in_page = (geometry.offset(line, self.to) % PAGE_BYTES) as usize;
        match self.to < geometry.line_items {
            true => in_page.min((self.to - self.from) * geometry.item_bytes),
            false => 0,
        }
    }

    /// Writes what waits.
    fn flush(&mut self) -> Result<()> {
        if self.from == self.to {
            return Ok(());
        }
        for line in 0..self.store.engine.geometry.lines {
            let count = self.tail_bytes(line);
            let at = self.store.engine.geometry.offset(line, self.to) - count as u64;
            let tail = &self.tails[line * TAIL_BYTES..][..count];
            self.store.engine.device.write_at(at, tail)?;
        }
        self.from = self.to;
        Ok(())
    }

    /// Writes the next `positions` of line `line`, but for what does not fill a page.
    fn put(&mut self, line: usize, values: &[T]) -> Result<()> {
        let waiting = self.tail_bytes(line);
        let geometry = self.store.engine.geometry;
        let bytes: &[u8] = bytemuck::must_cast_slice(values);
        let start = geometry.offset(line, self.to);
        let end = start + bytes.len() as u64;
        let is_last = self.to + values.len() == geometry.line_items;
        let whole = if is_last { end } else { end / PAGE_BYTES * PAGE_BYTES };
        let tail = &mut self.tails[line * TAIL_BYTES..][..TAIL_BYTES];
        if whole <= start {
            tail[waiting..waiting + bytes.len()].copy_from_slice(bytes);
            return Ok(());
        }
        let (now, later) = bytes.split_at((whole - start) as usize);
        let device = &mut *self.store.engine.device;
        if waiting == 0 {
            device.write_at(start, now)?;
        } else {
            self.joined.clear();
            self.joined.extend_from_slice(&tail[..waiting]);
            self.joined.extend_from_slice(now);
            device.write_at(start - waiting as u64, &self.joined)?;
        }
        tail[..later.len()].copy_from_slice(later);
        Ok(())
    }
}

/// A tile's lines and their values, if it covers all lines and each one's values lie together: (first position,
/// values as lines × positions).
fn whole_lines<'t, T>(
    order: Order,
    lines: usize,
    tile: &'t Tile<'_, T>,
) -> Option<(usize, ArrayView2<'t, T>)> {
    let Values::Dense(block) = &tile.values else { return None };
    let (covered, first, block) = match order {
        Order::C => (&tile.rows, tile.cols.start, block.view()),
        Order::Fortran => (&tile.cols, tile.rows.start, block.t()),
    };
    (*covered == (0..lines) && block.ncols() > 0 && block.strides()[1] == 1)
        .then_some((first, block))
}

impl<T: Element> TileWriter for TailTiles<'_, T> {
    type Elem = T;

    fn write(&mut self, tile: &Tile<'_, T>) -> Result<()> {
        let lines = self.store.engine.geometry.lines;
        let Some((first, block)) = whole_lines(self.store.order, lines, tile) else {
            self.flush()?;
            return DenseTiles(&mut *self.store).write(tile);
        };
        if first != self.to {
            self.flush()?;
            (self.from, self.to) = (first, first);
        }
        crate::store::check_shape(
            (block.nrows(), first + block.ncols()),
            (lines, self.store.engine.geometry.line_items.min(first + block.ncols())),
        )?;
        for (line, values) in block.rows().into_iter().enumerate() {
            self.put(line, values.to_slice().expect("checked to lie together"))?;
        }
        self.to += block.ncols();
        self.context.advance(0)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.flush()
    }
}
