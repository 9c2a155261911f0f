//! Lines that come in parts, put together: whole, a line goes the way of whole lines, where part by part each
//! would have to be laid over the file.

use std::ops::Range;

use super::ints::Ints;
use crate::array::{Compression, Element, Shape};
use crate::store::{Compressed, Context, Reservation, Tile, Values};

/// Which part of which line a tile is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub compression: Compression,
    pub line: usize,
    pub positions: Range<usize>,
    /// Positions in the whole line.
    pub length: usize,
}

impl Place {
    /// The place of a tile that is a part of a single line; none for others.
    pub(super) fn of<T>(tile: &Tile<'_, T>, shape: Shape) -> Option<Self> {
        let Values::Sparse(block) = &tile.values else { return None };
        let compression = block.compression;
        let (lines, positions) = match compression {
            Compression::Csr => (&tile.rows, &tile.cols),
            Compression::Csc => (&tile.cols, &tile.rows),
        };
        let length = compression.split(shape).1;
        let is_part = lines.len() == 1 && positions.len() < length;
        let line = lines.start;
        is_part.then(|| Self { compression, line, positions: positions.clone(), length })
    }
}

/// The begin of a line.
#[derive(Debug)]
pub(super) struct Parts<T> {
    compression: Compression,
    line: usize,
    /// The positions before this one are here.
    end: usize,
    indices: Ints,
    data: Vec<T>,
    memory: Vec<Reservation>,
}

impl<T: Element> Parts<T> {
    /// Nothing yet of the line at `place`.
    pub(super) fn new(place: &Place) -> Self {
        Self {
            compression: place.compression,
            line: place.line,
            end: 0,
            indices: Ints::new(place.length),
            data: Vec::new(),
            memory: Vec::new(),
        }
    }

    /// Whether what is at `place` comes next.
    pub(super) fn is_continued_by(&self, place: &Place) -> bool {
        (self.compression, self.line, self.end)
            == (place.compression, place.line, place.positions.start)
    }

    /// Takes the part at `place`, which comes next, if a quarter of the budget has room for the line so far.
    pub(super) fn add(
        &mut self,
        block: &Compressed<'_, T>,
        place: &Place,
        context: &Context,
    ) -> bool {
        // Lists that grow are up to twice as long as what is in them.
        let entry_bytes = Ints::width(place.length).bytes() + size_of::<T>();
        let bytes = 2 * (block.data.len() * entry_bytes) as u64;
        let held: u64 = self.memory.iter().map(Reservation::bytes).sum();
        if held + bytes > context.budget().effective_bytes() / 4 {
            return false;
        }
        let Ok(memory) = context.reserve(bytes) else { return false };
        self.memory.push(memory);
        self.indices.extend(block.indices, place.positions.start as isize);
        self.data.extend_from_slice(block.data);
        self.end = place.positions.end;
        true
    }

    /// Shows what is here as one tile.
    pub(super) fn show<R>(&self, show: impl FnOnce(&Tile<'_, T>) -> R) -> R {
        let offsets = [0, self.data.len()];
        let (line, positions) = (self.line..self.line + 1, 0..self.end);
        let (rows, cols) = match self.compression {
            Compression::Csr => (line, positions),
            Compression::Csc => (positions, line),
        };
        let values = Values::Sparse(Compressed {
            compression: self.compression,
            offsets: &offsets,
            indices: self.indices.view(),
            data: &self.data,
        });
        show(&Tile { rows, cols, values })
    }
}
