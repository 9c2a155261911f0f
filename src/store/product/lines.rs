//! The loops over lines of entries: what is at their positions is gathered, or their factors are scattered.
//!
//! Results do not depend on the processor: both ways to gather sum in the same order.

use std::ops::Range;

use super::{Lift, sum_of};
use crate::array::{DType, Element, Wide};
use crate::sys::{Floats, Index, IndexedLines, LANES, QuickGathers};

/// A position, as the file has it.
pub(super) trait Position: Index + Ord {
    fn at(self) -> usize;
    fn of(position: usize) -> Self;
}

macro_rules! position {
    ($($Int:ty)*) => {$(
        impl Position for $Int {
            #[inline]
            fn at(self) -> usize {
                self as usize
            }

            fn of(position: usize) -> Self {
                Self::try_from(position).unwrap_or(Self::MAX)
            }
        }
    )*};
}
position!(i32 i64);

/// Lines that lie one after another in arrays that may have more.
#[derive(Clone, Copy)]
pub(super) struct Entries<'a, T, I> {
    /// Where each line begins in both arrays, and where the last one ends.
    pub ends: &'a [usize],
    pub indices: &'a [I],
    pub data: &'a [T],
}

/// The lines, what they are multiplied with, and their sums, as [`Index`] has them.
type Quickly<'a, 'n, I> = (QuickGathers, IndexedLines<'a, I>, &'n [f64], &'n mut [f64]);

impl<'a, T: Element, I: Position> Entries<'a, T, I> {
    /// Adds to each line's sum its values times what is at their positions in `from`.
    pub(super) fn gather<N: Wide>(self, from: &[N], sums: &mut [N], lift: impl Lift<T, N>) {
        if let Some((quick, lines, from, sums)) = self.quickly(from, sums) {
            return I::gather(quick, lines, (from, sums));
        }
        for (sum, (indices, data)) in sums.iter_mut().zip(self.lines()) {
            *sum = sum.plus(dot(indices, data, from, lift));
        }
    }

    /// The same of those of each line's values, from its start on, whose positions are below a bound: starts go on behind
    /// them.
    pub(super) fn gather_below<N: Wide>(
        self,
        (starts, bound): (&mut [usize], usize),
        from: &[N],
        sums: &mut [N],
        lift: impl Lift<T, N>,
    ) {
        if let Some((quick, lines, from, sums)) = self.quickly(from, sums) {
            return I::gather_below(quick, lines, (starts, bound), (from, sums));
        }
        for (sum, own) in sums.iter_mut().zip(self.runs(starts, bound)) {
            *sum = sum.plus(dot(&self.indices[own.clone()], &self.data[own], from, lift));
        }
    }

    /// Adds each line's values, times its factor, to what is at their positions in `sums`.
    pub(super) fn scatter<N: Wide>(self, factors: &[N], sums: &mut [N], lift: impl Lift<T, N>) {
        if let Some((quick, lines, factors, sums)) = self.quickly(factors, sums) {
            return I::scatter(quick, lines, (factors, sums));
        }
        for (&factor, (indices, data)) in factors.iter().zip(self.lines()) {
            spread(indices, data, factor, (sums, 0), lift);
        }
    }

    /// The same of those of each line's values, from its start on, whose positions are below a bound, to sums that are counted
    /// from `first` on.
    pub(super) fn scatter_below<N: Wide>(
        self,
        (starts, bound): (&mut [usize], usize),
        factors: &[N],
        (sums, first): (&mut [N], usize),
        lift: impl Lift<T, N>,
    ) {
        if let Some((quick, lines, factors, sums)) = self.quickly(factors, sums) {
            return I::scatter_below(quick, lines, (starts, bound), (factors, sums, first));
        }
        for (&factor, own) in factors.iter().zip(self.runs(starts, bound)) {
            let (indices, data) = (&self.indices[own.clone()], &self.data[own]);
            spread(indices, data, factor, (sums, first), lift);
        }
    }

    /// What each line has from its start on below a bound; starts go on behind it.
    pub(super) fn runs(
        self,
        starts: &mut [usize],
        bound: usize,
    ) -> impl Iterator<Item = Range<usize>> {
        let Self { ends, indices, .. } = self;
        starts.iter_mut().zip(&ends[1..]).map(move |(start, &end)| {
            let own = *start..*start + below(&indices[*start..end], I::of(bound));
            *start = own.end;
            own
        })
    }

    fn lines(self) -> impl Iterator<Item = (&'a [I], &'a [T])> {
        let Self { ends, indices, data } = self;
        ends.array_windows().map(move |&[start, end]| (&indices[start..end], &data[start..end]))
    }

    /// What the processor's own way takes: where it has one, and all numbers are floats.
    fn quickly<'n, N: Wide>(self, from: &'n [N], sums: &'n mut [N]) -> Option<Quickly<'a, 'n, I>> {
        let Self { ends, indices, data } = self;
        let quick = QuickGathers::of_this_processor()?;
        let numbers = match T::DTYPE {
            DType::F32 => Floats::F32(bytemuck::cast_slice(data)),
            DType::F64 => Floats::F64(bytemuck::cast_slice(data)),
            _ => return None,
        };
        let lines = IndexedLines { ends, indices, numbers };
        Some((quick, lines, N::as_f64s(from)?, N::as_f64s_mut(sums)?))
    }
}

