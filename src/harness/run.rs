//! A whole run: checks, the data folder, `results.jsonl`, and every group of the plan in its order.

use std::path::Path;
use std::time::SystemTime;

use super::claim::claim;
use super::config::{Config, Data};
use super::environment::environment;
use super::floor::{Task, best_of};
use super::folder::DataFolder;
use super::group::{Afterwards, Runner, Trials, bound};
use super::matrix::{DataFiles, Matrix};
use super::plan::{Group, Part, Plan};
use super::results::{self, Results};
use super::scope::Scope;
use super::space;
use super::{Observer, peers, probe, regime};
use crate::error::{Error, ErrorKind, Result};
use crate::record::{self, Environment, Limits, Line, Run};
use crate::store::{Cancel, Context};
use crate::workload::{AnswerKind, Workload};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Every trial of the plan has its line.
    Complete,
    /// A stop was asked for: trials that had no sample yet have none.
    Interrupted,
}

/// What a run leaves.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The lines of `results.jsonl`.
    pub lines: Vec<Line>,
    /// How it ended.
    pub ending: Ending,
}

/// Runs what `config` asks for. Data files are gone afterwards, whatever happened; `results.jsonl` stays.
///
/// # Errors
/// Where the configuration makes no sense, the output exists and is not to be replaced, the disk is too small,
/// the input cannot be read or the records cannot be written. What goes wrong in a trial is no error:
/// it is in its record. Nor is a stop by `cancel`: what is done is in the outcome.
pub fn run(config: &Config, cancel: &Cancel, observer: &mut dyn Observer) -> Result<Outcome> {
    let plan = Plan::new(config)?;
    results::check(&config.out, config.existing)?;
    let context =
        Context::new(config.budget).with_threads(config.threads).with_cancel(cancel.clone());
    observer.doing("reading the input");
    let points = config.points()?;
    let scopes = scopes(&points, &context)?;
    for scope in &scopes {
        let needed = space::needed_bytes(scope);
        space::check(needed, nearest_existing(&config.data_dir), scope.advice())?;
    }
    observer.planned(plan.trials() * config.samples.expected() as usize);
    std::fs::create_dir_all(&config.out)
        .map_err(|error| Error::io("create", error).at(&config.out))?;
    let _claim = claim(&config.out)?;
    let folder = DataFolder::create_in(&config.data_dir)?;
    let peers = peers::descriptions(&config.peers, cancel);
    let limits_now = |observer: &mut dyn Observer| {
        observer.doing("measuring this machine's limits");
        let probed = config.is_probed.then(|| probe(&config.data_dir, &context));
        let limits = probed.transpose().map(|probed| probed.map(|probed| probed.limits));
        limits.map_err(|error| match error.kind() {
            ErrorKind::NoSpace => error.hint("give --no-probe, or --data-dir on a larger disk"),
            _ => error,
        })
    };
    let limits = limits_now(observer)?;
    let mut results = Results::create(&config.out, config.existing)?;
    results.append(Line::Run(Box::new(header(config, limits, &folder))))?;
    results.seen(folder.others());
    let mut tasks = Vec::new();
    let mut parts = Parts {
        peers: &peers,
        limits: limits.as_ref(),
        folder: &folder,
        context: &context,
        cancel,
        results: &mut results,
        tasks: &mut tasks,
        observer,
    };
    let ended = plan.parts.iter().zip(&scopes).try_for_each(|(part, scope)| parts.run(part, scope));
    match ended {
        Ok(()) => {
            // Every trial is done: without these limits, or where nobody waits for them, the run is whole all the same.
            let after = limits_now(observer).unwrap_or_default();
            if let Some((before, after)) = limits.as_ref().zip(after.as_ref()) {
                let best = best_of(before, after);
                for (place, task) in tasks {
                    results.change(place, |trial| bound(trial, task.floor(&best)));
                }
            }
            Ok(Outcome { lines: results.finish(after)?, ending: Ending::Complete })
        }
        Err(error) if error.kind() == ErrorKind::Cancelled => {
            Ok(Outcome { lines: results.abandon()?, ending: Ending::Interrupted })
        }
        Err(error) => {
            results.abandon()?;
            Err(error)
        }
    }
}

