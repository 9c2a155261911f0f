//! The bytes in front of the elements of a new file: superblock, groups, one contiguous dataset.
//!
//! By the HDF5 File Format Specification, version 3.0: superblock 2 (II.A), object headers 2 (IV.A.1.b), which every library from 1.8 on
//! reads. Nothing in it refers to what the elements are, so that it is written once, before them.

use super::elements::message_of;
use super::error::Hdf5Error;
use crate::array::DType;
use crate::error::Result;
use crate::format::layout::{array_bytes, python_tuple};

/// Elements begin at a multiple of this: of a page, as direct I/O and maps like it.
const ALIGNMENT: u64 = 4096;

/// An address that stands for none.
const UNDEFINED: u64 = u64::MAX;

const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
const SUPERBLOCK_BYTES: u64 = 48;

/// Kinds of header messages.
const DATASPACE: u8 = 0x01;
const LINK_INFO: u8 = 0x02;
const DATATYPE: u8 = 0x03;
const FILL_VALUE: u8 = 0x05;
const LINK: u8 = 0x06;
const DATA_LAYOUT: u8 = 0x08;
const GROUP_INFO: u8 = 0x0a;

/// What a new file begins with that holds one dataset, contiguous, under the name `dataset`: `/data`, or in groups, `/a/b/data`. The
/// elements follow right behind it and are all there is in the file.
///
/// # Errors
/// Where the shape's size overflows.
pub fn header_bytes(dtype: DType, shape: &[usize], dataset: &str) -> Result<Vec<u8>> {
    let data_bytes = array_bytes(shape, dtype.item_size())
        .ok_or_else(|| Hdf5Error::TooLarge(python_tuple(shape)))?;
    let names: Vec<_> = dataset.split('/').filter(|name| !name.is_empty()).collect();
    // Objects lie one behind the other: a group for each name, then the dataset; how long they are does not depend on where.
    let group_bytes = names.iter().map(|name| group(name, 0).len() as u64).sum::<u64>();
    let objects_end = SUPERBLOCK_BYTES + group_bytes + object(dtype, shape, 0, 0).len() as u64;
    let data_at = objects_end.next_multiple_of(ALIGNMENT);

    let mut bytes = superblock(data_at + data_bytes);
    for name in names {
        let next = bytes.len() as u64 + group(name, 0).len() as u64;
        bytes.extend(group(name, next));
    }
    let address = if data_bytes == 0 { UNDEFINED } else { data_at };
    bytes.extend(object(dtype, shape, address, data_bytes));
    bytes.resize(data_at as usize, 0);
    Ok(bytes)
}

/// The superblock of a file of so many bytes, whose root group lies right behind it.
fn superblock(file_bytes: u64) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    // Version 2; addresses and lengths of 8 bytes; nobody has it open for writing.
    bytes.extend([2, 8, 8, 0]);
    for address in [0, UNDEFINED, file_bytes, SUPERBLOCK_BYTES] {
        bytes.extend(address.to_le_bytes());
    }
    sealed(bytes)
}

/// A group of one member, whose object header lies at `address`.
fn group(member: &str, address: u64) -> Vec<u8> {
    // Links are kept in the header itself, so that there is neither a heap nor a tree.
    let mut info = vec![0, 0];
    info.extend(UNDEFINED.to_le_bytes());
    info.extend(UNDEFINED.to_le_bytes());
    // Version 1, with the name's character set (UTF-8), its length in 4 bytes; a hard link.
    let mut link = vec![1, 0x10 | 2, 1];
    link.extend((member.len() as u32).to_le_bytes());
    link.extend(member.as_bytes());
    link.extend(address.to_le_bytes());
    object_header(&[(LINK_INFO, info), (GROUP_INFO, vec![0, 0]), (LINK, link)])
}

/// The dataset's object header.
fn object(dtype: DType, shape: &[usize], address: u64, data_bytes: u64) -> Vec<u8> {
    // Version 2, no largest dimensions; simple, or scalar where there is no axis.
    let mut space = vec![2, shape.len() as u8, 0, u8::from(!shape.is_empty())];
    shape.iter().for_each(|&length| space.extend((length as u64).to_le_bytes()));
    // Version 3: space is allocated early, and fill values, of which none is defined, are zeros.
    let fill = vec![3, 0b1001];
    // Version 3, contiguous.
    let mut layout = vec![3, 1];
    layout.extend(address.to_le_bytes());
    layout.extend(data_bytes.to_le_bytes());
    object_header(&[
        (DATASPACE, space),
        (DATATYPE, message_of(dtype)),
        (FILL_VALUE, fill),
        (DATA_LAYOUT, layout),
    ])
}

/// An object header of version 2 in one chunk, whose length is told in 4 bytes.
fn object_header(messages: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, message) in messages {
        body.push(*kind);
        body.extend((message.len() as u16).to_le_bytes());
        body.push(0);
        body.extend(message);
    }
    let mut bytes = b"OHDR".to_vec();
    bytes.extend([2, 2]);
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(body);
    sealed(bytes)
}

/// `bytes`, and their checksum behind them.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = lookup3(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// Bob Jenkins's `hashlittle` of lookup3.c, from 0: the checksum of all HDF5 metadata.
fn lookup3(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let [mut a, mut b, mut c] = [start; 3];
    let mut blocks = bytes.chunks(12).peekable();
    while let Some(block) = blocks.next() {
        let mut padded = [0; 12];
        padded[..block.len()].copy_from_slice(block);
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| padded[at + byte]));
        a = a.wrapping_add(word(0));
        b = b.wrapping_add(word(4));
        c = c.wrapping_add(word(8));
        if blocks.peek().is_some() {
            for (x, y, z, turn) in [
                (0, 1, 2, 4),
                (1, 2, 0, 6),
                (2, 0, 1, 8),
                (0, 1, 2, 16),
                (1, 2, 0, 19),
                (2, 0, 1, 4),
            ] {
                // a −= c; a ^= c rotated; c += b; and so on in turn.
                let mut words = [a, b, c];
                let last = words[z];
                words[x] = words[x].wrapping_sub(last) ^ last.rotate_left(turn);
                words[z] = last.wrapping_add(words[y]);
                [a, b, c] = words;
            }
        } else {
            for (x, y, turn) in
                [(2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24)]
            {
                let mut words = [a, b, c];
                words[x] = (words[x] ^ words[y]).wrapping_sub(words[y].rotate_left(turn));
                [a, b, c] = words;
            }
        }
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_its_author() {
        // From the comments of lookup3.c, and of no bytes.
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
        assert_eq!(lookup3(b""), 0xdead_beef);
    }

    #[test]
    fn elements_begin_at_a_page_behind_a_header_of_any_length() {
        for name in ["/data", "data", "/a/b/c/data", &"long/".repeat(300)] {
            let bytes = header_bytes(DType::F64, &[1000, 7], name).unwrap();
            assert_eq!(bytes.len() % 4096, 0);
        }
        assert!(header_bytes(DType::F64, &[usize::MAX, 2], "/data").is_err());
    }
}
