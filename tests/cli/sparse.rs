//! Sparse files: made, read, changed and converted as dense ones are, and refused in one line where they are bad.

use std::fs;

use serde_json::json;

use super::{Place, dtypes, golden, refuses_golden};

const RAW: &str = "--shape 61x23 --dtype f32";

fn digest(place: &Place, arguments: &str) -> String {
    place.does(&format!("digest {arguments}")).split(' ').next().unwrap().to_owned()
}

/// The same matrix in every kind of file.
fn all_kinds(place: &Place, options: &str) {
    for (out, rest) in [
        ("c.npy", "--order c"),
        ("f.npy", "--order f"),
        ("csr.npz", "--layout csr"),
        ("csc.npz", "--layout csc"),
        ("raw", "--order c"),
    ] {
        place.does(&format!("create {out} --shape 61x23 {options} {rest}"));
    }
}

#[test]
fn the_same_seed_is_the_same_matrix_sparse_or_dense() {
    for density in ["0.0", "0.05", "0.5", "1.0"] {
        let place = Place::new();
        all_kinds(&place, &format!("--fill uniform --density {density} --seed 3"));
        let one = digest(&place, "c.npy");
        for file in
            ["f.npy", "csr.npz", "csc.npz", "csr.npz --io positioned", "csc.npz --memory 64KiB"]
        {
            assert_eq!(digest(&place, file), one, "{file}, {density}");
        }
        assert_eq!(digest(&place, &format!("raw {RAW}")), one);
        for (this, other) in [("csr.npz", "csc.npz"), ("c.npy", "csr.npz"), ("csc.npz", "f.npy")] {
            let line = place.does(&format!("verify {this} {other}"));
            assert_eq!(line, "equal: 61x23 f32, every bit\n", "{this} {other}");
        }
        for selection in
            ["", "--columns -1", "--rows ::7 --columns 3,1,3", "--rows 1:1", "--rows -1"]
        {
            let text = place.does(&format!("extract c.npy {selection}"));
            for file in ["csr.npz", "csc.npz", "csc.npz --io positioned"] {
                assert_eq!(place.does(&format!("extract {file} {selection}")), text, "{selection}");
            }
        }
    }
}

#[test]
fn info_tells_layout_entries_and_density() {
    let place = Place::new();
    place
        .does("create a.npz --shape 100x20 --layout csc --fill uniform --density 0.25 --dtype f64");
    let info = place.json("info a.npz --json");
    let text = place.does("extract a.npz");
    let nnz = text.split_whitespace().filter(|value| *value != "0.0").count();
    let bytes = fs::metadata(place.path("a.npz")).unwrap().len();
    assert_eq!(
        info,
        json!({
            "path": "a.npz", "format": "npz", "backend": "sparse-csc", "shape": [100, 20],
            "file_shape": null, "dtype": "f64", "order": null, "layout": "csc", "nnz": nnz,
            "density": nnz as f64 / 2000.0, "bytes_on_disk": bytes, "ignored_bytes": 0, "in_place": true,
            "read_from": null, "stated": null,
        })
    );
    let text = place.does("info a.npz");
    assert!(text.contains(&format!("layout   csc\nnnz      {nnz}\ndensity  0.2")), "{text}");
    // Without a word on the layout, rows are compressed.
    place.does("create b.npz --shape 3x4");
    assert_eq!(place.json("info b.npz --json")["layout"], "csr");
}

#[test]
fn zeros_of_every_dtype_and_empty_matrices() {
    let place = Place::new();
    for dtype in dtypes() {
        place.does(&format!("create {dtype}.npz --shape 2x3 --dtype {dtype}"));
        let info = place.json(&format!("info {dtype}.npz --json"));
        assert_eq!((&info["nnz"], &info["dtype"]), (&json!(0), &json!(dtype)));
        place.does(&format!("create {dtype}.npy --shape 2x3 --dtype {dtype}"));
        let line = place.does(&format!("verify {dtype}.npz {dtype}.npy"));
        assert!(line.starts_with("equal"), "{line}");
    }
    for (shape, layout) in
        ["0x0", "0x3", "3x0"].into_iter().flat_map(|s| ["csr", "csc"].map(|l| (s, l)))
    {
        let name = format!("{shape}-{layout}.npz");
        place.does(&format!("create {name} --shape {shape} --layout {layout}"));
        let rows = shape[..1].parse().unwrap();
        assert_eq!(place.does(&format!("extract {name}")), "\n".repeat(rows));
        assert_eq!(place.json(&format!("info {name} --json"))["density"], json!(null));
        place.does(&format!("convert {name} {name}.npy"));
        place.does(&format!("convert {name}.npy back-{name}"));
        place.does(&format!("verify {name} back-{name}"));
    }
}

