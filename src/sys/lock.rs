//! Advisory locks on files: readers share, a writer excludes.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::{LockPolicy, Mode};
use crate::error::{Error, ErrorKind, Result};

/// How often, and after which pauses, a lock is tried again: a process that this one is starting has its open files,
/// and with them their locks, until it becomes the other program.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(10);

/// Takes the lock that `mode` needs on the open `file`, all but without waiting. It is held until the file is closed,
/// also by a crash.
pub(super) fn take(file: &File, path: &Path, mode: Mode, policy: LockPolicy) -> Result<()> {
    if policy == LockPolicy::Skip {
        return Ok(());
    }
    let mut taken = attempt(file, mode);
    for _ in 0..ATTEMPTS {
        if !matches!(taken, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(PAUSE);
        taken = attempt(file, mode);
    }
    match taken {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(locked(file, path, mode)),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            Err(Error::new(ErrorKind::Unsupported, "lock", "this file system keeps no locks")
                .at(path)
                .hint("open with LockPolicy::Skip where it is known that nobody writes meanwhile"))
        }
        Err(TryLockError::Error(error)) => Err(Error::io("lock", error).at(path)),
    }
}

/// A folder that its holder has alone, among those that ask. Nothing is left in it, also by a crash.
#[cfg(feature = "program")]
#[derive(Debug)]
pub struct FolderLock {
    /// None where there are no locks on folders: then nobody is refused.
    _file: Option<File>,
}

#[cfg(feature = "program")]
impl FolderLock {
    /// Takes the folder at `path`, all but without waiting.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] where another has it; or where there is no such folder.
    pub fn take(path: &Path) -> Result<Self> {
        let at = |error| Error::io("lock", error).at(path);
        if !path.metadata().map_err(at)?.is_dir() {
            return Err(at(io::ErrorKind::NotADirectory.into()));
        }
        // Not every system opens folders, not every file system locks them.
        let Ok(file) = File::open(path) else { return Ok(Self { _file: None }) };
        match take(&file, path, Mode::ReadWrite, LockPolicy::Enforce) {
            Ok(()) => Ok(Self { _file: Some(file) }),
            Err(error) if error.kind() == ErrorKind::Locked => Err(error),
            Err(_) => Ok(Self { _file: None }),
        }
    }
}

fn attempt(file: &File, mode: Mode) -> std::result::Result<(), TryLockError> {
    match mode {
        Mode::ReadWrite => file.try_lock(),
        Mode::Read | Mode::CopyOnWrite => file.try_lock_shared(),
    }
}

/// The error for a lock that another holds, with the holder's process id where the system tells it.
fn locked(file: &File, path: &Path, mode: Mode) -> Error {
    let wanted = if mode == Mode::ReadWrite { "in use" } else { "being written" };
    let by = match holder(file) {
        Some(pid) if pid == std::process::id() => " by this process".to_owned(),
        Some(pid) => format!(" by process {pid}"),
        None => " by another handle or process".to_owned(),
    };
    Error::new(ErrorKind::Locked, "lock", format!("locked: {wanted}{by}"))
        .at(path)
        .hint("wait until it is closed; readers share a file, a writer has it alone")
}

/// The process that holds a lock on `file`.
#[cfg(target_os = "linux")]
fn holder(file: &File) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let inode = file.metadata().ok()?.ino();
    holder_in(&std::fs::read_to_string("/proc/locks").ok()?, inode)
}

#[cfg(not(target_os = "linux"))]
fn holder(_file: &File) -> Option<u32> {
    None
}

/// The first holder of a lock on `inode` in the text of `/proc/locks`, whose lines read
/// `1: FLOCK  ADVISORY  WRITE 1234 08:02:131074 0 EOF`.
#[cfg(target_os = "linux")]
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, file, ..] = fields[..] else { return None };
        let of_inode = file.rsplit(':').next()?.parse() == Ok(inode);
        if of_inode { pid.parse().ok() } else { None }
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_found_by_inode() {
        let locks = "1: POSIX  ADVISORY  READ 7 08:02:99 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 1234 08:02:131074 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 5 08:02:131074 0 EOF\n";
        assert_eq!(holder_in(locks, 131_074), Some(1234));
        assert_eq!(holder_in(locks, 99), None);
        assert_eq!(holder_in("", 1), None);
    }
}
