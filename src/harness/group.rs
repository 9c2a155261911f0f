//! A group of trials that differ in their backend only: their processes run side by side and their samples
//! are taken in turn, so that whatever changes on the machine meanwhile meets them all.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::{Config, Contender, Regime};
use super::folder::{self, DataFolder};
use super::matrix::{DataFiles, Matrix, extension};
use super::observe::{Observation, check_way};
use super::plan::Group;
use super::process::TrialProcess;
use super::protocol::{Reply, Request, TrialRequest, WireAxis};
use super::results::Results;
use super::verify::{Checker, Found};
use super::{Observer, regime, values_path};
use crate::error::{Error, ErrorKind, Result};
use crate::measure;
use crate::record::{self, Line, Sample, Status, Summary};
use crate::store::{Cancel, Context, Layout};
use crate::sys;
use crate::workload::{AnswerKind, Workload};

/// How long a trial may be silent beside what its data need.
const SILENCE: Duration = Duration::from_secs(60);

/// A disk that moves fewer bytes a second is waited for in vain.
const SLOW_BYTES_PER_SECOND: u64 = 4 << 20;

/// The file that answers are left in.
const ANSWER: &str = "answer";

/// Whether what a group fills is wanted afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// The last fill of each layout becomes the file that extracts read.
    Keep,
    /// Every file is removed once it is verified.
    Remove,
}

/// Runs groups over one matrix.
pub(super) struct Runner<'a> {
    pub config: &'a Config,
    /// Each peer's name and version.
    pub peers: &'a [String],
    pub folder: &'a DataFolder,
    pub matrix: &'a Matrix,
    pub files: DataFiles<'a>,
    pub context: &'a Context,
    pub cancel: &'a Cancel,
    pub results: &'a mut Results,
    pub observer: &'a mut dyn Observer,
}

/// A trial under way.
struct Entrant {
    contender: Contender,
    layout: Layout,
    process: TrialProcess,
    /// The file that is read or made.
    path: PathBuf,
    /// Anonymous memory when it was ready.
    baseline: Option<u64>,
    record: record::Trial,
}

/// Why a trial goes no further.
enum Stop {
    /// The whole run goes no further.
    Run(Error),
    /// Only this trial, with the sample that was wrong, if one was taken.
    Trial { status: Status, reason: String, sample: Option<Box<Sample>> },
}

impl Stop {
    fn failed(reason: impl Into<String>) -> Self {
        Self::Trial { status: Status::Failed, reason: reason.into(), sample: None }
    }
}

