//! The house is as ARCHITECTURE.md says: each room uses only the rooms that its row of the table allows, and
//! keeps to the rules that a compiler does not check.
//!
//! Code under `#[cfg(test)]` may use any room. What is checked is text: comments, strings and tests are taken
//! out first, then paths are looked for.

#[path = "tidy/code.rs"]
mod code;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use code::Code;

/// Past this many lines, a reader is lost.
const MAX_LINES: usize = 500;

/// Names that say nothing of what a module owns.
const EMPTY_NAMES: [&str; 9] =
    ["util", "utils", "common", "helper", "helpers", "misc", "types", "shared", "stuff"];

/// The one room that may be `unsafe`.
const UNSAFE_ROOM: &str = "sys";

/// The room whose names `lib.rs` shows at the crate's root.
const ROOT_ROOM: &str = "error";

/// Files of the crate's root, which belong to no room.
const ROOT_FILES: [&str; 2] = ["lib.rs", "main.rs"];

/// Which rooms each room may use.
type Table = BTreeMap<String, BTreeSet<String>>;

/// The rows of the table whose head is `| room | owns | may use |`.
fn table(architecture: &str) -> Table {
    let cells = |line: &str| -> Vec<String> {
        line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    architecture
        .lines()
        .skip_while(|line| cells(line) != ["room", "owns", "may use"])
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| match &cells(line)[..] {
            [room, _, uses] => {
                let uses = uses.split(',').map(str::trim).filter(|&name| name != "–");
                (room.clone(), uses.map(str::to_owned).collect())
            }
            _ => panic!("a row of three cells: {line}"),
        })
        .collect()
}

/// Everything that is not in order in `files`: paths below src with their text.
fn findings(architecture: &str, files: &[(String, String)]) -> Vec<String> {
    let table = table(architecture);
    let codes: Vec<(&str, Code)> =
        files.iter().map(|(path, text)| (path.as_str(), Code::of(text))).collect();
    let tests: BTreeSet<String> =
        codes.iter().flat_map(|(path, code)| test_modules(path, code)).collect();
    let macros: BTreeMap<&str, &str> = codes
        .iter()
        .filter_map(|(path, code)| Some((room_of(path)?, code)))
        .flat_map(|(room, code)| code.exported_macros().map(move |name| (name, room)))
        .collect();
    let is_test = |path: &str| {
        tests.contains(path.trim_end_matches(".rs"))
            || tests.iter().any(|test| path.starts_with(&format!("{test}/")))
    };

    let mut findings = rooms_without_row(&table, files);
    for ((path, code), (_, text)) in codes.iter().zip(files) {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            findings.push(format!("src/{path}: {lines} lines, more than {MAX_LINES}"));
        }
        findings.extend(empty_names(path, code));
        if room_of(path) != Some(UNSAFE_ROOM) {
            let unsafe_lines = code.words("unsafe");
            findings.extend(unsafe_lines.map(|line| format!("src/{path}:{line}: unsafe")));
        }
        if let Some(room) = room_of(path)
            && !is_test(path)
        {
            findings.extend(forbidden_uses(path, room, code, &table, &macros));
        }
    }
    findings
}

/// The room that the file at `path` is in; none for files of the crate's root.
fn room_of(path: &str) -> Option<&str> {
    if ROOT_FILES.contains(&path) {
        return None;
    }
    Some(path.split_once('/').map_or(path.trim_end_matches(".rs"), |(room, _)| room))
}

fn rooms_without_row(table: &Table, files: &[(String, String)]) -> Vec<String> {
    let rooms: BTreeSet<&str> = files.iter().filter_map(|(path, _)| room_of(path)).collect();
    let named = table.iter().flat_map(|(room, uses)| uses.iter().chain([room]));
    let without_row = rooms.iter().filter(|&&room| !table.contains_key(room));
    without_row
        .map(|room| format!("src/{room}: a room without a row in ARCHITECTURE.md"))
        .chain(
            named
                .filter(|room| !rooms.contains(room.as_str()))
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(|room| format!("ARCHITECTURE.md: {room} is no room")),
        )
        .collect()
}

/// The modules that `code` declares for tests only, as paths without extension.
fn test_modules(path: &str, code: &Code) -> Vec<String> {
    let folder = match path.rsplit_once('/') {
        Some((folder, "mod.rs")) => format!("{folder}/"),
        None if ROOT_FILES.contains(&path) => String::new(),
        _ => format!("{}/", path.trim_end_matches(".rs")),
    };
    code.test_modules.iter().map(|module| format!("{folder}{module}")).collect()
}

