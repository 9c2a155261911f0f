//! The records as tables: for each data set, rows of workload and regime, columns of backends.
//!
//! Owns what is compared with what: which trials stand in one row, which of them is best, and whether
//! another is slower or only seems so. Knows no text format.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{NamedRun, number};
use crate::record::{Data, Line, Run, Status, Summary, Trial};

const BACKENDS: [&str; 5] = ["memmap", "seek", "sparse-csr", "sparse-csc", "hdf5"];
const WORKLOADS: [&str; 8] = [
    "fill-columns",
    "extract-column",
    "extract-columns",
    "extract-rows",
    "extract-block",
    "scan",
    "spmv",
    "shuffle-epoch",
];
const REGIMES: [&str; 2] = ["warm", "cold"];

/// Everything that a report shows.
#[derive(Debug)]
pub(super) struct Model<'a> {
    /// The runs, in the order given.
    pub runs: Vec<RunOf<'a>>,
    /// The data sets, each with its table.
    pub sets: Vec<DataSet<'a>>,
}

/// One run: its name among several, its first line, its trials as they ended.
#[derive(Debug)]
pub(super) struct RunOf<'a> {
    pub name: &'a str,
    pub run: Option<&'a Run>,
    pub trials: Vec<&'a Trial>,
}

/// What was worked on, whatever it was kept in.
#[derive(Debug)]
pub(super) struct DataSet<'a> {
    /// Any trial's word on it.
    pub data: &'a Data,
    /// The order of dense files, where there is one for all.
    pub order: Option<&'a str>,
    /// How many columns `extract-column` read.
    pub columns_read: usize,
    /// The threads, where they were swept.
    pub threads: Option<usize>,
    /// The version of control groups, where limits of several are told of.
    pub groups: Option<&'a str>,
    pub columns: Vec<Column>,
    /// Sorted by regime, then workload.
    pub rows: Vec<Row<'a>>,
}

/// A backend or peer of a run.
#[derive(Debug)]
pub(super) struct Column {
    pub label: String,
    /// The longest file that it kept this data set in.
    pub bytes_on_disk: Option<u64>,
}

/// One workload in one regime, with a cell for each column.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub regime: &'a str,
    pub workload: &'a str,
    pub cells: Vec<Cell<'a>>,
}

/// What a backend made of a workload in a regime.
#[derive(Debug)]
pub(super) enum Cell<'a> {
    /// It was not tried.
    Absent,
    /// It was not done, or not rightly.
    Undone(&'a Trial),
    /// It was done and verified.
    Timed(Timed<'a>),
}

/// A trial that counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed<'a> {
    pub trial: &'a Trial,
    pub summary: Summary,
    /// Its median over the row's best; none where the best takes no time.
    pub ratio: Option<f64>,
    pub standing: Standing,
}

/// Where a trial stands in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// There is no other to compare it with.
    Alone,
    /// It has the least median.
    Best,
    /// Slower than the best, by no more than noise: their intervals overlap.
    Level,
    /// Slower than the best: their intervals do not overlap.
    Slower,
}

/// Which data set, as a sort key: input or generated, shape, dtype, density from high to low, columns read, threads where swept,
/// the version of control groups where runs differ in that.
type SetKey<'a> =
    (&'a str, [usize; 2], &'a str, Reverse<u64>, usize, Option<usize>, Option<&'a str>);

/// The version of control groups that a trial's limit is one of: others count other memory, and are not set against each other.
fn group_version<'a>(trial: &Trial, run: Option<&'a Run>) -> Option<&'a str> {
    memory_limit(&trial.regime).and(run?.environment.cgroup.as_deref())
}

/// Which column, as a sort key: run, backend, order.
pub(super) type ColumnKey<'a> = (usize, Rank<'a>, Option<&'a str>);

/// Known names in their own order, then others by the alphabet.
pub(super) type Rank<'a> = (usize, &'a str);

/// Which regime, as a sort key: known ones, then memory limits from small to large, then others by the alphabet.
pub(super) type RegimeRank<'a> = (usize, u64, &'a str);

