//! The way of sorted entries into the file.

use super::super::builder::Builder;
use super::super::ints::{Ints, NONE};
use super::CHUNK_BYTES;
use super::keys::Keys;
use crate::array::Bits;
use crate::error::Result;
use crate::store::{Context, Reservation};

/// Entries of some bins, each bin's sorted.
pub(super) struct Sorted<W> {
    pub(super) keys: Vec<u64>,
    pub(super) values: Vec<W>,
    /// For each bin: entries for which there is room, and those that are left.
    pub(super) counts: Vec<(usize, usize)>,
    pub(super) memory: Option<Reservation>,
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

    pub(super) fn put(&self, emitter: &mut Emitter<'_>) -> Result<()> {
        let mut begin = 0;
        for &(room, count) in &self.counts {
            let own = begin..begin + count;
            emitter.put(&self.keys[own.clone()], &self.values[own])?;
            begin += room;
        }
        Ok(())
    }
}

/// Appends sorted entries to a file.
pub(super) struct Emitter<'b> {
    pub(super) builder: &'b mut Builder,
    pub(super) keys: Keys,
    pub(super) context: &'b Context,
    pub(super) offsets: Vec<usize>,
    pub(super) indices: Ints,
}

/// Ends of lines that are appended at once.
const MOST_ENDS: usize = 32 << 10;

impl Emitter<'_> {
    /// Appends entries whose keys rise, and are above all that came before.
    pub(super) fn put<W: Bits>(&mut self, keys: &[u64], values: &[W]) -> Result<()> {
        let mut begin = 0;
        while begin < keys.len() {
            // Up to the line that this line is `MOST_ENDS` before: lines may be many, and empty.
            let first = self.builder.lines();
            let line = self.keys.line(keys[begin]);
            if line - first > MOST_ENDS {
                self.end_lines(line)?;
                continue;
            }
            let (mut end, mut open) = (begin, first);
            self.indices.clear();
            self.offsets.clear();
            self.offsets.push(0);
            let last = keys.len().min(begin + CHUNK_BYTES / size_of::<u64>());
            while end < last && self.offsets.len() <= MOST_ENDS {
                let line = self.keys.line(keys[end]);
                if line - first > 2 * MOST_ENDS {
                    break;
                }
                while open < line {
                    self.offsets.push(end - begin);
                    open += 1;
                }
                self.indices.push(self.keys.position(keys[end]));
                end += 1;
            }
            let whole = begin + self.offsets[self.offsets.len() - 1];
            let view = self.indices.view();
            self.builder.push(
                &self.offsets,
                view.part(0..whole - begin),
                &values[begin..whole],
                self.context,
            )?;
            self.builder.push_part(
                view.part(whole - begin..end - begin),
                &values[whole..end],
                self.context,
            )?;
            begin = end;
        }
        Ok(())
    }

    /// Ends lines until there are `lines`.
    pub(super) fn end_lines(&mut self, lines: usize) -> Result<()> {
        while self.builder.lines() < lines {
            let count = (lines - self.builder.lines()).min(MOST_ENDS);
            self.offsets.clear();
            self.offsets.resize(count + 1, 0);
            self.builder.push::<u8>(&self.offsets, NONE, &[], self.context)?;
        }
        Ok(())
    }
}
