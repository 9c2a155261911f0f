//! Whole files: what is planned is read back, and arbitrary, truncated and changed bytes.

use std::collections::BTreeMap;
use std::io::{self, Cursor, SeekFrom};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::Error;
use crate::array::{Compression, DType, IndexWidth, Shape};
use crate::error::{ErrorKind, Result};

/// A file of which only some bytes are there, the others being zero: of any length, without its weight.
#[derive(Debug, Default)]
struct Holes {
    pieces: BTreeMap<u64, Vec<u8>>,
    len: u64,
    position: u64,
    /// How many bytes were read.
    given: u64,
}

impl Holes {
    fn of(pieces: Vec<(u64, Vec<u8>)>, len: u64) -> Self {
        Self { pieces: pieces.into_iter().collect(), len, ..Self::default() }
    }
}

impl io::Read for Holes {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.len.saturating_sub(self.position);
        let count = (out.len() as u64).min(left).min(1 << 20);
        let out = &mut out[..count as usize];
        out.fill(0);
        for (&begin, piece) in self.pieces.range(..self.position + count) {
            for (place, &byte) in (begin..).zip(piece) {
                if let Some(place) = place.checked_sub(self.position).filter(|&p| p < count) {
                    out[place as usize] = byte;
                }
            }
        }
        self.position += count;
        self.given += count;
        Ok(out.len())
    }
}

impl io::Seek for Holes {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(distance) => self.len.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[derive(Debug, Clone, Copy)]
struct Matrix {
    compression: Compression,
    shape: Shape,
    dtype: DType,
    width: IndexWidth,
    entries: u64,
}

const SMALL: Matrix = Matrix {
    compression: Compression::Csr,
    shape: Shape::new(3, 4),
    dtype: DType::F32,
    width: IndexWidth::I32,
    entries: 4,
};

impl Matrix {
    fn plan(self) -> Result<NpzPlan> {
        NpzPlan::new(self.compression.into(), self.shape, self.dtype, self.width, self.entries)
    }

    /// Bytes that stand for the elements of `part`.
    fn elements(plan: &NpzPlan, part: Part) -> Vec<u8> {
        (0..plan.element_bytes(part)).map(|at| (at * 37 % 251) as u8 ^ part as u8).collect()
    }

