//! What the program does when all is well.

use std::fs;

use arraystore::array::{DType, Order};
use arraystore::format::npy;
use serde_json::json;

use super::{Place, dtypes, golden};

#[test]
fn create_makes_zeros_of_every_dtype() {
    let place = Place::new();
    for dtype in dtypes() {
        assert_eq!(place.does(&format!("create {dtype}.npy --shape 2x3 --dtype {dtype}")), "");
        let info = place.json(&format!("info {dtype}.npy --json"));
        assert_eq!((&info["shape"], &info["dtype"]), (&json!([2, 3]), &json!(dtype)));
        let text = place.does(&format!("extract {dtype}.npy"));
        let zero = match dtype {
            "bool" => "false",
            "f16" | "f32" | "f64" => "0.0",
            "complex64" | "complex128" => "0.0+0.0j",
            _ => "0",
        };
        assert_eq!(text, format!("{zero} {zero} {zero}\n").repeat(2));
    }
}

#[test]
fn empty_arrays_are_arrays() {
    let place = Place::new();
    for shape in ["0x0", "0x3", "3x0"] {
        place.does(&format!("create {shape}.npy --shape {shape}"));
        place.does(&format!("create {shape}.bin --shape {shape}"));
        let rows = shape[..1].parse().unwrap();
        assert_eq!(place.does(&format!("extract {shape}.npy")), "\n".repeat(rows));
        let line =
            place.does(&format!("verify {shape}.npy {shape}.bin --shape {shape} --dtype f32"));
        assert!(line.starts_with("equal"), "{line}");
        place.does(&format!("extract {shape}.npy --columns : --out part-{shape}.npy"));
        place.does(&format!("digest part-{shape}.npy"));
    }
}

#[test]
fn the_same_seed_is_the_same_matrix_in_every_file() {
    let place = Place::new();
    for fill in ["uniform", "normal"] {
        let create = |out: &str, rest: &str| {
            place.does(&format!("create {fill}-{out} --shape 40x7 --fill {fill} {rest}"));
        };
        create("c.npy", "--seed 5");
        create("f.npy", "--seed 5 --order f");
        create("c.bin", "--seed 5 --io mapped");
        create("f.bin", "--seed 5 --order f");
        create("other.npy", "--seed 6");
        let digest = |arguments: &str| {
            place.does(&format!("digest {fill}-{arguments}")).split(' ').next().unwrap().to_owned()
        };
        let raw = "--shape 40x7 --dtype f32";
        let one = digest("c.npy");
        assert_eq!(one.len(), 32);
        assert_eq!(digest("f.npy"), one);
        assert_eq!(digest(&format!("c.bin {raw}")), one);
        assert_eq!(digest(&format!("f.bin {raw} --order f")), one);
        assert_ne!(digest(&format!("f.bin {raw}")), one);
        assert_ne!(digest("other.npy"), one);
    }
}

#[test]
fn density_is_the_share_of_cells_that_are_not_zero() {
    let place = Place::new();
    place.does("create a.npy --shape 1000x10 --fill uniform --density 0.1 --dtype f64");
    let text = place.does("extract a.npy");
    let many = text.split_whitespace().filter(|value| *value != "0.0").count();
    assert!((800..1200).contains(&many), "{many} of 10000");
}

#[test]
fn info_says_what_a_file_holds() {
    let place = Place::new();
    place.does("create a.npy --shape 1000x10 --order f --dtype i16");
    assert_eq!(
        place.does("info a.npy"),
        "file     a.npy\nformat   npy, opened by memmap\nshape    1000x10\ndtype    i16\norder    f\n\
         on disk  19.7 KiB (20128 bytes)\n"
    );
    assert_eq!(
        place.json("info a.npy --json"),
        json!({
            "path": "a.npy", "format": "npy", "backend": "memmap", "shape": [1000, 10],
            "file_shape": null, "dtype": "i16", "order": "f", "layout": null, "nnz": null,
            "density": null, "bytes_on_disk": 20128, "ignored_bytes": 0, "in_place": true,
            "read_from": null, "stated": null,
        })
    );
    place.does("create raw --shape 1000x10 --dtype i16");
    let raw = place.json("info raw --shape 2000x5 --dtype i16 --json");
    assert_eq!((&raw["format"], &raw["shape"]), (&json!("raw"), &json!([2000, 5])));
}

