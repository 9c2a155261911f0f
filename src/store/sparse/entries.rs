//! The entries of a selection, in memory: compressed as the file is, and nothing made dense.

use std::ops::Range;

use super::Engine;
use super::gather::{Wanted, runs};
use super::ints::{Int, Ints, with_indices};
use super::window::{Block, Reader};
use crate::array::{Bits, IndexWidth, Picks};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Context, Entries, OwnedIndices};

/// Runs of lines that are asked for ahead at a time.
const AHEAD: usize = 1024;

/// Entries of picked lines × positions as they come.
struct Picked<W> {
    /// How many entries each picked line has, then where they end.
    offsets: Vec<usize>,
    /// Which pick of the positions each is.
    indices: Ints,
    data: Vec<W>,
    /// Entries of a line by pick, where positions are not wanted in their own order.
    line: Vec<(usize, W)>,
}

impl<W: Bits> Engine<W> {
    /// The entries of picked lines × positions.
    pub(super) fn entries_of(
        &self,
        lines: Picks<'_>,
        positions: Picks<'_>,
        context: &Context,
    ) -> Result<Entries<W>> {
        let mut picked = Picked {
            offsets: vec![0; lines.len() + 1],
            indices: Ints::new(positions.len()),
            data: Vec::new(),
            line: Vec::new(),
        };
        let wanted = Wanted::new(positions, self.facts.length());
        self.base.ready(context)?;
        if self.facts.lines() > 0 && self.facts.length() > 0 && !positions.is_empty() {
            let mut reader = Reader::new(self, context)?;
            let runs = runs(lines);
            for batch in runs.chunks(AHEAD) {
                if runs.len() > 1 {
                    self.prefetch(batch)?;
                }
                for (pick, run) in batch {
                    reader.each(run.clone(), &mut |block| {
                        picked.take(block, pick + block.lines.start - run.start, &wanted)?;
                        context.advance(0)
                    })?;
                }
            }
        }
        let Picked { mut offsets, indices, data, .. } = picked;
        for line in 1..offsets.len() {
            offsets[line] += offsets[line - 1];
        }
        let shape = self.facts.compression.join(lines.len(), positions.len());
        let indices = match IndexWidth::fitting(shape, data.len() as u64) {
            IndexWidth::I64 => indices.widened(),
            IndexWidth::I32 => indices,
        };
        let indices = match indices {
            Ints::I32(list) => OwnedIndices::I32(list),
            Ints::I64(list) => OwnedIndices::I64(list),
        };
        Ok(Entries { compression: self.facts.compression, shape, offsets, indices, data })
    }
}

impl<W: Bits> Picked<W> {
    /// Takes what is wanted of a block, the first line of which is the `first` that was picked. A line may come in parts.
    fn take(&mut self, block: &Block<'_, W>, first: usize, wanted: &Wanted) -> Result<()> {
        for line in 0..block.lines.len() {
            let own = block.offsets[line]..block.offsets[line + 1];
            let before = self.data.len();
            with_indices!(block.indices.part(own.clone()), at => {
                self.take_line(at, &block.values[own], wanted)
            })?;
            self.offsets[first + line + 1] += self.data.len() - before;
        }
        Ok(())
    }

    fn take_line<I: Int>(&mut self, at: &[I], values: &[W], wanted: &Wanted) -> Result<()> {
        let within = |span: &Range<usize>| {
            let begin = at.partition_point(|at| at.position() < span.start);
            begin..at.partition_point(|at| at.position() < span.end)
        };
        match wanted {
            Wanted::Run(run) => {
                let own = within(run);
                self.reserve(own.len())?;
                for entry in own {
                    self.indices.push(at[entry].position() - run.start);
                    self.data.push(values[entry]);
                }
            }
            Wanted::Stepped { span, step } => {
                let own = within(span);
                self.reserve(own.len() / step + 1)?;
                for entry in own {
                    let from = at[entry].position() - span.start;
                    if from.is_multiple_of(*step) {
                        self.indices.push(from / step);
                        self.data.push(values[entry]);
                    }
                }
            }
            Wanted::List { pairs, .. } => {
                self.line.clear();
                for (at, &value) in at.iter().zip(values) {
                    let position = at.position();
                    let first = pairs.partition_point(|&(wanted, _)| wanted < position);
                    let picks = pairs[first..].iter().take_while(|(wanted, _)| *wanted == position);
                    self.line.extend(picks.map(|&(_, pick)| (pick, value)));
                }
                self.line.sort_unstable_by_key(|&(pick, _)| pick);
                self.reserve(self.line.len())?;
                for &(pick, value) in &self.line {
                    self.indices.push(pick);
                    self.data.push(value);
                }
            }
        }
        Ok(())
    }

    /// Room for so many more.
    fn reserve(&mut self, more: usize) -> Result<()> {
        let failed = |source| {
            let words = "not enough memory for the selected entries";
            Error::new(ErrorKind::Budget, "allocate", words).caused_by(source)
        };
        self.data.try_reserve(more).map_err(failed)?;
        self.indices.try_reserve(more).map_err(failed)
    }
}
