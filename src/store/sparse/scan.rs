//! A few neighbouring positions of many lines: looked for in the indices alone, from front to back, on all cores.
//!
//! Neither order nor duplicates matter to such a search, so nothing is checked but that indices are in range, and
//! values are read where something was found.

use std::ops::Range;

use super::Engine;
use super::base::{Buffers, values, window_bytes};
use super::gather::Cells;
use super::ints::{Int, with_indices};
use crate::array::{Bits, DType};
use crate::error::Result;
use crate::store::Context;

/// Positions at which a line by line search is as good.
pub(super) const MOST_POSITIONS: usize = 16;

/// Indices that are compared before it is asked whether any was meant.
const GROUP: usize = 64;

/// Entries below which a search is not worth another thread's wake-up.
const PARALLEL_ENTRIES: usize = 1 << 16;

impl<W: Bits> Engine<W> {
    /// Reads `positions` of `lines` of a file over which nothing was written, into cells that are zero.
    pub(super) fn scan(
        &self,
        lines: Range<usize>,
        positions: &Range<usize>,
        out: &mut Cells<'_, W>,
        context: &Context,
    ) -> Result<()> {
        self.base.ready(context)?;
        // Indices and values where they must be copied, what was found, and where lines end.
        let bytes = window_bytes(context);
        let _memory = context.reserve(3 * bytes)?;
        let entry_bytes = self.base.entry_bytes() as u64;
        let most = (bytes / entry_bytes).max(1);
        let most_lines =
            usize::try_from(bytes / size_of::<u64>() as u64).unwrap_or(usize::MAX).max(1);
        let mut found = Found {
            first: lines.start,
            positions,
            out,
            engine: self,
            line: lines.start,
            seen: Vec::new(),
        };
        let (mut buffers, mut ends) = (Buffers::default(), Vec::new());
        let mut line = lines.start;
        while line < lines.end {
            let these = line..lines.end.min(line.saturating_add(most_lines));
            self.base.ends(these.clone(), &mut ends)?;
            let mut entry = ends[0];
            while entry < ends[these.len()] {
                let part = entry..ends[these.len()].min(entry + most);
                self.base.with_entries(part.clone(), &mut buffers, &mut |indices, bytes| {
                    let length = self.facts.length();
                    let places =
                        with_indices!(indices, list => search(list, positions, length, context));
                    let places = places.ok_or_else(|| self.out_of_range())?;
                    let values: &[W] = values(bytes);
                    for place in places.into_iter().flatten() {
                        let place = place as usize;
                        found.put(
                            part.start + place as u64,
                            indices.at(place),
                            values[place],
                            (&these, &ends),
                        )?;
                    }
                    Ok(())
                })?;
                entry = part.end;
                context.advance(0)?;
            }
            line = these.end;
        }
        Ok(())
    }
}

/// What was found, on its way into the cells.
struct Found<'f, 'c, W> {
    first: usize,
    positions: &'f Range<usize>,
    out: &'f mut Cells<'c, W>,
    engine: &'f Engine<W>,
    /// The line of what was found last, and its cells that have a value.
    line: usize,
    seen: Vec<usize>,
}

impl<W: Bits> Found<'_, '_, W> {
    /// Puts an entry of one of the lines `these`, whose entries begin at `ends`.
    fn put(
        &mut self,
        entry: u64,
        position: usize,
        value: W,
        (these, ends): (&Range<usize>, &[u64]),
    ) -> Result<()> {
        let begin = self.line.saturating_sub(these.start);
        // Mostly it is one of the next lines.
        let mut step = 1;
        while begin + step < these.len() && ends[begin + step] <= entry {
            step *= 2;
        }
        let (low, high) = (begin + step / 2, these.len().min(begin + step));
        let line = these.start + low + ends[low..=high].partition_point(|&end| end <= entry) - 1;
        if line != self.line {
            self.seen.clear();
            self.line = line;
        }
        if self.engine.facts.dtype == DType::Bool && bytemuck::bytes_of(&value)[0] > 1 {
            return Err(self.engine.base.malformed("a boolean is neither 0 nor 1"));
        }
        let at = (line - self.first) * self.out.line_stride
            + (position - self.positions.start) * self.out.position_stride;
        let cell = &mut self.out.cells[at];
        if self.seen.contains(&at) {
            *cell = (self.engine.sum)(*cell, value);
        } else {
            *cell = value;
            self.seen.push(at);
        }
        Ok(())
    }
}

/// The places of those indices that are in `positions`, part by part; none where one is not below `length`.
fn search<I: Int>(
    indices: &[I],
    positions: &Range<usize>,
    length: usize,
    context: &Context,
) -> Option<Vec<Vec<u32>>> {
    let parts = if indices.len() < PARALLEL_ENTRIES { 1 } else { 2 * context.threads() };
    let step = indices.len().div_ceil(parts).max(1);
    let mut found: Vec<_> = vec![Some(Vec::new()); indices.len().div_ceil(step)];
    let work = |part: usize, found: &mut Option<Vec<u32>>| {
        let own = part * step..indices.len().min((part + 1) * step);
        *found = search_part(&indices[own.clone()], own.start as u32, positions, length);
    };
    if parts == 1 || context.threads() == 1 {
        found.iter_mut().enumerate().for_each(|(part, found)| work(part, found));
    } else {
        context.for_each(found.iter_mut().collect(), work);
    }
    found.into_iter().collect()
}

/// The same for a part that begins at `start`.
fn search_part<I: Int>(
    indices: &[I],
    start: u32,
    positions: &Range<usize>,
    length: usize,
) -> Option<Vec<u32>> {
    let (mut found, zero) = (Vec::new(), I::of(0));
    let mut is_out = false;
    // A file's indices may be narrower than its shape: then none is out of range but the negative ones.
    let (low, last) = (I::saturating(positions.start), I::saturating(positions.end - 1));
    let highest = I::saturating(length - 1);
    let is_meant = |index: I| (index >= low) & (index <= last);
    for (group, own) in (start..).step_by(GROUP).zip(indices.chunks(GROUP)) {
        // Without a branch in each: the compiler makes vectors of it.
        let (mut any, mut out) = (false, false);
        for &index in own {
            any |= is_meant(index);
            out |= (index < zero) | (index > highest);
        }
        is_out |= out;
        if any {
            found.extend(
                (group..).zip(own).filter(|&(_, &index)| is_meant(index)).map(|(at, _)| at),
            );
        }
    }
    (!is_out).then_some(found)
}
