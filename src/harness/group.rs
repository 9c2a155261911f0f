//! A group of trials that differ in their backend only: their processes run side by side and their samples
//! are taken in turn, so that whatever changes on the machine meanwhile meets them all.

use std::path::Path;

use super::config::Contender;
use super::entrant::{Entrant, Start};
use super::floor::{Floor, Task};
use super::folder::DataFolder;
use super::matrix::{DataFiles, Matrix};
use super::plan::Group;
use super::process::TrialProcess;
use super::protocol::{Ready, Reply, Request};
use super::results::Results;
use super::sample::{Entry, Stop, is_fill, unexpected};
use super::scope::Scope;
use super::{Form, Observer, regime, tree};
use crate::error::{Error, Result};
use crate::measure;
use crate::record::{self, Limits, Line, Sample, Status, Summary};
use crate::store::{Cancel, Context};
use crate::sys;

/// Whether what a group fills is wanted afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// The last right fill of each layout by a backend of this crate's becomes the file that extracts read; that of a peer in a
    /// format of its own, the one that it reads.
    Keep,
    /// Every file is removed once it is verified.
    Remove,
}

/// The trials of a group: where their records lie among the results, once they are there.
pub(super) struct Trials(Vec<Option<usize>>);

impl Trials {
    /// None has begun.
    pub(super) fn of(group: &Group) -> Self {
        Self(vec![None; group.contenders.len()])
    }
}

/// Runs groups over one matrix.
pub(super) struct Runner<'a> {
    pub scope: &'a Scope<'a>,
    /// Each peer's name and version.
    pub peers: &'a [String],
    /// What this machine can do, where that was measured.
    pub limits: Option<&'a Limits>,
    pub folder: &'a DataFolder,
    pub matrix: &'a Matrix,
    pub files: DataFiles<'a>,
    pub context: &'a Context,
    pub cancel: &'a Cancel,
    pub results: &'a mut Results,
    /// What each trial did, by its record's place.
    pub tasks: &'a mut Vec<(usize, Task)>,
    pub observer: &'a mut dyn Observer,
}

