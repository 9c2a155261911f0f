//! How it was measured, where, and by which command.

use std::fmt::Write;

use super::super::model::{DataSet, Model, RunOf, memory_limit};
use super::super::number::{self, plural};
use super::table::{Align, MarkdownTable, escaped};
use crate::record::{Limits, Run, Sample};

/// The paragraph on method, with the proofs that the records hold.
pub(super) fn method(model: &Model<'_>, out: &mut String) {
    out.push_str(
        "\n## How it was measured\n\n\
         Every trial is a process of its own that does one workload with one backend. Before each sample the \
         harness brings the data into the regime's state and proves it, then says go; the time runs from \
         opening the file until the values are in the caller's memory or durable on the device, without the \
         cost of generating data. Counters are read from outside, once the trial is done and waits. Each \
         answer is then checked bit for bit against the right one; a fill is read back through another \
         device. The order of trials is shuffled by the seed, so that a drift of the machine is no backend's \
         own.\n",
    );
    for (regime, words) in [
        ("warm", "*warm*: the file's pages were resident"),
        ("cold", "*cold*: the file was flushed, unmapped and evicted"),
    ] {
        let Some(proof) = residency(model, regime) else { continue };
        let _ = write!(out, "\n{words}; {proof}.");
        if regime == "cold" && is_virtual(model) {
            out.push_str(
                " This is a virtual machine: cold for the guest, while the host may still hold the pages.",
            );
        }
        out.push('\n');
    }
    let mut limited: Vec<_> = model.sets.iter().flat_map(DataSet::regimes).collect();
    limited.retain(|regime| memory_limit(regime).is_some());
    limited.sort_unstable();
    limited.dedup();
    for regime in limited {
        memory_limited(model, regime, out);
    }
}

/// What a regime with a memory limit was, and how often the limit was reached.
fn memory_limited(model: &Model<'_>, regime: &str, out: &mut String) {
    let hits: Vec<u64> = samples(model, regime).filter_map(|sample| sample.limit_hits).collect();
    if hits.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "\n*{}*: a control group kept the process to this much memory, without swap, the page cache that it filled \
         included; before each sample the file was evicted",
        escaped(regime)
    );
    if let Some(proof) = residency(model, regime) {
        let _ = write!(out, "; {proof}");
    }
    let reached = hits.iter().filter(|&&hits| hits > 0).count();
    let all = plural(hits.len(), "sample");
    let _ = writeln!(out, ". The limit was reached in {reached} of {all}.");
}

fn samples<'a>(model: &'a Model<'_>, regime: &'a str) -> impl Iterator<Item = &'a Sample> {
    let trials = model.trials().filter(move |trial| trial.regime == regime);
    trials.flat_map(|trial| &trial.samples)
}

/// What is known of the share of files that was resident before the samples of a regime; none where nothing is.
fn residency(model: &Model<'_>, regime: &str) -> Option<String> {
    let shares: Vec<f64> =
        samples(model, regime).filter_map(|sample| sample.resident_before).collect();
    if shares.is_empty() {
        return None;
    }
    let low = shares.iter().copied().fold(f64::INFINITY, f64::min);
    let high = shares.iter().copied().fold(0.0, f64::max);
    let share = match (format!("{low:.3}"), format!("{high:.3}")) {
        (low, high) if low == high => low,
        (low, high) => format!("between {low} and {high}"),
    };
    let samples = plural(shares.len(), "sample");
    Some(format!("the share of its pages seen resident just before each of {samples} was {share}"))
}

fn is_virtual(model: &Model<'_>) -> bool {
    let runs = model.runs.iter().filter_map(|run| run.run);
    runs.into_iter().any(|run| run.environment.virtual_machine == Some(true))
}

/// Command, environment and limits of every run.
pub(super) fn environments(model: &Model<'_>, out: &mut String) {
    for of in &model.runs {
        let title = match of.name {
            "" => "Environment".to_owned(),
            name => format!("Environment of {}", escaped(name)),
        };
        let _ = write!(out, "\n## {title}\n\n");
        match of.run {
            Some(run) => {
                let _ = write!(out, "```sh\n{}\n```\n\n{}", command(run), facts(of, run));
            }
            None => out.push_str("The run's own line is missing.\n"),
        }
    }
}

