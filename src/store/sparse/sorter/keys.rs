//! Places as numbers: lines and positions that are sorted by one comparison.

use super::super::base::Facts;
use crate::error::{Error, ErrorKind, Result};

/// How entries' places are made keys.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::sparse) struct Keys {
    /// Bits of a key, and those of them that are the position.
    pub(super) bits: u32,
    pub(super) position_bits: u32,
}

impl Keys {
    /// For the lines and positions of `facts`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where a line and a position do not fit in 64 bits together.
    pub(in crate::store::sparse) fn new(facts: Facts) -> Result<Self> {
        let bits = |count: usize| usize::BITS - count.saturating_sub(1).leading_zeros();
        let position_bits = bits(facts.length());
        let bits = bits(facts.lines()) + position_bits;
        if bits > u64::BITS {
            let reason =
                format!("a matrix of {} is too large for its entries to be sorted", facts.shape);
            return Err(Error::new(ErrorKind::Unsupported, "sort", reason));
        }
        Ok(Self { bits, position_bits })
    }

    /// The key of an entry.
    #[inline]
    pub(in crate::store::sparse) fn of(self, line: usize, position: usize) -> u64 {
        // A shift by all bits is none, and then there is only one line.
        (line as u64).checked_shl(self.position_bits).unwrap_or(0) | position as u64
    }

    #[inline]
    pub(super) fn line(self, key: u64) -> usize {
        key.checked_shr(self.position_bits).unwrap_or(0) as usize
    }

    #[inline]
    pub(super) fn position(self, key: u64) -> usize {
        let mask = 1u64.checked_shl(self.position_bits).map_or(u64::MAX, |bit| bit - 1);
        (key & mask) as usize
    }
}
