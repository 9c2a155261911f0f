//! Where a dense file's elements lie: what every dense format comes down to.
//!
//! Owns [`DenseLayout`] and the rule by which an N-dimensional array is seen as a matrix. Knows no
//! header's syntax.

use thiserror::Error as ThisError;

use super::npy::Header;
use crate::array::{DType, Order, Shape};
use crate::error::{Error, ErrorKind, Result};

/// The byte order of a file's elements, as seen from this machine, which is little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The machine's own: elements are used as they lie.
    Native,
    /// The other: each unit of [`DType::swap_size`] bytes is reversed on the way.
    Swapped,
}

/// Who says how large a dense file's matrix is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatedBy {
    /// The caller: the file has no header.
    Caller,
    /// The file's header.
    Header,
    /// The file's header, which bears the mark of an append that was not finished: what follows the data is ignored.
    GrowingHeader,
    /// A file that holds other things too, such as an HDF5 file: its length says nothing, and it does not grow.
    Container,
}

/// What a dense file holds and where, checked against the file's length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenseLayout {
    /// The element type.
    pub dtype: DType,
    /// The matrix as which the file is seen.
    pub shape: Shape,
    /// The file's own shape where it is not two-dimensional.
    pub file_shape: Option<Vec<usize>>,
    /// The order in which the matrix's elements lie.
    pub order: Order,
    /// The byte order of the elements.
    pub byte_order: ByteOrder,
    /// Where the first element lies, in bytes from the file's begin. Not always aligned: other programs
    /// write headers of any length.
    pub data_offset: u64,
    /// Who says so.
    pub stated_by: StatedBy,
}

impl DenseLayout {
    /// The layout of an npy file of `file_len` bytes that begins with `header`.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] where the file is shorter than the header promises,
    /// [`ErrorKind::Malformed`] where it is longer, unless an append was not finished, or the shape's size
    /// overflows.
    pub fn from_npy(header: &Header, file_len: u64) -> Result<Self> {
        let needs = header
            .data_offset
            .checked_add(header.data_bytes()?)
            .ok_or_else(|| LayoutError::TooLarge(python_tuple(&header.shape)))?;
        if file_len < needs {
            return Err(LayoutError::Short { has: file_len, needs }.into());
        }
        if file_len > needs && !header.is_growing {
            return Err(LayoutError::Long { has: file_len, needs }.into());
        }
        Ok(Self {
            dtype: header.dtype,
            shape: matrix_shape(&header.shape, header.order)?,
            file_shape: (header.shape.len() != 2).then(|| header.shape.clone()),
            order: header.order,
            byte_order: header.byte_order,
            data_offset: header.data_offset,
            stated_by: if header.is_growing { StatedBy::GrowingHeader } else { StatedBy::Header },
        })
    }
}

/// The matrix as which an array of `shape` is seen, without moving an element.
///
/// An N-D array is its first axis × the rest in C order and the rest × its last axis in Fortran order; a
/// 1-D array of N is N×1 and a 0-D array, a scalar, 1×1.
///
/// # Errors
/// [`ErrorKind::Malformed`] where the number of rows or columns overflows.
pub fn matrix_shape(shape: &[usize], order: Order) -> Result<Shape> {
    let (rows, cols) = match (shape, order) {
        ([], _) => return Ok(Shape::new(1, 1)),
        ([rows], _) => return Ok(Shape::new(*rows, 1)),
        ([first, rest @ ..], Order::C) => (Some(*first), product(rest)),
        ([rest @ .., last], Order::Fortran) => (product(rest), Some(*last)),
    };
    match (rows, cols) {
        (Some(rows), Some(cols)) => Ok(Shape::new(rows, cols)),
        _ => Err(LayoutError::TooLarge(python_tuple(shape)).into()),
    }
}

/// Bytes that an array of `shape` takes; none where they are more than can be addressed.
///
/// As in NumPy, an axis of length 0 does not excuse the others: their product must fit all the same, so
/// that the size of a row, a column or a plane never overflows either.
pub(super) fn array_bytes(shape: &[usize], item_size: usize) -> Option<u64> {
    let line_bytes = nonzero_product(shape)?.checked_mul(item_size)?;
    isize::try_from(line_bytes).ok()?;
    Some(if shape.contains(&0) { 0 } else { line_bytes as u64 })
}

/// Number of elements of `shape`, by the rule of [`array_bytes`].
fn product(shape: &[usize]) -> Option<usize> {
    nonzero_product(shape).map(|elements| if shape.contains(&0) { 0 } else { elements })
}

fn nonzero_product(shape: &[usize]) -> Option<usize> {
    shape.iter().filter(|&&length| length != 0).try_fold(1usize, |all, &n| all.checked_mul(n))
}

/// A shape as Python writes a tuple: `()`, `(3,)`, `(3, 4)`.
pub(super) fn python_tuple(shape: &[usize]) -> String {
    match shape {
        [length] => format!("({length},)"),
        _ => {
            let lengths: Vec<_> = shape.iter().map(usize::to_string).collect();
            format!("({})", lengths.join(", "))
        }
    }
}

