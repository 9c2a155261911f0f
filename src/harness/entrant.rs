//! Who enters a group of trials: one of this crate's backends, or a peer by its manifest.
//!
//! Owns what differs between the two: name and version, where files lie, what is supported, the command line, and
//! what it means where the program cannot be started. Knows no sample and no answer.

use std::ffi::OsString;
use std::path::Path;

use super::config::{Config, Contender, Regime};
use super::process::TrialProcess;
use super::protocol::{TrialRequest, WireAxis};
use super::{Form, Peer};
use crate::array::Shape;
use crate::error::Result;
use crate::record::{self, Status};
use crate::store::Cancel;
use crate::workload::Workload;

/// When a program runs that is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    AtOnce,
    /// Not before its process has been put where it belongs.
    Held,
}

/// One who enters, with all that the configuration says of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entrant<'a> {
    config: &'a Config,
    contender: Contender,
}

impl<'a> Entrant<'a> {
    pub(super) fn new(config: &'a Config, contender: Contender) -> Self {
        Self { config, contender }
    }

    fn peer(self) -> Option<&'a Peer> {
        match self.contender {
            Contender::Backend(_) => None,
            Contender::Peer(index) => Some(&self.config.peers[index]),
        }
    }

    /// The name in records.
    pub(super) fn name(self) -> &'a str {
        self.config.name(self.contender)
    }

    /// How its data lie.
    pub(super) fn form(self) -> Form {
        self.config.form(self.contender)
    }

    /// Name and version out of those of all peers; none for a backend, whose version is the run's.
    pub(super) fn version(self, peers: &[String]) -> Option<String> {
        match self.contender {
            Contender::Backend(_) => None,
            Contender::Peer(index) => peers.get(index).cloned(),
        }
    }

    /// Why it does not even begin with `workload`; none where it is to be asked.
    pub(super) fn declines(self, workload: Workload) -> Option<&'static str> {
        let peer = self.peer()?;
        if !peer.does(workload) {
            return Some("the peer's manifest does not name this workload");
        }
        let is_unreadable = peer.layout.is_none() && peer.visit().is_none();
        (is_unreadable && workload == Workload::FillColumns).then_some(
            "what it fills could not be checked: only scan or extract-columns reads files of a peer's own back",
        )
    }

    /// The workload by which data of its own are read back.
    pub(super) fn visit(self) -> Option<Workload> {
        self.peer()?.visit()
    }

    /// What it is recorded as where its program cannot be started or does not get ready: a program that is not
    /// installed is nobody's wrong answer.
    pub(super) fn absent(self) -> Status {
        match self.contender {
            Contender::Backend(_) => Status::Failed,
            Contender::Peer(_) => Status::Unavailable,
        }
    }

    /// The program and its arguments, and the folder that it runs in: a peer's is its manifest's, a backend's
    /// that of the data.
    fn command<'d>(self, data: &'d Path) -> (&'d [OsString], &'d Path)
    where
        'a: 'd,
    {
        match self.peer() {
            None => (&self.config.trial_command, data),
            Some(peer) => (&peer.command, &peer.folder),
        }
    }

    /// Starts its process, held or not; `data` is the folder of the data files.
    ///
    /// # Errors
    /// Where the program cannot be started.
    pub(super) fn start(self, start: Start, data: &Path, cancel: &Cancel) -> Result<TrialProcess> {
        let (command, folder) = self.command(data);
        match start {
            Start::AtOnce => TrialProcess::start(command, folder, cancel.clone()),
            Start::Held => TrialProcess::start_held(command, folder, cancel.clone()),
        }
    }

    /// What it is asked to do with the file at `path`, and with `input` where that is to be filled from a file.
    pub(super) fn request(
        self,
        workload: Workload,
        regime: Regime,
        shape: Shape,
        path: &Path,
        input: Option<&Path>,
        data: record::Data,
    ) -> TrialRequest {
        let Self { config, .. } = self;
        let selection = workload.selection(shape, config.choice());
        let (rows, columns) = selection.map_or((None, None), |selection| {
            (WireAxis::of(&selection.rows), WireAxis::of(&selection.cols))
        });
        let order = workload.order(shape, config.seed).map(WireAxis::Indices);
        let limit = regime.limit_bytes();
        // What our own programs would find out by themselves, said to all alike.
        let budget = limit.map_or(config.budget, |limit| config.budget.within(limit));
        TrialRequest {
            data,
            backend: self.name().to_owned(),
            workload: workload.id().to_owned(),
            regime: regime.to_string(),
            path: path.to_owned(),
            seed: config.seed,
            memory: budget.effective_bytes(),
            limit,
            threads: config.threads,
            input: input.map(Path::to_owned),
            rows: rows.or(order),
            columns,
            make_from: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Backend;
    use super::super::testing::config;
    use super::*;
    use crate::array::{Compression, Order};
    use crate::store::Layout;

    #[test]
    fn backends_and_peers_differ_in_what_is_theirs_only() {
        let mut config = config();
        config.trial_command = vec!["arraystore".into(), "trial".into()];
        config.peers.push(Peer {
            name: "scipy".to_owned(),
            version: Vec::new(),
            command: vec!["python3".into(), "scipy.py".into()],
            tuning: String::new(),
            layout: Some(Layout::Sparse(Compression::Csc)),
            workloads: Some(vec![Workload::Scan]),
            folder: "peers".into(),
        });
        let (data, versions) = (Path::new("data"), ["scipy 1".to_owned()]);

        let backend = Entrant::new(&config, Contender::Backend(Backend::Seek));
        assert_eq!((backend.name(), backend.form()), ("seek", Layout::Dense(Order::C).into()));
        assert_eq!(backend.command(data), (&config.trial_command[..], data));
        assert!(Workload::ALL.into_iter().all(|workload| backend.declines(workload).is_none()));
        assert_eq!((backend.version(&versions), backend.absent()), (None, Status::Failed));

        let peer = Entrant::new(&config, Contender::Peer(0));
        assert_eq!((peer.name(), peer.form()), ("scipy", Layout::Sparse(Compression::Csc).into()));
        assert_eq!(peer.command(data), (&config.peers[0].command[..], Path::new("peers")));
        assert_eq!(peer.declines(Workload::Scan), None);
        assert!(peer.declines(Workload::FillColumns).is_some_and(|why| why.contains("manifest")));
        assert_eq!(peer.version(&versions).as_deref(), Some("scipy 1"));
        assert_eq!(peer.absent(), Status::Unavailable);
    }
}
