//! The seam between stores and the operating system: [`Device`], the bytes of one file, and
//! [`Medium`], that which opens, makes and replaces files.
//!
//! Whatever happens to bytes happens behind these two traits, so that mapping, positioned I/O, memory,
//! recording and injected faults are implementations, not special cases.

use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;

use crate::error::Result;

/// How a device reaches its bytes: what a plan needs to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// A memory map: access is by page faults, and [`Device::with`] copies nothing.
    Mapped,
    /// Positioned reads and writes: every access copies, and each range costs a call.
    Positioned,
    /// Plain memory: [`Device::with`] copies nothing and nothing faults.
    Memory,
}

/// How an access pattern will look, for the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// The kernel's default read-ahead.
    Normal,
    /// From front to back: read far ahead.
    Sequential,
    /// Here and there: do not read ahead.
    Random,
}

/// The bytes of one file, by offset.
///
/// Access is scoped and fallible: bytes are seen inside a closure, so a device may copy, count, guard
/// against faults or fail. Offsets and lengths outside the device are errors, never panics. An
/// error from a closure is passed through as it is.
pub trait Device: Debug + Send + Sync {
    /// How the bytes are reached.
    fn kind(&self) -> DeviceKind;

    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether the device holds no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The path it was opened or created under; none for scratch and memory.
    fn path(&self) -> Option<&Path>;

    /// Shows the bytes of `range` to `visit`, without a copy where the kind allows.
    ///
    /// A positioned device reads into a buffer of its own, as long as `range`: callers account for it.
    ///
    /// # Errors
    /// Where the range lies outside the device or reading fails.
    fn with(&self, range: Range<u64>, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;

    /// Copies the bytes from `offset` on into `out`.
    ///
    /// # Errors
    /// As [`Device::with`].
    fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<()>;

    /// The bytes of `range` for as long as the device lives, where the device can lend them: a map or
    /// memory that was opened for reading only. Not guarded against faults.
    fn borrow(&self, range: Range<u64>) -> Option<&[u8]>;

    /// Lets `write` make the bytes of `range`, all of them: what was there before is unspecified.
    ///
    /// # Errors
    /// Where the range lies outside the device, the device is read-only or writing fails.
    fn overwrite(
        &mut self,
        range: Range<u64>,
        write: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()>;

    /// Lets `change` change some of the bytes of `range`, which hold what the file holds.
    ///
    /// # Errors
    /// As [`Device::overwrite`].
    fn update(
        &mut self,
        range: Range<u64>,
        change: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()>;

    /// Copies `bytes` to `offset`.
    ///
    /// # Errors
    /// As [`Device::overwrite`].
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Makes the device `len` bytes long; new bytes are zero and have their space allocated.
    ///
    /// # Errors
    /// Where the device is read-only, or no space is left: it then has the length that it had.
    fn set_len(&mut self, len: u64) -> Result<()>;

    /// Says how the bytes will be accessed. A hint: without effect where it cannot be taken.
    fn advise(&self, advice: Advice);

    /// Asks for these ranges ahead of use, without waiting for them. A hint.
    fn prefetch(&self, ranges: &[Range<u64>]);

    /// Brings the bytes of `range`, all of which will be used now, in from front to back: through a map in one
    /// sweep, which the kernel reads ahead of, where faults from several threads would be here and there. A
    /// hint; nothing to do where reading copies anyway.
    fn sweep(&self, range: Range<u64>);

    /// Says that the bytes of `range` were used and will not be soon: they need not stay resident. A hint.
    fn release(&self, range: Range<u64>);

    /// Starts making changed bytes of `range` durable, without waiting. A hint; durable is only
    /// what [`Device::sync`] returned for.
    fn write_back(&self, range: Range<u64>);

    /// Starts writing changed bytes of `range` to the disk, so that they can leave the page cache, without waiting and
    /// without making them durable: for scratch, and for files that the cache does not hold, where to wait for
    /// the disk's own cache would keep it from reading. A hint.
    fn write_out(&self, range: Range<u64>);

    /// Makes everything written durable on the device and, for a new file, gives it its name: after the
    /// first `sync` that returns `Ok` the file stands whole under its path.
    ///
    /// # Errors
    /// Where writing fails, or the name is taken and [`Existing::Refuse`] was asked for. A device whose
    /// sync failed stays failed: what it holds on disk is not known any more.
    fn sync(&mut self) -> Result<()>;
}

/// For what a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Reading (NumPy's `r`).
    #[default]
    Read,
    /// Reading and writing in place (`r+`).
    ReadWrite,
    /// Reading and writing in memory, the file unchanged (`c`).
    CopyOnWrite,
}

/// Whether advisory locks are taken: shared by readers, exclusive by writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LockPolicy {
    /// Take the lock; fail with [`crate::ErrorKind::Locked`] where another holds it.
    #[default]
    Enforce,
    /// Take none: the caller knows that nobody writes.
    Skip,
}

/// What to do where a new file's name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Existing {
    /// Fail, leaving the existing file as it is.
    #[default]
    Refuse,
    /// Put the new file in its place, whole, at the first sync; its permissions are kept.
    Replace,
}

/// That which holds files: the disk by maps, the disk by positioned I/O, memory, or a wrapper around
/// one of them that records or fails.
pub trait Medium: Debug + Send + Sync {
    /// How devices of this medium reach their bytes.
    fn kind(&self) -> DeviceKind;

    /// Opens the existing file at `path` and takes its lock.
    ///
    /// # Errors
    /// Where it does not exist, cannot be opened so, is a directory, or is locked by another.
    fn open(&self, path: &Path, mode: Mode, lock: LockPolicy) -> Result<Box<dyn Device>>;

    /// A new file of `len` zero bytes, allocated, that appears under `path` at its first sync and never
    /// if it is dropped before. It is locked by its writer from the start.
    ///
    /// # Errors
    /// Where `path` exists and `existing` refuses that, the folder is missing, or no space is left.
    fn create(&self, path: &Path, len: u64, existing: Existing) -> Result<Box<dyn Device>>;

    /// A nameless file of `len` zero bytes, allocated, in the folder of `near`, gone when dropped or killed.
    ///
    /// # Errors
    /// As [`Medium::create`].
    fn scratch(&self, near: &Path, len: u64) -> Result<Box<dyn Device>>;
}
