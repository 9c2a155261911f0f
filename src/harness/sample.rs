//! One sample of a trial under way: the regime is set up and proved, the work is done and watched, its answer
//! checked.
//!
//! Owns what a sample needs of a [`Runner`], and why a trial may go no further. Knows neither who comes next nor
//! how records are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::config::{Contender, Regime};
use super::group::{Afterwards, Runner};
use super::matrix::Absent;
use super::observe::{Observation, Observed, check_way};
use super::plan::Group;
use super::process::TrialProcess;
use super::protocol::{Reply, Request};
use super::tree::State;
use super::verify::{Checker, Found};
use super::{Form, regime, tree, values_path};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{self, Sample, Status};
use crate::store::Layout;
use crate::sys::{ProcessMemory, Residency};
use crate::workload::{AnswerKind, Workload};

/// How long a trial may be silent beside what its data need.
const SILENCE: Duration = Duration::from_secs(60);

/// A disk that moves fewer bytes a second is waited for in vain.
const SLOW_BYTES_PER_SECOND: u64 = 4 << 20;

/// And memory that is made dense more slowly.
const SLOW_MEMORY_BYTES_PER_SECOND: u64 = 64 << 20;

/// The file that answers are left in.
const ANSWER: &str = "answer";

/// A trial under way.
pub(super) struct Entry {
    pub contender: Contender,
    pub form: Form,
    pub process: TrialProcess,
    /// The file that is read or made.
    pub path: PathBuf,
    /// Whether its program leaves all values of a visit as a sparse file.
    pub leaves_sparse: bool,
    /// Its memory when it was ready.
    pub baseline: Option<ProcessMemory>,
    /// The pass that its samples are taken in, from 0 on.
    pub pass: u32,
    /// Samples that its process has been asked for.
    pub asked: u32,
    pub record: record::Trial,
}

/// Why a trial goes no further.
pub(super) enum Stop {
    /// The whole run goes no further.
    Run(Error),
    /// Only this trial, with the sample that was wrong, if one was taken.
    Trial { status: Status, reason: String, sample: Option<Box<Sample>> },
}

impl Stop {
    pub(super) fn failed(reason: impl Into<String>) -> Self {
        Self::Trial { status: Status::Failed, reason: reason.into(), sample: None }
    }

    /// The regime could not be brought about.
    pub(super) fn unavailable(reason: String) -> Self {
        Self::Trial { status: Status::Unavailable, reason, sample: None }
    }
}

