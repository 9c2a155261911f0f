//! What NumPy and SciPy wrote is read as they read it, and what nobody should accept is refused.
//!
//! The files, the script that made them and what is expected of each are in tests/golden/.
#![cfg(feature = "program")]

use std::fs;
use std::path::{Path, PathBuf};

use arraystore::array::Element;
use arraystore::store::{
    AnyStore, ArrayStore, ArrayStoreExt, Context, Io, Layout, MemoryStore, OpenOptions, Spec,
    TileOrder,
};
use arraystore::{Result, with_store};
use ndarray::{Array2, ArrayView2, s};
use serde_json::Value;

const EVERY_IO: [Io; 2] = [Io::Mapped, Io::Positioned];

/// What a file holds, as expected.json tells it.
#[derive(Debug, PartialEq)]
struct Contents {
    dtype: String,
    shape: [u64; 2],
    file_shape: Option<Vec<u64>>,
    /// `c`, `f`, `csr` or `csc`.
    layout: String,
    /// Entries, of a sparse file.
    stored: Option<u64>,
    /// The elements in C order, little-endian, in hexadecimal.
    values: String,
}

/// Everything that is in the file at `path`. The one place that knows how files are opened.
fn load(path: &Path, io: Io) -> Result<Contents> {
    let store = open(path, io)?;
    let Spec { shape, dtype, layout, file_shape } = store.spec().clone();
    let values = with_store!(&store, store => hex(&bytes(store.to_array()?.view())));
    Ok(Contents {
        dtype: dtype.to_string(),
        shape: [shape.rows as u64, shape.cols as u64],
        file_shape: file_shape.map(|shape| shape.iter().map(|&length| length as u64).collect()),
        layout: layout.to_string(),
        stored: matches!(layout, Layout::Sparse(_)).then_some(store.stats().stored),
        values,
    })
}

fn open(path: &Path, io: Io) -> Result<AnyStore> {
    AnyStore::open(path, &OpenOptions { io, ..OpenOptions::default() })
}

/// Elements in C order.
fn bytes<T: Element>(array: ArrayView2<'_, T>) -> Vec<u8> {
    array.iter().flat_map(|value| bytemuck::bytes_of(value).to_vec()).collect()
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
        stored: entry.get("stored").map(|stored| stored.as_u64().unwrap()),
        values: text("values").unwrap(),
    };
    for io in EVERY_IO {
        match load(&path(entry), io) {
            Ok(found) if found == expected => {}
            Ok(found) => {
                return Err(format!("{io:?}: {found:?}\n    where {expected:?} was written"));
            }
            Err(error) => return Err(format!("{io:?}: {:?}: {error}", error.kind())),
        }
    }
    Ok(())
}

fn path(entry: &Value) -> PathBuf {
    folder().join("files").join(name(entry))
}

/// Reads a good file in every way there is.
fn check_every_way(entry: &Value) -> std::result::Result<(), String> {
    for io in EVERY_IO {
        let store = open(&path(entry), io).map_err(|error| error.to_string())?;
        with_store!(&store, store => every_way(&**store))
            .map_err(|error| error.to_string())?
            .map_or(Ok(()), |what| Err(format!("{io:?}: {what} differ")))?;
    }
    Ok(())
}

/// What differs from the whole, if anything does.
fn every_way<T: Element>(store: &dyn ArrayStore<Elem = T>) -> Result<Option<String>> {
    let whole = store.to_array()?;
    for (j, column) in whole.columns().into_iter().enumerate() {
        let read = store.column(j)?;
        if !read.iter().map(bytemuck::bytes_of).eq(column.iter().map(bytemuck::bytes_of)) {
            return Ok(Some(format!("the values of column {j}")));
        }
    }
    for (i, row) in whole.rows().into_iter().enumerate() {
        let read = store.row(i)?;
        if !read.iter().map(bytemuck::bytes_of).eq(row.iter().map(bytemuck::bytes_of)) {
            return Ok(Some(format!("the values of row {i}")));
        }
    }
    let context = Context::default();
    for order in [TileOrder::Any, TileOrder::Columns, TileOrder::Rows] {
        let mut shown = Array2::from_elem(whole.dim(), T::default());
        let visit = &mut |tile: arraystore::store::Tile<'_, T>| {
            tile.copy_to(shown.slice_mut(s![tile.rows.clone(), tile.cols.clone()]));
            Ok(())
        };
        store.visit(order, visit, &context)?;
        if bytes(shown.view()) != bytes(whole.view()) {
            return Ok(Some(format!("the tiles of {order:?}")));
        }
    }
    let digest = MemoryStore::new(whole).digest(&context)?;
    Ok((store.digest(&context)? != digest).then(|| "digests".to_owned()))
}

fn check_bad(entry: &Value) -> std::result::Result<(), String> {
    let allowed = entry["error"].as_array().unwrap();
    for io in EVERY_IO {
        let Err(error) = load(&path(entry), io) else {
            return Err(format!("was accepted ({})", entry["why"]));
        };
        let (kind, line) = (format!("{:?}", error.kind()), error.to_string());
        if !allowed.iter().any(|allowed| *allowed == *kind) {
            return Err(format!("{io:?}: {kind} where {allowed:?} was expected: {line}"));
        }
        let reason = line.strip_prefix(&format!("{}: ", path(entry).display()));
        if !reason.is_some_and(|reason| !reason.is_empty() && reason.len() < 200)
            || line.contains('\n')
        {
            return Err(format!("{io:?}: not one clear line about the file: {line}"));
        }
    }
    Ok(())
}

#[test]
fn dense_files_hold_what_numpy_wrote() {
    check_all(&good("dense"), check_good);
}

#[test]
fn bad_dense_files_are_refused() {
    check_all(&bad("dense"), check_bad);
}

#[test]
fn sparse_files_hold_what_scipy_wrote() {
    check_all(&good("sparse"), check_good);
}

/// At the latest when they are read.
#[test]
fn bad_sparse_files_are_refused() {
    check_all(&bad("sparse"), check_bad);
}

/// Other formats of SciPy's, and Matrix Market.
#[test]
fn foreign_files_hold_what_scipy_reads() {
    check_all(&good("foreign"), check_good);
}

/// At the latest when they are read.
#[test]
fn bad_foreign_files_are_refused() {
    check_all(&bad("foreign"), check_bad);
}

#[test]
fn columns_rows_visits_and_digests_agree_with_the_whole() {
    check_all(&good("sparse"), check_every_way);
    check_all(&good("foreign"), check_every_way);
    check_all(&good("dense"), check_every_way);
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
