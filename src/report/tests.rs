//! Every renderer on hand-made records.

use super::*;
use crate::record::{Data, Environment, Limits, Run, SCHEMA, Sample, Status, Summary, Trial};

fn run() -> Line {
    Line::Run(Box::new(Run {
        schema: SCHEMA,
        version: "0.1.0".to_owned(),
        git_commit: Some("0123abc".to_owned()),
        started: "2026-01-02T03:04:05Z".to_owned(),
        arguments: ["compare", "--density", "1,0.01", "--out", "a folder"]
            .map(str::to_owned)
            .to_vec(),
        seed: 7,
        memory_requested_bytes: 256 << 20,
        memory_effective_bytes: 192 << 20,
        threads: 2,
        environment: Environment {
            kernel: "Linux 6.18".to_owned(),
            cpu: "Some CPU".to_owned(),
            cores: 2,
            memory_bytes: 8 << 30,
            file_system: "ext4".to_owned(),
            device: "virtio".to_owned(),
            virtual_machine: Some(true),
            ..Environment::default()
        },
        limits: Some(Limits {
            memcpy_bytes_per_second: Some(9.87e9),
            page_fault_seconds: Some(2.5e-7),
            ..Limits::default()
        }),
        other_runs: None,
        limits_after: Some(Limits {
            memcpy_bytes_per_second: Some(9.1e9),
            page_fault_seconds: Some(2.5e-7),
            ..Limits::default()
        }),
        sweep: None,
    }))
}

fn sample(seconds: f64, workload: &str, regime: &str) -> Sample {
    let is_fill = workload == "fill-columns";
    let is_cold = regime == "cold";
    Sample {
        seconds,
        durable_seconds: is_fill.then_some(seconds / 4.0),
        user_seconds: Some(seconds / 2.0),
        system_seconds: Some(seconds / 4.0),
        device_bytes_read: Some(if is_cold && !is_fill { 6_000_000 } else { 0 }),
        device_dirtied_bytes: is_fill.then_some(400_000_128),
        minor_faults: Some(97_656),
        major_faults: Some(3),
        peak_anonymous_bytes: Some(100 << 20),
        resident_before: (!is_fill).then_some(if is_cold { 0.0 } else { 1.0 }),
        digest: Some("00112233445566778899aabbccddeeff".to_owned()),
        verified: true,
        verified_through: is_fill.then(|| "seek".to_owned()),
        ..Sample::default()
    }
}

/// A trial that went well, with three samples around `median`.
fn trial(backend: &str, workload: &str, regime: &str, density: f64, median: f64) -> Trial {
    let is_sparse = backend.starts_with("sparse");
    let seconds = [median * 1.02, median, median * 0.97];
    let dense_bytes = 400_000_128.0;
    let bytes = if is_sparse { dense_bytes * 2.0 * density + 4e6 } else { dense_bytes };
    Trial {
        schema: SCHEMA,
        backend: backend.to_owned(),
        peer: None,
        workload: workload.to_owned(),
        regime: regime.to_owned(),
        data: Data {
            shape: [1_000_000, 100],
            dtype: "f32".to_owned(),
            order: (!is_sparse).then(|| "c".to_owned()),
            density,
            layout: is_sparse.then(|| backend[7..].to_owned()),
            bytes_on_disk: Some(bytes as u64),
            source: Some("generated".to_owned()),
        },
        status: Status::Ok,
        reason: None,
        threads: None,
        columns_read: None,
        bytes_requested: if workload == "fill-columns" { 400_000_000 } else { 4_000_000 },
        limit_seconds: Some(0.001),
        limit_formula: Some("4000000 B touched ÷ 4000000000 B/s reading memory".to_owned()),
        samples: seconds.map(|seconds| sample(seconds, workload, regime)).to_vec(),
        summary: Some(Summary {
            median_seconds: median,
            low_seconds: median * 0.97,
            high_seconds: median * 1.02,
        }),
    }
}

fn undone(mut trial: Trial, status: Status, reason: &str) -> Trial {
    trial.status = status;
    trial.reason = Some(reason.to_owned());
    trial.samples.clear();
    trial.summary = None;
    trial
}

