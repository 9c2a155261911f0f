//! A process that leads a group, and what it started: ended together.
//!
//! A group's number is its leader's, which nobody else gets before the leader has been waited for. So the group is ended
//! before that, and never afterwards.

use std::process::{Child, ExitStatus};

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
