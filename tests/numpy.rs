//! What is written here, NumPy reads: files are made and tests/python/check_files.py loads them.
//!
//! Needs Python 3 with NumPy (and SciPy for sparse files) and fails without. Where they cannot be had,
//! `ARRAYSTORE_WITHOUT_PYTHON=1` leaves these tests out.
#![cfg(feature = "program")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use arraystore::array::{DType, Order};
use arraystore::format::npy;
use serde_json::{Value, json};

const CHECKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/check_files.py");

/// Lets NumPy and SciPy load the files and compare them with what is expected of each (see the
/// checker's own description).
fn check_in_python(expectations: &[Value]) {
    if std::env::var_os("ARRAYSTORE_WITHOUT_PYTHON").is_some_and(|value| value == "1") {
        return;
    }
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
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("ModuleNotFoundError"), "{stderr}\n{advice}");
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains(&format!("{} files checked, 0 not", expectations.len())), "{stdout}");
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

/// Writes an npy file and returns what NumPy must see in it.
fn written(folder: &Path, dtype: DType, order: Order, shape: &[usize]) -> Value {
    let data = elements(dtype, shape.iter().product());
    let name = format!("{dtype}-{order}-{shape:?}.npy");
    let path = folder.join(name);
    let mut bytes = npy::header_bytes(dtype, order, shape).unwrap();
    bytes.extend_from_slice(&data);
    fs::write(&path, bytes).unwrap();
    let values = match order {
        Order::C => data,
        Order::Fortran => fortran_to_c(&data, shape, dtype.item_size()),
    };
    json!({
        "path": path, "kind": "npy", "dtype": dtype.numpy_name(), "shape": shape,
        "order": order.to_string(), "values": hex(&values), "aligned": true, "numpy": true,
    })
}

#[test]
fn npy_files_are_what_numpy_writes_itself() {
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
    check_in_python(&expectations);
}
