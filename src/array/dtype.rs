//! The element types, by name, and the step from a name at run time to a Rust type.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// The type of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the names say it all
pub enum DType {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    F32,
    F64,
    Complex64,
    Complex128,
}

impl DType {
    /// Every element type, in the order of their codes.
    pub const ALL: [Self; 14] = [
        Self::Bool,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::F16,
        Self::F32,
        Self::F64,
        Self::Complex64,
        Self::Complex128,
    ];

    /// Bytes an element takes.
    pub const fn item_size(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::F64 | Self::Complex64 => 8,
            Self::Complex128 => 16,
        }
    }

    /// Bytes of the unit that is reversed between byte orders: half an element for complex numbers.
    pub const fn swap_size(self) -> usize {
        match self {
            Self::Complex64 => 4,
            Self::Complex128 => 8,
            _ => self.item_size(),
        }
    }

    /// The name as records and the command line write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Complex64 => "complex64",
            Self::Complex128 => "complex128",
        }
    }

    /// NumPy's name: `float32` for [`DType::F32`].
    pub const fn numpy_name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::Complex64 => "complex64",
            Self::Complex128 => "complex128",
        }
    }

    /// The number that stands for the type in digest v1 (docs/digest-v1.md).
    pub const fn code(self) -> u64 {
        self as u64
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads this crate's names (`f32`) and NumPy's (`float32`).
impl FromStr for DType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|dtype| dtype.name() == text || dtype.numpy_name() == text)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|dtype| dtype.name()).collect();
                Error::new(
                    ErrorKind::InvalidArgument,
                    "parse",
                    format!("'{text}' is not a dtype: write one of {}", names.join(", ")),
                )
            })
    }
}

/// Runs an expression with `$T` bound to the Rust type of a [`DType`] known at run time.
///
/// `dispatch!(dtype, T => read::<T>(path))`
#[macro_export]
macro_rules! dispatch {
    ($dtype:expr, $T:ident => $body:expr) => {{
        use $crate::array as a;
        match $dtype {
            a::DType::Bool => {
                type $T = a::Bool;
                $body
            }
            a::DType::I8 => {
                type $T = i8;
                $body
            }
            a::DType::I16 => {
                type $T = i16;
                $body
            }
            a::DType::I32 => {
                type $T = i32;
                $body
            }
            a::DType::I64 => {
                type $T = i64;
                $body
            }
            a::DType::U8 => {
                type $T = u8;
                $body
            }
            a::DType::U16 => {
                type $T = u16;
                $body
            }
            a::DType::U32 => {
                type $T = u32;
                $body
            }
            a::DType::U64 => {
                type $T = u64;
                $body
            }
            a::DType::F16 => {
                type $T = a::f16;
                $body
            }
            a::DType::F32 => {
                type $T = f32;
                $body
            }
            a::DType::F64 => {
                type $T = f64;
                $body
            }
            a::DType::Complex64 => {
                type $T = a::Complex32;
                $body
            }
            a::DType::Complex128 => {
                type $T = a::Complex64;
                $body
            }
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Element;

    #[test]
    fn names_are_read_back() {
        for dtype in DType::ALL {
            assert_eq!(dtype.name().parse::<DType>().unwrap(), dtype);
            assert_eq!(dtype.numpy_name().parse::<DType>().unwrap(), dtype);
            assert_eq!(dispatch!(dtype, T => T::DTYPE), dtype);
            assert_eq!(dispatch!(dtype, T => size_of::<T>()), dtype.item_size());
        }
        assert!("object".parse::<DType>().is_err());
    }
}
