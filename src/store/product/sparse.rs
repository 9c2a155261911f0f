//! Products with compressed lines.

use std::ops::Range;

use super::{Factors, Lift, PARALLEL_ELEMENTS, add_scaled, strip, sum_of};
use crate::array::{Element, Wide};
use crate::store::{Compressed, Context};
use crate::sys::{Kernel, in_widest_vectors};

/// Bytes of sums of which each thread may have its own: they stay in its cache while they are added to here and there.
const CACHED_BYTES: usize = 256 << 10;

/// Numbers of all positions that the last cache holds are not cut: the processor has other entries to go on with while it
/// waits for them.
const UNCUT_BYTES: usize = 16 << 20;

/// Bytes of a stretch of numbers where they are cut.
const STRETCH_BYTES: usize = 1 << 20;

/// Entries that a line should have in a stretch of positions for a visit of each stretch to pay.
const LEAST_RUN: usize = 8;

/// A position, as the file has it.
pub(super) trait Position: Copy + Send + Sync + Ord {
    fn at(self) -> usize;
    fn of(position: usize) -> Self;
}

impl Position for i32 {
    #[inline]
    fn at(self) -> usize {
        self as usize
    }

    fn of(position: usize) -> Self {
        Self::try_from(position).unwrap_or(Self::MAX)
    }
}

impl Position for i64 {
    #[inline]
    fn at(self) -> usize {
        self as usize
    }

    fn of(position: usize) -> Self {
        Self::try_from(position).unwrap_or(Self::MAX)
    }
}

/// Compressed lines, and what they are multiplied with.
pub(super) struct Lines<'a, T, N, I, L> {
    offsets: &'a [usize],
    indices: &'a [I],
    data: &'a [T],
    factors: &'a Factors<'a, N>,
    lift: L,
}

/// Lines cut into `count` shares that have about as many entries.
fn shares_of(offsets: &[usize], count: usize) -> impl Iterator<Item = Range<usize>> {
    let lines = offsets.len() - 1;
    let entries = offsets[lines];
    let mut start = 0;
    (1..=count).filter_map(move |k| {
        let bound = entries / count * k;
        let end = if k == count {
            lines
        } else {
            offsets.partition_point(|&offset| offset < bound).min(lines)
        };
        let own = start..end.max(start);
        start = own.end;
        (!own.is_empty()).then_some(own)
    })
}

/// Sums that are added to in turn, so that an addition need not wait for the one before.
const LANES: usize = 8;

/// The sum of the products of a line's values with what is at its positions.
struct Dot<'a, T, N, I, L> {
    indices: &'a [I],
    data: &'a [T],
    from: &'a [N],
    lift: L,
}

impl<T: Element, N: Wide, I: Position, L: Lift<T, N>> Kernel for Dot<'_, T, N, I, L> {
    type Output = N;

    #[inline(always)]
    fn run(self) -> N {
        let Self { indices, data, from, lift } = self;
        let Some(last) = from.len().checked_sub(1) else { return N::default() };
        // Positions were checked: the smaller one is there for loops that do not look at each.
        let product = |index: I, value: T| lift(value).times(from[index.at().min(last)]);
        let mut sums = [N::default(); LANES];
        let (groups, rest) = indices.as_chunks::<LANES>();
        let (data_groups, data_rest) = data.as_chunks::<LANES>();
        for (indices, data) in groups.iter().zip(data_groups) {
            for k in 0..LANES {
                sums[k] = sums[k].plus(product(indices[k], data[k]));
            }
        }
        for (sum, (&index, &value)) in sums.iter_mut().zip(rest.iter().zip(data_rest)) {
            *sum = sum.plus(product(index, value));
        }
        sum_of(sums)
    }
}

impl<'a, T: Element, N: Wide, I: Position, L: Lift<T, N>> Lines<'a, T, N, I, L> {
    pub(super) fn new(
        block: &Compressed<'a, T>,
        indices: &'a [I],
        factors: &'a Factors<'a, N>,
        lift: L,
    ) -> Self {
        Self { offsets: block.offsets, indices, data: block.data, factors, lift }
    }

    /// Adds to `sums`: each line's sum of what is at its positions where they are gathered, else each line's factor, times
    /// its values, to what is at its positions.
    pub(super) fn add(&self, is_gathered: bool, sums: &mut [N], context: &Context) {
        if is_gathered { self.gather(sums, context) } else { self.scatter(sums, context) }
    }

    fn gather(&self, sums: &mut [N], context: &Context) {
        let width = self.factors.width;
        let lines = self.offsets.len() - 1;
        if self.data.len() < PARALLEL_ELEMENTS || context.threads() == 1 {
            return self.gather_lines(0..lines, sums);
        }
        // Shares of as many entries each, whatever the lines have.
        let mut shares = Vec::new();
        let mut left = sums;
        for own in shares_of(self.offsets, 4 * context.threads()) {
            let (these, rest) = std::mem::take(&mut left).split_at_mut(own.len() * width);
            left = rest;
            shares.push((own, these));
        }
        context.for_each(shares, |_, (lines, sums)| self.gather_lines(lines, sums));
    }