#[test]
fn assign_sets_a_selection_of_a_sparse_file() {
    let place = Place::new();
    place.npy::<i32>("v.npy", 3, 1, &[-1, 0, -3]);
    place.npy::<i32>("w.npy", 1, 2, &[70, 80]);
    for layout in ["csr", "csc"] {
        for access in ["", "--io positioned"] {
            place.twelve("a.npy");
            place.does(&format!("convert a.npy a.npz --layout {layout} --force"));
            for file in ["a.npy", "a.npz"] {
                place.does(&format!("assign {file} --columns -1 --from v.npy {access}"));
                place.does(&format!("assign {file} --rows 0 --columns 2,0 --from w.npy {access}"));
            }
            assert_eq!(place.does("extract a.npz"), "80 1 70 -1\n4 5 6 0\n8 9 10 -3\n");
            assert_eq!(place.json("info a.npz --json")["nnz"], 11, "a zero is not stored");
            place.does("verify a.npy a.npz");
            // From a sparse file too.
            place.does("create zeros.npz --shape 3x1 --dtype i32 --force");
            place.does("assign a.npz --columns 1 --from zeros.npz");
            assert_eq!(place.json("info a.npz --json")["nnz"], 8);
        }
    }
    assert_eq!(place.names(), ["a.npy", "a.npz", "v.npy", "w.npy", "zeros.npz"]);
}

#[test]
fn convert_between_all_kinds_keeps_every_bit() {
    let place = Place::new();
    all_kinds(&place, "--fill normal --density 0.3 --seed 9");
    let one = digest(&place, "c.npy");
    for from in ["c.npy", "f.npy", "csr.npz", "csc.npz", "raw"] {
        let input = if from == "raw" {
            "raw --shape 61x23 --input-dtype f32 --input-order c"
        } else {
            from
        };
        let input: Vec<_> = input.splitn(2, ' ').collect();
        let rest = input.get(1).unwrap_or(&"");
        for (to, how) in [
            ("to.npy", "--order c"),
            ("to.npy", "--order f"),
            ("to.npz", "--layout csr"),
            ("to.npz", "--layout csc"),
        ] {
            for memory in ["", "--memory 64KiB"] {
                place.does(&format!("convert {from} {to} {how} {rest} {memory} --force"));
                assert_eq!(digest(&place, to), one, "{from} to {to} {how} {memory}");
            }
        }
    }
    // A sparse file goes to a sparse file of its own layout, and changes its type on the way.
    place.does("convert csc.npz same.npz");
    assert_eq!(place.json("info same.npz --json")["layout"], "csc");
    place.does("convert csc.npz wide.npz --dtype f64");
    place.does("convert c.npy wide.npy --dtype f64");
    place.does("verify wide.npz wide.npy");
}

#[test]
fn verify_tells_where_sparse_files_differ() {
    let place = Place::new();
    place.npy("a.npy", 2, 3, &[1.0f32, 0.0, 3.0, 0.0, 0.0, 0.0]);
    place.npy("b.npy", 2, 3, &[1.0f32, -0.0, 3.0, 0.0, 0.0, 7.0]);
    for layout in ["csr", "csc"] {
        place.does(&format!("convert a.npy a.npz --layout {layout} --force"));
        place.does(&format!("convert b.npy b.npz --layout {layout} --force"));
        for (one, other) in [("a.npz", "b.npz"), ("a.npz", "b.npy"), ("a.npy", "b.npz")] {
            let ran = place.run(&format!("verify {one} {other}"));
            assert_eq!((ran.code, &*ran.stderr), (Some(1), ""));
            let differ = "differ: first at row 0, column 1: 0.0 against -0.0; 2 cells in all\n";
            assert_eq!(ran.stdout, differ, "{layout}: {one} {other}");
        }
    }
}

