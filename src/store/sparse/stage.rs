//! Lines waiting to be put together: held in memory, and what their share of the budget does not hold logged.
//!
//! Waits either for lines in order (lines of the file that came out of order) or for all of them to be turned
//! (columns on their way into rows, or rows into columns). A line is kept as its entries, or dense where that
//! is smaller.

use std::collections::BTreeMap;
use std::ops::Range;

use super::builder::Target;
use super::ints::Ints;
use crate::array::{Bits, IndexWidth};
use crate::error::Result;
use crate::store::{Context, Indices, Reservation};
use crate::sys::{Device, Pages};

/// Where lines begin in memory and in the log: at multiples of this.
const ALIGNMENT_BYTES: usize = 16;

/// What a waiting line takes beside its entries, also while it is turned.
const PLACE_BYTES: u64 = 112;

/// Bytes of the piece of a logged line that is read at a time while lines are turned: fewer are not worth a call.
const PIECE_BYTES: u64 = 16 << 10;

/// Lines of less than this on average are short.
const SHORT_BYTES: u64 = 64 << 10;

/// Short lines beyond this are turned: more at a time would leave the last cache.
const TURNED_BYTES: usize = 32 << 20;

/// The log grows by this much at a time, or by half of itself.
const GROWTH_BYTES: u64 = 64 << 20;

/// Lines by index.
#[derive(Debug)]
pub(super) struct Stage {
    /// Positions in a line.
    length: usize,
    item_bytes: usize,
    index_bytes: usize,
    places: BTreeMap<usize, Stored>,
    pages: Pages,
    held_bytes: usize,
    log: Option<Box<dyn Device>>,
    logged_bytes: u64,
    entries: u64,
    target: Target,
    memory: Reservation,
}

/// A line that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    is_dense: bool,
    entries: usize,
    is_logged: bool,
    offset: u64,
}

impl Stored {
    /// How many entries the line has.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }
}

/// A part of a waiting line.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a, W> {
    /// The values of all positions of the part.
    Dense(&'a [W]),
    /// Positions, counted from the line's begin, and values.
    Entries(Indices<'a>, &'a [W]),
}

impl Stage {
    /// Room for lines of `length`, of which as many are held as `memory` has room for.
    pub(super) fn new(
        length: usize,
        item_bytes: usize,
        target: Target,
        memory: Reservation,
    ) -> Result<Self> {
        let held = usize::try_from(memory.bytes() / 8 * 7).unwrap_or(usize::MAX);
        Ok(Self {
            length,
            item_bytes,
            index_bytes: Ints::width(length).bytes(),
            places: BTreeMap::new(),
            pages: Pages::new(held)?,
            held_bytes: 0,
            log: None,
            logged_bytes: 0,
            entries: 0,
            target,
            memory,
        })
    }

    /// Whether so many lines wait that their list has grown beyond its share.
    pub(super) fn is_full(&self) -> bool {
        self.places.len() as u64 * PLACE_BYTES > (self.memory.bytes() / 8).max(4096)
    }

    /// Whether what waits is better turned now, in blocks of `block_bytes`, than kept for more: its lines are short and leave
    /// the cache, or some are logged and a block has too small a piece of each.
    pub(super) fn is_better_turned(&self, block_bytes: u64) -> bool {
        let lines = self.places.len() as u64;
        let is_short = (self.held_bytes as u64 + self.logged_bytes) < SHORT_BYTES * lines;
        (self.held_bytes >= TURNED_BYTES && is_short)
            || (self.log.is_some() && lines * PIECE_BYTES > block_bytes)
    }

    /// Whether line `index` waits.
    pub(super) fn holds(&self, index: usize) -> bool {
        self.places.contains_key(&index)
    }

