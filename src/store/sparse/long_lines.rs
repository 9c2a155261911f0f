//! Lines that exceed a window: which of them are known to be in order, and those that are not, put aside in order.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::Engine;
use super::base::{Base, Buffers, Facts, values, window_bytes};
use super::builder::Target;
use super::ints::{Int, in_range, with_indices};
use super::sorter::{Arrival, Sorter};
use super::stretches::Stretches;
use crate::array::Bits;
use crate::error::Result;
use crate::store::Context;

/// Bytes of the list of lines that are known to rise.
const MOST_BYTES: u64 = 64 << 10;

/// Lines that are kept in order, each in a nameless file of its own: beyond, they are sorted again each time.
const MOST_SORTED: usize = 64;

/// What is known of a file's long lines.
#[derive(Debug, Default)]
pub(super) struct LongLines {
    rising: Stretches,
    sorted: HashMap<usize, Arc<Base>>,
}

impl LongLines {
    /// Whether a line's positions are known to rise.
    pub(super) fn rises(&self, line: usize) -> bool {
        self.rising.contains(line)
    }

    /// Notes that somebody looked, and that they do.
    pub(super) fn note_rising(&mut self, line: usize) {
        if !self.rising.contains(line) && self.rising.bytes() < MOST_BYTES {
            self.rising.insert(line);
        }
    }

    /// A line's entries in order, as the only line of a file.
    pub(super) fn sorted(&self, line: usize) -> Option<Arc<Base>> {
        self.sorted.get(&line).cloned()
    }

    /// Keeps that file for the next time.
    pub(super) fn keep_sorted(&mut self, line: usize, sorted: Arc<Base>) {
        if self.sorted.len() < MOST_SORTED {
            self.sorted.insert(line, sorted);
        }
    }
}

impl<W: Bits> Engine<W> {
    /// These entries of one line of the file, sorted and duplicates summed, as the only line of a nameless file.
    ///
    /// # Errors
    /// Where a position is out of range, and as the sorter.
    pub(super) fn sorted_line(
        &self,
        line: usize,
        entries: &Range<u64>,
        context: &Context,
    ) -> Result<Base> {
        let Facts { compression, dtype, .. } = self.facts;
        let length = self.facts.length();
        let facts = Facts { compression, dtype, shape: compression.join(1, length) };
        let target = Target { existing: None, ..self.target() };
        let (sorting, reading) = (context.share(3, 4), context.share(1, 4));
        let bytes = window_bytes(&reading);
        let entry_bytes = self.base.entry_bytes() + size_of::<u64>();
        let _memory = reading.reserve(bytes)?;
        let step = (bytes / entry_bytes as u64).max(1);
        let coming = (entries.end - entries.start, Arrival::Any);
        let mut sorter = Sorter::new(facts, coming, target, self.sum, sorting)?;
        let places = sorter.keys();
        let (mut buffers, mut keys) = (Buffers::default(), Vec::new());
        let mut entry = entries.start;
        while entry < entries.end {
            let until = entries.end.min(entry + step);
            self.base.with_entries(entry..until, &mut buffers, &mut |indices, bytes| {
                if !in_range(indices, length) {
                    return Err(self.out_of_range(line));
                }
                let values = values(bytes);
                self.check_values(values)?;
                keys.clear();
                with_indices!(indices, list => {
                    keys.extend(list.iter().map(|at| places.of(0, at.position())));
                });
                sorter.add(&keys, values)
            })?;
            context.advance(0)?;
            entry = until;
        }
        sorter.into_file(coming.0)
    }
}
