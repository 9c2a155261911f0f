//! Arrays of numbers in an archive, read from front to back into the types that are worked with here.

use crate::array::{Bits, DType};
use crate::error::{Error, ErrorKind, Result};
use crate::format::ByteOrder;
use crate::format::npz::{Member, MemberReader};
use crate::store::reader::DeviceReader;

pub(super) fn malformed(reason: String) -> Error {
    Error::new(ErrorKind::Malformed, "read", reason)
}

/// An array of numbers, read from front to back.
pub(super) struct Numbers<'d> {
    member: &'d Member,
    reader: MemberReader<'d, DeviceReader<'d>>,
    buffer: Vec<u8>,
}

impl<'d> Numbers<'d> {
    pub(super) fn new(member: &'d Member, device: &'d mut DeviceReader<'d>) -> Result<Self> {
        Ok(Self { member, reader: member.reader(device)?, buffer: Vec::new() })
    }

    /// The bytes of the next `count` numbers, in this machine's order.
    pub(super) fn next_bytes(&mut self, count: usize) -> Result<&[u8]> {
        self.buffer.resize(count * self.member.dtype.item_size(), 0);
        self.reader.fill(&mut self.buffer)?;
        if self.member.byte_order == ByteOrder::Swapped {
            let size = self.member.dtype.swap_size();
            self.buffer.chunks_mut(size).for_each(<[u8]>::reverse);
        }
        Ok(&self.buffer)
    }

    /// The next `count` integers, of whatever type. What 64 bits with a sign do not hold is the largest that they do, which
    /// is no index either.
    pub(super) fn integers(&mut self, count: usize, out: &mut Vec<i64>) -> Result<()> {
        let dtype = self.member.dtype;
        let bytes = self.next_bytes(count)?;
        out.clear();
        match dtype {
            DType::I8 => out.extend(bytes.iter().map(|&it| i64::from(it.cast_signed()))),
            DType::U8 => out.extend(bytes.iter().map(|&it| i64::from(it))),
            DType::I16 => extend(out, bytes, |it| i16::from_le_bytes(it).into()),
            DType::U16 => extend(out, bytes, |it| u16::from_le_bytes(it).into()),
            DType::I32 => extend(out, bytes, |it| i32::from_le_bytes(it).into()),
            DType::U32 => extend(out, bytes, |it| u32::from_le_bytes(it).into()),
            DType::I64 => extend(out, bytes, i64::from_le_bytes),
            DType::U64 => {
                extend(out, bytes, |it| i64::try_from(u64::from_le_bytes(it)).unwrap_or(i64::MAX));
            }
            _ => unreachable!("the layout has indices of integers only"),
        }
        Ok(())
    }

    /// The next `count` values. Booleans are looked at.
    pub(super) fn values<W: Bits>(&mut self, count: usize, out: &mut Vec<W>) -> Result<()> {
        let is_bool = self.member.dtype == DType::Bool;
        let bytes = self.next_bytes(count)?;
        if is_bool && bytes.iter().any(|&byte| byte > 1) {
            return Err(malformed("a boolean is neither 0 nor 1".into()));
        }
        out.resize(count, W::default());
        bytemuck::cast_slice_mut(out).copy_from_slice(bytes);
        Ok(())
    }
}

fn extend<const N: usize>(out: &mut Vec<i64>, bytes: &[u8], integer: impl Fn([u8; N]) -> i64) {
    out.extend(bytes.as_chunks().0.iter().map(|&bytes| integer(bytes)));
}
