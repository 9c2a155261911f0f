//! The operating system: devices, media, page cache, locks, limits and counters.
//!
//! Everything that is not portable and everything `unsafe` is here, so that no other room has either.
//! Knows bytes and files; knows neither arrays nor formats.

mod advice;
mod bounds;
mod cache;
#[cfg(feature = "program")]
mod cgroup;
#[cfg(feature = "program")]
mod counters;
mod device;
mod disk;
#[cfg(feature = "program")]
pub mod family;
mod faulty;
mod files;
mod flusher;
mod limit;
mod lines;
mod lock;
mod mapped;
mod memory;
mod pages;
#[cfg(feature = "program")]
mod permit;
mod positioned;
mod recording;
mod space;
mod vectors;

#[cfg(feature = "program")]
pub use cache::unwritten_pages;
pub use cache::{Residency, evict, make_resident, residency};
#[cfg(feature = "program")]
pub use cgroup::{MemoryGroup, leave_memory_group};
#[cfg(feature = "program")]
pub use counters::{ProcessCounters, ProcessMemory, device_written_bytes, process_memory};
pub use device::{Advice, Device, DeviceKind, Existing, LockPolicy, Medium, Mode};
pub use disk::DiskMedium;
pub use faulty::{FaultPlan, FaultyMedium};
pub use files::NewFile;
#[cfg(feature = "program")]
pub use limit::CgroupVersion;
pub use limit::{free_memory_bytes, memory_limit_bytes};
pub use lines::{Floats, Index, IndexedLines, LANES, QuickGathers};
#[cfg(feature = "program")]
pub use lock::FolderLock;
pub use memory::MemoryMedium;
pub use pages::{Pages, prefer_huge_pages};
pub use recording::{Operation, Recorded, RecordingMedium};
pub use space::available_space;
pub use vectors::{Kernel, bring_near, in_widest_vectors, last_cache_bytes, middle_cache_bytes};
