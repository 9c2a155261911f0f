//! The records of a ZIP archive of stored members, as bytes.
//!
//! Layouts: APPNOTE.TXT 6.3.10, sections 4.3.7 (local header), 4.3.12 (central header), 4.3.14 to 4.3.16 (ends),
//! 4.5.3 (zip64 extra field). Every field of 32 bits that a value does not fit in holds [`SATURATED`] instead,
//! and the value is in the zip64 record that belongs to it; where all fit, no zip64 record is written, since
//! readers of the original format are many. Knows no array.

/// Stands for a value that is in a zip64 record.
const SATURATED: u32 = u32::MAX;

const FIXED_LOCAL_BYTES: u64 = 30;

/// The extra field that Android's `zipalign` pads local headers with: the alignment, then zeros.
const ALIGNMENT_FIELD: u16 = 0xD935;
/// Id, length and alignment.
const LEAST_ALIGNMENT_BYTES: u64 = 6;

const ZIP64_FIELD: u16 = 0x0001;
/// Id, length and the two sizes that a local header's field always has.
const LOCAL_ZIP64_BYTES: u64 = 20;

/// Versions of the specification that are needed to read an archive: with zip64 and without.
const VERSION_ZIP64: u16 = 45;
const VERSION: u16 = 20;
/// Made on Unix: the upper half of the external attributes is a mode.
const UNIX: u16 = 3 << 8;
const MODE: u32 = 0o100_644;

/// 1980-01-01, the first day that can be written: the same matrix makes the same file at any time.
const DATE: u16 = 1 << 5 | 1;

/// A stored member.
#[derive(Debug, Clone)]
pub(super) struct Record<'a> {
    pub name: &'a str,
    pub crc32: u32,
    pub bytes: u64,
    /// Where its local header begins.
    pub local_offset: u64,
    /// Where its first byte lies.
    pub offset: u64,
}

/// Where the first byte of a member lies whose local header begins at `local_offset`: at the next multiple of
/// `alignment`. None where that overflows.
pub(super) fn aligned_offset(
    name: &str,
    bytes: u64,
    local_offset: u64,
    alignment: u64,
) -> Option<u64> {
    let zip64 = if bytes >= u64::from(SATURATED) { LOCAL_ZIP64_BYTES } else { 0 };
    let least = FIXED_LOCAL_BYTES + name.len() as u64 + zip64 + LEAST_ALIGNMENT_BYTES;
    local_offset.checked_add(least)?.checked_next_multiple_of(alignment)
}

impl Record<'_> {
    /// The local header, padded so that the member begins at its offset.
    pub(super) fn local_header(&self, alignment: u16) -> Vec<u8> {
        let mut zip64 = Vec::new();
        let is_large = saturated(self.bytes) == SATURATED;
        if is_large {
            // In a local header both sizes must be there, whichever is too large.
            push_field(&mut zip64, ZIP64_FIELD, &[self.bytes, self.bytes]);
        }
        let before = FIXED_LOCAL_BYTES + (self.name.len() + zip64.len()) as u64;
        let field = self.offset - self.local_offset - before;
        let field = u16::try_from(field).expect("padding is at most an alignment long");

        let mut header = b"PK\x03\x04".to_vec();
        push16(&mut header, &[if is_large { VERSION_ZIP64 } else { VERSION }, 0, 0, 0, DATE]);
        push32(&mut header, &[self.crc32, saturated(self.bytes), saturated(self.bytes)]);
        push16(&mut header, &[self.name.len() as u16, zip64.len() as u16 + field]);
        header.extend_from_slice(self.name.as_bytes());
        header.extend_from_slice(&zip64);
        push16(&mut header, &[ALIGNMENT_FIELD, field - 4, alignment]);
        header.resize((self.offset - self.local_offset) as usize, 0);
        header
    }

    /// The member's header in the directory.
    fn central_header(&self) -> Vec<u8> {
        let mut zip64 = Vec::new();
        // Only those that do not fit, in this order: uncompressed, compressed, place.
        let large: Vec<u64> = [self.bytes, self.bytes, self.local_offset]
            .into_iter()
            .filter(|&value| saturated(value) == SATURATED)
            .collect();
        if !large.is_empty() {
            push_field(&mut zip64, ZIP64_FIELD, &large);
        }
        let version = if large.is_empty() { VERSION } else { VERSION_ZIP64 };

        let mut header = b"PK\x01\x02".to_vec();
        push16(&mut header, &[UNIX | version, version, 0, 0, 0, DATE]);
        push32(&mut header, &[self.crc32, saturated(self.bytes), saturated(self.bytes)]);
        // Lengths of name, extra fields and comment, then the disk's number and internal attributes.
        push16(&mut header, &[self.name.len() as u16, zip64.len() as u16, 0, 0, 0]);
        push32(&mut header, &[MODE << 16, saturated(self.local_offset)]);
        header.extend_from_slice(self.name.as_bytes());
        header.extend_from_slice(&zip64);
        header
    }
}

/// Everything from the directory of `records`, which begins at `offset`, to the archive's end.
pub(super) fn directory(records: &[Record<'_>], offset: u64) -> Vec<u8> {
    let mut out: Vec<u8> = records.iter().flat_map(Record::central_header).collect();
    let (count, bytes) = (records.len() as u64, out.len() as u64);
    if saturated(offset) == SATURATED {
        let end64_offset = offset + bytes;
        out.extend_from_slice(b"PK\x06\x06");
        push64(&mut out, &[44]); // length of what follows of this record
        push16(&mut out, &[UNIX | VERSION_ZIP64, VERSION_ZIP64]);
        push32(&mut out, &[0, 0]);
        push64(&mut out, &[count, count, bytes, offset]);
        out.extend_from_slice(b"PK\x06\x07");
        push32(&mut out, &[0]);
        push64(&mut out, &[end64_offset]);
        push32(&mut out, &[1]); // one disk in all
    }
    out.extend_from_slice(b"PK\x05\x06");
    push16(&mut out, &[0, 0, count as u16, count as u16]);
    push32(&mut out, &[bytes as u32, saturated(offset)]);
    push16(&mut out, &[0]);
    out
}

/// `value`, or what stands for a value that does not fit.
fn saturated(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(SATURATED)
}

fn push_field(out: &mut Vec<u8>, id: u16, values: &[u64]) {
    push16(out, &[id, size_of_val(values) as u16]);
    push64(out, values);
}

fn push16(out: &mut Vec<u8>, values: &[u16]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn push32(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn push64(out: &mut Vec<u8>, values: &[u64]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}
