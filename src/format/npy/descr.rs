//! dtypes as npy headers write them: `<f4`, `|b1`.
//!
//! Owns the translation between [`DType`] and NumPy's array-protocol strings, both ways.

use super::error::{NpyError, excerpt};
use crate::array::DType;
use crate::format::ByteOrder;

/// The element type and byte order that `descr` stands for.
///
/// As in NumPy, `=`, `|` and no sign at all mean the machine's own byte order, any sign may stand before a
/// single byte, and a type may be spelt by its name.
pub(super) fn parse(descr: &str) -> Result<(DType, ByteOrder), NpyError> {
    if let Some(dtype) = DType::ALL.into_iter().find(|dtype| dtype.numpy_name() == descr) {
        return Ok((dtype, ByteOrder::Native));
    }
    let code = descr.strip_prefix(['<', '>', '=', '|']).unwrap_or(descr);
    match DType::ALL.into_iter().find(|&dtype| code_of(dtype) == code) {
        Some(dtype) if descr.starts_with('>') && dtype.item_size() > 1 => {
            Ok((dtype, ByteOrder::Swapped))
        }
        Some(dtype) => Ok((dtype, ByteOrder::Native)),
        None => Err(unknown(descr, code)),
    }
}

/// The string that NumPy writes for `dtype` on a little-endian machine.
pub(super) fn of(dtype: DType) -> String {
    let sign = if dtype.item_size() == 1 { '|' } else { '<' };
    format!("{sign}{}", code_of(dtype))
}

/// Kind and bytes, without the byte order.
const fn code_of(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "b1",
        DType::I8 => "i1",
        DType::I16 => "i2",
        DType::I32 => "i4",
        DType::I64 => "i8",
        DType::U8 => "u1",
        DType::U16 => "u2",
        DType::U32 => "u4",
        DType::U64 => "u8",
        DType::F16 => "f2",
        DType::F32 => "f4",
        DType::F64 => "f8",
        DType::Complex64 => "c8",
        DType::Complex128 => "c16",
    }
}

/// Why `code` is none of ours: a type of NumPy's that is not supported, or no type at all.
fn unknown(descr: &str, code: &str) -> NpyError {
    let numbered = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
    let what = match code.split_at_checked(1) {
        Some(("O", rest)) if numbered(rest) => "object",
        Some(("S" | "a", rest)) if numbered(rest) => "string",
        Some(("U" | "T", rest)) if numbered(rest) => "string",
        Some(("V", rest)) if numbered(rest) => "void",
        Some(("M", "8")) => "datetime",
        Some(("m", "8")) => "timedelta",
        Some(("M", rest)) if rest.starts_with("8[") => "datetime",
        Some(("m", rest)) if rest.starts_with("8[") => "timedelta",
        Some(("f", "10" | "12" | "16")) => "extended-precision",
        Some(("c", "20" | "24" | "32")) => "extended-precision complex",
        _ => return NpyError::NotADtype(excerpt(descr.as_bytes())),
    };
    NpyError::Dtype { descr: excerpt(descr.as_bytes()), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for dtype in DType::ALL {
            assert_eq!(parse(&of(dtype)).unwrap(), (dtype, ByteOrder::Native));
            assert_eq!(parse(dtype.numpy_name()).unwrap(), (dtype, ByteOrder::Native));
        }
        assert_eq!(of(DType::Bool), "|b1");
        assert_eq!(of(DType::Complex64), "<c8");
    }

    #[test]
    fn byte_orders_mean_what_they_mean_in_numpy() {
        for dtype in DType::ALL {
            for sign in ["<", "=", "|", ""] {
                let descr = format!("{sign}{}", code_of(dtype));
                assert_eq!(parse(&descr).unwrap(), (dtype, ByteOrder::Native), "{descr}");
            }
            let one_byte = dtype.item_size() == 1;
            let order = if one_byte { ByteOrder::Native } else { ByteOrder::Swapped };
            assert_eq!(parse(&format!(">{}", code_of(dtype))).unwrap(), (dtype, order));
        }
    }

    #[test]
    fn dtypes_that_are_no_plain_numbers_are_named() {
        for (descr, line) in [
            ("|O", "object dtype '|O' is not supported"),
            ("|S3", "string dtype '|S3' is not supported"),
            ("<U12", "string dtype '<U12' is not supported"),
            ("|V8", "void dtype '|V8' is not supported"),
            ("<M8[ns]", "datetime dtype '<M8[ns]' is not supported"),
            (">m8", "timedelta dtype '>m8' is not supported"),
            ("<f16", "extended-precision dtype '<f16' is not supported"),
            ("<c32", "extended-precision complex dtype '<c32' is not supported"),
        ] {
            assert_eq!(parse(descr).unwrap_err().to_string(), line);
        }
    }

    #[test]
    fn what_is_no_dtype_is_malformed() {
        for descr in ["", "<", "<<f4", "<f", "<f3", "<f04", "<f4 ", "f32", "i16", "4f", "é4", "Sx"]
        {
            assert!(matches!(parse(descr), Err(NpyError::NotADtype(_))), "{descr}");
        }
    }
}
