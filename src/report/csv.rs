//! Samples as CSV (RFC 4180): one row for each, with everything known of its trial and run.
//!
//! A trial without samples has one row too, whose sample columns are empty: nothing is left out.

use super::model::{Model, RunOf};
use crate::record::{Run, Sample, Status, Trial};

const HEADER: [&str; 56] = [
    "run",
    "started",
    "version",
    "git_commit",
    "seed",
    "memory_effective_bytes",
    "threads",
    "backend",
    "peer",
    "workload",
    "regime",
    "source",
    "rows",
    "columns",
    "dtype",
    "order",
    "density",
    "layout",
    "bytes_on_disk",
    "status",
    "reason",
    "bytes_requested",
    "limit_seconds",
    "sample",
    "seconds",
    "durable_seconds",
    "user_seconds",
    "system_seconds",
    "device_bytes_read",
    "device_bytes_written",
    "device_dirtied_bytes",
    "read_bytes",
    "written_bytes",
    "read_calls",
    "write_calls",
    "minor_faults",
    "major_faults",
    "peak_anonymous_bytes",
    "resident_before",
    "digest",
    "verified",
    "verified_through",
    "limit_hits",
    "limit_formula",
    "waiting_seconds",
    "peak_mapped_bytes",
    "cached_bytes",
    "refaulted_pages",
    "pass",
    "stood_seconds",
    "elapsed_seconds",
    "busy_seconds",
    "outlier",
    "trial_threads",
    "columns_read",
    "sweep",
];

pub(super) fn render(model: &Model<'_>) -> String {
    let mut out = String::new();
    push_row(&mut out, HEADER.map(str::to_owned));
    for run in &model.runs {
        for trial in &run.trials {
            if trial.samples.is_empty() {
                push_trial(&mut out, run, trial, None);
            }
            for (index, sample) in trial.samples.iter().enumerate() {
                push_trial(&mut out, run, trial, Some((index + 1, sample)));
            }
        }
    }
    out
}

fn push_trial(out: &mut String, run: &RunOf<'_>, trial: &Trial, sample: Option<(usize, &Sample)>) {
    let values = [run.name.to_owned()].into_iter().chain(run_values(run.run));
    let values = values.chain(trial_values(trial)).chain(sample_values(sample));
    let values = values.chain([text(&trial.limit_formula)]);
    let values = values.chain(later_sample_values(sample));
    let sweep = run.run.map(|run| text(&run.sweep)).unwrap_or_default();
    push_row(out, values.chain([value(trial.threads), value(trial.columns_read), sweep]));
}

fn run_values(run: Option<&Run>) -> [String; 6] {
    let Some(run) = run else { return Default::default() };
    [
        run.started.clone(),
        run.version.clone(),
        text(&run.git_commit),
        run.seed.to_string(),
        run.memory_effective_bytes.to_string(),
        run.threads.to_string(),
    ]
}

fn trial_values(trial: &Trial) -> [String; 16] {
    let data = &trial.data;
    let status = match trial.status {
        Status::Ok => "ok",
        Status::Unsupported => "unsupported",
        Status::Unavailable => "unavailable",
        Status::Failed => "failed",
    };
    [
        trial.backend.clone(),
        text(&trial.peer),
        trial.workload.clone(),
        trial.regime.clone(),
        text(&data.source),
        data.shape[0].to_string(),
        data.shape[1].to_string(),
        data.dtype.clone(),
        text(&data.order),
        data.density.to_string(),
        text(&data.layout),
        value(data.bytes_on_disk),
        status.to_owned(),
        text(&trial.reason),
        trial.bytes_requested.to_string(),
        value(trial.limit_seconds),
    ]
}

fn sample_values(sample: Option<(usize, &Sample)>) -> [String; 20] {
    let Some((number, sample)) = sample else { return Default::default() };
    [
        number.to_string(),
        sample.seconds.to_string(),
        value(sample.durable_seconds),
        value(sample.user_seconds),
        value(sample.system_seconds),
        value(sample.device_bytes_read),
        value(sample.device_bytes_written),
        value(sample.device_dirtied_bytes),
        value(sample.read_bytes),
        value(sample.written_bytes),
        value(sample.read_calls),
        value(sample.write_calls),
        value(sample.minor_faults),
        value(sample.major_faults),
        value(sample.peak_anonymous_bytes),
        value(sample.resident_before),
        text(&sample.digest),
        sample.verified.to_string(),
        text(&sample.verified_through),
        value(sample.limit_hits),
    ]
}

/// What was added to samples since: columns keep their places.
fn later_sample_values(sample: Option<(usize, &Sample)>) -> [String; 9] {
    let Some((_, sample)) = sample else { return Default::default() };
    [
        value(sample.waiting_seconds),
        value(sample.peak_mapped_bytes),
        value(sample.cached_bytes),
        value(sample.refaulted_pages),
        value(sample.pass),
        value(sample.stood_seconds),
        value(sample.elapsed_seconds),
        value(sample.busy_seconds),
        sample.outlier.to_string(),
    ]
}

fn text(value: &Option<String>) -> String {
    value.clone().unwrap_or_default()
}

fn value(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Appends a row, its fields quoted where they must be.
fn push_row(out: &mut String, fields: impl IntoIterator<Item = String>) {
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if field.contains([',', '"', '\r', '\n']) {
            out.push('"');
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&field);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let mut out = String::new();
        push_row(&mut out, ["a", "b,c", "say \"so\"", "two\nlines", ""].map(str::to_owned));
        assert_eq!(out, "a,\"b,c\",\"say \"\"so\"\"\",\"two\nlines\",\r\n");
    }
}
