//! The plan of an npz file to be written: every byte's place, before the first value is known.

use super::Part;
use crate::array::{Compression, DType, IndexWidth, Shape};
use crate::error::Result;

/// Checksums (CRC-32) of the three members, header and elements, as [`NpzPlan::hasher`] begins them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksums {
    /// Of `indptr`.
    pub indptr: u32,
    /// Of `indices`.
    pub indices: u32,
    /// Of `data`.
    pub data: u32,
}

/// Where everything will lie in an npz file of a given matrix, stored and aligned.
///
/// Who writes the file makes it [`file_bytes`](Self::file_bytes) long, writes each part's elements at its
/// [`offset`](Self::offset) in any order, little-endian, feeds them from front to back to its
/// [`hasher`](Self::hasher), and writes the [`frame`](Self::frame) last.
#[derive(Debug, Clone)]
pub struct NpzPlan {}

impl NpzPlan {
    /// The plan for a matrix of `shape` and `dtype` with `entries` stored entries.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidArgument`] where `width` cannot hold an index or the number of entries, or
    /// the file would be larger than any can be.
    pub fn new(
        _compression: Compression,
        _shape: Shape,
        _dtype: DType,
        _width: IndexWidth,
        _entries: u64,
    ) -> Result<Self> {
        todo!()
    }

    /// Length of the whole file.
    pub fn file_bytes(&self) -> u64 {
        todo!()
    }

    /// Where the first element of `part` lies: a multiple of 64.
    pub fn offset(&self, _part: Part) -> u64 {
        todo!()
    }

    /// Bytes that the elements of `part` take.
    pub fn element_bytes(&self, _part: Part) -> u64 {
        todo!()
    }

    /// The checksum of the member `part` up to its first element: to be continued with the elements' bytes.
    pub fn hasher(&self, _part: Part) -> crc32fast::Hasher {
        todo!()
    }

    /// All bytes of the file that are not elements of the three parts, each piece with its offset.
    pub fn frame(&self, _checksums: Checksums) -> Vec<(u64, Vec<u8>)> {
        todo!()
    }
}
