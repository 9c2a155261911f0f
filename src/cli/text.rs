//! Elements as text.

use std::io::{self, Write};

use crate::array::{DType, Element, Number};

/// Writes `value` so that it reads back the same: `0.1`, `-3`, `true`, `1.5+2j`, `nan`.
pub(super) fn write_value<T: Element>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    match (T::DTYPE, value.to_number()) {
        (DType::Bool, _) => write!(out, "{}", !value.is_zero_bits()),
        // As f32, a complex64 part has no digits that it does not mean.
        (DType::Complex64, Number::Complex(re, im)) => {
            write!(out, "{:?}{:+?}j", re as f32, im as f32)
        }
        (_, Number::Complex(re, im)) => write!(out, "{re:?}{im:+?}j"),
        _ => write!(out, "{value:?}"),
    }
}

/// `value` as text.
pub(super) fn value<T: Element>(value: &T) -> String {
    let mut out = Vec::new();
    // Writing to memory cannot fail.
    let _ = write_value(&mut out, value);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::{Bool, Complex32, f16};

    #[test]
    fn elements_read_back_as_what_they_are() {
        assert_eq!(value(&0.1f32), "0.1");
        assert_eq!(value(&1e30f64), "1e30");
        assert_eq!(value(&-0.0f32), "-0.0");
        assert_eq!(value(&f64::NAN), "NaN");
        assert_eq!(value(&i64::MIN), "-9223372036854775808");
        assert_eq!(value(&Bool::new(true)), "true");
        assert_eq!(value(&Complex32::new(0.1, -2.0)), "0.1-2.0j");
        assert_eq!(value(&f16::from_f32(0.5)), "0.5");
    }
}
