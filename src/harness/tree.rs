//! What lies at a path, be it a file or a folder with files in it: a matrix may be kept in either.
//!
//! Knows nothing of what the files hold.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::{self, Residency};

/// The files at `path`: itself, or all that are anywhere beneath it, in the order of their names.
///
/// # Errors
/// Where there is nothing at `path`, a folder cannot be read, or something is neither file nor folder.
pub(super) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        let at = |error| Error::io("read", error).at(&path);
        let kind = fs::symlink_metadata(&path).map_err(at)?.file_type();
        if kind.is_file() {
            files.push(path);
        } else if kind.is_dir() {
            for entry in fs::read_dir(&path).map_err(at)? {
                waiting.push(entry.map_err(at)?.path());
            }
        } else {
            // What a link names may lie elsewhere, in memory or be others' too; a pipe is read for ever.
            let reason = "is neither a file nor a folder";
            return Err(Error::new(ErrorKind::InvalidArgument, "read", reason).at(path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Bytes of all files at `path`; none where there are no files.
pub(super) fn length(path: &Path) -> Option<u64> {
    let files = files(path).ok()?;
    let lengths = files.iter().filter_map(|file| fs::metadata(file).ok());
    (!files.is_empty()).then(|| lengths.map(|metadata| metadata.len()).sum())
}

/// By what files show that they were written to, or that others took their places.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct State(Vec<FileState>);

#[derive(Debug, PartialEq, Eq)]
struct FileState {
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
    /// Its number on the file system, and when anything about it was changed: nobody sets the latter back.
    #[cfg(unix)]
    node: (u64, i64, i64),
}

impl State {
    /// That of all files at `path`.
    ///
    /// # Errors
    /// As [`files`].
    pub(super) fn of(path: &Path) -> Result<Self> {
        let state = |path: PathBuf| {
            let metadata = path.metadata().map_err(|error| Error::io("read", error).at(&path))?;
            Ok(FileState {
                bytes: metadata.len(),
                modified: metadata.modified().ok(),
                #[cfg(unix)]
                node: {
                    use std::os::unix::fs::MetadataExt;
                    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
                },
                path,
            })
        };
        files(path)?.into_iter().map(state).collect::<Result<_>>().map(Self)
    }

    /// Whether there is no file.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Removes what is at `path`, if anything is.
///
/// # Errors
/// Where it is there and stays.
pub(super) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("remove", error).at(path))
        }
        _ => Ok(()),
    }
}

/// What of all files at `path` is in the page cache.
///
/// # Errors
/// Where there are none, or the system does not tell.
pub(super) fn residency(path: &Path) -> Result<Residency> {
    let mut all = Residency { resident_pages: 0, pages: 0 };
    for file in files(path)? {
        let found = sys::residency(&file)?;
        all.resident_pages += found.resident_pages;
        all.pages += found.pages;
    }
    Ok(all)
}

/// Pages of all files at `path` that are changed and not yet on the device; none where the system does not tell.
///
/// # Errors
/// Where there are no files.
pub(super) fn unwritten_pages(path: &Path) -> Result<Option<u64>> {
    files(path)?.iter().try_fold(Some(0), |pages, file| {
        let found = sys::unwritten_pages(file)?;
        Ok(pages.zip(found).map(|(pages, found)| pages + found))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_all_that_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let matrix = folder.path().join("matrix");
        assert_eq!(length(&matrix), None);
        remove(&matrix).unwrap();
        fs::create_dir_all(matrix.join("c/0")).unwrap();
        assert_eq!(length(&matrix), None);
        fs::write(matrix.join("c/0/1"), [0; 10]).unwrap();
        fs::write(matrix.join("zarr.json"), [0; 5]).unwrap();
        assert_eq!((files(&matrix).unwrap().len(), length(&matrix)), (2, Some(15)));
        remove(&matrix).unwrap();
        assert!(!matrix.exists() && files(&matrix).is_err());
        fs::write(&matrix, [0; 7]).unwrap();
        assert_eq!(length(&matrix), Some(7));
        remove(&matrix).unwrap();
        assert!(!matrix.exists());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_are_no_data() {
        let folder = tempfile::tempdir().unwrap();
        let (matrix, other) = (folder.path().join("matrix"), folder.path().join("other"));
        fs::create_dir(&matrix).unwrap();
        fs::write(&other, [0; 9]).unwrap();
        std::os::unix::fs::symlink(&other, matrix.join("link")).unwrap();
        assert_eq!(length(&matrix), None);
        assert!(State::of(&matrix).is_err());
        remove(&matrix).unwrap();
        assert!(other.exists());
    }

    #[test]
    fn what_was_written_to_has_another_state() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        assert!(State::of(&file).is_err());
        assert!(State::of(folder.path()).unwrap().is_empty());
        fs::write(&file, "one").unwrap();
        let before = State::of(&file).unwrap();
        assert_eq!(State::of(&file).unwrap(), before);
        fs::write(&file, "three").unwrap();
        assert_ne!(State::of(&file).unwrap(), before);
    }
}