    fn gather_lines(&self, lines: Range<usize>, sums: &mut [N]) {
        let Factors { from, width } = *self.factors;
        if width == 1 && strip::are_short(self.offsets) {
            let block = (self.offsets, self.indices, self.data);
            return strip::gather(block, lines, (from, sums), self.lift);
        }
        let positions = from.len() / width;
        let stretch = self.stretch(positions).unwrap_or(positions);
        let first = lines.start;
        self.in_stretches(lines, 0..positions, stretch, |line, entries| {
            let sums = &mut sums[(line - first) * width..][..width];
            let (indices, data) = (&self.indices[entries.clone()], &self.data[entries]);
            if width == 1 {
                sums[0] =
                    sums[0].plus(in_widest_vectors(Dot { indices, data, from, lift: self.lift }));
                return;
            }
            for (index, value) in indices.iter().zip(data) {
                let at = index.at() * width;
                add_scaled(sums, (self.lift)(*value), &from[at..at + width]);
            }
        });
    }

    fn scatter(&self, sums: &mut [N], context: &Context) {
        let threads = if self.data.len() < PARALLEL_ELEMENTS { 1 } else { context.threads() };
        let positions = sums.len() / self.factors.width;
        let stretch = self.stretch(positions);
        if size_of_val(sums) <= CACHED_BYTES || (threads == 1 && stretch.is_none()) {
            return self.by_lines(sums, threads, context);
        }
        self.by_positions(sums, stretch.unwrap_or(positions), threads, context);
    }

    /// So many positions that their numbers stay in the cache, where lines have enough in each stretch of them, and there is
    /// more than one.
    fn stretch(&self, positions: usize) -> Option<usize> {
        let lines = self.offsets.len() - 1;
        let number_bytes = size_of::<N>() * self.factors.width;
        let cached = (STRETCH_BYTES / number_bytes).max(1);
        let average = self.data.len() / lines.max(1);
        let is_worth = positions > UNCUT_BYTES / number_bytes
            && average >= LEAST_RUN * positions.div_ceil(cached);
        is_worth.then_some(cached)
    }

    /// Each thread takes some lines, with sums of its own, which are few.
    fn by_lines(&self, sums: &mut [N], threads: usize, context: &Context) {
        let lines = self.offsets.len() - 1;
        if threads == 1 {
            return self.scatter_lines(0..lines, sums);
        }
        let shares = shares_of(self.offsets, threads);
        let mut parts: Vec<_> = shares.map(|own| (own, vec![N::default(); sums.len()])).collect();
        context.for_each(parts.iter_mut().collect(), |_, (own, sums)| {
            self.scatter_lines(own.clone(), sums);
        });
        for (_, part) in parts {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.plus(part));
        }
    }

    fn scatter_lines(&self, lines: Range<usize>, sums: &mut [N]) {
        if self.factors.width == 1 && strip::are_short(self.offsets) {
            let block = (self.offsets, self.indices, self.data);
            return strip::scatter(block, lines, (self.factors.from, sums), self.lift);
        }
        lines.for_each(|line| self.spread(self.range(line), line, sums, 0));
    }

    /// Each thread takes some positions, of all lines, in stretches.
    fn by_positions(&self, sums: &mut [N], stretch: usize, threads: usize, context: &Context) {
        let width = self.factors.width;
        let (lines, positions) = (self.offsets.len() - 1, sums.len() / width);
        let share =
            positions.div_ceil(threads).next_multiple_of(stretch.min(positions.div_ceil(threads)));
        let work = |share_index: usize, sums: &mut [N]| {
            let start = share_index * share;
            let own = start..start + sums.len() / width;
            self.in_stretches(0..lines, own, stretch, |line, entries| {
                self.spread(entries, line, sums, start);
            });
        };
        if threads == 1 {
            return work(0, sums);
        }
        context.for_each(sums.chunks_mut(share * width).collect(), work);
    }

    /// Shows for each stretch of `positions` what each of `lines` has in it.
    fn in_stretches(
        &self,
        lines: Range<usize>,
        positions: Range<usize>,
        stretch: usize,
        mut show: impl FnMut(usize, Range<usize>),
    ) {
        // Where each line goes on.
        let begin = |line: usize| {
            let range = self.range(line);
            range.start + below(&self.indices[range], I::of(positions.start))
        };
        let mut next: Vec<usize> = lines.clone().map(begin).collect();
        for start in positions.clone().step_by(stretch.max(1)) {
            let bound = I::of(positions.end.min(start + stretch));
            for (line, next) in lines.clone().zip(&mut next) {
                let end = *next + below(&self.indices[*next..self.offsets[line + 1]], bound);
                show(line, *next..end);
                *next = end;
            }
        }
    }

    fn range(&self, line: usize) -> Range<usize> {
        self.offsets[line]..self.offsets[line + 1]
    }

    /// Adds some of a line's entries to the sums of the positions from `start` on.
    #[inline]
    fn spread(&self, entries: Range<usize>, line: usize, sums: &mut [N], start: usize) {
        let (width, lift) = (self.factors.width, self.lift);
        let (indices, data) = (&self.indices[entries.clone()], &self.data[entries]);
        if width == 1 {
            let factor = self.factors.from[line];
            for (index, value) in indices.iter().zip(data) {
                let sum = &mut sums[index.at() - start];
                *sum = sum.plus(lift(*value).times(factor));
            }
            return;
        }
        let factors = &self.factors.from[line * width..(line + 1) * width];
        for (index, value) in indices.iter().zip(data) {
            let at = (index.at() - start) * width;
            add_scaled(&mut sums[at..at + width], lift(*value), factors);
        }
    }
}

/// How many of these, which rise, are below `bound`: looked for from the front in steps that double.
#[inline]
fn below<I: Position>(list: &[I], bound: I) -> usize {
    if list.last().is_none_or(|&last| last < bound) {
        return list.len();
    }
    let mut step = 1;
    while list[step - 1] < bound {
        step = (2 * step).min(list.len());
    }
    let low = step / 2;
    low + list[low..step].partition_point(|&at| at < bound)
}
