//! What the kernel counted of a process.

use std::path::Path;
use std::time::Duration;

use crate::error::Result;

/// What the kernel counted of a process since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessCounters {
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel.
    pub system: Duration,
    /// Page faults served without the device.
    pub minor_faults: u64,
    /// Page faults that waited for the device.
    pub major_faults: u64,
    /// Read system calls.
    pub read_calls: u64,
    /// Write system calls.
    pub write_calls: u64,
    /// Bytes moved by read calls.
    pub read_bytes: u64,
    /// Bytes moved by write calls.
    pub written_bytes: u64,
    /// Bytes read from the device on the process's behalf.
    pub device_read_bytes: u64,
    /// Bytes that the process dirtied, which the device must write.
    pub dirtied_bytes: u64,
}

impl ProcessCounters {
    /// The counters of process `pid`.
    pub fn of(_pid: u32) -> Result<Self> {
        todo!()
    }

    /// What came since `earlier`.
    #[must_use]
    pub fn since(&self, _earlier: &Self) -> Self {
        todo!()
    }
}

/// Anonymous memory of process `pid` that is resident (RssAnon), in bytes.
pub fn anonymous_bytes(_pid: u32) -> Result<u64> {
    todo!()
}

/// Bytes that the device below `path` has written since the machine began, for whomever; none where the
/// system does not tell.
pub fn device_written_bytes(_path: &Path) -> Option<u64> {
    todo!()
}
