//! A trial program as a process: started, spoken to in JSON lines, killed when it is silent too long.
//!
//! Owns the child and what it says on its way out. Knows the order of question and answer, but not
//! what the answers mean.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::protocol::{self, Reply, Request};
use crate::error::{Error, ErrorKind, Result};
use crate::store::Cancel;
use crate::sys::{MemoryGroup, family};

/// What of the standard error stream is kept: its end.
const KEPT_STDERR_BYTES: usize = 4096;

/// How often a wish to stop is looked for while waiting.
const HEARING: Duration = Duration::from_millis(50);

/// Lines of a program that wait to be heard.
const WAITING_LINES: usize = 4;

/// How long a program that was told to end may take to do so.
const FAREWELL: Duration = Duration::from_secs(5);

/// A shell that becomes the program once it has read a line: until then nothing of the program has run.
const GATE: [&str; 4] = ["/bin/sh", "-c", r#"read -r go && exec "$@""#, "sh"];

/// A running trial program. Killed when dropped.
#[derive(Debug)]
pub(super) struct TrialProcess {
    child: Child,
    /// How it ended, once it has been waited for.
    status: Option<ExitStatus>,
    /// What is written to its standard input, by a thread: it may not listen.
    stdin: Option<Sender<Vec<u8>>>,
    lines: Receiver<Said>,
    stderr: Arc<Mutex<Vec<u8>>>,
    cancel: Cancel,
    /// What bounds its memory. The process has ended by when this is dropped.
    group: Option<MemoryGroup>,
}

/// What came from the program's standard output.
#[derive(Debug)]
enum Said {
    Line(String),
    /// The stream cannot be read further, for this reason.
    Broken(String),
}

impl TrialProcess {
    /// Starts `command`, a program and its arguments, in `folder`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub(super) fn start(command: &[OsString], folder: &Path, cancel: Cancel) -> Result<Self> {
        let [program, arguments @ ..] = command else {
            let reason = "the command of a trial is empty";
            return Err(Error::new(ErrorKind::InvalidArgument, "start", reason));
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for the harness: it ends its trials in order.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(|error| Error::io("start", error).at(program))?;
        // One line is an answer; who says more is not listened to for ever.
        let (sender, lines) = mpsc::sync_channel(WAITING_LINES);
        let stderr = Arc::default();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || pass_lines(&mut BufReader::new(stdout), &sender));
        }
        if let Some(stream) = child.stderr.take() {
            let kept = Arc::clone(&stderr);
            thread::spawn(move || keep_end(stream, &kept));
        }
        let stdin = child.stdin.take().map(|mut stdin| {
            let (sender, messages) = mpsc::channel::<Vec<u8>>();
            // Ends with the sender, or with the program.
            thread::spawn(move || messages.iter().try_for_each(|it| stdin.write_all(&it)));
            sender
        });
        Ok(Self { stdin, child, status: None, lines, stderr, cancel, group: None })
    }

    /// Starts `command` as [`TrialProcess::start`] does, but held: it runs once [`TrialProcess::enter`] lets it.
    ///
    /// # Errors
    /// Where not even the shell that holds it can be started; whether the program can shows in its first reply.
    pub(super) fn start_held(command: &[OsString], folder: &Path, cancel: Cancel) -> Result<Self> {
        let gate = GATE.into_iter().map(OsString::from);
        let gated: Vec<_> = gate.chain(command.iter().cloned()).collect();
        Self::start(&gated, folder, cancel)
    }

    /// Puts a process that is held into `group` and lets it run: nothing that the program takes is charged elsewhere.
    ///
    /// # Errors
    /// Where it may not be put there.
    pub(super) fn enter(&mut self, group: MemoryGroup) -> Result<()> {
        group.add(self.id())?;
        self.group = Some(group);
        match self.say(b"\n".to_vec()) {
            true => Ok(()),
            false => Err(self.ended()),
        }
    }

    /// Writes `message` to it, as soon as it listens; false where it has ended.
    fn say(&self, message: Vec<u8>) -> bool {
        self.stdin.as_ref().is_some_and(|stdin| stdin.send(message).is_ok())
    }

    /// Whether it has ended by itself, and not been killed: a program that is not installed, or lacks what it needs,
    /// says so and ends.
    pub(super) fn has_left(&self) -> bool {
        self.status.is_some_and(|status| status.code().is_some())
    }

    /// How often the limit of its group was reached; none without one, or where that is not known.
    pub(super) fn limit_hits(&self) -> Option<u64> {
        self.group.as_ref()?.limit_hits()
    }

    /// How many pages of files came back that its limit had taken back; none where it has none.
    pub(super) fn refaults(&self) -> Option<u64> {
        self.group.as_ref()?.refaults()
    }

    /// Whether its group, where it is to be in one, still bounds it.
    pub(super) fn is_bounded(&self) -> bool {
        let Some(group) = &self.group else { return true };
        // One that ended meanwhile is in no group.
        self.members().all(|pid| group.bounds(pid) || family::lives(pid) == Some(false))
    }

    /// Whether it, or what it started, has the file at `path`, or one in the folder there, open or mapped.
    pub(super) fn holds(&self, path: &Path) -> bool {
        self.members().any(|pid| family::holds(pid, path))
    }

    /// The ids of the process and of those that it started.
    fn members(&self) -> impl Iterator<Item = u32> {
        std::iter::once(self.id()).chain(family::descendants(self.id()))
    }

    /// The process's id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends `request` and waits for the reply, for at most `silence`.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] where a stop was asked for; else where the program is silent too long,
    /// ends, spoke before it was asked, or says something else than the protocol allows. After an
    /// error the program is to be given up.
    pub(super) fn ask(&mut self, request: &Request, silence: Duration) -> Result<Reply> {
        match self.lines.try_recv() {
            Ok(Said::Line(line)) => {
                let beginning: String = line.chars().take(80).collect();
                return Err(failed(format!("spoke before it was asked: '{beginning}'")));
            }
            Ok(Said::Broken(reason)) => return Err(failed(reason)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
        // A program that ended says why on its other streams: that is the better reason.
        if !self.say(protocol::message(request)?) {
            return Err(self.ended());
        }
        match protocol::parse(&self.hear(silence)?)? {
            Reply::Failed(reason) => Err(failed(reason)),
            reply => Ok(reply),
        }
    }

    /// Waits for a line.
    fn hear(&mut self, silence: Duration) -> Result<String> {
        let from = Instant::now();
        loop {
            if self.cancel.is_cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "wait", "interrupted"));
            }
            let left = silence.saturating_sub(from.elapsed());
            match self.lines.recv_timeout(left.min(HEARING)) {
                Ok(Said::Line(line)) => return Ok(line),
                Ok(Said::Broken(reason)) => return Err(failed(reason)),
                Err(RecvTimeoutError::Disconnected) => return Err(self.ended()),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    let silence = humantime::format_duration(silence);
                    return Err(failed(format!("silent for {silence}, and so ended")));
                }
                Err(RecvTimeoutError::Timeout) => {
                    // Children that it left behind may hold its streams open.
                    if self.has_ended() {
                        return match self.lines.recv_timeout(HEARING) {
                            Ok(Said::Line(line)) => Ok(line),
                            _ => Err(self.ended()),
                        };
                    }
                }
            }
        }
    }

    /// Tells the program that there are no more samples and waits for its end.
    pub(super) fn end(mut self) {
        // Where it is gone already, nothing is left to be said to it. The closed standard input ends it too; `drop` ends whom
        // even that does not.
        if let Ok(message) = protocol::message(&Request::End { end: true }) {
            self.say(message);
        }
        drop(self.stdin.take());
        self.wait(FAREWELL);
    }

    /// Waits until the program has ended, for at most `patience`.
    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let from = Instant::now();
        loop {
            if self.has_ended() || from.elapsed() >= patience {
                return self.status;
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether the program has ended, with all that it started.
    fn has_ended(&mut self) -> bool {
        self.status = self.status.or_else(|| family::ended(&mut self.child));
        self.status.is_some()
    }

    /// The error for a program that ended: how, and the last line that it wrote.
    fn ended(&mut self) -> Error {
        let status = self.wait(FAREWELL);
        // Its last words may still be on their way through the pipe.
        thread::sleep(Duration::from_millis(20));
        let kept = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&kept);
        let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let mut how =
            status.map_or_else(|| "closed its output".to_owned(), |status| status.to_string());
        if self.group.as_ref().and_then(MemoryGroup::kills).is_some_and(|kills| kills > 0) {
            how.push_str(", for want of memory within the limit");
        }
        failed(match last {
            Some(last) => format!("ended early ({how}): {last}"),
            None => format!("ended early ({how})"),
        })
    }
}

