//! What can go wrong, in one vocabulary for every room.
//!
//! Owns [`Error`], [`ErrorKind`] and [`Result`]. Knows nothing of arrays, files or devices: rooms
//! with exact errors of their own lift them into these kinds.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of every fallible operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong: what a caller may want to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The path does not exist.
    NotFound,
    /// The operating system refused access.
    PermissionDenied,
    /// The output exists and replacing it was not asked for.
    AlreadyExists,
    /// The file ends before the data that its header or shape promises.
    Truncated,
    /// The bytes are not what the format allows.
    Malformed,
    /// A valid thing that this crate, this backend or this platform does not do.
    Unsupported,
    /// A buffer's or array's shape is not the one asked for.
    ShapeMismatch,
    /// An index lies outside the array.
    OutOfBounds,
    /// The file holds another element type than the one asked for.
    DtypeMismatch,
    /// Another handle or process holds the lock.
    Locked,
    /// A write through a handle opened for reading only.
    ReadOnly,
    /// The device is full.
    NoSpace,
    /// The memory budget is too small for the smallest plan.
    Budget,
    /// The operation was cancelled through its context.
    Cancelled,
    /// The caller's argument makes no sense.
    InvalidArgument,
    /// Any other failure of the operating system.
    Io,
}

/// An error: its kind, the operation that failed, the file concerned, the reason and what may help.
///
/// Displays as one line, `PATH: REASON`, with the operating system's own words where there are some.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: &'static str,
    path: Option<PathBuf>,
    reason: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` in `operation` (a verb: `open`, `read`, `sync`), for `reason`.
    pub fn new(
        kind: ErrorKind,
        operation: &'static str,
        reason: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Inner {
            kind,
            operation,
            path: None,
            reason: reason.into(),
            hint: None,
            source: None,
        }))
    }

    /// An operating system's error met in `operation`, its kind taken from the error code.
    pub fn io(operation: &'static str, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
            io::ErrorKind::UnexpectedEof => ErrorKind::Truncated,
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => ErrorKind::NoSpace,
            io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
            io::ErrorKind::WouldBlock => ErrorKind::Locked,
            io::ErrorKind::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Io,
        };
        let mut error = Self::new(kind, operation, "");
        error.0.source = Some(Box::new(source));
        error
    }

    /// As [`Error::io`], met at the bytes from `offset` on.
    pub fn io_at(operation: &'static str, offset: u64, source: io::Error) -> Self {
        let mut error = Self::io(operation, source);
        error.0.reason = format!("cannot {operation} at byte {offset}").into();
        error
    }

    /// The same error, about the file at `path`. The innermost path stays: it is the most exact one.
    #[must_use]
    pub fn at(mut self, path: impl AsRef<Path>) -> Self {
        self.0.path.get_or_insert_with(|| path.as_ref().to_path_buf());
        self
    }

    /// The same error, with advice for the person who meets it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The same error, with the error below it that caused it.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed, as a verb.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The file concerned, if one is.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// Advice for the person who meets this error, if there is some.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.0.path {
            write!(f, "{}: ", path.display())?;
        }
        match (&*self.0.reason, &self.0.source) {
            ("", Some(source)) => write!(f, "cannot {}: {source}", self.0.operation),
            ("", None) => write!(f, "cannot {}", self.0.operation),
            (reason, Some(source)) => write!(f, "{reason}: {source}"),
            (reason, None) => f.write_str(reason),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("operation", &self.0.operation)
            .field("path", &self.0.path)
            .field("reason", &self.0.reason)
            .field("hint", &self.0.hint)
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_the_file_and_the_reason() {
        let error = Error::new(ErrorKind::Truncated, "open", "holds 3 of 4 bytes").at("a.npy");
        assert_eq!(error.to_string(), "a.npy: holds 3 of 4 bytes");
        assert_eq!(error.at("b.npy").path(), Some(Path::new("a.npy")));
    }

    #[test]
    fn system_errors_keep_their_words_and_get_a_kind() {
        let error = Error::io("open", io::Error::from_raw_os_error(libc::ENOSPC)).at("a.npy");
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert!(error.to_string().starts_with("a.npy: cannot open: No space left"));
        let error = Error::io_at("write", 128, io::Error::from_raw_os_error(libc::ENOSPC));
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert!(error.to_string().starts_with("cannot write at byte 128: No space left"));
    }
}