    /// Entries of all waiting lines: those that are dense count in full.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// The waiting lines' indices, rising.
    pub(super) fn indices(
        &self,
    ) -> impl ExactSizeIterator<Item = usize> + DoubleEndedIterator + '_ {
        self.places.keys().copied()
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (usize, Stored)> + '_ {
        self.places.iter().map(|(&index, &stored)| (index, stored))
    }

    /// Keeps line `index`; what was kept of it before is replaced.
    pub(super) fn put_entries<W: Bits>(
        &mut self,
        index: usize,
        indices: Indices<'_>,
        values: &[W],
    ) -> Result<()> {
        if indices.bytes().len() != values.len() * self.index_bytes {
            let mut own = Ints::new(self.length);
            own.extend(indices, 0);
            return self.put_entries(index, own.view(), values);
        }
        let stored = self.room(values.len(), false)?;
        let values_at = self.values_offset(&stored);
        self.store(&stored, stored.offset, indices.bytes())?;
        self.store(&stored, values_at, bytemuck::cast_slice(values))?;
        self.note(index, stored);
        Ok(())
    }

    /// Keeps line `index` of these values: dense, or the entries where that is smaller.
    pub(super) fn put_dense<W: Bits>(&mut self, index: usize, values: &[W]) -> Result<()> {
        debug_assert_eq!(values.len(), self.length);
        let zero = W::default();
        let count = values.iter().filter(|&&value| value != zero).count();
        if count * (self.index_bytes + self.item_bytes) < values.len() * self.item_bytes {
            let mut positions = Ints::new(self.length);
            let mut kept = Vec::with_capacity(count);
            for (position, &value) in values.iter().enumerate() {
                if value != zero {
                    positions.push(position);
                    kept.push(value);
                }
            }
            return self.put_entries(index, positions.view(), &kept);
        }
        let stored = self.room(values.len(), true)?;
        self.store(&stored, stored.offset, bytemuck::cast_slice(values))?;
        self.note(index, stored);
        Ok(())
    }

    fn note(&mut self, index: usize, stored: Stored) {
        self.entries += stored.entries as u64;
        if let Some(before) = self.places.insert(index, stored) {
            self.entries -= before.entries as u64;
        }
    }

    fn room(&mut self, entries: usize, is_dense: bool) -> Result<Stored> {
        let mut stored = Stored { is_dense, entries, is_logged: false, offset: 0 };
        let end = self.values_offset(&stored) + (entries * self.item_bytes) as u64;
        let bytes = end.next_multiple_of(ALIGNMENT_BYTES as u64);
        if self.held_bytes as u64 + bytes <= self.pages.len() as u64 {
            stored.offset = self.held_bytes as u64;
            self.held_bytes += bytes as usize;
            return Ok(stored);
        }
        stored.is_logged = true;
        stored.offset = self.logged_bytes;
        let needed = self.logged_bytes + bytes;
        let has = self.log.as_ref().map_or(0, |log| log.len());
        if needed > has {
            let room = needed.max(has + (has / 2).max(GROWTH_BYTES.min(4 * needed)));
            match &mut self.log {
                Some(log) => log.set_len(room)?,
                None => self.log = Some(self.target.medium.scratch(&self.target.path, room)?),
            }
        }
        self.logged_bytes = needed;
        Ok(stored)
    }

    /// Where a line's values begin: behind its positions, if it has any.
    fn values_offset(&self, stored: &Stored) -> u64 {
        let positions = if stored.is_dense { 0 } else { stored.entries * self.index_bytes };
        stored.offset + positions.next_multiple_of(ALIGNMENT_BYTES) as u64
    }

    fn store(&mut self, stored: &Stored, offset: u64, bytes: &[u8]) -> Result<()> {
        match &mut self.log {
            Some(log) if stored.is_logged => log.write_at(offset, bytes),
            _ => {
                self.pages[offset as usize..][..bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// How many of a line's entries lie below position `bound`, given that those before `from` do. The values of a
    /// dense line count as its entries.
    pub(super) fn below(&self, stored: &Stored, from: usize, bound: usize) -> Result<usize> {
        if stored.is_dense {
            return Ok(bound.min(self.length));
        }
        if bound >= self.length {
            return Ok(stored.entries);
        }
        if !stored.is_logged {
            let bytes = stored.entries * self.index_bytes;
            let indices = self.as_indices(&self.pages[stored.offset as usize..][..bytes]);
            return Ok(from + indices.part(from..stored.entries).below_from_front(bound));
        }
        let log = self.log.as_deref().expect("what is logged has a log");
        let (mut low, mut high) = (from, stored.entries);
        while low < high {
            let middle = low.midpoint(high);
            let mut bytes = [0; 8];
            let own = &mut bytes[..self.index_bytes];
            log.read_into(stored.offset + (middle * self.index_bytes) as u64, own)?;
            let position = u64::from_le_bytes(bytes) as usize;
            if position < bound { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Bytes that so many entries of a line take where they must be read from the log.
    pub(super) fn logged_bytes(&self, stored: &Stored, entries: usize) -> usize {
        let positions = if stored.is_dense { 0 } else { entries * self.index_bytes };
        let values = entries * self.item_bytes;
        match stored.is_logged {
            true => {
                positions.next_multiple_of(ALIGNMENT_BYTES)
                    + values.next_multiple_of(ALIGNMENT_BYTES)
            }
            false => 0,
        }
    }

    /// The entries `range` of a line; `buffer` has room for them where they are logged, and is cut off.
    pub(super) fn part<'a, W: Bits>(
        &'a self,
        stored: &Stored,
        range: Range<usize>,
        buffer: &mut &'a mut [u8],
    ) -> Result<Part<'a, W>> {
        if stored.is_dense {
            let offset = stored.offset + (range.start * self.item_bytes) as u64;
            let bytes = self.bytes(stored, offset, range.len() * self.item_bytes, buffer)?;
            return Ok(Part::Dense(bytemuck::cast_slice(bytes)));
        }
        let offset = stored.offset + (range.start * self.index_bytes) as u64;
        let positions = self.bytes(stored, offset, range.len() * self.index_bytes, buffer)?;
        let offset = self.values_offset(stored) + (range.start * self.item_bytes) as u64;
        let values = self.bytes(stored, offset, range.len() * self.item_bytes, buffer)?;
        Ok(Part::Entries(self.as_indices(positions), bytemuck::cast_slice(values)))
    }

    fn as_indices<'a>(&self, bytes: &'a [u8]) -> Indices<'a> {
        match Ints::width(self.length) {
            IndexWidth::I32 => Indices::I32(bytemuck::cast_slice(bytes)),
            IndexWidth::I64 => Indices::I64(bytemuck::cast_slice(bytes)),
        }
    }

    fn bytes<'a>(
        &'a self,
        stored: &Stored,
        offset: u64,
        len: usize,
        buffer: &mut &'a mut [u8],
    ) -> Result<&'a [u8]> {
        match &self.log {
            Some(log) if stored.is_logged => {
                let room = std::mem::take(buffer);
                let (out, rest) = room.split_at_mut(len.next_multiple_of(ALIGNMENT_BYTES));
                *buffer = rest;
                log.read_into(offset, &mut out[..len])?;
                Ok(&out[..len])
            }
            _ => Ok(&self.pages[offset as usize..][..len]),
        }
    }
}

/// A stage's share of what is left of the budget.
pub(super) fn stage_memory(context: &Context) -> Result<Reservation> {
    context.reserve(context.available_bytes() / 2)
}
