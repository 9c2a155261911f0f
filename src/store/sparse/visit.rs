//! Visits: along the file's lines as they lie, or across them, turned in groups that the budget holds.

use std::ops::Range;

use super::Engine;
use super::ints::{Ints, with_indices};
use super::window::{Block, Reader};
use crate::array::{Bits, Compression};
use crate::error::Result;
use crate::store::{Context, Indices};
use crate::sys::Advice;

/// Lines to be shown: which ones, the positions that are covered, and the entries, positions counted from
/// the first covered one.
pub(super) struct Shown<'a, W> {
    pub compression: Compression,
    pub lines: Range<usize>,
    pub positions: Range<usize>,
    pub offsets: &'a [usize],
    pub indices: Indices<'a>,
    pub values: &'a [W],
}

/// Who is shown lines.
pub(super) type ShowLines<'s, W> = dyn FnMut(Shown<'_, W>) -> Result<()> + 's;

/// The memory of a visit across lines.
struct Group<W> {
    /// Where each line's entries begin in the tile.
    offsets: Vec<usize>,
    indices: Ints,
    values: Vec<W>,
    /// Entries that are held at most.
    most: usize,
}

impl<W: Bits> Engine<W> {
    /// Shows all lines as they lie.
    pub(super) fn visit_along(&self, show: &mut ShowLines<'_, W>, context: &Context) -> Result<()> {
        self.base.advise(Advice::Sequential);
        let mut shifted = Ints::new(self.facts.length());
        let all = 0..self.facts.lines();
        let shown = Reader::new(self, context)?.each(all, &mut |block| {
            let indices = match block.positions.start {
                0 => block.indices,
                start => {
                    shifted.clear();
                    shifted.extend(block.indices, start);
                    shifted.view()
                }
            };
            show(Shown {
                compression: self.facts.compression,
                lines: block.lines.clone(),
                positions: block.positions.clone(),
                offsets: block.offsets,
                indices,
                values: block.values,
            })?;
            context.advance((block.values.len() * self.base.entry_bytes()) as u64)
        });
        self.base.advise(Advice::Normal);
        shown
    }

    /// Entries of the other axis' lines that a visit holds at once, and how many of these lines it counts at
    /// once, with `bytes` of memory.
    pub(super) fn group_sizes(&self, bytes: u64) -> (usize, usize) {
        let entry = (Ints::width(self.facts.lines()).bytes() + size_of::<W>()) as u64;
        let entries = (bytes / 4 * 3 / entry).max(1);
        let lines = (bytes / 4 / 24).max(1);
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        (size(entries), size(lines))
    }

    /// Shows the lines of the other axis: a pass that counts, and a pass for each group that fits.
    pub(super) fn visit_across(
        &self,
        show: &mut ShowLines<'_, W>,
        context: &Context,
    ) -> Result<()> {
        let mut reader = Reader::new(self, context)?;
        let memory = context.reserve(context.available_bytes() / 4 * 3)?;
        let (most, most_lines) = self.group_sizes(memory.bytes());
        let mut group = Group {
            offsets: Vec::new(),
            indices: Ints::new(self.facts.lines()),
            values: Vec::new(),
            most,
        };
        let (lines, length) = (self.facts.lines(), self.facts.length());
        let mut begin = 0;
        while begin < length {
            let counted = begin..length.min(begin.saturating_add(most_lines));
            let counts = count(&mut reader, lines, &counted, context)?;
            let mut first = counted.start;
            while first < counted.end {
                let (mut end, mut entries) = (first, 0);
                while end < counted.end && entries + counts[end - begin] <= most {
                    entries += counts[end - begin];
                    end += 1;
                }
                if end == first {
                    self.show_long(&mut reader, first, &mut group, show, context)?;
                    end += 1;
                } else {
                    let counts = &counts[first - begin..end - begin];
                    group.fill(&mut reader, lines, &(first..end), counts, context)?;
                    show(self.turned(first..end, 0..lines, &group))?;
                }
                first = end;
            }
            begin = counted.end;
        }
        Ok(())
    }

