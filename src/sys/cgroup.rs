//! A control group of one's own that bounds the memory of a process: made, entered, asked, and removed again.
//!
//! Everything in it is files (cgroups(7)): a folder is a group, a number written to one of its files a limit. What the
//! processes in a group take, be it their own memory or the page cache that they are the first to touch, is charged
//! to it; beyond the limit the kernel takes pages of the group back.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use super::family;
use super::limit::{CgroupVersion, OWN_GROUPS, Place, memory_limit_bytes, places};
use super::permit::{absent, advice, is_root, refused};
use crate::error::{Error, ErrorKind, Result};

/// Groups of running and dead programs begin so; the program's id and a number follow.
const PREFIX: &str = "arraystore-";

/// A group whose last process has just ended is busy for a moment: how often it is tried again, and how long after.
const ATTEMPTS: usize = 50;
const PAUSE: Duration = Duration::from_millis(4);

/// By how much memory and swap together may exceed the memory in version 1: more than is ever charged at once (a huge
/// page). Were there no difference, the bound on both would be the one that is reached, and newer kernels do not count
/// how often it is.
const SWAP_SLACK_BYTES: u64 = 4 << 20;

/// A control group that bounds memory, without swap. Removed when dropped; the processes in it, wherever they went, are ended.
#[derive(Debug)]
pub struct MemoryGroup {
    version: CgroupVersion,
    folder: PathBuf,
    limit_bytes: u64,
}

impl MemoryGroup {
    /// Makes a group of `limit_bytes`, which the kernel rounds down to pages: inside this process's own group or, where
    /// that may have none, in the nearest around it that may. In version 2 that group passes the memory controller on from then on.
    ///
    /// # Errors
    /// Where none may be made here, with the command that would permit it as advice; or where this process itself
    /// is bounded more narrowly, so that the limit would not be the one that binds.
    pub fn create(limit_bytes: u64) -> Result<Self> {
        if let Some(own) = memory_limit_bytes().filter(|&own| own < limit_bytes) {
            let reason = format!("this program itself may take {own} bytes of memory only");
            return Err(Error::new(ErrorKind::Unsupported, "create a control group", reason)
                .hint("run it outside of that limit"));
        }
        let groups = fs::read_to_string(OWN_GROUPS).map_err(|_| absent())?;
        let mut refusal = None;
        for (version, parent) in parents(&groups) {
            match Self::create_in(version, &parent, limit_bytes) {
                Ok(group) => return Ok(group),
                // The innermost group's reason is the one that advice helps against.
                Err(error) => {
                    refusal.get_or_insert_with(|| refused(version, &parent, error, is_root()))
                }
            };
        }
        Err(refusal.unwrap_or_else(absent))
    }

    fn create_in(version: CgroupVersion, parent: &Path, limit_bytes: u64) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if version == CgroupVersion::V2 {
            pass_memory_on(parent)?;
        }
        sweep(parent);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        let group = Self { version, folder, limit_bytes };
        for (file, value, need) in settings(version, limit_bytes) {
            match group.write(file, value) {
                Err(error) if need == Need::IfThere && error.kind() == io::ErrorKind::NotFound => {}
                written => written?,
            }
        }
        Ok(group)
    }

    /// The version of control groups that it is one of.
    pub fn version(&self) -> CgroupVersion {
        self.version
    }

    /// Puts process `pid` into the group. What it took before stays charged to the group that it comes from.
    ///
    /// # Errors
    /// Where there is no such process or it may not be moved.
    pub fn add(&self, pid: u32) -> Result<()> {
        enter(&self.folder, pid).map_err(|error| {
            let advice = advice(self.version, &self.folder, error.kind(), is_root());
            Error::io("enter a control group", error).hint(advice)
        })
    }

    /// Whether process `pid` is in the group, and the group's limit is still what it was made with.
    pub fn bounds(&self, pid: u32) -> bool {
        let number = |line: &str| line.trim().parse::<u64>().ok();
        let is_in = self
            .read("cgroup.procs")
            .is_some_and(|text| text.lines().any(|line| number(line) == Some(u64::from(pid))));
        // The kernel rounds it down to pages.
        let limit = self.read(self.version.limit_file()).and_then(|text| number(&text));
        is_in && limit.is_some_and(|limit| limit <= self.limit_bytes)
    }

    /// How often the limit was reached since the group was made; none where the system does not tell.
    pub fn limit_hits(&self) -> Option<u64> {
        match self.version {
            CgroupVersion::V1 => self.read("memory.failcnt")?.trim().parse().ok(),
            CgroupVersion::V2 => count(&self.read("memory.events")?, "max"),
        }
    }

    /// How many pages of files came back into memory that had been taken back not long before; none where the system does
    /// not tell.
    pub fn refaults(&self) -> Option<u64> {
        count(&self.read("memory.stat")?, "workingset_refault_file")
    }

    /// How many of its processes were killed because nothing was left to be taken back; none where the system does not
    /// tell.
    pub fn kills(&self) -> Option<u64> {
        let file = match self.version {
            CgroupVersion::V1 => "memory.oom_control",
            CgroupVersion::V2 => "memory.events",
        };
        count(&self.read(file)?, "oom_kill")
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }

    fn write(&self, file: &str, value: u64) -> io::Result<()> {
        write(&self.folder.join(file), &value.to_string())
    }

    /// Ends whatever is in the groups that this process made, and removes them: for a process that itself ends now.
    pub fn remove_all() {
        let Ok(groups) = fs::read_to_string(OWN_GROUPS) else { return };
        for (_, parent) in parents(&groups) {
            let entries = fs::read_dir(parent).into_iter().flatten().flatten();
            let made = entries.filter(|entry| {
                owner(&entry.file_name().to_string_lossy()) == Some(std::process::id())
            });
            made.for_each(|entry| remove(&entry.path()));
        }
    }
}

