//! Bad input gets one clear line, exit code 2, and leaves nothing behind.

use std::fs;

use super::{Place, Ran, golden, refuses_golden};

#[test]
fn arguments_that_make_no_sense() {
    let place = Place::new();
    place.twelve("a.npy");
    let before = place.names();
    for (arguments, words) in [
        ("frobnicate", &["'frobnicate'"][..]),
        ("info", &["<FILE>"]),
        ("info a.npy --frob", &["'--frob'"]),
        ("create b.npy", &["--shape"]),
        ("create b.npy --shape 3", &["'3' is not a shape", "ROWSxCOLS"]),
        ("create b.npy --shape 3x-1", &["is not a shape"]),
        ("create b.npy --shape 99999999999999999999x1", &["is not a shape"]),
        ("create b.npy --shape 3x3 --dtype f33", &["'f33' is not a dtype", "complex128"]),
        ("create b.npy --shape 3x3 --order z", &["'z'", "--order"]),
        ("create b.npy --shape 3x3 --layout csr", &["b.npy", "dense"]),
        ("create b.npz --shape 3x3 --order c", &["b.npz", "sparse"]),
        ("create b.npy --shape 3x3 --fill uniform --density 1.5", &["between 0 and 1"]),
        ("create b.npy --shape 3x3 --fill uniform --density nan", &["between 0 and 1"]),
        ("create b.npy --shape 3x3 --density 0.5", &["--fill uniform"]),
        ("create b.npy --shape 3x3 --seed -1", &["'-1'"]),
        (
            "create b.npy --shape 4294967296x4294967296",
            &["b.npy", "more bytes than can be addressed"],
        ),
        ("create b.npy --shape 3x3 --memory 7foo", &["'7foo' is not a size", "160MiB"]),
        ("create b.npy --shape 3x3 --threads 0", &["--threads"]),
        ("extract a.npy --columns 4", &["a.npy", "--columns", "index 4", "length 4"]),
        ("extract a.npy --columns -5", &["a.npy", "--columns", "index -5"]),
        ("extract a.npy --rows 0,3", &["a.npy", "--rows", "index 3", "length 3"]),
        ("extract a.npy --rows a", &["'a' is not a selection", "3,5,0:10"]),
        ("extract a.npy --rows 1:2:3:4", &["is not a selection"]),
        ("extract a.npy --rows ::-1", &["is not a selection", "steps are positive"]),
        ("extract a.npy --rows ::0", &["is not a selection"]),
        ("extract a.npy --rows 1.5", &["is not a selection"]),
        ("extract a.npy --columns 99999999999999999999", &["is not a selection"]),
        ("extract a.npy --columns", &["--columns"]),
        ("extract a.npy --backend sparse-csr", &["a.npy", "sparse-csr"]),
        ("extract a.npy --backend hdf5", &["'hdf5'", "memmap"]),
        ("extract a.npy --shape 3x4", &["a.npy", "--shape"]),
        ("extract a.npy --out b.npz", &["b.npz", ".npy, .csv or text"]),
        ("extract a.npy --out b.npy --format csv", &["b.npy", "text"]),
        ("extract a.npy --memory 1", &["budget"]),
        ("digest a.npy --backend seek --memory 0", &["a.npy", "budget"]),
        ("verify a.npy", &["<OTHER>"]),
        ("info a.npy b.npy", &["'b.npy'"]),
        ("extract a.npy --threads 1000000", &["--threads", "1..=1024"]),
        ("extract a.npy --io sideways", &["'sideways'", "--io"]),
        ("convert a.npy b.npy --order", &["--order"]),
        ("trial --frob", &["'--frob'"]),
        ("completions tcsh", &["'tcsh'"]),
    ] {
        place.refuses(arguments, words);
    }
    let help = place.run("");
    assert_eq!((help.code, &*help.stdout), (Some(2), ""));
    assert!(help.stderr.contains("Usage: arraystore"));
    assert_eq!(place.names(), before);
}

