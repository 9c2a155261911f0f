//! Peers: other programs that speak the trial protocol, named by manifests (docs/peers.md).

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Form;
use super::config::mistake;
use crate::array::{Compression, Order};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Layout;
use crate::workload::Workload;

/// No manifest is longer.
const MAX_MANIFEST_BYTES: u64 = 64 << 10;

/// How long a peer may take to tell its version: it may have to load an interpreter from a cold disk.
const VERSION_PATIENCE: Duration = Duration::from_secs(30);

/// A program that takes part beside this crate's backends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name in records.
    pub name: String,
    /// The command that prints its version.
    pub version: Vec<OsString>,
    /// The command that starts a trial.
    pub command: Vec<OsString>,
    /// What its author did to make it fast.
    pub tuning: String,
    /// How its files lie; none where they are of its own format.
    pub layout: Option<Layout>,
    /// What it does; all where none.
    pub workloads: Option<Vec<Workload>>,
    /// Where its commands run: the manifest's folder.
    pub folder: PathBuf,
}

/// The manifest's text.
#[derive(Debug, Deserialize)]
struct Manifest {
    name: String,
    version: Vec<String>,
    command: Vec<String>,
    #[serde(default)]
    tuning: String,
    data: String,
    workloads: Option<Vec<String>>,
}

impl Peer {
    /// The peer that the manifest at `path` names.
    ///
    /// # Errors
    /// Where the manifest cannot be read or says something that it cannot mean.
    pub fn read(path: &Path) -> Result<Self> {
        let at = |error: std::io::Error| Error::io("read", error).at(path);
        let folder = std::fs::canonicalize(path).map_err(at)?.parent().map(Path::to_owned);
        let mut text = String::new();
        let file = File::open(path).map_err(at)?;
        let length = file.take(MAX_MANIFEST_BYTES).read_to_string(&mut text).map_err(at)?;
        if length as u64 == MAX_MANIFEST_BYTES {
            return Err(mistake("is too long for a peer's manifest").at(path));
        }
        Self::parse(&text, folder.unwrap_or_default()).map_err(|error| error.at(path))
    }

    fn parse(text: &str, folder: PathBuf) -> Result<Self> {
        let manifest: Manifest = serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Malformed, "read", "is not a peer's manifest").caused_by(error)
        })?;
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if manifest.name.is_empty() || !manifest.name.chars().all(named) {
            return Err(mistake("a peer's name consists of lower-case letters, digits and '-'"));
        }
        if manifest.command.is_empty() {
            return Err(mistake("a peer's command must name a program"));
        }
        let layout = match &*manifest.data {
            "c" => Some(Layout::Dense(Order::C)),
            "f" => Some(Layout::Dense(Order::Fortran)),
            "csr" => Some(Layout::Sparse(Compression::Csr)),
            "csc" => Some(Layout::Sparse(Compression::Csc)),
            Form::OWN => None,
            other => {
                let forms = format!("write one of c, f, csr, csc, {}", Form::OWN);
                return Err(mistake(format!("'{other}' is not a layout: {forms}")));
            }
        };
        let workloads = manifest
            .workloads
            .map(|names| names.iter().map(|name| name.parse()).collect())
            .transpose()?;
        Ok(Self {
            name: manifest.name,
            version: manifest.version.into_iter().map(OsString::from).collect(),
            command: manifest.command.into_iter().map(OsString::from).collect(),
            tuning: manifest.tuning,
            layout,
            workloads,
            folder,
        })
    }

    /// Lets commands run the programs that are in this folder, where they name one.
    pub fn look_in(&mut self, folder: &Path) {
        for command in [&mut self.version, &mut self.command] {
            let Some(program) = command.first_mut() else { continue };
            let there = folder.join(&*program);
            if there.is_file() {
                *program = there.into_os_string();
            }
        }
    }

    /// The workload by which a file of its own is read back; none where it visits no matrix.
    pub(super) fn visit(&self) -> Option<Workload> {
        [Workload::Scan, Workload::ExtractColumns].into_iter().find(|visit| self.does(*visit))
    }

    /// Whether the peer does `workload`.
    pub fn does(&self, workload: Workload) -> bool {
        self.workloads.as_ref().is_none_or(|workloads| workloads.contains(&workload))
    }

    /// Name, version and tuning, for the record: what the version command says, as far as it says anything.
    pub(super) fn description(&self) -> String {
        let version = self.ask_version().unwrap_or_else(|| self.name.clone());
        if self.tuning.is_empty() { version } else { format!("{version} ({})", self.tuning) }
    }

    /// The first line that the version command prints, if it ends in time and well.
    fn ask_version(&self) -> Option<String> {
        let (program, arguments) = self.version.split_first()?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().ok()?;
        let from = Instant::now();
        let ended = loop {
            match child.try_wait() {
                Ok(None) if from.elapsed() < VERSION_PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(status) => break status,
                Err(_) => break None,
            }
        };
        if ended.is_none() {
            // Fails only where it has ended meanwhile.
            let _ = child.kill();
            let _ = child.wait();
        }
        ended.filter(|status| status.success())?;
        let mut text = String::new();
        child.stdout.take()?.take(1024).read_to_string(&mut text).ok()?;
        text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"name":"numpy-memmap","version":["echo","numpy 2.4"],"command":["python3","p.py"],
        "tuning":"none","data":"c","workloads":["scan"],"later":1}"#;

    #[test]
    fn a_manifest_says_what_takes_part() {
        let peer = Peer::parse(GOOD, PathBuf::from(".")).unwrap();
        assert_eq!((&*peer.name, peer.layout), ("numpy-memmap", Some(Layout::Dense(Order::C))));
        assert!(peer.does(Workload::Scan) && !peer.does(Workload::FillColumns));
        #[cfg(unix)]
        assert_eq!(peer.description(), "numpy 2.4 (none)");
        let folder = tempfile::tempdir().unwrap();
        let python = folder.path().join("python3");
        std::fs::write(&python, "").unwrap();
        let mut other = peer.clone();
        other.look_in(folder.path());
        assert_eq!((&other.version, &*other.command[0]), (&peer.version, python.as_os_str()));
        let own = GOOD.replace("\"c\"", "\"own\"");
        assert_eq!(Peer::parse(&own, PathBuf::from(".")).unwrap().layout, None);
    }

    #[test]
    fn manifests_that_mean_nothing_are_refused() {
        for (from, to) in [
            ("numpy-memmap", "NumPy"),
            ("\"python3\",\"p.py\"", ""),
            ("\"c\"", "\"rows\""),
            ("scan", "sort"),
            ("\"name\"", "\"nom\""),
        ] {
            let text = GOOD.replace(from, to);
            assert!(Peer::parse(&text, PathBuf::new()).is_err(), "{text}");
        }
        assert!(Peer::parse("", PathBuf::new()).is_err());
        assert_eq!(Peer::read(Path::new("/nonexistent")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn a_peer_without_a_version_keeps_its_name() {
        let mut peer = Peer::parse(GOOD, PathBuf::from(".")).unwrap();
        peer.tuning.clear();
        for command in [vec!["false"], vec!["/nonexistent"], vec![], vec!["true"]] {
            peer.version = command.into_iter().map(OsString::from).collect();
            assert_eq!(peer.description(), "numpy-memmap");
        }
    }
}