fn enter(folder: &Path, pid: u32) -> io::Result<()> {
    write(&folder.join("cgroup.procs"), &pid.to_string())
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    // Never created: a file that is not there is a limit that is not to be had.
    let mut file = OpenOptions::new().write(true).open(file)?;
    // In one call: the kernel takes each for a value of its own.
    file.write_all(text.as_bytes())
}

/// Has the groups inside of `parent`, of version 2, bound memory.
fn pass_memory_on(parent: &Path) -> io::Result<()> {
    let file = parent.join("cgroup.subtree_control");
    if fs::read_to_string(&file)?.split_whitespace().any(|name| name == "memory") {
        return Ok(());
    }
    write(&file, "+memory")
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Removes a group, and ends what is still in it. One that a process stays in all the same is left to the next run's `sweep`.
fn remove(folder: &Path) {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            thread::sleep(PAUSE);
        }
        // The files in it are the kernel's: it is removed as if it were empty.
        if fs::remove_dir(folder).is_ok() {
            return;
        }
        let within = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        // A process that cannot be seen from here is told as 0.
        let within = within.lines().filter_map(|line| line.parse().ok()).filter(|&pid| pid != 0);
        within.filter(|&pid| pid != std::process::id()).for_each(family::kill);
    }
}

/// Moves this process out of the control group that bounds its memory: to where the process is that started it, or into the
/// nearest group around its own that it may enter.
///
/// # Errors
/// Where it is in no such group, or may not be moved.
pub fn leave_memory_group() -> Result<()> {
    let own = fs::read_to_string(OWN_GROUPS).map_err(|_| absent())?;
    // Version 2 has no processes in the group around its own, but in the one that it came from.
    let starter = parent_id().map(|pid| fs::read_to_string(format!("/proc/{pid}/cgroup")));
    let starter = starter.and_then(io::Result::ok).unwrap_or_default();
    let mut refusal = None;
    for (version, folder) in exits(&own, &starter) {
        match enter(&folder, std::process::id()) {
            Ok(()) => return Ok(()),
            // In a container some of these are hidden.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let advice = advice(version, &folder, error.kind(), is_root());
                refusal.get_or_insert(Error::io("leave a control group", error).hint(advice));
            }
        }
    }
    Err(refusal.unwrap_or_else(absent))
}

/// Where a process may go that is in a group of this program's, by the text of `/proc/PID/cgroup` of itself and of the one
/// that started it.
fn exits(own: &str, starter: &str) -> Vec<(CgroupVersion, PathBuf)> {
    let is_ours = |folder: &Path| {
        folder.file_name().is_some_and(|name| owner(&name.to_string_lossy()).is_some())
    };
    let within = |place: &Place| place.folders().next().is_some_and(|folder| is_ours(&folder));
    let Some(left) = places(own).find(within) else { return Vec::new() };
    let version = left.version;
    let from = places(starter).filter(|place| place.version == version);
    let folders = from.chain([left]).flat_map(|place| place.folders().collect::<Vec<_>>());
    folders.filter(|folder| !is_ours(folder)).map(|folder| (version, folder)).collect()
}

