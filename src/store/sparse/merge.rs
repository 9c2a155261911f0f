//! What a file holds on its way into the new one that replaces it: lines as they are, or with what was turned.

use std::ops::Range;

use super::Engine;
use super::builder::Builder;
use super::ints::{Int, Ints, with_indices};
use super::turn::Turned;
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

/// Appends lines: what the file holds where no staged line covers it, and what was turned.
pub(super) fn merge_turned<W: Bits>(
    engine: &Engine<W>,
    lines: &Range<usize>,
    turned: &Turned<W>,
    covered: &dyn Fn(usize) -> bool,
    builder: &mut Builder,
    context: &Context,
) -> Result<()> {
    let length = engine.facts.length();
    let own = turned.indices.view();
    let (mut indices, mut values) = (Ints::new(length), Vec::new());
    let mut show = |block: &Block<'_, W>| {
        for (k, line) in block.lines.clone().enumerate() {
            let all = turned.offsets[line - lines.start]..turned.offsets[line - lines.start + 1];
            let new = own.part(all.clone());
            let part = all.start + new.below(block.positions.start)
                ..all.start + new.below(block.positions.end);
            let mut next = part.clone();
            indices.clear();
            values.clear();
            let old = block.offsets[k]..block.offsets[k + 1];
            with_indices!(block.indices.part(old.clone()), list => {
                for (at, &value) in list.iter().zip(&block.values[old]) {
                    let position = at.position();
                    while next.start < next.end && own.at(next.start) < position {
                        indices.push(own.at(next.start));
                        values.push(turned.values[next.start]);
                        next.start += 1;
                    }
                    if !covered(position) {
                        indices.push(position);
                        values.push(value);
                    }
                }
            });
            indices.extend(own.part(next.clone()), 0);
            values.extend_from_slice(&turned.values[next]);
            builder.push_part(indices.view(), &values, context)?;
            if block.positions.end == length {
                builder.end_line()?;
            }
        }
        Ok(())
    };
    Reader::new(engine, context)?.each(lines.clone(), &mut show)
}