impl From<Absent> for Stop {
    fn from(Absent { status, reason }: Absent) -> Self {
        Self::Trial { status, reason, sample: None }
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
    /// Takes one sample: sets the regime up, lets it be done, watches, and checks the answer.
    pub(super) fn take(
        &mut self,
        group: &Group,
        entry: &mut Entry,
        afterwards: Afterwards,
    ) -> Result<Sample, Stop> {
        // What all read is made here: a peer's file may lie as its own program likes it, which is what it reads itself.
        let is_ours = matches!(entry.contender, Contender::Backend(_));
        let is_kept = is_ours || matches!(entry.form, Form::Own { .. });
        let afterwards = if is_kept { afterwards } else { Afterwards::Remove };
        if afterwards == Afterwards::Keep {
            self.files.give_up(entry.form)?;
        }
        let resident_before = self.prepare(group, entry)?;
        // What a visit saw is asked for once; the sums of an epoch tell of the rows' order, all values would not.
        let asks_values = entry.record.samples.is_empty()
            && group.workload.answer() == AnswerKind::Sums
            && group.workload != Workload::ShuffleEpoch;
        let values = self.scope.values(entry.form, entry.leaves_sparse).filter(|_| asks_values);
        entry.asked += 1;
        let (go, silence) = (entry.asked, self.silence(group.workload, entry.form, values));
        let is_filled = is_fill(group.workload);
        let before = if is_filled { None } else { State::of(&entry.path).ok() };
        let observation = Observation::begin(&entry.process, self.folder.path());
        let reply = entry.process.ask(&Request::Go { go }, silence);
        let observed = observation.end(&entry.process);
        let done = match reply? {
            Reply::Done(done) => done,
            other => return Err(unexpected(&other)),
        };
        let left = State::of(&entry.path);
        let kept = keeps_word(group, entry, before.as_ref(), left.as_ref());
        let mut sample = observed.sample(done, is_filled, entry.baseline).map_err(Stop::failed)?;
        sample.pass = (self.scope.config.samples.passes() > 1).then_some(entry.pass + 1);
        sample.resident_before = resident_before;
        sample.cached_bytes = tree::residency(&entry.path).ok().map(Residency::resident_bytes);

        let answer = self.folder.file(ANSWER);
        let request = Request::Answer {
            answer: answer.clone(),
            values: matches!(values, Some(Layout::Dense(_))),
            sparse_values: matches!(values, Some(Layout::Sparse(_))),
        };
        match entry.process.ask(&request, silence)? {
            Reply::Answered(true) => {}
            other => return Err(unexpected(&other)),
        }
        let answered = self.has_only_answered(&observed, entry, values.is_some(), &answer);
        // Whoever changed the file since is the one who was asked: others are given it anew.
        let is_same = left.as_ref().ok() == State::of(&entry.path).ok().as_ref();
        let same = if is_same {
            Ok(())
        } else {
            Err("wrote to its file after it said that it was done".to_owned())
        };
        let is_whole = is_filled || (is_same && before == left.ok());
        if !is_whole {
            self.remake(entry)?;
        }
        if let Err(reason) = kept.and(answered).and(same) {
            let sample = Some(Box::new(sample));
            return Err(Stop::Trial { status: Status::Failed, reason, sample });
        }
        let found = self.check(group, entry, &answer, values)?;
        tree::remove(&answer)?;
        if let Some(layout) = values {
            tree::remove(&values_path(&answer, layout))?;
        }
        if is_fill(group.workload) {
            entry.record.data.bytes_on_disk = tree::length(&entry.path);
            match (afterwards, &found.wrong) {
                (Afterwards::Keep, None) => self.files.adopt(entry.form, &entry.path)?,
                _ => tree::remove(&entry.path)?,
            }
        }
        sample.digest = found.digest.map(|digest| digest.to_string());
        sample.verified_through = found.through;
        sample.verified = found.wrong.is_none();
        let way = check_way(entry.contender, group.workload, &sample, entry.record.bytes_requested);
        let held = within_limit(group, &sample);
        match found.wrong.or(held.err()).or(way.err()) {
            None => Ok(sample),
            Some(reason) => {
                let sample = Some(Box::new(sample));
                Err(Stop::Trial { status: Status::Failed, reason, sample })
            }
        }
    }

    /// Whether a trial did no more since it said that it is done than leave the answer that is there. What reading all values again
    /// takes is not looked at.
    fn has_only_answered(
        &self,
        observed: &Observed,
        entry: &Entry,
        asks_values: bool,
        answer: &Path,
    ) -> Result<(), String> {
        let bytes = match State::of(answer) {
            Ok(_) => tree::length(answer).unwrap_or(0),
            // What is missing is told of by who reads it.
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error.to_string()),
        };
        if asks_values { Ok(()) } else { observed.has_only_answered(&entry.process, bytes) }
    }

    /// Makes the file anew that a trial has changed and others read.
    fn remake(&mut self, entry: &Entry) -> Result<(), Stop> {
        if !matches!(entry.form, Form::Own { .. }) {
            self.files.give_up(entry.form)?;
            self.files.file(entry.form, self.context)?.map_err(Stop::from)?;
        }
        Ok(())
    }

    /// Brings the page cache into the state that the regime asks for: the resident share of the input, none for
    /// a fill.
    fn prepare(&self, group: &Group, entry: &Entry) -> Result<Option<f64>, Stop> {
        if !is_fill(group.workload) {
            let share = regime::establish(group.regime, &entry.path);
            return share.map(Some).map_err(Stop::unavailable);
        }
        tree::remove(&entry.path)?;
        if let Some(input) = self.input(group, entry.contender) {
            // What is filled with is read while the clock stands; resident, it moves no byte of the device.
            regime::establish(Regime::Warm, input).map_err(Stop::failed)?;
        }
        Ok(None)
    }

