//! Runs with trial programs that misbehave: each is recorded for what it did, and nothing hangs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::testing::config;
use super::*;
use crate::array::{DType, Order, Shape};
use crate::record::{Line, Status, Trial};
use crate::store::{Cancel, Layout, OpenOptions};
use crate::workload::Workload;

/// A program that answers every question with zeros: `ZEROS` bytes, in no time.
const ZEROS: &str = r#"
    read line; echo '{"ready":{"version":"1"}}'
    while read line; do
        case "$line" in
        *'"go"'*) echo '{"done":{"seconds":0.000001}}' ;;
        *'"answer"'*)
            path=$(echo "$line" | sed 's/.*"answer":"\([^"]*\)".*/\1/')
            head -c BYTES /dev/zero > "$path"
            head -c 24000 /dev/zero > "$path.values"
            echo '{"answered":true}' ;;
        *) exit ;;
        esac
    done"#;

/// Forgets what it hears.
struct Deaf;

impl Observer for Deaf {
    fn planned(&mut self, _: usize) {}
    fn doing(&mut self, _: &str) {}
    fn passed(&mut self, _: usize) {}
}

/// Counts, and asks for a stop after so many samples.
struct Stopper {
    cancel: Cancel,
    after: usize,
    planned: usize,
    passed: usize,
}

impl Observer for Stopper {
    fn planned(&mut self, samples: usize) {
        self.planned = samples;
    }

    fn doing(&mut self, _: &str) {}

    fn passed(&mut self, samples: usize) {
        self.passed += samples;
        if self.passed >= self.after {
            self.cancel.cancel();
        }
    }
}

fn shell(script: &str) -> Vec<std::ffi::OsString> {
    ["sh", "-c", script].map(Into::into).into()
}

/// One backend at one workload, two samples, of a matrix of this density, by `script`.
fn small(script: &str, workload: Workload, density: f64, folder: &Path) -> Config {
    let mut config = config();
    config.backends = vec![Backend::Memmap];
    config.workloads = vec![workload];
    config.regimes = vec![Regime::Warm];
    config.samples = super::Sampling::Fixed(2);
    config.trial_command = shell(script);
    config.silence = Some(Duration::from_millis(500));
    (config.out, config.data_dir) = (folder.join("out"), folder.to_owned());
    let Data::Generated { densities, .. } = &mut config.data else { unreachable!() };
    *densities = vec![density];
    config
}

fn trials(outcome: &Outcome) -> Vec<&Trial> {
    let trials = outcome.lines.iter().filter_map(|line| match line {
        Line::Trial(trial) => Some(&**trial),
        Line::Run(_) => None,
    });
    trials.collect()
}

/// The one trial's record; all data files must be gone.
fn record(script: &str, workload: Workload, density: f64) -> Trial {
    let folder = tempfile::tempdir().unwrap();
    let config = small(script, workload, density, folder.path());
    let outcome = run(&config, &Cancel::default(), &mut Deaf).unwrap();
    assert_eq!(outcome.ending, Ending::Complete);
    only_results_stay(folder.path(), 2);
    let [trial] = trials(&outcome)[..] else { panic!("{outcome:?}") };
    trial.clone()
}

fn only_results_stay(folder: &Path, lines: usize) {
    let names = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    assert_eq!(names(folder), [folder.join("out")]);
    let results = folder.join("out").join(RESULTS);
    assert_eq!(names(&folder.join("out")), [&*results]);
    assert_eq!(std::fs::read_to_string(results).unwrap().lines().count(), lines);
}

fn zeros(bytes: usize) -> String {
    ZEROS.replace("BYTES", &bytes.to_string())
}

