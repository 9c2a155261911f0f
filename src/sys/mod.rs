//! The operating system: devices, media, page cache, locks, limits and counters.
//!
//! Everything that is not portable and everything `unsafe` is here, so that no other room has either.
//! Knows bytes and files; knows neither arrays nor formats.

mod device;

pub use device::{Advice, Device, DeviceKind, Existing, LockPolicy, Medium, Mode};

/// The memory limit set for this process by a cgroup, in bytes; none where there is none or it is not known.
pub fn memory_limit_bytes() -> Option<u64> {
    None
}
