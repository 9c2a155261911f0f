//! The npy format, versions 1.0, 2.0 and 3.0: the header of a NumPy array.
//!
//! A file is the magic string `\x93NUMPY`, a version, the length of a dictionary, the dictionary itself as a
//! Python literal, and the elements, as `numpy.lib.format` documents it. Owns reading and writing of
//! everything before the elements. Reads no element and knows no file.

mod descr;
mod dictionary;
mod error;
mod growth;
mod write;

use std::io::Read;

use self::error::{NpyError, excerpt};
use super::ByteOrder;
use super::layout::{array_bytes, python_tuple};
use crate::array::{DType, Order};
use crate::error::{Error, Result};

pub use self::growth::{GrowthMark, mark_offset, resized_header};
pub use self::write::header_bytes;
pub(in crate::format) use self::write::header_of_descr;

/// What every npy file begins with.
const MAGIC: &[u8] = b"\x93NUMPY";

/// The longest dictionary that is read. NumPy itself stops at 10,000 bytes unless told to trust the file;
/// a dictionary for any array supported here takes less than 2,000.
const MAX_DICTIONARY_BYTES: usize = 64 * 1024;

/// Magic, version and length take at most this.
const MAX_PREFIX_BYTES: usize = MAGIC.len() + 2 + 4;

/// The most bytes that [`read_header`] consumes: who has this many of a file's first bytes (or all of
/// them) has the header.
pub const MAX_HEADER_BYTES: usize = MAX_PREFIX_BYTES + MAX_DICTIONARY_BYTES;

/// The most axes an array may have: NumPy's own limit.
pub const MAX_AXES: usize = 64;

/// What an npy header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The element type.
    pub dtype: DType,
    /// The order in which the elements lie.
    pub order: Order,
    /// The array's shape: any number of axes up to [`MAX_AXES`], none for a scalar.
    pub shape: Vec<usize>,
    /// The byte order of the elements.
    pub byte_order: ByteOrder,
    /// Where the elements begin, in bytes from the begin of the header.
    pub data_offset: u64,
    /// Whether it bears the mark of an append that is going on or was not finished ([`GrowthMark`]): what follows
    /// the elements is then to be ignored.
    pub is_growing: bool,
}

impl Header {
    /// Bytes that the elements take. Always fits for a header that was read.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Malformed`] where the shape's size overflows.
    pub fn data_bytes(&self) -> Result<u64> {
        array_bytes(&self.shape, self.dtype.item_size()).ok_or_else(|| {
            let shape = python_tuple(&self.shape);
            NpyError::ShapeTooLarge { shape, dtype: self.dtype.name() }.into()
        })
    }
}

/// What a header says before its dtype is understood: for arrays that are not matrices, such as the name of
/// the layout in a sparse npz file, which is a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::format) struct Fields {
    /// The dtype as the file writes it: `<f4`, `|S3`.
    pub descr: String,
    pub order: Order,
    pub shape: Vec<usize>,
    pub data_offset: u64,
    pub is_growing: bool,
}

/// Reads a header and leaves `reader` at the first element. Reads no more than [`MAX_HEADER_BYTES`].
///
/// # Errors
/// [`crate::ErrorKind::Truncated`] where the bytes end inside the header,
/// [`crate::ErrorKind::Malformed`] where they are not a header,
/// [`crate::ErrorKind::Unsupported`] for an unknown version and for dtypes that are not numbers (object,
/// string, datetime, structured) or wider than 64 bits a part; otherwise what the reader fails with.
pub fn read_header<R: Read + ?Sized>(reader: &mut R) -> Result<Header> {
    let fields = read_fields(reader)?;
    let (dtype, byte_order) = descr::parse(&fields.descr)?;
    let Fields { order, shape, data_offset, is_growing, .. } = fields;
    let header = Header { dtype, order, shape, byte_order, data_offset, is_growing };
    header.data_bytes()?;
    Ok(header)
}

/// As [`read_header`], for any dtype that is written as one string.
pub(in crate::format) fn read_fields<R: Read + ?Sized>(reader: &mut R) -> Result<Fields> {
    let start = read_part(reader, 0, MAGIC.len() + 2)?;
    let (major, minor) = (start[MAGIC.len()], start[MAGIC.len() + 1]);
    let length_bytes = match (major, minor) {
        (1, 0) => 2,
        (2 | 3, 0) => 4,
        _ => return Err(NpyError::Version(major, minor).into()),
    };
    let mut length = [0; 4];
    length[..length_bytes].copy_from_slice(&read_part(reader, start.len(), length_bytes)?);
    let length = u32::from_le_bytes(length);
    if length as usize > MAX_DICTIONARY_BYTES {
        return Err(NpyError::HeaderLength(length).into());
    }
    let prefix_bytes = start.len() + length_bytes;
    let text = read_part(reader, prefix_bytes, length as usize)?;
    if major == 3 && std::str::from_utf8(&text).is_err() {
        return Err(NpyError::Encoding.into());
    }
    let dictionary::Dictionary { descr, order, shape } = dictionary::parse(&text)?;
    let data_offset = (prefix_bytes + text.len()) as u64;
    Ok(Fields { descr, order, shape, data_offset, is_growing: growth::is_growing(&text) })
}

/// The next `len` bytes of a header of which `before` bytes were read. `len` is bounded by the caller.
fn read_part<R: Read + ?Sized>(reader: &mut R, before: usize, len: usize) -> Result<Vec<u8>> {
    let mut part = Vec::with_capacity(len);
    reader
        .take(len as u64)
        .read_to_end(&mut part)
        .map_err(|source| Error::io("read header", source))?;
    if before == 0 {
        let known = part.len().min(MAGIC.len());
        if part[..known] != MAGIC[..known] {
            return Err(NpyError::Magic(excerpt(&part)).into());
        }
    }
    if part.len() < len {
        return Err(NpyError::Truncated { has: before + part.len(), needs: before + len }.into());
    }
    Ok(part)
}

#[cfg(test)]
mod tests;