#[test]
fn the_answer_alone_decides() {
    // A matrix without entries: here zeros are right.
    for (workload, bytes) in [(Workload::ExtractColumn, 1200), (Workload::Scan, 160)] {
        let right = record(&zeros(bytes), workload, 0.0);
        assert_eq!((right.status, right.samples.len()), (Status::Ok, 2), "{:?}", right.reason);
        assert!(right.samples.iter().all(|sample| sample.verified));
        assert!(right.samples.iter().all(|sample| sample.resident_before > Some(0.99)));
        assert!(right.summary.is_some());

        let wrong = record(&zeros(bytes), workload, 1.0);
        assert_eq!((wrong.status, wrong.samples.len()), (Status::Failed, 1));
        assert!(!wrong.samples[0].verified);
        assert!(wrong.reason.is_some());

        let short = record(&zeros(bytes - 4), workload, 0.0);
        assert_eq!((short.status, short.samples.len()), (Status::Failed, 0), "{:?}", short.reason);
    }
}

/// A peer with data of its own, a folder: made of the file that it is given, filled with zeros, always answered with zeros.
const OWN: &str = r#"
    read line
    field() { echo "$line" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
    path=$(field path); source=$(field make_from); workload=$(field workload)
    echo "$workload ${source##*/}" >> "${path%/*}/../asked"
    if [ -n "$source" ]; then mkdir "$path" && cp "$source" "$path/values"; fi
    echo '{"ready":{"version":"1"}}'
    while read line; do
        case "$line" in
        *'"go"'*)
            if [ $workload = fill-columns ]; then
                mkdir "$path" && head -c 24000 /dev/zero > "$path/values" && sync "$path/values"
            fi
            test -f "$path/values" && echo '{"done":{"seconds":0.000001}}' ;;
        *'"answer"'*)
            answer=$(field answer)
            bytes=1200; if [ $workload = scan ]; then bytes=160; fi
            head -c $bytes /dev/zero > "$answer"
            head -c 24000 /dev/zero > "$answer.values"
            echo '{"answered":true}' ;;
        *) exit ;;
        esac
    done"#;

/// Runs [`OWN`] at `workloads` on a matrix of this density: its trials, and what it was asked for.
fn own(workloads: &[Workload], density: f64, does: Option<Vec<Workload>>) -> (Vec<Trial>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small("", workloads[0], density, folder.path());
    config.workloads = workloads.to_vec();
    config.backends.clear();
    config.silence = Some(Duration::from_secs(5));
    config.peers = vec![Peer {
        name: "own".to_owned(),
        version: Vec::new(),
        command: shell(OWN),
        tuning: String::new(),
        layout: None,
        workloads: does,
        folder: folder.path().to_owned(),
    }];
    let outcome = run(&config, &Cancel::default(), &mut Deaf).unwrap();
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap_or_default();
    (trials(&outcome).into_iter().cloned().collect(), asked)
}

#[test]
fn a_peer_makes_data_of_its_own_once_and_keeps_what_it_filled() {
    let (scan, column, fill) = (Workload::Scan, Workload::ExtractColumn, Workload::FillColumns);
    let (trials, asked) = own(&[scan, column], 0.0, None);
    for trial in &trials {
        assert_eq!((trial.status, trial.samples.len()), (Status::Ok, 2), "{:?}", trial.reason);
        assert_eq!(
            (trial.data.layout.as_deref(), trial.data.order.as_deref()),
            (Some("own"), None)
        );
        assert_eq!(trial.data.bytes_on_disk, Some(24_128));
        assert!(trial.samples.iter().all(|sample| sample.resident_before > Some(0.99)));
    }
    let made = asked.lines().filter(|line| line.ends_with("data-c.npy")).count();
    // Made once, read by a process of its own in each of two passes.
    assert_eq!((made, asked.lines().count()), (1, 1 + 2 * 2), "{asked}");

    let (trials, asked) = own(&[fill, scan], 0.0, None);
    assert!(trials.iter().all(|trial| trial.status == Status::Ok), "{trials:?}");
    let filled = &trials[0];
    assert_eq!(filled.workload, "fill-columns");
    let through = filled.samples[0].verified_through.as_deref();
    assert_eq!(through, Some("own in another process"));
    // Filled in one process, read back in another, read in a third, in each pass: what was filled is what is read.
    assert_eq!(asked, "fill-columns \nscan \nscan \n".repeat(2));
    assert_eq!(trials[1].data.bytes_on_disk, Some(24_000));
}

