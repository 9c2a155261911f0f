//! A medium that keeps a record of every access: so that tests can assert amounts of I/O.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Advice, Device, DeviceKind, Existing, LockPolicy, Medium, Mode, bounds};
use crate::error::Result;

/// What was done to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// These bytes were shown or copied out.
    Read(Range<u64>),
    /// These bytes were written, whatever they held.
    Write(Range<u64>),
    /// These bytes were read and written.
    Update(Range<u64>),
    /// The device got this length.
    Resize(u64),
    /// It was said how the device will be accessed.
    Advise(Advice),
    /// These bytes were asked for ahead of use.
    Prefetch(Range<u64>),
    /// These bytes were given up.
    Release(Range<u64>),
    /// These bytes were to be made durable.
    WriteBack(Range<u64>),
    /// These bytes were to be written out.
    WriteOut(Range<u64>),
    /// The device was synced.
    Sync,
}

/// One entry of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Whether it was done to a scratch file.
    pub is_scratch: bool,
    /// What was done.
    pub operation: Operation,
}

/// A medium around another. Clones share the record.
#[derive(Debug, Clone)]
pub struct RecordingMedium {
    inner: Arc<dyn Medium>,
    record: Record,
}

type Record = Arc<Mutex<Vec<Recorded>>>;

impl RecordingMedium {
    /// Records what is done to `inner`.
    pub fn new(inner: Arc<dyn Medium>) -> Self {
        Self { inner, record: Record::default() }
    }

    /// Everything done since the last call.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wrap(&self, inner: Box<dyn Device>, is_scratch: bool) -> Box<dyn Device> {
        Box::new(RecordingDevice { inner, is_scratch, record: Arc::clone(&self.record) })
    }
}

impl Medium for RecordingMedium {
    fn kind(&self) -> DeviceKind {
        self.inner.kind()
    }

    fn open(&self, path: &Path, mode: Mode, lock: LockPolicy) -> Result<Box<dyn Device>> {
        Ok(self.wrap(self.inner.open(path, mode, lock)?, false))
    }

    fn create(&self, path: &Path, len: u64, existing: Existing) -> Result<Box<dyn Device>> {
        Ok(self.wrap(self.inner.create(path, len, existing)?, false))
    }

    fn scratch(&self, near: &Path, len: u64) -> Result<Box<dyn Device>> {
        Ok(self.wrap(self.inner.scratch(near, len)?, true))
    }
}

#[derive(Debug)]
struct RecordingDevice {
    inner: Box<dyn Device>,
    is_scratch: bool,
    record: Record,
}

impl RecordingDevice {
    fn note(&self, operation: Operation) {
        let entry = Recorded { is_scratch: self.is_scratch, operation };
        self.record.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

impl Device for RecordingDevice {
    fn kind(&self) -> DeviceKind {
        self.inner.kind()
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn path(&self) -> Option<&Path> {
        self.inner.path()
    }

    fn with(&self, range: Range<u64>, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.note(Operation::Read(range.clone()));
        self.inner.with(range, visit)
    }

    fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.note(Operation::Read(bounds::range(offset, out.len())));
        self.inner.read_into(offset, out)
    }

    fn borrow(&self, range: Range<u64>) -> Option<&[u8]> {
        self.inner.borrow(range)
    }

    fn overwrite(
        &mut self,
        range: Range<u64>,
        write: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        self.note(Operation::Write(range.clone()));
        self.inner.overwrite(range, write)
    }

    fn update(
        &mut self,
        range: Range<u64>,
        change: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        self.note(Operation::Update(range.clone()));
        self.inner.update(range, change)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.note(Operation::Write(bounds::range(offset, bytes.len())));
        self.inner.write_at(offset, bytes)
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        self.note(Operation::Resize(len));
        self.inner.set_len(len)
    }

    fn advise(&self, advice: Advice) {
        self.note(Operation::Advise(advice));
        self.inner.advise(advice);
    }

    fn prefetch(&self, ranges: &[Range<u64>]) {
        for range in ranges {
            self.note(Operation::Prefetch(range.clone()));
        }
        self.inner.prefetch(ranges);
    }

    fn sweep(&self, range: Range<u64>) {
        self.inner.sweep(range);
    }

    fn release(&self, range: Range<u64>) {
        self.note(Operation::Release(range.clone()));
        self.inner.release(range);
    }

    fn write_back(&self, range: Range<u64>) {
        self.note(Operation::WriteBack(range.clone()));
        self.inner.write_back(range);
    }

    fn write_out(&self, range: Range<u64>) {
        self.note(Operation::WriteOut(range.clone()));
        self.inner.write_out(range);
    }

    fn sync(&mut self) -> Result<()> {
        self.note(Operation::Sync);
        self.inner.sync()
    }
}
