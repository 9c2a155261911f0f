//! What a sparse npz file holds and where.

use std::io::{Read, Seek};

use super::Member;
use crate::array::{Compression, DType, Shape};
use crate::error::Result;

/// What a sparse npz file holds and where, checked against the archive's directory and the file's length.
///
/// The lengths of the three arrays agree with each other and with the shape; what they contain was not read.
#[derive(Debug, Clone)]
pub struct NpzLayout {
    /// Along which axis the matrix is compressed.
    pub compression: Compression,
    /// Rows and columns.
    pub shape: Shape,
    /// The type of the values.
    pub dtype: DType,
    /// Where each line's entries begin: lines + 1 indices, `I32` or `I64`.
    pub indptr: Member,
    /// Each entry's position in its line, `I32` or `I64`; not always as wide as `indptr`.
    pub indices: Member,
    /// Each entry's value.
    pub data: Member,
    /// Whether SciPy makes a `csr_array` of it (rather than a `csr_matrix`); none where the file does not say.
    pub is_array: Option<bool>,
}

impl NpzLayout {
    /// Number of stored entries: the length of `indices` and of `data`.
    pub fn entries(&self) -> u64 {
        self.data.elements
    }
}

/// Reads what the sparse npz file behind `reader` holds. Reads headers and the few bytes of `format`, `shape`
/// and `_is_array`, but no element of the three arrays.
///
/// # Errors
/// [`crate::ErrorKind::Malformed`] or [`crate::ErrorKind::Truncated`] where it is no archive, a member is
/// missing, listed twice, damaged, named as if to be written outside a folder, or where lengths disagree;
/// [`crate::ErrorKind::Unsupported`] for other formats of SciPy's, for encryption, for compressions other than
/// deflate and for dtypes that are not numbers; otherwise what the reader fails with.
pub fn read_layout<R: Read + Seek>(mut reader: R) -> Result<NpzLayout> {
    let _ = &mut reader;
    todo!()
}
