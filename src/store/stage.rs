//! Columns waiting to be turned into rows: held in memory, and what the budget does not hold logged.
//!
//! Writing one column at a time into rows touches every page of a file for each column. Columns are
//! therefore kept until all are there; then each block of rows is put together from all of them and written
//! once. Knows columns as bytes; knows no file but its own nameless log.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::behind::WriteBehind;
use super::{Budget, Context};
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{Advice, Device, Medium, Pages};

/// Where columns begin in memory and in the log: at multiples of this, so that any element type may be seen there.
const ALIGNMENT_BYTES: usize = 64;

/// The most columns that are shown at a time: what is listed of them stays small, however many there are.
const GROUP_COLUMNS: usize = 4096;

/// Logged columns up to this long are read whole, many in one call: a call for a part of each would cost more.
const SHORT_BYTES: usize = 4096;

/// Bytes of short columns that are read in one call.
const GROUP_BYTES: usize = 256 << 10;

/// Columns' parts are asked for ahead of use where there are no more of them, in columns and in bytes.
const AHEAD_BYTES: usize = 16 << 20;

/// The slot of a column that has not come.
const NOT_THERE: u32 = u32::MAX;

/// Columns of equal length, by index.
#[derive(Debug)]
pub(super) struct ColumnStage {
    column_bytes: usize,
    /// Bytes from one column to the next, in memory and in the log.
    stride: usize,
    /// Each column's slot. Slots are given as columns come; the first ones are in memory.
    slots: Vec<u32>,
    come: usize,
    /// Room for the held columns.
    pages: Pages,
    log: Option<Box<dyn Device>>,
    scratch: Scratch,
    behind: WriteBehind,
}

/// Where a log is made, if one is needed.
#[derive(Debug)]
pub(super) struct Scratch {
    /// What holds it.
    pub medium: Arc<dyn Medium>,
    /// Next to this file.
    pub near: PathBuf,
}

/// Whether scratch could not be made for want of space or of the right to write there: not a fault of the disk.
pub(super) fn is_without_room(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NoSpace | ErrorKind::ReadOnly | ErrorKind::PermissionDenied)
}

/// Who is shown a part of some columns: each one's index and bytes, rising.
type ShowParts<'s> = dyn FnMut(&[(usize, &[u8])]) + 's;

impl ColumnStage {
    /// Room for `columns` columns of `column_bytes`, of which `held` are kept in memory. The caller has reserved
    /// [`ColumnStage::memory_bytes`] for them.
    ///
    /// # Errors
    /// Where there are more columns than can be listed, or no memory.
    pub(super) fn new(
        columns: usize,
        column_bytes: usize,
        held: usize,
        scratch: Scratch,
        budget: Budget,
    ) -> Result<Self> {
        if u32::try_from(columns).is_ok_and(|columns| columns < NOT_THERE) {
            let stride = column_bytes.next_multiple_of(ALIGNMENT_BYTES);
            return Ok(Self {
                column_bytes,
                stride,
                slots: vec![NOT_THERE; columns],
                come: 0,
                pages: Pages::new(held * stride)?,
                log: None,
                scratch,
                behind: WriteBehind::scratch(
                    (columns.saturating_sub(held) * stride) as u64,
                    budget,
                ),
            });
        }
        let reason = format!("{columns} columns are too many to be put together in rows");
        Err(Error::new(ErrorKind::Unsupported, "fill columns", reason))
    }

    /// Memory for `columns` columns of `column_bytes`, of which `held` are kept.
    pub(super) fn memory_bytes(columns: usize, column_bytes: usize, held: usize) -> u64 {
        (columns * size_of::<u32>()) as u64 + held as u64 * Self::stride_bytes(column_bytes)
    }

    /// Memory that a held column of `column_bytes` takes.
    pub(super) fn stride_bytes(column_bytes: usize) -> u64 {
        column_bytes.next_multiple_of(ALIGNMENT_BYTES) as u64
    }

    /// How many columns wait.
    pub(super) fn len(&self) -> usize {
        self.come
    }

    /// How many columns the memory holds.
    fn held(&self) -> usize {
        self.pages.len() / self.stride.max(1)
    }

    /// Keeps column `index`; what was kept of it before is replaced.
    pub(super) fn put(&mut self, index: usize, column: &[u8]) -> Result<()> {
        debug_assert_eq!(column.len(), self.column_bytes);
        let is_new = self.slots[index] == NOT_THERE;
        let slot = if is_new { self.come } else { self.slots[index] as usize };
        match slot.checked_sub(self.held()) {
            None => self.pages[slot * self.stride..][..column.len()].copy_from_slice(column),
            Some(logged) => {
                let at = (logged * self.stride) as u64;
                self.log()?.write_at(at, column)?;
                if let Some(log) = &self.log {
                    self.behind.written(&**log, at..at + self.stride as u64);
                }
            }
        }
        if is_new {
            // Fewer than columns, which the list can count.
            self.slots[index] = slot as u32;
            self.come += 1;
        }
        Ok(())
    }

    fn log(&mut self) -> Result<&mut dyn Device> {
        if self.log.is_none() {
            // All the space that may be needed, before anything is written.
            let bytes = self.slots.len().saturating_sub(self.held()) as u64 * self.stride as u64;
            self.log = Some(self.scratch.medium.scratch(&self.scratch.near, bytes)?);
        }
        Ok(self.log.as_deref_mut().expect("it was just made"))
    }

    /// The indices, rising, of the columns that have come, with their slots.
    fn iter(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let there = self.slots.iter().enumerate().filter(|(_, slot)| **slot != NOT_THERE);
        there.map(|(index, &slot)| (index, slot as usize))
    }

