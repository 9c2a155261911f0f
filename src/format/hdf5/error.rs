//! What can be wrong with an HDF5 file, exactly, and how it is told.

use thiserror::Error as ThisError;

use crate::error::{Error, ErrorKind};

/// How many datasets an error lists.
const LISTED: usize = 8;

#[derive(Debug, ThisError)]
pub(super) enum Hdf5Error {
    #[error("{0}")]
    Library(hdf5_pure::Error),
    #[error("no dataset {0}")]
    Missing(String),
    #[error("holds no dataset")]
    Empty,
    #[error("holds several datasets: {}", listed(.0))]
    Several(Vec<String>),
    #[error("elements of type {0} are not supported")]
    Dtype(String),
    #[error("a virtual dataset, whose elements are in other files, is not supported")]
    Virtual,
    #[error("elements in files beside it are not supported")]
    External,
    #[error("filter {0} is not supported")]
    Filter(String),
    #[error("a dataset that says of no shape (H5S_NULL) is not supported")]
    NoShape,
    #[error("shape {0} holds more bytes than can be addressed")]
    TooLarge(String),
    #[error("truncated: ends at byte {has}, while elements are said to lie up to byte {needs}")]
    Short { has: u64, needs: u64 },
    #[error("the dataset is said to take {has} bytes where its shape takes {needs}")]
    Size { has: u64, needs: u64 },
    #[error("a chunk at {0} lies outside of the dataset, or twice in it")]
    ChunkPlace(String),
    #[error(
        "chunks at the dataset's edge, shuffled and not compressed, are not supported: whether they are shuffled cannot be told"
    )]
    Edges,
    #[error("chunks of no elements")]
    EmptyChunk,
    #[error("a chunk of {0} bytes is more than can be addressed")]
    ChunkSize(u64),
    #[error("a chunk is damaged: {0}")]
    Chunk(String),
}

impl From<hdf5_pure::Error> for Hdf5Error {
    fn from(error: hdf5_pure::Error) -> Self {
        match error {
            hdf5_pure::Error::Format(hdf5_pure::FormatError::UnsupportedExternalStorage) => {
                Self::External
            }
            error => Self::Library(error),
        }
    }
}

impl From<Hdf5Error> for Error {
    fn from(error: Hdf5Error) -> Self {
        let kind = match &error {
            Hdf5Error::Missing(_) => ErrorKind::NotFound,
            Hdf5Error::Several(_) => ErrorKind::InvalidArgument,
            Hdf5Error::Dtype(_)
            | Hdf5Error::Virtual
            | Hdf5Error::External
            | Hdf5Error::NoShape
            | Hdf5Error::Edges
            | Hdf5Error::Filter(_) => ErrorKind::Unsupported,
            Hdf5Error::Short { .. } => ErrorKind::Truncated,
            _ => ErrorKind::Malformed,
        };
        let lifted = Self::new(kind, "read HDF5", error.to_string());
        match error {
            Hdf5Error::Several(names) => {
                lifted.hint(format!("name one behind the file: FILE:{}", names[0]))
            }
            Hdf5Error::Filter(_) | Hdf5Error::Edges => {
                lifted.hint("rewrite it with another: h5repack -f GZIP=1 IN.h5 OUT.h5")
            }
            Hdf5Error::Virtual | Hdf5Error::External => {
                lifted.hint("copy it into one file: h5repack IN.h5 OUT.h5")
            }
            _ => lifted,
        }
    }
}

fn listed(names: &[String]) -> String {
    let some = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(LISTED) {
        Some(more @ 1..) => format!("{some} and {more} more"),
        _ => some,
    }
}
