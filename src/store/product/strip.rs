//! Products with short lines, a strip of entries at a time.
//!
//! A loop over each line's few entries ends where the processor did not expect it, once a line, and that costs more than the
//! entries do. Here a strip of entries is multiplied in one loop whatever lines they are of, and what is done for each line
//! is done for [`LANES`] entries, of which those of the next line do not count.

use std::ops::Range;

use super::sparse::Position;
use super::{Lift, sum_of};
use crate::array::{Element, Wide};
use crate::sys::{Kernel, in_widest_vectors};

/// Lines of no more than so many entries on average are short.
const SHORT_ENTRIES: usize = 24;

/// Entries of a strip, whose products stay in the nearest cache.
const STRIP_ENTRIES: usize = 1024;

/// Entries that are looked at for each line at once.
const LANES: usize = 16;

/// For each number of entries that a line has left, the masks of those that are its own.
static OWN: [[u64; LANES]; LANES + 1] = {
    let mut own = [[0; LANES]; LANES + 1];
    let mut count = 0;
    while count <= LANES {
        let mut lane = 0;
        while lane < count {
            own[count][lane] = u64::MAX;
            lane += 1;
        }
        count += 1;
    }
    own
};

/// Numbers for the entries of a strip, and for what is looked at beyond them.
type Numbers<N> = [N; STRIP_ENTRIES + LANES];

/// Whether lines that begin and end at `offsets` are short.
pub(super) fn are_short(offsets: &[usize]) -> bool {
    let lines = offsets.len() - 1;
    offsets[lines] - offsets[0] <= lines * SHORT_ENTRIES
}

/// `lines` in strips; each that is longer than one comes alone.
fn strips(offsets: &[usize], lines: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut next = lines.start;
    std::iter::from_fn(move || {
        let start = next;
        let begin = *offsets.get(start)?;
        let fits = |&&end: &&usize| end - begin <= STRIP_ENTRIES;
        let count = offsets[start + 1..=lines.end].iter().take_while(fits).count();
        next = lines.end.min(start + count.max(1));
        (start < lines.end).then_some(start..next)
    })
}

/// Lines: where each begins and the last one ends, positions, and values.
type Block<'a, T, I> = (&'a [usize], &'a [I], &'a [T]);

/// Lines on their way to sums.
struct Strips<'a, T, I, N, L> {
    block: Block<'a, T, I>,
    lines: Range<usize>,
    from: &'a [N],
    sums: &'a mut [N],
    lift: L,
}

struct Gather<'a, T, I, N, L>(Strips<'a, T, I, N, L>);

struct Scatter<'a, T, I, N, L>(Strips<'a, T, I, N, L>);

/// Adds to `sums` for each of `lines` the sum of its values times what is at their positions in `from`.
pub(super) fn gather<T: Element, N: Wide, I: Position>(
    block: Block<'_, T, I>,
    lines: Range<usize>,
    (from, sums): (&[N], &mut [N]),
    lift: impl Lift<T, N>,
) {
    in_widest_vectors(Gather(Strips { block, lines, from, sums, lift }));
}

impl<T: Element, I: Position, N: Wide, L: Lift<T, N>> Kernel for Gather<'_, T, I, N, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Strips { block: (offsets, indices, data), lines, from, sums, lift } = self.0;
        let Some(last) = from.len().checked_sub(1) else { return };
        let mut products: Numbers<N> = [N::default(); STRIP_ENTRIES + LANES];
        let first = lines.start;
        for strip in strips(offsets, lines) {
            let entries = offsets[strip.start]..offsets[strip.end];
            let sums = &mut sums[strip.start - first..strip.end - first];
            let (indices, data) = (&indices[entries.clone()], &data[entries.clone()]);
            for (indices, data) in indices.chunks(STRIP_ENTRIES).zip(data.chunks(STRIP_ENTRIES)) {
                for ((product, index), value) in products.iter_mut().zip(indices).zip(data) {
                    *product = lift(*value).times(from[index.at().min(last)]);
                }
                if let [sum] = &mut *sums {
                    *sum = sum.plus(total(&products, 0..data.len()));
                    continue;
                }
                let ends = offsets[strip.start..=strip.end].array_windows();
                for (sum, &[start, end]) in sums.iter_mut().zip(ends) {
                    *sum = sum.plus(total(&products, start - entries.start..end - entries.start));
                }
            }
        }
    }
}

