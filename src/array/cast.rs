//! Conversion between element types as NumPy's `astype` makes it: integers wrap, reals are truncated
//! towards zero, an imaginary part is dropped. Reals beyond an integer's range, infinities and NaN have no value
//! there that C, and so NumPy, defines: they become the nearest of 128 bits, wrapped, and NaN 0.
//!
//! By way of a number wide enough for all of them: two steps instead of a function for each of the 196
//! pairs. The program stays small, and conversions are bound by the disk.

/// A number that holds any element's value without loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer or boolean.
    Integer(i128),
    /// A real number.
    Real(f64),
    /// A complex number: real part, imaginary part.
    Complex(f64, f64),
}

impl Number {
    /// Whether all bits are zero: −0.0 is another value.
    pub(crate) fn is_zero_bits(&self) -> bool {
        match *self {
            Self::Integer(value) => value == 0,
            Self::Real(value) => value.to_bits() == 0,
            Self::Complex(re, im) => re.to_bits() == 0 && im.to_bits() == 0,
        }
    }

    /// As an integer: truncated towards zero (then wrapped by the element), NaN as 0.
    pub(super) fn to_integer(self) -> i128 {
        match self {
            Self::Integer(value) => value,
            Self::Real(value) | Self::Complex(value, _) => value as i128,
        }
    }

    /// As a real number: a complex number's imaginary part is dropped, as NumPy does with a warning.
    pub(super) fn to_real(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Real(value) | Self::Complex(value, _) => value,
        }
    }

    pub(super) fn to_complex(self) -> (f64, f64) {
        match self {
            Self::Complex(re, im) => (re, im),
            other => (other.to_real(), 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::array::{Bool, Complex32, Element, f16};

    fn cast<T: Element, U: Element>(value: T) -> U {
        U::from_number(value.to_number())
    }

    #[test]
    fn as_numpy_does() {
        assert_eq!(cast::<i32, u8>(-1), 255);
        assert_eq!(cast::<f64, i16>(-2.9), -2);
        assert_eq!(cast::<u64, f32>(u64::MAX), 18_446_744_073_709_551_615.0);
        assert_eq!(cast::<f32, Bool>(0.5), Bool::new(true));
        assert_eq!(cast::<f64, Bool>(f64::NAN), Bool::new(true));
        assert_eq!(cast::<Complex32, f64>(Complex32::new(1.5, 2.0)), 1.5);
        assert_eq!(cast::<Complex32, Bool>(Complex32::new(0.0, 2.0)), Bool::new(true));
        assert_eq!(cast::<Bool, f16>(Bool::new(true)), f16::ONE);
        assert_eq!(cast::<u64, i64>(u64::MAX), -1);
    }

    #[test]
    fn no_bits_are_lost_on_the_way_to_oneself() {
        assert_eq!(cast::<i64, i64>(i64::MIN), i64::MIN);
        assert_eq!(cast::<f32, f32>(-0.0).to_bits(), (-0.0f32).to_bits());
    }
}
