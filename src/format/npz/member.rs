//! One array inside an npz file, and the reading of it.

use std::io::{self, Read, Seek};
use std::marker::PhantomData;

use crate::array::DType;
use crate::error::Result;
use crate::format::ByteOrder;

/// How a member's elements lie in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placement {
    /// One after another, as they are.
    Stored {
        /// Where the first element lies, in bytes from the file's begin.
        offset: u64,
    },
    /// Deflated: they can only be read from front to back.
    Compressed {
        /// Bytes that they take in the file, with their npy header.
        bytes: u64,
    },
}

/// One array inside an npz file: what it is made of and where it lies.
#[derive(Debug, Clone)]
pub struct Member {
    /// The element type.
    pub dtype: DType,
    /// The byte order of the elements.
    pub byte_order: ByteOrder,
    /// Number of elements.
    pub elements: u64,
    /// Where they lie.
    pub placement: Placement,
}

impl Member {
    /// Bytes that the elements take once they are read.
    pub fn element_bytes(&self) -> u64 {
        self.elements * self.dtype.item_size() as u64
    }

    /// Where the elements can be used as they lie, in bytes from the file's begin: none where they are
    /// compressed, in the other byte order, or not aligned for their type.
    pub fn in_place(&self) -> Option<u64> {
        todo!()
    }

    /// Reads the elements from front to back, decompressed, in the file's own byte order.
    ///
    /// `reader` must be over the same file as the one that the layout was read from; it is sought to the
    /// member's place.
    ///
    /// # Errors
    /// Where the member's local header cannot be read.
    pub fn reader<'r, R: Read + Seek>(&'r self, reader: &'r mut R) -> Result<MemberReader<'r, R>> {
        let _ = reader;
        todo!()
    }
}

/// Gives exactly the bytes of a member's elements.
///
/// With the last of them the member's checksum is compared and its end: who has read everything without an
/// error has read what was written. Memory taken is some 64 KiB, whatever the file claims.
#[derive(Debug)]
pub struct MemberReader<'r, R> {
    left_bytes: u64,
    reader: PhantomData<&'r mut R>,
}

impl<R: Read> MemberReader<'_, R> {
    /// Bytes of elements not yet read.
    pub fn left_bytes(&self) -> u64 {
        self.left_bytes
    }

    /// Fills `out` with the next bytes of the elements; as [`Read::read_exact`], with exact errors.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Malformed`] where the member is damaged, [`crate::ErrorKind::Truncated`] where it
    /// ends too early or `out` is longer than what is left; errors of this crate's own that the reader wrapped
    /// in an `io::Error` come back as they were.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<()> {
        let _ = out;
        todo!()
    }
}

impl<R: Read> Read for MemberReader<'_, R> {
    fn read(&mut self, _out: &mut [u8]) -> io::Result<usize> {
        todo!()
    }
}
