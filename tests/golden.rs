//! What NumPy and SciPy wrote is read as they read it, and what nobody should accept is refused.
//!
//! The files, the script that made them and what is expected of each are in tests/golden/.
#![cfg(feature = "program")]

use std::fs;
use std::path::{Path, PathBuf};

use arraystore::array::{Bool, DType, Element, Order};
use arraystore::format::{ByteOrder, DenseLayout, npy};
use arraystore::{Error, ErrorKind, Result};
use serde_json::Value;

/// What a file holds, as expected.json tells it.
#[derive(Debug, PartialEq)]
struct Contents {
    dtype: String,
    shape: [u64; 2],
    file_shape: Option<Vec<u64>>,
    /// `c`, `f`, `csr` or `csc`.
    layout: String,
    /// The elements in C order, little-endian, in hexadecimal.
    values: String,
}

/// Everything that is in the file at `path`. The one place that knows how files are opened.
fn load(path: &Path) -> Result<Contents> {
    let bytes = fs::read(path).map_err(|error| Error::io("read", error))?;
    let header = npy::read_header(&mut &bytes[..])?;
    let layout = DenseLayout::from_npy(&header, bytes.len() as u64)?;
    let data = &bytes[usize::try_from(layout.data_offset).unwrap()..];
    if layout.dtype == DType::Bool && !bytemuck::cast_slice(data).iter().all(Bool::is_valid) {
        return Err(Error::new(ErrorKind::Malformed, "read", "a boolean is neither 0 nor 1"));
    }
    let file_shape = layout.file_shape.as_ref();
    Ok(Contents {
        dtype: layout.dtype.to_string(),
        shape: [layout.shape.rows as u64, layout.shape.cols as u64],
        file_shape: file_shape.map(|shape| shape.iter().map(|&length| length as u64).collect()),
        layout: layout.order.to_string(),
        values: hex(&in_c_order(&layout, data)),
    })
}

/// The elements of a dense file in C order and the machine's byte order.
fn in_c_order(layout: &DenseLayout, data: &[u8]) -> Vec<u8> {
    let (rows, cols) = (layout.shape.rows, layout.shape.cols);
    let item_size = layout.dtype.item_size();
    let mut out = Vec::with_capacity(data.len());
    for (row, col) in (0..rows).flat_map(|row| (0..cols).map(move |col| (row, col))) {
        let place = match layout.order {
            Order::C => row * cols + col,
            Order::Fortran => col * rows + row,
        };
        for unit in data[place * item_size..][..item_size].chunks(layout.dtype.swap_size()) {
            match layout.byte_order {
                ByteOrder::Native => out.extend(unit),
                ByteOrder::Swapped => out.extend(unit.iter().rev()),
            }
        }
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The manifest's entries of one kind that must be read.
fn good(kind: &str) -> Vec<Value> {
    entries(|entry| entry["kind"] == kind && entry.get("error").is_none())
}

/// The manifest's entries of one kind that must be refused.
fn bad(kind: &str) -> Vec<Value> {
    entries(|entry| entry["kind"] == kind && entry.get("error").is_some())
}

fn entries(wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    let text = fs::read_to_string(folder().join("expected.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    manifest["files"].as_array().unwrap().iter().filter(|entry| wanted(entry)).cloned().collect()
}

fn name(entry: &Value) -> &str {
    entry["file"].as_str().unwrap()
}

/// All failures at once: one must not hide the others.
fn check_all(entries: &[Value], check: impl Fn(&Value) -> std::result::Result<(), String>) {
    assert!(entries.len() > 20, "the manifest lists only {} such files", entries.len());
    let failures: Vec<_> = entries
        .iter()
        .filter_map(|entry| check(entry).err().map(|why| format!("{}: {why}", name(entry))))
        .collect();
    assert!(failures.is_empty(), "{} files:\n{}", failures.len(), failures.join("\n"));
}

fn check_good(entry: &Value) -> std::result::Result<(), String> {
    let numbers = |list: &Value| -> Vec<u64> {
        list.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
    };
    let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let expected = Contents {
        dtype: text("dtype").unwrap(),
        shape: numbers(&entry["shape"]).try_into().unwrap(),
        file_shape: entry.get("file_shape").filter(|shape| !shape.is_null()).map(numbers),
        layout: text("order").or(text("layout")).unwrap(),
        values: text("values").unwrap(),
    };
    match load(&folder().join("files").join(name(entry))) {
        Ok(found) if found == expected => Ok(()),
        Ok(found) => Err(format!("{found:?}\n    where {expected:?} was written")),
        Err(error) => Err(format!("{:?}: {error}", error.kind())),
    }
}

fn check_bad(entry: &Value) -> std::result::Result<(), String> {
    let allowed = entry["error"].as_array().unwrap();
    match load(&folder().join("files").join(name(entry))) {
        Ok(_) => Err(format!("was accepted ({})", entry["why"])),
        Err(error) => {
            let (kind, line) = (format!("{:?}", error.kind()), error.to_string());
            if !allowed.iter().any(|allowed| *allowed == *kind) {
                return Err(format!("{kind} where {allowed:?} was expected: {line}"));
            }
            if line.is_empty() || line.contains('\n') || line.len() > 300 {
                return Err(format!("not one clear line: {line}"));
            }
            Ok(())
        }
    }
}

#[test]
fn dense_files_hold_what_numpy_wrote() {
    check_all(&good("dense"), check_good);
}

#[test]
fn bad_dense_files_are_refused() {
    check_all(&bad("dense"), check_bad);
}

/// A file that no entry tells of is checked by nobody.
#[test]
fn every_golden_file_is_listed() {
    let mut listed: Vec<_> = entries(|_| true).iter().map(|entry| name(entry).to_owned()).collect();
    let mut found = Vec::new();
    for group in fs::read_dir(folder().join("files")).unwrap() {
        let group = group.unwrap();
        for file in fs::read_dir(group.path()).unwrap() {
            let file = file.unwrap().file_name();
            found.push(format!("{}/{}", group.file_name().display(), file.display()));
        }
    }
    listed.sort();
    found.sort();
    assert_eq!(listed, found);
}
