//! `report`: records rendered again.

use std::fs;

use super::Place;

const VECTOR: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/vectors/results-v1.jsonl"));

/// A place with a run of each name.
fn runs(names: &[&str]) -> Place {
    let place = Place::new();
    for name in names {
        fs::create_dir(place.path(name)).unwrap();
        fs::write(place.path(name).join("results.jsonl"), VECTOR).unwrap();
    }
    place
}

#[test]
fn the_table_and_the_verdict_are_printed() {
    let place = runs(&["run"]);
    let text = place.does("report run");
    assert!(text.contains("12.8 ms") && text.contains("failed [2]"), "{text}");
    assert!(text.contains("[2] failed: sample 1 gave another sum for column 3"), "{text}");
    assert!(text.contains("1 of 6 samples were NOT verified"), "{text}");
    assert!(!text.contains('\x1b'));
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert_eq!(place.does("report run/results.jsonl"), text);
}

#[test]
fn formats_are_printed_or_written() {
    let place = runs(&["run"]);
    let markdown = place.does("report run --format md");
    assert!(markdown.starts_with("# ") && markdown.contains("## Verdict"));
    let csv = place.does("report run --format csv");
    assert_eq!(csv.lines().count(), 1 + 8);
    let json = place.json("report run --format json");
    assert_eq!(json.as_array().unwrap().len(), 7);
    let ran = place.run("report run --out new/folder");
    assert_eq!((ran.code, &*ran.stdout), (Some(0), ""));
    assert!(ran.stderr.contains("wrote new/folder/report.md"));
    let read = |name: &str| fs::read_to_string(place.path("new/folder").join(name)).unwrap();
    assert_eq!((read("report.md"), read("report.csv")), (markdown, csv));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&read("report.json")).unwrap(), json);
    place.does("report run --out other --format csv --quiet");
    assert!(place.path("other/report.csv").exists() && !place.path("other/report.md").exists());
    // One file that is in the way keeps all from being written.
    fs::remove_file(place.path("new/folder/report.md")).unwrap();
    place.refuses("report run --out new/folder", &["new/folder/report.csv", "exists already"]);
    assert!(!place.path("new/folder/report.md").exists());
    place.does("report run --out new/folder --force -q");
    assert!(place.path("new/folder/report.md").exists());
}

#[test]
fn several_runs_stand_side_by_side() {
    let place = runs(&["before", "after"]);
    let text = place.does("report before after");
    assert!(text.contains("before: memmap") && text.contains("after: memmap"), "{text}");
    let csv = place.does("report before after --format csv");
    assert!(csv.contains("\nbefore,") && csv.contains("\nafter,"));
    // Two folders of one name are told apart by their paths.
    fs::create_dir_all(place.path("x/before")).unwrap();
    fs::copy(place.path("before/results.jsonl"), place.path("x/before/results.jsonl")).unwrap();
    let text = place.does("report before x/before");
    assert!(text.contains("x/before: memmap"), "{text}");
}

#[test]
fn an_interrupted_run_keeps_what_it_has() {
    let place = runs(&["run"]);
    let cut = &VECTOR[..VECTOR.len() - 40];
    fs::write(place.path("run/results.jsonl"), cut).unwrap();
    let ran = place.run("report run");
    assert_eq!(ran.code, Some(0));
    assert_eq!(
        ran.stderr,
        "note: run/results.jsonl: line 7 is unfinished and left out: the run was interrupted\n"
    );
    assert!(ran.stdout.contains("memmap"));
    place.does("report run --quiet");
}

#[test]
fn what_is_no_run_is_refused() {
    let place = runs(&["run"]);
    fs::create_dir(place.path("empty")).unwrap();
    fs::write(place.path("file"), "").unwrap();
    for (arguments, words) in [
        ("report", &["<DIR>"][..]),
        ("report none", &["none", "No such file"]),
        ("report empty", &["empty/results.jsonl", "No such file"]),
        ("report run none", &["none", "No such file"]),
        ("report file", &["file: holds no records"]),
        ("report run --format pdf", &["'pdf'"]),
        ("report run --format md,csv", &["--out"]),
        ("report run --out file", &["file"]),
        ("report run --out file/below", &["file/below"]),
    ] {
        place.refuses(arguments, words);
    }
    let lines: Vec<_> = VECTOR.lines().collect();
    let put = |text: &[u8]| fs::write(place.path("run/results.jsonl"), text).unwrap();
    let damaged = |line: &str| [lines[0], lines[1], line, lines[2]].join("\n") + "\n";
    for (line, words) in [
        ("{\"kind\"", "line 3: EOF while parsing"),
        ("not JSON", "line 3: expected ident"),
        ("{}", "line 3: no record: it states no schema"),
        (&lines[1].replace("\"schema\":1", "\"schema\":7"), "line 3: record schema 7"),
        (&lines[1].replace("\"regime\":\"warm\",", ""), "line 3: missing field `regime`"),
        (lines[0], "line 3: a second run"),
    ] {
        put(damaged(line).as_bytes());
        place.refuses("report run", &["run/results.jsonl: ", words]);
    }
    put(lines[1].as_bytes());
    place.refuses("report run", &["run/results.jsonl: line 1: a trial before its run"]);
    put(b"\xff\xfe");
    place.refuses("report run", &["run/results.jsonl: is not UTF-8 text"]);
}