#[test]
fn a_fill_of_a_peers_own_is_read_back_or_is_none() {
    let (scan, fill) = (Workload::Scan, Workload::FillColumns);
    let (trials, _) = own(&[fill, scan], 1.0, None);
    let told = |trial: &Trial| trial.reason.clone().unwrap_or_default();
    assert!(trials.iter().all(|trial| trial.status == Status::Failed), "{trials:?}");
    assert!(trials.iter().all(|trial| !trial.samples[0].verified), "{trials:?}");
    assert!(told(&trials[0]).contains("digest"), "{trials:?}");
    let (trials, asked) = own(&[fill], 0.0, Some(vec![fill]));
    assert_eq!((trials[0].status, &*asked), (Status::Unsupported, ""));
    assert!(told(&trials[0]).contains("could not be checked"), "{trials:?}");
}

/// Who is asked for what with which input, and which files there are meanwhile, where the input is a sparse file.
#[test]
fn a_sparse_input_is_copied_as_who_fills_can_read_it_and_only_for_those() {
    let ours = r#"printf ours; "#;
    let theirs = r#"printf theirs; "#;
    let script = |who: &str| {
        shell(
            &r#"read line; folder=$(echo "$line" | sed 's/.*"path":"\([^"]*\)\/[^/]*".*/\1/')
            { WHO echo "$line" | sed 's/.*"workload":"\([^"]*\)".*"input":\([^,]*\),.*/ \1 \2/;s/"[^"]*\//"/'
              ls "$folder" | grep input; } >> "$folder/../asked"
            echo '{"unsupported":"not today"}'"#
                .replace("WHO ", who),
        )
    };
    let asked = |workloads: &[Workload], peers: bool| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mtx");
        let text = "%%MatrixMarket matrix coordinate integer general\n40 3 2\n1 1 5\n40 3 7\n";
        std::fs::write(&path, text).unwrap();
        let mut config = small("", Workload::Scan, 1.0, folder.path());
        config.data = Data::Input { path, options: Box::new(OpenOptions::default()) };
        config.workloads = workloads.to_vec();
        config.backends = vec![Backend::SparseCsr];
        config.trial_command = script(ours);
        if peers {
            config.peers = vec![Peer {
                name: "theirs".to_owned(),
                version: Vec::new(),
                command: script(theirs),
                tuning: String::new(),
                layout: Some(Layout::Dense(Order::C)),
                workloads: None,
                folder: folder.path().to_owned(),
            }];
        }
        run(&config, &Cancel::default(), &mut Deaf).unwrap();
        std::fs::read_to_string(folder.path().join("asked")).unwrap()
    };
    let (fill, scan) = (Workload::FillColumns, Workload::Scan);
    assert_eq!(asked(&[scan], true), "ours scan null\ntheirs scan null\n");
    assert_eq!(asked(&[fill], false), "ours fill-columns \"input.npz\"\ninput.npz\n");
    assert_eq!(
        asked(&[fill], true),
        "ours fill-columns \"input.npz\"\ninput.npy\ninput.npz\n\
         theirs fill-columns \"input.npy\"\ninput.npy\ninput.npz\n"
    );
}

#[test]
fn an_epoch_of_more_rows_than_can_be_listed_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small("exit 1", Workload::ShuffleEpoch, 1.0, folder.path());
    let Data::Generated { shape, dtype, .. } = &mut config.data else { unreachable!() };
    (*shape, *dtype) = (Shape::new(2_000_001, 1), DType::U8);
    let outcome = run(&config, &Cancel::default(), &mut Deaf).unwrap();
    let [trial] = trials(&outcome)[..] else { panic!("{outcome:?}") };
    assert_eq!(trial.status, Status::Unsupported);
    assert!(trial.reason.as_ref().unwrap().contains("2000000 rows"), "{:?}", trial.reason);
}

