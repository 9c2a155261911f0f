//! Peers: other programs that speak the trial protocol, named by manifests (docs/peers.md).

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Form;
use super::config::mistake;
use crate::array::{Compression, Order};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Cancel, Layout};
use crate::sys::family;
use crate::workload::Workload;

/// No manifest is longer.
const MAX_MANIFEST_BYTES: u64 = 64 << 10;

/// How long a peer may take to tell its version: it may have to load an interpreter from a cold disk.
const VERSION_PATIENCE: Duration = Duration::from_secs(30);

/// How many are asked at once: no more than a small machine has memory for.
const ASKED_AT_ONCE: usize = 4;

/// How long the last line of a version command may be on its way when the command has ended.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// Of a version no more is read.
const MAX_VERSION_BYTES: u64 = 1024;

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

    /// As [`descriptions`] has it of each.
    fn describe(&self, patience: Duration, cancel: &Cancel) -> String {
        let version = self.ask_version(patience, cancel).unwrap_or_else(|| self.name.clone());
        if self.tuning.is_empty() { version } else { format!("{version} ({})", self.tuning) }
    }

    /// The first line that the version command prints, if it ends in time and well. What it started ends with it.
    fn ask_version(&self, patience: Duration, cancel: &Cancel) -> Option<String> {
        let from = Instant::now();
        let (program, arguments) = self.version.split_first()?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Ctrl-C is for the harness: it ends this too.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().ok()?;
        let (sender, line) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            // Beside: whoever inherited the stream may hold it open for ever.
            thread::spawn(move || {
                let mut text = String::new();
                let mut stream = BufReader::new(stdout);
                let read = (&mut stream).take(MAX_VERSION_BYTES).read_line(&mut text);
                // Where nobody waits for it any more, it is not wanted.
                let _ = read.map(|_| sender.send(text));
                // Whoever has more to say may do so.
                let _ = io::copy(&mut stream, &mut io::sink());
            });
        }
        let ended = loop {
            match family::ended(&mut child) {
                None if from.elapsed() < patience && !cancel.is_cancelled() => {
                    thread::sleep(Duration::from_millis(5));
                }
                ended => break ended,
            }
        };
        if ended.is_none() {
            family::end(&mut child);
        }
        ended.filter(|status| status.success())?;
        let line = line.recv_timeout(ON_ITS_WAY).ok()?;
        Some(line.trim().to_owned()).filter(|line| !line.is_empty())
    }
}

/// Name, version and tuning of each, for the record: what its version command says, as far as it says anything before `cancel`
/// is set.
pub(super) fn descriptions(peers: &[Peer], cancel: &Cancel) -> Vec<String> {
    let some = |peers: &[Peer]| -> Vec<String> {
        thread::scope(|scope| {
            let asked: Vec<_> = peers
                .iter()
                .map(|peer| scope.spawn(|| peer.describe(VERSION_PATIENCE, cancel)))
                .collect();
            let answers = asked.into_iter().zip(peers);
            answers
                .map(|(asked, peer)| asked.join().unwrap_or_else(|_| peer.name.clone()))
                .collect()
        })
    };
    peers.chunks(ASKED_AT_ONCE).flat_map(some).collect()
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
        assert_eq!(peer.describe(VERSION_PATIENCE, &Cancel::default()), "numpy 2.4 (none)");
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
            assert_eq!(peer.describe(VERSION_PATIENCE, &Cancel::default()), "numpy-memmap");
        }
    }

    /// The line is there at once; something is not.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_version_is_not_waited_for_longer_than_for_its_command() {
        let from = Instant::now();
        let peer = |script: &str| {
            let mut peer = Peer::parse(GOOD, PathBuf::from(".")).unwrap();
            peer.version = ["sh", "-c", script].map(OsString::from).into();
            peer
        };
        let forever = Cancel::default();
        // A child that holds the stream ends with the command; one that has left the group is not waited for.
        let childs =
            ["sleep 1000 & echo v1", "setsid sleep 15 & echo v1", "echo v1; yes v2 | head -9999"];
        for script in childs {
            assert_eq!(peer(script).describe(VERSION_PATIENCE, &forever), "v1 (none)", "{script}");
        }
        for script in ["yes | tr -d '\\n'", "echo v1; sleep 1000"] {
            let soon = Duration::from_millis(300);
            assert_eq!(peer(script).describe(soon, &forever), "numpy-memmap (none)", "{script}");
        }
        let heard = Cancel::default();
        heard.cancel();
        let peers: Vec<_> = (0..9).map(|_| peer("sleep 1000")).collect();
        assert_eq!(descriptions(&peers, &heard), vec!["numpy-memmap (none)"; 9]);
        let peers: Vec<_> = (0..9).map(|k| peer(&format!("echo {k}"))).collect();
        let expected: Vec<_> = (0..9).map(|k| format!("{k} (none)")).collect();
        assert_eq!(descriptions(&peers, &forever), expected);
        assert!(from.elapsed() < Duration::from_secs(15));
    }
}
