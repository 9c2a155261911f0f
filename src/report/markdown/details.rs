//! Where time and bytes went, and every sample.

use std::fmt::Write;

use super::super::model::{Cell, DataSet, Row};
use super::super::number::{self, UNKNOWN, known, median};
use super::table::{Align, MarkdownTable, escaped};
use crate::record::{Sample, Trial};

/// What the columns of [`costs`] mean.
pub(super) const LEGEND: &str = "\
Medians of the samples, the largest for memory. *Durable* is the share of the time spent until the data \
were on the device, *CPU* the processor time over the time, *waiting* the share of it that no thread can have had a \
processor for. *Device read* is what the device gave on the \
trial's behalf and *dirtied* what it has to write for it, each with its amplification: how often the bytes \
that were asked for. *Of limit* is the least time in which this machine could do it, over the time taken; \
*the limit* says what that time is made of, by the limits measured in the same run (more than 100 % is a limit \
that was measured in a worse moment). \
*Limit hits* is how often the memory limit of the regime was reached, *refaults* how many pages came back that it had had taken \
back. *Memory* is the largest anonymous memory and *mapped* the most of mapped files, each over what the process began with; \
*cached* is what of the matrix's file lay in the page cache when it was done. A dash is a number that is not \
known; columns of dashes are left out.
";

/// The table of counters of each regime.
pub(super) fn costs(set: &DataSet<'_>, out: &mut String) {
    let _ = write!(out, "\n### {}\n", escaped(&set.title()));
    for regime in set.regimes() {
        let names = ["workload", "backend"].map(|name| (name, Align::Left));
        let counters = [
            "time",
            "durable",
            "CPU",
            "waiting",
            "of limit",
            "asked for",
            "device read",
            "dirtied",
            "read calls",
            "write calls",
            "minor faults",
            "major faults",
            "limit hits",
            "refaults",
            "memory",
            "mapped",
            "cached",
        ];
        let counters = counters.map(|name| (name, Align::Right));
        let limit = [("the limit", Align::Left)];
        let mut table = MarkdownTable::new(names.into_iter().chain(counters).chain(limit));
        for row in set.rows_of(regime) {
            for (cell, column) in row.cells.iter().zip(&set.columns) {
                if let Cell::Timed(timed) = cell {
                    let names = [escaped(row.workload), escaped(&column.label)];
                    let time = number::seconds(timed.summary.median_seconds);
                    let limit = timed.trial.limit_seconds.map(|limit| {
                        number::percent(limit / timed.summary.median_seconds.max(f64::MIN_POSITIVE))
                    });
                    let limit = limit.unwrap_or_else(|| UNKNOWN.to_owned());
                    let formula = known(timed.trial.limit_formula.as_deref(), escaped);
                    let counted = counted(timed.trial, time, limit);
                    table.row(names.into_iter().chain(counted).chain([formula]));
                }
            }
        }
        let table = table.without_columns_of(UNKNOWN);
        let _ = write!(out, "\n**{}**\n\n{table}", escaped(regime));
    }
}

fn counted(trial: &Trial, time: String, limit: String) -> [String; 17] {
    let of = |counter: fn(&Sample) -> Option<f64>| median(trial.samples.iter().filter_map(counter));
    let whole = |value: f64| value.round() as u64;
    let amplified = |moved: f64| {
        let bytes = number::bytes(whole(moved));
        match trial.bytes_requested {
            0 => bytes,
            asked => format!("{bytes} ({})", number::ratio(moved / asked as f64)),
        }
    };
    let count = |value: f64| number::count(whole(value));
    let most = |bytes: fn(&Sample) -> Option<u64>| {
        known(trial.samples.iter().filter_map(bytes).max(), number::memory)
    };
    [
        time,
        known(of(|it| share(it.durable_seconds?, it.seconds)), number::percent),
        known(of(|it| share(busy(it)?, it.seconds)), number::percent),
        known(of(|it| share(it.waiting_seconds?, it.seconds)), number::percent),
        limit,
        number::bytes(trial.bytes_requested),
        known(of(|it| Some(it.device_bytes_read? as f64)), amplified),
        known(of(|it| Some(it.device_dirtied_bytes? as f64)), amplified),
        known(of(|it| Some(it.read_calls? as f64)), count),
        known(of(|it| Some(it.write_calls? as f64)), count),
        known(of(|it| Some(it.minor_faults? as f64)), count),
        known(of(|it| Some(it.major_faults? as f64)), count),
        known(of(|it| Some(it.limit_hits? as f64)), count),
        known(of(|it| Some(it.refaulted_pages? as f64)), count),
        most(|it| it.peak_anonymous_bytes),
        most(|it| it.peak_mapped_bytes),
        most(|it| it.cached_bytes),
    ]
}