/// A run of two densities, with a peer, and with trials that failed, are missing or were wrong; in the
/// order that a seed might have shuffled them into.
fn lines() -> Vec<Line> {
    let mut peer = trial("numpy-expert", "fill-columns", "warm", 1.0, 0.71);
    peer.peer = Some("NumPy 2.4.6".to_owned());
    let mut wrong = trial("seek", "scan", "cold", 0.01, 0.3);
    wrong.samples[1].verified = false;
    let trials = [
        trial("sparse-csc", "extract-column", "cold", 1.0, 0.012),
        trial("seek", "fill-columns", "warm", 1.0, 0.55),
        trial("memmap", "fill-columns", "warm", 1.0, 0.42),
        trial("sparse-csr", "fill-columns", "warm", 1.0, 5.2),
        undone(
            trial("sparse-csc", "fill-columns", "warm", 1.0, 1.0),
            Status::Failed,
            "the answer's digest | was\nanother",
        ),
        trial("memmap", "extract-column", "warm", 1.0, 0.0505),
        trial("seek", "extract-column", "warm", 1.0, 0.050),
        trial("sparse-csr", "extract-column", "warm", 1.0, 0.3),
        trial("sparse-csc", "extract-column", "warm", 1.0, 0.0011),
        undone(
            trial("memmap", "extract-column", "cold", 1.0, 1.0),
            Status::Unavailable,
            "pages stayed resident",
        ),
        undone(
            trial("seek", "extract-column", "cold", 1.0, 1.0),
            Status::Unavailable,
            "pages stayed resident",
        ),
        peer,
        wrong,
        trial("sparse-csc", "scan", "cold", 0.01, 0.004),
        trial("memmap", "scan", "cold", 0.01, 0.2),
        trial("sparse-csc", "fill-columns", "cold", 0.01, 0.05),
        trial("memmap", "fill-columns", "cold", 0.01, 0.43),
    ];
    std::iter::once(run()).chain(trials.map(|trial| Line::Trial(Box::new(trial)))).collect()
}

/// A run within memory limits, one of which cannot be made, beside a cold one.
fn limited_lines() -> Vec<Line> {
    let Line::Run(mut run) = run() else { unreachable!() };
    run.environment.cgroup = Some("v1".to_owned());
    let within = |backend: &str, workload: &str, regime: &str, median: f64, hits: u64| {
        let mut trial = trial(backend, workload, regime, 1.0, median);
        for sample in &mut trial.samples {
            sample.resident_before = sample.resident_before.map(|_| 0.0);
            sample.limit_hits = Some(hits);
            sample.refaulted_pages = Some(hits / 2);
            sample.waiting_seconds = Some(median / 4.0);
            sample.peak_mapped_bytes = Some(1 << 20);
            sample.cached_bytes = Some(100 << 20);
        }
        trial
    };
    let wide = trial("memmap", "scan", "limited:1GiB", 1.0, 1.0);
    let trials = [
        undone(wide, Status::Unavailable, "no control group may be made here; run it as root"),
        within("memmap", "fill-columns", "limited:160MiB", 1.4, 2345),
        within("seek", "fill-columns", "limited:160MiB", 1.2, 0),
        within("memmap", "scan", "limited:160MiB", 0.2, 120),
        within("seek", "scan", "limited:160MiB", 0.3, 130),
        trial("memmap", "scan", "cold", 1.0, 0.2),
        trial("seek", "scan", "cold", 1.0, 0.3),
    ];
    let trials = trials.map(|trial| Line::Trial(Box::new(trial)));
    std::iter::once(Line::Run(run)).chain(trials).collect()
}

