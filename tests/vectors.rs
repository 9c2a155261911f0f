//! The frozen formats against their test vectors in docs/vectors/: this crate's own code, an independent
//! implementation of the documents' formulas in Python, and the part of this program and of the NumPy peers
//! in trial protocol v1.
//!
//! Needs Python 3, with NumPy for the peers: see tests/python/mod.rs.
#![cfg(feature = "program")]

mod python;

use std::fs;
use std::path::{Path, PathBuf};

use arraystore::array::{Axis, DType, Digester, Selection, Shape};
use arraystore::store::Context;
use arraystore::workload::{Generated, Value, Workload};
use serde_json::Value as Json;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/vectors")
}

fn json(name: &str) -> Json {
    let text = fs::read(vectors().join(name)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn list<'a>(of: &'a Json, name: &str) -> &'a Vec<Json> {
    let list = of[name].as_array().unwrap();
    assert!(!list.is_empty(), "{name}");
    list
}

fn text<'a>(of: &'a Json, name: &str) -> &'a str {
    of[name].as_str().unwrap_or_else(|| panic!("{name} of {of}"))
}

fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(of: &Json, name: &str) -> T {
    of[name].as_str().map_or_else(|| of[name].to_string(), str::to_owned).parse().unwrap()
}

fn shape(of: &Json) -> Shape {
    let length = |axis: usize| of["shape"][axis].as_u64().unwrap() as usize;
    Shape::new(length(0), length(1))
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Calls a function that is generic over the element type for the type named by a dtype.
macro_rules! typed {
    ($dtype:expr, $function:ident($($argument:expr),*)) => {{
        use arraystore::array as a;
        match $dtype {
            DType::Bool => $function::<a::Bool>($($argument),*),
            DType::I8 => $function::<i8>($($argument),*),
            DType::I16 => $function::<i16>($($argument),*),
            DType::I32 => $function::<i32>($($argument),*),
            DType::I64 => $function::<i64>($($argument),*),
            DType::U8 => $function::<u8>($($argument),*),
            DType::U16 => $function::<u16>($($argument),*),
            DType::U32 => $function::<u32>($($argument),*),
            DType::U64 => $function::<u64>($($argument),*),
            DType::F16 => $function::<a::f16>($($argument),*),
            DType::F32 => $function::<f32>($($argument),*),
            DType::F64 => $function::<f64>($($argument),*),
            DType::Complex64 => $function::<a::Complex32>($($argument),*),
            DType::Complex128 => $function::<a::Complex64>($($argument),*),
        }
    }};
}

fn digest_of<T: Value>(entry: &Json) -> String {
    let mut digester = Digester::new(shape(entry), T::DTYPE);
    digester.cells(entry["cells"].as_array().unwrap().iter().map(|cell| {
        let index = |axis: usize| cell[axis].as_u64().unwrap() as usize;
        let element = bytes(cell[2].as_str().unwrap());
        (index(0), index(1), bytemuck::pod_read_unaligned::<T>(&element))
    }));
    digester.finish().to_string()
}

#[test]
fn digest_v1() {
    let vectors = json("digest-v1.json");
    for dtype in DType::ALL {
        assert_eq!(vectors["codes"][dtype.name()], dtype.code(), "{dtype}");
    }
    for entry in list(&vectors, "matrices") {
        let dtype: DType = number(entry, "dtype");
        let found = typed!(dtype, digest_of(entry));
        assert_eq!(found, text(entry, "digest"), "{}", text(entry, "name"));
    }
}

fn cell_of<T: Value>(data: &Generated, row: usize, col: usize) -> Vec<u8> {
    bytemuck::bytes_of(&data.cell::<T>(row, col)).to_vec()
}

#[test]
fn generated_v1_cell_by_cell() {
    for entry in list(&json("generated-v1.json"), "cells") {
        let dtype: DType = number(entry, "dtype");
        let (row, col) = (number(entry, "row"), number(entry, "column"));
        let data = Generated {
            seed: number(entry, "seed"),
            shape: Shape::new(usize::MAX, usize::MAX),
            dtype,
            density: entry["density"].as_f64().unwrap(),
        };
        let found = typed!(dtype, cell_of(&data, row, col));
        assert_eq!(found, bytes(text(entry, "bytes")), "{entry}");
    }
}

#[test]
fn generated_v1_as_whole_matrices() {
    for entry in list(&json("generated-v1.json"), "matrices") {
        let data = Generated {
            seed: number(entry, "seed"),
            shape: shape(entry),
            dtype: number(entry, "dtype"),
            density: entry["density"].as_f64().unwrap(),
        };
        let context = Context::default();
        assert_eq!(data.digest(&context).unwrap().to_string(), text(entry, "digest"), "{entry}");
        // Sums are written as text: not every JSON reader rounds numbers rightly.
        let right: Vec<f64> =
            list(entry, "sums").iter().map(|sum| sum.as_str().unwrap().parse().unwrap()).collect();
        assert_eq!(data.column_sums(&context).unwrap(), right, "{entry}");
    }
}

#[test]
fn choice_of_rows_and_block() {
    let vectors = json("generated-v1.json");
    for entry in list(&vectors, "rows") {
        let shape = Shape::new(number(entry, "rows"), 1);
        let selection =
            Workload::ExtractRows.selection(shape, number::<u64>(entry, "seed")).unwrap();
        let Axis::Indices(rows) = selection.rows else { panic!("{selection:?}") };
        assert_eq!(rows.len(), number::<usize>(entry, "count"));
        let first: Vec<usize> = serde_json::from_value(entry["first"].clone()).unwrap();
        assert_eq!(rows[..first.len()], first);
        assert_eq!(rows.iter().sum::<usize>(), number::<usize>(entry, "sum"));
    }
    for entry in list(&vectors, "middles") {
        let length = number(entry, "length");
        let [start, stop] = [0, 1].map(|end| entry["quarter"][end].as_u64().unwrap() as usize);
        let selection = Workload::ExtractBlock.selection(Shape::new(length, length), 0);
        assert_eq!(selection, Some(Selection::block(start..stop, start..stop)));
    }
}

/// Runs a script of tests/python: whether it was content, and what it printed. None where Python was given up
/// on purpose.
fn checked(script: &str, arguments: &[&Path]) -> Option<(bool, String)> {
    let output = python::script(script)?.args(arguments).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&printed).into_owned()))
}

