//! Setting the disk to work on what was written, a stretch at a time, so that it works while more is made.

use std::ops::Range;

use super::Context;
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
    /// Whether the page cache holds the file.
    is_cached: bool,
}

/// Of a file that the page cache holds.
impl Default for WriteBehind {
    fn default() -> Self {
        Self { pending: 0..0, is_cached: true }
    }
}

impl WriteBehind {
    pub(super) fn new(device: &dyn Device, context: &Context) -> Self {
        Self { pending: 0..0, is_cached: context.budget().is_cached(device.len()) }
    }

    /// `range` was written.
    pub(super) fn written(&mut self, device: &dyn Device, range: Range<u64>) {
        if self.pending.end != range.start {
            self.flush(device);
            self.pending.start = range.start;
        }
        self.pending.end = range.end;
        let stretch = if self.is_cached { WRITE_BACK_BYTES } else { WRITE_OUT_BYTES };
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
        if self.is_cached { device.write_back(range) } else { device.write_out(range) }
    }
}
