//! A file by positioned reads and writes: every access copies, nothing faults.

use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;

use positioned_io::{ReadAt, WriteAt};

use super::disk::DiskFile;
use super::{Advice, Device, DeviceKind, advice, bounds};
use crate::error::Result;

/// A buffer up to this size is kept for the next access: made anew each time, its pages would be faulted in
/// and cleared each time.
const KEPT_BYTES: usize = 8 << 20;

/// A file reached by positioned calls.
#[derive(Debug)]
pub(super) struct PositionedDevice {
    file: DiskFile,
    kept: Mutex<Vec<u8>>,
}

impl PositionedDevice {
    pub(super) fn new(file: DiskFile) -> Self {
        Self { file, kept: Mutex::default() }
    }

    /// A buffer of at least `len` bytes of unspecified content; to be given back by [`Self::keep`].
    fn buffer(&self, len: usize) -> Vec<u8> {
        // Whoever finds the kept one in use, on another thread, takes a new one.
        let kept = self.kept.try_lock().map(|mut kept| std::mem::take(&mut *kept));
        // Not resized, which would copy what is of no use any more.
        kept.ok().filter(|kept| kept.len() >= len).unwrap_or_else(|| vec![0; len])
    }

    fn keep(&self, buffer: Vec<u8>) {
        if buffer.len() <= KEPT_BYTES
            && let Ok(mut kept) = self.kept.try_lock()
            && kept.len() < buffer.len()
        {
            *kept = buffer;
        }
    }

    fn read_exact(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let read = self.file.file.read_exact_at(offset, out);
        read.map_err(|error| self.file.io_at("read", offset, error))
    }

    fn write_all(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let written = self.file.file.write_all_at(offset, bytes);
        written.map_err(|error| self.file.io_at("write", offset, error))
    }
}

impl Device for PositionedDevice {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Positioned
    }

    fn len(&self) -> u64 {
        self.file.len
    }

    fn path(&self) -> Option<&Path> {
        self.file.path()
    }

    fn with(&self, range: Range<u64>, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let len = self.file.check(&range)?.len();
        let mut buffer = self.buffer(len);
        self.read_exact(range.start, &mut buffer[..len])?;
        let visited = visit(&buffer[..len]);
        self.keep(buffer);
        visited
    }

    fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.file.check(&bounds::range(offset, out.len()))?;
        self.read_exact(offset, out)
    }

    fn borrow(&self, _range: Range<u64>) -> Option<&[u8]> {
        None
    }

    fn overwrite(
        &mut self,
        range: Range<u64>,
        write: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        self.file.check_writable("write")?;
        let len = self.file.check(&range)?.len();
        let mut buffer = self.buffer(len);
        write(&mut buffer[..len])?;
        self.write_all(range.start, &buffer[..len])?;
        self.keep(buffer);
        Ok(())
    }

    fn update(
        &mut self,
        range: Range<u64>,
        change: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        self.file.check_writable("write")?;
        let len = self.file.check(&range)?.len();
        let mut buffer = self.buffer(len);
        self.read_exact(range.start, &mut buffer[..len])?;
        change(&mut buffer[..len])?;
        self.write_all(range.start, &buffer[..len])?;
        self.keep(buffer);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.check_writable("write")?;
        self.file.check(&bounds::range(offset, bytes.len()))?;
        self.write_all(offset, bytes)
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        self.file.set_len(len)
    }

    fn advise(&self, advice: Advice) {
        advice::advise(&self.file.file, advice);
    }

    fn prefetch(&self, ranges: &[Range<u64>]) {
        advice::read_ahead_each(&self.file.file, ranges);
    }

    fn sweep(&self, _range: Range<u64>) {}

    fn release(&self, range: Range<u64>) {
        advice::drop_cached(&self.file.file, range);
    }

    fn write_back(&self, range: Range<u64>) {
        self.file.write_back(range);
    }

    fn write_out(&self, range: Range<u64>) {
        self.file.write_out(range);
    }

    fn sync(&mut self) -> Result<()> {
        self.file.sync()
    }
}