/// Every file that NumPy wrote has a word for itself.
#[test]
fn info_and_digest_know_every_golden_file() {
    let place = Place::new();
    for path in golden("npy") {
        let path = path.display();
        place.does(&format!("info {path}"));
        assert!(place.json(&format!("info {path} --json"))["dtype"].is_string());
        assert!(place.does(&format!("digest {path}")).ends_with(&format!("  {path}\n")));
    }
}

#[test]
fn info_shows_the_shape_in_the_file() {
    let place = Place::new();
    let path = golden("npy").into_iter().find(|path| path.ends_with("shape-2x3x4-c.npy")).unwrap();
    let text = place.does(&format!("info {}", path.display()));
    assert!(text.contains("shape    2x12 (in the file 2x3x4)\n"), "{text}");
}

#[test]
fn extract_selects_as_numpy_does() {
    let place = Place::new();
    place.twelve("a.npy");
    for (selection, text) in [
        ("", "0 1 2 3\n4 5 6 7\n8 9 10 11\n"),
        ("--columns -1", "3\n7\n11\n"),
        ("--columns=-1", "3\n7\n11\n"),
        ("--cols 1", "1\n5\n9\n"),
        ("--rows 1", "4 5 6 7\n"),
        ("--rows -2: --columns ::2", "4 6\n8 10\n"),
        ("--rows 2,0,0 --columns 3,-4", "11 8\n3 0\n3 0\n"),
        ("--rows 0:1,2 --columns 1:100", "1 2 3\n9 10 11\n"),
        ("--rows 1:1", ""),
        ("--columns 3:1", "\n\n\n"),
        ("--backend seek --columns 0", "0\n4\n8\n"),
        ("--backend memmap --io positioned --columns 0", "0\n4\n8\n"),
    ] {
        assert_eq!(place.does(&format!("extract a.npy {selection}")), text, "{selection}");
    }
}

#[test]
fn extract_writes_npy_csv_and_text() {
    let place = Place::new();
    place.twelve("a.npy");
    place.does("extract a.npy --rows 1: --columns 0,2 --out b.npy");
    assert_eq!(place.does("extract b.npy"), "4 6\n8 10\n");
    place.does("extract a.npy --rows 1: --columns 0,2 --out b.csv");
    assert_eq!(fs::read_to_string(place.path("b.csv")).unwrap(), "4,6\n8,10\n");
    place.does("extract a.npy --rows 1: --columns 0,2 --out b.txt");
    assert_eq!(fs::read_to_string(place.path("b.txt")).unwrap(), "4 6\n8 10\n");
    assert_eq!(place.does("extract a.npy --rows 0 --format csv --out -"), "0,1,2,3\n");
    let stdout =
        place.command("extract a.npy --rows 1: --columns 0,2 --format npy").output().unwrap();
    assert_eq!(stdout.stdout, fs::read(place.path("b.npy")).unwrap());
    place.does("extract a.npy --out b.npy --force");
    assert!(place.does("verify a.npy b.npy").starts_with("equal"));
    assert_eq!(place.names(), ["a.npy", "b.csv", "b.npy", "b.txt"]);
}

#[test]
fn values_are_written_so_that_they_read_back() {
    let place = Place::new();
    place.npy("f.npy", 1, 5, &[0.1f32, -0.0, f32::NAN, f32::INFINITY, 1e30]);
    assert_eq!(place.does("extract f.npy"), "0.1 -0.0 NaN inf 1e30\n");
    place.npy("i.npy", 1, 2, &[i64::MIN, i64::MAX]);
    assert_eq!(place.does("extract i.npy"), "-9223372036854775808 9223372036854775807\n");
}

