//! A medium that fails when told to: so that tests can see what a broken disk leaves behind.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Advice, Device, DeviceKind, Existing, LockPolicy, Medium, Mode};
use crate::error::{Error, Result};

/// Which operations fail, counted from 0 over all devices of a medium. None unless said.
///
/// Operations are what can fail: opening, creating, reading, writing, resizing, syncing. Hints are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultPlan {
    first: Option<u64>,
    ends: bool,
}

impl FaultPlan {
    /// Operation `at` alone fails.
    pub fn once(at: u64) -> Self {
        Self { first: Some(at), ends: true }
    }

    /// Operation `at` fails, and every one after it.
    pub fn from(at: u64) -> Self {
        Self { first: Some(at), ends: false }
    }

    fn fails(self, operation: u64) -> bool {
        self.first.is_some_and(|first| operation == first || (!self.ends && operation > first))
    }
}

/// A medium around another, some of whose operations fail. Clones share the count.
#[derive(Debug, Clone)]
pub struct FaultyMedium {
    inner: Arc<dyn Medium>,
    faults: Faults,
}

impl FaultyMedium {
    /// Fails as `plan` says, else does as `inner`.
    pub fn new(inner: Arc<dyn Medium>, plan: FaultPlan) -> Self {
        Self { inner, faults: Faults { plan, count: Arc::default() } }
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.faults.count.load(Ordering::Relaxed)
    }

    fn wrap(&self, inner: Box<dyn Device>) -> Box<dyn Device> {
        Box::new(FaultyDevice { inner, faults: self.faults.clone() })
    }
}

#[derive(Debug, Clone)]
struct Faults {
    plan: FaultPlan,
    count: Arc<AtomicU64>,
}

impl Faults {
    /// Counts an operation, which may be one that fails.
    fn next(&self, operation: &'static str) -> Result<()> {
        let at = self.count.fetch_add(1, Ordering::Relaxed);
        if self.plan.fails(at) {
            return Err(Error::io(
                operation,
                io::Error::other(format!("injected fault at operation {at}")),
            ));
        }
        Ok(())
    }
}

impl Medium for FaultyMedium {
    fn kind(&self) -> DeviceKind {
        self.inner.kind()
    }

    fn open(&self, path: &Path, mode: Mode, lock: LockPolicy) -> Result<Box<dyn Device>> {
        self.faults.next("open")?;
        Ok(self.wrap(self.inner.open(path, mode, lock)?))
    }

    fn create(&self, path: &Path, len: u64, existing: Existing) -> Result<Box<dyn Device>> {
        self.faults.next("create")?;
        Ok(self.wrap(self.inner.create(path, len, existing)?))
    }

    fn scratch(&self, near: &Path, len: u64) -> Result<Box<dyn Device>> {
        self.faults.next("make a scratch file")?;
        Ok(self.wrap(self.inner.scratch(near, len)?))
    }
}

#[derive(Debug)]
struct FaultyDevice {
    inner: Box<dyn Device>,
    faults: Faults,
}

impl Device for FaultyDevice {
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
        self.faults.next("read")?;
        self.inner.with(range, visit)
    }

    fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.faults.next("read")?;
        self.inner.read_into(offset, out)
    }

    /// Nothing is lent: what is borrowed once is read without being asked again.
    fn borrow(&self, _range: Range<u64>) -> Option<&[u8]> {
        None
    }

    fn overwrite(
        &mut self,
        range: Range<u64>,
        write: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        self.faults.next("write")?;
        self.inner.overwrite(range, write)
    }

    fn update(
        &mut self,
        range: Range<u64>,
        change: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        self.faults.next("write")?;
        self.inner.update(range, change)
    }

    /// A write that fails is torn: its first half arrives.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        if let Err(fault) = self.faults.next("write") {
            self.inner.write_at(offset, &bytes[..bytes.len() / 2])?;
            return Err(fault);
        }
        self.inner.write_at(offset, bytes)
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        self.faults.next("resize")?;
        self.inner.set_len(len)
    }

    fn advise(&self, advice: Advice) {
        self.inner.advise(advice);
    }

    fn prefetch(&self, ranges: &[Range<u64>]) {
        self.inner.prefetch(ranges);
    }

    fn sweep(&self, range: Range<u64>) {
        self.inner.sweep(range);
    }

    fn release(&self, range: Range<u64>) {
        self.inner.release(range);
    }

    fn write_back(&self, range: Range<u64>) {
        self.inner.write_back(range);
    }

    fn write_out(&self, range: Range<u64>) {
        self.inner.write_out(range);
    }

    fn sync(&mut self) -> Result<()> {
        self.faults.next("sync")?;
        self.inner.sync()
    }
}
