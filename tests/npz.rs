//! Sparse files at the level of the format, without a store: what SciPy wrote lies where it is said to lie
//! and reads as SciPy reads it, and what the format can know to be wrong is refused.
//!
//! The files, the script that made them and what is expected of each are in tests/golden/.
#![cfg(feature = "program")]

use std::collections::HashMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use arraystore::Result;
use arraystore::array::{Bool, Complex32, Complex64, Compression, DType, Element, f16};
use arraystore::format::ByteOrder;
use arraystore::format::npz::{Member, NpzContents, NpzLayout, Placement, read_contents};
use serde_json::Value;

/// Bad files whose fault lies in what the arrays say, which the format does not look at.
const FOR_THE_STORE: [&str; 6] = [
    "npz-bad/indptr-not-monotone.npz",
    "npz-bad/indptr-not-from-zero.npz",
    "npz-bad/indptr-negative.npz",
    "npz-bad/indptr-beyond-data.npz",
    "npz-bad/indices-too-large.npz",
    "npz-bad/indices-negative.npz",
];

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The manifest's sparse files, good or bad, each with its bytes.
fn entries(is_bad: bool) -> Vec<(Value, Vec<u8>)> {
    let text = fs::read_to_string(golden().join("expected.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let entries: Vec<_> = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["kind"] == "sparse" && entry.get("error").is_some() == is_bad)
        .map(|entry| {
            let path = golden().join("files").join(entry["file"].as_str().unwrap());
            (entry.clone(), fs::read(path).unwrap())
        })
        .collect();
    assert!(entries.len() > 20, "the manifest lists only {} such files", entries.len());
    entries
}

fn elements(member: &Member, file: &[u8]) -> Result<Vec<u8>> {
    let mut cursor = Cursor::new(file);
    let mut out = vec![0; member.element_bytes() as usize];
    member.reader(&mut cursor)?.fill(&mut out)?;
    Ok(out)
}

fn indices(member: &Member, file: &[u8]) -> Vec<usize> {
    assert_eq!(member.byte_order, ByteOrder::Native);
    let item_size = member.dtype.item_size();
    let number = |item: &[u8]| item.iter().rev().fold(0, |n, &byte| n << 8 | usize::from(byte));
    elements(member, file).unwrap().chunks(item_size).map(number).collect()
}

/// Every cell in C order, entries stored twice summed in turn.
fn cells<T: Element>(layout: &NpzLayout, file: &[u8]) -> Vec<u8> {
    let (indptr, indices) = (indices(&layout.indptr, file), indices(&layout.indices, file));
    let data: Vec<T> = bytemuck::pod_collect_to_vec(&elements(&layout.data, file).unwrap());
    let mut cells: HashMap<(usize, usize), T> = HashMap::new();
    for (line, bounds) in indptr.windows(2).enumerate() {
        for entry in bounds[0]..bounds[1] {
            let cell = match layout.compression {
                Compression::Csr => (line, indices[entry]),
                Compression::Csc => (indices[entry], line),
            };
            let value = data[entry];
            cells.entry(cell).and_modify(|sum| *sum = sum.sum(value)).or_insert(value);
        }
    }
    let shape = layout.shape;
    (0..shape.rows)
        .flat_map(|row| (0..shape.cols).map(move |col| (row, col)))
        .flat_map(|cell| {
            bytemuck::bytes_of(&cells.get(&cell).copied().unwrap_or_default()).to_vec()
        })
        .collect()
}

fn cells_of_dtype(layout: &NpzLayout, file: &[u8]) -> Vec<u8> {
    let cells = match layout.dtype {
        DType::Bool => cells::<Bool>,
        DType::I8 => cells::<i8>,
        DType::I16 => cells::<i16>,
        DType::I32 => cells::<i32>,
        DType::I64 => cells::<i64>,
        DType::U8 => cells::<u8>,
        DType::U16 => cells::<u16>,
        DType::U32 => cells::<u32>,
        DType::U64 => cells::<u64>,
        DType::F16 => cells::<f16>,
        DType::F32 => cells::<f32>,
        DType::F64 => cells::<f64>,
        DType::Complex64 => cells::<Complex32>,
        DType::Complex128 => cells::<Complex64>,
    };
    cells(layout, file)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_scipy_wrote_lies_where_it_is_said_to_lie() {
    for (expected, file) in entries(false) {
        let name = expected["file"].as_str().unwrap();
        let layout =
            compressed_layout(Cursor::new(&file)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(layout.dtype.to_string(), expected["dtype"], "{name}");
        assert_eq!([layout.shape.rows, layout.shape.cols], lengths(&expected["shape"]), "{name}");
        assert_eq!(layout.compression.to_string(), expected["layout"], "{name}");
        assert_eq!(layout.entries(), expected["stored"].as_u64().unwrap(), "{name}");
        for member in [&layout.indptr, &layout.indices] {
            assert_eq!(8 * member.dtype.item_size() as u64, expected["index_bits"], "{name}");
        }
        let says_array = !name.contains("matrix") && !name.contains("format-as-text");
        assert_eq!(layout.is_array, says_array.then_some(true), "{name}");
        for member in layout.members() {
            match member.placement {
                Placement::Stored { offset } => {
                    assert!(!name.contains("-compressed"), "{name}");
                    let there = &file[offset as usize..][..member.element_bytes() as usize];
                    assert_eq!(there, elements(member, &file).unwrap(), "{name}");
                }
                Placement::Compressed { .. } => assert!(name.contains("-compressed"), "{name}"),
            }
        }
        assert_eq!(hex(&cells_of_dtype(&layout, &file)), expected["values"], "{name}");
    }
}

/// What a file in one of the compressed formats holds.
fn compressed_layout(file: Cursor<impl AsRef<[u8]>>) -> arraystore::Result<NpzLayout> {
    match read_contents(file)? {
        NpzContents::Compressed(layout) => Ok(layout),
        other => panic!("it is compressed: {other:?}"),
    }
}

fn lengths(shape: &Value) -> [usize; 2] {
    [0, 1].map(|axis| shape[axis].as_u64().unwrap() as usize)
}

#[test]
fn what_the_format_can_know_to_be_wrong_is_refused() {
    for (expected, file) in entries(true) {
        let name = expected["file"].as_str().unwrap();
        let result = compressed_layout(Cursor::new(&file)).and_then(|layout| {
            layout.members().into_iter().try_for_each(|member| elements(member, &file).map(drop))
        });
        let Err(error) = result else {
            assert!(FOR_THE_STORE.contains(&name), "{name} was accepted ({})", expected["why"]);
            continue;
        };
        assert!(!FOR_THE_STORE.contains(&name), "{name}: {error}");
        let (kind, line) = (format!("{:?}", error.kind()), error.to_string());
        let allowed = expected["error"].as_array().unwrap();
        assert!(allowed.iter().any(|allowed| *allowed == *kind), "{name}: {kind}: {line}");
        assert!(!line.is_empty() && !line.contains('\n') && line.len() < 200, "{name}: {line}");
    }
}