#[test]
fn parts_smaller_than_the_matrix_make_the_same_text() {
    let place = Place::new();
    place.does("create a.npy --shape 20000x11 --fill uniform --order f");
    let whole = place.does("extract a.npy --columns 3,1 --rows ::3");
    // A budget that holds some hundred rows at a time.
    let parts = place.does("extract a.npy --columns 3,1 --rows ::3 --memory 300KiB");
    assert_eq!(whole.lines().count(), 6667);
    assert!(whole == parts);
}

#[test]
fn assign_sets_a_selection_in_place() {
    let place = Place::new();
    place.twelve("a.npy");
    place.npy::<i32>("v.npy", 3, 1, &[-1, -2, -3]);
    place.does("assign a.npy --columns -1 --from v.npy");
    assert_eq!(place.does("extract a.npy --columns 2:"), "2 -1\n6 -2\n10 -3\n");
    place.npy::<i32>("w.npy", 1, 2, &[70, 80]);
    place.does("assign a.npy --rows 0 --columns 2,0 --from w.npy --backend seek");
    assert_eq!(place.does("extract a.npy --rows 0"), "80 1 70 -1\n");
    place.does("create raw --shape 3x4 --dtype i32 --order f");
    place.does("assign raw --shape 3x4 --dtype i32 --order f --rows 0 --columns 2,0 --from w.npy");
    assert_eq!(place.does("extract raw --shape 3x4 --dtype i32 --order f --rows 0"), "80 0 70 0\n");
}

#[test]
fn explain_says_what_is_moved_and_then_what_was() {
    let place = Place::new();
    place.does("create c.npy --shape 30000x25 --fill uniform");
    place.does("convert c.npy csc.npz --layout csc");
    let column = 30_000 * 4;
    for (access, moved) in [
        // Windows end with the last element that is wanted of them.
        ("c.npy --backend seek", 30_000 * 100 - 3 * 96),
        ("c.npy", 30_000 * 100 - 96),
        ("csc.npz", 30_000 * 8 + 4),
    ] {
        let plan = place.json(&format!("explain {access} --columns 7 --json"));
        assert_eq!(plan["bytes_requested"], column, "{plan}");
        assert_eq!(plan["analysis"], json!(null));
        assert_eq!(plan["bytes_moved"], moved, "{access}: {plan}");
        let text = place.does(&format!("explain {access} --columns 7"));
        assert!(text.starts_with("reads 30000x1 of 30000x25 f32\n1. "), "{text}");
    }
    // Warm: nothing comes from the device, all of it by calls.
    let plan = place.json("explain c.npy --backend seek --columns 7 --analyze --json");
    let by_calls = plan["analysis"]["call_bytes"].as_f64().unwrap();
    let planned = plan["bytes_moved"].as_f64().unwrap();
    assert!((by_calls / planned - 1.0).abs() < 0.1, "{plan}");
    // More than the budget holds is read in parts; the plan is of all of them.
    let plan = place.json("explain c.npy --memory 256KiB --json");
    assert!(plan["parts"].as_u64() > Some(10), "{plan}");
    assert_eq!(plan["bytes_requested"], 30_000 * 100);
    assert_eq!(plan["bytes_moved"], 30_000 * 100);
    assert!(plan["memory_bytes"].as_u64() <= Some(256 << 10));
}

#[test]
fn convert_tells_of_axes_that_it_does_not_keep() {
    let place = Place::new();
    let header = npy::header_bytes(DType::F32, Order::C, &[2, 3, 4]).unwrap();
    let values: [f32; 24] = std::array::from_fn(|i| i as f32);
    fs::write(place.path("a.npy"), [&header, bytemuck::bytes_of(&values)].concat()).unwrap();
    place.does("convert a.npy same.npy");
    assert!(place.does("info same.npy").contains("2x3x4"));
    let ran = place.run("convert a.npy f.npy --order f");
    let told = "warning: f.npy: is 2x12: the axes 2x3x4 are not kept\n";
    assert_eq!((ran.code, &*ran.stderr), (Some(0), told));
    place.does("verify a.npy f.npy");
    place.does("convert a.npy f.npy --order f --force --quiet");
}

