//! Sparse matrices in `.npz` files, as `scipy.sparse.save_npz` lays them out.
//!
//! An npz file is a ZIP archive of npy files. A compressed sparse matrix is six of them: `format` (the string
//! `csr` or `csc`), `shape`, `indptr`, `indices`, `data` and, from SciPy 1.11 on, `_is_array`. In the place of the
//! three arrays, COO has `row`, `col` and `data`, DIA `offsets` and `data`; BSR has the names of CSR. Owns where the
//! arrays lie and of what they are made, for reading ([`read_contents`]) and for writing ([`NpzPlan`]).
//! Knows no store and opens no file. What the arrays *say* is not looked at here: whether `indptr` rises and
//! `indices` are in range is for who reads them.
//!
//! # How it is written
//!
//! SciPy's own files are deflated, or stored with every array at an odd offset, so that none can be used in
//! place. Files planned here are stored, each member's elements at a multiple of 64 bytes, by an extra field
//! in the member's local header that is as long as it takes: the one that `zipalign` made for the same
//! purpose (0xD935). NumPy, SciPy and every other reader of ZIP archives skip it.
//!
//! The archive is framed by code of our own, since all offsets must be known before the first value is: the
//! elements are written in place, in any order, and the headers, which state checksums of the elements, last.
//! A ZIP writer wants the values to pass through it from front to back. Members, or places of members, of
//! 4 GiB and more do not fit in the 32 bits of the original format; only for those, as its specification
//! (APPNOTE 4.3.9.2, 4.4.8) demands, the zip64 fields are written.
//!
//! SciPy has no sparse matrices of `f16`: such files are written and read here, and NumPy loads their arrays, but
//! `load_npz` refuses them.

mod directory;
mod end;
mod error;
mod layout;
mod member;
mod plan;
mod records;
mod small;

pub use layout::{
    BsrLayout, CooLayout, DiaLayout, NpzContents, NpzLayout, check_members, read_contents,
};
pub use member::{Member, MemberReader, Placement};
pub use plan::{NpzForm, NpzPlan};

/// One of the three arrays of which a compressed sparse matrix is made, or one in coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Where each line's entries begin, and where the last one's end: lines + 1 indices.
    Indptr,
    /// Each entry's position in its line.
    Indices,
    /// Each entry's value.
    Data,
    /// Each entry's row, in coordinates.
    Row,
    /// Each entry's column, in coordinates.
    Col,
}

impl Part {
    /// Those of a compressed matrix, in the order in which they are written.
    pub const COMPRESSED: [Self; 3] = [Self::Indptr, Self::Indices, Self::Data];

    /// The name that SciPy gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Indptr => "indptr",
            Self::Indices => "indices",
            Self::Data => "data",
            Self::Row => "row",
            Self::Col => "col",
        }
    }

    /// The name of the member that holds it.
    const fn member_name(self) -> &'static str {
        match self {
            Self::Indptr => "indptr.npy",
            Self::Indices => "indices.npy",
            Self::Data => "data.npy",
            Self::Row => "row.npy",
            Self::Col => "col.npy",
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod variants;
