//! Files on a disk: the medium, and what its mapped and positioned devices share.
//!
//! Owns [`DiskMedium`] and the open file below a device: its mode, its lock (held by the open file) and its
//! way to durability. How bytes are reached is the devices' own matter.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::files::{self, Draft};
use super::mapped::MappedDevice;
use super::positioned::PositionedDevice;
use super::{Device, DeviceKind, Existing, LockPolicy, Medium, Mode, bounds};
use crate::error::{Error, ErrorKind, Result};

/// Files on a disk, reached by memory maps or by positioned calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskMedium {
    kind: DeviceKind,
}

impl DiskMedium {
    /// The disk by memory maps.
    pub const fn mapped() -> Self {
        Self { kind: DeviceKind::Mapped }
    }

    /// The disk by positioned reads and writes.
    pub const fn positioned() -> Self {
        Self { kind: DeviceKind::Positioned }
    }

    fn device(self, file: DiskFile) -> Result<Box<dyn Device>> {
        Ok(match self.kind {
            DeviceKind::Mapped => Box::new(MappedDevice::new(file)?),
            _ => Box::new(PositionedDevice::new(file)),
        })
    }
}

impl Medium for DiskMedium {
    fn kind(&self) -> DeviceKind {
        self.kind
    }

    fn open(&self, path: &Path, mode: Mode, lock: LockPolicy) -> Result<Box<dyn Device>> {
        if mode == Mode::CopyOnWrite && self.kind != DeviceKind::Mapped {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "open",
                "copy-on-write needs a memory map: positioned writes go to the file",
            )
            .at(path));
        }
        let (file, len) = files::open(path, mode, lock)?;
        self.device(DiskFile {
            file,
            len,
            mode,
            path: Some(path.to_owned()),
            draft: None,
            failed: false,
        })
    }

    fn create(&self, path: &Path, len: u64, existing: Existing) -> Result<Box<dyn Device>> {
        let (file, draft) = files::create(path, len, existing)?;
        self.device(DiskFile {
            file,
            len,
            mode: Mode::ReadWrite,
            path: Some(path.to_owned()),
            draft: Some(draft),
            failed: false,
        })
    }

    /// By positioned calls also where files are mapped: what is written once and read once is cheaper to
    /// copy than to fault in page by page.
    fn scratch(&self, near: &Path, len: u64) -> Result<Box<dyn Device>> {
        let file = files::scratch(near, len)?;
        let mode = Mode::ReadWrite;
        let file = DiskFile { file, len, mode, path: None, draft: None, failed: false };
        Ok(Box::new(PositionedDevice::new(file)))
    }
}

/// An open file below a device.
#[derive(Debug)]
pub(super) struct DiskFile {
    /// Open for as long as the device lives: it carries the lock.
    pub file: File,
    /// Length in bytes, as opened, created or set.
    pub len: u64,
    pub mode: Mode,
    /// None for scratch.
    path: Option<PathBuf>,
    /// A new file's way to its name, until it has got it.
    draft: Option<Draft>,
    /// Whether a sync failed: the kernel has then dropped what it could not write, so that a second try
    /// would say that all is well.
    failed: bool,
}

impl DiskFile {
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// `error`, about this file.
    pub(super) fn named(&self, error: Error) -> Error {
        bounds::named(error, self.path())
    }

    /// A system error met in `operation` on this file.
    pub(super) fn io(&self, operation: &'static str, error: std::io::Error) -> Error {
        self.named(Error::io(operation, error))
    }

    /// `range` as indices, if it lies within the file.
    pub(super) fn check(&self, range: &std::ops::Range<u64>) -> Result<std::ops::Range<usize>> {
        bounds::check(range, self.len, self.path())
    }

    /// Refuses writes to what was opened for reading, and to what a failed sync left unknown.
    pub(super) fn check_writable(&self, operation: &'static str) -> Result<()> {
        let refuse = |kind, reason| Err(self.named(Error::new(kind, operation, reason)));
        if self.failed {
            return refuse(
                ErrorKind::Io,
                "an earlier sync failed: what the file holds is not known, write it anew",
            );
        }
        if self.mode == Mode::Read {
            return refuse(ErrorKind::ReadOnly, "opened for reading only");
        }
        Ok(())
    }

    /// Makes the file `len` bytes long, space allocated.
    pub(super) fn set_len(&mut self, len: u64) -> Result<()> {
        self.check_writable("resize")?;
        if self.mode == Mode::CopyOnWrite {
            let error = Error::new(ErrorKind::Unsupported, "resize", "opened copy-on-write");
            return Err(self.named(error));
        }
        files::allocate(&self.file, self.len, len).map_err(|error| self.io("resize", error))?;
        self.len = len;
        Ok(())
    }

    /// Makes the file durable and gives a new one its name.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.check_writable("sync")?;
        if self.mode == Mode::CopyOnWrite {
            let error = Error::new(ErrorKind::Unsupported, "sync", "opened copy-on-write");
            return Err(self.named(error));
        }
        if let Err(error) = self.file.sync_all() {
            return Err(self.fail("sync", error));
        }
        if let Some(mut draft) = self.draft.take() {
            draft.publish(&self.file).inspect_err(|_| self.failed = true)?;
        }
        Ok(())
    }

    /// Remembers that making the file durable failed, and says so.
    pub(super) fn fail(&mut self, operation: &'static str, error: std::io::Error) -> Error {
        self.failed = true;
        self.io(operation, error)
    }
}
