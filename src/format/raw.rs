//! Files without a header, such as `np.memmap` makes: what they hold is known to the caller alone.
//!
//! Owns [`RawLayout`], the caller's word, and its check against the one fact that a raw file has: its length.

use thiserror::Error as ThisError;

use super::{ByteOrder, DenseLayout, StatedBy};
use crate::array::{DType, Order, Shape};
use crate::error::{Error, ErrorKind, Result};

/// What a caller says a headerless file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawLayout {
    /// The element type, little-endian.
    pub dtype: DType,
    /// Rows and columns.
    pub shape: Shape,
    /// The order in which the elements lie.
    pub order: Order,
    /// Where the first element lies, in bytes from the file's begin.
    pub offset: u64,
}

impl RawLayout {
    /// Checks that a file of `file_len` bytes holds exactly this, from the offset to its end.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] where the file is too short, [`ErrorKind::Malformed`] where it is too long,
    /// both with the shape or element size that would fit, if one does; [`ErrorKind::InvalidArgument`]
    /// where the shape's size overflows.
    pub fn check(&self, file_len: u64) -> Result<DenseLayout> {
        let needs = self.shape.dense_bytes(self.dtype.item_size())? as u64;
        let has = file_len
            .checked_sub(self.offset)
            .ok_or(RawError::Offset { offset: self.offset, file_len })?;
        if has != needs {
            return Err(self.misfit(has, needs));
        }
        Ok(DenseLayout {
            dtype: self.dtype,
            shape: self.shape,
            file_shape: None,
            order: self.order,
            byte_order: ByteOrder::Native,
            data_offset: self.offset,
            stated_by: StatedBy::Caller,
        })
    }

    /// Why `has` bytes are not this matrix, and which other matrix they could be.
    fn misfit(&self, has: u64, needs: u64) -> Error {
        let (line, length) = match self.order {
            Order::C => ("row", self.shape.cols),
            Order::Fortran => ("column", self.shape.rows),
        };
        // Zero where the line is empty; saturated where no file could hold one, so it cannot fit either.
        let line_bytes = (length as u64).saturating_mul(self.dtype.item_size() as u64);
        let (shape, dtype) = (self.shape, self.dtype);
        let error = match has.checked_rem(line_bytes) {
            None | Some(0) => RawError::Length { has, needs, shape, dtype },
            Some(rest) => RawError::Ragged { has, needs, shape, dtype, line, line_bytes, rest },
        };
        match self.fitting(has, line_bytes) {
            Some(hint) => Error::from(error).hint(hint),
            None => Error::from(error).hint("check shape, dtype and offset"),
        }
    }

    /// The nearest description that `has` bytes would fit.
    fn fitting(&self, has: u64, line_bytes: u64) -> Option<String> {
        let elements = self.shape.elements().ok()? as u64;
        if let Some(item_size) = has.checked_div(elements)
            && item_size * elements == has
            && let Some(dtype) = fitting_dtype(self.dtype, item_size)
        {
            return Some(format!(
                "this shape would fit with elements of {item_size} bytes, such as {dtype}"
            ));
        }
        let lines = has.checked_div(line_bytes).filter(|lines| lines * line_bytes == has)?;
        let lines = usize::try_from(lines).ok()?;
        let shape = match self.order {
            Order::C => Shape::new(lines, self.shape.cols),
            Order::Fortran => Shape::new(self.shape.rows, lines),
        };
        Some(format!("shape {shape} would fit"))
    }
}

/// A type of `item_size` bytes, of the same kind as `dtype` if there is one.
fn fitting_dtype(dtype: DType, item_size: u64) -> Option<DType> {
    let kind = |dtype: DType| dtype.name().chars().next();
    let mut fitting = DType::ALL.into_iter().filter(|other| other.item_size() as u64 == item_size);
    let first = fitting.clone().find(|other| *other != DType::Bool)?;
    Some(fitting.find(|&other| kind(other) == kind(dtype)).unwrap_or(first))
}

#[derive(Debug, ThisError)]
enum RawError {
    #[error("data would begin at byte {offset} of a file of {file_len} bytes")]
    Offset { offset: u64, file_len: u64 },
    #[error(
        "{has} bytes of data are no whole number of {line}s of {line_bytes} bytes, {rest} are left over; \
         shape {shape} of {dtype} takes {needs}"
    )]
    Ragged {
        has: u64,
        needs: u64,
        shape: Shape,
        dtype: DType,
        line: &'static str,
        line_bytes: u64,
        rest: u64,
    },
    #[error("holds {has} bytes of data where shape {shape} of {dtype} takes {needs}")]
    Length { has: u64, needs: u64, shape: Shape, dtype: DType },
}