#[test]
fn memory_limits_are_regimes_beside_the_others() {
    let lines = limited_lines();
    let report = Report::of(&lines);
    insta::assert_snapshot!(format!(
        "{}\n{}",
        report.terminal(100, Style::Plain),
        report.verdict().join("\n")
    ));
    let markdown = report.markdown();
    let regimes = ["**cold**", "**limited:160MiB**", "**limited:1GiB**"];
    let places = regimes.map(|regime| markdown.find(regime).unwrap());
    assert!(places.is_sorted(), "{markdown}");
    assert!(markdown.contains("The limit was reached in 9 of 12 samples."), "{markdown}");
    assert!(markdown.contains("| control groups | v1 |"), "{markdown}");
    let csv = report.csv();
    let hits = |row: &&str| row.contains("limited:160MiB") && row.contains(",2345,");
    assert_eq!(csv.lines().filter(hits).count(), 3, "{csv}");
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn a_wide_terminal_has_bars() {
    let text = Report::of(&lines()).terminal(150, Style::Plain);
    assert!(widest(&text) <= 150);
    insta::assert_snapshot!(text);
}

#[test]
fn a_terminal_of_usual_width_has_tables() {
    let text = Report::of(&lines()).terminal(100, Style::Plain);
    assert!(widest(&text) <= 100);
    insta::assert_snapshot!(text);
}

#[test]
fn a_narrow_terminal_has_blocks() {
    let text = Report::of(&lines()).terminal(44, Style::Plain);
    insta::assert_snapshot!(text);
}

#[test]
fn four_backends_fit_in_80_characters() {
    let backends = ["memmap", "seek", "sparse-csr", "sparse-csc"];
    let medians = [0.123, 4.56, 78.9, 0.0123];
    let trials = (0..4).flat_map(|at| {
        ["extract-columns", "scan"].map(|workload| {
            Line::Trial(Box::new(trial(backends[at], workload, "warm", 1.0, medians[at])))
        })
    });
    let lines: Vec<_> = std::iter::once(run()).chain(trials).collect();
    let text = Report::of(&lines).terminal(80, Style::Plain);
    assert!(text.contains("────") && widest(&text) <= 80, "{text}");
}

#[test]
fn no_line_exceeds_its_terminal() {
    let lines = lines();
    for width in 20..200 {
        let text = Report::of(&lines).terminal(width, Style::Plain);
        assert!(widest(&text) <= width, "{width}:\n{text}");
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let lines = lines();
    for width in [44, 100, 150] {
        let plain = Report::of(&lines).terminal(width, Style::Plain);
        let coloured = Report::of(&lines).terminal(width, Style::Coloured);
        let mut bare = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once('\x1b') {
            bare += before;
            rest = after.split_once('m').unwrap().1;
        }
        bare += rest;
        let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        assert!(coloured.contains('\x1b'));
        assert_eq!(trimmed(&bare), trimmed(&plain));
    }
}

#[test]
fn the_verdict_claims_what_the_intervals_allow() {
    insta::assert_snapshot!(Report::of(&lines()).verdict().join("\n"));
}

#[test]
fn the_whole_report_as_markdown() {
    insta::assert_snapshot!(Report::of(&lines()).markdown());
}

#[test]
fn every_sample_is_a_row_of_csv() {
    let lines = lines();
    let text = Report::of(&lines).csv();
    insta::assert_snapshot!(text.replace("\r\n", "\n"));
    let rows: usize = lines
        .iter()
        .map(|line| match line {
            Line::Run(_) => 1, // the header
            Line::Trial(trial) => trial.samples.len().max(1),
        })
        .sum();
    assert_eq!(text.matches("\r\n").count(), rows);
}

#[test]
fn json_is_the_lines_themselves() {
    let lines = lines();
    let back: Vec<Line> = serde_json::from_str(&Report::of(&lines).json()).unwrap();
    assert_eq!(back, lines);
}

#[test]
fn several_runs_are_told_apart() {
    let (one, mut other) = (lines(), lines());
    for line in &mut other {
        if let Line::Trial(trial) = line {
            trial.data.order = trial.data.order.take().map(|_| "f".to_owned());
        }
    }
    let report = Report::of_runs([("before", &one[..4]), ("after", &other[..4])]);
    insta::assert_snapshot!(format!(
        "{}\n{}",
        report.terminal(120, Style::Plain),
        report.verdict().join("\n")
    ));
    assert!(report.markdown().contains("## Environment of after"));
    assert!(report.csv().contains("\r\nafter,2026-01-02T03:04:05Z,"));
}

#[test]
fn one_backend_alone_is_not_called_best() {
    let one = [run(), Line::Trial(Box::new(trial("memmap", "scan", "warm", 1.0, 0.25)))];
    let report = Report::of(&one);
    let text = report.terminal(80, Style::Plain);
    assert!(text.contains("250 ms") && !text.contains("best"), "{text}");
    assert_eq!(
        report.verdict(),
        [
            "At density 1, only memmap was timed: there is nothing to compare it with.",
            "All 3 samples verified."
        ]
    );
}

#[test]
fn nothing_recorded_is_said() {
    for lines in [vec![], vec![run()]] {
        let report = Report::of(&lines);
        assert!(report.terminal(80, Style::Plain).contains("No trial was recorded."));
        assert_eq!(report.verdict(), ["No trial was recorded."]);
        assert!(report.markdown().contains("No trial was recorded."));
        assert_eq!(report.csv().lines().count(), 1);
    }
}

#[test]
fn one_sample_each_is_called_a_first_look() {
    let mut lines = lines();
    for line in &mut lines {
        if let Line::Trial(trial) = line {
            trial.samples.truncate(1);
        }
    }
    let verdict = Report::of(&lines).verdict().join("\n");
    assert!(verdict.contains("one sample"), "{verdict}");
    assert!(!verdict.contains("wins 1") && !verdict.contains("wins 2"), "{verdict}");
}

#[test]
fn of_one_sample_among_others_nothing_is_concluded() {
    let mut lines = lines();
    let trial = lines.iter_mut().find_map(|line| match line {
        Line::Trial(trial) if trial.samples.len() > 1 => Some(trial),
        _ => None,
    });
    trial.unwrap().samples.truncate(1);
    let verdict = Report::of(&lines).verdict().join("\n");
    assert!(verdict.contains("1 trial has one sample"), "{verdict}");
}

/// Records are read from files: numbers that no honest run has must not break a renderer.
#[test]
fn odd_numbers_stay_out_of_the_figures() {
    let mut zero = trial("memmap", "scan", "warm", 1.0, 0.0);
    zero.bytes_requested = 0;
    zero.data.bytes_on_disk = Some(0);
    let mut endless = trial("seek", "scan", "warm", 1.0, 1.0);
    endless.summary =
        Some(Summary { median_seconds: f64::INFINITY, low_seconds: f64::NAN, high_seconds: -1.0 });
    let mut unsummed = trial("sparse-csr", "scan", "warm", f64::NAN, 1.0);
    unsummed.summary = None;
    let slow = trial("sparse-csc", "scan", "warm", 1.0, f64::MAX);
    let trials = [zero, endless, unsummed, slow].map(|trial| Line::Trial(Box::new(trial)));
    let report = Report::of(&trials);
    let text = [
        report.terminal(120, Style::Plain),
        report.terminal(0, Style::Coloured),
        report.verdict().join("\n"),
        report.markdown(),
    ]
    .concat();
    assert!(!text.contains("inf") && !text.contains("-1"), "{text}");
    assert!(text.contains("no summary"));
}

/// A run that swept `swept`, with the trials that `change` makes of a column's extraction by two backends whose order changes.
fn swept(swept: &str, change: impl Fn(&mut Trial, usize)) -> Vec<Line> {
    let mut lines = vec![run()];
    let Line::Run(header) = &mut lines[0] else { unreachable!() };
    header.sweep = Some(swept.to_owned());
    for (backend, medians) in [("memmap", [0.1, 0.2, 0.4]), ("seek", [0.3, 0.201, 0.1])] {
        for (point, median) in medians.into_iter().enumerate() {
            let mut trial = trial(backend, "extract-column", "cold", 1.0, median);
            change(&mut trial, point);
            lines.push(Line::Trial(Box::new(trial)));
        }
    }
    lines
}

#[test]
fn runs_that_disturbed_each_other_are_told_of() {
    let told = |other_runs| {
        let mut lines = lines();
        let Line::Run(header) = &mut lines[0] else { unreachable!() };
        header.other_runs = other_runs;
        let verdict = Report::of(&lines).verdict();
        verdict.iter().any(|it| it.starts_with("1 other run was at work in the same folder"))
    };
    assert!(told(Some(1)));
    assert!(!told(None));
}

#[test]
fn a_sweep_says_from_where_on_another_is_best() {
    let rows = swept("rows", |trial, point| trial.data.shape[0] = 10_usize.pow(point as u32 + 3));
    let verdict = Report::of(&rows).verdict().join("\n");
    // At 10000 they are level: who was best stays so.
    let told = "Extract-column, cold: memmap is best at first, seek from rows = 100000 on.";
    assert!(verdict.contains(told), "{verdict}");
    let markdown = Report::of(&rows).markdown();
    let section = markdown.split("## How cost grows with rows").nth(1).unwrap();
    assert!(
        section.contains("| 1000 | **100 ms**") && section.contains("| *last : first* | 4.00× |"),
        "{section}"
    );

    for (name, change) in [
        (
            "threads",
            (|trial: &mut Trial, point| trial.threads = Some(point + 1)) as fn(&mut Trial, usize),
        ),
        ("columns-read", |trial, point| trial.columns_read = (point > 0).then_some(point + 1)),
    ] {
        let lines = swept(name, change);
        let told = format!("seek from {name} = 3 on");
        assert!(Report::of(&lines).verdict().join("\n").contains(&told), "{name}");
        // Each point is a data set of its own, told from the others.
        let terminal = Report::of(&lines).terminal(120, Style::Plain);
        assert_eq!(terminal.matches("1000000×100 f32").count(), 3, "{terminal}");
        let unit = if name == "threads" { ", 3 threads" } else { ", 3 columns read" };
        assert!(terminal.contains(unit), "{terminal}");
    }
    let memory = swept("memory", |trial, point| {
        trial.regime = format!("limited:{}MiB", 100 << point);
    });
    let told = "Extract-column: memmap is best at first, seek from memory = 400 MiB on";
    let verdict = Report::of(&memory).verdict().join("\n");
    assert!(verdict.contains(told), "{verdict}");
}
