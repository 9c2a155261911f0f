//! The system around the program: locks, permissions, full disks, broken pipes, Ctrl-C.
#![cfg(unix)]

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use arraystore::store::{AnyStore, OpenOptions};

use super::{PROGRAM, Place, Ran};

#[test]
fn a_writer_excludes_and_readers_share() {
    let place = Place::new();
    place.twelve("a.npy");
    place.twelve("v.npy");
    let writer = AnyStore::open(place.path("a.npy"), &OpenOptions::read_write()).unwrap();
    for arguments in [
        "info a.npy",
        "extract a.npy",
        "digest a.npy",
        "verify v.npy a.npy",
        "convert a.npy b.npy",
        "assign a.npy --from v.npy",
        "assign v.npy --from a.npy",
        "append a.npy --from v.npy",
        "append v.npy --from a.npy",
    ] {
        place.refuses(arguments, &["a.npy: locked", &std::process::id().to_string()]);
    }
    drop(writer);
    let reader = eventually(|| AnyStore::open(place.path("a.npy"), &OpenOptions::default()).ok());
    place.does("extract a.npy");
    place.refuses("assign a.npy --from v.npy", &["a.npy: locked"]);
    drop(reader);
    eventually(|| (place.run("assign a.npy --from v.npy").code == Some(0)).then_some(()));
    assert_eq!(place.names(), ["a.npy", "v.npy"]);
}

/// What `attempt` gives once a lock of this process is gone: a process that another test is about to start holds
/// it too, as long as it is not the program yet.
fn eventually<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(done) = attempt() {
            return done;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "still locked");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The program run by somebody who is not root; none where it cannot be started so.
fn as_nobody(place: &Place, arguments: &str) -> Option<Ran> {
    let folder = place.0.path();
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    let mut command = place.command(arguments);
    if fs::metadata(folder).unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    match command.output() {
        Ok(_) => Some(Ran::of(&mut command)),
        // The program may have been built in a folder that is closed to others.
        Err(error) => {
            eprintln!("left out: the program cannot be started as another user: {error}");
            None
        }
    }
}

#[test]
fn a_memory_limit_that_may_not_be_set_is_recorded_with_what_would_permit_it() {
    let place = Place::new();
    let is_root = fs::metadata(place.0.path()).unwrap().uid() == 0;
    fs::create_dir(place.path("out")).unwrap();
    fs::set_permissions(place.path("out"), Permissions::from_mode(0o777)).unwrap();
    let arguments = "compare --no-probe --shape 300x20 --density 1 --backends seek --workloads scan \
                     --regimes limited:96MiB --samples 1 --out out --force --json";
    let Some(ran) = as_nobody(&place, arguments) else { return };
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let records: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let trial = &records[1];
    if is_root || trial["status"] != "ok" {
        assert_eq!(trial["status"], "unavailable", "{trial}");
        let reason = trial["reason"].as_str().unwrap();
        assert!(reason.contains("control group") && reason.contains("run it"), "{reason}");
        assert_eq!(records[0]["environment"].get("cgroup"), None);
    }
}

#[test]
fn what_may_not_be_read_or_written_is_refused() {
    let place = Place::new();
    place.twelve("a.npy");
    place.twelve("v.npy");
    let before = fs::read(place.path("a.npy")).unwrap();
    let mode = |name: &str, mode| {
        fs::set_permissions(place.path(name), Permissions::from_mode(mode)).unwrap();
    };
    mode("v.npy", 0o444);
    mode("a.npy", 0o444);
    let refuses = |arguments: &str, words: &[&str]| {
        let Some(ran) = as_nobody(&place, arguments) else { return };
        ran.must_be_refusal(arguments, words);
    };
    refuses("assign a.npy --from v.npy", &["a.npy: cannot open: Permission denied"]);
    mode("a.npy", 0o000);
    for arguments in ["info a.npy", "digest a.npy", "extract a.npy", "convert a.npy b.npy"] {
        refuses(arguments, &["a.npy: cannot open: Permission denied"]);
    }
    mode("a.npy", 0o444);
    fs::create_dir(place.path("closed")).unwrap();
    mode("closed", 0o555);
    refuses("create closed/b.npy --shape 3x3", &["closed/b.npy", "Permission denied"]);
    refuses("convert a.npy closed/b.npy", &["closed/b.npy", "Permission denied"]);
    refuses("extract a.npy --out closed/b.csv", &["closed/b.csv", "Permission denied"]);
    refuses("extract a.npy --out closed/b.npy", &["closed/b.npy", "Permission denied"]);
    assert_eq!(fs::read(place.path("a.npy")).unwrap(), before);
    assert_eq!(fs::read_dir(place.path("closed")).unwrap().count(), 0);
}

