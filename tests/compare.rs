//! `compare` from end to end: a small run of this program's own trials, its records, and what it leaves.
#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use arraystore::array::{DType, Order, Shape};
use arraystore::harness::{Config, Data, Observer, Sampling, Verdict, self_test};
use arraystore::record::{Line, Status, Trial};
use arraystore::store::{ArrayStoreExt, Budget, Cancel, CreateOptions, create};
use arraystore::sys::{Existing, MemoryGroup};
use serde_json::Value;
use tempfile::TempDir;

/// A folder on a disk: what is in /tmp may be kept in memory, and then no regime is cold.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn compare(folder: &Path, arguments: &str) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("arraystore").unwrap();
    command.current_dir(folder).args(["compare", "--no-probe"]).args(arguments.split_whitespace());
    command.timeout(Duration::from_secs(300));
    command
}

fn lines(folder: &Path) -> Vec<Line> {
    let text = fs::read_to_string(folder.join("arraystore-report/results.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn trials(folder: &Path) -> Vec<Trial> {
    let trial = |line| match line {
        Line::Trial(trial) => Some(*trial),
        Line::Run(_) => None,
    };
    lines(folder).into_iter().filter_map(trial).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn every_sample_is_verified_in_a_regime_that_is_proved_and_nothing_else_stays() {
    let folder = folder();
    let arguments = "--shape 300x20 --backends memmap,seek --samples 2 --memory 64MiB --threads 1";
    let output = compare(folder.path(), arguments).assert().success().get_output().clone();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("extract-columns") && printed.contains("report.md"), "{printed}");
    assert_eq!(names(folder.path()), ["arraystore-report"]);
    assert_eq!(names(&folder.path().join("arraystore-report")), ["report.md", "results.jsonl"]);

    let Line::Run(run) = &lines(folder.path())[0] else { panic!("the run comes first") };
    assert_eq!((run.memory_requested_bytes, run.threads), (64 << 20, 1));
    assert!(run.arguments.contains(&"300x20".to_owned()));
    let trials = trials(folder.path());
    assert_eq!(trials.len(), 2 * 2 * 6 * 2);
    let mut kinds = HashSet::new();
    for trial in &trials {
        let name = format!("{} {} {}", trial.backend, trial.workload, trial.regime);
        assert_eq!((trial.status, trial.samples.len()), (Status::Ok, 2), "{name}");
        assert_eq!(trial.data.bytes_on_disk, Some(128 + 24_000));
        let is_fill = trial.workload == "fill-columns";
        for sample in &trial.samples {
            assert!(sample.verified && sample.seconds > 0.0, "{name}");
            assert_eq!(sample.durable_seconds.is_some(), is_fill, "{name}");
            match (&*trial.regime, sample.resident_before) {
                (_, None) => assert!(is_fill, "{name}"),
                ("cold", Some(share)) => assert!(share < 0.01 && !is_fill, "{name}"),
                (_, Some(share)) => assert!(share > 0.99 && !is_fill, "{name}"),
            }
            let other = if trial.backend == "memmap" { "seek" } else { "memmap" };
            assert_eq!(sample.verified_through.as_deref(), is_fill.then_some(other), "{name}");
            assert!(sample.peak_anonymous_bytes.is_some(), "{name}");
        }
        let summary = trial.summary.unwrap();
        assert!(summary.low_seconds <= summary.median_seconds);
        assert!(summary.median_seconds <= summary.high_seconds);
        kinds.insert((name, trial.data.density.to_bits()));
    }
    assert_eq!(kinds.len(), trials.len(), "every trial once");
}

/// What a figure is held against is measured in the same run.
#[test]
fn limits_are_measured_before_and_after_and_every_trial_has_its_bound() {
    let folder = folder();
    let mut command = assert_cmd::Command::cargo_bin("arraystore").unwrap();
    command.current_dir(folder.path()).timeout(Duration::from_secs(300));
    command.args(["compare", "--shape", "3000x20", "--density", "0.5", "--samples", "1"]);
    command.assert().success();
    let Line::Run(run) = &lines(folder.path())[0] else { panic!("the run comes first") };
    for limits in [run.limits.unwrap(), run.limits_after.unwrap()] {
        assert!(limits.cold_read_bytes_per_second > Some(0.0));
    }
    for trial in trials(folder.path()) {
        let name = format!("{} {} {}", trial.backend, trial.workload, trial.regime);
        let formula = trial.limit_formula.unwrap();
        // What is written while the clock of a fill stands may be all of it.
        let limit = trial.limit_seconds.unwrap();
        let is_bound = limit > 0.0 || formula.contains("for which the clock stood");
        assert!(is_bound && formula.contains(" ÷ "), "{name}: {formula}");
    }
    let report = folder.path().join("arraystore-report/report.md");
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains("| of limit |") && report.contains(", afterwards "), "{report}");
}

/// A harness that lets a lie pass cannot be believed.
#[test]
fn every_negative_control_is_found_out() {
    let folder = folder();
    let output = compare(folder.path(), "--self-test --json").assert().success();
    let findings: Value = serde_json::from_slice(&output.get_output().stdout).unwrap();
    let findings = findings.as_array().unwrap();
    let lies: Vec<_> = findings.iter().filter_map(|finding| finding["lie"].as_str()).collect();
    assert_eq!(
        lies,
        [
            "wrong-bit",
            "unsynced",
            "reading-map",
            "held-file",
            "unbound",
            "early",
            "late-clock",
            "standing-clock",
            "kept-file",
            "lazy",
        ]
    );
    for finding in findings {
        // Where no control groups may be made, or nobody tells what is unwritten, that one control shows nothing.
        let may_miss = finding["lie"] == "unsynced"
            || finding["control"].as_str().unwrap().contains("limited");
        let is_shown =
            finding["verdict"] == "right" || (finding["verdict"] == "not shown" && may_miss);
        assert!(is_shown, "{finding}");
    }
    assert_eq!(names(folder.path()), [] as [String; 0]);
}

/// Where the lies are left out, the self-test has to fail for each: a control that cannot fail proves nothing.
#[test]
fn a_control_that_tells_the_truth_is_no_control() {
    let folder = folder();
    // What comes behind `trial`, the lie, is the shell's own and goes nowhere.
    let honest = ["/bin/sh", "-c", r#"exec "$0" trial"#];
    let program = assert_cmd::cargo::cargo_bin("arraystore").into_os_string();
    let config = Config {
        data: Data::Generated { shape: Shape::new(1, 1), dtype: DType::F32, densities: vec![1.0] },
        order: Order::C,
        backends: Vec::new(),
        peers: Vec::new(),
        workloads: Vec::new(),
        regimes: Vec::new(),
        samples: Sampling::Fixed(1),
        seed: 1,
        columns_read: 1,
        sweep: None,
        budget: Budget::default(),
        threads: 1,
        is_probed: false,
        silence: None,
        trial_command: honest.map(OsString::from).into_iter().chain([program]).collect(),
        out: PathBuf::new(),
        data_dir: folder.path().to_owned(),
        existing: Existing::Refuse,
        arguments: Vec::new(),
    };
    let findings = self_test(&config, &Cancel::default(), &mut Nobody).unwrap();
    for finding in &findings {
        let expected = if finding.lie.is_some() { Verdict::Wrong } else { Verdict::Right };
        let may_miss = finding.what.contains("limited") || finding.what.contains("not synced");
        let is_shown = finding.verdict != Verdict::NotShown || !may_miss;
        assert!(finding.verdict == expected || !is_shown, "{finding:?}");
    }
    assert_eq!(findings.iter().filter(|finding| finding.lie.is_some()).count(), 10);
}

struct Nobody;

impl Observer for Nobody {
    fn planned(&mut self, _: usize) {}
    fn doing(&mut self, _: &str) {}
    fn passed(&mut self, _: usize) {}
}

/// Data beyond the budget and the 16 MiB that a trial may have beside it: what holds it all is found.
#[test]
#[cfg(target_os = "linux")]
fn own_memory_stays_within_the_budget() {
    const BUDGET_MIB: u64 = 2;
    let folder = folder();
    compare(
        folder.path(),
        &format!(
            "--shape 300000x20 --density 1 --samples 1 --regimes warm --memory {BUDGET_MIB}MiB"
        ),
    )
    .assert()
    .success();
    let trials = trials(folder.path());
    assert_eq!(trials.len(), 4 * 6);
    for trial in &trials {
        let name = format!("{} {}", trial.backend, trial.workload);
        assert!(trial.data.bytes_on_disk.unwrap() > (BUDGET_MIB + 16) << 20, "{name}");
        let peak = trial.samples[0].peak_anonymous_bytes.unwrap();
        assert!(peak <= (BUDGET_MIB + 16) << 20, "{name}: {peak} bytes");
    }
}

/// Data beyond a memory limit: the limit binds and every answer is right. Where no control group may be made, the
/// records say so, and what would permit it.
#[test]
fn a_memory_limit_binds_or_is_said_to_be_unavailable() {
    let folder = folder();
    let child = Command::new(assert_cmd::cargo::cargo_bin("arraystore"))
        .current_dir(folder.path())
        .args([
            "compare",
            "--no-probe",
            "--shape",
            "400000x100",
            "--density",
            "1",
            "--backends",
            "memmap,seek",
        ])
        .args(["--workloads", "fill-columns,scan", "--regimes", "limited:98304KiB"])
        .args(["--samples", "1"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let id = child.id();
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(control_groups(id), [""; 0]);
    let Line::Run(run) = &lines(folder.path())[0] else { panic!("the run comes first") };
    let trials = trials(folder.path());
    assert_eq!(trials.len(), 2 * 2);
    for trial in &trials {
        let name = format!("{} {}: {:?}", trial.backend, trial.workload, trial.reason);
        assert_eq!(trial.regime, "limited:96MiB");
        if run.environment.cgroup.is_none() {
            assert_eq!((trial.status, trial.samples.len()), (Status::Unavailable, 0), "{name}");
            let reason = trial.reason.as_deref().unwrap();
            assert!(reason.contains("control group") && reason.contains("run it"), "{name}");
            continue;
        }
        assert_eq!((trial.status, trial.samples.len()), (Status::Ok, 1), "{name}");
        let sample = &trial.samples[0];
        let is_fill = trial.workload == "fill-columns";
        assert!(sample.verified && sample.limit_hits.is_some(), "{name}");
        // No more of the file than the limit lets it have, and none of it twice unless it was taken back.
        assert!(sample.refaulted_pages.is_some(), "{name}");
        assert!(sample.cached_bytes.unwrap() <= 96 << 20, "{name}");
        assert_eq!(sample.resident_before.is_some(), !is_fill, "{name}");
        assert!(sample.resident_before.unwrap_or(0.0) < 0.01, "{name}");
        // A scan drops what it has passed; what a fill writes stays until the kernel takes it back.
        assert!(!is_fill || sample.limit_hits > Some(0), "{name}");
        // ⅔ of what the limit leaves, and what a trial may have beside its budget.
        let peak = sample.peak_anonymous_bytes.unwrap();
        assert!(peak <= ((96 - 32) / 3 * 2 + 16) << 20, "{name}: {peak} bytes");
    }
}

/// The control groups that process `id` made and left, wherever it could make some.
fn control_groups(id: u32) -> Vec<String> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let groups = own.lines().filter_map(|line| line.rsplit(':').next());
    let folders = groups.flat_map(|group| {
        let group = Path::new(group.trim_start_matches('/'));
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory"].map(Path::new);
        roots.map(|root| group.ancestors().map(|above| root.join(above)).collect::<Vec<_>>())
    });
    let left = |name: &String| name.starts_with(&format!("arraystore-{id}-"));
    folders
        .flatten()
        .filter(|folder| folder.is_dir())
        .flat_map(|it| names(&it))
        .filter(left)
        .collect()
}

#[test]
fn results_are_replaced_only_when_that_is_asked_for() {
    let folder = folder();
    let arguments =
        "--shape 100x3 --backends seek --workloads scan --regimes warm --samples 1 --json";
    let printed = compare(folder.path(), arguments).assert().success().get_output().clone();
    let document: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(document.as_array().unwrap().len(), 3);
    let before = fs::read(folder.path().join("arraystore-report/results.jsonl")).unwrap();
    let refused = compare(folder.path(), arguments).assert().code(2).get_output().clone();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("exists already") && told.contains("--force"), "{told}");
    let results = folder.path().join("arraystore-report/results.jsonl");
    assert_eq!(fs::read(&results).unwrap(), before);
    compare(folder.path(), &format!("{arguments} --force --seed 5")).assert().success();
    assert_ne!(fs::read(&results).unwrap(), before);
    assert_eq!(names(&folder.path().join("arraystore-report")), ["report.md", "results.jsonl"]);
}

#[test]
fn a_file_is_worked_on_as_it_is() {
    let folder = folder();
    let path = folder.path().join("some.npy");
    let options = CreateOptions::new(arraystore::array::Shape::new(500, 7), "i16".parse().unwrap());
    let mut store = create::<i16>(&path, &options).unwrap();
    store
        .fill_columns(&arraystore::store::Context::default(), &mut |column, out| {
            for (row, value) in out.iter_mut().enumerate() {
                *value = if row % 4 == 0 { (row * 7 + column) as i16 - 900 } else { 0 };
            }
            Ok(())
        })
        .unwrap();
    store.sync().unwrap();
    drop(store);
    let before = fs::read(&path).unwrap();
    compare(folder.path(), "--input some.npy --backends memmap,seek --samples 1")
        .assert()
        .success();
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(names(folder.path()), ["arraystore-report", "some.npy"]);
    let found = trials(folder.path());
    assert_eq!(found.len(), 2 * 6 * 2);
    for trial in &found {
        assert_eq!(trial.status, Status::Ok, "{:?}", trial.reason);
        assert_eq!(trial.data.source.as_deref(), Some("some.npy"));
        assert_eq!((trial.data.shape, &*trial.data.dtype), ([500, 7], "i16"));
        // Of 875 entries none is zero by chance: -900 + 7 row + column is where row = 128, column = 4.
        assert_eq!(trial.data.density, 874.0 / 3500.0);
    }

    // The same bytes without a header, by a Fortran-order data file.
    fs::write(folder.path().join("some.bin"), &before[128..]).unwrap();
    let raw = "--input some.bin --shape 500x7 --dtype i16 --backends seek --samples 1 --out raw";
    compare(folder.path(), raw).assert().success();
    for wrong in [
        "--input some.bin --out other",
        "--input some.bin --shape 500x8 --dtype i16 --out other",
        "--input some.npy --shape 500x7 --out other",
        "--input some.npy --density 0.5 --out other",
        "--input none.npy --out other",
    ] {
        let refused = compare(folder.path(), wrong).assert().code(2).get_output().clone();
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.starts_with("error: "), "{wrong}: {told}");
    }
    assert!(!folder.path().join("other").exists());
}

/// Every backend, with what fits into a dense file too.
#[test]
fn a_sparse_file_is_worked_on_as_it_is() {
    let folder = folder();
    let text: String = (0..90).map(|k| format!("{} {} {}.5\n", 1 + k * 3, 1 + k % 7, k)).collect();
    let text = format!("%%MatrixMarket matrix coordinate real general\n300 7 90\n{text}");
    fs::write(folder.path().join("some.mtx"), &text).unwrap();
    let workloads = "fill-columns,extract-column,extract-columns,extract-rows,scan,spmv";
    let arguments = "--input some.mtx --samples 1 --regimes warm";
    compare(folder.path(), &format!("{arguments} --workloads {workloads}")).assert().success();
    assert_eq!(fs::read_to_string(folder.path().join("some.mtx")).unwrap(), text);
    assert_eq!(names(folder.path()), ["arraystore-report", "some.mtx"]);
    let trials = trials(folder.path());
    assert_eq!(trials.len(), 4 * 6);
    for trial in &trials {
        let name = format!("{} {}: {:?}", trial.backend, trial.workload, trial.reason);
        assert_eq!((trial.status, trial.samples.len()), (Status::Ok, 1), "{name}");
        let sample = &trial.samples[0];
        assert!(sample.verified, "{name}");
        assert_eq!(sample.digest.is_some(), trial.workload != "spmv", "{name}");
        assert_eq!((trial.data.shape, &*trial.data.dtype), ([300, 7], "f64"));
        assert_eq!(trial.data.density, 90.0 / 2100.0);
    }
}

/// A sparse file of a shape that no disk holds dense: what does not need that is done, and verified to the last entry;
/// the rest is left out, and it is said why.
#[test]
fn a_sparse_file_that_cannot_be_made_dense_is_worked_on_all_the_same() {
    let folder = folder();
    let entries = |k: usize| format!("{} {}\n", 1 + k * 7919 % 300_000, 1 + k * 104_729 % 300_000);
    let text: String = (0..3000).map(entries).collect();
    let header = "%%MatrixMarket matrix coordinate pattern general\n300000 300000 3000\n";
    fs::write(folder.path().join("web.mtx"), format!("{header}{text}")).unwrap();
    let workloads = "fill-columns,extract-column,extract-columns,scan,spmv,shuffle-epoch";
    let arguments = "--input web.mtx --samples 1 --regimes warm";
    let output = compare(folder.path(), &format!("{arguments} --workloads {workloads}"))
        .assert()
        .success()
        .get_output()
        .clone();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("no more than 64.0 GiB of a sparse input is made dense"), "{printed}");
    let trials = trials(folder.path());
    assert_eq!(trials.len(), 4 * 6);
    for trial in &trials {
        let name = format!("{} {}: {:?}", trial.backend, trial.workload, trial.reason);
        let is_dense = matches!(&*trial.backend, "memmap" | "seek");
        if is_dense || matches!(&*trial.workload, "fill-columns" | "shuffle-epoch") {
            assert_eq!((trial.status, trial.samples.len()), (Status::Unsupported, 0), "{name}");
            assert!(trial.reason.as_deref().unwrap().contains("670.6 GiB"), "{name}");
            continue;
        }
        assert_eq!(trial.status, Status::Ok, "{name}");
        assert!(trial.samples[0].verified, "{name}");
        assert_eq!(trial.samples[0].digest.is_some(), trial.workload != "spmv", "{name}");
    }
}

