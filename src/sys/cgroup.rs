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

use super::limit::{CgroupVersion, OWN_GROUPS, memory_limit_bytes, places};
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

/// A control group that bounds memory, without swap. Removed when dropped, by when its processes must have ended.
#[derive(Debug)]
pub struct MemoryGroup {
    version: CgroupVersion,
    folder: PathBuf,
    limit_bytes: u64,
}

impl MemoryGroup {
    /// Makes a group of `limit_bytes`, which the kernel rounds down to pages: inside this process's own group or, where
    /// that may have none, in the nearest around it that may.
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
                Err(error) => refusal.get_or_insert(error.hint(advice(version))),
            };
        }
        Err(refusal.unwrap_or_else(absent))
    }

    fn create_in(version: CgroupVersion, parent: &Path, limit_bytes: u64) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let refused = |error| {
            let reason = "no control group with a memory limit may be made here";
            Error::new(ErrorKind::PermissionDenied, "create a control group", reason)
                .caused_by(error)
        };
        if version == CgroupVersion::V2 {
            let passed_on = fs::read_to_string(parent.join("cgroup.subtree_control"));
            if !passed_on.map_err(refused)?.split_whitespace().any(|name| name == "memory") {
                return Err(refused(io::Error::other("the memory controller is not passed on")));
            }
        }
        sweep(parent);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&folder).map_err(refused)?;
        let group = Self { version, folder, limit_bytes };
        for (file, value, need) in settings(version, limit_bytes) {
            match group.write(file, value) {
                Err(error) if need == Need::IfThere && error.kind() == io::ErrorKind::NotFound => {}
                written => written.map_err(refused)?,
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
        Self::enter(&self.folder, pid)
            .map_err(|error| Error::io("enter a control group", error).hint(advice(self.version)))
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

    fn enter(folder: &Path, pid: u32) -> io::Result<()> {
        write(&folder.join("cgroup.procs"), u64::from(pid))
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(file)).ok()
    }

    fn write(&self, file: &str, value: u64) -> io::Result<()> {
        write(&self.folder.join(file), value)
    }
}

fn write(file: &Path, value: u64) -> io::Result<()> {
    // Never created: a file that is not there is a limit that is not to be had.
    let mut file = OpenOptions::new().write(true).open(file)?;
    // In one call: the kernel takes each for a value of its own.
    file.write_all(value.to_string().as_bytes())
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
            // The files in it are the kernel's: it is removed as if it were empty. One that a process stays in is
            // left to the next run's `sweep`.
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
        }
    }
}

/// Moves this process out of the control group that bounds its memory, into the outermost one.
///
/// # Errors
/// Where there is none, or this process may not be moved.
pub fn leave_memory_group() -> Result<()> {
    let groups = fs::read_to_string(OWN_GROUPS).map_err(|_| absent())?;
    let (version, outermost) = parents(&groups).last().ok_or_else(absent)?;
    MemoryGroup::enter(&outermost, std::process::id())
        .map_err(|error| Error::io("leave a control group", error).hint(advice(version)))
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

fn absent() -> Error {
    let reason = "this system has no control groups that bound memory";
    Error::new(ErrorKind::Unsupported, "create a control group", reason)
        .hint("run it on Linux, with /sys/fs/cgroup mounted")
}

/// The command that permits to make groups.
fn advice(version: CgroupVersion) -> &'static str {
    match version {
        CgroupVersion::V1 => "run it as root: sudo arraystore compare …",
        CgroupVersion::V2 => {
            "run it as root, or in a scope that may have groups: \
             systemd-run --user --scope -p Delegate=yes arraystore compare …"
        }
    }
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
