//! What a store holds and what it can do: facts, without I/O.

use std::fmt;

use crate::array::{Compression, DType, IndexWidth, Order, Shape};

/// A store's shape, element type and layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Rows and columns.
    pub shape: Shape,
    /// The element type.
    pub dtype: DType,
    /// How the elements lie.
    pub layout: Layout,
    /// The file's own shape where it is not two-dimensional: an N-D file is seen as its first axis × the
    /// rest (C order) or the rest × its last axis (Fortran order), a 1-D file of N as N×1.
    pub file_shape: Option<Vec<usize>>,
}

/// How the elements of a matrix lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Every element, in this order.
    Dense(Order),
    /// The non-zero elements, compressed along rows or columns.
    Sparse(Compression),
}

impl Layout {
    /// Whether whole columns lie together.
    pub fn is_columnar(self) -> bool {
        matches!(self, Self::Dense(Order::Fortran) | Self::Sparse(Compression::Csc))
    }
}

/// `c`, `f`, `csr` or `csc`.
impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dense(order) => order.fmt(f),
            Self::Sparse(compression) => compression.fmt(f),
        }
    }
}

/// What a store can do; only what is named can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// `write` and `column_writer` work.
    pub write: bool,
    /// What is written lands in the file's own bytes; otherwise `sync` replaces the file.
    pub in_place: bool,
    /// Reads of resident data copy nothing into the program's memory first.
    pub mapped: bool,
    /// Zeros take no space.
    pub sparse: bool,
    /// `sync` makes data durable; false for memory and copy-on-write.
    pub durable: bool,
    /// `append` works: it takes more of these.
    pub grows: Option<GrowthAxis>,
}

/// What `append` takes more of: the lines that the file keeps together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrowthAxis {
    /// Rows, below the last one: C order.
    Rows,
    /// Columns, behind the last one: Fortran order.
    Columns,
}

/// What a store's file amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Length of the file in bytes, as of the last sync.
    pub bytes_on_disk: u64,
    /// Stored elements: rows × columns for dense, entries for sparse, as of the last sync. Of a file in another format,
    /// what that states.
    pub stored: u64,
    /// Bytes of the file that lie behind the data and are ignored: what an append left that was cut short; entries that no
    /// line of a sparse file has.
    pub ignored_bytes: u64,
    /// The format of a file that is no CSR, no CSC and not dense: all of it is read, into one of these, before the first
    /// value is.
    pub read_from: Option<&'static str>,
    /// The chunks of a file that keeps its elements in such.
    pub chunks: Option<Chunking>,
}

/// The blocks that a file keeps its elements in, each read and perhaps decompressed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunking {
    /// Rows of a chunk.
    pub rows: usize,
    /// Columns of a chunk: of an N-D file, the cells of all its axes but the first.
    pub cols: usize,
    /// Bytes of the file that all of them take.
    pub stored_bytes: u64,
}

/// Where a file's arrays lie, in the machine's own byte order and one element behind the other: what a program needs that
/// maps them itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extents {
    /// A dense matrix's elements, in the order of its layout.
    Dense {
        /// The first one's byte.
        offset: u64,
    },
    /// A compressed sparse matrix's three arrays.
    Sparse {
        /// Where each line's entries begin: the first one's byte. Lines + 1 of them.
        indptr: u64,
        /// How wide these are.
        indptr_width: IndexWidth,
        /// Positions in lines: the first one's byte.
        indices: u64,
        /// How wide these are.
        indices_width: IndexWidth,
        /// Values: the first one's byte.
        data: u64,
        /// How many entries there are.
        entries: u64,
    },
}
