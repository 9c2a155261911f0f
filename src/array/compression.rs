//! Along which axis a sparse matrix is compressed, and how wide its indices are.

use std::fmt;

use super::{DType, Shape};

/// Along which axis a sparse matrix is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Compressed sparse rows: each row's entries lie together.
    Csr,
    /// Compressed sparse columns.
    Csc,
}

impl Compression {
    /// Along the other axis.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Csr => Self::Csc,
            Self::Csc => Self::Csr,
        }
    }

    /// (lines, positions in a line) of a matrix of `shape`: (rows, columns) for CSR.
    pub fn split(self, shape: Shape) -> (usize, usize) {
        match self {
            Self::Csr => (shape.rows, shape.cols),
            Self::Csc => (shape.cols, shape.rows),
        }
    }

    /// The shape of a matrix of so many lines and positions in each.
    pub fn join(self, lines: usize, positions: usize) -> Shape {
        match self {
            Self::Csr => Shape::new(lines, positions),
            Self::Csc => Shape::new(positions, lines),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Csr => "csr",
            Self::Csc => "csc",
        })
    }
}

/// The width of a sparse file's indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IndexWidth {
    /// 32 bits, signed, as SciPy prefers.
    I32,
    /// 64 bits, signed.
    I64,
}

impl IndexWidth {
    /// The narrowest width that holds every index of `shape` and every offset up to `nnz`.
    pub fn fitting(shape: Shape, nnz: u64) -> Self {
        let largest = (shape.rows as u64).max(shape.cols as u64).max(nnz);
        if i32::try_from(largest).is_ok() { Self::I32 } else { Self::I64 }
    }

    /// The narrowest width that holds the integers of `dtype` as far as they can be indices; none where it is no type of
    /// integers.
    pub fn holding(dtype: DType) -> Option<Self> {
        match dtype {
            DType::I8 | DType::I16 | DType::I32 | DType::U8 | DType::U16 => Some(Self::I32),
            DType::I64 | DType::U32 | DType::U64 => Some(Self::I64),
            _ => None,
        }
    }

    /// The type of such indices.
    pub fn dtype(self) -> DType {
        match self {
            Self::I32 => DType::I32,
            Self::I64 => DType::I64,
        }
    }

    /// Bytes an index takes.
    pub fn bytes(self) -> usize {
        match self {
            Self::I32 => 4,
            Self::I64 => 8,
        }
    }
}
