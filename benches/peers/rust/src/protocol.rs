//! Trial protocol v1 (docs/trial-protocol-v1.md) on standard input and output.

use std::fs::File;
use std::io::{BufRead, BufWriter, Write, stdin, stdout};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ndarray::ArrayView1;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Columns, Dense, Element, Result, Store, in_turn, sum};

#[derive(Deserialize)]
pub struct Data {
    shape: (usize, usize),
    dtype: String,
    order: Option<String>,
    layout: Option<String>,
    pub density: Option<f64>,
}

/// What the harness asks for.
#[derive(Deserialize)]
pub struct Trial {
    pub data: Data,
    pub workload: String,
    pub path: PathBuf,
    pub seed: u64,
    /// Bytes that buffers may take.
    pub memory: usize,
    /// Bytes that the whole process may take, page cache included.
    pub limit: Option<usize>,
    pub threads: usize,
    pub input: Option<PathBuf>,
    pub make_from: Option<PathBuf>,
    rows: Option<Pick>,
    columns: Option<Pick>,
}

impl Trial {
    pub fn shape(&self) -> (usize, usize) {
        self.data.shape
    }

    pub fn rows(&self) -> Pick {
        self.rows.clone().unwrap_or(Pick::all(self.data.shape.0))
    }

    pub fn columns(&self) -> Pick {
        self.columns.clone().unwrap_or(Pick::all(self.data.shape.1))
    }
}

/// The indices of an axis that are wanted, in their order.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub enum Pick {
    Steps { start: usize, stop: usize, step: usize },
    List(Vec<usize>),
}

impl Pick {
    pub fn all(length: usize) -> Self {
        Self::Steps { start: 0, stop: length, step: 1 }
    }

    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        match self {
            Self::Steps { start, stop, step } => stop.saturating_sub(*start).div_ceil(*step),
            Self::List(indices) => indices.len(),
        }
    }

    /// The index at a place below `len`.
    pub fn at(&self, place: usize) -> usize {
        match self {
            Self::Steps { start, step, .. } => start + place * step,
            Self::List(indices) => indices[place],
        }
    }

    fn check(&self, length: usize) -> Result<()> {
        let is_stuck = matches!(self, Self::Steps { step: 0, .. });
        if is_stuck || (0..self.len()).any(|place| self.at(place) >= length) {
            return Err("the selection is outside of the matrix".into());
        }
        Ok(())
    }
}

/// A clock that stands while columns are made.
pub struct Clock {
    begun: Instant,
    stood: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { begun: Instant::now(), stood: Duration::ZERO }
    }

    pub fn standing<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let since = Instant::now();
        let result = work();
        self.stood += since.elapsed();
        result
    }

    fn seconds(&self) -> f64 {
        (self.begun.elapsed() - self.stood).as_secs_f64()
    }
}

enum Answer<T> {
    Values(Vec<T>),
    Sums(Vec<f64>),
}

/// A trial of one element type, of which nothing is known from outside.
pub trait Sampler {
    /// Before the program is ready.
    fn prepare(&self) -> Result<()>;
    /// Does the workload once: what to say of it.
    fn sample(&mut self) -> Result<Value>;
    /// Leaves the last sample's answer at `path`.
    fn leave(&self, path: &Path) -> Result<()>;
    /// Reads the matrix again, and leaves all its values at `path`, column after column.
    fn leave_values(&self, path: &Path) -> Result<()>;
}

pub struct Sampling<T, S> {
    trial: Trial,
    answer: Option<Answer<T>>,
    store: PhantomData<S>,
}

impl<T: Element, S: Store<T> + 'static> Sampling<T, S> {
    pub fn boxed(trial: Trial) -> Box<dyn Sampler> {
        Box::new(Self { trial, answer: None, store: PhantomData })
    }

    fn fill(&mut self) -> Result<Value> {
        let input =
            self.trial.input.as_ref().map(|path| Dense::open(path, &self.trial)).transpose()?;
        let columns = match &input {
            Some(file) => Columns::Given(file.view()?),
            None => Columns::generated(&self.trial),
        };
        let mut clock = Clock::start();
        let (last, sync) = S::fill(&self.trial, &columns, &mut clock)?;
        let filled = clock.seconds();
        sync()?;
        let seconds = clock.seconds();
        self.answer = Some(Answer::Values(last));
        let stood = clock.stood.as_secs_f64();
        Ok(json!({"seconds": seconds, "durable_seconds": seconds - filled, "stood_seconds": stood}))
    }

    fn column_sums(trial: &Trial) -> Result<Vec<f64>> {
        let mut sums = Vec::with_capacity(trial.data.shape.1);
        S::columns(trial, &mut |columns| {
            let mut group = vec![0.0; columns.nrows()];
            let work = |(): &mut (), (to, column): (&mut f64, ArrayView1<T>)| {
                *to = sum(column.as_slice().expect("contiguous"));
                Ok(())
            };
            in_turn(trial.threads, group.iter_mut().zip(columns.rows()), || (), work)?;
            sums.extend(group);
            Ok(())
        })?;
        Ok(sums)
    }
}

