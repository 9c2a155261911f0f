//! COO and Matrix Market: read like any file, written by `convert`, and refused with the line where they are bad.

use std::fs;

use serde_json::json;

use super::{Place, dtypes, golden};

const MARKET: &str = "%%MatrixMarket matrix coordinate real general\n% a comment\n3 4 3\n";

#[test]
fn every_command_reads_a_market_file() {
    let place = Place::new();
    fs::write(place.path("a.mtx"), format!("{MARKET}3 1 -2.5\n1 4 1e1\n1 4 0.5\n")).unwrap();
    assert_eq!(
        place.does("extract a.mtx"),
        "0.0 0.0 0.0 10.5\n0.0 0.0 0.0 0.0\n-2.5 0.0 0.0 0.0\n"
    );
    assert_eq!(place.does("extract a.mtx --rows -1 --columns 0,1"), "-2.5 0.0\n");
    let info = place.json("info a.mtx --json");
    assert_eq!(info["format"], "mtx");
    assert_eq!(info["read_from"], "mtx coordinate");
    assert_eq!((&info["layout"], &info["stated"]), (&json!("csr"), &json!(3)));
    assert_eq!((&info["nnz"], &info["density"]), (&json!(null), &json!(null)));
    assert_eq!((&info["shape"], &info["dtype"]), (&json!([3, 4]), &json!("f64")));
    let text = place.does("info a.mtx");
    assert!(text.contains("mtx coordinate, read as csr") && text.contains("in place no"), "{text}");
    for to in ["b.npy", "b.npz", "c.npz --layout csc", "d.npz --layout coo", "b.mtx"] {
        place.does(&format!("convert a.mtx {to}"));
        let out = to.split(' ').next().unwrap();
        assert_eq!(place.does(&format!("verify a.mtx {out}")), "equal: 3x4 f64, every bit\n");
    }
    // What is written is what a person would write.
    let written = fs::read_to_string(place.path("b.mtx")).unwrap();
    assert_eq!(
        written,
        "%%MatrixMarket matrix coordinate real general\n3 4 2\n1 4 10.5\n3 1 -2.5\n"
    );
    assert_eq!(place.json("info d.npz --json")["read_from"], "coo");
    for command in
        ["explain a.mtx --columns 0", "explain a.mtx --columns 0 --analyze", "check a.mtx"]
    {
        place.does(command);
    }
    let told = place.does("explain a.mtx --columns 0 --analyze");
    assert!(
        told.starts_with("reads 3x1 of 3x4 f64\n1. sort entries: reads ")
            && told.contains("\n   took "),
        "{told}"
    );
    place.refuses(
        "assign a.mtx --columns 0 --from b.npy",
        &["a.mtx", "mtx coordinate", "not written to"],
    );
    place.refuses("append a.mtx --from b.npy", &["a.mtx", "not written to"]);
}

#[test]
fn what_is_bad_is_told_with_its_line() {
    let place = Place::new();
    for (body, words) in [
        ("1 1 1\n4 1 1\n1 1 1\n", &["line 5", "outside"][..]),
        ("1 1 1\n\n\n0 1 1\n1 1 1\n", &["line 7", "outside"]),
        ("1 1 1\n2 2 2\n3 x 3\n", &["line 6", "a column is expected"]),
        ("1 1 1\n2 2 2\n3 3 3\n1 2 3\n", &["line 7", "more than the 3"]),
        ("1 1 1.00000\n2 2 2.00000\n", &["truncated", "2 of the 3"]),
        ("1 1", &["truncated", "promises 3 entries"]),
    ] {
        fs::write(place.path("a.mtx"), format!("{MARKET}{body}")).unwrap();
        for command in ["digest a.mtx", "convert a.mtx b.npy", "extract a.mtx --columns 0"] {
            let line = place.refuses(command, words);
            assert!(line.starts_with("error: a.mtx: "), "{line}");
        }
        // That a file is damaged is what `check` is there to say.
        let ran = place.run("check a.mtx");
        assert_eq!((ran.code, &*ran.stderr), (Some(1), ""), "{ran:?}");
        assert!(ran.stdout.starts_with("a.mtx: damaged: "), "{ran:?}");
        assert!(words.iter().all(|word| ran.stdout.contains(word)), "{ran:?}");
    }
    assert_eq!(place.names(), ["a.mtx"]);
}

