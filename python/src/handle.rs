//! An open file, shared by whoever reads it: opened anew in a process that was forked, gone once closed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::SystemTime;

use arraystore::format::hdf5::Location;
use arraystore::store::{AnyStore, Budget, Context, Io, OpenOptions, RawLayout};
use arraystore::sys::Mode;
use arraystore::{Error, ErrorKind, Result};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::{PyResult, pyfunction};

use crate::errors::exception;
use crate::streams::{End, Queue};

/// How often this process was forked on its way here. Threads, and with them those that read, do not come along.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Tells that this is a child that was just forked.
#[pyfunction]
#[pyo3(name = "_forked")]
pub fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// By what one knows whether this is still the process that something was made in.
pub fn forks() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// How a file is opened, again and again.
#[derive(Debug, Clone)]
pub struct Opening {
    pub path: PathBuf,
    pub io: Io,
    pub mode: Mode,
    pub raw: Option<RawLayout>,
    pub memory_bytes: u64,
    pub threads: Option<usize>,
}

impl Opening {
    /// What operations on the file run in.
    pub fn context(&self) -> Context {
        let context = Context::new(Budget::new(self.memory_bytes));
        match self.threads {
            Some(threads) => context.with_threads(threads),
            None => context,
        }
    }

    fn open(&self) -> Result<AnyStore> {
        let options = OpenOptions {
            mode: self.mode,
            io: self.io,
            raw: self.raw,
            context: self.context(),
            ..OpenOptions::default()
        };
        AnyStore::open(&self.path, &options)
    }
}

/// A file that is open until it is closed.
#[derive(Debug)]
pub struct Handle {
    store: RwLock<Option<AnyStore>>,
    /// Those who read it in a thread of their own, block by block as somebody takes them.
    readers: Mutex<Vec<Weak<Queue>>>,
    /// Whether it is being written by whoever takes what Python code makes.
    is_filled: AtomicBool,
    born: u64,
}

impl Handle {
    fn new(store: AnyStore) -> Arc<Self> {
        Arc::new(Self {
            store: RwLock::new(Some(store)),
            readers: Mutex::default(),
            is_filled: AtomicBool::new(false),
            born: forks(),
        })
    }

    /// Reads.
    pub fn read<R>(&self, work: impl FnOnce(&AnyStore) -> Result<R>) -> Result<R> {
        self.check_filled()?;
        // A reader that panicked changed nothing; a writer that did left cells written or not, as any write that fails.
        match &*self.store.read().unwrap_or_else(PoisonError::into_inner) {
            Some(store) => work(store),
            None => Err(closed()),
        }
    }

    /// Writes.
    pub fn write<R>(&self, work: impl FnOnce(&mut AnyStore) -> Result<R>) -> Result<R> {
        self.check_filled()?;
        self.change(work)
    }

    /// Begins to write what Python code makes meanwhile, which could otherwise wait for itself: until the end of it all other
    /// use is refused.
    pub fn begin_filling(&self) -> Result<Filling<'_>> {
        if self.is_filled.swap(true, Ordering::AcqRel) {
            return Err(being_filled());
        }
        Ok(Filling(self))
    }

    fn change<R>(&self, work: impl FnOnce(&mut AnyStore) -> Result<R>) -> Result<R> {
        // A reader that waits for its blocks to be taken would be waited for without end.
        if self.readers().iter().filter_map(Weak::upgrade).any(|queue| queue.is_open()) {
            let words = "it is being iterated over: end that, or close the iterator, before";
            return Err(Error::new(ErrorKind::InvalidArgument, "write", words));
        }
        match &mut *self.store.write().unwrap_or_else(PoisonError::into_inner) {
            Some(store) => work(store),
            None => Err(closed()),
        }
    }

    /// Closes the file once nobody uses it any more; whoever reads it block by block is told to stop.
    pub fn close(&self) -> Result<()> {
        self.check_filled()?;
        for queue in self.readers().drain(..) {
            queue.upgrade().inspect(|queue| queue.close(End::ArrayClosed));
        }
        drop(self.store.write().unwrap_or_else(PoisonError::into_inner).take());
        Ok(())
    }

    /// Knows one more who reads block by block.
    pub fn enlist(&self, queue: &Arc<Queue>) {
        let mut readers = self.readers();
        readers.retain(|queue| queue.upgrade().is_some_and(|queue| queue.is_open()));
        readers.push(Arc::downgrade(queue));
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Weak<Queue>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check_filled(&self) -> Result<()> {
        if self.is_filled.load(Ordering::Acquire) { Err(being_filled()) } else { Ok(()) }
    }
}

/// A file that is being filled.
#[derive(Debug)]
pub struct Filling<'h>(&'h Handle);

