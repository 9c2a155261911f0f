//! Products with lines of which every element is there.

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::{Factors, Lift, PARALLEL_ELEMENTS, add_scaled};
use crate::array::{Element, Wide};
use crate::store::Context;

/// Sums that are made side by side, so that an addition need not wait for the one before.
const LANES: usize = 16;

/// Bytes of sums that each thread may have of its own.
const PRIVATE_BYTES: usize = 256 << 10;

/// Adds each line's sum of what is at its positions.
pub(super) fn gather<T: Element, N: Wide>(
    lines: ArrayView2<'_, T>,
    factors: &Factors<'_, N>,
    sums: &mut [N],
    lift: impl Lift<T, N>,
    context: &Context,
) {
    let width = factors.width;
    if lines.is_empty() {
        return;
    }
    let work = |lines: ArrayView2<'_, T>, sums: &mut [N]| {
        for (line, sums) in lines.outer_iter().zip(sums.chunks_exact_mut(width)) {
            match (width, line.to_slice()) {
                (1, Some(values)) => sums[0] = sums[0].plus(dot(values, factors.from, lift)),
                _ => {
                    for (value, factors) in line.iter().zip(factors.from.chunks_exact(width)) {
                        add_scaled(sums, lift(*value), factors);
                    }
                }
            }
        }
    };
    if lines.len() < PARALLEL_ELEMENTS || context.threads() == 1 {
        return work(lines, sums);
    }
    let step = lines.nrows().div_ceil(4 * context.threads());
    let parts: Vec<_> =
        lines.axis_chunks_iter(Axis(0), step).zip(sums.chunks_mut(step * width)).collect();
    context.for_each(parts, |_, (lines, sums)| work(lines, sums));
}

fn dot<T: Element, N: Wide>(values: &[T], from: &[N], lift: impl Lift<T, N>) -> N {
    let mut sums = [N::default(); LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    let (from_chunks, from_rest) = from.as_chunks::<LANES>();
    for (values, from) in chunks.iter().zip(from_chunks) {
        for ((sum, value), &factor) in sums.iter_mut().zip(values).zip(from) {
            *sum = sum.plus(lift(*value).times(factor));
        }
    }
    for ((sum, value), &factor) in sums.iter_mut().zip(rest).zip(from_rest) {
        *sum = sum.plus(lift(*value).times(factor));
    }
    sums.into_iter().fold(N::default(), Wide::plus)
}

/// Adds each line's factor, times its values, to what is at its positions.
pub(super) fn scatter<T: Element, N: Wide>(
    lines: ArrayView2<'_, T>,
    factors: &Factors<'_, N>,
    sums: &mut [N],
    lift: impl Lift<T, N>,
    context: &Context,
) {
    let width = factors.width;
    if lines.is_empty() {
        return;
    }
    let work = |lines: ArrayView2<'_, T>, sums: &mut [N]| {
        for (line, factors) in lines.outer_iter().zip(factors.from.chunks_exact(width)) {
            add_line(line, factors, sums, lift);
        }
    };
    if lines.len() < PARALLEL_ELEMENTS || context.threads() == 1 {
        return work(lines, sums);
    }
    if size_of_val(sums) <= PRIVATE_BYTES {
        // Each thread takes some lines, with sums of its own, which are few.
        let step = lines.nrows().div_ceil(context.threads());
        let parts = lines.axis_chunks_iter(Axis(0), step).zip(factors.from.chunks(step * width));
        let mut parts: Vec<_> =
            parts.map(|(lines, from)| (lines, from, vec![N::default(); sums.len()])).collect();
        context.for_each(parts.iter_mut().collect(), |_, (lines, from, sums)| {
            for (line, factors) in lines.outer_iter().zip(from.chunks_exact(width)) {
                add_line(line, factors, sums, lift);
            }
        });
        for (.., part) in parts {
            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum = sum.plus(part));
        }
        return;
    }
    // Each thread takes some positions of all lines.
    let step = lines.ncols().div_ceil(context.threads());
    let parts: Vec<_> =
        lines.axis_chunks_iter(Axis(1), step).zip(sums.chunks_mut(step * width)).collect();
    context.for_each(parts, |_, (lines, sums)| work(lines, sums));
}

fn add_line<T: Element, N: Wide>(
    line: ArrayView1<'_, T>,
    factors: &[N],
    sums: &mut [N],
    lift: impl Lift<T, N>,
) {
    match (factors, line.to_slice()) {
        (&[factor], Some(values)) => {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = sum.plus(lift(*value).times(factor));
            }
        }
        _ => {
            for (value, sums) in line.iter().zip(sums.chunks_exact_mut(factors.len())) {
                add_scaled(sums, lift(*value), factors);
            }
        }
    }
}
