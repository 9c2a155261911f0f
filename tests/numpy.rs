//! What is written here, NumPy reads: files are made and tests/python/check_files.py loads them.
//!
//! Needs Python 3 with NumPy and SciPy: see tests/python/mod.rs.
#![cfg(feature = "program")]

mod python;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use arraystore::array::{
    Bool, Complex32, Complex64, Compression, DType, IndexWidth, Order, Selection, Shape, f16,
};
use arraystore::format::npy;
use arraystore::format::npz::{NpzPlan, Part};
use arraystore::format::raw::RawLayout;
use arraystore::store::{
    AnyElement, Context, CreateOptions, Layout, MemoryStore, OpenOptions, copy, create, open,
};
use ndarray::{Array2, ShapeBuilder, s};
use serde_json::{Value, json};

/// Lets NumPy and SciPy load the files and compare them with what is expected of each (see the
/// checker's own description): whether all are as expected, and what it printed.
fn verdict(expectations: &[Value]) -> (bool, String) {
    let mut checker =
        python::script("check_files.py").expect("callers asked whether Python is there");
    let mut child = checker
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(expectations).unwrap();
    // A checker that dies before it reads breaks the pipe; its own words below say why.
    let _ = child.stdin.take().unwrap().write_all(&input);
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let summary = format!("{} files checked", expectations.len());
    assert!(stdout.contains(&summary), "the checker failed: {stdout}{stderr}");
    (output.status.success(), stdout)
}

fn assert_as_expected(expectations: &[Value]) {
    let (all, printed) = verdict(expectations);
    assert!(all, "{printed}");
}

/// Bytes that are valid elements of any dtype, no two alike in a row.
fn elements(dtype: DType, count: usize) -> Vec<u8> {
    match dtype {
        DType::Bool => (0..count).map(|i| (i % 3 == 0) as u8).collect(),
        _ => (0..count * dtype.item_size()).map(|i| (i * 37 % 251) as u8).collect(),
    }
}

