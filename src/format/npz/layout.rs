//! What a sparse npz file holds and where.

use std::io::{Read, Seek};

use super::directory::Directory;
use super::error::NpzError;
use super::small::Small;
use super::{Member, Part};
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
    /// Where each line's entries begin: lines + 1 indices, [`DType::I32`] or [`DType::I64`].
    pub indptr: Member,
    /// Each entry's position in its line, [`DType::I32`] or [`DType::I64`]: not always as wide as `indptr`.
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

    /// The array that is `part` of the matrix.
    pub fn member(&self, part: Part) -> &Member {
        match part {
            Part::Indptr => &self.indptr,
            Part::Indices => &self.indices,
            Part::Data => &self.data,
        }
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
    let reader = &mut reader;
    let directory = Directory::read(reader)?;
    let format = directory.member("format.npy")?;
    let compression = compression(&Small::read(format, reader)?.text()?)?;
    let shape = Small::read(directory.member("shape.npy")?, reader)?.integers()?;
    let shape = matrix_shape(&shape)?;
    let is_array = match directory.find("_is_array.npy")? {
        Some(entry) => Some(Small::read(entry, reader)?.boolean()?),
        None => None,
    };
    let mut array = |part: Part| Member::open(directory.member(part.member_name())?, reader);
    let (indptr, indices) = (array(Part::Indptr)?, array(Part::Indices)?);
    let data = array(Part::Data)?;
    check_arrays(compression.split(shape).0, &indptr, &indices, &data)?;
    Ok(NpzLayout { compression, shape, dtype: data.dtype, indptr, indices, data, is_array })
}

fn compression(format: &str) -> Result<Compression, NpzError> {
    match format {
        "csr" => Ok(Compression::Csr),
        "csc" => Ok(Compression::Csc),
        "bsr" | "coo" | "dia" | "dok" | "lil" => Err(NpzError::Layout(format.into())),
        _ => Err(NpzError::UnknownLayout(format.escape_default().to_string())),
    }
}

fn matrix_shape(lengths: &[i128]) -> Result<Shape, NpzError> {
    let length = |length: i128| match i64::try_from(length).map(usize::try_from) {
        Ok(Ok(length)) => Ok(length),
        _ => Err(NpzError::Axis(length)),
    };
    match *lengths {
        [rows, cols] => Ok(Shape::new(length(rows)?, length(cols)?)),
        [_] => Err(NpzError::OneAxis),
        _ => Err(NpzError::Lengths(lengths.len())),
    }
}

/// Checks that the three arrays make a matrix of so many lines, as far as their lengths and types go.
fn check_arrays(
    lines: usize,
    indptr: &Member,
    indices: &Member,
    data: &Member,
) -> Result<(), NpzError> {
    for member in [indptr, indices] {
        if !matches!(member.dtype, DType::I32 | DType::I64) {
            return Err(NpzError::Index(member.dtype));
        }
    }
    if indptr.elements.checked_sub(1) != Some(lines as u64) {
        return Err(NpzError::Indptr { has: indptr.elements, lines });
    }
    if data.elements != indices.elements {
        return Err(NpzError::Entries { data: data.elements, indices: indices.elements });
    }
    Ok(())
}