#[cfg(unix)]
fn parent_id() -> Option<u32> {
    Some(std::os::unix::process::parent_id())
}

#[cfg(not(unix))]
fn parent_id() -> Option<u32> {
    None
}

/// Whether a setting must be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Always,
    /// Kernels without swap, or that do not account for it, have no such file.
    IfThere,
}

/// What is written to which file of a new group, in this order.
fn settings(version: CgroupVersion, limit_bytes: u64) -> Vec<(&'static str, u64, Need)> {
    let limit = (version.limit_file(), limit_bytes, Need::Always);
    match version {
        // Memory and swap together may never be less than the memory alone, so that comes second.
        CgroupVersion::V1 => vec![
            limit,
            (
                "memory.memsw.limit_in_bytes",
                limit_bytes.saturating_add(SWAP_SLACK_BYTES),
                Need::IfThere,
            ),
            ("memory.swappiness", 0, Need::IfThere),
        ],
        CgroupVersion::V2 => vec![limit, ("memory.swap.max", 0, Need::IfThere)],
    }
}

/// Where a group could be made by a process in `groups`, the text of `/proc/self/cgroup`: its own groups first.
fn parents(groups: &str) -> impl Iterator<Item = (CgroupVersion, PathBuf)> {
    candidates(groups).filter(|(_, folder)| folder.join("cgroup.procs").exists())
}

/// As [`parents`], whether they exist or not.
fn candidates(groups: &str) -> impl Iterator<Item = (CgroupVersion, PathBuf)> {
    let mut places: Vec<_> = places(groups).collect();
    places.sort_by_key(|place| place.version == CgroupVersion::V1);
    places.into_iter().flat_map(|place| {
        let folders = place.folders().map(|folder| (place.version, folder));
        folders.collect::<Vec<_>>()
    })
}

/// The number beside `key` in lines that read `KEY NUMBER`.
fn count(text: &str, key: &str) -> Option<u64> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.find(|(found, _)| *found == key)?.1.trim().parse().ok()
}