#[test]
fn programs_that_misbehave_are_recorded_and_never_waited_for() {
    let ready = r#"read line; echo '{"ready":{"version":"1"}}'; "#;
    let done = r#"read line; echo '{"done":{"seconds":SECONDS}}'; "#;
    let cases = [
        ("exec sleep 1000".to_owned(), "silent for 500ms"),
        (format!("{ready} exec sleep 1000"), "silent for 500ms"),
        (format!("{ready} read line; echo no luck >&2; exit 7"), "exit status: 7): no luck"),
        (format!("{ready} {} exec sleep 1000", done.replace("SECONDS", "0")), "silent"),
        (format!("{ready} {} read line", done.replace("SECONDS", "99")), "says that it took 99 s"),
        (format!("{ready} read line; echo hello; read line"), "'hello'"),
        (
            format!("{ready} echo '{{\"answered\":true}}'; read line; read line"),
            "before it was asked",
        ),
        (format!("{ready} read line; echo '{{\"answered\":true}}'; read line"), "out of turn"),
        (
            format!(
                "{ready} {} read line; echo '{{\"answered\":true}}'; read line",
                done.replace("SECONDS", "0")
            ),
            "cannot",
        ),
    ];
    for (script, reason) in cases {
        let from = Instant::now();
        let trial = record(&script, Workload::ExtractRows, 1.0);
        assert_eq!((trial.status, trial.samples.len()), (Status::Failed, 0), "{script}");
        let told = trial.reason.unwrap();
        // Early talk may also be taken for the answer to the next question.
        let hasty = reason == "before it was asked" && told.contains("out of turn");
        assert!(told.contains(reason) || hasty, "{script}: {told}");
        assert!(!told.contains(".arraystore-data"), "{told}");
        assert!(from.elapsed() < Duration::from_secs(20), "{script}");
    }
}

#[test]
fn fills_that_leave_nothing_or_something_else_fail() {
    let nothing = record(&zeros(1200), Workload::FillColumns, 0.0);
    assert_eq!(nothing.status, Status::Failed);
    assert!(nothing.reason.unwrap().contains("has made no file: fill-0.npy: "));
    let script = zeros(1200).replace(
        "read line; echo",
        r#"read line; file=$(echo "$line" | sed 's/.*"path":"\([^"]*\)".*/\1/'); echo"#,
    );
    let garbage = script.replace("*'\"go\"'*)", "*'\"go\"'*) echo garbage > \"$file\";");
    let garbage = record(&garbage, Workload::FillColumns, 0.0);
    assert_eq!((garbage.status, garbage.samples.len()), (Status::Failed, 1));
    assert!(!garbage.samples[0].verified);
}

