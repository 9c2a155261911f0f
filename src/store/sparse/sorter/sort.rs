//! Sorting the entries of a bin.

use std::ops::Range;

use crate::array::Bits;

/// Bits that one pass of sorting looks at.
const DIGIT_BITS: u32 = 8;

pub(super) fn low_bits(bits: u32) -> u64 {
    1u64.checked_shl(bits).map_or(u64::MAX, |bit| bit - 1)
}

/// Bytes that sorting takes for each entry.
pub(super) const fn sorting_bytes<W>() -> u64 {
    (2 * size_of::<(u64, u32)>() + size_of::<W>()) as u64
}

/// Sorts entries whose keys differ in no other than these `bits`, or lie in order where they do not differ in them, and
/// sums those of one key in the order in which they came: how many are left.
pub(super) fn sort<W: Bits>(
    keys: &mut [u64],
    values: &mut [W],
    bits: Range<u32>,
    sum: fn(W, W) -> W,
) -> usize {
    if keys.windows(2).all(|pair| pair[0] < pair[1]) {
        return keys.len();
    }
    // Digits in which keys do not differ are passed over.
    let (all, any) = keys.iter().fold((u64::MAX, 0), |(all, any), &key| (all & key, any | key));
    let differ = (all ^ any) & low_bits(bits.end);
    let digits: Vec<u32> =
        bits.step_by(DIGIT_BITS as usize).filter(|&digit| digit_of(differ, digit) != 0).collect();
    match digits[..] {
        [] => {}
        [digit] => by_digit(keys, values, digit),
        _ => by_digits(keys, values, &digits),
    }
    sum_same(keys, values, sum)
}

#[inline]
fn digit_of(key: u64, digit: u32) -> usize {
    (key >> digit) as usize & ((1 << DIGIT_BITS) - 1)
}

/// Where the keys of each digit begin.
fn begins(keys: impl Iterator<Item = u64>, digit: u32) -> [usize; 1 << DIGIT_BITS] {
    let mut begins = [0usize; 1 << DIGIT_BITS];
    for key in keys {
        begins[digit_of(key, digit)] += 1;
    }
    let mut end = 0;
    for begin in &mut begins {
        end += std::mem::replace(begin, end);
    }
    begins
}

/// Sorts by one digit: each entry goes straight to its place.
fn by_digit<W: Bits>(keys: &mut [u64], values: &mut [W], digit: u32) {
    let (old_keys, old_values) = (keys.to_vec(), values.to_vec());
    let mut next = begins(old_keys.iter().copied(), digit);
    for (key, value) in old_keys.into_iter().zip(old_values) {
        let next = &mut next[digit_of(key, digit)];
        (keys[*next], values[*next]) = (key, value);
        *next += 1;
    }
}

/// Sorts by several digits, from the lowest: keys with their places, and at the end the values.
fn by_digits<W: Bits>(keys: &mut [u64], values: &mut [W], digits: &[u32]) {
    let mut pairs: Vec<(u64, u32)> = keys.iter().copied().zip(0..).collect();
    let mut spare = vec![(0, 0); pairs.len()];
    for &digit in digits {
        let mut next = begins(pairs.iter().map(|pair| pair.0), digit);
        for &pair in &pairs {
            let next = &mut next[digit_of(pair.0, digit)];
            spare[*next] = pair;
            *next += 1;
        }
        std::mem::swap(&mut pairs, &mut spare);
    }
    let before = values.to_vec();
    for ((key, value), pair) in keys.iter_mut().zip(values).zip(pairs) {
        (*key, *value) = (pair.0, before[pair.1 as usize]);
    }
}

/// Sums neighbours of one key: how many are left.
fn sum_same<W: Bits>(keys: &mut [u64], values: &mut [W], sum: fn(W, W) -> W) -> usize {
    let same = keys.windows(2).fold(0usize, |same, pair| same + usize::from(pair[0] == pair[1]));
    if same == 0 {
        return keys.len();
    }
    let mut count = 0;
    for k in 0..keys.len() {
        if count > 0 && keys[count - 1] == keys[k] {
            values[count - 1] = sum(values[count - 1], values[k]);
        } else {
            (keys[count], values[count]) = (keys[k], values[k]);
            count += 1;
        }
    }
    count
}