#[test]
fn what_is_no_file_is_refused_and_never_waited_for() {
    let place = Place::new();
    place.twelve("a.npy");
    // To open a pipe that nobody writes to would be to wait for ever.
    assert!(Command::new("mkfifo").arg(place.path("pipe.npy")).status().unwrap().success());
    symlink("loop.npy", place.path("loop.npy")).unwrap();
    symlink("none", place.path("dangling.npy")).unwrap();
    let before = place.names();
    for command in ["info FILE", "digest FILE", "extract FILE", "assign FILE --from a.npy"] {
        let with = |file: &str| command.replace("FILE", file);
        place.refuses(&with("pipe.npy"), &["pipe.npy: is not a regular file"]);
        place.refuses(&with("loop.npy"), &["loop.npy: cannot open: Too many levels"]);
        place.refuses(&with("dangling.npy"), &["dangling.npy: cannot open: No such file"]);
    }
    place.refuses("create dangling.npy --shape 2x2", &["dangling.npy: exists already"]);
    place.refuses("create pipe.npy --shape 2x2", &["pipe.npy"]);
    assert_eq!(place.names(), before);
}

/// The program where no file may grow past 64 KiB, as where the disk is full.
fn on_a_full_disk(place: &Place, arguments: &str) -> Ran {
    // Ignored, the signal becomes an error of the call, as on a full disk.
    let script = format!("trap '' XFSZ; ulimit -f 64; exec '{PROGRAM}' {arguments}");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(place.0.path()).stdin(Stdio::null());
    Ran::of(&mut command)
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let place = Place::new();
    place.does("create a.npy --shape 1000x100 --fill uniform");
    fs::write(place.path("old.npy"), "precious").unwrap();
    fs::write(place.path("old.csv"), "precious").unwrap();
    for (arguments, file) in [
        ("create b.npy --shape 1000x100", "b.npy"),
        ("create b.npy --shape 1000x100 --io mapped", "b.npy"),
        ("create old.npy --shape 1000x100 --force", "old.npy"),
        ("convert a.npy b.npy --order f", "b.npy"),
        ("convert a.npy raw", "raw"),
        ("extract a.npy --out b.npy", "b.npy"),
        ("extract a.npy --out b.csv", "b.csv"),
        ("extract a.npy --out old.csv --force", "old.csv"),
    ] {
        on_a_full_disk(&place, arguments).must_be_refusal(arguments, &[file, "too large"]);
    }
    assert_eq!(place.names(), ["a.npy", "old.csv", "old.npy"]);
    assert_eq!(fs::read(place.path("old.npy")).unwrap(), b"precious");
    assert_eq!(fs::read(place.path("old.csv")).unwrap(), b"precious");
    // A file that cannot grow is as it was.
    place.does("create small.npy --shape 100x100 --fill uniform");
    let small = fs::read(place.path("small.npy")).unwrap();
    for arguments in
        ["append small.npy --from a.npy", "append small.npy --from a.npy --io positioned"]
    {
        on_a_full_disk(&place, arguments).must_be_refusal(arguments, &["small.npy", "too large"]);
        assert!(fs::read(place.path("small.npy")).unwrap() == small);
    }
    // What fits is written all the same.
    assert_eq!(on_a_full_disk(&place, "create b.npy --shape 100x100").code, Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_an_error() {
    let place = Place::new();
    place.twelve("a.npy");
    for arguments in ["extract a.npy", "info a.npy", "digest a.npy", "extract a.npy --format npy"] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = place.command(arguments);
        let output = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let ran = Ran { code: output.status.code(), stdout: String::new(), stderr };
        ran.must_be_refusal(arguments, &["standard output", "No space left"]);
    }
}

#[test]
fn a_broken_pipe_ends_quietly() {
    let place = Place::new();
    place.does("create a.npy --shape 100000x5");
    for arguments in ["extract a.npy", "extract a.npy --format csv", "extract a.npy --format npy"] {
        let mut command = place.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = Vec::new();
        BufReader::new(child.stdout.take().unwrap()).read_until(b'\n', &mut first).unwrap();
        // The reader is gone now, most of the output is yet to come.
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments}: {output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{arguments}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_leaves_nothing_half_made() {
    let place = Place::new();
    fs::write(place.path("old.npy"), "precious").unwrap();
    let arguments = "create old.npy --shape 500000x100 --fill uniform --force";
    let mut child = place.command(arguments).stderr(Stdio::piped()).spawn().unwrap();
    // Once the nameless file is open, all of the work is still ahead.
    let descriptors = format!("/proc/{}/fd", child.id());
    let folder = place.0.path().display().to_string();
    let is_at_work = || {
        fs::read_dir(&descriptors).is_ok_and(|entries| {
            entries.flatten().any(|entry| {
                fs::read_link(entry.path())
                    .is_ok_and(|target| target.display().to_string().starts_with(&folder))
            })
        })
    };
    let began = Instant::now();
    while !is_at_work() {
        assert!(began.elapsed() < Duration::from_secs(30), "no file is opened");
        assert!(child.try_wait().unwrap().is_none(), "it ended before it began");
        std::thread::sleep(Duration::from_millis(1));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let ran = Ran { code: output.status.code(), stdout: String::new(), stderr };
    ran.must_be_refusal(arguments, &["cancelled"]);
    assert_eq!(place.names(), ["old.npy"]);
    assert_eq!(fs::read(place.path("old.npy")).unwrap(), b"precious");
}

/// The budget is kept to where lists, not values, are what grows, and where much more goes by than it holds.
#[test]
#[cfg(target_os = "linux")]
fn own_memory_stays_within_the_budget() {
    const BUDGET_MIB: u64 = 4;
    let place = Place::new();
    place.does("create tall.npz --shape 40000x60 --fill uniform");
    place.does("create fortran.npy --shape 40000x1 --order f");
    place.does("create wide-twin.npy --shape 10x200000 --fill uniform --seed 1");
    for arguments in [
        "create wide.npy --shape 10x200000 --fill uniform",
        "create wide.npz --shape 10x200000 --fill uniform",
        "convert tall.npz turned.npz --layout csc",
        "convert turned.npz again.npz --layout csr",
        "append wide.npy --from wide-twin.npy",
        "append fortran.npy --from tall.npz",
    ] {
        let peak = peak_anonymous_bytes(
            &mut place.command(&format!("{arguments} --memory {BUDGET_MIB}MiB")),
        );
        assert!(peak > 0, "{arguments} was not seen at work");
        assert!(peak <= (BUDGET_MIB + 16) << 20, "{arguments}: {peak} bytes");
    }
    place.does("extract wide.npy --rows :10 --out first.npy");
    place.does("verify first.npy wide.npz");
    place.does("extract wide.npy --rows 10: --out rest.npy");
    place.does("verify rest.npy wide-twin.npy");
    place.does("extract fortran.npy --columns 1: --out tall.npy");
    place.does("verify tall.npy tall.npz");
    assert_eq!(
        fs::read(place.path("tall.npz")).unwrap(),
        fs::read(place.path("again.npz")).unwrap()
    );
}

/// Lines far longer than the budget, of items far smaller than what is known of each: whatever is kept beside values
/// shows.
#[test]
#[cfg(target_os = "linux")]
fn own_memory_stays_within_the_budget_at_extreme_shapes() {
    const BUDGET_MIB: u64 = 12;
    let place = Place::new();
    place.does("create row.npy --shape 1x8000000 --dtype u8 --fill uniform");
    place.does("create column.npy --shape 8000000x1 --dtype u8 --fill uniform");
    place.does("create tall.npy --shape 1000000x8 --dtype u8 --order f --fill uniform");
    place.does("create flat.npy --shape 8x1000000 --dtype u8 --fill uniform");
    place.does("create broad.npy --shape 2x500000 --dtype complex128 --fill uniform");
    let cases = [
        "extract FILE --out extracted.npy --force",
        "extract FILE --columns ::2 --out extracted.npy --force",
        "extract FILE --rows ::2 --out extracted.npy --force",
        "extract FILE --rows -1 --out extracted.npy --force",
        "convert FILE converted.npy --order c --force",
        "convert FILE converted.npy --order f --force",
        "convert FILE converted.npy --dtype f32 --force",
        "convert FILE converted.npy --dtype f64 --order f --force",
        "convert FILE converted.npy --dtype u16 --order c --force",
        "digest FILE",
    ];
    for file in ["row.npy", "column.npy", "tall.npy", "flat.npy", "broad.npy"] {
        for case in cases {
            for backend in ["memmap", "seek"] {
                let arguments = case.replace("FILE", file);
                let arguments =
                    format!("{arguments} --backend {backend} --memory {BUDGET_MIB}MiB -q");
                let peak = peak_anonymous_bytes(&mut place.command(&arguments));
                assert!(peak <= (BUDGET_MIB + 16) << 20, "{arguments}: {peak} bytes");
            }
        }
        let peak = peak_anonymous_bytes(
            &mut place.command(&format!("verify {file} {file} --memory {BUDGET_MIB}MiB")),
        );
        assert!(peak <= (BUDGET_MIB + 16) << 20, "verify {file}: {peak} bytes");
    }
}

/// Runs a command, which must do what it is asked, and watches its anonymous memory.
#[cfg(target_os = "linux")]
fn peak_anonymous_bytes(command: &mut Command) -> u64 {
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let code = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) << 10);
        if let Some(code) = child.try_wait().unwrap() {
            break code;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(code.success(), "{command:?}");
    peak
}
