//! Products with compressed lines.

use std::ops::Range;

use super::{Factors, Lift, PARALLEL_ELEMENTS, add_scaled};
use crate::array::{Element, Wide};
use crate::store::{Compressed, Context, Indices};

/// Bytes of sums that stay in a core's cache while they are added to here and there.
const CACHED_BYTES: usize = 256 << 10;

/// Entries that a line should have in a stretch of positions for a visit of each stretch to pay.
const LEAST_RUN: usize = 8;

/// A position, as the file has it.
trait Position: Copy + Send + Sync + Ord {
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

/// Adds each line's sum of what is at its positions.
pub(super) fn gather<T: Element, N: Wide>(
    block: &Compressed<'_, T>,
    factors: &Factors<'_, N>,
    sums: &mut [N],
    lift: impl Lift<T, N>,
    context: &Context,
) {
    match block.indices {
        Indices::I32(indices) => gather_from(block, indices, factors, sums, lift, context),
        Indices::I64(indices) => gather_from(block, indices, factors, sums, lift, context),
    }
}

fn gather_from<T: Element, N: Wide, I: Position>(
    block: &Compressed<'_, T>,
    indices: &[I],
    factors: &Factors<'_, N>,
    sums: &mut [N],
    lift: impl Lift<T, N>,
    context: &Context,
) {
    let width = factors.width;
    if width == 0 {
        return;
    }
    let work = |lines: Range<usize>, sums: &mut [N]| {
        for (line, sums) in lines.zip(sums.chunks_exact_mut(width)) {
            let range = block.offsets[line]..block.offsets[line + 1];
            let (indices, data) = (&indices[range.clone()], &block.data[range]);
            if width == 1 {
                sums[0] = sums[0].plus(dot(indices, data, factors.from, lift));
            } else {
                for (index, value) in indices.iter().zip(data) {
                    let at = index.at() * width;
                    add_scaled(sums, lift(*value), &factors.from[at..at + width]);
                }
            }
        }
    };
    let lines = block.lines();
    if block.data.len() < PARALLEL_ELEMENTS || context.threads() == 1 {
        return work(0..lines, sums);
    }
    // Shares of as many entries each, whatever the lines have.
    let mut shares = Vec::new();
    let mut left = sums;
    for own in shares_of(block.offsets, 4 * context.threads()) {
        let (these, rest) = std::mem::take(&mut left).split_at_mut(own.len() * width);
        left = rest;
        shares.push((own, these));
    }
    context.for_each(shares, |_, (lines, sums)| work(lines, sums));
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

/// The sum of the products of a line's values with what is at its positions. Four sums, so that an addition need not
/// wait for the one before.
#[inline]
fn dot<T: Element, N: Wide, I: Position>(
    indices: &[I],
    data: &[T],
    from: &[N],
    lift: impl Lift<T, N>,
) -> N {
    let mut sums = [N::default(); 4];
    let (quads, rest) = indices.as_chunks::<4>();
    let (data_quads, data_rest) = data.as_chunks::<4>();
    for (indices, data) in quads.iter().zip(data_quads) {
        for k in 0..4 {
            sums[k] = sums[k].plus(lift(data[k]).times(from[indices[k].at()]));
        }
    }
    for (index, value) in rest.iter().zip(data_rest) {
        sums[0] = sums[0].plus(lift(*value).times(from[index.at()]));
    }
    sums[0].plus(sums[1]).plus(sums[2].plus(sums[3]))
}

/// Adds each line's factor, times its values, to what is at its positions.
pub(super) fn scatter<T: Element, N: Wide>(
    block: &Compressed<'_, T>,
    factors: &Factors<'_, N>,
    sums: &mut [N],
    lift: impl Lift<T, N>,
    context: &Context,
) {
    match block.indices {
        Indices::I32(indices) => scatter_from(block, indices, factors, sums, lift, context),
        Indices::I64(indices) => scatter_from(block, indices, factors, sums, lift, context),
    }
}

fn scatter_from<T: Element, N: Wide, I: Position>(
    block: &Compressed<'_, T>,
    indices: &[I],
    factors: &Factors<'_, N>,
    sums: &mut [N],
    lift: impl Lift<T, N>,
    context: &Context,
) {
    let width = factors.width;
    if width == 0 || sums.is_empty() {
        return;
    }
    let scatter = Scatter { offsets: block.offsets, indices, data: block.data, factors, lift };
    let threads = if block.data.len() < PARALLEL_ELEMENTS { 1 } else { context.threads() };
    let positions = sums.len() / width;
    if size_of_val(sums) <= CACHED_BYTES {
        return scatter.by_lines(sums, threads, context);
    }
    // Stretches of positions whose sums stay in the cache, where lines have enough in each.
    let stretch = (CACHED_BYTES / size_of::<N>() / width).max(1);
    let stretches = positions.div_ceil(stretch);
    if block.data.len() / block.lines().max(1) < LEAST_RUN * stretches {
        let stretch = if threads == 1 { positions } else { positions.div_ceil(threads) };
        return scatter.by_positions(sums, stretch, threads, context);
    }
    scatter.by_positions(sums, stretch, threads, context);
}

/// A block whose lines are scattered.
struct Scatter<'a, T, N, I, L> {
    offsets: &'a [usize],
    indices: &'a [I],
    data: &'a [T],
    factors: &'a Factors<'a, N>,
    lift: L,
}

impl<T: Element, N: Wide, I: Position, L: Lift<T, N>> Scatter<'_, T, N, I, L> {
    /// Each thread takes some lines, with sums of its own, which are few.
    fn by_lines(&self, sums: &mut [N], threads: usize, context: &Context) {
        let lines = self.offsets.len() - 1;
        if threads == 1 {
            return (0..lines).for_each(|line| self.add(self.range(line), line, sums, 0));
        }
        let shares = shares_of(self.offsets, threads);
        let mut parts: Vec<_> = shares.map(|own| (own, vec![N::default(); sums.len()])).collect();
        context.for_each(parts.iter_mut().collect(), |_, (own, sums)| {
            own.clone().for_each(|line| self.add(self.range(line), line, sums, 0));
        });
        for (_, part) in parts {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.plus(part));
        }
    }

    /// Each thread takes stretches of positions, all lines for each.
    fn by_positions(&self, sums: &mut [N], stretch: usize, threads: usize, context: &Context) {
        let width = self.factors.width;
        let lines = self.offsets.len() - 1;
        let stretches: Vec<_> = sums.chunks_mut(stretch * width).enumerate().collect();
        let share = stretches.len().div_ceil(threads);
        let mut shares: Vec<Vec<_>> = Vec::new();
        for part in stretches {
            match shares.last_mut() {
                Some(own) if own.len() < share => own.push(part),
                _ => shares.push(vec![part]),
            }
        }
        let work = |parts: Vec<(usize, &mut [N])>| {
            let first = parts[0].0 * stretch;
            // Where each line goes on.
            let mut next: Vec<usize> = (0..lines)
                .map(|line| {
                    let range = self.range(line);
                    let own = &self.indices[range.clone()];
                    if first == 0 {
                        range.start
                    } else {
                        range.start + own.partition_point(|at| at.at() < first)
                    }
                })
                .collect();
            for (index, sums) in parts {
                let start = index * stretch;
                let bound = I::of(start + sums.len() / width);
                for (line, next) in next.iter_mut().enumerate() {
                    let own = &self.indices[*next..self.offsets[line + 1]];
                    let end = *next + below(own, bound);
                    self.add(*next..end, line, sums, start);
                    *next = end;
                }
            }
        };
        if threads == 1 {
            shares.into_iter().for_each(work);
        } else {
            context.for_each(shares, |_, parts| work(parts));
        }
    }

    fn range(&self, line: usize) -> Range<usize> {
        self.offsets[line]..self.offsets[line + 1]
    }

    /// Adds some of a line's entries to the sums of the positions from `start` on.
    #[inline]
    fn add(&self, entries: Range<usize>, line: usize, sums: &mut [N], start: usize) {
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