/// Removes the groups that dead programs left in `parent`.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let owner = owner(&entry.file_name().to_string_lossy());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            // Fails where a process is in it still.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// The program that made the group called `name`; none if it is no such group.
fn owner(name: &str) -> Option<u32> {
    let (pid, number) = name.strip_prefix(PREFIX)?.split_once('-')?;
    number.parse::<u32>().ok()?;
    pid.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_made_in_ones_own_or_the_nearest_around_it() {
        let groups = "5:cpu,memory:/a/b\n3:cpu:/x\n0::/c\n";
        let found: Vec<_> = candidates(groups).collect();
        let expected = [
            (CgroupVersion::V2, "/sys/fs/cgroup/c"),
            (CgroupVersion::V2, "/sys/fs/cgroup"),
            (CgroupVersion::V1, "/sys/fs/cgroup/memory/a/b"),
            (CgroupVersion::V1, "/sys/fs/cgroup/memory/a"),
            (CgroupVersion::V1, "/sys/fs/cgroup/memory"),
        ];
        let expected = expected.map(|(version, folder)| (version, PathBuf::from(folder)));
        assert!(
            found
                .iter()
                .map(|(version, folder)| (*version, folder.as_path()))
                .eq(expected.iter().map(|(version, folder)| (*version, folder.as_path()))),
            "{found:?}"
        );
        assert_eq!(candidates("3:cpu:/x\n").count(), 0);
    }

    #[test]
    fn a_group_is_left_for_where_it_was_started_then_for_what_is_around_it() {
        let folders = |own, starter| {
            let exits = exits(own, starter).into_iter();
            exits.map(|(_, folder)| folder.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let own = "4:memory:/x\n0::/user/arraystore-12-0\n";
        let around = ["/sys/fs/cgroup/user", "/sys/fs/cgroup/"];
        let beside = ["/sys/fs/cgroup/user/scope", "/sys/fs/cgroup/user", "/sys/fs/cgroup/"];
        let found = folders(own, "4:memory:/y\n0::/user/scope\n");
        assert_eq!(found, [&beside[..], &around].concat());
        // Who was started by one that is in the group itself, or by one that is not seen.
        assert_eq!(folders(own, own), [around, around].concat());
        assert_eq!(folders(own, ""), around);
        assert_eq!(folders("0::/user/scope\n", "0::/user\n"), [""; 0]);
    }

    #[test]
    fn the_memory_controller_is_passed_on_where_it_is_not_yet() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("cgroup.subtree_control");
        assert!(pass_memory_on(parent.path()).is_err() && !file.exists());
        for (there, then) in [("cpu memory pids", "cpu memory pids"), ("", "+memory")] {
            fs::write(&file, there).unwrap();
            pass_memory_on(parent.path()).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), then);
        }
    }

    #[test]
    fn each_version_has_its_own_files_and_no_swap() {
        let named = |version| settings(version, 96 << 20);
        assert_eq!(
            named(CgroupVersion::V1),
            [
                ("memory.limit_in_bytes", 96 << 20, Need::Always),
                ("memory.memsw.limit_in_bytes", 100 << 20, Need::IfThere),
                ("memory.swappiness", 0, Need::IfThere),
            ]
        );
        assert_eq!(
            named(CgroupVersion::V2),
            [("memory.max", 96 << 20, Need::Always), ("memory.swap.max", 0, Need::IfThere)]
        );
    }

    #[test]
    fn events_are_counted_by_their_names() {
        let events = "low 0\nhigh 0\nmax 1234\noom 2\noom_kill 1\noom_group_kill 0\n";
        assert_eq!((count(events, "max"), count(events, "oom_kill")), (Some(1234), Some(1)));
        let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!((count(control, "oom_kill"), count(control, "max")), (Some(3), None));
    }

    #[test]
    fn only_groups_of_this_program_have_an_owner() {
        assert_eq!(owner("arraystore-12-0"), Some(12));
        for name in ["arraystore-12", "arraystore-a-0", "arraystore-12-b", "other-12-0", ""] {
            assert_eq!(owner(name), None, "{name}");
        }
    }

    /// Where groups may be made, a process is moved, bounded and counted; elsewhere it is said what would permit it.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_kept_in_its_group() {
        use std::process::{Command, Stdio};
        let group = match MemoryGroup::create(96 << 20) {
            Ok(group) => group,
            Err(error) => {
                assert!(error.advice().is_some(), "{error}");
                return;
            }
        };
        let name = group.folder.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(owner(&name), Some(std::process::id()));
        // A string that doubles until the process is killed.
        let script = "read go; s=0123456789abcdef; while :; do s=$s$s; done";
        let mut child =
            Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
        group.add(child.id()).unwrap();
        let groups = fs::read_to_string(format!("/proc/{}/cgroup", child.id())).unwrap();
        assert!(groups.contains(&name), "{groups}");
        assert_eq!(
            (group.limit_hits(), group.kills(), group.refaults()),
            (Some(0), Some(0), Some(0))
        );
        assert!(group.bounds(child.id()) && !group.bounds(std::process::id()));
        group.write(group.version.limit_file(), 97 << 20).unwrap();
        assert!(!group.bounds(child.id()), "the limit was raised");
        group.write(group.version.limit_file(), 96 << 20).unwrap();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(group.limit_hits() > Some(0) && group.kills() == Some(1), "{group:?}");
        let folder = group.folder.clone();
        drop(group);
        assert!(!folder.exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_in_a_group_ends_with_it_in_whatever_session_it_is() {
        use std::process::{Command, Stdio};
        let Ok(group) = MemoryGroup::create(96 << 20) else { return };
        // The second process leads a session of its own; nobody has its number but the kernel.
        let script = "read go; setsid sleep 1000 & exec sleep 1000";
        let mut child =
            Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
        group.add(child.id()).unwrap();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let within = || group.read("cgroup.procs").unwrap().lines().count();
        let both = (0..500).any(|_| {
            thread::sleep(PAUSE);
            within() == 2
        });
        assert!(both, "{}", within());
        let folder = group.folder.clone();
        drop(group);
        assert!(!folder.exists());
        assert!(!child.wait().unwrap().success());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_dead_program_left_is_removed() {
        let Ok(group) = MemoryGroup::create(96 << 20) else { return };
        let parent = group.folder.parent().unwrap();
        // No process has this number: it is beyond the greatest that there is.
        let left = parent.join(format!("{PREFIX}{}-0", u32::MAX));
        fs::create_dir(&left).unwrap();
        let next = MemoryGroup::create(96 << 20).unwrap();
        assert!(!left.exists() && group.folder.exists() && next.folder.exists());
    }
}
