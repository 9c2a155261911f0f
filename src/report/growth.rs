//! How cost grows with what was swept: a curve for each workload in each regime, with who is best from where on.
//!
//! Owns which trials are the points of a curve. Knows no text format.

use std::collections::BTreeMap;

use super::model::{Cell, ColumnKey, Model, RegimeRank, RowKey, RunOf, cells, column_key, row_key};
use super::number;
use crate::record::Trial;

/// One workload in one regime, over all values of what was swept.
#[derive(Debug)]
pub(super) struct Curve<'a> {
    /// What was swept: `rows`, `memory`.
    pub swept: &'a str,
    pub workload: &'a str,
    /// None where the regimes are what was swept.
    pub regime: Option<&'a str>,
    /// The density, where that was not swept.
    pub density: Option<f64>,
    /// Who took part.
    pub labels: Vec<&'a str>,
    /// From the least value to the largest.
    pub points: Vec<Point<'a>>,
}

/// What all made of one value.
#[derive(Debug)]
pub(super) struct Point<'a> {
    /// The value, as it is shown.
    pub value: String,
    /// A cell for each label of the curve.
    pub cells: Vec<Cell<'a>>,
}

/// Trials by value (as an order of bits, since none is negative) and by column.
type Points<'a> = BTreeMap<u64, BTreeMap<ColumnKey<'a>, &'a Trial>>;

/// Which curve: density, then as in tables.
type CurveKey<'a> = (Option<u64>, Option<RegimeRank<'a>>, RowKey<'a>);

/// The curves of all sweeps.
pub(super) fn curves<'a>(model: &Model<'a>) -> Vec<Curve<'a>> {
    model.runs.iter().flat_map(of_run).collect()
}

fn of_run<'a>(run: &RunOf<'a>) -> Vec<Curve<'a>> {
    let Some(swept) = run.run.and_then(|run| run.sweep.as_deref()) else { return Vec::new() };
    let threads = run.run.map_or(1, |run| run.threads);
    let mut curves: BTreeMap<CurveKey<'a>, Points<'a>> = BTreeMap::new();
    for &trial in &run.trials {
        let Some(value) = value(trial, swept, threads) else { continue };
        let density = (swept != "density").then(|| trial.data.density.max(0.0).to_bits());
        let (regime, workload) = row_key(trial);
        let regime = (swept != "memory").then_some(regime);
        // The place of a row among others; where regimes are the points it is the workload's alone.
        let key = (density, regime, (regime.unwrap_or_default(), workload));
        let points = curves.entry(key).or_default();
        points.entry(value.to_bits()).or_default().insert(column_key(0, trial), trial);
    }
    let curve = |((density, regime, (_, workload)), points): (CurveKey<'a>, Points<'a>)| {
        let mut columns: Vec<_> = points.values().flat_map(|found| found.keys().copied()).collect();
        columns.sort_unstable();
        columns.dedup();
        let point = |(bits, found): (&u64, &BTreeMap<ColumnKey<'a>, &'a Trial>)| Point {
            value: shown(swept, f64::from_bits(*bits)),
            cells: cells(columns.iter().map(|column| found.get(column).copied()).collect()),
        };
        Curve {
            swept,
            workload: workload.1,
            regime: regime.map(|regime| regime.2),
            density: density.map(f64::from_bits),
            labels: columns.iter().map(|(_, (_, name), _)| *name).collect(),
            points: points.iter().map(point).collect(),
        }
    };
    curves.into_iter().map(curve).collect()
}

/// What a trial had of what was swept.
fn value(trial: &Trial, swept: &str, threads: usize) -> Option<f64> {
    Some(match swept {
        "rows" => trial.data.shape[0] as f64,
        "cols" => trial.data.shape[1] as f64,
        "density" => trial.data.density.max(0.0),
        "memory" => {
            let size = super::model::memory_limit(&trial.regime)?;
            size.parse::<bytesize::ByteSize>().ok()?.as_u64() as f64
        }
        "columns-read" => trial.columns_read.unwrap_or(1) as f64,
        "threads" => trial.threads.unwrap_or(threads) as f64,
        _ => return None,
    })
}

fn shown(swept: &str, value: f64) -> String {
    match swept {
        "memory" => number::memory(value as u64),
        _ => value.to_string(),
    }
}

impl Curve<'_> {
    /// What it is of: `fill-columns, cold`.
    pub fn title(&self) -> String {
        let mut title = self.workload.to_owned();
        if let Some(regime) = self.regime {
            title = format!("{title}, {regime}");
        }
        match self.density.filter(|density| *density != 1.0) {
            Some(density) => format!("{title}, density {density}"),
            None => title,
        }
    }

    /// Who is best at each point, as a place among the labels: one that is level with the best stays it. None where there are
    /// not two to compare.
    fn best(&self) -> Vec<Option<usize>> {
        use super::model::Standing::{Alone, Best, Level};
        let mut last = None;
        let best = |point: &Point<'_>| {
            let standing = |at: usize| Some(point.cells[at].timed()?.standing);
            let is = |standings: &[_]| {
                (0..point.cells.len())
                    .find(|&at| standing(at).is_some_and(|s| standings.contains(&s)))
            };
            let stays = |&at: &usize| standing(at).is_some_and(|s| matches!(s, Best | Level));
            let found = last.filter(stays).or_else(|| is(&[Best]));
            if is(&[Alone]).is_none() && found.is_some() {
                last = found;
            }
            found
        };
        self.points.iter().map(best).collect()
    }

    /// Where the best one changes, in words; that it does not, where it does not. None where nothing was compared.
    pub fn sentence(&self) -> Option<String> {
        let found = self.best();
        let mut parts: Vec<(usize, &str)> = Vec::new();
        for (point, best) in self.points.iter().zip(&found) {
            let Some(best) = *best else { continue };
            if parts.last().is_none_or(|(last, _)| *last != best) {
                parts.push((best, &point.value));
            }
        }
        let swept = self.swept;
        let (first, changes) = parts.split_first()?;
        let mut text = format!("{}: {} is best", self.title(), self.labels[first.0]);
        if changes.is_empty() {
            return Some(text + &format!(" at every value of {swept} that was compared"));
        }
        text += " at first";
        for (best, value) in changes {
            text += &format!(", {} from {swept} = {value} on", self.labels[*best]);
        }
        Some(text)
    }

    /// How many times as long each takes at the last point as at the first; none where it was not timed at both.
    pub fn growth(&self) -> Vec<Option<f64>> {
        let seconds = |point: Option<&Point<'_>>, at: usize| {
            Some(point?.cells[at].timed()?.summary.median_seconds).filter(|seconds| *seconds > 0.0)
        };
        let grown = |at| {
            let first = seconds(self.points.first(), at)?;
            Some(seconds(self.points.last(), at)? / first)
        };
        (0..self.labels.len()).map(grown).collect()
    }
}