#[test]
fn convert_changes_the_file_and_not_the_matrix() {
    let place = Place::new();
    place.does("create a.npy --shape 33x9 --fill uniform --dtype f64");
    place.does("convert a.npy f.npy --order f");
    assert_eq!(place.json("info f.npy --json")["order"], "f");
    place.does("convert f.npy raw");
    let raw = "--shape 33x9 --dtype f64";
    let order =
        if place.run(&format!("verify a.npy raw {raw}")).code == Some(0) { "c" } else { "f" };
    place.does(&format!(
        "convert raw back.npy --shape 33x9 --input-dtype f64 --input-order {order}"
    ));
    for other in ["f.npy", "back.npy"] {
        assert_eq!(place.does(&format!("verify a.npy {other}")), "equal: 33x9 f64, every bit\n");
    }
    place.does("convert a.npy small.npy --dtype f32");
    assert_eq!(place.json("info small.npy --json")["dtype"], "f32");
    let value: f64 = place.does("extract a.npy --rows 0 --columns 0").trim().parse().unwrap();
    let small: f32 = place.does("extract small.npy --rows 0 --columns 0").trim().parse().unwrap();
    assert_eq!(value as f32, small);
    place.does("convert a.npy f.npy --force");
    assert_eq!(place.json("info f.npy --json")["order"], "c");
}

#[test]
fn verify_says_no_with_exit_code_1() {
    let place = Place::new();
    place.npy("a.npy", 2, 2, &[1.0f32, 0.0, 3.0, 4.0]);
    place.npy("b.npy", 2, 2, &[1.0f32, -0.0, 3.0, 5.0]);
    let ran = place.run("verify a.npy b.npy");
    assert_eq!((ran.code, &*ran.stderr), (Some(1), ""));
    assert_eq!(ran.stdout, "differ: first at row 0, column 1: 0.0 against -0.0; 2 cells in all\n");
    let ran = place.run("verify a.npy b.npy --json");
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &document["cells"]), (Some(1), &json!(2)));
    place.npy("c.npy", 2, 1, &[1.0f32, 0.0]);
    let ran = place.run("verify a.npy c.npy");
    assert_eq!((ran.code, &*ran.stdout), (Some(1), "differ: 2x2 f32 against 2x1 f32\n"));
    assert_eq!(place.json("verify a.npy a.npy --json"), json!({ "equal": true }));
}

#[test]
fn digest_prints_as_sha256sum_does() {
    let place = Place::new();
    place.twelve("a.npy");
    place.does("convert a.npy b.npy --order f");
    let text = place.does("digest a.npy b.npy");
    let lines: Vec<_> = text.lines().map(|line| line.split_once("  ").unwrap()).collect();
    assert_eq!((lines[0].1, lines[1].1), ("a.npy", "b.npy"));
    assert_eq!(lines[0].0, lines[1].0);
    let document = place.json("digest a.npy b.npy --json");
    assert_eq!(document[1], json!({ "path": "b.npy", "digest": lines[0].0 }));
    // One bad file keeps no other from its digest.
    let ran = place.run("digest none.npy a.npy");
    assert_eq!((ran.code, ran.stdout), (Some(2), format!("{}  a.npy\n", lines[0].0)));
}

#[test]
fn help_version_and_completions_are_data() {
    let place = Place::new();
    assert!(place.does("--version").starts_with("arraystore "));
    for command in [
        "create", "info", "extract", "assign", "append", "convert", "verify", "digest", "report",
        "compare",
    ] {
        let help = place.does(&format!("{command} --help"));
        assert!(help.contains(&format!("Usage: arraystore {command}")), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.does(&format!("completions {shell}"));
        assert!(script.contains("arraystore") && script.contains("extract"), "{shell}");
    }
}
