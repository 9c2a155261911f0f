//! The way of sorted entries out: as lines.

use std::ops::Range;

use super::super::ints::{Ints, NONE};
use super::CHUNK_BYTES;
use super::keys::Keys;
use crate::array::Bits;
use crate::error::Result;
use crate::store::sparse::turn::Lines;
use crate::store::{Context, Reservation};

/// Ends of lines that are shown at once.
const MOST_ENDS: usize = 32 << 10;

/// Entries of some bins, each bin's sorted.
pub(super) struct Sorted<W> {
    pub(super) keys: Vec<u64>,
    pub(super) values: Vec<W>,
    /// For each bin: entries for which there is room, and those that are left.
    pub(super) counts: Vec<(usize, usize)>,
    memory: Option<Reservation>,
}

impl<W> Default for Sorted<W> {
    fn default() -> Self {
        Self { keys: Vec::new(), values: Vec::new(), counts: Vec::new(), memory: None }
    }
}

impl<W: Bits> Sorted<W> {
    /// Takes memory for so many entries, where it has not got it. What was there is gone.
    pub(super) fn make_room(&mut self, entries: usize, context: &Context) -> Result<()> {
        self.counts.clear();
        if entries > self.keys.len() {
            *self = Self::default();
            let bytes = entries * (size_of::<u64>() + size_of::<W>());
            self.memory = Some(context.reserve(bytes as u64)?);
            self.keys.resize(entries, 0);
            self.values.resize(entries, W::default());
        }
        Ok(())
    }

    pub(super) fn put(&self, emitter: &mut Emitter<'_, W>) -> Result<()> {
        let mut begin = 0;
        for &(room, count) in &self.counts {
            let own = begin..begin + count;
            emitter.put(&self.keys[own.clone()], &self.values[own])?;
            begin += room;
        }
        Ok(())
    }
}

/// What is shown of the lines that are come to, from the first to the last.
pub(in crate::store::sparse) enum Emitted<'a, W> {
    /// Whole lines.
    Lines(Lines<'a, W>),
    /// A part of a line: the positions that it covers.
    Part(Lines<'a, W>, Range<usize>),
    /// The end of that line.
    End,
}

/// Who is shown lines.
pub(in crate::store::sparse) type ShowEmitted<'s, W> =
    dyn FnMut(Range<usize>, Emitted<'_, W>) -> Result<()> + Send + 's;

/// Makes lines of sorted entries.
pub(super) struct Emitter<'s, W> {
    keys: Keys,
    /// Positions in a line.
    length: usize,
    /// Whether the entries that are put at once end with a line.
    is_whole: bool,
    /// The next line, and how many of its positions were shown.
    line: usize,
    begun: usize,
    offsets: Vec<usize>,
    indices: Ints,
    show: &'s mut ShowEmitted<'s, W>,
}

impl<'s, W: Bits> Emitter<'s, W> {
    pub(super) fn new(keys: Keys, length: usize, show: &'s mut ShowEmitted<'s, W>) -> Self {
        let (offsets, indices) = (Vec::new(), Ints::new(length));
        Self { keys, length, is_whole: false, line: 0, begun: 0, offsets, indices, show }
    }

    /// From now on what is put at once are the keys of a bin that differ in so many bits.
    pub(super) fn set_bin_bits(&mut self, bits: u32) {
        self.is_whole = bits >= self.keys.position_bits;
    }

    /// Shows entries whose keys rise, and are above all that came before.
    pub(super) fn put(&mut self, keys: &[u64], values: &[W]) -> Result<()> {
        let mut begin = 0;
        while begin < keys.len() {
            let first = self.keys.line(keys[begin]);
            self.end_lines(first)?;
            let last = keys.len().min(begin + CHUNK_BYTES / size_of::<u64>());
            let (mut end, mut open) = (begin, first);
            self.indices.clear();
            self.offsets.clear();
            self.offsets.push(0);
            // Of a line that has begun, only what is its own; else up to a gap of so many lines that are empty.
            let most_lines = if self.begun > 0 { 0 } else { MOST_ENDS };
            while end < last {
                let line = self.keys.line(keys[end]);
                if line - first > most_lines {
                    break;
                }
                while open < line {
                    self.offsets.push(end - begin);
                    open += 1;
                }
                self.indices.push(self.keys.position(keys[end]));
                end += 1;
            }
            let is_complete = self.begun == 0
                && (keys.get(end).map_or(self.is_whole, |&key| self.keys.line(key) > open));
            if is_complete {
                self.offsets.push(end - begin);
                open += 1;
            }
            self.show_chunk(first..open, &values[begin..end])?;
            begin = end;
        }
        Ok(())
    }

    /// Shows whole lines, and what there is of the next one.
    fn show_chunk(&mut self, lines: Range<usize>, values: &[W]) -> Result<()> {
        let Self { offsets, indices, show, .. } = self;
        let view = indices.view();
        let whole = offsets[offsets.len() - 1];
        if !lines.is_empty() {
            let (indices, values) = (view.part(0..whole), &values[..whole]);
            show(lines.clone(), Emitted::Lines(Lines { offsets, indices, values }))?;
        }
        self.line = lines.end;
        if whole < values.len() {
            let (indices, values) = (view.part(whole..values.len()), &values[whole..]);
            let end = indices.at(values.len() - 1) + 1;
            let part = Lines { offsets: &[0, values.len()], indices, values };
            show(lines.end..lines.end + 1, Emitted::Part(part, self.begun..end))?;
            self.begun = end;
        }
        Ok(())
    }

    /// Ends lines until `line` is the next one.
    pub(super) fn end_lines(&mut self, line: usize) -> Result<()> {
        if self.begun > 0 && self.line < line {
            let own = self.line..self.line + 1;
            if self.begun < self.length {
                let rest = Lines { offsets: &[0, 0], indices: NONE, values: &[] };
                (self.show)(own.clone(), Emitted::Part(rest, self.begun..self.length))?;
            }
            (self.show)(own, Emitted::End)?;
            (self.line, self.begun) = (self.line + 1, 0);
        }
        while self.line < line {
            let count = (line - self.line).min(MOST_ENDS);
            self.offsets.clear();
            self.offsets.resize(count + 1, 0);
            let lines = Lines { offsets: &self.offsets, indices: NONE, values: &[] };
            (self.show)(self.line..self.line + count, Emitted::Lines(lines))?;
            self.line += count;
        }
        Ok(())
    }
}
