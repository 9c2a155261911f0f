//! How large the stretches are in which a file is passed: as large as the kind of device gains by, and as the memory
//! allows.

use crate::store::Context;
use crate::sys::DeviceKind;

/// Windows of a map, or of memory: they cost no memory of our own, only steps of progress.
const MAPPED_WINDOW_BYTES: u64 = 64 << 20;

/// The smallest windows of a map of a file that the page cache does not hold.
const LEAST_MAPPED_WINDOW_BYTES: u64 = 1 << 20;

/// Windows of positioned I/O: beyond a few MiB a longer read is no faster, and this much still fits the
/// last-level cache between the read and the gather.
const POSITIONED_WINDOW_BYTES: u64 = 8 << 20;

/// The smallest windows: one item of any type.
pub(super) const SMALLEST_WINDOW_BYTES: u64 = 16;

/// Windows that several threads read and gather from: each stays in its thread's second-level cache.
pub(super) const SHARED_WINDOW_BYTES: u64 = 1 << 20;

/// Bytes of the unit in which a map moves data.
pub(super) const PAGE_BYTES: u64 = 4096;

/// How the windows of a file of `file_bytes` are cut, given the memory that is free.
pub(super) fn window_bytes(kind: DeviceKind, file_bytes: u64, context: &Context) -> u64 {
    let budget = context.budget();
    match kind {
        DeviceKind::Memory => MAPPED_WINDOW_BYTES,
        DeviceKind::Mapped if budget.is_cached(file_bytes) => MAPPED_WINDOW_BYTES,
        // A window stays whole while it is used, and what is read ahead of it too.
        DeviceKind::Mapped => {
            (budget.cache_bytes() / 8).clamp(LEAST_MAPPED_WINDOW_BYTES, MAPPED_WINDOW_BYTES)
        }
        DeviceKind::Positioned => {
            (context.available_bytes() / 4).clamp(SMALLEST_WINDOW_BYTES, POSITIONED_WINDOW_BYTES)
        }
    }
}

/// The memory that one window of `bytes` takes: a device that lends its bytes takes none.
pub(super) fn window_memory(kind: DeviceKind, bytes: u64) -> u64 {
    if kind == DeviceKind::Positioned { bytes } else { 0 }
}