    /// Removes what a trial that failed may have left.
    pub(super) fn clear(&self, group: &Group, entry: &Entry) {
        let answer = self.folder.file(ANSWER);
        let fill = is_fill(group.workload).then(|| entry.path.clone());
        let values = self.scope.values(entry.form, entry.leaves_sparse);
        let values = values.map(|layout| values_path(&answer, layout));
        for path in [answer].into_iter().chain(values).chain(fill) {
            // What stays goes with the folder.
            let _ = tree::remove(&path);
        }
    }

    fn check(
        &self,
        group: &Group,
        entry: &Entry,
        answer: &Path,
        values: Option<Layout>,
    ) -> Result<Found, Stop> {
        let checker = Checker { matrix: self.matrix, context: self.context };
        let found = match group.workload.selection(self.matrix.shape, self.scope.config.choice()) {
            Some(selection) => {
                let shape = selection.shape(self.matrix.shape)?;
                checker.values(group.workload, shape, answer)
            }
            None if is_fill(group.workload) => match entry.form.layout() {
                Some(layout) => checker.file(entry.contender, layout, &entry.path, answer),
                None => return self.read_back(entry, answer),
            },
            None if group.workload.answer() == AnswerKind::Product => checker.product(answer),
            None => checker.sums(group.workload, answer, values),
        };
        Ok(found?)
    }

    /// How long a reply is waited for by one who does `workload` on data of `form`, and leaves `values`.
    pub(super) fn silence(
        &self,
        workload: Workload,
        form: Form,
        values: Option<Layout>,
    ) -> Duration {
        let bytes = |form: Form| self.scope.extent.bytes(form);
        self.scope.config.silence.unwrap_or_else(|| {
            let on_disk = bytes(form).max(values.map_or(0, |layout| bytes(layout.into())));
            // What a sparse file takes in or gives out is made dense in memory, however small the file is.
            let in_memory = match workload {
                _ if !form.is_sparse() => 0,
                Workload::ExtractColumns | Workload::Scan | Workload::Spmv => 0,
                _ => self.scope.bytes_requested(workload),
            };
            SILENCE
                + Duration::from_secs(on_disk / SLOW_BYTES_PER_SECOND)
                + Duration::from_secs(in_memory / SLOW_MEMORY_BYTES_PER_SECOND)
        })
    }
}

/// Whether what a trial promised holds at the moment in which it says that it is done: that its file is durable, that
/// it is within its memory limit, that it has closed what it read, which others read next, and left it as it was.
///
/// # Errors
/// What does not hold.
fn keeps_word(
    group: &Group,
    entry: &Entry,
    before: Option<&State>,
    left: Result<&State, &Error>,
) -> Result<(), String> {
    if !entry.process.is_bounded() {
        return Err("left the control group that bounds its memory".to_owned());
    }
    if before.is_some() && before != left.ok() {
        return Err("wrote to the file that it was to read, which is others' too".to_owned());
    }
    if entry.process.holds(&entry.path) {
        let reason = "keeps its file open or mapped after it said that it is done: its answer may be read later";
        return Err(reason.to_owned());
    }
    if !is_fill(group.workload) {
        return Ok(());
    }
    match left {
        Err(error) => Err(format!("says that it is done, and has made no file: {error}")),
        Ok(left) if left.is_empty() => Err("says that it is done, and has made no file".to_owned()),
        Ok(_) => match tree::unwritten_pages(&entry.path) {
            Ok(Some(pages @ 1..)) => Err(format!(
                "says that it is done, with {pages} pages of its file not yet on the device"
            )),
            _ => Ok(()),
        },
    }
}

/// Whether a trial within a memory limit held no more of its own than that.
///
/// # Errors
/// How much it held: it was elsewhere meanwhile.
fn within_limit(group: &Group, sample: &Sample) -> Result<(), String> {
    match group.regime.limit_bytes().zip(sample.peak_anonymous_bytes) {
        Some((limit, held)) if held > limit => Err(format!(
            "held {held} bytes of its own within a limit of {limit}: it left that meanwhile"
        )),
        _ => Ok(()),
    }
}

/// Whether a file is made, rather than read.
pub(super) fn is_fill(workload: Workload) -> bool {
    workload.answer() == AnswerKind::File
}

/// What follows from a reply that was not asked for.
pub(super) fn unexpected(reply: &Reply) -> Stop {
    Stop::failed(format!("an answer out of turn: {reply:?}"))
}