/// `bytes`, elements of `shape` in Fortran order, as C order has them.
fn fortran_to_c(bytes: &[u8], shape: &[usize], item_size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for index in 0..shape.iter().product() {
        let (mut rest, mut place, mut block) = (index, 0, bytes.len() / item_size);
        for &length in shape.iter().rev() {
            block /= length;
            place += rest % length * block;
            rest /= length;
        }
        out.extend_from_slice(&bytes[place * item_size..][..item_size]);
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `bytes`, elements of `shape` in this order, as the checker wants them.
fn values(bytes: &[u8], order: Order, shape: &[usize], dtype: DType) -> String {
    match order {
        Order::C => hex(bytes),
        Order::Fortran => hex(&fortran_to_c(bytes, shape, dtype.item_size())),
    }
}

/// Writes an npy file and returns what NumPy must see in it.
fn written(folder: &Path, dtype: DType, order: Order, shape: &[usize]) -> Value {
    let data = elements(dtype, shape.iter().product());
    let name = format!("{dtype}-{order}-{shape:?}.npy");
    let path = folder.join(name);
    let mut bytes = npy::header_bytes(dtype, order, shape).unwrap();
    bytes.extend_from_slice(&data);
    fs::write(&path, bytes).unwrap();
    json!({
        "path": path, "kind": "npy", "dtype": dtype.numpy_name(), "shape": shape,
        "order": order.to_string(), "values": values(&data, order, shape, dtype),
        "aligned": true, "numpy": true,
    })
}

#[test]
fn npy_files_are_what_numpy_writes_itself() {
    if python::python().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shapes: [&[usize]; 10] =
        [&[], &[0], &[5], &[0, 0], &[0, 4], &[4, 3], &[1, 7], &[7, 1], &[2, 3, 4], &[2, 1, 0, 3]];
    let mut expectations = Vec::new();
    for dtype in DType::ALL {
        for order in [Order::C, Order::Fortran] {
            for shape in shapes {
                expectations.push(written(folder.path(), dtype, order, shape));
            }
        }
    }
    // Every length of a header, so that every padding is compared.
    for digits in 1..=64 {
        expectations.push(written(folder.path(), DType::U8, Order::C, &vec![1; digits]));
    }
    assert_as_expected(&expectations);
}

/// Appends to a file that NumPy could have written; gives what NumPy must see in it then, and meanwhile.
fn grown<T: AnyElement>(
    folder: &Path,
    order: Order,
    shape: &[usize],
    grown_shape: &[usize],
) -> [Value; 2] {
    let before = written(folder, T::DTYPE, order, shape);
    let path = Path::new(before["path"].as_str().unwrap());
    let elements = elements(T::DTYPE, grown_shape.iter().product());
    let appended = &elements[shape.iter().product::<usize>() * T::DTYPE.item_size()..];
    let appended = bytemuck::pod_collect_to_vec::<u8, T>(appended);
    let mut store = open::<T>(path, &OpenOptions::read_write()).unwrap();
    let Shape { rows, cols } = store.spec().shape;
    let lines = match order {
        Order::C => Array2::from_shape_vec((appended.len() / cols, cols), appended),
        Order::Fortran => Array2::from_shape_vec((rows, appended.len() / rows).f(), appended),
    };
    store.append(lines.unwrap().view()).unwrap();
    let meanwhile = path.with_extension("growing.npy");
    fs::copy(path, &meanwhile).unwrap();
    store.sync().unwrap();
    let mut expected = [before.clone(), before];
    expected[0]["path"] = json!(meanwhile);
    expected[0]["numpy"] = json!(false);
    expected[1]["shape"] = json!(grown_shape);
    expected[1]["values"] = json!(values(&elements, order, grown_shape, T::DTYPE));
    expected
}

/// Also while it grows, and whatever is left of that: NumPy sees what was there before.
#[test]
fn a_file_that_grew_is_what_numpy_writes_itself() {
    if python::python().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut expectations = Vec::new();
    for (order, shape, grown_shape) in [
        (Order::C, &[9, 3][..], &[12, 3][..]),
        (Order::C, &[99, 1], &[1000, 1]),
        (Order::C, &[5], &[70]),
        (Order::C, &[2, 3, 4], &[11, 3, 4]),
        (Order::C, &[0, 4], &[3, 4]),
        (Order::Fortran, &[3, 9], &[3, 12]),
        (Order::Fortran, &[4, 3, 2], &[4, 3, 11]),
        (Order::Fortran, &[4, 0], &[4, 3]),
    ] {
        expectations.extend(grown::<u8>(folder.path(), order, shape, grown_shape));
        expectations.extend(grown::<f16>(folder.path(), order, shape, grown_shape));
        expectations.extend(grown::<f32>(folder.path(), order, shape, grown_shape));
        expectations.extend(grown::<Complex64>(folder.path(), order, shape, grown_shape));
    }
    assert_as_expected(&expectations);
}

#[test]
fn raw_files_are_what_np_memmap_maps() {
    if python::python().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut expectations = Vec::new();
    for dtype in DType::ALL {
        for (order, offset) in [(Order::C, 0), (Order::Fortran, 0), (Order::C, 24)] {
            let data = elements(dtype, 12);
            let path = folder.path().join(format!("{dtype}-{order}-{offset}"));
            let bytes = [&vec![0xff; offset][..], &data].concat();
            let layout = RawLayout { dtype, shape: Shape::new(4, 3), order, offset: offset as u64 };
            layout.check(bytes.len() as u64).unwrap();
            fs::write(&path, bytes).unwrap();
            expectations.push(json!({
                "path": path, "kind": "raw", "dtype": dtype.numpy_name(), "shape": [4, 3],
                "order": order.to_string(), "offset": offset,
                "values": values(&data, order, &[4, 3], dtype),
            }));
        }
    }
    assert_as_expected(&expectations);
}

/// Writes an npz file of two entries in each of three lines by its plan, and returns what SciPy must see.
fn written_npz(folder: &Path, compression: Compression, dtype: DType, width: IndexWidth) -> Value {
    let shape = match compression {
        Compression::Csr => Shape::new(3, 5),
        Compression::Csc => Shape::new(5, 3),
    };
    let plan = NpzPlan::new(compression.into(), shape, dtype, width, 6).unwrap();
    let positions = [0, 3, 1, 2, 0, 4];
    let integers = |values: &[i64]| -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()[..width.bytes()].to_vec()).collect()
    };
    let data = elements(dtype, 6);
    let mut file = vec![0; plan.file_bytes() as usize];
    let mut write = |part: Part, bytes: &[u8]| {
        file[plan.offset(part) as usize..][..bytes.len()].copy_from_slice(bytes);
        let mut hasher = plan.hasher(part);
        hasher.update(bytes);
        hasher.finalize()
    };
    let checksums = [
        write(Part::Indptr, &integers(&[0, 2, 4, 6])),
        write(Part::Indices, &integers(&positions)),
        write(Part::Data, &data),
    ];
    let checksum = |part| checksums[Part::COMPRESSED.iter().position(|&it| it == part).unwrap()];
    for (offset, piece) in plan.frame(&checksum) {
        file[offset as usize..][..piece.len()].copy_from_slice(&piece);
    }
    let path = folder.join(format!("{dtype}-{compression}-{width:?}.npz"));
    fs::write(&path, file).unwrap();

    let item_size = dtype.item_size();
    let mut cells = vec![0; 15 * item_size];
    for (entry, position) in positions.into_iter().enumerate() {
        let line = entry / 2;
        let cell = match compression {
            Compression::Csr => line * 5 + position as usize,
            Compression::Csc => position as usize * 3 + line,
        };
        cells[cell * item_size..][..item_size]
            .copy_from_slice(&data[entry * item_size..][..item_size]);
    }
    json!({
        "path": path, "kind": "npz", "dtype": dtype.numpy_name(), "shape": [shape.rows, shape.cols],
        "layout": compression.to_string(), "values": hex(&cells), "aligned": true,
        "index_bits": 8 * width.bytes(),
    })
}

