//! Setting the disk to work on what was written, a stretch at a time, so that it works while more is made.

use std::ops::Range;

use super::{Budget, Context};
use crate::sys::Device;

/// Bytes after which the disk is set to work on them: with less, more time goes into flushing its own cache than into
/// writing; with more, it begins late.
const WRITE_BACK_BYTES: u64 = 48 << 20;

/// The same for what the page cache does not hold: nothing is flushed, and it should leave the cache soon.
const WRITE_OUT_BYTES: u64 = 8 << 20;

/// The largest pages of the page cache: a change through a map makes all of one dirty.
const LARGE_PAGE_BYTES: u64 = 2 << 20;

/// What was written to a device from front to back, and not yet handed to the disk.
#[derive(Debug)]
pub(super) struct WriteBehind {
    pending: Range<u64>,
    pace: Pace,
}

/// What becomes of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// It is made durable.
    Durable,
    /// It is written, so that it can leave the page cache.
    Out,
    /// Nothing: it is of no use once the work is done, and the page cache holds it.
    Kept,
}

/// Of a file that the page cache holds.
impl Default for WriteBehind {
    fn default() -> Self {
        Self { pending: 0..0, pace: Pace::Durable }
    }
}

impl WriteBehind {
    /// Behind a writer to `device`.
    pub(super) fn new(device: &dyn Device, context: &Context) -> Self {
        let is_cached = context.budget().is_cached(device.len());
        Self { pending: 0..0, pace: if is_cached { Pace::Durable } else { Pace::Out } }
    }

    /// Behind a writer to a scratch file of so many bytes.
    pub(super) fn scratch(bytes: u64, budget: Budget) -> Self {
        let pace = if budget.is_cached(bytes) { Pace::Kept } else { Pace::Out };
        Self { pending: 0..0, pace }
    }

    /// `range` was written.
    pub(super) fn written(&mut self, device: &dyn Device, range: Range<u64>) {
        let stretch = match self.pace {
            Pace::Durable => WRITE_BACK_BYTES,
            Pace::Out => WRITE_OUT_BYTES,
            Pace::Kept => return,
        };
        if self.pending.end != range.start {
            self.flush(device);
            self.pending.start = range.start;
        }
        self.pending.end = range.end;
        if self.pending.end - self.pending.start >= stretch {
            // What lies behind the last whole page is yet to be changed, and would be written twice.
            let whole = self.pending.end / LARGE_PAGE_BYTES * LARGE_PAGE_BYTES;
            self.hand_over(device, self.pending.start..whole);
            self.pending.start = whole;
        }
    }

    /// No more will be written.
    pub(super) fn flush(&mut self, device: &dyn Device) {
        self.hand_over(device, self.pending.clone());
        self.pending.start = self.pending.end;
    }

    fn hand_over(&self, device: &dyn Device, range: Range<u64>) {
        match self.pace {
            Pace::Durable => device.write_back(range),
            Pace::Out => device.write_out(range),
            Pace::Kept => {}
        }
    }
}
