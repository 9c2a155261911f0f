//! How large a matrix is and in which order its elements lie.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// Rows and columns of a matrix. Either may be zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Number of rows (NumPy's axis 0).
    pub rows: usize,
    /// Number of columns (NumPy's axis 1).
    pub cols: usize,
}

impl Shape {
    /// A matrix of `rows` × `cols`.
    pub const fn new(rows: usize, cols: usize) -> Self {
        Self { rows, cols }
    }

    /// Number of elements.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] where the product does not fit in 64 bits.
    pub fn elements(self) -> Result<usize> {
        self.rows.checked_mul(self.cols).ok_or_else(|| self.too_large())
    }

    /// Number of bytes that a dense matrix of this shape takes, at `item_size` bytes an element.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] where the product exceeds `isize::MAX`, which no file and no
    /// address space can hold.
    pub fn dense_bytes(self, item_size: usize) -> Result<usize> {
        self.elements()?
            .checked_mul(item_size)
            .filter(|&bytes| isize::try_from(bytes).is_ok())
            .ok_or_else(|| self.too_large())
    }

    /// Whether the matrix has no element.
    pub const fn is_empty(self) -> bool {
        self.rows == 0 || self.cols == 0
    }

    fn too_large(self) -> Error {
        Error::new(
            ErrorKind::InvalidArgument,
            "size",
            format!("shape {self} holds more bytes than can be addressed"),
        )
    }
}

/// `1000000x100`, as the command line writes it.
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.rows, self.cols)
    }
}

/// Reads `ROWSxCOLS`; each may be written as an integer or as `1e6`.
impl FromStr for Shape {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::new(
                ErrorKind::InvalidArgument,
                "parse",
                format!("'{text}' is not a shape: write ROWSxCOLS, such as 1000000x100"),
            )
        };
        let (rows, cols) = text.split_once(['x', 'X', '×']).ok_or_else(malformed)?;
        let length = |part: &str| parse_length(part).ok_or_else(malformed);
        Ok(Self::new(length(rows)?, length(cols)?))
    }
}

/// An integer, also in the form `1e6`, that is exact.
fn parse_length(text: &str) -> Option<usize> {
    let text = text.trim();
    if let Some((mantissa, exponent)) = text.split_once(['e', 'E']) {
        let mantissa: usize = mantissa.parse().ok()?;
        return mantissa.checked_mul(10usize.checked_pow(exponent.parse().ok()?)?);
    }
    text.parse().ok()
}

/// The order in which a dense matrix's elements lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Row after row (NumPy's `C`).
    C,
    /// Column after column (NumPy's `F`).
    Fortran,
}

impl Order {
    /// The order of the transposed matrix over the same bytes.
    pub const fn transposed(self) -> Self {
        match self {
            Self::C => Self::Fortran,
            Self::Fortran => Self::C,
        }
    }
}

/// `c` or `f`, as records and the command line write it.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::C => "c",
            Self::Fortran => "f",
        })
    }
}

impl FromStr for Order {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "c" | "C" => Ok(Self::C),
            "f" | "F" => Ok(Self::Fortran),
            _ => Err(Error::new(
                ErrorKind::InvalidArgument,
                "parse",
                format!(
                    "'{text}' is not an order: write c (rows together) or f (columns together)"
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_as_written() {
        assert_eq!("1000000x100".parse::<Shape>().unwrap(), Shape::new(1_000_000, 100));
        assert_eq!("1e6x3".parse::<Shape>().unwrap(), Shape::new(1_000_000, 3));
        for bad in ["", "3", "x", "3x", "-1x2", "3x4x5", "1e99x1", "1.5x2"] {
            assert!(bad.parse::<Shape>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_that_overflow_are_errors() {
        assert!(Shape::new(usize::MAX, 2).elements().is_err());
        assert!(Shape::new(usize::MAX / 4, 1).dense_bytes(4).is_err());
        assert_eq!(Shape::new(0, usize::MAX).dense_bytes(8).unwrap(), 0);
    }
}