/// What takes place on each matrix, in the order of the plan's parts.
pub(super) fn scopes<'a>(points: &'a [Config], context: &Context) -> Result<Vec<Scope<'a>>> {
    let mut scopes: Vec<Scope<'a>> = Vec::new();
    for config in points {
        // An input is the same at every point: to read it once is enough.
        let known = scopes.first().filter(|_| matches!(config.data, Data::Input { .. }));
        let extents = match known {
            Some(scope) => vec![scope.extent],
            None => Matrix::extents(config, context)?,
        };
        scopes.extend(extents.into_iter().map(|extent| Scope::new(config, extent)));
    }
    Ok(scopes)
}

/// What every part of a run shares.
struct Parts<'a> {
    peers: &'a [String],
    limits: Option<&'a Limits>,
    folder: &'a DataFolder,
    context: &'a Context,
    cancel: &'a Cancel,
    results: &'a mut Results,
    tasks: &'a mut Vec<(usize, Task)>,
    observer: &'a mut dyn Observer,
}

impl Parts<'_> {
    /// Runs all groups over one matrix, then removes its files.
    fn run(&mut self, part: &Part, scope: &Scope<'_>) -> Result<()> {
        self.observer.doing("making the right answers");
        let matrix = Matrix::new(scope, self.folder, self.context)?;
        let mut runner = Runner {
            scope,
            peers: self.peers,
            limits: self.limits,
            folder: self.folder,
            files: DataFiles::new(&matrix, self.folder),
            matrix: &matrix,
            context: self.context,
            cancel: self.cancel,
            results: self.results,
            tasks: self.tasks,
            observer: self.observer,
        };
        let is_fill = |workload: Workload| workload.answer() == AnswerKind::File;
        let fills = part.groups.iter().take_while(|group| is_fill(group.workload)).count();
        let reads = part.groups.len() > fills;
        // What a peer fills within a limit it may lay out for that: others are read where there are some.
        let is_free = |group: &Group| group.regime.limit_bytes().is_none();
        let kept = part.groups[..fills].iter().rposition(is_free).or(fills.checked_sub(1));
        let mut trials: Vec<_> = part.groups.iter().map(Trials::of).collect();
        for pass in 0..scope.config.samples.passes() {
            for (index, (group, trials)) in part.groups.iter().zip(&mut trials).enumerate() {
                self.context.advance(0)?;
                // One group of fills leaves the files that extracts read; later passes put others in their place.
                let keep = reads && kept == Some(index);
                let afterwards = if keep { Afterwards::Keep } else { Afterwards::Remove };
                runner.run(group, trials, pass, afterwards)?;
            }
            runner.results.seen(self.folder.others());
            runner.results.settle()?;
        }
        runner.files.remove()
    }
}

/// The first line of the results.
fn header(config: &Config, limits: Option<Limits>, folder: &DataFolder) -> Run {
    Run {
        schema: record::SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_commit: option_env!("ARRAYSTORE_GIT_COMMIT").map(str::to_owned),
        started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        arguments: config.arguments.clone(),
        seed: config.seed,
        memory_requested_bytes: config.budget.requested_bytes(),
        memory_effective_bytes: config.budget.effective_bytes(),
        threads: config.threads,
        environment: Environment { cgroup: cgroup(config), ..environment(folder.path()) },
        limits,
        limits_after: None,
        other_runs: None,
        sweep: config.sweep.as_ref().map(|sweep| sweep.swept().id().to_owned()),
    }
}

/// The version of the control groups that trials are put into; none where no regime needs them, or none can be made.
fn cgroup(config: &Config) -> Option<String> {
    let limited = config.regimes.iter().find(|regime| regime.limit_bytes().is_some())?;
    let group = regime::control_group(*limited).ok()??;
    Some(group.version().id().to_owned())
}

/// The folder itself or, where it is still to be made, the one that it will be made in.
fn nearest_existing(folder: &Path) -> &Path {
    let exists = |folder: &&Path| folder.exists();
    let found = folder.ancestors().find(exists);
    found.filter(|found| *found != Path::new("")).unwrap_or(Path::new("."))
}