/// Bins of many entries beside bins of few, and budgets that hold neither.
#[test]
fn lists_are_sorted_within_any_budget() {
    let place = Place::new();
    let mut text = String::new();
    let mut count = 0;
    for k in 0..60_000usize {
        let mixed = k.wrapping_mul(2_654_435_761) >> 3;
        let row = if mixed % 3 == 0 { 4000 } else { 1 + mixed % 5000 };
        text += &format!("{row} {} {}.5\n", 1 + mixed / 7 % 1000, k % 64);
        count += 1;
    }
    let header = "%%MatrixMarket matrix coordinate real general\n";
    fs::write(place.path("a.mtx"), format!("{header}5000 1000 {count}\n{text}")).unwrap();
    place.does("convert a.mtx right.npz");
    for memory in ["128KiB", "256KiB", "512KiB", "1MiB", "2MiB", "3MiB", "5MiB"] {
        for threads in [1, 2] {
            let options = format!("--force --memory {memory} --threads {threads}");
            place.does(&format!("convert a.mtx b.npz {options}"));
            let line = place.does("verify b.npz right.npz");
            assert!(line.starts_with("equal"), "{memory} {line}");
        }
    }
    place.does("convert right.npz coo.npz --layout coo");
    place.does("convert coo.npz b.npz --force --memory 512KiB");
    place.does("verify b.npz right.npz");
}

/// Rows that are nearly all empty take no place each.
#[test]
fn a_tall_list_of_few_entries_is_small() {
    let place = Place::new();
    let header = "%%MatrixMarket matrix coordinate real general\n";
    fs::write(place.path("a.mtx"), format!("{header}1000000000000 2 1\n7 1 5\n")).unwrap();
    assert_eq!(place.does("extract a.mtx --rows 5:8"), "0.0 0.0\n5.0 0.0\n0.0 0.0\n");
    assert_eq!(place.json("info a.mtx --json")["layout"], "csc");
}

/// A line that is longer than the memory is told as such, and nothing grows with it.
#[test]
fn lines_of_any_length_take_no_memory() {
    let place = Place::new();
    let body = format!("1 1 1\n2 2 {}\n3 3 3\n", "7".repeat(3 << 20));
    fs::write(place.path("a.mtx"), format!("{MARKET}{body}")).unwrap();
    place.refuses("digest a.mtx --memory 256KiB", &["a.mtx", "line 5", "longer"]);
    let more = format!("{}\n%{}\n", " ".repeat(3 << 20), "c".repeat(3 << 20));
    fs::write(place.path("c.mtx"), format!("{MARKET}1 1 1\n{more}{more}2 2 2\n3 3 3\n{more}"))
        .unwrap();
    place.does("convert c.mtx c.npz --memory 64KiB");
    place.does("verify c.mtx c.npz");
    let comment =
        format!("%%MatrixMarket matrix coordinate real general\n%{}\n", "c".repeat(3 << 20));
    fs::write(place.path("b.mtx"), format!("{comment}1 1 1\n1 1 5\n")).unwrap();
    assert_eq!(place.does("extract b.mtx --memory 256KiB"), "5.0\n");
}