impl Runner<'_> {
    /// Takes the samples that `group`'s `trials` have in `pass`, from 0 on, and puts their records among the results.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Cancelled`], with the samples until then recorded; or where the records cannot be written. What
    /// goes wrong in a trial is in its record.
    pub(super) fn run(
        &mut self,
        group: &Group,
        trials: &mut Trials,
        pass: u32,
        afterwards: Afterwards,
    ) -> Result<()> {
        let mut entries = Vec::new();
        let entered = group.contenders.iter().enumerate().try_for_each(|(place, &contender)| {
            self.observer.doing(&self.name(group, contender));
            entries.push(self.enter(group, place, contender, trials, pass)?);
            Ok(())
        });
        let sampled =
            entered.and_then(|()| self.sample(group, &mut entries, trials, pass, afterwards));
        // Who is still there was interrupted: their processes are ended where they stand.
        for (place, entry) in entries.into_iter().enumerate() {
            if let Some(Entry { form, record, .. }) = entry
                && !record.samples.is_empty()
            {
                self.put(group, trials, place, form, record)?;
            }
        }
        sampled
    }

    /// Lets a trial that has enough samples end: it takes no more memory then from those that go on.
    fn leave(
        &mut self,
        group: &Group,
        trials: &mut Trials,
        place: usize,
        entry: Option<Entry>,
    ) -> Result<()> {
        let Some(Entry { form, process, record, .. }) = entry else { return Ok(()) };
        process.end();
        self.put(group, trials, place, form, record)
    }

    /// Takes samples in turn until each of the `entries` has enough of them for `pass`; who fails is no longer among them.
    fn sample(
        &mut self,
        group: &Group,
        entries: &mut [Option<Entry>],
        trials: &mut Trials,
        pass: u32,
        afterwards: Afterwards,
    ) -> Result<()> {
        let samples = self.scope.config.samples;
        let due = |passes| samples.due(samples.expected(), passes) as usize;
        // A trial that had fewer samples before than it may have takes more now: orders come again then.
        let first = samples.due(samples.most(), pass) as usize;
        let rounds = group.rounds.iter().cycle().skip(first).take(samples.most() as usize);
        for order in rounds {
            for &place in order {
                let Some(entry) = &mut entries[place] else { continue };
                self.observer.doing(&self.name(group, entry.contender));
                let before = entry.record.samples.len();
                let passed = match self.take(group, entry, afterwards) {
                    Ok(sample) => {
                        entry.record.samples.push(sample);
                        // More than were expected are not counted.
                        match self.is_enough(&entry.record, pass) {
                            false => due(pass + 1).min(before + 1),
                            true => {
                                self.leave(group, trials, place, entries[place].take())?;
                                due(pass + 1)
                            }
                        }
                    }
                    Err(Stop::Run(error)) => return Err(error),
                    Err(Stop::Trial { status, reason, sample }) => {
                        self.clear(group, entry);
                        if let Some(entry) = entries[place].take() {
                            let (form, mut record) = (entry.form, entry.record);
                            record.samples.extend(sample.map(|sample| *sample));
                            (record.status, record.reason) = (status, Some(reason));
                            self.put(group, trials, place, form, record)?;
                        }
                        due(samples.passes())
                    }
                };
                let told = before.clamp(due(pass), due(pass + 1));
                self.observer.passed(passed.saturating_sub(told));
            }
        }
        Ok(())
    }

    /// Whether a trial needs no more samples in `pass`.
    fn is_enough(&self, record: &record::Trial, pass: u32) -> bool {
        let config = self.scope.config;
        config.samples.is_enough(&seconds_by_pass(&record.samples, pass + 1), config.seed)
    }

    fn name(&self, group: &Group, contender: Contender) -> String {
        let Group { workload, regime, .. } = group;
        format!(
            "{}, {workload}, {regime}, density {}",
            self.scope.config.name(contender),
            self.matrix.density
        )
    }

    /// Starts a trial, or goes on with it; none, with its record put, where it cannot be, or has ended in an earlier pass.
    fn enter(
        &mut self,
        group: &Group,
        place: usize,
        contender: Contender,
        trials: &mut Trials,
        pass: u32,
    ) -> Result<Option<Entry>> {
        let entrant = Entrant::new(self.scope.config, contender);
        let mut record = match trials.0[place].map(|line| self.results.line(line)) {
            Some(Line::Trial(record)) if record.status == Status::Ok => (**record).clone(),
            Some(_) => return Ok(None),
            None => self.record(group, entrant),
        };
        let (status, reason) = match self.start(group, place, contender, pass, &mut record) {
            Ok(entry) => return Ok(Some(entry)),
            Err(Stop::Run(error)) => return Err(error),
            Err(Stop::Trial { status, reason, .. }) => (status, reason),
        };
        let samples = self.scope.config.samples;
        let told = samples.due(samples.expected(), pass);
        self.observer.passed((samples.expected() - told) as usize);
        (record.status, record.reason) = (status, Some(reason));
        self.put(group, trials, place, entrant.form(), record)?;
        Ok(None)
    }

    fn start(
        &mut self,
        group: &Group,
        place: usize,
        contender: Contender,
        pass: u32,
        record: &mut record::Trial,
    ) -> Result<Entry, Stop> {
        let entrant = Entrant::new(self.scope.config, contender);
        let form = entrant.form();
        let ended = |status, reason: String| Err(Stop::Trial { status, reason, sample: None });
        if let Some(reason) = entrant.declines(group.workload) {
            return ended(Status::Unsupported, reason.to_owned());
        }
        if let Some(reason) = self.scope.excludes(group.workload, group.regime, form) {
            return ended(Status::Unsupported, reason);
        }
        let path = if is_fill(group.workload) {
            self.folder.file(&format!("fill-{place}.{}", form.extension()))
        } else {
            let path = match form {
                Form::Shared(_) | Form::Hdf5 => {
                    self.files.file(form, self.context)?.map_err(Stop::from)?
                }
                Form::Own { .. } => self.own_data(entrant, group.workload)?,
            };
            record.data.bytes_on_disk = tree::length(&path);
            path
        };
        let mut process = self.process(group, entrant)?;
        let input = self.input(group, contender);
        let (workload, regime, shape) = (group.workload, group.regime, self.matrix.shape);
        let request = entrant.request(workload, regime, shape, &path, input, record.data.clone());
        let request = Request::Trial { trial: Box::new(request) };
        let silence = self.silence(group.workload, form, None);
        let reply = process.ask(&request, silence);
        let reply = reply.map_err(|error| unready(entrant, &process, error))?;
        let leaves_sparse = match reply {
            Reply::Ready(Ready { sparse_values, .. }) => sparse_values,
            Reply::Unsupported(reason) => return ended(Status::Unsupported, reason),
            other => return Err(unexpected(&other)),
        };
        let baseline = sys::process_memory(process.id()).ok();
        let record = record.clone();
        Ok(Entry {
            contender,
            form,
            process,
            path,
            leaves_sparse,
            baseline,
            pass,
            asked: 0,
            record,
        })
    }

    /// The copy of an input that a fill by `contender` takes columns from.
    pub(super) fn input(&self, group: &Group, contender: Contender) -> Option<&Path> {
        let layout = self.scope.copy_for(contender).filter(|_| is_fill(group.workload))?;
        self.matrix.copy(layout)
    }

    /// Starts a trial's process, inside what bounds its memory where the regime does.
    fn process(&self, group: &Group, entrant: Entrant<'_>) -> Result<TrialProcess, Stop> {
        let start = |start| {
            let started = entrant.start(start, self.folder.path(), self.cancel);
            started.map_err(|error| absence(entrant, error))
        };
        let bounds = regime::control_group(group.regime).map_err(Stop::unavailable)?;
        let Some(bounds) = bounds else { return start(Start::AtOnce) };
        let mut process = start(Start::Held)?;
        process.enter(bounds).map_err(|error| Stop::unavailable(regime::with_advice(&error)))?;
        Ok(process)
    }

    /// The record of a trial that has not begun.
    fn record(&self, group: &Group, entrant: Entrant<'_>) -> record::Trial {
        record::Trial {
            schema: record::SCHEMA,
            backend: entrant.name().to_owned(),
            peer: entrant.version(self.peers),
            workload: group.workload.id().to_owned(),
            regime: group.regime.to_string(),
            data: self.matrix.record(entrant.form()),
            status: Status::Ok,
            reason: None,
            threads: Some(self.scope.config.threads),
            columns_read: Some(self.scope.config.columns_read).filter(|columns| *columns != 1),
            bytes_requested: self.scope.bytes_requested(group.workload),
            limit_seconds: None,
            limit_formula: None,
            samples: Vec::new(),
            summary: None,
        }
    }

    /// Sums a trial up and puts its record where it has its place, or behind the others.
    fn put(
        &mut self,
        group: &Group,
        trials: &mut Trials,
        place: usize,
        form: Form,
        mut record: record::Trial,
    ) -> Result<()> {
        // How long a wrong answer took says nothing.
        let passes = seconds_by_pass(&record.samples, self.scope.config.samples.passes());
        let seconds = passes.concat();
        let flags = measure::outliers(&seconds);
        let right = record.samples.iter_mut().filter(|sample| sample.verified);
        right.zip(flags).for_each(|(sample, is_far)| sample.outlier = is_far);
        let interval = measure::median_interval(&passes, self.scope.config.seed);
        record.summary =
            measure::median(&seconds).zip(interval).map(|(median, interval)| Summary {
                median_seconds: median,
                low_seconds: interval.low,
                high_seconds: interval.high,
            });
        let task = self.task(group, form, &record);
        bound(&mut record, task.zip(self.limits).and_then(|(task, limits)| task.floor(limits)));
        record.reason = record.reason.map(|reason| self.without_folders(&reason));
        let line = Line::Trial(Box::new(record));
        let place = match trials.0[place] {
            Some(place) => {
                self.results.replace(place, line);
                place
            }
            None => *trials.0[place].insert(self.results.append(line)?),
        };
        self.tasks.extend(task.map(|task| (place, task)));
        Ok(())
    }

    /// What a trial did, as far as a bound follows from it.
    fn task(&self, group: &Group, form: Form, record: &record::Trial) -> Option<Task> {
        let Matrix { shape, dtype, density, .. } = *self.matrix;
        let stood: Vec<_> =
            record.samples.iter().filter_map(|sample| sample.stood_seconds).collect();
        Some(Task {
            workload: group.workload,
            regime: group.regime,
            form,
            shape,
            dtype,
            density,
            file_bytes: record.data.bytes_on_disk?,
            stood_seconds: measure::median(&stood).unwrap_or(0.0),
            choice: self.scope.config.choice(),
        })
    }

    /// A reason without the folders of this machine: records are shown to others.
    fn without_folders(&self, reason: &str) -> String {
        let peers = self.scope.config.peers.iter().map(|peer| &*peer.folder);
        let folders = [self.folder.path()].into_iter().chain(peers);
        folders
            .filter(|folder| *folder != Path::new("") && *folder != Path::new("/"))
            .map(|folder| format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR))
            .fold(reason.to_owned(), |reason, folder| reason.replace(&folder, ""))
    }
}