#[test]
fn npz_files_are_what_scipy_loads() {
    if python::python().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut expectations = Vec::new();
    // SciPy has no sparse matrices of half precision.
    for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::F16) {
        for compression in [Compression::Csr, Compression::Csc] {
            for width in [IndexWidth::I32, IndexWidth::I64] {
                expectations.push(written_npz(folder.path(), compression, dtype, width));
            }
        }
    }
    assert_as_expected(&expectations);
}

/// Ways to fill a store.
#[derive(Debug, Clone, Copy)]
enum Fill {
    Write,
    Columns,
    ColumnsReversed,
    Copy,
}

/// Elements of which every third is zero, and some are what numbers have beside them: −0.0 and NaN.
fn sparse_elements(dtype: DType, count: usize) -> Vec<u8> {
    let item_size = dtype.item_size();
    let mut bytes = elements(dtype, count);
    let parts = match dtype {
        DType::Complex64 | DType::Complex128 => 2,
        _ => 1,
    };
    let is_real = matches!(dtype, DType::F32 | DType::F64) || parts == 2;
    let nan = if item_size / parts == 4 { [0xc0, 0x7f] } else { [0xf8, 0x7f] };
    for (k, element) in bytes.chunks_mut(item_size).enumerate() {
        match k % 7 {
            0 | 3 => element.fill(0),
            1 if is_real => {
                element.fill(0);
                element[item_size / parts - 1] = 0x80;
            }
            2 if is_real => {
                element.fill(0);
                element[item_size - 2..].copy_from_slice(&nan);
            }
            _ => {}
        }
    }
    bytes
}

/// Lets a store write an npz file, and returns what SciPy must see in it.
fn stored<T: AnyElement>(
    path: &Path,
    compression: Compression,
    shape: (usize, usize),
    cells: &[u8],
    fill: Fill,
) -> Value {
    let values = bytemuck::pod_collect_to_vec::<u8, T>(cells);
    let values = Array2::from_shape_vec(shape, values).unwrap();
    let options = CreateOptions::new(Shape::new(shape.0, shape.1), T::DTYPE)
        .layout(Layout::Sparse(compression));
    let mut store = create::<T>(path, &options).unwrap();
    let context = Context::default();
    match fill {
        Fill::Write => store.write(&Selection::all(), values.view()).unwrap(),
        Fill::Copy => copy(&MemoryStore::new(values), &mut *store, &context).unwrap(),
        Fill::Columns | Fill::ColumnsReversed => {
            let mut writer = store.column_writer(&context).unwrap();
            for k in 0..shape.1 {
                let column = if matches!(fill, Fill::Columns) { k } else { shape.1 - 1 - k };
                writer.write(column, values.slice(s![.., column..=column])).unwrap();
            }
            writer.finish().unwrap();
        }
    }
    store.sync().unwrap();
    json!({
        "path": path, "kind": "npz", "dtype": T::DTYPE.numpy_name(), "shape": [shape.0, shape.1],
        "layout": compression.to_string(), "values": hex(cells), "aligned": true,
        "canonical": true, "index_bits": 32,
    })
}

type Stored = fn(&Path, Compression, (usize, usize), &[u8], Fill) -> Value;

