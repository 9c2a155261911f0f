//! The members of a few bytes: what is said in words of the three arrays.
//!
//! SciPy stores them as arrays like any others: `format` as bytes (`|S3`; as text, `<U3`, before version 1.0),
//! `shape` as integers of whatever width was at hand, `_is_array` as a boolean without an axis.

use std::io::{Read, Seek};

use super::directory::Entry;
use super::error::NpzError;
use crate::array::DType;
use crate::error::Result;
use crate::format::ByteOrder;
use crate::format::npy::{self, Header};

/// The longest of these members that is read. Ten times what a header of NumPy's own and a name or two lengths
/// take.
const MAX_SMALL_BYTES: u64 = 4096;

/// A member of a few bytes, read whole.
#[derive(Debug)]
pub(super) struct Small {
    entry: Entry,
    bytes: Vec<u8>,
}

impl Small {
    pub(super) fn read<R: Read + Seek>(entry: Entry, reader: &mut R) -> Result<Self> {
        let bytes = entry.read_whole(reader, MAX_SMALL_BYTES)?;
        Ok(Self { entry, bytes })
    }

    /// The string that the member holds, without the zeros that pad it.
    pub(super) fn text(&self) -> Result<String> {
        let fields = npy::read_fields(&mut &self.bytes[..]).map_err(|error| self.header(error))?;
        let dtype = |dtype: String| self.dtype(dtype, "a string");
        let code = fields.descr.trim_start_matches(['|', '<', '>', '=']);
        let (unit_bytes, length) = match code.split_at_checked(1) {
            Some(("S", length)) => (1, length.parse::<u16>()),
            Some(("U", length)) => (4, length.parse::<u16>()),
            _ => return Err(dtype(fields.descr)),
        };
        let Ok(length) = length else { return Err(dtype(fields.descr)) };
        if fields.shape.iter().any(|&length| length != 1) {
            let axes = fields.shape.len();
            return Err(NpzError::Axes { name: self.entry.name.clone(), axes, needs: 0 }.into());
        }
        self.entry.check_length(fields.data_offset, u64::from(length) * unit_bytes)?;
        let big_endian = fields.descr.starts_with('>');
        let characters = self.data(fields.data_offset).chunks(unit_bytes as usize).map(|unit| {
            let code = unit.iter().rev().fold(0, |code, &byte| code << 8 | u32::from(byte));
            let code = if big_endian && unit.len() > 1 { code.swap_bytes() } else { code };
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        });
        Ok(characters.collect::<String>().trim_end_matches('\0').to_owned())
    }

    /// The integers that the member holds, along its one axis.
    pub(super) fn integers(&self) -> Result<Vec<i128>> {
        let header = self.header_checked()?;
        if header.shape.len() != 1 {
            let (name, axes) = (self.entry.name.clone(), header.shape.len());
            return Err(NpzError::Axes { name, axes, needs: 1 }.into());
        }
        let signed = match header.dtype {
            DType::I8 | DType::I16 | DType::I32 | DType::I64 => true,
            DType::U8 | DType::U16 | DType::U32 | DType::U64 => false,
            other => return Err(self.dtype(other.to_string(), "integers")),
        };
        let item_size = header.dtype.item_size();
        let numbers = self.data(header.data_offset).chunks(item_size).map(|item| {
            let digits = |sum: i128, &byte: &u8| sum << 8 | i128::from(byte);
            let number = match header.byte_order {
                ByteOrder::Native => item.iter().rev().fold(0, digits),
                ByteOrder::Swapped => item.iter().fold(0, digits),
            };
            let bits = 8 * item_size;
            if signed && number >> (bits - 1) == 1 { number - (1 << bits) } else { number }
        });
        Ok(numbers.collect())
    }

    /// The boolean that the member holds.
    pub(super) fn boolean(&self) -> Result<bool> {
        let header = self.header_checked()?;
        match (header.dtype, self.data(header.data_offset)) {
            (DType::Bool, &[value @ (0 | 1)]) => Ok(value == 1),
            (other, _) => Err(self.dtype(other.to_string(), "one boolean")),
        }
    }

    fn header_checked(&self) -> Result<Header> {
        let header = npy::read_header(&mut &self.bytes[..]).map_err(|error| self.header(error))?;
        self.entry.check_length(header.data_offset, header.data_bytes()?)?;
        Ok(header)
    }

    /// The bytes after a header that was read from these.
    fn data(&self, data_offset: u64) -> &[u8] {
        usize::try_from(data_offset).map_or(&[], |offset| &self.bytes[offset..])
    }

    fn header(&self, source: crate::Error) -> crate::Error {
        NpzError::Header { name: self.entry.name.clone(), source }.into()
    }

    fn dtype(&self, dtype: String, needs: &'static str) -> crate::Error {
        NpzError::Dtype { name: self.entry.name.clone(), dtype, needs }.into()
    }
}