fn empty_names(path: &str, code: &Code) -> Vec<String> {
    let parts = path.trim_end_matches(".rs").split('/').map(str::to_owned);
    parts
        .chain(code.modules())
        .filter(|name| EMPTY_NAMES.contains(&name.as_str()))
        .map(|name| format!("src/{path}: '{name}' does not say what the module owns"))
        .collect()
}

fn forbidden_uses(
    path: &str,
    room: &str,
    code: &Code,
    table: &Table,
    macros: &BTreeMap<&str, &str>,
) -> Vec<String> {
    let empty = BTreeSet::new();
    let allowed = table.get(room).unwrap_or(&empty);
    code.names_at_root(depth(path))
        .filter_map(|(line, name)| {
            let used = match macros.get(name) {
                Some(room) => room,
                None if name.starts_with(char::is_uppercase) => ROOT_ROOM,
                None => name,
            };
            let is_allowed = used == room || allowed.contains(used);
            (!is_allowed)
                .then(|| format!("src/{path}:{line}: {room} may not use {used} (crate::{name})"))
        })
        .collect()
}

/// How many `super::` lead from the file at `path` to the crate's root.
fn depth(path: &str) -> usize {
    let parts = path.split('/').count();
    if path.ends_with("/mod.rs") { parts - 1 } else { parts }
}

