//! Random words at any position: the SplitMix64 generator, reached at its n-th output directly.

use std::collections::HashMap;

/// Of numbers below a bound, fewer than one in so many are few: a table of the moved ones is smaller than all.
const FEW: usize = 8;

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A SplitMix64 generator (Steele, Lea, Flood, 2014), by its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream(u64);

impl Stream {
    /// The generator seeded with `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Output number `index`, counted from 0, in constant time.
    #[inline]
    pub(super) fn at(self, index: u64) -> u64 {
        mix64(self.0.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// The outputs from number `index` on, without end.
    #[inline]
    pub(super) fn from(self, index: u64) -> impl Iterator<Item = u64> {
        let mut state = self.0.wrapping_add(index.wrapping_mul(GOLDEN));
        std::iter::repeat_with(move || {
            state = state.wrapping_add(GOLDEN);
            mix64(state)
        })
    }

    /// The generator seeded with output number `index`.
    #[inline]
    pub(super) fn child(self, index: u64) -> Self {
        Self(self.at(index))
    }
}

/// The finalizer of SplitMix64.
#[inline]
pub(super) fn mix64(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `count` different numbers below `bound`, in random order: the first `count` steps of the shuffle of
/// Fisher and Yates over 0, 1, …, of which only the moved places are kept where few numbers are chosen.
pub(super) fn choose(stream: Stream, bound: usize, count: usize) -> Vec<usize> {
    let other = |place: usize| {
        let product = u128::from(stream.at(place as u64)) * (bound - place) as u128;
        place + (product >> 64) as usize
    };
    let count = count.min(bound);
    if count > bound / FEW {
        let mut numbers: Vec<usize> = (0..bound).collect();
        for place in 0..count {
            numbers.swap(place, other(place));
        }
        numbers.truncate(count);
        return numbers;
    }
    let mut moved = HashMap::new();
    let at = |moved: &HashMap<usize, usize>, place: usize| *moved.get(&place).unwrap_or(&place);
    (0..count)
        .map(|place| {
            let other = other(place);
            let chosen = at(&moved, other);
            moved.insert(other, at(&moved, place));
            chosen
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn outputs_are_those_of_splitmix64() {
        // The reference outputs for seed 1234567 of the generator's published C code.
        let stream = Stream::new(1_234_567);
        assert_eq!(stream.at(0), 6_457_827_717_110_365_317);
        assert_eq!(stream.at(1), 3_203_168_211_198_807_973);
        assert_eq!(stream.at(2), 9_817_491_932_198_370_423);
        assert_eq!(Stream::new(u64::MAX).at(u64::MAX), mix64(u64::MAX));
        assert!(stream.from(5).take(9).eq((5..14).map(|index| stream.at(index))));
    }

    #[test]
    fn chosen_numbers_are_different_and_below_the_bound() {
        for (bound, count) in [(0, 5), (1, 5), (10, 10), (10, 3), (1 << 40, 1000), (usize::MAX, 9)]
        {
            let chosen = choose(Stream::new(7), bound, count);
            assert_eq!(chosen.len(), count.min(bound));
            assert!(chosen.iter().all(|&index| index < bound));
            assert_eq!(chosen.iter().collect::<HashSet<_>>().len(), chosen.len());
        }
        // Both ways choose the same.
        let (few, many) = (choose(Stream::new(7), 800, 99), choose(Stream::new(7), 800, 800));
        assert_eq!(few, many[..99]);
        let mut all = choose(Stream::new(7), 100, 100);
        assert!(!all.is_sorted());
        all.sort_unstable();
        assert!(all.iter().enumerate().all(|(place, &index)| place == index));
    }
}
