//! Which lines were given: stretches of neighbours.

use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes that a stretch takes in the list.
const STRETCH_BYTES: u64 = 64;

/// A set of lines, of which many are neighbours.
#[derive(Debug, Default)]
pub(super) struct Stretches {
    /// The stretch that was added to last.
    open: Range<usize>,
    /// Where each of the others begins, and where it ends.
    ends: BTreeMap<usize, usize>,
}

impl Stretches {
    /// Whether line `index` is there.
    pub(super) fn contains(&self, index: usize) -> bool {
        let is_in = |(_, &end): (&usize, &usize)| index < end;
        self.open.contains(&index) || self.ends.range(..=index).next_back().is_some_and(is_in)
    }

    /// Bytes that the list takes.
    pub(super) fn bytes(&self) -> u64 {
        self.ends.len() as u64 * STRETCH_BYTES
    }

    /// Adds line `index`, which is not there.
    pub(super) fn insert(&mut self, index: usize) {
        debug_assert!(!self.contains(index));
        if index != self.open.end || self.open.is_empty() {
            self.close();
            self.open.start = index;
        }
        self.open.end = index + 1;
    }

    /// Adds line `index`, and all between it and the line that was added last, which is before it.
    pub(super) fn extend_to(&mut self, index: usize) {
        if self.open.is_empty() {
            self.open.start = index;
        }
        self.open.end = self.open.end.max(index + 1);
    }

    /// Puts the open stretch to the others.
    fn close(&mut self) {
        let Range { mut start, mut end } = std::mem::take(&mut self.open);
        if start == end {
            return;
        }
        if let Some((&before, _)) =
            self.ends.range(..start).next_back().filter(|(_, end)| **end == start)
        {
            start = before;
        }
        if let Some(behind) = self.ends.remove(&end) {
            end = behind;
        }
        self.ends.insert(start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_one() {
        let mut stretches = Stretches::default();
        for index in [5, 3, 9, 4, 0, 8] {
            stretches.insert(index);
        }
        let there: Vec<usize> = (0..12).filter(|&index| stretches.contains(index)).collect();
        assert_eq!(there, [0, 3, 4, 5, 8, 9]);
        stretches.close();
        assert_eq!(stretches.ends.len(), 3);
        stretches.insert(11);
        stretches.extend_to(14);
        assert!((11..15).all(|index| stretches.contains(index)));
        assert!(!stretches.contains(10) && !stretches.contains(15));
    }
}
