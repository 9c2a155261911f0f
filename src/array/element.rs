//! The element types as Rust types.

use std::fmt::Debug;

use bytemuck::{Pod, Zeroable};
use half::f16;
use num_complex::Complex;

use super::{DType, Number};

/// A boolean element: a byte that is 0 or 1 in every valid file.
///
/// Any byte is a valid value of this type for the compiler, so files can be mapped without reading
/// them; stores check each byte that they read and refuse others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bool(u8);

impl Bool {
    /// The element for `value`.
    pub const fn new(value: bool) -> Self {
        Self(value as u8)
    }

    /// Whether the element is true.
    pub const fn is_true(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for Bool {
    fn from(value: bool) -> Self {
        Self::new(value)
    }
}

/// The bits of an element, whatever they mean.
pub trait Bits: Pod + Default + Debug + PartialEq + Send + Sync {}

impl<W: Pod + Default + Debug + PartialEq + Send + Sync> Bits for W {}

/// A type that a matrix can hold. Sealed: the types are those of [`DType`].
pub trait Element: Pod + Default + Debug + PartialEq + Send + Sync + sealed::Sealed {
    /// The type's name at run time.
    const DTYPE: DType;

    /// A word of the same size and alignment: code that moves elements and only asks whether they are zero is
    /// made once for each size, not for each type.
    type Bits: Bits;

    /// The sum of duplicate entries of a sparse matrix, as SciPy makes it: wrapping for integers, *or*
    /// for booleans.
    fn sum(self, other: Self) -> Self;

    /// The value as a number wide enough for any element type.
    fn to_number(self) -> Number;

    /// The element for `number`, converted as NumPy's `astype` converts it.
    fn from_number(number: Number) -> Self;

    /// Whether all bits are zero: what sparse formats leave out. −0.0 is not.
    fn is_zero_bits(&self) -> bool {
        bytemuck::bytes_of(self).iter().all(|&byte| byte == 0)
    }

    /// Whether the element is valid where it was read from a file: false for a [`Bool`] other than 0 or 1.
    fn is_valid(&self) -> bool {
        true
    }
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! integer {
    ($($T:ty => $dtype:ident as $bits:ty),*) => {$(
        impl sealed::Sealed for $T {}
        impl Element for $T {
            const DTYPE: DType = DType::$dtype;
            type Bits = $bits;
            fn sum(self, other: Self) -> Self { self.wrapping_add(other) }
            fn to_number(self) -> Number { Number::Integer(i128::from(self)) }
            fn from_number(number: Number) -> Self { number.to_integer() as $T }
            fn is_zero_bits(&self) -> bool { *self == 0 }
        }
    )*};
}
integer!(
    i8 => I8 as u8, i16 => I16 as u16, i32 => I32 as u32, i64 => I64 as u64,
    u8 => U8 as u8, u16 => U16 as u16, u32 => U32 as u32, u64 => U64 as u64
);

macro_rules! real {
    ($($T:ty => $dtype:ident as $bits:ty, $to:expr, $from:expr);*) => {$(
        impl sealed::Sealed for $T {}
        impl Element for $T {
            const DTYPE: DType = DType::$dtype;
            type Bits = $bits;
            fn sum(self, other: Self) -> Self { self + other }
            fn to_number(self) -> Number { Number::Real($to(self)) }
            fn from_number(number: Number) -> Self { $from(number) }
            fn is_zero_bits(&self) -> bool { self.to_bits() == 0 }
        }
    )*};
}
real!(
    f16 => F16 as u16, f16::to_f64, |number: Number| f16::from_f64_const(number.to_real());
    f32 => F32 as u32, f64::from, |number| match number {
        Number::Integer(value) => value as f32, // by way of f64 it would be rounded twice
        other => other.to_real() as f32,
    };
    f64 => F64 as u64, |value| value, |number: Number| number.to_real()
);

macro_rules! complex {
    ($($T:ty => $dtype:ident as $bits:ty),*) => {$(
        impl sealed::Sealed for Complex<$T> {}
        impl Element for Complex<$T> {
            const DTYPE: DType = DType::$dtype;
            type Bits = [$bits; 2];
            fn sum(self, other: Self) -> Self { self + other }
            fn to_number(self) -> Number { Number::Complex(f64::from(self.re), f64::from(self.im)) }
            fn from_number(number: Number) -> Self {
                let (re, im) = number.to_complex();
                Self::new(re as $T, im as $T)
            }
            fn is_zero_bits(&self) -> bool { self.re.to_bits() == 0 && self.im.to_bits() == 0 }
        }
    )*};
}
complex!(f32 => Complex64 as u32, f64 => Complex128 as u64);

impl sealed::Sealed for Bool {}
impl Element for Bool {
    const DTYPE: DType = DType::Bool;
    type Bits = u8;

    fn sum(self, other: Self) -> Self {
        Self::new(self.is_true() || other.is_true())
    }

    fn to_number(self) -> Number {
        Number::Integer(i128::from(self.is_true()))
    }

    fn from_number(number: Number) -> Self {
        Self::new(number.to_complex() != (0.0, 0.0))
    }

    fn is_zero_bits(&self) -> bool {
        self.0 == 0
    }

    fn is_valid(&self) -> bool {
        self.0 <= 1
    }
}
