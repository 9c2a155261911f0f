//! The operating system: devices, media, page cache, locks, limits and counters.
//!
//! Everything that is not portable and everything `unsafe` is here, so that no other room has either.
//! Knows bytes and files; knows neither arrays nor formats.

mod bounds;
mod cache;
#[cfg(feature = "program")]
mod counters;
mod device;
mod disk;
mod faulty;
mod files;
mod lock;
mod memory;
mod recording;

pub use cache::{Residency, evict, make_resident, residency};
#[cfg(feature = "program")]
pub use counters::{ProcessCounters, anonymous_bytes, device_written_bytes};
pub use device::{Advice, Device, DeviceKind, Existing, LockPolicy, Medium, Mode};
pub use disk::DiskMedium;
pub use faulty::{FaultPlan, FaultyMedium};
pub use memory::MemoryMedium;
pub use recording::RecordingMedium;

/// The memory limit set for this process by a cgroup, in bytes; none where there is none or it is not known.
pub fn memory_limit_bytes() -> Option<u64> {
    None
}

/// Bytes that the file system of `folder` can still take.
pub fn available_space(_folder: &std::path::Path) -> crate::Result<u64> {
    todo!()
}