/// The sum of the products of a line, in the order in which [`Index::gather`] sums them.
#[inline(always)]
fn dot<T: Element, N: Wide, I: Position>(
    indices: &[I],
    data: &[T],
    from: &[N],
    lift: impl Lift<T, N>,
) -> N {
    let Some(last) = from.len().checked_sub(1) else { return N::default() };
    // Positions were checked: the smaller one is there for a loop that does not look at each.
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

/// Adds a line's values, times its factor, to what is at their positions.
#[inline(always)]
fn spread<T: Element, N: Wide, I: Position>(
    indices: &[I],
    data: &[T],
    factor: N,
    (sums, first): (&mut [N], usize),
    lift: impl Lift<T, N>,
) {
    for (index, &value) in indices.iter().zip(data) {
        let sum = &mut sums[index.at() - first];
        *sum = sum.plus(lift(value).times(factor));
    }
}

/// How many of these, which rise, are below `bound`: looked for from the front in steps that double.
#[inline]
pub(super) fn below<I: Position>(list: &[I], bound: I) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that are rounded at every step: another order of sums would show.
    #[test]
    fn both_ways_give_the_same_bits() {
        let Some(quick) = QuickGathers::of_this_processor() else { return };
        let inexact = |at: usize| (at as f64 * 0.7391).sin() / 3.0;
        let from: Vec<f64> = (0..500).map(inexact).collect();
        let (mut ends, mut indices, mut data) = (vec![0], Vec::<i32>::new(), Vec::<f32>::new());
        for length in 0..70 {
            for position in 0..length {
                indices.push(position * 7);
                data.push(inexact(data.len() + 3) as f32);
            }
            ends.push(indices.len());
        }
        let entries = Entries { ends: &ends, indices: &indices, data: &data };
        let mut quickly = vec![0.125; ends.len() - 1];
        let (_, lines, of, sums) = entries.quickly(&from, &mut quickly).unwrap();
        Index::gather(quick, lines, (of, sums));
        for ((indices, data), sum) in entries.lines().zip(&quickly) {
            assert_eq!(*sum, 0.125 + dot(indices, data, &from, f64::from));
        }
        let factors: Vec<f64> = (1..ends.len()).map(inexact).collect();
        let (mut quickly, mut plainly) = (vec![0.125; 500], vec![0.125; 500]);
        let (_, lines, of, sums) = entries.quickly(&factors, &mut quickly).unwrap();
        Index::scatter(quick, lines, (of, sums));
        for (&factor, (indices, data)) in factors.iter().zip(entries.lines()) {
            spread(indices, data, factor, (&mut plainly, 0), f64::from);
        }
        assert_eq!(quickly, plainly);
    }
}