#[test]
fn lists_of_every_dtype_hold_every_bit() {
    for dtype in dtypes() {
        let place = Place::new();
        let shape = "--shape 61x23 --fill uniform --density 0.2";
        place.does(&format!("create a.npz {shape} --dtype {dtype} --layout csc"));
        place.does("convert a.npz coo.npz --layout coo");
        let line = place.does("verify a.npz coo.npz");
        assert_eq!(line, format!("equal: 61x23 {dtype}, every bit\n"));
        for (from, memory) in [("a.npz", "64KiB"), ("coo.npz", "256KiB")] {
            let to = format!("to.npz --layout coo --force --memory {memory}");
            place.does(&format!("convert {from} {to}"));
            place.does("verify a.npz to.npz");
        }
        place.does("convert a.npz a.mtx");
        place.does(&format!("convert a.mtx back.npz --dtype {dtype} --layout csc"));
        assert_eq!(place.does("verify a.npz back.npz"), line, "{dtype}");
        place.does("convert a.npz dense.npy");
        place.does("convert dense.npy dense.mtx");
        assert!(fs::read_to_string(place.path("dense.mtx")).unwrap().contains(" array "));
        place.does(&format!("convert dense.mtx back.npy --dtype {dtype}"));
        assert_eq!(place.does("verify a.npz back.npy"), line, "{dtype}");
    }
}

#[test]
fn stored_zeros_are_kept_or_dropped_as_asked() {
    let place = Place::new();
    let body = "1 1 0\n1 4 -0.0\n3 2 7\n";
    fs::write(place.path("a.mtx"), format!("{MARKET}{body}")).unwrap();
    for (to, nnz) in [("b.npz", 3), ("c.npz --layout csc", 3), ("d.npz --layout coo", 3)] {
        place.does(&format!("convert a.mtx {to}"));
        let name = to.split(' ').next().unwrap();
        let entries = |name: &str| {
            let info = place.json(&format!("info {name} --json"));
            info["nnz"].as_u64().or(info["stated"].as_u64()).unwrap()
        };
        assert_eq!(entries(name), nnz);
        // -0.0 is no zero: the matrix stays the same.
        place.does(&format!("convert {name} dropped-{to} --drop-zeros"));
        assert_eq!(entries(&format!("dropped-{name}")), 2, "{to}");
        place.does(&format!("verify a.mtx dropped-{name}"));
    }
    place.does("convert b.npz other.npz --drop-zeros --dtype f32 --layout csc");
    assert_eq!(place.json("info other.npz --json")["nnz"], 2);
    // What the conversion makes zero is zero.
    fs::write(place.path("tiny.mtx"), format!("{MARKET}1 1 1e-50\n1 4 -1e-50\n3 2 7\n")).unwrap();
    place.does("convert tiny.mtx tiny.npz");
    for (to, dtype, nnz) in [
        ("f.npz", "f32", 2),
        ("g.npz --layout csc", "f32", 2),
        ("h.npz --layout coo", "f32", 2),
        ("i.npz", "i16", 1),
        ("j.npz --layout csc", "f64", 3),
    ] {
        let name = to.split(' ').next().unwrap();
        for (options, expected) in [("", 3), ("--drop-zeros", nnz)] {
            place.does(&format!("convert tiny.npz {to} --dtype {dtype} {options} --force"));
            let info = place.json(&format!("info {name} --json"));
            let stored = info["nnz"].as_u64().or(info["stated"].as_u64());
            assert_eq!(stored, Some(expected), "{to} {options}");
        }
    }
    place.does("convert b.npz out.mtx --drop-zeros");
    let text = fs::read_to_string(place.path("out.mtx")).unwrap();
    assert!(text.ends_with("\n3 4 2\n1 4 -0.0\n3 2 7.0\n"), "{text}");
}

#[test]
fn explain_tells_of_a_layout_that_moves_less() {
    let place = Place::new();
    place.does("create csr.npz --shape 20000x50 --density 0.2 --fill uniform --layout csr");
    let plan = place.json("explain csr.npz --columns 7 --json");
    assert_eq!(plan["cheaper"]["layout"], "csc");
    assert!(plan["cheaper"]["times"].as_u64().unwrap() >= 40, "{plan}");
    assert!(place.does("explain csr.npz --columns 7").contains("convert --layout csc"));
    assert_eq!(place.json("explain csr.npz --rows 7 --json")["cheaper"], json!(null));
    place.does("convert csr.npz csc.npz --layout csc");
    assert_eq!(place.json("explain csc.npz --columns 7 --json")["cheaper"], json!(null));
    assert_eq!(place.json("explain csc.npz --rows 7 --json")["cheaper"]["layout"], "csr");
}

