//! Files in memory: for tests, and for whoever wants a store without a disk.
//!
//! Behaves as a disk does: new files appear at their first sync, readers share and a writer excludes, a
//! replaced file lives on for those who have it open.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Advice, Device, DeviceKind, Existing, LockPolicy, Medium, Mode, bounds};
use crate::error::{Error, ErrorKind, Result};

/// Files in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct MemoryMedium {
    files: Arc<Mutex<HashMap<PathBuf, Arc<Mutex<MemoryFile>>>>>,
}

impl MemoryMedium {
    /// No file.
    pub fn new() -> Self {
        Self::default()
    }
}

#[derive(Debug, Default)]
struct MemoryFile {
    bytes: Arc<Bytes>,
    readers: usize,
    has_writer: bool,
}

/// Bytes that begin where any element type may.
#[derive(Debug, Clone, Default)]
struct Bytes {
    words: Vec<u128>,
    len: usize,
}

impl Bytes {
    fn zeros(len: u64) -> Result<Self> {
        let mut bytes = Self::default();
        bytes.set_len(len)?;
        Ok(bytes)
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        let full =
            || Error::new(ErrorKind::NoSpace, "allocate", format!("no memory for {len} bytes"));
        let len = usize::try_from(len).map_err(|_| full())?;
        let words = len.div_ceil(size_of::<u128>());
        self.words.try_reserve_exact(words.saturating_sub(self.words.len())).map_err(|_| full())?;
        if len < self.len {
            // What a longer file shows again later is zero.
            let cut = self.len;
            self.as_mut_slice()[len..cut].fill(0);
        }
        super::prefer_huge_pages(&mut self.words);
        self.words.resize(words, 0);
        self.len = len;
        Ok(())
    }

    fn as_slice(&self) -> &[u8] {
        &bytemuck::must_cast_slice(&self.words)[..self.len]
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut bytemuck::must_cast_slice_mut(&mut self.words)[..self.len]
    }
}

/// A lock that no panic can leave broken: what it guards is changed in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Medium for MemoryMedium {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Memory
    }

    fn open(&self, path: &Path, mode: Mode, policy: LockPolicy) -> Result<Box<dyn Device>> {
        let file = lock(&self.files).get(path).cloned().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "open", "no such file in memory").at(path)
        })?;
        let held = Held::take(&file, mode, policy).map_err(|error| error.at(path))?;
        let bytes = Arc::clone(&lock(&file).bytes);
        Ok(Box::new(MemoryDevice {
            bytes,
            mode,
            path: Some(path.to_owned()),
            held,
            publish: Publish::InPlace,
            files: self.clone(),
        }))
    }

    fn create(&self, path: &Path, len: u64, existing: Existing) -> Result<Box<dyn Device>> {
        if existing == Existing::Refuse && lock(&self.files).contains_key(path) {
            return Err(exists(path));
        }
        let bytes = Arc::new(Bytes::zeros(len).map_err(|error| error.at(path))?);
        let file = Arc::new(Mutex::new(MemoryFile::default()));
        let held = Held::take(&file, Mode::ReadWrite, LockPolicy::Enforce)?;
        Ok(Box::new(MemoryDevice {
            bytes,
            mode: Mode::ReadWrite,
            path: Some(path.to_owned()),
            held,
            publish: Publish::New(existing),
            files: self.clone(),
        }))
    }

    fn scratch(&self, _near: &Path, len: u64) -> Result<Box<dyn Device>> {
        let file = Arc::new(Mutex::new(MemoryFile::default()));
        Ok(Box::new(MemoryDevice {
            bytes: Arc::new(Bytes::zeros(len)?),
            mode: Mode::ReadWrite,
            path: None,
            held: Held::take(&file, Mode::ReadWrite, LockPolicy::Enforce)?,
            publish: Publish::InPlace,
            files: self.clone(),
        }))
    }
}

fn exists(path: &Path) -> Error {
    Error::new(ErrorKind::AlreadyExists, "create", "exists already").at(path)
}

/// A lock on a file, given back when dropped.
#[derive(Debug)]
struct Held {
    file: Arc<Mutex<MemoryFile>>,
    counted: Option<Mode>,
}

