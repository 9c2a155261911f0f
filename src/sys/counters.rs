//! What the kernel counted of a process, and of the device below a file.

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

/// What the kernel counted of a process, all its threads together, since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessCounters {
    /// Processor time in user mode, in the kernel's steps: commonly 10 ms.
    pub user: Duration,
    /// Processor time in the kernel, in the same steps.
    pub system: Duration,
    /// Processor time in both together, by its own clock: to the nanosecond.
    pub busy: Duration,
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
    /// The counters of process `pid`, which must be this user's.
    ///
    /// # Errors
    /// Where there is no such process or the system does not tell.
    pub fn of(pid: u32) -> Result<Self> {
        system::counters(pid)
    }

    /// What came since `earlier`, an earlier reading of the same process.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.with(earlier, Duration::saturating_sub, u64::saturating_sub)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, Duration::saturating_add, u64::saturating_add)
    }

    fn with(
        &self,
        other: &Self,
        times: impl Fn(Duration, Duration) -> Duration,
        counts: impl Fn(u64, u64) -> u64,
    ) -> Self {
        Self {
            user: times(self.user, other.user),
            system: times(self.system, other.system),
            busy: times(self.busy, other.busy),
            minor_faults: counts(self.minor_faults, other.minor_faults),
            major_faults: counts(self.major_faults, other.major_faults),
            read_calls: counts(self.read_calls, other.read_calls),
            write_calls: counts(self.write_calls, other.write_calls),
            read_bytes: counts(self.read_bytes, other.read_bytes),
            written_bytes: counts(self.written_bytes, other.written_bytes),
            device_read_bytes: counts(self.device_read_bytes, other.device_read_bytes),
            dirtied_bytes: counts(self.dirtied_bytes, other.dirtied_bytes),
        }
    }
}

/// What of a process is resident in memory, by what lies behind it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Its own memory (`RssAnon`).
    pub anonymous_bytes: u64,
    /// Pages of files that it has mapped, and shared memory (`RssFile` and `RssShmem`).
    pub mapped_bytes: u64,
}

impl ProcessMemory {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            anonymous_bytes: self.anonymous_bytes + other.anonymous_bytes,
            mapped_bytes: self.mapped_bytes + other.mapped_bytes,
        }
    }
}

/// The memory of process `pid` that is resident.
///
/// # Errors
/// As [`ProcessCounters::of`].
pub fn process_memory(pid: u32) -> Result<ProcessMemory> {
    system::process_memory(pid)
}

/// Bytes that the device below `path` has written since the machine began, for whomever; none where the
/// system does not tell.
pub fn device_written_bytes(path: &Path) -> Option<u64> {
    system::device_written_bytes(path)
}

fn unknown(reason: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, "count", reason)
}

#[cfg(target_os = "linux")]
mod system {
    use procfs::process::Process;

    use super::*;

    pub(super) fn counters(pid: u32) -> Result<ProcessCounters> {
        let process = process(pid)?;
        let stat = process.stat().map_err(not_counted)?;
        let io = process.io().map_err(not_counted)?;
        let ticks = procfs::ticks_per_second();
        let time = |count: u64| Duration::from_nanos(count * (1_000_000_000 / ticks));
        Ok(ProcessCounters {
            user: time(stat.utime),
            system: time(stat.stime),
            busy: busy(pid)?,
            minor_faults: stat.minflt,
            major_faults: stat.majflt,
            read_calls: io.syscr,
            write_calls: io.syscw,
            read_bytes: io.rchar,
            written_bytes: io.wchar,
            device_read_bytes: io.read_bytes,
            dirtied_bytes: io.write_bytes,
        })
    }

    /// What the processor clock of process `pid` shows, all its threads together.
    #[allow(unsafe_code)]
    fn busy(pid: u32) -> Result<Duration> {
        let pid = libc::pid_t::try_from(pid).map_err(|_| unknown("no such process"))?;
        let refused = || unknown("cannot read a process's clock");
        let mut clock = 0;
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the call writes the one number whose address it is given, and keeps none.
        if unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } != 0 {
            return Err(refused());
        }
        // SAFETY: as above, of the one time.
        if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
            return Err(refused());
        }
        let seconds = u64::try_from(time.tv_sec).map_err(|_| refused())?;
        let nanoseconds = u32::try_from(time.tv_nsec).map_err(|_| refused())?;
        Ok(Duration::new(seconds, nanoseconds))
    }

    pub(super) fn process_memory(pid: u32) -> Result<ProcessMemory> {
        let status = process(pid)?.status().map_err(not_counted)?;
        let known =
            |kib: Option<u64>| kib.ok_or_else(|| unknown("the kernel does not tell RssAnon"));
        Ok(ProcessMemory {
            anonymous_bytes: 1024 * known(status.rssanon)?,
            mapped_bytes: 1024 * (known(status.rssfile)? + known(status.rssshmem)?),
        })
    }

    pub(super) fn device_written_bytes(path: &Path) -> Option<u64> {
        use std::os::unix::fs::MetadataExt;
        let device = std::fs::metadata(path).ok()?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let stat = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
        // The seventh field counts written sectors, of 512 bytes whatever the device's own are.
        let sectors: u64 = stat.split_whitespace().nth(6)?.parse().ok()?;
        Some(sectors * 512)
    }

    fn process(pid: u32) -> Result<Process> {
        let pid = i32::try_from(pid).map_err(|_| unknown("no such process"))?;
        Process::new(pid).map_err(not_counted)
    }

    fn not_counted(error: procfs::ProcError) -> Error {
        unknown("cannot read a process's counters").caused_by(error)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use super::*;

    pub(super) fn counters(_pid: u32) -> Result<ProcessCounters> {
        Err(unknown("processes are not counted on this system"))
    }

    pub(super) fn process_memory(_pid: u32) -> Result<ProcessMemory> {
        Err(unknown("processes are not counted on this system"))
    }

    pub(super) fn device_written_bytes(_path: &Path) -> Option<u64> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_counted() {
        let before = ProcessCounters::of(std::process::id()).unwrap();
        // Other tests of this process may give memory back meanwhile.
        let grows = || {
            let memory = || process_memory(std::process::id()).unwrap().anonymous_bytes;
            let before = memory();
            let _pages = std::hint::black_box(vec![1u8; 64 << 20]);
            memory() > before + (32 << 20)
        };
        assert!((0..20).any(|_| grows()));
        assert!(process_memory(std::process::id()).unwrap().mapped_bytes > 0);
        std::fs::read("/proc/self/status").unwrap();
        let counted = ProcessCounters::of(std::process::id()).unwrap().since(&before);
        assert!(counted.read_calls > 0 && counted.read_bytes > 0);
        assert!(counted.minor_faults > 0);
        // Both clocks show the same time, one of them in steps.
        assert!(counted.busy > Duration::ZERO);
        let differs = counted.busy.abs_diff(counted.user + counted.system);
        assert!(differs < Duration::from_millis(100), "{counted:?}");
        assert!(ProcessCounters::of(u32::MAX).is_err());
    }
}