    /// Asks for `part` of every logged column ahead of use, where that is not too much.
    pub(super) fn prefetch(&self, part: &Range<usize>) {
        let Some(log) = &self.log else { return };
        let logged = self.come.saturating_sub(self.held());
        let is_little = logged <= GROUP_COLUMNS && logged.saturating_mul(part.len()) <= AHEAD_BYTES;
        if is_little && self.stride > SHORT_BYTES {
            let range = |slot| {
                let at = (slot * self.stride) as u64;
                at + part.start as u64..at + part.end as u64
            };
            log.prefetch(&(0..logged).map(range).collect::<Vec<_>>());
        }
    }

    /// Shows the bytes of `part` of every column, some columns at a time, from the lowest to the highest. `buffer` is
    /// for those that are logged, which are read on several threads.
    pub(super) fn each_part(
        &self,
        part: &Range<usize>,
        buffer: &mut Vec<u8>,
        context: &Context,
        show: &mut ShowParts<'_>,
    ) -> Result<()> {
        let most = match self.stride {
            1..=SHORT_BYTES => (GROUP_BYTES / self.stride).min(GROUP_COLUMNS),
            _ => GROUP_COLUMNS,
        };
        if let Some(log) = &self.log {
            // What is read is a part of each column: nothing behind it will be wanted next.
            log.advise(if self.stride <= SHORT_BYTES { Advice::Normal } else { Advice::Random });
        }
        let mut columns = self.iter();
        let mut group = Vec::with_capacity(most.min(self.come));
        loop {
            group.clear();
            group.extend(columns.by_ref().take(most));
            if group.is_empty() {
                return Ok(());
            }
            self.show_group(&group, part, buffer, context, show)?;
        }
    }

    fn show_group(
        &self,
        group: &[(usize, usize)],
        part: &Range<usize>,
        buffer: &mut Vec<u8>,
        context: &Context,
        show: &mut ShowParts<'_>,
    ) -> Result<()> {
        let held = self.held();
        let logged: Vec<usize> =
            group.iter().filter_map(|&(_, slot)| slot.checked_sub(held)).collect();
        let is_run = logged.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        // (bytes from one logged column to the next in the buffer, where the part begins in each)
        let (stride, from) = match self.stride <= SHORT_BYTES && is_run {
            true => (self.stride, part.start),
            false => (part.len(), 0),
        };
        buffer.resize(logged.len() * stride, 0);
        if let (Some(log), Some(&first), false) = (&self.log, logged.first(), part.is_empty()) {
            let at = |logged: usize| (logged * self.stride) as u64;
            if stride == self.stride && from == part.start {
                log.read_into(at(first), buffer)?;
            } else {
                let read = |(&logged, out): (&usize, &mut [u8])| {
                    log.read_into(at(logged) + part.start as u64, out)
                };
                context.install_for(buffer.len(), || {
                    logged.par_iter().zip(buffer.par_chunks_mut(stride)).try_for_each(read)
                })?;
            }
        }
        let mut read = buffer.chunks(stride.max(1)).map(|column| &column[from..][..part.len()]);
        let parts: Vec<_> = group
            .iter()
            .map(|&(index, slot)| match slot < held {
                true => (index, &self.pages[slot * self.stride..][part.clone()]),
                false => (index, read.next().unwrap_or_default()),
            })
            .collect();
        show(&parts);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::MemoryMedium;

    #[test]
    fn parts_come_back_in_order_wherever_their_columns_wait() {
        let context = Context::new(Budget::new(1 << 20));
        for held in [0, 2, 5] {
            let scratch = Scratch { medium: Arc::new(MemoryMedium::new()), near: "a".into() };
            let mut stage = ColumnStage::new(10, 100, held, scratch, context.budget()).unwrap();
            for index in [9, 3, 7, 3, 5, 6] {
                let again = if index == 3 { stage.len() as u8 } else { 0 };
                let column: Vec<u8> = (0..100).map(|i| i + index as u8 + again).collect();
                stage.put(index, &column).unwrap();
            }
            assert_eq!(stage.len(), 5);
            let shown = |part: Range<usize>| {
                let mut shown = Vec::new();
                let mut buffer = Vec::new();
                let mut show = |parts: &[(usize, &[u8])]| {
                    shown.extend(parts.iter().map(|(index, bytes)| (*index, bytes.to_vec())));
                };
                stage.each_part(&part, &mut buffer, &context, &mut show).unwrap();
                shown
            };
            let expected = [(3, 26), (5, 25), (6, 26), (7, 27), (9, 29)];
            let expected = expected.map(|(index, first)| (index, (first..first + 10).collect()));
            assert_eq!(shown(20..30), expected, "{held} held");
            assert_eq!(shown(100..100).len(), 5);
        }
    }

    #[test]
    fn columns_come_in_any_order() {
        let context = Context::new(Budget::new(1 << 20));
        for step in [1, 7] {
            let scratch = Scratch { medium: Arc::new(MemoryMedium::new()), near: "a".into() };
            let mut stage = ColumnStage::new(10_000, 4, 100, scratch, context.budget()).unwrap();
            for k in 0..10_000 {
                let column = k * step % 10_000;
                stage.put(column, &(column as u32).to_le_bytes()).unwrap();
            }
            let mut next = 0;
            let mut show = |parts: &[(usize, &[u8])]| {
                for (index, bytes) in parts {
                    assert_eq!((*index, *bytes), (next, &(next as u32).to_le_bytes()[..]));
                    next += 1;
                }
            };
            stage.each_part(&(0..4), &mut Vec::new(), &context, &mut show).unwrap();
            assert_eq!(next, 10_000);
        }
    }
}
