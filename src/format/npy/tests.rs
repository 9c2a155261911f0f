//! Whole headers: round trips, and arbitrary, truncated and changed bytes.

use std::io;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::error::ErrorKind;
use crate::format::DenseLayout;

/// A file that begins with `dictionary`, in any version.
fn wrapped(version: u8, dictionary: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC, &[version, 0]].concat();
    let length = u32::try_from(dictionary.len()).unwrap().to_le_bytes();
    bytes.extend_from_slice(if version == 1 { &length[..2] } else { &length });
    bytes.extend_from_slice(dictionary);
    bytes
}

fn read(bytes: &[u8]) -> Result<Header> {
    read_header(&mut &*bytes)
}

fn refused(bytes: &[u8]) -> (ErrorKind, String) {
    let error = read(bytes).unwrap_err();
    let line = error.to_string();
    assert!(!line.contains(['\n', '\0']), "one line: {line}");
    (error.kind(), line)
}

/// Without end: what a reader is asked for, it gives, and counts.
struct Endless {
    start: Vec<u8>,
    given: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *buffer {
            *byte = self.start.get(self.given).copied().unwrap_or(b'[');
            self.given += 1;
        }
        Ok(buffer.len())
    }
}

#[test]
fn all_versions_are_read() {
    let text = b"{'descr': '>c8', 'fortran_order': True, 'shape': (2, 3, 4), }\n";
    for version in [1, 2, 3] {
        let bytes = wrapped(version, text);
        let mut reader = &*[&bytes[..], b"data"].concat();
        let header = read_header(&mut reader).unwrap();
        assert_eq!(
            header,
            Header {
                dtype: DType::Complex64,
                order: Order::Fortran,
                shape: vec![2, 3, 4],
                byte_order: ByteOrder::Swapped,
                data_offset: bytes.len() as u64,
                is_growing: false,
            }
        );
        assert_eq!(reader, b"data");
    }
}

#[test]
fn what_is_no_npy_file_says_so() {
    assert_eq!(
        refused(b"PK\x03\x04 and so on"),
        (ErrorKind::Malformed, "not an npy file: it begins with \"PK\\u{3}\\u{4} and\"".into())
    );
    assert_eq!(refused(b"x").0, ErrorKind::Malformed);
    assert_eq!(
        refused(b""),
        (ErrorKind::Truncated, "truncated: ends inside its header, after 0 of 8 bytes".into())
    );
    for version in [[0, 0], [1, 1], [4, 0], [255, 255]] {
        let bytes = [MAGIC, &version, &[0; 100]].concat();
        assert_eq!(refused(&bytes).0, ErrorKind::Unsupported, "{version:?}");
    }
}

#[test]
fn a_length_is_not_believed() {
    let start = [MAGIC, &[2, 0], &u32::MAX.to_le_bytes()].concat();
    let mut endless = Endless { start, given: 0 };
    let error = read_header(&mut endless).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("4294967295"), "{error}");
    assert_eq!(endless.given, MAX_PREFIX_BYTES);
}

#[test]
fn shapes_that_overflow_are_refused() {
    for shape in
        ["(4611686018427387904, 4)", "(2, 9223372036854775807)", "(0, 4611686018427387904)"]
    {
        let text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}");
        let (kind, line) = refused(&wrapped(1, text.as_bytes()));
        assert_eq!(kind, ErrorKind::Malformed);
        assert!(line.contains(shape) && line.contains("f32"), "{line}");
    }
}

#[test]
fn version_3_is_utf8_and_the_others_latin1() {
    let text = b"{'descr': '\xe9', 'fortran_order': False, 'shape': (3,)}";
    assert!(refused(&wrapped(3, text)).1.contains("UTF-8"));
    assert!(refused(&wrapped(1, text)).1.contains("is not a dtype"));
}

