//! The output folder as one run's own: two that wrote there would destroy each other's records.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::sys::FolderLock;

/// Claims `folder`, which exists, until what is given is dropped or the process ends, however it does. Leaves nothing in it.
///
/// # Errors
/// Where another run has it.
pub(super) fn claim(folder: &Path) -> Result<FolderLock> {
    FolderLock::take(folder).map_err(|error| match error.kind() {
        ErrorKind::Locked => Error::new(ErrorKind::Locked, "create", "another run writes here")
            .at(folder)
            .hint("wait until it has ended, or name another --out")
            .caused_by(error),
        _ => error,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_one_runs_at_a_time_and_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let first = claim(folder.path()).unwrap();
        let error = claim(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Locked);
        assert!(error.to_string().contains("another run writes here"), "{error}");
        assert!(error.advice().is_some_and(|advice| advice.contains("--out")));
        drop(first);
        let _second = claim(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(claim(&folder.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
