//! docs/record-schema-v1.md, its vector, the checker in Python and the types in Rust say the same.
#![cfg(feature = "program")]

mod python;

use std::fs;
use std::path::{Path, PathBuf};

use arraystore::record::{Line, read_lines};
use serde_json::{Value, json};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn vector() -> String {
    fs::read_to_string(file("docs/vectors/results-v1.jsonl")).unwrap()
}

/// Whether tests/python/records.py finds nothing in a file that holds `text`, and what it printed.
/// None where Python was given up on purpose (see tests/python/mod.rs).
fn checked(text: &str) -> Option<(bool, String)> {
    let mut checker = python::script("records.py")?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    fs::write(&path, text).unwrap();
    let output = checker.arg(path).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(printed.contains("lines checked"), "the checker failed: {printed}{errors}");
    Some((output.status.success(), printed))
}

#[test]
fn the_vector_comes_back_byte_for_byte() {
    let text = vector();
    let records = read_lines(&text).unwrap();
    assert_eq!(records.unfinished, None);
    assert!(matches!(records.lines[0], Line::Run(_)));
    let written = records.lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n");
    assert_eq!(written.collect::<String>(), text);
}

/// Every key of `value`, however deep.
fn keys(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.push(name.clone());
                keys(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn the_page_names_every_field_that_is_written() {
    let page = fs::read_to_string(file("docs/record-schema-v1.md")).unwrap();
    let mut found = Vec::new();
    for line in vector().lines() {
        keys(&serde_json::from_str(line).unwrap(), &mut found);
    }
    assert!(found.len() > 100);
    for name in found {
        assert!(page.contains(&format!("\n| `{name}` |")), "{name} is not on the page");
    }
}

#[test]
fn the_checker_finds_nothing_in_the_vector() {
    let Some((is_clean, printed)) = checked(&vector()) else { return };
    assert!(is_clean && printed.contains("7 lines checked, 0 findings"), "{printed}");
}

/// The vector with the value at `pointer` of line `number` put in place of what was there, or taken out.
fn with(number: usize, pointer: &str, value: Option<Value>) -> String {
    let mut lines: Vec<Value> =
        vector().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = lines[number - 1].pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(name.to_owned(), value),
        None => parent.remove(name),
    };
    lines.iter().map(|line| line.to_string() + "\n").collect()
}

#[test]
fn the_checker_notices_what_is_wrong() {
    for (number, pointer, value, finding) in [
        (1, "/seed", Some(json!(-1)), "line 1: seed is -1, not integer"),
        (1, "/environment/cores", Some(json!("2")), "environment: cores is '2', not integer"),
        (1, "/kind", Some(json!("trial")), "kind is 'trial', not run"),
        (2, "/workload", None, "line 2: workload is missing"),
        (2, "/status", Some(json!("fine")), "status is 'fine'"),
        (2, "/schema", Some(json!(2)), "no record of schema 1"),
        (2, "/samples", Some(json!([])), "status ok without samples that are all verified"),
        (2, "/samples/0/seconds", None, "samples 1: seconds is missing"),
        (
            2,
            "/samples/1/verified",
            Some(json!(null)),
            "samples 2: verified is None, not true or false",
        ),
        (2, "/samples/0/resident_before", Some(json!(1)), "resident_before is 1 in fill-columns"),
        (3, "/samples/0/digest", Some(json!("x")), "digest is 'x'"),
        (3, "/summary/low_seconds", Some(json!(9.5)), "the summary is 9.5 to"),
        (3, "/data/layout", Some(json!("csr")), "either dense, with an order, or sparse"),
        (4, "/reason", Some(json!(null)), "status failed with reason None"),
        (7, "/samples/0/limit_hits", Some(json!(0.5)), "limit_hits is 0.5, not integer or null"),
    ] {
        let Some((is_clean, printed)) = checked(&with(number, pointer, value)) else { return };
        assert!(!is_clean && printed.contains(finding), "{finding}: {printed}");
    }
    for (text, finding) in [
        (String::new(), "holds no run"),
        (vector().trim_end().to_owned(), "line 7: lacks its line feed"),
        (
            vector() + "{\"kind\":\"trial\",\"schema\":1,\"limit_seconds\":NaN}\n",
            "NaN is no JSON number",
        ),
        (vector() + "{\n", "line 8: "),
    ] {
        let Some((is_clean, printed)) = checked(&text) else { return };
        assert!(!is_clean && printed.contains(finding), "{finding}: {printed}");
    }
}

/// Fields that are not on the page are for later programs: they change nothing for this one.
#[test]
fn fields_to_come_are_no_findings() {
    let text = with(3, "/samples/0/later", Some(json!({ "a": 1 })));
    assert_eq!(read_lines(&text).unwrap(), read_lines(&vector()).unwrap());
    let Some((is_clean, printed)) = checked(&text) else { return };
    assert!(is_clean, "{printed}");
}