#[test]
fn nesting_bombs_cost_no_more_than_their_bytes() {
    let room = MAX_DICTIONARY_BYTES - 100;
    for bracket in ["[", "(", "{", "[(", "{'a':", "[]", "'", "-", "\\", " ", "(1,", "1,", "9"] {
        let bomb = bracket.repeat(room / bracket.len());
        for text in [
            bomb.clone(),
            format!("{{{bomb}"),
            format!("{{'descr': {bomb}"),
            format!("{{'descr': '<f4', 'fortran_order': {bomb}"),
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {bomb}"),
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({bomb}"),
        ] {
            let bytes = wrapped(2, text.as_bytes());
            let started = Instant::now();
            let (kind, line) = refused(&bytes);
            assert!(started.elapsed() < Duration::from_secs(1), "{bracket}");
            assert!(matches!(kind, ErrorKind::Malformed | ErrorKind::Unsupported));
            assert!(line.len() < 500, "{line}");
        }
    }
}

fn shapes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![vec(0usize..5, 0..5), vec(0usize..1 << 30, 0..3), vec(1usize..2, 0..MAX_AXES + 1)]
}

fn headers() -> impl Strategy<Value = (DType, Order, Vec<usize>)> {
    (select(&DType::ALL[..]), select(&[Order::C, Order::Fortran][..]), shapes())
        .prop_filter("fits", |(dtype, _, shape)| array_bytes(shape, dtype.item_size()).is_some())
}

/// Whatever was read must be something that a layout can be made of without a panic.
fn holds(bytes: &[u8]) -> Result<(), TestCaseError> {
    match read(bytes) {
        Ok(header) => {
            prop_assert!(header.data_offset <= bytes.len() as u64);
            let needs = header.data_offset + header.data_bytes().unwrap();
            let layout = DenseLayout::from_npy(&header, needs);
            prop_assert!(layout.is_ok(), "{:?}", layout);
            prop_assert!(DenseLayout::from_npy(&header, needs + 1).is_err());
        }
        Err(error) => {
            let line = error.to_string();
            prop_assert!(!line.contains('\n') && line.len() < 3000, "{}", line);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_written_is_read_back((dtype, order, shape) in headers()) {
        let bytes = header_bytes(dtype, order, &shape).unwrap();
        prop_assert_eq!(bytes.len() % 64, 0);
        prop_assert_eq!(bytes.last(), Some(&b'\n'));
        let data_offset = bytes.len() as u64;
        let byte_order = ByteOrder::Native;
        let expected = Header { dtype, order, shape, byte_order, data_offset, is_growing: false };
        prop_assert_eq!(read(&bytes).unwrap(), expected);
    }

    #[test]
    fn a_truncated_header_is_truncated((dtype, order, shape) in headers(), cut: Index) {
        let bytes = header_bytes(dtype, order, &shape).unwrap();
        let error = read(&bytes[..cut.index(bytes.len())]).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::Truncated);
    }

    #[test]
    fn arbitrary_bytes_hold(bytes in vec(any::<u8>(), 0..300)) {
        holds(&bytes)?;
        holds(&[MAGIC, &bytes].concat())?;
        for version in [1, 2, 3] {
            holds(&wrapped(version, &bytes))?;
        }
    }

    #[test]
    fn flipped_bits_hold(
        (dtype, order, shape) in headers(),
        flips in vec((any::<Index>(), 0u32..8), 1..6),
    ) {
        let mut bytes = header_bytes(dtype, order, &shape).unwrap();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        holds(&bytes)?;
    }

    #[test]
    fn dictionaries_of_shuffled_pieces_hold(pieces in vec(select(&[
        "{", "}", "(", ")", "[", "]", ",", ":", " ", "\n", "'", "\"", "\\", "-", "L", "0", "7",
        "99999999999", "'descr'", "'fortran_order'", "'shape'", "'<f4'", "'>i8'", "'|O'", "True", "False",
        "(3, 4)", "(3L,)", "'descr': '<f4', ", "'fortran_order': False, ", "'shape': (3, 4), ",
    ][..]), 0..20)) {
        for version in [1, 3] {
            holds(&wrapped(version, pieces.concat().as_bytes()))?;
            holds(&wrapped(version, format!("{{{}}}", pieces.concat()).as_bytes()))?;
        }
    }

    #[test]
    fn hostile_lengths_read_no_more_than_the_cap(version in 1u8..4, length: u32, rest: Vec<u8>) {
        let start = [MAGIC, &[version, 0], &length.to_le_bytes(), &rest].concat();
        let mut endless = Endless { start, given: 0 };
        prop_assert!(read_header(&mut endless).is_err());
        prop_assert!(endless.given <= MAX_HEADER_BYTES, "{}", endless.given);
    }
}