#[test]
fn files_that_are_not_there_or_no_files() {
    let place = Place::new();
    place.twelve("a.npy");
    fs::create_dir(place.path("folder.npy")).unwrap();
    for command in [
        "info FILE",
        "extract FILE",
        "digest FILE",
        "verify FILE a.npy",
        "verify a.npy FILE",
        "convert FILE b.npy",
        "assign FILE --from a.npy",
        "assign a.npy --from FILE",
    ] {
        let with = |file: &str| command.replace("FILE", file);
        place.refuses(&with("none.npy"), &["none.npy: cannot open: No such file"]);
        place.refuses(&with("none/a.npy"), &["none/a.npy: cannot open: No such file"]);
        place.refuses(&with("a.npy/b.npy"), &["a.npy/b.npy: cannot open: Not a directory"]);
        place.refuses(&with("folder.npy"), &["folder.npy: is a directory"]);
    }
    place.refuses("info /dev/null", &["/dev/null: is not a regular file"]);
    for (arguments, words) in [
        ("create none/b.npy --shape 3x3", &["none/b.npy", "No such file"]),
        ("create folder.npy --shape 3x3", &["folder.npy", "is a directory"]),
        ("create folder.npy --shape 3x3 --force", &["folder.npy", "is a directory"]),
        ("convert a.npy folder.npy --force", &["folder.npy", "is a directory"]),
        ("extract a.npy --out none/b.csv", &["none/b.csv", "No such file"]),
        ("extract a.npy --out folder.npy --force", &["folder.npy", "is a directory"]),
        ("extract a.npy --out folder.npy/ --force", &["folder.npy", "is a directory"]),
    ] {
        place.refuses(arguments, words);
    }
    fs::create_dir(place.path("folder.csv")).unwrap();
    place.refuses("extract a.npy --out folder.csv", &["folder.csv", "is a directory"]);
    place.refuses("extract a.npy --out folder.csv --force", &["folder.csv", "is a directory"]);
    assert_eq!(place.names(), ["a.npy", "folder.csv", "folder.npy"]);
}

#[test]
fn an_existing_output_stays_as_it_is_without_force() {
    let place = Place::new();
    place.twelve("a.npy");
    fs::write(place.path("b.npy"), "precious").unwrap();
    fs::write(place.path("b.csv"), "precious").unwrap();
    for arguments in [
        "create b.npy --shape 3x3",
        "create b.csv --shape 3x3",
        "convert a.npy b.npy",
        "convert a.npy b.csv",
        "extract a.npy --out b.npy",
        "extract a.npy --out b.csv",
    ] {
        let name = if arguments.contains("b.npy") { "b.npy" } else { "b.csv" };
        place.refuses(arguments, &[name, "exists already"]);
        assert!(place.run(arguments).stderr.contains("hint: give --force"));
        assert_eq!(fs::read(place.path(name)).unwrap(), b"precious");
        let ran = place.run(&format!("{arguments} --force"));
        assert_eq!(ran.code, Some(0), "{arguments}: {ran:?}");
        assert_ne!(fs::read(place.path(name)).unwrap(), b"precious");
        fs::write(place.path(name), "precious").unwrap();
    }
    // A bad input leaves even a file that may be replaced.
    place.refuses("convert none.npy b.npy --force", &["none.npy"]);
    place.refuses("compare --input none.bin", &["none.bin", "No such file"]);
    place.refuses("extract a.npy --rows 9 --out b.npy --force", &["a.npy"]);
    assert_eq!(fs::read(place.path("b.npy")).unwrap(), b"precious");
    assert_eq!(place.names(), ["a.npy", "b.csv", "b.npy"]);
}

/// Truncated, over-long, overflowing, nested, of the wrong magic or version or dtype, and more.
#[test]
fn every_bad_golden_file_is_refused_by_name() {
    refuses_golden(
        "npy-bad",
        &[
            "digest FILE",
            "extract FILE",
            "extract FILE --backend seek",
            "verify FILE FILE",
            "convert FILE b.npy",
        ],
    );
}

