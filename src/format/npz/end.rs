//! The end of a ZIP archive: what the file says of its directory, before it is believed.
//!
//! The `zip` crate finds the directory by itself, but it allocates for as many members as a record at the end
//! claims, up to what a file of that length could list: for a file of terabytes, most of it a hole, that is
//! more than there is memory. It also accepts bytes after the end. Layouts: APPNOTE 4.3.14 to 4.3.16.

use std::io::{self, Read, Seek, SeekFrom};

use super::directory::MAX_MEMBERS;
use super::error::{NpzError, archive_error};
use crate::error::Result;

const END: [u8; 4] = *b"PK\x05\x06";
const END_BYTES: usize = 22;
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const LOCATOR_BYTES: usize = 20;
const END64: [u8; 4] = *b"PK\x06\x06";
const END64_BYTES: usize = 56;

/// As the number of members, says that the number is in the zip64 end record.
const IN_END64: u64 = u16::MAX as u64;

/// The longest archive comment, and the longest extension of the zip64 end record that is read.
const MAX_COMMENT_BYTES: u64 = u16::MAX as u64;

/// Checks that an archive ends exactly where the file does, and lists no more than [`MAX_MEMBERS`].
pub(super) fn check_end<R: Read + Seek>(reader: &mut R) -> Result<()> {
    let (begin, tail) = begin_and_tail(reader).map_err(|error| archive_error(error.into()))?;
    let ends: Vec<_> = find_all(&tail, END).collect();
    if ends.is_empty() {
        let known = begin.len().min(4);
        let is_archive = begin[..known] == b"PK\x03\x04"[..known];
        let start = begin.escape_ascii().to_string();
        let error = if is_archive { NpzError::CutOff } else { NpzError::NotAnArchive(start) };
        return Err(error.into());
    }
    // By the length of its comment, the end record must end where the file does.
    let is_last = |record: &[u8]| {
        record
            .get(20..END_BYTES)
            .is_some_and(|comment_bytes| number(comment_bytes) == (record.len() - END_BYTES) as u64)
    };
    let record = ends.iter().map(|&end| &tail[end..]).find(|record| is_last(record));
    let record = record.ok_or(NpzError::Trailing)?;
    match number(&record[10..12]) {
        IN_END64 => {}
        members => check_members(members)?,
    }
    for locator in find_all(&tail, LOCATOR) {
        if let Some(fields) = tail.get(locator + 8..locator + 16) {
            let record = read_end64(reader, number(fields));
            check_end64(record.map_err(|error| archive_error(error.into()))?)?;
        }
    }
    Ok(())
}

/// The zip64 end record at `offset`, if one is there.
fn read_end64<R: Read + Seek>(reader: &mut R, offset: u64) -> io::Result<Option<Vec<u8>>> {
    let len = reader.seek(SeekFrom::End(0))?;
    if offset.checked_add(END64_BYTES as u64).is_none_or(|end| end > len) {
        return Ok(None);
    }
    reader.seek(SeekFrom::Start(offset))?;
    let mut record = Vec::with_capacity(END64_BYTES);
    reader.take(END64_BYTES as u64).read_to_end(&mut record)?;
    Ok((record.len() == END64_BYTES && record[..4] == END64).then_some(record))
}

fn check_end64(record: Option<Vec<u8>>) -> Result<()> {
    let Some(record) = record else { return Ok(()) };
    if number(&record[4..12]) > END64_BYTES as u64 + MAX_COMMENT_BYTES {
        return Err(NpzError::Archive("its zip64 end record is too long".into()).into());
    }
    check_members(number(&record[32..40]))
}

fn check_members(members: u64) -> Result<()> {
    match usize::try_from(members) {
        Ok(members) if members <= MAX_MEMBERS => Ok(()),
        _ => Err(NpzError::Members(members).into()),
    }
}

/// The file's first eight bytes, and its last ones as far as the records at an archive's end can reach.
fn begin_and_tail<R: Read + Seek>(reader: &mut R) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let len = reader.seek(SeekFrom::End(0))?;
    let longest = MAX_COMMENT_BYTES + (END_BYTES + LOCATOR_BYTES) as u64;
    let mut part = |from: u64, bytes: u64| {
        let mut part = Vec::new();
        reader.seek(SeekFrom::Start(from))?;
        reader.by_ref().take(bytes).read_to_end(&mut part).map(|_| part)
    };
    Ok((part(0, 8)?, part(len.saturating_sub(longest), longest)?))
}

fn find_all(bytes: &[u8], magic: [u8; 4]) -> impl Iterator<Item = usize> + '_ {
    bytes.windows(4).enumerate().filter(move |(_, window)| *window == magic).map(|(at, _)| at)
}

/// Up to eight bytes as a little-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}