impl<T: Element, S: Store<T> + 'static> Sampler for Sampling<T, S> {
    fn prepare(&self) -> Result<()> {
        let trial = &self.trial;
        trial.rows().check(trial.data.shape.0)?;
        trial.columns().check(trial.data.shape.1)?;
        trial
            .make_from
            .as_ref()
            .map_or(Ok(()), |source| S::convert(trial, Dense::open(source, trial)?.view()?))
    }

    fn sample(&mut self) -> Result<Value> {
        self.answer = None; // the last sample's memory is not this one's
        if self.trial.workload == "fill-columns" {
            return self.fill();
        }
        let (trial, begun) = (&self.trial, Instant::now());
        let answer = match trial.workload.as_str() {
            "extract-columns" => Answer::Sums(Self::column_sums(trial)?),
            "scan" => Answer::Sums(S::scan(trial)?),
            "spmv" => Answer::Sums(S::multiply(trial)?),
            "shuffle-epoch" => Answer::Sums(S::epoch(trial)?),
            _ => Answer::Values(S::extract(trial)?),
        };
        self.answer = Some(answer);
        Ok(json!({"seconds": begun.elapsed().as_secs_f64(), "durable_seconds": null}))
    }

    fn leave(&self, path: &Path) -> Result<()> {
        match self.answer.as_ref().ok_or("no sample was taken")? {
            Answer::Values(values) => std::fs::write(path, bytemuck::cast_slice(values))?,
            Answer::Sums(sums) => std::fs::write(path, bytemuck::cast_slice(sums))?,
        }
        Ok(())
    }

    fn leave_values(&self, path: &Path) -> Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        S::columns(&self.trial, &mut |columns| {
            let mut columns = columns.rows().into_iter();
            columns.try_for_each(|column| {
                Ok(file.write_all(bytemuck::cast_slice(column.as_slice().expect("contiguous")))?)
            })
        })?;
        Ok(file.flush()?)
    }
}

/// Speaks the protocol until the harness ends it, or tells the version. `sampling` is asked for the element type's
/// trial by the dtype, and has none for one that is not supported.
pub fn serve(
    version: &str,
    (order, layout): (Option<&str>, Option<&str>),
    sampling: impl Fn(&str, Trial) -> Option<Box<dyn Sampler>>,
) {
    if std::env::args().nth(1).as_deref() == Some("--version") {
        return println!("{version}");
    }
    let begin = |trial: Trial| {
        if (trial.data.order.as_deref(), trial.data.layout.as_deref()) != (order, layout) {
            return Err(format!("works on data in {}", order.or(layout).unwrap_or_default()));
        }
        let dtype = trial.data.dtype.clone();
        sampling(&dtype, trial).ok_or(format!("has no dtype {dtype}"))
    };
    let why = match catch_unwind(AssertUnwindSafe(|| converse(version, begin))) {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "a panic, see standard error".into(),
    };
    let line = why.split_whitespace().collect::<Vec<_>>().join(" ");
    // Nobody is left to be told where that fails too.
    let _ = say(&json!({"failed": line}));
}

fn say(message: &Value) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{message}")?;
    Ok(out.flush()?)
}

fn converse(
    version: &str,
    begin: impl Fn(Trial) -> std::result::Result<Box<dyn Sampler>, String>,
) -> Result<()> {
    let mut sampler = None;
    for line in stdin().lock().lines() {
        let mut message: Value = serde_json::from_str(&line?)?;
        if let Some(trial) = message.get_mut("trial") {
            match begin(serde_json::from_value(trial.take())?) {
                Err(why) => return say(&json!({"unsupported": why})),
                Ok(begun) => {
                    begun.prepare()?;
                    sampler = Some(begun);
                }
            }
            say(&json!({"ready": {"version": version}}))?;
        } else if message.get("go").is_some() {
            let done = sampler.as_mut().ok_or("no trial was told")?.sample()?;
            say(&json!({"done": done}))?;
        } else if let Some(path) = message.get("answer").and_then(Value::as_str) {
            let sampler = sampler.as_ref().ok_or("no trial was told")?;
            sampler.leave(path.as_ref())?;
            if message.get("values") == Some(&Value::Bool(true)) {
                sampler.leave_values(format!("{path}.values").as_ref())?;
            }
            say(&json!({"answered": true}))?;
        } else {
            return Ok(());
        }
    }
    Ok(())
}

/// The version of a dependency that this was built with, from the committed lock file.
pub fn lock_version(package: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
    let entry = lock
        .split_once(&format!("name = \"{package}\"\nversion = \""))
        .map_or("", |(_, entry)| entry);
    entry.split('"').next().unwrap_or_default()
}
