//! What sums and products are made in: wide enough that a long sum does not lose what its parts had.

use std::fmt::Debug;

use num_complex::{Complex, Complex32, Complex64};

use super::{Bool, Element, f16};

/// A type that elements are added and multiplied in.
pub trait Wide: Copy + Default + Debug + PartialEq + Send + Sync {
    /// What changes nothing that it is multiplied with.
    const ONE: Self;

    /// The sum; integers wrap.
    #[must_use]
    fn plus(self, other: Self) -> Self;

    /// The product; integers wrap.
    #[must_use]
    fn times(self, other: Self) -> Self;

    /// These as the floats that they are, where they are.
    fn as_f64s(_list: &[Self]) -> Option<&[f64]> {
        None
    }

    /// The same, to be changed.
    fn as_f64s_mut(_list: &mut [Self]) -> Option<&mut [f64]> {
        None
    }
}

impl Wide for i64 {
    const ONE: Self = 1;

    #[inline]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline]
    fn times(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
}

impl Wide for f64 {
    const ONE: Self = 1.0;

    #[inline]
    fn plus(self, other: Self) -> Self {
        self + other
    }

    #[inline]
    fn times(self, other: Self) -> Self {
        self * other
    }

    fn as_f64s(list: &[Self]) -> Option<&[f64]> {
        Some(list)
    }

    fn as_f64s_mut(list: &mut [Self]) -> Option<&mut [f64]> {
        Some(list)
    }
}

impl Wide for Complex64 {
    const ONE: Self = Self::new(1.0, 0.0);

    #[inline]
    fn plus(self, other: Self) -> Self {
        self + other
    }

    #[inline]
    fn times(self, other: Self) -> Self {
        self * other
    }
}

/// An element that arithmetic is done with.
pub trait Arithmetic: Element {
    /// What sums and products of it are made in: 64 bits, which for an integer are those of the exact sum, wrapped.
    type Wide: Wide;

    /// The value, exactly.
    fn widen(self) -> Self::Wide;

    /// The element for a sum: rounded, or wrapped as NumPy does; true for any other than 0.
    fn narrow(wide: Self::Wide) -> Self;

    /// The larger one: as in NumPy, NaN where one is, and complex numbers by their real parts first.
    #[must_use]
    fn larger(self, other: Self) -> Self;
}

macro_rules! arithmetic {
    ($($T:ty, $Wide:ty, $widen:expr, $narrow:expr, $larger:expr;)*) => {$(
        impl Arithmetic for $T {
            type Wide = $Wide;
            #[inline]
            fn widen(self) -> $Wide { $widen(self) }
            #[inline]
            fn narrow(wide: $Wide) -> Self { $narrow(wide) }
            #[inline]
            fn larger(self, other: Self) -> Self { $larger(self, other) }
        }
    )*};
}
arithmetic! {
    i8, i64, i64::from, |wide| wide as i8, Ord::max;
    i16, i64, i64::from, |wide| wide as i16, Ord::max;
    i32, i64, i64::from, |wide| wide as i32, Ord::max;
    i64, i64, |value| value, |wide| wide, Ord::max;
    u8, i64, i64::from, |wide| wide as u8, Ord::max;
    u16, i64, i64::from, |wide| wide as u16, Ord::max;
    u32, i64, i64::from, |wide| wide as u32, Ord::max;
    u64, i64, |value| value as i64, |wide| wide as u64, Ord::max;
    Bool, i64, |value: Bool| i64::from(value.is_true()), |wide| Bool::new(wide != 0), Element::sum;
    f16, f64, f16::to_f64, f16::from_f64, |one: f16, other: f16| {
        if one.is_nan() || one >= other { one } else { other }
    };
    f32, f64, f64::from, |wide| wide as f32, |one: f32, other: f32| {
        if one.is_nan() || one >= other { one } else { other }
    };
    f64, f64, |value| value, |wide| wide, |one: f64, other: f64| {
        if one.is_nan() || one >= other { one } else { other }
    };
    Complex64, Complex64, |value| value, |wide| wide, larger_complex;
    Complex32, Complex64,
        |value: Complex32| Complex64::new(value.re.into(), value.im.into()),
        |wide: Complex64| Complex32::new(wide.re as f32, wide.im as f32), larger_complex;
}

fn larger_complex<R: PartialOrd + Copy>(one: Complex<R>, other: Complex<R>) -> Complex<R> {
    // What is no number is not even as large as itself.
    let is_nan = one.re.partial_cmp(&one.re).is_none() || one.im.partial_cmp(&one.im).is_none();
    if is_nan || (one.re, one.im) >= (other.re, other.im) { one } else { other }
}
