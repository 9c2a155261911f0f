//! Hints to the kernel about open files: how they will be read, what to read ahead or drop.
//!
//! Hints never fail: where one cannot be given, things are as slow as without it.

use std::fs::File;
use std::ops::Range;

use super::{bounds, cache};

/// Ranges closer than this are asked for as one: they share a page or are neighbours.
const GAP_BYTES: u64 = 4096;

/// Where some of many ranges are cached, all are taken to be: asking for each would cost more than it saves.
const ASKED_RANGES: usize = 32;

/// Asks for each of `ranges` ahead of use.
pub(super) fn read_ahead_each(file: &File, ranges: &[Range<u64>]) {
    let mut asked = ranges.iter().step_by(ranges.len().div_ceil(ASKED_RANGES).max(1));
    if ranges.len() > 2 * ASKED_RANGES && asked.all(|range| cache::is_cached(file, range)) {
        return;
    }
    bounds::join(ranges, GAP_BYTES).into_iter().for_each(|range| read_ahead(file, range));
}

#[cfg(target_os = "linux")]
pub(super) use linux::{advise, drop_cached, read_ahead, write_out};

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::num::NonZeroU64;
    use std::ops::Range;
    use std::os::fd::AsRawFd;

    use rustix::fs::{Advice as FileAdvice, fadvise};

    use crate::sys::Advice;

    fn give(file: &File, range: Range<u64>, advice: FileAdvice) {
        let len = NonZeroU64::new(range.end.saturating_sub(range.start));
        // No length would mean: to the end of the file.
        if len.is_some() {
            let _ = fadvise(file, range.start, len, advice);
        }
    }

    /// How the whole of `file` will be read.
    pub(in crate::sys) fn advise(file: &File, advice: Advice) {
        let advice = match advice {
            Advice::Normal => FileAdvice::Normal,
            Advice::Sequential => FileAdvice::Sequential,
            Advice::Random => FileAdvice::Random,
        };
        let _ = fadvise(file, 0, None, advice);
    }

    /// Asks for `range` ahead of use.
    pub(in crate::sys) fn read_ahead(file: &File, range: Range<u64>) {
        give(file, range, FileAdvice::WillNeed);
    }

    /// Drops the clean pages of `range` from the cache.
    pub(in crate::sys) fn drop_cached(file: &File, range: Range<u64>) {
        give(file, range, FileAdvice::DontNeed);
    }

    /// Starts writing the changed pages of `range`, which makes nothing durable.
    #[allow(unsafe_code)]
    pub(in crate::sys) fn write_out(file: &File, range: Range<u64>) {
        let bounds = (i64::try_from(range.start), i64::try_from(range.end));
        if let (Ok(start), Ok(end)) = bounds
            && start < end
        {
            // SAFETY: the call takes numbers only; the descriptor is open as long as `file` is borrowed.
            let _ = unsafe {
                libc::sync_file_range(
                    file.as_raw_fd(),
                    start,
                    end - start,
                    libc::SYNC_FILE_RANGE_WRITE,
                )
            };
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{advise, drop_cached, read_ahead, write_out};

/// Systems to which these hints cannot be given.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::fs::File;
    use std::ops::Range;

    use crate::sys::Advice;

    pub(in crate::sys) fn advise(_file: &File, _advice: Advice) {}
    pub(in crate::sys) fn read_ahead(_file: &File, _range: Range<u64>) {}
    pub(in crate::sys) fn drop_cached(_file: &File, _range: Range<u64>) {}
    pub(in crate::sys) fn write_out(_file: &File, _range: Range<u64>) {}
}