#[test]
fn peers_that_cannot_take_part_are_unavailable_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small(&zeros(1200), Workload::ExtractColumn, 0.0, folder.path());
    let peer = |name: &str, command: Vec<std::ffi::OsString>| Peer {
        name: name.to_owned(),
        version: Vec::new(),
        command,
        tuning: String::new(),
        layout: Some(Layout::Dense(Order::Fortran)),
        workloads: None,
        folder: folder.path().to_owned(),
    };
    config.peers = vec![
        peer("absent", vec!["/nonexistent/peer".into()]),
        peer("broken", shell("echo 'no module named numpy' >&2; exit 1")),
        peer("modest", shell(r#"read line; echo '{"unsupported":"not today"}'; read line"#)),
        Peer { workloads: Some(vec![Workload::Scan]), ..peer("other", shell("exit 1")) },
        peer("good", shell(&zeros(1200))),
    ];
    config.peers[4].layout = Some(Layout::Dense(Order::C));
    let outcome = run(&config, &Cancel::default(), &mut Deaf).unwrap();
    let found = |name: &str| {
        let trials = trials(&outcome);
        let trial = *trials.iter().find(|trial| trial.backend == name).unwrap();
        (trial.status, trial.reason.clone().unwrap_or_default())
    };
    assert_eq!(found("memmap").0, Status::Ok);
    assert_eq!(found("good").0, Status::Ok);
    assert_eq!(found("absent").0, Status::Unavailable);
    assert_eq!(found("broken").0, Status::Unavailable);
    assert!(found("broken").1.contains("no module named numpy"));
    assert_eq!(found("modest"), (Status::Unsupported, "not today".to_owned()));
    assert_eq!(found("other").0, Status::Unsupported);
}

/// Where no control group may be made, it is said what would permit it.
#[test]
fn a_program_that_exceeds_its_memory_limit_is_recorded_for_that() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"read line; s=0123456789abcdef; while :; do s=$s$s; done"#;
    let mut config = small(script, Workload::FillColumns, 0.0, folder.path());
    config.regimes = vec![Regime::Limited { bytes: Regime::LEAST_LIMIT_BYTES }];
    config.silence = Some(Duration::from_secs(60));
    let outcome = run(&config, &Cancel::default(), &mut Deaf).unwrap();
    let Line::Run(header) = &outcome.lines[0] else { panic!("{outcome:?}") };
    let [trial] = trials(&outcome)[..] else { panic!("{outcome:?}") };
    assert_eq!((&*trial.regime, trial.samples.len()), ("limited:96MiB", 0));
    let reason = trial.reason.as_deref().unwrap();
    match (&header.environment.cgroup, trial.status) {
        (Some(_), Status::Failed) => {
            assert!(reason.contains("for want of memory within the limit"), "{reason}");
        }
        (None, Status::Unavailable) => {
            assert!(reason.contains("control group") && reason.contains("run it"), "{reason}");
        }
        (group, status) => panic!("{group:?} {status:?} {reason}"),
    }
    only_results_stay(folder.path(), 2);
}

#[test]
fn a_stop_keeps_what_is_done_and_removes_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small(&zeros(1200), Workload::ExtractColumn, 0.0, folder.path());
    config.regimes = Regime::USUAL.to_vec();
    let cancel = Cancel::default();
    let mut stopper = Stopper { cancel: cancel.clone(), after: 3, planned: 0, passed: 0 };
    let outcome = run(&config, &cancel, &mut stopper).unwrap();
    assert_eq!((stopper.planned, stopper.passed), (4, 3));
    assert_eq!(outcome.ending, Ending::Interrupted);
    // The second pass over both had begun.
    let samples: Vec<_> = trials(&outcome).iter().map(|trial| trial.samples.len()).collect();
    assert_eq!(samples, [2, 1]);
    let passes = |trial: &Trial| trial.samples.iter().map(|sample| sample.pass).collect::<Vec<_>>();
    assert_eq!(passes(trials(&outcome)[0]), [Some(1), Some(2)]);
    only_results_stay(folder.path(), 3);
}

#[test]
fn what_is_there_already_is_refused_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let config = small("exit 1", Workload::Scan, 1.0, folder.path());
    std::fs::create_dir(folder.path().join("out")).unwrap();
    std::fs::write(folder.path().join("out").join(RESULTS), "old").unwrap();
    let error = run(&config, &Cancel::default(), &mut Deaf).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::AlreadyExists);
    only_results_stay(folder.path(), 1);
}

#[test]
fn a_data_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small("exit 1", Workload::Scan, 1.0, folder.path());
    config.data_dir = folder.path().join("missing");
    let error = run(&config, &Cancel::default(), &mut Deaf).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::NotFound);
    assert!(error.to_string().contains("missing"), "{error}");
}
