//! Files on a disk: the medium, and what its mapped and positioned devices share.
//!
//! Owns [`DiskMedium`] and the open file below a device: its mode, its lock (held by the open file) and its
//! way to durability. How bytes are reached is the devices' own matter.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::files::{self, Draft};
use super::flusher::Flusher;
use super::mapped::MappedDevice;
use super::positioned::PositionedDevice;
use super::{Device, DeviceKind, Existing, LockPolicy, Medium, Mode, advice, bounds};
use crate::error::{Error, ErrorKind, Result};

/// Stretches below this are not worth a thread that makes them durable ahead of time.
const FLUSHED_BYTES: u64 = 8 << 20;

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
            near: None,
            draft: None,
            failed: false,
            flusher: OnceLock::new(),
        })
    }

    fn create(&self, path: &Path, len: u64, existing: Existing) -> Result<Box<dyn Device>> {
        let (file, draft) = files::create(path, len, existing)?;
        self.device(DiskFile {
            file,
            len,
            mode: Mode::ReadWrite,
            path: Some(path.to_owned()),
            near: None,
            draft: Some(draft),
            failed: false,
            flusher: OnceLock::new(),
        })
    }

    /// By positioned calls also where files are mapped: what is written once and read once is cheaper to
    /// copy than to fault in page by page.
    fn scratch(&self, near: &Path, len: u64) -> Result<Box<dyn Device>> {
        let file = files::scratch(near, len)?;
        let mode = Mode::ReadWrite;
        let flusher = OnceLock::new();
        let (path, near) = (None, Some(near.to_owned()));
        let file = DiskFile { file, len, mode, path, near, draft: None, failed: false, flusher };
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
    /// The file beside which scratch lies: named where something fails.
    near: Option<PathBuf>,
    /// A new file's way to its name, until it has got it.
    draft: Option<Draft>,
    /// Whether a sync failed: the kernel has then dropped what it could not write, so that a second try
    /// would say that all is well.
    failed: bool,
    /// Makes durable what was written so far, while more is being written.
    flusher: OnceLock<Flusher>,
}

impl DiskFile {
    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// `error`, about this file.
    pub(super) fn named(&self, error: Error) -> Error {
        bounds::named(error, self.path.as_deref().or(self.near.as_deref()))
    }

    /// A system error met in `operation` on this file.
    pub(super) fn io(&self, operation: &'static str, error: std::io::Error) -> Error {
        self.named(Error::io(operation, error))
    }

    /// A system error met in `operation` on this file's bytes from `offset` on.
    pub(super) fn io_at(
        &self,
        operation: &'static str,
        offset: u64,
        error: std::io::Error,
    ) -> Error {
        self.named(Error::io_at(operation, offset, error))
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
        let is_scratch = self.path.is_none() && self.draft.is_none();
        let what = if is_scratch { "make room in a scratch file for it" } else { "resize" };
        files::allocate(&self.file, self.len, len).map_err(|error| self.io(what, error))?;
        self.len = len;
        Ok(())
    }

    /// Starts making what was written to `range` durable, where that is enough to be worth a thread.
    pub(super) fn write_back(&self, range: Range<u64>) {
        if range.end.saturating_sub(range.start) < FLUSHED_BYTES {
            return;
        }
        if self.flusher.get().is_none()
            && let Ok(flusher) = Flusher::new(&self.file)
        {
            // Where another was quicker, this one ends.
            let _ = self.flusher.set(flusher);
        }
        if let Some(flusher) = self.flusher.get() {
            flusher.tell();
        }
    }

    /// Starts writing what was changed in `range`.
    pub(super) fn write_out(&self, range: Range<u64>) {
        advice::write_out(&self.file, range);
    }

    /// Waits until what was handed over by [`DiskFile::write_back`] is done with.
    pub(super) fn flushed(&mut self) -> Result<()> {
        match self.flusher.take().map(Flusher::finish) {
            Some(Err(error)) => Err(self.fail("sync", error)),
            _ => Ok(()),
        }
    }

    /// Makes the file durable and gives a new one its name.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.check_writable("sync")?;
        if self.mode == Mode::CopyOnWrite {
            let error = Error::new(ErrorKind::Unsupported, "sync", "opened copy-on-write");
            return Err(self.named(error));
        }
        self.flushed()?;
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
