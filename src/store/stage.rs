//! Columns waiting to be turned into rows: held in memory, and what the budget does not hold logged.
//!
//! Writing one column at a time into rows touches every page of a file for each column. Columns are
//! therefore kept until all are there; then each block of rows is put together from all of them and written
//! once. Knows columns as bytes; knows no file but its own nameless log.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::Context;
use crate::error::Result;
use crate::sys::{Device, Medium, Pages};

/// Where columns begin in memory and in the log: at multiples of this, so that any element type may be seen there.
const ALIGNMENT_BYTES: usize = 64;

/// Columns of equal length, by index.
#[derive(Debug)]
pub(super) struct ColumnStage {
    column_bytes: usize,
    /// Bytes from one column to the next, in memory and in the log.
    stride: usize,
    places: BTreeMap<usize, Place>,
    /// Room for the held columns.
    pages: Pages,
    held: usize,
    log: Option<Box<dyn Device>>,
    scratch: Scratch,
}

/// Where a log is made, if one is needed.
#[derive(Debug)]
pub(super) struct Scratch {
    /// What holds it.
    pub medium: Arc<dyn Medium>,
    /// Next to this file.
    pub near: PathBuf,
}

/// Where a column waits.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In memory, from this byte on.
    Held(usize),
    /// In the log, from this byte on.
    Logged(u64),
}

impl ColumnStage {
    /// Room for columns of `column_bytes`, of which `held` are kept in memory. The caller has reserved
    /// [`ColumnStage::memory_bytes`] for them.
    pub(super) fn new(column_bytes: usize, held: usize, scratch: Scratch) -> Result<Self> {
        let stride = column_bytes.next_multiple_of(ALIGNMENT_BYTES);
        Ok(Self {
            column_bytes,
            stride,
            places: BTreeMap::new(),
            pages: Pages::new(held * stride)?,
            held: 0,
            log: None,
            scratch,
        })
    }

    /// Memory that a held column of `column_bytes` takes.
    pub(super) fn memory_bytes(column_bytes: usize) -> u64 {
        column_bytes.next_multiple_of(ALIGNMENT_BYTES) as u64
    }

    /// How many columns wait.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many of them wait in the log.
    pub(super) fn logged(&self) -> usize {
        self.places.len() - self.held
    }

    /// Keeps column `index`; what was kept of it before is replaced. `most` columns are expected in all.
    pub(super) fn put(&mut self, index: usize, column: &[u8], most: usize) -> Result<()> {
        debug_assert_eq!(column.len(), self.column_bytes);
        let place = match self.places.get(&index) {
            Some(&place) => place,
            None => self.next_place(most)?,
        };
        match place {
            Place::Held(at) => self.pages[at..at + column.len()].copy_from_slice(column),
            Place::Logged(offset) => {
                self.log.as_mut().expect("what is logged has a log").write_at(offset, column)?;
            }
        }
        if self.places.insert(index, place).is_none() && matches!(place, Place::Held(_)) {
            self.held += 1;
        }
        Ok(())
    }

    fn next_place(&mut self, most: usize) -> Result<Place> {
        if (self.held + 1) * self.stride <= self.pages.len() {
            return Ok(Place::Held(self.held * self.stride));
        }
        if self.log.is_none() {
            // All the space that may be needed, before anything is written.
            let bytes = most.saturating_sub(self.held) as u64 * self.stride as u64;
            self.log = Some(self.scratch.medium.scratch(&self.scratch.near, bytes)?);
        }
        Ok(Place::Logged(self.logged() as u64 * self.stride as u64))
    }

    /// The bytes of `part` of every column, with its index, from the lowest to the highest. `buffer` has
    /// room for the parts of the logged ones, which are read on several threads.
    pub(super) fn parts<'a>(
        &'a self,
        part: Range<usize>,
        buffer: &'a mut [u8],
        context: &Context,
    ) -> Result<Vec<(usize, &'a [u8])>> {
        let logged: Vec<u64> = self
            .places
            .values()
            .filter_map(|place| match place {
                Place::Logged(offset) => Some(offset + part.start as u64),
                Place::Held(_) => None,
            })
            .collect();
        let buffer = &mut buffer[..logged.len() * part.len()];
        if let Some(log) = &self.log
            && !part.is_empty()
        {
            let read = |(&offset, out): (&u64, &mut [u8])| log.read_into(offset, out);
            context.install_for(buffer.len(), || {
                logged.par_iter().zip(buffer.par_chunks_mut(part.len())).try_for_each(read)
            })?;
        }
        let mut logged = buffer.chunks(part.len().max(1));
        Ok(self
            .places
            .iter()
            .map(|(&index, place)| {
                let bytes = match place {
                    Place::Held(at) => &self.pages[at + part.start..at + part.end],
                    Place::Logged(_) => logged.next().unwrap_or_default(),
                };
                (index, bytes)
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Budget;
    use crate::sys::MemoryMedium;

    #[test]
    fn parts_come_back_in_order_wherever_their_columns_wait() {
        let context = Context::new(Budget::new(1 << 20));
        for held in [0, 2, 5] {
            let scratch = Scratch { medium: Arc::new(MemoryMedium::new()), near: "a".into() };
            let mut stage = ColumnStage::new(100, held, scratch).unwrap();
            for index in [9, 3, 7, 3, 5] {
                let again = if index == 3 { stage.len() as u8 } else { 0 };
                let column: Vec<u8> = (0..100).map(|i| i + index as u8 + again).collect();
                stage.put(index, &column, 4).unwrap();
            }
            assert_eq!((stage.len(), stage.logged()), (4, 4 - held.min(4)));
            let mut buffer = vec![0; 4 * 10];
            let parts = stage.parts(20..30, &mut buffer, &context).unwrap();
            let expected = [(3, 26), (5, 25), (7, 27), (9, 29)];
            for ((index, bytes), (at, first)) in parts.into_iter().zip(expected) {
                assert_eq!(index, at);
                assert!(bytes.iter().copied().eq(first..first + 10), "{held} {index} {bytes:?}");
            }
            assert_eq!(stage.parts(100..100, &mut buffer, &context).unwrap().len(), 4);
        }
    }
}