/// Which row, as a sort key: regime, workload.
pub(super) type RowKey<'a> = (RegimeRank<'a>, Rank<'a>);

fn rank<'a>(name: &'a str, known: &[&str]) -> Rank<'a> {
    (known.iter().position(|known| *known == name).unwrap_or(known.len()), name)
}

fn regime_rank(name: &str) -> RegimeRank<'_> {
    let (place, name) = rank(name, &REGIMES);
    let limit = memory_limit(name).and_then(|size| size.parse::<bytesize::ByteSize>().ok());
    (place, limit.map_or(u64::MAX, |limit| limit.as_u64()), name)
}

/// The memory limit of a regime that has one: `160MiB` of `limited:160MiB`.
pub(super) fn memory_limit(regime: &str) -> Option<&str> {
    regime.strip_prefix("limited:")
}

/// The column of a trial of this run.
pub(super) fn column_key(run: usize, trial: &Trial) -> ColumnKey<'_> {
    (run, rank(&trial.backend, &BACKENDS), trial.data.order.as_deref())
}

/// The row of a trial.
pub(super) fn row_key(trial: &Trial) -> RowKey<'_> {
    (regime_rank(&trial.regime), rank(&trial.workload, &WORKLOADS))
}

fn set_key<'a>(trial: &'a Trial, run: Option<&'a Run>, groups_differ: bool) -> SetKey<'a> {
    let data = &trial.data;
    // Densities are at least 0, where the order of bits is that of values.
    let density = Reverse(data.density.max(0.0).to_bits());
    let source = data.source.as_deref().unwrap_or("generated");
    let columns_read = trial.columns_read.unwrap_or(1);
    let version = group_version(trial, run).filter(|_| groups_differ);
    let threads = swept_threads(trial, run);
    (source, data.shape, &data.dtype, density, columns_read, threads, version)
}

/// The threads of a trial, where the run's are not those of all.
fn swept_threads(trial: &Trial, run: Option<&Run>) -> Option<usize> {
    let is_swept = run.and_then(|run| run.sweep.as_deref()) == Some("threads");
    trial.threads.filter(|_| is_swept)
}

impl<'a> Model<'a> {
    pub fn of(runs: &[NamedRun<'a>]) -> Self {
        let runs: Vec<_> = runs.iter().map(RunOf::new).collect();
        let mut sets: BTreeMap<SetKey<'a>, Vec<(usize, &'a Trial)>> = BTreeMap::new();
        let versions: BTreeSet<_> = runs
            .iter()
            .flat_map(|run| run.trials.iter().filter_map(|trial| group_version(trial, run.run)))
            .collect();
        for (index, run) in runs.iter().enumerate() {
            for trial in &run.trials {
                let key = set_key(trial, run.run, versions.len() > 1);
                sets.entry(key).or_default().push((index, trial));
            }
        }
        let names: Vec<_> = runs.iter().map(|run| run.name).collect();
        let set = |(key, trials): (SetKey<'a>, Vec<_>)| DataSet {
            columns_read: key.4,
            threads: key.5,
            groups: key.6,
            ..DataSet::new(&trials, &names)
        };
        let sets = sets.into_iter().map(set).collect();
        Self { runs, sets }
    }

    /// Every trial of every run.
    pub fn trials(&self) -> impl Iterator<Item = &'a Trial> + '_ {
        self.runs.iter().flat_map(|run| run.trials.iter().copied())
    }
}

impl<'a> RunOf<'a> {
    fn new(named: &NamedRun<'a>) -> Self {
        let mut run = None;
        let mut trials = Vec::new();
        for line in named.lines {
            match line {
                Line::Run(found) => run = Some(&**found),
                Line::Trial(trial) => trials.push(&**trial),
            }
        }
        Self { name: named.name, run, trials }
    }
}