/// Every file that SciPy wrote has a word for itself, says whether it is used in place, and can be made so.
#[test]
fn every_golden_file_is_read_and_converted() {
    let place = Place::new();
    for path in golden("npz") {
        let path = path.display();
        let info = place.json(&format!("info {path} --json"));
        let text = place.does(&format!("info {path}"));
        assert_eq!(info["in_place"] == true, !text.contains("in place no"), "{text}");
        let digest = digest(&place, &path.to_string());
        place.does(&format!("convert {path} own.npz --force"));
        assert!(place.does("digest own.npz").starts_with(&digest), "{path}");
        let own = place.json("info own.npz --json");
        assert_eq!((&own["in_place"], &own["layout"]), (&json!(true), &info["layout"]), "{path}");
    }
    assert_eq!(place.names(), ["own.npz"]);
}

#[test]
fn every_bad_golden_file_is_refused_by_name() {
    refuses_golden(
        "npz-bad",
        &[
            "digest FILE",
            "extract FILE",
            "extract FILE --io positioned",
            "extract FILE --columns 0",
            "verify FILE FILE",
            "convert FILE b.npy",
            "convert FILE b.npz",
        ],
    );
}

#[test]
fn bad_files_are_refused_for_what_is_wrong_with_them() {
    let place = Place::new();
    for (name, words) in [
        ("indptr-not-monotone", &["indptr does not rise"][..]),
        ("indptr-not-from-zero", &["indptr does not rise from 0"]),
        ("indptr-negative", &["indptr does not rise"]),
        ("indptr-beyond-data", &["indptr ends at", "entries"]),
        ("indptr-too-short", &["indptr"]),
        ("indptr-too-long", &["indptr"]),
        ("indices-too-large", &["an index of row", "is not within 0.."]),
        ("indices-negative", &["an index of row", "is not within 0.."]),
        ("lengths-disagree", &["3 values for 4 indices"]),
        ("no-data", &["data"]),
        ("no-format", &["format"]),
        ("dtype-object", &["object dtype"]),
        ("format-lil", &["lil"]),
        ("encrypted", &["encrypted"]),
        ("bomb-member", &["bomb-member"]),
        ("bomb-claims", &["bomb-claims"]),
        ("traversal-parent", &["member"]),
        ("traversal-absolute", &["member"]),
        ("traversal-windows", &["member"]),
        ("no-archive", &["not"]),
        ("truncated", &["truncated"]),
    ] {
        let file = format!("{name}.npz");
        let bad = golden("npz-bad").into_iter().find(|path| path.ends_with(&file)).unwrap();
        fs::copy(bad, place.path(&file)).unwrap();
        let line = place.refuses(&format!("digest {file}"), words);
        assert!(line.starts_with(&format!("error: {file}: ")), "{line}");
    }
}

#[test]
fn arguments_that_do_not_fit_a_sparse_file() {
    let place = Place::new();
    place.does("create a.npz --shape 3x4 --layout csr --fill uniform");
    let before = fs::read(place.path("a.npz")).unwrap();
    for (arguments, words) in [
        ("extract a.npz --backend memmap", &["a.npz", "memmap"][..]),
        ("extract a.npz --backend sparse-csc", &["a.npz", "sparse-csc"]),
        ("extract a.npz --shape 3x4", &["a.npz", "--shape"]),
        ("extract a.npz --columns 4", &["a.npz", "index 4", "length 4"]),
        ("create a.npz --shape 3x4", &["a.npz", "exists already"]),
        ("convert a.npz b.npz --order c", &["b.npz", "sparse"]),
        ("convert a.npz b.npy --layout csr", &["b.npy", "dense"]),
        ("extract a.npz --memory 1", &["budget"]),
    ] {
        place.refuses(arguments, words);
    }
    place.does("extract a.npz --backend sparse-csr");
    assert_eq!(fs::read(place.path("a.npz")).unwrap(), before);
    assert_eq!(place.names(), ["a.npz"]);
}