#[test]
fn the_documents_formulas_in_python_give_the_same_vectors() {
    let Some((content, printed)) = checked("vectors.py", &[]) else { return };
    assert!(content && printed.contains(" vectors checked, 0 disagree"), "{printed}");
}

#[test]
fn a_vector_that_is_wrong_is_noticed() {
    for (name, right, wrong) in [
        ("digest-v1.json", r#""digest": ""#, r#""digest": "0"#),
        ("generated-v1.json", r#""bytes": ""#, r#""bytes": "00"#),
        ("generated-v1.json", r#""sum": "#, r#""sum": 1"#),
        ("trial-v1.jsonl", r#""digest": ""#, r#""digest": "0"#),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for file in ["digest-v1.json", "generated-v1.json", "trial-v1.jsonl"] {
            let text = fs::read_to_string(vectors().join(file)).unwrap();
            let text = if file == name { text.replacen(right, wrong, 1) } else { text };
            fs::write(folder.path().join(file), text).unwrap();
        }
        let Some((content, printed)) = checked("vectors.py", &[folder.path()]) else { return };
        assert!(!content && printed.contains(", 1 disagree"), "{name}: {printed}");
    }
}

#[test]
fn arraystore_trial_speaks_the_protocol_and_answers_rightly() {
    let arguments = [Path::new(env!("CARGO_BIN_EXE_arraystore")), Path::new("trial")];
    let Some((content, printed)) = checked("dialogue.py", &arguments) else { return };
    assert!(content && printed.contains(" steps as expected"), "{printed}");
}

#[test]
fn the_numpy_peers_speak_the_protocol_and_answer_rightly() {
    let Some(python) = python::python() else { return };
    for peer in ["numpy_memmap.py", "numpy_expert.py", "seek_fromfile.py"] {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(peer);
        let Some((content, printed)) = checked("dialogue.py", &[python, &program]) else { return };
        assert!(content && printed.contains(" steps as expected"), "{peer}: {printed}");
    }
}
