//! What an element type is to the workloads: how it is made from random bits, and what it adds to a sum.

use super::stream::mix64;
use crate::array::{Bool, Complex32, Complex64, f16};
use crate::store::AnyElement;

/// An element type as the workloads see it: all of [`crate::array::DType`]'s.
pub trait Value: AnyElement {
    /// Generated data v1: the value of a non-zero cell whose word is `word`. Never zero, never denormal.
    fn uniform(word: u64) -> Self;

    /// The value of a normally distributed cell whose word is `word`; `None` for integers and booleans.
    fn normal(word: u64) -> Option<Self>;

    /// What the value adds to its column's sum: itself; for complex numbers the sum of both parts.
    fn addend(self) -> f64;

    /// What it adds at most to the rounding of that sum.
    fn magnitude(self) -> f64 {
        self.addend().abs()
    }

    /// A bound b on generated values such that each is a whole number of units, at most b of them; sums
    /// of up to 2⁵³ / b values are then exact in f64, in any order. Infinite where values are no such numbers.
    const GENERATED_UNITS: f64;

    /// The same for any values of the type.
    const UNITS: f64;
}

/// The upper 32 bits.
#[inline]
fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

/// (k + 1) · 2⁻²⁴ for the upper 24 bits k: exact, since k + 1 ≤ 2²⁴.
#[inline]
fn grid_f32(word: u64) -> f32 {
    ((word >> 40) as i32 + 1) as f32 * (1.0 / (1u32 << 24) as f32)
}

/// (k + 1) · 2⁻³² for the upper 32 bits k.
#[inline]
fn grid_f64(word: u64) -> f64 {
    ((word >> 32) as i64 + 1) as f64 * (1.0 / (1u64 << 32) as f64)
}

/// [`grid_f32`] with 11 bits for 24. Every such number is a normal f16, so its f32 bits, cut and with the
/// exponent's bias changed from 127 to 15, are its own.
#[inline]
fn grid_f16(word: u64) -> f16 {
    let value = ((word >> 53) as i32 + 1) as f32 * (1.0 / 2048.0);
    f16::from_bits(((value.to_bits() >> 13) - (112 << 10)) as u16)
}

/// An f16 as f64, by integer steps that the compiler vectorises: the exponent's bias is changed by a
/// multiplication, which sets denormals right too; infinities and NaN get the largest exponent.
#[inline]
fn widened(value: f16) -> f64 {
    let bits = u32::from(value.to_bits());
    let rescaled = f32::from_bits((bits & 0x7FFF) << 13) * f32::from_bits((127 + 112) << 23);
    let endless = if bits & 0x7C00 == 0x7C00 { 0x7F80_0000 } else { 0 };
    f64::from(f32::from_bits(rescaled.to_bits() | endless | (bits & 0x8000) << 16))
}

/// Two independent normal numbers, by Box and Muller: from the upper halves of `word` and of its mix.
fn box_muller(word: u64) -> (f64, f64) {
    let scale = 1.0 / (1u64 << 33) as f64;
    let [first, second] = [word, mix64(word)].map(|w| (2.0 * f64::from(high(w)) + 1.0) * scale);
    let radius = (-2.0 * first.ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * second).sin_cos();
    (radius * cos, radius * sin)
}

macro_rules! integer {
    ($($T:ty: $from:expr, $units:expr);* $(;)?) => {$(
        impl Value for $T {
            #[inline]
            fn uniform(word: u64) -> Self {
                let value = $from(word) as $T;
                if value == 0 { 1 } else { value }
            }
            fn normal(_word: u64) -> Option<Self> { None }
            #[inline]
            fn addend(self) -> f64 { self as f64 }
            const GENERATED_UNITS: f64 = $units;
            const UNITS: f64 = $units;
        }
    )*};
}
integer! {
    i8: |word| word >> 56, 128.0;
    u8: |word| word >> 56, 256.0;
    i16: |word| word >> 48, 32_768.0;
    u16: |word| word >> 48, 65_536.0;
    i32: |word| word >> 32, 2_147_483_648.0;
    u32: |word| word >> 32, 4_294_967_296.0;
    i64: mix64, f64::INFINITY;
    u64: mix64, f64::INFINITY;
}

impl Value for Bool {
    #[inline]
    fn uniform(_word: u64) -> Self {
        Self::new(true)
    }

    fn normal(_word: u64) -> Option<Self> {
        None
    }

    #[inline]
    fn addend(self) -> f64 {
        f64::from(u8::from(self.is_true()))
    }

    const GENERATED_UNITS: f64 = 1.0;
    const UNITS: f64 = 1.0;
}