#[test]
fn check_tells_whole_files_from_damaged_ones() {
    let place = Place::new();
    place.does("create a.npz --shape 300x40 --density 0.3 --fill uniform");
    place.does("create a.npy --shape 300x40 --fill uniform");
    assert_eq!(place.does("check a.npz a.npy"), "a.npz: whole\na.npy: whole\n");
    // A bit of a value: only the checksum can tell.
    let mut bytes = fs::read(place.path("a.npz")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(place.path("flipped.npz"), &bytes).unwrap();
    let ran = place.run("check a.npz flipped.npz --json");
    assert_eq!((ran.code, &*ran.stderr), (Some(1), ""), "{ran:?}");
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&found[0]["whole"], &found[1]["whole"]), (&json!(true), &json!(false)));
    assert!(found[1]["damage"].as_str().unwrap().contains("checksum"), "{found}");
    // So it is in what no array is made of.
    place.does("convert a.npz coo.npz --layout coo");
    let mut bytes = fs::read(place.path("coo.npz")).unwrap();
    let at = bytes.windows(13).position(|name| name == b"_is_array.npy").unwrap();
    let npy = at + bytes[at..].windows(6).position(|magic| magic == b"\x93NUMPY").unwrap();
    bytes[npy + 128] ^= 1;
    fs::write(place.path("coo.npz"), &bytes).unwrap();
    assert_eq!(place.run("check coo.npz").code, Some(1));
    for folder in ["npz", "mtx"] {
        for path in golden(folder) {
            place.does(&format!("check {}", path.display()));
        }
    }
    for folder in ["npz-bad", "mtx-bad"] {
        for path in golden(folder) {
            let ran = place.run(&format!("check {}", path.display()));
            assert!(matches!(ran.code, Some(1 | 2)), "{}: {ran:?}", path.display());
        }
    }
    place.refuses("check none.npz", &["none.npz", "No such file"]);
    // What cannot be read is told, and keeps no other file from being checked.
    let ran = place.run("check none.npz coo.npz also-none.npy a.npz");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stdout.starts_with("coo.npz: damaged: ") && ran.stdout.ends_with("a.npz: whole\n"));
    for (line, name) in ran.stderr.lines().zip(["none.npz", "also-none.npy"]) {
        assert!(line.starts_with(&format!("error: {name}: ")), "{ran:?}");
    }
    assert_eq!(ran.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 2, "{ran:?}");
    let ran = place.run("check none.npz a.npz --json");
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (ran.code, &found),
        (Some(2), &json!([{"path": "a.npz", "whole": true, "damage": null}]))
    );
}

#[test]
fn arguments_that_do_not_fit_a_list() {
    let place = Place::new();
    place.does("create a.npz --shape 3x4 --fill uniform");
    for (arguments, words) in [
        ("convert a.npz b.mtx --layout csr", &["b.mtx"][..]),
        ("convert a.npz b.mtx --order c", &["b.mtx"]),
        ("convert a.npz b.npy --layout coo", &["b.npy", "dense"]),
        ("create b.mtx --shape 3x4", &["b.mtx"]),
        ("convert a.npz a.npz --layout coo", &["a.npz"]),
        ("extract a.npz --out b.mtx", &["b.mtx", ".npy, .csv or text"]),
        ("convert a.npz b.npy --drop-zeros", &["b.npy", "dense", "no zeros to leave out"]),
        ("convert a.npz b.raw --drop-zeros", &["b.raw", "no zeros to leave out"]),
    ] {
        place.refuses(arguments, words);
    }
    assert_eq!(place.names(), ["a.npz"]);
    place.does("convert a.npz a.npy");
    place.refuses("convert a.npy b.mtx --drop-zeros", &["b.mtx", "no zeros to leave out"]);
    // What is told at the command line is an option of it.
    for (arguments, hint) in [
        ("convert a.npz a.npy", "hint: give --force to replace it\n"),
        ("convert a.npy b.npz --memory 1", "hint: raise it with --memory\n"),
    ] {
        let told = place.run(arguments).stderr;
        assert!(told.ends_with(hint), "{told}");
    }
}
