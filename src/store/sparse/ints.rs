//! Positions of entries in memory: of 32 bits wherever a line is short enough, else of 64.

use std::collections::TryReserveError;

use crate::array::IndexWidth;
use crate::store::Indices;
use crate::sys::{Kernel, in_widest_vectors};

/// A list of positions, as wide as the length of a line needs.
#[derive(Debug, Clone)]
pub(super) enum Ints {
    I32(Vec<i32>),
    I64(Vec<i64>),
}

/// Runs an expression with a name bound to the slice inside an [`Indices`].
macro_rules! with_indices {
    ($indices:expr, $slice:ident => $body:expr) => {
        match $indices {
            $crate::store::Indices::I32($slice) => $body,
            $crate::store::Indices::I64($slice) => $body,
        }
    };
}
pub(super) use with_indices;

/// No positions.
pub(super) const NONE: Indices<'static> = Indices::I32(&[]);

/// An integer that positions are kept in.
pub(super) trait Int: bytemuck::Pod + Ord + Send + Sync {
    /// As wide, without a sign.
    type Unsigned: bytemuck::Pod + Ord;

    /// The same, where a negative one is larger than any other: so one comparison tells whether it is in range.
    fn unsigned(self) -> Self::Unsigned;
    /// The position; a negative one becomes one beyond any line.
    fn position(self) -> usize;
    fn of(position: usize) -> Self;
    /// The position, or the largest that this holds.
    fn saturating(position: usize) -> Self;
}

impl Int for i32 {
    type Unsigned = u32;

    #[inline]
    fn unsigned(self) -> u32 {
        self.cast_unsigned()
    }

    #[inline]
    fn position(self) -> usize {
        self as isize as usize
    }

    #[inline]
    fn of(position: usize) -> Self {
        position as i32
    }

    fn saturating(position: usize) -> Self {
        Self::try_from(position).unwrap_or(Self::MAX)
    }
}

impl Int for i64 {
    type Unsigned = u64;

    #[inline]
    fn unsigned(self) -> u64 {
        self.cast_unsigned()
    }

    #[inline]
    fn position(self) -> usize {
        self as usize
    }

    #[inline]
    fn of(position: usize) -> Self {
        position as i64
    }

    fn saturating(position: usize) -> Self {
        Self::try_from(position).unwrap_or(Self::MAX)
    }
}

impl Ints {
    /// No positions, of lines of `length`.
    pub(super) fn new(length: usize) -> Self {
        match Self::width(length) {
            IndexWidth::I32 => Self::I32(Vec::new()),
            IndexWidth::I64 => Self::I64(Vec::new()),
        }
    }

    /// How wide positions in lines of `length` are in memory.
    pub(super) fn width(length: usize) -> IndexWidth {
        if i32::try_from(length).is_ok() { IndexWidth::I32 } else { IndexWidth::I64 }
    }

    pub(super) fn clear(&mut self) {
        match self {
            Self::I32(list) => list.clear(),
            Self::I64(list) => list.clear(),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, position: usize) {
        match self {
            Self::I32(list) => list.push(i32::of(position)),
            Self::I64(list) => list.push(i64::of(position)),
        }
    }

    /// Room for so many more.
    pub(super) fn try_reserve(&mut self, more: usize) -> Result<(), TryReserveError> {
        match self {
            Self::I32(list) => list.try_reserve(more),
            Self::I64(list) => list.try_reserve(more),
        }
    }

    /// The same in 64 bits each.
    pub(super) fn widened(self) -> Self {
        match self {
            Self::I32(list) => Self::I64(list.into_iter().map(i64::from).collect()),
            wide @ Self::I64(_) => wide,
        }
    }

    pub(super) fn resize(&mut self, len: usize) {
        match self {
            Self::I32(list) => list.resize(len, 0),
            Self::I64(list) => list.resize(len, 0),
        }
    }

    /// Appends `indices`, `shift` added to each.
    pub(super) fn extend(&mut self, indices: Indices<'_>, shift: isize) {
        with_indices!(indices, list => {
            let shifted = list.iter().map(|index| index.position().wrapping_add_signed(shift));
            match self {
                Self::I32(to) => to.extend(shifted.map(i32::of)),
                Self::I64(to) => to.extend(shifted.map(i64::of)),
            }
        });
    }

    pub(super) fn view(&self) -> Indices<'_> {
        match self {
            Self::I32(list) => Indices::I32(list),
            Self::I64(list) => Indices::I64(list),
        }
    }
}

impl<'a> Indices<'a> {
    /// How many.
    pub(in crate::store) fn len(&self) -> usize {
        with_indices!(self, list => list.len())
    }