/// The command as it can be typed again.
fn command(run: &Run) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,/:+@%".contains(c);
    let quoted = |argument: &String| {
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.clone()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    let words = run.arguments.iter().map(quoted);
    let words: Vec<_> = std::iter::once("arraystore".to_owned()).chain(words).collect();
    // A fence ends at three backticks of its own line only, and quoted words have no such line.
    words.join(" ").replace('\n', " ")
}

fn facts(of: &RunOf<'_>, run: &Run) -> MarkdownTable {
    let environment = &run.environment;
    let budget = format!(
        "{} of {} asked for",
        number::memory(run.memory_effective_bytes),
        number::memory(run.memory_requested_bytes)
    );
    let version = match &run.git_commit {
        Some(commit) => format!("{} ({commit})", run.version),
        None => run.version.clone(),
    };
    let mut peers: Vec<_> = of
        .trials
        .iter()
        .filter_map(|trial| Some(format!("{} is {}", trial.backend, trial.peer.as_ref()?)))
        .collect();
    peers.sort();
    peers.dedup();
    let virtual_machine = environment.virtual_machine.map(|is| if is { "yes" } else { "no" });
    let words = |value: &Option<String>| value.clone().unwrap_or_default();
    let rows = [
        ("started", run.started.clone()),
        ("arraystore", version),
        ("seed", run.seed.to_string()),
        ("threads", run.threads.to_string()),
        ("memory budget", budget),
        ("kernel", environment.kernel.clone()),
        ("CPU", environment.cpu.clone()),
        ("cores", environment.cores.to_string()),
        ("memory", number::memory(environment.memory_bytes)),
        ("memory limit", environment.memory_limit_bytes.map(number::memory).unwrap_or_default()),
        ("clock", environment.clock_seconds.map(number::seconds).unwrap_or_default()),
        ("control groups", words(&environment.cgroup)),
        ("file system", environment.file_system.clone()),
        ("device", environment.device.clone()),
        (
            "read-ahead",
            environment.read_ahead_kib.map(|kib| format!("{kib} KiB")).unwrap_or_default(),
        ),
        ("huge pages", words(&environment.transparent_huge_pages)),
        ("governor", words(&environment.governor)),
        ("virtual machine", virtual_machine.unwrap_or_default().to_owned()),
        ("peers", number::listed(&peers)),
        ("other runs", run.other_runs.map(|others| others.to_string()).unwrap_or_default()),
    ];
    let mut table = MarkdownTable::new([("what", Align::Left), ("value", Align::Left)]);
    let measured = run.limits.as_ref().map(|before| limits(before, run.limits_after.as_ref()));
    let limits = measured.into_iter().flatten();
    for (name, value) in rows.into_iter().chain(limits) {
        if !value.is_empty() {
            table.row([name.to_owned(), escaped(&value)]);
        }
    }
    table
}

/// The machine's measured limits, before the first trial and, where that is known, behind the last.
fn limits(before: &Limits, after: Option<&Limits>) -> [(&'static str, String); 7] {
    let rate = |value: f64| format!("{}/s", number::bytes(value as u64));
    let reads = |value: f64| format!("{}/s", number::count(value as u64));
    let shown = |limit: fn(&Limits) -> Option<f64>, show: &dyn Fn(f64) -> String| {
        let known = |limits: &Limits| limit(limits).filter(|value| value.is_finite());
        let drift = after.and_then(known).map(|after| format!(", afterwards {}", show(after)));
        known(before).map(|before| show(before) + &drift.unwrap_or_default()).unwrap_or_default()
    };
    [
        ("limit: copying in memory", shown(|it| it.memcpy_bytes_per_second, &rate)),
        ("limit: reading memory", shown(|it| it.memory_read_bytes_per_second, &rate)),
        ("limit: writing and syncing", shown(|it| it.write_sync_bytes_per_second, &rate)),
        ("limit: cold sequential reading", shown(|it| it.cold_read_bytes_per_second, &rate)),
        (
            "limit: random 4 KiB reads, one at a time",
            shown(|it| it.random_reads_per_second_depth_1, &reads),
        ),
        (
            "limit: random 4 KiB reads, 32 in flight",
            shown(|it| it.random_reads_per_second_depth_32, &reads),
        ),
        ("limit: minor page fault", shown(|it| it.page_fault_seconds, &number::seconds)),
    ]
}
