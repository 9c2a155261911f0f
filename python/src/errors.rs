//! The library's errors as Python's exceptions, and panics as `RuntimeError`: nothing here ends the interpreter.

use std::error::Error as _;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use arraystore::store::{Cancel, Context};
use arraystore::{Error, ErrorKind};
use pyo3::exceptions::{
    PyBlockingIOError, PyFileExistsError, PyFileNotFoundError, PyIndexError, PyInterruptedError,
    PyIsADirectoryError, PyMemoryError, PyOSError, PyPermissionError, PyRuntimeError, PyTypeError,
    PyValueError,
};
use pyo3::{PyErr, PyResult, Python, pyfunction};

/// How long one waits before one looks whether a signal came.
pub const PATIENCE: Duration = Duration::from_millis(50);

/// The exception that says what `error` says: an `OSError` has the number, the words and the path of the system's.
pub fn exception(error: &Error) -> PyErr {
    let words = || match advice(error) {
        Some(advice) => format!("{error} ({advice})"),
        None => error.to_string(),
    };
    let path = || error.path().map(|path| path.display().to_string());
    // (errno, strerror, filename): Python picks the subclass that fits the number, too.
    let system = |code: i32| {
        let told = error.source().map_or_else(words, ToString::to_string);
        // The number is said beside it.
        let told = told.replace(&format!(" (os error {code})"), "");
        (code, told, path())
    };
    let code = code(error);
    match error.kind() {
        ErrorKind::NotFound => PyFileNotFoundError::new_err(system(code.unwrap_or(2))),
        ErrorKind::PermissionDenied => PyPermissionError::new_err(system(code.unwrap_or(13))),
        ErrorKind::AlreadyExists => {
            PyFileExistsError::new_err((code.unwrap_or(17), words(), path()))
        }
        ErrorKind::Locked => PyBlockingIOError::new_err((code.unwrap_or(11), words(), path())),
        ErrorKind::NoSpace => PyOSError::new_err((code.unwrap_or(28), words(), path())),
        ErrorKind::Io => match code {
            Some(code) => PyOSError::new_err(system(code)),
            None => PyOSError::new_err(words()),
        },
        ErrorKind::OutOfBounds => PyIndexError::new_err(words()),
        ErrorKind::DtypeMismatch => PyTypeError::new_err(words()),
        ErrorKind::Budget => PyMemoryError::new_err(words()),
        _ if error.path().is_some_and(Path::is_dir) => {
            PyIsADirectoryError::new_err((21, "Is a directory", path()))
        }
        ErrorKind::Cancelled => PyInterruptedError::new_err(words()),
        _ => PyValueError::new_err(words()),
    }
}

/// What may help, as one says it in Python: the library's own advice names options of the command line in places.
fn advice(error: &Error) -> Option<&str> {
    match error.kind() {
        ErrorKind::AlreadyExists => Some("overwrite=True replaces it"),
        ErrorKind::Budget => Some("give it a larger memory="),
        _ => error.advice().filter(|advice| !advice.contains("--")),
    }
}

/// The system's own number of what went wrong, if the system said it.
fn code(error: &Error) -> Option<i32> {
    let mut cause = error.source();
    while let Some(next) = cause {
        if let Some(code) = next.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(code);
        }
        cause = next.source();
    }
    None
}

/// Does `work` while other threads of Python's run.
pub fn detached<R: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> arraystore::Result<R> + Send,
) -> PyResult<R> {
    py.detach(|| caught(work)).map_err(Failure::into_exception)
}

/// Does long `work` in a thread of its own, while this one hears Python's signals: at Ctrl-C the work stops at its next step.
pub fn interruptible<R: Send>(
    py: Python<'_>,
    context: Context,
    work: impl FnOnce(&Context) -> arraystore::Result<R> + Send,
) -> PyResult<R> {
    let cancel = Cancel::default();
    let context = context.with_cancel(cancel.clone());
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        scope.spawn(move || {
            let _ = sender.send(caught(|| work(&context))); // whoever waits is still there
        });
        awaited(py, receiver, &cancel)
    })
}

/// What another thread sends once it is done. After a signal it is asked to stop, and waited for.
pub fn awaited<R: Send>(
    py: Python<'_>,
    mut receiver: Receiver<Result<R, Failure>>,
    cancel: &Cancel,
) -> PyResult<R> {
    let mut signal = None;
    loop {
        let receiver = &mut receiver;
        match py.detach(move || receiver.recv_timeout(PATIENCE)) {
            Err(RecvTimeoutError::Timeout) => {
                if let Err(raised) = py.check_signals() {
                    cancel.cancel();
                    signal = Some(raised);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("the work's thread is gone"));
            }
            Ok(done) => {
                return signal.map_or_else(|| done.map_err(Failure::into_exception), Err);
            }
        }
    }
}

/// What `work` comes to, a panic too.
pub fn caught<R>(work: impl FnOnce() -> arraystore::Result<R>) -> Result<R, Failure> {
    // What a panic may leave half done is a store's: each of its accesses begins anew, and locks that are poisoned say so.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(Failure::Error),
        Err(panic) => {
            let words = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Failure::Panic(words.unwrap_or("for an unknown reason").to_owned()))
        }
    }
}

/// Why something was not done.
#[derive(Debug)]
pub enum Failure {
    /// The library says so.
    Error(Error),
    /// The library did not expect it.
    Panic(String),
}

impl Failure {
    /// The exception that says so.
    pub fn into_exception(self) -> PyErr {
        match self {
            Self::Error(error) => exception(&error),
            Self::Panic(words) => PyRuntimeError::new_err(format!(
                "arraystore met a state that it did not expect, which is a mistake of its own: {words}"
            )),
        }
    }
}

/// Panics, where a test asks for it: what then comes to Python is what it is about.
#[pyfunction]
#[pyo3(name = "_panic")]
pub fn panic_for_test(py: Python<'_>, is_long: bool) -> PyResult<()> {
    let work = || panic!("asked for by a test");
    match is_long {
        true => interruptible(py, Context::default(), |_| work()),
        false => detached(py, work),
    }
}