/// The sum of some of the numbers.
#[inline(always)]
fn total<N: Wide>(numbers: &Numbers<N>, own: Range<usize>) -> N {
    let mut lanes = [N::default(); LANES];
    let mut at = own.start;
    loop {
        let left = own.end - at;
        let masks = &OWN[left.min(LANES)];
        for ((lane, &number), &mask) in lanes.iter_mut().zip(&numbers[at..at + LANES]).zip(masks) {
            *lane = lane.plus(number.masked(mask));
        }
        if left <= LANES {
            break;
        }
        at += LANES;
    }
    sum_of(lanes)
}

/// Adds for each of `lines` its values times its number in `from` to what is at their positions in `sums`.
pub(super) fn scatter<T: Element, N: Wide, I: Position>(
    block: Block<'_, T, I>,
    lines: Range<usize>,
    (from, sums): (&[N], &mut [N]),
    lift: impl Lift<T, N>,
) {
    in_widest_vectors(Scatter(Strips { block, lines, from, sums, lift }));
}

impl<T: Element, I: Position, N: Wide, L: Lift<T, N>> Kernel for Scatter<'_, T, I, N, L> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Strips { block: (offsets, indices, data), lines, from, sums, lift } = self.0;
        let mut factors: Numbers<N> = [N::default(); STRIP_ENTRIES + LANES];
        for strip in strips(offsets, lines) {
            let entries = offsets[strip.start]..offsets[strip.end];
            let ends = offsets[strip.start..=strip.end].array_windows();
            for (&factor, &[start, end]) in from[strip].iter().zip(ends) {
                // A line that is longer than a strip is alone in it.
                let end = (end - entries.start).min(STRIP_ENTRIES);
                let mut at = start - entries.start;
                loop {
                    factors[at..at + LANES].fill(factor);
                    at += LANES;
                    if at >= end {
                        break;
                    }
                }
            }
            let (indices, data) = (&indices[entries.clone()], &data[entries]);
            for (indices, data) in indices.chunks(STRIP_ENTRIES).zip(data.chunks(STRIP_ENTRIES)) {
                for ((factor, index), value) in factors.iter().zip(indices).zip(data) {
                    let sum = &mut sums[index.at()];
                    *sum = sum.plus(lift(*value).times(*factor));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines around every bound, many of them empty; each value is its line's number or not a number at all.
    fn lines() -> (Vec<usize>, Vec<i32>, Vec<f32>) {
        let (mut offsets, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
        let lengths = [0, 1, 15, 16, 17, 32, 33, 0, 1008, 1007, 1023, 1024, 1025, 3000, 5, 0, 0];
        let empty = [0; 300];
        for (line, &length) in lengths.iter().chain(&empty).chain(&lengths).enumerate() {
            let value = if line % 4 == 1 { f32::NAN } else { line as f32 };
            for position in 0..length {
                indices.push(position % 5);
                data.push(value);
            }
            offsets.push(indices.len());
        }
        (offsets, indices, data)
    }

    #[test]
    fn no_line_has_anything_of_its_neighbours() {
        let (offsets, indices, data) = lines();
        let count = offsets.len() - 1;
        for part in [0..count, 3..count - 2, 5..5] {
            let from = [1.0f64, 2.0, 4.0, 8.0, 16.0];
            let mut sums = vec![1.0; part.len()];
            let block = (&offsets[..], &indices[..], &data[..]);
            gather(block, part.clone(), (&from, &mut sums), f64::from);
            for (line, sum) in part.clone().zip(sums) {
                let own = offsets[line]..offsets[line + 1];
                let factors: f64 = indices[own.clone()].iter().map(|&at| from[at as usize]).sum();
                let expected = 1.0 + data[own].first().map_or(0.0, |&it| f64::from(it) * factors);
                assert!(sum == expected || (sum.is_nan() && expected.is_nan()), "line {line}");
            }
            let from: Vec<f64> = (0..count).map(|line| (line % 7) as f64).collect();
            let whole: Vec<f32> =
                data.iter().map(|it| if it.is_nan() { 3.0 } else { *it }).collect();
            let (mut sums, mut expected) = ([0.0; 5], [0.0; 5]);
            scatter(
                (&offsets[..], &indices[..], &whole[..]),
                part.clone(),
                (&from, &mut sums),
                f64::from,
            );
            for line in part {
                for entry in offsets[line]..offsets[line + 1] {
                    expected[indices[entry] as usize] += f64::from(whole[entry]) * from[line];
                }
            }
            assert_eq!(sums, expected);
        }
    }
}