impl Held {
    fn take(file: &Arc<Mutex<MemoryFile>>, mode: Mode, policy: LockPolicy) -> Result<Self> {
        let counted = (policy == LockPolicy::Enforce).then_some(mode);
        let mut state = lock(file);
        match counted {
            Some(Mode::ReadWrite) if state.has_writer || state.readers > 0 => {
                return Err(Error::new(ErrorKind::Locked, "lock", "locked: in use"));
            }
            Some(Mode::ReadWrite) => state.has_writer = true,
            Some(_) if state.has_writer => {
                return Err(Error::new(ErrorKind::Locked, "lock", "locked: being written"));
            }
            Some(_) => state.readers += 1,
            None => {}
        }
        Ok(Self { file: Arc::clone(file), counted })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = lock(&self.file);
        match self.counted {
            Some(Mode::ReadWrite) => state.has_writer = false,
            Some(_) => state.readers -= 1,
            None => {}
        }
    }
}

/// How what was written comes to be seen by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Publish {
    /// The file is there already.
    InPlace,
    /// Under its name at the first sync.
    New(Existing),
}

#[derive(Debug)]
struct MemoryDevice {
    /// Shared with the file as long as nobody writes.
    bytes: Arc<Bytes>,
    mode: Mode,
    path: Option<PathBuf>,
    held: Held,
    publish: Publish,
    files: MemoryMedium,
}

impl MemoryDevice {
    fn check(&self, range: &Range<u64>) -> Result<Range<usize>> {
        bounds::check(range, self.bytes.len as u64, self.path.as_deref())
    }

    fn bytes_mut(&mut self, range: &Range<u64>) -> Result<&mut [u8]> {
        let range = self.check(range)?;
        self.check_writable()?;
        Ok(&mut Arc::make_mut(&mut self.bytes).as_mut_slice()[range])
    }

    fn check_writable(&self) -> Result<()> {
        if self.mode == Mode::Read {
            let error = Error::new(ErrorKind::ReadOnly, "write", "opened for reading only");
            return Err(bounds::named(error, self.path.as_deref()));
        }
        Ok(())
    }
}

impl Device for MemoryDevice {
    fn kind(&self) -> DeviceKind {
        DeviceKind::Memory
    }

    fn len(&self) -> u64 {
        self.bytes.len as u64
    }

    fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    fn with(&self, range: Range<u64>, visit: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let range = self.check(&range)?;
        visit(&self.bytes.as_slice()[range])
    }

    fn read_into(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let range = self.check(&bounds::range(offset, out.len()))?;
        out.copy_from_slice(&self.bytes.as_slice()[range]);
        Ok(())
    }

    fn borrow(&self, range: Range<u64>) -> Option<&[u8]> {
        let range = self.check(&range).ok()?;
        (self.mode == Mode::Read).then(|| &self.bytes.as_slice()[range])
    }

    fn overwrite(
        &mut self,
        range: Range<u64>,
        write: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        write(self.bytes_mut(&range)?)
    }

    fn update(
        &mut self,
        range: Range<u64>,
        change: &mut dyn FnMut(&mut [u8]) -> Result<()>,
    ) -> Result<()> {
        change(self.bytes_mut(&range)?)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.bytes_mut(&bounds::range(offset, bytes.len()))?.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> Result<()> {
        self.check_writable()?;
        Arc::make_mut(&mut self.bytes).set_len(len)
    }

    fn advise(&self, _advice: Advice) {}

    fn prefetch(&self, _ranges: &[Range<u64>]) {}

    fn sweep(&self, _range: Range<u64>) {}

    fn release(&self, _range: Range<u64>) {}

    fn write_back(&self, _range: Range<u64>) {}

    fn write_out(&self, _range: Range<u64>) {}

    fn sync(&mut self) -> Result<()> {
        self.check_writable()?;
        if let (Publish::New(existing), Some(path)) = (self.publish, &self.path) {
            let mut files = lock(&self.files.files);
            if existing == Existing::Refuse && files.contains_key(path) {
                return Err(exists(path));
            }
            files.insert(path.clone(), Arc::clone(&self.held.file));
            self.publish = Publish::InPlace;
        }
        lock(&self.held.file).bytes = Arc::clone(&self.bytes);
        Ok(())
    }
}

/// What was written in place is in the file, as on a disk, whether it was synced or not.
impl Drop for MemoryDevice {
    fn drop(&mut self) {
        if self.mode == Mode::ReadWrite && self.publish == Publish::InPlace {
            lock(&self.held.file).bytes = Arc::clone(&self.bytes);
        }
    }
}