impl<'a> DataSet<'a> {
    /// The table of `trials`, at least one, each with the number of its run.
    fn new(trials: &[(usize, &'a Trial)], names: &[&str]) -> Self {
        let mut columns: BTreeMap<ColumnKey<'a>, Column> = BTreeMap::new();
        let mut rows: BTreeMap<RowKey<'a>, BTreeMap<ColumnKey<'a>, &'a Trial>> = BTreeMap::new();
        let orders: BTreeSet<&str> =
            trials.iter().filter_map(|(_, trial)| trial.data.order.as_deref()).collect();
        for &(run, trial) in trials {
            let order = trial.data.order.as_deref();
            let key = column_key(run, trial);
            let mut label = trial.backend.clone();
            if let (Some(order), true) = (order, orders.len() > 1) {
                label = format!("{label} ({order})");
            }
            if names.len() > 1 {
                label = format!("{}: {label}", names[run]);
            }
            let column = columns.entry(key).or_insert(Column { label, bytes_on_disk: None });
            column.bytes_on_disk = column.bytes_on_disk.max(trial.data.bytes_on_disk);
            // A trial made again in a run that was taken up again stands for the one before.
            rows.entry(row_key(trial)).or_default().insert(key, trial);
        }
        let rows = rows.into_iter().map(|((regime, workload), found)| {
            let trials = columns.keys().map(|column| found.get(column).copied());
            Row { regime: regime.2, workload: workload.1, cells: cells(trials.collect()) }
        });
        let rows = rows.collect();
        let order = orders.first().copied().filter(|_| orders.len() == 1);
        let data = &trials[0].1.data;
        let columns = columns.into_values().collect();
        Self { data, order, columns_read: 1, threads: None, groups: None, columns, rows }
    }

    /// The data set in full: `1000000×100 f32, density 0.01, order c, generated`.
    pub fn title(&self) -> String {
        let mut title = format!("{}, density {}", self.form(), density(self.data));
        if let Some(order) = self.order {
            title = format!("{title}, order {order}");
        }
        format!("{title}, {}{}", self.data.source.as_deref().unwrap_or("generated"), self.swept())
    }

    /// What it was done with that other sets of the same data were not: `, 16 columns read`.
    fn swept(&self) -> String {
        let columns = (self.columns_read != 1).then_some(self.columns_read);
        let columns = columns.map(|columns| format!(", {columns} columns read"));
        let threads =
            self.threads.map(|threads| format!(", {}", number::plural(threads, "thread")));
        let groups = self.groups.map(|version| format!(", control groups {version}"));
        [columns, threads, groups].into_iter().flatten().collect()
    }

    /// Shape and dtype.
    pub fn form(&self) -> String {
        let [rows, cols] = self.data.shape;
        format!("{rows}×{cols} {}", self.data.dtype)
    }

    /// As little as tells this data set from the others: `at density 0.01`, `on IMAGES.npy`.
    pub fn name_among(&self, sets: &[DataSet<'_>]) -> String {
        self.data_among(sets) + &self.swept()
    }

    /// The same, of the data alone.
    fn data_among(&self, sets: &[DataSet<'_>]) -> String {
        let others = || sets.iter().filter(|set| !std::ptr::eq(*set, self));
        let source = self.data.source.as_deref().filter(|source| *source != "generated");
        if others().all(|set| set.form() == self.form() && set.data.source == self.data.source) {
            return match source {
                Some(source) if sets.len() == 1 => format!("on {source}"),
                _ => format!("at density {}", density(self.data)),
            };
        }
        match source {
            Some(source) => format!("on {source}"),
            None => format!("at {}, density {}", self.form(), density(self.data)),
        }
    }

    /// The regimes, in order.
    pub fn regimes(&self) -> Vec<&'a str> {
        let mut regimes: Vec<_> = self.rows.iter().map(|row| row.regime).collect();
        regimes.dedup();
        regimes
    }

    /// The rows of `regime`.
    pub fn rows_of<'s>(&'s self, regime: &'s str) -> impl Iterator<Item = &'s Row<'a>> {
        self.rows.iter().filter(move |row| row.regime == regime)
    }
}

fn density(data: &Data) -> String {
    // Three digits, and none after them for the sake of it: 1, 0.01, 0.498.
    let rounded = format!("{:.2e}", data.density).parse().unwrap_or(data.density);
    rounded.to_string()
}

/// The cells of a row, each set against the best.
pub(super) fn cells<'a>(trials: Vec<Option<&'a Trial>>) -> Vec<Cell<'a>> {
    let counted = |trial: &Option<&Trial>| trial.and_then(summary);
    let all: Vec<_> = trials.iter().filter_map(counted).collect();
    let best =
        all.iter().copied().min_by(|a, b| f64::total_cmp(&a.median_seconds, &b.median_seconds));
    // Of one sample it is not known how others would differ from it.
    let is_single = |trial: &Trial| trial.samples.len() < 2;
    let is_best_single = trials
        .iter()
        .copied()
        .flatten()
        .any(|trial| summary(trial).is_some_and(|own| Some(own) == best) && is_single(trial));
    let mut best_is_taken = false;
    let cell = |trial: Option<&'a Trial>| -> Cell<'a> {
        let Some(trial) = trial else { return Cell::Absent };
        let (Some(summary), Some(best)) = (summary(trial), best) else {
            return Cell::Undone(trial);
        };
        let is_best = !best_is_taken && summary == best;
        let standing = match is_best {
            _ if all.len() == 1 => Standing::Alone,
            true => Standing::Best,
            false if is_best_single || is_single(trial) => Standing::Level,
            false if summary.low_seconds <= best.high_seconds => Standing::Level,
            false => Standing::Slower,
        };
        best_is_taken |= is_best;
        let ratio = (best.median_seconds > 0.0)
            .then_some(summary.median_seconds / best.median_seconds)
            .filter(|ratio| ratio.is_finite());
        Cell::Timed(Timed { trial, summary, ratio, standing })
    };
    trials.into_iter().map(cell).collect()
}