macro_rules! real {
    ($($T:ty: $uniform:expr, $normal:expr, $addend:expr, $units:expr);* $(;)?) => {$(
        impl Value for $T {
            #[inline]
            fn uniform(word: u64) -> Self { $uniform(word) }
            fn normal(word: u64) -> Option<Self> { Some($normal(box_muller(word).0)) }
            #[inline]
            fn addend(self) -> f64 { $addend(self) }
            const GENERATED_UNITS: f64 = $units;
            const UNITS: f64 = f64::INFINITY;
        }
    )*};
}
real! {
    f16: grid_f16, f16::from_f64, widened, 2048.0;
    f32: grid_f32, |z| z as f32, f64::from, 16_777_216.0;
    f64: grid_f64, |z| z, |value| value, 4_294_967_296.0;
}

macro_rules! complex {
    ($($T:ty: $part:expr, $P:ty, $units:expr);* $(;)?) => {$(
        impl Value for $T {
            #[inline]
            fn uniform(word: u64) -> Self { Self::new($part(word), $part(mix64(word))) }
            fn normal(word: u64) -> Option<Self> {
                let (re, im) = box_muller(word);
                Some(Self::new(re as $P, im as $P))
            }
            #[inline]
            fn addend(self) -> f64 { f64::from(self.re) + f64::from(self.im) }
            #[inline]
            fn magnitude(self) -> f64 { f64::from(self.re).abs() + f64::from(self.im).abs() }
            const GENERATED_UNITS: f64 = $units;
            const UNITS: f64 = f64::INFINITY;
        }
    )*};
}
complex! {
    Complex32: grid_f32, f32, 33_554_432.0;
    Complex64: grid_f64, f64, 8_589_934_592.0;
}

/// The word's value where its lower 32 bits are below `threshold`, else zero.
#[inline]
pub(super) fn decided<T: Value>(word: u64, threshold: u64) -> T {
    if word & 0xFFFF_FFFF < threshold { T::uniform(word) } else { T::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words at the ends of every part that is cut from them.
    fn words() -> impl Iterator<Item = u64> {
        let ends = [
            0,
            1,
            2,
            u64::MAX,
            u64::MAX - 1,
            1 << 63,
            (1 << 32) - 1,
            1 << 40,
            (1 << 53) - 1,
            1 << 53,
        ];
        (0..1000).map(mix64).chain(ends)
    }

    fn is_whole(value: f64, unit: f64) -> bool {
        (value / unit).fract() == 0.0 && value > 0.0 && value <= 1.0
    }

    #[test]
    fn generated_values_are_never_zero_and_lie_on_their_grid() {
        fn check<T: Value>() {
            for word in words() {
                let value = T::uniform(word);
                assert!(!value.is_zero_bits(), "{:?} {word}", T::DTYPE);
                assert!(value.magnitude() <= T::GENERATED_UNITS);
            }
        }
        check::<Bool>();
        check::<i8>();
        check::<u8>();
        check::<i16>();
        check::<u16>();
        check::<i32>();
        check::<u32>();
        check::<i64>();
        check::<u64>();
        check::<f16>();
        check::<f32>();
        check::<f64>();
        check::<Complex32>();
        check::<Complex64>();
        for word in words() {
            assert!(
                is_whole(f16::uniform(word).to_f64(), 2f64.powi(-11))
                    && f16::uniform(word).is_normal()
            );
            assert!(is_whole(f64::from(f32::uniform(word)), 2f64.powi(-24)));
            assert!(is_whole(f64::uniform(word), 2f64.powi(-32)));
            assert!(is_whole(f64::from(Complex32::uniform(word).im), 2f64.powi(-24)));
            assert!(is_whole(Complex64::uniform(word).im, 2f64.powi(-32)));
        }
        assert_eq!((f32::uniform(0), f32::uniform(u64::MAX)), (2f32.powi(-24), 1.0));
        assert_eq!(
            (f16::uniform(0), f16::uniform(u64::MAX)),
            (f16::from_f32(2f32.powi(-11)), f16::ONE)
        );
        assert_eq!((u8::uniform(0), u8::uniform(u64::MAX), i8::uniform(1 << 63)), (1, 255, -128));
    }

    #[test]
    fn every_f16_is_widened_exactly() {
        for bits in 0..=u16::MAX {
            let value = f16::from_bits(bits);
            let (ours, right) = (value.addend(), value.to_f64());
            assert!(
                ours.to_bits() == right.to_bits() || (ours.is_nan() && right.is_nan()),
                "{bits:#x}"
            );
        }
    }

    #[test]
    fn normal_values_have_mean_0_and_deviation_1() {
        let values: Vec<f64> = (0..100_000).map(|i| f64::normal(mix64(i)).unwrap()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|z| z * z).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.01 && (square - 1.0).abs() < 0.02, "{mean} {square}");
        assert!(words().all(|word| f64::normal(word).unwrap().is_finite()));
        assert!(i32::normal(7).is_none() && Bool::normal(7).is_none());
    }
}
