//! Matrix Market in budgets so small that a line is a good part of what is read at a time.

use std::fs;

use crate::array::{Element, Number};
use crate::error::{ErrorKind, Result};
use crate::store::{AnyStore, ArrayStoreExt, Budget, Context, Io, OpenOptions};
use crate::with_store;

/// The smallest budget in which other formats are read too.
const SMALL_BYTES: u64 = 64 << 10;

/// Every cell of the file that `text` is, row by row, read within `budget_bytes`.
fn cells(text: &str, io: Io, budget_bytes: u64) -> Result<Vec<Number>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mtx");
    fs::write(&path, text).unwrap();
    let context = Context::new(Budget::new(budget_bytes)).with_threads(2);
    let options = OpenOptions { io, context, ..OpenOptions::default() };
    let store = AnyStore::open(&path, &options)?;
    with_store!(&store, store => {
        Ok(store.to_array()?.iter().map(|value| value.to_number()).collect())
    })
}

/// A file of 60×60 with many entries, and the lines before them.
fn file(form: &str, field: &str, symmetry: &str) -> String {
    let is_array = form == "array";
    let places = (0..60).flat_map(|col| (0..60).map(move |row| (row, col)));
    let is_stated = |&(row, col): &(usize, usize)| match symmetry {
        "general" => true,
        "skew-symmetric" => row > col,
        _ => row >= col,
    };
    let lines = places.filter(is_stated).map(|(row, col)| {
        let number = row * 61 + col * 7 + 1;
        let value = match field {
            "pattern" => String::new(),
            "complex" => format!("{number}.5 {}", row - row.min(col)),
            "real" => format!("{number}e-1"),
            _ => number.to_string(),
        };
        if is_array { value } else { format!("{} {} {value}", row + 1, col + 1) }
    });
    let lines: Vec<String> = lines.collect();
    let sizes = if is_array { "60 60".into() } else { format!("60 60 {}", lines.len()) };
    format!("%%MatrixMarket matrix {form} {field} {symmetry}\n{sizes}\n{}\n", lines.join("\n"))
}

#[test]
fn every_kind_of_text_is_read_within_the_smallest_budget() {
    for (form, field) in [
        ("coordinate", "pattern"),
        ("coordinate", "integer"),
        ("coordinate", "real"),
        ("coordinate", "complex"),
        ("array", "integer"),
        ("array", "complex"),
    ] {
        for symmetry in ["general", "symmetric", "skew-symmetric", "hermitian"] {
            let text = file(form, field, symmetry);
            for io in [Io::Mapped, Io::Positioned] {
                let read = cells(&text, io, SMALL_BYTES).unwrap();
                let expected = cells(&text, io, 64 << 20).unwrap();
                assert_eq!(read, expected, "{form} {field} {symmetry}");
            }
        }
    }
}

#[test]
fn blanks_and_comments_of_any_length_are_passed_over() {
    let text = file("coordinate", "integer", "general");
    let expected = cells(&text, Io::Mapped, 64 << 20).unwrap();
    let (blanks, long) = (" \t".repeat(40_000), "x".repeat(90_000));
    let with_more: String = text
        .lines()
        .enumerate()
        .map(|(k, line)| match k % 1200 {
            300 => format!("{blanks}\n{blanks}{line}\n"),
            600 => format!("%{long}\n{blanks}%{long}\n\n{line} % {}\n", &long[..300]),
            _ => format!("{line}\n"),
        })
        .collect();
    for end in [String::new(), blanks, format!("%{long}")] {
        for io in [Io::Mapped, Io::Positioned] {
            assert_eq!(cells(&format!("{with_more}{end}"), io, SMALL_BYTES).unwrap(), expected);
        }
    }
}

#[test]
fn a_line_that_is_too_long_is_told_by_its_number() {
    let long = "0".repeat(90_000);
    let text = format!(
        "%%MatrixMarket matrix coordinate integer general\n9 9 3\n1 1 1\n%{long}\n{} \n\n2 2 {long}5\n3 3 1\n",
        " ".repeat(90_000)
    );
    let error = cells(&text, Io::Positioned, SMALL_BYTES).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("line 7: longer than"), "{error}");
    assert!(cells(&text, Io::Positioned, 64 << 20).unwrap().contains(&Number::Integer(5)));
}

#[test]
fn a_budget_that_is_too_small_says_what_would_do() {
    let text = file("coordinate", "real", "symmetric");
    let mut budget_bytes = 1 << 10;
    while let Err(error) = cells(&text, Io::Positioned, budget_bytes) {
        assert_eq!(error.kind(), ErrorKind::Budget, "{error}");
        let words = error.to_string();
        let needed = words.split("at least ").nth(1).unwrap().split(' ').next().unwrap();
        let needed = needed.parse().unwrap();
        assert!(needed > budget_bytes && needed <= SMALL_BYTES, "{words}");
        budget_bytes = needed;
    }
}