/// The summary of a trial that counts: one that was done, with every sample verified.
fn summary(trial: &Trial) -> Option<Summary> {
    let is_done = trial.status == Status::Ok && trial.samples.iter().all(|sample| sample.verified);
    let summary = trial.summary.filter(|_| is_done && !trial.samples.is_empty())?;
    let Summary { median_seconds, low_seconds, high_seconds } = summary;
    let is_sound = [median_seconds, low_seconds, high_seconds]
        .iter()
        .all(|seconds| seconds.is_finite() && *seconds >= 0.0);
    is_sound.then_some(summary)
}

impl<'a> Cell<'a> {
    pub fn timed(&self) -> Option<&Timed<'a>> {
        match self {
            Self::Timed(timed) => Some(timed),
            _ => None,
        }
    }
}

impl<'a> Row<'a> {
    /// The cells that count, each with its column's number.
    pub fn timed(&self) -> impl Iterator<Item = (usize, &Timed<'a>)> {
        self.cells.iter().enumerate().filter_map(|(at, cell)| Some((at, cell.timed()?)))
    }

    /// The longest median.
    pub fn slowest_seconds(&self) -> f64 {
        self.timed().map(|(_, timed)| timed.summary.median_seconds).fold(0.0, f64::max)
    }
}

/// Whether a trial within a memory limit never had as much as that, in any sample.
pub(super) fn never_met_its_limit(trial: &Trial) -> bool {
    memory_limit(&trial.regime).is_some()
        && !trial.samples.is_empty()
        && trial.samples.iter().all(|sample| sample.limit_hits == Some(0))
}

/// What a trial that does not count came to, in a word or two, and why.
pub(super) fn undone(trial: &Trial) -> (&'static str, String) {
    let word = match trial.status {
        Status::Unsupported => "unsupported",
        Status::Unavailable => "unavailable",
        Status::Failed => "failed",
        Status::Ok if trial.samples.is_empty() => "no samples",
        Status::Ok if trial.samples.iter().any(|sample| !sample.verified) => "not verified",
        Status::Ok => "no summary",
    };
    let reason = match &trial.reason {
        Some(reason) => reason.split_whitespace().collect::<Vec<_>>().join(" "),
        None if word == "not verified" => {
            let wrong = trial.samples.iter().filter(|sample| !sample.verified).count();
            format!("{wrong} of {} samples", trial.samples.len())
        }
        None => "no reason was recorded".to_owned(),
    };
    (word, reason)
}
