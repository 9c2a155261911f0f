//! Products with compressed lines.

use std::ops::Range;

use super::lines::{Entries, Position};
use super::{Factors, Lift, PARALLEL_ELEMENTS, add_scaled};
use crate::array::{Element, Wide};
use crate::store::{Compressed, Context};
use crate::sys::middle_cache_bytes;

/// Bytes of sums of which each thread may have its own: they stay in its cache while they are added to here and there.
const CACHED_BYTES: usize = 256 << 10;

/// Entries that a line should have in a stretch of positions for a visit of each stretch to pay.
const LEAST_RUN: usize = 16;

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
        let positions = from.len() / width;
        let stretch = self.stretch(positions);
        let entries = self.entries(lines);
        if width == 1 && stretch.is_none() {
            return entries.gather(from, sums, self.lift);
        }
        in_stretches(entries, 0..positions, stretch, |starts, bound| {
            if width == 1 {
                return entries.gather_below((starts, bound), from, sums, self.lift);
            }
            for (sums, run) in sums.chunks_exact_mut(width).zip(entries.runs(starts, bound)) {
                for (index, value) in self.indices[run.clone()].iter().zip(&self.data[run]) {
                    let at = index.at() * width;
                    add_scaled(sums, (self.lift)(*value), &from[at..at + width]);
                }
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

    /// So many positions that their numbers stay in the cache of a core, where lines have enough in each stretch of them, and
    /// there is more than one.
    fn stretch(&self, positions: usize) -> Option<usize> {
        let lines = self.offsets.len() - 1;
        let number_bytes = size_of::<N>() * self.factors.width;
        // The other half is for the entries that come along.
        let cached = (middle_cache_bytes() / 2 / number_bytes).max(1);
        let average = (self.offsets[lines] - self.offsets[0]) / lines.max(1);
        let is_worth = positions > 2 * cached && average >= LEAST_RUN * positions.div_ceil(cached);
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
        let Factors { from, width } = *self.factors;
        let entries = self.entries(lines.clone());
        if width == 1 {
            return entries.scatter(&from[lines], sums, self.lift);
        }
        self.scatter_positions(lines, 0..sums.len() / width, None, sums);
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
            self.scatter_positions(0..lines, own, Some(stretch), sums);
        };
        if threads == 1 {
            return work(0, sums);
        }
        context.for_each(sums.chunks_mut(share * width).collect(), work);
    }

    /// Adds what `lines` have at some positions to their sums.
    fn scatter_positions(
        &self,
        lines: Range<usize>,
        positions: Range<usize>,
        stretch: Option<usize>,
        sums: &mut [N],
    ) {
        let Factors { from, width } = *self.factors;
        let from = &from[lines.start * width..lines.end * width];
        let (entries, first) = (self.entries(lines), positions.start);
        in_stretches(entries, positions, stretch, |starts, bound| {
            if width == 1 {
                return entries.scatter_below((starts, bound), from, (sums, first), self.lift);
            }
            for (factors, run) in from.chunks_exact(width).zip(entries.runs(starts, bound)) {
                for (index, value) in self.indices[run.clone()].iter().zip(&self.data[run]) {
                    let at = (index.at() - first) * width;
                    add_scaled(&mut sums[at..at + width], (self.lift)(*value), factors);
                }
            }
        });
    }

    fn entries(&self, lines: Range<usize>) -> Entries<'a, T, I> {
        let ends = &self.offsets[lines.start..=lines.end];
        Entries { ends, indices: self.indices, data: self.data }
    }
}

/// Goes over lines once for each stretch of `positions`: `add` adds what they have from their starts on below a bound, and
/// moves the starts behind it.
fn in_stretches<T: Element, I: Position>(
    entries: Entries<'_, T, I>,
    positions: Range<usize>,
    stretch: Option<usize>,
    mut add: impl FnMut(&mut [usize], usize),
) {
    let mut starts = entries.ends[..entries.ends.len() - 1].to_vec();
    if positions.start > 0 {
        entries.runs(&mut starts, positions.start).for_each(drop);
    }
    let stretch = stretch.unwrap_or(positions.len()).max(1);
    for start in positions.clone().step_by(stretch) {
        add(&mut starts, positions.end.min(start + stretch));
    }
}