/// Processor time, by the finest clock that there was.
fn busy(sample: &Sample) -> Option<f64> {
    sample.busy_seconds.or_else(|| Some(sample.user_seconds? + sample.system_seconds?))
}

fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then_some(part / whole).filter(|share| share.is_finite())
}

/// Every sample of each regime, folded away.
pub(super) fn samples(set: &DataSet<'_>, out: &mut String) {
    for regime in set.regimes() {
        let mut table = MarkdownTable::new(
            ["workload", "backend"]
                .map(|name| (name, Align::Left))
                .into_iter()
                .chain(
                    [
                        "sample",
                        "pass",
                        "seconds",
                        "durable",
                        "stood",
                        "elapsed",
                        "user",
                        "system",
                        "busy",
                        "waiting",
                        "device read",
                        "device wrote",
                        "dirtied",
                        "read by calls",
                        "written by calls",
                        "read calls",
                        "write calls",
                        "minor faults",
                        "major faults",
                        "limit hits",
                        "refaults",
                        "memory",
                        "mapped",
                        "cached",
                        "resident before",
                    ]
                    .map(|name| (name, Align::Right)),
                )
                .chain(["verified", "digest"].map(|name| (name, Align::Left))),
        );
        let mut many = 0;
        for row in set.rows_of(regime) {
            many += sample_rows(set, row, &mut table);
        }
        let summary = escaped(&format!("{}, {regime}: {many} samples", set.title()));
        let table = table.without_columns_of(UNKNOWN);
        let _ = write!(out, "\n<details>\n<summary>{summary}</summary>\n\n{table}\n</details>\n");
    }
}

fn sample_rows(set: &DataSet<'_>, row: &Row<'_>, table: &mut MarkdownTable) -> usize {
    let mut many = 0;
    for (cell, column) in row.cells.iter().zip(&set.columns) {
        let trial = match cell {
            Cell::Absent => continue,
            Cell::Undone(trial) => trial,
            Cell::Timed(timed) => timed.trial,
        };
        for (index, sample) in trial.samples.iter().enumerate() {
            let names = [escaped(row.workload), escaped(&column.label), (index + 1).to_string()];
            table.row(names.into_iter().chain(sample_fields(sample)));
            many += 1;
        }
    }
    many
}

fn sample_fields(sample: &Sample) -> [String; 26] {
    let seconds = |value: Option<f64>| known(value, number::significant);
    let exact = |value: Option<u64>| known(value, |value| value.to_string());
    let verified = match (sample.verified, &sample.verified_through) {
        (false, _) => "**no**".to_owned(),
        (true, None) => "yes".to_owned(),
        (true, Some(through)) => format!("through {}", escaped(through)),
    };
    [
        known(sample.pass, |pass| pass.to_string()),
        number::significant(sample.seconds) + if sample.outlier { " (far off)" } else { "" },
        seconds(sample.durable_seconds),
        seconds(sample.stood_seconds),
        seconds(sample.elapsed_seconds),
        seconds(sample.user_seconds),
        seconds(sample.system_seconds),
        seconds(sample.busy_seconds),
        seconds(sample.waiting_seconds),
        exact(sample.device_bytes_read),
        exact(sample.device_bytes_written),
        exact(sample.device_dirtied_bytes),
        exact(sample.read_bytes),
        exact(sample.written_bytes),
        exact(sample.read_calls),
        exact(sample.write_calls),
        exact(sample.minor_faults),
        exact(sample.major_faults),
        exact(sample.limit_hits),
        exact(sample.refaulted_pages),
        exact(sample.peak_anonymous_bytes),
        exact(sample.peak_mapped_bytes),
        exact(sample.cached_bytes),
        known(sample.resident_before, |share| format!("{share:.3}")),
        verified,
        known(sample.digest.as_deref(), |digest| format!("`{}`", escaped(digest))),
    ]
}
