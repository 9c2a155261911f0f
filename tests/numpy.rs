//! What is written here, NumPy reads: files are made and tests/python/check_files.py loads them.
//!
//! Needs Python 3 with NumPy (and SciPy for sparse files) and fails without. Where they cannot be had,
//! `ARRAYSTORE_WITHOUT_PYTHON=1` leaves these tests out.
#![cfg(feature = "program")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use arraystore::array::{DType, Order, Shape};
use arraystore::format::npy;
use arraystore::format::raw::RawLayout;
use serde_json::{Value, json};

const CHECKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/check_files.py");

/// Whether Python was given up on purpose: without that, its absence is a failure.
fn without_python() -> bool {
    std::env::var_os("ARRAYSTORE_WITHOUT_PYTHON").is_some_and(|value| value == "1")
}

/// Lets NumPy and SciPy load the files and compare them with what is expected of each (see the
/// checker's own description): whether all are as expected, and what it printed.
fn verdict(expectations: &[Value]) -> (bool, String) {
    let advice = "install Python 3 with numpy and scipy, or set ARRAYSTORE_WITHOUT_PYTHON=1";
    let mut child = Command::new("python3")
        .arg(CHECKER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("python3 does not start ({error}): {advice}"));
    let input = serde_json::to_vec(expectations).unwrap();
    // A checker that dies before it reads breaks the pipe; its own words below say why.
    let _ = child.stdin.take().unwrap().write_all(&input);
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let summary = format!("{} files checked", expectations.len());
    assert!(stdout.contains(&summary), "the checker failed: {stdout}{stderr}\n{advice}");
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
    if without_python() {
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

#[test]
fn raw_files_are_what_np_memmap_maps() {
    if without_python() {
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

/// What expected.json says of the sparse golden files is what SciPy reads in them, so that the checker
/// sees an npz as the golden tests do.
#[test]
fn the_checker_reads_the_golden_files_as_the_manifest_does() {
    if without_python() {
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
    if without_python() {
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