/// What goes wrong in a trial is the trial's failure; a wish to stop is not.
impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Cancelled => Self::Run(error),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl Runner<'_> {
    /// Runs `group` and appends the records of its trials as they end.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`]; or where the records cannot be written. What goes wrong in a trial is in
    /// its record.
    pub(super) fn run(&mut self, group: &Group, afterwards: Afterwards) -> Result<()> {
        let mut entrants = Vec::new();
        for (place, &contender) in group.contenders.iter().enumerate() {
            self.observer.doing(&self.name(group, contender));
            entrants.push(self.enter(group, place, contender)?);
        }
        let last = group.rounds.len().saturating_sub(1);
        for (round, order) in group.rounds.iter().enumerate() {
            for &place in order {
                let Some(entrant) = &mut entrants[place] else { continue };
                self.observer.doing(&self.name(group, entrant.contender));
                let keep = if round == last { afterwards } else { Afterwards::Remove };
                match self.take(group, entrant, round, keep) {
                    Ok(sample) => entrant.record.samples.push(sample),
                    Err(Stop::Run(error)) => return Err(error),
                    Err(Stop::Trial { status, reason, sample }) => {
                        self.observer.passed(group.rounds.len() - round - 1);
                        self.clear(group, entrant);
                        if let Some(entrant) = entrants[place].take() {
                            let mut record = entrant.record;
                            record.samples.extend(sample.map(|sample| *sample));
                            (record.status, record.reason) = (status, Some(reason));
                            self.append(record)?;
                        }
                    }
                }
                self.observer.passed(1);
            }
        }
        for entrant in entrants.into_iter().flatten() {
            entrant.process.end();
            self.append(entrant.record)?;
        }
        Ok(())
    }

    fn name(&self, group: &Group, contender: Contender) -> String {
        let Group { workload, regime, .. } = group;
        format!(
            "{}, {workload}, {regime}, density {}",
            self.config.name(contender),
            self.matrix.density
        )
    }

    /// Starts a trial; none, with its record appended, where it cannot be.
    fn enter(
        &mut self,
        group: &Group,
        place: usize,
        contender: Contender,
    ) -> Result<Option<Entrant>> {
        let layout = self.config.layout(contender);
        let mut record = self.record(group, contender, layout);
        let (status, reason) = match self.start(group, place, contender, &mut record) {
            Ok(entrant) => return Ok(Some(entrant)),
            Err(Stop::Run(error)) => return Err(error),
            Err(Stop::Trial { status, reason, .. }) => (status, reason),
        };
        self.observer.passed(group.rounds.len());
        (record.status, record.reason) = (status, Some(reason));
        self.append(record)?;
        Ok(None)
    }

    fn start(
        &mut self,
        group: &Group,
        place: usize,
        contender: Contender,
        record: &mut record::Trial,
    ) -> Result<Entrant, Stop> {
        let layout = self.config.layout(contender);
        let ended = |status, reason: String| Err(Stop::Trial { status, reason, sample: None });
        if let Contender::Peer(index) = contender
            && !self.config.peers[index].does(group.workload)
        {
            let reason = "the peer's manifest does not name this workload".to_owned();
            return ended(Status::Unsupported, reason);
        }
        let path = if is_fill(group.workload) {
            self.folder.file(&format!("fill-{place}.{}", extension(layout)))
        } else {
            let path = self.files.file(layout, self.context)?.map_err(Stop::failed)?;
            record.data.bytes_on_disk = length(&path);
            path
        };
        // A program that is not installed is nobody's wrong answer.
        let absent = |stop| match (contender, stop) {
            (Contender::Peer(_), Stop::Trial { reason, sample, .. }) => {
                Stop::Trial { status: Status::Unavailable, reason, sample }
            }
            (_, stop) => stop,
        };
        let mut process = self.process(contender).map_err(|error| absent(error.into()))?;
        let request = self.request(group, contender, &path, record);
        let request = Request::Trial { trial: Box::new(request) };
        let reply = process.ask(&request, self.silence()).map_err(|error| absent(error.into()))?;
        match reply {
            Reply::Ready(_) => {}
            Reply::Unsupported(reason) => return ended(Status::Unsupported, reason),
            other => return Err(unexpected(&other)),
        }
        let baseline = sys::anonymous_bytes(process.id()).ok();
        Ok(Entrant { contender, layout, process, path, baseline, record: record.clone() })
    }

    fn process(&self, contender: Contender) -> Result<TrialProcess> {
        let (command, folder): (&[OsString], &Path) = match contender {
            Contender::Backend(_) => (&self.config.trial_command, self.folder.path()),
            Contender::Peer(index) => {
                let peer = &self.config.peers[index];
                (&peer.command, &peer.folder)
            }
        };
        TrialProcess::start(command, folder, self.cancel.clone())
    }

    fn request(
        &self,
        group: &Group,
        contender: Contender,
        path: &Path,
        record: &record::Trial,
    ) -> TrialRequest {
        let selection = group.workload.selection(self.matrix.shape, self.config.seed);
        let (rows, columns) = selection.map_or((None, None), |selection| {
            (WireAxis::of(&selection.rows), WireAxis::of(&selection.cols))
        });
        TrialRequest {
            data: record.data.clone(),
            backend: self.config.name(contender).to_owned(),
            workload: group.workload.id().to_owned(),
            regime: group.regime.id().to_owned(),
            path: path.to_owned(),
            seed: self.config.seed,
            memory: self.config.budget.effective_bytes(),
            threads: self.config.threads,
            input: self.matrix.columns().filter(|_| is_fill(group.workload)).map(Path::to_owned),
            rows,
            columns,
        }
    }

    /// Takes one sample: sets the regime up, lets it be done, watches, and checks the answer.
    fn take(
        &mut self,
        group: &Group,
        entrant: &mut Entrant,
        round: usize,
        afterwards: Afterwards,
    ) -> Result<Sample, Stop> {
        let resident_before = self.prepare(group, entrant)?;
        let (go, silence) = (round as u32 + 1, self.silence());
        let observation = Observation::begin(entrant.process.id(), self.folder.path());
        let reply = entrant.process.ask(&Request::Go { go }, silence);
        let observed = observation.end();
        let done = match reply? {
            Reply::Done(done) => done,
            other => return Err(unexpected(&other)),
        };
        let mut sample = observed.sample(done, entrant.baseline).map_err(Stop::failed)?;
        sample.resident_before = resident_before;

        let answer = self.folder.file(ANSWER);
        let with_values = round == 0 && group.workload.answer() == AnswerKind::Sums;
        let request = Request::Answer { answer: answer.clone(), values: with_values };
        match entrant.process.ask(&request, silence)? {
            Reply::Answered(true) => {}
            other => return Err(unexpected(&other)),
        }
        let found = self.check(group, entrant, &answer, with_values)?;
        folder::remove(&answer)?;
        folder::remove(&values_path(&answer))?;
        if is_fill(group.workload) {
            entrant.record.data.bytes_on_disk = length(&entrant.path);
            match (afterwards, &found.wrong) {
                (Afterwards::Keep, None) => self.files.adopt(entrant.layout, &entrant.path)?,
                _ => folder::remove(&entrant.path)?,
            }
        }
        sample.digest = found.digest.map(|digest| digest.to_string());
        sample.verified_through = found.through;
        sample.verified = found.wrong.is_none();
        let way =
            check_way(entrant.contender, group.workload, &sample, entrant.record.bytes_requested);
        match found.wrong.or(way.err()) {
            None => Ok(sample),
            Some(reason) => {
                let sample = Some(Box::new(sample));
                Err(Stop::Trial { status: Status::Failed, reason, sample })
            }
        }
    }

    /// Brings the page cache into the state that the regime asks for: the resident share of the input, none for
    /// a fill.
    fn prepare(&self, group: &Group, entrant: &Entrant) -> Result<Option<f64>, Stop> {
        if !is_fill(group.workload) {
            let share = regime::establish(group.regime, &entrant.path);
            return share.map(Some).map_err(|reason| Stop::Trial {
                status: Status::Unavailable,
                reason,
                sample: None,
            });
        }
        folder::remove(&entrant.path)?;
        if let Some(columns) = self.matrix.columns() {
            // What is filled with is read while the clock stands; resident, it moves no byte of the device.
            regime::establish(Regime::Warm, columns).map_err(Stop::failed)?;
        }
        Ok(None)
    }

    /// Removes what a trial that failed may have left.
    fn clear(&self, group: &Group, entrant: &Entrant) {
        let answer = self.folder.file(ANSWER);
        let fill = is_fill(group.workload).then(|| entrant.path.clone());
        for path in [values_path(&answer), answer].into_iter().chain(fill) {
            // What stays goes with the folder.
            let _ = folder::remove(&path);
        }
    }

    fn check(
        &self,
        group: &Group,
        entrant: &Entrant,
        answer: &Path,
        with_values: bool,
    ) -> Result<Found> {
        let checker = Checker { matrix: self.matrix, context: self.context };
        match group.workload.selection(self.matrix.shape, self.config.seed) {
            Some(selection) => {
                let shape = selection.shape(self.matrix.shape)?;
                checker.values(group.workload, shape, answer)
            }
            None if is_fill(group.workload) => {
                checker.file(entrant.contender, entrant.layout, &entrant.path, answer)
            }
            None => checker.sums(answer, with_values),
        }
    }

    fn silence(&self) -> Duration {
        self.config.silence.unwrap_or_else(|| {
            let bytes = self.matrix.shape.dense_bytes(self.matrix.dtype.item_size());
            let bytes = bytes.unwrap_or(usize::MAX) as u64;
            SILENCE + Duration::from_secs(bytes / SLOW_BYTES_PER_SECOND)
        })
    }

    /// The record of a trial that has not begun.
    fn record(&self, group: &Group, contender: Contender, layout: Layout) -> record::Trial {
        let peer = match contender {
            Contender::Backend(_) => None,
            Contender::Peer(index) => self.peers.get(index).cloned(),
        };
        record::Trial {
            schema: record::SCHEMA,
            backend: self.config.name(contender).to_owned(),
            peer,
            workload: group.workload.id().to_owned(),
            regime: group.regime.id().to_owned(),
            data: self.matrix.record(layout),
            status: Status::Ok,
            reason: None,
            bytes_requested: group.workload.bytes_requested(self.matrix.shape, self.matrix.dtype),
            limit_seconds: None,
            samples: Vec::new(),
            summary: None,
        }
    }

    /// Sums a trial up and appends its record.
    fn append(&mut self, mut record: record::Trial) -> Result<()> {
        // How long a wrong answer took says nothing.
        let right = record.samples.iter().filter(|sample| sample.verified);
        let seconds: Vec<_> = right.map(|sample| sample.seconds).collect();
        let interval = measure::median_interval(&seconds, self.config.seed);
        record.summary =
            measure::median(&seconds).zip(interval).map(|(median, interval)| Summary {
                median_seconds: median,
                low_seconds: interval.low,
                high_seconds: interval.high,
            });
        record.reason = record.reason.map(|reason| self.without_folders(&reason));
        self.results.append(Line::Trial(Box::new(record)))
    }

    /// A reason without the folders of this machine: records are shown to others.
    fn without_folders(&self, reason: &str) -> String {
        let peers = self.config.peers.iter().map(|peer| &*peer.folder);
        let folders = [self.folder.path()].into_iter().chain(peers);
        folders
            .filter(|folder| *folder != Path::new("") && *folder != Path::new("/"))
            .map(|folder| format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR))
            .fold(reason.to_owned(), |reason, folder| reason.replace(&folder, ""))
    }
}

fn is_fill(workload: Workload) -> bool {
    workload.answer() == AnswerKind::File
}

fn length(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.len())
}

fn unexpected(reply: &Reply) -> Stop {
    Stop::failed(format!("an answer out of turn: {reply:?}"))
}