fn stored_of(dtype: DType) -> Stored {
    match dtype {
        DType::Bool => stored::<Bool>,
        DType::I8 => stored::<i8>,
        DType::I16 => stored::<i16>,
        DType::I32 => stored::<i32>,
        DType::I64 => stored::<i64>,
        DType::U8 => stored::<u8>,
        DType::U16 => stored::<u16>,
        DType::U32 => stored::<u32>,
        DType::U64 => stored::<u64>,
        DType::F16 => stored::<f16>,
        DType::F32 => stored::<f32>,
        DType::F64 => stored::<f64>,
        DType::Complex64 => stored::<Complex32>,
        DType::Complex128 => stored::<Complex64>,
    }
}

#[test]
fn npz_files_that_stores_write_are_what_scipy_loads() {
    if python::python().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut expectations = Vec::new();
    let fills = [Fill::Write, Fill::Columns, Fill::ColumnsReversed, Fill::Copy];
    let shapes = [(0, 0), (0, 4), (4, 0), (1, 30), (30, 1)];
    for dtype in DType::ALL.into_iter().filter(|&dtype| dtype != DType::F16) {
        for compression in [Compression::Csr, Compression::Csc] {
            let mut add = |name: &str, shape: (usize, usize), cells: &[u8], fill: Fill| {
                let name = format!("{dtype}-{compression}-{fill:?}-{name}.npz");
                let path = folder.path().join(name);
                expectations.push(stored_of(dtype)(&path, compression, shape, cells, fill));
            };
            for (k, fill) in fills.into_iter().enumerate() {
                add("values", (9, 14), &sparse_elements(dtype, 9 * 14), fill);
                // Each shape in one of the ways: it is the shape that matters.
                for (shape, (rows, cols)) in shapes.into_iter().enumerate() {
                    if (shape + k).is_multiple_of(fills.len()) {
                        let cells = sparse_elements(dtype, rows * cols);
                        add(&format!("{rows}x{cols}"), (rows, cols), &cells, fill);
                    }
                }
                add("zeros", (3, 4), &vec![0; 12 * dtype.item_size()], fill);
            }
        }
    }
    assert_as_expected(&expectations);
}

/// What expected.json says of the sparse golden files is what SciPy reads in them, so that the checker
/// sees an npz as the golden tests do.
#[test]
fn the_checker_reads_the_golden_files_as_the_manifest_does() {
    if python::python().is_none() {
        return;
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let manifest = fs::read(golden.join("expected.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let mut expectations = Vec::new();
    for entry in manifest["files"].as_array().unwrap() {
        if entry["kind"] == "sparse" && entry.get("error").is_none() {
            let mut expected = entry.clone();
            let dtype: DType = entry["dtype"].as_str().unwrap().parse().unwrap();
            expected["path"] = json!(golden.join("files").join(entry["file"].as_str().unwrap()));
            expected["kind"] = json!("npz");
            expected["dtype"] = json!(dtype.numpy_name());
            expectations.push(expected);
        }
    }
    assert!(expectations.len() > 50);
    assert_as_expected(&expectations);
}

#[test]
fn the_checker_notices_what_is_wrong() {
    if python::python().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let right = written(folder.path(), DType::I16, Order::Fortran, &[2, 3]);
    for (key, wrong, finding) in [
        ("dtype", json!("uint16"), "dtype int16"),
        ("shape", json!([3, 2]), "shape (2, 3)"),
        ("order", json!("c"), "do not lie in order c"),
        ("values", json!("00"), "values"),
        ("path", json!(folder.path().join("none.npy")), "FileNotFoundError"),
    ] {
        let mut expected = right.clone();
        expected[key] = wrong;
        let (all, printed) = verdict(&[right.clone(), expected]);
        assert!(!all && printed.contains(finding), "{key}: {printed}");
        assert!(printed.contains("2 files checked, 1 not as expected"), "{printed}");
    }
    let path = folder.path().join("tight.npy");
    let text = b"{'descr':'|u1','fortran_order':False,'shape':(1,)}";
    fs::write(&path, [b"\x93NUMPY\x01\x00\x33\x00", &text[..], b"\n\x07"].concat()).unwrap();
    let (all, printed) = verdict(&[json!({
        "path": path, "kind": "npy", "dtype": "uint8", "shape": [1], "order": "c", "values": "07",
        "aligned": true, "numpy": true,
    })]);
    assert!(!all && printed.contains("multiple of 64") && printed.contains("where NumPy writes"));
}