    fn file(self) -> Vec<u8> {
        let plan = self.plan().unwrap();
        let mut file = vec![0; plan.file_bytes() as usize];
        let mut put = |offset: u64, bytes: &[u8]| {
            file[offset as usize..][..bytes.len()].copy_from_slice(bytes);
        };
        let crc = |part: Part| {
            let mut hasher = plan.hasher(part);
            hasher.update(&Self::elements(&plan, part));
            hasher.finalize()
        };
        for part in Part::COMPRESSED {
            put(plan.offset(part), &Self::elements(&plan, part));
        }
        for (offset, piece) in plan.frame(&crc) {
            put(offset, &piece);
        }
        file
    }
}

/// What a file in one of the compressed formats holds.
pub(super) fn compressed_layout<R: io::Read + io::Seek>(reader: R) -> Result<NpzLayout> {
    match read_contents(reader)? {
        NpzContents::Compressed(layout) => Ok(layout),
        other => panic!("it is compressed: {other:?}"),
    }
}

/// The array that is `part` of the matrix.
pub(super) fn member(layout: &NpzLayout, part: Part) -> &Member {
    let place = Part::COMPRESSED.iter().position(|&it| it == part);
    layout.members()[place.expect("it is a part of a compressed matrix")]
}

fn read(bytes: &[u8]) -> Result<NpzLayout> {
    compressed_layout(Cursor::new(bytes))
}

fn contents(member: &Member, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut file = Cursor::new(bytes);
    let mut reader = member.reader(&mut file)?;
    let mut out = vec![0; member.element_bytes() as usize];
    reader.fill(&mut out).map(|()| out)
}

fn refused(bytes: &[u8]) -> (ErrorKind, String) {
    let error = read(bytes).unwrap_err();
    (error.kind(), error.to_string())
}

fn check_line(error: &Error) -> std::result::Result<(), TestCaseError> {
    let line = error.to_string();
    prop_assert!(!line.is_empty() && line.len() < 500, "{}", line);
    prop_assert!(!line.contains(char::is_control), "one line: {:?}", line);
    Ok(())
}

/// Whatever was read must lie inside the file, and can be read or refused.
fn holds(bytes: &[u8]) -> std::result::Result<(), TestCaseError> {
    let layout = match read(bytes) {
        Ok(layout) => layout,
        Err(error) => return check_line(&error),
    };
    let lines = layout.compression.split(layout.shape).0 as u64;
    prop_assert_eq!(layout.indptr.elements, lines + 1);
    prop_assert_eq!(layout.indices.elements, layout.data.elements);
    for part in Part::COMPRESSED {
        let member = member(&layout, part);
        let len = bytes.len() as u64;
        prop_assert!(member.element_bytes() <= 1032 * (len + 1), "bounded by the file");
        if let Placement::Stored { offset } = member.placement {
            prop_assert!(offset + member.element_bytes() <= len);
        }
        if let Err(error) = contents(member, bytes) {
            check_line(&error)?;
        }
    }
    Ok(())
}

fn matrices() -> impl Strategy<Value = Matrix> {
    (
        select(&[Compression::Csr, Compression::Csc][..]),
        (0usize..40, 0usize..40),
        select(&DType::ALL[..]),
        select(&[IndexWidth::I32, IndexWidth::I64][..]),
        0u64..50,
    )
        .prop_map(|(compression, (rows, cols), dtype, width, entries)| Matrix {
            compression,
            shape: Shape::new(rows, cols),
            dtype,
            width,
            entries,
        })
}

proptest! {
    #[test]
    fn what_is_planned_is_read_back(matrix in matrices()) {
        let (plan, file) = (matrix.plan().unwrap(), matrix.file());
        let layout = read(&file).unwrap();
        prop_assert_eq!(layout.compression, matrix.compression);
        prop_assert_eq!(layout.shape, matrix.shape);
        prop_assert_eq!(layout.dtype, matrix.dtype);
        prop_assert_eq!(layout.entries(), matrix.entries);
        prop_assert_eq!(layout.indices.dtype.item_size(), matrix.width.bytes());
        prop_assert_eq!(layout.is_array, Some(true));
        for part in Part::COMPRESSED {
            let member = member(&layout, part);
            prop_assert_eq!(plan.offset(part) % 64, 0);
            prop_assert_eq!(member.in_place(), Some(plan.offset(part)));
            prop_assert_eq!(member.element_bytes(), plan.element_bytes(part));
            prop_assert_eq!(contents(member, &file).unwrap(), Matrix::elements(&plan, part));
        }
    }

    #[test]
    fn a_frame_and_its_parts_are_the_whole_file(matrix in matrices()) {
        let plan = matrix.plan().unwrap();
        let frame = plan.frame(&|part| part as u32);
        let mut extents: Vec<_> =
            frame.iter().map(|(offset, piece)| (*offset, piece.len() as u64)).collect();
        extents.extend(Part::COMPRESSED.map(|part| (plan.offset(part), plan.element_bytes(part))));
        extents.sort_unstable();
        let mut end = 0;
        for (offset, bytes) in extents {
            prop_assert_eq!(offset, end, "neither a gap nor an overlap");
            end += bytes;
        }
        prop_assert_eq!(end, plan.file_bytes());
    }

    #[test]
    fn truncated_files_are_refused(matrix in matrices(), cut: Index) {
        let file = matrix.file();
        let error = read(&file[..cut.index(file.len())]).unwrap_err();
        prop_assert!(matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Malformed));
        check_line(&error)?;
    }

    #[test]
    fn arbitrary_bytes_hold(bytes in vec(any::<u8>(), 0..300)) {
        holds(&bytes)?;
        holds(&[b"PK\x03\x04", &bytes[..], b"PK\x05\x06", &[0; 18]].concat())?;
        let end = bytes.len().min(18);
        holds(&[&bytes[end..], b"PK\x05\x06", &bytes[..end]].concat())?;
    }

    #[test]
    fn flipped_bits_hold(matrix in matrices(), flips in vec((any::<Index>(), 0u32..8), 1..6)) {
        let mut file = matrix.file();
        for (at, bit) in flips {
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
        }
        holds(&file)?;
    }

    /// Flips where it hurts: in the records, not in the values.
    #[test]
    fn changed_records_hold(
        matrix in matrices(),
        record in any::<Index>(),
        change in 0usize..46,
        bytes in vec(any::<u8>(), 1..9),
    ) {
        let mut file = matrix.file();
        let records: Vec<_> = (0..file.len() - 2).filter(|&at| file[at..].starts_with(b"PK")).collect();
        let at = records[record.index(records.len())] + change;
        for (place, byte) in file.iter_mut().skip(at).zip(bytes) {
            *place = byte;
        }
        holds(&file)?;
    }

    #[test]
    fn a_changed_value_is_noticed(matrix in matrices(), part in select(&Part::COMPRESSED[..]), at: Index) {
        let plan = matrix.plan().unwrap();
        prop_assume!(plan.element_bytes(part) > 0);
        let mut file = matrix.file();
        let place = plan.offset(part) as usize + at.index(plan.element_bytes(part) as usize);
        file[place] ^= 0x10;
        let layout = read(&file).unwrap();
        let error = contents(member(&layout, part), &file).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::Malformed);
        prop_assert!(error.to_string().contains("is damaged"), "{}", error);
    }
}

