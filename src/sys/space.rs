//! How much room a file system has.

use std::path::Path;

use crate::error::{Error, Result};

/// Bytes that the file system of `folder` can still take from this user.
///
/// # Errors
/// Where the folder does not exist or the system does not tell.
#[cfg(unix)]
pub fn available_space(folder: &Path) -> Result<u64> {
    let at = |error: rustix::io::Errno| Error::io("ask for free space", error.into()).at(folder);
    let answer = rustix::fs::statvfs(folder).map_err(at)?;
    Ok(answer.f_bavail.saturating_mul(answer.f_frsize))
}

/// Bytes that the file system of `folder` can still take from this user.
///
/// # Errors
/// Always, on this system.
#[cfg(not(unix))]
pub fn available_space(folder: &Path) -> Result<u64> {
    use crate::error::ErrorKind;
    Err(Error::new(ErrorKind::Unsupported, "ask for free space", "not known on this system")
        .at(folder))
}