/// What is wrong with a file is said, and without reading a byte of its data.
#[test]
fn bad_files_are_refused_for_what_is_wrong_with_them() {
    let place = Place::new();
    for (name, words) in [
        ("empty", &["truncated", "after 0 of 8 bytes"][..]),
        ("truncated-magic", &["truncated", "after 4 of 8 bytes"]),
        ("truncated-header", &["truncated", "ends inside its header"]),
        ("truncated-data", &["truncated", "175 of the 176 bytes"]),
        ("no-data", &["truncated", "48 are missing"]),
        ("over-long", &["over-long", "177 bytes", "176"]),
        ("shape-exceeds-file", &["truncated", "400000000000086 bytes"]),
        ("overflow-items", &["more bytes than can be addressed"]),
        ("overflow-bytes", &["more bytes than can be addressed"]),
        ("overflow-beside-zero", &["more bytes than can be addressed"]),
        ("length-2-64", &["does not fit in 64 bits"]),
        ("length-negative", &["negative length"]),
        ("header-length", &["4294967295 bytes long", "65536"]),
        ("bomb-descr", &["structured dtype"]),
        ("bomb-order", &["True or False expected"]),
        ("bomb-shape", &["a length expected"]),
        ("bomb-text", &["a key expected"]),
        ("code", &["'{' expected"]),
        ("magic", &["not an npy file"]),
        ("zip", &["not an npy file"]),
        ("version-0-1", &["npy version 0.1 is not known"]),
        ("version-9-0", &["npy version 9.0 is not known"]),
        ("dtype-object", &["object dtype"]),
        ("dtype-bytes", &["string dtype"]),
        ("dtype-text", &["string dtype"]),
        ("dtype-structured", &["structured dtype"]),
        ("dtype-structured-nested", &["structured dtype"]),
        ("dtype-datetime", &["datetime dtype"]),
        ("dtype-longdouble", &["extended-precision dtype"]),
        ("descr-unknown", &["'<f3' is not a dtype"]),
    ] {
        let file = format!("{name}.npy");
        let bad = golden("npy-bad").into_iter().find(|path| path.ends_with(&file)).unwrap();
        fs::copy(bad, place.path(&file)).unwrap();
        let line = place.refuses(&format!("info {file}"), words);
        assert!(line.starts_with(&format!("error: {file}: ")), "{line}");
        // A bad file is no target either.
        place.refuses(&format!("assign {file} --from {file}"), words);
    }
    // A name cannot make two lines of one.
    fs::copy(place.path("empty.npy"), place.path("two\nlines.npy")).unwrap();
    for name in ["two\nlines.npy", "none\nat all.npy"] {
        let mut command = place.command("info");
        Ran::of(command.arg(name)).must_be_refusal(name, &[&name.replace('\n', " ")]);
    }
}

#[test]
fn raw_files_that_are_not_what_is_said() {
    let place = Place::new();
    fs::write(place.path("raw"), [0; 50]).unwrap();
    fs::write(place.path("empty"), "").unwrap();
    for (arguments, words) in [
        ("info raw", &["raw", "--shape and --dtype"][..]),
        ("info raw --shape 3x4", &["raw", "needs --dtype"]),
        ("info raw --dtype f32", &["raw", "needs --shape"]),
        ("info raw --shape 3x4 --dtype f32", &["raw", "50"]),
        ("info raw --shape 4x4 --dtype f32", &["raw", "50"]),
        ("info raw --shape 3x4 --dtype f32 --offset 99", &["raw", "50"]),
        ("info raw --shape 3x4 --dtype f32 --offset 18446744073709551615", &["raw"]),
        ("info raw --shape 9999999999x9999999999 --dtype f32", &["raw"]),
        ("info raw --shape 0x4 --dtype f32", &["raw", "50"]),
        ("extract raw --shape 4x3 --dtype f32 --order f", &["raw", "50 bytes", "48"]),
        ("digest raw --shape 7x1 --dtype f64", &["raw", "50 bytes", "56"]),
        ("info none --shape 3x4 --dtype f32", &["none", "No such file"]),
        ("info empty --shape 3x4 --dtype f32", &["empty", "0 bytes", "48"]),
        ("convert raw b.npy", &["raw", "shape"]),
    ] {
        place.refuses(arguments, words);
    }
    place.does("info raw --shape 3x4 --dtype f32 --offset 2");
    place.does("info empty --shape 0x4 --dtype f32");
    assert_eq!(place.names(), ["empty", "raw"]);
}