#[derive(Debug, ThisError)]
enum LayoutError {
    #[error("shape {0} holds more bytes than can be addressed")]
    TooLarge(String),
    #[error("truncated: holds {has} of the {needs} bytes that its header promises, {} are missing",
        needs - has)]
    Short { has: u64, needs: u64 },
    #[error("over-long: holds {has} bytes where its header promises {needs}, {} follow the data",
        has - needs)]
    Long { has: u64, needs: u64 },
}

impl From<LayoutError> for Error {
    fn from(error: LayoutError) -> Self {
        let reason = error.to_string();
        match error {
            LayoutError::TooLarge(_) => Self::new(ErrorKind::Malformed, "check layout", reason),
            LayoutError::Short { .. } => Self::new(ErrorKind::Truncated, "check layout", reason)
                .hint("it was cut off, or is still being written: copy or write it again"),
            LayoutError::Long { needs, .. } => Self::new(
                ErrorKind::Malformed,
                "check layout",
                reason,
            )
            .hint(format!(
                "if what follows is not wanted, cut the file to {needs} bytes; arrays saved one \
                     after another into one file must be saved apart"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(shape: &[usize], order: Order) -> Header {
        Header {
            dtype: DType::F32,
            order,
            shape: shape.to_vec(),
            byte_order: ByteOrder::Native,
            data_offset: 128,
            is_growing: false,
        }
    }

    #[test]
    fn arrays_of_any_dimension_are_seen_as_matrices() {
        let cases: [(&[usize], Order, (usize, usize)); 9] = [
            (&[], Order::C, (1, 1)),
            (&[], Order::Fortran, (1, 1)),
            (&[7], Order::C, (7, 1)),
            (&[7], Order::Fortran, (7, 1)),
            (&[3, 4], Order::C, (3, 4)),
            (&[3, 4], Order::Fortran, (3, 4)),
            (&[2, 3, 4], Order::C, (2, 12)),
            (&[2, 3, 4], Order::Fortran, (6, 4)),
            (&[2, 0, 4], Order::Fortran, (0, 4)),
        ];
        for (shape, order, (rows, cols)) in cases {
            assert_eq!(matrix_shape(shape, order).unwrap(), Shape::new(rows, cols), "{shape:?}");
        }
        let error = matrix_shape(&[1, usize::MAX, 2], Order::C).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        assert!(matrix_shape(&[1, 0, usize::MAX, 2], Order::C).is_err(), "a zero excuses nothing");
    }

    #[test]
    fn the_file_must_be_exactly_as_long_as_its_header_promises() {
        let header = header(&[2, 3, 4], Order::C);
        let layout = DenseLayout::from_npy(&header, 128 + 96).unwrap();
        assert_eq!(layout.shape, Shape::new(2, 12));
        assert_eq!(layout.file_shape.as_deref(), Some(&[2, 3, 4][..]));

        let short = DenseLayout::from_npy(&header, 128 + 90).unwrap_err();
        assert_eq!(short.kind(), ErrorKind::Truncated);
        assert_eq!(
            short.to_string(),
            "truncated: holds 218 of the 224 bytes that its header promises, 6 are missing"
        );
        let long = DenseLayout::from_npy(&header, 128 + 97).unwrap_err();
        assert_eq!(long.kind(), ErrorKind::Malformed);
        assert!(long.advice().unwrap().contains("224 bytes"), "{long:?}");
    }

    #[test]
    fn what_an_unfinished_append_left_behind_the_data_is_ignored() {
        let header = Header { is_growing: true, ..header(&[3, 4], Order::C) };
        for tail in [0, 1, 1000] {
            let layout = DenseLayout::from_npy(&header, 128 + 48 + tail).unwrap();
            assert_eq!(layout.shape, Shape::new(3, 4));
            assert_eq!(layout.stated_by, StatedBy::GrowingHeader);
        }
        let short = DenseLayout::from_npy(&header, 128 + 47).unwrap_err();
        assert_eq!(short.kind(), ErrorKind::Truncated);
    }

    #[test]
    fn a_matrix_has_no_other_shape_of_its_own() {
        let layout = DenseLayout::from_npy(&header(&[3, 4], Order::Fortran), 128 + 48).unwrap();
        assert_eq!((layout.shape, layout.file_shape), (Shape::new(3, 4), None));
    }

    #[test]
    fn sizes_that_overflow_are_errors_also_beside_a_zero() {
        for shape in [&[usize::MAX, 2][..], &[usize::MAX, 0], &[1 << 61, 2], &[0, 1 << 61]] {
            let error = DenseLayout::from_npy(&header(shape, Order::C), u64::MAX).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{shape:?}");
        }
        let mut far = header(&[4, 4], Order::C);
        far.data_offset = u64::MAX;
        assert!(DenseLayout::from_npy(&far, u64::MAX).is_err());
    }
}
