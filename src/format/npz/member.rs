//! One array inside an npz file, and the reading of it.

use std::fmt;
use std::io::{self, Read, Seek};

use zip::read::ZipFile;

use super::directory::Entry;
use super::error::{NpzError, member_error};
use crate::array::{DType, Order};
use crate::error::{Error, ErrorKind, Result};
use crate::format::ByteOrder;
use crate::format::npy::{self, Header};

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
    /// The length of each axis.
    pub shape: Vec<usize>,
    /// The order of the elements, which matters where there are several axes.
    pub order: Order,
    /// Where they lie.
    pub placement: Placement,
    header_bytes: u64,
    entry: Entry,
}

impl Member {
    /// The array of `axes` axes that `entry` is, once its length was found to be the one that its header promises.
    pub(super) fn open<R: Read + Seek>(entry: Entry, axes: usize, reader: &mut R) -> Result<Self> {
        let header = read_npy_header(&entry, reader)?;
        entry.check_length(header.data_offset, header.data_bytes()?)?;
        let elements = header.data_bytes()? / header.dtype.item_size() as u64;
        let Header { dtype, order, shape, byte_order, data_offset, .. } = header;
        if shape.len() != axes {
            let (name, has) = (entry.name, shape.len());
            return Err(NpzError::Axes { name, axes: has, needs: axes }.into());
        }
        let placement = if entry.is_deflated {
            Placement::Compressed { bytes: entry.stored_bytes }
        } else {
            Placement::Stored { offset: entry.offset + data_offset }
        };
        let header_bytes = data_offset;
        Ok(Self { dtype, byte_order, elements, shape, order, placement, header_bytes, entry })
    }

    /// Whether elements lie the same in C and in Fortran order: one axis at most is longer than 1.
    pub(super) fn is_in_either_order(&self) -> bool {
        self.elements == 0 || self.shape.iter().filter(|&&length| length > 1).count() < 2
    }

    /// The member's name in the archive.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// Bytes that the elements take once they are read.
    pub fn element_bytes(&self) -> u64 {
        self.elements * self.dtype.item_size() as u64
    }

    /// Where the elements can be used as they lie, in bytes from the file's begin: none where they are
    /// compressed, in the other byte order, or not aligned for their type.
    pub fn in_place(&self) -> Option<u64> {
        match (self.placement, self.byte_order) {
            (Placement::Stored { offset }, ByteOrder::Native) => {
                offset.is_multiple_of(self.dtype.swap_size() as u64).then_some(offset)
            }
            _ => None,
        }
    }

    /// Reads the elements from front to back, decompressed, in the file's own byte order.
    ///
    /// `reader` must be over the same file as the one that the layout was read from; it is sought to the
    /// member's place.
    ///
    /// # Errors
    /// As [`MemberReader::fill`]: the member's npy header is read again, for the checksum.
    pub fn reader<'r, R: Read + Seek>(&'r self, reader: &'r mut R) -> Result<MemberReader<'r, R>> {
        let mut inner = self.entry.open(reader)?;
        let mut header = inner.by_ref().take(self.header_bytes);
        let skipped = io::copy(&mut header, &mut io::sink());
        let left_bytes = self.element_bytes();
        match skipped {
            Err(error) => return Err(member_error(self.name(), error)),
            Ok(skipped) if skipped < self.header_bytes => {
                return Err(NpzError::Ends(self.name().into()).into());
            }
            Ok(_) => {}
        }
        let mut reader = MemberReader { name: self.name(), inner, left_bytes };
        if left_bytes == 0 {
            reader.check_end().map_err(|error| member_error(self.name(), error))?;
        }
        Ok(reader)
    }
}

/// The npy header of a member, as far as errors go: those of the archive are told apart from its own.
fn read_npy_header<R: Read + Seek>(entry: &Entry, reader: &mut R) -> Result<Header> {
    let mut inner = Remembering { reader: entry.open(reader)?, error: None };
    npy::read_header(&mut inner).map_err(|source| match inner.error.take() {
        Some(error) => member_error(&entry.name, error),
        None => NpzError::Header { name: entry.name.clone(), source }.into(),
    })
}

/// Keeps the first error that it passes on.
struct Remembering<R> {
    reader: R,
    error: Option<io::Error>,
}

impl<R: Read> Read for Remembering<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.reader.read(out).map_err(|error| {
            let kind = error.kind();
            self.error.get_or_insert(error);
            kind.into()
        })
    }
}

/// Gives exactly the bytes of a member's elements.
///
/// With the last of them the member's checksum is compared and its end: who has read everything without an
/// error has read what was written. Takes some 64 KiB of memory, whatever the file claims.
pub struct MemberReader<'r, R: Read> {
    name: &'r str,
    inner: ZipFile<'r, R>,
    left_bytes: u64,
}

impl<R: Read> MemberReader<'_, R> {
    /// Bytes of elements not yet read.
    pub fn left_bytes(&self) -> u64 {
        self.left_bytes
    }

    /// Fills `out` with the next bytes of the elements; as [`Read::read_exact`], with exact errors.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] where the member is damaged, [`ErrorKind::Truncated`] where it ends too early,
    /// [`ErrorKind::OutOfBounds`] where `out` is longer than what is left; otherwise what the reader fails
    /// with, errors of this crate's own that it wrapped in an `io::Error` as they were.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<()> {
        if out.len() as u64 > self.left_bytes {
            return Err(Error::new(
                ErrorKind::OutOfBounds,
                "read archive",
                format!("{} bytes asked for where {} are left", out.len(), self.left_bytes),
            ));
        }
        self.read_exact(out).map_err(|error| member_error(self.name, error))
    }

    /// Reads on where nothing should be: that is when the archive compares the checksum.
    fn check_end(&mut self) -> io::Result<()> {
        match self.inner.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "it does not end")),
            Err(error) => Err(error),
        }
    }
}

impl<R: Read> Read for MemberReader<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.left_bytes).unwrap_or(usize::MAX).min(out.len());
        if room == 0 {
            return Ok(0);
        }
        let count = self.inner.read(&mut out[..room])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left_bytes -= count as u64;
        if self.left_bytes == 0 {
            self.check_end()?;
        }
        Ok(count)
    }
}

impl<R: Read> fmt::Debug for MemberReader<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemberReader")
            .field("name", &self.name)
            .field("left_bytes", &self.left_bytes)
            .finish_non_exhaustive()
    }
}