impl Filling<'_> {
    /// Writes.
    pub fn write<R>(&self, work: impl FnOnce(&mut AnyStore) -> Result<R>) -> Result<R> {
        self.0.change(work)
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.0.is_filled.store(false, Ordering::Release);
    }
}

/// Whether the file at `path` is still the one that was meant.
fn check(path: &Path, expected: Option<Identity>, found: Identity) -> Result<()> {
    let Some(expected) = expected.filter(|&expected| expected != found) else { return Ok(()) };
    let what = if expected.0 == found.0 { "has been written to" } else { "has another length" };
    Err(Error::new(ErrorKind::Malformed, "open", format!("{what} since it was opened first"))
        .at(path)
        .hint("open it anew"))
}

/// What every use after closing is answered with.
pub fn closed() -> Error {
    Error::new(ErrorKind::InvalidArgument, "use", "the array is closed")
}

fn being_filled() -> Error {
    Error::new(ErrorKind::InvalidArgument, "use", "the array is being filled with columns")
}

/// By what a file is known again: its length, and when it was last written to, in nanoseconds since 1970.
pub type Identity = (u64, i128);

fn identity(path: &Path) -> Result<Identity> {
    let path = file_of(path);
    let failed = |error| Error::io("open", error).at(&path);
    let metadata = path.metadata().map_err(failed)?;
    let modified = metadata.modified().map_err(failed)?;
    let since = match modified.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    };
    Ok((metadata.len(), since))
}

/// The file that a path names: of a dataset in a file, that file.
fn file_of(path: &Path) -> PathBuf {
    Location::of(path).map_or_else(|| path.to_owned(), |location| location.file)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The handle that this process has of a file.
#[derive(Debug)]
pub struct Current {
    opening: Opening,
    /// The path, also once this process works in another folder.
    absolute: PathBuf,
    identity: Option<Identity>,
    /// Locked only by a thread that Python runs: none is forked meanwhile.
    handle: Mutex<Arc<Handle>>,
}

impl Current {
    /// Opens a file, which must be the `expected` one where that is said.
    pub fn open(opening: Opening, expected: Option<Identity>) -> Result<Self> {
        let store = opening.open()?;
        let identity = identity(&opening.path)?;
        check(&opening.path, expected, identity)?;
        let absolute = absolute(&opening.path);
        Ok(Self {
            opening,
            absolute,
            identity: Some(identity),
            handle: Mutex::new(Handle::new(store)),
        })
    }

    /// A file that was just made, and has no name before its first sync.
    pub fn made(opening: Opening, store: AnyStore) -> Self {
        let absolute = absolute(&opening.path);
        Self { opening, absolute, identity: None, handle: Mutex::new(Handle::new(store)) }
    }

    /// The open file, in the process that opened it.
    pub fn handle(&self) -> Arc<Handle> {
        Arc::clone(&self.handle.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// By what the file that was opened is known again.
    pub fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// The file itself, where the path names a dataset in one; also once this process works in another folder.
    pub fn file(&self) -> PathBuf {
        file_of(&self.absolute)
    }

    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// The open file, opened anew where this process was forked since: threads and locks stayed with its parent.
    pub fn get(&self) -> PyResult<Arc<Handle>> {
        let mut handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        if handle.born == forks() {
            return Ok(Arc::clone(&handle));
        }
        if self.opening.mode != Mode::Read {
            return Err(PyRuntimeError::new_err(format!(
                "{} was opened for writing before this process was forked: only the parent writes to it; open it anew",
                self.opening.path.display()
            )));
        }
        if handle.store.try_read().is_ok_and(|store| store.is_none()) {
            return Err(PyValueError::new_err(closed().to_string()));
        }
        let opening = Opening { path: self.absolute.clone(), ..self.opening.clone() };
        let fresh = Self::open(opening, self.identity).map_err(|error| exception(&error))?;
        let fresh = fresh.handle();
        // What was forked has threads that are not there: it is left as it is.
        std::mem::forget(std::mem::replace(&mut *handle, Arc::clone(&fresh)));
        Ok(fresh)
    }

    /// What `read` makes of the open file, if it can be had without waiting for anybody: for reading less than one waits for.
    pub fn at_once<R>(&self, read: impl FnOnce(&AnyStore) -> R) -> Option<R> {
        let handle = self.handle.try_lock().ok().filter(|handle| handle.born == forks())?;
        let store = handle.store.try_read().ok()?;
        store.as_ref().map(read)
    }

    /// Whether it was closed, as far as one knows without waiting.
    pub fn is_closed(&self) -> bool {
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        handle.store.try_read().is_ok_and(|store| store.is_none())
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        let handle = self.handle.get_mut().unwrap_or_else(PoisonError::into_inner);
        if handle.born != forks() {
            // The parent's: its temporary files are not this process's to remove.
            std::mem::forget(Arc::clone(handle));
        }
    }
}
