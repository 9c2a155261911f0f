//! `compare --peers all`: what the peers of a checkout need is asked for once. Python and Cargo are stand-ins that keep a log.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::{Place, Ran};

const PYTHON: &str = r#"#!/bin/sh
echo "python3 $*" >> "$LOG"
case "$*" in
    *venv*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python3" ;;
    *lacking*) echo "nobody has it" >&2; exit 1 ;;
esac
"#;

const CARGO: &str = r#"#!/bin/sh
echo "cargo $1" >> "$LOG"
while [ "$1" != --root ]; do shift; done
mkdir -p "$2/bin" && echo > "$2/bin/arraystore-peer-made"
"#;

const MANIFEST: &str =
    r#"{"name":"made","version":[],"command":["arraystore-peer-made"],"data":"c"}"#;

fn program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What a run that ends once it has its peers says of them, and what it ran.
fn asked(place: &Place) -> (String, Vec<String>) {
    let log = place.path("log");
    let mut command = place.command("compare --peers all --offset 5");
    let path = std::env::var("PATH").unwrap();
    command.env("LOG", &log).env("PATH", format!("{}:{path}", place.path("programs").display()));
    let ran = Ran::of(&mut command);
    assert!(ran.code == Some(2) && ran.stderr.contains("--offset"), "{ran:?}");
    let lines = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    // Of an installation only the package matters.
    let short = |line: &str| line.split(" --constraint").next().unwrap().replace("--quiet ", "");
    (ran.stderr, lines.lines().map(short).collect())
}

#[test]
fn what_all_peers_need_is_asked_for_once() {
    let place = Place::new();
    let folder = place.path("benches/peers");
    fs::create_dir_all(folder.join("rust/src")).unwrap();
    fs::write(folder.join("rust/src/main.rs"), "").unwrap();
    fs::write(folder.join("made.json"), MANIFEST).unwrap();
    fs::write(folder.join("requirements.txt"), "there==1\nlacking==1\n").unwrap();
    program(&place.path("programs/python3"), PYTHON);
    program(&place.path("programs/cargo"), CARGO);

    let (told, ran) = asked(&place);
    let lacking = "lacking==1 (nobody has it); to ask again, remove target/peers/requirements.txt";
    assert!(told.contains(lacking), "{told}");
    assert!(ran[0].starts_with("python3 -m venv"), "{ran:?}");
    let installs = ["python3 -m pip install there==1", "python3 -m pip install lacking==1"];
    assert_eq!(ran[1..], [installs[0], installs[1], "cargo install"]);
    let (told, ran) = asked(&place);
    assert!(told.contains(lacking) && ran.is_empty(), "{told} {ran:?}");

    // What is new is asked for, and nothing else.
    fs::write(folder.join("requirements.txt"), "there==1\n# more\nother==2\n").unwrap();
    let (told, ran) = asked(&place);
    assert!(!told.contains("lacking") && ran == ["python3 -m pip install other==2"], "{ran:?}");
    let source = fs::File::open(folder.join("rust/src/main.rs")).unwrap();
    source.set_modified(SystemTime::now() + Duration::from_secs(2)).unwrap();
    assert_eq!(asked(&place).1, ["cargo install"]);

    // A program that is there is used where nothing can be built.
    program(&place.path("programs/cargo"), "#!/bin/sh\necho no luck >&2; exit 1\n");
    assert!(asked(&place).0.contains("older than their sources (no luck)"));
    fs::remove_file(place.path("target/peers/bin/arraystore-peer-made")).unwrap();
    assert!(asked(&place).0.contains("not built (no luck)"));
}
