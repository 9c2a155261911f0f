//! Headers as NumPy writes them, byte for byte.
//!
//! Always version 1.0, which every reader of npy files knows: a dictionary for [`MAX_AXES`] axes takes a
//! fortieth of what that version can hold, so the later ones, made for structured dtypes, are never needed.

use super::{MAGIC, MAX_AXES, descr};
use crate::array::{DType, Order};
use crate::error::{Error, ErrorKind, Result};
use crate::format::layout::{array_bytes, python_tuple};

/// Data begins at a multiple of this, as in NumPy (`ARRAY_ALIGN`).
const ALIGNMENT_BYTES: usize = 64;

/// Room is left for the growing axis to become this long (`GROWTH_AXIS_MAX_DIGITS` in NumPy): rows can be
/// appended to a C-order array, and columns to a Fortran-order one, without moving the data.
const GROWTH_AXIS_DIGITS: usize = 21;

/// The header of an npy file of `shape`: data follow it at once, at a multiple of 64 bytes.
///
/// The bytes are those that `numpy.lib.format` writes for the same dtype, order and shape.
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] where the shape has more than [`MAX_AXES`] axes or takes more bytes than
/// can be addressed: NumPy could not read it either.
pub fn header_bytes(dtype: DType, order: Order, shape: &[usize]) -> Result<Vec<u8>> {
    check_size(dtype, shape)?;
    Ok(header_of_descr(&descr::of(dtype), order, shape))
}

/// Refuses what no npy file can hold.
pub(super) fn check_size(dtype: DType, shape: &[usize]) -> Result<()> {
    if shape.len() <= MAX_AXES && array_bytes(shape, dtype.item_size()).is_some() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidArgument,
        "write header",
        format!("shape {} of {dtype} is too large for an npy file", python_tuple(shape)),
    ))
}

/// The dictionary as NumPy spells it.
pub(super) fn dictionary(descr: &str, order: Order, shape: &[usize]) -> String {
    let fortran = match order {
        Order::C => "False",
        Order::Fortran => "True",
    };
    let shape = python_tuple(shape);
    format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}")
}

/// As [`header_bytes`], for a dtype that is no number, such as `|S3`. At most [`MAX_AXES`] axes.
pub(in crate::format) fn header_of_descr(descr: &str, order: Order, shape: &[usize]) -> Vec<u8> {
    let growing = match order {
        Order::C => shape.first(),
        Order::Fortran => shape.last(),
    };
    let room = growing.map_or(0, |length| GROWTH_AXIS_DIGITS - length.to_string().len());
    let mut text = dictionary(descr, order, shape);
    text.extend(std::iter::repeat_n(' ', room));

    // As NumPy does it: a header that is aligned already is padded by a whole block.
    let prefix_bytes = MAGIC.len() + 2 + size_of::<u16>();
    let unpadded = prefix_bytes + text.len() + 1;
    text.extend(std::iter::repeat_n(' ', ALIGNMENT_BYTES - unpadded % ALIGNMENT_BYTES));
    text.push('\n');

    let length = u16::try_from(text.len()).expect("64 axes of 20 digits take less than 64 KiB");
    let mut header = Vec::with_capacity(prefix_bytes + text.len());
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&[1, 0]);
    header.extend_from_slice(&length.to_le_bytes());
    header.extend_from_slice(text.as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_numpy_writes_it() {
        let header = header_bytes(DType::F32, Order::C, &[1_000_000, 100]).unwrap();
        let mut expected = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        expected.extend_from_slice(
            b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 100), }",
        );
        expected.resize(127, b' ');
        expected.push(b'\n');
        assert_eq!(header, expected);
    }

    #[test]
    fn the_growing_axis_has_room() {
        for (order, small, large) in [
            (Order::C, [1, 5], [usize::MAX >> 8, 5]),
            (Order::Fortran, [5, 1], [5, usize::MAX >> 8]),
        ] {
            let small = header_bytes(DType::U8, order, &small).unwrap();
            let large = header_bytes(DType::U8, order, &large).unwrap();
            assert_eq!(small.len(), large.len());
        }
    }

    #[test]
    fn what_no_file_can_hold_is_refused() {
        for shape in [&[1; MAX_AXES + 1][..], &[usize::MAX, 2], &[0, usize::MAX]] {
            let error = header_bytes(DType::F64, Order::C, shape).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        }
        header_bytes(DType::F64, Order::C, &[1; MAX_AXES]).unwrap();
    }
}
