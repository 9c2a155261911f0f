//! Elements, generated data v1 (docs/generated-v1.md), and columns that are given in a dense `.npy`.

use std::fs::File;
use std::path::Path;

use bytemuck::{CheckedBitPattern, NoUninit};
use half::f16;
use memmap2::Mmap;
use ndarray::{ArrayView2, ShapeBuilder};
use num_complex::Complex;

use crate::{Result, Trial};

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Output number `index` of SplitMix64.
fn output(seed: u64, index: u64) -> u64 {
    mix(seed.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN)))
}

/// A value of 2⁻ᵇⁱᵗˢ to 1 from the upper bits of a word; no rounding.
fn grid(word: u64, bits: u32) -> f64 {
    ((word >> (64 - bits)) + 1) as f64 / (1_u64 << bits) as f64
}

/// What a matrix may be made of. The default is zero.
pub trait Element: NoUninit + CheckedBitPattern + Default + PartialEq + Send + Sync {
    /// The value of a cell with this word that is not zero.
    fn generated(word: u64) -> Self;

    /// As sums count it: of complex numbers both parts.
    fn number(self) -> f64;
}

macro_rules! elements {
    ($($type:ty: $word:ident => $generated:expr, $value:ident => $number:expr;)*) => {$(
        impl Element for $type {
            fn generated($word: u64) -> Self {
                $generated
            }
            fn number(self) -> f64 {
                let $value = self;
                $number
            }
        }
    )*};
}

elements! {
    bool: _word => true, value => f64::from(u8::from(value));
    u8: word => ((word >> 56) as u8).max(1), value => value.into();
    u16: word => ((word >> 48) as u16).max(1), value => value.into();
    u32: word => ((word >> 32) as u32).max(1), value => value.into();
    u64: word => mix(word).max(1), value => value as f64;
    i8: word => u8::generated(word) as i8, value => value.into();
    i16: word => u16::generated(word) as i16, value => value.into();
    i32: word => u32::generated(word) as i32, value => value.into();
    i64: word => u64::generated(word) as i64, value => value as f64;
    f16: word => f16::from_f64(grid(word, 11)), value => value.into();
    f32: word => grid(word, 24) as f32, value => value.into();
    f64: word => grid(word, 32), value => value;
    Complex<f32>: word => Complex::new(f32::generated(word), f32::generated(mix(word))),
        value => value.re.number() + value.im.number();
    Complex<f64>: word => Complex::new(f64::generated(word), f64::generated(mix(word))), value => value.re + value.im;
}

/// What a fill is given, column by column.
pub enum Columns<'a, T> {
    Generated { keys: u64, threshold: u64 },
    Given(ArrayView2<'a, T>),
}

impl<'a, T: Element> Columns<'a, T> {
    pub fn generated(trial: &Trial) -> Self {
        let density = trial.data.density.unwrap_or(1.0).clamp(0.0, 1.0);
        Self::Generated {
            keys: output(trial.seed, 0),
            threshold: (density * 2_f64.powi(32)) as u64,
        }
    }

    pub fn make(&self, column: usize, to: &mut [T]) {
        match self {
            Self::Given(view) => {
                to.iter_mut().zip(view.column(column)).for_each(|(to, &from)| *to = from)
            }
            Self::Generated { keys, threshold } => {
                let key = output(*keys, column as u64);
                for (row, to) in to.iter_mut().enumerate() {
                    let word = output(key, row as u64);
                    *to = if word & 0xFFFF_FFFF < *threshold {
                        T::generated(word)
                    } else {
                        T::default()
                    };
                }
            }
        }
    }
}

/// A dense `.npy` of version 1, in either order, as others made it.
pub struct Dense {
    map: Mmap,
    values_offset: usize,
    is_fortran: bool,
    shape: (usize, usize),
}

impl Dense {
    pub fn open(path: &Path, trial: &Trial) -> Result<Self> {
        // SAFETY: a file of the harness, which nobody changes while the trial is under way.
        let map = unsafe { Mmap::map(&File::open(path)?)? };
        let (start, rest) = map.split_at_checked(10).ok_or("the .npy is cut off")?;
        let text = rest.get(..usize::from(u16::from_le_bytes([start[8], start[9]])));
        let text = str::from_utf8(text.ok_or("the .npy is cut off")?)?;
        if !start.starts_with(b"\x93NUMPY\x01") || text.contains('>') {
            return Err("an .npy of version 1 and little-endian is expected".into());
        }
        let (values_offset, is_fortran) = (10 + text.len(), text.contains("'fortran_order': True"));
        Ok(Self { map, values_offset, is_fortran, shape: trial.shape() })
    }

    pub fn view<T: Element>(&self) -> Result<ArrayView2<'_, T>> {
        let values = bytemuck::checked::try_cast_slice(&self.map[self.values_offset..])
            .map_err(|error| format!("the values of the .npy are not of this dtype: {error}"))?;
        if Some(values.len()) != self.shape.0.checked_mul(self.shape.1) {
            return Err("the .npy has another shape".into());
        }
        Ok(ArrayView2::from_shape(self.shape.set_f(self.is_fortran), values)?)
    }
}
