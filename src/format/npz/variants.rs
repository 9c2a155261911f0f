//! Files as other writers make them: every way to say the same, and some to say something else.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::tests::{compressed_layout, member};
use super::*;
use crate::array::{Compression, DType, Order, Shape};
use crate::error::{Error, ErrorKind, Result};
use crate::format::ByteOrder;
use crate::format::npy::header_of_descr;

type Members = Vec<(&'static str, Vec<u8>)>;

/// An npy file.
fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let mut file = header_of_descr(descr, Order::C, shape);
    file.extend_from_slice(data);
    file
}

fn i32s(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn i64s(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Swaps units of `size` bytes.
fn swapped(bytes: Vec<u8>, size: usize) -> Vec<u8> {
    bytes.chunks(size).flat_map(|unit| unit.iter().rev().copied()).collect()
}

/// A matrix of 3×4 with four entries, in SciPy's order of members, some replaced by others.
fn members(replaced: Members) -> Members {
    let mut members = vec![
        ("indices.npy", npy("<i4", &[4], &i32s(&[0, 2, 1, 3]))),
        ("indptr.npy", npy("<i4", &[4], &i32s(&[0, 2, 2, 4]))),
        ("format.npy", npy("|S3", &[], b"csr")),
        ("shape.npy", npy("<i8", &[2], &i64s(&[3, 4]))),
        ("data.npy", npy("<f4", &[4], &i32s(&[1, 2, 3, 4]))),
    ];
    for (name, content) in replaced {
        members.retain(|&(other, _)| other != name);
        members.push((name, content));
    }
    members
}

fn archive(members: Members, method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(name, options).unwrap();
        writer.write_all(&content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn read(replaced: Members) -> Result<NpzLayout> {
    compressed_layout(Cursor::new(archive(members(replaced), CompressionMethod::Stored)))
}

fn refused(name: &'static str, content: Vec<u8>) -> Error {
    read(vec![(name, content)]).unwrap_err()
}

#[test]
fn stored_and_deflated_members_read_alike() {
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let file = archive(members(vec![]), method);
        let layout = compressed_layout(Cursor::new(&file)).unwrap();
        assert_eq!((layout.compression, layout.shape), (Compression::Csr, Shape::new(3, 4)));
        assert_eq!((layout.dtype, layout.entries(), layout.is_array), (DType::F32, 4, None));
        for (part, expected) in [
            (Part::Indptr, [0, 2, 2, 4]),
            (Part::Indices, [0, 2, 1, 3]),
            (Part::Data, [1, 2, 3, 4]),
        ] {
            let member = member(&layout, part);
            let is_stored = matches!(member.placement, Placement::Stored { .. });
            assert_eq!(is_stored, method == CompressionMethod::Stored);
            let (mut cursor, mut out) = (Cursor::new(&file), [0; 16]);
            member.reader(&mut cursor).unwrap().fill(&mut out).unwrap();
            assert_eq!(out[..], i32s(&expected));
        }
    }
}

#[test]
fn the_format_is_bytes_or_text() {
    let wide = |text: &str| text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect::<Vec<_>>();
    for (descr, data) in [
        ("|S3", b"csc".to_vec()),
        ("|S5", b"csc\0\0".to_vec()),
        ("<U3", wide("csc")),
        (">U5", swapped(wide("csc\0\0"), 4)),
    ] {
        for shape in [&[][..], &[1], &[1, 1]] {
            let layout = read(vec![
                ("format.npy", npy(descr, shape, &data)),
                ("shape.npy", npy("<i8", &[2], &i64s(&[4, 3]))),
            ]);
            assert_eq!(layout.unwrap().compression, Compression::Csc, "{descr}");
        }
    }
    for (descr, data) in [("|S3", &b"abc"[..]), ("|S3", b"c\nr"), ("|S0", b""), ("<U1", &[0xff; 4])]
    {
        let error = refused("format.npy", npy(descr, &[], data));
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    for descr in ["|S", "|Sx", "|S99999", "<i8", "|S4"] {
        let error = refused("format.npy", npy(descr, &[], b"csr"));
        assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Truncated), "{error}");
    }
}

#[test]
fn the_shape_is_integers_of_any_width() {
    for (descr, data) in [
        ("<i4", i32s(&[3, 4])),
        (">i4", swapped(i32s(&[3, 4]), 4)),
        (">i8", swapped(i64s(&[3, 4]), 8)),
        ("<u8", i64s(&[3, 4])),
        ("|i1", vec![3, 4]),
    ] {
        let layout = read(vec![("shape.npy", npy(descr, &[2], &data))]).unwrap();
        assert_eq!(layout.shape, Shape::new(3, 4), "{descr}");
    }
    for (descr, shape, data) in [
        ("<i8", &[2][..], i64s(&[3, -4])),
        ("<u8", &[2], i64s(&[3, -1])),
        ("|i1", &[2], vec![3, 0x80]),
        ("<i8", &[3], i64s(&[3, 4, 5])),
        ("<i8", &[0], vec![]),
        ("<i8", &[], i64s(&[3])),
        ("<i8", &[1, 2], i64s(&[3, 4])),
        ("<f8", &[2], i64s(&[3, 4])),
    ] {
        let error = refused("shape.npy", npy(descr, shape, &data));
        assert_eq!(error.kind(), ErrorKind::Malformed, "{descr} {shape:?}: {error}");
    }
    let one_axis = refused("shape.npy", npy("<i8", &[1], &i64s(&[4])));
    assert_eq!(one_axis.kind(), ErrorKind::Unsupported);
    assert!(one_axis.advice().unwrap().contains("reshape(1, -1)"));
    let long = refused("shape.npy", npy("<i8", &[1000], &i64s(&[1; 1000])));
    assert!(long.to_string().contains("more than it can need"), "{long}");
}

#[test]
fn widths_and_byte_orders_may_differ() {
    let indptr = npy("<i8", &[4], &i64s(&[0, 2, 2, 4]));
    let indices = npy(">i4", &[4], &swapped(i32s(&[0, 2, 1, 3]), 4));
    let layout = read(vec![("indptr.npy", indptr), ("indices.npy", indices)]).unwrap();
    assert_eq!((layout.indptr.dtype, layout.indices.dtype), (DType::I64, DType::I32));
    assert_eq!(layout.indices.byte_order, ByteOrder::Swapped);
    assert_eq!(layout.indices.in_place(), None);
    for (descr, elements) in [("|u1", &[0, 2, 1, 3][..]), (">u2", &[0, 0, 0, 2, 0, 1, 0, 3])] {
        let layout = read(vec![("indices.npy", npy(descr, &[4], elements))]).unwrap();
        assert_eq!(
            layout.in_place()[1],
            None,
            "{descr}: only 32 and 64 bits with a sign are used in place"
        );
    }
    for descr in ["<f8", "|b1", "<c8"] {
        let size = descr[2..].parse::<usize>().unwrap();
        let error = refused("indices.npy", npy(descr, &[4], &vec![0; 4 * size]));
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{descr}: {error}");
    }
}

#[test]
fn a_place_that_is_not_aligned_is_not_used() {
    // The offsets of what is stored back to back are as they come: all that matters is that each is told.
    let file = archive(members(vec![]), CompressionMethod::Stored);
    let layout = compressed_layout(Cursor::new(&file)).unwrap();
    for part in Part::COMPRESSED {
        let member = member(&layout, part);
        let Placement::Stored { offset } = member.placement else { panic!("stored") };
        assert_eq!(member.in_place(), offset.is_multiple_of(4).then_some(offset));
    }
    // Complex numbers need no more than their parts do.
    let bytes = npy("|u1", &[4], &[1, 2, 3, 4]);
    let layout = read(vec![("data.npy", bytes)]).unwrap();
    assert!(layout.data.in_place().is_some(), "a byte is aligned everywhere");
}

#[test]
fn is_array_is_a_boolean_or_absent() {
    for value in [false, true] {
        let member = npy("|b1", &[], &[u8::from(value)]);
        assert_eq!(read(vec![("_is_array.npy", member)]).unwrap().is_array, Some(value));
    }
    for (descr, shape, data) in
        [("|b1", &[][..], &[2][..]), ("|u1", &[], &[1]), ("|b1", &[2], &[1, 1])]
    {
        let error = refused("_is_array.npy", npy(descr, shape, data));
        assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
    }
}

#[test]
fn other_members_are_ignored() {
    let layout =
        read(vec![("notes.npy", npy("|O", &[], b"pickle")), ("README", b"hello".to_vec())]);
    assert_eq!(layout.unwrap().entries(), 4);
    let name = |index: usize| -> &'static str { format!("{index}.npy").leak() };
    let many = (0..100).map(|index| (name(index), Vec::new())).collect();
    assert!(read(many).unwrap_err().to_string().contains("105 members"));
}

/// Deflate makes one byte of no more than 1032: what claims more is not even begun.
#[test]
fn an_honest_member_is_no_bomb() {
    let zeros = npy("<i8", &[1 << 17], &vec![0; 8 << 17]);
    let indices = npy("<i4", &[1 << 17], &vec![0; 4 << 17]);
    let replaced = members(vec![("data.npy", zeros), ("indices.npy", indices)]);
    let file = archive(replaced, CompressionMethod::Deflated);
    let layout = compressed_layout(Cursor::new(&file)).unwrap();
    let Placement::Compressed { bytes } = layout.data.placement else { panic!("compressed") };
    assert!(bytes * 500 < layout.data.element_bytes(), "{bytes} bytes");
    let (mut cursor, mut out) = (Cursor::new(&file), vec![1; 8 << 17]);
    layout.data.reader(&mut cursor).unwrap().fill(&mut out).unwrap();
    assert!(out.iter().all(|&byte| byte == 0));
}
