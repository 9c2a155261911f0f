//! `--peers`: manifests by their paths, or all that a checkout of this project has, with what they need.
//!
//! Owns where these are and the environment that is made for them: packages of Python, programs in Rust. What a manifest says is the harness's.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::args::Common;
use super::{progress, usage};
use crate::error::Error;
use crate::harness::Peer;

/// What stands for all peers of the checkout.
const ALL: &str = "all";

/// Where manifests are in a checkout.
const FOLDER: &str = "benches/peers";

/// The packages of the peers, in that folder.
const REQUIREMENTS: &str = "requirements.txt";

/// The environment that these packages and the programs of peers in Rust are put into.
const ENVIRONMENT: &str = "target/peers";

/// The folder in it that the latter are built in.
const PROGRAMS: &str = "build";

/// The manifests that `all` leaves out: limits and not rivals, or the same one in another way.
const NO_RIVALS: [&str; 3] = ["disk-floor", "numpy-expert-900s", "plain-lists"];

/// The peers that `named` manifests describe.
///
/// # Errors
/// Where one cannot be read, or `all` finds no checkout.
pub(super) fn read(named: &[PathBuf], common: &Common) -> crate::Result<Vec<Peer>> {
    if named.iter().all(|name| name.as_os_str() != ALL) {
        return named.iter().map(|path| Peer::read(path)).collect();
    }
    let root = checkout()?;
    let programs = environment(&root, common);
    let mut peers = Vec::new();
    for path in named {
        if path.as_os_str() == ALL {
            peers.extend(manifests(&root.join(FOLDER))?);
        } else {
            peers.push(Peer::read(path)?);
        }
    }
    peers.iter_mut().for_each(|peer| peer.look_in(&programs));
    Ok(peers)
}

/// The folder of the checkout that this is run in.
fn checkout() -> crate::Result<PathBuf> {
    let here = std::env::current_dir().map_err(|error| Error::io("find this folder", error))?;
    let found = here.ancestors().find(|folder| folder.join(FOLDER).join(REQUIREMENTS).exists());
    found.map(Path::to_owned).ok_or_else(|| {
        usage("all peers are those of a checkout of this project, and this is none")
            .hint("run it inside of one, or name manifests: --peers FILE,FILE")
    })
}

/// The manifests in `folder`, by name.
fn manifests(folder: &Path) -> crate::Result<Vec<Peer>> {
    let at = |error| Error::io("read", error).at(folder);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(at)? {
        let path = entry.map_err(at)?.path();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let is_rival = stem.is_some_and(|stem| !NO_RIVALS.contains(&&*stem));
        if is_rival && path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| Peer::read(path)).collect()
}

/// Makes what the peers need, once, in an environment of their own, and says what cannot be had: peers that lack something then
/// are rows that say so. The folder of its programs.
fn environment(root: &Path, common: &Common) -> PathBuf {
    let say = |text: &str| {
        if progress::is_shown(common) {
            // What cannot be told is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    };
    let environment = root.join(ENVIRONMENT);
    let made = [packages(root, &environment, &say), programs(root, &environment, &say)];
    for lacking in made.into_iter().flat_map(|made| made.err()) {
        let _ = writeln!(std::io::stderr(), "peers without what they need: {lacking}");
    }
    environment.join("bin")
}

/// Installs the packages of those in Python, of the versions that are asked for.
fn packages(root: &Path, environment: &Path, say: &dyn Fn(&str)) -> Result<(), String> {
    let requirements = root.join(FOLDER).join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements).map_err(|error| error.to_string())?;
    let done = environment.join(REQUIREMENTS);
    if fs::read_to_string(&done).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    say("making an environment of Python for the peers, once");
    run(Command::new("python3").args(["-m", "venv"]).arg(environment))
        .map_err(|why| format!("python3 makes no environment ({why})"))?;
    // One by one: what one of them lacks is not for the others to go without.
    let mut lacking = Vec::new();
    for package in wanted.lines().map(str::trim).filter(|line| !line.is_empty()) {
        say(&format!("installing {package}"));
        let mut pip = Command::new(environment.join("bin/python3"));
        pip.args(["-m", "pip", "install", "--quiet", package, "--constraint"]).arg(&requirements);
        if let Err(why) = run(&mut pip) {
            lacking.push(format!("{package} ({why})"));
        }
    }
    if !lacking.is_empty() {
        return Err(lacking.join(", "));
    }
    fs::write(&done, wanted).map_err(|error| error.to_string())
}

/// Builds those in Rust. Where nothing has changed, that takes a moment.
fn programs(root: &Path, environment: &Path, say: &dyn Fn(&str)) -> Result<(), String> {
    if !environment.join(PROGRAMS).exists() {
        say("building the peers in Rust, once");
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "--quiet", "--locked", "--force", "--path"]);
    cargo.arg(root.join(FOLDER).join("rust")).arg("--root").arg(environment);
    cargo.arg("--target-dir").arg(environment.join(PROGRAMS));
    run(&mut cargo).map_err(|why| format!("those in Rust are not built ({why})"))
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    Err(last.map_or_else(|| output.status.to_string(), str::to_owned))
}
