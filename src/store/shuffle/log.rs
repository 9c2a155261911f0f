//! Rows put aside in the order of their groups: which row goes where, and the log that keeps them.

use crate::error::Result;
use crate::store::{Context, Reservation};
use crate::sys::{Device, Pages};

/// The largest part of the log that is written by itself: longer ones are no faster.
const LARGEST_WRITE_BYTES: u64 = 1 << 20;

/// Where in its group each of `rows` lies: they were put there in the order in which a pass meets them.
pub(super) fn lie_at(rows: &[usize], at: &mut [u32]) {
    let mut met: Vec<u32> = (0..rows.len() as u32).collect();
    met.sort_unstable_by_key(|&place| (rows[place as usize], place));
    for (position, &place) in met.iter().enumerate() {
        at[place as usize] = position as u32;
    }
}

/// For each row of the matrix, its places in the order.
pub(super) struct Places {
    /// Where the places of each row begin, and after the last one their number.
    starts: Vec<u32>,
    places: Vec<u32>,
    _memory: Reservation,
}

impl Places {
    pub(super) fn new(rows: &[usize], count: usize, context: &Context) -> Result<Self> {
        let bytes = 4 * (count as u64 + 1 + rows.len() as u64);
        let _memory = context.reserve(bytes)?;
        let mut starts = vec![0; count + 1];
        for &row in rows {
            starts[row] += 1;
        }
        let mut end = 0u32;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        // Filled from behind, so that each row's start arrives where it belongs and its places rise.
        let mut places = vec![0; rows.len()];
        for (place, &row) in rows.iter().enumerate().rev() {
            starts[row] -= 1;
            places[starts[row] as usize] = place as u32;
        }
        Ok(Self { starts, places, _memory })
    }

    pub(super) fn of(&self, row: usize) -> &[u32] {
        &self.places[self.starts[row] as usize..self.starts[row + 1] as usize]
    }
}

/// Rows put aside, those of a group together.
pub(super) struct RowLog {
    device: Box<dyn Device>,
    row_bytes: usize,
    /// Rows of a group, and rows of each that wait to be written.
    group: usize,
    waiting: usize,
    /// Room for the rows that wait, group after group.
    pages: Pages,
    /// How many rows of each group have come.
    come: Vec<usize>,
    _memory: Reservation,
}

impl RowLog {
    /// For `groups` groups of `group` rows; what waits takes at most `bytes`.
    pub(super) fn new(
        device: Box<dyn Device>,
        row_bytes: usize,
        (group, groups): (usize, usize),
        bytes: u64,
        context: &Context,
    ) -> Result<Self> {
        let each = (bytes / groups as u64 - 8).min(LARGEST_WRITE_BYTES) / row_bytes as u64;
        let waiting = usize::try_from(each).unwrap_or(usize::MAX).clamp(1, group);
        let bytes = groups * (waiting * row_bytes + size_of::<usize>());
        let _memory = context.reserve(bytes as u64)?;
        let pages = Pages::new(groups * waiting * row_bytes)?;
        Ok(Self { device, row_bytes, group, waiting, pages, come: vec![0; groups], _memory })
    }

    /// Puts the row that has this place in the order aside.
    pub(super) fn put(&mut self, place: usize, row: &[u8]) -> Result<()> {
        let group = place / self.group;
        let at = (group * self.waiting + self.come[group] % self.waiting) * self.row_bytes;
        self.pages[at..at + self.row_bytes].copy_from_slice(row);
        self.come[group] += 1;
        match self.come[group] % self.waiting {
            0 => self.write(group, self.waiting),
            _ => Ok(()),
        }
    }

    /// Writes the last `count` rows of `group` that have come: all that wait.
    fn write(&mut self, group: usize, count: usize) -> Result<()> {
        let first = group * self.group + self.come[group] - count;
        let at = group * self.waiting * self.row_bytes;
        let bytes = &self.pages[at..at + count * self.row_bytes];
        self.device.write_at((first * self.row_bytes) as u64, bytes)
    }

    /// Writes what waits: the log, in which group follows group.
    pub(super) fn finish(mut self) -> Result<Box<dyn Device>> {
        for group in 0..self.come.len() {
            match self.come[group] % self.waiting {
                0 => {}
                count => self.write(group, count)?,
            }
        }
        Ok(self.device)
    }
}