#[test]
fn values_that_do_not_fit_change_nothing() {
    let place = Place::new();
    place.twelve("a.npy");
    place.npy::<i32>("v.npy", 3, 1, &[1, 2, 3]);
    place.npy::<f32>("f.npy", 3, 1, &[1.0, 2.0, 3.0]);
    let before = fs::read(place.path("a.npy")).unwrap();
    for (arguments, words) in [
        ("assign a.npy --from v.npy", &["v.npy", "3x1", "3x4"]),
        ("assign a.npy --rows 0 --from v.npy", &["v.npy", "3x1", "1x4"]),
        ("assign a.npy --columns 9 --from v.npy", &["a.npy", "--columns", "index 9"]),
        ("assign a.npy --columns 0 --from f.npy", &["a.npy", "i32", "f32"]),
    ] {
        place.refuses(arguments, words);
    }
    place.refuses("assign a.npy --from a.npy", &["a.npy", "in use by this process"]);
    assert_eq!(fs::read(place.path("a.npy")).unwrap(), before);
}

/// The trial protocol's other side: what it says on stdout is the harness's, the one line on stderr is people's.
#[test]
fn a_trial_that_hears_nonsense_ends_in_one_line() {
    let place = Place::new();
    for (said, words) in [
        ("hello\n", "'hello'"),
        ("{\"trial\"", "'{\"trial\"'"),
        ("{\"go\":1}\n", "out of turn"),
        ("\n", "not a message"),
    ] {
        fs::write(place.path("said"), said).unwrap();
        let heard = fs::File::open(place.path("said")).unwrap();
        let ran = Ran::of(place.command("trial").stdin(heard));
        ran.must_be_refusal(said, &[words]);
        assert!(ran.stdout.starts_with("{\"failed\":") && ran.stdout.lines().count() == 1);
    }
    place.does("trial");
}

/// What a budget that is too small is told to be, does.
#[test]
fn the_budget_that_an_error_names_is_enough() {
    let place = Place::new();
    place.does("create c.npy --shape 3000x70 --dtype u16 --fill uniform");
    place.does("create f.npy --shape 2x14000 --order f --fill uniform");
    place.does("create few.npy --shape 3x9000 --dtype complex64 --order f --fill uniform");
    let cases = [
        "extract FILE --columns 1 --out out.npy",
        "extract FILE --rows ::2 --out out.npy",
        "extract FILE --rows 1 --out out.npy",
        "convert FILE out.npy --order c",
        "convert FILE out.npy --order f",
        "convert FILE out.npy --order c --dtype f64",
        "convert FILE out.npy --order f --dtype u8",
        "explain FILE --columns 1 --analyze",
        "explain FILE --workload extract-columns --analyze",
        "explain FILE --workload shuffle-epoch --analyze",
        "digest FILE",
    ];
    for file in ["c.npy", "f.npy", "few.npy"] {
        for case in cases {
            for io in ["mapped", "positioned"] {
                let arguments = format!("{} --io {io} -q --memory", case.replace("FILE", file));
                let mut memory = 0;
                for tries in 0.. {
                    let ran = place.run(&format!("{arguments} {memory}B"));
                    let _ = fs::remove_file(place.path("out.npy"));
                    if ran.code == Some(0) {
                        break;
                    }
                    let error = ran.must_be_refusal(&arguments, &["memory budget", "at least"]);
                    let named = error.split("at least ").nth(1).unwrap();
                    let named: u64 = named.split(' ').next().unwrap().parse().unwrap();
                    assert!(named > memory, "{arguments} {memory}: {error}");
                    // Another need may show only once the first is met.
                    assert!(tries < 3, "{arguments} {memory}: {error}");
                    memory = named;
                }
            }
        }
    }
}