#[test]
fn no_more_than_the_elements_is_given() {
    let file = SMALL.file();
    let layout = read(&file).unwrap();
    let mut cursor = Cursor::new(&file);
    let mut reader = layout.data.reader(&mut cursor).unwrap();
    assert_eq!(reader.fill(&mut [0; 17]).unwrap_err().kind(), ErrorKind::OutOfBounds);
    reader.fill(&mut [0; 9]).unwrap();
    assert_eq!(reader.left_bytes(), 7);
    let mut rest = Vec::new();
    io::Read::read_to_end(&mut reader, &mut rest).unwrap();
    assert_eq!((rest.len(), reader.left_bytes()), (7, 0));
}

#[test]
fn an_error_of_the_reader_comes_back_as_it_was() {
    struct Failing(Cursor<Vec<u8>>, u64);
    impl io::Read for Failing {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0.position() >= self.1 && self.0.position() < self.1 + 16 {
                return Err(io::Error::other(Error::new(ErrorKind::Cancelled, "read", "enough")));
            }
            self.0.read(out)
        }
    }
    impl io::Seek for Failing {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }
    let file = SMALL.file();
    let layout = read(&file).unwrap();
    let mut failing = Failing(Cursor::new(file), SMALL.plan().unwrap().offset(Part::Data));
    let mut reader = layout.data.reader(&mut failing).unwrap();
    assert_eq!(reader.fill(&mut [0; 16]).unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn what_surrounds_the_archive_is_refused() {
    let file = SMALL.file();
    let (kind, line) = refused(&[&file[..], b"\0"].concat());
    assert_eq!((kind, line.starts_with("over-long")), (ErrorKind::Malformed, true), "{line}");
    assert_eq!(refused(&[b"#!", &file[..]].concat()).0, ErrorKind::Malformed);
    assert_eq!(refused(b"").0, ErrorKind::Truncated);
    assert_eq!(refused(b"\x93NUMPY\x01\x00").0, ErrorKind::Malformed);
}

/// Replaces `old` in the `which`-th place where it is found.
fn replaced(file: &[u8], which: usize, old: &[u8], new: &[u8]) -> Vec<u8> {
    let places = (0..file.len()).filter(|&at| file[at..].starts_with(old));
    let at = places.into_iter().nth(which).unwrap();
    [&file[..at], new, &file[at + old.len()..]].concat()
}

#[test]
fn names_that_disagree_or_appear_twice_are_refused() {
    let file = SMALL.file();
    let cloaked = replaced(&file, 0, b"_is_array.npy", b"_is_other.npy");
    assert!(refused(&cloaked).1.contains("does not match"), "{:?}", refused(&cloaked));
    let twice = replaced(&file, 0, b"shape.npy", b"extra.npy");
    let twice = replaced(&twice, 0, b"shape.npy", b"extra.npy");
    assert_eq!(refused(&twice).1, "member 'shape.npy' is missing");
    let twice = replaced(&file, 0, b"indices.npy", b"xndptr_.npy");
    let twice = replaced(&twice, 0, b"indices.npy", b"xndptr_.npy");
    assert_eq!(refused(&twice).1, "member 'indices.npy' is missing");
}

#[test]
fn a_member_listed_twice_is_refused() {
    let file = SMALL.file();
    // The same header once more, and one more member in the end record.
    let at = (0..file.len()).find(|&at| file[at..].starts_with(b"PK\x01\x02")).unwrap();
    let end = (0..file.len()).find(|&at| file[at..].starts_with(b"PK\x05\x06")).unwrap();
    let header = file[at..at + 46 + "format.npy".len()].to_vec();
    let bytes = (end - at + header.len()) as u32;
    let mut twice = [&file[..at], &header, &file[at..]].concat();
    let end = end + header.len();
    twice[end + 8..end + 12].copy_from_slice(&[7, 0, 7, 0]);
    twice[end + 12..end + 16].copy_from_slice(&bytes.to_le_bytes());
    assert_eq!(refused(&twice), (ErrorKind::Malformed, "a member is listed twice".into()));
}

#[test]
fn terabytes_are_planned_and_read_without_their_weight() {
    let large = Matrix {
        shape: Shape::new(1 << 33, 1 << 40),
        width: IndexWidth::I64,
        dtype: DType::Complex128,
        entries: 1 << 36,
        ..SMALL
    };
    let plan = large.plan().unwrap();
    let frame = plan.frame(&|_| 0);
    let mut file = Holes::of(frame, plan.file_bytes());
    let layout = compressed_layout(&mut file).unwrap();
    assert_eq!((layout.shape, layout.entries()), (large.shape, large.entries));
    for part in Part::COMPRESSED {
        assert_eq!(member(&layout, part).in_place(), Some(plan.offset(part)));
    }
    assert!(file.given < 1 << 20, "{} bytes read", file.given);
}

/// Sizes and places around 2^32 − 1, the first that does not fit in 32 bits since it means that it does not.
#[test]
fn zip64_begins_exactly_where_it_must() {
    let boundary = u64::from(u32::MAX);
    let header_bytes = 128;
    for (bytes, is_large) in [(boundary - 1, false), (boundary, true), (boundary + 1, true)] {
        let matrix = Matrix {
            shape: Shape::new(3, 5),
            dtype: DType::U8,
            width: IndexWidth::I64,
            entries: bytes - header_bytes,
            ..SMALL
        };
        let plan = matrix.plan().unwrap();
        assert_eq!(plan.element_bytes(Part::Data) + header_bytes, bytes);
        let frame = plan.frame(&|_| 0);
        let (_, before_data) = &frame[2];
        let name = before_data.windows(8).position(|window| window == b"data.npy").unwrap();
        let local = &before_data[name - 30..];
        assert_eq!(local[18..26] == [0xff; 8], is_large, "{bytes}");
        assert_eq!(local[4], if is_large { 45 } else { 20 });
        let mut file = Holes::of(frame, plan.file_bytes());
        let layout = compressed_layout(&mut file).unwrap();
        assert_eq!(layout.entries(), matrix.entries);
        assert_eq!(layout.data.in_place(), Some(plan.offset(Part::Data)));
    }
    // The directory's place, with members that are all small enough.
    for (less, is_large) in [(64, false), (0, true)] {
        let directory_at = |entries: u64| {
            let matrix = Matrix { width: IndexWidth::I32, dtype: DType::U8, entries, ..SMALL };
            let plan = matrix.plan().unwrap();
            let frame = plan.frame(&|_| 0);
            (plan.file_bytes(), frame)
        };
        let (_, near) = directory_at(858_000_000);
        let missing = boundary - near[3].0;
        let (len, frame) = directory_at(858_000_000 + (missing - less) / 5);
        let (offset, directory) = &frame[3];
        assert!(offset.abs_diff(boundary) < 128, "{offset}");
        assert_eq!(*offset >= boundary, is_large, "{offset}");
        assert_eq!(directory.windows(4).any(|window| window == b"PK\x06\x06"), is_large);
        compressed_layout(Holes::of(frame, len)).unwrap();
    }
}

#[test]
fn what_fits_in_no_file_is_refused() {
    let wide = Matrix { shape: Shape::new(1, 1 << 31), ..SMALL };
    assert_eq!(wide.plan().unwrap_err().kind(), ErrorKind::InvalidArgument);
    let many = Matrix { entries: 1 << 31, ..SMALL };
    assert!(many.plan().unwrap_err().to_string().contains("32 bits"));
    for matrix in [
        Matrix { shape: Shape::new(usize::MAX, 1), ..SMALL },
        Matrix { shape: Shape::new(1, usize::MAX), ..SMALL },
        Matrix { entries: u64::MAX, ..SMALL },
        Matrix { entries: 1 << 60, dtype: DType::Complex128, ..SMALL },
        Matrix { entries: (1 << 60) - 1, dtype: DType::U8, ..SMALL },
    ] {
        let matrix = Matrix { width: IndexWidth::I64, ..matrix };
        assert_eq!(matrix.plan().unwrap_err().kind(), ErrorKind::InvalidArgument, "{matrix:?}");
    }
}

/// An end record that claims members and bytes as no directory could hold, in a file long enough for it.
#[test]
fn claims_of_an_end_record_cost_nothing() {
    let len = 1 << 45;
    for (record_bytes, members) in [(44u64, 1u64 << 38), (len - 1000, 6), (44, u64::MAX)] {
        let end64 = if record_bytes == 44 { len - 98 } else { len - 42 - 12 - record_bytes };
        let fields = [
            &b"PK\x06\x06"[..],
            &record_bytes.to_le_bytes(),
            &[45, 0, 45, 0],
            &[0; 8],
            &members.to_le_bytes(),
            &members.to_le_bytes(),
            &(members.saturating_mul(46)).to_le_bytes(),
            &0u64.to_le_bytes(),
        ];
        let locator = [&b"PK\x06\x07"[..], &[0; 4], &end64.to_le_bytes(), &[1, 0, 0, 0]].concat();
        let end = [&b"PK\x05\x06"[..], &[0; 4], &[0xff; 12], &[0; 2]].concat();
        let pieces = vec![
            (0, b"PK\x03\x04".to_vec()),
            (end64, fields.concat()),
            (len - 42, locator),
            (len - 22, end),
        ];
        let mut file = Holes::of(pieces, len);
        let error = compressed_layout(&mut file).unwrap_err();
        let line = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{line}");
        assert!(line.contains("more than the 64") || line.contains("too long"), "{line}");
        assert!(file.given < 1 << 20, "{} bytes read", file.given);
    }
}
