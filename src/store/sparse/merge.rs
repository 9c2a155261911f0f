//! What a file holds on its way into the new one that replaces it: lines as they are, or with what was turned.

use std::ops::Range;

use super::Engine;
use super::base::window_bytes;
use super::builder::Builder;
use super::ints::{Int, Ints, with_indices};
use super::turn::Lines;
use super::window::{Block, Reader};
use crate::array::Bits;
use crate::error::Result;
use crate::store::Context;

/// Appends lines as they are.
pub(super) fn copy_lines<W: Bits>(
    engine: &Engine<W>,
    lines: Range<usize>,
    builder: &mut Builder,
    context: &Context,
) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    let length = engine.facts.length();
    let mut show = |block: &Block<'_, W>| {
        context.advance(size_of_val(block.values) as u64)?;
        if block.positions == (0..length) {
            return builder.push(block.offsets, block.indices, block.values, context);
        }
        builder.push_part(block.indices, block.values, context)?;
        if block.positions.end == length { builder.end_line() } else { Ok(()) }
    };
    Reader::new(engine, context)?.each(lines, &mut show)
}

/// Appends what a line holds from position `begin` on.
pub(super) fn copy_rest<W: Bits>(
    engine: &Engine<W>,
    line: usize,
    begin: usize,
    builder: &mut Builder,
    context: &Context,
) -> Result<()> {
    let mut show = |block: &Block<'_, W>| {
        let all = block.offsets[0]..block.offsets[1];
        let own = block.indices.part(all.clone());
        let rest = own.below(begin)..own.len();
        builder.push_part(own.part(rest.clone()), &block.values[all][rest], context)
    };
    Reader::new(engine, context)?.each(line..line + 1, &mut show)
}

/// Whether what was turned covers what the file holds at a line's position.
pub(super) type Covered<'c> = dyn Fn(usize, usize) -> bool + 'c;

/// Appends lines: what the file holds where no staged line covers it, and what was turned. Of a line that exceeds
/// the memory only `positions`, without its end.
pub(super) fn merge_turned<W: Bits>(
    engine: &Engine<W>,
    (lines, positions): (&Range<usize>, &Range<usize>),
    turned: Lines<'_, W>,
    covered: &Covered<'_>,
    builder: &mut Builder,
    context: &Context,
) -> Result<()> {
    let length = engine.facts.length();
    let new = turned.indices;
    let mut reader = Reader::new(engine, context)?;
    let memory = context.reserve(window_bytes(context))?;
    let most = usize::try_from(memory.bytes()).unwrap_or(usize::MAX) / (16 + size_of::<W>());
    let mut merged = Merged { offsets: vec![0], indices: Ints::new(length), values: Vec::new() };
    let mut show = |block: &Block<'_, W>| {
        let is_whole = *positions == (0..length) && block.positions == (0..length);
        let from = block.positions.start.max(positions.start);
        let to = block.positions.end.min(positions.end);
        if from >= to && !is_whole {
            return Ok(());
        }
        for (k, line) in block.lines.clone().enumerate() {
            let all = turned.offsets[line - lines.start]..turned.offsets[line - lines.start + 1];
            let own = new.part(all.clone());
            let part = all.start + own.below(from)..all.start + own.below(to);
            let old = block.offsets[k]..block.offsets[k + 1];
            let own = block.indices.part(old.clone());
            let old = old.start + own.below(from)..old.start + own.below(to);
            merged.add((block, old), (turned, part), &|position| covered(line, position));
            if !is_whole {
                builder.push_part(merged.indices.view(), &merged.values, context)?;
                merged.clear();
                if positions.len() == length && block.positions.end == length {
                    builder.end_line()?;
                }
                continue;
            }
            merged.offsets.push(merged.values.len());
            if merged.values.len().max(merged.offsets.len()) >= most {
                merged.move_to(builder, context)?;
            }
        }
        merged.move_to(builder, context)
    };
    reader.each(lines.clone(), &mut show)
}

/// Lines put together, on their way to the builder: a call for each would cost more than what it writes.
struct Merged<W> {
    offsets: Vec<usize>,
    indices: Ints,
    values: Vec<W>,
}

impl<W: Bits> Merged<W> {
    fn clear(&mut self) {
        self.offsets.truncate(1);
        self.indices.clear();
        self.values.clear();
    }

    /// Appends the entries `old` of a block where nothing covers them, and those of `next` that were turned, in
    /// order.
    fn add(
        &mut self,
        (block, old): (&Block<'_, W>, Range<usize>),
        (turned, mut next): (Lines<'_, W>, Range<usize>),
        covered: &dyn Fn(usize) -> bool,
    ) {
        let new = turned.indices;
        with_indices!(block.indices.part(old.clone()), list => {
            for (at, &value) in list.iter().zip(&block.values[old]) {
                let position = at.position();
                while next.start < next.end && new.at(next.start) < position {
                    self.indices.push(new.at(next.start));
                    self.values.push(turned.values[next.start]);
                    next.start += 1;
                }
                if !covered(position) {
                    self.indices.push(position);
                    self.values.push(value);
                }
            }
        });
        self.indices.extend(new.part(next.clone()), 0);
        self.values.extend_from_slice(&turned.values[next]);
    }

    fn move_to(&mut self, builder: &mut Builder, context: &Context) -> Result<()> {
        builder.push(&self.offsets, self.indices.view(), &self.values, context)?;
        self.clear();
        Ok(())
    }
}
