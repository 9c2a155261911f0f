//! Paths that name a dataset inside a file: `run.h5:/group/data`.

use std::path::{Path, PathBuf};

/// How the names of HDF5 files end; `.nc` is netCDF-4, which is HDF5 too.
const EXTENSIONS: [&str; 4] = ["h5", "hdf5", "he5", "nc"];

/// A dataset in an HDF5 file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// The dataset in it, from the root group on: `/group/data`. None stands for the only one that there is.
    pub dataset: Option<String>,
}

impl Location {
    /// What `path` names, where it names an HDF5 file or a dataset in one.
    pub fn of(path: &Path) -> Option<Self> {
        if is_hdf5(path) {
            return Some(Self { file: path.to_owned(), dataset: None });
        }
        let text = path.to_str()?;
        let parts = text.match_indices(":/").map(|(at, _)| (&text[..at], &text[at + 1..]));
        let (file, dataset) = { parts }.find(|(file, _)| is_hdf5(Path::new(file)))?;
        let dataset = Some(dataset.trim_end_matches('/')).filter(|dataset| !dataset.is_empty());
        Some(Self { file: file.into(), dataset: dataset.map(str::to_owned) })
    }
}

/// Whether a file's name ends as those of HDF5 files do.
fn is_hdf5(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|it| EXTENSIONS.iter().any(|known| it.eq_ignore_ascii_case(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dataset_is_named_behind_its_file() {
        let of = |path: &str| {
            let location = Location::of(Path::new(path))?;
            Some((location.file.to_str()?.to_owned(), location.dataset))
        };
        let file = |file: &str| Some((file.to_owned(), None));
        let both = |file: &str, dataset: &str| Some((file.to_owned(), Some(dataset.to_owned())));
        assert_eq!(of("a/run.h5"), file("a/run.h5"));
        assert_eq!(of("run.HDF5:/"), file("run.HDF5"));
        assert_eq!(of("run.h5:/data"), both("run.h5", "/data"));
        assert_eq!(of("C:/x/run.nc:/group/data/"), both("C:/x/run.nc", "/group/data"));
        assert_eq!(of("a.h5:/b.h5:/c"), both("a.h5", "/b.h5:/c"));
        for other in ["run.npy", "run.h5.npy", "h5", "run.h5:data", "a:/b.npy", ""] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
