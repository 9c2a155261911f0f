//! `--peers`: manifests by their paths, or all that a checkout of this project has, with what they need.
//!
//! Owns where these are and the environment that is made for them: packages of Python, programs in Rust. What a manifest says is the harness's.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use super::args::Common;
use super::{progress, usage};
use crate::error::Error;
use crate::harness::Peer;

/// What stands for all peers of the checkout.
const ALL: &str = "all";

/// Where manifests are in a checkout.
const FOLDER: &str = "benches/peers";

/// The packages of the peers, in that folder; in the environment, those that were asked for, each with what came of it.
const REQUIREMENTS: &str = "requirements.txt";

/// The environment that these packages and the programs of peers in Rust are put into.
const ENVIRONMENT: &str = "target/peers";

/// The folder in it that the latter are built in.
const PROGRAMS: &str = "build";

/// The folder of their sources, and how commands that name one of them begin.
const SOURCES: &str = "rust";
const PROGRAM: &str = "arraystore-peer-";

/// What parts a package that was asked for from the reason why it is not there.
const LACKING: &str = " # ";

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
    let all = manifests(&root.join(FOLDER))?;
    let programs = environment(&root, &all, common);
    let mut peers = Vec::new();
    for path in named {
        if path.as_os_str() == ALL {
            peers.extend(all.iter().cloned());
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
fn environment(root: &Path, peers: &[Peer], common: &Common) -> PathBuf {
    let say = |text: &str| {
        if progress::is_shown(common) {
            // What cannot be told is no reason to stop.
            let _ = writeln!(io::stderr(), "{text}");
        }
    };
    let environment = root.join(ENVIRONMENT);
    let folder = environment.join("bin");
    let named = peers.iter().filter_map(|peer| peer.command.first());
    let named = named.filter(|program| program.to_string_lossy().starts_with(PROGRAM));
    let named: Vec<_> = named.map(|program| folder.join(program)).collect();
    let made = [packages(root, &environment, &say), programs(root, &environment, &named, &say)];
    for lacking in made.into_iter().flat_map(|made| made.err()) {
        let _ = writeln!(io::stderr(), "peers without what they need: {lacking}");
    }
    folder
}

/// Installs the packages of those in Python, of the versions that are asked for. Each is asked for once, whatever comes of it.
fn packages(root: &Path, environment: &Path, say: &dyn Fn(&str)) -> Result<(), String> {
    let told = |error: io::Error| error.to_string();
    let requirements = root.join(FOLDER).join(REQUIREMENTS);
    let text = fs::read_to_string(&requirements).map_err(told)?;
    let wanted = text.lines().map(str::trim);
    let wanted: Vec<_> = wanted.filter(|it| !it.is_empty() && !it.starts_with('#')).collect();
    let (asked, python) = (environment.join(REQUIREMENTS), environment.join("bin/python3"));
    let mut known: Vec<String> = match fs::read_to_string(&asked) {
        Ok(text) if python.exists() => text.lines().map(str::to_owned).collect(),
        _ => {
            say("making an environment of Python for the peers, once");
            run(Command::new("python3").args(["-m", "venv"]).arg(environment))
                .map_err(|why| format!("python3 makes no environment ({why})"))?;
            Vec::new()
        }
    };
    let name = |line: &str| line.split(LACKING).next().unwrap_or_default().to_owned();
    known.retain(|line| wanted.contains(&&*name(line)));
    // One by one: what one of them lacks is not for the others to go without.
    for package in &wanted {
        if known.iter().any(|line| name(line) == *package) {
            continue;
        }
        say(&format!("installing {package}"));
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", package, "--constraint"]).arg(&requirements);
        known.push(match run(&mut pip) {
            Ok(()) => (*package).to_owned(),
            Err(why) => format!("{package}{LACKING}{why}"),
        });
        fs::write(&asked, known.join("\n")).map_err(told)?;
    }
    let lacking = known.iter().filter_map(|line| line.split_once(LACKING));
    let lacking: Vec<_> = lacking.map(|(package, why)| format!("{package} ({why})")).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let again = format!("to ask again, remove {ENVIRONMENT}/{REQUIREMENTS}");
    Err(format!("{}; {again}", lacking.join(", ")))
}

/// Builds those in Rust, which are to be the programs `named`, where one is not there or is older than a source.
fn programs(
    root: &Path,
    environment: &Path,
    named: &[PathBuf],
    say: &dyn Fn(&str),
) -> Result<(), String> {
    let sources = root.join(FOLDER).join(SOURCES);
    let times: Option<Vec<_>> = named.iter().map(|program| changed(program)).collect();
    let built = times.and_then(|times| times.into_iter().min());
    if named.is_empty() || built.is_some_and(|built| newest(&sources).is_some_and(|it| it <= built))
    {
        return Ok(());
    }
    say("building the peers in Rust");
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "--quiet", "--locked", "--force", "--path"]).arg(&sources);
    cargo.arg("--root").arg(environment).arg("--target-dir").arg(environment.join(PROGRAMS));
    run(&mut cargo).map_err(|why| match built {
        Some(_) => format!("those in Rust are older than their sources ({why})"),
        None => format!("those in Rust are not built ({why})"),
    })
}

/// When the file at `path` was changed last; none where there is none.
fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// When any file in `folder` or beneath it was changed last.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    let times = entries.filter_map(|entry| {
        let path = entry.path();
        if path.is_dir() { newest(&path) } else { changed(&path) }
    });
    times.max()
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
