//! The private folder for data files: made, locked, and removed whatever happens.
//!
//! Knows nothing of what is put into it.

use std::fs::{self, File, TryLockError};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};

/// Folders of running and dead runs begin so. Only folders that are locked carry such a name.
const PREFIX: &str = ".arraystore-data-";

/// The file in it that its run has locked for as long as it lives.
pub(super) const LOCK: &str = "lock";

/// The folders of this process that are there.
static THERE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// How often a folder is removed into which others may be writing, and after which pauses.
const ATTEMPTS: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// A folder of one run's own inside another, removed with all that is in it when dropped.
///
/// A run that is killed cannot remove its folder, but loses its lock: the next run in the same place does.
#[derive(Debug)]
pub(super) struct DataFolder {
    folder: tempfile::TempDir,
    _lock: File,
    /// Dropped last: until the folder is gone it is among those that are there.
    _listed: Listed,
}

/// A folder's place among those that are there.
#[derive(Debug)]
struct Listed(PathBuf);

impl Drop for Listed {
    fn drop(&mut self) {
        THERE.lock().unwrap_or_else(PoisonError::into_inner).retain(|path| *path != self.0);
    }
}

impl DataFolder {
    /// Makes a folder inside `parent`, which exists, and removes those that dead runs left there.
    ///
    /// # Errors
    /// Where nothing can be made in `parent`.
    pub(super) fn create_in(parent: &Path) -> Result<Self> {
        let at = |error| Error::io("create a data folder", error).at(parent);
        // Absolute, since trial programs run elsewhere.
        let parent = fs::canonicalize(parent).map_err(at)?;
        sweep(&parent);
        let mut there = THERE.lock().unwrap_or_else(PoisonError::into_inner);
        // Under another name until the lock is taken: else another run might sweep it.
        let starting = tempfile::Builder::new()
            .prefix(".arraystore-starting-")
            .tempdir_in(&parent)
            .map_err(at)?;
        let lock = File::create(starting.path().join(LOCK)).map_err(at)?;
        // Fails only on a file system without locks: then nobody sweeps there either.
        let _ = lock.try_lock();
        let named = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&parent).map_err(at)?;
        fs::rename(starting.path(), named.path()).map_err(at)?;
        let _moved = starting.keep();
        there.push(named.path().to_owned());
        let listed = Listed(named.path().to_owned());
        Ok(Self { folder: named, _lock: lock, _listed: listed })
    }

    /// The path of the file called `name` in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// How many other runs have a folder beside it now.
    pub(super) fn others(&self) -> usize {
        let parent = self.path().parent().into_iter().flat_map(ours);
        parent.filter(|folder| folder != self.path() && is_alive(folder)).count()
    }
}

/// The folders that are there. No more are made, and whoever drops one waits, until the process has ended.
pub(super) fn keep_all() -> Vec<PathBuf> {
    let there = THERE.lock().unwrap_or_else(PoisonError::into_inner);
    let folders = there.clone();
    mem::forget(there);
    folders
}

/// Removes `folders`, also where others still write into them or are removing them.
pub(super) fn remove(folders: &[PathBuf]) {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            thread::sleep(PAUSE);
        }
        for folder in folders {
            let _ = fs::remove_dir_all(folder);
        }
        if !folders.iter().any(|folder| folder.exists()) {
            return;
        }
    }
}

/// Removes what dead runs left in `parent`. What cannot be removed stays: it is no reason not to run.
fn sweep(parent: &Path) {
    for folder in ours(parent).filter(|folder| is_dead(folder)) {
        let _ = fs::remove_dir_all(folder);
    }
}

/// The folders of runs in `parent`, living and dead.
fn ours(parent: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let is_ours = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(PREFIX);
    entries.filter(is_ours).map(|entry| entry.path())
}

/// Whether nobody holds the lock of a folder that has one.
fn is_dead(folder: &Path) -> bool {
    matches!(lock_of(folder), Some(Ok(())))
}

/// Whether a run holds the folder's lock.
fn is_alive(folder: &Path) -> bool {
    matches!(lock_of(folder), Some(Err(TryLockError::WouldBlock)))
}

/// What comes of taking a folder's lock for a moment, where it has one.
fn lock_of(folder: &Path) -> Option<std::result::Result<(), TryLockError>> {
    File::open(folder.join(LOCK)).ok().map(|file| file.try_lock())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(parent: &Path) -> usize {
        fs::read_dir(parent).unwrap().count()
    }

    #[test]
    fn a_folder_goes_with_all_that_is_in_it_also_in_a_panic() {
        let parent = tempfile::tempdir().unwrap();
        let folder = DataFolder::create_in(parent.path()).unwrap();
        fs::write(folder.file("a"), "x").unwrap();
        assert_eq!(folders(parent.path()), 1);
        drop(folder);
        assert_eq!(folders(parent.path()), 0);
        let inside = parent.path().to_owned();
        let panicked = std::panic::catch_unwind(move || {
            let _folder = DataFolder::create_in(&inside).unwrap();
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.is_err());
        assert_eq!(folders(parent.path()), 0);
    }

    #[test]
    fn a_folder_is_known_as_long_as_it_is_there() {
        let parent = tempfile::tempdir().unwrap();
        let is_known = |path: &PathBuf| THERE.lock().unwrap().contains(path);
        let folder = DataFolder::create_in(parent.path()).unwrap();
        let path = folder.path().to_owned();
        fs::write(folder.file("a"), "x").unwrap();
        assert!(is_known(&path));
        remove(std::slice::from_ref(&path));
        assert!(!path.exists() && is_known(&path));
        drop(folder);
        assert!(!is_known(&path));
    }

    #[test]
    fn dead_folders_are_swept_and_living_ones_and_others_are_not() {
        let parent = tempfile::tempdir().unwrap();
        let living = DataFolder::create_in(parent.path()).unwrap();
        fs::write(living.file("a"), "x").unwrap();
        let dead = parent.path().join(format!("{PREFIX}dead"));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("data.npy"), "x").unwrap();
        let other = parent.path().join(format!("{PREFIX}without-a-lock"));
        fs::create_dir(&other).unwrap();
        let next = DataFolder::create_in(parent.path()).unwrap();
        assert!(!dead.exists());
        assert!(other.exists() && living.file("a").exists() && next.path().exists());
    }

    #[test]
    fn others_at_work_in_the_same_place_are_counted_while_they_live() {
        let parent = tempfile::tempdir().unwrap();
        let one = DataFolder::create_in(parent.path()).unwrap();
        assert_eq!(one.others(), 0);
        let other = DataFolder::create_in(parent.path()).unwrap();
        assert_eq!((one.others(), other.others()), (1, 1));
        fs::create_dir(parent.path().join(format!("{PREFIX}without-a-lock"))).unwrap();
        drop(one);
        assert_eq!(other.others(), 0);
    }
}