/// How many times as fast as its bound a trial may be. A bound is that of a moment and of main memory, and who touches less than was
/// thought is not wrong; but what is so many times faster was not done in its time.
const BEYOND_BELIEF: f64 = 10.0;

/// Puts the least time in which this machine could do it into a trial's record, which has failed where it is far beyond that.
pub(super) fn bound(record: &mut record::Trial, floor: Option<Floor>) {
    let Some(Floor { seconds, formula }) = floor else { return };
    let median = record.summary.map(|summary| summary.median_seconds);
    if let Some(median) = median.filter(|median| median * BEYOND_BELIEF < seconds)
        && record.status == Status::Ok
    {
        record.status = Status::Failed;
        record.reason = Some(format!(
            "took {median} s by its clock, where this machine needs {seconds} s at least ({formula}): it was not done in that time"
        ));
    }
    (record.limit_seconds, record.limit_formula) = (Some(seconds), Some(formula));
}

/// How long the right ones of `samples` took, those of each of the first `passes` together.
fn seconds_by_pass(samples: &[Sample], passes: u32) -> Vec<Vec<f64>> {
    let of = |pass| {
        let samples = samples.iter().filter(|sample| sample.pass.unwrap_or(1) == pass);
        samples.filter(|sample| sample.verified).map(|sample| sample.seconds).collect()
    };
    (1..=passes).map(of).collect()
}

/// Why a trial does not begin whose `process` does not get ready. One that leaves is not able to take part; one that hangs, is
/// killed or says what it should not has failed.
pub(super) fn unready(entrant: Entrant<'_>, process: &TrialProcess, error: Error) -> Stop {
    match process.has_left() {
        true => absence(entrant, error),
        false => error.into(),
    }
}

/// Why a trial does not begin whose program cannot be started.
pub(super) fn absence(entrant: Entrant<'_>, error: Error) -> Stop {
    match error.into() {
        Stop::Trial { reason, sample, .. } => {
            Stop::Trial { status: entrant.absent(), reason, sample }
        }
        stop @ Stop::Run(_) => stop,
    }
}