/// All Rust files below `folder`, by their paths from it.
fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                files.push((name.replace('\\', "/"), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn the_house_is_as_its_table_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let files = sources(&root.join("src"));
    assert!(files.len() > 50 && table(&architecture).len() > 8, "nothing was looked at");
    let findings = findings(&architecture, &files);
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# Rooms\n\n| room | owns | may use |\n|---|---|---|\n\
        | error | errors | – |\n| array | words | error |\n| sys | the system | error |\n\
        | store | stores | error, array, sys |\n\n| room | of | another table |\n";

    /// The made-up house with `text` in the file `path`, and nothing wrong elsewhere.
    fn house(path: &str, text: &str) -> Vec<String> {
        let mut files: BTreeMap<&str, &str> = [
            ("lib.rs", "pub mod array; pub use error::Error;"),
            ("error.rs", "pub struct Error;"),
            ("array/mod.rs", "use crate::error::Error;"),
            ("sys/mod.rs", "use crate::Error; unsafe fn f() {}"),
            ("store/mod.rs", "use crate::{array, sys::Device}; use super::error;"),
        ]
        .into();
        files.insert(path, text);
        let files: Vec<_> =
            files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        findings(TABLE, &files)
    }

    #[test]
    fn the_table_is_read() {
        let table = table(TABLE);
        assert_eq!(table.keys().collect::<Vec<_>>(), ["array", "error", "store", "sys"]);
        assert!(table["error"].is_empty());
        assert_eq!(table["store"].iter().collect::<Vec<_>>(), ["array", "error", "sys"]);
    }

    #[test]
    fn an_orderly_house_is_left_alone() {
        assert_eq!(house("lib.rs", ""), [""; 0]);
        for text in [
            "// use crate::store;\n/* crate::store /* nested */ crate::store */",
            "const S: &str = \"crate::store \\\" crate::store\"; const R: &str = r#\"crate::store\"#;",
            "const C: char = '\"'; fn f<'a>(x: &'a str) {} // \" crate::store",
            "#[cfg(test)]\nmod tests {\n use crate::store; fn f() { if true { } }\n}",
            "#[cfg(test)]\n#[allow(x)]\nuse crate::{store, sys};",
            "#[cfg(all(test, unix))] fn f() { crate::store::open() }",
            "use self::deep::*; use crate::array::store; mod store {} fn f() { store::f(); unsafe_code() }",
            "pub(in crate::array) fn f() {}",
        ] {
            assert_eq!(house("array/mod.rs", text), [""; 0], "{text}");
        }
        assert_eq!(
            house("array/deep/mod.rs", "use super::super::array; use super::store;"),
            [""; 0]
        );
    }

    #[test]
    fn a_use_that_no_row_allows_is_found() {
        for text in [
            "use crate::store;",
            "use crate::store::open;",
            "pub use crate :: store :: {open};",
            "use crate::{error::Error, store};",
            "use crate::{\n    error::{self, Error},\n    store::{open, create},\n};",
            "fn f() { crate::store::open(); }",
            "fn f() -> Result<crate::store::Store> {}",
            "use super::store;",
            "use super::{error, store};",
            "/// Fine.\nuse crate::r#store;",
            "#[cfg(not(test))] use crate::store;",
            "#[cfg(test)] use crate::sys;\nuse crate::store;",
            "#[cfg(test)]\nmod tests { fn f() {} }\nuse crate::store;",
            "const Q: char = '\\''; use crate::store; const P: char = '\"';",
        ] {
            let found = house("array/mod.rs", text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains("array may not use store"), "{found:?}");
        }
        let found = house("array/mod.rs", "\n\nuse crate::store;");
        assert!(found[0].starts_with("src/array/mod.rs:3: "), "{found:?}");
        assert_eq!(house("array/deep.rs", "use super::super::store;").len(), 1);
        assert_eq!(house("array/deep/mod.rs", "use super::super::store;").len(), 1);
        assert_eq!(house("array/deep/er.rs", "use super::super::super::{store};").len(), 1);
        for everything in ["use crate::*;", "use super::*;", "use crate::{error, *};"] {
            assert_eq!(house("array/mod.rs", everything).len(), 1, "{everything}");
        }
        assert_eq!(house("array/mod.rs", "use crate::unknown::thing;").len(), 1);
        assert_eq!(house("error.rs", "use crate::array;").len(), 1, "a room that is a file");
    }

    #[test]
    fn names_at_the_root_belong_to_the_room_they_come_from() {
        assert_eq!(house("array/mod.rs", "use crate::{Error, Result};"), [""; 0]);
        let exported = "#[macro_export]\nmacro_rules! with { () => {} } use crate::with;";
        assert_eq!(house("store/mod.rs", exported), [""; 0]);
        assert_eq!(house("array/mod.rs", "use crate::with;").len(), 1, "no such macro");
        let found = findings(
            "| room | owns | may use |\n|---|---|---|\n| record | lines | – |\n",
            &[("record.rs".into(), "use crate::Error;".into())],
        );
        assert_eq!(found, ["src/record.rs:1: record may not use error (crate::Error)"]);
    }

    #[test]
    fn files_of_tests_may_use_any_room() {
        let files = |declaration: &str| {
            findings(
                "| room | owns | may use |\n|---|---|---|\n| a | x | – |\n| b | y | – |\n",
                &[
                    ("a/mod.rs".into(), declaration.into()),
                    ("a/tests.rs".into(), "use crate::b;".into()),
                    ("a/tests/deep.rs".into(), "use crate::b;".into()),
                    ("b.rs".into(), String::new()),
                ],
            )
        };
        assert_eq!(files("#[cfg(test)]\nmod tests;"), [""; 0]);
        assert_eq!(files("mod tests;").len(), 2);
    }

    #[test]
    fn unsafe_outside_its_room_is_found() {
        for text in
            ["unsafe fn f() {}", "fn f() { unsafe { g() } }", "#[cfg(test)] mod t { unsafe {} }"]
        {
            let found = house("store/mod.rs", text);
            assert!(found.len() == 1 && found[0].ends_with("unsafe"), "{text}: {found:?}");
        }
        assert_eq!(house("lib.rs", "unsafe impl Send for X {}").len(), 1);
        assert_eq!(house("store/mod.rs", "#![deny(unsafe_code)] // unsafe\n\"unsafe\""), [""; 0]);
    }

    #[test]
    fn long_files_and_empty_names_are_found() {
        assert_eq!(house("store/mod.rs", &"\n".repeat(500)), [""; 0]);
        assert!(house("store/mod.rs", &"\n".repeat(501))[0].contains("501 lines"));
        for (path, text) in [
            ("store/util.rs", ""),
            ("store/helpers/mod.rs", ""),
            ("store/mod.rs", "mod misc;"),
            ("store/mod.rs", "pub(super) mod types { }"),
        ] {
            let found = house(path, text);
            assert!(found.len() == 1 && found[0].contains("does not say"), "{path}: {found:?}");
        }
    }

    #[test]
    fn rooms_and_rows_must_match() {
        let found = house("attic/mod.rs", "use crate::error;");
        assert!(found[0].contains("attic: a room without a row"), "{found:?}");
        assert!(found[1].contains("attic may not use error"), "{found:?}");
        let table = "| room | owns | may use |\n|---|---|---|\n| a | x | b |\n| c | y | – |\n";
        let found = findings(table, &[("a.rs".into(), String::new())]);
        assert_eq!(found, ["ARCHITECTURE.md: b is no room", "ARCHITECTURE.md: c is no room"]);
    }
}