    /// Those of the entries in `range`.
    pub(in crate::store) fn part(&self, range: std::ops::Range<usize>) -> Indices<'a> {
        match self {
            Self::I32(list) => Self::I32(&list[range]),
            Self::I64(list) => Self::I64(&list[range]),
        }
    }

    /// How many of them, which rise, are below `position`.
    pub(super) fn below(&self, position: usize) -> usize {
        with_indices!(self, list => list.partition_point(|index| index.position() < position))
    }

    /// [`Indices::below`] where few are: looked for from the front.
    pub(super) fn below_from_front(&self, position: usize) -> usize {
        with_indices!(self, list => {
            let mut end = 1;
            while end < list.len() && list[end - 1].position() < position {
                end *= 2;
            }
            let (start, end) = (end / 2, end.min(list.len()));
            start + list[start..end].partition_point(|index| index.position() < position)
        })
    }

    /// Whether every position is larger than the one before and below `length`.
    pub(in crate::store) fn rises_below(&self, length: usize) -> bool {
        with_indices!(self, list => rises_below(list, length))
    }

    /// As bytes, in the width that they have.
    pub(super) fn bytes(&self) -> &'a [u8] {
        match self {
            Self::I32(list) => bytemuck::must_cast_slice(list),
            Self::I64(list) => bytemuck::must_cast_slice(list),
        }
    }
}

/// What one look at the positions of some lines finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    /// Whether all of them are below the lines' length.
    pub in_range: bool,
    /// Whether they rise within each line.
    pub rises: bool,
}

/// Looks at the positions of lines of `length`, which begin at `offsets`, the last of these being the end of the last
/// line: from front to back, whatever the lines. Where a position is not above the one before, it is the first of its line
/// or out of order; so the falls are counted, and those between lines are to be all. Then each line's first position and
/// its last tell whether all are in range.
pub(super) fn order<I: Int>(list: &[I], offsets: &[usize], length: usize) -> Order {
    in_widest_vectors(Ordering { list, offsets, length })
}

struct Ordering<'a, I> {
    list: &'a [I],
    offsets: &'a [usize],
    length: usize,
}

impl<I: Int> Kernel for Ordering<'_, I> {
    type Output = Order;

    #[inline(always)]
    fn run(self) -> Order {
        let Self { list, offsets, length } = self;
        let (&begin, &end) = match offsets {
            [begin, .., end] => (begin, end),
            _ => return Order { in_range: true, rises: true },
        };
        if begin == end {
            return Order { in_range: true, rises: true };
        }
        // From front to back first: so they come from memory as fast as they can.
        let all = &list[begin..end];
        let falls = falls(all);
        let largest = I::saturating(length.saturating_sub(1)).unsigned();
        let is_outside = |at: I| u32::from(at.unsigned() > largest);
        let (mut between, mut outside) = (0, is_outside(list[begin]) + is_outside(list[end - 1]));
        let mut last = begin;
        for &at in &offsets[1..offsets.len() - 1] {
            // Of lines without entries only the first boundary counts.
            if at > last && at < end {
                let (one, next) = (list[at - 1], list[at]);
                between += usize::from(one >= next);
                outside |= is_outside(one) | is_outside(next);
            }
            last = at;
        }
        let rises = falls == between;
        let in_range = length > 0 && outside == 0 && (rises || is_below(all, length));
        Order { in_range, rises }
    }
}

/// Whether every position is larger than the one before and below `length`.
pub(super) fn rises_below<I: Int>(list: &[I], length: usize) -> bool {
    match list {
        [] => true,
        // A negative position that is not the first one falls; the first one is looked at.
        [first, .., last] => {
            falls(list) == 0 && first.position() < length && last.position() < length
        }
        [one] => one.position() < length,
    }
}

/// How many are not above the one before.
#[inline(always)]
fn falls<I: Int>(list: &[I]) -> usize {
    // Counted in numbers of 32 bits, and without a branch: the compiler makes vectors of it.
    let count = |part: &[I]| {
        part.iter().zip(&part[1..]).fold(0u32, |count, (one, next)| count + u32::from(one >= next))
    };
    let (mut falls, mut start) = (0, 0);
    while start < list.len() {
        falls += count(&list[start..list.len().min(start + PART_INTS + 1)]) as usize;
        start += PART_INTS;
    }
    falls
}

/// Positions that are counted at a time: fewer than 32 bits count.
const PART_INTS: usize = 1 << 20;

/// Whether all are below `length`.
#[inline(always)]
pub(super) fn is_below<I: Int>(list: &[I], length: usize) -> bool {
    let least = I::of(0).unsigned();
    let largest = list.iter().fold(least, |largest, index| largest.max(index.unsigned()));
    // What is as wide as a position may be narrower than the length.
    list.is_empty() || (length > 0 && largest <= I::saturating(length - 1).unsigned())
}

/// Whether every position is below `length`, in whatever order.
pub(super) fn in_range(indices: Indices<'_>, length: usize) -> bool {
    with_indices!(indices, list => is_below(list, length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn order_is_found_as_by_looking_at_each(
            lines in prop::collection::vec(prop::collection::vec(-1i32..12, 0..5), 0..8),
            begin in 0usize..3, length in 0usize..12, sorted: bool,
        ) {
            let mut list = vec![7; begin];
            let mut offsets = vec![begin];
            let mut expected = Order { in_range: true, rises: true };
            for mut line in lines {
                if sorted {
                    line.sort_unstable();
                    line.dedup();
                }
                expected.in_range &= line.iter().all(|&at| at >= 0 && (at as usize) < length);
                expected.rises &= line.is_sorted_by(|one, next| one < next);
                list.extend(line);
                offsets.push(list.len());
            }
            let found = order(&list, &offsets, length);
            prop_assert_eq!(found.in_range, expected.in_range);
            prop_assert!(found.rises == expected.rises || !found.in_range);
        }
    }
}
