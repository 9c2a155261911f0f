//! `--peers`: manifests by their paths, or all that a checkout of this project has, with what they need.
//!
//! Owns where these are and the environment of Python that is made for them. What a manifest says is the harness's.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::args::Common;
use super::{progress, usage};
use crate::error::{Error, Result};
use crate::harness::Peer;

/// What stands for all peers of the checkout.
const ALL: &str = "all";

/// Where manifests are in a checkout.
const FOLDER: &str = "benches/peers";

/// The packages of the peers, in that folder.
const REQUIREMENTS: &str = "requirements.txt";

/// The environment that these packages are put into.
const ENVIRONMENT: &str = "target/peers";

/// The manifests that `all` leaves out: limits and not rivals, or the same one in another way.
const NO_RIVALS: [&str; 3] = ["disk-floor", "numpy-expert-900s", "plain-lists"];

/// The peers that `named` manifests describe.
///
/// # Errors
/// Where one cannot be read, or `all` finds no checkout.
pub(super) fn read(named: &[PathBuf], common: &Common) -> Result<Vec<Peer>> {
    if named.iter().all(|name| name.as_os_str() != ALL) {
        return named.iter().map(|path| Peer::read(path)).collect();
    }
    let root = checkout()?;
    let python = environment(&root, common);
    let mut peers = Vec::new();
    for path in named {
        if path.as_os_str() == ALL {
            peers.extend(manifests(&root.join(FOLDER))?);
        } else {
            peers.push(Peer::read(path)?);
        }
    }
    if let Some(python) = python {
        peers.iter_mut().for_each(|peer| peer.run_python_by(&python));
    }
    Ok(peers)
}

/// The folder of the checkout that this is run in.
fn checkout() -> Result<PathBuf> {
    let here = std::env::current_dir().map_err(|error| Error::io("find this folder", error))?;
    let found = here.ancestors().find(|folder| folder.join(FOLDER).join(REQUIREMENTS).exists());
    found.map(Path::to_owned).ok_or_else(|| {
        usage("all peers are those of a checkout of this project, and this is none")
            .hint("run it inside of one, or name manifests: --peers FILE,FILE")
    })
}

/// The manifests in `folder`, by name.
fn manifests(folder: &Path) -> Result<Vec<Peer>> {
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

/// The Python that has the peers' packages, of the versions that are asked for: made once. None where it cannot be made, which
/// is said; peers that lack something then are rows that say so.
fn environment(root: &Path, common: &Common) -> Option<PathBuf> {
    let folder = root.join(ENVIRONMENT);
    let python = folder.join("bin/python3");
    let wanted = fs::read(root.join(FOLDER).join(REQUIREMENTS)).ok()?;
    let done = folder.join(REQUIREMENTS);
    if fs::read(&done).is_ok_and(|there| there == wanted) {
        return Some(python);
    }
    let say = |text: &str| {
        if progress::is_shown(common) {
            // What cannot be told is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    };
    say("making an environment of Python for the peers, once");
    let made = run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    let requirements = root.join(FOLDER).join(REQUIREMENTS);
    let installed = made.and_then(|()| {
        say("installing the peers' packages");
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements))
    });
    match installed.and_then(|()| fs::write(done, wanted).map_err(|error| error.to_string())) {
        Ok(()) => Some(python),
        Err(why) => {
            let _ = writeln!(
                std::io::stderr(),
                "the peers' packages cannot be installed ({why}): those that the system's python3 lacks are missing"
            );
            None
        }
    }
}

/// Runs a command to its end.
fn run(command: &mut Command) -> std::result::Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    Err(last.map_or_else(|| output.status.to_string(), str::to_owned))
}