#[test]
fn choices_that_make_no_sense_get_one_line() {
    let folder = folder();
    for (arguments, reason) in [
        ("--backends mmap", "not a backend"),
        ("--workloads sort", "not a workload"),
        ("--regimes limited:1MiB", "1MiB is too small: a trial needs 96MiB"),
        ("--regimes limited:", "without a size"),
        ("--regimes warm,limited:abc", "without a size"),
        ("--regimes hot", "not a regime"),
        ("--density 2", "density 2"),
        ("--shape 0x5", "nothing to measure"),
        ("--peers none.json", "none.json"),
        ("--shape 1e9x1e6", "free"),
        ("--data-dir missing", "missing"),
        ("--sweep rows=0", "rows=0: not a count from 1 on"),
        ("--sweep width=1,2", "'width' cannot be swept"),
        ("--sweep memory=160MiB --regimes cold", "takes the place of --regimes"),
        ("--sweep density=0.1 --density 1", "takes the place of --density"),
    ] {
        let refused = compare(folder.path(), arguments).assert().code(2).get_output().clone();
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.starts_with("error: ") && told.contains(reason), "{arguments}: {told}");
        assert!(told.lines().filter(|line| !line.starts_with("hint: ")).count() == 1, "{told}");
    }
}

#[test]
fn ctrl_c_keeps_what_is_done_and_removes_the_data() {
    let folder = folder();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("arraystore"))
        .current_dir(folder.path())
        .args([
            "compare",
            "--no-probe",
            "--shape",
            "20000x20",
            "--backends",
            "memmap,seek",
            "--samples",
            "50",
        ])
        .args(["--workloads", "extract-column,scan", "--regimes", "warm"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let results = folder.path().join("arraystore-report/results.jsonl");
    let deadline = Instant::now() + Duration::from_secs(120);
    let enough = |text: String| text.lines().count() >= 3;
    while !fs::read_to_string(&results).is_ok_and(enough) {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    let trial_processes = children(child.id());
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("interrupted: ") && told.contains("are kept"), "{told}");
    assert_eq!(names(folder.path()), ["arraystore-report"]);
    assert_eq!(names(&folder.path().join("arraystore-report")), ["report.md", "results.jsonl"]);
    let kept = trials(folder.path());
    assert!((2..8).contains(&kept.len()), "{}", kept.len());
    let samples: Vec<_> = kept.iter().map(|trial| trial.samples.len()).collect();
    assert!(kept.iter().all(|trial| trial.status == Status::Ok) && !samples.contains(&0));
    // Of three passes two trials had done the first.
    assert!(samples.iter().filter(|&&count| count >= 17).count() >= 2, "{samples:?}");
    for process in trial_processes {
        assert!(!Path::new(&format!("/proc/{process}")).exists(), "trial {process} still runs");
    }
}

/// A second one, which does not wait until the first is heard: nothing stays all the same, be it a peer that hears nothing, or what has left
/// its group where a control group finds it.
#[test]
fn a_second_ctrl_c_leaves_nothing_but_records() {
    let folder = folder();
    let is_limited = MemoryGroup::create(96 << 20).is_ok();
    let script = r#"
        trap '' INT TERM HUP
        if [ "$1" = limited ]; then setsid sleep 1000 & echo $! > pids; fi
        sleep 1000 & echo $! >> pids; echo $$ >> pids
        read trial; echo '{"ready":{"version":"deaf"}}'
        read go; : > going
        while :; do sleep 1; done"#;
    let regime = if is_limited { "limited:96MiB" } else { "warm" };
    let manifest = serde_json::json!({
        "name": "deaf", "version": [], "data": "c", "workloads": ["scan"],
        "command": ["sh", "-c", script, "sh", if is_limited { "limited" } else { "" }],
    });
    fs::write(folder.path().join("deaf.json"), manifest.to_string()).unwrap();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("arraystore"))
        .current_dir(folder.path())
        .args(["compare", "--no-probe", "--shape", "20000x20", "--density", "1"])
        .args(["--backends", "seek", "--workloads", "scan", "--regimes", regime])
        .args(["--samples", "1", "--peers", "deaf.json", "--data-dir", "."])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folder.path().join("going").exists() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(names(folder.path()).iter().any(|name| name.starts_with(".arraystore-data-")));
    // Two of a kind would be one where the first is still to be taken.
    let id = child.id();
    Command::new("sh").args(["-c", &format!("kill -INT {id}; kill -TERM {id}")]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(names(folder.path()), ["arraystore-report", "deaf.json", "going", "pids"]);
    assert_eq!(control_groups(id), [""; 0]);
    let pids = fs::read_to_string(folder.path().join("pids")).unwrap();
    assert_eq!(pids.lines().count(), if is_limited { 3 } else { 2 });
    for pid in pids.lines() {
        let stat = Path::new("/proc").join(pid).join("stat");
        let lives = || fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z"));
        let gone = (0..100).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            !lives()
        });
        assert!(gone, "{pid}");
    }
}

/// The processes that `parent` started.
fn children(parent: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    text.unwrap_or_default().split_whitespace().map(|id| id.parse().unwrap()).collect()
}