impl Drop for TrialProcess {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // What it started goes too: it would work on beside other trials, and keep a control group busy.
        if self.status.is_none() {
            family::end(&mut self.child);
        }
    }
}

fn failed(reason: String) -> Error {
    Error::new(ErrorKind::Io, "run", reason)
}

/// Passes lines on until the stream ends or nobody listens.
fn pass_lines(stream: &mut dyn BufRead, to: &SyncSender<Said>) {
    loop {
        let said = match protocol::read_line(stream) {
            Ok(Some(line)) => Said::Line(line),
            Ok(None) => return,
            Err(error) => Said::Broken(format!("cannot be understood: {error}")),
        };
        let last = matches!(said, Said::Broken(_));
        if to.send(said).is_err() || last {
            return;
        }
    }
}

/// Reads a stream to its end and keeps the last bytes of it.
fn keep_end(mut stream: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut part = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut part) {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(&part[..count]);
        let surplus = kept.len().saturating_sub(KEPT_STDERR_BYTES);
        kept.drain(..surplus);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(300);
    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> TrialProcess {
        let command = ["sh".into(), "-c".into(), script.into()];
        TrialProcess::start(&command, Path::new("."), Cancel::default()).unwrap()
    }

    fn go(script: &str, silence: Duration) -> Result<Reply> {
        shell(script).ask(&Request::Go { go: 1 }, silence)
    }

    fn reason(script: &str, silence: Duration) -> String {
        go(script, silence).unwrap_err().to_string()
    }

    #[test]
    fn question_and_answer() {
        let script =
            r#"read line; [ "$line" = '{"go":1}' ] && echo '{"answered":true}'; read line"#;
        let mut process = shell(script);
        let reply = process.ask(&Request::Go { go: 1 }, PATIENCE).unwrap();
        assert_eq!(reply, Reply::Answered(true));
        process.end();
    }

    #[test]
    fn silence_is_ended() {
        let from = Instant::now();
        let mut process = shell("exec sleep 1000");
        let error = process.ask(&Request::Go { go: 1 }, SOON).unwrap_err();
        assert!(error.to_string().contains("silent for 300ms"), "{error}");
        drop(process);
        assert!(from.elapsed() < PATIENCE);
    }

    #[test]
    fn who_does_not_listen_is_silent_though_the_message_does_not_fit_into_the_pipe() {
        let request = Request::Answer {
            answer: "x".repeat(4 << 20).into(),
            values: false,
            sparse_values: false,
        };
        let from = Instant::now();
        let mut process = shell("exec sleep 1000");
        let error = process.ask(&request, SOON).unwrap_err().to_string();
        assert!(error.contains("silent for"), "{error}");
        drop(process);
        assert!(from.elapsed() < PATIENCE);
    }

    #[test]
    fn death_is_told_with_the_last_words() {
        let told = reason("echo first >&2; echo 'no module named numpy' >&2; exit 3", PATIENCE);
        assert!(
            told.contains("exit status: 3") && told.contains("no module named numpy"),
            "{told}"
        );
        let told = reason("read line; kill -9 $$", PATIENCE);
        assert!(told.contains("signal: 9"), "{told}");
    }

    /// Linux tells of a process in a file of its own.
    #[cfg(target_os = "linux")]
    #[test]
    fn children_end_with_it_whether_it_is_silent_or_gone_before_them() {
        let folder = tempfile::tempdir().unwrap();
        let cases = [("exec sleep 1000", "silent"), ("exit 3", "ended early (exit status: 3)")];
        for (last, told) in cases {
            let file = folder.path().join("child");
            let script = format!("sleep 1000 & echo $! > {}; read line; {last}", file.display());
            let mut process = shell(&script);
            let error = process.ask(&Request::Go { go: 1 }, 4 * SOON).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
            let child = std::fs::read_to_string(&file).unwrap();
            let stat = Path::new("/proc").join(child.trim()).join("stat");
            let lives = || std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z"));
            drop(process);
            let gone = (0..100).any(|_| {
                thread::sleep(Duration::from_millis(10));
                !lives()
            });
            assert!(gone, "{last}");
        }
    }

    #[test]
    fn nonsense_haste_and_floods_are_refused() {
        assert!(reason("read line; echo hello", PATIENCE).contains("'hello'"));
        let mut hasty = shell(r#"echo '{"answered":true}'; read line; read line"#);
        thread::sleep(SOON);
        let error = hasty.ask(&Request::Go { go: 1 }, PATIENCE).unwrap_err();
        assert!(error.to_string().contains("before it was asked"), "{error}");
        assert!(reason("read line; cat /dev/zero", PATIENCE).contains("without an end"));
        assert!(reason(r#"read line; echo '{"failed":"no luck"}'"#, PATIENCE).contains("no luck"));
    }

    #[test]
    fn a_wish_to_stop_is_heard_while_waiting() {
        let cancel = Cancel::default();
        let command = ["sh".into(), "-c".into(), "exec sleep 1000".into()];
        let mut process = TrialProcess::start(&command, Path::new("."), cancel.clone()).unwrap();
        let id = process.id();
        thread::spawn(move || {
            thread::sleep(SOON);
            cancel.cancel();
        });
        let error = process.ask(&Request::Go { go: 1 }, PATIENCE * 10).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        drop(process);
        #[cfg(target_os = "linux")]
        assert!(!std::path::Path::new(&format!("/proc/{id}/task")).exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_that_is_held_runs_in_its_group_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let script = "cat /proc/self/cgroup > groups; read line; echo words >&2; exit 3";
        let held = |command: &[&str]| {
            let command: Vec<_> = command.iter().map(OsString::from).collect();
            TrialProcess::start_held(&command, folder.path(), Cancel::default()).unwrap()
        };
        let mut process = held(&["sh", "-c", script]);
        thread::sleep(SOON);
        assert!(!folder.path().join("groups").exists());
        let Ok(group) = MemoryGroup::create(96 << 20) else { return };
        process.enter(group).unwrap();
        assert_eq!(process.limit_hits(), Some(0));
        let told = process.ask(&Request::Go { go: 1 }, PATIENCE).unwrap_err().to_string();
        assert!(told.contains("(exit status: 3): words"), "{told}");
        let groups = std::fs::read_to_string(folder.path().join("groups")).unwrap();
        assert!(groups.contains(&format!("/arraystore-{}-", std::process::id())), "{groups}");

        let mut process = held(&["/nonexistent/peer"]);
        process.enter(MemoryGroup::create(96 << 20).unwrap()).unwrap();
        let told = process.ask(&Request::Go { go: 1 }, PATIENCE).unwrap_err().to_string();
        assert!(told.contains("/nonexistent/peer") && told.contains("not found"), "{told}");
    }

    #[test]
    fn what_cannot_be_started_is_named() {
        let command = ["/nonexistent/peer".into()];
        let error = TrialProcess::start(&command, Path::new("."), Cancel::default()).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/peer: cannot start"), "{error}");
        assert!(TrialProcess::start(&[], Path::new("."), Cancel::default()).is_err());
    }
}
