//! Visits: along the file's lines as they lie, or across them, turned in groups that the budget holds.

use std::ops::Range;

use super::Engine;
use super::base::window_bytes;
use super::ints::{Int, Ints, with_indices};
use super::window::{Block, Reader};
use crate::array::{Bits, Compression, Element};
use crate::error::Result;
use crate::store::{Compressed, Context, Indices, Tile, Values};
use crate::sys::Advice;

/// Lines of the file that are turned at a time: their entries stay in the cache.
const STRIP_LINES: usize = 256;

/// Bytes below which a block is not worth another thread's wake-up.
const PARALLEL_BYTES: usize = 1 << 20;

/// Entries below which a file is not worth another thread's wake-up.
const PARALLEL_ENTRIES: u64 = 1 << 16;

/// Parts of a concurrent visit: enough that no thread waits long for the last one.
const PARTS_PER_THREAD: usize = 8;

/// Where at least one cell in so many is an entry, it pays to look at every cell.
const DENSE_SHARE: usize = 4;

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

impl<'a, W: Bits> Shown<'a, W> {
    /// As a tile of the elements whose bits these are.
    pub(super) fn tile<T: Element<Bits = W>>(self) -> Tile<'a, T> {
        let Shown { compression, lines, positions, offsets, indices, values } = self;
        let (rows, cols) = match compression {
            Compression::Csr => (lines, positions),
            Compression::Csc => (positions, lines),
        };
        let data = bytemuck::cast_slice(values);
        Tile {
            rows,
            cols,
            values: Values::Sparse(Compressed { compression, offsets, indices, data }),
        }
    }
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
        let shown = self.show_along(0..self.facts.lines(), show, context);
        self.base.advise(Advice::Normal);
        shown
    }

    /// Shows all lines as they lie, some of them on each thread: one reads while another works.
    pub(super) fn visit_concurrently(
        &self,
        show: &(dyn Fn(Shown<'_, W>) -> Result<()> + Sync),
        context: &Context,
    ) -> Result<()> {
        self.base.ready(context)?;
        let threads = context.threads();
        if threads == 1 || self.base.entries() < PARALLEL_ENTRIES {
            return self.visit_along(&mut |shown| show(shown), context);
        }
        let mut parts = Vec::new();
        for lines in self.shares(PARTS_PER_THREAD * threads)? {
            parts.push((lines, Ok(())));
        }
        context.for_each(parts.iter_mut().collect(), |_, (lines, done)| {
            let own = context.share(1, threads as u64).with_threads(1);
            *done = self.show_along(lines.clone(), &mut |shown| show(shown), &own);
        });
        parts.into_iter().try_for_each(|(_, done)| done)
    }

    /// All lines in so many shares, which have about as many entries each.
    pub(super) fn shares(&self, count: usize) -> Result<Vec<Range<usize>>> {
        let lines = self.facts.lines();
        let mut ends = Vec::new();
        let mut begin = |line: usize| -> Result<u64> {
            self.base.ends(line..line + 1, &mut ends)?;
            Ok(ends[0])
        };
        let mut shares: Vec<Range<usize>> = Vec::with_capacity(count);
        let mut start = 0;
        for k in 1..=count {
            let wanted = self.base.entries() / count as u64 * k as u64;
            let (mut low, mut high) = (start, lines);
            while low < high && k < count {
                let middle = low.midpoint(high);
                if begin(middle)? < wanted { low = middle + 1 } else { high = middle }
            }
            if high > start {
                shares.push(start..high);
            }
            start = high;
        }
        Ok(shares)
    }

    /// Shows `lines` as they lie.
    pub(super) fn show_along(
        &self,
        lines: Range<usize>,
        show: &mut ShowLines<'_, W>,
        context: &Context,
    ) -> Result<()> {
        let mut shifted = Ints::new(self.facts.length());
        Reader::new(self, context)?.each(lines, &mut |block| {
            let indices = match block.positions.start {
                0 => block.indices,
                start => {
                    shifted.clear();
                    shifted.extend(block.indices, -(start as isize));
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
        })
    }

    /// Entries of the other axis' lines that a visit holds at once, and how many of these lines it counts at
    /// once, with `bytes` of memory.
    pub(super) fn group_sizes(&self, bytes: u64) -> (usize, usize) {
        let entry = (Ints::width(self.facts.lines()).bytes() + size_of::<W>()) as u64;
        let entries = (bytes / 8 * 7 / entry).max(1);
        let lines = (bytes / 8 / 24).max(1);
        let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        (size(entries), size(lines))
    }

    /// Passes over the file that a visit across its lines takes with so many bytes of memory.
    pub(super) fn passes(&self, bytes: u64) -> u64 {
        let (entries, lines) = self.group_sizes(bytes);
        let groups = self.stored().div_ceil(entries as u64).max(1);
        groups + (self.facts.length().div_ceil(lines) as u64).max(1)
    }

    /// Memory for the groups of a visit across lines, of what there is.
    pub(super) fn group_bytes(context: &Context) -> u64 {
        context.available_bytes() / 8 * 7
    }

    /// Whether all of it is better turned once than passed over many times.
    pub(super) fn is_turned_aside(&self, context: &Context) -> Result<bool> {
        let left = context.without(3 * window_bytes(context));
        let passes = self.passes(Self::group_bytes(&left));
        let bytes = passes.saturating_mul(self.file_bytes(self.facts.lines()));
        Ok(bytes > self.turning(context)?.cost())
    }

    /// Shows the lines of the other axis: of all of it turned, or in passes.
    pub(super) fn visit_across(
        &self,
        show: &mut ShowLines<'_, W>,
        context: &Context,
    ) -> Result<()> {
        self.base.ready(context)?;
        if self.is_turned_aside(context)?
            && let Some(turned) = self.turn_aside(context)?
        {
            return turned.visit_along(show, context);
        }
        self.visit_in_passes(show, context)
    }

    /// Shows the lines of the other axis: a pass that counts, and a pass for each group that fits.
    fn visit_in_passes(&self, show: &mut ShowLines<'_, W>, context: &Context) -> Result<()> {
        let mut reader = Reader::new(self, context)?;
        let memory = context.reserve(Self::group_bytes(context))?;
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
        Shown {
            compression: self.facts.compression.other(),
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
                    counts[at.position() - counted.start] += 1;
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
        // Each thread turns some of the wanted lines, which lie one after another in the tile.
        let share = wanted.len().div_ceil(context.threads());
        let (indices, values) = (&mut self.indices, &mut self.values);
        match indices {
            Ints::I32(indices) => {
                let mut shares = cut(wanted, share, &self.offsets, indices, values);
                turn_all(reader, lines, &mut shares, context)
            }
            Ints::I64(indices) => {
                let mut shares = cut(wanted, share, &self.offsets, indices, values);
                turn_all(reader, lines, &mut shares, context)
            }
        }
    }
}

/// Some of the wanted lines, and the part of the tile that they are.
struct Share<'a, W, I> {
    wanted: Range<usize>,
    /// Where each line's next entry goes.
    next: Vec<usize>,
    indices: &'a mut [I],
    values: &'a mut [W],
}

/// Shares of `share` lines, which begin at `offsets` in the tile.
fn cut<'a, W, I>(
    wanted: &Range<usize>,
    share: usize,
    offsets: &[usize],
    mut indices: &'a mut [I],
    mut values: &'a mut [W],
) -> Vec<Share<'a, W, I>> {
    let mut shares = Vec::new();
    for first in (0..wanted.len()).step_by(share.max(1)) {
        let end = wanted.len().min(first + share);
        let count = offsets[end] - offsets[first];
        let (own_indices, rest) = std::mem::take(&mut indices).split_at_mut(count);
        indices = rest;
        let (own_values, rest) = std::mem::take(&mut values).split_at_mut(count);
        values = rest;
        shares.push(Share {
            wanted: wanted.start + first..wanted.start + end,
            next: offsets[first..end].iter().map(|offset| offset - offsets[first]).collect(),
            indices: own_indices,
            values: own_values,
        });
    }
    shares
}

fn turn_all<W: Bits, I: Int>(
    reader: &mut Reader<'_, W>,
    lines: usize,
    shares: &mut [Share<'_, W, I>],
    context: &Context,
) -> Result<()> {
    reader.each(0..lines, &mut |block| {
        let bytes = size_of_val(block.values);
        if bytes < PARALLEL_BYTES {
            shares.iter_mut().for_each(|share| share.turn(block));
        } else {
            context.for_each(shares.iter_mut().collect(), |_, share| share.turn(block));
        }
        context.advance(bytes as u64)
    })
}

impl<W: Bits, I: Int> Share<'_, W, I> {
    /// Puts the wanted entries of a block behind those that came before.
    fn turn(&mut self, block: &Block<'_, W>) {
        with_indices!(block.indices, list => {
            let mut strip = Vec::with_capacity(STRIP_LINES);
            for first in (0..block.lines.len()).step_by(STRIP_LINES) {
                let last = block.lines.len().min(first + STRIP_LINES);
                strip.clear();
                strip.extend(block.offsets[first..=last].windows(2).map(|ends| {
                    let own = &list[ends[0]..ends[1]];
                    let start = below(own, self.wanted.start);
                    ends[0] + start..ends[0] + start + below(&own[start..], self.wanted.end)
                }));
                let line = block.lines.start + first;
                let entries: usize = strip.iter().map(Range::len).sum();
                if entries * DENSE_SHARE >= strip.len() * self.wanted.len() {
                    self.turn_dense(list, block.values, line, &mut strip);
                } else {
                    self.turn_sparse(list, block.values, line, &strip);
                }
            }
        });
    }

    /// Entry by entry.
    fn turn_sparse<J: Int>(
        &mut self,
        list: &[J],
        values: &[W],
        line: usize,
        strip: &[Range<usize>],
    ) {
        for (line, range) in (line..).zip(strip) {
            for (at, &value) in list[range.clone()].iter().zip(&values[range.clone()]) {
                let next = &mut self.next[at.position() - self.wanted.start];
                self.indices[*next] = I::of(line);
                self.values[*next] = value;
                *next += 1;
            }
        }
    }

    /// Wanted line by wanted line, where most cells are entries: each is written from front to back.
    fn turn_dense<J: Int>(
        &mut self,
        list: &[J],
        values: &[W],
        line: usize,
        strip: &mut [Range<usize>],
    ) {
        for (wanted, next) in self.wanted.clone().zip(&mut self.next) {
            let wanted = J::of(wanted);
            for (k, range) in strip.iter_mut().enumerate() {
                if range.start < range.end && list[range.start] == wanted {
                    self.indices[*next] = I::of(line + k);
                    self.values[*next] = values[range.start];
                    *next += 1;
                    range.start += 1;
                }
            }
        }
    }
}

/// How many of these, which rise, are below `bound`.
fn below<I: Int>(list: &[I], bound: usize) -> usize {
    match list.last() {
        Some(last) if last.position() >= bound => list.partition_point(|at| at.position() < bound),
        _ => list.len(),
    }
}