impl From<RawError> for Error {
    fn from(error: RawError) -> Self {
        let kind = match error {
            RawError::Offset { .. } => ErrorKind::Truncated,
            RawError::Ragged { has, needs, .. } | RawError::Length { has, needs, .. } => {
                if has < needs { ErrorKind::Truncated } else { ErrorKind::Malformed }
            }
        };
        Self::new(kind, "check layout", error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LAYOUT: RawLayout =
        RawLayout { dtype: DType::F32, shape: Shape::new(10, 3), order: Order::C, offset: 16 };

    fn refused(layout: RawLayout, file_len: u64) -> (ErrorKind, String, String) {
        let error = layout.check(file_len).unwrap_err();
        (error.kind(), error.to_string(), error.advice().unwrap_or_default().into())
    }

    #[test]
    fn a_file_that_fits_exactly_is_a_matrix() {
        let layout = LAYOUT.check(16 + 120).unwrap();
        assert_eq!((layout.shape, layout.data_offset), (Shape::new(10, 3), 16));
        let empty = RawLayout { shape: Shape::new(0, 3), offset: 0, ..LAYOUT };
        assert!(empty.check(0).is_ok());
    }

    #[test]
    fn whole_rows_too_few_or_too_many_say_which_shape_would_fit() {
        assert_eq!(
            refused(LAYOUT, 16 + 84),
            (
                ErrorKind::Truncated,
                "holds 84 bytes of data where shape 10x3 of f32 takes 120".into(),
                "shape 7x3 would fit".into(),
            )
        );
        let (kind, _, hint) = refused(LAYOUT, 16 + 144);
        assert_eq!((kind, &*hint), (ErrorKind::Malformed, "shape 12x3 would fit"));
        let fortran = RawLayout { order: Order::Fortran, ..LAYOUT };
        assert_eq!(refused(fortran, 16 + 80).2, "shape 10x2 would fit");
    }

    #[test]
    fn parts_of_a_row_are_told_in_numbers() {
        assert_eq!(
            refused(LAYOUT, 16 + 125),
            (
                ErrorKind::Malformed,
                "125 bytes of data are no whole number of rows of 12 bytes, 5 are left over; \
                 shape 10x3 of f32 takes 120"
                    .into(),
                "check shape, dtype and offset".into(),
            )
        );
        let fortran = RawLayout { order: Order::Fortran, ..LAYOUT };
        assert!(refused(fortran, 16 + 84).1.contains("columns of 40 bytes, 4 are left over"));
    }

    #[test]
    fn another_element_size_is_seen() {
        let (_, _, hint) = refused(LAYOUT, 16 + 240);
        assert_eq!(hint, "this shape would fit with elements of 8 bytes, such as f64");
        let (_, _, hint) = refused(RawLayout { dtype: DType::I64, ..LAYOUT }, 16 + 30);
        assert_eq!(hint, "this shape would fit with elements of 1 bytes, such as i8");
    }

    #[test]
    fn an_offset_beyond_the_end_is_an_error() {
        let (kind, line, _) = refused(LAYOUT, 15);
        assert_eq!(kind, ErrorKind::Truncated);
        assert_eq!(line, "data would begin at byte 16 of a file of 15 bytes");
    }

    proptest! {
        #[test]
        fn any_numbers_hold(rows: usize, cols: usize, offset: u64, file_len: u64, small in 0u64..9) {
            for order in [Order::C, Order::Fortran] {
                for (shape, offset) in [
                    (Shape::new(rows, cols), offset),
                    (Shape::new(rows, 1), offset),
                    (Shape::new(rows % 10, cols % 10), offset % 10),
                    (Shape::new(rows, 0), 0),
                ] {
                    let layout = RawLayout { dtype: DType::F64, shape, order, offset };
                    for file_len in [file_len, small] {
                        if let Ok(checked) = layout.check(file_len) {
                            let bytes = shape.dense_bytes(8).unwrap() as u64;
                            prop_assert_eq!(checked.data_offset + bytes, file_len);
                        }
                    }
                }
            }
        }
    }
}
