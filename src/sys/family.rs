//! A process that leads a group, and what it started: ended together.
//!
//! A group's number is its leader's, which nobody else gets before the leader has been waited for. So the group is ended
//! before that, and never afterwards. A process that leaves the group is not found by it; a control group finds that too.

use std::path::Path;
use std::process::{Child, ExitStatus};

#[cfg(target_os = "linux")]
use procfs::process::Process;

/// How `leader` ended, if it has; what it left behind is ended too. It is to be waited for in no other way.
#[cfg(unix)]
pub fn ended(leader: &mut Child) -> Option<ExitStatus> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(group(leader)?), look).ok()??;
    end(leader)
}

/// Ends `leader` and all that it started.
#[cfg(unix)]
pub fn end(leader: &mut Child) -> Option<ExitStatus> {
    use rustix::process::{Signal, kill_process_group};
    // Fails only where all have ended already.
    let _ = kill_process_group(group(leader)?, Signal::KILL);
    let _ = leader.kill();
    leader.wait().ok()
}

#[cfg(unix)]
fn group(leader: &Child) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(leader.id()).ok()?)
}

/// Whether process `pid` lives: one that has ended and was not waited for does not. None where the system does not tell.
#[cfg(target_os = "linux")]
pub fn lives(pid: u32) -> Option<bool> {
    let process = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok());
    let state = process.and_then(|process| process.stat().ok()).map(|stat| stat.state);
    Some(state.is_some_and(|state| !matches!(state, 'Z' | 'X')))
}

#[cfg(not(target_os = "linux"))]
pub fn lives(_pid: u32) -> Option<bool> {
    None
}

/// The processes that process `pid` started, with those that they started, as far as they live; none where the system does not tell.
#[cfg(target_os = "linux")]
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut asked = vec![pid];
    while let Some(pid) = asked.pop() {
        let process = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok());
        let tasks = process.and_then(|process| process.tasks().ok()).into_iter().flatten();
        for children in tasks.filter_map(|task| task.ok()?.children().ok()) {
            asked.extend(&children);
            found.extend(children);
        }
    }
    found
}

#[cfg(not(target_os = "linux"))]
pub fn descendants(_pid: u32) -> Vec<u32> {
    Vec::new()
}

/// Whether process `pid` has the file at `path`, or one in the folder there, open or mapped.
#[cfg(target_os = "linux")]
pub fn holds(pid: u32, path: &Path) -> bool {
    use procfs::process::{FDTarget, MMapPath};
    let Some(process) = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok()) else {
        return false;
    };
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let is_mapped = |map: &procfs::process::MemoryMap| match &map.pathname {
        MMapPath::Path(mapped) => mapped.starts_with(&path),
        _ => false,
    };
    let opened = process.fd().into_iter().flatten().filter_map(|open| open.ok());
    let is_open = |target: FDTarget| match target {
        FDTarget::Path(open) => open.starts_with(&path),
        _ => false,
    };
    opened.map(|open| open.target).any(is_open)
        || process.maps().is_ok_and(|maps| maps.iter().any(is_mapped))
}

#[cfg(not(target_os = "linux"))]
pub fn holds(_pid: u32, _path: &Path) -> bool {
    false
}

/// Ends process `pid` alone, where it is there and may be ended.
#[cfg(unix)]
pub(super) fn kill(pid: u32) {
    use rustix::process::{Pid, Signal, kill_process};
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    let _ = kill_process(pid, Signal::KILL);
}

#[cfg(not(unix))]
pub(super) fn kill(_pid: u32) {}

/// How often, and after which pauses, [`end_all`] looks whether a process has ended.
#[cfg(target_os = "linux")]
const LOOKS: usize = 50;
#[cfg(target_os = "linux")]
const PAUSE: std::time::Duration = std::time::Duration::from_millis(4);

/// Ends every process that this one started, with the group where it leads one: for a process that itself ends now.
#[cfg(target_os = "linux")]
pub fn end_all() {
    use rustix::process::{Pid, Signal, kill_process_group};
    let this = i32::try_from(std::process::id()).ok();
    for look in 0..LOOKS {
        if look > 0 {
            std::thread::sleep(PAUSE);
        }
        let Ok(processes) = procfs::process::all_processes() else { return };
        let stats = processes.filter_map(|process| process.ok()?.stat().ok());
        let mut is_done = true;
        for child in stats.filter(|stat| Some(stat.ppid) == this) {
            if let Some(group) = Pid::from_raw(child.pid).filter(|_| child.pgrp == child.pid) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            // One that has ended stays until it is waited for.
            if child.state != 'Z' {
                is_done = false;
                kill(child.pid.unsigned_abs());
            }
        }
        if is_done {
            return;
        }
    }
}

/// Nothing: nobody tells which processes these are. A trial that keeps to the protocol ends with its standard input.
#[cfg(not(target_os = "linux"))]
pub fn end_all() {}

/// How `leader` ended, if it has. What it left behind is left alone here: there are no groups.
#[cfg(not(unix))]
pub fn ended(leader: &mut Child) -> Option<ExitStatus> {
    leader.try_wait().ok()?
}

/// Ends `leader`.
#[cfg(not(unix))]
pub fn end(leader: &mut Child) -> Option<ExitStatus> {
    let _ = leader.kill();
    leader.wait().ok()
}