    /// Shows one line of the other axis, which exceeds the memory, in parts.
    fn show_long(
        &self,
        reader: &mut Reader<'_, W>,
        line: usize,
        group: &mut Group<W>,
        show: &mut ShowLines<'_, W>,
        context: &Context,
    ) -> Result<()> {
        let lines = self.facts.lines();
        let mut start = 0;
        group.clear();
        reader.each(0..lines, &mut |block| {
            for (own, range) in of_lines(block, &(line..line + 1)) {
                if range.is_empty() {
                    continue;
                }
                if group.values.len() == group.most {
                    group.offsets = vec![0, group.values.len()];
                    show(self.turned(line..line + 1, start..own, group))?;
                    group.clear();
                    start = own;
                }
                group.indices.push(own - start);
                group.values.push(block.values[range.start]);
            }
            context.advance(0)
        })?;
        group.offsets = vec![0, group.values.len()];
        show(self.turned(line..line + 1, start..lines, group))
    }

    fn turned<'a>(
        &self,
        lines: Range<usize>,
        positions: Range<usize>,
        group: &'a Group<W>,
    ) -> Shown<'a, W> {
        let compression = match self.facts.compression {
            Compression::Csr => Compression::Csc,
            Compression::Csc => Compression::Csr,
        };
        Shown {
            compression,
            lines,
            positions,
            offsets: &group.offsets,
            indices: group.indices.view(),
            values: &group.values,
        }
    }
}

/// Each line of a block with those of its entries whose positions are in `wanted`.
fn of_lines<'b, W: Bits>(
    block: &'b Block<'_, W>,
    wanted: &'b Range<usize>,
) -> impl Iterator<Item = (usize, Range<usize>)> + 'b {
    block.lines.clone().zip(block.offsets.windows(2)).map(move |(line, ends)| {
        let own = block.indices.part(ends[0]..ends[1]);
        (line, ends[0] + own.below(wanted.start)..ends[0] + own.below(wanted.end))
    })
}

/// How many entries each of the other axis' lines `counted` has.
fn count<W: Bits>(
    reader: &mut Reader<'_, W>,
    lines: usize,
    counted: &Range<usize>,
    context: &Context,
) -> Result<Vec<usize>> {
    let mut counts = vec![0; counted.len()];
    reader.each(0..lines, &mut |block| {
        if *counted == block.positions {
            with_indices!(block.indices, list => {
                for at in list {
                    counts[super::ints::Int::position(*at) - counted.start] += 1;
                }
            });
        } else {
            for (_, range) in of_lines(block, counted) {
                for k in range {
                    counts[block.indices.at(k) - counted.start] += 1;
                }
            }
        }
        context.advance(0)
    })?;
    Ok(counts)
}

impl<W: Bits> Group<W> {
    fn clear(&mut self) {
        self.indices.clear();
        self.values.clear();
    }

    /// Collects the lines `wanted` of the other axis, which have `counts` entries.
    fn fill(
        &mut self,
        reader: &mut Reader<'_, W>,
        lines: usize,
        wanted: &Range<usize>,
        counts: &[usize],
        context: &Context,
    ) -> Result<()> {
        let mut end = 0;
        self.offsets.clear();
        self.offsets.push(0);
        for count in counts {
            end += count;
            self.offsets.push(end);
        }
        self.indices.resize(end);
        self.values.resize(end, W::default());
        let mut next = self.offsets[..counts.len()].to_vec();
        let (indices, values) = (&mut self.indices, &mut self.values);
        reader.each(0..lines, &mut |block| {
            match indices {
                Ints::I32(indices) => turn(block, wanted, &mut next, indices, values),
                Ints::I64(indices) => turn(block, wanted, &mut next, indices, values),
            }
            context.advance((block.values.len() * size_of::<W>()) as u64)
        })
    }
}

/// Puts the entries of a block that are `wanted` behind those that came before.
fn turn<W: Bits, I: super::ints::Int>(
    block: &Block<'_, W>,
    wanted: &Range<usize>,
    next: &mut [usize],
    indices: &mut [I],
    values: &mut [W],
) {
    with_indices!(block.indices, list => {
        for (line, range) in of_lines(block, wanted) {
            for (at, &value) in list[range.clone()].iter().zip(&block.values[range]) {
                let next = &mut next[super::ints::Int::position(*at) - wanted.start];
                indices[*next] = I::of(line);
                values[*next] = value;
                *next += 1;
            }
        }
    });
}
