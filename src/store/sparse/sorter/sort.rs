//! Sorting the entries of a bin.

use crate::array::Bits;

/// Bits that one pass of sorting looks at.
const DIGIT_BITS: u32 = 8;

pub(super) fn low_bits(bits: u32) -> u64 {
    1u64.checked_shl(bits).map_or(u64::MAX, |bit| bit - 1)
}

/// Sorts entries whose keys differ in the lowest `bits` bits, and sums those of one key in the order in which they came:
/// how many are left.
pub(super) fn sort<W: Bits>(
    keys: &mut [u64],
    values: &mut [W],
    bits: u32,
    sum: fn(W, W) -> W,
) -> usize {
    if keys.windows(2).all(|pair| pair[0] < pair[1]) {
        return keys.len();
    }
    // Digits in which keys do not differ are passed over.
    let (all, any) = keys.iter().fold((u64::MAX, 0), |(all, any), &key| (all & key, any | key));
    let differ = (all ^ any) & low_bits(bits);
    let mut pairs: Vec<(u64, u32)> = keys.iter().copied().zip(0..).collect();
    let mut spare = vec![(0, 0); pairs.len()];
    for digit in (0..bits).step_by(DIGIT_BITS as usize) {
        let digit_of = |key: u64| (key >> digit) as usize & 0xff;
        if digit_of(differ) == 0 {
            continue;
        }
        let mut ends = [0usize; 1 << DIGIT_BITS];
        for &(key, _) in &pairs {
            ends[digit_of(key)] += 1;
        }
        let mut begin = 0;
        for end in &mut ends {
            begin += std::mem::replace(end, begin);
        }
        for &pair in &pairs {
            let end = &mut ends[digit_of(pair.0)];
            spare[*end] = pair;
            *end += 1;
        }
        std::mem::swap(&mut pairs, &mut spare);
    }
    let before = values.to_vec();
    let mut count = 0;
    for (key, place) in pairs {
        let value = before[place as usize];
        if count > 0 && keys[count - 1] == key {
            values[count - 1] = sum(values[count - 1], value);
        } else {
            (keys[count], values[count]) = (key, value);
            count += 1;
        }
    }
    count
}
